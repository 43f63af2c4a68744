//! The handle to the running edge, and its way to each shard's thread: one fan-out for all that can be asked of the shards.
use super::bind::HandedSocket;
use super::clock_pair::ClockPair;
use super::connection_number::ConnectionNumbers;
use super::denials::Denials;
use super::inbox::{Inboxes, ShardMessage};
use super::own_checks::OwnChecks;
use super::reception::AcceptRules;
use super::shard::Shard;
use super::sources::Sources;
use crate::observe::{Log, RequestTally};
use crate::proxy::{AdvertisedNames, HealthBoard, NodeMemory};
use crate::trust::SeenChains;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// The running shards and listeners.
pub struct Edge {
    /// The way to each shard.
    pub(super) inboxes: Arc<Inboxes<Shard>>,
    /// Taken by the drain, which joins them.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    /// Ends the acceptor.
    pub(super) stop: CancellationToken,
    /// Connections in its lobby.
    pub(super) waiting: Arc<AtomicUsize>,
    /// Connections by source.
    pub(super) sources: Arc<Sources>,
    /// What is kept, and for whom.
    pub(super) memory: Arc<NodeMemory>,
    /// Whether it accepts.
    pub(super) accepting: watch::Sender<bool>,
    /// The listening sockets, for a process that comes after this one; given up by the drain.
    pub(super) sockets: Mutex<Vec<HandedSocket>>,
    /// Where the listeners are tried before this process accepts, and the end of that.
    pub(super) trial: (Vec<SocketAddr>, CancellationToken),
    /// What the acceptor knows of the generation.
    pub(super) rules: Arc<arc_swap::ArcSwap<AcceptRules>>,
    /// Stands in for a token key where the topology has none: it must outlive reloads, or dialogs would lose their way.
    pub(super) random_key: [u8; 32],
    /// Numbers for its connections.
    pub(super) numbers: Arc<ConnectionNumbers>,
    /// The bound listeners' names, in the order of their sockets.
    pub(super) listeners: Arc<[String]>,
    /// The recorder of what is no shard; the drain has it write what it owes.
    pub(super) log: Log,
    /// Who is refused.
    pub(super) denials: Arc<Denials>,
    /// The node's own looks at its listeners.
    pub(super) own_checks: Arc<OwnChecks>,
    /// The chains that were presented lately, for `explain` and `plan`.
    pub(super) seen: Arc<SeenChains>,
    /// The names of this node, which a reload cannot change.
    pub(super) names: AdvertisedNames,
    /// What pings have found, over all shards and generations.
    pub(super) health: Arc<HealthBoard>,
    /// When it began.
    pub(super) began: ClockPair,
    /// What each shard counts of its requests.
    pub(super) tallies: Vec<Arc<RequestTally>>,
}

impl Edge {
    /// The chains that were presented lately.
    pub fn seen(&self) -> &SeenChains {
        &self.seen
    }

    /// Where this node's own handshakes with its listeners come from.
    pub fn own_checks(&self) -> &Arc<OwnChecks> {
        &self.own_checks
    }

    /// How many shards run.
    pub fn shards(&self) -> usize {
        self.inboxes.0.len()
    }

    /// Has the thread of every shard do this, between two turns of its tasks, and waits for that, but not longer than `patience`.
    pub async fn on_each_shard(&self, work: fn(), patience: Duration) {
        self.each_that_answers(patience, move |_| work()).await;
    }

    /// Asks every shard and returns their answers, in the order of the shards. `None`: one has no room in its inbox or
    /// does not answer within `patience`, so that it stands still; half an answer would look like a whole one.
    ///
    /// `ask` runs on each shard's thread between two turns of its tasks: it must be short.
    pub(super) async fn each<T: Send + 'static>(
        &self,
        patience: Duration,
        ask: impl Fn(&Rc<Shard>) -> T + Clone + Send + 'static,
    ) -> Option<Vec<T>> {
        let answers = self.each_that_answers(patience, ask).await;
        answers.into_iter().collect()
    }

    /// As [`Self::each`], for who must know which shard stands still: its answer is `None`.
    pub(super) async fn each_that_answers<T: Send + 'static>(
        &self,
        patience: Duration,
        ask: impl Fn(&Rc<Shard>) -> T + Clone + Send + 'static,
    ) -> Vec<Option<T>> {
        // All are asked before the first answer is waited for: the slowest shard sets the time, not the
        // sum.
        let mut waits = Vec::new();
        for inbox in &self.inboxes.0 {
            let (reply, wait) = oneshot::channel();
            let ask = ask.clone();
            let work = move |shard: &Rc<Shard>| {
                // Who has asked may have lost patience.
                let _ = reply.send(ask(shard));
            };
            let asked = inbox.try_send(ShardMessage::Run(Box::new(work)));
            waits.push(asked.is_ok().then_some(wait));
        }
        // One deadline for all of them.
        let end = tokio::time::Instant::now() + patience;
        let mut answers = Vec::new();
        for wait in waits {
            let answer = match wait {
                Some(wait) => tokio::time::timeout_at(end, wait).await.ok(),
                None => None,
            };
            // A shard that has ended has dropped the question.
            answers.push(answer.and_then(Result::ok));
        }
        answers
    }

    /// Has every shard do something that must be done, however long that takes, and returns the answers of those that
    /// still run. `begin` gets the sending end, so that the work may go on in a task of the shard.
    pub(super) async fn each_to_the_end<T: Send + 'static>(
        &self,
        begin: impl Fn(&Rc<Shard>, oneshot::Sender<T>) + Clone + Send + 'static,
    ) -> Vec<T> {
        let mut waits = Vec::new();
        for inbox in &self.inboxes.0 {
            let (done, wait) = oneshot::channel();
            let begin = begin.clone();
            let work = move |shard: &Rc<Shard>| begin(shard, done);
            let message = ShardMessage::Run(Box::new(work));
            if inbox.send(message).await.is_ok() {
                waits.push(wait);
            }
        }
        let mut answers = Vec::new();
        for wait in waits {
            answers.extend(wait.await);
        }
        answers
    }
}
