//! `sipward reload`: makes the running daemon load its topology again, and shows the result.
//!
//! The command returns when the outcome is known, so that `sipward reload && ...` means what it looks like. systemd runs it
//! as `ExecReload=`.
use super::Exit;
use super::output::show;
use super::target::{Target, unexpected};
use crate::daemon::control::{ReloadReport, ReloadResult, Reply, Request};
use std::io::{self, Write};
use std::time::Duration;

/// Longer than a reload may take, so that its report arrives.
const PATIENCE: Duration = Duration::from_secs(130);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct ReloadCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl ReloadCommand {
    /// Asks, waits for the end and writes it to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`]: the file has faults and the old generation goes on; or no daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let Reply::Reload(report) = self.target.ask(&Request::Reload {}, PATIENCE)? else {
            return Err(unexpected());
        };
        show(&report, self.json, out, page)?;
        match report.result {
            ReloadResult::Ok => Ok(()),
            ReloadResult::Refused => Err(Exit::Refused),
        }
    }
}

/// The faults, or what has changed; the last line is the outcome.
fn page(report: &ReloadReport, out: &mut dyn Write) -> io::Result<()> {
    let generation = report.generation;
    // Only one of both lists has entries: a file with faults changes nothing.
    for line in report.faults.iter().chain(&report.changes) {
        writeln!(out, "{line}")?;
    }
    if report.result == ReloadResult::Refused {
        // Nothing of the file is in force, so nothing of it waits for a restart either.
        return writeln!(out, "refused; generation {generation} stays in force");
    }
    for what in &report.restart {
        writeln!(out, "needs a restart: {what}")?;
    }
    for check in &report.served {
        writeln!(out, "{check}")?;
    }
    // An operator who expected a change learns here that the file is not the one that was edited.
    let nothing = match (report.changes.as_slice(), report.restart.as_slice()) {
        ([], []) => "; nothing has changed",
        _ => "",
    };
    writeln!(out, "generation {generation} is in force{nothing}")
}
