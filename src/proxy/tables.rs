//! The tables of one generation, made once outside of the shards and read by all of them.
//!
//! Building them takes time that grows with the topology, so it happens on another thread before a
//! reload is announced. A shard that takes them over changes one pointer.
use super::health::HealthBoard;
use super::interface::AdvertisedNames;
use super::listing::Listing;
use super::routing::Routing;
use crate::trust::Generation;
use std::sync::Arc;

/// The tables of one generation. A reload builds new ones beside the shards and hands each shard
/// the whole, so that no message sees half of two generations.
pub struct Tables {
    pub(crate) generation: Arc<Generation>,
    pub(crate) routing: Routing,
    pub(crate) listing: Arc<Listing>,
}

impl Tables {
    /// Makes them; `names` and `health` are those of the run, the same for every generation.
    pub fn new(
        generation: Arc<Generation>,
        names: &AdvertisedNames,
        health: &HealthBoard,
    ) -> Arc<Self> {
        let topology = generation.topology();
        Arc::new(Self {
            routing: Routing::new(topology, names),
            listing: Arc::new(Listing::new(topology, names, health)),
            generation,
        })
    }

    /// The generation that they were made of.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }
}
