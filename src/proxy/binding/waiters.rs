//! What waits for a client to come back: requests, which hear where it is, and messages, which are sent there.
//!
//! Bounded for each client and in all: what finds no room fails at once, as if nobody had been waited for.
use super::id::BindingId;
use super::messages::Asker;
use crate::proxy::fast_map::FastMap;
use std::time::Instant;

/// The most that waits for one client: a call or two, and what belongs to them.
const MOST_FOR_ONE: usize = 32;
/// The most that waits in one shard.
const MOST: usize = 4_096;

/// One thing that waits.
pub(crate) enum Waiter {
    /// A request; its own timer ends the wait.
    Request(Asker),
    /// An ACK or a response, of which nobody would notice that it was not sent.
    Message(Box<[u8]>),
}

/// Everything that waits in one directory.
#[derive(Default)]
pub(crate) struct Waiters {
    by_id: FastMap<BindingId, (Instant, Vec<Waiter>)>,
    count: usize,
    /// No wait ends before this.
    earliest: Option<Instant>,
}

impl Waiters {
    /// Adds one that waits until then at most; `false`: there is no room.
    pub(crate) fn add(&mut self, id: BindingId, waiter: Waiter, until: Instant) -> bool {
        if self.count >= MOST {
            return false;
        }
        let (end, list) = self.by_id.entry(id).or_insert_with(|| (until, Vec::new()));
        if list.len() >= MOST_FOR_ONE {
            return false;
        }
        *end = until.max(*end);
        list.push(waiter);
        self.count += 1;
        self.earliest = Some(self.earliest.map_or(until, |at| at.min(until)));
        true
    }

    /// Takes all that wait for this client.
    pub(crate) fn take(&mut self, id: BindingId) -> Vec<Waiter> {
        let list = self.by_id.remove(&id).map(|(_, list)| list);
        let list = list.unwrap_or_default();
        self.count -= list.len();
        list
    }

    /// Forgets what has waited for long enough. There are so few that all are looked at, and mostly
    /// none: this is asked whenever a timer fires.
    pub(crate) fn forget(&mut self, now: Instant) {
        if self.earliest.is_none_or(|at| at > now) {
            return;
        }
        let count = &mut self.count;
        self.by_id.retain(|_, (until, list)| {
            let stays = *until > now;
            if !stays {
                *count -= list.len();
            }
            stays
        });
        self.earliest = self.by_id.values().map(|(until, _)| *until).min();
    }

    /// When [`Self::forget`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::branch::BranchKey;
    use std::time::Duration;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn there_is_room_for_so_many_and_what_was_taken_or_forgotten_makes_room() {
        let (now, mut waiters) = (Instant::now(), Waiters::default());
        let (soon, late) = (now + Duration::from_secs(1), now + Duration::from_secs(9));
        let branch = BranchKey { slot: 1, nonce: 2 };
        let asker = Asker { shard: 0, branch };
        for _ in 0..MOST_FOR_ONE {
            assert!(waiters.add(BindingId::from_u64(1), Waiter::Request(asker), soon));
        }
        assert!(!waiters.add(BindingId::from_u64(1), Waiter::Request(asker), soon));
        let mut id = 2;
        while waiters.add(BindingId::from_u64(id), Waiter::Message(Box::new([])), late) {
            id += 1;
        }
        assert_eq!(id as usize - 2, MOST - MOST_FOR_ONE);
        assert_eq!(waiters.take(BindingId::from_u64(2)).len(), 1);
        assert_eq!(waiters.next(), Some(soon));
        waiters.forget(soon);
        assert_eq!(waiters.count, MOST - MOST_FOR_ONE - 1);
        assert!(waiters.take(BindingId::from_u64(1)).is_empty());
        waiters.forget(late);
        assert_eq!((waiters.count, waiters.next()), (0, None));
    }
}
