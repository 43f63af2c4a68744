//! What the core knows of one live connection, and what runs between this shard and one peer.
use super::account::{ANSWERED_COST, Account, Hold};
use super::binding::{BindingId, HeldBinding, RegisteredUser};
use super::branch::BranchKey;
use super::interface::{Action, Actions};
use super::leg::{Certainty, Leg};
use super::link_id::LinkId;
use super::listing::ListedPeer;
use super::pace::RequestPace;
use super::process::AwaitingCrossed;
use crate::topology::Limits;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One live connection.
pub(crate) struct LinkState {
    pub(crate) leg: Leg,
    /// How well it is known that this is the far end.
    pub(crate) certainty: Certainty,
    /// Whether new requests may arrive here and be sent here.
    pub(crate) trusted: bool,
    /// Whether requests of this node may be sent here (its certificate also stands for the peer as
    /// a server, RFC 5923 §8.1).
    pub(crate) requests: bool,
    /// Whether its queue is long.
    pub(crate) full: bool,
    /// Bytes of requests that were sent there all the same since then.
    pub(crate) crowded: usize,
    /// The same of what is repeated when it is lost.
    pub(crate) spared: usize,
    /// Whether this node is closing it: nothing is sent there any more, and what comes still counts.
    pub(crate) leaving: bool,
    /// Transactions that came from it and are still open.
    pub(crate) in_flight: u32,
    /// Slots of the contexts of a client that came from it and owe their answer: they end with it.
    pub(crate) asked: Vec<u32>,
    /// Slots of the contexts whose current branch was sent on it.
    pub(crate) branches: Vec<u32>,
    /// The registered clients that it leads to.
    pub(crate) held: Vec<HeldBinding>,
    /// Whose these are, each once, for an operator.
    pub(crate) users: Vec<RegisteredUser>,
    /// The numbers of those whose registration has ended, the latest last: their calls go on here.
    pub(crate) former: Vec<BindingId>,
    /// The numbers of those that have registered over another connection since, the latest last: their phones have left this
    /// one, whether TCP knows or not.
    pub(crate) left: Vec<BindingId>,
    /// When the last message came on it.
    pub(crate) heard: Option<Instant>,
    /// Requests from it that nobody answers.
    pub(crate) unanswered: InTime,
    /// INVITEs from it that have their final answer, and wait for Timer H or L.
    pub(crate) answered: AnsweredCount,
    /// Those of a client that were refused: they end with it.
    pub(crate) refused: RefusedSlots,
    /// What is kept in memory for it; `None` until that is known of a connection of another shard.
    pub(crate) account: Option<Rc<Account>>,
    /// Those of [`Self::in_flight`] that are INVITEs.
    pub(crate) invites: u32,
    /// Of a peer: how many INVITEs all connections with it may have open, and how many requests they may begin in a second.
    pub(crate) most_invites: u32,
    pub(crate) rate: u32,
    /// Of a client: when what it has begun would have been begun at its rate.
    pub(crate) pace: RequestPace,
    /// Responses that came from it and were another shard's, and what was asked for it there.
    pub(crate) crossing: InTime,
    pub(crate) questions: InTime,
    /// Messages that came from it, as far as that tells whether two follow each other.
    pub(crate) messages: u32,
    /// How many in a row led nowhere, and which the last of them was.
    strays: (u32, u32),
}

/// Answered INVITEs of one connection.
///
/// Their memory has bounds of its own, of the connection and of its party, beside those of the connection's account.
#[derive(Default)]
pub(crate) struct AnsweredCount {
    number: u32,
    hold: Hold,
}

impl AnsweredCount {
    /// How many there are.
    pub(crate) fn number(&self) -> usize {
        self.number as usize
    }

    /// So many more, or fewer.
    pub(crate) fn change(&mut self, by: i32) {
        self.number = self.number.saturating_add_signed(by);
        self.hold.resize(self.number() * ANSWERED_COST);
    }
}

/// Slots of refused INVITEs of one connection.
///
/// A slot that is free again, or another request's, is found out when there is no room for one more: most are
/// acknowledged at once, and to look for each of them would take a flood's whole list.
#[derive(Default)]
pub(crate) struct RefusedSlots(Vec<u32>);

impl RefusedSlots {
    /// One more; those are dropped first that are none any more, by `is`, when the room is used up.
    pub(crate) fn push(&mut self, slot: u32, is: impl Fn(u32) -> bool) {
        if self.0.len() == self.0.capacity() {
            self.0.sort_unstable();
            self.0.dedup();
            self.0.retain(|slot| is(*slot));
            // As many more come before the next look, however many there are.
            self.0.shrink_to(2 * self.0.len());
            self.0.reserve(self.0.len());
        }
        self.0.push(slot);
    }

    /// All of them, and some that are none any more.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.0)
    }
}

/// What is counted by time, since nothing of it stays that could be counted: since when, and how many.
#[derive(Clone, Copy, Default)]
pub(crate) struct InTime(Option<(Instant, u32)>);

