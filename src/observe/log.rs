//! The one way of an event into the log: count it, then limit it, then write it.
use super::counters::{Counters, Counts};
use super::event::{Event, EventKind};
use super::limits::{LineLimits, left_of_window};
use super::memory::MemoryLog;
use super::queue::{LineQueue, LogGuard};
use super::refusals::{RefusalRing, is_refusal};
use super::sink::Sink;
use super::writer::now;
use crate::reason::Reason;
use crate::topology::LogSettings;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The recorder of everything that is not a shard: the acceptor, the daemon's tasks, the libraries. Any thread may have
/// one, and it is cheap to clone. None of what comes here is on a message's path, so it is one of a shard behind a lock.
#[derive(Clone)]
pub struct Log {
    recorder: Arc<Mutex<ShardLog>>,
    queue: LineQueue,
    /// The counters of all recorders, for whoever sums them.
    all: Arc<Mutex<Vec<Arc<Counters>>>>,
}

/// The recorder of one shard: it stays on one thread, and takes no lock and shares no counter with others.
pub struct ShardLog {
    queue: LineQueue,
    counters: Arc<Counters>,
    refusals: RefCell<RefusalRing>,
    limits: RefCell<LineLimits>,
    /// A window owes a sum: somebody must come back when it is over, because no further event may come to write it.
    owes_sums: Arc<Notify>,
}

impl ShardLog {
    fn new(queue: LineQueue) -> Self {
        Self {
            queue,
            counters: Arc::default(),
            refusals: RefCell::default(),
            limits: RefCell::default(),
            owes_sums: Arc::default(),
        }
    }

    /// Counts an event, and queues its line unless there are too many of its kind. Never blocks, and takes no lock.
    pub fn record(&self, event: Event) {
        let at = now();
        // In this order: a count must not depend on what the log shows.
        self.counters.add(event.kind(), event.reason());
        let mut limits = self.limits.borrow_mut();
        let owed = limits.owes_sums;
        let admitted = limits.admit(&event, at);
        self.push_sums(&mut limits);
        let is_kept = is_refusal(event.kind());
        if admitted {
            if is_kept {
                self.refusals.borrow_mut().keep(at, event.clone());
            }
            self.queue.push(at, event);
        } else if is_kept {
            // Without a copy: a flood of refusals, which has no lines, costs no allocation here.
            self.refusals.borrow_mut().keep(at, event);
        }
        if !owed && limits.owes_sums {
            self.owes_sums.notify_one();
        }
    }

    /// Counts an event that the settings want no line of, so that a counter does not depend on `[log] requests`. It costs an
    /// addition: the core has not built the event.
    pub fn count(&self, event: EventKind, reason: Option<Reason>) {
        self.counters.add(event, reason);
    }

    /// Counts an event that has no line because there are too many of its kind, as its maker has found out; a sum says how
    /// many these were.
    pub fn suppress(&self, event: EventKind) {
        self.counters.add(event, None);
        let mut limits = self.limits.borrow_mut();
        let owed = limits.owes_sums;
        limits.without_line(event, now());
        self.push_sums(&mut limits);
        if !owed {
            self.owes_sums.notify_one();
        }
    }

    /// What was refused lately in this shard, whether it had a line or not.
    pub fn refusals(&self) -> RefusalRing {
        self.refusals.borrow().clone()
    }

    /// Writes the sums of suppressed events whenever a window is over; runs for ever.
    pub async fn write_sums_in_time(&self) {
        write_in_time(&self.owes_sums, || self.write_sums()).await;
    }

    /// Writes every sum that is owed: after this the shard records nothing.
    pub fn finish(&self) {
        let mut limits = self.limits.borrow_mut();
        limits.end_window();
        self.push_sums(&mut limits);
    }

    /// Writes the sums of a window that is over; returns whether there are more in the one that is not.
    fn write_sums(&self) -> bool {
        let mut limits = self.limits.borrow_mut();
        limits.begin_window(now());
        self.push_sums(&mut limits);
        limits.owes_sums
    }

