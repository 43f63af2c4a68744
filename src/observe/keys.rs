//! The keys of the fields in a line of the log. One key means the same in every event that has it.

/// The key of a field, and what its value means.
#[derive(Debug)]
pub struct FieldKey {
    /// The key as it stands in a line; it never changes.
    pub name: &'static str,
    /// What stands before its value in JSON, where another field stands before it.
    pub(super) in_json: &'static str,
    /// Meaning and unit, for docs/events.md and for the documentation of the enum's fields.
    pub meaning: &'static str,
    /// Whether the format for terminals shows it too. Long and rarely read values are in JSON only.
    pub on_terminal: bool,
    /// What it was called before the names became stable.
    pub former: Option<&'static str>,
}

impl FieldKey {
    const fn new(name: &'static str, in_json: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            in_json,
            meaning,
            on_terminal: true,
            former: None,
        }
    }

    const fn json_only(mut self) -> Self {
        self.on_terminal = false;
        self
    }

    const fn formerly(mut self, name: &'static str) -> Self {
        self.former = Some(name);
        self
    }
}

/// Makes [`KEYS`] and `meaning!`, which hands a key's meaning to a `#[doc]` attribute. That attribute takes a literal
/// only, so the meaning has to come from a macro and not from the constant.
macro_rules! keys {
    ($( $key:ident $(. $method:ident ($($argument:literal)?))* : $meaning:literal; )*) => {
        /// One field for each key, so that a key that does not exist does not compile.
        #[derive(Debug)]
        pub(super) struct Keys {
            $( pub(super) $key: FieldKey, )*
        }

        /// Every key.
        pub(super) static KEYS: Keys = Keys {
            $( $key: FieldKey::new(
                stringify!($key),
                concat!(",\"", stringify!($key), "\":"),
                $meaning,
            )$(.$method($($argument)?))*, )*
        };

        /// Every key, in the order of the documentation: related ones stand together there, not in the order of the alphabet.
        pub static ALL_KEYS: &[&FieldKey] = &[ $( &KEYS.$key, )* ];

        macro_rules! meaning {
            $( ($key) => { $meaning }; )*
            // Two markers of the table stand where a key would. A field that steers something else
            // and is not written.
            (()) => { "Not part of the line." };
            // Several keys from one value; its type documents them.
            (..) => { "Several fields." };
        }
    };
}

