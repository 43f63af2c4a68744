//! A connection from which nothing is read for a while: its remote side sends more than it may, and the kernel's window slows
//! it down. One event when that begins, one when it has ended.
use crate::reason::Reason;
use std::cell::Cell;
use std::time::Instant;

/// What one connection knows of its pauses.
#[derive(Default)]
pub(super) struct Pause {
    /// Nothing is read until then.
    pub(super) until: Cell<Option<Instant>>,
    /// When the pauses count as over, and what they were for.
    pub(super) calm: Cell<Option<(Instant, Reason)>>,
}

impl Pause {
    /// Whether nothing is to be read now. Asked at each wait: a load.
    pub(super) fn is_on(&self) -> bool {
        self.until.get().is_some()
    }

    /// When there is something to do about it.
    pub(super) fn next(&self) -> Option<Instant> {
        let calm = self.calm.get().map(|(at, _)| at);
        self.until.get().or(calm)
    }
}
