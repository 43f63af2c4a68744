//! `status`: figures of the running daemon.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::daemon::clock::now;
use crate::daemon::reload_report::ReloadReport;
use crate::edge::{Down, LiveConnections};
use crate::observe::Log;
use crate::topology::Topology;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::PoisonError;

/// Figures of the running daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The package's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The topology file.
    pub topology: PathBuf,
    /// The loaded topology that serves, counted from 1.
    pub generation: u64,
    /// The last reload, if there was one.
    pub last_reload: Option<ReloadReport>,
    /// Where it listens.
    pub listeners: Vec<ListenerStatus>,
    /// Shards that run.
    pub shards: usize,
    /// Client connections.
    pub clients: usize,
    /// Peer connections.
    pub peers: usize,
    /// The peers of the topology.
    pub by_peer: Vec<PeerStatus>,
    /// Clients are let go for maintenance, and the last one goes in so many seconds; `None`: they stay.
    #[serde(default)]
    pub clients_go_in_s: Option<u64>,
    /// Transactions that wait for an answer.
    pub transactions: usize,
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    pub contexts: usize,
    /// Answered calls that are up.
    #[serde(default)]
    pub calls: usize,
    /// The process before this one, while it lets its clients go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Box<Self>>,
    /// Log lines that were lost since the start.
    pub log_lost: u64,
    /// What has happened since the start, whether it had a line or not; nothing that has not.
    #[serde(default)]
    pub events: Vec<EventCount>,
}

/// How often an event of docs/events.md happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// Its name.
    pub event: String,
    /// For which reason, if it has one.
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
}

/// One peer of the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub peer: String,
    /// `home` or `federated`.
    pub kind: String,
    /// Connections that it made to this node.
    pub inbound: usize,
    /// Connections that this node made to it.
    pub outbound: usize,
    /// Why it was down last, in any shard; the log's `peer_disconnected`.
    pub last_down: Option<LastDown>,
}

/// Why a peer was down last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDown {
    /// The reason code.
    pub reason: String,
    /// Seconds since.
    pub ago_s: u64,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The bound address.
    pub address: SocketAddr,
}

impl ControlContext {
    /// Carries out `status`.
    pub(super) async fn status(&self) -> Result<Box<DaemonStatus>, ControlRefusal> {
        let daemon = &self.daemon;
        let edge = daemon.status(FOR_SHARDS).await.ok_or_else(no_answer)?;
        let live = daemon.edge.connections(FOR_SHARDS).await;
        let live = live.ok_or_else(no_answer)?;
        let generation = daemon.generation();
        let last = daemon.last_reload.lock();
        let last_reload = last.unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Box::new(DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: now().saturating_duration_since(daemon.started).as_secs(),
            topology: daemon.path.clone(),
            generation: generation.number(),
            last_reload,
            listeners: daemon
                .addresses()
                .iter()
                .map(|(name, address)| ListenerStatus {
                    name: name.clone(),
                    address: *address,
                })
                .collect(),
            shards: daemon.edge.shards(),
            clients: edge.clients,
            peers: edge.peers,
            // Of a process that has handed over, the time that it has left is its own.
            clients_go_in_s: daemon.lets_go_for().map(|left| left.as_secs()),
            by_peer: by_peer(generation.topology(), &live),
            transactions: edge.transactions,
            contexts: edge.contexts,
            calls: edge.calls,
            former: None,
            log_lost: daemon.log.lost(),
            events: event_counts(&daemon.log),
        }))
    }
}

/// What the log has counted so far. The counters are read where they are, so this waits for no shard.
pub(super) fn event_counts(log: &Log) -> Vec<EventCount> {
    let counts = log.counts();
    let counts = counts.iter().map(|(event, reason, count)| EventCount {
        event: event.row().name.to_owned(),
        reason: reason.map(|reason| reason.code().to_owned()),
        count,
    });
    counts.collect()
}

/// The topology's peers with their connections.
fn by_peer(topology: &Topology, live: &LiveConnections) -> Vec<PeerStatus> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for connection in &live.peers {
        let (inbound, outbound) = counts.entry(&connection.peer).or_default();
        match connection.listener {
            Some(_) => *inbound += 1,
            None => *outbound += 1,
        }
    }
    // Of each peer the latest: every shard has one of its own.
    let mut downs: HashMap<&str, &Down> = HashMap::new();
    for down in &live.downs {
        let last = downs.entry(&down.peer).or_insert(down);
        if down.ago < last.ago {
            *last = down;
        }
    }
    let peers = topology.peers().iter().map(|peer| {
        let (inbound, outbound) = counts.get(peer.name.as_str()).copied().unwrap_or_default();
        PeerStatus {
            peer: peer.name.to_string(),
            kind: peer.kind.word().to_owned(),
            inbound,
            outbound,
            last_down: downs.get(peer.name.as_str()).map(|down| LastDown {
                reason: down.reason.to_string(),
                ago_s: down.ago.as_secs(),
            }),
        }
    });
    peers.collect()
}
