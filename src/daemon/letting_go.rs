//! Clients that are being let go: until when, and who looks whether the last one has gone.
use std::time::Instant;
use tokio::task::AbortHandle;

/// Ends its task when it goes.
pub(super) struct LettingGo {
    /// When the last one goes.
    pub(super) until: Instant,
    /// Looks whether it has.
    pub(super) watch: AbortHandle,
}

impl Drop for LettingGo {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
