//! A wake-up for one task of a shard, given by other code of the same thread: it needs no lock and no atomic.
use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Like Tokio's `Notify` for one waiter: a notification while nobody waits is kept for the next wait, and several
/// before that count as one. `Notify` takes a lock at each wait, which each message would pay.
#[derive(Default)]
pub(super) struct Signal {
    /// A notification that nobody has waited for yet.
    pending: Cell<bool>,
    /// The task that waits, or waited last.
    waiting: Cell<Option<Waker>>,
}

impl Signal {
    /// Wakes the task that waits, or lets the next wait return at once.
    pub(super) fn notify(&self) {
        self.pending.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake_by_ref();
            // Kept, since the same task will wait again: comparing a waker costs less than cloning one.
            self.waiting.set(Some(waker));
        }
    }

    /// Whether there was a notification, which is consumed; if not, the task is woken at the next one.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.pending.replace(false) {
            return Poll::Ready(());
        }
        let known = self.waiting.take();
        let waker = known.filter(|waker| waker.will_wake(context.waker()));
        self.waiting
            .set(waker.or_else(|| Some(context.waker().clone())));
        Poll::Pending
    }

    /// Waits for a notification.
    pub(super) async fn notified(&self) {
        poll_fn(|context| self.poll(context)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_signal_that_came_first_is_kept_and_counts_once() {
        let signal = Signal::default();
        let count = Arc::new(WakeCount::default());
        let waker = Waker::from(Arc::clone(&count));
        let context = Context::from_waker(&waker);
        signal.notify();
        signal.notify();
        assert!(signal.poll(&context).is_ready());
        assert!(signal.poll(&context).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_waits_is_woken_each_time_it_waits_again() {
        let signal = Signal::default();
        let count = Arc::new(WakeCount::default());
        let waker = Waker::from(Arc::clone(&count));
        let context = Context::from_waker(&waker);
        for woken in 1..=3 {
            assert!(signal.poll(&context).is_pending());
            signal.notify();
            assert_eq!(count.0.load(Ordering::Relaxed), woken);
            assert!(signal.poll(&context).is_ready());
        }
    }

    #[test]
    fn the_task_that_waits_now_is_woken_and_not_an_earlier_one() {
        let signal = Signal::default();
        let (earlier, now) = (
            Arc::new(WakeCount::default()),
            Arc::new(WakeCount::default()),
        );
        let (first, second) = (
            Waker::from(Arc::clone(&earlier)),
            Waker::from(Arc::clone(&now)),
        );
        assert!(signal.poll(&Context::from_waker(&first)).is_pending());
        assert!(signal.poll(&Context::from_waker(&second)).is_pending());
        signal.notify();
        assert_eq!(earlier.0.load(Ordering::Relaxed), 0);
        assert_eq!(now.0.load(Ordering::Relaxed), 1);
    }
}
