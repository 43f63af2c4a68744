//! Several tenants at one partner: entries with one `fqdn`, what tells them apart, and whose requests go by which of them.
use super::loading::Loading;
use crate::topology::keys::Text;
use crate::topology::keys::peer::RawPeer;
use crate::topology::keys::pool::RawPool;
use crate::topology::{Domain, Peer, PeerKind, Pool, Topology, TopologyReason};
use std::collections::{HashMap, HashSet};

/// `[[peer]] to_domains`.
pub(super) fn to_domains(raw: &RawPeer, place: &str, loading: &mut Loading<'_, '_>) -> Vec<Domain> {
    home_domains(&raw.to_domains, &format!("{place} to_domains"), loading)
}

/// `[[pool]] from_domains`.
pub(super) fn from_domains(
    raw: &RawPool,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Vec<Domain> {
    home_domains(&raw.from_domains, &format!("{place} from_domains"), loading)
}

/// A tenant is one or several of the home domains.
fn home_domains(texts: &[Text], what: &str, loading: &mut Loading<'_, '_>) -> Vec<Domain> {
    let domains = loading.domains(texts, what);
    let line = texts.first().map_or(0, |text| loading.line(text));
    // Without a node nothing is known of its domains, and that was reported.
    let is_known = !loading.home.is_empty();
    for domain in &domains {
        if is_known && !loading.home.contains(domain) {
            let what = format!("{what}: {domain} is not in node.domains");
            let remedy = "add the domain to node.domains, or take it out here";
            loading.add(TopologyReason::DomainNotHome, line, what, remedy);
        }
    }
    domains
}

/// Home servers know this node by its listeners, and reach whom they call.
pub(super) fn check_keys(raw: &RawPeer, place: &str, loading: &mut Loading<'_, '_>) {
    if raw.kind.is_none_or(|kind| kind == PeerKind::Federated) {
        return;
    }
    let to_domains = raw.to_domains.first().map(|text| (text, "to_domains"));
    let advertise = raw.advertise.as_ref().map(|text| (text, "advertise"));
    for (text, key) in advertise.into_iter().chain(to_domains) {
        let what = format!("{place} is a home server, but has {key}");
        let remedy =
            "remove the key; for home servers a listener has `advertise`, and a pool has `domains`";
        loading.add(TopologyReason::TenantKeyUnfit, text, what, remedy);
    }
}

/// Whether two pools may serve the same domain: no caller is served by both, and From tells them apart for all that they serve.
pub(super) fn differ(one: &Pool, other: &Pool) -> bool {
    let callers: HashSet<&Domain> = one.from_domains.iter().collect();
    let domains: HashSet<&Domain> = one.domains.iter().collect();
    !one.from_domains.is_empty()
        && !other.from_domains.is_empty()
        && !other
            .from_domains
            .iter()
            .any(|domain| callers.contains(domain))
        && other.domains.iter().collect::<HashSet<_>>() == domains
}

/// Looks at the whole: which entries share an FQDN, and which names this node has for whom.
pub(super) fn check(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let mut by_fqdn: HashMap<&str, Vec<&Peer>> = HashMap::new();
    for peer in &topology.peers {
        let same = by_fqdn.entry(peer.fqdn.as_str()).or_default();
        // Two of one name were reported. Of others the first that is like it: one slip is one message.
        let others = same.iter().filter(|first| first.name != peer.name);
        let mut alike = others.filter_map(|first| Some((*first, alike(first, peer, topology)?)));
        let why = alike.next();
        if let Some((first, why)) = why {
            let (name, first, fqdn) = (&peer.name, &first.name, &peer.fqdn);
            let what =
                format!("peer \"{name}\" has the fqdn {fqdn}, which \"{first}\" has, too: {why}");
            let remedy = "write one entry, or give each tenant's an `identity` and an `advertise` of its own";
            add(loading, TopologyReason::FqdnShared, peer.line, what, remedy);
        }
        same.push(peer);
    }
    for peer in &topology.peers {
        check_name(peer, &by_fqdn, loading);
        check_advertise(peer, topology, loading);
    }
    for pool in &topology.pools {
        check_pool(pool, topology, loading);
    }
}

/// Why nothing distinguishes two entries of one FQDN; `None`: something does.
fn alike(one: &Peer, other: &Peer, topology: &Topology) -> Option<String> {
    let is_partner = |peer: &Peer| peer.kind == PeerKind::Federated;
    if !is_partner(one) || !is_partner(other) {
        return Some("only federated peers may share one".to_owned());
    }
    let identity = |peer: &Peer| &topology.identity(peer.identity).name;
    let shows = |one: &Peer, other| topology.shows(one.identity, identity(other));
    if shows(one, other) || shows(other, one) {
        return Some(format!(
            "both are shown the identity \"{}\"",
            identity(other)
        ));
    }
    let name = topology.announced_to(other);
    (topology.announced_to(one) == name).then(|| format!("both know this node as {name}"))
}

/// A name that is another server's would send an operator's `kick` or pool to the wrong one.
fn check_name(peer: &Peer, by_fqdn: &HashMap<&str, Vec<&Peer>>, loading: &mut Loading<'_, '_>) {
    let (name, fqdn) = (peer.name.as_str(), peer.fqdn.as_str());
    let bearers = by_fqdn.get(name).filter(|_| name != fqdn);
    let first = bearers.and_then(|bearers| bearers.first());
    // Two of one name were reported.
    if let Some(other) = first.filter(|other| other.name != peer.name) {
        let line = other.line;
        let what = format!(
            "peer \"{name}\" with the fqdn {fqdn} bears the fqdn of another, in line {line}"
        );
        let remedy = "give it a name that is nobody's fqdn";
        add(
            loading,
            TopologyReason::PeerNameMisleads,
            peer.line,
            what,
            remedy,
        );
    }
}

/// Who knows this node by a name asks for it, and must be shown the certificate by which it is then known which entry it is.
fn check_advertise(peer: &Peer, topology: &Topology, loading: &mut Loading<'_, '_>) {
    let Some(name) = &peer.advertise else { return };
    let identity = topology.identity(peer.identity);
    let (place, shown) = (&peer.name, &identity.name);
    let what = if !identity.names.contains(name) {
        format!("peer \"{place}\": its identity \"{shown}\" does not carry its advertise {name}")
    } else if !topology.listeners.iter().any(|listener| {
        let mut all = std::iter::once(&listener.identity).chain(&listener.sni);
        listener.accept.peers() && all.any(|own| *own == peer.identity)
    }) {
        format!("peer \"{place}\": no listener that takes peers shows its identity \"{shown}\"")
    } else {
        return;
    };
    let remedy = "name the identity whose certificate has that name, and have a listener for peers show it (`sni`; without that key it shows all)";
    add(
        loading,
        TopologyReason::IdentityWithoutAdvertise,
        peer.line,
        what,
        remedy,
    );
}

/// Any member may take a call, so that all of them must be one tenant's.
fn check_pool(pool: &Pool, topology: &Topology, loading: &mut Loading<'_, '_>) {
    let mut members = pool.peers.iter().map(|(member, _)| topology.peer(*member));
    let Some(first) = members.next() else { return };
    if let Some(other) = members.find(|member| member.advertise != first.advertise) {
        let what = format!(
            "pool \"{}\": {} knows this node as {}, and {} as {}",
            pool.name,
            first.name,
            topology.announced_to(first),
            other.name,
            topology.announced_to(other)
        );
        let remedy = "write a [[pool]] for each tenant, with the same `domains` and its callers' domains in `from_domains`";
        add(
            loading,
            TopologyReason::PoolMixedTenants,
            pool.line,
            what,
            remedy,
        );
    }
}

fn add(loading: &mut Loading<'_, '_>, code: TopologyReason, line: u32, what: String, remedy: &str) {
    loading.found.add(code, line, what, remedy);
}
