//! The keys of `[limits]`: every bound, with a safe default.
use super::key::{DAY, HOUR, MINUTE, SECOND, ValueType};
use super::{Compare, Compared as _, Every, FromToml, Key, Show, ShownValue, ToToml, keys};
use crate::topology::TopologyReason;
use crate::topology::findings::{Findings, Source};
use crate::topology::machine_memory;
use crate::topology::network::network;
use crate::topology::show_duration;
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// Below this no handshake on loopback would succeed; above it a slow sender holds memory for too long.
///
/// Every time that a remote can make the daemon wait has this range.
const WAIT: (u64, u64) = (10, HOUR);
/// An idle client may be silent for as long as its registration lasts, a week at most.
const IDLE: (u64, u64) = (10, 7 * DAY);
/// A link id has 24 bits for its slot in a shard.
///
/// More could be accepted, but not numbered.
const SLOTS: (u64, u64) = (1, 16_000_000);

/// Addresses and networks of a list, each as [`network`] reads it.
#[derive(Clone, Debug, Default)]
pub struct Networks(pub Arc<[IpNet]>);

impl FromToml for Networks {
    /// What is no network is left out; `check` reports it.
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let list = value.get_ref().as_array()?;
        let texts = list.iter().filter_map(|entry| entry.get_ref().as_str());
        Some(Self(texts.filter_map(network).collect()))
    }
}

impl ToToml for Networks {
    fn to_toml(&self, _: ValueType) -> String {
        format!(
            "{:?}",
            self.0.iter().map(IpNet::to_string).collect::<Vec<_>>()
        )
    }
}

impl Show for Networks {
    fn show(&self) -> ShownValue {
        ShownValue::list(&*self.0)
    }
}

/// The bound on what all parties together make this node hold; without a value a quarter of the machine's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBound(pub Option<usize>);

impl MemoryBound {
    /// In bytes: as it was written, or by what this process may use.
    pub fn bytes(self) -> usize {
        // In whole MiB, since people read it.
        const MIB: usize = 1024 * 1024;
        let whole = |bytes: usize| (bytes / MIB).max(1) * MIB;
        self.0
            .unwrap_or_else(|| whole(machine_memory::usable() / 4))
    }
}

impl FromToml for MemoryBound {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        usize::from_toml(value).map(|bytes| Self(Some(bytes)))
    }
}

impl Show for MemoryBound {
    /// What counts: an operator who has not set it wants to see what a quarter comes to.
    fn show(&self) -> ShownValue {
        self.bytes().show()
    }
}

/// Declares the bounds: a unit (`count`, `bytes`, `time` in milliseconds, `networks`), default, range, effect and meaning.
///
/// The rows are of one form, so a macro of their own leaves out what would be repeated twenty times.
/// `count` and `bytes` are both numbers in Rust; only the unit decides how they are written and shown.
macro_rules! limits {
    ($($field:ident: $unit:ident $default:expr, $range:expr, $effect:ident, $meaning:literal;)+) => {
        keys! {
            /// `[limits]`: every bound, with safe defaults.
            #[derive(Clone, Debug)]
            pub struct Limits compares (), Limits {
                $($field: limits!(@type $unit) = default(limits!(@default $unit, $default)), limits!(@value $unit, $range),
                    $effect, $meaning;)+
                memory: MemoryBound = optional("a quarter of the memory of the machine, or of its cgroup"), ValueType::Size(MIB, 1024 * 1024 * MIB), reload,
                    "Memory that all connections, requests, answers, bindings and calls together may take. From seven eighths on a request that begins something is answered 503; beyond it connections are closed, first those of the source that takes most, and of registered clients last.";
            }
        }
    };
    (@type time) => { Duration };
    (@type every) => { Every };
    (@type networks) => { Networks };
    (@type $number:ident) => { usize };
    (@default time, $default:expr) => { Duration::from_millis($default) };
    (@default every, $default:expr) => { Every(Some(Duration::from_millis($default))) };
    (@default $other:ident, $default:expr) => { $default };
    (@value count, $range:expr) => { ValueType::Integer($range.0, $range.1) };
    (@value bytes, $range:expr) => { ValueType::Size($range.0, $range.1) };
    (@value time, $range:expr) => { ValueType::Duration($range.0, $range.1, None) };
    (@value networks, $range:expr) => { ValueType::Texts($range.0, $range.1) };
    (@value every, $range:expr) => { ValueType::Duration($range.0, $range.1, Some("off")) };
}

