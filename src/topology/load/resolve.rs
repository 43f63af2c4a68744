//! From the file as written to a [`Topology`]: every section in turn, each reporting what is wrong with it.
use super::loading::Loading;
use super::peer::PeerNames;
use super::section_names::SectionNames;
use super::{
    admin, announced, boundary, bounds, covers, dns, expect, hep, http, identity, listener, node,
    own_chain, peer, pool, succession, tenant, tokens, trust,
};
use crate::topology::keys::Document;
use crate::topology::keys::peer::RawPeer;
use crate::topology::keys::sibling::RawSibling;
use crate::topology::{
    Accept, Domain, Listener, LogSettings, Node, Peer, PeerIndex, PeerKind, PeerName,
    TokenSettings, Topology, TopologyReason, TrustSet, above,
};
use std::collections::HashSet;
use toml::Spanned;

/// Sections of one kind that a reference can tell apart.
///
/// Far more than anybody writes: it bounds what a generated file can cost.
const MOST_SECTIONS: usize = 65_535;

/// Resolves everything; `None` only when something was reported.
///
/// The order is given by what refers to what: the node's names come first, since partners may not list
/// them; then the names of identities and trust sets, which listeners and peers refer to; then all
/// peers' names, before any peer, since a partner may not list the name of a home server either; then
/// pools and expectations, which refer to peers.
pub(super) fn resolve(raw: &Document, loading: &mut Loading<'_, '_>) -> Option<Topology> {
    let node = raw.node.as_ref().and_then(|raw| node::load(raw, loading));
    loading.fqdn = node.as_ref().map(|node| node.advertised().clone());
    // What the steps below need of the node, so that they need not look at it again.
    let home = node.iter().flat_map(|node| &node.domains);
    loading.home = home.cloned().collect();
    let own = node.iter().flat_map(|node| &node.aliases).cloned();
    let names = node.iter();
    let names = names.flat_map(|node| std::iter::once(&node.fqdn).chain(&node.advertise));
    loading.own = own.chain(names.cloned().map(Domain::from)).collect();
    // Registered before they are loaded, so that a reference to an identity whose file is broken is not
    // reported as unknown as well.
    let identity_names =
        SectionNames::of("identity", &raw.identity, |raw| raw.name.as_ref(), loading);
    let trust_names = SectionNames::of("trust", &raw.trust, |raw| raw.name.as_ref(), loading);
    // The slow part: files are read, and keys are checked against certificates.
    let identities = each(&raw.identity, loading, identity::load);
    let trusts = each(&raw.trust, loading, trust::load);

    // What listeners and peers look up; pools and expectations look up peers only.
    let names = (&identity_names, &trust_names);
    let listeners = listener::load_all(&raw.listener, names, &identities, node.as_ref(), loading);
    listener::warn_denied(&listeners, &raw.limits.deny, loading);
    // No partner may list them either, and no peer is called so.
    let announced = listeners.iter().flatten();
    let announced = announced.filter_map(|listener| listener.advertise.clone());
    loading.own.extend(announced.map(Domain::from));

    // Before the peers: what it has for all home or all federated peers is part of each peer's own
    // rules.
    let boundary = boundary::load(&raw.boundary, node.as_ref(), loading);
    let siblings = siblings(&raw.sibling);
    let entries: Vec<_> = raw.peer.iter().chain(&siblings).collect();
    let (named, peer_names) = peer_names(&entries, loading);
    let advertised = named.iter().filter_map(|names| names.advertise.clone());
    loading.own.extend(advertised.map(Domain::from));
    // The names of home servers are as closed to partners as the home domains are.
    loading.home_servers = home_servers(&entries, &named);
    loading.above_home = above_home(loading);
    // `each` calls in the order of the file, which is the order of the names.
    let mut named = named.iter();
    let mut load_peer = |raw: &RawPeer, line, loading: &mut Loading<'_, '_>| {
        let node = node.as_ref();
        peer::load(raw, named.next()?, line, node, names, &boundary, loading)
    };
    let mut peers = each(&raw.peer, loading, &mut load_peer);
    // Behind the peers, in the same list: they come in and are judged like these.
    peers.extend(each(&siblings, loading, &mut load_peer));
    covers::check(&peers, loading);
    let pools = pool::load_all(&raw.pool, &peers, &peer_names, node.as_ref(), loading);
    // After the peers' names: an expectation may be about one of them.
    let expectations = each(&raw.expect, loading, |raw, line, loading| {
        let peers = (&peer_names, &*peers);
        expect::load(raw, line, (peers, &identity_names), loading)
    });
    let tokens = tokens::load(raw.tokens.as_ref(), loading);
    check_siblings(&raw.sibling, node.as_ref(), &tokens, loading);
    let admin = admin::load(&raw.admin, loading);
    let http = http::load(&raw.http, loading);
    let hep = hep::load(&raw.hep, &peer_names, loading);
    let log = LogSettings {
        requests: raw.log.requests,
        identities: raw.log.identities,
        format: raw.log.format,
        file: raw.log.file.as_ref().map(|text| loading.path(text)),
    };
    let dns = dns::load(&raw.dns, loading);
    // With all entries that could name a set at hand.
    check_trust_used(&trusts, &peers, &listeners, loading);

    // With this one answer the path of a message knows whether to ask for more.
    let mut boundary = boundary.boundary;
    let mut named = peers.iter().flatten().map(|peer| &peer.boundary.named);
    boundary.has_named =
        !boundary.named_of_clients.is_empty() || named.any(|named| !named.is_empty());
    // From here on nothing is missing. Whatever is `None` was reported, and the topology is then not
    // used.
    let topology = Topology {
        id: loading.id,
        path: loading.source.path().to_owned(),
        node: node?,
        identities: identities.into_iter().collect::<Option<_>>()?,
        trusts: trusts.into_iter().collect::<Option<_>>()?,
        listeners: listeners.into_iter().collect::<Option<_>>()?,
        peers: peers.into_iter().collect::<Option<_>>()?,
        peer_index: PeerIndex::default(),
        pools: pools.into_iter().collect::<Option<_>>()?,
        dns,
        limits: raw.limits.clone(),
        log,
        tokens,
        admin,
        http,
        hep,
        boundary,
        expectations: expectations.into_iter().collect::<Option<_>>()?,
        warnings: Vec::new(),
        files: std::mem::take(&mut loading.files),
    };
    // The last ones look at the topology as a whole, and only find something in one that is complete.
    check_clients(&topology, loading);
    own_chain::check(&topology, loading);
    announced::check(&topology, loading);
    succession::check(&topology, loading);
    tenant::check(&topology, loading);
    bounds::check(&topology, loading);
    Some(topology)
}

