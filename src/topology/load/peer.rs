//! `[[peer]]`: the servers that may connect and be connected to, with every reference resolved.
use super::boundary::{self, LoadedBoundary};
use super::listener::{SIPS_PORT, literal};
use super::loading::Loading;
use super::section_names::SectionNames;
use super::{covers, pins, tenant, window};
use crate::topology::keys::Text;
use crate::topology::keys::peer::RawPeer;
use crate::topology::{
    DialAddress, DnsName, Domain, DomainSet, IdentityRef, Lookup, Node, Peer, PeerBoundary,
    PeerKind, PeerName, Stage, TopologyReason, TrustRef,
};
use std::collections::HashSet;

/// What an entry is called, as far as it could be read: needed of all entries before any of them is loaded.
pub(super) struct PeerNames {
    /// What it is known by.
    pub(super) name: Option<PeerName>,
    /// The reference identifier.
    pub(super) fqdn: Option<DnsName>,
    /// What it knows this node by.
    pub(super) advertise: Option<DnsName>,
}

impl PeerNames {
    /// What is no name is reported; without a `name` of its own an entry is known by its FQDN.
    pub(super) fn read(raw: &RawPeer, loading: &mut Loading<'_, '_>) -> Self {
        let fqdn = raw.fqdn.as_ref();
        // A missing `fqdn` was reported; the entry keeps its position.
        let fqdn = fqdn.and_then(|text| loading.name(text, "peer fqdn"));
        let name = match &raw.name {
            Some(text) => loading.name(text, "peer name"),
            None => fqdn.clone(),
        };
        let advertise = raw.advertise.as_ref();
        let advertise = advertise.and_then(|text| loading.name(text, "peer advertise"));
        Self {
            name: name.map(PeerName::from),
            fqdn,
            advertise,
        }
    }
}

/// Resolves one peer; `None` when something of it is missing or broken, which is then reported.
///
/// `names` are the entry's own, normalised: all peers' names are needed before any entry can be
/// resolved, because pools, expectations and the rules about what partners may list refer to them.
/// Whatever is wrong with one key, the others are looked at: an operator who adds a partner makes
/// several mistakes at once and wants to see all of them.
pub(super) fn load(
    raw: &RawPeer,
    names: &PeerNames,
    line: u32,
    node: Option<&Node>,
    (identities, trusts): (&SectionNames, &SectionNames),
    role: &LoadedBoundary,
    loading: &mut Loading<'_, '_>,
) -> Option<Peer> {
    // A name that could not be read was reported when all peers' names were collected.
    let (name, fqdn) = (names.name.clone()?, names.fqdn.clone()?);
    let place = format!("peer \"{name}\"");
    // Comes first, since everything else about such an entry is beside the point.
    check_not_node(&fqdn, raw, &place, loading);
    // Names of trust sets are compared as they are written: they are the operator's own words, not
    // host names. Unknown sets make the entry unusable: with one of two sets missing, it would
    // refuse certificates that it should accept, and the operator would look for the cause in the
    // certificates.
    let trust = raw
        .trust
        .as_ref()
        .and_then(|list| trusts.find_all(list.get_ref(), "trust", &place, loading));
    let domains = domains(raw, node, &place, line, loading);
    let addresses = addresses(raw, &place, loading);
    // What is shown when sipward connects. A peer that connects here sees what the listener shows.
    let identity = match &raw.identity {
        Some(text) => identities.find(text.get_ref(), text, &place, loading),
        None => identities.first(),
    };
    // A window that is over is a warning, as entries are staged and left in the file for a while.
    let window = window::load(&place, (&raw.not_before, &raw.not_after), loading);
    let pins = pins::load(&raw.pins, &place, loading);
    // Observing is meant for a while. The warning is there at each `check` and reload until it ends.
    if let Some(stage) = &raw.stage
        && *stage.get_ref() == Stage::Observe
    {
        let what =
            format!("{place} is observed: its pins refuse nobody, nor do the strictest policies");
        let remedy = "when the event would_refuse stays away, write the stricter policies and remove `stage`";
        loading.add(TopologyReason::StageObserved, stage, what, remedy);
    }
    let dns = dns(raw, &domains, &place, loading);
    let covers = covers::load(raw, &place, loading);
    let to_domains = tenant::to_domains(raw, &place, loading);
    tenant::check_keys(raw, &place, loading);
    // From here on everything depends on the kind; a missing one was reported.
    let kind = raw.kind?;
    // RFC 3325 §4: servers of the home side are in the trust domain, a partner only if its entry has
    // `assert_identity`.
    // A sibling passes on what home servers have sent.
    let assert_identity = raw.assert_identity.unwrap_or(kind != PeerKind::Federated);
    // What the key permits a partner, home servers may do anyway; whoever wrote it expected a
    // restriction.
    if let Some(flag) = raw.anonymous.as_ref().filter(|_| kind == PeerKind::Home) {
        let what = format!(
            "{place} is a home server, which may name anybody in From, but has `anonymous`"
        );
        let remedy = "remove the line";
        loading.add(TopologyReason::AnonymousUnused, flag, what, remedy);
    }
    // Last, since it depends on the kind, on the trust in assertions and on the tables of the section.
    let boundary = boundary::of_peer(raw, kind, assert_identity, role, &place, loading);
    check_denied(&domains, &boundary, role, &place, line, loading);
    Some(Peer {
        name,
        fqdn,
        kind,
        domains,
        trust: trust?.into_iter().map(TrustRef).collect(),
        addresses,
        names: raw.names,
        common_name: raw.common_name,
        purpose: raw.purpose,
        assert_identity,
        identity: IdentityRef(identity?),
        advertise: names.advertise.clone(),
        to_domains,
        dns,
        covers,
        keepalive: raw.keepalive,
        connections: raw.connections,
        invites: raw.invites,
        rate: raw.rate,
        boundary,
        window,
        stage: raw.stage.as_ref().map_or(Stage::Enforce, |s| *s.get_ref()),
        pins,
        line,
    })
}

