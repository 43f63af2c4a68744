//! Which sibling has taken the last request for a binding: there goes what has no failover, an ACK or a BENOTIFY.
//!
//! It stands in the shard of the binding's directory, which is asked for each such message anyway; so it is always known whether
//! the client is here, which counts more. Losing an entry costs one message at most: the next request asks anew.
use crate::proxy::binding::BindingId;
use crate::proxy::leg::PeerKey;
use crate::topology::FastMap;
use std::time::{Duration, Instant};

/// An ACK follows within 32 seconds; subscriptions and calls renew it.
const KEPT: Duration = Duration::from_secs(300);
/// The most that one shard keeps.
const MOST: usize = 8_192;

/// The bindings that are elsewhere, as the directory that is asked for them knows.
#[derive(Default)]
pub(crate) struct Taken {
    by: FastMap<BindingId, (PeerKey, Instant)>,
}

impl Taken {
    /// Who has taken the last one.
    pub(crate) fn by(&self, id: BindingId, now: Instant) -> Option<PeerKey> {
        let (key, at) = self.by.get(&id)?;
        (now < *at + KEPT).then_some(*key)
    }

    /// A sibling has.
    pub(crate) fn note(&mut self, id: BindingId, by: PeerKey, now: Instant) {
        if self.by.len() >= MOST && !self.by.contains_key(&id) {
            self.by.retain(|_, (_, at)| now < *at + KEPT);
            // What is forgotten is learned again from the next request.
            if self.by.len() >= MOST {
                self.by.clear();
            }
        }
        self.by.insert(id, (by, now));
    }

    /// The client is here.
    pub(crate) fn forget(&mut self, id: BindingId) {
        self.by.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn the_last_one_counts_for_five_minutes_and_there_are_never_more_than_so_many() {
        let (now, mut taken) = (Instant::now(), Taken::default());
        let [one, two] = [PeerKey(1), PeerKey(2)];
        let id = BindingId::from_u64;
        taken.note(id(1), one, now);
        taken.note(id(1), two, now);
        assert_eq!(taken.by(id(1), now), Some(two));
        assert_eq!(taken.by(id(1), now + KEPT), None);
        taken.forget(id(1));
        assert_eq!(taken.by(id(1), now), None);
        for number in 0..3 * MOST as u64 {
            taken.note(id(number), one, now);
            assert!(taken.by.len() <= MOST);
        }
    }
}
