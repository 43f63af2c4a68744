//! The only I/O shell: shards, listeners, handshakes, connections, links to peers.
//!
//! One thread accepts; each shard is a thread with a single-threaded runtime that owns its connections and one
//! [`crate::proxy::Core`]. A connection's task reads, frames, asks the core and writes to the outgoing session itself; what
//! all tasks that woke together have written leaves in one flush behind them, and the outgoing connection's own task takes
//! over only when its socket is full. What crosses shards is in `inbox`.

mod acceptor;
mod addresses;
pub mod alert;
mod bind;
mod buffers;
mod clock;
mod dial;
mod drain;
mod failed;
mod handshake;
mod inbox;
mod inventory;
mod judge;
mod keep_alive;
mod last_word;
mod late;
mod link;
mod observed;
mod outbound;
mod probe;
mod resolver;
mod scheduling;
mod served;
mod session;
mod shard;
mod signal;
mod slots;
mod sources;
mod standing;
mod tally;
mod tls;

use crate::reason::DaemonReason;
pub use bind::Bound;
pub use handshake::Negotiated;
pub use inventory::{Down, LiveLink, LiveLinks, Which};
pub use probe::{Attempt, ProbeVerdict, probe};
pub use served::{Served, served};
pub use standing::{Held, Standing, Way};

use crate::observe::Log;
use crate::proxy::{CoreSetup, Faces, HealthBoard, Tables, TokenKeys};
use crate::topology::{Accept, Limits, MOST_SHARDS};
use crate::trust::{Generation, SeenChains};
use inbox::{INBOX, Inboxes, ShardMessage};
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Connections with peers that one look at the shards gives; more than any node has.
const MOST_LINKS_SHOWN: usize = 10_000;

