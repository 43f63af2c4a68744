//! What the tasks of the acceptor's thread share: the bounds, the lobby, and the way to the shards.
use super::admission::ShardLoad;
use super::bind::BoundListeners;
use super::client_hello;
use super::clock;
use super::denials::Denials;
use super::descriptors::DescriptorRoom;
use super::inbox::Accepted;
use super::lobby::Lobby;
use super::priority::{KnownSources, Priority};
use super::shard_count::shards;
use super::shard_work::ShardWork;
use super::signal::Signal;
use super::slots::Slots;
use super::sources::Sources;
use crate::observe::{Event, Log};
use crate::proxy::SourceKey;
use crate::reason::ConnectionReason;
use crate::topology::{DialAddress, Limits, Topology};
use ipnet::IpNet;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Without a further refusal for so long a bound is no longer reached.
const CALM: Duration = Duration::from_secs(5);

/// What the acceptor needs; all of it is shared with the shards or the handle.
pub(super) struct Acceptor {
    /// Where a connection goes whose turn it is.
    pub(super) arrivals: Vec<mpsc::Sender<Accepted>>,
    /// The inbound connections of each shard, by which the next one is chosen.
    pub(super) loads: Vec<Arc<ShardLoad>>,
    /// The connections of each source address.
    pub(super) sources: Arc<Sources>,
    /// The slots of handshakes.
    pub(super) slots: Arc<Slots>,
    /// The sources that were somebody lately.
    pub(super) known: Arc<KnownSources>,
    /// Of the generation that serves; a reload exchanges it.
    pub(super) rules: Arc<arc_swap::ArcSwap<AcceptRules>>,
    /// Who is refused.
    pub(super) denials: Arc<Denials>,
    /// For what concerns no shard.
    pub(super) log: Log,
    /// The node drains.
    pub(super) stop: CancellationToken,
    /// Connections in the lobby, for who asks from another thread.
    pub(super) waiting: Arc<AtomicUsize>,
    /// Whether connections are taken; if not, they wait in the kernel, where another process may take them.
    pub(super) accepting: watch::Receiver<bool>,
    /// Sockets on which the listeners are tried before they are accepted on, and the end of that.
    pub(super) trial: Option<(Vec<TcpListener>, CancellationToken)>,
}

/// What the tasks of the acceptor's thread share.
pub(super) struct Reception {
    /// As in [`Acceptor`], which becomes this on its own thread.
    pub(super) arrivals: Vec<mpsc::Sender<Accepted>>,
    pub(super) loads: Vec<Arc<ShardLoad>>,
    /// How busy the shards were lately.
    pub(super) work: RefCell<ShardWork>,
    /// How many connections each source has.
    pub(super) sources: Arc<Sources>,
    /// What is granted here and returned by the shards.
    pub(super) slots: Arc<Slots>,
    known: Arc<KnownSources>,
    /// Read anew for each connection.
    pub(super) rules: Arc<arc_swap::ArcSwap<AcceptRules>>,
    /// Looked at before anything is held for a connection.
    pub(super) denials: Arc<Denials>,
    /// As in [`Acceptor`]: what it has refused is found there by who asks for refusals.
    pub(super) log: Log,
    pub(super) stop: CancellationToken,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) accepting: watch::Receiver<bool>,
    /// The names of the listeners, in the order of their sockets.
    names: Vec<String>,
    /// Who has come and waits.
    pub(super) lobby: Rc<RefCell<Lobby>>,
    /// Somebody in the lobby wants a slot.
    pub(super) knock: Signal,
    /// The connections of this second by source, and when it began.
    pub(super) begun: RefCell<(Instant, HashMap<SourceKey, usize>)>,
    /// While sources begin too many: the last refusal for that, and how many there were.
    pub(super) refused: Cell<Option<(Instant, u64)>>,
    /// What all who wait look at their hellos with.
    pub(super) scratch: RefCell<Vec<u8>>,
}

/// What the acceptor must know of a generation.
pub(super) struct AcceptRules {
    /// The bounds; that on connections is one that the descriptors are enough for.
    pub(super) limits: Limits,
    /// Connections that may come in, the lobby included.
    pub(super) sockets: usize,
    /// From so many connections in the shards on idle strangers make room.
    pub(super) crowded: usize,
    /// The balancers of each bound listener.
    balancers: Vec<Vec<IpNet>>,
    /// The addresses that the topology has for its peers.
    peers: HashSet<SourceKey>,
}

