//! `/metrics`: one look at the daemon as the text that Prometheus reads.
use super::snapshot::Snapshot;
use crate::observe::EventKind;
use crate::observe::metrics::{Dialect, Exposition, MetricFamily, families as names, hits};
use crate::proxy::Fitness;
use crate::reason::{Layer, Learns, Reason};
use crate::topology::PeerRef;
use std::collections::{BTreeMap, HashSet};

/// The whole text.
///
/// Every family of the table is in it, with or without samples: a dashboard finds its metrics by
/// name before anything has happened.
pub(super) fn text(snapshot: &Snapshot, dialect: Dialect) -> String {
    let mut out = Exposition::new(dialect);
    life(snapshot, &mut out);
    connections(snapshot, &mut out);
    peers(snapshot, &mut out);
    requests(snapshot, &mut out);
    bounds_and_events(snapshot, &mut out);
    process(snapshot, &mut out);
    out.finish()
}

/// Whether a peer takes new requests.
pub(super) fn takes_requests(fitness: Fitness) -> bool {
    match fitness {
        Fitness::Up | Fitness::Returning => true,
        Fitness::Down | Fitness::Held => false,
    }
}

/// What the daemon is and how it does.
fn life(snapshot: &Snapshot, out: &mut Exposition) {
    let version = env!("CARGO_PKG_VERSION");
    out.family(&names::BUILD_INFO).add(&[version], 1);
    let ready = u8::from(!snapshot.draining);
    out.family(&names::READY).add(&[], ready);
    let number = snapshot.generation.number();
    out.family(&names::GENERATION).add(&[], number);
    // Those of this run only, as Prometheus expects of a counter: `increase` knows what a restart
    // is.
    let tally = &snapshot.reloads;
    let mut reloads = out.family(&names::RELOADS);
    reloads.add(&["ok"], tally.ok);
    reloads.add(&["refused"], tally.refused);
    let last_ok = u8::from(!tally.last_refused);
    out.family(&names::LAST_RELOAD_OK).add(&[], last_ok);
    // The start has loaded the file too.
    let last = tally.last.unwrap_or(snapshot.started);
    out.family(&names::LAST_RELOAD).add(&[], last);
    // The first of each: an identity has a chain of certificates, and a peer two directions.
    let mut ends = BTreeMap::new();
    for end in snapshot.ends.iter() {
        ends.entry((end.kind, end.name.as_str())).or_insert(end.at);
    }
    let mut expiry = out.family(&names::EXPIRY);
    for ((kind, name), at) in ends {
        expiry.add(&[kind, name], at);
    }
    let mut shards = out.family(&names::SHARD_UP);
    for (shard, answers) in snapshot.shards.answers.iter().enumerate() {
        shards.add(&[&shard.to_string()], u8::from(*answers));
    }
    let handed_over = snapshot.requests.handed_over();
    out.family(&names::SHARD_MESSAGES).add(&[], handed_over);
}

/// Connections and handshakes.
fn connections(snapshot: &Snapshot, out: &mut Exposition) {
    let topology = snapshot.generation.topology();
    let roles = ["home", "federated", "sibling", "removed"];
    // Few roles and many peers: a list is searched faster than a map is asked.
    let mut by_role = roles.map(|role| (role, 0));
    for (name, count) in &snapshot.shards.peers {
        let listed = topology.peer_by_name(name);
        let role = listed.map_or("removed", |peer| topology.peer(peer).kind.word());
        for (_, sum) in by_role.iter_mut().filter(|(name, _)| *name == role) {
            *sum += count;
        }
    }
    // All roles, with zeros: a graph has a line for each from the beginning.
    let mut family = out.family(&names::CONNECTIONS);
    let clients = snapshot.shards.clients + snapshot.former.clients;
    family.add(&["client"], clients);
    for (role, count) in by_role {
        family.add(&[role], count);
    }
    let closed = &[(EventKind::ConnectionClosed, None)];
    events(snapshot, out, &names::CONNECTIONS_CLOSED, closed, |_| false);
    let outcomes = [
        EventKind::HandshakeAccepted,
        EventKind::HandshakeRefused,
        EventKind::HandshakeRefusedByPeer,
        EventKind::HandshakeAborted,
    ];
    // Each handshake ends in one of these, and is called what its event is called.
    let outcomes = outcomes.map(|event| (event, event.row().name.strip_prefix("handshake_")));
    // With those that have not happened yet: a rate needs a zero to begin from, or it misses the
    // first one.
    let judged = |reason: Reason| reason.layer() == Layer::Trust;
    events(snapshot, out, &names::HANDSHAKES, &outcomes, judged);
}

