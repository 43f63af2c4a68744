//! `topology`: which file the daemon serves, for a command that has found it by a default place and is meant for one file.
use super::context::ControlContext;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the daemon serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedTopology {
    /// The topology file, absolute.
    pub path: PathBuf,
    /// The generation that serves, counted from 1.
    pub generation: u64,
}

impl ControlContext {
    /// Carries out `topology`; no shard is asked, so that it answers whatever stands still.
    pub(super) fn topology(&self) -> ServedTopology {
        ServedTopology {
            path: self.daemon.path.clone(),
            generation: self.daemon.generation().number(),
        }
    }
}
