//! How many credentials of each source and user were refused lately; bounded, and for a minute.
use super::fast_map::FastMap;
use std::time::{Duration, Instant};

/// Tries are counted by this time.
const SPAN: Duration = Duration::from_secs(60);
/// So many sources and users are counted; who comes on top is not, until others are forgotten.
const MOST: usize = 16_384;

/// The tries of a shard's sources and users, by keyed hashes of them.
#[derive(Default)]
pub(crate) struct RefusedCredentials(FastMap<u64, (Instant, u32)>);

impl RefusedCredentials {
    /// Whether nobody has had any, which is nearly always so.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one more. A key is a keyed hash, so that nobody can make two users share one.
    pub(crate) fn note(&mut self, key: u64, now: Instant) {
        // Only when it is full: a guess costs no walk over the others.
        if self.0.len() >= MOST {
            self.0.retain(|_, (since, _)| now < *since + SPAN);
        }
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            return;
        }
        // A minute begins with the first try in it.
        let tries = self.0.entry(key).or_insert((now, 0));
        if now >= tries.0 + SPAN {
            *tries = (now, 0);
        }
        tries.1 += 1;
    }

    /// Tries within a minute; of a minute that is over none count.
    pub(crate) fn tries(&self, key: u64, now: Instant) -> u32 {
        let tries = self.0.get(&key).filter(|(since, _)| now < *since + SPAN);
        tries.map_or(0, |(_, count)| *count)
    }
}
