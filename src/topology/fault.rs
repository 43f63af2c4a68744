//! What loading reports: something that is wrong with a topology, or that an operator should know.
use super::printable::printable;
use crate::reason::Reason;
use serde::Serialize;
use std::path::PathBuf;

/// As long as a path of Linux can be (PATH_MAX).
const LONGEST_PATH: usize = 4_096;

/// Something in a topology that must be fixed before it can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file that is wrong (the topology or one that it names).
    pub file: PathBuf,
    /// Line in that file, from 1; `None` when no line can be named.
    pub line: Option<u32>,
    /// A stable identifier: `unknown_key`, `file_unreadable`, `key_mismatch` ... (see [`super::TopologyReason`]).
    pub code: Reason,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something that works but that an operator should know; of the same shape as a [`Fault`].
pub type Warning = Fault;

impl std::fmt::Display for Fault {
    /// `file:line: code: what`, and what to do on a line of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A name may hold what acts on a terminal.
        let file = printable(&self.file.to_string_lossy(), LONGEST_PATH);
        write!(f, "{file}:")?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}: {}\n    {}", self.code, self.what, self.remedy)
    }
}