// The defaults are for a node with some ten thousand clients and a few hundred peers. What a remote can
// pile up is bounded per connection, per source and per shard, so that neither one client nor a crowd
// can take what others need.
limits! {
    head_bytes: bytes 32 * 1024, (KIB, MIB), reload,
        "Bytes of a message up to the end of its header fields.";
    body_bytes: bytes 256 * 1024, (KIB, 64 * MIB), reload,
        "Bytes of a message body.";
    head_timeout: time 10 * SECOND, WAIT, reload,
        "From the first byte of a message to the end of its head.";
    body_timeout: time 30 * SECOND, WAIT, reload,
        "From the first byte of a message to the end of its body.";
    handshake_timeout: time 10 * SECOND, WAIT, reload,
        "From accepting a connection, or from the end of its balancer's header, to the end of its handshake; the time in which a whole ClientHello waits for the node does not count.";
    proxy_header_timeout: time 5 * SECOND, WAIT, reload,
        "From accepting a connection of a balancer (`proxy_protocol`) to the end of its header.";
    // A handshake that waits for its remote holds some 20 KiB.
    handshakes: count 500, (1, 100_000), reload,
        "Handshakes at a time, from a whole ClientHello on, for each shard; a quarter is kept for peers and for sources that were known lately. What comes on top waits; where few end by themselves, one that has been under way for three seconds makes room.";
    waiting: count 20_000, SLOTS, reload,
        "Connections, all shards together, that have not sent their ClientHello or wait for a handshake; beyond that the oldest of the fullest source is closed.";
    connections: count 30_000, SLOTS, reload,
        "Inbound connections in each shard.";
    connections_per_source: count 5_000, SLOTS, reload,
        "Connections from one source, an IPv4 address or an IPv6 /64, all shards together.";
    deny: networks Networks::default(), (0, 10_000), reload,
        "Addresses and networks whose connections are refused before their handshake, and closed by a reload; behind a balancer its client's address counts. `sipward deny` does the same for a time.";
    connects_per_source: count 2_000, SLOTS, reload,
        "Connections that one source, an IPv4 address or an IPv6 /64, may begin in a second; more are closed.";
    // Nobody honest meets it: a gateway that carries 2,000 calls and 6,000 texts a second over one connection sends 12,000.
    client_rate: count 50_000, (1, 100_000_000), reload,
        "Requests a second that one client connection may begin; more are answered 503 with Retry-After, and what belongs to dialogs passes. When it has sent twice as many messages of any kind, nothing is read from it for the rest of the time.";
    client_burst: count 50_000, (1, 100_000_000), reload,
        "Requests that one client connection may begin at once, as part of that rate.";
    // Not a bound on what a remote can do, but it belongs with the numbers that are tuned.
    gather: count 32, (0, 100_000), reload,
        "Connections that a shard may have more than the emptiest one before the next shard gets some: little traffic costs least on one core. 0 spreads them evenly. A shard that has worked for more than half of the last second gets no more while another is clearly less busy.";
    client_idle: time 15 * MINUTE, IDLE, reload,
        "A client connection without a message or keep-alive is closed after this, unless it holds a binding.";
    // Below the time after which common NATs forget a TCP connection.
    ping_clients: every 2 * MINUTE, (SECOND, DAY), reload,
        "The silence after which a client connection that holds a binding gets an empty line, which finds out the dead. `\"off\"`: never.";
    bindings: count 200_000, SLOTS, reload,
        "Bindings (registered clients) at a time, all shards together. A further one takes the place of one whose connection is gone, or is not kept.";
    bindings_per_client: count 16, (1, 10_000), reload,
        "Bindings that one client connection may hold.";
    bindings_per_user: count 100, (1, 10_000), reload,
        "Bindings of one user (address of record) in each shard: a hotline's phones have one each. A further one takes the place of one of the user's whose connection is gone, or is not kept. A hash says which shard has a binding, so that a user has room for this many at least, and for this many times the shards at most.";
    binding_grace: time 10 * MINUTE, IDLE, reload,
        "How long a binding is kept whose connection is gone; its expiry may end it sooner.";
    calls: count 100_000, SLOTS, reload,
        "Answered calls that are kept until they end, all shards together, for `status` and `call_ended`; each takes about 600 bytes, 2 KiB at most. A further one goes on, and is not kept.";
    calls_per_client: count 1_000, (1, 1_000_000), reload,
        "The same of one client, in each shard.";
    // A tenth of all. An office of 20,000 phones behind one address has 2,000 calls at a time.
    calls_per_source: count 10_000, SLOTS, reload,
        "The same of all clients of one source, an IPv4 address or an IPv6 /64, all shards together, with what those have left that have gone. What its calls take counts for `memory_per_source`. Peers have no such bound.";
    call_idle: time 12 * HOUR, IDLE, reload,
        "An answered call ends here after this without a BYE, a re-INVITE or a refresh of its session; an unrefreshed session ends it sooner.";
    first_message: time MINUTE, WAIT, reload,
        "A new client connection must send its first message within this.";
    connect_timeout: time 5 * SECOND, WAIT, reload,
        "To resolve, connect and shake hands with one address of a peer.";
    backoff_min: time 500, WAIT, reload,
        "First pause after a failed connect; it doubles up to `backoff_max`.";
    backoff_max: time 30 * SECOND, WAIT, reload,
        "Longest pause between connects to a peer.";
    connect_queue: count 1_000, (1, 1_000_000), reload,
        "Requests that wait for one peer's connect, in each shard.";
    send_queue: bytes 1024 * 1024, (4 * KIB, 1024 * MIB), reload,
        "Bytes waiting for a socket before no new request goes there, but for those of dialogs and of connections for which little is kept. ACKs, provisional responses and repeated 2xx pass up to 8 KiB each, a quarter of this in all. At twice this it is closed, a server's if it has taken nothing for two seconds.";
    transactions: count 200_000, SLOTS, reload,
        "Transactions at a time in each shard that have no final answer yet; requests of dialogs may take an eighth more, BYE two.";
    transactions_per_client: count 200, (1, 1_000_000), reload,
        "Transactions at a time from one client connection that have no final answer yet; requests of dialogs may take an eighth more, BYE two; as many BENOTIFY a second, which leave none.";
    // A connection is no budget: whoever has 200 requests wait, leaves and comes again has them all in one.
    transactions_per_source: count 20_000, SLOTS, reload,
        "The same of all clients of one source, an IPv4 address or an IPv6 /64, in each shard, those that have gone included.";
    transactions_per_peer: count 100_000, SLOTS, reload,
        "The same of all connections with one peer, in each shard.";
    memory_per_client: bytes 16 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "Memory that one client connection may take: its requests that have no final answer, a message of which a part has come, encrypted or not, and what it does not read. Beyond that its requests are answered 503; requests of dialogs may take an eighth more, BYE two.";
    // With `answered_per_source` less than 400 MB, whatever one source does.
    memory_per_source: bytes 128 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "The same of all clients of one source, all shards together, with their connections, about 10 KiB each and the certificates that they have shown, and what those have left that have gone. Beyond that those of its connections are closed that take most.";
    memory_per_peer: bytes 512 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "Memory that all connections with one peer may take, as for a client, all shards together.";
    // A call waits for half a minute after its answer: 16 MiB are 2,700 calls a second over one connection.
    answered: bytes 512 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "Memory of INVITEs in each shard that have their final answer and wait for an ACK or a further answer, 192 bytes each for 32 seconds at most; beyond that an INVITE is answered 503.";
    answered_per_client: bytes 16 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "The same of one client connection.";
    // 40,000 calls a second: more than any one place has.
    answered_per_source: bytes 240 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "The same of all clients of one source, all shards together, with what those have left that have gone.";
    answered_per_peer: bytes 256 * 1024 * 1024, (KIB, 64 * 1024 * MIB), reload,
        "The same of all connections with one peer, all shards together.";
    // Half of its transactions: calls that ring leave room for what else a phone sends.
    invites_per_client: count 100, (1, 1_000_000), reload,
        "INVITEs without a final answer at a time from one client connection; re-INVITEs may take an eighth more. More are answered 503.";
    failed_logins: count 10, (1, 1_000_000), reload,
        "Requests with credentials that are answered 401, 403 or 407 (an old nonce aside) in a minute, from one source and for one account; more are answered 503. Ten times as many of one source, or of one account from there, may wait for an answer at a time. Who has registered from that source is counted apart; a connection that holds a binding has ten times as many.";
    // systemd kills after TimeoutStopSec, so the daemon asks for more time when this is longer.
    drain: time 10 * SECOND, WAIT, reload,
        "How long SIGTERM lets transactions finish.";
    // Phones are back within seconds, and each is a handshake and a registration for the home servers.
    handover: time 10 * MINUTE, IDLE, reload,
        "Over how long `sipward upgrade` and `sipward drain --clients` let clients go, one after the other.";
    // The queue is made once, with the thread that empties it.
    log_queue: count 8_192, (16, 1_000_000), restart,
        "Log lines waiting for the writer; what comes on top is dropped and counted.";
}

