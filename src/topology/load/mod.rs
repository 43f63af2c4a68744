//! Loading: from the file as written to a topology in which no reference is open, with every fault at once.

// One file for each section, each of which turns the section as it was read into the part of the
// topology that it stands for; `resolve` calls them in the order of what refers to what.
mod admin;
mod announced;
mod boundary;
mod bounds;
mod client_certificates;
mod covers;
mod dns;
mod expect;
mod field_lists;
mod file;
mod hep;
mod http;
mod identity;
mod listener;
mod loading;
mod node;
mod own_chain;
mod peer;
mod pins;
mod pool;
mod resolve;
mod section_names;
mod succession;
mod tenant;
mod tokens;
mod trust;
mod window;

pub(crate) use file::read_topology;
pub use file::{load, load_text};
