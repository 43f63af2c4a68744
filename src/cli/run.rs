//! `sipward run [FILE]`: serves a topology in the foreground, as a service manager wants it.
use super::Exit;
use crate::daemon::{self, DaemonError};
use crate::edge::EdgeError;
use std::path::PathBuf;

/// The command.
pub struct Run {
    /// The topology file.
    pub file: PathBuf,
}

impl Run {
    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Why it could not start.
    pub fn run(self) -> Result<(), Exit> {
        // The log has said why.
        daemon::serve(&self.file).map_err(|error| match error {
            DaemonError::Topology(_) => Exit::Refused,
            DaemonError::Edge(EdgeError::Bind { .. }) | DaemonError::Control(_) => {
                Exit::CannotListen
            }
            DaemonError::Edge(_) | DaemonError::System(_) => Exit::Internal,
        })
    }
}
