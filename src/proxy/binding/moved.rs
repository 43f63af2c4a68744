//! Legs of unregistered clients that have moved: the connection that a token names is gone, and the client has sent a
//! request of that dialog, with the value that only it has seen, over another one.
//!
//! They stand in the shard of the old connection, since the token names that. Bounded for each new connection and in
//! all, and gone with the new connection.
use crate::proxy::link_id::LinkId;
use crate::topology::FastMap;

/// The most dialogs that move to one connection.
const MOST_FOR_ONE: usize = 64;
/// The most in one shard.
const MOST: usize = 65_536;

/// The legs that have moved away from connections of this shard.
#[derive(Default)]
pub(crate) struct MovedLegs {
    to: FastMap<(LinkId, u64), LinkId>,
    /// What was moved to each connection.
    by_link: FastMap<LinkId, Vec<(LinkId, u64)>>,
}

impl MovedLegs {
    /// Where the leg is now.
    pub(crate) fn get(&self, old: LinkId, call: u64) -> Option<LinkId> {
        self.to.get(&(old, call)).copied()
    }

    /// Moves the leg of one dialog; `false`: there is no room.
    pub(crate) fn enter(&mut self, old: LinkId, call: u64, new: LinkId) -> bool {
        if self.get(old, call) == Some(new) {
            return true;
        }
        // Asked before anything is entered: what is refused leaves nothing behind.
        let count = self.by_link.get(&new).map_or(0, Vec::len);
        if count >= MOST_FOR_ONE || self.to.len() >= MOST {
            return false;
        }
        self.by_link.entry(new).or_default().push((old, call));
        self.to.insert((old, call), new);
        true
    }

    /// The connection is closed: what had moved there leads nowhere until the client moves it again.
    pub(crate) fn gone(&mut self, link: LinkId) {
        for leg in self.by_link.remove(&link).unwrap_or_default() {
            if self.to.get(&leg) == Some(&link) {
                self.to.remove(&leg);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_where_it_was_moved_last_until_that_is_gone_too() {
        let [old, one, two] = [1, 2, 3].map(|slot| LinkId::new(0, slot, 1));
        let mut moved = MovedLegs::default();
        assert!(moved.enter(old, 7, one) && moved.enter(old, 7, one));
        assert_eq!((moved.get(old, 7), moved.get(old, 8)), (Some(one), None));
        moved.gone(one);
        assert_eq!(moved.get(old, 7), None);
        assert!(moved.enter(old, 7, two));
        assert_eq!(moved.get(old, 7), Some(two));
        for call in 100.. {
            if !moved.enter(old, call, two) {
                assert_eq!(call as usize, 100 + MOST_FOR_ONE - 1);
                break;
            }
        }
        moved.gone(two);
        assert!(moved.to.is_empty() && moved.by_link.is_empty());
        for call in 0..MOST as u64 {
            assert!(moved.enter(old, call, LinkId::new(1, call as u32 / 64, 1)));
        }
        assert!(!moved.enter(old, MOST as u64, one));
        assert!(!moved.by_link.contains_key(&one), "nothing is left behind");
    }
}