/// In so much time a client may send as many requests that nobody answers as it may have
/// transactions open.
const SPAN: Duration = Duration::from_secs(1);
/// So many messages in a row that lead nowhere are no accident: of a client that has no dialog left, or a
/// server that repeats itself, a few come.
const STRAYS: u32 = 1_000;

impl InTime {
    /// Counts one more; `false`: there are enough for now.
    pub(crate) fn admits(&mut self, bound: usize, now: Instant) -> bool {
        let (since, count) = match self.0 {
            Some((since, count)) if now < since + SPAN => (since, count),
            Some(_) | None => (now, 0),
        };
        let admits = (count as usize) < bound;
        self.0 = Some((since, count.saturating_add(u32::from(admits))));
        admits
    }
}

impl LinkState {
    pub(crate) fn new(leg: Leg, requests: bool) -> Self {
        Self {
            leg,
            certainty: Certainty::Shown,
            trusted: true,
            requests,
            full: false,
            crowded: 0,
            spared: 0,
            leaving: false,
            in_flight: 0,
            answered: AnsweredCount::default(),
            refused: RefusedSlots::default(),
            account: None,
            invites: 0,
            most_invites: u32::MAX,
            rate: u32::MAX,
            pace: RequestPace::default(),
            asked: Vec::new(),
            branches: Vec::new(),
            held: Vec::new(),
            users: Vec::new(),
            former: Vec::new(),
            left: Vec::new(),
            heard: None,
            unanswered: InTime::default(),
            crossing: InTime::default(),
            questions: InTime::default(),
            messages: 0,
            strays: (0, 0),
        }
    }

    /// Whether new requests are sent on it.
    pub(crate) fn takes_requests(&self) -> bool {
        self.trusted && self.requests && !self.full
    }

    /// It is a connection with this peer, whose bounds are those of its present entry.
    ///
    /// Noted here, so that no request has to look its peer up for it.
    pub(crate) fn bound_by(&mut self, listed: &ListedPeer) {
        self.most_invites = listed.invites;
        self.rate = listed.rate;
    }

    /// A transaction that came from it has ended, or has its final response.
    pub(crate) fn transaction_over(&mut self, slot: u32, is_invite: bool) {
        if let Some(at) = self.asked.iter().rposition(|other| *other == slot) {
            self.asked.swap_remove(at);
        }
        self.invites = self.invites.saturating_sub(u32::from(is_invite));
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// So many INVITEs from it more, or fewer, have their final answer and wait for what may follow it.
    pub(crate) fn count_answered(&mut self, by: i32) {
        if let Some(account) = self
            .account
            .as_ref()
            .filter(|_| !self.answered.hold.is_taken())
        {
            self.answered.hold = account.of_answered().hold(0);
        }
        self.answered.change(by);
    }

    /// Whether nothing is counted or listed here.
    pub(crate) fn is_unused(&self) -> bool {
        self.in_flight == 0 && self.answered.number == 0 && self.branches.is_empty()
    }

    /// The message that came last has led nowhere; returns whether that were too many in a row.
    pub(crate) fn strayed(&mut self) -> bool {
        let (count, last) = self.strays;
        // Between two that lead nowhere anything else may have come: then they are no row.
        let follows = last.wrapping_add(1) == self.messages;
        let count = if follows { count + 1 } else { 1 };
        let are_too_many = count >= STRAYS;
        self.strays = (if are_too_many { 0 } else { count }, self.messages);
        are_too_many
    }
}

/// What runs between this shard and one peer, of the current generation or a former one that still
/// has connections.
pub(crate) struct PeerState {
    pub(crate) listed: Arc<ListedPeer>,
    /// Its live links in this shard, oldest first.
    pub(crate) links: SmallVec<[LinkId; 4]>,
    /// Whether the shell is making a connection.
    pub(crate) connecting: bool,
    /// The last connect failed, and until then none will be tried.
    pub(crate) down_until: Option<Instant>,
    /// Contexts that wait for a connection.
    pub(crate) waiting: VecDeque<AwaitingBranch>,
    /// CANCELs, ACKs and responses that wait for a connection.
    pub(crate) queued: Vec<QueuedMessage>,
    /// Requests of the other process that wait for a connection.
    pub(crate) crossed: VecDeque<AwaitingCrossed>,
    /// What all of them will be on the connection, in bytes.
    bytes: usize,
    /// The messages among them, of which nothing else keeps account: they count for this peer.
    hold: Hold,
}

/// What runs between one shard, or all of them, and one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerLoad {
    /// Connections.
    pub connections: usize,
    /// Requests that were sent to it and have no final answer.
    pub in_flight: usize,
    /// Messages that wait for a connection to it.
    pub waiting: usize,
}

/// A branch that waits for a connection.
#[derive(Clone, Copy)]
pub(crate) struct AwaitingBranch {
    pub(crate) branch: BranchKey,
    /// Bytes of its request.
    bytes: usize,
}

/// What forwarding adds to a request: Via, Record-Route, what marks its sender.
const ADDED: usize = 512;

