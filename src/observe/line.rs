//! An event written as one line, in the format that `[log] format` asks for.
use super::event::Event;
use super::{human, json};
use std::time::SystemTime;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// For programs.
    Json,
    /// For a terminal.
    Human,
}

/// Appends the line of an event that happened at `at`, its newline included.
pub(super) fn write(format: LineFormat, at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    match format {
        LineFormat::Json => json::write(at, event, out),
        LineFormat::Human => human::write(at, event, out),
    }
    // Everything before it was escaped, so this is the only newline that ends a line.
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_plain_event_reads_as_expected_in_both_shapes() {
        let event = Event::Listening {
            listener: "edge one".to_owned(),
            address: ([127, 0, 0, 1], 5061).into(),
            accept: "both",
        };
        let mut out = Vec::new();
        write(LineFormat::Json, SystemTime::UNIX_EPOCH, &event, &mut out);
        write(LineFormat::Human, SystemTime::UNIX_EPOCH, &event, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"schema\":1,\"ts\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"listening\",\
             \"listener\":\"edge one\",\"address\":\"127.0.0.1:5061\",\"accept\":\"both\"}\n\
             1970-01-01T00:00:00.000000Z info  listening          listener=\"edge one\" address=127.0.0.1:5061 \
             accept=both\n"
        );
    }

    #[test]
    fn details_stand_below_the_line_on_a_terminal() {
        let event = Event::Reload {
            generation: 1,
            trigger: "signal",
            result: "refused",
            details: vec!["a.toml:3: x\ny".to_owned(), "b".to_owned()],
            served: vec![],
            took: Duration::from_micros(7),
        };
        let mut out = Vec::new();
        write(LineFormat::Human, SystemTime::UNIX_EPOCH, &event, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("took_us=7\n    a.toml:3: x\\ny\n    b\n"),
            "{text}"
        );
        assert!(text.contains("error reload"));
    }
}
