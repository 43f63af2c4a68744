//! Who waits for what the former process says: for one answer each, or for the lines of a trace.
use super::words::Word;
use serde_json::Value;
use std::collections::HashMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Lines of one trace that wait for their reader here; what finds no room is lost and counted.
const LINES: usize = 1_024;

/// A line of a trace of the former process, and how many were lost so far.
pub(super) type TracedLine = (Value, u64);

/// Who asks the former process.
pub(super) enum Inquirer {
    /// For one answer.
    Once(oneshot::Sender<Value>),
    /// For lines, until it goes.
    Lines(LineSink),
}

/// Where lines go.
pub(super) struct LineSink {
    lines: mpsc::Sender<TracedLine>,
    /// Lost here.
    lost: u64,
    /// One has come: so the former process knows how to end it.
    has_begun: bool,
}

impl LineSink {
    /// With its reader's end.
    pub(super) fn new() -> (Self, mpsc::Receiver<TracedLine>) {
        let (lines, read) = mpsc::channel(LINES);
        let sink = Self {
            lines,
            lost: 0,
            has_begun: false,
        };
        (sink, read)
    }
}

/// All that wait, by the numbers of their questions.
#[derive(Default)]
pub(super) struct Inquirers(HashMap<u64, Inquirer>);

impl Inquirers {
    /// One more.
    pub(super) fn enter(&mut self, number: u64, inquirer: Inquirer) {
        self.0.insert(number, inquirer);
    }

    /// Its question was not put.
    pub(super) fn remove(&mut self, number: u64) {
        self.0.remove(&number);
    }

    /// Whether any trace runs.
    pub(super) fn has_traces(&self) -> bool {
        self.0.values().any(|it| matches!(it, Inquirer::Lines(_)))
    }

    /// Forgets who has lost patience; the traces among them that the former process is to end.
    pub(super) fn tidy(&mut self) -> Vec<u64> {
        let mut ended = Vec::new();
        self.0.retain(|number, inquirer| match inquirer {
            Inquirer::Once(reply) => !reply.is_closed(),
            // One without a line yet may not have begun: it ends when that comes.
            Inquirer::Lines(sink) if sink.has_begun && sink.lines.is_closed() => {
                ended.push(*number);
                false
            }
            Inquirer::Lines(_) => true,
        });
        ended
    }

    /// The former process has said something.
    pub(super) fn hear(&mut self, word: Word) {
        match word {
            Word::Answer { number, reply } => match self.0.remove(&number) {
                Some(Inquirer::Once(who)) => {
                    let _ = who.send(reply);
                }
                // The reader sees the end of its lines.
                Some(Inquirer::Lines(_)) | None => {}
            },
            Word::Line { number, line, lost } => {
                let Some(Inquirer::Lines(sink)) = self.0.get_mut(&number) else {
                    return;
                };
                sink.has_begun = true;
                // Nobody waits for a reader: everything else comes over the same conversation.
                let sent = sink.lines.try_send((line, lost + sink.lost));
                if let Err(TrySendError::Full(_)) = sent {
                    sink.lost += 1;
                }
            }
            // Said once, before it has handed over, or never to this side.
            Word::Hello { .. }
            | Word::Ready { .. }
            | Word::Failed { .. }
            | Word::Go { .. }
            | Word::Ask { .. }
            | Word::Enough { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_their_reader_and_what_finds_no_room_is_counted() {
        let mut waiting = Inquirers::default();
        let (sink, mut lines) = LineSink::new();
        waiting.enter(1, Inquirer::Lines(sink));
        let line = || Word::Line {
            number: 1,
            line: Value::Null,
            lost: 5,
        };
        for _ in 0..LINES + 3 {
            waiting.hear(line());
        }
        let first = lines.try_recv().unwrap();
        assert_eq!(first, (Value::Null, 5));
        waiting.hear(line());
        let last = std::iter::from_fn(|| lines.try_recv().ok()).last();
        assert_eq!(last, Some((Value::Null, 8)));
        assert!(waiting.has_traces() && waiting.tidy().is_empty());
        drop(lines);
        assert_eq!(waiting.tidy(), [1]);
        assert!(!waiting.has_traces());
    }

    #[test]
    fn a_trace_that_has_had_no_line_is_not_ended_by_a_word_that_may_be_unknown() {
        let mut waiting = Inquirers::default();
        let (sink, lines) = LineSink::new();
        waiting.enter(1, Inquirer::Lines(sink));
        drop(lines);
        assert!(waiting.tidy().is_empty());
        // As an earlier version answers.
        waiting.hear(Word::Answer {
            number: 1,
            reply: Value::Null,
        });
        assert!(!waiting.has_traces());
    }
}
