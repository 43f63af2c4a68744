//! What two readings say: how much there was in the time between them, and how long it took.
//!
//! A rate is over the time that the daemon has measured between its two answers, and not over the pause of who asks: a slow
//! answer makes no peak.
//!
//! Counters only grow while one process runs. Where they do not (the process before this one has ended, and what it had is no
//! longer added), the difference counts as nothing instead of as a number that never was.
use super::reading::DaemonReading;
use crate::cli::output::listed;
use crate::daemon::control::{EventCount, ListedConnection, PeerFigures};
use crate::observe::RequestTimes;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Everything that is shown. A rate is in units a second; `None`: there is one reading only.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rates {
    /// The node's FQDN.
    pub(super) node: String,
    /// The package's version.
    pub(super) version: String,
    /// The process.
    pub(super) pid: u32,
    /// Seconds since its start.
    pub(super) up_s: u64,
    /// Milliseconds between the two readings.
    pub(super) over_ms: Option<u64>,
    /// The loaded topology, counted from 1.
    pub(super) generation: u64,
    /// It takes nothing new.
    pub(super) draining: bool,
    /// Shards that do not answer.
    pub(super) silent: Vec<usize>,
    /// Client connections.
    pub(super) clients: usize,
    /// Answered calls that are up.
    pub(super) calls: usize,
    /// Registered clients.
    pub(super) bindings: usize,
    /// Transactions in memory.
    pub(super) transactions: usize,
    /// Log lines that nobody will read.
    pub(super) log_lost: u64,
    /// Requests.
    pub(super) requests_per_s: Option<f64>,
    /// What was refused, by either side.
    pub(super) refused_per_s: Option<f64>,
    /// Requests by direction and kind, the most frequent first.
    pub(super) directions: Vec<DirectionRates>,
    /// Refusals by event and reason, those of now first.
    pub(super) refusals: Vec<RefusalRate>,
    /// Peers, in the daemon's order: those first that take nothing.
    pub(super) peers: Vec<PeerRates>,
    /// Peers that are left off.
    pub(super) peers_left_off: usize,
    /// Connections, in the order of their numbers.
    pub(super) connections: Vec<ConnectionRates>,
    /// Connections that are left off.
    pub(super) connections_left_off: usize,
}

/// Requests of one direction and kind.
///
/// A request counts when it is over, as in the metrics: one that rings is not there yet.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DirectionRates {
    /// As in `client_to_home`.
    pub(super) direction: String,
    /// `invite` or `non_invite`.
    pub(super) kind: &'static str,
    /// Requests a second.
    pub(super) per_s: Option<f64>,
    /// Those of them that were answered 5xx or 6xx.
    pub(super) failed_per_s: Option<f64>,
    /// Since the start.
    pub(super) count: u64,
    /// Half of them took no longer, in milliseconds; `None`: none was answered by another.
    pub(super) median_ms: Option<f64>,
    /// 95 of 100 took no longer.
    pub(super) p95_ms: Option<f64>,
}

/// Refusals of one event and reason.
///
/// The same reason may stand behind two events: a handshake that this node refused, and one that the remote did.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RefusalRate {
    /// The event.
    pub(super) event: String,
    /// The reason code.
    pub(super) reason: String,
    /// A second.
    pub(super) per_s: Option<f64>,
    /// Since the start.
    pub(super) count: u64,
}

/// One peer.
///
/// What the daemon says of it stands as it was read; only the rates are made here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PeerRates {
    /// What the daemon says of it.
    #[serde(flatten)]
    pub(super) figures: PeerFigures,
    /// Messages that came from it.
    pub(super) in_per_s: Option<f64>,
    /// Messages that were written to it.
    pub(super) out_per_s: Option<f64>,
}

/// One connection.
///
/// Of what the daemon lists the columns that change or that tell connections apart; `sipward connections` has the rest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ConnectionRates {
    /// Its number, as in the log.
    pub(super) connection: u64,
    /// The peer, the users whose bindings it holds, or `client`.
    pub(super) who: String,
    /// The remote address.
    pub(super) remote: String,
    /// The listener, or `dialled`.
    pub(super) through: String,
    /// When its handshake ended, Unix seconds.
    pub(super) since: u64,
    /// Messages that came.
    pub(super) in_per_s: Option<f64>,
    /// Messages that were written.
    pub(super) out_per_s: Option<f64>,
    /// Both, since it came.
    pub(super) messages: u64,
    /// Bytes that its socket has not taken.
    pub(super) queued: usize,
    /// It takes nothing new and closes soon.
    pub(super) withdrawn: bool,
}

