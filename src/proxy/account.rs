//! What one shard keeps in memory for each connection and each party, counted by guards that
//! return what they hold when they are dropped.
//!
//! Three sums for everything: of the connection, of its party (a client's source, or a peer), and of
//! the shard. The last two are parts of sums over all shards, which hear of them in steps. Of a party
//! answered INVITEs are a sum of their own, and of a source calls are a number.
use super::node_memory::{MemoryKind, NodeMemory, Party, PartyMemory, STEP};
use super::pace::RequestPace;
use super::source_key::SourceKey;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// What an answered INVITE costs, in bytes: the record and what leads to it (`answered`).
pub(super) const ANSWERED_COST: usize = 192;

/// So many calls of a source a shard reports at once: a call is two of its messages, and reports about as seldom as bytes.
const CALLS_STEP: usize = 16;

/// A sum of one shard that is part of one over all shards.
#[derive(Default)]
struct Part {
    bytes: Cell<usize>,
    unreported: Cell<isize>,
}

/// What one shard holds.
pub(crate) struct ShardMemory {
    node: Arc<NodeMemory>,
    part: Part,
    /// What is there for nobody's sake alone: tables with bounds of their own.
    tables: Cell<usize>,
    /// Those that hold something, or have a connection. Looked at when a connection comes up.
    parties: RefCell<HashMap<Party, Weak<PartyAccount>>>,
    /// It has reported more while the node holds too much.
    wants_relief: Cell<bool>,
}

/// What a party has in one shard.
pub(crate) struct PartyAccount {
    party: Party,
    held: Part,
    answered: Part,
    /// How many calls of it are kept, whatever connection they came on.
    calls: Part,
    transactions: Cell<usize>,
    invites: Cell<usize>,
    /// Of a peer: when what it has begun here would have been begun at its rate.
    pace: RequestPace,
    /// Of all shards.
    memory: Arc<PartyMemory>,
    shard: Rc<ShardMemory>,
}

/// What one connection has.
pub(crate) struct Account {
    kept: MemoryKind,
    bytes: Cell<usize>,
    party: Rc<PartyAccount>,
}

/// Bytes that are held for a connection, and whether they are a transaction's. Nothing, by default.
#[derive(Default)]
pub(crate) struct Hold {
    account: Option<Rc<Account>>,
    bytes: usize,
    is_transaction: bool,
    is_invite: bool,
}

/// A call that is kept. It counts once for the source of each of its clients, wherever their connections are by now.
///
/// Its bytes count for the first of these, whose requests are refused and whose connections go when it has too much. A call
/// between servers counts for the node alone: how many there are is an operator's choice (`limits.calls`), and must refuse no
/// peer its requests.
pub(crate) struct CallHold {
    sources: [Option<Rc<PartyAccount>>; 2],
    shard: Rc<ShardMemory>,
    bytes: usize,
}

impl Part {
    /// Adds to the sum; what is to be reported comes back, once it is as much as a step.
    fn add(&self, by: isize, step: usize) -> Option<isize> {
        let sum = self.bytes.get().saturating_add_signed(by);
        self.bytes.set(sum);
        let due = self.unreported.get() + by;
        let is_due = due.unsigned_abs() >= step;
        self.unreported.set(if is_due { 0 } else { due });
        is_due.then_some(due)
    }

    /// What was not reported yet.
    fn rest(&self) -> isize {
        self.unreported.take()
    }
}

impl ShardMemory {
    /// Of a shard of this node.
    pub(crate) fn new(node: &Arc<NodeMemory>) -> Rc<Self> {
        Rc::new(Self {
            node: Arc::clone(node),
            part: Part::default(),
            tables: Cell::new(0),
            parties: RefCell::default(),
            wants_relief: Cell::new(false),
        })
    }

    /// What this shard holds.
    pub(crate) fn bytes(&self) -> usize {
        self.part.bytes.get()
    }