/// Peers and pools: one series for each, so that an alert can name what is down. Partners without a
/// pool of their own have an implicit one.
fn peers(snapshot: &Snapshot, out: &mut Exposition) {
    let topology = snapshot.generation.topology();
    let mut connections = out.family(&names::PEER_CONNECTIONS);
    for peer in topology.peers() {
        let name = peer.name.as_str();
        let count = snapshot.shards.peers.get(name).copied();
        connections.add(&[name, peer.kind.word()], count.unwrap_or_default());
    }
    let mut up = out.family(&names::PEER_UP);
    for (peer, condition) in topology.peers().iter().zip(&snapshot.conditions) {
        let labels = [peer.name.as_str(), peer.kind.word()];
        up.add(&labels, u8::from(takes_requests(condition.fitness)));
    }
    let mut members = out.family(&names::POOL_MEMBERS);
    for pool in topology.pools() {
        members.add(&[&pool.name], pool.peers.len());
    }
    let mut members = out.family(&names::POOL_MEMBERS_UP);
    for pool in topology.pools() {
        // A member that drains takes nothing new, however well it is.
        let drains: HashSet<PeerRef> = pool.drain.iter().copied().collect();
        let is_up = |peer: PeerRef| {
            let condition = snapshot.conditions.get(peer.index());
            !drains.contains(&peer) && condition.is_some_and(|it| takes_requests(it.fitness))
        };
        let up = pool.peers.iter().filter(|(peer, _)| is_up(*peer)).count();
        members.add(&[&pool.name], up);
    }
}

/// What passed, what was refused, and how long it took.
fn requests(snapshot: &Snapshot, out: &mut Exposition) {
    let mut requests = out.family(&names::REQUESTS);
    for of in snapshot.requests.counts() {
        requests.add(&[&of.method, &of.direction, &of.class], of.count);
    }
    let refused = &[(EventKind::RequestRefused, None)];
    // As with handshakes: the first one must be seen.
    let answered = |reason: Reason| {
        reason.layer() == Layer::Message && matches!(reason.learns(), Learns::Status(..))
    };
    events(snapshot, out, &names::REQUESTS_REFUSED, refused, answered);
    let dropped = &[(EventKind::MessageDropped, None)];
    events(snapshot, out, &names::MESSAGES_DROPPED, dropped, |_| false);
    let mut durations = out.family(&names::REQUEST_DURATION);
    for of in snapshot.requests.times() {
        let labels = [of.direction.as_str(), &of.kind];
        durations.histogram(&labels, &of.buckets, of.count, of.sum);
    }
    let shards = &snapshot.shards;
    out.family(&names::TRANSACTIONS)
        .add(&[], shards.transactions);
    out.family(&names::BINDINGS).add(&[], shards.bindings);
    let calls = shards.calls + snapshot.former.calls;
    out.family(&names::CALLS).add(&[], calls);
}

/// A family that is counted as events.
///
/// `from` has the events, each with the value of the first label if the family has another than the reason. `known` are the reasons that have a sample even if they have not occurred.
fn events(
    snapshot: &Snapshot,
    out: &mut Exposition,
    family: &'static MetricFamily,
    from: &[(EventKind, Option<&'static str>)],
    known: impl Fn(Reason) -> bool,
) {
    let mut samples = out.family(family);
    for (event, label) in from {
        // Only what this node refuses is foreseen.
        let is_known = |reason: Reason| {
            matches!(
                event,
                EventKind::HandshakeRefused | EventKind::RequestRefused
            ) && known(reason)
        };
        for reason in std::iter::once(None).chain(Reason::all().map(Some)) {
            let count = snapshot.events.for_reason(*event, reason);
            if count > 0 || reason.is_some_and(is_known) {
                let code = reason.map_or("", |reason| reason.code());
                match label {
                    Some(label) => samples.add(&[label, code], count),
                    None => samples.add(&[code], count),
                }
            }
        }
    }
}

/// Bounds that bit, and every event as it is counted: what has no metric of its own can be watched
/// all the same.
fn bounds_and_events(snapshot: &Snapshot, out: &mut Exposition) {
    let mut limits = out.family(&names::LIMIT_HITS);
    for (limit, count) in hits(&snapshot.events) {
        limits.add(&[limit], count);
    }
    out.family(&names::LOG_LINES_DROPPED)
        .add(&[], snapshot.lines_lost);
    let mut all = out.family(&names::EVENTS);
    for (event, reason, count) in snapshot.events.iter() {
        let reason = reason.map_or("", |reason| reason.code());
        all.add(&[event.row().name, reason], count);
    }
}

/// What the system says. What it does not say has no sample.
fn process(snapshot: &Snapshot, out: &mut Exposition) {
    let of = &snapshot.process;
    let mut cpu = out.family(&names::PROCESS_CPU);
    if let Some(seconds) = of.cpu {
        cpu.add(&[], seconds);
    }
    for (family, value) in [
        (&names::PROCESS_RESIDENT, of.resident),
        (&names::PROCESS_VIRTUAL, of.virtual_memory),
        (&names::PROCESS_FDS, of.fds),
        (&names::PROCESS_MAX_FDS, of.max_fds),
        (&names::PROCESS_START, Some(snapshot.started)),
    ] {
        let mut samples = out.family(family);
        if let Some(value) = value {
            samples.add(&[], value);
        }
    }
}
