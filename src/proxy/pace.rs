//! How many requests a party may begin in a time: exactly so many a second in the long run, and some at once.
use std::cell::Cell;
use std::time::{Duration, Instant};

/// When all that was begun so far would have been begun at its rate.
///
/// One moment is the whole state: whoever is ahead of it by more than its burst begins nothing for now.
///
/// A count for each second would admit twice as many where two of them meet, and need the number of the second beside it.
#[derive(Default)]
pub(crate) struct RequestPace(Cell<Option<Instant>>);

impl RequestPace {
    /// Counts one more, unless it comes too soon: `rate` a second, `burst` of them at once.
    ///
    /// One that comes too soon leaves no trace: who sends twice as much as it may has every second one pass, where a
    /// count of all that came would soon refuse everything.
    pub(crate) fn admits(&self, rate: usize, burst: usize, now: Instant) -> bool {
        let each = |count: usize| {
            let nanoseconds = (count as u64).saturating_mul(1_000_000_000) / rate.max(1) as u64;
            Duration::from_nanos(nanoseconds)
        };
        let due = self.0.get().map_or(now, |due| due.max(now));
        // The first of a burst is due at once.
        let admits = due.saturating_duration_since(now) <= each(burst.saturating_sub(1));
        if admits {
            self.0.set(Some(due + each(1)));
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_no_more_than_the_rate() {
        let (pace, start) = (RequestPace::default(), start());
        let at_once = (0..100).filter(|_| pace.admits(20, 30, start)).count();
        assert_eq!(at_once, 30);
        // Somebody who sends twice as much as it may has half of it refused, however long that goes on.
        let times = (1..=4_000).map(|n| start + n * Duration::from_millis(25));
        let passed = times.filter(|now| pace.admits(20, 30, *now)).count();
        assert!((1_999..=2_001).contains(&passed), "{passed}");
        // A silence is no more credit than the burst.
        let late = start + Duration::from_secs(3_600);
        let at_once = (0..100).filter(|_| pace.admits(20, 30, late)).count();
        assert_eq!(at_once, 30);
    }
}
