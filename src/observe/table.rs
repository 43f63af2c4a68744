//! The table of events: for each its stable name, level, occasion and fields. docs/events.md is held against it.
use super::Event;
use tracing::Level;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// A JSON number.
    Number,
    /// A JSON boolean.
    Flag,
    /// A JSON array of strings.
    List,
}

/// A field that events have.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key; the same key means the same in every event.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether the format for terminals shows it as well.
    pub human: bool,
    /// Meaning and unit.
    pub meaning: &'static str,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The stable name.
    pub name: &'static str,
    /// How serious it is.
    pub level: Level,
    /// Another level, and what makes it so.
    pub otherwise: Option<(Level, &'static str)>,
    /// When it is written.
    pub when: &'static str,
    /// The keys of its fields, in order; a `?` at the end marks one that may be missing.
    pub fields: &'static [&'static str],
}

impl Row {
    /// The keys without the mark for missing ones.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|key| key.trim_end_matches('?'))
    }
}

/// The field of this key.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

const fn field_of(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field {
        name,
        kind,
        human: true,
        meaning,
    }
}

/// A field that is left out on a terminal.
const fn detail_of(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field {
        name,
        kind,
        human: false,
        meaning,
    }
}

use Kind::{Flag, List, Number, Text};

/// Every field of every event.
#[rustfmt::skip]
pub static FIELDS: &[Field] = &[
    field_of("version", Text, "`start`: the package's version; `handshake_accepted`: the TLS version"),
    field_of("topology", Text, "the topology file"),
    field_of("shards", Number, "shards that run"),
    field_of("listener", Text, "a listener's name"),
    field_of("address", Text, "the bound address and port"),
    field_of("accept", Text, "who may come in there: `clients`, `peers` or `both`"),
    field_of("generation", Number, "the loaded topology that serves or that decided, counted from 1 in each run"),
    field_of("code", Text, "the warning's identifier"),
    field_of("what", Text, "the warning's sentence"),
    field_of("direction", Text, "`inbound`: they connected to us; `outbound`: we to them"),
    field_of("connection", Number, "the connection, unique in this run"),
    field_of("remote", Text, "the other side's address and port"),
    field_of("via", Text, "the listener's name (inbound) or the dialled peer's FQDN (outbound)"),
    field_of("sni", Text, "the server name that was asked for"),
    detail_of("cipher", Text, "the TLS cipher suite"),
    detail_of("group", Text, "the key exchange group"),
    field_of("reason", Text, "the reason code"),
    field_of("detail", Text, "what the decision, the TLS library or the system said; of an alert: what it says about us"),
    field_of("alert", Number, "the TLS alert's number"),
    field_of("identity", Text, "our identity whose certificate was shown"),
    detail_of("shown_subjects", List, "the subjects of the chain that we showed, leaf first"),
    field_of("shown_fingerprints", List, "the SHA-256 in hex of the certificates that we showed, leaf first"),
    field_of("of", Text, "the event that each of them would have been"),
    field_of("count", Number, "how many"),
    field_of("decision", Text, "the trust decision's id: same chain, direction and generation, same id"),
    field_of("verdict", Text, "the trust decision: `accept` (a peer), `client` or `refuse`"),
    field_of("peer", Text, "the peer's FQDN in the topology; missing for a client"),
    field_of("matched", Text, "the presented name that matched the peer"),
    detail_of("matched_kind", Text, "where it stood: `sip_uri`, `dns`, `wildcard` or `common_name`"),
    field_of("names", List, "the presented names that count as identities"),
    detail_of("subjects", List, "the certificates' subjects, leaf first"),
    detail_of("fingerprints", List, "the certificates' SHA-256 in hex, leaf first"),
    detail_of("trust", Text, "the trust set whose anchor vouched"),
    detail_of("anchor", Text, "that anchor's subject"),
    detail_of("crl", Text, "issuer of the CRL that was used for the leaf"),
    detail_of("crl_age_s", Number, "seconds since that CRL's thisUpdate"),
    detail_of("purpose", Text, "the extended key usage that satisfied, `none` without that extension"),
    detail_of("valid_until", Number, "the leaf's notAfter in Unix seconds"),
    field_of("line", Number, "the line of the topology file that decided"),
    field_of("took_us", Number, "duration in microseconds"),
    field_of("by", Text, "who closed: `us` or `them`"),
    field_of("trust_reason", Text, "why trust was withdrawn from the connection: the new reason code"),
    field_of("new_decision", Text, "the id of the decision that refuses what another one had accepted"),
    field_of("messages_in", Number, "SIP messages received on the connection"),
    field_of("messages_out", Number, "SIP messages sent on the connection"),
    field_of("open_ms", Number, "how long the connection was open, in milliseconds"),
    field_of("method", Text, "the SIP method"),
    field_of("call_id", Text, "the Call-ID"),
    field_of("from_peer", Text, "FQDN of the peer that sent the request; missing: a client"),
    field_of("to_peer", Text, "FQDN of the peer that got the request"),
    field_of("to_client", Flag, "whether a client got the request; false without `to_peer`: nobody did"),
    field_of("status", Number, "the final SIP status sent back; missing: none was (ACK)"),
    field_of("shard", Number, "the shard, from 0"),
    field_of("path", Text, "the control socket"),
    field_of("command", Text, "the command, `none` when the sender was not let that far"),
    field_of("uid", Number, "the user whose process commands"),
    field_of("pid", Number, "that process"),
    field_of("trigger", Text, "who asked for the reload: `signal`, `control` (the control socket) or `watch` (a file changed)"),
    field_of("retry_in_ms", Number, "pause before the next connect or the next request, in milliseconds"),
    field_of("down_ms", Number, "how long it was down, in milliseconds"),
    field_of("result", Text, "`ok`: the new generation serves; `refused`: the old one stays"),
    field_of("details", List, "what changed, what waits for a restart, or every fault; `forecast`: time and kind of everything that ends"),
    detail_of("served", List, "what a handshake with each of our own listeners found after the reload"),
    field_of("file", Text, "the CRL's file, or the URI that it was fetched from"),
    field_of("uri", Text, "the distribution point"),
    field_of("issuer", Text, "the CRL's issuer"),
    field_of("revoked", Number, "certificates that the CRL lists"),
    field_of("next_update", Number, "the CRL's nextUpdate in Unix seconds"),
    field_of("series", Text, "what stands for an issuer's key and scope in `sipward crls`"),
    field_of("number", Text, "the highest CRL number that was proven; beyond 128 bits in hex"),
    field_of("left_s", Number, "seconds until then"),
    field_of("ends_at", Number, "when the next of our certificates, anchors, windows or the peers' certificates ends, Unix seconds"),
    field_of("relaxed", List, "peers whose certificate gets in only because their `purpose` is not `strict`"),
    field_of("transactions", Number, "transactions that wait for an answer; missing: a shard did not say in time"),
    field_of("abandoned", Number, "transactions that did not finish in time"),
    field_of("target", Text, "the module that speaks"),
    field_of("message", Text, "what it says"),
    field_of("lines", Number, "lines that are missing since the last such event"),
];

