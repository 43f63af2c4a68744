//! The parties whose requests have other lines for a while.
//!
//! Kept here and not in the shards, which take over a copy of the whole list with each change.
use crate::proxy::{LogLevel, NamedParty};
use crate::topology::{LogRequests, network};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Parties with a level of their own at a time: each request is compared with each.
const MOST: usize = 32;

/// A level that is in force, for the process that takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunningLevel {
    /// Whose: a peer's name.
    #[serde(default)]
    peer: Option<String>,
    /// Else the network or user of a client.
    #[serde(default)]
    client: Option<String>,
    /// A word of `[log] requests`.
    requests: String,
    /// Its end, Unix seconds.
    pub(super) until: u64,
}

impl RunningLevel {
    /// Of one that is in force until then.
    fn of(level: &LogLevel, until: u64) -> Self {
        let party = level.party.to_string();
        let (peer, client) = match level.party {
            NamedParty::Peer(_) => (Some(party), None),
            NamedParty::Network(_) | NamedParty::User(_) => (None, Some(party)),
        };
        Self {
            peer,
            client,
            requests: level.requests.word().to_owned(),
            until,
        }
    }

    /// As shards have it; `None`: another version means something that this one does not know.
    pub(super) fn level(&self) -> Option<LogLevel> {
        // As on the command line: an address is never a user's name.
        let party = match (&self.peer, &self.client) {
            (Some(peer), _) => NamedParty::Peer(peer.clone()),
            (None, Some(client)) => match network(client) {
                Some(network) => NamedParty::Network(network),
                None => NamedParty::User(client.clone()),
            },
            (None, None) => return None,
        };
        let requests = LogRequests::from_word(&self.requests)?;
        Some(LogLevel { party, requests })
    }
}

/// One party's level, its number and its end in Unix seconds.
#[derive(Debug)]
struct Entry {
    number: u64,
    level: LogLevel,
    until: u64,
}

/// The levels that are in force, each with a number of its own: one that was replaced must not end with its time.
#[derive(Debug, Default)]
pub(super) struct LogLevelList {
    last: u64,
    levels: Vec<Entry>,
}

impl LogLevelList {
    /// Sets one party's level, until this time in Unix seconds; returns its number. `None`: there are too many.
    pub(super) fn set(&mut self, level: LogLevel, until: u64) -> Option<u64> {
        self.levels.retain(|it| it.level.party != level.party);
        if self.levels.len() >= MOST {
            return None;
        }
        self.last += 1;
        self.levels.push(Entry {
            number: self.last,
            level,
            until,
        });
        Some(self.last)
    }

    /// Ends one; `None`: another one of its party has replaced it.
    pub(super) fn end(&mut self, number: u64) -> Option<LogLevel> {
        let at = self.levels.iter().position(|it| it.number == number)?;
        Some(self.levels.remove(at).level)
    }

    /// As shards have them.
    pub(super) fn all(&self) -> Arc<[LogLevel]> {
        self.levels.iter().map(|it| it.level.clone()).collect()
    }

    /// As the process that takes over has them.
    pub(super) fn running(&self) -> Vec<RunningLevel> {
        let levels = self.levels.iter();
        levels
            .map(|it| RunningLevel::of(&it.level, it.until))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::NamedParty;
    use crate::topology::LogRequests;

    fn level(peer: usize, requests: LogRequests) -> LogLevel {
        let party = NamedParty::Peer(format!("fe{peer}.contoso.test"));
        LogLevel { party, requests }
    }

    #[test]
    fn one_that_was_replaced_does_not_end_with_its_time_and_there_is_a_bound() {
        let mut list = LogLevelList::default();
        let first = list.set(level(0, LogRequests::All), 7).unwrap();
        let second = list.set(level(0, LogRequests::Refused), 8).unwrap();
        assert_eq!(list.end(first), None);
        assert_eq!(list.all()[..], [level(0, LogRequests::Refused)]);
        let running = list.running();
        assert_eq!((running.len(), running[0].until), (1, 8));
        assert_eq!(running[0].level(), Some(level(0, LogRequests::Refused)));
        let text = serde_json::to_string(&running).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<RunningLevel>>(&text).unwrap(),
            running
        );
        assert!(list.end(second).is_some() && list.all().is_empty());
        let set = (0..100).filter(|n| list.set(level(*n, LogRequests::All), 9).is_some());
        assert_eq!(set.count(), MOST);
    }
}
