//! The daemon's JSON log, read line by line, and waited for by event name.
//!
//! Tests wait for events instead of sleeping: an event is written when something has happened, however slow
//! the machine is.
use super::LabError;
use super::shared::{first, lock};
use serde_json::Value;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a wait for an event lasts at most. Longer than [`super::End`] waits, so that of two waits for one
/// cause that of the end fails, which shows the messages.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lines of a log, parsed; cheap to clone.
#[derive(Clone, Default)]
pub struct EventLog {
    shared: Arc<LogState>,
}

#[derive(Default)]
struct LogState {
    lines: Mutex<ReadLines>,
    /// Wakes every wait, because each looks for another event.
    arrived: Notify,
}

#[derive(Default)]
struct ReadLines {
    /// All events since the start, so that a wait finds what was written before it began.
    events: Vec<Value>,
    /// Lines that are no JSON object with an `event`.
    other: Vec<String>,
}

/// Takes bytes as the daemon writes them and cuts them into lines; to be used as the daemon's log sink.
pub struct LineWriter {
    log: EventLog,
    partial: Vec<u8>,
}

impl EventLog {
    /// For the daemon's log sink.
    pub fn writer(&self) -> LineWriter {
        LineWriter {
            log: self.clone(),
            partial: Vec::new(),
        }
    }

    /// Takes one line.
    pub fn push(&self, line: &str) {
        {
            let mut lines = self.lines();
            match serde_json::from_str::<Value>(line) {
                Ok(value) if value.get("event").is_some_and(Value::is_string) => {
                    lines.events.push(value);
                }
                Ok(_) | Err(_) => lines.other.push(line.to_owned()),
            }
        }
        // Outside of the lock: who wakes up takes it at once.
        self.shared.arrived.notify_waiters();
    }

    /// A mark for [`Self::since`].
    pub fn mark(&self) -> usize {
        self.lines().events.len()
    }

    /// The events after a mark.
    pub fn since(&self, mark: usize) -> Vec<Value> {
        self.lines().events.get(mark..).unwrap_or_default().to_vec()
    }

    /// Events of this name so far.
    pub fn named(&self, event: &str) -> Vec<Value> {
        self.since(0).into_iter().filter(|e| is(e, event)).collect()
    }

    /// Lines that were no event: there should be none, since a log that is half JSON cannot be read by
    /// programs.
    pub fn other_lines(&self) -> Vec<String> {
        self.lines().other.clone()
    }

    /// The first event of this name that `wanted` accepts, from the beginning of the log on.
    ///
    /// # Errors
    /// None comes in time; the error shows the log.
    pub async fn wait(
        &self,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, LabError> {
        self.wait_after(0, event, wanted).await
    }

    /// As [`Self::wait`], for events after a mark only.
    ///
    /// # Errors
    /// None comes in time; the error shows the log.
    pub async fn wait_after(
        &self,
        mark: usize,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, LabError> {
        let search = first(&self.shared.arrived, || {
            let mut events = self.since(mark).into_iter();
            events.find(|e| is(e, event) && wanted(e))
        });
        let found = tokio::time::timeout(PATIENCE, search).await;
        let awaited = format!("the event {event}");
        found.map_err(|_| LabError::timeout("the log", awaited, PATIENCE, self.to_text()))
    }

    /// Every line, for failure output.
    pub fn to_text(&self) -> String {
        let lines = self.lines();
        let events = lines.events.iter().map(Value::to_string);
        events
            .chain(lines.other.iter().cloned())
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn lines(&self) -> MutexGuard<'_, ReadLines> {
        lock(&self.shared.lines)
    }
}

/// Whether an event has this name.
fn is(event: &Value, name: &str) -> bool {
    event.get("event").and_then(Value::as_str) == Some(name)
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The daemon writes several lines at once, or a line in pieces.
        self.partial.extend_from_slice(bytes);
        while let Some(at) = memchr::memchr(b'\n', &self.partial) {
            let line: Vec<u8> = self.partial.drain(..=at).collect();
            self.log.push(String::from_utf8_lossy(&line).trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_split_anywhere_become_events_and_strays_are_kept_apart() {
        let log = EventLog::default();
        let mut writer = log.writer();
        for part in [
            "{\"event\":\"rea",
            "dy\",\"generation\":1}\nno json\n{\"a\"",
            ":1}\n",
        ] {
            writer.write_all(part.as_bytes()).unwrap();
        }
        let ready = log.wait("ready", |e| e["generation"] == 1).await.unwrap();
        assert_eq!(ready["event"], "ready");
        assert_eq!(log.other_lines(), ["no json", "{\"a\":1}"]);
        assert_eq!(log.named("ready").len(), 1);
    }
}
