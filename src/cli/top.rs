//! `sipward top`: a live view of the running daemon: connections, peers, rates, latency, refusals by reason.
//!
//! Behind the feature `top`: it needs crates that draw on a terminal, which nobody needs who builds the daemon alone. Packages
//! have it. Without the feature the command is there and says how it is had.
//!
//! The crates: ratatui draws what has changed, cell by cell, and crossterm beneath it knows terminals and keys. Both are what
//! the field uses, and neither is in a build without the feature.
//!
//! Everything shown is the difference of two readings of the control socket (`rates`). A thread asks (`asking`), so that a
//! daemon that is slow or gone holds up no key; `view` has what the keys change, `screen` draws.

#[cfg(feature = "top")]
mod asking;
#[cfg(feature = "top")]
mod live;
#[cfg(feature = "top")]
mod once;
#[cfg(feature = "top")]
mod rates;
#[cfg(feature = "top")]
mod reading;
#[cfg(feature = "top")]
mod screen;
#[cfg(test)]
#[cfg(feature = "top")]
mod tests;
#[cfg(feature = "top")]
mod view;

use super::Exit;
use super::complaint::complain;
use super::listing::{for_time, rows};
use super::target::Target;
use std::io::Write;
use std::time::Duration;

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct TopCommand {
    /// The time between two readings, a minute at most
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub interval: Duration,
    /// At most so many peers, connections with peers and connections of clients, and never more than 10000
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = rows)]
    pub limit: usize,
    /// Print the figures of one interval and end: without a terminal, or for a script
    #[arg(long)]
    pub once: bool,
    /// As JSON
    #[arg(long, requires = "once")]
    pub json: bool,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
}

/// Reads the time between two readings.
fn interval(text: &str) -> Result<Duration, String> {
    let time = for_time(text)?;
    // Longer ones would make a view that looks dead.
    match time <= Duration::from_secs(60) {
        true => Ok(time),
        false => Err("write a time from 1s to 60s".to_owned()),
    }
}

impl TopCommand {
    /// Shows the daemon until a key ends it, or once.
    ///
    /// # Errors
    /// [`Exit::Usage`]: there is no terminal; no daemon answers at the start.
    // One `run` for each kind of build: who calls it need not know which it is.
    #[cfg(feature = "top")]
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        use std::io::{IsTerminal as _, stdin, stdout};
        let daemon = reading::WatchedDaemon {
            target: self.target,
            limit: self.limit,
            interval: self.interval,
        };
        if self.once {
            return once::print(&daemon, self.json, out);
        }
        // Keys come from the one, and the view goes to the other.
        if !stdin().is_terminal() || !stdout().is_terminal() {
            complain(
                "there is no terminal to draw on: sipward top --once prints the figures of one interval",
            );
            return Err(Exit::Usage);
        }
        live::watch(daemon)
    }

    /// Says how the view is had.
    ///
    /// # Errors
    /// [`Exit::Usage`], always.
    // The command stays in the list: who reads the docs and types it learns what is missing.
    #[cfg(not(feature = "top"))]
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Exit> {
        complain(
            "this build has no live view: packages have it, and so has cargo build --release --features top",
        );
        Err(Exit::Usage)
    }
}
