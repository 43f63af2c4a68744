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

/// A running trace; it ends when this is dropped.
pub struct TraceFeed {
    id: u64,
    records: mpsc::Receiver<TraceRecord>,
    counts: Arc<TraceCounts>,
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
        let feed = TraceFeed {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            records,
            counts: Arc::default(),
            inboxes: Arc::clone(&self.inboxes),
        };
        let (id, counts) = (feed.id, Arc::clone(&feed.counts));
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
    /// Waits for the next record; `None`: every shard has ended.
    pub async fn next(&mut self) -> Option<TraceRecord> {
        let record = self.records.recv().await?;
        if let TracedItem::Message(message) = &record.item {
            let bytes = message.bytes.len();
            self.counts.queued.fetch_sub(bytes, Ordering::Relaxed);
        }
        Some(record)
    }

    /// How many were lost since nobody read them in time.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for TraceFeed {
    fn drop(&mut self) {
        // First: a shard whose inbox is full sees by this that nobody reads, with the next trace that ends.
        self.records.close();
        for inbox in &self.inboxes.0 {
            let id = self.id;
            let remove = move |shard: &Rc<Shard>| shard.traces.remove(id);
            let _ = inbox.try_send(ShardMessage::Run(Box::new(remove)));
        }
    }
}
