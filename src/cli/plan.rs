//! `sipward plan`: what a new topology would do, before it does.
//!
//! The comparison itself is the daemon's (`daemon/plan.rs`); here it is asked for and printed. The exit code alone decides in
//! a script: 4 for anything harmful, so that a change can be stopped before it is rolled out.
use super::Exit;
use super::output::{counted, print_faults};
use super::target::{Target, unexpected};
use crate::daemon::PlanEffects;
use crate::daemon::control::{Reply, Request};
use crate::topology;
use crate::trust::Generation;
use rustls_pki_types::UnixTime;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the daemon may take to tell what it holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanCommand {
    /// NEW: judged against the running daemon. OLD NEW: the two files are compared, without a daemon
    #[arg(num_args = 1..=2, required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl PlanCommand {
    /// Writes the effects to `out`.
    ///
    /// # Errors
    /// [`Exit::Refused`]: a file has faults; [`Exit::Harmful`]: something that works now would not; no daemon answers.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let at = UnixTime::now();
        // The old file is only read, the new one is loaded as a reload would: its faults must be found here.
        let effects = match self.files.as_slice() {
            [old, new] => {
                let old = topology::load(old, at).map_err(|faults| refused(&faults))?;
                PlanEffects::between(&old, &load(new, at)?)
            }
            files => {
                let new = load(files.first().map_or(Path::new(""), PathBuf::as_path), at)?;
                let reply = self.target.ask(&Request::Inventory {}, PATIENCE)?;
                let Reply::Inventory(held) = reply else {
                    return Err(unexpected());
                };
                PlanEffects::of(&held, &new, at)
            }
        };
        if self.json {
            super::write_json(&effects, out)?;
        } else {
            page(&effects, out)?;
        }
        // The page is written first: a harmful plan is what an operator wants to read.
        if effects.is_harmful() {
            Err(Exit::Harmful)
        } else {
            Ok(())
        }
    }
}

/// As the daemon would load it, expectations included.
fn load(file: &Path, at: UnixTime) -> Result<Generation, Exit> {
    crate::daemon::look_at(file, at).map_err(|faults| refused(&faults))
}

/// Faults go where errors go: what is on standard output is a plan or nothing.
fn refused(faults: &[topology::Fault]) -> Exit {
    match print_faults(faults, &mut io::stderr()) {
        Ok(()) => Exit::Refused,
        Err(error) => error.into(),
    }
}

/// One line for each effect, the kind of it in the first column: the page can be searched and counted with grep. What
/// closes or refuses comes first.
fn page(effects: &PlanEffects, out: &mut dyn Write) -> io::Result<()> {
    let mut nothing = true;
    let mut line = |text: String| {
        nothing = false;
        writeln!(out, "{text}")
    };
    // Live connections, with the line of the new file that would close each.
    for dropped in &effects.dropped {
        let detail = dropped.detail.as_deref();
        line(format!(
            "closes     connection {} with {} ({}, {}): {}{}{}",
            dropped.connection,
            dropped.peer,
            dropped.direction,
            dropped.remote,
            dropped.reason,
            detail.map_or_else(String::new, |detail| format!(", {detail}")),
            at_line(dropped.line),
        ))?;
    }
    // Clients have no names here, so they are counted by listener.
    for (listener, count) in &effects.dropped_clients {
        line(format!(
            "closes     {} of clients at listener {listener}",
            counted(*count, "connection")
        ))?;
    }
    // Chains that were seen lately but are not connected now: peers that would notice at their next attempt.
    for (word, verdicts) in [
        ("refuses   ", &effects.refused),
        ("admits    ", &effects.admitted),
    ] {
        for verdict in verdicts {
            let detail = verdict.detail.as_deref();
            line(format!(
                "{word} {} ({}): {}{}{}; seen as decision {}",
                verdict.peer,
                verdict.direction,
                verdict.reason,
                detail.map_or_else(String::new, |detail| format!(", {detail}")),
                at_line(verdict.line),
                verdict.seen_as,
            ))?;
        }
    }
    // Peers by name: one that is removed may have no connection now and still be missed.
    for peer in &effects.removed_peers {
        line(format!("removes    peer {peer}"))?;
    }
    for peer in &effects.added_peers {
        line(format!("adds       peer {peer}"))?;
    }
    // Rights that the new file takes away although no connection shows it yet.
    for what in &effects.narrowed {
        line(format!("narrows    {what}"))?;
    }
    // A domain without a target refuses every call to it.
    for domain in &effects.lost_domains {
        line(format!("loses      domain {domain}: no target is left"))?;
    }
    for moved in &effects.moved_domains {
        line(format!(
            "moves      domain {} from pool {} to {}",
            moved.domain, moved.from, moved.to
        ))?;
    }
    // Neither good nor bad: these changes simply do not happen at a reload.
    for what in &effects.restart {
        line(format!("restart    {what}"))?;
    }
    // Two files alone cannot show what happens to connections; the last line states what the verdict rests on.
    let against = if effects.live {
        "the running daemon's connections and the chains that it has seen"
    } else {
        "the old file; no connection was looked at"
    };
    if nothing {
        writeln!(out, "no effect on {against}")
    } else if effects.is_harmful() {
        writeln!(out, "harmful, judged by {against}")
    } else {
        writeln!(out, "harmless, judged by {against}")
    }
}

/// The line of the file that decided, where there is one.
fn at_line(line: Option<u32>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}
