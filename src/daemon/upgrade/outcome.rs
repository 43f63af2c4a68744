//! What an upgrade has come to.
use serde::{Deserialize, Serialize};

/// A new process has the listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The new process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Clients of the old process, which are let go.
    pub clients: usize,
    /// Over which time, in milliseconds.
    pub over_ms: u64,
}
