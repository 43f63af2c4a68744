//! What the running daemon holds, so that a new topology can be judged by it: live connections, chains seen lately, and
//! an outline of the topology that serves.
use super::protocol::PastDecision;
use crate::topology::{Fixed, Grants, PeerRef, Topology};
use crate::trust::{ShownChain, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a topology routes and what of it is fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The peers' FQDNs.
    pub peers: Vec<String>,
    /// Where each domain goes.
    pub routes: BTreeMap<String, Route>,
    /// What only a restart can change.
    pub fixed: Fixed,
    /// What it grants, apart from who may vouch for whom.
    #[serde(default)]
    pub grants: Grants,
}

/// Where a domain goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The pool's name.
    pub pool: String,
    /// FQDNs of its members, those that drain apart.
    pub targets: Vec<String>,
}

impl Outline {
    /// Of a topology.
    pub fn of(topology: &Topology) -> Self {
        let names = topology.peers().iter().map(|p| p.fqdn.to_string());
        let mut routes = BTreeMap::new();
        for pool in topology.pools() {
            // A member that drains takes nothing new.
            let drained: HashSet<&PeerRef> = pool.drain.iter().collect();
            let targets = pool.peers.iter();
            let targets: Vec<String> = targets
                .filter(|(peer, _)| !drained.contains(peer))
                .map(|(peer, _)| topology.peer(*peer).fqdn.to_string())
                .collect();
            for domain in &pool.domains {
                let route = Route {
                    pool: pool.name.clone(),
                    targets: targets.clone(),
                };
                routes.insert(domain.to_string(), route);
            }
        }
        Self {
            peers: names.collect(),
            routes,
            fixed: topology.fixed(),
            grants: topology.grants(),
        }
    }
}

/// A live connection with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePeer {
    /// Its number in the log.
    pub connection: u64,
    /// The peer's FQDN.
    pub peer: String,
    /// The listener that it came through; `None`: we dialled.
    pub listener: Option<String>,
    /// The other side.
    pub remote: SocketAddr,
    /// What they presented: an index into [`Inventory::chains`].
    pub chain: usize,
    /// What we have shown, if we dialled: an index too.
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
    /// The chains that peers were accepted with, the latest first.
    pub fn accepted(&self) -> impl Iterator<Item = ShownChain<'_>> {
        let accepted = self.seen.iter();
        let accepted = accepted.filter(|seen| seen.then.verdict == Verdict::Accept.word());
        accepted.filter_map(|seen| {
            Some(ShownChain {
                peer: seen.then.peer.as_deref()?,
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

/// Numbers chains, each once.
#[derive(Default)]
pub(in crate::daemon) struct Chains {
    numbers: HashMap<Vec<CertificateDer<'static>>, usize>,
    chains: Vec<Vec<String>>,
}

impl Chains {
    /// The number of a chain.
    pub(in crate::daemon) fn number(&mut self, chain: &[CertificateDer<'static>]) -> usize {
        if let Some(number) = self.numbers.get(chain) {
            return *number;
        }
        let number = self.chains.len();
        self.chains
            .push(chain.iter().map(|der| STANDARD.encode(der)).collect());
        self.numbers.insert(chain.to_vec(), number);
        number
    }

    /// All, in the order of their numbers.
    pub(in crate::daemon) fn into_all(self) -> Vec<Vec<String>> {
        self.chains
    }
}