/// The time between two readings; without one there are no rates.
#[derive(Clone, Copy)]
struct Span(Option<f64>);

impl Span {
    /// So many more, a second.
    // Saturating: see the top of this file.
    fn rate(self, new: u64, old: u64) -> Option<f64> {
        self.0
            .map(|seconds| new.saturating_sub(old) as f64 / seconds)
    }
}

impl Rates {
    /// Of two readings; of one, if the older is missing or of another process.
    pub(super) fn between(older: Option<&DaemonReading>, newer: &DaemonReading) -> Self {
        // Of another process nothing can be subtracted.
        let older = older.filter(|older| newer.goes_on_from(older));
        let figures = &newer.figures;
        let over_ms = older.map(|older| figures.uptime_ms.saturating_sub(older.figures.uptime_ms));
        let span = Span(over_ms.map(|ms| ms as f64 / 1_000.0));
        let directions = directions(older, newer, span);
        let refusals = refusals(older, newer, span);
        // Each is missing together with the span.
        let sum = |all: &mut dyn Iterator<Item = Option<f64>>| {
            span.0.map(|_| all.map(Option::unwrap_or_default).sum())
        };
        let connections = connections(older, newer, span);
        Self {
            node: figures.node.clone(),
            version: figures.version.clone(),
            pid: figures.pid,
            up_s: figures.uptime_ms / 1_000,
            over_ms,
            generation: figures.generation,
            draining: figures.draining,
            silent: figures.silent.clone(),
            clients: figures.clients,
            calls: figures.calls,
            bindings: figures.bindings,
            transactions: figures.transactions,
            log_lost: figures.log_lost,
            requests_per_s: sum(&mut directions.iter().map(|it| it.per_s)),
            refused_per_s: sum(&mut refusals.iter().map(|it| it.per_s)),
            directions,
            refusals,
            peers: peers(newer, &connections),
            peers_left_off: figures.peers.left_off,
            connections: connections.into_iter().map(|(_, row)| row).collect(),
            connections_left_off: newer.peers.left_off + newer.clients.left_off,
        }
    }
}

/// Requests, failed ones among them.
#[derive(Clone, Copy, Default)]
struct Counted {
    all: u64,
    failed: u64,
}

/// By direction and kind.
fn counted(reading: Option<&DaemonReading>) -> BTreeMap<(&str, bool), Counted> {
    let mut sums: BTreeMap<_, Counted> = BTreeMap::new();
    // All methods but INVITE are one kind: RFC 3261 §17 knows two, and only an INVITE waits for a person.
    for request in reading.into_iter().flat_map(|it| &it.figures.requests) {
        let key = (request.direction.as_str(), request.method == "INVITE");
        let sum = sums.entry(key).or_default();
        sum.all += request.count;
        // A 4xx is an everyday answer: a challenge, or somebody who is busy.
        if ["5xx", "6xx"].contains(&request.class.as_str()) {
            sum.failed += request.count;
        }
    }
    sums
}

/// By direction and kind, the most frequent of now first.
fn directions(
    older: Option<&DaemonReading>,
    newer: &DaemonReading,
    span: Span,
) -> Vec<DirectionRates> {
    let before = counted(older);
    let now = counted(Some(newer));
    let mut rows: Vec<DirectionRates> = now
        .into_iter()
        .map(|(key, now)| {
            let (direction, is_invite) = key;
            let before = before.get(&key).copied().unwrap_or_default();
            let kind = if is_invite { "invite" } else { "non_invite" };
            // What this node answers by itself has no time.
            let is_this = |it: &&RequestTimes| it.direction == direction && it.kind == kind;
            let old = older.and_then(|it| it.figures.times.iter().find(is_this));
            let times = newer.figures.times.iter().find(is_this);
            let quantile = |share| times.and_then(|times| quantile(old, times, share));
            DirectionRates {
                direction: direction.to_owned(),
                kind,
                per_s: span.rate(now.all, before.all),
                failed_per_s: span.rate(now.failed, before.failed),
                count: now.all,
                median_ms: quantile(0.5),
                p95_ms: quantile(0.95),
            }
        })
        .collect();
    // Of rates that are the same, as of an idle node, what was frequent before comes first.
    rows.sort_by(|a, b| {
        let rates = b.per_s.partial_cmp(&a.per_s);
        let rates = rates.unwrap_or(std::cmp::Ordering::Equal);
        rates.then(b.count.cmp(&a.count))
    });
    rows
}

