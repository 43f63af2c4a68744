//! How many descriptors the process may have (RLIMIT_NOFILE), and for how many connections that is enough.
//!
//! Without descriptors nothing can be accepted, connected to, read or looked up: a flood of strangers would take the
//! connections to peers, the control socket and DNS along. So a part of them is never used for who comes in, and the
//! topology's bound on connections is lowered to what is left.
use super::shard_count::shards;
use crate::topology::Topology;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the node itself: standard streams, listeners, the log, the control socket and its connections, files that a
/// reload reads, DNS, and what was accepted and is about to be closed.
const OWN: usize = 384;
/// Of each shard: its runtime, and lookups.
const OWN_OF_SHARD: usize = 16;

/// For how many connections the descriptors are enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DescriptorRoom {
    /// What the process may have.
    pub limit: usize,
    /// What the topology's bound on connections, and this node itself, would need.
    pub wanted: usize,
    /// Connections that come in, those in the lobby included.
    pub sockets: usize,
    /// Connections in each shard: the topology's bound, or what fits.
    pub connections: usize,
    /// The topology's bound.
    pub bound: usize,
}

impl DescriptorRoom {
    /// For a topology, by the limit that the process has now.
    pub fn of(topology: &Topology) -> Self {
        let peers = topology.peers().iter();
        let dialled = peers.map(|peer| usize::from(peer.connections).max(1)).sum();
        let bound = topology.limits().connections;
        Self::new(limit(), shards(topology), dialled, bound)
    }

    /// By the numbers: a shard may connect to `dialled` servers, and have `bound` connections that came in.
    fn new(limit: usize, shards: usize, dialled: usize, bound: usize) -> Self {
        let kept = OWN + shards * OWN_OF_SHARD + shards.saturating_mul(dialled);
        let all = shards.saturating_mul(bound);
        // A limit that is much too small is shared out all the same.
        let sockets = limit - kept.min(limit / 2);
        Self {
            limit,
            wanted: all.saturating_add(kept),
            sockets,
            connections: bound.min((sockets / shards.max(1)).max(1)),
            bound,
        }
    }

    /// Whether the topology asks for more connections than fit.
    pub fn is_short(&self) -> bool {
        self.connections < self.bound
    }

    /// That it does, in words, and what comes of it.
    // For the log of the start and for `check`, which are to say the same.
    pub fn shortage(&self) -> Option<String> {
        self.is_short().then(|| {
            format!(
                "{} descriptors are needed for limits.connections = {}, and the process may have {}: each shard takes {} connections",
                self.wanted, self.bound, self.limit, self.connections
            )
        })
    }
}

/// Raises the soft limit to the hard one, which only those programs must not do that use `select`.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // What is refused stays as it is, and is what counts below.
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// The soft limit; where there is none, as many as Linux numbers.
fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(1 << 30, |most| usize::try_from(most).unwrap_or(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Limits;

    #[test]
    fn the_bound_on_connections_is_lowered_to_what_fits_beside_what_is_kept() {
        let room = DescriptorRoom::new(20_000, 2, 10, 30_000);
        assert!(room.is_short());
        assert_eq!((room.sockets, room.connections), (19_564, 9_782));
        assert_eq!(room.wanted, 60_436);
        let room = DescriptorRoom::new(100_000, 2, 10, 30_000);
        assert!(!room.is_short() && room.connections == 30_000);
        // Half of what there is goes to who comes in, however little it is.
        let room = DescriptorRoom::new(256, 4, 10_000, 30_000);
        assert_eq!((room.sockets, room.connections), (128, 32));
        assert_eq!(DescriptorRoom::new(1, 64, 1, 5).connections, 1);
    }

    #[test]
    fn the_units_limit_fits_the_defaults_on_32_cores_with_a_thousand_peers() {
        let unit = include_str!("../../config/sipward.service");
        let limit = unit.lines().find_map(|l| l.strip_prefix("LimitNOFILE="));
        let limit = limit.unwrap().parse().unwrap();
        let room = DescriptorRoom::new(limit, 32, 1_000, Limits::default().connections);
        assert!(!room.is_short(), "{room:?}");
    }
}
