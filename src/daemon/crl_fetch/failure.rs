//! Why a distribution point has sent nothing that can be used, and its line in the log.
use crate::daemon::node::Daemon;
use crate::observe::Event;
use crate::reason::{FetchReason, Reason};

/// Why a point has sent nothing that can be used.
///
/// The reason is of any layer: what a CRL lacks is named as it is for a file.
pub(super) struct FetchFailure {
    /// For the log.
    pub(super) reason: Reason,
    /// The library's or the system's error.
    pub(super) detail: String,
}

impl FetchFailure {
    pub(super) fn log(self, trust: String, uri: String, daemon: &Daemon) {
        daemon.log.record(Event::CrlFetchFailed {
            trust,
            uri,
            reason: self.reason,
            detail: self.detail,
        });
    }
}

impl FetchReason {
    /// A failure for this reason.
    pub(super) fn because(self, detail: String) -> FetchFailure {
        FetchFailure {
            reason: self.into(),
            detail,
        }
    }
}
