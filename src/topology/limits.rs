//! `[limits]`: one table of every bound with its range and meaning; reading, docs and `check` follow it.
use super::Limits;
use super::TopologyReason;
use super::findings::{Findings, Source};
use super::quantity::{duration, show_duration, show_size, size};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a limit lives, by unit.
pub(crate) enum Slot<'a> {
    /// A number of things.
    Count(&'a mut usize),
    /// A number of octets.
    Octets(&'a mut usize),
    /// A duration; the range counts milliseconds.
    Time(&'a mut Duration),
}

impl Slot<'_> {
    /// As a number: things, octets or milliseconds.
    fn value(&self) -> u64 {
        match self {
            Self::Count(n) | Self::Octets(n) => u64::try_from(**n).unwrap_or(u64::MAX),
            Self::Time(d) => u64::try_from(d.as_millis()).unwrap_or(u64::MAX),
        }
    }
    fn set(&mut self, value: u64) {
        match self {
            Self::Count(n) | Self::Octets(n) => **n = usize::try_from(value).unwrap_or(usize::MAX),
            Self::Time(d) => **d = Duration::from_millis(value),
        }
    }
    /// A number of this unit as an operator writes it.
    fn show(&self, value: u64) -> String {
        match self {
            Self::Count(_) => value.to_string(),
            Self::Octets(_) => show_size(value),
            Self::Time(_) => show_duration(Duration::from_millis(value)),
        }
    }
}

/// A row of the table.
pub(crate) struct Row {
    /// The key in `[limits]`.
    pub(crate) key: &'static str,
    /// The field.
    pub(crate) slot: fn(&mut Limits) -> Slot<'_>,
    /// The least value, in things, octets or milliseconds.
    pub(crate) least: u64,
    /// The greatest value.
    pub(crate) most: u64,
    /// What it bounds, for the docs.
    pub(crate) meaning: &'static str,
}

const fn row(
    key: &'static str,
    slot: fn(&mut Limits) -> Slot<'_>,
    (least, most): (u64, u64),
    meaning: &'static str,
) -> Row {
    Row {
        key,
        slot,
        least,
        most,
        meaning,
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// Below this no handshake on loopback would succeed; above it a slow sender holds memory for too long.
const WAIT: (u64, u64) = (10, 3_600_000);
/// An idle client may be silent for as long as its registration lasts, a week at most.
const IDLE: (u64, u64) = (10, 7 * 86_400_000);
/// A link id has 24 bits for its slot in a shard.
const SLOTS: (u64, u64) = (1, 16_000_000);
const GATHER: (u64, u64) = (0, 100_000);

/// Every limit, in the order of the docs.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row(
        "head_bytes",
        |l| Slot::Octets(&mut l.head_bytes),
        (KIB, MIB),
        "Octets of a message up to the end of its header fields.",
    ),
    row(
        "body_bytes",
        |l| Slot::Octets(&mut l.body_bytes),
        (KIB, 64 * MIB),
        "Octets of a message body.",
    ),
    row(
        "head_timeout",
        |l| Slot::Time(&mut l.head_timeout),
        WAIT,
        "From the first octet of a message to the end of its head.",
    ),
    row(
        "body_timeout",
        |l| Slot::Time(&mut l.body_timeout),
        WAIT,
        "From the first octet of a message to the end of its body.",
    ),
    row(
        "handshake_timeout",
        |l| Slot::Time(&mut l.handshake_timeout),
        WAIT,
        "From accepting a connection to the end of its handshake.",
    ),
    row(
        "handshakes",
        |l| Slot::Count(&mut l.handshakes),
        (1, 100_000),
        "Handshakes at a time in each shard.",
    ),
    row(
        "connections",
        |l| Slot::Count(&mut l.connections),
        SLOTS,
        "Inbound connections in each shard.",
    ),
    row(
        "connections_per_source",
        |l| Slot::Count(&mut l.connections_per_source),
        SLOTS,
        "Connections from one source address, all shards together.",
    ),
    row(
        "gather",
        |l| Slot::Count(&mut l.gather),
        GATHER,
        "Connections that a shard may have more than the emptiest one before the next shard gets some: little traffic costs least on one core. 0 spreads them evenly.",
    ),
    row(
        "client_idle",
        |l| Slot::Time(&mut l.client_idle),
        IDLE,
        "A client connection without a message or keep-alive is closed after this.",
    ),
    row(
        "first_message",
        |l| Slot::Time(&mut l.first_message),
        WAIT,
        "A new client connection must send its first message within this.",
    ),
    row(
        "connect_timeout",
        |l| Slot::Time(&mut l.connect_timeout),
        WAIT,
        "To resolve, connect and shake hands with one address of a peer.",
    ),
    row(
        "backoff_min",
        |l| Slot::Time(&mut l.backoff_min),
        WAIT,
        "First pause after a failed connect; it doubles up to `backoff_max`.",
    ),
    row(
        "backoff_max",
        |l| Slot::Time(&mut l.backoff_max),
        WAIT,
        "Longest pause between connects to a peer.",
    ),
    row(
        "connect_queue",
        |l| Slot::Count(&mut l.connect_queue),
        (1, 1_000_000),
        "Requests that wait for one peer's connect, in each shard.",
    ),
    row(
        "send_queue",
        |l| Slot::Octets(&mut l.send_queue),
        (4 * KIB, 1024 * MIB),
        "Octets waiting for a socket before no new request goes there; at twice that it is closed.",
    ),
    row(
        "transactions",
        |l| Slot::Count(&mut l.transactions),
        SLOTS,
        "Transactions at a time in each shard; requests of dialogs may take an eighth more, BYE two.",
    ),
    row(
        "transactions_per_client",
        |l| Slot::Count(&mut l.transactions_per_client),
        (1, 1_000_000),
        "Transactions at a time from one client connection; requests of dialogs may take an eighth more, BYE two; as many BENOTIFY a second, which leave none.",
    ),
    row(
        "drain",
        |l| Slot::Time(&mut l.drain),
        WAIT,
        "How long SIGTERM lets transactions finish.",
    ),
    row(
        "log_queue",
        |l| Slot::Count(&mut l.log_queue),
        (16, 1_000_000),
        "Log lines waiting for the writer; what comes on top is dropped and counted.",
    ),
];

/// Reads the section over the defaults.
pub(super) fn read(
    raw: Option<&BTreeMap<String, toml::Spanned<toml::Value>>>,
    source: &Source<'_>,
    found: &mut Findings,
) -> Limits {
    let mut limits = Limits::default();
    let Some(raw) = raw else { return limits };
    for row in ROWS {
        if let Some(value) = raw.get(row.key) {
            read_one(row, value, &mut limits, source, found);
        }
    }
    if limits.backoff_min > limits.backoff_max {
        let line = ["backoff_min", "backoff_max"]
            .iter()
            .find_map(|key| raw.get(*key))
            .map_or(1, |value| source.line_of(value));
        found.add(
            TopologyReason::OutOfRange,
            line,
            format!(
                "limits.backoff_min ({}) is longer than limits.backoff_max ({})",
                show_duration(limits.backoff_min),
                show_duration(limits.backoff_max)
            ),
            "make backoff_max the longer of the two",
        );
    }
    limits
}

fn read_one(
    row: &Row,
    value: &toml::Spanned<toml::Value>,
    limits: &mut Limits,
    source: &Source<'_>,
    found: &mut Findings,
) {
    let line = source.line_of(value);
    let key = row.key;
    let mut slot = (row.slot)(limits);
    let number = match (&slot, value.get_ref()) {
        (Slot::Time(_), toml::Value::String(text)) => {
            duration(text).and_then(|d| u64::try_from(d.as_millis()).ok())
        }
        (Slot::Octets(_), toml::Value::String(text)) => size(text),
        (Slot::Octets(_) | Slot::Count(_), toml::Value::Integer(n)) => {
            // What is below zero is below every range.
            Some(u64::try_from(*n).unwrap_or(0))
        }
        _ => None,
    };
    let Some(number) = number else {
        let (code, remedy) = match slot {
            Slot::Time(_) => (
                TopologyReason::InvalidDuration,
                "write a number with a unit: \"500ms\", \"10s\", \"5m\", \"6h\" or \"1d\"",
            ),
            Slot::Octets(_) => (
                TopologyReason::InvalidSize,
                "write octets as a number, or as \"64KiB\" or \"1MiB\"",
            ),
            Slot::Count(_) => (
                TopologyReason::WrongType,
                "write a whole number without quotes",
            ),
        };
        found.add(
            code,
            line,
            format!("limits.{key} = {} cannot be read", value.get_ref()),
            remedy,
        );
        return;
    };
    if number < row.least || number > row.most {
        found.add(
            TopologyReason::OutOfRange,
            line,
            format!("limits.{key} = {} is out of range", value.get_ref()),
            format!(
                "choose {} to {} (default {}). {}",
                slot.show(row.least),
                slot.show(row.most),
                slot.show(slot.value()),
                row.meaning
            ),
        );
        return;
    }
    slot.set(number);
}

/// A limit as `check` and the docs show it.
pub(crate) struct Shown {
    /// The key.
    pub(crate) key: &'static str,
    /// Its value.
    pub(crate) value: String,
    /// Its default.
    pub(crate) default: String,
}

/// Every limit with its default.
pub(crate) fn shown(limits: &Limits) -> Vec<Shown> {
    let mut limits = limits.clone();
    let mut defaults = Limits::default();
    ROWS.iter()
        .map(|row| {
            let slot = (row.slot)(&mut limits);
            let default = (row.slot)(&mut defaults);
            Shown {
                key: row.key,
                value: slot.show(slot.value()),
                default: default.show(default.value()),
            }
        })
        .collect()
}

/// Each limit's key, its number (things, octets or milliseconds), and that as shown.
pub(super) fn numbers(limits: &Limits) -> Vec<(&'static str, u64, String)> {
    let mut limits = limits.clone();
    let numbers = ROWS.iter().map(|row| {
        let slot = (row.slot)(&mut limits);
        (row.key, slot.value(), slot.show(slot.value()))
    });
    numbers.collect()
}

/// The table of docs/topology.md, which a test compares with that file.
#[cfg(test)]
pub(super) fn docs() -> String {
    let mut defaults = Limits::default();
    let rows = ROWS.iter().map(|row| {
        let slot = (row.slot)(&mut defaults);
        let (least, most) = (slot.show(row.least), slot.show(row.most));
        let default = slot.show(slot.value());
        format!(
            "| `{}` | {} | {default} | {least} to {most} |\n",
            row.key, row.meaning
        )
    });
    format!(
        "| key | meaning | default | range |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_in_its_range() {
        let mut limits = Limits::default();
        for row in ROWS {
            let value = (row.slot)(&mut limits).value();
            assert!((row.least..=row.most).contains(&value), "{}", row.key);
        }
    }

    #[test]
    fn every_field_has_exactly_one_row() {
        let mut limits = Limits::default();
        for row in ROWS {
            (row.slot)(&mut limits).set(4_242_424);
        }
        let text = format!("{limits:?}");
        assert_eq!(
            text.matches("4242424").count() + text.matches("4242.424s").count(),
            ROWS.len()
        );
        // What has no row would still show its default.
        assert_eq!(text.matches(':').count(), ROWS.len(), "{text}");
    }
}
