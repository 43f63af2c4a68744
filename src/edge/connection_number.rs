//! The numbers of connections, for the log and for an operator: none comes twice, in later runs of the daemon neither.
use super::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where the count begins, 2026-01-01: a number of eleven digits can be typed.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// Hands out the numbers; all shards share it, and touch it once for each connection.
///
/// A number is the time in milliseconds, or one more than the last where several connections come in one. So the numbers
/// of a run that begins later are higher: an operator who types one of yesterday's closes nothing of today's.
#[derive(Default)]
pub(super) struct ConnectionNumbers(AtomicU64);

impl ConnectionNumbers {
    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.after(clock::calendar())
    }

    /// The same at this time, counted from 1970. A clock that was set back makes no number come again within a run.
    fn after(&self, calendar: Duration) -> u64 {
        // Before 2026 and after the year 584 million the count alone sets them apart.
        let now = since_2026(calendar).max(1);
        let next = |last: u64| last.saturating_add(1).max(now);
        let step = |last| Some(next(last));
        // It always steps, so that the other arm is never taken.
        let last = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        last.map_or(now, next)
    }
}

/// Milliseconds since 2026 of a time that counts from 1970.
pub(super) fn since_2026(calendar: Duration) -> u64 {
    u64::try_from(calendar.saturating_sub(BEGIN).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn no_number_comes_twice_in_one_run_or_in_the_next() {
        let (start, first) = (BEGIN + 1_000 * MILLISECOND, ConnectionNumbers::default());
        let burst: Vec<u64> = (0..500).map(|_| first.after(start)).collect();
        assert_eq!((burst[0], burst[499]), (1_000, 1_499));
        assert_eq!(first.after(start - 900 * MILLISECOND), 1_500, "set back");
        assert_eq!(first.after(start + 9_000 * MILLISECOND), 10_000);
        let second = ConnectionNumbers::default();
        assert!(second.after(start + 9_001 * MILLISECOND) > 10_000);
        assert_eq!(ConnectionNumbers::default().after(Duration::ZERO), 1);
    }
}
