//! What is done when others make this node keep too much: connections are closed, those first that take most.
//!
//! Requests are refused by the core before it comes to that (`proxy::admission`). What no refusal helps against are messages of
//! which a part has come, and answers that nobody reads: they go with their connections. A source or a peer at its own bound
//! loses those of its connections that hold most; at the bound of all (`limits.memory`) the sources lose connections in the order of
//! what they hold, and registered clients come last.
use super::clock;
use super::connection::Connection;
use super::inbox::ShardMessage;
use super::shard::Shard;
use crate::proxy::Party;
use crate::reason::MessageReason;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The least pause after a look at all connections: what was closed is gone by then.
const PAUSE: Duration = Duration::from_millis(10);
/// A pause is so many times as long as the look before it, so that a flood costs a part of the shard's time at most.
const SHARE: u32 = 4;

impl Shard {
    /// The task that closes connections when all of the node holds more than its bound.
    pub(super) async fn run_relief(self: Rc<Self>) {
        loop {
            self.relief.notified().await;
            // What is kept may be another shard's, which has nothing to do just now.
            for shard in (0u8..)
                .take(self.shared.inboxes.0.len())
                .filter(|it| *it != self.shared.index)
            {
                let look = ShardMessage::Run(Box::new(|shard: &Rc<Self>| shard.relieve_node()));
                self.send_to(shard, look);
            }
            let began = clock::now();
            self.relieve_node();
            let took = clock::now().saturating_duration_since(began);
            tokio::time::sleep(PAUSE.max(took * SHARE)).await;
            // Whoever still adds something asks again.
        }
    }

    /// Something that this shard keeps has grown while the node holds too much.
    pub(super) fn ask_for_relief(&self) {
        if self.memory.wants_relief() {
            self.relief.notify();
        }
    }

    /// A connection holds a part of a message, or what its socket does not take: looks whether that is too much for its
    /// party. The usual connection never comes here.
    pub(super) fn look_at_memory(&self, connection: &Connection) {
        let Some((party, held)) = connection.party() else {
            return;
        };
        let limits = self.limits();
        let bound = match party {
            Party::Source(_) => limits.memory_per_source,
            Party::Peer(_) => limits.memory_per_peer,
        };
        if held > bound {
            self.relieve_party(party, held, bound);
        }
    }

    /// Closes connections of one party until it holds an eighth less than it may. So many at a time, since each look goes
    /// over all of them.
    fn relieve_party(&self, party: Party, held: usize, bound: usize) {
        let mut all = self.all_connections();
        all.retain(|it| it.party().is_some_and(|(of, _)| of == party));
        // What is about to be closed is still counted.
        let ending = all.iter().filter(|it| it.closing().is_some());
        let ending: usize = ending.map(|it| it.memory()).sum();
        let enough = bound - bound / 8;
        let excess = held.saturating_sub(ending).saturating_sub(enough);
        if held.saturating_sub(ending) > bound {
            let now = clock::now();
            all.sort_by_cached_key(|it| (is_registered(it, now), Reverse(it.memory())));
            self.close_first(all, excess, MessageReason::TooMuchHeld);
        }
    }

    /// This shard's part of what must go: as much of it as it has of all that is kept.
    ///
    /// No shard knows what another one closes, and none needs to: their parts add up to the whole, and what was reckoned
    /// wrongly is made good by the next look.
    fn relieve_node(&self) {
        let node = self.memory.node();
        let Some(excess) = node.excess() else { return };
        let (own, used) = (self.memory.bytes(), node.used().max(1));
        let part = (excess as f64 * (own as f64 / used as f64)) as usize;
        let ranks: HashMap<Party, usize> = (0..)
            .zip(node.fullest())
            .map(|(rank, it)| (it.party, rank))
            .collect();
        let now = clock::now();
        let mut all = self.all_connections();
        // A registered client is somebody's phone, and its place costs the same as a stranger's: it goes last, whoever else is
        // behind its address.
        let rank = |it: &Rc<Connection>| {
            let party = it.party().and_then(|(party, _)| ranks.get(&party).copied());
            let is_registered = is_registered(it, now);
            (
                is_registered,
                party.unwrap_or(usize::MAX),
                Reverse(it.memory()),
            )
        };
        all.sort_by_cached_key(rank);
        self.close_first(all, part, MessageReason::MemoryFull);
    }

    /// Closes connections, in this order, until so much is freed. What is closed is free when its task has run, so that a sum
    /// that is read before that still has it.
    fn close_first(&self, all: Vec<Rc<Connection>>, excess: usize, reason: MessageReason) {
        let mut freed = 0;
        for connection in all.into_iter().filter(|it| it.closing().is_none()) {
            if freed >= excess {
                break;
            }
            freed += connection.memory();
            connection.close(reason);
        }
        if freed > 0 {
            let now = clock::now();
            self.feed(None, |core, out| core.note_bound(reason, now, out));
        }
    }
}

/// Whether it is a client that holds a binding.
fn is_registered(connection: &Connection, now: Instant) -> bool {
    connection.kept_until.get().is_some_and(|until| until > now)
}
