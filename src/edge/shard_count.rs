//! How many shards a node has.
use crate::topology::{MOST_SHARDS, Topology};

/// How many shards a topology gets: what it asks for, or one for each core. More than there are cores would only make
/// them take turns.
pub fn shards(topology: &Topology) -> usize {
    // What this process may use: the CPUs of its cgroup and affinity.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    topology
        .node()
        .shards
        .map_or(cores, usize::from)
        .clamp(1, usize::from(MOST_SHARDS))
}
