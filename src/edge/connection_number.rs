//! The numbers of connections, for the log and for an operator: none comes twice, in later runs of the daemon neither.
use super::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where the count begins, 2026-01-01: a number of eleven digits can be typed.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// Hands out the numbers; all shards share it, and touch it once for each connection.
///
/// A number is the time in milliseconds, or the next one where several connections come in one. So the numbers of a run
/// that begins later are higher: an operator who types one of yesterday's closes nothing of today's. Of two processes of this
/// node one has the even and one the odd numbers, since both have connections at the same time.
pub(super) struct ConnectionNumbers {
    last: AtomicU64,
    are_odd: bool,
}

impl ConnectionNumbers {
    /// Either the even ones or the odd ones.
    pub(super) fn new(are_odd: bool) -> Self {
        Self {
            last: AtomicU64::new(u64::from(are_odd)),
            are_odd,
        }
    }

    /// Which of the two.
    pub(super) fn are_odd(&self) -> bool {
        self.are_odd
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.after(clock::calendar())
    }

    /// The same at this time, counted from 1970. A clock that was set back makes no number come again within a run.
    fn after(&self, calendar: Duration) -> u64 {
        // Before 2026 and after the year 584 million the count alone sets them apart.
        let now = since_2026(calendar).max(1);
        let now = now + u64::from((now % 2 == 1) != self.are_odd);
        let next = |last: u64| last.saturating_add(2).max(now);
        let step = |last| Some(next(last));
        // It always steps, so that the other arm is never taken.
        let last = self
            .last
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
        let (start, first) = (BEGIN + 1_000 * MILLISECOND, ConnectionNumbers::new(false));
        let burst: Vec<u64> = (0..500).map(|_| first.after(start)).collect();
        assert_eq!((burst[0], burst[499]), (1_000, 1_998));
        assert_eq!(first.after(start - 900 * MILLISECOND), 2_000, "set back");
        assert_eq!(first.after(start + 9_000 * MILLISECOND), 10_000);
        let second = ConnectionNumbers::new(false);
        assert!(second.after(start + 9_001 * MILLISECOND) > 10_000);
        assert_eq!(ConnectionNumbers::new(false).after(Duration::ZERO), 2);
    }

    #[test]
    fn two_processes_that_have_connections_at_the_same_time_share_no_number() {
        let both = [false, true].map(ConnectionNumbers::new);
        let mut all = std::collections::HashSet::new();
        for step in 0..1_000 {
            // Several in one millisecond, and none in others.
            let at = BEGIN + (step / 3) * MILLISECOND;
            assert!(both.iter().all(|numbers| all.insert(numbers.after(at))));
        }
    }
}
