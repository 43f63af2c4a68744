//! The end of the edge: what runs is finished, then every connection is closed.
use super::clock;
use super::handle::Edge;
use super::shard::Shard;
use crate::reason::ConnectionReason;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long handshakes, and then connections, may take to end after they were asked to.
const ENDING: Duration = Duration::from_secs(2);
/// How often the transactions under way are counted.
const COUNT: Duration = Duration::from_millis(20);

/// How many transactions each shard has under way still. None closes its connections before all have finished: they bring what
/// is for the clients of the others, and its core knows where these are.
struct PendingOfAll(Vec<AtomicUsize>);

impl PendingOfAll {
    /// Of so many shards, which have not counted yet.
    fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| AtomicUsize::new(usize::MAX)).collect())
    }

    /// A shard has so many; whether any shard has one. Seen a moment late by others, which costs them one more look.
    fn note(&self, shard: u8, pending: usize) -> bool {
        if let Some(own) = self.0.get(usize::from(shard)) {
            own.store(pending, Ordering::Relaxed);
        }
        self.0.iter().any(|one| one.load(Ordering::Relaxed) > 0)
    }
}

impl Edge {
    /// Stops accepting, waits at most `bound` for transactions, closes every connection with close_notify, ends the
    /// threads. Returns the number of transactions that did not finish.
    pub async fn drain(&self, bound: Duration) -> usize {
        self.stop.cancel();
        // With the last descriptor the socket is closed, and a connect is refused instead of waiting for nobody.
        self.close_sockets();
        let pending = Arc::new(PendingOfAll::new(self.shards()));
        let begin = move |shard: &Rc<Shard>, done: oneshot::Sender<usize>| {
            // A task beside the inbox: what other shards hand over is part of what must finish.
            let (shard, pending) = (Rc::clone(shard), Arc::clone(&pending));
            tokio::task::spawn_local(async move {
                let abandoned = shard.drain(bound, &pending).await;
                let _ = done.send(abandoned);
                shard.drained.notify_one();
            });
        };
        let abandoned = self.each_to_the_end(begin).await.into_iter().sum();
        // Taken out, so that a second drain finds nothing to join.
        let threads = self.threads.lock();
        let threads = std::mem::take(&mut *threads.unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
        self.log.finish();
        abandoned
    }
}

impl Shard {
    /// Takes nothing new, waits for what owes an answer in any shard until `bound`, and closes every connection. Returns how
    /// many transactions of its own were cut off.
    async fn drain(&self, bound: Duration, all: &PendingOfAll) -> usize {
        self.stop.cancel();
        self.core.borrow_mut().start_draining();
        let end = clock::now() + bound;
        let pending = || self.core.borrow().pending();
        while all.note(self.shared.index, pending()) && clock::now() < end {
            tokio::time::sleep(COUNT).await;
        }
        // Each handshake and connect ends in an event, "draining".
        self.wait_while(|| self.shared.load.handshakes() + self.dialler.running() > 0)
            .await;
        let abandoned = pending();
        self.end_calls().await;
        self.leave_process().await;
        for connection in self.all_connections() {
            connection.close(ConnectionReason::Drain);
        }
        // Each task sends its close_notify and reports its end; none may hold the node up for long.
        self.wait_while(|| self.live() > 0).await;
        abandoned
    }

    /// Records the calls that are up.
    ///
    /// A step at a time, so that the log's queue has room for all of them.
    async fn end_calls(&self) {
        let step = || {
            let mut core = self.core.borrow_mut();
            core.end_calls(clock::now(), |event| self.shared.log.record(event))
        };
        while step() {
            tokio::time::sleep(COUNT).await;
        }
    }

    /// Waits until `busy` is false, at most [`ENDING`].
    pub(super) async fn wait_while(&self, busy: impl Fn() -> bool) {
        let end = clock::now() + ENDING;
        while busy() && clock::now() < end {
            let ended = self.ended.notified();
            // Between the look and the wait something may have ended.
            if !busy() {
                break;
            }
            // No longer than this without a look: a notification that nobody waited for is lost.
            let _ = tokio::time::timeout(Duration::from_millis(100), ended).await;
        }
    }
}
