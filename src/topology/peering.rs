//! What a loaded topology knows of its next hops: peers, how they are found and judged, and the pools that they form.
use super::keys::health::Health;
use super::keys::words;
use super::{
    DnsName, Domain, FieldTrust, IdentityRef, Listener, PeerBoundary, PeerName, PeerRef, Pin,
    TrustRef, Window, above,
};
use std::net::SocketAddr;
use std::time::Duration;

words! {
    /// What a peer is to this node.
    pub enum PeerKind {
        /// A server of the home side.
        Home = "home",
        /// A partner's server.
        Federated = "federated",
        /// Another node of this site, which hands over what is for its clients.
        Sibling = "sibling",
    }

    /// How presented names are compared with a peer's FQDN.
    pub enum NamePolicy {
        /// Whole names only (RFC 5922 §7.2).
        Exact = "exact",
        /// Also `*.rest`, standing for one label.
        OneLabelWildcard = "one-label-wildcard",
    }

    /// Which extended key usages a peer's certificate may have.
    pub enum PurposePolicy {
        /// Inbound serverAuth, clientAuth, any, none or sipDomain; outbound never clientAuth alone.
        ServerOrClient = "server-or-client",
        /// Inbound clientAuth, any, none or sipDomain.
        Strict = "strict",
    }

    /// Whether the stricter rule of a peer decides.
    pub enum Stage {
        /// The entry decides.
        Enforce = "enforce",
        /// The entry decides, except for its pins; what these and the strictest policies would refuse is logged.
        Observe = "observe",
    }

    /// How DNS is asked for a peer without an address (RFC 3263 §4).
    pub enum Lookup {
        /// SRV `_sips._tcp` of its FQDN, else A and AAAA of it.
        Sip = "sip",
        /// SRV `_sipfederationtls._tcp` of its domains, else A and AAAA of its FQDN.
        Federation = "federation",
        /// A and AAAA of its FQDN, port 5061.
        Address = "address",
    }

    /// How the registrars of a pool learn the way to a client.
    pub enum ClientPath {
        /// By a Path (RFC 3327).
        Path = "path",
        /// By the Contact, which becomes a URI of this node.
        Contact = "contact",
    }

    /// How a pool orders its members for a request.
    pub enum Strategy {
        /// By a hash of the Call-ID, so that a dialog's requests agree on the member.
        CallIdHash = "call-id-hash",
        /// By weight, at random.
        Weighted = "weighted",
        /// In the order of the file.
        Ordered = "ordered",
    }
}

impl PeerKind {
    /// What a `[[peer]]` may be; a sibling has a section of its own.
    pub(crate) const OF_PEERS: &'static [&'static str] = Self::WORDS.split_at(2).0;
}

