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

/// Bytes that are kept for nobody who is known yet, or for all; dropped, they are free.
pub(crate) struct NodeHold {
    node: Arc<NodeMemory>,
    bytes: isize,
}

impl Drop for NodeHold {
    /// As it was taken: at once.
    fn drop(&mut self) {
        self.node.moved(-self.bytes);
    }
}

/// What bytes are kept for. Each has bounds of its own: whoever has many answered calls must not lose connections for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MemoryKind {
    /// Requests without their answer, parts of messages, what is not read, and the connections themselves.
    Held,
    /// Answered INVITEs.
    Answered,
}

/// What all shards together have for one party, of either kind.
#[derive(Debug, Default)]
pub(super) struct PartyMemory {
    bytes: [AtomicUsize; 2],
    /// Of a source: calls that are kept.
    calls: AtomicUsize,
}

/// How much is kept for one party.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PartyUse {
    pub(crate) party: Party,
    /// Bytes that requests, messages and connections take.
    pub(crate) held: usize,
    /// Bytes that answered INVITEs take.
    pub(crate) answered: usize,
    /// Calls of a source, by number: their bytes are among what it holds.
    pub(crate) calls: usize,
}

impl PartyUse {
    /// Both together.
    pub(crate) fn bytes(&self) -> usize {
        self.held + self.answered
    }
}

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

    /// The parties for which anything is kept, the first of them more than for any other. Looks at
    /// each party.
    pub(crate) fn fullest(&self) -> Vec<PartyUse> {
        let mut table = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, memory| memory.strong_count() > 0);
        let kept = table.iter().filter_map(|(party, memory)| {
            let memory = memory.upgrade()?;
            let it = PartyUse {
                party: *party,
                held: memory.bytes(MemoryKind::Held),
                answered: memory.bytes(MemoryKind::Answered),
                calls: memory.calls(),
            };
            (it.bytes() > 0 || it.calls > 0).then_some(it)
        });
        let mut all: Vec<_> = kept.collect();
        drop(table);
        all.sort_unstable_by_key(|it| (std::cmp::Reverse(it.bytes()), it.party));
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

    /// Holds so many bytes. Written at once, not in steps: for what comes once in a connection's life.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> NodeHold {
        let bytes = isize::try_from(bytes).unwrap_or_default();
        self.moved(bytes);
        NodeHold {
            node: Arc::clone(self),
            bytes,
        }
    }

    /// A shard's sum has moved by so much.
    pub(super) fn moved(&self, by: isize) {
        add(&self.used, by);
    }
}

impl PartyMemory {
    /// That of one kind.
    fn sum(&self, kept: MemoryKind) -> &AtomicUsize {
        let [held, answered] = &self.bytes;
        match kept {
            MemoryKind::Held => held,
            MemoryKind::Answered => answered,
        }
    }

    /// As far as it was reported.
    pub(super) fn bytes(&self, kept: MemoryKind) -> usize {
        self.sum(kept).load(Ordering::Relaxed)
    }

    /// A shard's part of it has moved by so much.
    pub(super) fn moved(&self, kept: MemoryKind, by: isize) {
        add(self.sum(kept), by);
    }

    /// Calls, as far as they were reported.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// A shard has so many more of them, or fewer.
    pub(super) fn calls_moved(&self, by: isize) {
        add(&self.calls, by);
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
