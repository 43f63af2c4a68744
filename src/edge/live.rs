//! The live connections of all shards, listed for an operator.
//!
//! What costs something is made for the rows alone that are shown: names of ciphers, addresses, users.
use super::clock;
use super::connection::Connection;
use super::handle::Edge;
use super::negotiated::{Negotiated, negotiated};
use super::page::{First, RowPage};
use super::shard::Shard;
use crate::proxy::Core;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Who is at the remote side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionRole {
    /// A client.
    Client,
    /// A server that the topology names.
    Peer,
}

/// Which connections are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of one side only.
    pub role: Option<ConnectionRole>,
    /// Those that hold a binding of this user: `alice` or `alice@contoso.test`.
    pub user: Option<String>,
    /// At most so many rows, and never more than 10,000.
    pub limit: usize,
    /// Those with a higher number only.
    pub after: u64,
}

/// A live connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedConnection {
    /// Its number, as in the log.
    pub connection: u64,
    /// The process that has it, while there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The shard that owns it, from 0.
    pub shard: u8,
    /// The peer's name; `None`: a client.
    pub peer: Option<String>,
    /// The addresses of record whose bindings it holds.
    pub users: Vec<String>,
    /// The remote address; behind a balancer the one that its header names.
    pub remote: SocketAddr,
    /// The listener that it came through; `None`: this node dialled.
    pub listener: Option<String>,
    /// When its handshake ended, Unix seconds.
    pub since: u64,
    /// The server name that was asked for.
    pub sni: Option<String>,
    /// What TLS agreed on.
    pub tls: Negotiated,
    /// Messages that came.
    pub messages_in: u64,
    /// Messages that were written to it.
    pub messages_out: u64,
    /// Bytes that its socket has not taken yet, roughly.
    pub queued: usize,
    /// Trust was withdrawn from it: it takes nothing new and closes soon.
    pub withdrawn: bool,
}

impl Edge {
    /// Lists connections, in the order of their numbers. `None`: a shard does not answer within `patience`.
    pub async fn list_connections(
        &self,
        selection: &Selection,
        patience: Duration,
    ) -> Option<RowPage<ListedConnection>> {
        let (selection, limit) = (selection.clone(), selection.limit);
        let pages = self.each(patience, move |shard| listed_in(shard, &selection));
        Some(RowPage::merged(pages.await?, limit, |a, b| {
            a.connection.cmp(&b.connection)
        }))
    }
}

impl Selection {
    /// Whether it is one of these.
    fn takes(&self, connection: &Connection, core: &Core) -> bool {
        let has_role = self.role.is_none_or(|role| match role {
            ConnectionRole::Client => connection.is_client(),
            ConnectionRole::Peer => !connection.is_client(),
        });
        let user = self.user.as_deref();
        has_role
            && !connection.is_other_process()
            && connection.number > self.after
            && user.is_none_or(|user| core.users_of(connection.id).any(|it| it.is_called(user)))
    }
}

/// Those of one shard.
fn listed_in(shard: &Rc<Shard>, selection: &Selection) -> RowPage<ListedConnection> {
    let (connections, core) = (shard.connections.borrow(), shard.core.borrow());
    let mut first = First::new(selection.limit);
    for connection in connections.iter() {
        if selection.takes(connection, &core) {
            first.offer(connection.number, connection);
        }
    }
    // An entry may be named apart from its server; of one that a reload took out the name is all that is left.
    let asked_for = |peer: &str| {
        shard.with_topology(|topology| {
            let listed = topology.peer_by_name(peer);
            listed.map_or_else(|| peer.to_owned(), |at| topology.peer(at).fqdn.to_string())
        })
    };
    // One look at the clocks serves all rows.
    let (now, calendar) = (clock::now(), clock::calendar());
    first.page(|connection| {
        let open = now.saturating_duration_since(connection.since);
        let users = core.users_of(connection.id);
        let state = connection.session_state(|session, queued| {
            // Of a dialled one, the name that this node has asked for.
            let sni = match session {
                rustls::Connection::Server(server) => server.server_name().map(str::to_owned),
                rustls::Connection::Client(_) => {
                    // What was asked for is the name of its region, if it was dialled by that.
                    let covered = connection.covered_name().map(|name| name.to_string());
                    covered.or_else(|| connection.peer.as_deref().map(asked_for))
                }
            };
            (queued, sni, negotiated(session))
        });
        // Every one that is listed has TLS.
        let (queued, sni, tls) = state.unwrap_or_default();
        let listener = connection.opened.listener();
        ListedConnection {
            connection: connection.number,
            process: None,
            shard: connection.id.shard(),
            peer: connection.peer.as_deref().map(str::to_owned),
            users: users.map(|user| user.name().to_owned()).collect(),
            remote: connection.remote(),
            listener: listener.map(|index| shard.listener_name(index).to_owned()),
            since: calendar.saturating_sub(open).as_secs(),
            sni,
            tls,
            messages_in: connection.messages_in.get(),
            messages_out: connection.messages_out.get(),
            queued,
            withdrawn: connection.withdrawn.get().is_some(),
        }
    })
}