/// A domain that is allowed and denied is denied: that works, but is seldom meant.
///
/// `deny` wins, so the domain could as well not be there. A warning, because a denied domain is safe.
fn check_denied(
    domains: &[Domain],
    boundary: &PeerBoundary,
    role: &LoadedBoundary,
    place: &str,
    line: u32,
    loading: &mut Loading<'_, '_>,
) {
    // As a set: a partner may list thousands of domains, and each is looked up in both lists.
    // Of one peer at a time: `deny` of one partner is nobody else's business.
    let own: DomainSet = boundary.deny.iter().collect();
    for domain in domains {
        if own.covers(domain.as_str()) || role.denied.covers(domain.as_str()) {
            let what = format!(
                "{place}: its domain {domain} is denied, so that nothing from it or to it passes"
            );
            let remedy = "remove the domain from one of the lists";
            loading.add(TopologyReason::DomainDeniedToPeer, line, what, remedy);
        }
    }
}

/// A connection to a peer of this node's own name would end at this node: every request that is routed
/// there would come back.
fn check_not_node(fqdn: &DnsName, raw: &RawPeer, place: &str, loading: &mut Loading<'_, '_>) {
    // What it is announced by and its aliases are its names as well; DNS may lead a peer's name here.
    let is_node = loading.own.contains(&Domain::from(fqdn.clone()));
    // At the line of the name, which is what has to change.
    if is_node && let Some(text) = &raw.fqdn {
        let what = format!("{place} has the name of this node");
        let remedy = "write the name of the other server; a node is not its own peer or sibling";
        loading.add(TopologyReason::PeerIsNode, text, what, remedy);
    }
}

/// What is federated must not reach into what is home. A partner that could list a home domain, or the
/// name of a home server, could assert the identities of home users and receive their calls.
fn domains(
    raw: &RawPeer,
    node: Option<&Node>,
    place: &str,
    line: u32,
    loading: &mut Loading<'_, '_>,
) -> Vec<Domain> {
    // No list is the same as an empty one for a home peer, and a fault for a federated one.
    let texts: &[Text] = raw.domains.as_ref().map_or(&[], |list| list.get_ref());
    // `*.` is allowed in both kinds of entries; for a home peer it is then refused as no home domain.
    let domains = loading.patterns(texts, &format!("{place} domain"));
    // Without the key the line of the entry has to do.
    let at = raw.domains.as_ref().map_or(line, |list| loading.line(list));
    match raw.kind {
        // Nothing would be routed to it, and it could name nobody in From.
        Some(PeerKind::Federated) if texts.is_empty() => loading.add(
            TopologyReason::PeerWithoutDomains,
            at,
            format!("{place} is federated but has no domains"),
            "list in `domains` the SIP domains that it may speak for and that are routed to it",
        ),
        // The patterns are walked in order, so that faults appear in the order of the list.
        Some(kind) => {
            if node.is_none() {
                return domains;
            }
            for domain in &domains {
                let home = loading.home.contains(domain);
                if kind == PeerKind::Home && !home {
                    let what = format!(
                        "{place} is a home server, but its domain {domain} is not in node.domains"
                    );
                    let remedy = "add the domain to node.domains, or take it out here (a home peer needs no domains)";
                    loading.add(TopologyReason::DomainNotHome, at, what, remedy);
                } else if kind == PeerKind::Federated
                    && (!home
                        && (loading.own.contains(domain) || loading.home_servers.contains(domain))
                        || domain
                            .below()
                            .is_some_and(|name| loading.above_home.contains(name)))
                {
                    let what = format!(
                        "{domain} of the federated {place} covers a home domain, a home server or this node"
                    );
                    let remedy = "a partner must not speak for the home side: list its domains one by one, or those below a longer name";
                    loading.add(TopologyReason::DomainHomeAndFederated, at, what, remedy);
                } else if kind == PeerKind::Federated && home {
                    let what =
                        format!("{domain} is a home domain and a domain of the federated {place}");
                    let remedy =
                        "a partner must not speak for a home domain: take it out on one side";
                    loading.add(TopologyReason::DomainHomeAndFederated, at, what, remedy);
                }
            }
        }
        None => {}
    }
    domains
}