/// The time within which so large a share was answered, in milliseconds: even within a bucket, as Prometheus'
/// `histogram_quantile` has it. What lies beyond the last bucket counts as its end.
fn quantile(older: Option<&RequestTimes>, newer: &RequestTimes, share: f64) -> Option<f64> {
    let before = |at: usize| older.and_then(|it| it.buckets.get(at)).map_or(0, |it| it.1);
    let all = newer.count.saturating_sub(older.map_or(0, |it| it.count));
    if all == 0 {
        return None;
    }
    // How many of them took no longer than the time that is looked for.
    let wanted = share * all as f64;
    let (mut begin, mut below) = (0.0, 0.0);
    for (at, (end, count)) in newer.buckets.iter().enumerate() {
        // Buckets hold what took no longer than their end: the difference of two is what lies between.
        let up_to = count.saturating_sub(before(at)) as f64;
        if up_to >= wanted {
            let within = (wanted - below) / (up_to - below).max(1.0);
            return Some((begin + (end - begin) * within) * 1_000.0);
        }
        (begin, below) = (*end, up_to);
    }
    Some(begin * 1_000.0)
}

/// By event and reason, those of now first.
fn refusals(older: Option<&DaemonReading>, newer: &DaemonReading, span: Span) -> Vec<RefusalRate> {
    let key = |it: &EventCount| (it.event.clone(), it.reason.clone());
    let before = older.into_iter().flat_map(|it| &it.figures.refused);
    let before: HashMap<_, u64> = before.map(|it| (key(it), it.count)).collect();
    let rows = newer.figures.refused.iter().map(|it| {
        let before = before.get(&key(it)).copied().unwrap_or_default();
        RefusalRate {
            event: it.event.clone(),
            reason: it.reason.clone().unwrap_or_default(),
            per_s: span.rate(it.count, before),
            count: it.count,
        }
    });
    let mut rows: Vec<RefusalRate> = rows.collect();
    rows.sort_by(|a, b| {
        let rates = b.per_s.partial_cmp(&a.per_s);
        let rates = rates.unwrap_or(std::cmp::Ordering::Equal);
        rates.then(b.count.cmp(&a.count))
    });
    rows
}

/// Each connection with its peer.
fn connections(
    older: Option<&DaemonReading>,
    newer: &DaemonReading,
    span: Span,
) -> Vec<(Option<String>, ConnectionRates)> {
    let all = |it: &'_ DaemonReading| -> Vec<ListedConnection> {
        let rows = it.peers.rows.iter().chain(&it.clients.rows);
        rows.cloned().collect()
    };
    let before = older.map(all).unwrap_or_default();
    // Found by their numbers, which no other connection ever has.
    let before = before
        .iter()
        .map(|it| (it.connection, (it.messages_in, it.messages_out)));
    let before: HashMap<_, _> = before.collect();
    let rows = all(newer).into_iter().map(|it| {
        // One that has come since began with nothing.
        let (old_in, old_out) = before.get(&it.connection).copied().unwrap_or_default();
        // As in `sipward connections`, so that one is found in the other.
        let who = match (&it.peer, it.users.is_empty()) {
            (Some(peer), _) => peer.clone(),
            (None, false) => listed(&it.users),
            (None, true) => "client".to_owned(),
        };
        let row = ConnectionRates {
            connection: it.connection,
            who,
            remote: it.remote.to_string(),
            through: it.listener.unwrap_or_else(|| "dialled".to_owned()),
            since: it.since,
            in_per_s: span.rate(it.messages_in, old_in),
            out_per_s: span.rate(it.messages_out, old_out),
            messages: it.messages_in + it.messages_out,
            queued: it.queued,
            withdrawn: it.withdrawn,
        };
        (it.peer, row)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, row)| row.connection);
    rows
}

/// Each peer with what its connections carry.
fn peers(
    newer: &DaemonReading,
    connections: &[(Option<String>, ConnectionRates)],
) -> Vec<PeerRates> {
    let mut sums: HashMap<&str, (f64, f64)> = HashMap::new();
    let mut known = false;
    // The daemon counts messages for each connection alone, and a peer is what its connections carry.
    for (peer, row) in connections {
        let (Some(peer), Some(came), Some(went)) = (peer, row.in_per_s, row.out_per_s) else {
            continue;
        };
        let sum = sums.entry(peer).or_default();
        *sum = (sum.0 + came, sum.1 + went);
        known = true;
    }
    let rows = newer.figures.peers.rows.iter().map(|figures| {
        let sum = sums.get(figures.peer.as_str()).copied();
        // Without a connection nothing passes.
        let sum = known.then(|| sum.unwrap_or_default());
        PeerRates {
            figures: figures.clone(),
            in_per_s: sum.map(|it| it.0),
            out_per_s: sum.map(|it| it.1),
        }
    });
    rows.collect()
}