    /// The same without the tables.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes() - self.tables.get()
    }

    /// Whether it has grown while the node holds more than its bound; asked once for each time.
    pub(crate) fn wants_relief(&self) -> bool {
        self.wants_relief.take()
    }

    /// The sums of the node.
    pub(crate) fn node(&self) -> &Arc<NodeMemory> {
        &self.node
    }

    /// An account for a connection of this party.
    pub(crate) fn open(self: &Rc<Self>, party: Party) -> Rc<Account> {
        Rc::new(Account {
            kept: MemoryKind::Held,
            bytes: Cell::new(0),
            party: self.party(party),
        })
    }

    /// What this party has here.
    fn party(self: &Rc<Self>, party: Party) -> Rc<PartyAccount> {
        let known = self.parties.borrow().get(&party).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let account = Rc::new(PartyAccount {
                party,
                held: Part::default(),
                answered: Part::default(),
                calls: Part::default(),
                transactions: Cell::new(0),
                invites: Cell::new(0),
                pace: RequestPace::default(),
                memory: self.node.party(party),
                shard: Rc::clone(self),
            });
            let mut parties = self.parties.borrow_mut();
            parties.insert(party, Rc::downgrade(&account));
            account
        })
    }

    /// Keeps a call of the clients of these sources, each named once; `None`: one of them has as many as it may.
    pub(crate) fn keep_call(
        self: &Rc<Self>,
        sources: [Option<SourceKey>; 2],
        bytes: usize,
        most: usize,
    ) -> Option<CallHold> {
        let sources = sources.map(|it| Some(self.party(Party::Source(it?))));
        // Asked of both before either counts it.
        if sources.iter().flatten().any(|it| it.calls() >= most) {
            return None;
        }
        sources.iter().flatten().for_each(|it| it.count_call(1));
        let hold = CallHold {
            sources,
            shard: Rc::clone(self),
            bytes,
        };
        hold.count_bytes(difference(0, bytes));
        Some(hold)
    }

    /// So much is in tables that have bounds of their own, such as that of the bindings.
    pub(crate) fn set_tables(&self, bytes: usize) {
        let before = self.tables.replace(bytes);
        self.add(difference(before, bytes));
    }

    /// Its sum has moved.
    ///
    /// The only place where a shard writes to what others read, once for each step: a message that is answered at
    /// once adds and takes away as much, and moves no sum by a step.
    fn add(&self, by: isize) {
        if let Some(due) = self.part.add(by, STEP) {
            self.node.moved(due);
            if due > 0 && self.node.excess().is_some() {
                self.wants_relief.set(true);
            }
        }
    }
}

impl Drop for ShardMemory {
    fn drop(&mut self) {
        let held = isize::try_from(self.tables.get()).unwrap_or_default();
        self.node.moved(self.part.rest() - held);
    }
}

impl PartyAccount {
    /// The sum of one kind.
    fn part(&self, kept: MemoryKind) -> &Part {
        match kept {
            MemoryKind::Held => &self.held,
            MemoryKind::Answered => &self.answered,
        }
    }

    /// The same of a party, whose sum is part of the shard's.
    fn add(&self, kept: MemoryKind, by: isize) {
        if let Some(due) = self.part(kept).add(by, STEP) {
            self.memory.moved(kept, due);
        }
        self.shard.add(by);
    }

    /// Over all shards: what this one has not reported yet is exact, what others have not is missing, a step each at most.
    fn bytes(&self, kept: MemoryKind) -> usize {
        let due = self.part(kept).unreported.get();
        self.memory.bytes(kept).saturating_add_signed(due)
    }

    /// One call more, or fewer. No bytes, so that the shard's sum is left alone.
    fn count_call(&self, by: isize) {
        if let Some(due) = self.calls.add(by, CALLS_STEP) {
            self.memory.calls_moved(due);
        }
    }

    /// Calls over all shards, as exact as bytes are.
    fn calls(&self) -> usize {
        let due = self.calls.unreported.get();
        self.memory.calls().saturating_add_signed(due)
    }
}

impl Drop for PartyAccount {
    fn drop(&mut self) {
        for kept in [MemoryKind::Held, MemoryKind::Answered] {
            self.memory.moved(kept, self.part(kept).rest());
        }
        self.memory.calls_moved(self.calls.rest());
        let mut parties = self.shard.parties.borrow_mut();
        // Another one may have its place already.
        if parties
            .get(&self.party)
            .is_some_and(|it| it.strong_count() == 0)
        {
            parties.remove(&self.party);
        }
        // A flood from many sources must not leave a large empty table.
        if parties.capacity() > 64 && parties.len() < parties.capacity() / 8 {
            parties.shrink_to_fit();
        }
    }
}

impl Account {
    /// Of this connection.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Of its party, without its answered INVITEs.
    pub(crate) fn party_bytes(&self) -> usize {
        self.party.bytes(MemoryKind::Held)
    }

    /// What answered INVITEs of its party take.
    pub(crate) fn party_answered(&self) -> usize {
        self.party.bytes(MemoryKind::Answered)
    }

    /// Whose it is.
    pub(crate) fn party(&self) -> Party {
        self.party.party
    }

