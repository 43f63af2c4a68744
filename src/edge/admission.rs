//! What one inbound connection holds of the node's bounds, from accept to close. Everything that a remote side can pile
//! up by connecting is counted here: connections for each source address, connections and handshakes for each shard.
//!
//! In the lobby a connection counts for its source. With its turn it gets a place in a shard, which has three counts: the
//! connection until it closes, its handshake until that ends, and its hello until it is answered.
use super::slots::SlotHold;
use super::sources::{SourceHold, Sources};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::sync::Notify;

/// Hellos that one shard answers at a time. Enough that it never waits for the acceptor; what is more waits in the lobby,
/// where it is still chosen by its source.
const ANSWERING: usize = 8;

/// The inbound connections of one shard. The acceptor and the shard share it; it is touched at the beginning and the end
/// of the handshake and at the close, never for a message.
#[derive(Default)]
pub(super) struct ShardLoad {
    /// Handshakes included, dialled connections not.
    connections: AtomicUsize,
    /// Those under way.
    handshakes: AtomicUsize,
    /// Those of them whose ClientHello is not answered yet.
    answering: AtomicUsize,
    /// Notified when idle strangers should make room (`make_room`).
    pub(super) room: Notify,
    /// What the shard's runtime counts of itself.
    work: OnceLock<RuntimeMetrics>,
}

impl ShardLoad {
    /// Inbound connections, those that still shake hands included.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Inbound handshakes under way.
    pub(super) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// The shard runs in this runtime from now on.
    pub(super) fn works_in(&self, runtime: &Handle) {
        let _ = self.work.set(runtime.metrics());
    }

    /// For how long the shard has worked since its start; its waits do not count.
    pub(super) fn worked(&self) -> Duration {
        let only_worker = |work: &RuntimeMetrics| work.worker_total_busy_duration(0);
        self.work.get().map(only_worker).unwrap_or_default()
    }

    /// Whether it has as many hellos to answer as it should have at a time.
    pub(super) fn is_busy(&self) -> bool {
        self.answering.load(Ordering::Relaxed) >= ANSWERING
    }
}

/// One connection in a shard, from the beginning of its handshake.
pub(super) struct ShardPlace {
    /// Which shard.
    pub(super) shard: usize,
    load: Arc<ShardLoad>,
    /// While it shakes hands.
    handshake: Option<ShardHandshake>,
}

/// A handshake of a shard.
struct ShardHandshake {
    load: Arc<ShardLoad>,
    slot: SlotHold,
    /// Its hello is not answered.
    answering: bool,
}

impl ShardPlace {
    /// Counts a connection and its handshake in a shard.
    pub(super) fn new(shard: usize, load: &Arc<ShardLoad>, slot: SlotHold) -> Self {
        for count in [&load.connections, &load.handshakes, &load.answering] {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            shard,
            load: Arc::clone(load),
            handshake: Some(ShardHandshake {
                load: Arc::clone(load),
                slot,
                answering: true,
            }),
        }
    }

    /// A place in a shard of its own.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        let slots = Arc::<super::slots::Slots>::default();
        let (source, priority) = ([192, 0, 2, 1].into(), super::priority::Priority::Peer);
        let slot = slots.take(source, priority, 1, super::clock::now());
        Self::new(0, &Arc::default(), slot.ok().unwrap())
    }
}

impl ShardHandshake {
    /// The hello is answered: the shard may have the next one.
    fn answered(&mut self) {
        if std::mem::take(&mut self.answering) {
            self.load.answering.fetch_sub(1, Ordering::Relaxed);
            self.slot.freed();
        }
    }
}

