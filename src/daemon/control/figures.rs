//! `figures`: what changes by the second, for `sipward top` and whoever else draws it.
//!
//! Counters since the start and gauges of now: two readings make rates. The counters are read where they are, and what the
//! shards are asked for takes no longer where there are more clients, so that a view may ask every second.
use super::context::ControlContext;
use super::pools::word;
use super::refusal::ControlRefusal;
use super::status::{EventCount, event_counts};
use crate::daemon::clock::now;
use crate::edge::{RowPage, ShardFigures};
use crate::observe::{RequestCount, RequestTimes};
use crate::proxy::{PeerCondition, PeerLoad};
use crate::topology::Topology;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// What a shard gets to answer: a view must not stand still because one shard does.
const FOR_SHARDS: Duration = Duration::from_secs(2);

/// One reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaemonFigures {
    /// The node's FQDN.
    pub node: String,
    /// The package's version.
    pub version: String,
    /// The process: counters of another one have begun anew.
    pub pid: u32,
    /// Milliseconds since the start; the time that lies between two readings.
    pub uptime_ms: u64,
    /// The loaded topology that serves, counted from 1.
    pub generation: u64,
    /// It takes nothing new.
    pub draining: bool,
    /// Shards that do not answer, from 0; what they have is missing in the gauges.
    pub silent: Vec<usize>,
    /// Client connections.
    pub clients: usize,
    /// Answered calls that are up.
    pub calls: usize,
    /// Registered clients.
    pub bindings: usize,
    /// Transactions in memory.
    pub transactions: usize,
    /// The peers of the topology: those first that take no new requests, then by name.
    pub peers: RowPage<PeerFigures>,
    /// Requests that have come, by method, direction and class of the final status.
    pub requests: Vec<RequestCount>,
    /// How long those took that were passed on, by direction and kind.
    pub times: Vec<RequestTimes>,
    /// Events that are a refusal, by reason.
    pub refused: Vec<EventCount>,
    /// Log lines that nobody will read.
    pub log_lost: u64,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFigures {
    /// Its name.
    pub peer: String,
    /// `home`, `federated` or `sibling`.
    pub kind: String,
    /// As in `pools`: `up`, `down` or `held`.
    pub state: String,
    /// Seconds since it last went down or came back; `None`: it has always been up in this run.
    pub since_s: Option<u64>,
    /// The reason code of why it went down last, or is left alone.
    pub reason: Option<String>,
    /// Connections with it.
    pub connections: usize,
    /// Requests that it has not answered yet.
    pub in_flight: usize,
}

impl ControlContext {
    /// Carries out `figures`, with at most so many peers.
    pub(super) async fn figures(&self, peers: usize) -> Result<Box<DaemonFigures>, ControlRefusal> {
        let daemon = &self.daemon;
        let answers = daemon.edge.figures(FOR_SHARDS);
        let loads = daemon.edge.peer_loads(FOR_SHARDS);
        // At once: a shard that stands still is waited for only one time.
        let (answers, loads) = tokio::join!(answers, loads);
        let silent = answers.iter().enumerate();
        let silent = silent.filter_map(|(shard, answer)| answer.is_none().then_some(shard));
        let silent = silent.collect();
        let sum = |of: fn(&ShardFigures) -> usize| answers.iter().flatten().map(of).sum();
        let generation = daemon.generation();
        let topology = generation.topology();
        let conditions = daemon.edge.conditions(topology);
        let rows = rows(topology, &conditions, &loads.unwrap_or_default());
        let requests = daemon.edge.requests();
        let mut refused = event_counts(&daemon.log);
        refused.retain(|count| is_refusal(&count.event));
        let up = now().saturating_duration_since(daemon.started);
        Ok(Box::new(DaemonFigures {
            node: topology.node().fqdn.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
            generation: generation.number(),
            draining: daemon.is_draining(),
            silent,
            clients: sum(|it| it.clients),
            calls: sum(|it| it.calls),
            bindings: sum(|it| it.bindings),
            transactions: sum(|it| it.transactions),
            // As every listing of this socket is cut.
            peers: RowPage::merged(vec![rows], peers, order),
            requests: requests.counts(),
            times: requests.times(),
            refused,
            log_lost: daemon.log.lost(),
        }))
    }
}

impl DaemonFigures {
    /// Adds what the process before this one still has: an operator sees one node. How a peer is, the process that accepts
    /// knows best.
    pub(super) fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.calls += other.calls;
        self.bindings += other.bindings;
        self.transactions += other.transactions;
        self.log_lost += other.log_lost;
        for peer in &mut self.peers.rows {
            let same = other.peers.rows.iter().find(|it| it.peer == peer.peer);
            if let Some(same) = same {
                peer.connections += same.connections;
                peer.in_flight += same.in_flight;
            }
        }
        for count in other.refused {
            let is_same =
                |own: &&mut EventCount| own.event == count.event && own.reason == count.reason;
            match self.refused.iter_mut().find(is_same) {
                Some(own) => own.count += count.count,
                None => self.refused.push(count),
            }
        }
        for count in other.requests {
            match self.requests.iter_mut().find(|own| own.is_like(&count)) {
                Some(own) => own.count += count.count,
                None => self.requests.push(count),
            }
        }
        for times in other.times {
            match self.times.iter_mut().find(|own| own.is_like(&times)) {
                Some(own) => own.add(&times),
                None => self.times.push(times),
            }
        }
    }
}

/// Whether an event is about something that was kept out, by either side.
fn is_refusal(event: &str) -> bool {
    let named = ["handshake_refused_by_peer", "message_dropped"];
    event.ends_with("_refused") || named.contains(&event)
}

/// What takes no requests comes first: of many thousand peers it is what somebody looks for.
fn order(a: &PeerFigures, b: &PeerFigures) -> std::cmp::Ordering {
    let key = |it: &PeerFigures| it.state == "up";
    key(a).cmp(&key(b)).then_with(|| a.peer.cmp(&b.peer))
}

/// A row for each peer.
fn rows(
    topology: &Topology,
    conditions: &[PeerCondition],
    loads: &HashMap<String, PeerLoad>,
) -> RowPage<PeerFigures> {
    let peers = topology.peers().iter().zip(conditions);
    let rows = peers.map(|(peer, condition)| {
        let load = loads.get(peer.name.as_str()).copied().unwrap_or_default();
        PeerFigures {
            peer: peer.name.to_string(),
            kind: peer.kind.word().to_owned(),
            state: word(condition.fitness).to_owned(),
            since_s: condition.since.map(|since| since.as_secs()),
            reason: condition.reason.map(|reason| reason.code().to_owned()),
            connections: load.connections,
            in_flight: load.in_flight,
        }
    });
    RowPage {
        rows: rows.collect(),
        left_off: 0,
    }
}
