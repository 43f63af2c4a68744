//! How many connections each source has, over all shards: the one table that shards share, and only at accept
//! and close.
use crate::proxy::SourceKey;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by source. It has at most one row for each connection, so the bound on those bounds it too.
#[derive(Default)]
pub(super) struct Sources(Mutex<HashMap<SourceKey, usize>>);

/// One connection's share of its source's bound, returned on drop.
pub(super) struct SourceHold {
    /// The table to return it to.
    sources: Arc<Sources>,
    /// As the table has it.
    source: SourceKey,
}

impl Sources {
    /// Counts a connection in, unless its source has `bound` already.
    pub(super) fn hold(this: &Arc<Self>, source: IpAddr, bound: usize) -> Option<SourceHold> {
        // A client must not get a second allowance by coming as ::ffff:a.b.c.d to a dual-stack socket, or from another
        // address of its IPv6 network.
        let source = SourceKey::of(source);
        let mut sources = this.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source).or_insert(0);
        if *count >= bound {
            // With a bound of zero the row was only just made.
            if *count == 0 {
                sources.remove(&source);
            }
            return None;
        }
        *count += 1;
        Some(SourceHold {
            sources: Arc::clone(this),
            source,
        })
    }
}

impl Sources {
    /// How many the source has that has most of them. Looks at each source, so it is for an operator.
    pub(super) fn fullest(&self) -> usize {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().copied().max().unwrap_or_default()
    }
}

impl Drop for SourceHold {
    fn drop(&mut self) {
        let mut sources = self
            .sources
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = sources.entry(self.source) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_at_its_bound_is_turned_away_until_one_leaves() {
        let sources = Arc::new(Sources::default());
        let one = IpAddr::from([192, 0, 2, 1]);
        let hold = |source| Sources::hold(&sources, source, 2);
        let (first, _second) = (hold(one).unwrap(), hold(one).unwrap());
        assert!(hold(one).is_none());
        assert!(hold("::ffff:192.0.2.1".parse().unwrap()).is_none());
        let of_network = [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "2001:db8:0:1::1",
        ];
        let holds = of_network.map(|source| hold(source.parse().unwrap()));
        assert_eq!(
            holds.each_ref().map(Option::is_some),
            [true, true, false, true]
        );
        assert!(hold(IpAddr::from([192, 0, 2, 2])).is_some());
        assert_eq!(sources.fullest(), 2);
        drop(first);
        assert!(hold(one).is_some());
    }
}
