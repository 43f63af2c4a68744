//! An event as an aligned line for a terminal.
use super::event::Event;
use super::prefix::{level_word, timestamp};
use super::text::{FIELD_BYTES, bounded, bounded_list, escaped, has_own_lines, lossy};
use super::value::Value;
use std::fmt::Write as _;
use std::time::SystemTime;

/// Appends the event's line without its last newline; the items of `details` follow it, one indented line each.
///
/// A person reads this, one line at a time, so it allocates as it likes.
pub(super) fn write(at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    // The name is padded, so that the fields of most events begin in one column.
    let mut line = String::with_capacity(256);
    // Writing to a String does not fail.
    let _ = write!(
        line,
        "{} {:<5} {:<18}",
        String::from_utf8_lossy(&timestamp(at)),
        level_word(event.level()),
        event.name()
    );
    // What follows on lines of its own, because it is long and many.
    let mut below = String::new();
    event.fields(&mut |key, value| {
        // Long values are for programs: they would push what a person looks for out of the window.
        if !key.on_terminal {
            return;
        }
        let name = key.name;
        let _ = match value {
            Value::List(items) if has_own_lines(key) => bounded_list(key, items)
                .iter()
                .try_for_each(|item| write!(below, "\n    {}", escaped(item))),
            Value::List(items) => {
                let items: Vec<String> = bounded_list(key, items)
                    .iter()
                    .map(|item| word(item))
                    .collect();
                write!(line, " {name}={}", items.join(","))
            }
            Value::Text(text) => {
                write!(line, " {name}={}", word(&bounded(text.into(), FIELD_BYTES)))
            }
            Value::Bytes(bytes) => write!(line, " {name}={}", word(&lossy(bytes, FIELD_BYTES))),
            Value::Address(address) => write!(line, " {name}={address}"),
            Value::Number(number) => write!(line, " {name}={number}"),
            Value::Flag(flag) => write!(line, " {name}={flag}"),
        };
    });
    out.extend_from_slice(line.trim_end().as_bytes());
    out.extend_from_slice(below.as_bytes());
}

/// A value as it is when it is one plain word, else in quotes: so that a reader sees where each ends, and awk can cut it out.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped(&quoted))
}
