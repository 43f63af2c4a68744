//! `[[pool]]`: which peers serve which domains, with the implicit pools of federated domains.
use super::loading::Loading;
use super::section_names::SectionNames;
use super::tenant;
use crate::topology::keys::pool::RawPool;
use crate::topology::keys::{Numbers, Text};
use crate::topology::{
    ClientPath, Domain, DomainList, Node, Peer, PeerKind, PeerRef, Pool, Strategy, TopologyId,
    TopologyReason, above,
};
use std::collections::{HashMap, HashSet};
use toml::Spanned;

/// Resolves every pool and adds those that federated peers imply.
///
/// The order of the steps matters. Explicit pools come first, since a domain that one of them serves
/// gets no implied pool; and whether a home domain is served can only be decided when all pools are
/// known.
/// A pool that is `None` was reported; it stays in the list so that positions remain those of the file.
pub(super) fn load_all(
    raws: &[Spanned<RawPool>],
    peers: &[Option<Peer>],
    names: &SectionNames,
    node: Option<&Node>,
    loading: &mut Loading<'_, '_>,
) -> Vec<Option<Pool>> {
    // A pool without a name was reported as missing a key, and counts as a section all the same.
    // Nothing refers to a pool by name, but its name is in logs and in `status`: two of one name could
    // not be kept apart there.
    SectionNames::of("pool", raws, |raw| raw.name.as_ref(), loading);
    let mut pools: Vec<Option<Pool>> = raws
        .iter()
        .map(|raw| {
            let line = loading.line(raw);
            let pool = load(raw.get_ref(), line, names, loading)?;
            // Only for a pool that resolved: a member that is unknown was reported already, and what is
            // left of the pool would be compared with the wrong members.
            check_members(&pool, peers, node, loading);
            Some(pool)
        })
        .collect();
    // After the explicit ones, so that positions of pools are those of the sections, then of the file's
    // domains.
    let implied = implied(&check_routed_once(&pools, loading), peers, loading.id);
    pools.extend(implied.into_iter().map(Some));
    // With a pool or peer missing for another fault, its domains would be reported as unserved too.
    // The check is about what is missing, so it needs all that is there.
    let whole = pools.iter().all(Option::is_some);
    if let Some(node) = node.filter(|_| whole) {
        check_served(node, &pools, loading);
    }
    pools
}

/// One `[[pool]]` as it is written. Every key is looked at before the function returns, so that one
/// reading of the file reports all that is wrong with it.
fn load(
    raw: &RawPool,
    line: u32,
    names: &SectionNames,
    loading: &mut Loading<'_, '_>,
) -> Option<Pool> {
    // Without a name there is nothing by which messages could refer to the pool.
    let name = raw.name.as_ref()?.get_ref().clone();
    let place = format!("pool \"{name}\"");
    let domains = raw
        .domains
        .as_ref()
        .map(|list| loading.patterns(list, &format!("{place} domain")));
    let flow_status = flow_status(raw, &place, loading);
    let from_domains = tenant::from_domains(raw, &place, loading);
    let list = raw.peers.as_deref().unwrap_or_default();
    let mut members = Members::read(list, names, place, loading);
    weigh(raw, &mut members, loading);
    let priorities = priorities(raw, &members, loading);
    let drain = drain(raw, &members, loading);
    Some(Pool {
        name,
        domains: domains?,
        from_domains,
        peers: members.list,
        strategy: raw.strategy,
        health: raw.health,
        drain,
        flow_status,
        path: raw.path,
        priorities,
        line,
    })
}

/// What stands for "no connection": RFC 5626's own status, or one that every server knows.
fn flow_status(raw: &RawPool, place: &str, loading: &mut Loading<'_, '_>) -> u16 {
    let Some(status) = &raw.flow_status else {
        return Pool::FLOW_STATUS;
    };
    let value = *status.get_ref();
    if ![Pool::FLOW_STATUS, 480].contains(&value) {
        let line = loading.line(status);
        loading.add(
            TopologyReason::OutOfRange,
            line,
            format!("{place} has flow_status = {value}"),
            "write 430 or 480",
        );
    }
    value
}

/// Sets the weights of members.
///
/// A weight that the strategy never reads is a warning and no fault: the pool works, only not as the
/// operator may believe.
fn weigh(raw: &RawPool, members: &mut Members<'_>, loading: &mut Loading<'_, '_>) {
    // Absent: every member keeps its equal share.
    let Some(weights) = &raw.weights else { return };
    // Within a group of `ordered`, weights share the calls out. `priorities` alone would try the
    // members of a group by Call-ID with equal shares.
    let grouped = raw.strategy == Strategy::Ordered && raw.priorities.is_some();
    if raw.strategy != Strategy::Weighted && !grouped {
        let (place, strategy) = (&members.place, raw.strategy.word());
        let what = format!("{place} has weights, but its strategy is {strategy}");
        let remedy = "set strategy = \"weighted\", or remove the weights";
        loading.add(TopologyReason::WeightsUnused, weights, what, remedy);
    }
    // A member without a weight keeps the 1 that it was made with.
    for (at, weight) in numbers(weights, members, "weights", loading) {
        if let Some(member) = members.list.get_mut(at) {
            member.1 = weight;
        }
    }
}

