//! Who gets the next slot of a handshake, and in which shard.
//!
//! The decision falls as late as possible: a shard is handed another hello when it has answered one, and until then who
//! comes may still go before those who wait.
use super::admission::{ShardLoad, ShardPlace};
use super::clock;
use super::lobby::Candidate;
use super::priority::Priority;
use super::reception::{AcceptRules, Reception};
use crate::reason::ConnectionReason;
use crate::topology::Limits;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

impl Reception {
    /// How many more connections the shards take of who is known so well. The last places are for those who are known, and
    /// the very last for peers, whichever of the descriptors and `connections` binds.
    pub(super) fn room(&self, rules: &AcceptRules, priority: Priority) -> usize {
        let shards = rules.limits.connections.saturating_mul(self.loads.len());
        let most = rules.sockets.min(shards);
        let most = most.saturating_sub(priority.leaves(most / 8));
        most.saturating_sub(self.connections())
    }

    /// The connections in all shards.
    pub(super) fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.connections()).sum()
    }

    /// Asks the shard with most connections to close idle strangers.
    pub(super) fn make_room(&self) {
        let fullest = self.loads.iter().max_by_key(|load| load.connections());
        if let Some(load) = fullest {
            load.want_room();
        }
    }

    /// The task that grants slots to those who wait for one.
    pub(super) async fn run_grants(self: Rc<Self>) {
        loop {
            let until = self.grant_all();
            let due = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.knock.notified() => {}
                () = self.slots.freed() => {}
                () = due => {}
            }
        }
    }

    /// Grants as many slots as there are; returns when one may be taken away for the next.
    fn grant_all(&self) -> Option<Instant> {
        let now = clock::now();
        self.work.borrow_mut().look(&self.loads, now);
        let rules = self.rules.load();
        let limits = &rules.limits;
        let bound = limits.handshakes.saturating_mul(self.loads.len());
        loop {
            let candidates = self.lobby.borrow().candidates();
            candidates.iter().flatten().next()?;
            // Nobody waits for a connection to end: that may take hours.
            let mut each = candidates.iter().flatten();
            if let Some(shut_out) = each.find(|it| self.room(&rules, it.priority) == 0) {
                let reason = ConnectionReason::TooManyConnections;
                self.lobby.borrow_mut().refuse(*shut_out, reason);
                continue;
            }
            // Woken again when one has answered a hello.
            let (shard, load) = self.free_shard(limits)?;
            let mut until = None;
            // Of each priority one, since the slots that are left may be kept for a higher one.
            let taken = candidates.into_iter().flatten().find_map(|candidate| {
                let Candidate {
                    source, priority, ..
                } = candidate;
                match self.slots.take(source, priority, bound, now) {
                    Ok(slot) => Some((candidate, slot)),
                    Err(none) => {
                        until = until.into_iter().chain(none.until).min();
                        None
                    }
                }
            });
            let Some((candidate, slot)) = taken else {
                return until;
            };
            let place = ShardPlace::new(shard, load, slot);
            self.lobby.borrow_mut().grant(candidate, place);
        }
    }

    /// The shard that the next connection goes to; `None`: all have enough hellos to answer.
    fn free_shard(&self, limits: &Limits) -> Option<(usize, &Arc<ShardLoad>)> {
        let work = &*self.work.borrow();
        // One that has no room counts as full, whatever it holds.
        let counted = |is_full: &dyn Fn(usize) -> bool| {
            let count =
                |(shard, load): (usize, &Arc<ShardLoad>)| match load.is_busy() || is_full(shard) {
                    true => usize::MAX,
                    false => load.connections(),
                };
            let loads = self.loads.iter().enumerate().map(count);
            choose(loads, limits.gather, limits.connections)
        };
        // One with much to do gets more only if the others have no room.
        let has_room = |shard: &usize| {
            let load = self.loads.get(*shard);
            load.is_some_and(|load| !load.is_busy() && load.connections() < limits.connections)
        };
        let with_time = counted(&|shard| work.passes_over(shard)).filter(has_room);
        let chosen = with_time.or_else(|| counted(&|_| false))?;
        let load = self.loads.get(chosen)?;
        (!load.is_busy()).then_some((chosen, load))
    }
}

/// The shard for the next connection: the first that has no more than `gather` above the emptiest, and room for one.
///
/// Where there is little to do, a core that does all of it is warm, finds more to do each time it wakes, and needs one
/// connection to each home server: a message costs a quarter less than on two.
fn choose(
    loads: impl Iterator<Item = usize> + Clone,
    gather: usize,
    connections: usize,
) -> Option<usize> {
    // At most `gather` above the emptiest: from there on connections spread evenly.
    let least = loads.clone().min()?;
    let bound = least.saturating_add(gather.max(1)).min(connections);
    loads
        .clone()
        .position(|load| load < bound)
        // All are full: the emptiest refuses, with its reason.
        .or_else(|| loads.clone().position(|load| load == least))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many each of three shards has after so many connections.
    fn after(count: usize, gather: usize, connections: usize) -> Vec<usize> {
        let mut loads = vec![0; 3];
        for _ in 0..count {
            let shard = choose(loads.iter().copied(), gather, connections).unwrap();
            loads[shard] += 1;
        }
        loads
    }

    #[test]
    fn few_connections_gather_and_many_are_spread() {
        assert_eq!(after(4, 4, 100), [4, 0, 0]);
        assert_eq!(after(10, 4, 100), [5, 4, 1]);
        assert_eq!(after(302, 4, 1000), [102, 102, 98]);
    }

    #[test]
    fn without_gathering_they_are_even() {
        assert_eq!(after(10, 0, 100), [4, 3, 3]);
    }

    #[test]
    fn a_full_shard_does_not_hold_back_an_empty_one() {
        assert_eq!(after(6, 32, 2), [2, 2, 2]);
        // All are full: the shard itself refuses.
        assert_eq!(choose([2, 2, 2].into_iter(), 32, 2), Some(0));
    }

    #[test]
    fn what_left_is_filled_up_first() {
        assert_eq!(choose([3, 9, 9].into_iter(), 4, 100), Some(0));
        assert_eq!(choose([9, 3, 9].into_iter(), 4, 100), Some(1));
    }
}
