//! What a loaded topology holds: nodes, identities, trust sets, listeners, peers, pools and limits.
use super::{Boundary, CrlSource, FieldTrust, HeldCrl, NamedFile, PeerBoundary, Pin, Window};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An index into [`Topology::peers`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerRef(pub(crate) u16);

/// An index into [`Topology::pools`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolRef(pub(crate) u16);

/// An index into [`Topology::identities`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityRef(pub(crate) u16);

/// An index into [`Topology::trusts`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustRef(pub(crate) u16);

impl PeerRef {
    /// The position in [`Topology::peers`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
impl PoolRef {
    /// The position in [`Topology::pools`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
impl IdentityRef {
    /// The position in [`Topology::identities`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
impl TrustRef {
    /// The position in [`Topology::trusts`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A DNS name in the one form that is compared: lower-case A-labels, no trailing dot, at most 253 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(pub(crate) Arc<str>);

impl DnsName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DnsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[node]`: this daemon.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name in Via, Record-Route and Path.
    pub fqdn: DnsName,
    /// The home SIP domains.
    pub domains: Vec<DnsName>,
    /// Further names under which clients or peers address this node in Route headers.
    pub aliases: Vec<DnsName>,
    /// The port to announce instead of the listener's (behind a translating balancer).
    pub advertise_port: Option<u16>,
    /// How many shards to run; `None`: one for each core.
    pub shards: Option<u16>,
}

/// A certificate chain with its private key.
pub struct KeyPair {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for KeyPair {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// `[[identity]] ocsp`: a file with an OCSP response.
#[derive(Clone)]
pub struct Staple {
    /// The file.
    pub file: PathBuf,
    /// Line in the topology file, from 1.
    pub line: u32,
    /// The response as DER; in a generation `None` when it may not be stapled.
    pub response: Option<Vec<u8>>,
}

/// `[[identity]]`: a certificate of ours.
#[derive(Clone)]
pub struct Identity {
    /// Its name in the file.
    pub name: String,
    /// What we show as a server.
    pub server: KeyPair,
    /// What we show when we connect out, if it differs.
    pub client: Option<KeyPair>,
    /// The OCSP response that goes with the server certificate.
    pub staple: Option<Staple>,
    /// The dNSName and sip-URI host names that the server certificate carries.
    pub names: Vec<DnsName>,
    /// When it is shown.
    pub window: Window,
    /// Line in the file, from 1.
    pub line: u32,
}

/// How a trust set treats revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// A current CRL for each certificate in scope.
    Require,
    /// As `Require`, but a CRL serves for this long after its nextUpdate.
    Grace(Duration),
    /// No CRL is consulted.
    Off,
}

/// Which certificates of a chain need a CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationScope {
    /// The leaf and the intermediates.
    Chain,
    /// The leaf only.
    Leaf,
}

/// `[[trust]]`: anchors and CRLs that may vouch for the peers that name this set.
#[derive(Clone)]
pub struct TrustSet {
    /// Its name in the file.
    pub name: String,
    /// The trust anchors.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Where the CRLs are.
    pub crl_sources: Vec<CrlSource>,
    /// The CRLs as they were read; in a generation, those in force.
    pub crls: Vec<HeldCrl>,
    /// How often the sources are read again; `None`: at a reload only.
    pub crl_refresh: Option<Duration>,
    /// Whether CRLs are fetched from the http:// distribution points of the set's own CAs, too.
    pub crl_fetch: bool,
    /// Policy for CRLs.
    pub revocation: Revocation,
    /// Scope of that policy.
    pub scope: RevocationScope,
    /// When it counts.
    pub window: Window,
    /// Line in the file, from 1.
    pub line: u32,
}

/// Who may come in through a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Connections without a certificate only.
    Clients,
    /// Listed servers only.
    Peers,
    /// Both; the certificate decides.
    Both,
}

impl Accept {
    /// Whether a connection without a certificate may stay.
    pub fn clients(self) -> bool {
        matches!(self, Self::Clients | Self::Both)
    }
    /// Whether a peer may stay.
    pub fn peers(self) -> bool {
        matches!(self, Self::Peers | Self::Both)
    }
}

/// `[[listener]]`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name in the file.
    pub name: String,
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// The identity shown without SNI or when no other identity carries the name.
    pub identity: IdentityRef,
    /// Further identities, chosen by SNI.
    pub sni: Vec<IdentityRef>,
    /// Who may come in.
    pub accept: Accept,
    /// Line in the file, from 1.
    pub line: u32,
}

/// What a peer is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// One of our own servers.
    Home,
    /// A partner's server.
    Federated,
}

/// How presented names are compared with a peer's FQDN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePolicy {
    /// Whole names only (RFC 5922 §7.2).
    Exact,
    /// Also `*.rest`, standing for one label.
    OneLabelWildcard,
}

/// Which extended key usages a peer's certificate may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurposePolicy {
    /// Inbound serverAuth, clientAuth, any, none or sipDomain; outbound never clientAuth alone.
    ServerOrClient,
    /// Inbound clientAuth, any, none or sipDomain.
    Strict,
}

/// Whether the stricter rule of a peer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What the entry says decides.
    Enforce,
    /// What the entry says decides, its pins excepted; what these and the strictest policies would refuse is told.
    Observe,
}

/// An address to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialAddress {
    /// A literal.
    Socket(SocketAddr),
    /// A host name with a port, resolved when dialled.
    Host(String, u16),
}

impl std::fmt::Display for DialAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// `[[peer]]`: a server that may connect and be connected to.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The reference identifier in both directions.
    pub fqdn: DnsName,
    /// Home or federated.
    pub kind: PeerKind,
    /// What a federated peer may assert in From, and what is routed to it.
    pub domains: Vec<DnsName>,
    /// The trust sets that may vouch for this name; no other can.
    pub trust: Vec<TrustRef>,
    /// Addresses to dial in order; empty: DNS finds them (`dns`).
    pub addresses: Vec<DialAddress>,
    /// Name comparison.
    pub names: NamePolicy,
    /// Whether a CN counts when there is no subjectAltName.
    pub common_name: bool,
    /// Purpose policy.
    pub purpose: PurposePolicy,
    /// Whether its P-Asserted-Identity is believed and passed on (default: home yes, federated no).
    pub assert_identity: bool,
    /// The identity that we show to it.
    pub identity: IdentityRef,
    /// How its addresses are found when it has none here.
    pub dns: Lookup,
    /// How much silence makes us send a CRLF keep-alive on a connection that we made; `None`: none is sent.
    pub keepalive: Option<Duration>,
    /// Connections that each shard has to it under load, at least 1.
    pub connections: u8,
    /// What passes between it and us.
    pub boundary: PeerBoundary,
    /// When it counts.
    pub window: Window,
    /// Whether pins and the stricter policies decide, or are only observed.
    pub stage: Stage,
    /// Keys of which one must occur in the chain; empty: any will do.
    pub pins: Vec<Pin>,
    /// Line in the file, from 1.
    pub line: u32,
}

impl Peer {
    /// An entry of this name that grants nothing and demands what an entry demands that says nothing of it.
    pub(crate) fn named(fqdn: DnsName, identity: IdentityRef) -> Self {
        Self {
            fqdn,
            kind: PeerKind::Federated,
            domains: Vec::new(),
            trust: Vec::new(),
            addresses: Vec::new(),
            names: NamePolicy::Exact,
            common_name: false,
            purpose: PurposePolicy::ServerOrClient,
            assert_identity: false,
            identity,
            dns: Lookup::Sip,
            keepalive: None,
            connections: 1,
            boundary: PeerBoundary::standard(FieldTrust::Outside),
            window: Window::default(),
            stage: Stage::Enforce,
            pins: Vec::new(),
            line: 0,
        }
    }

    /// The same entry under the strictest reading of every policy, with its pins enforced.
    pub(crate) fn strictest(&self) -> Self {
        Self {
            names: NamePolicy::Exact,
            common_name: false,
            purpose: PurposePolicy::Strict,
            stage: Stage::Enforce,
            ..self.clone()
        }
    }
}

impl TrustSet {
    /// The same set under the strictest revocation policy.
    pub(crate) fn strictest(&self) -> Self {
        Self {
            revocation: Revocation::Require,
            scope: RevocationScope::Chain,
            ..self.clone()
        }
    }
}

/// How DNS is asked for a peer without an address (RFC 3263 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// SRV `_sips._tcp` of its FQDN, else A and AAAA of it.
    Sip,
    /// SRV `_sipfederationtls._tcp` of its domains, else A and AAAA of its FQDN.
    Federation,
    /// A and AAAA of its FQDN, port 5061.
    Address,
}

/// `[dns]`: who is asked for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long an answer past its TTL serves while no name server answers.
    pub stale: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            stale: Duration::from_secs(3_600),
        }
    }
}

/// How a pool orders its members for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By a hash of the Call-ID, so that a dialog's requests agree on the member.
    CallIdHash,
    /// By weight, at random.
    Weighted,
    /// In the order of the file.
    Ordered,
}

/// `[[pool]]`: peers that serve the same domains.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name in the file (for an implicit pool of a federated domain: that domain).
    pub name: String,
    /// The domains routed to it.
    pub domains: Vec<DnsName>,
    /// The members with their weight, in the file's order; never empty.
    pub peers: Vec<(PeerRef, u16)>,
    /// How members are ordered for a request.
    pub strategy: Strategy,
    /// How members are pinged; `None`: they are not.
    pub health: Option<Health>,
    /// Members that take nothing new: their dialogs go on.
    pub drain: Vec<PeerRef>,
    /// For `ordered`: each member's group, the smallest goes first; empty: the file's order.
    pub priorities: Vec<u16>,
    /// Line in the file, from 1 (implicit: the first peer's).
    pub line: u32,
}

/// `[[pool]] health`: how a member is found to be down before a request goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Between two OPTIONS to a member.
    pub options_every: Duration,
    /// How long a member may take to answer one.
    pub timeout: Duration,
    /// Unanswered OPTIONS in a row that take a member down.
    pub down_after: u8,
    /// Answered OPTIONS in a row that bring it back.
    pub up_after: u8,
    /// How long a member that came back comes after those that stayed.
    pub fail_back: Duration,
}

impl Health {
    /// The longest time from a member's death to its being passed over: it died right after it had answered a ping, and
    /// every ping after that waits for its whole timeout.
    pub fn detection(&self) -> Duration {
        let further = u32::from(self.down_after.saturating_sub(1));
        self.options_every + self.options_every.max(self.timeout) * further + self.timeout
    }

    /// The longest time from a member's revival to the end of its probation.
    pub fn recovery(&self) -> Duration {
        self.options_every * u32::from(self.up_after) + self.timeout + self.fail_back
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            options_every: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            down_after: 2,
            up_after: 2,
            fail_back: Duration::from_secs(30),
        }
    }
}

/// `[log] requests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRequests {
    /// Every request.
    All,
    /// INVITE, BYE, REGISTER and every refusal.
    Calls,
    /// Refusals only.
    Refused,
}

/// `[log] format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON lines.
    Json,
    /// For a terminal.
    Human,
    /// Human on a terminal, JSON otherwise.
    Auto,
}

/// `[log]`.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Which requests make a line.
    pub requests: LogRequests,
    /// How a line looks.
    pub format: LogFormat,
}

/// `[tokens]`: the keys that sign Record-Route and Path URIs.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// The key file as written and resolved against the topology file; `None`: a random key for this run.
    pub key_file: Option<PathBuf>,
    /// Its keys as (id, key): the first signs, all verify. At most two.
    pub keys: Vec<(u8, [u8; 32])>,
}

/// `[limits]`: every bound, with safe defaults.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of a message head.
    pub head_bytes: usize,
    /// Octets of a message body.
    pub body_bytes: usize,
    /// From the first octet of a message to the end of its head.
    pub head_timeout: Duration,
    /// From the first octet of a message to the end of its body.
    pub body_timeout: Duration,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Handshakes at a time in each shard.
    pub handshakes: usize,
    /// Inbound connections in each shard.
    pub connections: usize,
    /// Connections from one source address (all shards).
    pub connections_per_source: usize,
    /// Connections that a shard may have more than the emptiest one before the next shard gets some.
    pub gather: usize,
    /// A client connection without a message or keep-alive is closed after this.
    pub client_idle: Duration,
    /// A new client connection must send its first message within this.
    pub first_message: Duration,
    /// To resolve, connect and shake hands with one address of a peer.
    pub connect_timeout: Duration,
    /// First pause after a failed connect; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest pause between connects to a peer.
    pub backoff_max: Duration,
    /// Requests that wait for one peer's connect, in each shard.
    pub connect_queue: usize,
    /// Octets waiting for a socket before no new request goes there; at twice that it is closed.
    pub send_queue: usize,
    /// Transactions at a time in each shard.
    pub transactions: usize,
    /// Transactions at a time from one client connection.
    pub transactions_per_client: usize,
    /// How long SIGTERM lets transactions finish.
    pub drain: Duration,
    /// Log lines waiting for the writer.
    pub log_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            body_bytes: 256 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            handshakes: 200,
            connections: 30_000,
            connections_per_source: 5_000,
            gather: 32,
            client_idle: Duration::from_secs(900),
            first_message: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            connect_queue: 1_000,
            send_queue: 1024 * 1024,
            transactions: 200_000,
            transactions_per_client: 200,
            drain: Duration::from_secs(10),
            log_queue: 8_192,
        }
    }
}

