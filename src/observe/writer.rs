//! The thread that turns queued events into lines and hands them to the sink.
use super::event::Event;
use super::journal::priority;
use super::limits::{LineLimits, left_of_window};
use super::line::{self, LineFormat};
use super::sink::Sink;
use crate::topology::{LogFormat, LogSettings};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, SystemTime};

/// How long the writer lets events gather after the first: under load it wakes a hundred times a second, not once for each
/// event.
const LINGER: Duration = Duration::from_millis(10);
/// How much later the windows of the writer end than those of the recorders, so that the recorders' sums are in its own.
const GATHERING: Duration = Duration::from_secs(1);
/// Bytes gathered before they are written although more events wait.
const BATCH_BYTES: usize = 32 * 1024;

/// What the handles and the writer share.
pub(super) struct WriterState {
    /// Lines lost since the last `log_dropped`.
    dropped: AtomicU64,
    /// Lines lost since the start.
    pub(super) lost: AtomicU64,
    /// Events in the queue.
    pub(super) waiting: AtomicUsize,
    /// How many may wait there before none is added that is no warning.
    room: usize,
    /// No more waiting: end when the queue is empty.
    pub(super) closing: AtomicBool,
    /// The writer has ended, and has written what was queued.
    pub(super) written: AtomicBool,
    /// Whether lines are JSON.
    json: AtomicBool,
    /// Whether the sink is a terminal.
    terminal: bool,
}

/// What stands in the queue.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is an event, and a box for each would cost more"
)]
pub(super) enum Queued {
    /// An event, and when it was recorded: its line may be written much later.
    Event(SystemTime, Event),
    /// Go on with this sink.
    Sink(Sink),
    /// Look at [`WriterState::closing`].
    Wake,
}

impl WriterState {
    /// JSON until the settings are known: what reads a service's log before that is a program. `terminal`: whether a
    /// person reads the lines.
    pub(super) fn new(terminal: bool, room: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            room,
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            written: AtomicBool::new(false),
            json: AtomicBool::new(true),
            terminal,
        }
    }

    /// Takes the format over from the settings.
    pub(super) fn configure(&self, settings: &LogSettings) {
        let json = match settings.format {
            LogFormat::Json => true,
            LogFormat::Human => false,
            LogFormat::Auto => !self.terminal,
        };
        self.json.store(json, Ordering::Relaxed);
    }

    /// Whether an event may be queued that is no warning.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < self.room
    }

    /// Counts a lost line; the first since the last `log_dropped` wakes the writer, which might have emptied the queue and
    /// would sleep on what it has to report.
    pub(super) fn lose(&self, queue: &SyncSender<Queued>) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = queue.try_send(Queued::Wake);
        }
    }

    fn format(&self) -> LineFormat {
        if self.json.load(Ordering::Relaxed) {
            LineFormat::Json
        } else {
            LineFormat::Human
        }
    }
}

/// The writer thread's state.
pub(super) struct Writer {
    sink: Sink,
    shared: Arc<WriterState>,
    /// The bounds of the node: what comes has passed those of one recorder only.
    limits: LineLimits,
    /// Lines not yet handed to the sink.
    lines: Vec<u8>,
    /// Those lines.
    ends: Vec<WaitingLine>,
    /// Whether the sink has taken part of a line and not the rest.
    torn: bool,
}

/// A line that the sink has not taken yet.
struct WaitingLine {
    /// Where it ends.
    end: usize,
    /// How many are missing if it is: a `log_dropped` stands for those that it counts.
    stands_for: u64,
    /// Whether it is one of those that are counted as lost since the start; a `log_dropped` is about such.
    counts: bool,
}

impl Writer {
    pub(super) fn new(sink: Sink, shared: Arc<WriterState>) -> Self {
        Self {
            sink,
            shared,
            limits: LineLimits::default(),
            lines: Vec::new(),
            ends: Vec::new(),
            torn: false,
        }
    }

