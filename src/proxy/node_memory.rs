//! What the whole node keeps in memory for others, over all shards, and each party's part of it.
//!
//! Shards count for themselves and report what has changed now and then: no message writes to
//! anything that another core writes to. What is read here is late by so much at most.
use super::leg::Leg;
use super::source_key::SourceKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A shard reports when a sum has moved by this: often enough for bounds of megabytes, and too
/// seldom for a message to pay for it.
pub(super) const STEP: usize = 64 * 1024;

/// Who is counted as one: what it holds under several connections is one sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Party {
    /// Clients of one source. A connection is no budget: whoever comes again finds what it has left.
    Source(SourceKey),
    /// A peer, by the number of its name.
    Peer(u64),
}

impl Party {
    /// Who is at this end of a connection from this address.
    pub(crate) fn of(leg: Leg, remote: IpAddr) -> Self {
        match leg {
            Leg::Peer(key) => Self::Peer(key.0),
            Leg::Client(_) | Leg::Binding(_) => Self::Source(SourceKey::of(remote)),
        }
    }
}

/// The sum of all shards, and of each party that holds anything.
///
/// The table is looked at when a shard meets a party that it does not know, and for an operator.
#[derive(Debug)]
pub struct NodeMemory {
    used: AtomicUsize,
    bound: AtomicUsize,
    parties: Mutex<HashMap<Party, Weak<PartyMemory>>>,
}

/// What all shards together have for one party.
#[derive(Debug, Default)]
pub(super) struct PartyMemory(AtomicUsize);

impl Default for NodeMemory {
    /// Without a bound.
    fn default() -> Self {
        Self {
            used: AtomicUsize::new(0),
            bound: AtomicUsize::new(usize::MAX),
            parties: Mutex::default(),
        }
    }
}

impl NodeMemory {
    /// Sets the bound in bytes (`limits.memory`).
    pub fn set_bound(&self, bytes: usize) {
        self.bound.store(bytes, Ordering::Relaxed);
    }

    /// What is held, as far as it was reported.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so much is held that nothing new should begin: seven eighths of the bound.
    pub(crate) fn is_near(&self) -> bool {
        let bound = self.bound.load(Ordering::Relaxed);
        self.used() >= bound - bound / 8
    }

    /// By how much the bound is passed: what must go until nothing new would be refused. `None`: it
    /// is not passed.
    pub(crate) fn excess(&self) -> Option<usize> {
        let (bound, used) = (self.bound.load(Ordering::Relaxed), self.used());
        (used > bound).then(|| used - (bound - bound / 8))
    }

    /// The parties that hold most, the first of them more than any other, with what each of them
    /// holds. Looks at each party.
    pub(crate) fn fullest(&self) -> Vec<(Party, usize)> {
        let mut table = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, memory| memory.strong_count() > 0);
        let held = table.iter().filter_map(|(party, memory)| {
            let bytes = memory.upgrade()?.bytes();
            (bytes > 0).then_some((*party, bytes))
        });
        let mut all: Vec<_> = held.collect();
        drop(table);
        all.sort_unstable_by_key(|(party, bytes)| (std::cmp::Reverse(*bytes), *party));
        all
    }

    /// The sum of a party. The row goes with the last shard that has something of it.
    pub(super) fn party(&self, party: Party) -> Arc<PartyMemory> {
        let mut table = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(&party).and_then(Weak::upgrade) {
            return known;
        }
        // Rows of those who have gone are swept out as often as the table has doubled.
        if table.len() == table.capacity() {
            table.retain(|_, memory| memory.strong_count() > 0);
            table.shrink_to_fit();
        }
        let new = Arc::default();
        table.insert(party, Arc::downgrade(&new));
        new
    }

    /// A shard's sum has moved by so much.
    pub(super) fn moved(&self, by: isize) {
        add(&self.used, by);
    }
}

impl PartyMemory {
    /// As far as it was reported.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A shard's part of it has moved by so much.
    pub(super) fn moved(&self, by: isize) {
        add(&self.0, by);
    }
}

/// Reports come in any order; their sum is never below nothing once all are in. Until then it wraps
/// around, as atomics do, and is back with the next report.
fn add(sum: &AtomicUsize, by: isize) {
    match usize::try_from(by) {
        Ok(more) => sum.fetch_add(more, Ordering::Relaxed),
        Err(_) => sum.fetch_sub(by.unsigned_abs(), Ordering::Relaxed),
    };
}
