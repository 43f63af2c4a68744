//! `inventory`: what the running daemon holds, so that a new topology can be checked against it: live connections, chains seen lately, and
//! an outline of the topology that serves.
use super::context::{ControlContext, FOR_SHARDS};
use super::outline::Outline;
use super::past_decision::PastDecision;
use super::refusal::{ControlRefusal, no_answer};
use crate::daemon::Daemon;
use crate::edge::LiveConnections;
use crate::reason::DaemonReason;
use crate::topology::DnsName;
use crate::trust::{ShownChain, Verdict, decide};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A live connection with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePeer {
    /// Its number in the log.
    pub connection: u64,
    /// The peer's name.
    pub peer: String,
    /// The name under which it was dialled, if its entry covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The listener that it came through; `None`: this node dialled.
    pub listener: Option<String>,
    /// The remote address.
    pub remote: SocketAddr,
    /// The identity that was shown to it, if it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What the peer presented: an index into [`Inventory::chains`].
    pub chain: usize,
    /// What this node has shown, if it dialled: an index too.
    pub shown: Option<usize>,
}

/// Live clients that have shown one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownByClients {
    /// The listener that they came through.
    pub listener: String,
    /// The chain: an index into [`Inventory::chains`].
    pub chain: usize,
    /// How many.
    pub count: usize,
}

/// A chain that was seen lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenNow {
    /// What was decided then.
    #[serde(flatten)]
    pub then: PastDecision,
    /// The peer that the generation in force accepts it as; `None`: it refuses it.
    pub speaks_for: Option<String>,
    /// The chain: an index into [`Inventory::chains`].
    pub chain: usize,
}

/// What the running daemon holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// The topology file.
    #[serde(default)]
    pub topology: PathBuf,
    /// The generation that serves.
    pub generation: u64,
    /// Its outline.
    pub outline: Outline,
    /// Live clients by listener.
    pub clients: BTreeMap<String, usize>,
    /// Those of them that have shown a certificate.
    #[serde(default)]
    pub shown_by_clients: Vec<ShownByClients>,
    /// Live connections with peers.
    pub peers: Vec<LivePeer>,
    /// Connections that found no room here.
    pub left_out: usize,
    /// Chains seen lately.
    pub seen: Vec<SeenNow>,
    /// Every chain once, leaf first, each certificate's DER in base64.
    pub chains: Vec<Vec<String>>,
}

impl Inventory {
    /// Takes stock: live connections, and every chain that was seen lately with what would be decided about it
    /// now.
    fn of(daemon: &Daemon, live: LiveConnections) -> Self {
        let generation = daemon.generation();
        let mut chains = Chains::default();
        let peers = live.peers.into_iter().map(|connection| LivePeer {
            connection: connection.connection,
            peer: connection.peer,
            name: connection.name,
            listener: connection.listener,
            remote: connection.remote,
            identity: connection.identity,
            chain: chains.number(&connection.chain),
            shown: connection.shown.map(|leaf| chains.number(&[leaf])),
        });
        let peers = peers.collect();
        let shown_by_clients = live.shown_by_clients.into_iter();
        let shown_by_clients = shown_by_clients.map(|((listener, chain), count)| ShownByClients {
            listener,
            chain: chains.number(&chain),
            count,
        });
        let shown_by_clients = shown_by_clients.collect();
        let seen = daemon.edge.seen().all().into_iter().map(|seen| {
            let presented = seen.presented_to(&generation);
            let direction = seen.decision.direction;
            let judged = decide(&presented, direction, &generation, UnixTime::now());
            SeenNow {
                then: PastDecision::from(&seen),
                speaks_for: judged
                    .ok()
                    .and_then(|peer| peer.decision().peer_name.clone()),
                chain: chains.number(&seen.chain),
            }
        });
        let seen = seen.collect();
        Self {
            topology: daemon.path.clone(),
            generation: generation.number(),
            outline: Outline {
                restart_settings: daemon.at_start.clone(),
                ..Outline::of(generation.topology())
            },
            clients: live.clients,
            shown_by_clients,
            peers,
            left_out: live.left_out,
            seen,
            chains: chains.chains,
        }
    }

    /// Adds what another process of this node holds, with its chains behind the own ones.
    pub(super) fn add(&mut self, other: Self) {
        // Indices of the other one count from here; a chain that both hold stands there twice.
        let behind = self.chains.len();
        self.chains.extend(other.chains);
        self.peers
            .extend(other.peers.into_iter().map(|peer| LivePeer {
                chain: peer.chain + behind,
                shown: peer.shown.map(|shown| shown + behind),
                ..peer
            }));
        for (listener, count) in other.clients {
            *self.clients.entry(listener).or_default() += count;
        }
        let shown = other.shown_by_clients.into_iter();
        self.shown_by_clients
            .extend(shown.map(|shown| ShownByClients {
                chain: shown.chain + behind,
                ..shown
            }));
        self.seen.extend(other.seen.into_iter().map(|seen| SeenNow {
            chain: seen.chain + behind,
            ..seen
        }));
        self.left_out += other.left_out;
    }

    /// The chains that peers were accepted with, the latest first.
    pub fn accepted(&self) -> impl Iterator<Item = ShownChain<'_>> {
        let accepted = self.seen.iter();
        let accepted = accepted.filter(|seen| seen.then.verdict == Verdict::Accept.word());
        accepted.filter_map(|seen| {
            Some(ShownChain {
                peer: seen.then.peer.as_deref()?,
                name: seen
                    .then
                    .dialled
                    .as_deref()
                    .and_then(|name| DnsName::parse(name).ok()),
                identity: seen.then.identity.as_deref(),
                direction: seen.then.direction(),
                chain: self.chain(seen.chain).into(),
            })
        })
    }

    /// The certificates of a chain; what cannot be read is left out, and then refused.
    pub fn chain(&self, index: usize) -> Vec<CertificateDer<'static>> {
        let chain = self.chains.get(index).map(Vec::as_slice);
        let read = |text: &String| STANDARD.decode(text).ok().map(CertificateDer::from);
        chain.unwrap_or_default().iter().filter_map(read).collect()
    }
}

impl ControlContext {
    /// Carries out `inventory`.
    pub(super) async fn inventory(&self) -> Result<Box<Inventory>, ControlRefusal> {
        let live = self.daemon.edge.connections(FOR_SHARDS).await;
        let live = live.ok_or_else(no_answer)?;
        let daemon = Arc::clone(&self.daemon);
        // Every chain that is kept is decided on once: not in the thread that feeds the watchdog.
        let taken = tokio::task::spawn_blocking(move || Inventory::of(&daemon, live)).await;
        taken
            .map(Box::new)
            .map_err(|error| DaemonReason::ShardSilent.because(error.to_string()))
    }
}

/// Numbers chains, each once: thousands of connections often share a few chains.
#[derive(Default)]
struct Chains {
    /// The number of each chain.
    numbers: HashMap<Vec<CertificateDer<'static>>, usize>,
    /// The chains in the order of their numbers, in base64.
    chains: Vec<Vec<String>>,
}

impl Chains {
    /// The number of a chain.
    fn number(&mut self, chain: &[CertificateDer<'static>]) -> usize {
        if let Some(number) = self.numbers.get(chain) {
            return *number;
        }
        let number = self.chains.len();
        self.chains
            .push(chain.iter().map(|der| STANDARD.encode(der)).collect());
        self.numbers.insert(chain.to_vec(), number);
        number
    }
}
