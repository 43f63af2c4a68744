//! How the values of a key are compared and shown: for what a reload changes, and for what waits for a restart.
use super::key::{Key, Presence, ValueType};
use crate::topology::quantity::{show_duration, show_size};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The value of a key in one generation.
///
/// Made on demand and dropped at once: a reload compares the generations once.
#[derive(PartialEq, Eq)]
pub(crate) enum ShownValue {
    /// The key is not there, and has no default.
    Absent,
    /// As it is shown.
    Text(String),
    /// A number; bytes if the key is a size.
    Number(u64),
    /// A duration.
    Duration(Duration),
    /// Entries: what came and what went is shown.
    List(Vec<String>),
    /// What is too long or too secret to be shown: that it differs is all that is said. A digest, since there may be very
    /// many peers, and most of them are the same in both generations.
    Digest(u64),
}

impl ShownValue {
    /// A value that only its digest stands for.
    ///
    /// The hash is not keyed. Nobody gains from two settings of his own file that collide.
    pub(crate) fn digest(value: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self::Digest(hasher.finish())
    }

    /// Something that has a text.
    pub(crate) fn text(value: &impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// A list of what has texts.
    ///
    /// In the order of the file: where order has a meaning, a change of it is a change.
    pub(crate) fn list<'t, T: ToString + 't>(values: impl IntoIterator<Item = &'t T>) -> Self {
        Self::List(values.into_iter().map(ToString::to_string).collect())
    }
}

/// What can be shown without further ado.
pub(crate) trait Show {
    /// The value.
    fn show(&self) -> ShownValue;
}

impl Show for bool {
    fn show(&self) -> ShownValue {
        ShownValue::text(self)
    }
}

impl Show for usize {
    fn show(&self) -> ShownValue {
        ShownValue::Number(u64::try_from(*self).unwrap_or(u64::MAX))
    }
}

macro_rules! numbers {
    ($($type:ty),+) => { $(
        impl Show for $type {
            fn show(&self) -> ShownValue {
                ShownValue::Number(u64::from(*self))
            }
        }
    )+ };
}
numbers!(u8, u16);

impl Show for Duration {
    fn show(&self) -> ShownValue {
        ShownValue::Duration(*self)
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> ShownValue {
        self.as_ref().map_or(ShownValue::Absent, Show::show)
    }
}

/// How a key of an item of two generations is compared. The context is what references of the item lead into.
///
/// Most rows compare by value. `Change` is for what is compared by content but shown by something else,
/// such as certificates.
pub(crate) enum Compare<C: 'static, T: 'static> {
    /// Another key of the same section, or the diff of the whole section, speaks for it.
    Elsewhere,
    /// By its value.
    Value(fn(&C, &T) -> ShownValue),
    /// By a function of its own, which also finds the words.
    Change(fn(&T, &T) -> Option<String>),
}

/// A section that is compared key by key.
pub(crate) trait Compared {
    /// What references of an item lead into.
    type Context: 'static;
    /// What the section is loaded into.
    type Item: 'static;
    /// Its keys.
    const ROWS: &'static [Key];
    /// How two generations are compared in each of them.
    const COMPARE: &'static [Compare<Self::Context, Self::Item>];
}

/// What differs between two items of one name, in the order of the table.
///
/// Both topologies are passed along, since references of an item lead into its own generation: position
/// 3 may be another identity there.
pub(crate) fn differences<K: Compared>(
    (before, old): (&K::Context, &K::Item),
    (after, new): (&K::Context, &K::Item),
) -> Vec<String> {
    let rows = K::ROWS.iter().zip(K::COMPARE);
    rows.filter_map(|(key, compare)| match compare {
        Compare::Elsewhere => None,
        Compare::Change(change) => change(old, new),
        Compare::Value(value) => key.change(&value(before, old), &value(after, new)),
    })
    .collect()
}

impl Key {
    /// A value as an operator reads it.
    ///
    /// Without the backticks that the docs have.
    pub(crate) fn show(&self, shown: &ShownValue) -> String {
        match shown {
            // What holds without the key is what the operator has now, so the change is from that.
            ShownValue::Absent => match self.presence {
                Presence::Optional(instead) => instead.replace('`', ""),
                Presence::Required | Presence::Default(_) => {
                    self.value.never().unwrap_or("none").to_owned()
                }
            },
            ShownValue::Text(text) => text.clone(),
            ShownValue::Number(number) if matches!(self.value, ValueType::Size(..)) => {
                show_size(*number)
            }
            ShownValue::Number(number) => number.to_string(),
            ShownValue::Duration(duration) => show_duration(*duration),
            ShownValue::List(entries) => entries.join(", "),
            ShownValue::Digest(_) => String::new(),
        }
    }

    /// What became of a value, if it is another one.
    ///
    /// A list shows what came and went, which is what an operator looks for in a long one; a digest
    /// shows that something did.
    pub(crate) fn change(&self, old: &ShownValue, new: &ShownValue) -> Option<String> {
        if old == new {
            return None;
        }
        let name = self.name;
        Some(match (old, new) {
            // One side may be absent, as when a table comes or goes.
            (ShownValue::Digest(_), _) | (_, ShownValue::Digest(_)) => name.to_owned(),
            (ShownValue::List(old), ShownValue::List(new)) => {
                format!("{name} {}", came_and_went(old, new))
            }
            _ => format!("{name} {} becomes {}", self.show(old), self.show(new)),
        })
    }
}

/// `+a -b` for what came and went in a list, or `order` when nothing did.
///
/// Sets, because lists of domains may have thousands of entries.
pub(crate) fn came_and_went(old: &[String], new: &[String]) -> String {
    let (older, newer): (HashSet<&String>, HashSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let came = new
        .iter()
        .filter(|entry| !older.contains(entry))
        .map(|entry| format!("+{entry}"));
    let went = old
        .iter()
        .filter(|entry| !newer.contains(entry))
        .map(|entry| format!("-{entry}"));
    let signed: Vec<String> = came.chain(went).collect();
    if signed.is_empty() {
        return "order".to_owned();
    }
    signed.join(" ")
}

impl ShownValue {
    /// As a number: things, bytes or milliseconds.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Duration(duration) => u64::try_from(duration.as_millis()).ok(),
            Self::Absent | Self::Text(_) | Self::List(_) | Self::Digest(_) => None,
        }
    }
}
