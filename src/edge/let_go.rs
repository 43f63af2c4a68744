//! Clients let go one after the other, so that those who come back do not come all at once: for maintenance, or since another
//! process of this node has the listeners.
//!
//! A client that has its connection closed connects again and registers anew, which moves its binding. The idle go first,
//! since nobody misses them for the moment that this takes; those with something under way go later. A client without a
//! registration is nobody to whoever it connects to next, so that a call of its own ends with its connection: it stays until its
//! call is over, or the time is.
use super::clock;
use super::connection::Connection;
use super::handle::Edge;
use super::inbox::ShardMessage;
use super::shard::Shard;
use crate::proxy::LinkId;
use crate::reason::ConnectionReason;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often the clients are counted again: some go by themselves, and new ones may come.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest pause between two closes; several are made at once where they are due faster.
const TICK: Duration = Duration::from_millis(20);

impl Edge {
    /// Begins to let the clients of all shards go, evenly over this time; what was begun before is replaced.
    ///
    /// `refuses`: new requests are answered 503 meanwhile. Returns how many clients there are; `None`: a shard does not
    /// answer within `patience`.
    pub async fn let_clients_go(
        &self,
        over: Duration,
        refuses: bool,
        patience: Duration,
    ) -> Option<usize> {
        self.heed_calls(patience).await;
        let begun = self.each(patience, move |shard| {
            shard.core.borrow_mut().refuse_new(refuses);
            // Who does not refuse has handed over.
            shard.core.borrow_mut().retire(!refuses);
            shard.let_go(over);
            shard.clients().count()
        });
        Some(begun.await?.into_iter().sum())
    }

    /// Has the shards learn which clients have a call now: a call may be kept by another shard than its client's. To be called
    /// every now and then while clients are let go; who has a call goes last.
    pub async fn heed_calls(&self, patience: Duration) {
        let Some(calls) = self.clients_with_calls(patience).await.map(Arc::new) else {
            return;
        };
        let heeded = self.each(patience, move |shard| {
            shard.in_calls.replace(Arc::clone(&calls));
        });
        heeded.await;
    }

    /// Ends what [`Self::let_clients_go`] has begun: who is still here stays. `None`: a shard does not answer within `patience`.
    pub async fn keep_clients(&self, patience: Duration) -> Option<usize> {
        let kept = self.each(patience, |shard| {
            shard.core.borrow_mut().refuse_new(false);
            shard.core.borrow_mut().retire(false);
            shard.leaves_peers.set(false);
            shard.letting_go.set(shard.letting_go.get() + 1);
            shard.clients().count()
        });
        Some(kept.await?.into_iter().sum())
    }
}

/// What a client's going would cost, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    /// Nothing.
    Nothing,
    /// A moment: what it has under way follows it to its next connection.
    Moment,
    /// A call that does not follow it.
    Call,
}

/// When the next client is due, so that the last one goes at the end.
struct Pace {
    last: Instant,
    end: Instant,
}

impl Pace {
    /// What is left of the time, shared out among as many clients.
    fn next(&self, clients: usize) -> Instant {
        let share = u32::try_from(clients).unwrap_or(u32::MAX).max(1);
        self.last + self.end.saturating_duration_since(self.last) / share
    }
}

impl Shard {
    /// The clients that are here and stay so far.
    fn clients(&self) -> impl Iterator<Item = Rc<Connection>> + use<> {
        let all = self.all_connections().into_iter();
        all.filter(|connection| connection.is_client() && !connection.is_ending())
    }

    /// Starts the task that lets the clients go; an earlier one ends.
    fn let_go(self: &Rc<Self>, over: Duration) {
        let number = self.letting_go.get() + 1;
        self.letting_go.set(number);
        let now = clock::now();
        let pace = Pace {
            last: now,
            end: now + over,
        };
        tokio::task::spawn_local(Rc::clone(self).let_all_go(pace, number));
    }

