//! The reader's end of a trace, and its beginning in all shards.
//!
//! One queue for all shards: records of one shard are in order, those of two as they came in.
use super::record::{TraceRecord, TracedItem};
use super::selection::TraceSelection;
use super::tap::{QUEUE, TraceCounts, TraceTap};
use crate::edge::handle::Edge;
use crate::edge::inbox::{Inboxes, ShardMessage};
use crate::edge::shard::Shard;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Numbers for traces, so that each is taken out of the shards alone.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A running trace; it ends when this is dropped, or its guard if they are apart.
pub struct TraceFeed {
    // First, so that it is closed first: a shard whose inbox is full sees by this that nobody reads.
    records: mpsc::Receiver<TraceRecord>,
    counts: Arc<TraceCounts>,
    guard: Option<TraceGuard>,
}

/// What ends a trace when it is dropped: its taps are taken out of all shards.
pub struct TraceGuard {
    id: u64,
    inboxes: Arc<Inboxes<Shard>>,
}

impl Edge {
    /// Begins a trace in every shard. `bodies`: whether bodies are copied. `None`: a shard does not answer within
    /// `patience`.
    pub async fn trace(
        &self,
        selection: TraceSelection,
        bodies: bool,
        patience: Duration,
    ) -> Option<TraceFeed> {
        let (sink, records) = mpsc::channel(QUEUE);
        // Made first: if a shard does not answer, its end takes the taps of the others out.
        let guard = TraceGuard {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            inboxes: Arc::clone(&self.inboxes),
        };
        let id = guard.id;
        let feed = TraceFeed {
            records,
            counts: Arc::default(),
            guard: Some(guard),
        };
        let counts = Arc::clone(&feed.counts);
        let begun = self.each(patience, move |shard: &Rc<Shard>| {
            shard.traces.add(TraceTap {
                id,
                selection: selection.clone(),
                bodies,
                sink: sink.clone(),
                counts: Arc::clone(&counts),
                followed: std::cell::RefCell::default(),
            });
        });
        begun.await.map(|_| feed)
    }
}

impl TraceFeed {
    /// Waits for the next record; `None`: the trace is over.
    pub async fn next(&mut self) -> Option<TraceRecord> {
        let record = self.records.recv().await?;
        Some(self.taken(record))
    }

    /// The same for a thread without a runtime.
    pub fn next_blocking(&mut self) -> Option<TraceRecord> {
        let record = self.records.blocking_recv()?;
        Some(self.taken(record))
    }

    /// Apart from what ends it, for a thread that waits for the end.
    ///
    /// `None`: it was apart already.
    pub fn apart(mut self) -> Option<(Self, TraceGuard)> {
        let guard = self.guard.take()?;
        Some((self, guard))
    }

    /// How many were lost since nobody read them in time.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// How many wait to be read.
    pub fn waiting(&self) -> usize {
        self.records.len()
    }

    /// Its bytes wait no longer.
    fn taken(&self, record: TraceRecord) -> TraceRecord {
        if let TracedItem::Message(message) = &record.item {
            let bytes = message.bytes.len();
            self.counts.queued.fetch_sub(bytes, Ordering::Relaxed);
        }
        record
    }
}

impl Drop for TraceGuard {
    fn drop(&mut self) {
        for inbox in &self.inboxes.0 {
            let id = self.id;
            let remove = move |shard: &Rc<Shard>| shard.traces.remove(id);
            let _ = inbox.try_send(ShardMessage::Run(Box::new(remove)));
        }
    }
}