/// Which way a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// They connected to us.
    Inbound,
    /// We connected to them.
    Outbound,
}

/// `[[expect]]`: a unit test of the policy.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The time for which to judge; `None`: when it runs.
    pub at: Option<UnixTime>,
    /// The peer that is dialled (outbound), or for which the chain must speak (inbound); `None`: any.
    pub peer: Option<PeerRef>,
    /// The certificate chain to judge.
    pub chain: Vec<CertificateDer<'static>>,
    /// The file it came from.
    pub certificate: PathBuf,
    /// As what it is presented.
    pub direction: Direction,
    /// Whether it shall be accepted.
    pub accept: bool,
    /// The reason code that it shall have, if given.
    pub reason: Option<String>,
    /// Line in the file, from 1.
    pub line: u32,
}

/// `[admin]`: how an operator reaches the running daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// The control socket; `None`: in the runtime directory, if there is one.
    pub socket: Option<PathBuf>,
    /// How often the topology and its files are looked at for a change that nobody announced; `None`: never.
    pub watch: Option<Duration>,
}

/// One loaded topology: every reference resolved, every file read.
#[derive(Clone)]
pub struct Topology {
    pub(crate) path: PathBuf,
    pub(crate) node: Node,
    pub(crate) identities: Vec<Identity>,
    pub(crate) trusts: Vec<TrustSet>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) dns: DnsSettings,
    pub(crate) limits: Limits,
    pub(crate) log: LogSettings,
    pub(crate) tokens: TokenSettings,
    pub(crate) admin: AdminSettings,
    pub(crate) boundary: Boundary,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) files: Vec<NamedFile>,
}

