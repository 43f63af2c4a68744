//! Routing tables of one generation: which names are this node's, which domain goes to which pool,
//! and which servers are equal.
//!
//! Only the topology is asked. Nothing that a message contains adds to these tables, so that a
//! request can lead nowhere that the operator has not listed.
use super::callers::Callers;
use super::hiding::Inside;
use super::host_hash::host_hash;
use super::interface::AdvertisedNames;
use super::leg::PeerKey;
use super::links::Links;
use super::lookalikes::Lookalikes;
use super::meaning::{Meaning, Meanings};
use super::pool_order::RoutedPool;
use crate::reason::MessageReason;
use crate::sip::{Host, Uri};
use crate::topology::{DialAddress, Domain, DomainList, DomainSet, FastMap, PeerKind, Topology};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// Names, domains and pools of one generation.
pub(crate) struct Routing {
    names: Meanings,
    pools: Vec<RoutedPool>,
    /// The pools that each peer is in: indices into `pools`.
    pools_of: FastMap<PeerKey, SmallVec<[usize; 2]>>,
    /// The servers of the pools of home domains, with a hash of each domain that they serve.
    serves: HashSet<(PeerKey, u32)>,
    /// The other nodes of this site, in the file's order.
    siblings: Vec<PeerKey>,
    /// Domains that nobody may name, and those that a peer may not.
    denied: DomainSet,
    denied_to: FastMap<PeerKey, DomainSet>,
    /// The pool for a client that asserts no home domain (anonymous) and names none.
    default_pool: Option<usize>,
    ports: SmallVec<[u16; 4]>,
    addresses: Vec<SocketAddr>,
    /// The home servers by name and address, those with a port apart: where a URI that was sealed
    /// for a partner leads.
    servers: HashMap<(Box<str>, Option<u16>), PeerKey>,
    /// What the topology is hidden for.
    inside: Inside,
    lookalikes: Lookalikes,
    callers: Callers,
    /// The home domains that a partner reaches, where these are not all.
    reached: FastMap<PeerKey, DomainList>,
}

impl Routing {
    pub(crate) fn new(topology: &Topology, advertised: &AdvertisedNames) -> Self {
        let node = topology.node();
        let mut names = Meanings::new(topology);
        for name in [advertised.for_peers(), advertised.for_clients()] {
            names.keep_own(name);
        }
        let mut pools = Vec::new();
        let mut pools_of: FastMap<PeerKey, SmallVec<[usize; 2]>> = FastMap::default();
        for pool in topology.pools() {
            let built = RoutedPool::new(pool, topology);
            for key in built.members() {
                pools_of.entry(key).or_default().push(pools.len());
            }
            pools.push(built);
        }
        let serves = node.domains.iter().flat_map(|domain| {
            let pool = names.pool_of(domain).and_then(|at| pools.get(at));
            let uri = format!("sip:{}", domain.as_str());
            let hash = Uri::parse(uri.as_bytes()).map_or(0, |uri| host_hash(&uri));
            let members = pool.into_iter().flat_map(RoutedPool::members);
            members.map(move |key| (key, hash))
        });
        let serves = serves.collect();
        let default_pool = node.domains.iter().find_map(|d| names.pool_of(d));
        let mut ports: SmallVec<[u16; 4]> =
            advertised.addresses.iter().map(SocketAddr::port).collect();
        ports.extend(node.advertise_port);
        ports.push(5061);
        Self {
            names,
            pools,
            pools_of,
            serves,
            siblings: siblings(topology),
            denied: topology.boundary().deny_domains.iter().collect(),
            denied_to: topology
                .peers()
                .iter()
                .filter(|p| !p.boundary.deny.is_empty())
                .map(|p| {
                    (
                        PeerKey::of(p.name.as_str()),
                        p.boundary.deny.iter().collect(),
                    )
                })
                .collect(),
            default_pool,
            ports,
            addresses: advertised.addresses.clone(),
            servers: servers(topology),
            inside: Inside::of(topology),
            lookalikes: Lookalikes::of(topology),
            callers: Callers::of(topology),
            reached: topology
                .peers()
                .iter()
                .filter(|p| !p.to_domains.is_empty())
                .map(|p| {
                    let key = PeerKey::of(p.name.as_str());
                    (key, p.to_domains.iter().collect())
                })
                .collect(),
        }
    }

    /// Whether a URI names this node: by one of its names or a home domain, or by an address of a
    /// listener or of the connection it came on.
    pub(crate) fn is_own(&self, uri: &Uri<'_>, local: SocketAddr) -> bool {
        self.is_own_host(&uri.host, uri.port, local)
    }

