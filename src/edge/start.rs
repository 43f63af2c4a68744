//! The start of the edge: threads for the shards and for accepting.
//!
//! Everything that can fail is tried on the caller's thread, before the first connection is accepted: a daemon that
//! reports `ready` has its shards.
use super::admission::ShardLoad;
use super::bind::BoundListeners;
use super::clock;
use super::clock_pair::ClockPair;
use super::connection_number::ConnectionNumbers;
use super::denials::{Denial, Denials};
use super::error::EdgeError;
use super::handle::Edge;
use super::inbox::{ARRIVALS, Inboxes, Questions};
use super::own_checks::OwnChecks;
use super::priority::KnownSources;
use super::reception::{AcceptRules, Acceptor};
use super::scheduling;
use super::shard::{ShardSetup, ShardShared};
use super::shard_count::shards;
use super::shard_loop;
use super::slots::Slots;
use super::sources::Sources;
use super::tls::TlsConfigs;
use crate::observe::{Event, Log, RequestTally};
use crate::proxy::{
    AdvertisedNames, CoreSetup, HealthBoard, NodeMemory, RefusedCredentials, Tables, TokenKeys,
};
use crate::reason::DaemonReason;
use crate::topology::{Accept, Topology};
use crate::trust::{Generation, SeenChains};
use arc_swap::ArcSwap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

impl Edge {
    /// Starts the shards' threads and begins to accept. `denied`: whom an earlier process had been asked to refuse.
    ///
    /// # Errors
    /// A thread that cannot be started, or a certificate that the TLS library refuses.
    pub fn start(
        generation: Arc<Generation>,
        bound: BoundListeners,
        inheritance: Option<&Inheritance>,
        denied: Vec<Denial>,
        log: Log,
    ) -> Result<Self, EdgeError> {
        // Names and not entries: a reload finds the entries anew, by them.
        let listeners: Arc<[String]> = bound.sockets.iter().map(|s| s.name.clone()).collect();
        // One store for all shards, so that `explain` need not ask each of them.
        let seen: Arc<SeenChains> = Arc::default();
        // Each shard builds its own on its own thread; this proves here, where an error can be returned, that it can.
        TlsConfigs::build(&generation, &listeners, &seen)?;
        let topology = generation.topology();
        // Each must have a connection to the former process, which has made as many as it thought to be enough.
        let most = inheritance.map_or(usize::MAX, |former| former.links.max(1));
        let shards = shards(topology).min(most);
        // `run` sets this process's branches apart from those before a restart; the seed keeps them unguessable; the
        // key stands in for a token key where the topology has none.
        let (run, seed) = (u64::from_le_bytes(random()?), random()?);
        let random_key = inheritance.map_or_else(random, |former| Ok(former.random_key))?;
        let keys = Arc::new(TokenKeys::new(&topology.tokens().keys, random_key));
        // By what was bound: port 0 in the topology has become a real one.
        let names = names(&generation, &bound);
        // The acceptor's view of the topology: it belongs to no shard, whose settings a reload renews.
        let rules = AcceptRules::new(topology, &listeners);
        let rules = Arc::new(ArcSwap::from_pointee(rules));
        let (numbers, known) = (numbers(inheritance), Arc::<KnownSources>::default());
        // Complete before anything is accepted.
        let (denials, own_checks) = (all_denials(topology, denied), Arc::<OwnChecks>::default());
        let loads: Vec<Arc<ShardLoad>> = (0..shards).map(|_| Arc::default()).collect();
        let tallies: Vec<Arc<RequestTally>> = (0..shards).map(|_| Arc::default()).collect();
        // All sending ends before the first shard starts: each shard can reach each other one.
        let (inboxes, receivers) = Inboxes::of(shards);
        let (questions, asked) = Questions::of(shards);
        // Apart from the inboxes: connects and what crosses shards must not wait for each other.
        let (arrivals, arriving): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(ARRIVALS)).unzip();
        // Ends the acceptor; the shards end when they have drained.
        let stop = CancellationToken::new();
        // It outlives generations: a reload must not make a dead server healthy.
        let health = Arc::new(HealthBoard::new(clock::now()));
        // Made once and shared: what a generation means to the cores is the same for all of them.
        let tables = Tables::new(Arc::clone(&generation), &names, &health);
        let refused = Arc::new(RefusedCredentials::new(clock::now()));
        let memory = Arc::<NodeMemory>::default();

