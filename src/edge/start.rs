//! The start of the edge: threads for the shards and for accepting.
use super::acceptor::Acceptor;
use super::admission::ShardLoad;
use super::bind::BoundListeners;
use super::clock;
use super::error::EdgeError;
use super::handle::Edge;
use super::inbox::{INBOX, Inboxes};
use super::scheduling;
use super::shard::{ShardSetup, ShardShared};
use super::shard_loop;
use super::sources::Sources;
use super::tls::TlsConfigs;
use crate::observe::{Event, Log};
use crate::proxy::{AdvertisedNames, CoreSetup, HealthBoard, Tables, TokenKeys};
use crate::reason::DaemonReason;
use crate::topology::{Accept, MOST_SHARDS, Topology};
use crate::trust::{Generation, SeenChains};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

impl Edge {
    /// Starts the shards' threads and begins to accept.
    ///
    /// # Errors
    /// A thread that cannot be started, or a certificate that the TLS library refuses.
    pub fn start(
        generation: Arc<Generation>,
        bound: BoundListeners,
        log: Log,
    ) -> Result<Self, EdgeError> {
        let listeners: Arc<[String]> = bound.sockets.iter().map(|s| s.name.clone()).collect();
        let seen: Arc<SeenChains> = Arc::default();
        // Each shard builds its own on its own thread; this proves here, where an error can be returned, that it can.
        TlsConfigs::build(&generation, &listeners, &seen)?;
        let topology = generation.topology();
        let shards = shards(topology);
        let (run, seed, random_key) = (u64::from_le_bytes(random()?), random()?, random()?);
        let keys = Arc::new(TokenKeys::new(&topology.tokens().keys, random_key));
        let names = names(&generation, &bound);
        let limits = Arc::new(arc_swap::ArcSwap::from_pointee(topology.limits().clone()));
        let loads: Vec<Arc<ShardLoad>> = (0..shards).map(|_| Arc::default()).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(INBOX)).unzip();
        let inboxes = Arc::new(Inboxes(senders));
        let stop = CancellationToken::new();
        let health = Arc::new(HealthBoard::new(clock::now()));
        let tables = Tables::new(Arc::clone(&generation), &names, &health);

        let mut threads = Vec::new();
        for ((index, inbox), load) in (0u8..).zip(receivers).zip(&loads) {
            let setup = ShardSetup {
                core: CoreSetup {
                    shard: index,
                    shards: shards as u8,
                    run,
                    seed,
                    names: names.clone(),
                    now: clock::now(),
                },
                tables: Arc::clone(&tables),
                keys: Arc::clone(&keys),
                inbox,
                shared: ShardShared {
                    index,
                    log: log.for_shard(),
                    inboxes: Arc::clone(&inboxes),
                    load: Arc::clone(load),
                    listeners: Arc::clone(&listeners),
                    seen: Arc::clone(&seen),
                },
            };
            threads.push(spawn_shard(setup, log.clone(), topology)?);
        }
        let acceptor = Acceptor {
            inboxes: Arc::clone(&inboxes),
            loads,
            sources: Arc::new(Sources::default()),
            limits: Arc::clone(&limits),
            log: log.clone(),
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
            log,
            seen,
            names,
            health,
        })
    }
}

/// `log` outlives the shard's own, which goes into its thread's state and is gone when that fails.
fn spawn_shard(
    setup: ShardSetup,
    log: Log,
    topology: &Topology,
) -> Result<JoinHandle<()>, EdgeError> {
    let index = setup.shared.index;
    let scheduling = topology.node().scheduling;
    spawn(format!("sipward-shard-{index}"), move || {
        let warn = |reason: DaemonReason, detail| {
            let reason = reason.into();
            log.record(Event::Warning { reason, detail });
        };
        // The system answers all shards alike: one of them logs it.
        if let Err(error) = scheduling::apply(scheduling)
            && index == 0
        {
            warn(DaemonReason::SchedulingRefused, error.to_string());
        }
        if let Err(error) = shard_loop::run(setup) {
            warn(DaemonReason::ShardFailed, error.to_string());
        }
    })
}

/// How many shards a topology gets: what it asks for, or one for each core.
pub fn shards(topology: &Topology) -> usize {
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
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EdgeError::Random)?;
    Ok(bytes)
}

/// What this node calls itself towards peers and towards clients.
fn names(generation: &Generation, bound: &BoundListeners) -> AdvertisedNames {
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
    AdvertisedNames {
        peers: face(Accept::peers),
        clients: face(Accept::clients),
        addresses: bound.sockets.iter().map(|s| s.address).collect(),
    }
}
