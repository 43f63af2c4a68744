//! How many messages one connection may send in a time.
//!
//! Nearly every turn costs one comparison: with the count of messages at which somebody looks at the clock. By then the time
//! that so many may take is over, and the next count is set, or it is not, and nothing is read until it is.
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one connection has sent in the present time.
pub(super) struct MessageRate {
    /// So many messages are counted when the clock is looked at.
    mark: Cell<u64>,
    since: Cell<Instant>,
}

impl MessageRate {
    /// Of a new connection: its first message looks at the clock.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            mark: Cell::new(1),
            since: Cell::new(now),
        }
    }

    /// Whether the clock must be looked at, with so many messages in all.
    pub(super) fn is_due(&self, messages: u64) -> bool {
        messages >= self.mark.get()
    }

    /// Looks at it: so many messages may come in `time`, and as many more at once as may come in `credit`. Returns until
    /// when nothing more should be read, which is never longer than `time`.
    pub(super) fn look(
        &self,
        messages: u64,
        most: u64,
        (time, credit): (Duration, Duration),
        now: Instant,
    ) -> Option<Instant> {
        // The first message of all begins the first time: what a connection did before it, such as a long silence, is no
        // more credit than that, and a new one has its whole burst.
        let is_first = self.mark.get() == 1;
        self.mark.set(messages.saturating_add(most));
        let end = self.since.get() + time;
        if is_first || now >= end {
            self.since.set(now);
            return None;
        }
        self.since.set(end);
        // What was sent at once is owed to the rate, however short each pause is.
        let until = end.checked_sub(credit).unwrap_or(now);
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::clock;

    #[test]
    fn so_many_messages_pass_in_each_second_and_no_more() {
        let start = clock::now();
        let second = Duration::from_secs(1);
        let none = (second, Duration::ZERO);
        let rate = MessageRate::new(start);
        assert!(!rate.is_due(0) && rate.is_due(1));
        assert_eq!(rate.look(1, 100, none, start + second / 4), None);
        assert!(!rate.is_due(100) && rate.is_due(101));
        // Too soon: the rest of that second is waited for, and the next one begins then.
        let end = start + second / 4 + second;
        assert_eq!(rate.look(101, 100, none, start + second / 2), Some(end));
        assert_eq!(rate.look(201, 100, none, end + second), None);
        // Whoever was silent for an hour has no credit for it.
        let late = start + 3600 * second;
        assert_eq!(rate.look(301, 100, none, late), None);
        assert_eq!(rate.look(401, 100, none, late), Some(late + second));
    }

    #[test]
    fn a_burst_is_part_of_the_rate_in_the_long_run() {
        let start = clock::now();
        let second = Duration::from_secs(1);
        // A hundred a second, a thousand of them at once.
        let times = (second, 9 * second);
        let rate = MessageRate::new(start);
        let (mut now, mut sent) = (start, 0);
        while now < start + 60 * second {
            // As many as can be sent, without a pause of its own.
            sent += 1;
            if rate.is_due(sent)
                && let Some(until) = rate.look(sent, 100, times, now)
            {
                assert!(sent > 1_000 && until <= now + second);
                now = until;
            }
        }
        assert!((6_800..=7_100).contains(&sent), "{sent}");
    }
}
