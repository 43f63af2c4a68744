//! What one judgement may cost, in counted steps, whatever was presented.
use super::{StepRefusal, TrustReason};
use std::cell::Cell;

/// Steps of one judgement: all trust sets, all paths, and all that is asked besides to explain a refusal. A step is
/// about a microsecond on a small machine, so that the whole stays below 20 ms with the parsing of what was presented.
///
/// A usual chain of four certificates costs some 300 steps, mostly its signatures.
pub(crate) const MOST_STEPS: u32 = 8_000;

/// Beginning to search below the anchors of one trust set.
pub(crate) const SEARCH: u32 = 10;

/// Looking at one candidate for an issuer.
pub(crate) const CANDIDATE: u32 = 2;

/// Judging one path that leads to an anchor: validity, CRLs, purposes, pins.
pub(crate) const PATH: u32 = 100;

/// Bytes of certificates that one step reads: each judge of a path looks through their extensions again.
pub(crate) const BYTES: usize = 256;

/// CRLs, or names of distribution points, that one step compares.
const COMPARISONS: usize = 16;

/// The steps of so many comparisons.
pub(crate) fn comparing(count: usize) -> u32 {
    u32::try_from(count.div_ceil(COMPARISONS)).unwrap_or(u32::MAX)
}

/// Comparisons of a search among so many things that are in order.
pub(crate) fn searching(among: usize) -> usize {
    (usize::BITS - among.leading_zeros()) as usize
}

/// The steps that are left to one judgement.
pub(crate) struct Budget {
    left: Cell<u32>,
}

impl Budget {
    /// All of them.
    pub(crate) fn full() -> Self {
        Self {
            left: Cell::new(MOST_STEPS),
        }
    }

    /// Takes some steps before they are done.
    ///
    /// # Errors
    /// [`TrustReason::PathTooComplex`] when they are not left; then nothing is left.
    pub(crate) fn spend(&self, steps: u32) -> Result<(), StepRefusal> {
        if let Some(left) = self.left.get().checked_sub(steps) {
            self.left.set(left);
            return Ok(());
        }
        self.left.set(0);
        Err(TrustReason::PathTooComplex.because(format!("after {MOST_STEPS} steps")))
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// The steps that were taken.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> u32 {
        MOST_STEPS - self.left.get()
    }
}
