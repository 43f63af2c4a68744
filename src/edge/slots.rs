//! The slots of handshakes, over all shards: who has one has sent a whole ClientHello and is still to answer this node's
//! flight. While all are taken, one that has been held for longer than an honest remote needs goes to the next.
//!
//! The number of slots bounds memory. What is computed for strangers is bounded elsewhere: a shard answers few hellos at a
//! time, and relays messages in between. A remote that stalls after its hello costs memory alone, for as long as nobody
//! waits until the handshake's own deadline, and for three seconds when somebody does and few slots return.
use super::crowd::Crowd;
use super::priority::{ByPriority, Priority};
use crate::proxy::{NodeHold, NodeMemory};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// So long a slot is nobody else's: two round trips with the retransmission of a lost packet (RFC 6298 §2.1) in one.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// By this time returned slots are counted.
const SPAN: Duration = Duration::from_secs(1);

/// The slots. The acceptor takes them, and the shards return them: a lock for each handshake, which costs a thousand times
/// as much.
#[derive(Default)]
pub(super) struct Slots {
    /// What each holds counts for the node.
    memory: Arc<NodeMemory>,
    held: Mutex<SlotTable>,
    /// One is free again, or a shard has answered a hello: who waits may go on.
    freed: Notify,
}

#[derive(Default)]
struct SlotTable {
    /// How many were returned in this second and in the one before, and when this one began.
    returned: Option<(Instant, usize, usize)>,
    /// By number: the first has held its slot longest.
    holders: BTreeMap<u64, Holder>,
    crowds: ByPriority<Crowd>,
    next: u64,
}

/// One that has a slot.
struct Holder {
    /// As the crowd knows it.
    source: IpAddr,
    priority: Priority,
    since: Instant,
    /// Its handshake waits for this.
    lost: Arc<Notify>,
}

/// What a handshake that waits for its remote takes, in bytes: both flights, the certificates in them, the state of TLS.
const HANDSHAKE: usize = 20 * 1024;

/// What one handshake holds; dropped, it returns the slot.
pub(super) struct SlotHold {
    _memory: NodeHold,
    slots: Arc<Slots>,
    number: u64,
    /// Notified when the slot has gone to another.
    pub(super) lost: Arc<Notify>,
}

/// There is no slot.
pub(super) struct NoSlot {
    /// When the oldest that could be taken away may be; `None`: there is none such.
    pub(super) until: Option<Instant>,
}

impl Slots {
    /// Of this node.
    pub(super) fn new(memory: &Arc<NodeMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            ..Self::default()
        }
    }

    /// What handshakes take, and those who wait for one, counts here.
    pub(super) fn memory(&self) -> &Arc<NodeMemory> {
        &self.memory
    }

    /// Takes a slot for a source. `bound` is the number of all; those of a lower priority leave some to the others. If
    /// there is none left and hardly any returned, one is taken away from who has had it for [`PATIENCE`] and stands no
    /// higher.
    pub(super) fn take(
        self: &Arc<Self>,
        source: IpAddr,
        priority: Priority,
        bound: usize,
        now: Instant,
    ) -> Result<SlotHold, NoSlot> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.holders.len() >= bound - priority.leaves(bound) {
            if held.are_returned(bound, now) {
                let until = Some(now + SPAN);
                return Err(NoSlot { until });
            }
            held.take_away(priority, now)?;
        }
        // Taken, whether it was free or has just become so.
        held.next += 1;
        let (number, lost) = (held.next, Arc::new(Notify::new()));
        held.crowds.of_mut(priority).enter(source, number);
        let holder = Holder {
            source,
            priority,
            since: now,
            lost: Arc::clone(&lost),
        };
        held.holders.insert(number, holder);
        Ok(SlotHold {
            _memory: self.memory.hold(HANDSHAKE),
            slots: Arc::clone(self),
            number,
            lost,
        })
    }

    /// Waits until one is free again, or a shard has answered a hello.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// How many are taken.
    #[cfg(test)]
    fn taken(&self) -> usize {
        self.held.lock().unwrap().holders.len()
    }
}

impl SlotTable {
    /// Whether slots are returned by themselves, a sixteenth of them in a second: then who waits has its turn soon, and
    /// whoever is slow to answer is no attacker but one of a crowd.
    fn are_returned(&self, bound: usize, now: Instant) -> bool {
        let Some((since, these, before)) = self.returned else {
            return false;
        };
        let age = now.saturating_duration_since(since);
        let counted = if age < SPAN { these.max(before) } else { these };
        age < 2 * SPAN && counted > bound / 16
    }

    /// One was returned by its own handshake.
    fn note_returned(&mut self, now: Instant) {
        self.returned = Some(match self.returned {
            Some((since, these, before)) if now < since + SPAN => (since, these + 1, before),
            Some((since, these, _)) if now < since + 2 * SPAN => (since + SPAN, 1, these),
            Some(_) | None => (now, 1, 0),
        });
    }