const fn row(
    name: &'static str,
    level: Level,
    when: &'static str,
    fields: &'static [&'static str],
) -> Row {
    Row {
        name,
        level,
        otherwise: None,
        when,
        fields,
    }
}

impl Row {
    const fn or(mut self, level: Level, condition: &'static str) -> Self {
        self.otherwise = Some((level, condition));
        self
    }
}

#[rustfmt::skip]
static START: Row = row("start", Level::INFO, "the daemon begins", &["version", "topology", "shards"]);
#[rustfmt::skip]
static START_REFUSED: Row = row("start_refused", Level::ERROR,
    "the daemon cannot start; `reason` is `topology_faults`, `listen_failed` or `start_failed`", &["topology", "reason", "details"]);
#[rustfmt::skip]
static LISTENING: Row = row("listening", Level::INFO, "a listener is bound", &["listener", "address", "accept"]);
#[rustfmt::skip]
static READY: Row = row("ready", Level::INFO, "sockets and trust are in place", &["generation"]);
#[rustfmt::skip]
static CONTROL_LISTENING: Row = row("control_listening", Level::INFO, "the control socket takes commands", &["path"]);
#[rustfmt::skip]
static CONTROL_UNAVAILABLE: Row = row("control_unavailable", Level::WARN,
    "there is no control socket, and the daemon serves without one; `reason` is `socket_in_use` or `socket_unusable`",
    &["path", "reason", "detail"]);
#[rustfmt::skip]
static CONTROL_REQUEST: Row = row("control_request", Level::INFO,
    "somebody used the control socket for something that changes the daemon", &["command", "uid", "reason?"])
    .or(Level::WARN, "it was refused");
#[rustfmt::skip]
static TOKEN_KEY_RANDOM: Row = row("token_key_random", Level::WARN,
    "no token key file: the routes of dialogs are void after a restart and on other nodes, the paths of registrations too",
    &[]);
