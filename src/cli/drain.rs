//! `sipward drain`: makes the running daemon stop as SIGTERM does.
use super::Exit;
use super::output::counted;
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
        if self.json {
            super::write_json(&draining, out)?;
        } else {
            // Shards that do not answer in time are not counted, so there may be no number.
            writeln!(
                out,
                "draining: {}; at most {} to finish",
                draining
                    .transactions
                    .map_or("transactions not counted".to_owned(), |n| counted(
                        n,
                        "transaction"
                    )),
                show_duration(Duration::from_millis(draining.bound_ms))
            )?;
        }
        Ok(())
    }
}
