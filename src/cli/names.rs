//! `sipward explain NAME`: a reason code, an event of the log, or a field of its lines, by its current or a former name.
use super::reasons::{self, Described};
use crate::observe::{ALL_KEYS, EventKind, EventRow, FieldKey};
use crate::reason::Reason;
use crate::topology::did_you_mean;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::io::{self, Write};

/// What one name means.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ExplainedName {
    /// A reason code.
    Reason(Described),
    /// An event or a field of the log.
    Log(LogName),
}

/// A row of docs/events.md. In JSON its kind is the key of its name: `{"event":"peer_connected","level":"info",...}`.
#[derive(Clone, Debug)]
pub struct LogName {
    kind: &'static str,
    name: &'static str,
    /// What is known of it. The names are keys of the JSON, so that they stay.
    rows: Vec<(&'static str, Value)>,
}

impl Serialize for LogName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = (self.kind, Value::from(self.name));
        serializer.collect_map(std::iter::once(&name).chain(&self.rows).cloned())
    }
}

impl LogName {
    fn event(kind: EventKind) -> Self {
        let row = kind.row();
        let fields = row.fields();
        // The mark of docs/events.md: left out when it has no value.
        let fields =
            fields.map(|it| format!("{}{}", it.key.name, if it.optional { "?" } else { "" }));
        Self {
            kind: "event",
            name: row.name,
            rows: vec![
                ("level", row.levels().into()),
                ("when", row.when.into()),
                ("fields", fields.collect()),
                ("caused_by", row.limited.who().into()),
                ("lines", row.limited.lines().into()),
                ("counts", row.counts.into()),
                // For `journalctl MESSAGE_ID=...`, and for who writes a catalog.
                ("message_id", kind.message_id().into()),
                ("formerly", json!(row.former)),
            ],
        }
    }

    fn field(key: &FieldKey) -> Self {
        let rows = EventKind::ALL.iter().map(|kind| kind.row());
        let found = |row: &EventRow| row.fields().find(|field| field.key.name == key.name);
        // A key has the same type wherever it stands. The table of keys has no types: these are
        // those of the Rust fields that use a key.
        let kind = rows.clone().find_map(found).map(|field| field.kind.word());
        let events = rows.filter(|row| found(row).is_some()).map(|row| row.name);
        Self {
            kind: "field",
            name: key.name,
            rows: vec![
                ("type", json!(kind)),
                ("meaning", key.meaning.into()),
                ("events", events.collect()),
                ("formerly", key.former.into_iter().collect()),
            ],
        }
    }
}

/// Everything that is called so or once was: the line that is being looked up may have been written by any version.
pub fn of(name: &str) -> Vec<ExplainedName> {
    // Reasons first: scripts that look up a code read the first entry.
    let reasons = reasons::of(name).into_iter().map(ExplainedName::Reason);
    // A line may be of a version in which the event was called otherwise.
    let is_called = |row: &EventRow| row.name == name || row.former.contains(&name);
    let events = EventKind::ALL.iter().copied();
    let events = events.filter(|kind| is_called(kind.row()));
    let fields = ALL_KEYS.iter();
    let fields = fields.filter(|key| key.name == name || key.former == Some(name));
    let log = events.map(LogName::event);
    let log = log.chain(fields.map(|key| LogName::field(key)));
    reasons.chain(log.map(ExplainedName::Log)).collect()
}

/// What to say of a word that is no name.
pub fn unknown(word: &str) -> String {
    let events = EventKind::ALL.iter().map(|kind| kind.row().name);
    let fields = ALL_KEYS.iter().map(|key| key.name);
    let known = Reason::all().map(Reason::code).chain(events).chain(fields);
    format!(
        "no reason code, event or field is called `{word}`{}; docs/reasons.md and docs/events.md list them all",
        did_you_mean(word, known)
    )
}

/// Writes what is known, for people.
pub(super) fn write(meanings: &[ExplainedName], out: &mut dyn Write) -> io::Result<()> {
    for meaning in meanings {
        let (name, about, rows) = match meaning {
            ExplainedName::Reason(reason) => (reason.code, reason.about, reason.rows()),
            ExplainedName::Log(log) => {
                let rows = log.rows.iter();
                let rows = rows.map(|(name, value)| (*name, shown(value)));
                (log.name, log.kind, rows.collect())
            }
        };
        let width = rows.iter().map(|(name, _)| name.len()).max();
        let width = width.unwrap_or_default();
        writeln!(out, "{name}  ({about})")?;
        // Only what is known: most reasons follow from no RFC, and few names had another one before.
        for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "  {name:<width$}  {value}")?;
        }
    }
    Ok(())
}

/// A value of a row: a text, or several.
fn shown(value: &Value) -> String {
    // Numbers and flags do not occur among the rows.
    match value.as_array() {
        Some(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `explain NAME` prints.
    fn page(name: &str) -> String {
        let mut page = Vec::new();
        write(&of(name), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn every_name_of_the_log_is_explained_by_its_current_and_its_former_name() {
        for row in EventKind::ALL.iter().map(|kind| kind.row()) {
            for name in std::iter::once(&row.name).chain(row.former) {
                let page = page(name);
                assert!(page.contains(&format!("{}  (event)\n", row.name)), "{page}");
                assert!(page.contains(row.when), "{page}");
            }
        }
        for key in ALL_KEYS {
            for name in std::iter::once(key.name).chain(key.former) {
                let page = page(name);
                assert!(page.contains(&format!("{}  (field)\n", key.name)), "{page}");
                assert!(page.contains(key.meaning), "{page}");
            }
        }
    }

    #[test]
    fn a_former_event_shows_the_row_of_its_current_name() {
        let page = page("peer_down");
        for line in [
            "peer_disconnected  (event)",
            "  level       warn",
            "  fields      peer, ",
            "  caused_by   a peer",
            "  message_id  4ea287f48f9b8dc4b727ccf40b2e446e",
            "  formerly    peer_down",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
        let json = serde_json::to_value(of("via")).unwrap();
        assert_eq!(json[0]["field"], "listener");
        assert_eq!(json[0]["formerly"], json!(["via"]));
        assert_eq!(json[0]["type"], "text");
    }

    #[test]
    fn an_unknown_word_gets_the_nearest_name() {
        assert!(unknown("alert_unknown_cert").contains("did you mean `alert_"));
        assert!(of("expird").is_empty());
        for (typed, meant) in [
            ("expird", "`expired`"),
            ("peer_conected", "`peer_connected`"),
        ] {
            assert!(unknown(typed).contains(meant), "{}", unknown(typed));
        }
    }
}
