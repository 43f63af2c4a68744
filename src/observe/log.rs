//! The way of an event off the message path: a bounded queue to one writer thread, which formats and writes lines.
use super::line::{self, Shape};
use super::{Event, MemoryLog};
use crate::topology::{LogFormat, LogSettings};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

/// How long the end waits for a writer whose reader does not read.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the writer lets events gather after the first: under load it wakes a hundred times a second, not once for each
/// event.
const LINGER: Duration = Duration::from_millis(10);
/// Octets gathered before they are written although more events wait.
const BATCH_OCTETS: usize = 32 * 1024;

/// A handle that any thread may emit events with; cheap to clone.
#[derive(Clone)]
pub struct Log {
    way: Way,
}

#[derive(Clone)]
enum Way {
    Queue(SyncSender<Entry>, Arc<Shared>),
    Memory(MemoryLog),
}

/// What the handles and the writer share.
struct Shared {
    /// Lines lost since the last `log_dropped`.
    dropped: AtomicU64,
    /// Lines lost since the start.
    lost: AtomicU64,
    /// No more waiting: end when the queue is empty.
    closing: AtomicBool,
    /// Whether lines are JSON.
    json: AtomicBool,
    /// Whether the sink is a terminal.
    terminal: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is an event, and a box for each would cost more"
)]
enum Entry {
    Event(SystemTime, Event),
    /// Look at [`Shared::closing`].
    Wake,
}

/// Where lines go.
pub enum Sink {
    /// Standard error.
    Stderr,
    /// Anything else that can be written to (tests, the demo).
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    fn is_terminal(&self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Writer(_) => false,
        }
    }
    /// How many octets it took before it failed, if it did.
    fn write(&mut self, octets: &[u8]) -> usize {
        let mut rest = octets;
        while !rest.is_empty() {
            let taken = match self {
                Self::Stderr => io::stderr().write(rest),
                Self::Writer(writer) => writer.write(rest),
            };
            match taken {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return octets.len() - rest.len(),
            }
        }
        if let Self::Writer(writer) = self {
            // What a writer keeps after a failed flush it may still write: not counted as lost.
            let _ = writer.flush();
        }
        octets.len()
    }
}

/// Stops the writer when dropped, after it has written what is queued.
pub struct LogGuard {
    queue: SyncSender<Entry>,
    shared: Arc<Shared>,
    /// Disconnected when the writer has ended.
    ended: Receiver<()>,
}

impl Log {
    /// Starts the writer thread; `queue` events may wait for it. When the system gives no thread, every line is dropped.
    pub fn start(settings: LogSettings, queue: usize, sink: Sink) -> (Self, LogGuard) {
        let (sender, receiver) = sync_channel(queue.max(1));
        let (alive, ended) = sync_channel::<()>(0);
        let shared = Arc::new(Shared {
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            json: AtomicBool::new(true),
            terminal: sink.is_terminal(),
        });
        shared.configure(settings);
        let writer = Writer {
            sink,
            shared: Arc::clone(&shared),
            lines: Vec::new(),
            ends: Vec::new(),
            torn: false,
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                let _alive = alive;
                writer.run(&receiver);
            });
        drop(thread);
        let guard = LogGuard {
            queue: sender.clone(),
            shared: Arc::clone(&shared),
            ended,
        };
        (
            Self {
                way: Way::Queue(sender, shared),
            },
            guard,
        )
    }

    /// A log that keeps events in memory for tests; read them with [`MemoryLog::events`].
    pub fn memory() -> (Self, MemoryLog) {
        let memory = MemoryLog::default();
        (
            Self {
                way: Way::Memory(memory.clone()),
            },
            memory,
        )
    }

    /// Queues an event. Never blocks: when the queue is full the event is counted as dropped.
    #[expect(
        clippy::disallowed_methods,
        reason = "an event's time is the time of this call"
    )]
    pub fn record(&self, event: Event) {
        let at = SystemTime::now();
        match &self.way {
            Way::Queue(queue, shared) => match queue.try_send(Entry::Event(at, event)) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => shared.lose(queue),
            },
            Way::Memory(memory) => memory.push(at, event),
        }
    }

    /// A reload may change the settings. The queue keeps its size.
    pub fn configure(&self, settings: LogSettings) {
        if let Way::Queue(_, shared) = &self.way {
            shared.configure(settings);
        }
    }

    /// Lines that nobody will read, since the start.
    pub fn lost(&self) -> u64 {
        match &self.way {
            Way::Queue(_, shared) => shared.lost.load(Ordering::Relaxed),
            Way::Memory(_) => 0,
        }
    }

    /// One more line that nobody will read.
    pub(super) fn count_dropped(&self) {
        if let Way::Queue(queue, shared) = &self.way {
            shared.lose(queue);
        }
    }
}

