//! The bounded queue that takes events off the message path to the thread that writes their lines.
use super::event::Event;
use super::memory::MemoryLog;
use super::sink::Sink;
use super::writer::{Queued, Writer, WriterState};
use crate::topology::LogSettings;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};
use tracing::Level;

/// How long the end waits for a writer whose reader does not read.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the end of the writer is looked for.
const LOOK: Duration = Duration::from_millis(5);
/// This part of the queue is kept for warnings, errors and the records of answered calls: what clients may bring about must
/// not push them out.
const RESERVED: usize = 4;

/// The sending end of the queue; any thread may have one, and it is cheap to clone.
#[derive(Clone)]
pub(super) enum LineQueue {
    /// To the writer thread.
    Writer(SyncSender<Queued>, Arc<WriterState>),
    /// To a list, for tests.
    Memory(MemoryLog),
}

/// Stops the writer when dropped, after it has written what is queued.
pub struct LogGuard {
    queue: SyncSender<Queued>,
    shared: Arc<WriterState>,
    /// Disconnected when the writer has ended.
    ended: Receiver<()>,
}

impl LineQueue {
    /// Starts the writer thread; `length` events may wait for it. When the system starts no thread, every line is dropped.
    pub(super) fn start(settings: &LogSettings, length: usize, sink: Sink) -> (Self, LogGuard) {
        let (sender, receiver) = sync_channel(length.max(1));
        // Nothing is ever sent on this one: its sender lives as long as the thread, which is how the guard hears of the end.
        let (alive, ended) = sync_channel::<()>(0);
        let room = length.max(1) - length / RESERVED;
        let shared = Arc::new(WriterState::new(sink.is_terminal(), room));
        shared.configure(settings);
        let writer = Writer::new(sink, Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                let _alive = alive;
                writer.run(&receiver);
            });
        // Not joined: a sink that blocks for ever must not hold up the end of the process.
        drop(thread);
        let guard = LogGuard {
            queue: sender.clone(),
            shared: Arc::clone(&shared),
            ended,
        };
        (Self::Writer(sender, shared), guard)
    }

    /// Queues an event that happened at `at`. Never blocks: when the queue is full the line is counted as dropped.
    ///
    /// The queue is the only bound on the memory that waiting lines take.
    pub(super) fn push(&self, at: SystemTime, event: Event) {
        match self {
            Self::Writer(queue, shared) => {
                let is_kept = event.level() <= Level::WARN || event.ends_an_answered_call();
                let has_room = is_kept || shared.has_room();
                // Before it is there: the writer may take it out at once.
                shared.waiting.fetch_add(1, Ordering::Relaxed);
                if !has_room || queue.try_send(Queued::Event(at, event)).is_err() {
                    shared.waiting.fetch_sub(1, Ordering::Relaxed);
                    shared.lose(queue);
                }
            }
            Self::Memory(memory) => memory.push(at, event),
        }
    }

    /// Queues the last event of the process and waits until it is written; false if that does not happen in time.
    pub(super) fn push_last(&self, at: SystemTime, event: Event) -> bool {
        self.push(at, event);
        let Self::Writer(queue, shared) = self else {
            return true;
        };
        shared.closing.store(true, Ordering::SeqCst);
        let _ = queue.try_send(Queued::Wake);
        let mut left = PATIENCE;
        while !shared.written.load(Ordering::SeqCst) && !left.is_zero() {
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
        shared.written.load(Ordering::SeqCst)
    }

    /// A reload may change the settings. The queue keeps its length.
    pub(super) fn configure(&self, settings: &LogSettings) {
        if let Self::Writer(_, shared) = self {
            shared.configure(settings);
        }
    }

    /// Has the writer go on with another sink, behind what is queued.
    pub(super) fn continue_in(&self, sink: Sink) -> bool {
        match self {
            Self::Writer(queue, _) => queue.try_send(Queued::Sink(sink)).is_ok(),
            Self::Memory(_) => true,
        }
    }

    /// Lines that nobody will read, since the start.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::Writer(_, shared) => shared.lost.load(Ordering::Relaxed),
            Self::Memory(_) => 0,
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A full queue needs no waking: the writer looks at `closing` when it has emptied it.
        let _ = self.queue.try_send(Queued::Wake);
        // What is queued is written first: the last lines of a run are those that explain its end.
        // Disconnection is the answer; a sink that blocks for longer than this loses its lines.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}
