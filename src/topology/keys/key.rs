//! What one key of the topology file is: the row type from which reading, diff, docs and JSON Schema are made.
use crate::topology::quantity::{show_duration, show_size};
use std::time::Duration;

/// What the value of a key may be. Ranges are part of it, so that reading, docs and JSON Schema agree on them.
///
/// Closed: a new kind of value is a new variant here, and the compiler shows every place that has to
/// learn it.
#[derive(Clone, Copy)]
pub(crate) enum ValueType {
    /// A string that is not blank.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number, from and to.
    Integer(u64, u64),
    /// A number with a unit, from and to in milliseconds, or a word that stands for "not at all".
    Duration(u64, u64, Option<&'static str>),
    /// Bytes, as a number or with `KiB`, `MiB` or `GiB`, from and to.
    Size(u64, u64),
    /// A time of RFC 3339, in quotes or as TOML's date-time.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of strings: at least and at most so many.
    Texts(usize, usize),
    /// A list of these words, of at least so many.
    Words(&'static [&'static str], usize),
    /// A table of whole numbers by name, each from and to.
    Numbers(u64, u64),
    /// A table with these keys.
    Table(&'static [Key]),
    /// One of these words, or a table with these keys.
    WordOrTable(&'static [&'static str], &'static [Key]),
}

/// Text of any content.
pub(crate) const TEXT: ValueType = ValueType::Text;
/// `true` or `false`.
pub(crate) const FLAG: ValueType = ValueType::Flag;
/// A time.
pub(crate) const TIME: ValueType = ValueType::Time;
/// Any number of strings.
pub(crate) const TEXTS: ValueType = ValueType::Texts(0, usize::MAX);
/// One string or more.
pub(crate) const SOME_TEXTS: ValueType = ValueType::Texts(1, usize::MAX);

/// Milliseconds of a second, a minute, an hour and a day, for ranges.
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// A duration from and to, in milliseconds.
pub(crate) const fn duration(least: u64, most: u64) -> ValueType {
    ValueType::Duration(least, most, None)
}

/// What holds when the key is not there.
#[derive(Clone, Copy)]
pub(crate) enum Presence {
    /// The key must be there.
    Required,
    /// What holds instead, in words: it depends on other keys or on the system.
    Optional(&'static str),
    /// This value, as TOML; a function, since a value is turned into text only for docs and messages.
    Default(fn(ValueType) -> String),
}

/// What it takes for a change of the value to count.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// A reload.
    Reload,
    /// A restart: sockets and threads were made with the value.
    Restart,
    /// A reload for one part of it and a restart for another; the meaning states which.
    RestartInPart,
}

/// A key of a section: one row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// As written.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) value: ValueType,
    /// What holds without it.
    pub(crate) presence: Presence,
    /// What a change takes.
    pub(crate) effect: Effect,
    /// What it means, in the docs' Markdown; the first sentence stands for itself, as messages quote it.
    pub(crate) meaning: &'static str,
}

impl Key {
    /// Whether the section is no use without the key.
    pub(crate) fn is_required(&self) -> bool {
        matches!(self.presence, Presence::Required)
    }

    /// The first sentence of the meaning: what a message has room for.
    ///
    /// A meaning may run to several sentences with details that only the docs have room for.
    pub(crate) fn gist(&self) -> &'static str {
        let end = self
            .meaning
            .find(". ")
            .map_or(self.meaning.len(), |at| at + 1);
        self.meaning.get(..end).unwrap_or(self.meaning)
    }
}

impl ValueType {
    /// The least and the greatest number, in the unit of the type, if it has a range.
    pub(crate) fn bounds(self) -> Option<(u64, u64)> {
        let (Self::Integer(least, most)
        | Self::Numbers(least, most)
        | Self::Duration(least, most, _)
        | Self::Size(least, most)) = self
        else {
            return None;
        };
        Some((least, most))
    }

    /// The range as an operator would write its ends.
    pub(crate) fn range(self) -> Option<(String, String)> {
        let (least, most) = self.bounds()?;
        let show = |number: u64| {
            if matches!(self, Self::Duration(..)) {
                show_duration(Duration::from_millis(number))
            } else if matches!(self, Self::Size(..)) {
                show_size(number)
            } else {
                number.to_string()
            }
        };
        Some((show(least), show(most)))
    }

    /// The word that stands for "not at all" beside a duration.
    pub(crate) fn never(self) -> Option<&'static str> {
        let Self::Duration(_, _, never) = self else {
            return None;
        };
        never
    }
}