impl Topology {
    /// The same trust sets with other peers, and nothing that the trust decision does not read.
    pub(crate) fn supposing(&self, peers: Vec<Peer>) -> Self {
        Self {
            path: self.path.clone(),
            node: self.node.clone(),
            identities: Vec::new(),
            trusts: self.trusts.clone(),
            listeners: Vec::new(),
            peers,
            pools: Vec::new(),
            dns: DnsSettings::default(),
            limits: Limits::default(),
            log: self.log,
            tokens: TokenSettings::default(),
            admin: self.admin.clone(),
            boundary: Boundary::default(),
            expectations: Vec::new(),
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }
    /// The file it was loaded from.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
    /// What passes between the trust domain and the rest.
    pub fn boundary(&self) -> &Boundary {
        &self.boundary
    }
    /// This daemon.
    pub fn node(&self) -> &Node {
        &self.node
    }
    /// Our certificates.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }
    /// The identity behind a reference of this topology.
    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, for this topology"
    )]
    pub fn identity(&self, r: IdentityRef) -> &Identity {
        &self.identities[r.index()]
    }
    /// The trust sets.
    pub fn trusts(&self) -> &[TrustSet] {
        &self.trusts
    }
    /// The trust set behind a reference of this topology.
    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, for this topology"
    )]
    pub fn trust(&self, r: TrustRef) -> &TrustSet {
        &self.trusts[r.index()]
    }
    /// The listeners.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }
    /// The peers.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }
    /// The peers with their references.
    pub fn peer_refs(&self) -> impl Iterator<Item = (PeerRef, &Peer)> {
        (0u16..).map(PeerRef).zip(&self.peers)
    }
    /// The peer behind a reference of this topology.
    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, for this topology"
    )]
    pub fn peer(&self, r: PeerRef) -> &Peer {
        &self.peers[r.index()]
    }
    /// The peer of this name.
    pub fn peer_by_fqdn(&self, fqdn: &str) -> Option<PeerRef> {
        self.peer_refs()
            .find(|(_, p)| p.fqdn.as_str() == fqdn)
            .map(|(r, _)| r)
    }
    /// The pools, the implicit ones of federated domains included.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }
    /// The pools with their references.
    pub fn pool_refs(&self) -> impl Iterator<Item = (PoolRef, &Pool)> {
        (0u16..).map(PoolRef).zip(&self.pools)
    }
    /// The pool behind a reference of this topology.
    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, for this topology"
    )]
    pub fn pool(&self, r: PoolRef) -> &Pool {
        &self.pools[r.index()]
    }
    /// Who is asked for addresses.
    pub fn dns(&self) -> &DnsSettings {
        &self.dns
    }
    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Log settings.
    pub fn log(&self) -> &LogSettings {
        &self.log
    }
    /// Token keys.
    pub fn tokens(&self) -> &TokenSettings {
        &self.tokens
    }
    /// How an operator reaches the daemon.
    pub fn admin(&self) -> &AdminSettings {
        &self.admin
    }
    /// The policy's unit tests.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }
    /// The file itself and the files that it names, CRLs apart, with their content when they were read.
    pub fn files(&self) -> &[NamedFile] {
        &self.files
    }
    /// What works but should be known, in the order of the file.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Something in a topology that must be mended before it can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file that is wrong (the topology or one that it names).
    pub file: PathBuf,
    /// Line in that file, from 1; `None` when no line can be named.
    pub line: Option<u32>,
    /// A stable identifier: `unknown_key`, `file_unreadable`, `key_mismatch` ... (see [`super::Code`]).
    pub code: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something that works but that an operator should know; of the same shape as a [`Fault`].
pub type Warning = Fault;

impl std::fmt::Display for Fault {
    /// `file:line: code: what`, and what to do on a line of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}: {}\n    {}", self.code, self.what, self.remedy)
    }
}