impl PeerState {
    pub(crate) fn new(listed: &Arc<ListedPeer>) -> Self {
        Self {
            listed: Arc::clone(listed),
            links: SmallVec::new(),
            connecting: false,
            down_until: None,
            waiting: VecDeque::new(),
            queued: Vec::new(),
            crossed: VecDeque::new(),
            bytes: 0,
            hold: Hold::default(),
        }
    }

    /// Has a branch wait for a connection; `false`: as much waits as the connection's queue
    /// (`send_queue`, in bytes) or `connect_queue` takes. All of it is written in the moment in which
    /// the connection comes up, and a queue that is too long would end it.
    pub(crate) fn wait(&mut self, branch: BranchKey, bytes: usize, limits: &Limits) -> bool {
        let bytes = bytes.saturating_add(ADDED);
        let has_room = self.waiting.len() < limits.connect_queue && self.has_room(bytes, limits);
        if has_room {
            self.bytes += bytes;
            self.waiting.push_back(AwaitingBranch { branch, bytes });
        }
        has_room
    }

    /// The same of a message that is written already.
    pub(crate) fn queue(
        &mut self,
        message: QueuedMessage,
        limits: &Limits,
        open: impl FnOnce() -> Rc<Account>,
    ) -> bool {
        let bytes = message.bytes.len();
        let has_room = self.queued.len() < limits.connect_queue && self.has_room(bytes, limits);
        if has_room {
            self.bytes += bytes;
            if !self.hold.is_taken() {
                self.hold = open().hold(0);
            }
            self.hold.grow(bytes);
            self.queued.push(message);
        }
        has_room
    }

    /// The same of a request of the other process.
    pub(crate) fn wait_crossed(&mut self, request: AwaitingCrossed, limits: &Limits) -> bool {
        let bytes = request.bytes.len();
        let has_room = self.crossed.len() < limits.connect_queue && self.has_room(bytes, limits);
        if has_room {
            self.bytes += bytes;
            self.crossed.push_back(request);
        }
        has_room
    }

    /// Takes out the one that has waited longest.
    pub(crate) fn next_crossed(&mut self) -> Option<AwaitingCrossed> {
        let next = self.crossed.pop_front()?;
        self.bytes = self.bytes.saturating_sub(next.bytes.len());
        Some(next)
    }

    /// An empty queue takes a message of any length.
    fn has_room(&self, bytes: usize, limits: &Limits) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= limits.send_queue
    }

    /// Takes out the branch that has waited longest.
    pub(crate) fn next_waiting(&mut self) -> Option<BranchKey> {
        let next = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(next.bytes);
        Some(next.branch)
    }

    /// Takes out every message.
    pub(crate) fn take_queued(&mut self) -> Vec<QueuedMessage> {
        let queued = std::mem::take(&mut self.queued);
        self.hold = Hold::default();
        let bytes: usize = queued.iter().map(|message| message.bytes.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        queued
    }

    /// A link is no longer one of its own.
    pub(crate) fn leave(&mut self, link: LinkId) {
        self.links.retain(|l| *l != link);
        if self.links.is_empty() {
            self.listed.health.note_shard(link.shard(), false);
        }
    }

    /// Whether the connect that failed last forbids another one.
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| until > now)
    }

    /// Messages that wait for a connection.
    pub(crate) fn waits(&self) -> usize {
        self.waiting.len() + self.crossed.len() + self.queued.len()
    }

    /// Whether a request waits for a connection that takes it.
    pub(crate) fn has_requests(&self) -> bool {
        !self.waiting.is_empty() || !self.crossed.is_empty()
    }

    /// Asks the shell for a connection, unless it is already making one. A peer that the topology
    /// no longer lists gets none.
    pub(crate) fn want_connection(&mut self, out: &mut Actions) {
        self.connect(false, out);
    }

    /// The same for what has nowhere else to go: a server that has come back is found at once and not
    /// after a pause. One connect at a time.
    pub(crate) fn need_connection(&mut self, out: &mut Actions) {
        self.connect(true, out);
    }

    fn connect(&mut self, urgent: bool, out: &mut Actions) {
        if !self.connecting
            && let Some(peer) = self.listed.current
        {
            self.connecting = true;
            let name = self.listed.under.as_ref().map(|under| under.name.clone());
            out.list.push(Action::Connect { peer, name, urgent });
        }
    }

    /// Whether nothing runs with it and nothing is remembered that a later request would need.
    pub(crate) fn is_idle(&self) -> bool {
        self.links.is_empty() && self.waits() == 0 && !self.connecting
    }
}

/// What belongs to something already under way and waits for a connection.
pub(crate) struct QueuedMessage {
    /// The message as it is sent.
    pub(crate) bytes: Vec<u8>,
    /// What must still hold when the connection comes.
    pub(crate) only: SendIf,
}

/// When a message that waited for a connection still makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SendIf {
    /// However long it takes. Its reader drops a response or an ACK that comes too late, and one
    /// that never comes costs more: a caller who rings on, a callee who hangs up 32 s after the
    /// call was taken.
    Always,
    /// While this branch has no final response: a CANCEL after it would cancel nothing (RFC 3261
    /// §9.1).
    WhilePending(BranchKey),
}