    fn push_sums(&self, limits: &mut LineLimits) {
        for sum in limits.sums.drain(..) {
            self.queue.push(now(), sum);
        }
    }
}

/// Calls `write` at the end of each window that owes sums. Without this a sum would wait for the next event.
async fn write_in_time(owes_sums: &Notify, write: impl Fn() -> bool) {
    loop {
        owes_sums.notified().await;
        // An event may have ended that window and opened another one that owes sums too.
        while write() {
            tokio::time::sleep(left_of_window(now())).await;
        }
    }
}

impl Log {
    /// Starts the writer thread; `queue` events may wait for it. When the system starts no thread, every line is dropped.
    pub fn start(settings: &LogSettings, queue: usize, sink: Sink) -> (Self, LogGuard) {
        let (queue, guard) = LineQueue::start(settings, queue, sink);
        (Self::new(queue), guard)
    }

    /// A log that keeps events in memory for tests; read them with [`MemoryLog::events`].
    pub fn memory() -> (Self, MemoryLog) {
        let memory = MemoryLog::default();
        (Self::new(LineQueue::Memory(memory.clone())), memory)
    }

    /// Its own counters are the first of those that are summed; each shard adds its own.
    fn new(queue: LineQueue) -> Self {
        let recorder = ShardLog::new(queue.clone());
        Self {
            all: Arc::new(Mutex::new(vec![Arc::clone(&recorder.counters)])),
            recorder: Arc::new(Mutex::new(recorder)),
            queue,
        }
    }

    /// The recorder of one more shard, with counters and limits of its own.
    pub fn for_shard(&self) -> ShardLog {
        let recorder = ShardLog::new(self.queue.clone());
        locked(&self.all).push(Arc::clone(&recorder.counters));
        recorder
    }

    /// Counts an event, and queues its line unless there are too many of its kind. Never blocks on the writer.
    pub fn record(&self, event: Event) {
        locked(&self.recorder).record(event);
    }

    /// Writes the last line of the process, and those that are queued before it; false if nobody takes them. Takes no lock:
    /// whoever ends the process may hold it. The thread that writes lines waits in vain for itself.
    pub fn last(&self, event: Event) -> bool {
        self.queue.push_last(now(), event)
    }

    /// Counts an event that is to have no line.
    pub fn count(&self, event: EventKind, reason: Option<Reason>) {
        locked(&self.recorder).count(event, reason);
    }

    /// What every recorder has counted so far, shards included. The counters are read where they are: no shard has to
    /// answer for it.
    pub fn counts(&self) -> Counts {
        Counts::sum(locked(&self.all).iter().map(|counters| &**counters))
    }

    /// What was refused lately by what is no shard. Each shard answers for itself.
    pub fn refusals(&self) -> RefusalRing {
        locked(&self.recorder).refusals()
    }

    /// Writes the sums of suppressed events whenever a window is over; runs for ever.
    pub async fn write_sums_in_time(&self) {
        let owes_sums = Arc::clone(&locked(&self.recorder).owes_sums);
        write_in_time(&owes_sums, || locked(&self.recorder).write_sums()).await;
    }

    /// Writes every sum that is owed. Called when the shards have ended; what is recorded later, and suppressed, is counted
    /// but has no sum.
    pub fn finish(&self) {
        locked(&self.recorder).finish();
    }

    /// A reload may change the settings. The queue keeps its size.
    pub fn configure(&self, settings: &LogSettings) {
        self.queue.configure(settings);
    }

    /// Has the lines that follow written there, and those before where they belong. `false`: the queue is full.
    pub fn continue_in(&self, sink: Sink) -> bool {
        self.queue.continue_in(sink)
    }

    /// Lines that nobody will read, since the start.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }
}

/// Counts have no broken state, so a panic elsewhere does not matter.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
