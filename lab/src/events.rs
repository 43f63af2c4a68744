//! The daemon's JSON log, read line by line: waited for while the daemon runs, judged when it has ended.
//!
//! Tests wait for events instead of sleeping: an event is written when something has happened, however slow
//! the machine is. The log of a daemon that runs is behind what it has done, by the time in which its lines gather at
//! least: what does not stand there may come yet. So a [`LiveLog`] can be waited for, and only the [`EventLog`] of a
//! daemon that has ended says how often an event has come and which has not.
use super::LabError;
use super::shared::{first, lock};
use serde_json::Value;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a wait for an event lasts at most. Longer than [`super::End`] waits, so that of two waits for one
/// cause that of the end fails, which shows the messages.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a log that is being written, parsed; cheap to clone.
#[derive(Clone, Default)]
pub struct LiveLog {
    shared: Arc<LogState>,
}

#[derive(Default)]
struct LogState {
    lines: Mutex<EventLog>,
    /// Wakes every wait, because each looks for another event.
    arrived: Notify,
}

/// A log that nobody writes to any more.
#[derive(Clone, Default)]
pub struct EventLog {
    /// All events since the start, so that a wait finds what was written before it began.
    events: Vec<Value>,
    /// Lines that are no JSON object with an `event`.
    other: Vec<String>,
}

/// Takes bytes as the daemon writes them and cuts them into lines; to be used as the daemon's log sink.
pub struct LineWriter {
    log: LiveLog,
    partial: Vec<u8>,
}

impl LiveLog {
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

    /// A mark for [`Self::wait_after`]: behind what has been read. What the daemon has done by then may come behind it, so
    /// a wait must tell what it is for from what came before, unless that was waited for.
    pub fn mark(&self) -> usize {
        self.lines().events.len()
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
        let found = self.find_after(mark, event, wanted).await?;
        Ok(found.1)
    }

    /// The log up to the first event that [`Self::wait`] would give, that one included. No line can come into it any more,
    /// so it is whole for what was recorded before that event.
    ///
    /// # Errors
    /// The event does not come in time; the error shows the log.
    pub async fn up_to(
        &self,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<EventLog, LabError> {
        let (place, _) = self.find_after(0, event, wanted).await?;
        let mut log = self.lines().clone();
        log.events.truncate(place.saturating_add(1));
        Ok(log)
    }

    /// The place of the first event after a mark that is wanted, and the event.
    async fn find_after(
        &self,
        mark: usize,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(usize, Value), LabError> {
        let search = first(&self.shared.arrived, || {
            let lines = self.lines();
            let mut events = lines.events.iter().enumerate().skip(mark);
            let found = events.find(|(_, e)| is(e, event) && wanted(e));
            found.map(|(place, e)| (place, e.clone()))
        });
        let found = tokio::time::timeout(PATIENCE, search).await;
        let awaited = format!("the event {event}");
        found.map_err(|_| LabError::timeout("the log", awaited, PATIENCE, self.to_string()))
    }

    /// A copy of what has been read so far: the whole log when the daemon has ended and all that it wrote was read. Of one
    /// that runs it proves nothing that it lacks.
    pub fn so_far(&self) -> EventLog {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, EventLog> {
        lock(&self.shared.lines)
    }
}

/// Every line so far, for failure output.
impl fmt::Display for LiveLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().to_text())
    }
}

impl EventLog {
    /// The events after a mark.
    pub fn since(&self, mark: usize) -> Vec<Value> {
        self.events.get(mark..).unwrap_or_default().to_vec()
    }

    /// Events of this name.
    pub fn named(&self, event: &str) -> Vec<Value> {
        let events = self.events.iter().filter(|e| is(e, event));
        events.cloned().collect()
    }

    /// The events before the first of this name, all where there is none.
    pub fn before(&self, event: &str) -> Self {
        let events = self.events.iter().take_while(|e| !is(e, event)).cloned();
        Self {
            events: events.collect(),
            other: self.other.clone(),
        }
    }

    /// Lines that were no event: there should be none, since a log that is half JSON cannot be read by
    /// programs.
    pub fn other_lines(&self) -> Vec<String> {
        self.other.clone()
    }

    /// Every line, for failure output.
    pub fn to_text(&self) -> String {
        let events = self.events.iter().map(Value::to_string);
        events
            .chain(self.other.iter().cloned())
            .map(|line| format!("{line}\n"))
            .collect()
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
        let log = LiveLog::default();
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
        #[expect(clippy::disallowed_methods, reason = "all has been written")]
        let whole = log.so_far();
        assert_eq!(whole.other_lines(), ["no json", "{\"a\":1}"]);
        assert_eq!(whole.named("ready").len(), 1);
    }

    #[tokio::test]
    async fn what_comes_later_is_not_in_the_log_up_to_an_event() {
        let log = LiveLog::default();
        for event in ["first", "ready", "last"] {
            log.push(&format!("{{\"event\":\"{event}\"}}"));
        }
        let log = log.up_to("ready", |_| true).await.unwrap();
        assert_eq!(log.since(0).len(), 2);
        assert_eq!(log.named("last").len(), 0);
        assert_eq!(log.before("ready").since(0), log.named("first"));
    }
}
