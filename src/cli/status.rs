//! `sipward status`: figures of the running daemon.
//!
//! The figures are a snapshot that the shards report when they are asked, so two lines may be some milliseconds apart.
//! What changes over time is in the log; counters with names for machines are in `--json`.
use super::Exit;
use super::output::counted;
use super::target::{Target, unexpected};
use crate::daemon::control::{DaemonStatus, ReloadReport, Reply, Request};
use crate::topology::show_duration;
use std::io::{self, Write};
use std::time::Duration;

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl StatusCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let reply = self.target.ask(&Request::Status {}, PATIENCE)?;
        let Reply::Status(figures) = reply else {
            return Err(unexpected());
        };
        let written = if self.json {
            super::write_json(&figures, out)
        } else {
            page(&figures, out)
        };
        written.map_err(Exit::from)
    }
}

/// Two columns; a name may repeat (listeners, peers), so that each line can be read alone.
fn page(figures: &DaemonStatus, out: &mut dyn Write) -> io::Result<()> {
    let mut row = |name: &str, value: String| writeln!(out, "{name:<14}{value}");
    row(
        "daemon",
        format!(
            "sipward {}, process {}, up {}",
            figures.version,
            figures.pid,
            show_duration(Duration::from_secs(figures.uptime_s))
        ),
    )?;
    row("topology", figures.topology.display().to_string())?;
    row("generation", figures.generation.to_string())?;
    // Nothing is shown before the first reload.
    if let Some(report) = &figures.last_reload {
        row("last reload", reloaded(report))?;
    }
    for listener in &figures.listeners {
        row(
            "listener",
            format!("{} {}", listener.name, listener.address),
        )?;
    }
    row("shards", figures.shards.to_string())?;
    row(
        "connections",
        format!("{} of clients, {} of peers", figures.clients, figures.peers),
    )?;
    // Each peer of the topology, connected or not: one without connections is what an operator looks for.
    for peer in &figures.by_peer {
        row(
            "peer",
            format!(
                // Inbound and outbound apart: a partner that only accepts connections looks different from one that only makes
                // them.
                "{} ({}): {} inbound, {} outbound{}",
                peer.peer,
                peer.kind,
                peer.inbound,
                peer.outbound,
                peer.last_down
                    .as_ref()
                    .map_or_else(String::new, |down| format!(
                        "; last down {} ago: {}",
                        show_duration(Duration::from_secs(down.ago_s)),
                        down.reason
                    ))
            ),
        )?;
    }
    row(
        "transactions",
        format!(
            "{} without a final response, {} in memory",
            figures.transactions, figures.contexts
        ),
    )?;
    row("log", format!("{} lines lost", figures.log_lost))
}

/// The last reload in one line; the details are in the log and in `--json`.
fn reloaded(report: &ReloadReport) -> String {
    let count = |list: &[String], noun: &str| match list.len() {
        0 => String::new(),
        n => format!(", {}", counted(n, noun)),
    };
    format!(
        "{}{}{}{}",
        report.result.word(),
        count(&report.changes, "change"),
        count(&report.restart, "pending restart"),
        count(&report.faults, "fault"),
    )
}