#[rustfmt::skip]
static WARNING: Row = row("warning", Level::WARN, "something works but will surprise", &["code", "what"]);
#[rustfmt::skip]
static HANDSHAKE_ACCEPTED: Row = row("handshake_accepted", Level::INFO,
    "a connection may be used; the fields from `reason` on are there for a peer, and for a client that has shown a certificate",
    &["direction", "connection", "remote", "via", "sni?", "version", "cipher", "group", "took_us", "reason?",
      "decision?", "verdict?", "peer?", "matched?", "matched_kind?", "names?", "subjects?", "fingerprints?", "trust?",
      "anchor?", "crl?", "crl_age_s?", "purpose?", "valid_until?", "generation?", "line?"]);
#[rustfmt::skip]
static HANDSHAKE_REFUSED: Row = row("handshake_refused", Level::WARN,
    "we refused a handshake; the fields from `decision` on are there when a certificate was judged",
    &["direction", "remote", "via", "sni?", "reason", "detail?", "decision?", "verdict?", "peer?", "matched?",
      "matched_kind?", "names?", "subjects?", "fingerprints?", "trust?", "anchor?", "crl?", "crl_age_s?", "purpose?",
      "valid_until?", "generation?", "line?"]);
#[rustfmt::skip]
static HANDSHAKE_REFUSED_BY_PEER: Row = row("handshake_refused_by_peer", Level::WARN,
    "the other side refused us with an alert; what we had shown is in it, and from `decision` on what we thought of them",
    &["direction", "remote", "via", "sni?", "reason", "alert", "detail", "identity?", "shown_subjects?",
      "shown_fingerprints?", "decision?", "verdict?", "peer?", "matched?", "matched_kind?", "names?", "subjects?",
      "fingerprints?", "trust?", "anchor?", "crl?", "crl_age_s?", "purpose?", "valid_until?", "generation?", "line?"]);
#[rustfmt::skip]
static HANDSHAKE_ABORTED: Row = row("handshake_aborted", Level::INFO,
    "a handshake ended unfinished and without a refusal: closed, reset, out of time, or nobody was there",
    &["direction", "remote", "via", "sni?", "reason", "detail?"]);
#[rustfmt::skip]
static HANDSHAKES_SUPPRESSED: Row = row("handshakes_suppressed", Level::WARN,
    "failed handshakes of one kind beyond the 20 that are told one by one in 10 seconds; with these the events give the \
     exact number",
    &["of", "direction", "reason", "peer?", "count"]);
#[rustfmt::skip]
static CLIENTS_SUPPRESSED: Row = row("clients_suppressed", Level::INFO,
    "connections of clients that were accepted, or closed for one reason, beyond the 20 that are told one by one in 10 \
     seconds; with these the events give the exact number",
    &["of", "reason?", "count"]);
#[rustfmt::skip]
static TRUST_WITHDRAWN: Row = row("trust_withdrawn", Level::WARN,
    "a live connection was judged again and lost its trust: it gets nothing new, what runs on it may finish within \
     `limits.drain`, then it is closed",
    &["connection", "direction", "remote", "peer?", "reason", "detail?", "decision?", "new_decision?"]);
#[rustfmt::skip]
static WOULD_REFUSE: Row = row("would_refuse", Level::WARN,
    "a peer with stage = \"observe\" was accepted as its entry says; `reason` is what its pins and the strictest policies \
     would have refused it for",
    &["direction", "remote", "reason", "detail?", "decision", "peer?", "line?"]);
#[rustfmt::skip]
static CONNECTION_CLOSED: Row = row("connection_closed", Level::INFO, "a connection that had been accepted ended",
    &["connection", "remote", "peer?", "by", "reason", "trust_reason?", "messages_in", "messages_out", "open_ms"]);
#[rustfmt::skip]
static REQUEST_RELAYED: Row = row("request_relayed", Level::INFO,
    "a request got its final answer (an ACK: was sent on); `[log] requests` chooses which",
    &["reason?", "method", "call_id", "remote", "from_peer?", "to_peer?", "to_client", "status?", "took_us"]);
#[rustfmt::skip]
static REQUEST_REFUSED: Row = row("request_refused", Level::WARN, "a request was refused by this node, `reason` says why",
    &["reason?", "method", "call_id", "remote", "from_peer?", "to_peer?", "to_client", "status?", "took_us"]);
#[rustfmt::skip]
static PEER_UP: Row = row("peer_up", Level::INFO, "the first connection of a shard to a peer is ready", &["peer", "shard"]);
#[rustfmt::skip]
static PEER_DOWN: Row = row("peer_down", Level::WARN,
    "the last connection of a shard to a peer is gone, or a connect failed", &["peer", "shard", "reason", "retry_in_ms?"]);
