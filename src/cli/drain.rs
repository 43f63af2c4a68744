//! `sipward drain`: makes the running daemon stop as SIGTERM does.
use super::Exit;
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::topology::show_duration;
use std::io::Write;
use std::time::Duration;

/// How long the daemon may take to begin: a reload that runs is waited for.
const PATIENCE: Duration = Duration::from_secs(130);

/// The command with its arguments.
#[derive(Clone, Debug)]
pub struct Drain {
    /// The daemon.
    pub target: Target,
    /// As JSON.
    pub json: bool,
}

impl Drain {
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
            let transactions = draining.transactions.map(|n| format!("{n} "));
            writeln!(
                out,
                "draining: {}transactions have {} to finish",
                transactions.unwrap_or_default(),
                show_duration(Duration::from_millis(draining.bound_ms))
            )?;
        }
        Ok(())
    }
}
