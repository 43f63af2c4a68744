//! The monotonic clock, for how long things take; the calendar is asked where a decision needs it.
use std::time::Instant;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the daemon measures its own reloads and pauses; no decision depends on it"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