    /// Open transactions of its party in this shard.
    pub(crate) fn transactions(&self) -> usize {
        self.party.transactions.get()
    }

    /// Those of them that are INVITEs.
    pub(crate) fn invites(&self) -> usize {
        self.party.invites.get()
    }

    /// How fast its party begins requests in this shard.
    pub(crate) fn pace(&self) -> &RequestPace {
        &self.party.pace
    }

    /// Another one of the same party, for what is counted apart from its connection.
    pub(crate) fn beside(&self) -> Rc<Self> {
        self.apart(MemoryKind::Held)
    }

    /// The same for its answered INVITEs.
    pub(crate) fn of_answered(&self) -> Rc<Self> {
        self.apart(MemoryKind::Answered)
    }

    /// Counted in the sums of the party alone, as what it is.
    fn apart(&self, kept: MemoryKind) -> Rc<Self> {
        Rc::new(Self {
            kept,
            bytes: Cell::new(0),
            party: Rc::clone(&self.party),
        })
    }

    /// Holds so many bytes.
    pub(crate) fn hold(self: &Rc<Self>, bytes: usize) -> Hold {
        let mut hold = Hold {
            account: Some(Rc::clone(self)),
            bytes: 0,
            is_transaction: false,
            is_invite: false,
        };
        hold.resize(bytes);
        hold
    }

    /// The same of a transaction, which counts by number as well.
    pub(crate) fn begin(self: &Rc<Self>, bytes: usize, is_invite: bool) -> Hold {
        let PartyAccount {
            transactions,
            invites,
            ..
        } = &*self.party;
        transactions.set(transactions.get() + 1);
        invites.set(invites.get() + usize::from(is_invite));
        let mut hold = self.hold(bytes);
        hold.is_transaction = true;
        hold.is_invite = is_invite;
        hold
    }
}

impl Hold {
    /// Whether it counts for anybody.
    pub(crate) fn is_taken(&self) -> bool {
        self.account.is_some()
    }

    /// So many bytes more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.resize(self.bytes + bytes);
    }

    /// From now on it is so many bytes.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let Some(account) = &self.account else { return };
        let by = difference(self.bytes, bytes);
        if by != 0 {
            let sum = account.bytes.get().saturating_add_signed(by);
            account.bytes.set(sum);
            account.party.add(account.kept, by);
            self.bytes = bytes;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.resize(0);
        if let Some(account) = self.account.as_ref().filter(|_| self.is_transaction) {
            let PartyAccount {
                transactions,
                invites,
                ..
            } = &*account.party;
            transactions.set(transactions.get().saturating_sub(1));
            invites.set(invites.get().saturating_sub(usize::from(self.is_invite)));
        }
    }
}

impl CallHold {
    /// As they were counted.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many bytes more, or fewer, for who has them.
    fn count_bytes(&self, by: isize) {
        match self.sources.iter().flatten().next() {
            Some(source) => source.add(MemoryKind::Held, by),
            None => self.shard.add(by),
        }
    }
}

impl Drop for CallHold {
    fn drop(&mut self) {
        self.count_bytes(difference(self.bytes, 0));
        let sources = self.sources.iter().flatten();
        sources.for_each(|it| it.count_call(-1));
    }
}

