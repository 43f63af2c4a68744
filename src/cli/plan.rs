//! `sipward plan`: what a new topology would do, before it does.
//!
//! The comparison itself is the daemon's (`daemon/plan.rs`); here it is asked for and printed. The exit code alone decides in
//! a script: 4 for anything harmful, so that a change can be stopped before it is rolled out.
use super::Exit;
use super::output::{because, counted, print_refusal, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{Reply, Request};
use crate::daemon::{Moved, PlanEffects};
use crate::topology::{self, show_time};
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
                let old = topology::load(old, at).map_err(|faults| refused(old, &faults))?;
                PlanEffects::between(&old, &load(new, at)?)
            }
            files => {
                // Before the daemon is asked: for a file with faults its inventory would be of no use.
                let new = files.first().map_or(Path::new(""), PathBuf::as_path);
                // The daemon has absolute paths: a relative one would differ from each of them.
                let new = std::path::absolute(new).unwrap_or_else(|_| new.to_owned());
                let new = load(&new, at)?;
                let reply = self.target.ask(&Request::Inventory {}, PATIENCE)?;
                let Reply::Inventory(held) = reply else {
                    return Err(unexpected());
                };
                PlanEffects::of(&held, &new, at)
            }
        };
        // The file that a further command would be about.
        let new = self.files.last().map_or(Path::new(""), PathBuf::as_path);
        show(&effects, self.json, out, |effects, out| {
            page(effects, new, out)
        })?;
        // The page is written first: a harmful plan is what an operator wants to read.
        match effects.is_harmful() {
            true => Err(Exit::Harmful),
            false => Ok(()),
        }
    }
}

/// As the daemon would load it, expectations included.
fn load(file: &Path, at: UnixTime) -> Result<Generation, Exit> {
    crate::daemon::look_at(file, at).map_err(|faults| refused(file, &faults))
}

/// Faults go where errors go: what is on standard output is a plan or nothing.
fn refused(file: &Path, faults: &[topology::Fault]) -> Exit {
    match print_refusal(file, faults, &mut io::stderr()) {
        Ok(()) => Exit::Refused,
        Err(error) => error.into(),
    }
}

/// One line for each effect, the kind of it in the first column: the page can be searched and counted with grep. What
/// closes or refuses comes first.
fn page(effects: &PlanEffects, file: &Path, out: &mut dyn Write) -> io::Result<()> {
    // Gathered before anything is written: whether there is any effect decides the last line.
    let mut lines: Vec<(&str, String)> = Vec::new();
    // Live connections, with the line of the new file that would close each.
    for dropped in &effects.dropped {
        let (connection, peer) = (dropped.connection, &dropped.peer);
        let (direction, remote) = (&dropped.direction, &dropped.remote);
        let why = because(&dropped.reason, dropped.detail.as_deref(), dropped.line);
        let what = format!("connection {connection} with {peer} ({direction}, {remote}): {why}");
        lines.push(("closes", what));
    }
    // Clients have no names here, so they are counted by listener.
    for (listener, count) in &effects.dropped_clients {
        let count = counted(*count, "connection");
        let what = format!("{count} of clients at listener {listener}");
        lines.push(("closes", what));
    }
    // Chains that were seen lately but are not connected now: peers that would notice at their next attempt.
    let refused = effects.refused.iter().map(|outcome| ("refuses", outcome));
    let admitted = effects.admitted.iter().map(|outcome| ("admits", outcome));
    for (word, outcome) in refused.chain(admitted) {
        let (peer, direction, id) = (&outcome.peer, &outcome.direction, &outcome.seen_as);
        let why = because(&outcome.reason, outcome.detail.as_deref(), outcome.line);
        // Who is let in for the first time is in no list of what ends.
        let end = outcome.not_after.filter(|_| word == "admits");
        let end = end.map_or_else(String::new, |end| {
            format!("; its certificate ends at {}", show_time(end))
        });
        let what = format!("{peer} ({direction}): {why}{end}; seen as decision {id}");
        lines.push((word, what));
    }
    let mut list = |word, before: &str, names: &[String], behind: &str| {
        let texts = names.iter().map(|name| format!("{before}{name}{behind}"));
        lines.extend(texts.map(|text| (word, text)));
    };
    // Peers by name: one that is removed may have no connection now and still be missed.
    list("removes", "peer ", &effects.removed_peers, "");
    list("adds", "peer ", &effects.added_peers, "");
    // Rights that the new file takes away although no connection shows it yet.
    list("narrows", "", &effects.narrowed, "");
    // A domain without a target refuses every call to it.
    let without = ": no target is left";
    list("loses", "domain ", &effects.lost_domains, without);
    // Another pool may be what was wanted, or a member list that was copied to the wrong place.
    for Moved { domain, from, to } in &effects.moved_domains {
        lines.push(("moves", format!("domain {domain} from pool {from} to {to}")));
    }
    // `probe` reaches it from here, with the handshake that the daemon would make.
    for peer in &effects.untried {
        let file = file.display();
        let what = format!(
            "peer {peer}: no certificate of it was seen that this file accepts; sipward probe {peer} --config {file} shows what it presents and until when"
        );
        lines.push(("untried", what));
    }
    // A section that was pasted for its trust alone makes its peer a target as well.
    for joined in &effects.joined {
        let (peer, domain, pool) = (&joined.peer, &joined.domain, &joined.pool);
        let (strategy, beside) = (&joined.strategy, joined.beside.join(", "));
        let what = format!(
            "peer {peer}: serves domain {domain} beside {beside}, in pool {pool} ({strategy})"
        );
        lines.push(("joins", what));
    }
    // Neither good nor bad: these changes simply do not happen at a reload.
    lines.extend(effects.restart.iter().map(|what| ("restart", what.clone())));
    for (word, text) in &lines {
        writeln!(out, "{word:<10} {text}")?;
    }
    // Two files alone cannot show what happens to connections; the last line states what the verdict rests on.
    let against = if effects.live {
        "the running daemon's connections and the chains that it has seen"
    } else {
        "the old file; no connection was looked at"
    };
    let verdict = match (lines.is_empty(), effects.is_harmful()) {
        (true, _) => "no effect on",
        (false, true) => "harmful, judged by",
        (false, false) => "harmless, judged by",
    };
    writeln!(out, "{verdict} {against}")
}