/// Resolved or literal, an address is only where to dial. The certificate decides who answers there, so
/// a wrong entry costs a connection and not more.
fn addresses(raw: &RawPeer, place: &str, loading: &mut Loading<'_, '_>) -> Vec<DialAddress> {
    // In order: the first that answers is used.
    let mut addresses = Vec::new();
    let mut known = HashSet::new();
    // An address that stands there twice would be tried twice, with a whole timeout each.
    for text in &raw.address {
        // One bad address does not spoil the others; all are reported.
        let Some(address) = dial_address(text.get_ref()) else {
            let what = format!("{place}: \"{}\" is not an address to dial", text.get_ref());
            let remedy = "write an IP address or host name with a port: \"10.0.0.11:5061\", \"[2001:db8::11]:5061\" or \"fe01.contoso.test:5061\"";
            loading.add(TopologyReason::InvalidAddress, text, what, remedy);
            continue;
        };
        if known.insert(address.clone()) {
            addresses.push(address);
        // The key does what it is for.
        } else {
            loading.twice(text, &format!("{place} address"), text.get_ref());
        }
    }
    addresses
}

/// How its addresses are found.
///
/// A `dns` that is never asked is a warning: it does no harm, but shows that two keys contradict each
/// other.
fn dns(raw: &RawPeer, domains: &[Domain], place: &str, loading: &mut Loading<'_, '_>) -> Lookup {
    let Some(given) = &raw.dns else {
        return Lookup::Sip;
    };
    // `federation` asks for SRV records of the peer's domains, so patterns and addresses do not count.
    let what = if !raw.address.is_empty() {
        "but it has addresses, and these are dialled"
    } else if *given.get_ref() == Lookup::Federation
        && domains.iter().all(|domain| domain.name().is_none())
    {
        "but it has no domains that could be asked for"
    } else {
        // Without a contradiction nothing is reported.
        return *given.get_ref();
    };
    let what = format!("{place} has dns = \"{}\", {what}", given.get_ref().word());
    let remedy = "remove `dns`, or what contradicts it";
    loading.add(TopologyReason::DnsUnused, given, what, remedy);
    *given.get_ref()
}

/// An address that can be dialled: a literal or a host name, with a port other than 0 (without one: 5061).
///
/// Unlike a listener's address it must name one host: an unspecified or multicast address can be bound
/// but not dialled, and port 0 stands for a choice that a client cannot make.
fn dial_address(text: &str) -> Option<DialAddress> {
    // A literal decides by itself: `10.0.0.300` is no host name either, and would only look like one.
    if let Some(address) = literal(text) {
        // What can be bound but not dialled.
        let good =
            address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        return good.then_some(DialAddress::Socket(address));
    }
    // Literals, IPv6 with its colons among them, have been handled above.
    let (host, port) = match text.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, port.parse().ok()?)
        }
        Some(_) => return None,
        None => (text, SIPS_PORT),
    };
    // In the form in which names are compared, so that two spellings count as one.
    let host = DnsName::parse(host).ok()?;
    (port != 0).then(|| DialAddress::Host(host.as_str().to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dial_addresses_are_literals_or_host_names() {
        let host = |name: &str, port| Some(DialAddress::Host(name.to_owned(), port));
        let socket = |text: &str| Some(DialAddress::Socket(text.parse().unwrap()));
        assert_eq!(dial_address("10.0.0.11:5071"), socket("10.0.0.11:5071"));
        assert_eq!(dial_address("10.0.0.11"), socket("10.0.0.11:5061"));
        assert_eq!(
            dial_address("[2001:db8::1]:5061"),
            socket("[2001:db8::1]:5061")
        );
        assert_eq!(
            dial_address("FE01.contoso.test:5062"),
            host("fe01.contoso.test", 5062)
        );
        assert_eq!(dial_address("localhost"), host("localhost", 5061));
        for text in [
            "",
            "10.0.0.11:0",
            "0.0.0.0:5061",
            "[::]:5061",
            "224.0.0.1:5061",
            "fe01:",
            "fe01:+5",
            "fe01:0",
            "fe01:70000",
            "fe 01:1",
            "10.0.0.300:5061",
            "sip:fe01",
        ] {
            assert_eq!(dial_address(text), None, "{text}");
        }
    }
}