impl Drop for ShardHandshake {
    fn drop(&mut self) {
        // Before the slot itself is returned, by the drop of its hold.
        self.answered();
        self.load.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ShardPlace {
    fn drop(&mut self) {
        self.handshake = None;
        self.load.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The guard of one inbound connection. It moves with the socket, from the acceptor through the handshake to the
/// connection's task, and returns what it holds when it is dropped, on whatever path that happens: a refusal, a timeout, a
/// panic of its task.
#[derive(Default)]
pub(super) struct Admission {
    /// `None` until the source is known.
    source: Option<SourceHold>,
    /// `None` while it waits in the lobby.
    place: Option<ShardPlace>,
}

impl Admission {
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

    /// Its handshake begins.
    pub(super) fn begin(&mut self, place: ShardPlace) {
        self.place = Some(place);
    }

    /// This node has answered its hello.
    pub(super) fn answered(&mut self) {
        if let Some(handshake) = self.place.as_mut().and_then(|p| p.handshake.as_mut()) {
            handshake.answered();
        }
    }

    /// What is notified when its slot has gone to another.
    pub(super) fn lost(&self) -> Arc<Notify> {
        let handshake = self.place.as_ref().and_then(|p| p.handshake.as_ref());
        handshake.map_or_else(Arc::default, |h| Arc::clone(&h.slot.lost))
    }

    /// The handshake is over; the connection goes on to count.
    pub(super) fn leave_slot(&mut self) {
        if let Some(place) = &mut self.place {
            place.handshake = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::super::priority::Priority;
    use super::super::slots::Slots;
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn admit(sources: &Arc<Sources>, source: IpAddr) -> Option<Admission> {
        let mut admission = Admission::default();
        let has_source = admission.set_source(sources, source, 1);
        has_source.then_some(admission)
    }

    #[test]
    fn a_dropped_admission_returns_all_that_it_holds() {
        let (load, slots, sources) = (Arc::default(), Arc::<Slots>::default(), Arc::default());
        let take = || slots.take(ONE, Priority::Peer, 1, clock::now()).ok();
        let mut first = admit(&sources, ONE).unwrap();
        assert!(admit(&sources, ONE).is_none());
        first.begin(ShardPlace::new(0, &load, take().unwrap()));
        assert_eq!((load.connections(), load.handshakes()), (1, 1));
        assert!(take().is_none());
        drop(first);
        assert_eq!((load.connections(), load.handshakes()), (0, 0));
        assert!(take().is_some());
        assert!(admit(&sources, ONE).is_some());
    }

    #[test]
    fn a_shard_is_busy_with_hellos_that_it_has_not_answered() {
        let load = Arc::new(ShardLoad::default());
        let slots = Arc::new(Slots::default());
        let mut all = Vec::new();
        for _ in 0..ANSWERING {
            assert!(!load.is_busy());
            let slot = slots.take(ONE, Priority::Peer, 100, clock::now());
            let mut admission = Admission::default();
            admission.begin(ShardPlace::new(0, &load, slot.ok().unwrap()));
            all.push(admission);
        }
        assert!(load.is_busy());
        all[0].answered();
        all[0].answered();
        assert_eq!((load.is_busy(), load.handshakes()), (false, ANSWERING));
        // The handshake is over, the connection is not.
        all[1].leave_slot();
        assert_eq!(load.handshakes(), ANSWERING - 1);
        assert_eq!(load.connections(), ANSWERING);
        drop(all);
        assert_eq!(load.answering.load(Ordering::Relaxed), 0);
        assert_eq!((load.connections(), load.handshakes()), (0, 0));
    }

    #[test]
    fn a_connection_moves_to_its_true_source_only_if_that_has_room() {
        let sources = Arc::default();
        let mut moved = admit(&sources, ONE).unwrap();
        let other = admit(&sources, OTHER).unwrap();
        assert!(!moved.set_source(&sources, OTHER, 1));
        assert!(
            admit(&sources, ONE).is_none(),
            "it still counts for the first"
        );
        drop(other);
        assert!(moved.set_source(&sources, OTHER, 1));
        assert!(admit(&sources, OTHER).is_none());
        assert!(admit(&sources, ONE).is_some(), "the first has room again");
    }
}
