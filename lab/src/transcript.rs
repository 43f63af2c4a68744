//! What all ends of one lab sent and received, in the order in which they saw it.
use super::SipMessage;
use super::shared::lock;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One message on one leg, or a remark of one end.
#[derive(Clone, Debug)]
pub struct TranscriptEntry {
    /// Since the transcript began, so that a gap of a timer's length is seen at once.
    pub at: Duration,
    /// The party that sent it.
    pub from: String,
    /// The party that it was sent to; the same as `from` for a remark.
    pub to: String,
    /// Start line (or the remark).
    pub text: String,
    /// CSeq, for responses that do not name their method.
    pub cseq: String,
    /// Call-ID.
    pub call_id: String,
}

/// Cheap to clone; all clones write to the same list. A failed wait prints it: what came before the fault is
/// what explains it.
#[derive(Clone)]
pub struct Transcript {
    began: Instant,
    /// So many entries are kept.
    most: usize,
    entries: Arc<Mutex<Vec<TranscriptEntry>>>,
}

/// More entries than any test needs; a load generator that runs for hours must not fill the memory.
const MOST: usize = 20_000;

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

impl Transcript {
    /// An empty one; times count from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "ends are the outside world: they have a clock"
    )]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            most: MOST,
            entries: Arc::default(),
        }
    }

    /// One that keeps nothing, for who writes down by himself what counts.
    pub fn blank() -> Self {
        Self {
            most: 0,
            ..Self::new()
        }
    }

    /// Adds a message that went from one party to another. Only the ends write: what the edge does between
    /// two of them is seen from outside, as in a capture of packets.
    pub(super) fn message(&self, from: &str, to: &str, message: &SipMessage) {
        self.add(TranscriptEntry {
            at: self.began.elapsed(),
            from: from.to_owned(),
            to: to.to_owned(),
            text: message.start.clone(),
            cseq: message.header("cseq").unwrap_or_default().to_owned(),
            call_id: message.call_id().to_owned(),
        });
    }

    /// Adds a remark, such as how a connection ended.
    pub fn note(&self, party: &str, text: &str) {
        self.add(TranscriptEntry {
            at: self.began.elapsed(),
            from: party.to_owned(),
            to: party.to_owned(),
            text: text.to_owned(),
            cseq: String::new(),
            call_id: String::new(),
        });
    }

    /// How many entries there are: a mark for [`Self::since`].
    pub fn mark(&self) -> usize {
        lock(&self.entries).len()
    }

    /// A copy of the entries after a mark.
    pub fn since(&self, mark: usize) -> Vec<TranscriptEntry> {
        let entries = lock(&self.entries);
        entries.get(mark..).unwrap_or_default().to_vec()
    }

    fn add(&self, entry: TranscriptEntry) {
        let mut entries = lock(&self.entries);
        // What comes later is dropped, and not what came first: the beginning explains more.
        if entries.len() < self.most {
            entries.push(entry);
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for e in self.since(0) {
            let at = e.at.as_secs_f64();
            if e.from == e.to {
                writeln!(f, "{at:9.4}  {}: {}", e.from, e.text)?;
            } else {
                writeln!(
                    f,
                    "{at:9.4}  {} -> {}: {} ({})",
                    e.from, e.to, e.text, e.cseq
                )?;
            }
        }
        Ok(())
    }
}
