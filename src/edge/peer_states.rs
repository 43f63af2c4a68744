//! Which peers a shard has connections with, and why others went down: what `peer_connected` and `peer_disconnected` are made from.
use super::clock;
use crate::reason::Reason;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// One shard's view; each shard has connections of its own.
#[derive(Default)]
pub(super) struct PeerStates {
    /// Live connections by the peer's name, none of them with zero.
    live: RefCell<HashMap<Rc<str>, usize>>,
    /// Why and when peers went down, the last time each.
    down: RefCell<HashMap<String, (Reason, Instant)>>,
}

/// Why a peer went down last.
#[derive(Clone, Debug)]
pub struct Down {
    /// The peer's name.
    pub peer: String,
    /// The reason code, as in `peer_disconnected`.
    pub reason: Reason,
    /// How long ago.
    pub ago: Duration,
}

impl PeerStates {
    /// Counts a connection; returns whether it is the peer's first.
    pub(super) fn connected(&self, peer: &Rc<str>) -> bool {
        let mut live = self.live.borrow_mut();
        let count = live.entry(Rc::clone(peer)).or_insert(0);
        *count += 1;
        *count == 1
    }

    /// Counts a connection out; returns whether it was the peer's last.
    pub(super) fn disconnected(&self, peer: &Rc<str>) -> bool {
        let mut live = self.live.borrow_mut();
        let Some(count) = live.get_mut(peer) else {
            return false;
        };
        // Never below zero: each connection was counted in when it was confirmed.
        *count -= 1;
        let last = *count == 0;
        if last {
            live.remove(peer);
        }
        last
    }

    /// The peers with connections, and how many each has.
    pub(super) fn connections(&self) -> Vec<(String, usize)> {
        let live = self.live.borrow();
        live.iter()
            .map(|(peer, count)| (peer.to_string(), *count))
            .collect()
    }

    /// Keeps why a peer went down. There are at most `most` rows, the number of peers in the topology: more mean that
    /// some are of an earlier generation, and those for which `is_listed` is false go.
    pub(super) fn went_down(
        &self,
        peer: &str,
        reason: Reason,
        most: usize,
        is_listed: impl Fn(&str) -> bool,
    ) {
        let mut down = self.down.borrow_mut();
        down.insert(peer.to_owned(), (reason, clock::now()));
        if down.len() > most {
            down.retain(|name, _| is_listed(name));
        }
    }

    /// Why peers went down.
    pub(super) fn downs(&self) -> Vec<Down> {
        let now = clock::now();
        let down = self.down.borrow();
        let rows = down.iter().map(|(peer, (reason, at))| Down {
            peer: peer.clone(),
            reason: *reason,
            ago: now.saturating_duration_since(*at),
        });
        rows.collect()
    }
}
