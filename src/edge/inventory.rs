//! What the shards hold, gathered for an operator: live connections with peers and counts of clients.
use super::handle::Edge;
use super::peer_states::Down;
use super::shard::Shard;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// Connections with peers, and client chains, that one inventory lists; more than any node has, and few enough that a
/// reply stays small.
const MOST_SHOWN: usize = 10_000;

/// A live connection with a peer.
#[derive(Clone, Debug)]
pub struct PeerConnection {
    /// Its number in the log.
    pub connection: u64,
    /// The peer's name.
    pub peer: String,
    /// The name under which it was dialled, if its entry covers it.
    pub name: Option<String>,
    /// The listener that it came through; `None`: this node dialled.
    pub listener: Option<String>,
    /// The remote address.
    pub remote: SocketAddr,
    /// The identity that was shown to it, if it came in.
    pub identity: Option<String>,
    /// What the peer presented.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf that this node has shown, if it dialled.
    pub shown: Option<CertificateDer<'static>>,
}

/// What the shards hold.
#[derive(Clone, Debug, Default)]
pub struct LiveConnections {
    /// Connections with peers, at most [`MOST_SHOWN`].
    pub peers: Vec<PeerConnection>,
    /// Connections beyond these bounds.
    pub left_out: usize,
    /// Clients by the name of their listener.
    pub clients: BTreeMap<String, usize>,
    /// Those of them that have presented a certificate, by listener and chain, at most [`MOST_SHOWN`] chains.
    pub shown_by_clients: HashMap<(String, Vec<CertificateDer<'static>>), usize>,
    /// Peers that went down, in any shard.
    pub downs: Vec<Down>,
}

impl Edge {
    /// What all shards hold. `None`: a shard does not answer within `patience`.
    pub async fn connections(&self, patience: Duration) -> Option<LiveConnections> {
        let shards = self.each(patience, |shard| LiveConnections::of(shard));
        let mut all = LiveConnections::default();
        for one in shards.await? {
            all.add(one);
        }
        Some(all)
    }
}

impl LiveConnections {
    /// What one shard holds.
    fn of(shard: &Shard) -> Self {
        let mut found = Self {
            downs: shard.peer_states.downs(),
            ..Self::default()
        };
        for connection in shard.connections.borrow().iter() {
            let listener = connection.opened.listener();
            let listener = listener.map(|index| shard.listener_name(index).to_owned());
            // No connection of the topology's: nothing of it is judged.
            if connection.is_other_process() {
                continue;
            }
            // Clients are counted and not listed: there may be a hundred thousand.
            let Some(peer) = &connection.peer else {
                let listener = listener.unwrap_or_default();
                *found.clients.entry(listener.clone()).or_default() += 1;
                if connection.has_chain() {
                    found.add_shown((listener, connection.chain()), 1);
                }
                continue;
            };
            found.add_peer(|| PeerConnection {
                connection: connection.number,
                peer: peer.to_string(),
                name: connection.covered_name().map(|name| name.to_string()),
                listener,
                remote: connection.remote(),
                identity: connection.identity(),
                chain: connection.chain(),
                shown: connection.shown.as_ref().map(|(_, leaf)| leaf.clone()),
            });
        }
        found
    }

    /// Adds another shard's, within the bounds.
    fn add(&mut self, other: Self) {
        self.left_out += other.left_out;
        for connection in other.peers {
            self.add_peer(|| connection);
        }
        self.downs.extend(other.downs);
        for (listener, count) in other.clients {
            *self.clients.entry(listener).or_default() += count;
        }
        for (shown, count) in other.shown_by_clients {
            self.add_shown(shown, count);
        }
    }

    /// Clients may all present different certificates: no more chains than the bound, the rest is a number.
    fn add_shown(&mut self, shown: (String, Vec<CertificateDer<'static>>), count: usize) {
        if self.shown_by_clients.len() < MOST_SHOWN || self.shown_by_clients.contains_key(&shown) {
            *self.shown_by_clients.entry(shown).or_default() += count;
        } else {
            self.left_out += count;
        }
    }

    /// Beyond the bound a connection is only counted, and not even copied.
    fn add_peer(&mut self, make: impl FnOnce() -> PeerConnection) {
        if self.peers.len() < MOST_SHOWN {
            self.peers.push(make());
        } else {
            self.left_out += 1;
        }
    }
}
