//! Both clocks at one moment: how an instant becomes a number that an operator can ask for.
//!
//! Calls are kept by the monotonic clock, which has no number that could be typed. Looking at the calendar anew each time
//! would move every key when the clock is set, and a page would skip rows or show them twice.
use super::clock;
use super::connection_number::since_2026;
use std::time::{Duration, Instant};

/// The beginning of the edge by both clocks: a key that is made by them stays the same, however often one asks and
/// whatever happens to the calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockPair {
    monotonic: Instant,
    calendar: Duration,
}

impl ClockPair {
    /// Of this moment.
    pub(super) fn now() -> Self {
        Self {
            monotonic: clock::now(),
            calendar: clock::calendar(),
        }
    }

    /// Milliseconds since 2026.
    pub(super) fn key(self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.monotonic);
        // What rang in another process, before this one began.
        let before = self.monotonic.saturating_duration_since(at);
        since_2026((self.calendar + since).saturating_sub(before))
    }
}
