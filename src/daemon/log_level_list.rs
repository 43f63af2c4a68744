//! The parties whose requests have other lines for a while.
//!
//! Kept here and not in the shards, which take over a copy of the whole list with each change.
use crate::proxy::LogLevel;
use std::sync::Arc;

/// Parties with a level of their own at a time: each request is compared with each.
const MOST: usize = 32;
/// The levels that are in force, each with a number of its own: one that was replaced must not end with its time.
#[derive(Debug, Default)]
pub(super) struct LogLevelList {
    last: u64,
    levels: Vec<(u64, LogLevel)>,
}

impl LogLevelList {
    /// Sets one party's level; returns its number. `None`: there are too many.
    pub(super) fn set(&mut self, level: LogLevel) -> Option<u64> {
        self.levels.retain(|(_, it)| it.party != level.party);
        if self.levels.len() >= MOST {
            return None;
        }
        self.last += 1;
        self.levels.push((self.last, level));
        Some(self.last)
    }

    /// Ends one; `None`: another one of its party has replaced it.
    pub(super) fn end(&mut self, number: u64) -> Option<LogLevel> {
        let at = self.levels.iter().position(|(it, _)| *it == number)?;
        Some(self.levels.remove(at).1)
    }

    /// As shards have them.
    pub(super) fn all(&self) -> Arc<[LogLevel]> {
        self.levels.iter().map(|(_, level)| level.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::LoggedParty;
    use crate::topology::LogRequests;

    fn level(peer: usize, requests: LogRequests) -> LogLevel {
        let party = LoggedParty::Peer(format!("fe{peer}.contoso.test"));
        LogLevel { party, requests }
    }

    #[test]
    fn one_that_was_replaced_does_not_end_with_its_time_and_there_is_a_bound() {
        let mut list = LogLevelList::default();
        let first = list.set(level(0, LogRequests::All)).unwrap();
        let second = list.set(level(0, LogRequests::Refused)).unwrap();
        assert_eq!(list.end(first), None);
        assert_eq!(list.all()[..], [level(0, LogRequests::Refused)]);
        assert!(list.end(second).is_some() && list.all().is_empty());
        let set = (0..100).filter(|n| list.set(level(*n, LogRequests::All)).is_some());
        assert_eq!(set.count(), MOST);
    }
}
