//! `sipward refusals`: what the running daemon has refused lately, and how often for which reason.
//!
//! For the question "why can this phone not get in": the log has the same, unless a flood has suppressed the line.
use super::Exit;
use super::listing::{PATIENCE, field};
use super::output::show;
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{LatestRefusals, Reply, Request};
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct RefusalsCommand {
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl RefusalsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        let Reply::Refusals(refusals) = self.target.ask(&Request::Refusals {}, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&refusals, self.json, out, page)?)
    }
}

/// The latest ones, and below them the sums: `sipward explain REASON` says what each means.
fn page(refusals: &LatestRefusals, out: &mut dyn Write) -> io::Result<()> {
    // Since the start of the process; the log has what was before.
    if refusals.counts.is_empty() {
        return writeln!(out, "nothing was refused");
    }
    let mut latest = Table::new([
        text("WHEN"),
        text("REASON"),
        text("REMOTE"),
        text("PEER"),
        text("METHOD"),
        text("FROM"),
        text("TO"),
        text("DECISION"),
        text("DETAIL"),
    ]);
    // Whole seconds are enough for an eye, and the day is nearly always today's.
    let when = |line| format!("{}Z", field(line, "ts").get(..19).unwrap_or_default());
    for line in &refusals.latest {
        // Of a handshake the peer that was meant, of a request the one that has sent it.
        let peer = format!("{}{}", field(line, "peer"), field(line, "from_peer"));
        latest.row([
            when(line),
            field(line, "reason"),
            field(line, "remote"),
            peer,
            field(line, "method"),
            field(line, "from"),
            field(line, "to"),
            // For `sipward explain`.
            field(line, "decision"),
            field(line, "detail"),
        ]);
    }
    latest.write(out)?;
    writeln!(out)?;
    let mut counts = Table::new([number("COUNT"), text("REASON"), text("EVENT")]);
    for count in &refusals.counts {
        counts.row([
            count.count.to_string(),
            count.reason.clone().unwrap_or_default(),
            count.event.clone(),
        ]);
    }
    counts.write(out)
}
