//! What one generation says to the proxy, in tables that are made once, outside of the shards, and read by all of them.
use super::health::HealthBoard;
use super::interface::AdvertisedNames;
use super::listing::Listing;
use super::routing::Routing;
use crate::trust::Generation;
use std::sync::Arc;

/// The tables of one generation.
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
            listing: Arc::new(Listing::new(topology, health)),
            generation,
        })
    }

    /// The generation that they were made of.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }
}