    /// As [`Self::is_own`], for a host and port that do not come from one place (`maddr`).
    pub(crate) fn is_own_host(
        &self,
        host: &Host<'_>,
        port: Option<u16>,
        local: SocketAddr,
    ) -> bool {
        if let Some(ip) = host.ip() {
            let port = port.unwrap_or(5061);
            let listens = self.addresses.iter().any(|a| {
                a.port() == port && (a.ip() == ip || a.ip().is_unspecified() && local.ip() == ip)
            });
            if listens || local.ip() == ip && local.port() == port {
                return true;
            }
        }
        if port.is_some_and(|p| !self.ports.contains(&p)) {
            return false;
        }
        let meaning = self.names.of(host);
        meaning.own || meaning.home
    }

    /// Whether a URI names this node itself, be the name a home domain as well or not: some
    /// partners (Teams) call users at the FQDN that they dial.
    pub(crate) fn is_node(&self, uri: &Uri<'_>, local: SocketAddr) -> bool {
        self.is_own(uri, local) && (!self.is_home(&uri.host) || self.is_own_name(&uri.host))
    }

    /// Whether the host is a name of this node or an address of it, whatever the port.
    pub(crate) fn is_local(&self, host: &Host<'_>, local: SocketAddr) -> bool {
        let meaning = self.names.of(host);
        let is_address = || {
            host.ip()
                .is_some_and(|ip| local.ip() == ip || self.addresses.iter().any(|a| a.ip() == ip))
        };
        meaning.own || meaning.home || is_address()
    }

    /// The home servers, as far as they are hidden from somebody.
    pub(crate) fn inside(&self) -> &Inside {
        &self.inside
    }

    /// What tells servers apart that one certificate may name.
    pub(crate) fn lookalikes(&self) -> &Lookalikes {
        &self.lookalikes
    }

    /// Whether the host is a name of this node.
    pub(crate) fn is_own_name(&self, host: &Host<'_>) -> bool {
        self.names.of(host).own
    }

    /// Whether any domain is denied to anybody.
    pub(crate) fn denies_any(&self) -> bool {
        !self.denied.is_empty() || !self.denied_to.is_empty()
    }

    /// Whether the host lies in a domain that is denied to all, or to this peer.
    pub(crate) fn denies(&self, peer: Option<PeerKey>, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        let Some(name) = Domain::of_host(host, &mut buffer) else {
            return false;
        };
        let to_peer = peer.and_then(|key| self.denied_to.get(&key));
        self.denied.covers(name) || to_peer.is_some_and(|denied| denied.covers(name))
    }

    /// What the host itself stands for.
    pub(crate) fn meaning(&self, host: &Host<'_>) -> Meaning {
        self.names.of(host)
    }

    /// Whether the host is a home domain, whole: what lies below one belongs to nobody until it is
    /// listed.
    pub(crate) fn is_home(&self, host: &Host<'_>) -> bool {
        self.names.of(host).home
    }

    /// Whether the home side goes by this host: a home domain, a name of this node, or one of a
    /// home server.
    pub(crate) fn is_home_side(&self, host: &Host<'_>, links: &Links) -> bool {
        let meaning = self.names.of(host);
        let is_server = |key| {
            links
                .peer(key)
                .is_some_and(|peer| peer.kind != PeerKind::Federated)
        };
        meaning.home || meaning.own || meaning.peer.is_some_and(is_server)
    }

    /// Whether the host is one that stands for nobody: any name below `.invalid`, which nobody can
    /// have (RFC 2606 §2), as RFC 3323 §4.1.1.3 asks of anonymous callers. What the topology lists
    /// is somebody.
    pub(crate) fn is_nobody(&self, host: &Host<'_>) -> bool {
        host.is_below("invalid") && !self.names.is_known(host)
    }

    /// Whether a federated peer may assert this host in From.
    pub(crate) fn may_assert(&self, peer: PeerKey, host: &Host<'_>) -> bool {
        self.names.may_assert(peer, host)
    }

    /// The peer of this name.
    pub(crate) fn peer(&self, host: &Host<'_>) -> Option<PeerKey> {
        self.names.of(host).peer
    }

    /// The home server of this name or address; of several at one address the one at the port, else
    /// the first.
    pub(crate) fn home_server(&self, host: &Host<'_>, port: Option<u16>) -> Option<PeerKey> {
        let mut buffer = [0; 253];
        let name: Box<str> = Domain::of_host(host, &mut buffer)?.into();
        let at_port = self
            .servers
            .get(&(name.clone(), Some(port.unwrap_or(5061))));
        at_port.or_else(|| self.servers.get(&(name, None))).copied()
    }

    /// The pool that serves this domain.
    pub(crate) fn pool(&self, host: &Host<'_>) -> Option<usize> {
        self.names.pool(host)
    }

    /// The pool that serves this domain for a caller of this host.
    ///
    /// # Errors
    /// [`MessageReason::NoPoolForCaller`]: the pools that serve it serve others.
    pub(crate) fn pool_for(
        &self,
        host: &Host<'_>,
        from: &Host<'_>,
    ) -> Result<Option<usize>, MessageReason> {
        let first = self.pool(host);
        first.map(|at| self.callers.choose(at, from)).transpose()
    }

    /// Whether several peers have this FQDN.
    pub(crate) fn is_shared(&self, host: &Host<'_>) -> bool {
        self.names.of(host).is_shared
    }