    /// Writes what comes out of the queue until every sender is gone, or `closing` is set and the queue is empty.
    pub(super) fn run(mut self, queue: &Receiver<Queued>) {
        loop {
            // Before the look at the queue: what was queued before the end was asked for is written.
            let closing = self.shared.closing.load(Ordering::SeqCst);
            let entry = match queue.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // Nothing waits: what was gathered goes out before this thread sleeps.
                    self.flush();
                    if closing {
                        break;
                    }
                    let entry = self.wait(queue);
                    if !self.shared.closing.load(Ordering::SeqCst) {
                        std::thread::sleep(LINGER);
                    }
                    entry
                }
            };
            // Before the event: the lines that are missing were recorded before it.
            self.add_dropped();
            if let Queued::Sink(sink) = entry {
                // What was recorded before belongs to the file of before.
                self.flush();
                self.sink = sink;
                self.torn = false;
                continue;
            }
            if let Queued::Event(at, event) = entry {
                self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                let admitted = self.limits.admit_for_node(&event, at - GATHERING);
                self.add_sums(at);
                if admitted {
                    self.add(at, &event, 1);
                }
            }
        }
        self.limits.end_window();
        self.add_sums(now());
        self.add_dropped();
        self.flush();
        self.shared.written.store(true, Ordering::SeqCst);
    }

    /// Sleeps until something is queued, a sum is to be written, or every sender is gone.
    fn wait(&mut self, queue: &Receiver<Queued>) -> Queued {
        if !self.limits.owes_sums {
            return queue.recv().unwrap_or(Queued::Wake);
        }
        let entry = queue.recv_timeout(left_of_window(now() - GATHERING));
        entry.unwrap_or_else(|_| {
            self.limits.begin_window(now() - GATHERING);
            self.add_sums(now());
            Queued::Wake
        })
    }

    /// Adds the lines of sums whose window is over.
    fn add_sums(&mut self, at: SystemTime) {
        for sum in std::mem::take(&mut self.limits.sums) {
            self.add(at, &sum, 1);
        }
    }

    /// Adds the event's line; `stands_for` lines are lost if it is. A batch is handed over when it is large, and whenever
    /// nothing waits any more: few system calls under load, and no delay without.
    fn add(&mut self, at: SystemTime, event: &Event, stands_for: u64) {
        // A `log_dropped` stands for lines that are counted as lost already.
        let counts = !matches!(event, Event::LogDropped { .. });
        if let Sink::Journal(journal) = &mut self.sink {
            // An entry each: the journal has no lines.
            line::write(self.shared.format(), at, event, &mut self.lines);
            if !journal.send(event, self.lines.trim_ascii_end()) {
                self.shared
                    .lost
                    .fetch_add(u64::from(counts), Ordering::Relaxed);
                self.shared.dropped.fetch_add(stands_for, Ordering::Relaxed);
            }
            return self.lines.clear();
        }
        if matches!(self.sink, Sink::Prefixed) {
            let _ = write!(self.lines, "<{}>", priority(event.level()));
        }
        line::write(self.shared.format(), at, event, &mut self.lines);
        self.ends.push(WaitingLine {
            end: self.lines.len(),
            stands_for,
            counts,
        });
        if self.lines.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Adds the line that says how many are missing before it.
    fn add_dropped(&mut self) {
        let lines = self.shared.dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            self.add(now(), &Event::LogDropped { lines }, lines);
        }
    }

    /// Hands the lines to the sink; those that it does not take whole count as dropped.
    fn flush(&mut self) {
        // A sink that took half a line gets a newline first, or the next line would be glued to that half and be lost too.
        if self.torn && !self.lines.is_empty() {
            self.torn = self.sink.write(b"\n") == 0;
        }
        let taken = if self.torn {
            0
        } else {
            self.sink.write(&self.lines)
        };
        let missing = self.ends.iter().filter(|line| line.end > taken);
        let torn_off = missing.clone().filter(|line| line.counts).count();
        let lost = missing.map(|line| line.stands_for).sum();
        self.shared.lost.fetch_add(
            u64::try_from(torn_off).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
        // The sink stopped between two lines, or in the middle of one.
        self.torn |= taken > 0 && lost > 0 && !self.ends.iter().any(|line| line.end == taken);
        self.lines.clear();
        self.ends.clear();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event's time is the time of its recording"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
