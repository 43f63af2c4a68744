//! What a field of an event holds: from a Rust type to the value that a line shows.
use super::keys::FieldKey;
use crate::reason::Reason;
use crate::topology::Direction;
use crate::trust::{MatchedKind, Verdict};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The value of a field, before any bound or escape. It borrows from the event: nothing is copied until the line is
/// written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Text, whoever chose it.
    Text(&'a str),
    /// Bytes that are usually text: what a message holds need not be UTF-8.
    Bytes(&'a [u8]),
    /// An address with port.
    Address(SocketAddr),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(&'a [String]),
}

/// The JSON type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A boolean.
    Flag,
    /// An array of strings.
    List,
}

impl FieldType {
    /// As docs/events.md has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::List => "list of texts",
        }
    }
}

/// A field that an event's line has, or may have.
#[derive(Clone, Copy, Debug)]
pub struct EventField {
    /// Its key.
    pub key: &'static FieldKey,
    /// Its type.
    pub kind: FieldType,
    /// Whether it may be missing.
    pub optional: bool,
}

impl EventField {
    /// The field that a Rust type makes under this key.
    pub(super) const fn of<T: AsField>(key: &'static FieldKey) -> Self {
        Self {
            key,
            kind: T::KIND,
            optional: T::OPTIONAL,
        }
    }
}

/// What one Rust field of an event contributes to its line.
#[derive(Clone, Copy, Debug)]
pub(super) enum LinePart {
    /// One field.
    One(EventField),
    /// Several, all of which may be missing if `optional`.
    Several {
        fields: &'static [EventField],
        optional: bool,
    },
    /// Nothing: it steers something else.
    Unwritten,
}

impl LinePart {
    pub(super) const fn group<T: FieldGroup>() -> Self {
        Self::Several {
            fields: T::FIELDS,
            optional: T::OPTIONAL,
        }
    }

    /// The fields that this is in a line.
    pub(super) fn fields(&self) -> impl Iterator<Item = EventField> + use<> {
        let (one, several, missing) = match *self {
            Self::One(field) => (Some(field), &[][..], false),
            Self::Several { fields, optional } => (None, fields, optional),
            Self::Unwritten => (None, &[][..], false),
        };
        let several = several.iter().map(move |field| EventField {
            optional: field.optional || missing,
            ..*field
        });
        one.into_iter().chain(several)
    }
}

/// Takes the fields of one event, one call each, in the order in which they are written.
pub(super) type Take<'t> = dyn FnMut(&'static FieldKey, Value<'_>) + 't;

/// A Rust type that an event's field may have.
pub(super) trait AsField {
    /// What it is in JSON.
    const KIND: FieldType;
    /// Whether there may be nothing to write.
    const OPTIONAL: bool = false;

    /// Hands over the value; nothing when there is none.
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>);

    /// The text, of a type that is one.
    fn text(&self) -> Option<&str> {
        None
    }

    /// The reason, of a type that is one.
    fn reason(&self) -> Option<Reason> {
        None
    }
}

/// Implements [`AsField`] for types whose value is made by one expression. A type that an event cannot hold yet gets one line
/// here, and the compiler asks for it where the table uses it.
macro_rules! as_field {
    ($( $type:ty : $kind:ident, |$value:ident| $made:expr; )*) => { $(
        impl AsField for $type {
            const KIND: FieldType = FieldType::$kind;
            fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
                let $value = self;
                take(key, $made);
            }
        }
    )* };
}

as_field! {
    u8: Number, |value| Value::Number(u64::from(*value));
    u16: Number, |value| Value::Number(u64::from(*value));
    u32: Number, |value| Value::Number(u64::from(*value));
    u64: Number, |value| Value::Number(*value);
    usize: Number, |value| Value::Number(saturated(*value));
    bool: Flag, |value| Value::Flag(*value);
    SocketAddr: Text, |value| Value::Address(*value);
    PathBuf: Text, |value| Value::Bytes(value.as_os_str().as_encoded_bytes());
    Vec<String>: List, |value| Value::List(value);
    // Words of a fixed list, so that a reader can filter by them.
    Direction: Text, |value| Value::Text(value.word());
    Verdict: Text, |value| Value::Text(value.word());
    MatchedKind: Text, |value| Value::Text(match value {
        MatchedKind::SipUri => "sip_uri",
        MatchedKind::Dns => "dns",
        MatchedKind::Wildcard => "wildcard",
        MatchedKind::CommonName => "common_name",
    });
}

impl AsField for Reason {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        take(key, Value::Text(self.code()));
    }
    fn reason(&self) -> Option<Reason> {
        Some(*self)
    }
}

/// The same for texts.
macro_rules! text_field {
    ($( $type:ty ),*) => { $(
        impl AsField for $type {
            const KIND: FieldType = FieldType::Text;
            fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
                take(key, Value::Text(self));
            }
            fn text(&self) -> Option<&str> {
                Some(self)
            }
        }
    )* };
}

text_field!(&'static str, String, Arc<str>);

/// What a message holds inline, so that a request's event allocates nothing for a usual method or Call-ID.
impl<const N: usize> AsField for SmallVec<[u8; N]> {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        take(key, Value::Bytes(self));
    }
}

/// A key carries its unit at its end, and a duration is written in that unit. The keys are constants, so the compiler picks
/// the unit.
impl AsField for Duration {
    const KIND: FieldType = FieldType::Number;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        let number = if key.name.ends_with("_us") {
            self.as_micros()
        } else if key.name.ends_with("_ms") {
            self.as_millis()
        } else {
            u128::from(self.as_secs())
        };
        take(key, Value::Number(saturated(number)));
    }
}

/// What may be missing is left out of the line: a reader tests for the key, and never meets a `null`.
impl<T: AsField> AsField for Option<T> {
    const KIND: FieldType = T::KIND;
    const OPTIONAL: bool = true;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        if let Some(value) = self {
            value.write(key, take);
        }
    }
    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(T::text)
    }
    fn reason(&self) -> Option<Reason> {
        self.as_ref().and_then(T::reason)
    }
}

/// `u128` and `usize` have no infallible way to `u64`.
///
/// A number that is larger than JSON's readers take is never seen; it is written as the largest.
fn saturated<N: TryInto<u64>>(number: N) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// One Rust value that makes several fields.
pub(super) trait FieldGroup {
    /// The fields, in the order in which they are written.
    const FIELDS: &'static [EventField];
    /// Whether all of them may be missing.
    const OPTIONAL: bool = false;

    /// Hands them over.
    fn write_all(&self, take: &mut Take<'_>);

    /// The name of the peer whose limit counts: the one that it is about, or that has sent it.
    fn peer(&self) -> Option<&str> {
        None
    }
}

impl<T: FieldGroup> FieldGroup for Option<Arc<T>> {
    const FIELDS: &'static [EventField] = T::FIELDS;
    const OPTIONAL: bool = true;
    fn write_all(&self, take: &mut Take<'_>) {
        if let Some(group) = self {
            group.write_all(take);
        }
    }
}
