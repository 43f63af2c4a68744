//! One shard: what a single thread owns, its connections and one proxy core. Nothing of it is shared on a message's way.
//!
//! Its methods stand with their subjects: `relay` (the core), `lifecycle` (connections that come and go), `reading`,
//! `inbound`, `outbound`, `reevaluate` (trust after a reload) and the operator's commands. Here are the state and its
//! settings.
use super::admission::ShardLoad;
use super::buffers::Buffers;
use super::calendar::Calendar;
use super::connection::Connection;
use super::connection_number::ConnectionNumbers;
use super::connection_table::ConnectionTable;
use super::denials::Denials;
use super::dialler::Dialler;
use super::error::EdgeError;
use super::flush_queue::FlushQueue;
use super::inbox::{Accepted, CrossQuestion, Inboxes, Questions, ShardMessage};
use super::own_checks::OwnChecks;
use super::peer_states::PeerStates;
use super::priority::KnownSources;
use super::resolver::AddressResolver;
use super::signal::Signal;
use super::tls::TlsConfigs;
use super::trace::{TraceDirection, TraceTaps};
use crate::observe::{Event, RequestTally, ShardLog};
use crate::proxy::{
    Actions, CallsOfClients, Core, CoreSetup, LinkEvent, LinkId, NodeMemory, RefusedCredentials,
    ShardMemory, Tables, TokenKeys,
};
use crate::sip::FrameLimits;
use crate::topology::{Limits, Topology};
use crate::trust::{Generation, SeenChains};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// What a shard's thread begins with.
pub(super) struct ShardSetup {
    /// The shard's number and this run's seed, for the core.
    pub(super) core: CoreSetup,
    /// What the generation means to the cores.
    pub(super) tables: Arc<Tables>,
    /// The keys of tokens.
    pub(super) keys: Arc<TokenKeys>,
    /// The receiving end.
    pub(super) inbox: mpsc::Receiver<ShardMessage<Shard>>,
    /// The receiving end of what it may know nothing of.
    pub(super) questions: mpsc::Receiver<CrossQuestion>,
    /// The connections of the acceptor.
    pub(super) arrivals: mpsc::Receiver<Accepted>,
    /// What it shares with others.
    pub(super) shared: ShardShared,
}

/// What a shard shares with the acceptor, the other shards or the daemon.
pub(super) struct ShardShared {
    /// Its number, which is also in the ids of its connections.
    pub(super) index: u8,
    /// For everything that operators and peers can cause.
    pub(super) log: ShardLog,
    /// The way to each other shard.
    pub(super) inboxes: Arc<Inboxes<Shard>>,
    /// The way to ask each other shard.
    pub(super) questions: Arc<Questions>,
    /// Its inbound connections; the acceptor chooses a shard by it.
    pub(super) load: Arc<ShardLoad>,
    /// What all shards keep, and for whom.
    pub(super) memory: Arc<NodeMemory>,
    /// Whose credentials were refused.
    pub(super) refused: Arc<RefusedCredentials>,
    /// Who is refused.
    pub(super) denials: Arc<Denials>,
    /// The node's own looks at its listeners.
    pub(super) own_checks: Arc<OwnChecks>,
    /// Numbers for its connections.
    pub(super) numbers: Arc<ConnectionNumbers>,
    /// The sources that were somebody lately.
    pub(super) known: Arc<KnownSources>,
    /// The bound listeners' names, in the order of their sockets.
    pub(super) listeners: Arc<[String]>,
    /// The chains that were presented lately, for `sipward explain`.
    pub(super) seen: Arc<SeenChains>,
}

/// One shard. Everything in it is used by its own thread; what is shared stands in [`ShardShared`].
pub(super) struct Shard {
    /// What it shares with others.
    pub(super) shared: ShardShared,
    /// What is counted for monitoring; the core adds to the same one.
    pub(super) tally: Arc<RequestTally>,
    /// Borrowed for one input at a time, by `feed`.
    pub(super) core: RefCell<Core>,
    /// The room for one input's actions, kept between inputs for its memory.
    pub(super) actions: Cell<Actions>,
    /// What the core must hear of when the current input has been carried out.
    pub(super) later: RefCell<VecDeque<LinkEvent>>,
    /// The live connections.
    pub(super) connections: RefCell<ConnectionTable>,
    /// Who traces messages.
    pub(super) traces: TraceTaps,
    /// What was written and not sent yet.
    pub(super) flush_queue: FlushQueue,
    /// The buffers that connections share.
    pub(super) buffers: Buffers,
    /// Exchanged by a reload.
    settings: RefCell<Settings>,
    /// The connects that are wanted, wait, or run.
    pub(super) dialler: Dialler,
    /// When decisions may change by time alone.
    pub(super) calendar: Calendar,
    /// Connections whose trust was withdrawn and that are still open.
    pub(super) withdrawn: RefCell<Vec<LinkId>>,
    /// What is kept for whom, and what wakes the task that closes connections when that is too much.
    pub(super) memory: Rc<ShardMemory>,
    pub(super) relief: Signal,
    /// Which peers are up.
    pub(super) peer_states: PeerStates,
    /// The core's deadline that the timer task sleeps for, and what wakes it when an earlier one comes.
    pub(super) armed: Cell<Option<Instant>>,
    pub(super) rearm: Signal,
    /// The core has had an input since it was last asked for its deadline.
    pub(super) was_fed: Cell<bool>,
    /// No new connections: the node drains.
    pub(super) stop: CancellationToken,
    /// A connection, a handshake or a connect has ended.
    pub(super) ended: Notify,
    /// The drain is over: the thread ends.
    pub(super) drained: Notify,
    /// The number of the latest order to let clients go, or to keep them.
    pub(super) letting_go: Cell<u64>,
    /// Connections with peers are being left to another process of this node: none is made.
    pub(super) leaves_peers: Cell<bool>,
    /// The clients of all shards that had a call a moment ago, while clients are let go.
    pub(super) in_calls: RefCell<Arc<CallsOfClients>>,
}

