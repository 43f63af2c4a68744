//! Requests that cross from the process with their transaction to the one that sends them: what
//! the second must know of each.
//!
//! A transaction ends by its timer if nobody says that its request went nowhere, and its next
//! target is asked that much later. So each names the one who waits for it, wherever it waits
//! or runs until it is answered.
use crate::proxy::account::Hold;
use crate::proxy::binding::Asker;
use crate::proxy::link_id::LinkId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a request may stay without any answer (RFC 3261 §17.1.1.2).
const SILENCE: Duration = Duration::from_secs(32);
/// The most that are remembered. The oldest of more have their answer, most likely.
const MOST: usize = 16_384;

/// A request for a peer, besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrossedRequest {
    /// Its transaction.
    pub asker: Asker,
    /// So long it may wait for a connection: then its transaction has asked somebody else.
    pub patience: Duration,
    /// It belongs to a dialog, and so to this peer.
    pub in_dialog: bool,
    /// Nobody is left that could be asked in place of this peer.
    pub is_last: bool,
}

/// One that waits for a connection.
pub(crate) struct AwaitingCrossed {
    pub(crate) request: CrossedRequest,
    pub(crate) bytes: Box<[u8]>,
    /// It is not to be sent any more then.
    pub(crate) until: Instant,
    /// Keeps account of its bytes: nothing else does.
    pub(crate) _hold: Hold,
}

/// Those that were written to a connection a moment ago: if that goes before their answer,
/// their transactions learn of it.
///
/// Whether they have an answer only their transactions know. One that has passes over what is
/// said of it.
#[derive(Default)]
pub(crate) struct WrittenRequests(VecDeque<(Instant, LinkId, Asker)>);

impl WrittenRequests {
    /// One was written.
    pub(crate) fn note(&mut self, link: LinkId, asker: Asker, now: Instant) {
        while let Some((at, ..)) = self.0.front()
            && (*at + SILENCE <= now || self.0.len() >= MOST)
        {
            self.0.pop_front();
        }
        self.0.push_back((now, link, asker));
    }

    /// Takes those of a connection that has gone.
    pub(crate) fn take(&mut self, link: LinkId) -> Vec<Asker> {
        let mut lost = Vec::new();
        self.0.retain(|(_, on, asker)| {
            if *on == link {
                lost.push(*asker);
            }
            *on != link
        });
        lost
    }

    /// Nobody asks any more.
    pub(crate) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::branch::BranchKey;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn what_was_written_lately_is_known_by_its_connection_and_no_more_than_so_many() {
        let asker = |slot| Asker {
            shard: 0,
            branch: BranchKey { slot, nonce: 1 },
        };
        let [one, other] = [1, 2].map(|slot| LinkId::new(0, slot, 1));
        let now = Instant::now();
        let mut written = WrittenRequests::default();
        written.note(one, asker(1), now);
        written.note(one, asker(2), now + SILENCE);
        written.note(other, asker(3), now + SILENCE);
        assert_eq!(written.take(one), [asker(2)], "the first is long answered");
        assert_eq!(written.take(one), []);
        for slot in 0..MOST as u32 {
            written.note(one, asker(slot), now + SILENCE);
        }
        assert_eq!(written.take(other), [], "the oldest is");
        assert_eq!(written.take(one).len(), MOST);
        written.note(one, asker(1), now);
        written.clear();
        assert_eq!(written.take(one), []);
    }
}