    /// Whether a partner reaches this home domain.
    pub(crate) fn reaches(&self, peer: PeerKey, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        self.reached.get(&peer).is_none_or(|domains| {
            Domain::of_host(host, &mut buffer).is_some_and(|name| domains.has(name))
        })
    }

    /// The pool that serves this domain, if it is a home domain.
    pub(crate) fn home_pool(&self, host: &Host<'_>) -> Option<usize> {
        self.names.of(host).home_pool()
    }

    /// The other servers of the pools that a server is in: those that can take over its dialogs.
    pub(crate) fn other_members(&self, key: PeerKey) -> impl Iterator<Item = PeerKey> {
        let pools = self.pools_of.get(&key).into_iter().flatten();
        pools
            .filter_map(|at| self.pools.get(*at))
            .flat_map(RoutedPool::members)
            .filter(move |member| *member != key)
    }

    /// Whether a home server may go on with a dialog of another one: both are in one pool. A server in no pool serves the
    /// whole site, as one that pools route through (a director, a trunk), and the dialogs of all.
    pub(crate) fn may_take_over(&self, own: PeerKey, of: PeerKey) -> bool {
        let Some(pools) = self.pools_of.get(&own) else {
            return true;
        };
        let others = self.pools_of.get(&of).into_iter().flatten();
        others.into_iter().any(|at| pools.contains(at))
    }

    /// The federated entries that grant the same as this one, itself included, in their order;
    /// empty where there is no other.
    ///
    /// They name servers of one partner: whose domains are the same, and what may be done in them,
    /// is the same.
    pub(crate) fn equals(&self, key: PeerKey) -> &[PeerKey] {
        match self.lookalikes.group(key) {
            Some(group) if group.kind == PeerKind::Federated => &group.keys,
            Some(_) | None => &[],
        }
    }

    /// The other nodes of this site.
    pub(crate) fn siblings(&self) -> &[PeerKey] {
        &self.siblings
    }

    /// Whether it is one of them, or the other process of this node.
    pub(crate) fn is_sibling(&self, key: PeerKey) -> bool {
        key == PeerKey::OTHER_PROCESS || self.siblings.contains(&key)
    }

    /// What a home server is answered for a client without a connection.
    pub(crate) fn flow_status(&self, key: PeerKey) -> Option<u16> {
        let first = self.pools_of.get(&key)?.first()?;
        self.pools.get(*first).map(|pool| pool.flow_status)
    }

    /// Whether the pool that serves this home domain has the server.
    pub(crate) fn is_served_by(&self, host: &Host<'_>, key: PeerKey) -> bool {
        let pool = self.home_pool(host).and_then(|at| self.pools.get(at));
        pool.is_some_and(|pool| pool.members().any(|member| member == key))
    }

    /// Whether the server is one of the pool that serves the home domain of this hash.
    pub(crate) fn serves(&self, key: PeerKey, domain: u32) -> bool {
        self.serves.contains(&(key, domain))
    }

    /// The pool for a client's requests: that of the domain which it asserts, whatever the Request-URI names, which counts
    /// only without one.
    pub(crate) fn pool_of_client(&self, from: Meaning, target: &Uri<'_>) -> Option<usize> {
        from.home_pool()
            .or_else(|| self.home_pool(&target.host))
            .or(self.default_pool)
    }

    /// The pool at a position that [`Self::pool`] or [`Self::default_pool`] has returned.
    pub(crate) fn pool_at(&self, position: usize) -> Option<&RoutedPool> {
        self.pools.get(position)
    }

    /// The pool for clients without a home domain of their own.
    pub(crate) fn default_pool(&self) -> Option<usize> {
        self.default_pool
    }
}

/// The home servers by all that is said of where they are.
fn servers(topology: &Topology) -> HashMap<(Box<str>, Option<u16>), PeerKey> {
    let mut servers = HashMap::new();
    for peer in topology.peers().iter().filter(|p| p.kind == PeerKind::Home) {
        let key = PeerKey::of(peer.name.as_str());
        servers.insert((peer.fqdn.as_str().into(), None), key);
        for address in &peer.addresses {
            let (host, port) = match address {
                DialAddress::Socket(at) => match at.ip().to_canonical() {
                    IpAddr::V4(address) => (address.to_string(), at.port()),
                    IpAddr::V6(address) => (format!("[{address}]"), at.port()),
                },
                DialAddress::Host(host, port) => (host.to_ascii_lowercase(), *port),
            };
            let host: Box<str> = host.into();
            servers.entry((host.clone(), Some(port))).or_insert(key);
            servers.entry((host, None)).or_insert(key);
        }
    }
    servers
}

/// The other nodes of this site.
fn siblings(topology: &Topology) -> Vec<PeerKey> {
    let siblings = topology
        .peers()
        .iter()
        .filter(|p| p.kind == PeerKind::Sibling);
    siblings.map(|p| PeerKey::of(p.name.as_str())).collect()
}
