//! Who an address probably is before anything is proven: it decides nothing but who waits for whom when there is no room.
//!
//! An address is no proof: whoever comes from one of these still has to pass its handshake, and loses nothing else by not
//! being known. It is what is left when proof would cost what is short.
use crate::proxy::SourceKey;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long a source is known that had a binding or showed a peer's certificate.
const LATELY: Duration = Duration::from_secs(3600);
/// So many sources are known; the one that was seen longest ago makes room.
const MOST: usize = 65_536;

/// Who waits for whom: each for those after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Priority {
    /// Anybody.
    Stranger,
    /// A client of this address had a binding lately.
    Known,
    /// The address of a listed peer, or one that showed a peer's certificate lately.
    Peer,
}

impl Priority {
    /// All, the last to be served first.
    pub(super) const ALL: [Self; 3] = [Self::Stranger, Self::Known, Self::Peer];

    /// How many of `bound` places it leaves to those above it: a quarter is kept from strangers, and half of that for
    /// peers alone.
    pub(super) fn leaves(self, bound: usize) -> usize {
        match self {
            Self::Stranger => bound / 4,
            Self::Known => bound / 8,
            Self::Peer => 0,
        }
    }
}

/// One of each priority.
#[derive(Default)]
pub(super) struct ByPriority<T> {
    stranger: T,
    known: T,
    peer: T,
}

impl<T> ByPriority<T> {
    /// The one of this priority.
    pub(super) fn of(&self, priority: Priority) -> &T {
        match priority {
            Priority::Stranger => &self.stranger,
            Priority::Known => &self.known,
            Priority::Peer => &self.peer,
        }
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, priority: Priority) -> &mut T {
        match priority {
            Priority::Stranger => &mut self.stranger,
            Priority::Known => &mut self.known,
            Priority::Peer => &mut self.peer,
        }
    }
}

/// The sources that were somebody lately, over all shards. It is touched at accept, at a handshake's end and at a
/// registration.
#[derive(Default)]
pub(super) struct KnownSources(Mutex<Lately>);

#[derive(Default)]
struct Lately {
    /// What it was at best, and when it was seen last.
    by_source: HashMap<SourceKey, (Priority, Instant)>,
    /// The first was seen longest ago.
    by_time: BTreeSet<(Instant, SourceKey)>,
}

impl KnownSources {
    /// A peer's certificate, or a binding, was seen from this address.
    pub(super) fn saw(&self, address: IpAddr, priority: Priority, now: Instant) {
        let source = SourceKey::of(address);
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Lately { by_source, by_time } = &mut *lately;
        // A phone behind the address of a peer does not make that a client's.
        let mut priority = priority;
        if let Some((earlier, seen)) = by_source.get(&source) {
            by_time.remove(&(*seen, source));
            priority = priority.max(*earlier);
        } else if by_source.len() >= MOST
            && let Some((_, oldest)) = by_time.pop_first()
        {
            by_source.remove(&oldest);
        }
        by_source.insert(source, (priority, now));
        by_time.insert((now, source));
    }

    /// What is known of an address.
    pub(super) fn priority(&self, address: IpAddr, now: Instant) -> Priority {
        let lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lately.by_source.get(&SourceKey::of(address)) {
            Some((priority, seen)) if now.saturating_duration_since(*seen) < LATELY => *priority,
            Some(_) | None => Priority::Stranger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::clock;

    #[test]
    fn a_source_is_known_for_an_hour_as_the_best_that_it_was() {
        let (known, now) = (KnownSources::default(), clock::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(known.priority(address, now), Priority::Stranger);
        known.saw(address, Priority::Peer, now);
        known.saw(address, Priority::Known, now);
        assert_eq!(known.priority(address, now), Priority::Peer);
        let late = now + LATELY;
        assert_eq!(known.priority(address, late), Priority::Stranger);
        assert_eq!(known.0.lock().unwrap().by_time.len(), 1);
    }

    #[test]
    fn as_many_as_are_kept_and_the_oldest_makes_room() {
        let (known, now) = (KnownSources::default(), clock::now());
        let address = |number: usize| IpAddr::from((number as u32).to_be_bytes());
        for number in 0..=MOST {
            let at = now + Duration::from_nanos(number as u64);
            known.saw(address(number), Priority::Known, at);
        }
        let late = now + Duration::from_secs(1);
        assert_eq!(known.priority(address(0), late), Priority::Stranger);
        assert_eq!(known.priority(address(1), late), Priority::Known);
        assert_eq!(known.priority(address(MOST), late), Priority::Known);
    }
}
