//! From a checked TOML value to the Rust value that a key holds, and from a default back to TOML.
use super::key::ValueType;
use super::shown::{Show, ShownValue};
use crate::topology::moment::moment;
use crate::topology::quantity::{duration, show_duration, show_size, size};
use rustls_pki_types::UnixTime;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// A string with its place in the file.
pub(crate) type Text = Spanned<String>;

/// What can be the value of a key. The reader has checked the value against its row first: `None` here is a value that was
/// reported already, or a row whose type does not fit its field, which the test of all rows would show.
/// By reference: the document may be larger than what is taken out of it, and is dropped as a whole
/// afterwards.
pub(crate) trait FromToml: Sized {
    /// Takes the value over.
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self>;
}

/// What can be a default.
///
/// Only the types of keys that have a default.
pub(crate) trait ToToml {
    /// As the file would have it; also valid JSON, which the schema relies on.
    fn to_toml(&self, of: ValueType) -> String;
}

impl FromToml for String {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        value.get_ref().as_str().map(str::to_owned)
    }
}

impl FromToml for bool {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        value.get_ref().as_bool()
    }
}

impl ToToml for bool {
    fn to_toml(&self, _: ValueType) -> String {
        self.to_string()
    }
}

/// A whole number, or a size with its unit.
///
/// A number that is negative, or has more than 64 bits, is `None`; the reader has reported it as out of
/// range.
fn number(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(text) => size(text),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

// The width of a field is an internal matter; the range of its row is narrower, so the conversion
// cannot fail for what was checked.
macro_rules! numbers {
    ($($type:ty),+) => { $(
        impl FromToml for $type {
            fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
                number(value)?.try_into().ok()
            }
        }
        impl ToToml for $type {
            fn to_toml(&self, of: ValueType) -> String {
                match (of, u64::try_from(*self)) {
                    // As an operator would write it: 256KiB instead of 262144.
                    (ValueType::Size(..), Ok(bytes)) => format!("\"{}\"", show_size(bytes)),
                    _ => self.to_string(),
                }
            }
        }
    )+ };
}
numbers!(u8, u16, usize);

impl FromToml for Duration {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        duration(value.get_ref().as_str()?)
    }
}

impl ToToml for Duration {
    fn to_toml(&self, _: ValueType) -> String {
        format!("\"{}\"", show_duration(*self))
    }
}

/// A duration, or `None` for the word that stands for "not at all".
///
/// For tasks that run on a timer and can be switched off.
#[derive(Clone, Copy, Debug)]
pub struct Every(pub Option<Duration>);

impl Show for Every {
    fn show(&self) -> ShownValue {
        self.0.show()
    }
}

impl FromToml for Every {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        // The word is no duration, so whatever does not read as one is the word: the reader let nothing
        // else through.
        Some(Self(Duration::from_toml(value)))
    }
}

impl ToToml for Every {
    fn to_toml(&self, of: ValueType) -> String {
        self.0.map_or_else(String::new, |every| every.to_toml(of))
    }
}

/// Whole seconds: no window needs to be finer.
impl FromToml for UnixTime {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        moment(&written_time(value.get_ref())?)
    }
}

/// A time as it is written, with or without quotes.
///
/// TOML's own date-time prints in the form of RFC 3339, if it has date, time and offset; what lacks one
/// of them then fails to parse, as it should.
pub(crate) fn written_time(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

/// `Some` means that the key was written. That matters where its absence means something else than any
/// value.
impl<T: FromToml> FromToml for Option<T> {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        T::from_toml(value).map(Some)
    }
}

/// For keys about which something can be wrong that only loading finds: the message needs the line.
impl<T: FromToml> FromToml for Spanned<T> {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        T::from_toml(value).map(|read| Self::new(value.span(), read))
    }
}

impl<T: FromToml> FromToml for Vec<T> {
    /// Entries that were reported are left out, so that the others are still looked at.
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let list = value.get_ref().as_array()?;
        Some(list.iter().filter_map(T::from_toml).collect())
    }
}

/// A table of numbers by name, in the order of the names, each with the place of its name.
///
/// A struct and no alias: as a plain list of pairs it would be read as a list of values.
pub(crate) struct Numbers(pub(crate) Vec<(Text, u16)>);

impl FromToml for Numbers {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            return None;
        };
        let entries = table.iter().filter_map(|(name, number)| {
            let text = Text::new(name.span(), name.get_ref().clone().into_owned());
            Some((text, u16::from_toml(number)?))
        });
        Some(Self(entries.collect()))
    }
}
