//! The bounds of this node that requests were refused for a moment ago: an event when
//! that begins, one when it has ended.
//!
//! Each refusal has a line or a sum of its own; these two say from when to when a node
//! was short of something.
use super::interface::Actions;
use crate::observe::Event;
use crate::reason::MessageReason;
use std::time::{Duration, Instant};

/// Without a further refusal for so long a bound is no longer reached.
const CALM: Duration = Duration::from_secs(5);

/// Whether a refusal says that a bound of this node was reached.
pub(crate) fn is_bound(reason: MessageReason) -> bool {
    [
        MessageReason::TooManyTransactions,
        MessageReason::ClientBudget,
        MessageReason::TooManyInvites,
        MessageReason::RequestRate,
        MessageReason::TooManyAnswered,
        MessageReason::SourceBudget,
        MessageReason::TooMuchHeld,
        MessageReason::MemoryFull,
        MessageReason::CredentialsRefused,
        MessageReason::CredentialsWaiting,
        MessageReason::ConnectQueueFull,
        MessageReason::PeerCongested,
        MessageReason::ShardCongested,
    ]
    .contains(&reason)
}

/// A bound that is reached. Whom it has hit stands in the events of the refusals; here
/// it may be many at a time.
struct ReachedBound {
    reason: MessageReason,
    /// The last refusal for it.
    last: Instant,
    refused: u64,
}

/// Those of one shard: a few at most, nearly always none.
#[derive(Default)]
pub(crate) struct ReachedBounds(Vec<ReachedBound>);

impl ReachedBounds {
    /// Counts a refusal; returns whether it is the first for its bound.
    pub(crate) fn note(&mut self, reason: MessageReason, now: Instant) -> bool {
        // Few bounds exist, so that a walk costs less than a hash; and it is paid by
        // refusals only.
        if let Some(bound) = self.0.iter_mut().find(|bound| bound.reason == reason) {
            bound.last = now;
            bound.refused += 1;
            return false;
        }
        self.0.push(ReachedBound {
            reason,
            last: now,
            refused: 1,
        });
        true
    }

    /// When the first of them may be over.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|bound| bound.last + CALM).min()
    }

    /// Those that nothing was refused for in a while are over.
    pub(crate) fn forget_old(&mut self, now: Instant, out: &mut Actions) {
        self.0.retain(|bound| {
            let is_over = bound.last + CALM <= now;
            if is_over {
                out.record(Event::BoundLeft {
                    reason: bound.reason.into(),
                    refused: bound.refused,
                });
            }
            !is_over
        });
    }
}
