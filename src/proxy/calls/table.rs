//! The calls that one shard keeps, of whatever connections: those whose number is its own.
//! Bounded in all, for each client and for each source, and without an end of its own no call
//! stays for longer than `limits.call_idle`.
use super::key::CallKey;
use super::messages::{AnsweredCall, CallClient, HungUp};
use crate::observe::{CallRecord, EndedBy};
use crate::proxy::account::{CallHold, ShardMemory};
use crate::reason::MessageReason;
use crate::topology::FastMap;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What is added to a session's time: its sides send BYE when it is over (RFC 4028 §10), and that is to be seen here.
const GRACE: Duration = Duration::from_secs(32);
/// The shortest session there is (RFC 4028 §4): nobody makes a record end sooner by a smaller number.
const SHORTEST_SESSION: Duration = Duration::from_secs(90);
/// The most calls that end by time in one step, so that many at once hold up no message.
const STEP: usize = 256;
/// What a call takes beside its texts, in bytes: the table and the set are at their emptiest right after they have grown.
const FIXED: usize = size_of::<Call>()
    + (size_of::<(CallKey, Box<Call>)>() + 1) * 16 / 7
    + 2 * size_of::<(u32, CallKey)>()
    + 2 * (size_of::<(CallClient, u32)>() + 1) * 16 / 7;

/// The most that a shard may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallRoom {
    /// In all.
    pub(crate) all: usize,
    /// Of one client.
    pub(crate) one: usize,
    /// Of all clients of one source, over all shards.
    pub(crate) source: usize,
    /// How long a call stays that nothing is heard of.
    pub(crate) idle: Duration,
}

/// One call that is up.
struct Call {
    /// What was said of it when it was answered, completed by an earlier pass.
    answered: AnsweredCall,
    /// When it ends by time, in seconds of the table.
    until: u32,
    /// Where it stands in the order of ends: there or earlier, so that a refresh need not move it.
    listed: u32,
    /// Whether that is the end of its session.
    has_session: bool,
    /// What it counts for, until it ends.
    hold: CallHold,
}

/// A call that has ended.
pub(crate) struct EndedCall(pub(crate) Box<CallRecord>);

/// A call as a list shows it.
#[derive(Clone, Debug)]
pub struct RunningCall {
    /// What is known of it; the times that are still open are missing.
    pub record: Box<CallRecord>,
    /// Since when: since its answer, or since its INVITE if it rings.
    pub since: Duration,
    /// Whether it was answered.
    pub answered: bool,
}

/// The clients that have a call, over all shards.
#[derive(Clone, Debug, Default)]
pub struct CallsOfClients(HashSet<CallClient>);

impl CallsOfClients {
    /// Adds another shard's.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether this client has one.
    pub(crate) fn has(&self, client: CallClient) -> bool {
        self.0.contains(&client)
    }
}

/// The calls of one shard.
pub(crate) struct CallTable {
    began: Instant,
    calls: FastMap<CallKey, Box<Call>>,
    /// When each ends by time or is to be looked at again, the next first.
    ends: BTreeSet<(u32, CallKey)>,
    /// How many each client has.
    of_client: FastMap<CallClient, u32>,
}