#[rustfmt::skip]
static MEMBER_DOWN: Row = row("member_down", Level::WARN,
    "no shard sends new requests to a peer while others can take them, until pings bring it back or the pause is over; \
     `reason` is `ping_timeout`, `ping_unavailable`, `connection_lost`, `connect_failed`, `silence` or `retry_after`",
    &["peer", "reason", "retry_in_ms?"]);
#[rustfmt::skip]
static MEMBER_UP: Row = row("member_up", Level::INFO, "a peer that was down takes new requests again",
    &["peer", "down_ms"]);
#[rustfmt::skip]
static LOOKUP_STALE: Row = row("lookup_stale", Level::WARN,
    "no name server answered for a peer's addresses: the last good answer serves past its TTL", &["peer"]);
#[rustfmt::skip]
static MESSAGE_DROPPED: Row = row("message_dropped", Level::WARN,
    "a response or an ACK may not be relayed; without `remote`: a response whose way back is gone, `peer` is whom it was for",
    &["reason", "remote?", "peer?"]);
#[rustfmt::skip]
static RELOAD: Row = row("reload", Level::INFO, "a reload was asked for and has ended",
    &["generation", "trigger", "result", "took_us", "details", "served"]).or(Level::ERROR, "refused");
#[rustfmt::skip]
static CRL_UPDATED: Row = row("crl_updated", Level::INFO,
    "a CRL came into force between two reloads; every live connection was judged again",
    &["trust", "file", "issuer", "revoked", "next_update", "generation"]);
#[rustfmt::skip]
static CRL_REFUSED: Row = row("crl_refused", Level::ERROR,
    "a CRL, or a file of them, is not used, `reason` says why; what was in force before stays",
    &["trust", "file", "issuer?", "reason", "detail"]);
#[rustfmt::skip]
static CRL_FETCH_FAILED: Row = row("crl_fetch_failed", Level::WARN,
    "a distribution point did not give a CRL, told once until that changes: `unreachable`, `fetch_timeout`, `http_status`, `fetch_too_large`, `not_http`, `special_address`; what is in force stays",
    &["trust", "uri", "reason", "detail"]);
#[rustfmt::skip]
static CRL_STALE_SOON: Row = row("crl_stale_soon", Level::WARN, "a fifth of a CRL's validity is left",
    &["trust", "file", "issuer", "next_update", "left_s"]);
#[rustfmt::skip]
static CRL_STALE: Row = row("crl_stale", Level::ERROR,
    "a CRL in force is past its nextUpdate; what it covers is refused when the trust set's grace, if any, is over",
    &["trust", "file", "issuer", "next_update"]);
#[rustfmt::skip]
static CRL_STATE_FAILED: Row = row("crl_state_failed", Level::ERROR,
    "a proven CRL cannot be kept in the state directory (`state_unwritable`, `state_full`), told once until that changes; it is in force, and a restart would forget it",
    &["file", "reason", "detail"]);
#[rustfmt::skip]
static CRL_FORGOTTEN: Row = row("crl_forgotten", Level::WARN,
    "an operator had what is known of an issuer's CRLs dropped (`sipward crls forget`): an older one can come into force",
    &["series", "issuer", "number?", "uid", "pid?", "generation"]);
#[rustfmt::skip]
static FORECAST: Row = row("forecast", Level::INFO,
    "at the start and once a day: what will end and when, of ours (with CRLs) and of what each peer showed last",
    &["generation", "ends_at?", "relaxed", "details"]).or(Level::WARN, "`ends_at` is less than 30 days ahead");
#[rustfmt::skip]
static DRAIN: Row = row("drain", Level::INFO, "stopping: no new connections, open transactions may finish", &["transactions?"]);
#[rustfmt::skip]
static STOPPED: Row = row("stopped", Level::INFO, "every connection is closed", &["abandoned"])
    .or(Level::WARN, "transactions were abandoned");
#[rustfmt::skip]
static LIBRARY: Row = row("library", Level::WARN, "a library warns; at most 20 in a second", &["target", "message"])
    .or(Level::ERROR, "the library says so");
#[rustfmt::skip]
static LOG_DROPPED: Row = row("log_dropped", Level::WARN,
    "lines before this one are missing: the queue was full, they could not be written, or libraries said too much",
    &["lines"]);