/// The group of each member, by position; empty without the key.
///
/// Without the key `ordered` tries each member alone, in the order of `peers`; that is another thing
/// than one group for all, so the absence is kept as an empty list.
fn priorities(raw: &RawPool, members: &Members<'_>, loading: &mut Loading<'_, '_>) -> Vec<u16> {
    let Some(priorities) = &raw.priorities else {
        return Vec::new();
    };
    if raw.strategy != Strategy::Ordered {
        let (place, strategy) = (&members.place, raw.strategy.word());
        let what = format!("{place} has priorities, but its strategy is {strategy}");
        let remedy = "set strategy = \"ordered\", or remove the priorities";
        loading.add(TopologyReason::PrioritiesUnused, priorities, what, remedy);
    }
    // The first group is for whoever is not named, so that a file names the exceptions only: the
    // servers of the other site, say.
    let mut groups = vec![1; members.list.len()];
    for (at, number) in numbers(priorities, members, "priorities", loading) {
        if let Some(group) = groups.get_mut(at) {
            *group = number;
        }
    }
    groups
}

/// The members that take nothing new.
///
/// A drained member stays a member: requests of its dialogs must still find it. That is why it has to
/// be in `peers` as well, and why this is a list of its own.
fn drain(raw: &RawPool, members: &Members<'_>, loading: &mut Loading<'_, '_>) -> Vec<PeerRef> {
    // Absent: every member is in service.
    let Some(list) = &raw.drain else {
        return Vec::new();
    };
    // The messages name the key, as the same peer may stand in several keys of one pool.
    let place = format!("{} drain", members.place);
    let mut drained = Vec::new();
    let mut known = HashSet::new();
    for text in list.get_ref() {
        let Some(at) = find_peer(text, members.names, &place, loading) else {
            continue;
        };
        // Most often a peer of another pool, or one that was removed from `peers` at the same time,
        // which would cut its dialogs off.
        if !members.has(at) {
            let what = format!(
                "{place} names \"{}\", which is not in its peers",
                text.get_ref()
            );
            let remedy = "a member that drains stays in `peers` as well";
            loading.add(TopologyReason::UnknownReference, text, what, remedy);
        // Twice in `drain` does no harm, but was hardly meant.
        } else if known.insert(at) {
            drained.push(at);
        } else {
            loading.twice(text, &place, text.get_ref());
        }
    }
    // Allowed, because it is how a site is taken out of service, but hardly ever what was meant.
    if !drained.is_empty() && drained.len() == members.list.len() {
        let what = format!("{place} names every member: new requests are answered 503");
        let remedy = "leave one member in service, unless this is meant";
        loading.add(TopologyReason::PoolDrained, list, what, remedy);
    }
    drained
}

/// The members of a pool with their weights, where each stands among them, and how to find one by its name.
///
/// Positions are kept beside the list, so that weights, priorities and `drain` of a pool of thousands
/// of peers are found without a search through all of them for each.
/// The list is what becomes part of the pool; the positions are dropped when it is complete.
struct Members<'n> {
    names: &'n SectionNames,
    /// The pool, as messages have it.
    place: String,
    list: Vec<(PeerRef, u16)>,
    positions: HashMap<PeerRef, usize>,
}

impl<'n> Members<'n> {
    fn has(&self, peer: PeerRef) -> bool {
        self.positions.contains_key(&peer)
    }

    /// Each member has the weight 1 until `weights` has been read. A member that is named twice counts
    /// once: twice would double its share without anybody having written a weight.
    fn read(
        list: &[Text],
        names: &'n SectionNames,
        place: String,
        loading: &mut Loading<'_, '_>,
    ) -> Self {
        let mut members = Self {
            names,
            place,
            list: Vec::new(),
            positions: HashMap::new(),
        };
        for text in list {
            // An unknown peer is reported by the look-up; the others stay.
            let Some(at) = find_peer(text, names, &members.place, loading) else {
                continue;
            };
            if members.has(at) {
                loading.twice(text, &format!("{} peer", members.place), text.get_ref());
            } else {
                // Members are unique, so the position is that of the only entry.
                members.positions.insert(at, members.list.len());
                members.list.push((at, 1));
            }
        }
        members
    }
}