impl CallTable {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            calls: FastMap::default(),
            ends: BTreeSet::new(),
            of_client: FastMap::default(),
        }
    }

    /// How many are up.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// A call is up. A dialog that passes this node twice is answered twice, and counts once: the caller's pass, which
    /// is answered last, completes the record.
    ///
    /// # Errors
    /// There is no room, in all, for its client or for that one's source; it is not kept.
    pub(crate) fn answered(
        &mut self,
        answered: AnsweredCall,
        room: CallRoom,
        memory: &Rc<ShardMemory>,
    ) -> Result<(), (MessageReason, Box<AnsweredCall>)> {
        let (key, at) = (answered.key, answered.at);
        // Asked before the bounds: it takes no more room than it has.
        if self.calls.contains_key(&key) {
            self.passes_again(answered, memory);
            return Ok(());
        }
        if self.calls.len() >= room.all {
            return Err((MessageReason::CallsFull, Box::new(answered)));
        }
        // A client that gathers calls must not take the records of everybody else's.
        let count = |client: &CallClient| self.of_client.get(client).map_or(0, |n| *n as usize);
        if answered
            .clients
            .iter()
            .flatten()
            .any(|it| count(it) >= room.one)
        {
            return Err((MessageReason::ClientCalls, Box::new(answered)));
        }
        // A connection is no budget: whoever leaves and comes again has the calls that it has left.
        let Some(hold) = memory.keep_call(answered.sources(), answered.cost(), room.source) else {
            return Err((MessageReason::SourceCalls, Box::new(answered)));
        };
        for client in answered.clients.iter().flatten() {
            *self.of_client.entry(*client).or_default() += 1;
        }
        let (until, has_session) = self.end(at, answered.session, room.idle);
        self.ends.insert((until, key));
        let call = Call {
            answered,
            until,
            listed: until,
            has_session,
            hold,
        };
        self.calls.insert(key, Box::new(call));
        Ok(())
    }

    /// The same dialog, one hop nearer to the caller.
    fn passes_again(&mut self, nearer: AnsweredCall, memory: &Rc<ShardMemory>) {
        let Some(call) = self.calls.get_mut(&nearer.key) else {
            return;
        };
        call.answered.record.prepend(nearer.record);
        // The side in the middle is a server on both passes: what was no client there is none here.
        let [_, callee] = call.answered.clients;
        let [caller, _] = nearer.clients;
        let before = std::mem::replace(&mut call.answered.clients, [caller, callee]);
        // It is kept already, so that no bound is asked: its bytes are the caller's from here on.
        let (sources, cost) = (call.answered.sources(), call.answered.cost());
        if let Some(hold) = memory.keep_call(sources, cost, usize::MAX) {
            call.hold = hold;
        }
        if let Some(caller) = caller {
            *self.of_client.entry(caller).or_default() += 1;
        }
        if let [Some(former), _] = before {
            self.forget_client(former);
        }
    }

    /// A sign of life: its time begins anew. A re-INVITE without a session's time ends the session and not the call (RFC
    /// 4028 §7.2).
    pub(crate) fn refreshed(
        &mut self,
        key: CallKey,
        session: Option<Duration>,
        idle: Duration,
        now: Instant,
    ) {
        let (until, has_session) = self.end(now, session, idle);
        if let Some(call) = self.calls.get_mut(&key) {
            (call.until, call.has_session) = (until, has_session);
            // Later ends wait until the time comes: refreshes are many, and the order is long.
            if until < call.listed {
                self.ends.remove(&(call.listed, key));
                self.list(key, until);
            }
        }
    }

    /// A BYE ends it; `None`: it is not kept here, or has ended.
    pub(crate) fn hung_up(&mut self, bye: HungUp) -> Option<EndedCall> {
        let call = self.remove(bye.key)?;
        // By its tag: both sides may use one connection, or the call may have moved to another one.
        let by = match bye.by == call.answered.caller {
            true => EndedBy::Caller,
            false => EndedBy::Callee,
        };
        Some(call.end(by, bye.at, bye.status))
    }

    /// The calls whose time is over, as far as one step goes.
    pub(crate) fn expire(&mut self, now: Instant, mut ended: impl FnMut(EndedCall)) {
        let seconds = now.saturating_duration_since(self.began).as_secs();
        for _ in 0..STEP {
            let Some(&(listed, key)) = self.ends.first() else {
                return;
            };
            if u64::from(listed) > seconds {
                return;
            }
            // Refreshed since it was listed.
            let until = self.calls.get(&key).map(|call| call.until);
            if let Some(until) = until.filter(|until| *until > listed) {
                self.ends.pop_first();
                self.list(key, until);
                continue;
            }
            // The set and the table name the same calls.
            let Some(call) = self.remove(key) else {
                return;
            };
            let by = match call.has_session {
                true => EndedBy::SessionExpired,
                false => EndedBy::CallIdle,
            };
            ended(call.end(by, now, None));
        }
    }

    /// Ends calls whatever their time, as far as one step goes: the node stops. `false`: there is none left.
    pub(crate) fn end_step(&mut self, now: Instant, mut ended: impl FnMut(EndedCall)) -> bool {
        let next: Vec<_> = self.ends.iter().take(STEP).map(|(_, key)| *key).collect();
        let calls = next.iter().filter_map(|key| self.remove(*key));
        // Who hung up is not known, since nobody has: how long it was talked is.
        calls.for_each(|call| ended(call.end(EndedBy::NodeStopped, now, None)));
        !self.ends.is_empty()
    }

    /// When the next one ends by time, or is to be looked at again.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (until, _) = self.ends.first()?;
        Some(self.began + Duration::from_secs(u64::from(*until)))
    }

    /// What all of them hold.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.calls.values().map(|call| call.hold.bytes()).sum()
    }

    /// The most that any client has.
    pub(crate) fn most_of_a_client(&self) -> u32 {
        self.of_client.values().copied().max().unwrap_or_default()
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &AnsweredCall> {
        self.calls.values().map(|call| &call.answered)
    }

    /// The clients that have one here.
    pub(crate) fn clients(&self) -> CallsOfClients {
        CallsOfClients(self.of_client.keys().copied().collect())
    }

    /// The second in which a call ends by time, and whether that is its session's end.
    fn end(&self, from: Instant, session: Option<Duration>, idle: Duration) -> (u32, bool) {
        let session = session.map(|it| it.max(SHORTEST_SESSION).saturating_add(GRACE));
        // A remote writes this number: it can only make the end sooner.
        let session = session.filter(|it| *it <= idle);
        let lasts = session.unwrap_or(idle);
        // Rounded up: it never ends before its time.
        let since = from.saturating_duration_since(self.began) + lasts + Duration::from_millis(999);
        let until = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        (until, session.is_some())
    }

    /// Enters it in the order of ends, in which it does not stand.
    fn list(&mut self, key: CallKey, at: u32) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.listed = at;
            self.ends.insert((at, key));
        }
    }

    fn remove(&mut self, key: CallKey) -> Option<Box<Call>> {
        let call = self.calls.remove(&key)?;
        self.ends.remove(&(call.listed, key));
        for client in call.answered.clients.iter().flatten() {
            self.forget_client(*client);
        }
        Some(call)
    }

    fn forget_client(&mut self, client: CallClient) {
        if let Entry::Occupied(mut count) = self.of_client.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl AnsweredCall {
    /// What it takes in memory while it is kept, in bytes.
    fn cost(&self) -> usize {
        FIXED + self.record.parties.bytes()
    }
}

impl Call {
    /// Its record, complete.
    fn end(self: Box<Self>, by: EndedBy, at: Instant, status: Option<u16>) -> EndedCall {
        let AnsweredCall {
            record, at: since, ..
        } = self.answered;
        EndedCall(Box::new(CallRecord {
            talk: Some(at.saturating_duration_since(since)),
            ended_by: by,
            status,
            ..record
        }))
    }
}

#[cfg(test)]
mod tests;