/// Every row, in the order of the documentation.
pub static ROWS: &[&Row] = &[
    &START,
    &START_REFUSED,
    &LISTENING,
    &READY,
    &CONTROL_LISTENING,
    &CONTROL_UNAVAILABLE,
    &CONTROL_REQUEST,
    &TOKEN_KEY_RANDOM,
    &WARNING,
    &HANDSHAKE_ACCEPTED,
    &HANDSHAKE_REFUSED,
    &HANDSHAKE_REFUSED_BY_PEER,
    &HANDSHAKE_ABORTED,
    &HANDSHAKES_SUPPRESSED,
    &CLIENTS_SUPPRESSED,
    &TRUST_WITHDRAWN,
    &WOULD_REFUSE,
    &CONNECTION_CLOSED,
    &REQUEST_RELAYED,
    &REQUEST_REFUSED,
    &PEER_UP,
    &PEER_DOWN,
    &MEMBER_DOWN,
    &MEMBER_UP,
    &LOOKUP_STALE,
    &MESSAGE_DROPPED,
    &RELOAD,
    &CRL_UPDATED,
    &CRL_REFUSED,
    &CRL_FETCH_FAILED,
    &CRL_STALE_SOON,
    &CRL_STALE,
    &CRL_STATE_FAILED,
    &CRL_FORGOTTEN,
    &FORECAST,
    &DRAIN,
    &STOPPED,
    &LIBRARY,
    &LOG_DROPPED,
];

impl Event {
    /// This event's row.
    pub fn row(&self) -> &'static Row {
        match self {
            Self::Start { .. } => &START,
            Self::StartRefused { .. } => &START_REFUSED,
            Self::Listening { .. } => &LISTENING,
            Self::Ready { .. } => &READY,
            Self::ControlListening { .. } => &CONTROL_LISTENING,
            Self::ControlUnavailable { .. } => &CONTROL_UNAVAILABLE,
            Self::ControlRequest { .. } => &CONTROL_REQUEST,
            Self::TokenKeyRandom => &TOKEN_KEY_RANDOM,
            Self::Warning { .. } => &WARNING,
            Self::HandshakeAccepted { .. } => &HANDSHAKE_ACCEPTED,
            Self::HandshakeRefused { .. } => &HANDSHAKE_REFUSED,
            Self::HandshakeRefusedByPeer { .. } => &HANDSHAKE_REFUSED_BY_PEER,
            Self::HandshakeAborted { .. } => &HANDSHAKE_ABORTED,
            Self::HandshakesSuppressed { .. } => &HANDSHAKES_SUPPRESSED,
            Self::ClientsSuppressed { .. } => &CLIENTS_SUPPRESSED,
            Self::TrustWithdrawn { .. } => &TRUST_WITHDRAWN,
            Self::WouldRefuse { .. } => &WOULD_REFUSE,
            Self::ConnectionClosed { .. } => &CONNECTION_CLOSED,
            Self::Request(request) if request.refused => &REQUEST_REFUSED,
            Self::Request(_) => &REQUEST_RELAYED,
            Self::PeerUp { .. } => &PEER_UP,
            Self::PeerDown { .. } => &PEER_DOWN,
            Self::MemberDown { .. } => &MEMBER_DOWN,
            Self::MemberUp { .. } => &MEMBER_UP,
            Self::LookupStale { .. } => &LOOKUP_STALE,
            Self::MessageDropped { .. } => &MESSAGE_DROPPED,
            Self::Reload { .. } => &RELOAD,
            Self::CrlUpdated { .. } => &CRL_UPDATED,
            Self::CrlRefused { .. } => &CRL_REFUSED,
            Self::CrlFetchFailed { .. } => &CRL_FETCH_FAILED,
            Self::CrlStaleSoon { .. } => &CRL_STALE_SOON,
            Self::CrlStale { .. } => &CRL_STALE,
            Self::CrlStateFailed { .. } => &CRL_STATE_FAILED,
            Self::CrlForgotten { .. } => &CRL_FORGOTTEN,
            Self::Forecast { .. } => &FORECAST,
            Self::Drain { .. } => &DRAIN,
            Self::Stopped { .. } => &STOPPED,
            Self::Library { .. } => &LIBRARY,
            Self::LogDropped { .. } => &LOG_DROPPED,
        }
    }

    /// The stable name.
    pub fn name(&self) -> &'static str {
        self.row().name
    }

    /// How serious this one is.
    pub fn level(&self) -> Level {
        let row = self.row();
        let other = row.otherwise.map_or(row.level, |(level, _)| level);
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others have one level")]
        let is_other = match self {
            Self::Reload { result, .. } => *result != "ok",
            Self::ControlRequest { reason, .. } => reason.is_some(),
            Self::Forecast { soon, .. } => *soon,
            Self::Stopped { abandoned } => *abandoned > 0,
            Self::Library { level, .. } => *level == other,
            _ => false,
        };
        if is_other { other } else { row.level }
    }
}