/// What is held is far below half of the address space.
fn difference(before: usize, after: usize) -> isize {
    after.wrapping_sub(before).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::super::node_memory::PartyUse;
    use super::super::source_key::SourceKey;
    use super::*;

    fn party(last: u8) -> Party {
        Party::Source(SourceKey::of([192, 0, 2, last].into()))
    }

    #[test]
    fn a_hold_counts_for_its_connection_its_party_and_the_node_until_it_is_dropped() {
        let node = Arc::<NodeMemory>::default();
        let shard = ShardMemory::new(&node);
        let (one, again, other) = (
            shard.open(party(1)),
            shard.open(party(1)),
            shard.open(party(2)),
        );
        let mut held = one.begin(100 * STEP, true);
        let _more = again.hold(STEP);
        assert_eq!((one.bytes(), again.bytes()), (100 * STEP, STEP));
        assert_eq!(one.party_bytes(), 101 * STEP);
        assert_eq!((other.party_bytes(), again.transactions()), (0, 1));
        assert_eq!((again.invites(), other.invites()), (1, 0));
        assert_eq!(node.used(), 101 * STEP);
        held.resize(STEP);
        assert_eq!(node.used(), 2 * STEP);
        drop(held);
        assert_eq!((one.bytes(), again.transactions()), (0, 0));
        assert_eq!(one.invites(), 0);
        assert_eq!(node.used(), STEP);
        // A hold that was never taken returns nothing.
        drop(Hold::default());
        assert_eq!(node.used(), STEP);
    }

    #[test]
    fn a_party_that_comes_again_finds_what_it_has_left_in_any_shard() {
        let node = Arc::<NodeMemory>::default();
        let (one, other) = (ShardMemory::new(&node), ShardMemory::new(&node));
        let account = one.open(party(1));
        let left = account.begin(10 * STEP + 1, false);
        // Its connection has gone, and its transaction waits.
        drop(account);
        let came = one.open(party(1));
        assert_eq!(
            (came.party_bytes(), came.transactions()),
            (10 * STEP + 1, 1)
        );
        assert_eq!(other.open(party(1)).party_bytes(), 10 * STEP + 1);
        assert_eq!(node.fullest().first().map(|it| it.party), Some(party(1)));
        drop((left, came));
        assert!(one.parties.borrow().is_empty() && node.fullest().is_empty());
        assert_eq!(node.used(), 0);
    }

    #[test]
    fn answered_invites_are_a_sum_of_their_own_within_the_whole() {
        let node = Arc::<NodeMemory>::default();
        let shard = ShardMemory::new(&node);
        let (one, other) = (shard.open(party(1)), shard.open(party(2)));
        let _held = one.hold(2 * STEP);
        let _answered = one.of_answered().hold(5 * STEP);
        let _of_other = other.hold(6 * STEP);
        assert_eq!(
            (one.party_bytes(), one.party_answered()),
            (2 * STEP, 5 * STEP)
        );
        assert_eq!((one.bytes(), node.used()), (2 * STEP, 13 * STEP));
        let fullest: Vec<_> = node.fullest().iter().map(PartyUse::bytes).collect();
        assert_eq!(fullest, [7 * STEP, 6 * STEP]);
    }

    #[test]
    fn a_call_counts_once_for_each_source_over_all_shards_until_it_is_dropped() {
        let node = Arc::<NodeMemory>::default();
        let shards = [ShardMemory::new(&node), ShardMemory::new(&node)];
        let source = |last: u8| Some(SourceKey::of([192, 0, 2, last].into()));
        let keep = |shard: usize, sources| shards[shard].keep_call(sources, STEP, 40);
        let mut calls: Vec<_> = (0..32).map(|_| keep(0, [source(1), None])).collect();
        // The other shard counts what this one has reported.
        calls.extend((0..8).map(|_| keep(1, [source(2), source(1)])));
        assert!(calls.iter().all(Option::is_some));
        assert!(keep(1, [source(1), None]).is_none());
        assert!(keep(1, [source(3), source(1)]).is_none());
        // What was refused counts for nobody, and servers have no such bound.
        assert!(shards.iter().all(|it| it.parties.borrow().len() <= 2));
        calls.extend((0..50).map(|_| keep(0, [None, None])));
        assert!(calls.iter().all(Option::is_some));
        let fullest = node.fullest();
        let bytes: Vec<_> = fullest.iter().map(PartyUse::bytes).collect();
        assert_eq!(
            (&bytes[..], node.used()),
            (&[32 * STEP, 8 * STEP][..], 90 * STEP)
        );
        assert_eq!(fullest.first().map(|it| it.calls), Some(32));
        drop(calls);
        assert!(node.fullest().is_empty() && node.used() == 0);
        assert!(keep(1, [source(1), None]).is_some());
    }

    #[test]
    fn small_sums_are_reported_in_steps_and_exactly_when_all_is_over() {
        let node = Arc::<NodeMemory>::default();
        let shard = ShardMemory::new(&node);
        let account = shard.open(party(1));
        let mut holds: Vec<_> = (0..64).map(|_| account.hold(1000)).collect();
        assert_eq!(node.used(), 0, "no step is reached");
        assert_eq!(account.party_bytes(), 64_000);
        holds.extend((0..6).map(|_| account.hold(1000)));
        assert_eq!(node.used(), 66_000);
        shard.set_tables(5 * STEP);
        drop(holds);
        shard.set_tables(0);
        drop((account, shard));
        assert_eq!(node.used(), 0);
    }

    #[test]
    fn near_its_bound_nothing_new_begins_and_over_it_an_eighth_must_go() {
        let node = NodeMemory::default();
        node.moved(900);
        assert!(!node.is_near() && node.excess().is_none());
        node.set_bound(1_000);
        assert!(node.is_near() && node.excess().is_none());
        node.moved(101);
        assert_eq!(node.excess(), Some(126));
        node.moved(-127);
        assert!(!node.is_near());
    }
}
