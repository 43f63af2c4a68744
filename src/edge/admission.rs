//! What one inbound connection holds of the node's bounds, from accept to close. Everything that a remote side can pile
//! up by connecting is counted here: connections for each source address, connections and handshakes for each shard.
use super::sources::{SourceHold, Sources};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The inbound connections of one shard. The acceptor and the shard share it; it is touched at accept, at the end of the
/// handshake and at the close, never for a message.
#[derive(Default)]
pub(super) struct ShardLoad {
    /// Handshakes included, dialled connections not.
    connections: AtomicUsize,
    /// Those under way, of which the topology bounds the number.
    handshakes: AtomicUsize,
    /// Connections from balancers whose header is not whole yet: as many may wait as may shake hands.
    headers: AtomicUsize,
}

impl ShardLoad {
    /// Inbound connections, those that still shake hands or wait in the inbox included.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Inbound handshakes under way, those that wait for a balancer's header included.
    pub(super) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed) + self.headers.load(Ordering::Relaxed)
    }

    /// The count that bounds a place.
    fn counter(&self, place: WaitingPlace) -> &AtomicUsize {
        match place {
            WaitingPlace::Header => &self.headers,
            WaitingPlace::Handshake => &self.handshakes,
        }
    }
}

/// Where a connection waits for its remote side before anybody is known. Each place has its own number in a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WaitingPlace {
    /// For the header of a balancer.
    Header,
    /// For the other half of a handshake.
    Handshake,
}

/// The guard of one inbound connection. It moves with the socket, from the acceptor through the handshake to the
/// connection's task, and returns what it holds when it is dropped, on whatever path that happens.
pub(super) struct Admission {
    /// The shard that it counts in.
    load: Arc<ShardLoad>,
    /// `None` until the source is known.
    source: Option<SourceHold>,
    /// The place that it holds.
    place: Option<WaitingPlace>,
}

impl Admission {
    /// Counts a connection in a shard.
    pub(super) fn new(load: &Arc<ShardLoad>) -> Self {
        load.connections.fetch_add(1, Ordering::Relaxed);
        Self {
            load: Arc::clone(load),
            source: None,
            place: None,
        }
    }

    /// Counts it for a source, unless that has `bound` connections already: then nothing changes and it returns false.
    ///
    /// A second call moves it to another source, for when the true one becomes known behind a load balancer.
    pub(super) fn set_source(
        &mut self,
        sources: &Arc<Sources>,
        source: IpAddr,
        bound: usize,
    ) -> bool {
        // The hold on the earlier source is dropped by the assignment, and only if the new one was had.
        match Sources::hold(sources, source, bound) {
            Some(hold) => {
                self.source = Some(hold);
                true
            }
            None => false,
        }
    }

    /// Takes a place instead of the one that it holds, unless the shard has given away `bound` of them. Only the shard's
    /// own thread calls it, so that the look and the count need not be one step.
    pub(super) fn take_place(&mut self, place: WaitingPlace, bound: usize) -> bool {
        let counter = self.load.counter(place);
        if counter.load(Ordering::Relaxed) >= bound {
            return false;
        }
        counter.fetch_add(1, Ordering::Relaxed);
        self.leave_place();
        self.place = Some(place);
        true
    }

    /// Nothing is waited for any more; the connection goes on to count.
    pub(super) fn leave_place(&mut self) {
        if let Some(place) = self.place.take() {
            self.load.counter(place).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

// On whatever path the connection ends: a refusal, a timeout, a panic of its task.
impl Drop for Admission {
    fn drop(&mut self) {
        self.leave_place();
        self.load.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn admit(load: &Arc<ShardLoad>, sources: &Arc<Sources>, source: IpAddr) -> Option<Admission> {
        let mut admission = Admission::new(load);
        admission
            .set_source(sources, source, 1)
            .then_some(admission)
    }

    #[test]
    fn a_dropped_admission_returns_all_that_it_holds() {
        let (load, sources) = (Arc::default(), Arc::default());
        let mut first = admit(&load, &sources, ONE).unwrap();
        assert!(first.take_place(WaitingPlace::Handshake, 1));
        assert_eq!((load.connections(), load.handshakes()), (1, 1));
        assert!(admit(&load, &sources, ONE).is_none());
        assert_eq!(load.connections(), 1, "who is refused holds nothing");
        drop(first);
        assert_eq!((load.connections(), load.handshakes()), (0, 0));
        assert!(admit(&load, &sources, ONE).is_some());
    }

    #[test]
    fn a_handshake_is_bounded_and_ends_once() {
        let (load, sources) = (Arc::default(), Arc::default());
        let mut first = admit(&load, &sources, ONE).unwrap();
        let mut second = admit(&load, &sources, OTHER).unwrap();
        assert!(first.take_place(WaitingPlace::Handshake, 1));
        assert!(!second.take_place(WaitingPlace::Handshake, 1));
        first.leave_place();
        first.leave_place();
        assert_eq!((load.connections(), load.handshakes()), (2, 0));
        assert!(second.take_place(WaitingPlace::Handshake, 1));
    }

    #[test]
    fn who_waits_for_a_header_takes_no_place_of_a_handshake_and_gives_it_back_for_one() {
        let (load, sources) = (Arc::default(), Arc::default());
        let mut first = admit(&load, &sources, ONE).unwrap();
        let mut second = admit(&load, &sources, OTHER).unwrap();
        assert!(
            first.take_place(WaitingPlace::Header, 1)
                && !second.take_place(WaitingPlace::Header, 1)
        );
        assert_eq!(load.handshakes(), 1);
        assert!(
            first.take_place(WaitingPlace::Handshake, 1)
                && second.take_place(WaitingPlace::Header, 1)
        );
        assert!(
            !second.take_place(WaitingPlace::Handshake, 1),
            "it waits on"
        );
        assert_eq!(load.handshakes(), 2);
        drop((first, second));
        assert_eq!(load.handshakes(), 0);
    }

    #[test]
    fn a_connection_moves_to_its_true_source_only_if_that_has_room() {
        let (load, sources) = (Arc::default(), Arc::default());
        let mut moved = admit(&load, &sources, ONE).unwrap();
        let other = admit(&load, &sources, OTHER).unwrap();
        assert!(!moved.set_source(&sources, OTHER, 1));
        assert!(
            admit(&load, &sources, ONE).is_none(),
            "it still counts for the first"
        );
        drop(other);
        assert!(moved.set_source(&sources, OTHER, 1));
        assert!(admit(&load, &sources, OTHER).is_none());
        assert!(
            admit(&load, &sources, ONE).is_some(),
            "the first has room again"
        );
    }
}
