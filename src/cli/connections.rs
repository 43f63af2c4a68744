//! `sipward connections`: who is connected to the running daemon, and over what.
//!
//! It is a part of the table at a time: a node may have a hundred thousand connections, and its shards relay nothing
//! while they list them.
use super::Exit;
use super::listing::{PATIENCE, RowOptions, left_off, of_process, span};
use super::output::{listed, show};
use super::table::{Table, number, text};
use super::target::{Target, unexpected};
use crate::daemon::control::{ListedConnection, Reply, Request};
use crate::edge::{ConnectionRole, RowPage};
use rustls_pki_types::UnixTime;
use std::io::{self, Write};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionsCommand {
    /// Only clients
    #[arg(long, conflicts_with = "peer")]
    pub client: bool,
    /// Only peers
    #[arg(long)]
    pub peer: bool,
    /// Which of them
    #[command(flatten)]
    pub rows: RowOptions,
    /// Go on behind the connection with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub after: u64,
    /// The daemon
    #[command(flatten)]
    pub target: Target,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl ConnectionsCommand {
    /// Asks and writes the answer to `out`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Exit> {
        // clap refuses both: they would leave nothing.
        let role = match (self.client, self.peer) {
            (true, _) => Some(ConnectionRole::Client),
            (_, true) => Some(ConnectionRole::Peer),
            (false, false) => None,
        };
        let request = Request::Connections {
            role,
            user: self.rows.user.clone(),
            limit: self.rows.limit,
            after: self.after,
        };
        let Reply::Connections(connections) = self.target.ask(&request, PATIENCE)? else {
            return Err(unexpected());
        };
        Ok(show(&connections, self.json, out, page)?)
    }
}

/// A row for each connection. What both sides see comes first: number, who and from where.
fn page(connections: &RowPage<ListedConnection>, out: &mut dyn Write) -> io::Result<()> {
    // A head without rows looks like an answer that was cut off.
    if connections.rows.is_empty() {
        return writeln!(out, "no connections");
    }
    let mut table = Table::new([
        number("NUMBER"),
        text("WHO"),
        text("ADDRESS"),
        text("THROUGH"),
        text("OPEN"),
        text("SNI"),
        text("TLS"),
        text("CIPHER"),
        number("IN"),
        number("OUT"),
        number("QUEUED"),
    ]);
    // The daemon runs on this host: both read one clock.
    let now = UnixTime::now().as_secs();
    for row in &connections.rows {
        let who = match (&row.peer, row.users.is_empty()) {
            (Some(peer), _) => peer.clone(),
            (None, false) => listed(&row.users),
            // A phone that has not registered, or need not.
            (None, true) => "client".to_owned(),
        };
        // Until it closes it still counts, and an operator wonders why it takes nothing.
        let state = if row.withdrawn { " (withdrawn)" } else { "" };
        table.row([
            row.connection.to_string(),
            format!("{who}{state}{}", of_process(row.process)),
            row.remote.to_string(),
            row.listener.as_deref().unwrap_or("dialled").to_owned(),
            span(now.saturating_sub(row.since)),
            row.sni.as_deref().unwrap_or("-").to_owned(),
            row.tls.version.clone(),
            row.tls.cipher.clone(),
            row.messages_in.to_string(),
            row.messages_out.to_string(),
            row.queued.to_string(),
        ]);
    }
    table.write(out)?;
    let last = connections.rows.last();
    let last = last.map(|row| row.connection.to_string());
    left_off(connections.left_off, "connections", last.as_deref(), out)
}