/// What a generation means to the edge. Each is behind an `Rc`, so that a handshake that runs during a reload goes on
/// with what it began with.
struct Settings {
    tls: Rc<TlsConfigs>,
    limits: Rc<Limits>,
    resolver: Rc<AddressResolver>,
}

impl Settings {
    /// # Errors
    /// A certificate that the TLS library refuses.
    fn new(
        generation: &Arc<Generation>,
        shared: &ShardShared,
        resolver: AddressResolver,
    ) -> Result<Self, EdgeError> {
        let tls = TlsConfigs::build(generation, &shared.listeners, &shared.seen)?;
        Ok(Self {
            tls: Rc::new(tls),
            limits: Rc::new(generation.topology().limits().clone()),
            resolver: Rc::new(resolver),
        })
    }
}

impl Shard {
    /// Builds a shard. It must be called inside its runtime, to which the resolver's sockets belong.
    ///
    /// # Errors
    /// A certificate that the TLS library refuses.
    pub(super) fn new(
        core: CoreSetup,
        tables: Arc<Tables>,
        keys: Arc<TokenKeys>,
        shared: ShardShared,
    ) -> Result<Self, EdgeError> {
        let generation = tables.generation();
        let resolver = AddressResolver::new(generation.topology().dns());
        let settings = Settings::new(generation, &shared, resolver)?;
        let tally = Arc::clone(&core.tally);
        let mut core = Core::new(core, tables, keys);
        core.share_memory(&shared.memory);
        core.share_denied_users(shared.denials.users());
        core.share_refused_credentials(&shared.refused);
        // Pings to the home servers are due before anything has come in.
        let armed = core.next_deadline();
        let memory = core.memory();
        Ok(Self {
            shared,
            tally,
            core: RefCell::new(core),
            actions: Cell::default(),
            later: RefCell::default(),
            connections: RefCell::default(),
            traces: TraceTaps::default(),
            flush_queue: FlushQueue::default(),
            buffers: Buffers::default(),
            settings: RefCell::new(settings),
            dialler: Dialler::default(),
            calendar: Calendar::default(),
            withdrawn: RefCell::default(),
            memory,
            relief: Signal::default(),
            peer_states: PeerStates::default(),
            armed: Cell::new(armed),
            rearm: Signal::default(),
            was_fed: Cell::default(),
            stop: CancellationToken::new(),
            ended: Notify::new(),
            drained: Notify::new(),
            letting_go: Cell::new(0),
            leaves_peers: Cell::new(false),
            in_calls: RefCell::default(),
        })
    }

    /// Takes over a new generation's settings.
    ///
    /// # Errors
    /// A certificate that the TLS library refuses; then nothing has changed.
    pub(super) fn renew_settings(&self, generation: &Arc<Generation>) -> Result<(), EdgeError> {
        let resolver = self.resolver().renewed(generation.topology().dns());
        let settings = Settings::new(generation, &self.shared, resolver)?;
        self.settings.replace(settings);
        Ok(())
    }

    /// A number for a connection.
    pub(super) fn number(&self) -> u64 {
        self.shared.numbers.next()
    }

    /// The live connection with this id.
    pub(super) fn connection(&self, id: LinkId) -> Option<Rc<Connection>> {
        self.connections.borrow().get(id).cloned()
    }

    /// A message was received or is sent on this connection. While nobody traces this is one look at a flag.
    pub(super) fn trace(&self, direction: TraceDirection, connection: &Connection, bytes: &[u8]) {
        // What passes between two processes of this node is seen at its other connection, in either.
        if self.traces.any() && !connection.is_other_process() {
            let core = self.core.borrow();
            self.traces.message(direction, connection, bytes, &core);
        }
    }

    /// Records an event, in traces too if it is a refusal.
    pub(super) fn record(&self, event: Event) {
        if self.traces.any() {
            self.traces.event(&event);
        }
        self.shared.log.record(event);
    }

    /// All live connections, as a list of its own: what is done with each may end others.
    pub(super) fn all_connections(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().iter().cloned().collect()
    }

    /// How many connections there are, dialled ones included.
    pub(super) fn live(&self) -> usize {
        self.connections.borrow().live()
    }

    /// The name of the listener with this index.
    pub(super) fn listener_name(&self, index: usize) -> &str {
        let name = self.shared.listeners.get(index);
        name.map_or("", String::as_str)
    }

    // ---- settings of the current generation ----

    /// What handshakes are made with.
    pub(super) fn tls(&self) -> Rc<TlsConfigs> {
        Rc::clone(&self.settings.borrow().tls)
    }

    /// The DNS cache and settings.
    pub(super) fn resolver(&self) -> Rc<AddressResolver> {
        Rc::clone(&self.settings.borrow().resolver)
    }

    /// The bounds of the topology.
    pub(super) fn limits(&self) -> Rc<Limits> {
        Rc::clone(&self.settings.borrow().limits)
    }

    /// Reads the topology without keeping its generation.
    pub(super) fn with_topology<T>(&self, read: impl FnOnce(&Topology) -> T) -> T {
        read(self.settings.borrow().tls.generation().topology())
    }

    /// Bytes that may wait for one connection's socket.
    pub(super) fn send_queue(&self) -> usize {
        self.settings.borrow().limits.send_queue
    }

    /// The bounds on one message.
    pub(super) fn frame_limits(&self) -> FrameLimits {
        let limits = &self.settings.borrow().limits;
        FrameLimits {
            head: limits.head_bytes,
            body: limits.body_bytes,
        }
    }
}
