//! What the tasks of a lab share: a lock, and a wait for something that another task brings.
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Locks. A task or a test that panicked while it held a lock has failed already; the others must not fail by it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `look` finds, now or after one of the next notifications.
pub(crate) async fn first<T>(arrived: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let next = arrived.notified();
        tokio::pin!(next);
        // Registered before the look, so that nothing can slip in between.
        next.as_mut().enable();
        match look() {
            Some(found) => return found,
            None => next.await,
        }
    }
}
