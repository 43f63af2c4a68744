//! What a host stands for in one generation: this node, a home domain, a peer, a domain that a pool
//! serves or a partner may assert. Of what the topology lists the most specific counts, and nothing
//! below a `*.` of a partner stands against a name that is listed whole.
//!
//! One host can be several things: the node's own name and a home domain (Teams), a peer and a
//! domain that a pool serves. All of them stand in one entry of one table, so that a request asks
//! once for each host that it names.
use super::callers;
use super::leg::PeerKey;
use crate::sip::Host;
use crate::topology::{DnsName, Domain, DomainList, FastMap, PeerKind, Topology, above};
use std::collections::HashSet;

/// What one name or address stands for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Meaning {
    /// This node.
    pub(crate) own: bool,
    /// A home domain.
    pub(crate) home: bool,
    /// A domain of a partner.
    listed: bool,
    /// A domain that this pool serves: its position, that of the first where callers choose among several.
    pool: Option<usize>,
    /// A peer; of several with this FQDN the first.
    pub(crate) peer: Option<PeerKey>,
    /// Several peers have this FQDN.
    pub(crate) is_shared: bool,
}

/// What all below one name stands for.
#[derive(Clone, Copy, Default)]
struct Below {
    listed: bool,
    pool: Option<usize>,
}

/// Every name, address and domain of the topology.
#[derive(Default)]
pub(crate) struct Meanings {
    /// In one table, so that a host is looked up once.
    whole: FastMap<Box<[u8]>, Meaning>,
    below: FastMap<Box<str>, Below>,
    /// The domains of each federated peer.
    asserts: FastMap<PeerKey, DomainList>,
    /// The members of the pools that serve all below a name.
    members: HashSet<(usize, PeerKey)>,
}

impl Meaning {
    /// The pool that serves it, if it is a home domain: no `*.` above it counts.
    pub(crate) fn home_pool(self) -> Option<usize> {
        self.pool.filter(|_| self.home)
    }
}

impl Meanings {
    pub(crate) fn new(topology: &Topology) -> Self {
        let node = topology.node();
        let mut this = Self::default();
        for peer in topology.peers() {
            let key = PeerKey::of(peer.name.as_str());
            let meaning = this.at(peer.fqdn.as_str());
            meaning.is_shared = meaning.peer.is_some();
            meaning.peer.get_or_insert(key);
            if peer.kind != PeerKind::Federated {
                continue;
            }
            for domain in &peer.domains {
                match domain.below() {
                    Some(name) => this.below.entry(name.into()).or_default().listed = true,
                    None => this.at(domain.as_str()).listed = true,
                }
            }
            this.asserts.insert(key, peer.domains.iter().collect());
        }
        for domain in &node.domains {
            let is_address = domain.is_address();
            let meaning = this.at(domain.as_str());
            meaning.home = true;
            // An address that is a home domain is where this node is reached from outside.
            meaning.own |= is_address;
        }
        // `sip.contoso.test` in this node's certificate is a name of this node; a name that a peer
        // or domain bears is not, since one certificate may be installed on all servers of a site.
        for name in topology.identities().iter().flat_map(|i| &i.names) {
            let meaning = this.at(name.as_str());
            meaning.own = meaning.peer.is_none() && !meaning.home;
        }
        let aliases = node.aliases.iter().map(Domain::as_str);
        for name in aliases.chain(topology.own_names().map(DnsName::as_str)) {
            this.at(name).own = true;
        }
        for (position, pool) in callers::firsts(topology).zip(topology.pools()) {
            let mut below = false;
            for domain in &pool.domains {
                let Some(name) = domain.below() else {
                    this.at(domain.as_str()).pool = Some(position);
                    continue;
                };
                this.below.entry(name.into()).or_default().pool = Some(position);
                below = true;
            }
            if below {
                let members = pool.peers.iter().map(|(r, _)| topology.peer(*r));
                let keys = members.map(|peer| (position, PeerKey::of(peer.name.as_str())));
                this.members.extend(keys);
            }
        }
        this
    }

    fn at(&mut self, text: &str) -> &mut Meaning {
        self.whole.entry(text.as_bytes().into()).or_default()
    }

    /// What this node goes by until a restart, whatever a reload says: routes that are on their way have it. A server that
    /// is called so from now on is not this node.
    pub(crate) fn keep_own(&mut self, name: &str) {
        let meaning = self.at(name);
        meaning.own |= meaning.peer.is_none();
    }

    /// What the host itself stands for. One look-up: the message path asks this several times for
    /// each request.
    pub(crate) fn of(&self, host: &Host<'_>) -> Meaning {
        let mut buffer = [0; 253];
        // A name is looked up as it is, whatever its bytes: what is no text is in no topology.
        let key = match host {
            Host::Name(_) => host.lower_bytes(&mut buffer),
            Host::V4(_) | Host::V6(_) => Domain::of_host(host, &mut buffer).map(str::as_bytes),
        };
        let found = key.and_then(|key| self.whole.get(key));
        found.copied().unwrap_or_default()
    }

    /// Whether the topology speaks of the host, or of all below a name above it.
    pub(crate) fn is_known(&self, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        let Some(key) = Domain::of_host(host, &mut buffer) else {
            return false;
        };
        self.whole.contains_key(key.as_bytes())
            || above(key).any(|name| self.below.contains_key(name))
    }

    /// The pool that serves a domain as it is written in the topology.
    pub(crate) fn pool_of(&self, domain: &Domain) -> Option<usize> {
        self.whole.get(domain.as_str().as_bytes())?.pool
    }

    /// The pool that serves the host, of several with the same domains the first: the one that names it, else the one of the nearest `*.` above
    /// it. That is never for names of this node or home domains, and for a peer's name only if the
    /// peer is one of its members.
    pub(crate) fn pool(&self, host: &Host<'_>) -> Option<usize> {
        let mut buffer = [0; 253];
        let key = Domain::of_host(host, &mut buffer)?;
        let whole = self.whole.get(key.as_bytes()).copied().unwrap_or_default();
        if whole.pool.is_some() || whole.own || whole.home || self.below.is_empty() {
            return whole.pool;
        }
        let pool = above(key).find_map(|name| self.below.get(name)?.pool)?;
        let serves = |peer| self.members.contains(&(pool, peer));
        whole.peer.is_none_or(serves).then_some(pool)
    }

    /// Whether a federated peer may assert the host: it lists it, or the nearest `*.` above it;
    /// what this node, a home domain, another's domain or another's server is called is in nobody's
    /// `*.`.
    pub(crate) fn may_assert(&self, peer: PeerKey, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        let (Some(key), Some(own)) = (Domain::of_host(host, &mut buffer), self.asserts.get(&peer))
        else {
            return false;
        };
        if own.has(key) || self.below.is_empty() {
            return own.has(key);
        }
        let whole = self.whole.get(key.as_bytes()).copied().unwrap_or_default();
        let others = whole.peer.is_some_and(|bearer| {
            let domains = self.asserts.get(&bearer);
            domains.is_none_or(|domains| !domains.covers(key))
        });
        if whole.own || whole.home || whole.listed || others {
            return false;
        }
        let nearest = |name: &&str| self.below.get(*name).is_some_and(|below| below.listed);
        above(key)
            .find(nearest)
            .is_some_and(|name| own.has_below(name))
    }
}
