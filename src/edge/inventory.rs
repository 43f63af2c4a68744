//! What the shards hold, gathered for an operator: live links with peers and counts of clients.
use super::clock;
use super::inbox::ShardMessage;
use super::link::Via;
use super::shard::Shard;
use super::{Edge, MOST_LINKS_SHOWN};
use crate::observe::Event;
use crate::reason::{ConnectionReason, Reason};
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A live connection with a peer.
#[derive(Clone, Debug)]
pub struct LiveLink {
    /// Its number in the log.
    pub connection: u64,
    /// The peer's FQDN.
    pub peer: String,
    /// The listener that it came through; `None`: we dialled.
    pub listener: Option<String>,
    /// The other side.
    pub remote: SocketAddr,
    /// What they presented.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf that we have shown, if we dialled.
    pub shown: Option<CertificateDer<'static>>,
}

/// What the shards hold.
#[derive(Clone, Debug, Default)]
pub struct LiveLinks {
    /// Connections with peers, at most [`MOST_LINKS_SHOWN`].
    pub peers: Vec<LiveLink>,
    /// Connections beyond these bounds.
    pub left_out: usize,
    /// Clients by the name of their listener.
    pub clients: BTreeMap<String, usize>,
    /// Those of them that have shown a certificate, by listener and chain, at most [`MOST_LINKS_SHOWN`] chains.
    pub shown_by_clients: HashMap<(String, Vec<CertificateDer<'static>>), usize>,
    /// Peers that went down, in any shard.
    pub downs: Vec<Down>,
}

impl LiveLinks {
    fn add(&mut self, other: Self) {
        self.left_out += other.left_out;
        for link in other.peers {
            self.add_peer(|| link);
        }
        self.downs.extend(other.downs);
        for (listener, count) in other.clients {
            *self.clients.entry(listener).or_default() += count;
        }
        for (shown, count) in other.shown_by_clients {
            self.add_shown(shown, count);
        }
    }

    fn add_shown(&mut self, shown: (String, Vec<CertificateDer<'static>>), count: usize) {
        if self.shown_by_clients.len() < MOST_LINKS_SHOWN
            || self.shown_by_clients.contains_key(&shown)
        {
            *self.shown_by_clients.entry(shown).or_default() += count;
        } else {
            self.left_out += count;
        }
    }

    fn add_peer(&mut self, link: impl FnOnce() -> LiveLink) {
        if self.peers.len() < MOST_LINKS_SHOWN {
            self.peers.push(link());
        } else {
            self.left_out += 1;
        }
    }
}

/// Why peers went down, by name: the last time each.
#[derive(Default)]
pub(super) struct Downs(RefCell<HashMap<String, (Reason, Instant)>>);

/// Why a peer went down last.
#[derive(Clone, Debug)]
pub struct Down {
    /// The peer's FQDN.
    pub peer: String,
    /// The reason code, as in `peer_down`.
    pub reason: Reason,
    /// How long ago.
    pub ago: Duration,
}

/// Which connections to close.
#[derive(Clone, Debug)]
pub enum Which {
    /// The one with this number.
    Connection(u64),
    /// Every one with this peer.
    Peer(String),
}

impl Edge {
    /// What all shards hold. A shard that does not answer within `patience` makes it `None`.
    pub async fn links(&self, patience: Duration) -> Option<LiveLinks> {
        let mut all = LiveLinks::default();
        for inbox in &self.inboxes.0 {
            let (reply, wait) = oneshot::channel();
            inbox.try_send(ShardMessage::Links { reply }).ok()?;
            all.add(tokio::time::timeout(patience, wait).await.ok()?.ok()?);
        }
        Some(all)
    }

    /// Closes connections; gives how many. What is queued on them is still sent. A shard that does not answer within
    /// `patience` makes it `None`.
    pub async fn kick(&self, which: &Which, patience: Duration) -> Option<usize> {
        let mut closed = 0;
        for inbox in &self.inboxes.0 {
            let (reply, wait) = oneshot::channel();
            let which = which.clone();
            inbox.try_send(ShardMessage::Kick { which, reply }).ok()?;
            closed += tokio::time::timeout(patience, wait).await.ok()?.ok()?;
        }
        Some(closed)
    }
}

impl Shard {
    /// What this shard holds.
    pub(super) fn live_links(&self) -> LiveLinks {
        let mut found = LiveLinks {
            downs: self.downs(),
            ..LiveLinks::default()
        };
        for link in self.all_links() {
            let listener = match link.via {
                Via::Listener(index) => {
                    Some(self.listeners.get(index).cloned().unwrap_or_default())
                }
                Via::Dialled => None,
            };
            let Some(peer) = &link.peer else {
                let listener = listener.unwrap_or_default();
                *found.clients.entry(listener.clone()).or_default() += 1;
                if !link.chain.is_empty() {
                    found.add_shown((listener, link.chain.clone()), 1);
                }
                continue;
            };
            found.add_peer(|| LiveLink {
                connection: link.number,
                peer: peer.to_string(),
                listener,
                remote: link.remote(),
                chain: link.chain.clone(),
                shown: link.shown.as_ref().map(|(_, leaf)| leaf.clone()),
            });
        }
        found
    }

    /// Says that a peer is down, and keeps why.
    pub(super) fn peer_down(&self, peer: String, reason: Reason, retry_in: Option<Duration>) {
        let mut downs = self.downs.0.borrow_mut();
        downs.insert(peer.clone(), (reason, clock::now()));
        // Names come from the topology; those that it no longer has go.
        if downs.len() > self.tls().generation().topology().peers().len() {
            let tls = self.tls();
            let topology = tls.generation().topology();
            downs.retain(|name, _| topology.peer_by_fqdn(name).is_some());
        }
        self.log.record(Event::PeerDown {
            peer,
            shard: u16::from(self.index),
            reason,
            retry_in,
        });
    }

    fn downs(&self) -> Vec<Down> {
        let now = clock::now();
        let downs = self.downs.0.borrow();
        let downs = downs.iter().map(|(peer, (reason, at))| Down {
            peer: peer.clone(),
            reason: *reason,
            ago: now.saturating_duration_since(*at),
        });
        downs.collect()
    }

    /// Closes these connections; gives how many.
    pub(super) fn kick(&self, which: &Which) -> usize {
        let meant = |link: &super::link::Link| match which {
            Which::Connection(number) => link.number == *number,
            Which::Peer(fqdn) => link.peer.as_deref() == Some(fqdn),
        };
        let links = self.all_links();
        let meant = links.iter().filter(|link| meant(link));
        meant
            .map(|link| link.close(ConnectionReason::Kicked))
            .count()
    }
}