/// Holds the bounds against each other.
///
/// Not in the rows: a row knows nothing of the others.
pub(super) fn check(
    limits: &Limits,
    document: &DeTable<'_>,
    source: &Source<'_>,
    found: &mut Findings,
) {
    let section = document.get("limits").map(Spanned::get_ref);
    if let Some(DeValue::Table(table)) = section
        && let Some(denied) = table.get("deny").and_then(|it| it.get_ref().as_array())
    {
        for entry in denied.iter() {
            // What is no text was reported by its type.
            let Some(text) = entry.get_ref().as_str().filter(|it| network(it).is_none()) else {
                continue;
            };
            let what = format!("limits.deny: \"{text}\" is not an address or a network");
            let remedy = "write an IP address, or a network without bits behind its prefix: \"192.0.2.1\", \"192.0.2.0/24\", \"2001:db8::/64\"";
            found.add(
                TopologyReason::InvalidNetwork,
                source.line_of(entry),
                what,
                remedy,
            );
        }
    }
    let (least, most) = (limits.backoff_min, limits.backoff_max);
    if least <= most {
        return;
    }
    // The one that was written; if both were, the first of them.
    let line = ["backoff_min", "backoff_max"]
        .into_iter()
        .find_map(|key| match section {
            Some(DeValue::Table(table)) => table.get(key).map(|value| source.line_of(value)),
            _ => None,
        });
    let what = format!(
        "limits.backoff_min ({}) is longer than limits.backoff_max ({})",
        show_duration(least),
        show_duration(most)
    );
    let remedy = "make backoff_max the longer of the two";
    found.add(TopologyReason::OutOfRange, line.unwrap_or(1), what, remedy);
}

