//! When a shard must decide on its connections again because time has passed: a certificate ends, a CRL goes stale.
use std::cell::Cell;
use tokio::sync::Notify;

/// The next time at which a decision may change. Its clock is the calendar's, which may be set while the daemon runs.
pub(super) struct Calendar {
    entry: Cell<CalendarEntry>,
    /// Wakes the task that sleeps until the entry.
    changed: Notify,
}

/// Both in Unix seconds.
#[derive(Clone, Copy)]
struct CalendarEntry {
    /// `u64::MAX`: never.
    next: u64,
    /// When that was found.
    set_at: u64,
    /// When the first of the decisions that stand was made: what has turned since is in none of them.
    since: u64,
}

/// Outcome of a look at the clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing for so many seconds.
    Nothing(u64),
    /// Decisions may have changed.
    Due,
    /// The clock was set back: what was thought to be over, or was never looked for, is still to come.
    SetBack,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            entry: Cell::new(CalendarEntry {
                next: u64::MAX,
                set_at: 0,
                since: 0,
            }),
            changed: Notify::new(),
        }
    }
}

impl Calendar {
    /// Compares the entry with the time.
    pub(super) fn look(&self, now: u64) -> Look {
        let CalendarEntry { next, set_at, .. } = self.entry.get();
        if now < set_at {
            Look::SetBack
        } else if next <= now {
            Look::Due
        } else {
            Look::Nothing(next - now)
        }
    }

    /// From `at` on decisions are made, here or in another thread, that take the place of all before them.
    ///
    /// Noted before the first of them: one that is made in the second before a turn and taken over in the second behind it
    /// must be made again.
    pub(super) fn decided(&self, at: u64) {
        let entry = self.entry.get();
        self.entry.set(CalendarEntry { since: at, ..entry });
    }

    /// When the first of the decisions that stand was made.
    pub(super) fn since(&self) -> u64 {
        self.entry.get().since
    }

    /// Makes the entry anew, as of `now`.
    pub(super) fn set(&self, next: Option<u64>, now: u64) {
        self.entry.set(CalendarEntry {
            next: next.unwrap_or(u64::MAX),
            set_at: now,
            since: self.since(),
        });
        self.changed.notify_one();
    }

    /// Notes one more time, such as the end of a new connection's decision.
    pub(super) fn add(&self, at: u64) {
        let entry = self.entry.get();
        if at < entry.next {
            self.entry.set(CalendarEntry { next: at, ..entry });
            self.changed.notify_one();
        }
    }

    /// Waits until the entry has changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_the_calendar_anew() {
        let calendar = Calendar::default();
        assert_eq!(calendar.look(0), Look::Nothing(u64::MAX));
        calendar.set(Some(1_000), 400);
        assert_eq!(calendar.look(400), Look::Nothing(600));
        assert_eq!(calendar.look(999), Look::Nothing(1));
        assert_eq!(calendar.look(1_000), Look::Due);
        // It had jumped ahead when the calendar was made: what ends at 300 was over then, and is not now.
        assert_eq!(calendar.look(399), Look::SetBack);
    }

    #[test]
    fn what_turns_while_decisions_are_made_is_due_at_once() {
        let calendar = Calendar::default();
        // As a shard does it, with a turn at 500 that falls between the first decision and the last one.
        let next_turn = |since: u64| (since < 500).then_some(500);
        calendar.decided(499);
        calendar.set(next_turn(calendar.since()), 500);
        assert_eq!(calendar.look(500), Look::Due);
        // All is decided again, and done with.
        calendar.decided(500);
        calendar.set(next_turn(calendar.since()), 501);
        assert_eq!(calendar.look(501), Look::Nothing(u64::MAX - 501));
        // A new connection's end says nothing about the decisions on the others.
        calendar.add(900);
        assert_eq!(calendar.since(), 500);
    }

    #[test]
    fn only_an_earlier_time_moves_the_entry() {
        let calendar = Calendar::default();
        calendar.set(Some(1_000), 400);
        calendar.add(2_000);
        assert_eq!(calendar.look(400), Look::Nothing(600));
        calendar.add(500);
        assert_eq!(calendar.look(400), Look::Nothing(100));
    }
}
