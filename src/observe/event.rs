//! The table of events. Everything about an event stands in its row: the enum and its documentation, the walk over its
//! fields, its level, its limit, its counter and its line of docs/events.md are made from it (see `table`).
//!
//! A caller fills in values and never writes prose. What a remote chose (a name, a Call-ID, a method) goes in as it came;
//! `line` bounds and escapes it.
use super::call_record::CallRecord;
use super::groups::{HandshakeSides, PresentedChain, RequestOutcome};
use super::keys::{FieldKey, KEYS, meaning};
use super::table::{EventRow, Limited, events};
use super::value::{AsField, EventField, FieldGroup, FieldType, LinePart, Take, Value};
use crate::reason::Reason;
use crate::topology::Direction;
use crate::trust::Decision;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

events! {
    // ---- The daemon's life. Each of these happens a handful of times in a run, so none is limited. ----

    /// the daemon begins
    start => Start {
        INFO; Never; "starts";
        version: &'static str => version,
        topology: PathBuf => topology,
        shards: usize => shards,
    }

    /// the daemon cannot start; `reason` is `topology_faults`, `listen_failed` or `start_failed`
    start_refused => StartRefused {
        ERROR; Never; "failed starts";
        topology: PathBuf => topology,
        reason: Reason => reason,
        details: Vec<String> => details,
    }

    /// a thread has panicked, which is a fault of the program, and the process ends at once by SIGABRT
    crashed => Crashed {
        ERROR; Never; "ends by a fault of the program";
        thread: String => thread,
        detail: Option<String> => detail,
    }

    /// a listener is bound
    listening => Listening {
        INFO; Never; "bound listeners";
        listener: String => listener,
        address: SocketAddr => address,
        accept: &'static str => accept,
    }

    /// sockets and trust are in place
    ready => Ready {
        INFO; Never; "starts that succeeded";
        generation: u64 => generation,
    }

    /// the process has dropped what it does not need; `detail` says what the kernel could not forbid
    confined => Confined {
        INFO, WARN if |detail| detail.is_some(), "the kernel could not forbid all of it";
        Never; "starts that dropped writing, executing and binding";
        writable: Vec<String> => writable,
        detail: Option<String> => detail,
    }

    // ---- Operators. Who may use the control socket may also stop the daemon: a limit would only hide what was done. ----

    /// the control socket takes commands
    control_listening => ControlListening {
        INFO; Never; "control sockets";
        path: PathBuf => path,
    }

    /// figures and the page are served
    http_listening => HttpListening {
        INFO; Never; "addresses that [http] was served at";
        address: SocketAddr => address,
    }

    /// the address of [http] cannot be had; the daemon serves without it, and tries again until it can
    http_unavailable => HttpUnavailable {
        WARN; Never; "times that the address of [http] could not be had";
        address: SocketAddr => address,
        reason: Reason => reason,
        detail: String => detail,
    }

    /// there is no control socket, and the daemon serves without one; `reason` is `socket_in_use` or `socket_unusable`
    control_unavailable => ControlUnavailable {
        WARN; Never; "control sockets that could not be had";
        path: PathBuf => path,
        reason: Reason => reason,
        detail: String => detail,
    }

    /// SIGUSR1 has asked for a log file that is opened anew: this is the first line in it, or in the one of before if there
    /// is a `reason`
    log_reopened => LogReopened {
        INFO, WARN if |reason| reason.is_some(), "it failed";
        Operator; "times that the log file was to be opened anew";
        file: PathBuf => file,
        reason: Option<Reason> => reason,
        detail: Option<String> => detail,
    }

    /// somebody used the control socket for something that changes the daemon
    control_request => ControlRequest {
        INFO, WARN if |reason| reason.is_some(), "it was refused";
        Operator; "commands that change the daemon, and why they were refused";
        command: &'static str => command,
        uid: u32 => uid,
        reason: Option<Reason> => reason,
    }

    /// a user who is neither the daemon's own nor root has reached the control socket, and was refused
    control_refused => ControlRefused {
        WARN; Stranger; "users who may not command the daemon, and tried";
        uid: u32 => uid,
        reason: Reason => reason,
    }

    /// an operator has denied somebody for a time: a network (`sipward deny add`), or whose connections were closed
    /// (`sipward kick --for`)
    denial => Denial {
        INFO; Operator; "denials that operators have made";
        denied: String => denied,
        until: u64 => until,
        detail: Option<String> => detail,
        uid: u32 => uid,
    }

    /// a denial is over, and who was denied may come back: its time has passed, or, with `uid`, an operator has ended it
    denial_ended => DenialEnded {
        INFO; Operator; "denials that have ended";
        denied: String => denied,
        uid: Option<u32> => uid,
    }

    /// an operator has given the requests of one peer or client other lines for a while (`sipward log-level`)
    log_level_set => LogLevelSet {
        INFO; Operator; "levels that operators have set";
        selected: String => selected,
        requests: &'static str => requests,
        until: u64 => until,
        uid: u32 => uid,
    }

    /// the time of such a level is over: `[log] requests` holds again
    log_level_ended => LogLevelEnded {
        INFO; Operator; "such levels that have ended";
        selected: String => selected,
        requests: &'static str => requests,
    }

    /// an operator looks at messages while they pass (`sipward trace`); `detail` says what is not masked
    trace_started => TraceStarted {
        INFO, WARN if |detail| detail.is_some(), "something is not masked";
        Operator; "traces that operators have begun";
        selected: String => selected,
        until: u64 => until,
        detail: Option<String> => detail,
        uid: u32 => uid,
        pid: Option<u32> => pid,
    }

    /// such a trace is over, after `count` messages and refusals; `dropped` more were lost since they were not read in time
    trace_ended => TraceEnded {
        INFO; Operator; "traces that have ended";
        selected: String => selected,
        count: u64 => count,
        dropped: u64 => dropped,
        uid: u32 => uid,
    }

    /// copies of messages go to the collector of `[hep]`
    hep_sending => HepSending {
        INFO; Operator; "collectors that copies were begun to be sent to";
        address: SocketAddr => address,
    }

    /// so many copies were lost since the last such line, at most one a minute: the collector is not there (`detail`), or
    /// they came faster than they can be sent
    hep_lost => HepLost {
        WARN; Never; "times that copies for the collector were lost";
        address: SocketAddr => address,
        dropped: u64 => dropped,
        detail: Option<String> => detail,
    }

    /// no token key file: the routes of dialogs are void after a restart and on other nodes, the paths of registrations
    /// too
    token_key_random => TokenKeyRandom {
        WARN; Operator; "generations without a token key file";
    }

    /// something works, but probably not as intended
    warning => Warning {
        WARN; Operator; "warnings";
        reason: Reason => reason,
        detail: String => detail,
    }

    // A flood of connects empties the table of descriptors, so strangers can bring this about ten times a second; apart
    // from warnings, which an operator brings about and all of which must be seen after a reload.

    /// this node runs short of something: of descriptors for new connections, or of time in a shard
    overloaded => Overloaded {
        WARN; Stranger; "times that descriptors or a shard's queue ran out";
        reason: Reason => reason,
        detail: String => detail,
    }

    // ---- Handshakes and connections. Each handshake ends in exactly one of the next four events. The first three that
    // fail are a stranger's to bring about even where they name a peer: the name comes from what was presented, and was
    // not proven. ----

    /// a connection may be used; the fields from `reason` on are there for a peer, and for a client that has shown a
    /// certificate
    handshake_accepted => HandshakeAccepted {
        INFO; Client; "handshakes that passed";
        connection: u64 => connection,
        sides: HandshakeSides => ..,
        version: String => version,
        cipher: String => cipher,
        group: String => group,
        took: Duration => took_us,
        reason: Option<Reason> => reason,
        decision: Option<Arc<Decision>> => ..,
    }

    /// this node refused a handshake; the fields from `decision` on are there when a certificate was judged
    handshake_refused => HandshakeRefused {
        WARN; Stranger; "handshakes that this node refused";
        sides: HandshakeSides => ..,
        reason: Reason => reason,
        detail: Option<String> => detail,
        decision: Option<Arc<Decision>> => ..,
    }

    /// the remote refused this node with an alert; what was shown to it is in the event, and from `decision` on what this
    /// node had decided about it
    handshake_refused_by_peer => HandshakeRefusedByPeer {
        WARN; Stranger; "handshakes that the remote refused";
        sides: HandshakeSides => ..,
        reason: Reason => reason,
        alert: u8 => alert,
        detail: &'static str => detail,
        shown: Option<Arc<PresentedChain>> => ..,
        decision: Option<Arc<Decision>> => ..,
    }

    /// a handshake ended unfinished and without a refusal: closed, reset, out of time, or nobody was there
    handshake_aborted => HandshakeAborted {
        INFO; Stranger; "handshakes that ended unfinished";
        sides: HandshakeSides => ..,
        reason: Reason => reason,
        detail: Option<String> => detail,
    }

    // Two for a row of pauses, however many there are: a flood must not fill the log with what is done about it. A peer's
    // are a client's to bring about, too, since its requests may come from anybody.

    /// nothing is read from a connection for moments at a time, since its remote sends more than it may; one event for a row
    /// of such pauses
    reading_slowed => ReadingSlowed {
        WARN; Client; "times that a remote began to send too much";
        connection: u64 => connection,
        remote: SocketAddr => remote,
        peer: Option<String> => peer,
        reason: Reason => reason,
    }

    /// the remote sends no more than it may again, for five seconds
    reading_resumed => ReadingResumed {
        INFO; Client; "times that a remote stopped sending too much";
        connection: u64 => connection,
        remote: SocketAddr => remote,
        peer: Option<String> => peer,
        reason: Reason => reason,
    }

    /// a bound of this node was reached, and requests or connects are refused for it, each with an event of its own; one for a
    /// row of them, in each shard
    bound_reached => BoundReached {
        WARN; Client; "times that a bound was reached";
        reason: Reason => reason,
    }

    /// nothing was refused for the bound for five seconds
    bound_left => BoundLeft {
        INFO; Client; "times that nothing more was refused for a bound";
        reason: Reason => reason,
        refused: u64 => count,
    }

    // What the limits leave out of the log. Never limited itself: there is one for each kind and window at most.

    /// events of one kind, reason and peer that were counted and have no line of their own; with these, the lines add up
    /// to the exact number
    events_suppressed [formerly "handshakes_suppressed" "clients_suppressed"] => EventsSuppressed {
        INFO, WARN if |suppressed| suppressed.row().level <= Level::WARN, "the events are warnings";
        Never; "nothing: each of them was counted as what it is";
        suppressed: EventKind => suppressed_event,
        reason: Option<Reason> => reason,
        peer: Option<Arc<str>> => peer,
        count: u64 => count,
    }

    // One for each connection that a reload or the calendar ends. An operator has to see which peers are cut off; of
    // clients there may be as many as strangers like to connect.

    /// a live connection was judged again and lost its trust: nothing new runs on it, what runs may finish within
    /// `limits.drain`, then it is closed
    trust_withdrawn => TrustWithdrawn {
        WARN; Client; "connections that lost their trust";
        connection: u64 => connection,
        direction: Direction => direction,
        remote: SocketAddr => remote,
        peer: Option<String> => peer,
        reason: Reason => reason,
        detail: Option<String> => detail,
        decision: Option<String> => decision,
        new_decision: Option<String> => new_decision,
    }

    /// a peer with stage = "observe" was accepted as its entry says; `reason` is what its pins and the strictest policies
    /// would have refused it for
    would_refuse => WouldRefuse {
        WARN; Peer; "accepted peers that a stricter rule would have refused";
        direction: Direction => direction,
        remote: SocketAddr => remote,
        reason: Reason => reason,
        detail: Option<String> => detail,
        decision: String => decision,
        peer: Option<String> => peer,
        line: Option<u32> => line,
    }

    /// a connection that had been accepted ended
    connection_closed => ConnectionClosed {
        INFO; Client; "connections that ended";
        connection: u64 => connection,
        remote: SocketAddr => remote,
        peer: Option<String> => peer,
        closed_by: ClosedBy => closed_by,
        reason: Reason => reason,
        trust_reason: Option<Reason> => trust_reason,
        messages_in: u64 => messages_in,
        messages_out: u64 => messages_out,
        open: Duration => open_ms,
    }

    // ---- Requests. Both are made by the core on the message path; what of them costs is described at `RequestOutcome`.
    // A request of a client that is relayed is limited by its connection only, so that a call is never missing from the
    // log because somebody else floods. ----

    /// a request received its final answer; `[log] requests` chooses which have a line
    request_relayed => RequestRelayed {
        INFO; Request; "requests that were relayed, whatever `[log] requests` says";
        request: RequestOutcome => ..,
    }

    /// this node refused a request, or answered for a remote that did not; `reason` says why
    request_refused => RequestRefused {
        WARN; Client; "requests that this node refused";
        reason: Reason => reason,
        request: RequestOutcome => ..,
    }

    // One for each dialog that an INVITE formed, and for each INVITE that formed none: a call record for people and for
    // billing. What nobody has answered is limited like a refusal.

    /// a call ended that was answered, or an INVITE that this node had passed on failed; not one that was only asked to
    /// come again (401, 407, 422)
    call_ended => CallEnded {
        INFO; Call; "calls that ended, answered or not";
        reason: Option<Reason> => reason,
        call: Box<CallRecord> => ..,
    }

    /// a call was answered that this node does not keep: it goes on, is not among the calls that are up, and has no
    /// `call_ended`
    call_not_kept => CallNotKept {
        WARN; Client; "answered calls that are not kept";
        reason: Reason => reason,
        call_id: SmallVec<[u8; 64]> => call_id,
        remote: SocketAddr => remote,
        peer: Option<Arc<str>> => peer,
    }

    /// a home server granted a registration that this node does not keep; the client has its answer, and requests for it
    /// fail
    binding_refused => BindingRefused {
        WARN; Client; "registrations that were granted and are not kept";
        reason: Reason => reason,
        remote: Option<SocketAddr> => remote,
    }

    // ---- Peers. Connections are counted by shard, availability by node: a peer may be connected and unavailable (it does
    // not answer pings), or disconnected and available (nothing was sent to it yet). ----

    /// the first connection of a shard to a peer is ready
    peer_connected [formerly "peer_up"] => PeerConnected {
        INFO; Peer; "times that a shard's first connection to a peer was there";
        peer: String => peer,
        shard: u16 => shard,
    }

    /// the last connection of a shard to a peer is gone, or a connect failed; with `sni`: one under that name, which the
    /// peer's `covers` has
    peer_disconnected [formerly "peer_down"] => PeerDisconnected {
        WARN; Peer; "times that a shard was without a connection to a peer";
        peer: String => peer,
        sni: Option<String> => sni,
        shard: u16 => shard,
        reason: Reason => reason,
        retry_in: Option<Duration> => retry_in_ms,
    }

    /// no shard sends new requests to a peer while others can take them, until pings bring it back or the pause is over;
    /// `reason` is `ping_timeout`, `ping_unavailable`, `connection_lost`, `connect_failed`, `silence` or `retry_after`
    peer_unavailable [formerly "member_down"] => PeerUnavailable {
        WARN; Peer; "times that a peer was taken out of use";
        peer: String => peer,
        reason: Reason => reason,
        retry_in: Option<Duration> => retry_in_ms,
    }

    /// a peer that was out of use takes new requests again
    peer_available [formerly "member_up"] => PeerAvailable {
        INFO; Peer; "times that a peer was in use again";
        peer: String => peer,
        down: Duration => down_ms,
    }

    /// no name server answered for a peer's addresses: the last good answer serves past its TTL
    lookup_stale => LookupStale {
        WARN; Peer; "lookups that an old answer served";
        peer: String => peer,
    }

    /// a response or an ACK may not be relayed; without `remote`: a response whose way back is gone, `peer` is whom it
    /// was for
    message_dropped => MessageDropped {
        WARN; Client; "messages that ended here without an answer";
        reason: Reason => reason,
        remote: Option<SocketAddr> => remote,
        peer: Option<Arc<str>> => peer,
    }

    // ---- Reloads and CRLs. Timers and files bring these about, at most once for each file and change. ----

    /// a reload was asked for and has ended
    reload => Reload {
        INFO, ERROR if |result| *result != "ok", "refused";
        Operator; "reloads";
        generation: u64 => generation,
        trigger: &'static str => trigger,
        result: &'static str => result,
        took: Duration => took_us,
        details: Vec<String> => details,
        served: Vec<String> => served,
    }

    /// a CRL came into force between two reloads; every live connection was judged again
    crl_updated => CrlUpdated {
        INFO; Never; "CRLs that came into force by a refresh";
        trust: String => trust,
        file: PathBuf => file,
        issuer: String => issuer,
        revoked: usize => revoked,
        next_update: u64 => next_update,
        generation: u64 => generation,
    }

    /// a CRL, or a file of them, is not used, `reason` says why; what was in force before stays
    crl_refused => CrlRefused {
        ERROR; Never; "CRLs that were not used";
        trust: String => trust,
        file: PathBuf => file,
        issuer: Option<String> => issuer,
        reason: Reason => reason,
        detail: String => detail,
    }

    /// a distribution point did not deliver a CRL, logged once until that changes; what is in force stays
    crl_fetch_failed => CrlFetchFailed {
        WARN; Never; "distribution points that began to fail";
        trust: String => trust,
        uri: String => uri,
        reason: Reason => reason,
        detail: String => detail,
    }

    /// a fifth of a CRL's validity is left
    crl_stale_soon => CrlStaleSoon {
        WARN; Never; "CRLs that were about to become stale";
        trust: String => trust,
        file: PathBuf => file,
        issuer: String => issuer,
        next_update: u64 => next_update,
        left: Duration => left_s,
    }

    /// a CRL in force is past its nextUpdate; what it covers is refused when the trust set's grace, if any, is over
    crl_stale => CrlStale {
        ERROR; Never; "CRLs that became stale";
        trust: String => trust,
        file: PathBuf => file,
        issuer: String => issuer,
        next_update: u64 => next_update,
    }

    /// a proven CRL cannot be kept in the state directory, logged once until that changes; it is in force, and a restart
    /// would forget it
    crl_state_failed => CrlStateFailed {
        ERROR; Never; "times that the state directory began to fail";
        file: PathBuf => file,
        reason: Reason => reason,
        detail: String => detail,
    }

    /// an operator had what is known of an issuer's CRLs dropped (`sipward crls forget`): an older one can come into
    /// force
    crl_forgotten => CrlForgotten {
        WARN; Operator; "series of CRLs that an operator dropped";
        series: String => series,
        issuer: String => issuer,
        number: Option<String> => number,
        uid: u32 => uid,
        pid: Option<u32> => pid,
        generation: u64 => generation,
    }

    /// at the start and once a day: what will end and when, of this node (with CRLs) and of what each peer showed last
    forecast => Forecast {
        INFO, WARN if |soon| *soon, "`ends_at` is less than 30 days ahead";
        Never; "forecasts";
        generation: u64 => generation,
        // Decides the level only; `ends_at` shows why.
        soon: bool => (),
        ends_at: Option<u64> => ends_at,
        relaxed: Vec<String> => relaxed,
        details: Vec<String> => details,
    }

    /// an operator has the node's clients let go for maintenance (`sipward drain --clients`): new requests are answered 503
    clients_let_go => ClientsLetGo {
        INFO; Operator; "times that clients were let go for maintenance";
        clients: usize => clients,
        over: Duration => over_ms,
    }

    /// the last client is gone after `clients_let_go`
    clients_gone => ClientsGone {
        INFO; Never; "times that the last client was gone";
    }

    /// an operator has ended that (`sipward drain --clients --cancel`): the node serves as before
    clients_kept => ClientsKept {
        INFO; Operator; "times that this was ended";
        clients: usize => clients,
    }

    // Two processes write to one log: `pid` says of which other one a line speaks.

    /// a new process has the listeners (`sipward upgrade`), and this one lets its clients go
    upgraded => Upgraded {
        INFO; Operator; "processes that were handed over to";
        version: String => version,
        pid: u32 => pid,
        clients: usize => clients,
        over: Duration => over_ms,
    }

    /// an upgrade has come to nothing: everything is as before
    upgrade_failed => UpgradeFailed {
        WARN; Operator; "upgrades that failed";
        reason: Reason => reason,
        detail: String => detail,
    }

    /// the process that was handed over to has ended before this one: this one accepts again
    upgrade_undone => UpgradeUndone {
        ERROR; Never; "processes that ended too early";
        pid: u32 => pid,
        detail: String => detail,
    }

    /// this process has the listeners of the one before it
    took_over => TookOver {
        INFO; Operator; "processes that were taken over from";
        version: String => version,
        pid: u32 => pid,
    }

    /// the process before this one has ended
    former_gone => FormerGone {
        INFO; Operator; "former processes that have ended";
        pid: u32 => pid,
    }

    /// stopping: no new connections, open transactions may finish
    drain => Drain {
        INFO; Never; "drains";
        transactions: Option<usize> => transactions,
    }

    /// every connection is closed
    stopped => Stopped {
        INFO, WARN if |abandoned| *abandoned > 0, "transactions were abandoned";
        Never; "stops";
        abandoned: usize => abandoned,
    }

    // ---- The log itself. ----

    // A TLS library warns about what strangers send, as often as they send it.

    /// a library warns
    library => Library {
        WARN, ERROR if |level| *level == Level::ERROR, "the library reports an error";
        Stranger; "warnings of libraries";
        // Stands at the beginning of the line, as that of every event.
        level: Level => (),
        target: String => target,
        message: String => message,
    }

    // Made by the writer, which has no recorder: what it stands for was counted when it was recorded.

    /// lines before this one are missing: the queue was full, or they could not be written
    log_dropped => LogDropped {
        WARN; Never; "nothing: the lines were counted as what they are";
        lines: u64 => lines,
    }
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// This node.
    Local,
    /// The remote.
    Remote,
}

impl AsField for ClosedBy {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        let word = match self {
            Self::Local => "local",
            Self::Remote => "remote",
        };
        take(key, Value::Text(word));
    }
}

/// Written as the name of its event.
impl AsField for EventKind {
    const KIND: FieldType = FieldType::Text;
    fn write(&self, key: &'static FieldKey, take: &mut Take<'_>) {
        take(key, Value::Text(self.row().name));
    }
}

impl Event {
    /// Whether it ends a call that was answered: its line is a record that somebody may be billed by.
    pub(super) fn ends_an_answered_call(&self) -> bool {
        matches!(self, Self::CallEnded { call, .. } if call.talk.is_some())
    }

    /// The stable name.
    pub fn name(&self) -> &'static str {
        self.kind().row().name
    }

    /// How serious this one is.
    pub fn level(&self) -> Level {
        let row = self.kind().row();
        // Two levels at most, and never by a threshold that is not in docs/events.md: who filters must know what is missed.
        match row.otherwise {
            Some((level, _)) if self.is_other() => level,
            Some(_) | None => row.level,
        }
    }
}