/// A bound of a loaded topology.
///
/// For `check`, which lists those that differ from their default, and for a plan, which reports those
/// that became smaller.
pub(crate) struct Limit {
    /// The key.
    pub(crate) key: &'static Key,
    /// Things, bytes or milliseconds.
    pub(crate) number: u64,
    /// As an operator reads it.
    pub(crate) shown: String,
    /// Its default.
    pub(crate) default: String,
}

impl Limits {
    /// What another generation has otherwise.
    ///
    /// One line for each limit: in a log they are searched for by name.
    pub(crate) fn changes(&self, newer: &Self) -> Vec<String> {
        let rows = Self::KEYS.iter().zip(Self::COMPARE);
        rows.filter_map(|(key, compare)| {
            let Compare::Value(value) = compare else {
                return None;
            };
            let (old, new) = (value(&(), self), value(&(), newer));
            // Of a list what came and went: it may be long.
            if let ShownValue::List(_) = old {
                return Some(format!("limit {}", key.change(&old, &new)?));
            }
            let (before, now) = (key.show(&old), key.show(&new));
            let changed = || format!("limit {} changed from {before} to {now}", key.name);
            (old != new).then(changed)
        })
        .collect()
    }

    /// Every bound with its default, in the order of the docs.
    ///
    /// A time that is switched off is no number, and left out.
    pub(crate) fn all(&self) -> Vec<Limit> {
        let defaults = Self::default();
        let rows = Self::KEYS.iter().zip(Self::COMPARE);
        rows.filter_map(|(key, compare)| {
            let Compare::Value(value) = compare else {
                return None;
            };
            let (shown, default) = (value(&(), self), value(&(), &defaults));
            Some(Limit {
                key,
                number: shown.number()?,
                shown: key.show(&shown),
                default: key.show(&default),
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_changed_limit_has_a_line_where_one_is_switched_off_too() {
        let old = Limits::default();
        let new = Limits {
            ping_clients: Every(None),
            connections: 7,
            deny: Networks(["203.0.113.0/24".parse().unwrap()].into()),
            ..Limits::default()
        };
        let lines = old.changes(&new);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "limit connections changed from 30000 to 7");
        assert!(
            lines[1].contains("deny") && lines[1].contains("203.0.113.0/24"),
            "{lines:?}"
        );
        assert_eq!(lines[2], "limit ping_clients changed from 2m to off");
        assert_eq!(new.changes(&old).len(), 3);
        assert!(new.changes(&new.clone()).is_empty());
    }
}
