//! `sipward drain`: makes the running daemon stop as SIGTERM does.
use super::Exit;
use super::output::{counted, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::topology::show_duration;
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take to begin: a reload that runs is waited for.
const PATIENCE: Duration = Duration::from_secs(130);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct DrainCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl DrainCommand {
    /// Asks, and returns when the drain has begun.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let Reply::Drain(draining) = self.target.ask(&Request::Drain {}, PATIENCE)? else {
            return Err(unexpected());
        };
        // The daemon is still there for the bound at most; who must know when it is gone asks the service manager.
        show(&draining, self.json, out, |draining, out| {
            // Shards that do not answer in time are not counted, so there may be no number.
            let left = draining.transactions.map(|n| counted(n, "transaction"));
            let left = left.unwrap_or_else(|| "transactions not counted".to_owned());
            let bound = show_duration(Duration::from_millis(draining.bound_ms));
            writeln!(out, "draining: {left}; at most {bound} to finish")
        })?;
        Ok(())
    }
}