/// An address to dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// What the entry is known by; several may have one `fqdn`.
    pub name: PeerName,
    /// The reference identifier in both directions.
    pub fqdn: DnsName,
    /// Home, federated or a sibling.
    pub kind: PeerKind,
    /// What a federated peer may assert in From, and what is routed to it.
    pub domains: Vec<Domain>,
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
    /// The identity that is shown to it.
    pub identity: IdentityRef,
    /// What it knows this node by, if that is not what all peers do.
    pub advertise: Option<DnsName>,
    /// The home domains that its requests reach; empty: all.
    pub to_domains: Vec<Domain>,
    /// How its addresses are found when it has none here.
    pub dns: Lookup,
    /// Further names under which it is dialled, for requests of its dialogs.
    pub covers: Vec<Domain>,
    /// How much silence makes sipward send a CRLF keep-alive on a connection that it made; `None`: none is sent.
    pub keepalive: Option<Duration>,
    /// Connections that each shard has to it under load, at least 1.
    pub connections: u8,
    /// INVITEs without a final answer from each connection with it, at least 1.
    pub invites: usize,
    /// Messages a second that are read from each connection with it, at least 1.
    pub rate: usize,
    /// What passes between it and this node.
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
    /// INVITEs without a final answer from each of its connections, where its entry does not say: half of what it may have open
    /// in a shard (`limits.transactions_per_peer`).
    pub(crate) const INVITES: usize = 50_000;

    /// An entry of this FQDN, and named by it, that grants nothing and demands what an entry with no key for it demands.
    pub(crate) fn named(fqdn: DnsName, identity: IdentityRef) -> Self {
        Self {
            name: PeerName::from(fqdn.clone()),
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
            advertise: None,
            to_domains: Vec::new(),
            dns: Lookup::Sip,
            covers: Vec::new(),
            keepalive: None,
            connections: 1,
            invites: Self::INVITES,
            rate: 1_000_000,
            boundary: PeerBoundary::standard(FieldTrust::Outside),
            window: Window::default(),
            stage: Stage::Enforce,
            pins: Vec::new(),
            line: 0,
        }
    }

    /// Whether this is one of the names that it covers; in lower case.
    pub(crate) fn covers_name(&self, name: &str) -> bool {
        let covers = |listed: &Domain| match listed.below() {
            Some(rest) => above(name).any(|above| above == rest),
            None => listed.as_str() == name,
        };
        self.covers.iter().any(covers)
    }

    /// The port at which it is dialled under such a name: that of its first address.
    pub(crate) fn port(&self) -> u16 {
        match self.addresses.first() {
            Some(DialAddress::Socket(at)) => at.port(),
            Some(DialAddress::Host(_, port)) => *port,
            None => 5061,
        }
    }

    /// The same entry for another server, named by its FQDN.
    #[cfg(test)]
    pub(crate) fn renamed(self, fqdn: DnsName) -> Self {
        Self {
            name: PeerName::from(fqdn.clone()),
            fqdn,
            ..self
        }
    }

    /// The same entry as if it bore a name that it covers.
    pub(crate) fn under(&self, name: &DnsName) -> Self {
        Self {
            fqdn: name.clone(),
            ..self.clone()
        }
    }

    /// What it grants and demands, whoever bears its name.
    // The names that it covers are no part of that: they say where it is dialled, and nobody comes in by them.
    pub(crate) fn terms(&self) -> PeerTerms {
        fn sorted<T: Ord + Clone>(values: &[T]) -> Vec<T> {
            let mut values = values.to_vec();
            values.sort();
            values.dedup();
            values
        }
        let mut boundary = self.boundary.clone();
        boundary.deny = sorted(&boundary.deny);
        PeerTerms {
            kind: self.kind,
            names: self.names,
            common_name: self.common_name,
            purpose: self.purpose,
            stage: self.stage,
            pins: sorted(&self.pins),
            assert_identity: self.assert_identity,
            boundary,
            trust: sorted(&self.trust),
            domains: sorted(&self.domains),
            advertise: self.advertise.clone(),
            to_domains: sorted(&self.to_domains),
        }
    }

    /// The same whichever tenant of its partner it is for: what its servers are held to.
    pub(crate) fn partner_terms(&self) -> PeerTerms {
        PeerTerms {
            advertise: None,
            to_domains: Vec::new(),
            ..self.terms()
        }
    }

    /// What a certificate is held against that a listener requires of clients: these sets, and no name.
    pub(crate) fn clients_of(listener: &Listener, trust: Vec<TrustRef>) -> Self {
        let shown = format!("the clients of listener {}", listener.name);
        Self {
            trust,
            purpose: PurposePolicy::Strict,
            line: listener.line,
            // For explanations only: it can be no host name, so nothing else takes it for one.
            ..Self::named(DnsName(shown.into()), listener.identity)
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

/// What an entry grants and demands. Two entries that grant the same are equal here, so that it does not matter for which
/// of them a certificate is taken that names both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PeerTerms {
    kind: PeerKind,
    names: NamePolicy,
    common_name: bool,
    purpose: PurposePolicy,
    stage: Stage,
    pins: Vec<Pin>,
    assert_identity: bool,
    boundary: PeerBoundary,
    trust: Vec<TrustRef>,
    domains: Vec<Domain>,
    /// Calls of one tenant never go on with the entry of another.
    advertise: Option<DnsName>,
    to_domains: Vec<Domain>,
}

/// `[[pool]]`: peers that serve the same domains.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name in the file (for an implicit pool of a federated domain: that domain).
    pub name: String,
    /// The domains routed to it.
    pub domains: Vec<Domain>,
    /// The home domains whose callers it serves; empty: anybody's.
    pub from_domains: Vec<Domain>,
    /// The members with their weight, in the file's order; never empty.
    pub peers: Vec<(PeerRef, u16)>,
    /// How members are ordered for a request.
    pub strategy: Strategy,
    /// How members are pinged; `None`: they are not.
    pub health: Option<Health>,
    /// Members that take nothing new: their dialogs go on.
    pub drain: Vec<PeerRef>,
    /// What its home servers are answered for a client without a connection: 430 or 480.
    pub flow_status: u16,
    /// How its registrars learn the way to a client.
    pub path: ClientPath,
    /// For `ordered`: each member's group, the smallest goes first; empty: the file's order.
    pub priorities: Vec<u16>,
    /// Line in the file, from 1 (implicit: the first peer's).
    pub line: u32,
}
