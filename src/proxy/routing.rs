//! Routing tables of one generation: which names are ours, which domain goes to which pool, and in which order a pool's
//! members are tried.
use super::fast_map::FastMap;
use super::health::Fitness;
use super::hiding::Inside;
use super::interface::AdvertisedNames;
use super::leg::{Leg, PeerKey, TargetSet};
use super::links::Links;
use super::meaning::Meanings;
use crate::reason::MessageReason;
use crate::sip::{Host, Uri};
use crate::topology::{DialAddress, Domain, DomainSet, PeerKind, PeerRef, Strategy, Topology};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Pool {
    members: Vec<Member>,
    strategy: Strategy,
    /// Whether `ordered` goes by groups rather than by the place in the file.
    grouped: bool,
    /// How long a member that came back comes after those that stayed.
    fail_back: Duration,
}

struct Member {
    key: PeerKey,
    weight: u16,
    /// The smallest goes first.
    group: u16,
    /// Takes nothing new.
    drained: bool,
}

/// What one generation says about names, domains and pools.
pub(crate) struct Routing {
    names: Meanings,
    pools: Vec<Pool>,
    /// The pools that each peer is in: indices into `pools`.
    pools_of: FastMap<PeerKey, SmallVec<[usize; 2]>>,
    /// Federated entries that grant the same as others: the whole of each such group.
    equals: FastMap<PeerKey, Arc<[PeerKey]>>,
    /// Domains that nobody may name, and those that a peer may not.
    denied: DomainSet,
    denied_to: FastMap<PeerKey, DomainSet>,
    /// The pool for a client that asserts no home domain (anonymous) and names none.
    default_pool: Option<usize>,
    ports: SmallVec<[u16; 4]>,
    addresses: Vec<SocketAddr>,
    /// The home servers by name and address, those with a port apart.
    servers: HashMap<(Box<str>, Option<u16>), PeerKey>,
    /// What the topology is hidden for.
    inside: Inside,
}

impl Routing {
    pub(crate) fn new(topology: &Topology, advertised: &AdvertisedNames) -> Self {
        let node = topology.node();
        let names = Meanings::new(topology);
        let mut pools = Vec::new();
        let mut pools_of: FastMap<PeerKey, SmallVec<[usize; 2]>> = FastMap::default();
        for pool in topology.pools() {
            let groups = pool.priorities.iter().copied().chain(std::iter::repeat(1));
            let drained: HashSet<PeerRef> = pool.drain.iter().copied().collect();
            let members: Vec<Member> = pool
                .peers
                .iter()
                .zip(groups)
                .map(|((r, weight), group)| Member {
                    key: PeerKey::of(topology.peer(*r).fqdn.as_str()),
                    weight: *weight,
                    group,
                    drained: drained.contains(r),
                })
                .collect();
            for member in &members {
                pools_of.entry(member.key).or_default().push(pools.len());
            }
            pools.push(Pool {
                members,
                strategy: pool.strategy,
                grouped: !pool.priorities.is_empty(),
                fail_back: pool.health.map_or(Duration::ZERO, |h| h.fail_back),
            });
        }
        let default_pool = node.domains.iter().find_map(|d| names.pool_of(d));
        let mut ports: SmallVec<[u16; 4]> =
            advertised.addresses.iter().map(SocketAddr::port).collect();
        ports.extend(node.advertise_port);
        ports.push(5061);
        Self {
            names,
            pools,
            pools_of,
            equals: equals(topology),
            denied: topology.boundary().deny_domains.iter().collect(),
            denied_to: topology
                .peers()
                .iter()
                .filter(|p| !p.boundary.deny.is_empty())
                .map(|p| {
                    (
                        PeerKey::of(p.fqdn.as_str()),
                        p.boundary.deny.iter().collect(),
                    )
                })
                .collect(),
            default_pool,
            ports,
            addresses: advertised.addresses.clone(),
            servers: servers(topology),
            inside: Inside::of(topology),
        }
    }

    /// Whether a URI names this node: by a name of ours or a home domain, or by an address of a listener or of the
    /// connection it came on.
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

    /// Whether a URI names this node itself, be the name a home domain as well or not: some partners (Teams) call users
    /// at the FQDN that they dial.
    pub(crate) fn is_node(&self, uri: &Uri<'_>, local: SocketAddr) -> bool {
        self.is_own(uri, local) && (!self.is_home(&uri.host) || self.is_own_name(&uri.host))
    }

