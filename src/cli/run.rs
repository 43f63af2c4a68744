//! `sipward run [FILE]`: serves a topology in the foreground, as a service manager wants it.
use super::Exit;
use crate::daemon::{self, DaemonError};
use std::path::PathBuf;

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct RunCommand {
    /// The topology file
    #[arg(default_value = super::target::DEFAULT_TOPOLOGY)]
    pub file: PathBuf,
}

impl RunCommand {
    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// Why it could not start.
    pub fn run(self) -> Result<(), Exit> {
        // As an absolute one, or `plan` would find other paths where the file is named from elsewhere.
        let file = std::path::absolute(&self.file).unwrap_or(self.file);
        // The log has said why.
        daemon::serve(&file).map_err(|error| match error {
            DaemonError::Topology(_) => Exit::Refused,
            DaemonError::Edge(error) if error.is_about_sockets() => Exit::CannotListen,
            DaemonError::Control(_) => Exit::CannotListen,
            DaemonError::Edge(_) | DaemonError::Trial(_) | DaemonError::System(_) => Exit::Internal,
        })
    }
}
