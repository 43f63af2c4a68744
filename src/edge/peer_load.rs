//! What runs with each peer, over all shards, and how it is: for an operator.
//!
//! Connections and requests are each shard's own and must be asked for; health is what all shards have agreed on in one
//! place, and costs them nothing to show.
use super::clock;
use super::handle::Edge;
use crate::proxy::{PeerCondition, PeerLoad};
use crate::topology::Topology;
use std::collections::HashMap;
use std::time::Duration;

impl Edge {
    /// What runs with each peer that anything runs with, by its name. `None`: a shard does not answer within `patience`.
    pub async fn peer_loads(&self, patience: Duration) -> Option<HashMap<String, PeerLoad>> {
        let shards = self.each(patience, |shard| shard.core.borrow().peer_loads());
        let mut all: HashMap<String, PeerLoad> = HashMap::new();
        for (name, one) in shards.await?.into_iter().flatten() {
            let sum = all.entry(name).or_default();
            sum.connections += one.connections;
            sum.in_flight += one.in_flight;
            sum.waiting += one.waiting;
        }
        Some(all)
    }

    /// The health of each peer of a topology, in the order of the file. No shard is asked: all write it to one place.
    pub fn conditions(&self, topology: &Topology) -> Vec<PeerCondition> {
        let names = topology.peers().iter().map(|peer| peer.name.as_str());
        self.health.conditions(names, clock::now())
    }
}
