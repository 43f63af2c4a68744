//! The queue and the writer: nothing blocks a caller, and every line that is lost is counted.
use crate::observe::event::Event;
use crate::observe::line::{self, LineFormat};
use crate::observe::queue::LineQueue;
use crate::observe::sink::Sink;
use crate::topology::{LogFormat, LogIdentities, LogRequests, LogSettings};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

const JSON: LogSettings = LogSettings {
    requests: LogRequests::Calls,
    identities: LogIdentities::Full,
    format: LogFormat::Json,
    file: None,
};

/// A sink that a test can hold shut, break and read.
#[derive(Clone, Default)]
struct TestSink(Arc<(Mutex<SinkState>, Condvar)>);

#[derive(Default)]
struct SinkState {
    text: Vec<u8>,
    shut: bool,
    waiting: bool,
    /// Bytes that it takes before it fails.
    room: Option<usize>,
}

impl TestSink {
    fn change(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }
    fn wait(&self, until: impl Fn(&SinkState) -> bool) {
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
    fn boxed(&self) -> Sink {
        Sink::Writer(Box::new(self.clone()))
    }
}

impl Write for TestSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        state.waiting = state.shut;
        self.0.1.notify_all();
        while state.shut {
            state = self.0.1.wait(state).unwrap();
        }
        state.waiting = false;
        let taken = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.room = state.room.map(|room| room - taken);
        state.text.extend_from_slice(&bytes[..taken]);
        self.0.1.notify_all();
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "which time it is does not matter here"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn ready(generation: u64) -> Event {
    Event::Ready { generation }
}

/// A call of so many minutes; `None`: nobody has answered.
fn call_ended(minutes: Option<u64>) -> Event {
    Event::ended_call(minutes.map(|minutes| Duration::from_secs(60 * minutes)))
}

#[test]
fn the_end_of_the_log_writes_what_is_queued_in_order() {
    let sink = TestSink::default();
    let (queue, guard) = LineQueue::start(&JSON, 2000, sink.boxed());
    (0..1000).for_each(|n| queue.push(now(), ready(n)));
    drop(guard);
    let numbers: Vec<_> = sink
        .lines()
        .iter()
        .map(|line| line["generation"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_never_blocks_and_the_exact_loss_is_said() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, guard) = LineQueue::start(&JSON, 8, sink.boxed());
    queue.push(now(), ready(0));
    sink.wait(|state| state.waiting);
    (1..=100).for_each(|n| queue.push(now(), ready(n)));
    sink.change(|state| state.shut = false);
    drop(guard);
    let lines = sink.lines();
    let dropped: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
    let written = lines.iter().filter(|line| line["event"] == "ready").count() as u64;
    // A quarter is kept for others.
    assert_eq!((written, dropped), (1 + 6, 94));
    assert_eq!(lines[1]["event"], "log_dropped");
    assert_eq!(lines[1]["level"], "warn");
}

#[test]
fn what_fills_the_queue_pushes_no_warning_out() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, guard) = LineQueue::start(&JSON, 16, sink.boxed());
    queue.push(now(), ready(0));
    sink.wait(|state| state.waiting);
    (1..=100).for_each(|n| queue.push(now(), ready(n)));
    // One place has the entry that wakes the writer for the loss.
    (1..=5).for_each(|lines| queue.push(now(), Event::LogDropped { lines }));
    sink.change(|state| state.shut = false);
    drop(guard);
    let lines = sink.lines();
    let named = |name: &str| lines.iter().filter(|line| line["event"] == name).count();
    let of_queue = 5 - 2;
    assert_eq!(named("ready"), 1 + 12);
    assert!(named("log_dropped") >= of_queue, "{lines:?}");
    assert_eq!(queue.lost(), 88 + 2);
}

