//! The one way of an event into the log: count it, then limit it, then write it.
use super::counters::{Counters, Counts};
use super::event::{Event, EventKind};
use super::limits::{LineLimits, left_of_window};
use super::memory::MemoryLog;
use super::queue::{LineQueue, LogGuard};
use super::sink::Sink;
use crate::reason::Reason;
use crate::topology::LogSettings;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::Notify;

/// The recorder of everything that is not a shard: the acceptor, the daemon's tasks, the libraries. Any thread may have
/// one, and it is cheap to clone. None of what comes here is on a message's path, so its limits stand behind a lock.
#[derive(Clone)]
pub struct Log {
    recorder: Arc<Recorder<Mutex<LineLimits>>>,
    /// The counters of all recorders, for whoever sums them.
    all: Arc<Mutex<Vec<Arc<Counters>>>>,
}

/// The recorder of one shard: it stays on one thread, and takes no lock and shares no counter with others.
pub struct ShardLog {
    recorder: Recorder<RefCell<LineLimits>>,
}

// Both are the same code over two ways to reach the limits, so that they cannot drift apart.

/// What a recorder is made of, whoever may use it at the same time.
struct Recorder<L> {
    queue: LineQueue,
    counters: Arc<Counters>,
    limits: L,
    /// A window owes a sum: somebody must come back when it is over, because no further event may come to write it.
    owes_sums: Notify,
}

/// Exclusive access to the limits: a borrow in a shard, whose thread is the only one, and a lock elsewhere.
trait Exclusive {
    fn with<R>(&self, work: impl FnOnce(&mut LineLimits) -> R) -> R;
}

impl Exclusive for RefCell<LineLimits> {
    fn with<R>(&self, work: impl FnOnce(&mut LineLimits) -> R) -> R {
        work(&mut self.borrow_mut())
    }
}

impl Exclusive for Mutex<LineLimits> {
    fn with<R>(&self, work: impl FnOnce(&mut LineLimits) -> R) -> R {
        // Counts have no broken state, so a panic elsewhere does not matter.
        work(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<L: Exclusive> Recorder<L> {
    fn new(queue: LineQueue, limits: L) -> Self {
        Self {
            queue,
            counters: Arc::default(),
            limits,
            owes_sums: Notify::new(),
        }
    }

    /// Counts, limits, queues, in this order: a count must not depend on what the log shows.
    fn record(&self, event: Event, at: SystemTime) {
        self.limits.with(|limits| {
            // Under the lock of those that have one: a counter has one writer at a time.
            self.counters.add(event.kind(), event.reason());
            let owed = limits.owes_sums();
            if limits.admit(&event, at, &mut |sum| self.queue.push(at, sum)) {
                self.queue.push(at, event);
            }
            if !owed && limits.owes_sums() {
                self.owes_sums.notify_one();
            }
        });
    }

    /// Writes the sums of a window that is over.
    fn write_sums(&self, now: SystemTime) {
        self.limits
            .with(|limits| limits.begin_window(now, &mut |sum| self.queue.push(now, sum)));
    }

    /// Writes every sum that is owed.
    fn finish(&self, now: SystemTime) {
        self.limits
            .with(|limits| limits.end_window(&mut |sum| self.queue.push(now, sum)));
    }

    /// Writes the sums of each window when it is over, for ever. Without this a sum would wait for the next event.
    async fn write_sums_in_time(&self) {
        loop {
            self.owes_sums.notified().await;
            // An event may have ended that window and opened another one that owes sums too.
            while self.limits.with(|limits| limits.owes_sums()) {
                tokio::time::sleep(left_of_window(now())).await;
                self.write_sums(now());
            }
        }
    }
}

impl Log {
    /// Starts the writer thread; `queue` events may wait for it. When the system starts no thread, every line is dropped.
    pub fn start(settings: LogSettings, queue: usize, sink: Sink) -> (Self, LogGuard) {
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
        let recorder = Recorder::new(queue, Mutex::default());
        Self {
            all: Arc::new(Mutex::new(vec![Arc::clone(&recorder.counters)])),
            recorder: Arc::new(recorder),
        }
    }

    /// The recorder of one more shard, with counters and limits of its own.
    pub fn for_shard(&self) -> ShardLog {
        let recorder = Recorder::new(self.recorder.queue.clone(), RefCell::default());
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&recorder.counters));
        ShardLog { recorder }
    }

    /// Counts an event, and queues its line unless there are too many of its kind. Never blocks on the writer.
    pub fn record(&self, event: Event) {
        self.recorder.record(event, now());
    }

    /// What every recorder has counted so far, shards included. The counters are read where they are: no shard has to
    /// answer for it.
    pub fn counts(&self) -> Counts {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Counts::sum(all.iter().map(|counters| &**counters))
    }

    /// Writes the sums of suppressed events whenever a window is over; runs for ever.
    pub async fn write_sums_in_time(&self) {
        self.recorder.write_sums_in_time().await;
    }

    /// Writes every sum that is owed. Called when the shards have ended; what is recorded later, and suppressed, is counted
    /// but has no sum.
    pub fn finish(&self) {
        self.recorder.finish(now());
    }

    /// A reload may change the settings. The queue keeps its size.
    pub fn configure(&self, settings: LogSettings) {
        self.recorder.queue.configure(settings);
    }

    /// Lines that nobody will read, since the start.
    pub fn lost(&self) -> u64 {
        self.recorder.queue.lost()
    }
}

impl ShardLog {
    /// Counts an event, and queues its line unless there are too many of its kind. Never blocks, and takes no lock.
    pub fn record(&self, event: Event) {
        self.recorder.record(event, now());
    }

    /// Counts an event that the settings want no line of, so that a counter does not depend on `[log] requests`. It costs an
    /// addition: the core has not built the event.
    pub fn count(&self, event: EventKind, reason: Option<Reason>) {
        self.recorder.counters.add(event, reason);
    }

    /// Writes the sums of suppressed events whenever a window is over; runs for ever.
    pub async fn write_sums_in_time(&self) {
        self.recorder.write_sums_in_time().await;
    }

    /// Writes every sum that is owed: after this the shard records nothing.
    pub fn finish(&self) {
        self.recorder.finish(now());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event's time is the time of its recording"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
