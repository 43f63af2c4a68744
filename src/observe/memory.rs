//! A log that keeps its events in memory, for tests and for the demo.
use super::event::Event;
use super::line::{self, LineFormat};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// What a memory log has received. A copy sees the same events.
#[derive(Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Received>,
}

/// The events with their times, and a signal for tests that wait for one.
#[derive(Default)]
struct Received {
    events: Mutex<Vec<(SystemTime, Event)>>,
    arrived: Condvar,
}

impl MemoryLog {
    /// Keeps one more. Called by whichever thread records.
    pub(super) fn push(&self, at: SystemTime, event: Event) {
        self.lock().push((at, event));
        self.shared.arrived.notify_all();
    }

    /// A copy of the events so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().iter().map(|(_, event)| event.clone()).collect()
    }

    /// The JSON lines that the events so far make.
    pub fn lines(&self) -> Vec<String> {
        self.written(LineFormat::Json)
    }

    /// The same for a terminal.
    pub fn human_lines(&self) -> Vec<String> {
        self.written(LineFormat::Human)
    }

    /// The first event, past or to come, that `wanted` accepts; `None` when none came within `timeout`. Blocks the thread:
    /// a test that runs on the daemon's own runtime must not call it.
    pub fn wait_for(&self, wanted: impl Fn(&Event) -> bool, timeout: Duration) -> Option<Event> {
        let find = |events: &[(SystemTime, Event)]| {
            events
                .iter()
                .map(|(_, event)| event)
                .find(|event| wanted(event))
                .cloned()
        };
        let (events, _) = self
            .shared
            .arrived
            .wait_timeout_while(self.lock(), timeout, |events| find(events).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        find(&events)
    }

    /// Forgets the events so far, for a test that looks at what comes next only.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// As the writer thread would have written them, so that a test sees what an operator would.
    fn written(&self, format: LineFormat) -> Vec<String> {
        let line = |(at, event): &(SystemTime, Event)| {
            let mut bytes = Vec::new();
            line::write(format, *at, event, &mut bytes);
            String::from_utf8_lossy(&bytes).trim_end().to_owned()
        };
        self.lock().iter().map(line).collect()
    }

    /// A list of events has no broken state, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, Vec<(SystemTime, Event)>> {
        self.shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
