//! The table of events: stable names with typed fields; callers pass values, never prose.
use crate::reason::Reason;
use crate::trust::Decision;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One line of the log.
#[derive(Clone, Debug)]
pub enum Event {
    /// `start`: the daemon begins, with version and topology file.
    Start {
        /// Package version.
        version: &'static str,
        /// The topology file.
        topology: PathBuf,
        /// How many shards run.
        shards: usize,
    },
    /// `start_refused`: the daemon cannot start.
    StartRefused {
        /// The topology file.
        topology: PathBuf,
        /// `topology_faults`, `listen_failed` or `start_failed`.
        reason: Reason,
        /// Every fault.
        details: Vec<String>,
    },
    /// `listening`: a listener is bound.
    Listening {
        /// Its name.
        listener: String,
        /// The bound address.
        address: SocketAddr,
        /// `clients`, `peers` or `both`.
        accept: &'static str,
    },
    /// `ready`: sockets and trust are in place.
    Ready {
        /// Generation that serves.
        generation: u64,
    },
    /// `control_listening`: the control socket takes commands.
    ControlListening {
        /// Its path.
        path: PathBuf,
    },
    /// `control_unavailable`: there is no control socket; the daemon serves without.
    ControlUnavailable {
        /// The path that was tried.
        path: PathBuf,
        /// `socket_in_use` or `socket_unusable`.
        reason: Reason,
        /// What hinders, and what to do.
        detail: String,
    },
    /// `control_request`: somebody commanded, or tried to.
    ControlRequest {
        /// The command.
        command: &'static str,
        /// Whose process it was.
        uid: u32,
        /// Why it was not carried out.
        reason: Option<Reason>,
    },
    /// `token_key_random`: no key file, so a restart ends every dialog's route and every registration's path.
    TokenKeyRandom,
    /// `warning`: something of the topology that works but will surprise.
    Warning {
        /// Stable identifier.
        code: Reason,
        /// The sentence.
        what: String,
    },
    /// `handshake_accepted`.
    HandshakeAccepted {
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// Connection number, unique in this run.
        connection: u64,
        /// The other side.
        remote: SocketAddr,
        /// Listener name (inbound) or peer FQDN (outbound).
        via: String,
        /// SNI received or sent.
        sni: Option<String>,
        /// Protocol version, e.g. `TLSv1.3`.
        version: String,
        /// Cipher suite.
        cipher: String,
        /// Key exchange group.
        group: String,
        /// The trust decision; `None` for a client.
        decision: Option<Arc<Decision>>,
        /// How long it took.
        took: Duration,
    },
    /// `handshake_refused`: we refused.
    HandshakeRefused {
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// The other side.
        remote: SocketAddr,
        /// Listener name (inbound) or peer FQDN (outbound).
        via: String,
        /// SNI received or sent.
        sni: Option<String>,
        /// Reason code: of the decision, or `not_tls`, `no_common_version`, `tls_error`, `too_many_handshakes`,
        /// `client_not_accepted` ...
        reason: Reason,
        /// What the TLS library or the decision says of it, if anything.
        detail: Option<String>,
        /// The decision that refused, if a certificate was judged.
        decision: Option<Arc<Decision>>,
    },
    /// `handshake_refused_by_peer`: they refused us, with an alert; in TLS 1.3 after our own handshake was done.
    HandshakeRefusedByPeer {
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// The other side.
        remote: SocketAddr,
        /// Listener name (inbound) or peer FQDN (outbound).
        via: String,
        /// SNI received or sent.
        sni: Option<String>,
        /// The alert as a code.
        reason: Reason,
        /// The alert's number on the wire.
        alert: u8,
        /// What it says about us.
        detail: &'static str,
        /// What we had shown; `None`: nothing yet, or they did not ask.
        shown: Option<Arc<Shown>>,
        /// Our decision about them, if it came so far.
        decision: Option<Arc<Decision>>,
    },
    /// `handshake_aborted`: it ended before it was finished and without a refusal.
    HandshakeAborted {
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// The other side.
        remote: SocketAddr,
        /// Listener name (inbound) or peer FQDN (outbound).
        via: String,
        /// SNI received or sent.
        sni: Option<String>,
        /// Reason code: `closed`, `reset`, `timeout`, `connection_refused` ...
        reason: Reason,
        /// What the system said, if anything.
        detail: Option<String>,
    },
    /// `handshakes_suppressed`: failed handshakes of one kind that were counted and not told one by one.
    HandshakesSuppressed {
        /// The event that each would have been.
        of: &'static str,
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// Their reason code.
        reason: Reason,
        /// Their peer, if they concern one.
        peer: Option<String>,
        /// How many.
        count: u64,
    },
    /// `clients_suppressed`: clients' connections that were counted and not told one by one.
    ClientsSuppressed {
        /// The event that each would have been.
        of: &'static str,
        /// Why they were closed; `None`: they were accepted.
        reason: Option<Reason>,
        /// How many.
        count: u64,
    },
    /// `trust_withdrawn`: a live connection has lost its trust; nothing new runs on it, and it will be closed.
    TrustWithdrawn {
        /// Connection number.
        connection: u64,
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// The other side.
        remote: SocketAddr,
        /// Peer FQDN; `None` for a client.
        peer: Option<String>,
        /// Why: the new decision's reason, or `own_certificate_replaced`, `listener_removed` ...
        reason: Reason,
        /// What the new decision says of it.
        detail: Option<String>,
        /// The id of the decision that had let it in.
        decision: Option<String>,
        /// The id of the decision that refuses it, if one was made.
        new_decision: Option<String>,
    },
    /// `would_refuse`: an observed peer was accepted as written; a stricter rule would have refused it.
    WouldRefuse {
        /// `inbound` or `outbound`.
        direction: &'static str,
        /// The other side.
        remote: SocketAddr,
        /// The decision; its `would_refuse` is what is told.
        decision: Arc<Decision>,
    },
    /// `connection_closed`.
    ConnectionClosed {
        /// Connection number.
        connection: u64,
        /// The other side.
        remote: SocketAddr,
        /// Peer FQDN; `None` for a client.
        peer: Option<String>,
        /// `us` or `them`.
        by: &'static str,
        /// Reason code: `close_notify`, `eof_without_close_notify`, `idle`, `framing`, `send_queue_full`, `drain`,
        /// `trust_withdrawn`, `io_error` ...
        reason: Reason,
        /// With `trust_withdrawn`: why the trust was withdrawn.
        trust_reason: Option<Reason>,
        /// Messages received.
        messages_in: u64,
        /// Messages sent.
        messages_out: u64,
        /// How long it was open.
        open: Duration,
    },
    /// `request_relayed` / `request_refused`.
    Request(RequestEvent),
    /// `peer_up`: the first connection of a shard to a peer is ready.
    PeerUp {
        /// Its FQDN.
        peer: String,
        /// The shard.
        shard: u16,
    },
    /// `peer_down`: the last connection of a shard to a peer is gone, or a connect failed.
    PeerDown {
        /// Its FQDN.
        peer: String,
        /// The shard.
        shard: u16,
        /// Reason code.
        reason: Reason,
        /// How long until the next try.
        retry_in: Option<Duration>,
    },
    /// `member_down`: a peer takes no new requests, for every shard, by pings or by what requests met.
    MemberDown {
        /// Its FQDN.
        peer: String,
        /// Reason code.
        reason: Reason,
        /// How long it is passed over; `None`: until pings bring it back.
        retry_in: Option<Duration>,
    },
    /// `member_up`: a peer that was down takes new requests again.
    MemberUp {
        /// Its FQDN.
        peer: String,
        /// How long it was down.
        down: Duration,
    },
    /// `lookup_stale`: no name server answered, so the last good answer serves past its TTL.
    LookupStale {
        /// The peer's FQDN.
        peer: String,
    },
    /// `message_dropped`: a response or ACK that may not be relayed.
    MessageDropped {
        /// Reason code.
        reason: Reason,
        /// Where it came from; `None`: it has nowhere to go any more.
        remote: Option<SocketAddr>,
        /// FQDN of the peer that sent it, or that it was for; `None` for a client.
        peer: Option<Arc<str>>,
    },
    /// `reload`: a new generation serves, or the old one stays.
    Reload {
        /// The generation that serves now.
        generation: u64,
        /// Who asked for it: `signal`, `control`, `watch` ...
        trigger: &'static str,
        /// `ok` or `refused`.
        result: &'static str,
        /// What was wrong, or what changed.
        details: Vec<String>,
        /// What our own listeners show since.
        served: Vec<String>,
        /// How long it took.
        took: Duration,
    },
    /// `crl_updated`: a CRL came into force by a refresh.
    CrlUpdated {
        /// The trust set.
        trust: String,
        /// The file.
        file: PathBuf,
        /// Its issuer.
        issuer: String,
        /// How many certificates it revokes.
        revoked: usize,
        /// nextUpdate, Unix seconds.
        next_update: u64,
        /// The generation that serves with it.
        generation: u64,
    },
    /// `crl_refused`: a CRL, or a file of them, was offered and not taken.
    CrlRefused {
        /// The trust set.
        trust: String,
        /// The file.
        file: PathBuf,
        /// Its issuer, if it could be parsed.
        issuer: Option<String>,
        /// Reason code.
        reason: Reason,
        /// What the system or the parser said, or what stays in force.
        detail: String,
    },
    /// `crl_fetch_failed`: a distribution point did not give a CRL.
    CrlFetchFailed {
        /// The trust set.
        trust: String,
        /// Where it was asked for.
        uri: String,
        /// What failed: `unreachable`, `fetch_timeout`, `http_status`, `fetch_too_large`, `not_http` or `special_address`.
        reason: Reason,
        /// What the system or the server said.
        detail: String,
    },
    /// `crl_stale_soon`: a fifth of a CRL's validity is left.
    CrlStaleSoon {
        /// The trust set.
        trust: String,
        /// The file.
        file: PathBuf,
        /// Its issuer.
        issuer: String,
        /// nextUpdate, Unix seconds.
        next_update: u64,
        /// Until then.
        left: Duration,
    },
    /// `crl_stale`: a CRL in force is past its nextUpdate.
    CrlStale {
        /// The trust set.
        trust: String,
        /// The file.
        file: PathBuf,
        /// Its issuer.
        issuer: String,
        /// nextUpdate, Unix seconds.
        next_update: u64,
    },
    /// `crl_state_failed`: a proven CRL cannot be kept in the state directory.
    CrlStateFailed {
        /// The file or the directory.
        file: PathBuf,
        /// `state_unwritable` or `state_full`.
        reason: Reason,
        /// What the system said.
        detail: String,
    },
    /// `crl_forgotten`: an operator had a series of CRLs dropped.
    CrlForgotten {
        /// Its id.
        series: String,
        /// The CRLs' issuer.
        issuer: String,
        /// The highest CRL number that was known.
        number: Option<String>,
        /// Whose process asked.
        uid: u32,
        /// That process, if the system tells.
        pid: Option<u32>,
        /// The generation that serves without it.
        generation: u64,
    },
    /// `forecast`: what will break, and when; once a day.
    Forecast {
        /// The generation that was looked at.
        generation: u64,
        /// Whether something other than a CRL ends within 30 days.
        soon: bool,
        /// When the first of these ends, Unix seconds.
        ends_at: Option<u64>,
        /// FQDNs of the peers that get in only by a relaxed purpose policy.
        relaxed: Vec<String>,
        /// Everything that ends, the next first.
        details: Vec<String>,
    },
    /// `drain`: no new connections; waits for transactions.
    Drain {
        /// Transactions still open; `None`: a shard does not say.
        transactions: Option<usize>,
    },
    /// `stopped`: everything is closed.
    Stopped {
        /// Transactions that did not finish in time.
        abandoned: usize,
    },
    /// `library`: what a library said through `tracing` or `log`, warnings and errors only.
    Library {
        /// Warn or error.
        level: tracing::Level,
        /// The module that speaks.
        target: String,
        /// What it says.
        message: String,
    },
    /// `log_dropped`: lines that the writer could not take.
    LogDropped {
        /// How many since the last such line.
        lines: u64,
    },
}

/// The certificate chain that we presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The identity's name in the topology.
    pub identity: String,
    /// Subjects, leaf first.
    pub subjects: Vec<String>,
    /// SHA-256 in lower-case hex, leaf first.
    pub fingerprints: Vec<String>,
}

/// A request's outcome.
#[derive(Clone, Debug)]
pub struct RequestEvent {
    /// Whether it was refused by us; then `reason` is ours.
    pub refused: bool,
    /// Reason code for a refusal or a failure of ours (`no_answer` ...).
    pub reason: Option<Reason>,
    /// The method.
    pub method: SmallVec<[u8; 16]>,
    /// The Call-ID.
    pub call_id: SmallVec<[u8; 64]>,
    /// Source address.
    pub remote: SocketAddr,
    /// FQDN of the peer it came from; `None`: a client.
    pub from_peer: Option<Arc<str>>,
    /// FQDN of the peer it went to; `None` with `to_client` false: nowhere.
    pub to_peer: Option<Arc<str>>,
    /// Whether it went to a client flow.
    pub to_client: bool,
    /// The final status sent back; `None`: none (ACK, dropped).
    pub status: Option<u16>,
    /// From receipt to the final answer.
    pub took: Duration,
}
