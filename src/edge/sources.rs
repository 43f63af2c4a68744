//! How many connections each source address has, over all shards: the one table that is shared, and only at accept and
//! close.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Connections by source address.
#[derive(Default)]
pub(super) struct Sources(Mutex<HashMap<IpAddr, usize>>);

impl Sources {
    /// Counts a connection in, unless its source has `bound` already.
    pub(super) fn enter(&self, source: IpAddr, bound: usize) -> bool {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source.to_canonical()).or_insert(0);
        if *count >= bound {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts a connection out.
    pub(super) fn leave(&self, source: IpAddr) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let std::collections::hash_map::Entry::Occupied(mut entry) =
            sources.entry(source.to_canonical())
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sources;

    #[test]
    fn a_source_at_its_bound_is_turned_away_until_one_leaves() {
        let sources = Sources::default();
        let one = std::net::IpAddr::from([192, 0, 2, 1]);
        assert!(sources.enter(one, 2) && sources.enter(one, 2) && !sources.enter(one, 2));
        assert!(sources.enter(std::net::IpAddr::from([192, 0, 2, 2]), 2));
        sources.leave(one);
        assert!(sources.enter(one, 2));
    }
}
