//! `sipward kick`: closes connections of the running daemon.
use super::Exit;
use super::output::{counted, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct KickCommand {
    /// A connection's number as in the log, or a peer's FQDN
    #[arg(value_name = "CONNECTION|PEER")]
    pub what: String,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl KickCommand {
    /// Asks, and prints how many connections were closed. None is a refusal, so that a script notices a wrong number.
    ///
    /// # Errors
    /// [`Exit::Refused`]: there is no such connection; no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let what = self.what.clone();
        let request = Request::Kick { what };
        let Reply::Kick(kicked) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        show(&kicked, self.json, out, |kicked, out| {
            write!(out, "{} closed", counted(kicked.connections, "connection"))?;
            // A name that nobody has must not look like a command that did its work.
            match kicked.connections {
                0 => writeln!(
                    out,
                    ": no connection or connected peer is called {}",
                    self.what
                ),
                _ => writeln!(out),
            }
        })?;
        // After the page: a script that reads JSON wants the zero as well.
        match kicked.connections {
            0 => Err(Exit::Refused),
            _ => Ok(()),
        }
    }
}