/// Somebody may be billed by it: what else is no warning does not take its place.
#[test]
fn what_fills_the_queue_pushes_no_record_of_an_answered_call_out() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, guard) = LineQueue::start(&JSON, 16, sink.boxed());
    queue.push(now(), ready(0));
    sink.wait(|state| state.waiting);
    (1..=100).for_each(|n| queue.push(now(), ready(n)));
    // Of the four places that are kept one has the entry that wakes the writer for the loss.
    (1..=3).for_each(|minutes| queue.push(now(), call_ended(Some(minutes))));
    queue.push(now(), call_ended(None));
    sink.change(|state| state.shut = false);
    drop(guard);
    let lines = sink.lines();
    let records = lines.iter().filter(|line| line["event"] == "call_ended");
    let talked: Vec<_> = records.map(|line| line["talk_ms"].as_u64()).collect();
    assert_eq!(talked, [Some(60_000), Some(120_000), Some(180_000)]);
    assert_eq!(queue.lost(), 88 + 1);
}

#[test]
fn the_loss_is_said_without_another_event() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, _guard) = LineQueue::start(&JSON, 1, sink.boxed());
    queue.push(now(), ready(0));
    sink.wait(|state| state.waiting);
    queue.push(now(), ready(1));
    queue.push(now(), ready(2));
    sink.change(|state| state.shut = false);
    sink.wait(|state| String::from_utf8_lossy(&state.text).contains("log_dropped"));
}

#[test]
fn lines_that_the_sink_did_not_take_whole_are_counted() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, guard) = LineQueue::start(&JSON, 100, sink.boxed());
    queue.push(now(), ready(0));
    sink.wait(|state| state.waiting);
    (1..=10).for_each(|n| queue.push(now(), ready(n)));
    // The line that waits and half of the next one.
    let mut first = Vec::new();
    line::write(LineFormat::Json, now(), &ready(0), &mut first);
    sink.change(|state| {
        state.shut = false;
        state.room = Some(first.len() * 3 / 2);
    });
    sink.wait(|state| state.room == Some(0));
    sink.change(|state| state.room = None);
    queue.push(now(), ready(11));
    drop(guard);
    let lines = sink.lines();
    let dropped: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
    let written = lines.iter().filter(|line| line["event"] == "ready").count() as u64;
    assert_eq!(written + dropped, 12);
    assert!(
        lines.iter().filter(|line| line.is_null()).count() <= 1,
        "one torn line at most"
    );
}

#[test]
fn a_line_that_says_that_one_is_missing_counts_as_none_when_it_is_missing_itself() {
    let sink = TestSink::default();
    sink.change(|state| state.room = Some(0));
    let (queue, guard) = LineQueue::start(&JSON, 100, sink.boxed());
    for n in 0..3 {
        queue.push(now(), ready(n));
        // One by one, so that a line of its own is about each, which is lost with the next.
        while queue.lost() <= n {
            std::thread::yield_now();
        }
    }
    sink.change(|state| state.room = None);
    queue.push(now(), ready(3));
    drop(guard);
    let lines = sink.lines();
    assert_eq!(lines[0]["lines"], 3);
    assert_eq!((lines.len(), queue.lost()), (2, 3));
}

#[test]
fn a_sink_that_blocks_for_ever_does_not_hold_up_the_end() {
    let sink = TestSink::default();
    sink.change(|state| state.shut = true);
    let (queue, guard) = LineQueue::start(&JSON, 4, sink.boxed());
    (0..50).for_each(|n| queue.push(now(), ready(n)));
    drop(guard);
    sink.change(|state| state.shut = false);
}

#[test]
fn the_format_can_change_while_it_runs() {
    let sink = TestSink::default();
    let (queue, guard) = LineQueue::start(&JSON, 10, sink.boxed());
    queue.configure(&LogSettings {
        format: LogFormat::Human,
        ..JSON
    });
    queue.push(now(), ready(1));
    drop(guard);
    let text = String::from_utf8(sink.0.0.lock().unwrap().text.clone()).unwrap();
    assert!(
        text.ends_with("info  ready              generation=1\n"),
        "{text}"
    );
}

#[test]
fn a_handle_that_outlives_the_writer_does_nothing() {
    let (queue, guard) = LineQueue::start(&JSON, 10, TestSink::default().boxed());
    drop(guard);
    queue.push(now(), ready(1));
}