impl AcceptRules {
    /// Of a topology, for the listeners that are bound.
    pub(super) fn new(topology: &Topology, listeners: &[String]) -> Self {
        let balancers = |name: &String| {
            let listener = topology.listeners().iter().find(|l| l.name == *name);
            listener.map_or_else(Vec::new, |listener| listener.proxy_protocol.clone())
        };
        let addresses = topology.peers().iter().flat_map(|peer| &peer.addresses);
        let peers = addresses.filter_map(|address| match address {
            DialAddress::Socket(address) => Some(SourceKey::of(address.ip())),
            // It is known once it was dialled.
            DialAddress::Host(..) => None,
        });
        let room = DescriptorRoom::of(topology);
        let mut limits = topology.limits().clone();
        limits.connections = room.connections;
        let most = shards(topology).saturating_mul(limits.connections);
        let most = most.min(room.sockets);
        Self {
            limits,
            sockets: room.sockets,
            crowded: most - most / 16,
            balancers: listeners.iter().map(balancers).collect(),
            peers: peers.collect(),
        }
    }

    /// Whether a connection to a listener comes from one of its balancers.
    pub(super) fn is_balancer(&self, listener: usize, source: IpAddr) -> bool {
        let balancers = self.balancers.get(listener);
        balancers.is_some_and(|balancers| lists(balancers, source))
    }
}

/// Whether an address is in one of the networks.
pub(super) fn lists(networks: &[IpNet], address: IpAddr) -> bool {
    // To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

impl Reception {
    pub(super) fn new(acceptor: Acceptor, bound: &BoundListeners) -> Self {
        let work = ShardWork::new(acceptor.loads.len(), clock::now());
        Self {
            arrivals: acceptor.arrivals,
            loads: acceptor.loads,
            work: RefCell::new(work),
            sources: acceptor.sources,
            slots: acceptor.slots,
            known: acceptor.known,
            rules: acceptor.rules,
            denials: acceptor.denials,
            log: acceptor.log,
            stop: acceptor.stop,
            waiting: acceptor.waiting,
            accepting: acceptor.accepting,
            names: bound.sockets.iter().map(|s| s.name.clone()).collect(),
            lobby: Rc::default(),
            knock: Signal::default(),
            begun: RefCell::new((clock::now(), HashMap::new())),
            refused: Cell::new(None),
            scratch: RefCell::new(vec![0; client_hello::MOST]),
        }
    }

    /// The name of the listener with this index.
    pub(super) fn name(&self, listener: usize) -> &str {
        self.names.get(listener).map_or("", String::as_str)
    }

    /// Counts a connection that a source begins; `false`: those are too many in this second.
    pub(super) fn may_begin(self: &Rc<Self>, source: IpAddr, most: usize) -> bool {
        let now = clock::now();
        let mut begun = self.begun.borrow_mut();
        let (since, counts) = &mut *begun;
        // A second is not exact here: a source that begins late in one and early in the next may have twice as many, which
        // no honest one needs and which no other one notices.
        // All begin anew together: the table is as long as the connects of a second are many.
        if now.saturating_duration_since(*since) >= Duration::from_secs(1) {
            *since = now;
            counts.clear();
        }
        let count = counts.entry(SourceKey::of(source)).or_insert(0);
        *count += 1;
        let may = *count <= most;
        if !may {
            self.note_refused(now);
        }
        may
    }

    /// A connect was refused for the bound: the first of a row has an event, and a task waits for the row's end.
    fn note_refused(self: &Rc<Self>, now: Instant) {
        let before = self.refused.get();
        let count = before.map_or(0, |(_, count)| count);
        self.refused.set(Some((now, count + 1)));
        if before.is_some() {
            return;
        }
        let reason = ConnectionReason::TooManyConnects.into();
        self.log.record(Event::BoundReached { reason });
        // Nobody may connect for hours after it, so that the end cannot wait for the next connect.
        let reception = Rc::clone(self);
        tokio::task::spawn_local(async move {
            while let Some((last, refused)) = reception.refused.get() {
                if clock::now() >= last + CALM {
                    reception.refused.set(None);
                    reception.log.record(Event::BoundLeft { reason, refused });
                    return;
                }
                tokio::time::sleep_until((last + CALM).into()).await;
            }
        });
    }

    /// Who an address probably is.
    pub(super) fn priority(&self, source: IpAddr) -> Priority {
        // By the topology first: a peer that has never come has its place kept, too.
        if self.rules.load().peers.contains(&SourceKey::of(source)) {
            return Priority::Peer;
        }
        self.known.priority(source, clock::now())
    }
}
