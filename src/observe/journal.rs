//! Events as entries of systemd's journal, with their fields as its fields (systemd.journal-fields(7)).
//!
//! The protocol is a datagram for each entry: `NAME=value`, or for a value with line ends its name, its length in eight bytes
//! and the value. What an operator looks for is then one argument of journalctl, `SIPWARD_PEER=fe01.contoso.test`, and a level
//! is one that journalctl can filter by (`-p warning`).
//!
//! The crates of the field come with `tracing` spans or with a second logger; this is all that is needed here.
use super::event::{Event, EventKind};
use super::prefix::level_word;
use super::text::{FIELD_BYTES, bounded, bounded_list, escaped, lossy};
use super::value::Value;
use aws_lc_rs::digest;
use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::LazyLock;
use tracing::Level;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// The ids of all events, in their order.
static IDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = EventKind::ALL.iter();
    all.map(|kind| id_of(kind.row().name)).collect()
});

impl EventKind {
    /// The `MESSAGE_ID` of its entries, 32 hex digits: by it the journal finds them, and a catalog can explain them. Made of
    /// the name, which never changes.
    pub fn message_id(self) -> &'static str {
        IDS.get(self as usize).map_or("", String::as_str)
    }
}

/// A UUID of the version that is for such hashes (RFC 9562 §5.8).
fn id_of(name: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("sipward event {name}").as_bytes());
    let mut text = String::with_capacity(32);
    for (place, byte) in hash.as_ref().iter().take(16).enumerate() {
        let byte = match place {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The number that syslog has for a level.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The journal of systemd.
pub struct Journal {
    socket: UnixDatagram,
    /// One entry, kept for its memory.
    entry: Vec<u8>,
}

impl Journal {
    /// The journal that listens at this path.
    ///
    /// # Errors
    /// None does.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self {
            socket,
            entry: Vec::new(),
        })
    }

    /// Sends an event with its line; whether the journal has taken it. It waits for a journal that is behind, as for a
    /// reader of standard error.
    pub(super) fn send(&mut self, event: &Event, line: &[u8]) -> bool {
        self.entry.clear();
        write(event, line, &mut self.entry);
        loop {
            match self.socket.send(&self.entry) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A journal that was restarted has another socket at the same place.
                Err(_) => return self.reconnect() && self.socket.send(&self.entry).is_ok(),
            }
        }
    }

    fn reconnect(&self) -> bool {
        self.socket.connect(SOCKET).is_ok()
    }
}

/// One entry. What a remote chose is bounded and escaped as in a line: a terminal may be at the end of the journal too.
fn write(event: &Event, line: &[u8], out: &mut Vec<u8>) {
    let level = event.level();
    // The fields that every program's entries have.
    field("PRIORITY", priority(level).to_string().as_bytes(), out);
    field("SYSLOG_IDENTIFIER", b"sipward", out);
    field("MESSAGE_ID", event.kind().message_id().as_bytes(), out);
    field("MESSAGE", line, out);
    field("SIPWARD_EVENT", event.name().as_bytes(), out);
    field("SIPWARD_LEVEL", level_word(level).as_bytes(), out);
    event.fields(&mut |key, value| {
        let name = format!("SIPWARD_{}", key.name.to_ascii_uppercase());
        let mut text = |text: &str| field(&name, escaped(text).as_bytes(), out);
        match value {
            Value::Text(value) => text(&bounded(value.into(), FIELD_BYTES)),
            Value::Bytes(value) => text(&lossy(value, FIELD_BYTES)),
            Value::Address(value) => text(&value.to_string()),
            Value::Number(value) => text(&value.to_string()),
            Value::Flag(value) => text(&value.to_string()),
            // A field of the journal may have several values.
            Value::List(items) => bounded_list(key, items).iter().for_each(|item| text(item)),
        }
    });
}

/// One field. A value without a line end is written on the field's own line, which is what nearly all are.
fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::log::Log;
    use super::super::sink::Sink;
    use super::*;
    use crate::topology::LogSettings;
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    /// An entry as the journal reads it.
    fn read(mut entry: &[u8]) -> BTreeMap<String, Vec<String>> {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while !entry.is_empty() {
            let end = entry.iter().position(|b| b"=\n".contains(b)).unwrap();
            let (name, rest) = entry.split_at(end);
            let (value, rest) = match rest[0] {
                b'=' => {
                    let end = rest.iter().position(|b| *b == b'\n').unwrap();
                    (&rest[1..end], &rest[end..])
                }
                _ => {
                    let length = u64::from_le_bytes(rest[1..9].try_into().unwrap()) as usize;
                    (&rest[9..9 + length], &rest[9 + length..])
                }
            };
            assert_eq!(rest[0], b'\n');
            fields.entry(text(name)).or_default().push(text(value));
            entry = &rest[1..];
        }
        fields
    }

    #[test]
    fn an_event_is_an_entry_with_its_fields_and_nothing_that_a_remote_wrote_makes_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let sink = Sink::Journal(Journal::connect(&path).unwrap());
        let (log, guard) = Log::start(&LogSettings::default(), 16, sink);
        log.record(Event::Warning {
            reason: "log_file_failed".into(),
            detail: "a\nPRIORITY=0\nb \u{1b}[2J".to_owned(),
        });
        log.record(Event::Reload {
            generation: 2,
            trigger: "signal",
            result: "refused",
            took: Duration::from_micros(7),
            details: vec!["one".to_owned(), "two".to_owned()],
            served: vec![],
        });
        let mut buffer = [0; 65_536];
        let mut next = || {
            let length = journal.recv(&mut buffer).unwrap();
            read(&buffer[..length])
        };
        let warning = next();
        assert_eq!(warning["PRIORITY"], ["4"]);
        assert_eq!(warning["SYSLOG_IDENTIFIER"], ["sipward"]);
        assert_eq!(warning["SIPWARD_EVENT"], ["warning"]);
        assert_eq!(warning["MESSAGE_ID"], [EventKind::Warning.message_id()]);
        let detail = &warning["SIPWARD_DETAIL"][0];
        assert_eq!(detail, "a\\nPRIORITY=0\\nb \\u{1b}[2J");
        // The line stays what programs read.
        let line: serde_json::Value = serde_json::from_str(&warning["MESSAGE"][0]).unwrap();
        assert_eq!(line["event"], "warning");
        let reload = next();
        assert_eq!(reload["PRIORITY"], ["3"]);
        assert_eq!(reload["SIPWARD_DETAILS"], ["one", "two"]);
        drop(guard);
    }

    #[test]
    fn what_the_journal_does_not_take_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        let sink = Sink::Journal(Journal::connect(&path).unwrap());
        drop(journal);
        let (log, guard) = Log::start(&LogSettings::default(), 16, sink);
        log.record(Event::Ready { generation: 1 });
        drop(guard);
        assert_eq!(log.lost(), 1);
    }

    #[test]
    fn every_event_has_an_id_of_its_own() {
        let ids: BTreeSet<_> = EventKind::ALL
            .iter()
            .map(|kind| kind.message_id())
            .collect();
        assert_eq!(ids.len(), EventKind::ALL.len());
        assert!(ids.iter().all(|id| id.len() == 32));
        // Whoever filters by one relies on it.
        assert_eq!(EventKind::Start.message_id(), id_of("start"));
    }
}
