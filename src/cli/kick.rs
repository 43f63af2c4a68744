//! `sipward kick`: closes connections of the running daemon.
use super::Exit;
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The command with its arguments.
#[derive(Clone, Debug)]
pub struct Kick {
    /// A connection's number, or a peer's FQDN.
    pub what: String,
    /// The daemon.
    pub target: Target,
    /// As JSON.
    pub json: bool,
}

impl Kick {
    /// Asks, and says how many connections were closed.
    ///
    /// # Errors
    /// [`Exit::Refused`]: there is no such connection; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let request = Request::Kick { what: self.what };
        let Reply::Kick(kicked) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        if self.json {
            super::write_json(&kicked, out)?;
        } else {
            writeln!(out, "{} connections closed", kicked.connections)?;
        }
        if kicked.connections == 0 {
            return Err(Exit::Refused);
        }
        Ok(())
    }
}