/// A peer is found by its name in the form in which names are compared, so that `FE01.contoso.test.` is
/// `fe01.contoso.test`.
fn find_peer(
    text: &Text,
    names: &SectionNames,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<PeerRef> {
    // What is no name at all is reported as that, and not as unknown.
    let name = loading.name(text, place)?;
    let found = names.find(name.as_str(), text, place, loading);
    found.map(|at| loading.id.peer(at))
}

/// The numbers of members, by the member's position; what is not about a member is reported.
///
/// Shared by `weights` and `priorities`, which have the same form. The range was checked when the table
/// was read, so only names are left to look at.
fn numbers(
    numbers: &Spanned<Numbers>,
    members: &Members<'_>,
    key: &str,
    loading: &mut Loading<'_, '_>,
) -> Vec<(usize, u16)> {
    let place = format!("{} {key}", members.place);
    // In the order of the names, as TOML tables are read; the order of numbers has no meaning.
    let mut found = Vec::new();
    for (peer, number) in &numbers.get_ref().0 {
        let Some(wanted) = find_peer(peer, members.names, &place, loading) else {
            continue;
        };
        if let Some(at) = members.positions.get(&wanted) {
            found.push((*at, *number));
            continue;
        }
        let what = format!(
            "{place} has a number for \"{}\", which is not in its peers",
            peer.get_ref()
        );
        let remedy = "add the peer to `peers`, or remove its number";
        loading.add(TopologyReason::UnknownReference, peer, what, remedy);
    }
    found
}

/// Whether every member may serve every domain of its pool.
///
/// A home pool may serve home domains only, a federated one only what all its members list: a request
/// for a domain must not be handed to a server that its entry does not permit to answer for it.
fn check_members(
    pool: &Pool,
    peers: &[Option<Peer>],
    node: Option<&Node>,
    loading: &mut Loading<'_, '_>,
) {
    // Only those that resolved: of the others nothing is known.
    let members: Vec<&Peer> = pool
        .peers
        .iter()
        .filter_map(|(r, _)| peers.get(r.index()).and_then(Option::as_ref))
        .collect();
    let place = format!("pool \"{}\"", pool.name);
    if let Some(sibling) = members.iter().find(|peer| peer.kind == PeerKind::Sibling) {
        let what = format!("{place} has the sibling {} as a member", sibling.name);
        let remedy = "take it out: what is for its clients is handed over to it without a pool";
        return loading.add(TopologyReason::SiblingInPool, pool.line, what, remedy);
    }
    // One of each kind is enough for the message.
    let of = |kind: PeerKind| members.iter().find(|peer| peer.kind == kind);
    // The two kinds are under different rules for what they may assert; a pool whose members differ in
    // that would make the rules depend on which of them happened to be up.
    match (of(PeerKind::Home), of(PeerKind::Federated)) {
        (Some(home), Some(federated)) => loading.add(
            TopologyReason::PoolMixedKinds,
            pool.line,
            format!(
                "{place} mixes the home peer {} with the federated peer {}",
                home.name, federated.name
            ),
            "make two pools, one for each kind",
        ),
        (Some(_), None) => {
            if !pool.from_domains.is_empty() {
                let what = format!("{place} is one of home servers, but has from_domains");
                let remedy = "remove the key: a home domain has one pool, whoever calls";
                loading.add(TopologyReason::TenantKeyUnfit, pool.line, what, remedy);
            }
            // Without a node there are no home domains to compare with; that it is missing was
            // reported.
            if node.is_none() {
                return;
            }
            for domain in &pool.domains {
                if loading.home.contains(domain) {
                    continue;
                }
                let what = format!(
                    "{place} sends {domain} to home servers, but {domain} is not in node.domains"
                );
                let remedy = "add the domain to node.domains, or remove it from the pool";
                loading.add(TopologyReason::DomainNotHome, pool.line, what, remedy);
            }
        }
        (None, Some(_)) => {
            // Each member, not any: another call might go to the one that does not list the domain.
            for member in &members {
                // `*.fabrikam.test` in the entry covers `sales.fabrikam.test` in the pool, so lists are
                // compared by what they cover.
                let own: DomainList = member.domains.iter().collect();
                for domain in pool.domains.iter().filter(|d| !own.covers(d.as_str())) {
                    let what = format!(
                        "{place} sends {domain} to {}, which does not list that domain",
                        member.name
                    );
                    let remedy = "add the domain to the peer's `domains`, or remove it or the peer from the pool";
                    loading.add(TopologyReason::DomainNotOfMember, pool.line, what, remedy);
                }
            }
        }
        // No member resolved, and each was reported.
        (None, None) => {}
    }
}

/// Reports a domain that two sections serve for the same callers; returns all that are served.
///
/// Two pools for one domain would make routing depend on the order of sections. The result is what
/// [`implied`] needs to know which domains are taken.
fn check_routed_once<'p>(
    pools: &'p [Option<Pool>],
    loading: &mut Loading<'_, '_>,
) -> HashMap<&'p Domain, Vec<&'p Pool>> {
    let mut served: HashMap<&Domain, Vec<&Pool>> = HashMap::new();
    for later in pools.iter().flatten() {
        // A domain that one pool lists twice was reported with its list.
        for domain in &later.domains {
            let pools = served.entry(domain).or_default();
            // The first that is in the way is reported, so that one slip is one message.
            let earlier = pools.iter().find(|earlier| !tenant::differ(earlier, later));
            if let Some(earlier) = earlier {
                let what = format!(
                    "{domain} is served by the pools \"{}\" and \"{}\"",
                    earlier.name, later.name
                );
                let remedy = "remove the domain from one of them, put all peers into one pool, or give both the same `domains` and other `from_domains`";
                loading.add(TopologyReason::DomainRoutedTwice, later.line, what, remedy);
            }
            pools.push(later);
        }
    }
    served
}

