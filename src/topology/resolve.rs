//! From the file as written to a [`Topology`]: every section in turn, each reporting what is wrong with it.
use super::TopologyReason;
use super::context::{Context, Names};
use super::dns;
use super::model::MOST_SHARDS;
use super::raw::{Raw, RawNode, RawPeer, Text};
use super::{
    Accept, DnsName, Domain, Listener, LogFormat, LogRequests, LogSettings, Node, Peer, PeerIndex,
    PeerKind, Scheduling, Topology, TrustSet, above,
};
use super::{
    admin, boundary, expectation, identity, limits, listener, peer, pool, succession, tokens,
    trust_set,
};
use std::collections::HashSet;
use toml::Spanned;

/// Sections of one kind that a reference can tell apart.
const MOST_SECTIONS: usize = 65_535;

/// Resolves everything; `None` only when something was reported.
pub(super) fn resolve(raw: &Raw, context: &mut Context<'_, '_>) -> Option<Topology> {
    let node = raw
        .node
        .as_ref()
        .and_then(|raw| node(raw.get_ref(), context));
    context.fqdn = node.as_ref().map(|node| node.fqdn.clone());
    let home = node.iter().flat_map(|node| &node.domains);
    context.home = home.cloned().collect();
    let own = node.iter().flat_map(|node| &node.aliases).cloned();
    let fqdn = node.iter().map(|node| Domain::from(node.fqdn.clone()));
    context.own = own.chain(fqdn).collect();
    let identity_names = register(
        "identity",
        raw.identity.iter().map(|s| s.get_ref().name.as_ref()),
        context,
    );
    let trust_names = register(
        "trust",
        raw.trust.iter().map(|s| s.get_ref().name.as_ref()),
        context,
    );
    let identities = each(&raw.identity, context, identity::load);
    let trusts = each(&raw.trust, context, trust_set::load);

    let fqdn = node.as_ref().map(|node| &node.fqdn);
    let listeners = listener::load_all(
        &raw.listener,
        (&identity_names, &trust_names),
        &identities,
        fqdn,
        context,
    );

    let boundary = boundary::load(raw.boundary.as_ref(), node.as_ref(), context);
    let (fqdns, peer_names) = peer_names(&raw.peer, context);
    context.home_servers = home_servers(&raw.peer, &fqdns);
    context.above_home = above_home(context);
    let references = (&identity_names, &trust_names);
    let mut fqdns = fqdns.iter();
    let peers = each(&raw.peer, context, |raw: &RawPeer, line, context| {
        let fqdn = fqdns.next().and_then(Option::as_ref);
        peer::load(
            raw,
            fqdn,
            line,
            node.as_ref(),
            references,
            &boundary,
            context,
        )
    });
    let pools = pool::load_all(&raw.pool, &peers, &peer_names, node.as_ref(), context);
    let expectations = each(&raw.expect, context, |raw, line, context| {
        expectation::load(raw, line, &peer_names, context)
    });
    let tokens = tokens::load(raw.tokens.as_ref(), context);
    let admin = admin::load(raw.admin.as_ref(), context);
    let limits = limits::read(raw.limits.as_ref(), context.source, context.found);
    let dns = dns::load(raw.dns.as_ref(), context);
    check_trust_used(&trusts, &peers, &listeners, context);

    let topology = Topology {
        path: context.source.path().to_owned(),
        node: node?,
        identities: identities.into_iter().collect::<Option<_>>()?,
        trusts: trusts.into_iter().collect::<Option<_>>()?,
        listeners: listeners.into_iter().collect::<Option<_>>()?,
        peers: peers.into_iter().collect::<Option<_>>()?,
        peer_index: PeerIndex::default(),
        pools: pools.into_iter().collect::<Option<_>>()?,
        dns,
        limits,
        log: LogSettings {
            requests: raw
                .log
                .as_ref()
                .and_then(|log| log.requests)
                .unwrap_or(LogRequests::Calls),
            format: raw
                .log
                .as_ref()
                .and_then(|log| log.format)
                .unwrap_or(LogFormat::Auto),
        },
        tokens,
        admin,
        boundary: boundary.boundary,
        expectations: expectations.into_iter().collect::<Option<_>>()?,
        warnings: Vec::new(),
        files: std::mem::take(&mut context.files),
    };
    check_clients(&topology, context);
    succession::check(&topology, context);
    Some(topology)
}

fn register<'n>(
    kind: &'static str,
    names: impl Iterator<Item = Option<&'n Text>>,
    context: &mut Context<'_, '_>,
) -> Names {
    let names = names.map(|name| name.map(|text| (text.get_ref().clone(), text)));
    Names::register(kind, names, context)
}

/// Resolves each section of a kind with its line.
fn each<'t, R, T>(
    sections: &[Spanned<R>],
    context: &mut Context<'_, 't>,
    mut load: impl FnMut(&R, u32, &mut Context<'_, 't>) -> Option<T>,
) -> Vec<Option<T>> {
    if let Some(excess) = sections.get(MOST_SECTIONS) {
        let line = context.line(excess);
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("there are more than {MOST_SECTIONS} sections of this kind"),
            "divide the work among several nodes",
        );
        return Vec::new();
    }
    sections
        .iter()
        .map(|section| {
            let line = context.line(section);
            load(section.get_ref(), line, context)
        })
        .collect()
}

