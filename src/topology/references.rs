//! References to what a topology holds: positions that loading has checked, in place of names that might lead nowhere.
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Which loading a topology came of, and with it the references to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopologyId(u32);

impl TopologyId {
    /// One that no other topology of this process has.
    pub(crate) fn next() -> Self {
        static LOADINGS: AtomicU32 = AtomicU32::new(0);
        Self(LOADINGS.fetch_add(1, Relaxed))
    }

    /// The topology's peers with their references.
    pub(super) fn peers<T>(self, peers: &[T]) -> impl Iterator<Item = (PeerRef, &T)> {
        (0u32..).map(move |at| self.peer(at)).zip(peers)
    }

    /// A reference to the peer at this position of the topology.
    pub(super) fn peer(self, position: u32) -> PeerRef {
        PeerRef { position, of: self }
    }
}

/// A peer of one topology, made by that topology alone.
///
/// It is the only reference that outlives a message: connects and connections hold it while a reload goes on. So it knows
/// its topology, and leads nowhere in the next one, where another peer may stand at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerRef {
    position: u32,
    of: TopologyId,
}

impl PeerRef {
    /// The position in [`super::Topology::peers`] of its own topology.
    pub fn index(self) -> usize {
        self.position as usize
    }

    /// Whether it is of this topology.
    pub(super) fn is_of(self, topology: TopologyId) -> bool {
        self.of == topology
    }
}

// A type for each list, so that a position in one cannot be used for another. A reference is valid for
// one generation only: the next may have other entries at the same positions.
macro_rules! references {
    ($($name:ident into $list:literal;)+) => { $(
        #[doc = concat!("An index into [`super::Topology::", $list, "`] of one generation.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            #[doc = concat!("The position in [`super::Topology::", $list, "`].")]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+ };
}

references! {
    IdentityRef into "identities";
    TrustRef into "trusts";
}