keys! {
    // The daemon and its listeners.
    version: "`start`: the package's version; `upgraded`, `took_over`: that of the other process; `handshake_accepted`: the TLS version";
    topology: "the topology file";
    shards: "shards that run";
    listener.formerly("via"): "a listener's name; of a handshake: the listener that it came to";
    address: "the bound address and port";
    accept: "who may come in there: `clients`, `peers` or `both`";
    thread: "the thread that has panicked";
    writable: "the directories that the process may write in";
    generation: "the loaded topology that serves or that decided, counted from 1 in each run";
    // Connections and handshakes. `listener` and `peer` were one field, `via`: a reader had to look at `direction` to know
    // which of the two it was.
    direction: "`inbound`: the remote connected to this node; `outbound`: this node to the remote";
    connection: "the connection's number, as `sipward connections` lists it: no other one has it, in later runs neither";
    remote: "the remote address and port";
    balancer: "the address and port of the balancer that came with a header of the PROXY protocol; `remote` is what it names";
    sni: "the server name that was asked for";
    cipher.json_only(): "the TLS cipher suite";
    group.json_only(): "the key exchange group";
    // Why. Every event has its code under the same key, so that one filter finds it everywhere.
    reason.formerly("code"): "the reason code; `sipward explain CODE` says what it means and what to do";
    detail.formerly("what"): "what the decision, the TLS library or the system reported; of an alert: what it says about this node; of a warning: its sentence";
    alert: "the TLS alert's number";
    identity: "the identity of this node whose certificate was shown";
    shown_subjects.json_only(): "the subjects of the chain that this node showed, leaf first";
    shown_fingerprints: "the SHA-256 in hex of the certificates that this node showed, leaf first";
    // Sums of what was suppressed. `event` itself is the name of the sum's own line.
    suppressed_event.formerly("of"): "the event that each of them would have been";
    count: "how many";
    // What a trust decision adds. Most of it explains a decision after the fact, and would fill a terminal.
    decision: "the trust decision's id: same chain, direction and generation, same id";
    verdict: "the trust decision: `accept` (a peer), `client` or `refuse`";
    peer: "the peer's name in the topology (its fqdn, if it has no `name`); missing for a client, and for a stranger";
    matched: "the presented name that matched the peer";
    matched_kind.json_only(): "where it stood: `sip_uri`, `dns`, `wildcard` or `common_name`";
    names: "the presented names that count as identities";
    subjects.json_only(): "the certificates' subjects, leaf first";
    fingerprints.json_only(): "the certificates' SHA-256 in hex, leaf first";
    trust.json_only(): "the trust set whose anchor vouched";
    anchor.json_only(): "that anchor's subject";
    crl.json_only(): "issuer of the CRL that was used for the leaf";
    crl_age_s.json_only(): "seconds since that CRL's thisUpdate";
    purpose.json_only(): "the extended key usage that satisfied, `none` without that extension";
    valid_until.json_only(): "the leaf's notAfter in Unix seconds";
    line: "the line of the topology file that decided";
    took_us: "duration in microseconds";
    // The end of a connection.
    closed_by.formerly("by"): "who closed: `local` (this node) or `remote`";
    trust_reason: "why trust was withdrawn from the connection: the new reason code";
    new_decision: "the id of the decision that refuses what another one had accepted";
    messages_in: "SIP messages received on the connection";
    messages_out: "SIP messages sent on the connection";
    open_ms: "how long the connection was open, in milliseconds";
    // Requests.
    method: "the SIP method";
    call_id: "the Call-ID";
    from: "the URI of From, without parameters";
    to: "the URI of To, without parameters";
    request_uri: "the Request-URI, without parameters";
    user_agent: "what the sender's program says that it is: its User-Agent";
    from_peer: "name of the peer that sent the request; missing: a client";
    to_peer: "name of the peer that received the request";
    to_client: "whether a client received the request; false without `to_peer`: nobody did";
    to_connection: "the connection that the request went to";
    status: "the final SIP status sent back; missing: none was, because its method has no answers (BENOTIFY) or nobody has answered";
    // Calls.
    through: "name of the peer that a call went to and came back from, when it has passed this node twice";
    setup_ms: "from the INVITE to its answer or failure, in milliseconds";
    ringing_ms: "how much of that it rang, from the first provisional response that was passed on, in milliseconds";
    talk_ms: "from the answer to the BYE, in milliseconds; missing: nobody has answered";
    ended_by: "`caller`, `callee` or `node`: who hung up, cancelled or refused; `session_expired` and `call_idle`: no BYE came; `node_stopped`: this node was stopped while the call was up or rang";
    // Peers, operators and reloads.
    shard: "the shard, from 0";
    path: "the control socket";
    command: "the command, `none` when the sender was not let that far";
    selected: "what an operator has selected: a peer's FQDN, an address or network, a user, a connection or a Call-ID";
    requests: "which requests have a line, as in `[log] requests`";
    denied: "who is denied: an address or network, a peer's name, or a user";
    until: "when that ends, Unix seconds";
    uid: "the user whose process commands";
    pid: "that process; of an upgrade: the other one";
    trigger: "who asked for the reload: `signal`, `control` (the control socket) or `watch` (a file changed)";
    retry_in_ms: "pause before the next connect or the next request, in milliseconds";
    down_ms: "how long it was down, in milliseconds";
    result: "`ok`: the new generation serves; `refused`: the old one stays";
    details: "what changed, what waits for a restart, or every fault; `forecast`: time and kind of everything that ends";
    served.json_only(): "what a handshake with each of this node's listeners found after the reload";
    // CRLs.
    file: "the CRL's file, or the URI that it was fetched from; `log_reopened`: the log's file";
    uri: "the distribution point";
    issuer: "the CRL's issuer";
    revoked: "certificates that the CRL lists";
    next_update: "the CRL's nextUpdate in Unix seconds";
    series: "what stands for an issuer's key and scope in `sipward crls`";
    number: "the highest CRL number that was proven; beyond 128 bits in hex";
    left_s: "seconds until then";
    // What is to come, and the end.
    ends_at: "when the next of this node's certificates, anchors, windows or the peers' certificates ends, Unix seconds";
    relaxed: "peers whose certificate is accepted only because their `purpose` is not `strict`";
    clients: "client connections that are there";
    over_ms: "the time over which they are let go, in milliseconds";
    transactions: "transactions that wait for an answer; missing: a shard did not answer in time";
    abandoned: "transactions that did not finish in time";
    // Libraries, and the log itself.
    target: "the library's module";
    message: "its message";
    dropped: "messages and refusals that a trace lost, since nobody read them in time; of `hep_lost`: copies of messages";
    lines: "lines that are missing since the last such event";
}
pub(super) use meaning;
