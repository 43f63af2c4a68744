//! An event as one line of JSON, for programs.
use super::call_record::CallRecord;
use super::event::Event;
use super::keys::FieldKey;
use super::prefix::{level_word, timestamp};
use super::text::{FIELD_BYTES, bounded, bounded_list, is_plain, lossy};
use super::value::{FieldGroup, Value};
use crate::sip::{write_decimal, write_ip};
use crate::topology::acts_on_reader;
use serde::ser::Serialize as _;
use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Appends the event's line without its newline.
///
/// Written by hand but for what needs an escape, which serde_json knows: nearly every field is plain text, and a
/// serializer would cost several times as much per line.
pub(super) fn write(at: SystemTime, event: &Event, out: &mut Vec<u8>) {
    // `schema` comes first and is a constant: a reader can tell by the first bytes which names to expect.
    out.extend_from_slice(b"{\"schema\":1,\"ts\":\"");
    out.extend_from_slice(&timestamp(at));
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(level_word(event.level()).as_bytes());
    out.extend_from_slice(b"\",\"event\":\"");
    out.extend_from_slice(event.name().as_bytes());
    out.push(b'"');
    event.fields(&mut |key, value| {
        out.extend_from_slice(key.in_json.as_bytes());
        json_value(key, value, out);
    });
    out.push(b'}');
}

/// The same as a value, for whoever asks for events that were.
pub fn event_as_json(at: SystemTime, event: &Event) -> serde_json::Value {
    let mut line = Vec::new();
    write(at, event, &mut line);
    // It is JSON, which the tests of lines hold.
    serde_json::from_slice(&line).unwrap_or_default()
}

/// What an operator sees of a call that is up.
impl CallRecord {
    /// Its fields by the keys of the log, bounded and escaped as in a line.
    pub fn into_json(self: Box<Self>) -> serde_json::Value {
        object(&self)
    }
}

/// A group of fields as an object.
///
/// Not on the way of a line: an operator asks for it.
fn object(group: &impl FieldGroup) -> serde_json::Value {
    let mut text = b"{".to_vec();
    group.write_all(&mut |key, value| {
        // Its comma belongs to the field before it.
        let is_first = text.len() == 1;
        let name = key.in_json.get(usize::from(is_first)..);
        text.extend_from_slice(name.unwrap_or_default().as_bytes());
        json_value(key, value, &mut text);
    });
    text.push(b'}');
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A value with its bound, in quotes where JSON wants them.
fn json_value(key: &FieldKey, value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) if is_short_and_plain(text.as_bytes()) => quoted(text.as_bytes(), out),
        Value::Bytes(bytes) if is_short_and_plain(bytes) => quoted(bytes, out),
        Value::Text(text) => json_text(&bounded(text.into(), FIELD_BYTES), out),
        Value::Bytes(bytes) => json_text(&lossy(bytes, FIELD_BYTES), out),
        Value::Address(address) => {
            out.push(b'"');
            write_address(address, out);
            out.push(b'"');
        }
        Value::Number(number) => write_decimal(number, out),
        Value::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        // Lists are in rare events only, so the copies of their items do not count.
        Value::List(items) => {
            out.push(b'[');
            for (number, item) in bounded_list(key, items).iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                json_text(item, out);
            }
            out.push(b']');
        }
    }
}

/// Whether a field is written as it is, as nearly all are: one look says so of its bound, its characters and its escapes.
fn is_short_and_plain(text: &[u8]) -> bool {
    text.len() <= FIELD_BYTES && is_plain(text)
}

/// Plain text in quotes.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    // Once for all of it: the quotes ask for no room of their own then.
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// A string. Text that is printable ASCII without quote and backslash is copied as it is.
fn json_text(text: &str, out: &mut Vec<u8>) {
    if is_plain(text.as_bytes()) {
        quoted(text.as_bytes(), out);
    } else {
        // Writing to a Vec cannot fail.
        let _ = text.serialize(&mut serde_json::Serializer::with_formatter(out, EscapeAll));
    }
}

/// An address with port. IPv4 is written by hand: it is in every line of a request.
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
            // As JSON has it: two units beyond the Basic Multilingual Plane.
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = from.split_at(c.len_utf8()).1;
        }
        out.write_all(rest.as_bytes())
    }
}