    /// Takes one away: of the fullest source its oldest, or the oldest of all, of the lowest priority that has one.
    fn take_away(&mut self, priority: Priority, now: Instant) -> Result<(), NoSlot> {
        let mut until = None;
        // From the bottom: whoever stands higher makes room last.
        for lower in Priority::ALL.into_iter().filter(|s| *s <= priority) {
            let fullest = self.crowds.of(lower).of_the_fullest();
            let oldest = self.holders.iter().find(|(_, h)| h.priority == lower);
            let oldest = oldest.map(|(number, _)| *number);
            for number in [fullest, oldest].into_iter().flatten() {
                let Some(holder) = self.holders.get(&number) else {
                    continue;
                };
                let end = holder.since + PATIENCE;
                if end <= now {
                    // Its task ends it in its next turn; the slot counts as free from here on.
                    holder.lost.notify_one();
                    self.remove(number);
                    return Ok(());
                }
                until = until.map_or(Some(end), |until: Instant| Some(until.min(end)));
            }
        }
        Err(NoSlot { until })
    }

    /// Returns whether it was still there.
    fn remove(&mut self, number: u64) -> bool {
        let holder = self.holders.remove(&number);
        if let Some(holder) = &holder {
            let crowd = self.crowds.of_mut(holder.priority);
            crowd.leave(holder.source, number);
        }
        holder.is_some()
    }
}

impl SlotHold {
    /// The shard has room for a hello again, although the slot is still held.
    pub(super) fn freed(&self) {
        self.slots.freed.notify_one();
    }
}

impl Drop for SlotHold {
    fn drop(&mut self) {
        let held = self.slots.held.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        if held.remove(self.number) {
            held.note_returned(super::clock::now());
        }
        drop(held);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::clock;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    /// Whether the slot has gone to another.
    fn is_lost(hold: &SlotHold) -> bool {
        let held = hold.slots.held.lock().unwrap();
        !held.holders.contains_key(&hold.number)
    }

    #[test]
    fn strangers_leave_slots_to_those_who_are_known_and_those_to_peers() {
        let (slots, now) = (Arc::new(Slots::default()), clock::now());
        let mut all = Vec::new();
        for (priority, count) in [
            (Priority::Stranger, 12),
            (Priority::Known, 2),
            (Priority::Peer, 2),
        ] {
            for _ in 0..count {
                all.extend(slots.take(ONE, priority, 16, now));
            }
            assert!(slots.take(OTHER, priority, 16, now).is_err());
        }
        assert_eq!((all.len(), slots.taken()), (16, 16));
        drop(all);
        assert_eq!(slots.taken(), 0);
        // A bound too small to be shared.
        assert!(slots.take(ONE, Priority::Stranger, 1, now).is_ok());
    }

    #[test]
    fn a_slot_that_was_held_for_long_goes_to_the_next_of_the_fullest_source_first() {
        let (slots, now) = (Arc::new(Slots::default()), clock::now());
        let take = |source, at| slots.take(source, Priority::Stranger, 3, at);
        let lone = take(OTHER, now).ok().unwrap();
        let first = take(ONE, now + Duration::from_millis(1)).ok().unwrap();
        let second = take(ONE, now + Duration::from_millis(2)).ok().unwrap();
        let none = take(OTHER, now + Duration::from_millis(3)).err().unwrap();
        assert_eq!(none.until, Some(now + PATIENCE));
        let third = take(OTHER, now + PATIENCE + Duration::from_millis(1));
        let third = third.ok().unwrap();
        assert!(is_lost(&first) && !is_lost(&second) && !is_lost(&lone));
        // What was lost already returns nothing a second time.
        drop(first);
        assert_eq!(slots.taken(), 3);
        drop((lone, second, third));
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn the_oldest_of_all_makes_room_where_the_fullest_source_is_quick() {
        let (slots, now) = (Arc::new(Slots::default()), clock::now());
        let take = |source, at| slots.take(source, Priority::Stranger, 3, at).ok();
        let stalled = take(OTHER, now).unwrap();
        let late = now + PATIENCE;
        let quick = [take(ONE, late).unwrap(), take(ONE, late).unwrap()];
        let _next = take(ONE, late).unwrap();
        assert!(is_lost(&stalled) && !quick.iter().any(is_lost));
    }

    #[test]
    fn while_slots_are_returned_by_themselves_none_is_taken_away() {
        let (slots, now) = (Arc::new(Slots::default()), clock::now());
        let take = |at| slots.take(ONE, Priority::Peer, 32, at);
        let mut all: Vec<_> = (0..32).filter_map(|_| take(now).ok()).collect();
        let late = now + 2 * PATIENCE;
        for _ in 0..3 {
            all.remove(0);
            slots.held.lock().unwrap().note_returned(late);
            all.extend(take(late).ok());
        }
        // Three of 32 in a second are enough of a turnover, for that second and the next.
        let none = take(late).err().unwrap();
        assert_eq!(none.until, Some(late + SPAN));
        assert!(take(late + SPAN).is_err());
        assert!(take(late + 2 * SPAN).is_ok());
    }

    #[test]
    fn nobody_takes_a_slot_from_who_stands_higher() {
        let (slots, now) = (Arc::new(Slots::default()), clock::now());
        let peer = slots.take(ONE, Priority::Peer, 1, now).ok().unwrap();
        let late = now + 2 * PATIENCE;
        let stranger = slots.take(OTHER, Priority::Stranger, 1, late);
        assert!(stranger.is_err_and(|none| none.until.is_none()));
        let next = slots.take(OTHER, Priority::Peer, 1, late);
        assert!(next.is_ok() && is_lost(&peer));
    }
}
