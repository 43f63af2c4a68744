//! One loaded topology: every reference resolved, every file read.
use super::{
    Accept, AdminSettings, Boundary, DnsName, DnsSettings, Expectation, HepSettings, HttpSettings,
    Identity, IdentityRef, Limits, Listener, LogSettings, NamedFile, Node, Peer, PeerIndex,
    PeerRef, Pool, TokenSettings, TopologyId, TrustRef, TrustSet, Warning,
};
use std::path::PathBuf;

/// One loaded topology: every reference resolved, every file read.
///
/// Immutable once loaded. A reload makes a new one, and whoever holds the old one finishes with it.
#[derive(Clone)]
pub struct Topology {
    pub(crate) id: TopologyId,
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
    pub(crate) http: HttpSettings,
    pub(crate) hep: HepSettings,
    pub(crate) boundary: Boundary,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) files: Vec<NamedFile>,
}

impl Topology {
    /// The same trust sets and identities with other peers, and nothing that the trust decision does not read.
    ///
    /// For questions such as "what would `decide` answer if this entry were stricter", where whole
    /// peers are exchanged and nothing else matters.
    pub(crate) fn supposing(&self, peers: Vec<Peer>) -> Self {
        Self {
            id: self.id,
            path: self.path.clone(),
            node: self.node.clone(),
            identities: self.identities.clone(),
            trusts: self.trusts.clone(),
            listeners: Vec::new(),
            peers,
            peer_index: PeerIndex::default(),
            pools: Vec::new(),
            dns: DnsSettings::default(),
            limits: Limits::default(),
            log: self.log.clone(),
            tokens: TokenSettings::default(),
            admin: self.admin.clone(),
            http: HttpSettings::default(),
            hep: HepSettings::default(),
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
    /// The names of this node: its own, and those that it goes by.
    pub fn own_names(&self) -> impl Iterator<Item = &DnsName> {
        let advertised = self.listeners.iter().filter_map(|l| l.advertise.as_ref());
        let node = std::iter::once(&self.node.fqdn).chain(&self.node.advertise);
        let to_peers = self.peers.iter().filter_map(|p| p.advertise.as_ref());
        node.chain(advertised).chain(to_peers)
    }
    /// The listener whose name and port are announced to those that `serves` names: the first that serves them, else the
    /// first of all.
    pub fn announced(&self, serves: fn(Accept) -> bool) -> Option<&Listener> {
        let mut listeners = self.listeners.iter();
        let serving = listeners.find(|listener| serves(listener.accept));
        serving.or(self.listeners.first())
    }
    /// The name that is announced to them.
    pub fn announced_name(&self, serves: fn(Accept) -> bool) -> &DnsName {
        let listener = self.announced(serves);
        let own = listener.and_then(|listener| listener.advertise.as_ref());
        own.unwrap_or(self.node.advertised())
    }
    /// The name that is announced to this peer.
    pub fn announced_to<'t>(&'t self, peer: &'t Peer) -> &'t DnsName {
        let own = peer.advertise.as_ref();
        own.unwrap_or_else(|| self.announced_name(Accept::peers))
    }
    /// The node's certificates.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }
    /// The identity behind a reference of this topology.
    pub fn identity(&self, r: IdentityRef) -> &Identity {
        referred(&self.identities, r.index())
    }
    /// The trust sets.
    pub fn trusts(&self) -> &[TrustSet] {
        &self.trusts
    }
    /// The trust set behind a reference of this topology.
    pub fn trust(&self, r: TrustRef) -> &TrustSet {
        referred(&self.trusts, r.index())
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
        self.id.peers(&self.peers)
    }
    /// The peer behind a reference of this topology.
    ///
    /// # Panics
    /// For a reference of another topology: what is held over a reload asks [`Self::find_peer`].
    pub fn peer(&self, r: PeerRef) -> &Peer {
        assert!(r.is_of(self.id), "a reference of another topology");
        referred(&self.peers, r.index())
    }
    /// The peer behind a reference, unless that is of another topology.
    pub(crate) fn find_peer(&self, r: PeerRef) -> Option<&Peer> {
        self.peers.get(r.index()).filter(|_| r.is_of(self.id))
    }
    /// The peer of this name.
    ///
    /// In normalised form.
    pub fn peer_by_name(&self, name: &str) -> Option<PeerRef> {
        self.peer_index.named(name, self.id, &self.peers)
    }
    /// The peer of this name, else the first that covers it, then with the name.
    ///
    /// All that cover a name hold its servers to the same, so that any of them shows what is asked of these.
    pub fn peer_or_covered(&self, name: DnsName) -> Option<(PeerRef, Option<DnsName>)> {
        if let Some(peer) = self.peer_by_name(name.as_str()) {
            return Some((peer, None));
        }
        let peer = self.covering(&name).next()?;
        Some((peer, Some(name)))
    }
    /// The peers that cover a name, in the order of the file.
    ///
    /// Several where each is for another tenant of one partner: what its servers are held to is the same, what they are shown is not.
    pub fn covering(&self, name: &DnsName) -> impl Iterator<Item = PeerRef> {
        let peers = self.peer_refs();
        let covering = peers.filter(|(_, peer)| peer.covers_name(name.as_str()));
        covering.map(|(peer, _)| peer)
    }
    /// The peer of this name, dialled as `name`, if that is its FQDN or a name that it covers; then with that.
    pub fn peer_under(&self, peer: &str, name: DnsName) -> Option<(PeerRef, Option<DnsName>)> {
        let found = self.peer_by_name(peer)?;
        let peer = self.peer(found);
        if peer.fqdn == name {
            return Some((found, None));
        }
        peer.covers_name(name.as_str())
            .then_some((found, Some(name)))
    }
    /// The peers of this FQDN in the order of the file.
    pub(crate) fn peers_called(&self, fqdn: &str) -> &[PeerRef] {
        self.peer_index.called(fqdn, self.id, &self.peers)
    }
    /// The peers whose FQDN is one label and `parent`, in the order of the file.
    pub(crate) fn peers_below(&self, parent: &str) -> &[PeerRef] {
        self.peer_index.below(parent, self.id, &self.peers)
    }
    /// The pools, the implicit ones of federated domains included.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
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
    /// Where monitoring and browsers look.
    pub fn http(&self) -> &HttpSettings {
        &self.http
    }

    /// Which collector gets copies of messages.
    pub fn hep(&self) -> &HepSettings {
        &self.hep
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

/// What a reference leads to.
#[expect(
    clippy::indexing_slicing,
    reason = "a reference is made by loading, for this topology"
)]
fn referred<T>(list: &[T], position: usize) -> &T {
    &list[position]
}