    /// Until another order comes; clients that come meanwhile go too.
    async fn let_all_go(self: Rc<Self>, mut pace: Pace, number: u64) {
        // What is under way at the end has the time of a stop.
        let latest = pace.end + self.limits().drain;
        // Messages of those who were due at the last look.
        let mut looked: HashMap<LinkId, (u64, u64)> = HashMap::new();
        while self.letting_go.get() == number {
            let now = clock::now();
            // All of them, since an order holds for a second only: somebody may have begun a call.
            let mut left: Vec<_> = self.clients().collect();
            // Those that are due until the next look, and no sooner than they are.
            let due = left_until(&pace, left.len(), now + LOOK);
            // Linear: only those who are due are put in order.
            if due > 0 && due < left.len() {
                left.select_nth_unstable_by_key(due, |c| self.importance(c));
                left.truncate(due);
            }
            left.sort_by_key(|c| self.importance(c));
            let look = now + LOOK;
            let before = std::mem::take(&mut looked);
            let mut count = self.clients().count();
            for connection in left.into_iter().take(due) {
                let at = pace.next(count).max(pace.last);
                if at > clock::now() + TICK {
                    tokio::time::sleep_until(at.into()).await;
                }
                // Asked after each sleep: an operator may have ended it.
                if self.letting_go.get() != number {
                    return;
                }
                pace.last = at;
                // Something may follow what has just passed, such as the ACK of an answer: who was not silent since the last
                // look keeps its place in the pace, and goes with a later one.
                let passed = (connection.messages_in.get(), connection.messages_out.get());
                looked.insert(connection.id, passed);
                let is_silent = before.get(&connection.id) == Some(&passed);
                if clock::now() < pace.end && self.loss(&connection) == Loss::Call {
                    continue;
                }
                if clock::now() < latest && (!is_silent || self.is_busy(&connection).await) {
                    continue;
                }
                connection.part(ConnectionReason::LetGo);
                count = count.saturating_sub(1);
            }
            tokio::time::sleep_until(look.max(clock::now() + TICK).into()).await;
        }
    }

    /// Whether a close would cut an answer off that is under way, here or in a shard that has sent to it.
    async fn is_busy(&self, connection: &Connection) -> bool {
        if !self.core.borrow().is_idle(connection.id) {
            return true;
        }
        let (used_by, id) = (connection.used_by.get(), connection.id);
        for shard in (0..64u8).filter(|s| used_by & (1 << s) != 0 && *s != self.shared.index) {
            let (reply, answer) = oneshot::channel();
            let ask = move |other: &Rc<Self>| {
                // Who asks waits.
                let _ = reply.send(other.core.borrow().is_idle(id));
            };
            self.send_to(shard, ShardMessage::Run(Box::new(ask)));
            // A shard that has ended has nothing under way.
            if answer.await == Ok(false) {
                return true;
            }
        }
        false
    }

    /// The order in which clients go: who has a call, or something else under way, comes last; else the longest silent first.
    fn importance(&self, connection: &Connection) -> (Loss, Instant) {
        (self.loss(connection), connection.active.get())
    }

    /// What a close would cost.
    fn loss(&self, connection: &Connection) -> Loss {
        let (core, calls) = (self.core.borrow(), self.in_calls.borrow());
        if core.has_call_here_alone(connection.id, &calls) {
            Loss::Call
        } else if !core.is_idle(connection.id) || core.has_call(connection.id, &calls) {
            Loss::Moment
        } else {
            Loss::Nothing
        }
    }
}

/// How many of so many clients are due by then.
fn left_until(pace: &Pace, clients: usize, until: Instant) -> usize {
    if until >= pace.end {
        return clients;
    }
    let whole = pace
        .end
        .saturating_duration_since(pace.last)
        .as_nanos()
        .max(1);
    let part = until.saturating_duration_since(pace.last).as_nanos();
    let due = part.saturating_mul(clients as u128) / whole;
    usize::try_from(due).unwrap_or(clients).min(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn clients_are_spread_over_the_time_whatever_their_number() {
        let now = Instant::now();
        for (clients, seconds) in [(1, 10), (7, 10), (1_000, 10), (100_000, 600)] {
            let mut pace = Pace {
                last: now,
                end: now + Duration::from_secs(seconds),
            };
            let half = left_until(&pace, clients, now + Duration::from_secs(seconds / 2));
            assert_eq!(half, clients / 2);
            for left in (1..=clients).rev() {
                let next = pace.next(left);
                assert!(next >= pace.last && next <= pace.end);
                pace.last = next;
            }
            // Rounding loses less than a nanosecond for each.
            assert!(pace.end - pace.last < Duration::from_millis(1));
            assert_eq!(left_until(&pace, 3, pace.end), 3);
        }
    }
}
