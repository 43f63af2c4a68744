//! A wake-up that one task of a shard waits for and that only the shard's own thread gives, so that it needs no lock.
use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Given while nobody waits, it is kept for the next wait; given twice before that, it counts once.
#[derive(Default)]
pub(super) struct Signal {
    given: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Signal {
    /// Wakes the task that waits, or that waits next.
    pub(super) fn give(&self) {
        self.given.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake_by_ref();
            // Kept, since the same task comes again: cloning one costs more than comparing it.
            self.waiting.set(Some(waker));
        }
    }

    /// Whether it was given; if not, the task is woken when it is.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.given.replace(false) {
            return Poll::Ready(());
        }
        let known = self.waiting.take();
        let waker = known.filter(|waker| waker.will_wake(context.waker()));
        self.waiting
            .set(waker.or_else(|| Some(context.waker().clone())));
        Poll::Pending
    }

    /// Waits until it is given.
    pub(super) async fn given(&self) {
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
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_signal_that_came_first_is_kept_and_counts_once() {
        let signal = Signal::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let context = Context::from_waker(&waker);
        signal.give();
        signal.give();
        assert!(signal.poll(&context).is_ready());
        assert!(signal.poll(&context).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_waits_is_woken_each_time_it_waits_again() {
        let signal = Signal::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let context = Context::from_waker(&waker);
        for woken in 1..=3 {
            assert!(signal.poll(&context).is_pending());
            signal.give();
            assert_eq!(count.0.load(Ordering::Relaxed), woken);
            assert!(signal.poll(&context).is_ready());
        }
    }

    #[test]
    fn the_task_that_waits_now_is_woken_and_not_an_earlier_one() {
        let signal = Signal::default();
        let (earlier, now) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (first, second) = (
            Waker::from(Arc::clone(&earlier)),
            Waker::from(Arc::clone(&now)),
        );
        assert!(signal.poll(&Context::from_waker(&first)).is_pending());
        assert!(signal.poll(&Context::from_waker(&second)).is_pending());
        signal.give();
        assert_eq!(earlier.0.load(Ordering::Relaxed), 0);
        assert_eq!(now.0.load(Ordering::Relaxed), 1);
    }
}
