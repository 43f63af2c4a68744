//! Keep-alives that this node sends on connections that it made (RFC 5626 §4.4.1): when to ping, and when silence means
//! that the connection is dead.
use std::cell::Cell;
use std::time::{Duration, Instant};

/// RFC 5626 §4.4.1: no answer within this, and the connection is dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeepAliveDue {
    /// Its time has not come.
    Nothing,
    /// A ping must be sent now.
    Ping,
    /// The last ping was not answered in time.
    Dead,
}

/// The keep-alives of one connection; off without an interval.
pub(super) struct KeepAlive {
    /// The silence after which a ping is sent; `None`: never.
    every: Cell<Option<Duration>>,
    /// When something was last heard, whatever it was.
    heard: Cell<Instant>,
    /// When the ping was sent that waits for an answer.
    asked: Cell<Option<Instant>>,
}

impl KeepAlive {
    /// Of a connection that has just come up.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            every: Cell::new(None),
            heard: Cell::new(now),
            asked: Cell::new(None),
        }
    }

    /// Asks after this much silence, less up to a fifth so that connections do not ask in step; `spread` differs
    /// between connections.
    pub(super) fn start(&self, every: Option<Duration>, spread: u64) {
        let part = 80 + u32::try_from(spread % 21).unwrap_or(0);
        self.every.set(every.map(|time| time * part / 100));
    }

    /// Something was read.
    pub(super) fn heard(&self, now: Instant) {
        self.heard.set(now);
        self.asked.set(None);
    }

    /// When [`Self::due`] must be asked again; `None`: never.
    pub(super) fn next(&self) -> Option<Instant> {
        let every = self.every.get()?;
        Some(match self.asked.get() {
            Some(asked) => asked + PATIENCE,
            None => self.heard.get() + every,
        })
    }

    /// What is to be done; a ping counts as sent.
    pub(super) fn due(&self, now: Instant) -> KeepAliveDue {
        match self.next() {
            Some(next) if next <= now && self.asked.get().is_some() => KeepAliveDue::Dead,
            Some(next) if next <= now => {
                self.asked.set(Some(now));
                KeepAliveDue::Ping
            }
            Some(_) | None => KeepAliveDue::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "a starting point for the test's clock"
    )]
    fn begun(every: Option<Duration>) -> (KeepAlive, Instant) {
        let now = Instant::now();
        let alive = KeepAlive::new(now);
        alive.start(every, 20);
        (alive, now)
    }

    #[test]
    fn it_asks_after_silence_and_is_dead_ten_seconds_later() {
        let (alive, t0) = begun(Some(30 * SECOND));
        assert_eq!(alive.due(t0 + 29 * SECOND), KeepAliveDue::Nothing);
        assert_eq!(alive.due(t0 + 30 * SECOND), KeepAliveDue::Ping);
        assert_eq!(alive.due(t0 + 39 * SECOND), KeepAliveDue::Nothing);
        assert_eq!(alive.due(t0 + 40 * SECOND), KeepAliveDue::Dead);
    }

    #[test]
    fn whatever_is_heard_is_life_and_puts_the_next_ping_off() {
        let (alive, t0) = begun(Some(30 * SECOND));
        alive.heard(t0 + 20 * SECOND);
        assert_eq!(alive.due(t0 + 30 * SECOND), KeepAliveDue::Nothing);
        assert_eq!(alive.due(t0 + 50 * SECOND), KeepAliveDue::Ping);
        alive.heard(t0 + 51 * SECOND);
        assert_eq!(alive.due(t0 + 61 * SECOND), KeepAliveDue::Nothing);
        assert_eq!(alive.next(), Some(t0 + 81 * SECOND));
    }

    #[test]
    fn without_an_interval_nothing_is_ever_due() {
        let (alive, t0) = begun(None);
        assert_eq!(alive.next(), None);
        assert_eq!(alive.due(t0 + 100_000 * SECOND), KeepAliveDue::Nothing);
    }
}