/// Resolves each section of a kind with its line.
///
/// A section that fails keeps its position as `None`: a reference is a position, and the sections
/// behind it must not move up. Too many sections are reported once, and none of them is loaded, so that
/// a generated file of millions costs one message.
fn each<'t, R, T>(
    sections: &[Spanned<R>],
    loading: &mut Loading<'_, 't>,
    mut load: impl FnMut(&R, u32, &mut Loading<'_, 't>) -> Option<T>,
) -> Vec<Option<T>> {
    if let Some(excess) = sections.get(MOST_SECTIONS) {
        let what = format!("there are more than {MOST_SECTIONS} sections of this kind");
        let remedy = "divide the work among several nodes";
        loading.add(TopologyReason::OutOfRange, excess, what, remedy);
        // One that is missing, so that no topology is made whose references lead nowhere.
        return vec![None];
    }
    sections
        .iter()
        .map(|section| {
            let line = loading.line(section);
            load(section.get_ref(), line, loading)
        })
        .collect()
}

/// The siblings as entries of the list of peers, at their own lines.
fn siblings(raws: &[Spanned<RawSibling>]) -> Vec<Spanned<RawPeer>> {
    let entry = |raw: &Spanned<RawSibling>| Spanned::new(raw.span(), raw.get_ref().as_peer());
    raws.iter().map(entry).collect()
}

/// Siblings are no use without what they share: the keys, by which one takes the other's routes, and the name in these.
fn check_siblings(
    raws: &[Spanned<RawSibling>],
    node: Option<&Node>,
    tokens: &TokenSettings,
    loading: &mut Loading<'_, '_>,
) {
    let Some(first) = raws.first() else {
        return;
    };
    let line = loading.line(first);
    if tokens.key_file.is_none() {
        let what =
            "there is a [[sibling]], but no [tokens] key_file: no node takes the other's routes";
        let remedy = "make one file of keys, and give it to all nodes of the site";
        loading.add(TopologyReason::SiblingWithoutKeys, line, what, remedy);
    }
    if node.is_some_and(|node| node.advertise.is_none()) {
        let what =
            "there is a [[sibling]], but no node.advertise: no node takes the other's routes";
        let remedy = "set node.advertise to one name on all nodes of the site";
        loading.add(TopologyReason::SiblingWithoutName, line, what, remedy);
    }
}

