//! An event written as one line: JSON for programs, or aligned text for a terminal.
use super::text::{FIELD_OCTETS, acts_on_reader, bounded, is_plain, lossy};
use super::{Event, Value, table};
use crate::sip::{write_decimal, write_ip};
use serde::ser::Serialize as _;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Octets of all items of a list in a field, counted as JSON writes them. With the other fields a line stays below the
/// 48 KiB at which the journal would cut it in two.
const LIST_OCTETS: usize = 4 * 1024;
/// The same for `details`, which an operator needs to mend a topology.
const DETAILS_OCTETS: usize = 24 * 1024;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    Human,
}

/// Appends the line of an event that happened at `at`, its newline included.
pub(super) fn write(shape: Shape, at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    match shape {
        Shape::Json => json(at, event, out),
        Shape::Human => human(at, event, out),
    }
}

/// Written by hand but for what needs an escape, which serde_json knows: nearly every field is plain text.
fn json(at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ts\":\"");
    out.extend_from_slice(&timestamp(at));
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(level_word(event.level()).as_bytes());
    out.extend_from_slice(b"\",\"event\":\"");
    out.extend_from_slice(event.name().as_bytes());
    out.push(b'"');
    event.fields(&mut |name, value| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json_value(name, value, out);
    });
    out.extend_from_slice(b"}\n");
}

fn json_value(name: &str, value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => json_text(&bounded(text.into(), FIELD_OCTETS), out),
        Value::Octets(octets) => json_text(&lossy(octets, FIELD_OCTETS), out),
        Value::Address(address) => {
            out.push(b'"');
            write_address(address, out);
            out.push(b'"');
        }
        Value::Number(number) => write_decimal(number, out),
        Value::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::List(items) => {
            out.push(b'[');
            for (number, item) in bounded_list(name, items).iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                json_text(item, out);
            }
            out.push(b']');
        }
    }
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    if is_plain(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec cannot fail.
        let _ = text.serialize(&mut serde_json::Serializer::with_formatter(out, EscapeAll));
    }
}

fn write_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(address) => {
            write_ip((*address.ip()).into(), out);
            out.push(b':');
            write_decimal(u64::from(address.port()), out);
        }
        SocketAddr::V6(address) => {
            // Writing to a Vec cannot fail.
            let _ = io::Write::write_fmt(out, format_args!("{address}"));
        }
    }
}

/// As many items as fit, and how many did not.
fn bounded_list<'i>(name: &str, items: &'i [String]) -> Vec<Cow<'i, str>> {
    let mut room = if name == "details" {
        DETAILS_OCTETS
    } else {
        LIST_OCTETS
    };
    let mut fitting = Vec::new();
    for item in items {
        let item = bounded(item.as_str().into(), FIELD_OCTETS);
        // An item's worst case is its bound, so this much is never exceeded.
        let octets = escaped_octets(&item) + 3;
        if octets > room {
            let left_out = items.len() - fitting.len();
            fitting.push(format!("… and {left_out} more").into());
            break;
        }
        room -= octets;
        fitting.push(item);
    }
    fitting
}

fn escaped_octets(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX / 2, |json| {
        json.len() + 6 * text.chars().filter(|c| acts_on_reader(*c)).count()
    })
}

/// serde_json's compact form, with every character that [`acts_on_reader`] escaped as well: serde_json itself leaves
/// DEL, C1 and the marks of direction as they are.
struct EscapeAll;

impl serde_json::ser::Formatter for EscapeAll {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain(fragment.as_bytes()) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| acts_on_reader(*c)) {
            let (before, from) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = from.split_at(c.len_utf8()).1;
        }
        out.write_all(rest.as_bytes())
    }
}

/// One line for a terminal; the items of `details` follow it, one indented line each.
fn human(at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    let mut line = String::with_capacity(256);
    // Writing to a String does not fail.
    let _ = write!(
        line,
        "{} {:<5} {:<18}",
        String::from_utf8_lossy(&timestamp(at)),
        level_word(event.level()),
        event.name()
    );
    let mut below = String::new();
    event.fields(&mut |name, value| {
        if !table::field(name).is_none_or(|field| field.human) {
            return;
        }
        let _ = match value {
            Value::List(items) if name == "details" => bounded_list(name, items)
                .iter()
                .try_for_each(|item| write!(below, "\n    {}", Shown(item))),
            Value::List(items) => {
                let items: Vec<String> = bounded_list(name, items)
                    .iter()
                    .map(|item| word(item))
                    .collect();
                write!(line, " {name}={}", items.join(","))
            }
            Value::Text(text) => write!(
                line,
                " {name}={}",
                word(&bounded(text.into(), FIELD_OCTETS))
            ),
            Value::Octets(octets) => write!(line, " {name}={}", word(&lossy(octets, FIELD_OCTETS))),
            Value::Address(address) => write!(line, " {name}={address}"),
            Value::Number(number) => write!(line, " {name}={number}"),
            Value::Flag(flag) => write!(line, " {name}={flag}"),
        };
    });
    out.extend_from_slice(line.trim_end().as_bytes());
    out.extend_from_slice(below.as_bytes());
    out.push(b'\n');
}

/// A value as it is when it is one plain word, else in quotes.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", Shown(&escaped))
}

/// Text with every character that [`acts_on_reader`] written as its code point.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            c if acts_on_reader(c) => write!(f, "{}", c.escape_unicode()),
            c => f.write_char(c),
        })
    }
}

fn level_word(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        _ => "debug",
    }
}

/// RFC 3339 in UTC with microseconds.
fn timestamp(at: SystemTime) -> [u8; 27] {
    let at = time::OffsetDateTime::from(at);
    let date = (u64::from(at.year().unsigned_abs()) * 100 + u64::from(u8::from(at.month()))) * 100
        + u64::from(at.day());
    let seconds =
        (u64::from(at.hour()) * 100 + u64::from(at.minute())) * 100 + u64::from(at.second());
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let (day, moment) = text.split_at_mut("0000-00-00T".len());
    fill(day, date);
    fill(moment, seconds * 1_000_000 + u64::from(at.microsecond()));
    text
}

/// Puts the digits of a number in the place of the zeros.
fn fill(text: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in text.iter_mut().rev().filter(|octet| **octet == b'0') {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_is_rfc_3339_with_microseconds() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_763_956_800, 1_002_003);
        assert_eq!(&timestamp(at), b"2025-11-24T04:00:00.001002Z");
    }

    #[test]
    fn a_plain_event_reads_as_expected_in_both_shapes() {
        let event = Event::Listening {
            listener: "edge one".to_owned(),
            address: ([127, 0, 0, 1], 5061).into(),
            accept: "both",
        };
        let mut out = Vec::new();
        write(Shape::Json, SystemTime::UNIX_EPOCH, &event, &mut out);
        write(Shape::Human, SystemTime::UNIX_EPOCH, &event, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"ts\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"info\",\"event\":\"listening\",\
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
        write(Shape::Human, SystemTime::UNIX_EPOCH, &event, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("took_us=7\n    a.toml:3: x\\ny\n    b\n"),
            "{text}"
        );
        assert!(text.contains("error reload"));
    }
}