impl Shared {
    fn configure(&self, settings: LogSettings) {
        let json = match settings.format {
            LogFormat::Json => true,
            LogFormat::Human => false,
            LogFormat::Auto => !self.terminal,
        };
        self.json.store(json, Ordering::Relaxed);
    }
    /// Counts a lost line; the first since the last `log_dropped` wakes the writer, which might have emptied the queue.
    fn lose(&self, queue: &SyncSender<Entry>) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = queue.try_send(Entry::Wake);
        }
    }
    fn shape(&self) -> Shape {
        if self.json.load(Ordering::Relaxed) {
            Shape::Json
        } else {
            Shape::Human
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A full queue needs no waking: the writer looks at `closing` when it has emptied it.
        let _ = self.queue.try_send(Entry::Wake);
        // Disconnection is the answer; a sink that blocks for longer than this loses its lines.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// The writer thread's state.
struct Writer {
    sink: Sink,
    shared: Arc<Shared>,
    /// Lines not yet handed to the sink.
    lines: Vec<u8>,
    /// Where each ends, and how many lines are lost with it.
    ends: Vec<(usize, u64)>,
    /// Whether the sink has taken part of a line and not the rest.
    torn: bool,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Entry>) {
        loop {
            // Before the look at the queue: what was queued before the end was asked for is written.
            let closing = self.shared.closing.load(Ordering::SeqCst);
            let entry = match queue.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    if closing {
                        break;
                    }
                    let Ok(entry) = queue.recv() else { break };
                    if !self.shared.closing.load(Ordering::SeqCst) {
                        std::thread::sleep(LINGER);
                    }
                    entry
                }
            };
            self.tell_dropped();
            if let Entry::Event(at, event) = entry {
                self.add(at, &event, 1);
            }
        }
        self.tell_dropped();
        self.flush();
    }

    /// Adds the event's line; `stands_for` lines are lost if it is.
    fn add(&mut self, at: SystemTime, event: &Event, stands_for: u64) {
        line::write(self.shared.shape(), at, event, &mut self.lines);
        self.ends.push((self.lines.len(), stands_for));
        if self.lines.len() >= BATCH_OCTETS {
            self.flush();
        }
    }

    /// Says how many lines are missing.
    #[expect(clippy::disallowed_methods, reason = "the event begins here")]
    fn tell_dropped(&mut self) {
        let lines = self.shared.dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            self.add(SystemTime::now(), &Event::LogDropped { lines }, lines);
        }
    }

    /// Hands the lines to the sink; those that it does not take whole count as dropped.
    fn flush(&mut self) {
        if self.torn && !self.lines.is_empty() {
            self.torn = self.sink.write(b"\n") == 0;
        }
        let taken = if self.torn {
            0
        } else {
            self.sink.write(&self.lines)
        };
        let missing = self.ends.iter().filter(|(end, _)| *end > taken);
        // A `log_dropped` stands for lines that are counted as lost already.
        let torn_off = missing.clone().filter(|(_, lines)| *lines == 1).count();
        let lost = missing.map(|(_, lines)| lines).sum();
        self.shared.lost.fetch_add(
            u64::try_from(torn_off).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
        self.torn |= taken > 0 && lost > 0 && !self.ends.iter().any(|(end, _)| *end == taken);
        self.lines.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::LogRequests;
    use std::sync::{Condvar, Mutex};

    const JSON: LogSettings = LogSettings {
        requests: LogRequests::Calls,
        format: LogFormat::Json,
    };

    /// A sink that a test can hold shut, break and read.
    #[derive(Clone, Default)]
    struct Probe(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        text: Vec<u8>,
        shut: bool,
        waiting: bool,
        /// Octets that it takes before it fails.
        room: Option<usize>,
    }

    impl Probe {
        fn change(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }
        fn wait(&self, until: impl Fn(&State) -> bool) {
            let state = self.0.0.lock().unwrap();
            let (_state, timeout) = self
                .0
                .1
                .wait_timeout_while(state, Duration::from_secs(20), |state| !until(state))
                .unwrap();
            assert!(!timeout.timed_out());
        }
        fn lines(&self) -> Vec<serde_json::Value> {
            let text = String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap_or_default())
                .collect()
        }
        fn sink(&self) -> Sink {
            Sink::Writer(Box::new(self.clone()))
        }
    }

    impl Write for Probe {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut state = self.0.0.lock().unwrap();
            state.waiting = state.shut;
            self.0.1.notify_all();
            while state.shut {
                state = self.0.1.wait(state).unwrap();
            }
            state.waiting = false;
            let taken = state
                .room
                .map_or(octets.len(), |room| room.min(octets.len()));
            if taken == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            state.room = state.room.map(|room| room - taken);
            state.text.extend_from_slice(&octets[..taken]);
            self.0.1.notify_all();
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ready(generation: u64) -> Event {
        Event::Ready { generation }
    }

    #[test]
    fn the_end_of_the_log_writes_what_is_queued_in_order() {
        let probe = Probe::default();
        let (log, guard) = Log::start(JSON, 1000, probe.sink());
        (0..1000).for_each(|n| log.record(ready(n)));
        drop(guard);
        let numbers: Vec<_> = probe
            .lines()
            .iter()
            .map(|line| line["generation"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_never_blocks_and_the_exact_loss_is_said() {
        let probe = Probe::default();
        probe.change(|state| state.shut = true);
        let (log, guard) = Log::start(JSON, 8, probe.sink());
        log.record(ready(0));
        probe.wait(|state| state.waiting);
        (1..=100).for_each(|n| log.record(ready(n)));
        probe.change(|state| state.shut = false);
        drop(guard);
        let lines = probe.lines();
        let dropped: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
        let written = lines.iter().filter(|line| line["event"] == "ready").count() as u64;
        assert_eq!((written, dropped), (9, 92));
        assert_eq!(lines[1]["event"], "log_dropped");
        assert_eq!(lines[1]["level"], "warn");
    }

    #[test]
    fn the_loss_is_said_without_another_event() {
        let probe = Probe::default();
        probe.change(|state| state.shut = true);
        let (log, _guard) = Log::start(JSON, 1, probe.sink());
        log.record(ready(0));
        probe.wait(|state| state.waiting);
        log.record(ready(1));
        log.record(ready(2));
        probe.change(|state| state.shut = false);
        probe.wait(|state| String::from_utf8_lossy(&state.text).contains("log_dropped"));
    }

    #[test]
    fn lines_that_the_sink_did_not_take_whole_are_counted() {
        let probe = Probe::default();
        probe.change(|state| state.shut = true);
        let (log, guard) = Log::start(JSON, 100, probe.sink());
        log.record(ready(0));
        probe.wait(|state| state.waiting);
        (1..=10).for_each(|n| log.record(ready(n)));
        // The line that waits and half of the next one.
        let mut first = Vec::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "only the line's length counts here"
        )]
        let now = SystemTime::now();
        line::write(Shape::Json, now, &ready(0), &mut first);
        probe.change(|state| {
            state.shut = false;
            state.room = Some(first.len() * 3 / 2);
        });
        probe.wait(|state| state.room == Some(0));
        probe.change(|state| state.room = None);
        log.record(ready(11));
        drop(guard);
        let lines = probe.lines();
        let dropped: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
        let written = lines.iter().filter(|line| line["event"] == "ready").count() as u64;
        assert_eq!(written + dropped, 12);
        assert!(
            lines.iter().filter(|line| line.is_null()).count() <= 1,
            "one torn line at most"
        );
    }

    #[test]
    fn a_sink_that_blocks_for_ever_does_not_hold_up_the_end() {
        let probe = Probe::default();
        probe.change(|state| state.shut = true);
        let (log, guard) = Log::start(JSON, 4, probe.sink());
        (0..50).for_each(|n| log.record(ready(n)));
        drop(guard);
        probe.change(|state| state.shut = false);
    }

    #[test]
    fn the_format_can_change_while_it_runs() {
        let probe = Probe::default();
        let (log, guard) = Log::start(JSON, 10, probe.sink());
        log.configure(LogSettings {
            format: LogFormat::Human,
            ..JSON
        });
        log.record(ready(1));
        drop(guard);
        let text = String::from_utf8(probe.0.0.lock().unwrap().text.clone()).unwrap();
        assert!(
            text.ends_with("info  ready              generation=1\n"),
            "{text}"
        );
    }

    #[test]
    fn a_handle_that_outlives_the_writer_does_nothing() {
        let (log, guard) = Log::start(JSON, 10, Probe::default().sink());
        drop(guard);
        log.record(ready(1));
    }
}