/// The names of home servers and siblings.
///
/// Needed before the peers themselves: what a partner may list depends on them.
fn home_servers(raws: &[&Spanned<RawPeer>], named: &[PeerNames]) -> HashSet<Domain> {
    raws.iter()
        .zip(named)
        .filter(|(raw, _)| matches!(raw.get_ref().kind, Some(PeerKind::Home | PeerKind::Sibling)))
        .filter_map(|(_, names)| names.fqdn.clone().map(Domain::from))
        .collect()
}

/// Every name above what no partner may speak for.
///
/// A pattern such as `*.contoso.test` covers a home name if that name's parents have it, so the parents
/// of all home names are collected once. Each pattern is then one look-up, whatever the number of home
/// domains.
fn above_home(loading: &Loading<'_, '_>) -> HashSet<String> {
    let domains = loading.home.iter().chain(&loading.own);
    let all = domains.chain(&loading.home_servers);
    let names = all.filter_map(Domain::name);
    names.flat_map(above).map(str::to_owned).collect()
}

/// The peers' names, normalised, by position.
///
/// In one pass over all peers. The normalised name is what pools and expectations are matched against.
fn peer_names(
    raws: &[&Spanned<RawPeer>],
    loading: &mut Loading<'_, '_>,
) -> (Vec<PeerNames>, SectionNames) {
    let raws = || raws.iter().map(|raw| raw.get_ref());
    let named: Vec<PeerNames> = raws().map(|raw| PeerNames::read(raw, loading)).collect();
    let texts = raws().zip(&named).map(|(raw, names)| {
        let text = raw.name.as_ref().or(raw.fqdn.as_ref())?;
        // One that is no name is reported already; under its text, references to it are not reported too.
        let name = names.name.as_ref();
        let name = name.map_or(text.get_ref().as_str(), PeerName::as_str);
        Some((name.to_owned(), text))
    });
    let names = SectionNames::register("peer", texts, loading);
    (named, names)
}

/// A set that vouches for nobody has no effect at all; the operator most likely misspelt its name in a
/// peer that has another set, too.
fn check_trust_used(
    trusts: &[Option<TrustSet>],
    peers: &[Option<Peer>],
    listeners: &[Option<Listener>],
    loading: &mut Loading<'_, '_>,
) {
    // With an entry missing for another fault, a set that only this entry names would be reported as
    // unused.
    if peers.iter().any(Option::is_none) || listeners.iter().any(Option::is_none) {
        return;
    }
    // A set may be used by listeners alone, for the certificates of clients.
    let by_peers = peers.iter().flatten().flat_map(|peer| &peer.trust);
    let by_listeners = listeners.iter().flatten();
    let by_listeners = by_listeners.flat_map(|listener| listener.client_certificates.trust());
    let used: HashSet<usize> = by_peers.chain(by_listeners).map(|r| r.index()).collect();
    for (position, trust) in trusts.iter().enumerate() {
        if let Some(trust) = trust
            && !used.contains(&position)
        {
            let what = format!(
                "trust \"{}\" is not named by any peer or listener: it vouches for nobody",
                trust.name
            );
            let remedy = "name it in the `trust` of a peer or the `client_trust` of a listener, or remove it";
            loading.add(TopologyReason::TrustUnused, trust.line, what, remedy);
        }
    }
}

/// A node with home servers that no client can reach works, but is seldom meant.
///
/// A node that only federates, or that only connects home servers with partners, is legitimate; one
/// that does neither relays nothing from outside.
fn check_clients(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let clients = topology
        .listeners
        .iter()
        .any(|listener| listener.accept != Accept::Peers);
    let federates = topology
        .peers
        .iter()
        .any(|peer| peer.kind == PeerKind::Federated);
    if !clients && !federates {
        let what = "no listener accepts clients, and no peer is federated: home servers would only reach each other";
        let remedy = "add \"client\" to the `accept` of a listener, or add a federated peer";
        loading
            .found
            .add_whole(TopologyReason::NoListenerForClients, what, remedy);
    }
}
