//! The taps of one shard: what they take is copied, and nothing ever waits for who reads it.
use super::record::{TraceDirection, TraceRecord, TracedItem, TracedMessage};
use super::selection::{Refused, TracePlace, TraceSelection};
use crate::edge::clock;
use crate::edge::connection::Connection;
use crate::observe::Event;
use crate::proxy::Core;
use crate::sip::Message;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// Records that wait for the reader of one trace.
pub(super) const QUEUE: usize = 4_096;
/// Bytes of messages that wait for it, all shards together.
const QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// Call-IDs that a tap remembers, so that the refusal of a message that it took is taken too.
const FOLLOWED: usize = 10_000;
/// Bytes that are shown of what is no message.
const UNFRAMED: usize = 512;

/// What the taps of one trace and its reader share.
#[derive(Debug, Default)]
pub(super) struct TraceCounts {
    /// What found no room.
    pub(super) dropped: AtomicU64,
    /// Bytes that wait.
    pub(super) queued: AtomicUsize,
}

/// One trace in one shard.
#[derive(Clone)]
pub(super) struct TraceTap {
    /// The trace's number.
    pub(super) id: u64,
    pub(super) selection: TraceSelection,
    /// Whether bodies are copied.
    pub(super) bodies: bool,
    pub(super) sink: mpsc::Sender<TraceRecord>,
    pub(super) counts: Arc<TraceCounts>,
    /// Call-IDs of messages that it took, in this shard.
    pub(super) followed: RefCell<HashSet<Box<[u8]>>>,
}

/// All traces of one shard.
///
/// The daemon has four at a time at most, so that a list is searched and not a table.
#[derive(Default)]
pub(in crate::edge) struct TraceTaps {
    /// Whether there is any: all that a message costs while nobody traces.
    any: Cell<bool>,
    taps: RefCell<Vec<TraceTap>>,
}

impl TraceTaps {
    /// Whether anybody traces.
    pub(in crate::edge) fn any(&self) -> bool {
        self.any.get()
    }

    /// One more.
    pub(super) fn add(&self, tap: TraceTap) {
        self.taps.borrow_mut().push(tap);
        self.any.set(true);
    }

    /// Takes out the trace with this number, and those that nobody reads any more.
    pub(super) fn remove(&self, id: u64) {
        let mut taps = self.taps.borrow_mut();
        taps.retain(|tap| tap.id != id && !tap.sink.is_closed());
        self.any.set(!taps.is_empty());
    }

    /// Something was received or sent on a connection.
    #[cold]
    pub(in crate::edge) fn message(
        &self,
        direction: TraceDirection,
        connection: &Connection,
        bytes: &[u8],
        core: &Core,
    ) {
        // Who that is, is asked for only by a selection that needs it.
        let origin = connection.origin.borrow();
        let holds = |user: &str| {
            core.users_of(connection.id)
                .any(|holder| holder.is_called(user))
        };
        let on = TracePlace {
            number: connection.number,
            peer: connection.peer.as_deref(),
            remote: origin.remote,
            holds: &holds,
        };
        // Read anew: what is sent was not read before, and only a trace pays for it.
        let message = Message::parse(bytes).ok();
        for tap in self.taps.borrow().iter() {
            if !tap.selection.takes(&on, message.as_ref()) {
                continue;
            }
            // A body may be a thousand times as long as what is shown of it.
            let (kept, body) = match &message {
                Some(message) if tap.bodies => (bytes, message.body().len()),
                Some(message) => (message.head(), message.body().len()),
                None => (bytes.get(..UNFRAMED).unwrap_or(bytes), 0),
            };
            // Of a request that is refused the event has no more than its names.
            if let Some(id) = message.as_ref().and_then(|it| it.call_id().ok()) {
                tap.follow(id);
            }
            let traced = TracedMessage {
                direction,
                connection: connection.number,
                peer: connection.peer.as_deref().map(Box::from),
                remote: origin.remote,
                local: origin.local,
                shard: connection.id.shard(),
                bytes: kept.into(),
                body,
                is_framed: message.is_some(),
            };
            tap.push(kept.len(), TracedItem::Message(traced));
        }
    }

    /// An event is recorded, which may be a refusal.
    #[cold]
    pub(in crate::edge) fn event(&self, event: &Event) {
        let Some(refused) = Refused::of(event) else {
            return;
        };
        for tap in self.taps.borrow().iter() {
            let is_followed = || tap.followed.borrow().contains(refused.call_id);
            if tap.selection.takes_event(event) || is_followed() {
                tap.push(0, TracedItem::Refusal(Box::new(event.clone())));
            }
        }
    }
}

impl TraceTap {
    /// Remembers a Call-ID.
    fn follow(&self, id: &[u8]) {
        let mut followed = self.followed.borrow_mut();
        if followed.contains(id) {
            return;
        }
        // A refusal comes within moments of its message: old ones are not missed.
        if followed.len() >= FOLLOWED {
            followed.clear();
        }
        followed.insert(id.into());
    }

    /// Queues a record, if there is room for it.
    fn push(&self, bytes: usize, item: TracedItem) {
        let at = clock::calendar();
        // Counted first and taken back: two shards at once must not both believe in the last room.
        let before = self.counts.queued.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= QUEUED_BYTES;
        if !fits || self.sink.try_send(TraceRecord { at, item }).is_err() {
            self.counts.queued.fetch_sub(bytes, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::MessageReason;
    use std::net::SocketAddr;

    fn dropped_from(last: u8) -> Event {
        Event::MessageDropped {
            reason: MessageReason::AckUnmatched.into(),
            remote: Some(SocketAddr::from(([192, 0, 2, last], 5061))),
            peer: None,
        }
    }

    fn tap(id: u64, selection: TraceSelection) -> (TraceTap, mpsc::Receiver<TraceRecord>) {
        let (sink, records) = mpsc::channel(3);
        let tap = TraceTap {
            id,
            selection,
            bodies: false,
            sink,
            counts: Arc::default(),
            followed: RefCell::default(),
        };
        (tap, records)
    }

    #[test]
    fn a_tap_takes_what_is_selected_never_waits_and_counts_what_found_no_room() {
        let taps = TraceTaps::default();
        assert!(!taps.any());
        let network = TraceSelection::Network("192.0.2.7/32".parse().unwrap());
        let (tap, mut records) = tap(1, network);
        let counts = Arc::clone(&tap.counts);
        taps.add(tap);
        for _ in 0..5 {
            taps.event(&dropped_from(7));
            taps.event(&dropped_from(8));
        }
        assert_eq!(counts.dropped.load(Ordering::Relaxed), 2);
        let taken = std::iter::from_fn(|| records.try_recv().ok());
        assert_eq!(taken.count(), 3);
        assert_eq!(counts.queued.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_tap_goes_with_its_reader_and_the_flag_with_the_last() {
        let taps = TraceTaps::default();
        let (first, reader) = tap(1, TraceSelection::All);
        let (second, _records) = tap(2, TraceSelection::All);
        taps.add(first);
        taps.add(second);
        drop(reader);
        // The end of any trace takes out those without a reader too.
        taps.remove(3);
        assert!(taps.any());
        taps.remove(2);
        assert!(!taps.any() && taps.taps.borrow().is_empty());
    }
}