    /// Whether the host is a name of this node or an address of it, whatever the port.
    pub(crate) fn is_ours(&self, host: &Host<'_>, local: SocketAddr) -> bool {
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

    /// Whether the host is a home domain.
    pub(crate) fn is_home(&self, host: &Host<'_>) -> bool {
        self.names.of(host).home
    }

    /// Whether the home side goes by this host: a home domain, a name of this node, or one of a home server.
    pub(crate) fn is_home_side(&self, host: &Host<'_>, links: &Links) -> bool {
        let meaning = self.names.of(host);
        let is_server = |key| links.peer(key).is_some_and(|peer| peer.is_home());
        meaning.home || meaning.own || meaning.peer.is_some_and(is_server)
    }

    /// Whether the host is one that stands for nobody: any name below `.invalid`, which nobody can have (RFC 2606 §2), as
    /// RFC 3323 §4.1.1.3 asks of anonymous callers. What the topology gives a meaning to is somebody.
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

    /// The home server of this name or address; of several at one address the one at the port, else the first.
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

    /// The pool that serves this domain, if it is a home domain.
    pub(crate) fn home_pool(&self, host: &Host<'_>) -> Option<usize> {
        self.is_home(host).then(|| self.names.pool(host)).flatten()
    }

    /// The other servers of the pools that a server is in.
    pub(crate) fn mates(&self, key: PeerKey) -> impl Iterator<Item = PeerKey> {
        let pools = self.pools_of.get(&key).into_iter().flatten();
        pools
            .filter_map(|at| self.pools.get(*at))
            .flat_map(|pool| pool.members.iter().map(|member| member.key))
            .filter(move |member| *member != key)
    }

    /// The federated entries that grant the same as this one, itself included, in their order; empty where there is no
    /// other.
    ///
    /// They name servers of one partner: whose domains are the same, and what may be done in them, is the same.
    pub(crate) fn equals(&self, key: PeerKey) -> &[PeerKey] {
        self.equals.get(&key).map_or(&[], |group| group)
    }

    /// The pool for clients without a home domain of their own.
    pub(crate) fn default_pool(&self) -> Option<usize> {
        self.default_pool
    }

    /// The pool's members in the order in which this request tries them; `except` is who may have sent it. Members that
    /// are down come last, those that asked to be left alone after them; those that drain do not come at all.
    ///
    /// # Errors
    /// Nobody is left, with the reason.
    pub(crate) fn order(
        &self,
        pool: usize,
        call_id: &[u8],
        random: u64,
        except: &[PeerKey],
        links: &Links,
        now: Instant,
    ) -> Result<TargetSet, MessageReason> {
        let pool = self.pools.get(pool).ok_or(MessageReason::NoRoute)?;
        let mut others = false;
        let mut members: SmallVec<[(Fitness, u16, u64, PeerKey); 8]> = SmallVec::new();
        for (position, member) in pool.members.iter().enumerate() {
            let key = member.key;
            if except.contains(&key) {
                continue;
            }
            others = true;
            if member.drained {
                continue;
            }
            let fitness = match links.peer(key) {
                Some(p) if links.is_cut_off(key, now) => {
                    p.health.fitness(now, pool.fail_back).max(Fitness::Down)
                }
                Some(p) => p.health.fitness(now, pool.fail_back),
                None => Fitness::Down,
            };
            let rank = match pool.strategy {
                Strategy::Ordered if !pool.grouped => position as u64,
                // Rendezvous hashing: when a member leaves, only its own calls move.
                Strategy::Ordered | Strategy::CallIdHash => draw(call_id, key.0, member.weight),
                Strategy::Weighted => draw(&random.to_be_bytes(), key.0, member.weight),
            };
            members.push((fitness, member.group, rank, key));
        }
        if members.is_empty() {
            return Err(if others {
                MessageReason::NoMember
            } else {
                MessageReason::NoRoute
            });
        }
        members.sort_unstable();
        Ok(members
            .into_iter()
            .map(|(.., key)| Leg::Peer(key))
            .collect())
    }
}

/// The home servers by all that is said of where they are.
fn servers(topology: &Topology) -> HashMap<(Box<str>, Option<u16>), PeerKey> {
    let mut servers = HashMap::new();
    for peer in topology.peers().iter().filter(|p| p.kind == PeerKind::Home) {
        let key = PeerKey::of(peer.fqdn.as_str());
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

/// The groups of federated entries that grant the same.
fn equals(topology: &Topology) -> FastMap<PeerKey, Arc<[PeerKey]>> {
    let mut groups: HashMap<_, Vec<PeerKey>> = HashMap::new();
    for peer in topology.peers() {
        if peer.kind == PeerKind::Federated {
            let key = PeerKey::of(peer.fqdn.as_str());
            groups.entry(peer.terms()).or_default().push(key);
        }
    }
    let mut equals = FastMap::default();
    for mut group in groups.into_values().filter(|group| group.len() > 1) {
        group.sort_unstable();
        let group: Arc<[PeerKey]> = group.into();
        equals.extend(group.iter().map(|key| (*key, Arc::clone(&group))));
    }
    equals
}

/// Weighted rendezvous: an exponential variate with the weight as its rate; the smallest wins. Unkeyed on purpose, so
/// that all nodes and shards agree; a caller that aims at one member gains nothing that it could not ask for.
fn draw(input: &[u8], peer: u64, weight: u16) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write_u64(peer);
    hasher.write(input);
    // 53 bits, as many as an f64 holds, moved off zero.
    let uniform = ((hasher.finish() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let variate = -uniform.ln() / f64::from(weight.max(1));
    // At most 37.5 / 1: scaled into the range of u64 with room to spare.
    (variate * 1e17) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weighted_draw_follows_the_weights() {
        let mut wins = [0u32; 2];
        for call in 0u32..20_000 {
            let input = call.to_be_bytes();
            let first = draw(&input, 1, 3) < draw(&input, 2, 1);
            wins[usize::from(!first)] += 1;
        }
        let share = f64::from(wins[0]) / 20_000.0;
        assert!(
            (0.73..0.77).contains(&share),
            "three quarters expected, got {share}"
        );
    }

    #[test]
    fn when_a_member_leaves_only_its_own_calls_move() {
        for call in 0u32..2_000 {
            let input = call.to_be_bytes();
            let mut three = [1u64, 2, 3].map(|k| (draw(&input, k, 1), k));
            three.sort_unstable();
            let mut two = [1u64, 2].map(|k| (draw(&input, k, 1), k));
            two.sort_unstable();
            if three[0].1 != 3 {
                assert_eq!(three[0].1, two[0].1);
            }
        }
    }
}
