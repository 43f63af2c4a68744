//! The table of all keys of the topology file: a section a file, and what is made from their rows.

// From the ground up: what a key is, how values are read and shown, how a table is checked, then the
// document.
mod declare;
mod document;
mod key;
mod reader;
mod sections;
mod shown;
mod toml_value;

// One file for each section, in which its keys are declared; what all of them share is above.
pub(crate) mod admin;
pub(crate) mod boundary;
pub(crate) mod dns;
pub(crate) mod expect;
pub(crate) mod health;
pub(crate) mod hep;
pub(crate) mod http;
pub(crate) mod identity;
mod limit_pairs;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod pool;
pub(crate) mod sibling;
pub(crate) mod tokens;
pub(crate) mod trust;

pub(crate) use declare::{keys, words};
pub(crate) use document::{read, repeated_header};
pub(crate) use key::{Effect, Key, Presence, ValueType};
pub(crate) use sections::Document;
#[cfg(any(test, feature = "man"))]
pub(crate) use sections::SECTIONS;
pub(crate) use shown::{Compare, Compared, Show, ShownValue, came_and_went, differences};
pub use toml_value::Every;
pub(crate) use toml_value::{FromToml, Numbers, Text, ToToml};
