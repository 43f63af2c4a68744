//! Idle strangers make room: when connections come near to what the node takes, those go that nobody would miss.
//!
//! A client that is only connected costs a descriptor and some kilobytes, and a scanner that keeps what it finds can have
//! thousands of them.
//!
//! A stranger here is a client without a binding on whose connection nothing runs. Those that have never sent a message go
//! first, and of each kind whoever has been silent for longest. They may come back at any time.
use super::admission::ShardLoad;
use super::clock;
use super::connection::Connection;
use super::shard::Shard;
use crate::reason::ConnectionReason;
use std::rc::Rc;
use std::time::Duration;

/// Who has said something in this time is not idle.
const IDLE: Duration = Duration::from_secs(5);
/// The pause after a look, which goes over all connections, if it has found somebody.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause if nobody was idle.
const WAIT: Duration = Duration::from_secs(1);
/// The part of its connections that a shard wants to have fewer of once it was asked for room.
const ENOUGH: usize = 16;
/// The share of a shard's connections that a look may close.
const SHARE: usize = 64;

impl Shard {
    /// The task that closes idle strangers when the acceptor asks for room.
    ///
    /// It goes on until there is room for a while, asked again or not: otherwise somebody would have to be turned away
    /// for the node to learn who has become idle since.
    pub(super) async fn run_make_room(self: Rc<Self>) {
        let load = &self.shared.load;
        loop {
            load.room_wanted().await;
            let held = load.connections();
            let enough = held - held.div_ceil(ENOUGH);
            while load.connections() > enough {
                let pause = if self.make_room() { PAUSE } else { WAIT };
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Closes a small share of the connections, if as many are idle; whether it has closed one.
    fn make_room(&self) -> bool {
        let now = clock::now();
        let idle = |connection: &Rc<Connection>| {
            let silent = now.saturating_duration_since(connection.active.get());
            let is_kept = connection.kept_until.get().is_some_and(|end| end > now);
            connection.is_client() && silent >= IDLE && !is_kept && connection.closing().is_none()
        };
        let all = self.connections.borrow();
        let most = all.live() / SHARE + 1;
        let mut strangers: Vec<_> = all.iter().filter(|c| idle(c)).cloned().collect();
        drop(all);
        let order = |c: &Rc<Connection>| (c.messages_in.get() > 0, c.active.get());
        // The order of the others does not matter.
        if strangers.len() > most {
            strangers.select_nth_unstable_by_key(most, order);
            strangers.truncate(most);
        }
        let mut has_closed = false;
        for stranger in strangers {
            if self.core.borrow().is_idle(stranger.id) {
                stranger.close(ConnectionReason::MadeRoom);
                has_closed = true;
            }
        }
        has_closed
    }
}

impl ShardLoad {
    /// Asks the shard to close idle strangers.
    pub(super) fn want_room(&self) {
        self.room.notify_one();
    }

    /// Waits until room is wanted.
    async fn room_wanted(&self) {
        self.room.notified().await;
    }
}
