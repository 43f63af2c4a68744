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
/// The pause after a look, which goes over all connections.
const PAUSE: Duration = Duration::from_millis(100);
/// The share of a shard's connections that a look may close.
const SHARE: usize = 64;

impl Shard {
    /// The task that closes idle strangers when the acceptor asks for room.
    pub(super) async fn run_make_room(self: Rc<Self>) {
        loop {
            self.shared.load.room_wanted().await;
            self.make_room();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Closes a small share of the connections, if as many are idle.
    fn make_room(&self) {
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
        for stranger in strangers {
            if self.core.borrow().is_idle(stranger.id) {
                stranger.close(ConnectionReason::MadeRoom);
            }
        }
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