/// A pool for each federated domain that no section lists: the peers that list it, in the file's order.
///
/// An operator need not write a pool for each partner: most partners have one or two servers, and
/// `call-id-hash` over them is what nearly everybody would choose.
fn implied(
    explicit: &HashMap<&Domain, Vec<&Pool>>,
    peers: &[Option<Peer>],
    id: TopologyId,
) -> Vec<Pool> {
    let mut implied: Vec<Pool> = Vec::new();
    let mut positions: HashMap<&Domain, usize> = HashMap::new();
    // What a pool serves by a `*.` needs none for the domains that its members list below that.
    // `positions` keeps this linear: thousands of partners with thousands of domains are read at each
    // reload.
    let mut below: HashMap<&str, HashSet<PeerRef>> = HashMap::new();
    // By the name below which everything is meant, so that a domain finds its nearest `*.` by walking
    // up its own labels.
    for (domain, pools) in explicit {
        if let Some(name) = domain.below() {
            let peers = pools.iter().flat_map(|pool| &pool.peers);
            below.insert(name, peers.map(|(r, _)| *r).collect());
        }
    }
    // Only the nearest `*.` above the domain counts, as it does when a request is routed, and only
    // if this peer is one of that pool's members. Otherwise the domain would be routed to a pool
    // that does not know it. Decided by what an explicit pool covers with its `*.`, not by what
    // implied pools have.
    let is_served = |domain: &Domain, r: PeerRef| {
        let nearest = above(domain.as_str()).filter(|name| domain.below() != Some(*name));
        let mut nearest = nearest.filter_map(|name| below.get(name));
        nearest.next().is_some_and(|members| members.contains(&r))
    };
    // By position, since a peer that could not be resolved keeps its place in the list.
    for (r, peer) in id.peers(peers) {
        let Some(peer) = peer.as_ref().filter(|p| p.kind == PeerKind::Federated) else {
            continue;
        };
        for domain in &peer.domains {
            if explicit.contains_key(domain) || is_served(domain, r) {
                continue;
            }
            // Peers that list the same domain share its pool, in the order of the file.
            let known = positions.get(domain).and_then(|at| implied.get_mut(*at));
            if let Some(pool) = known {
                pool.peers.push((r, 1));
            } else {
                positions.insert(domain, implied.len());
                implied.push(Pool::implied(domain, r, peer.line));
            }
        }
    }
    implied
}

// The line of the first peer that lists the domain is the best that can be named for a pool that nobody
// wrote.
impl Pool {
    /// What `flow_status` is without the key: the flow has failed (RFC 5626 §11.5).
    pub(crate) const FLOW_STATUS: u16 = 430;

    fn implied(domain: &Domain, first: PeerRef, line: u32) -> Self {
        Self {
            name: domain.as_str().to_owned(),
            domains: vec![domain.clone()],
            from_domains: Vec::new(),
            peers: vec![(first, 1)],
            strategy: Strategy::CallIdHash,
            health: None,
            drain: Vec::new(),
            flow_status: Self::FLOW_STATUS,
            path: ClientPath::Path,
            priorities: Vec::new(),
            line,
        }
    }
}

/// Without a pool every request for the domain would be refused, and registrations of its users with
/// it, while the node would look as if it worked. It has no line of its own: the domain and the pools
/// may all be right, one of them is only missing.
fn check_served(node: &Node, pools: &[Option<Pool>], loading: &mut Loading<'_, '_>) {
    let pools = pools.iter().flatten();
    // Implied pools serve federated domains only, so they cannot hide a home domain that is missing.
    let served: HashSet<&Domain> = pools.flat_map(|pool| &pool.domains).collect();
    for domain in &node.domains {
        if !served.contains(domain) {
            let what = format!("the home domain {domain} has no pool: nobody would serve it");
            let remedy = "add it to the `domains` of a [[pool]] of home peers";
            loading
                .found
                .add_whole(TopologyReason::DomainWithoutPool, what, remedy);
        }
    }
}
