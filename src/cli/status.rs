//! `sipward status`: figures of the running daemon.
//!
//! The figures are a snapshot that the shards report when they are asked, so two lines may be some milliseconds apart.
//! What changes over time is in the log; counters with names for machines are in `--json`.
use super::Exit;
use super::output::{counted, show};
use super::target::{Target, unexpected};
use crate::daemon::control::{DaemonStatus, ListenerStatus, ReloadReport, Reply, Request};
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
        let Reply::Status(figures) = self.target.ask(&Request::Status {}, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&*figures, self.json, out, page)?)
    }
}

/// Two columns; a name may repeat (listeners, peers), so that each line can be read alone.
fn page(figures: &DaemonStatus, out: &mut dyn Write) -> io::Result<()> {
    let mut row = |name: &str, value: String| writeln!(out, "{name:<14}{value}");
    let ago = |seconds| show_duration(Duration::from_secs(seconds));
    let (version, pid, up) = (&figures.version, figures.pid, ago(figures.uptime_s));
    let daemon = format!("sipward {version}, process {pid}, up {up}");
    row("daemon", daemon)?;
    row("topology", figures.topology.display().to_string())?;
    row("generation", figures.generation.to_string())?;
    // Nothing is shown before the first reload.
    if let Some(report) = &figures.last_reload {
        row("last reload", reloaded(report))?;
    }
    // The bound address, since a port 0 of the file is chosen by the system.
    for ListenerStatus { name, address } in &figures.listeners {
        row("listener", format!("{name} {address}"))?;
    }
    // One for each core unless [node] says otherwise: fewer means that a shard did not start.
    row("shards", figures.shards.to_string())?;
    let (clients, peers) = (figures.clients, figures.peers);
    let connections = format!("{clients} of clients, {peers} of peers");
    row("connections", connections)?;
    // What an operator waits for who wants to stop the node without cutting anything.
    if let Some(left) = figures.clients_go_in_s {
        let left = show_duration(Duration::from_secs(left));
        let state = match clients {
            0 => "no client is left; new requests are answered 503".to_owned(),
            _ => format!(
                "{} left, the last goes in {left}",
                counted(clients, "client")
            ),
        };
        row("letting go", state)?;
    }
    // It serves its own clients still: the figures of this page are the new process's.
    if let Some(former) = &figures.former {
        let (pid, version) = (former.pid, &former.version);
        let (clients, peers) = (counted(former.clients, "client"), former.peers);
        let state = format!("process {pid}, sipward {version}: {clients} left, {peers} of peers");
        row("former", state)?;
    }
    // Each peer of the topology, connected or not: one without connections is what an operator looks for. Inbound and
    // outbound apart: a partner that only accepts connections looks different from one that only makes them.
    for it in &figures.by_peer {
        let (peer, kind, inbound, outbound) = (&it.peer, &it.kind, it.inbound, it.outbound);
        let down = it.last_down.as_ref();
        let down = down.map(|down| format!("; last down {} ago: {}", ago(down.ago_s), down.reason));
        let down = down.unwrap_or_default();
        let state = format!("{peer} ({kind}): {inbound} inbound, {outbound} outbound{down}");
        row("peer", state)?;
    }
    // An operator who waits for the node to be empty looks at this one.
    row("calls", format!("{} up", figures.calls))?;
    // What is answered stays in memory for its retransmissions (RFC 6026), so the second number is the larger one.
    let (waiting, kept) = (figures.transactions, figures.contexts);
    let transactions = format!("{waiting} without a final response, {kept} in memory");
    row("transactions", transactions)?;
    // Anything but 0 means that this log, and whatever alarms read it, cannot be relied on as complete.
    row("log", format!("{} lines lost", figures.log_lost))
}

/// The last reload in one line; the details are in the log and in `--json`.
fn reloaded(report: &ReloadReport) -> String {
    let count = |list: &[String], noun: &str| match list.len() {
        0 => String::new(),
        n => format!(", {}", counted(n, noun)),
    };
    let (result, changes) = (report.result.word(), count(&report.changes, "change"));
    let restart = count(&report.restart, "pending restart");
    let faults = count(&report.faults, "fault");
    format!("{result}{changes}{restart}{faults}")
}