        // A thread that does not start ends the start; those that run already end with the process.
        let mut threads = Vec::new();
        let receivers = receivers.into_iter().zip(asked).zip(arriving);
        let each = (0u8..).zip(receivers).zip(&loads).zip(&tallies);
        for (((index, ((inbox, asked), arrivals)), load), tally) in each {
            let setup = ShardSetup {
                core: core_setup((index, shards), (run, seed), &names, tally),
                tables: Arc::clone(&tables),
                keys: Arc::clone(&keys),
                inbox,
                questions: asked,
                arrivals,
                shared: ShardShared {
                    index,
                    log: log.for_shard(),
                    inboxes: Arc::clone(&inboxes),
                    questions: Arc::clone(&questions),
                    load: Arc::clone(load),
                    memory: Arc::clone(&memory),
                    refused: Arc::clone(&refused),
                    denials: Arc::clone(&denials),
                    own_checks: Arc::clone(&own_checks),
                    numbers: Arc::clone(&numbers),
                    known: Arc::clone(&known),
                    listeners: Arc::clone(&listeners),
                    seen: Arc::clone(&seen),
                },
            };
            threads.push(spawn_shard(setup, log.clone(), topology)?);
        }
        let sockets = Mutex::new(bound.handed(topology)?);
        let trial = CancellationToken::new();
        let tried = inheritance.map(|_| trial_sockets(&bound)).transpose()?;
        let (at, tried) = tried.unwrap_or_default();
        // Whoever has the listeners before it goes on accepting until this process has passed.
        let accepting = watch::Sender::new(inheritance.is_none());
        let (waiting, sources) = (Arc::default(), Arc::<Sources>::default());
        // Last: what it accepts must find a shard.
        let acceptor = Acceptor {
            arrivals,
            loads,
            sources: Arc::clone(&sources),
            slots: Arc::new(Slots::new(&memory)),
            known,
            rules: Arc::clone(&rules),
            denials: Arc::clone(&denials),
            log: log.clone(),
            stop: stop.clone(),
            waiting: Arc::clone(&waiting),
            accepting: accepting.subscribe(),
            trial: (!tried.is_empty()).then(|| (tried, trial.clone())),
        };
        threads.push(spawn("sipward-accept".to_owned(), move || {
            acceptor.run(bound)
        })?);
        Ok(Self {
            inboxes,
            threads: Mutex::new(threads),
            stop,
            waiting,
            sources,
            memory,
            accepting,
            sockets,
            trial: (at, trial),
            rules,
            denials,
            own_checks,
            random_key,
            numbers,
            listeners,
            log,
            seen,
            names,
            health,
            began: ClockPair::now(),
            tallies,
        })
    }
}

/// Who is refused by the topology, and by an operator until some time.
fn all_denials(topology: &Topology, denied: Vec<Denial>) -> Arc<Denials> {
    let denials = Arc::new(Denials::default());
    denials.set_file(&topology.limits().deny.0);
    denials.restore(denied);
    denials
}

/// Those that the former process of this node does not use.
fn numbers(inheritance: Option<&Inheritance>) -> Arc<ConnectionNumbers> {
    let are_odd = inheritance.is_some_and(|former| former.odd_numbers);
    Arc::new(ConnectionNumbers::new(are_odd))
}

/// What the former process of this node leaves to the edge.
pub struct Inheritance {
    /// Stands in for a token key where the topology has none: what the former process has signed must go on.
    pub random_key: [u8; 32],
    /// Whether the numbers of connections are odd: those of the former process are the others.
    pub odd_numbers: bool,
    /// Connections between the two.
    pub links: usize,
}

/// A socket of its own for each listener: at the listener's own address it is open which process answers.
fn trial_sockets(bound: &BoundListeners) -> Result<(Vec<SocketAddr>, Vec<TcpListener>), EdgeError> {
    let own = bound.sockets.iter().map(|listener| {
        let host = match listener.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        // Nobody but this host can connect to it, and only while this process is tried.
        let bind = || {
            let socket = TcpListener::bind((host, 0))?;
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        };
        bind().map_err(EdgeError::Runtime)
    });
    own.collect()
}

/// What the core of a shard is given once; all else comes with the generation.
fn core_setup(
    (shard, shards): (u8, usize),
    (run, seed): (u64, [u8; 32]),
    names: &AdvertisedNames,
    tally: &Arc<RequestTally>,
) -> CoreSetup {
    CoreSetup {
        unix: clock::unix().as_secs(),
        shard,
        shards: shards as u8,
        run,
        seed,
        names: names.clone(),
        now: clock::now(),
        tally: Arc::clone(tally),
    }
}

/// Starts one shard's thread, with the scheduling policy that the topology asks for.
///
/// `log` outlives the shard's own, which goes into its thread's state and is gone when that fails.
fn spawn_shard(
    setup: ShardSetup,
    log: Log,
    topology: &Topology,
) -> Result<JoinHandle<()>, EdgeError> {
    let index = setup.shared.index;
    // Before the thread starts: it reads no topology by itself.
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
            #[expect(
                clippy::panic,
                reason = "half a node is worse than none: who is handed to a shard that is gone waits in vain"
            )]
            {
                panic!("{error}");
            }
        }
    })
}

/// Starts a thread. Its name shows in `top -H` and in crash dumps.
fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EdgeError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(EdgeError::Runtime)
}

/// Random bytes from the TLS provider's generator.
fn random<const N: usize>() -> Result<[u8; N], EdgeError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EdgeError::Random)?;
    Ok(bytes)
}

/// The port that sips URIs leave out.
const SIPS_PORT: u16 = 5061;

/// What this node calls itself towards peers and towards clients.
fn names(generation: &Generation, bound: &BoundListeners) -> AdvertisedNames {
    let topology = generation.topology();
    // A topology may have a listener for each side, or one for both.
    let face = |serves: fn(Accept) -> bool| {
        let name = topology.announced_name(serves);
        // As bound: port 0 in the topology has become a real one.
        let listener = topology.announced(serves);
        let bound = bound
            .sockets
            .iter()
            .find(|socket| listener.is_some_and(|listener| listener.name == socket.name));
        let port = topology.node().advertise_port;
        let port = port.or(bound.map(|socket| socket.address.port()));
        // 5061 is the default of sips and is left out (RFC 3261 §19.1.2).
        match port.unwrap_or(SIPS_PORT) {
            SIPS_PORT => name.to_string(),
            port => format!("{name}:{port}"),
        }
    };
    AdvertisedNames {
        peers: face(Accept::peers),
        clients: face(Accept::clients),
        addresses: bound.sockets.iter().map(|s| s.address).collect(),
    }
}
