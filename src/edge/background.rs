//! The tasks of a shard that serve its core, its connections and its log: timers, the flush, and sums.
use super::clock;
use super::shard::Shard;
use std::rc::Rc;

impl Shard {
    /// Fires the core's timers. One sleep serves them all: `feed` moves it when an earlier deadline comes.
    pub(super) async fn run_timers(self: Rc<Self>) {
        loop {
            match self.armed.get() {
                None => self.rearm.notified().await,
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = self.rearm.notified() => continue,
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                    // Unarmed first: what is fed next may arm it again.
                    self.armed.set(None);
                    let now = clock::now();
                    self.feed(None, |core, out| {
                        core.set_calendar(now, clock::unix().as_secs());
                        core.on_deadline(now, out);
                    });
                    self.settle();
                    if self.armed.get().is_none() {
                        // What was fed has armed nothing sooner than what was due anyway.
                        self.armed.set(self.core.borrow().next_deadline());
                    }
                }
            }
        }
    }

    /// Sends what was written. The runtime runs it behind the connections' tasks that woke together with the one that
    /// has written: one flush for all of them.
    pub(super) async fn run_flushes(self: Rc<Self>) {
        loop {
            self.flush_queue.requested().await;
            self.flush_all();
            self.settle();
        }
    }

    /// Logs how many events of a kind had no line, whenever their window is over.
    pub(super) async fn run_sums(self: Rc<Self>) {
        self.shared.log.write_sums_in_time().await;
    }
}
