//! The state directory: the newest CRLs that were ever proven, a file for each series, so that no restart forgets one.
//!
//! Files are exchanged whole (written beside, synced, renamed). What is read is checked as if a stranger had written it: its
//! form, its digest, and that the key in it signed the CRLs.

mod contents;
mod directory;
mod record_file;
mod store;
#[cfg(test)]
mod tests;

pub use contents::{StateProblem, StoredCrls, read};
pub use directory::{directory, directory_of, missing, readable_directory};
pub(super) use store::{NotStored, Store};