/// Why sockets or shards could not be had.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A listener's address cannot be bound.
    #[error("listener {listener}: cannot listen on {address}: {source}")]
    Bind {
        /// The listener's name.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// A thread or its runtime could not be started.
    #[error("cannot start a shard: {0}")]
    Runtime(#[source] std::io::Error),
    /// A key or chain that the TLS library does not take.
    #[error("the TLS library refuses our configuration: {0}")]
    Tls(#[source] rustls::Error),
    /// The system gives no random octets.
    #[error("the system's source of randomness fails")]
    Random,
}

/// Figures of the running edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeStatus {
    /// Client connections.
    pub clients: usize,
    /// Peer connections.
    pub peers: usize,
    /// Transactions waiting for an answer.
    pub transactions: usize,
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    pub contexts: usize,
}

/// The running shards and listeners.
pub struct Edge {
    inboxes: Arc<Inboxes>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
    limits: Arc<arc_swap::ArcSwap<Limits>>,
    random_key: [u8; 32],
    listeners: Arc<[String]>,
    tally: Arc<tally::Tally>,
    seen: Arc<SeenChains>,
    faces: Faces,
    health: Arc<HealthBoard>,
}

impl Edge {
    /// Starts the shards' threads and begins to accept.
    ///
    /// # Errors
    /// A thread that cannot be started, or a certificate that the TLS library refuses.
    pub fn start(generation: Arc<Generation>, bound: Bound, log: Log) -> Result<Self, EdgeError> {
        // Proves that what the shards are about to build can be built.
        let listeners: Arc<[String]> = bound.sockets.iter().map(|s| s.name.clone()).collect();
        let seen: Arc<SeenChains> = Arc::default();
        tls::TlsConfigs::build(&generation, &listeners, &seen)?;
        let topology = generation.topology();
        let shards = shards(topology);
        let (run, seed, random_key) = (u64::from_le_bytes(random()?), random()?, random()?);
        let keys = Arc::new(TokenKeys::new(&topology.tokens().keys, random_key));
        let faces = faces(&generation, &bound);
        let limits = Arc::new(arc_swap::ArcSwap::from_pointee(topology.limits().clone()));
        let sources = Arc::new(sources::Sources::default());
        let loads: Vec<Arc<AtomicUsize>> = (0..shards).map(|_| Arc::default()).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(INBOX)).unzip();
        let inboxes = Arc::new(Inboxes(senders));
        let stop = CancellationToken::new();
        let tally = Arc::new(tally::Tally::new(log.clone()));

        let health = Arc::new(HealthBoard::new(clock::now()));
        let tables = Tables::new(Arc::clone(&generation), &faces, &health);

        let mut threads = Vec::new();
        for ((index, inbox), load) in (0u8..).zip(receivers).zip(&loads) {
            let setup = shard::ShardSetup {
                index,
                core: CoreSetup {
                    shard: index,
                    shards: shards as u8,
                    run,
                    seed,
                    faces: faces.clone(),
                    now: clock::now(),
                },
                tables: Arc::clone(&tables),
                keys: Arc::clone(&keys),
                log: log.clone(),
                tally: Arc::clone(&tally),
                inboxes: Arc::clone(&inboxes),
                inbox,
                load: Arc::clone(load),
                sources: Arc::clone(&sources),
                listeners: Arc::clone(&listeners),
                seen: Arc::clone(&seen),
            };
            let complain = log.clone();
            let wanted = topology.node().scheduling;
            threads.push(spawn(format!("sipward-shard-{index}"), move || {
                // The system answers all shards alike: one of them says so.
                if let Err(error) = scheduling::apply(wanted)
                    && index == 0
                {
                    complain.record(crate::observe::Event::Warning {
                        code: DaemonReason::SchedulingRefused.into(),
                        what: error.to_string(),
                    });
                }
                if let Err(error) = shard::Shard::run(setup) {
                    complain.record(crate::observe::Event::Warning {
                        code: DaemonReason::ShardFailed.into(),
                        what: error.to_string(),
                    });
                }
            })?);
        }
        let acceptor = acceptor::Acceptor {
            inboxes: Arc::clone(&inboxes),
            loads,
            sources,
            limits: Arc::clone(&limits),
            log,
            tally: Arc::clone(&tally),
            stop: stop.clone(),
        };
        threads.push(spawn("sipward-accept".to_owned(), move || {
            acceptor.run(bound)
        })?);
        Ok(Self {
            inboxes,
            threads: Mutex::new(threads),
            stop,
            limits,
            random_key,
            listeners,
            tally,
            seen,
            faces,
            health,
        })
    }

    /// The chains that were presented lately.
    pub fn seen(&self) -> &SeenChains {
        &self.seen
    }

    /// Makes a new generation current in every shard; returns when every live connection has been judged again.
    /// Listeners' addresses do not change here (that needs a restart).
    ///
    /// # Errors
    /// A certificate that the TLS library refuses; then nothing has changed anywhere.
    pub async fn swap(&self, generation: Arc<Generation>) -> Result<(), EdgeError> {
        tls::TlsConfigs::build(&generation, &self.listeners, &self.seen)?;
        let keys = Arc::new(TokenKeys::new(
            &generation.topology().tokens().keys,
            self.random_key,
        ));
        self.limits
            .store(Arc::new(generation.topology().limits().clone()));
        let tables = self.tables(generation).await;
        let mut waits = Vec::new();
        for inbox in &self.inboxes.0 {
            let (done, wait) = oneshot::channel();
            let message = ShardMessage::Swap {
                tables: Arc::clone(&tables),
                keys: Arc::clone(&keys),
                done,
            };
            if inbox.send(message).await.is_ok() {
                waits.push(wait);
            }
        }
        for wait in waits {
            // A shard that has ended has nothing left to swap.
            let _ = wait.await;
        }
        Ok(())
    }

    /// What a generation means to the shards' cores: made by another thread, once for all of them.
    async fn tables(&self, generation: Arc<Generation>) -> Arc<Tables> {
        let (faces, health) = (self.faces.clone(), Arc::clone(&self.health));
        let of = Arc::clone(&generation);
        let made = tokio::task::spawn_blocking(move || Tables::new(of, &faces, &health)).await;
        // A runtime that is going away takes no more work.
        made.unwrap_or_else(|_| Tables::new(generation, &self.faces, &self.health))
    }

    /// Stops accepting, waits at most `bound` for transactions, closes every connection with close_notify, ends the
    /// threads. Gives the number of transactions that did not finish.
    pub async fn drain(&self, bound: Duration) -> usize {
        self.stop.cancel();
        let mut waits = Vec::new();
        for inbox in &self.inboxes.0 {
            let (done, wait) = oneshot::channel();
            if inbox
                .send(ShardMessage::Drain { bound, done })
                .await
                .is_ok()
            {
                waits.push(wait);
            }
        }
        let mut abandoned = 0;
        for wait in waits {
            abandoned += wait.await.unwrap_or(0);
        }
        let threads = self.threads.lock();
        let threads = std::mem::take(&mut *threads.unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
        self.tally.finish();
        abandoned
    }

    /// How many shards run.
    pub fn shards(&self) -> usize {
        self.inboxes.0.len()
    }

    /// Sums over the shards. A shard that does not answer within `patience` makes it `None`: it stands still.
    pub async fn status(&self, patience: Duration) -> Option<EdgeStatus> {
        let mut sum = EdgeStatus::default();
        for inbox in &self.inboxes.0 {
            let (reply, wait) = oneshot::channel();
            inbox.try_send(ShardMessage::Status { reply }).ok()?;
            let one = tokio::time::timeout(patience, wait).await.ok()?.ok()?;
            sum.clients += one.clients;
            sum.peers += one.peers;
            sum.transactions += one.transactions;
            sum.contexts += one.contexts;
        }
        Some(sum)
    }
}

/// How many shards a topology gets: what it says, or one for each core.
pub fn shards(topology: &crate::topology::Topology) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    topology
        .node()
        .shards
        .map_or(cores, usize::from)
        .clamp(1, usize::from(MOST_SHARDS))
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EdgeError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(EdgeError::Runtime)
}

fn random<const N: usize>() -> Result<[u8; N], EdgeError> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| EdgeError::Random)?;
    Ok(octets)
}

/// What this node calls itself towards peers and towards clients.
fn faces(generation: &Generation, bound: &Bound) -> Faces {
    let node = generation.topology().node();
    let face = |serves: fn(Accept) -> bool| {
        let listener = bound
            .sockets
            .iter()
            .find(|s| serves(s.accept))
            .or(bound.sockets.first());
        let port = node
            .advertise_port
            .or(listener.map(|l| l.address.port()))
            .unwrap_or(5061);
        if port == 5061 {
            node.fqdn.to_string()
        } else {
            format!("{}:{port}", node.fqdn)
        }
    };
    Faces {
        peers: face(Accept::peers),
        clients: face(Accept::clients),
        addresses: bound.sockets.iter().map(|s| s.address).collect(),
    }
}