fn node(raw: &RawNode, context: &mut Context<'_, '_>) -> Option<Node> {
    let fqdn = raw
        .fqdn
        .as_ref()
        .and_then(|text| context.name(text, "node.fqdn"));
    let domains = raw.domains.as_ref().map(|list| {
        context.filled(list, "node.domains");
        context.domains(list.get_ref(), "node domain")
    });
    let aliases = context.domains(raw.aliases.as_deref().unwrap_or_default(), "node alias");
    let port = number(
        raw.advertise_port.as_ref(),
        "node.advertise_port",
        65_535,
        context,
    );
    let shards = number(raw.shards.as_ref(), "node.shards", MOST_SHARDS, context);
    Some(Node {
        fqdn: fqdn?,
        domains: domains?,
        aliases,
        advertise_port: port,
        shards,
        scheduling: raw.scheduling.unwrap_or(Scheduling::Batch),
        state: raw.state.as_ref().map(|text| context.path(text)),
    })
}

fn number(
    value: Option<&Spanned<i64>>,
    what: &str,
    most: u16,
    context: &mut Context<'_, '_>,
) -> Option<u16> {
    let value = value?;
    let number = u16::try_from(*value.get_ref()).ok();
    let number = number.filter(|n| (1..=most).contains(n));
    if number.is_none() {
        let line = context.line(value);
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("{what} = {} is out of range", value.get_ref()),
            format!("choose 1 to {most}, or take the line out"),
        );
    }
    number
}

/// The names of home servers.
fn home_servers(raws: &[Spanned<RawPeer>], fqdns: &[Option<DnsName>]) -> HashSet<Domain> {
    raws.iter()
        .zip(fqdns)
        .filter(|(raw, _)| raw.get_ref().kind == Some(PeerKind::Home))
        .filter_map(|(_, fqdn)| fqdn.clone().map(Domain::from))
        .collect()
}

/// Every name above what no partner may speak for.
fn above_home(context: &Context<'_, '_>) -> HashSet<String> {
    let domains = context.home.iter().chain(&context.own);
    let all = domains.chain(&context.home_servers);
    let names = all.filter_map(Domain::name);
    names.flat_map(above).map(str::to_owned).collect()
}

/// The peers' names, normalised, by position.
fn peer_names(
    raws: &[Spanned<RawPeer>],
    context: &mut Context<'_, '_>,
) -> (Vec<Option<DnsName>>, Names) {
    let fqdns: Vec<Option<DnsName>> = raws
        .iter()
        .map(|raw| {
            let text = raw.get_ref().fqdn.as_ref()?;
            context.name(text, "peer fqdn")
        })
        .collect();
    let named = raws.iter().zip(&fqdns).map(|(raw, fqdn)| {
        let text = raw.get_ref().fqdn.as_ref()?;
        // One that is no name is reported already; under its text, references to it are not reported too.
        let name = fqdn
            .as_ref()
            .map_or(text.get_ref().as_str(), DnsName::as_str);
        Some((name.to_owned(), text))
    });
    let names = Names::register("peer", named, context);
    (fqdns, names)
}

fn check_trust_used(
    trusts: &[Option<TrustSet>],
    peers: &[Option<Peer>],
    listeners: &[Option<Listener>],
    context: &mut Context<'_, '_>,
) {
    if peers.iter().any(Option::is_none) || listeners.iter().any(Option::is_none) {
        return;
    }
    let by_peers = peers.iter().flatten().flat_map(|peer| &peer.trust);
    let by_listeners = listeners.iter().flatten();
    let by_listeners = by_listeners.flat_map(|listener| listener.client_certificates.trust());
    let used: HashSet<usize> = by_peers.chain(by_listeners).map(|r| r.index()).collect();
    for (position, trust) in trusts.iter().enumerate() {
        if let Some(trust) = trust
            && !used.contains(&position)
        {
            context.add(
                TopologyReason::TrustUnused,
                trust.line,
                format!(
                    "trust \"{}\" is not named by any peer or listener: it vouches for nobody",
                    trust.name
                ),
                "name it in the `trust` of a peer or the `client_trust` of a listener, or take it out",
            );
        }
    }
}

/// A node with home servers that no client can reach works, but is seldom meant.
fn check_clients(topology: &Topology, context: &mut Context<'_, '_>) {
    let clients = topology
        .listeners
        .iter()
        .any(|listener| listener.accept != Accept::Peers);
    let federates = topology
        .peers
        .iter()
        .any(|peer| peer.kind == PeerKind::Federated);
    if !clients && !federates {
        context.found.add_whole(
            TopologyReason::NoListenerForClients,
            "no listener accepts clients, and no peer is federated: home servers would only reach each other",
            "add \"client\" to the `accept` of a listener, or add a federated peer",
        );
    }
}
