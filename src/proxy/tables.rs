//! What one generation says to the proxy, in tables that are made once, outside of the shards, and read by all of them.
use super::Faces;
use super::fast_map::FastMap;
use super::health::{HealthBoard, PeerHealth};
use super::leg::PeerKey;
use super::routing::Routing;
use crate::sip::HeaderSet;
use crate::topology::{FieldRules, Health, PeerKind, PeerRef, Topology};
use crate::trust::Generation;
use std::sync::Arc;

/// The tables of one generation.
pub struct Tables {
    pub(super) generation: Arc<Generation>,
    pub(super) routing: Routing,
    pub(super) listing: Arc<Listing>,
}

impl Tables {
    /// Makes them; `faces` and `health` are those of the run, the same for every generation.
    pub fn new(generation: Arc<Generation>, faces: &Faces, health: &HealthBoard) -> Arc<Self> {
        let topology = generation.topology();
        Arc::new(Self {
            routing: Routing::new(topology, faces),
            listing: Arc::new(Listing::new(topology, health)),
            generation,
        })
    }

    /// The generation that they were made of.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }
}

/// The peers of one generation.
#[derive(Default)]
pub(crate) struct Listing {
    by_key: FastMap<PeerKey, Arc<ListedPeer>>,
    /// In the order of their references.
    all: Vec<Arc<ListedPeer>>,
    /// Those that are pinged.
    pinged: Vec<Arc<ListedPeer>>,
    /// Whether any peer wants more than one connection.
    pub(crate) several: bool,
}

/// What the topology says of one peer.
#[derive(Clone)]
pub(crate) struct ListedPeer {
    pub(crate) key: PeerKey,
    /// In the current generation; `None`: the topology no longer lists it.
    pub(crate) current: Option<PeerRef>,
    pub(crate) fqdn: Arc<str>,
    pub(crate) kind: PeerKind,
    pub(crate) assert_identity: bool,
    /// What all shards know of its health.
    pub(crate) health: Arc<PeerHealth>,
    /// How it is pinged; `None`: it is not.
    pub(crate) policy: Option<Health>,
    /// Connections that each shard shall have to it.
    pub(crate) wanted: u8,
    pub(crate) fields: FieldRules,
    /// Whether it takes sips URIs.
    pub(crate) sips: bool,
    /// Whether the home side is hidden from it.
    pub(crate) hide_topology: bool,
    /// What is taken out of its anonymous requests; `None`: there may be none.
    pub(crate) anonymous: Option<HeaderSet>,
}

impl ListedPeer {
    /// Whether it is one of the home servers.
    pub(crate) fn is_home(&self) -> bool {
        match self.kind {
            PeerKind::Home => true,
            PeerKind::Federated => false,
        }
    }
}

impl Listing {
    fn new(topology: &Topology, board: &HealthBoard) -> Self {
        let policies = policies(topology);
        let listed = topology.peer_refs().zip(policies);
        let all: Vec<Arc<ListedPeer>> = listed
            .map(|((reference, peer), policy)| {
                let key = PeerKey::of(peer.fqdn.as_str());
                Arc::new(ListedPeer {
                    key,
                    current: Some(reference),
                    fqdn: Arc::clone(&peer.fqdn.0),
                    kind: peer.kind,
                    assert_identity: peer.assert_identity,
                    health: board.of(key),
                    policy,
                    wanted: peer.connections,
                    fields: peer.boundary.fields,
                    sips: peer.boundary.sips,
                    hide_topology: peer.boundary.hide_topology,
                    anonymous: peer.boundary.anonymous,
                })
            })
            .collect();
        let by_key = all.iter().map(|peer| (peer.key, Arc::clone(peer)));
        let pinged = all.iter().filter(|peer| peer.policy.is_some());
        Self {
            by_key: by_key.collect(),
            pinged: pinged.cloned().collect(),
            several: all.iter().any(|peer| peer.wanted > 1),
            all,
        }
    }

    /// The peer of this key.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Arc<ListedPeer>> {
        self.by_key.get(&key)
    }

    /// The peer of this reference.
    pub(crate) fn by_reference(&self, reference: PeerRef) -> Option<&ListedPeer> {
        self.all.get(reference.index()).map(|peer| &**peer)
    }

    /// Those that are pinged, each with how.
    pub(crate) fn pinged(&self) -> impl Iterator<Item = (&Arc<ListedPeer>, Health)> {
        let pinged = self.pinged.iter();
        pinged.filter_map(|peer| Some((peer, peer.policy?)))
    }
}

/// How each peer's health is watched, by its reference: the strictest of its pools that have `health`.
fn policies(topology: &Topology) -> Vec<Option<Health>> {
    let mut policies: Vec<Option<Health>> = vec![None; topology.peers().len()];
    for pool in topology.pools() {
        let Some(health) = pool.health else { continue };
        for (member, _) in &pool.peers {
            if let Some(policy) = policies.get_mut(member.index()) {
                *policy = Some(policy.map_or(health, |other| stricter(other, health)));
            }
        }
    }
    policies
}

fn stricter(a: Health, b: Health) -> Health {
    Health {
        options_every: a.options_every.min(b.options_every),
        timeout: a.timeout.min(b.timeout),
        down_after: a.down_after.min(b.down_after),
        up_after: a.up_after.max(b.up_after),
        fail_back: a.fail_back.max(b.fail_back),
    }
}
