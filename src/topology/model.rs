//! What a loaded topology holds: this node, identities, trust sets, listeners, and references to all that is in it.
use super::looks;
use super::{
    AdminSettings, Boundary, CrlSource, DnsSettings, Domain, HeldCrl, Limits, LogSettings,
    NamedFile, Peer, PeerIndex, Pool, TokenSettings, Window,
};
use crate::reason::Reason;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An index into [`Topology::peers`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerRef(pub(crate) u32);

/// An index into [`Topology::pools`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolRef(pub(crate) u32);

/// An index into [`Topology::identities`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityRef(pub(crate) u32);

/// An index into [`Topology::trusts`] of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustRef(pub(crate) u32);

impl PeerRef {
    /// The position in [`Topology::peers`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
impl PoolRef {
    /// The position in [`Topology::pools`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
impl IdentityRef {
    /// The position in [`Topology::identities`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
impl TrustRef {
    /// The position in [`Topology::trusts`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A DNS name in the one form that is compared: lower-case A-labels, no trailing dot, at most 253 octets.
#[derive(Clone, Debug, Eq, PartialOrd, Ord)]
pub struct DnsName(pub(crate) Arc<str>);

impl DnsName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        looks::note();
        &self.0
    }
}

impl PartialEq for DnsName {
    fn eq(&self, other: &Self) -> bool {
        looks::note();
        self.0 == other.0
    }
}

impl std::hash::Hash for DnsName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::borrow::Borrow<str> for DnsName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DnsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        looks::note();
        f.write_str(&self.0)
    }
}

/// The most shards that run: a branch and a connection's bit set can name no more.
pub(crate) const MOST_SHARDS: u16 = 64;

/// `[node]`: this daemon.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name in Via, Record-Route and Path.
    pub fqdn: DnsName,
    /// The home SIP domains.
    pub domains: Vec<Domain>,
    /// Further names and addresses under which clients or peers address this node.
    pub aliases: Vec<Domain>,
    /// The port to announce instead of the listener's (behind a translating balancer).
    pub advertise_port: Option<u16>,
    /// How many shards to run; `None`: one for each core.
    pub shards: Option<u16>,
    /// How the kernel schedules the shards' threads.
    pub scheduling: Scheduling,
    /// Where the newest CRLs are kept across restarts; `None`: where systemd says, if it does.
    pub state: Option<PathBuf>,
}

/// `[node] scheduling` (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// SCHED_BATCH, unless the daemon was started with a policy of the operator's own.
    Batch,
    /// As the daemon was started.
    Inherit,
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
    /// The certificates of the anchors file.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Whether each of them is an anchor, not only those that signed themselves.
    pub partial_chain: bool,
    /// Where the CRLs are.
    pub crl_sources: Vec<CrlSource>,
    /// The CRLs as they were read; in a generation, those in force.
    pub crls: Vec<HeldCrl>,
    /// How often the sources are read again; `None`: at a reload only.
    pub crl_refresh: Option<Duration>,
    /// Whether CRLs are fetched from the http:// distribution points of the set's own CAs, too.
    pub crl_fetch: bool,
    /// Hosts of distribution points that may have loopback, link-local or other special addresses: names or addresses in
    /// lower case, without brackets.
    pub crl_fetch_local: Vec<String>,
    /// Policy for CRLs.
    pub revocation: Revocation,
    /// Scope of that policy.
    pub scope: RevocationScope,
    /// When it counts.
    pub window: Window,
    /// Line in the file, from 1.
    pub line: u32,
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

/// Who may come in through a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Clients only.
    Clients,
    /// Listed servers only.
    Peers,
    /// Both; the certificate decides.
    Both,
}

impl Accept {
    /// Whether clients may stay.
    pub fn clients(self) -> bool {
        matches!(self, Self::Clients | Self::Both)
    }
    /// Whether a peer may stay.
    pub fn peers(self) -> bool {
        matches!(self, Self::Peers | Self::Both)
    }
}

/// `[[listener]] client_certificates`: what a certificate means there that speaks for no peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Whoever shows one is refused.
    Refuse,
    /// It is passed over if it has to do with nobody that the topology names; else it is refused.
    Ignore,
    /// Clients must show one that these sets vouch for.
    Require(Vec<TrustRef>),
}

impl ClientCertificates {
    /// The word in the topology file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Ignore => "ignore",
            Self::Require(_) => "require",
        }
    }
    /// The sets that may vouch for clients.
    pub fn trust(&self) -> &[TrustRef] {
        match self {
            Self::Refuse | Self::Ignore => &[],
            Self::Require(sets) => sets,
        }
    }
    /// Whether a client must show a certificate.
    pub fn are_required(&self) -> bool {
        matches!(self, Self::Require(_))
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
    /// What a certificate means that speaks for no peer.
    pub client_certificates: ClientCertificates,
    /// Line in the file, from 1.
    pub line: u32,
}

impl Listener {
    /// Whether a connection without a certificate may stay.
    pub fn takes_clients_without_certificate(&self) -> bool {
        self.accept.clients() && !self.client_certificates.are_required()
    }
    /// Whether the other side is asked for a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.accept.peers() || self.client_certificates.are_required()
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

/// One loaded topology: every reference resolved, every file read.
#[derive(Clone)]
pub struct Topology {
    pub(crate) path: PathBuf,
    pub(crate) node: Node,
    pub(crate) identities: Vec<Identity>,
    pub(crate) trusts: Vec<TrustSet>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) peer_index: PeerIndex,
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
            peer_index: PeerIndex::default(),
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
        (0u32..).map(PeerRef).zip(&self.peers)
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
        self.peers_named(fqdn).first().copied()
    }
    /// The peers of this name in the order of the file; loading leaves one at most.
    pub(crate) fn peers_named(&self, fqdn: &str) -> &[PeerRef] {
        self.peer_index.named(fqdn, &self.peers)
    }
    /// The peers whose name is one label and `parent`, in the order of the file.
    pub(crate) fn peers_below(&self, parent: &str) -> &[PeerRef] {
        self.peer_index.below(parent, &self.peers)
    }
    /// The pools, the implicit ones of federated domains included.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }
    /// The pools with their references.
    pub fn pool_refs(&self) -> impl Iterator<Item = (PoolRef, &Pool)> {
        (0u32..).map(PoolRef).zip(&self.pools)
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
    /// A stable identifier: `unknown_key`, `file_unreadable`, `key_mismatch` ... (see [`super::TopologyReason`]).
    pub code: Reason,
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
