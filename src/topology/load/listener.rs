//! `[[listener]]`: where sipward listens, who may connect, and which identity it shows.
use super::client_certificates;
use super::loading::Loading;
use super::section_names::SectionNames;
use crate::topology::keys::Text;
use crate::topology::keys::limits::Networks;
use crate::topology::keys::listener::{AcceptWord, RawListener};
use crate::topology::network::{network, reached_at};
use crate::topology::{
    Accept, DnsName, Domain, Identity, IdentityRef, Listener, Node, TopologyReason,
};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The port of SIP over TLS (RFC 3261 §18.1.1).
///
/// Also the port of a peer's address that has none, and of a peer whose address DNS knows without a
/// port.
pub(super) const SIPS_PORT: u16 = 5061;

/// Resolves every listener.
///
/// Identities are passed as they were loaded, so that what a listener would show can be held against
/// the node's name. One that failed to load is `None`, and keeps the checks about it silent.
pub(super) fn load_all(
    raws: &[toml::Spanned<RawListener>],
    names: (&SectionNames, &SectionNames),
    loaded: &[Option<Identity>],
    node: Option<&Node>,
    loading: &mut Loading<'_, '_>,
) -> Vec<Option<Listener>> {
    // A listener without a name was reported as missing a key. The name is how `status`, events and
    // the diff of a reload refer to a listener.
    SectionNames::of("listener", raws, |raw| raw.name.as_ref(), loading);
    let listeners: Vec<Option<Listener>> = raws
        .iter()
        .map(|raw| {
            // The line of the section is kept, as decisions name it.
            let (line, count) = (loading.line(raw), loaded.len());
            let listener = load(raw.get_ref(), line, names, count, loading)?;
            // After all references are resolved: a listener with an unknown identity was reported and
            // would be judged by half of what it shows.
            check_names(&listener, loaded, node, loading);
            Some(listener)
        })
        .collect();
    // Over all of them, since two listeners collide whatever else is wrong with either.
    check_addresses(&listeners, raws, loading);
    warn_ipv6_only(&listeners, raws, loading);
    listeners
}

/// One `[[listener]]`. `count` is the number of identities: without `sni` a listener shows all of them.
fn load(
    raw: &RawListener,
    line: u32,
    (identities, trusts): (&SectionNames, &SectionNames),
    count: usize,
    loading: &mut Loading<'_, '_>,
) -> Option<Listener> {
    let name = raw.name.as_ref()?.get_ref().clone();
    let place = format!("listener \"{name}\"");
    let address = raw.address.as_ref().and_then(|text| address(text, loading));
    // The first identity of the file is the one for listeners that name none; with a single
    // identity nothing has to be written at all. The word of the file, not a host name.
    let identity = match &raw.identity {
        Some(text) => identities.find(text.get_ref(), text, &place, loading),
        None => identities.first(),
    };
    let sni = sni(raw, identity, identities, count, &place, loading);
    let accept = match &raw.accept {
        None => Accept::Both,
        Some(list) => accept(list, &place, loading)?,
    };
    // After `accept`, which decides whether there are clients at all.
    let client_certificates = client_certificates::load(raw, line, accept, trusts, &place, loading);
    let proxy_protocol = networks(&raw.proxy_protocol, &place, loading);
    let advertise = raw.advertise.as_ref();
    let advertise = advertise.map(|text| loading.name(text, &format!("{place} advertise")));
    Some(Listener {
        name,
        address: address?,
        identity: IdentityRef(identity?),
        sni: sni?,
        accept,
        client_certificates: client_certificates?,
        proxy_protocol,
        // One that is no name was reported, and takes the listener along: it must not be announced by another.
        advertise: match advertise {
            Some(name) => Some(name?),
            None => None,
        },
        line,
    })
}

/// The identity that is shown by default needs no entry: it is left out of the list, so that it does
/// not count as a second identity with the same names.
fn sni(
    raw: &RawListener,
    identity: Option<u32>,
    identities: &SectionNames,
    count: usize,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<Vec<IdentityRef>> {
    let Some(list) = &raw.sni else {
        // In the order of the file; SNI chooses by name, so the order decides nothing.
        let all = (0..u32::try_from(count).unwrap_or(u32::MAX)).map(IdentityRef);
        return Some(all.filter(|r| Some(r.0) != identity).collect());
    };
    let sni = identities.find_all(list, "sni", place, loading)?;
    let others = sni.into_iter().filter(|at| Some(*at) != identity);
    Some(others.map(IdentityRef).collect())
}

/// The list is never empty here unless that was reported.
fn accept(
    list: &toml::Spanned<Vec<AcceptWord>>,
    place: &str,
    loading: &mut Loading<'_, '_>,
) -> Option<Accept> {
    let clients = list.get_ref().contains(&AcceptWord::Client);
    let peers = list.get_ref().contains(&AcceptWord::Peer);
    // Words can only repeat; unknown ones are gone from the list by now.
    if list.get_ref().len() > usize::from(clients) + usize::from(peers) {
        let word = if clients { "client" } else { "peer" };
        loading.twice(list, &format!("{place} accept"), word);
    }
    match (clients, peers) {
        (true, true) => Some(Accept::Both),
        (true, false) => Some(Accept::Clients),
        (false, true) => Some(Accept::Peers),
        // Only after a list that was empty or held nothing known; both were reported.
        (false, false) => None,
    }
}

/// A literal address, with or without a port.
///
/// Host names are refused: what they resolve to could change between two starts, and a listener must
/// not move by itself.
fn address(text: &Text, loading: &mut Loading<'_, '_>) -> Option<SocketAddr> {
    let address = literal(text.get_ref());
    if address.is_none() {
        let what = format!("\"{}\" is not an address to listen on", text.get_ref());
        let remedy =
            "write an IP address with a port: \"0.0.0.0:5061\", \"10.0.0.5:5061\" or \"[::]:5061\"";
        loading.add(TopologyReason::InvalidAddress, text, what, remedy);
    }
    address
}

/// Addresses and networks, without repetitions.
///
/// No host names: whom a balancer's name resolves to would decide whose word counts, and DNS is no proof.
fn networks(list: &[Text], place: &str, loading: &mut Loading<'_, '_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in list {
        let line = loading.line(text);
        match network(text.get_ref()) {
            Some(network) if networks.contains(&network) => {
                loading.twice(line, &format!("{place} proxy_protocol"), text.get_ref());
            }
            Some(network) => networks.push(network),
            None => loading.add(
                TopologyReason::InvalidNetwork,
                line,
                format!("{place} proxy_protocol: \"{}\" is not the address or the network of a balancer", text.get_ref()),
                "write an IP address, or a network without bits behind its prefix: \"10.0.0.5\", \"10.0.0.0/24\", \"2001:db8::/64\"",
            ),
        }
    }
    networks
}

/// An IP literal with a port, or without one for port 5061.
///
/// IPv6 with a port needs its brackets, without a port they are optional: `::1` and `[::1]` are the
/// same.
pub(super) fn literal(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse::<SocketAddr>().ok();
    with_port.or_else(|| {
        // Brackets are taken off only as a pair.
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let ip = bare.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, SIPS_PORT))
    })
}

/// Whether the node's FQDN is shown, and no SNI name has two answers.
///
/// A client that connects to the node's name checks for that name. A listener none of whose
/// certificates carries it would look up, and no client would stay.
fn check_names(
    listener: &Listener,
    loaded: &[Option<Identity>],
    node: Option<&Node>,
    loading: &mut Loading<'_, '_>,
) {
    // The default identity counts as well: it answers for its own names too.
    let references = std::iter::once(&listener.identity).chain(&listener.sni);
    let shown: Vec<Option<&Identity>> = references
        .map(|r| loaded.get(r.index()).and_then(Option::as_ref))
        .collect();
    // With an identity missing for another fault, the name might be the one that it carries.
    // Asked before the `None`s are dropped.
    let whole = shown.iter().all(Option::is_some);
    let shown: Vec<&Identity> = shown.into_iter().flatten().collect();
    // By name, as listeners have no other handle in messages.
    let place = format!("listener \"{}\"", listener.name);
    // Two certificates for one name are an error only while both are shown. A renewal is staged by
    // windows that follow each other.
    for (position, later) in shown.iter().enumerate() {
        for name in &later.names {
            let mut earlier = shown.iter().take(position);
            // Only the first collision of a name is reported; the second would have the same remedy.
            let earlier =
                earlier.find(|i| i.names.contains(name) && i.window.overlaps(&later.window));
            if let Some(earlier) = earlier {
                let what = format!(
                    "{place}: the name {name} is carried by the identities \"{}\" and \"{}\"",
                    earlier.name, later.name
                );
                let remedy = "choose with `sni` which of them this listener shows (without `sni` it is all), or let the not_after of one end before the not_before of the other";
                loading.add(TopologyReason::DuplicateSni, listener.line, what, remedy);
            }
        }
    }
    // Without a node there is no name to look for; that was reported.
    let Some(node) = node else { return };
    // Where the name comes from: what has to change is there, or in the certificate.
    let advertise = TopologyReason::IdentityWithoutAdvertise;
    let (key, name, code) = match (&listener.advertise, &node.advertise) {
        (Some(name), _) => ("its advertise", name, advertise),
        (None, Some(name)) => ("node.advertise", name, advertise),
        (None, None) => ("node.fqdn", &node.fqdn, TopologyReason::IdentityWithoutFqdn),
    };
    if whole && !shown.iter().any(|identity| identity.names.contains(name)) {
        let names = shown.iter().flat_map(|identity| &identity.names);
        let mut carried = names.map(DnsName::as_str).collect::<Vec<_>>().join(", ");
        if carried.is_empty() {
            "no name".clone_into(&mut carried);
        }
        let what = format!(
            "{place}: no identity carries {key} {name}; its certificates are for {carried}"
        );
        let remedy = format!(
            "get a certificate with subjectAltName DNS:{name} (or URI:sip:{name}), or set {key} to a name that it carries"
        );
        loading.add(code, listener.line, what, remedy);
    }
    if whole && listener.accept.clients() {
        warn_domains(listener, &shown, node, loading);
    }
}

/// A phone that was given nothing but its address of record finds the node by DNS and checks the certificate for the domain
/// (RFC 5922 §7.3), as DNS proves nothing; one that was given the node's name checks for that.
fn warn_domains(
    listener: &Listener,
    shown: &[&Identity],
    node: &Node,
    loading: &mut Loading<'_, '_>,
) {
    let carried = |domain: &str| {
        let mut names = shown.iter().flat_map(|identity| &identity.names);
        names.any(|name| name.as_str() == domain)
    };
    // Only names: nobody finds an address by DNS.
    let domains = node.domains.iter().filter(|domain| !domain.is_address());
    let missing: Vec<&str> = domains
        .map(Domain::as_str)
        .filter(|domain| !carried(domain))
        .collect();
    if missing.is_empty() {
        return;
    }
    let (names, entries) = (missing.join(", "), missing.join(", DNS:"));
    let what = format!(
        "listener \"{}\": no certificate that it shows carries the home domain {names}; phones that find this node by their SIP domain check for it",
        listener.name
    );
    let remedy = format!(
        "have the certificate issued with DNS:{entries} beside the node's name, or enter the node's name in each phone as its outbound proxy"
    );
    let code = TopologyReason::DomainNotInCertificate;
    loading.add(code, listener.line, what, remedy);
}

/// The second `bind` would fail at the start, on a machine where nobody is watching; here it fails in
/// `check`.
fn check_addresses(
    listeners: &[Option<Listener>],
    raws: &[toml::Spanned<RawListener>],
    loading: &mut Loading<'_, '_>,
) {
    for (position, later) in listeners.iter().enumerate() {
        let Some(later) = later else { continue };
        let before = listeners.iter().take(position).flatten();
        for earlier in before {
            if overlap(earlier.address, later.address) {
                let text = raws
                    .get(position)
                    .and_then(|raw| raw.get_ref().address.as_ref());
                // The line of the address and not of the section: that is what has to change.
                let line = text.map_or(later.line, |text| loading.line(text));
                let what = format!(
                    "listener \"{}\" wants {}, which listener \"{}\" has with {}",
                    later.name, later.address, earlier.name, earlier.address
                );
                let remedy = "give them different ports or addresses, or make one listener of the two (accept = [\"client\", \"peer\"])";
                loading.add(TopologyReason::DuplicateListenerAddress, line, what, remedy);
            }
        }
    }
}

/// Elsewhere `[::]` takes IPv4 too, unless the system says otherwise; here each family has a listener of its own.
fn warn_ipv6_only(
    listeners: &[Option<Listener>],
    raws: &[toml::Spanned<RawListener>],
    loading: &mut Loading<'_, '_>,
) {
    // One that failed may be the one for IPv4.
    if listeners.iter().any(Option::is_none) {
        return;
    }
    let has_ipv4 = |port| {
        let mut addresses = listeners.iter().flatten().map(|other| other.address);
        addresses.any(|address| address.is_ipv4() && address.port() == port)
    };
    for (listener, raw) in listeners.iter().flatten().zip(raws) {
        let address = listener.address;
        if address.is_ipv4() || !address.ip().is_unspecified() || has_ipv4(address.port()) {
            continue;
        }
        let text = raw.get_ref().address.as_ref();
        let line = text.map_or(listener.line, |text| loading.line(text));
        let what = format!(
            "listener \"{}\" is on {address}, which takes IPv6 alone: nobody reaches it over IPv4",
            listener.name
        );
        let remedy = format!(
            "add a [[listener]] with address = \"0.0.0.0:{}\" and the same keys",
            address.port()
        );
        loading.add(TopologyReason::ListenerIpv6Only, line, what, remedy);
    }
}

/// A reload asks each listener for its certificate, and that connection comes from the listener's own address.
pub(super) fn warn_denied(
    listeners: &[Option<Listener>],
    denied: &Networks,
    loading: &mut Loading<'_, '_>,
) {
    for listener in listeners.iter().flatten() {
        let own = reached_at(listener.address).ip();
        let Some(network) = denied.0.iter().find(|network| network.contains(&own)) else {
            continue;
        };
        let what = format!(
            "limits.deny has {network}, from where this node asks listener \"{}\" after a reload whether it shows its certificate",
            listener.name
        );
        let remedy = format!(
            "deny smaller networks, without {own}; or the check says after each reload that it was denied"
        );
        loading.add(TopologyReason::DenyCoversNode, listener.line, what, remedy);
    }
}

/// Whether both cannot be bound: one port, and one address or an unspecified one of the same family.
///
/// Port 0 never collides: the system chooses a free one for each. `0.0.0.0` and `[::]` do not collide,
/// because listeners of IPv6 are bound with IPV6_V6ONLY.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || (any && a.is_ipv4() == b.is_ipv4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_without_port_means_5061() {
        for (text, address) in [
            ("10.0.0.1:5071", "10.0.0.1:5071"),
            ("10.0.0.1", "10.0.0.1:5061"),
            ("[::1]:0", "[::1]:0"),
            ("::1", "[::1]:5061"),
            ("[::1]", "[::1]:5061"),
        ] {
            assert_eq!(literal(text), address.parse().ok(), "{text}");
        }
        for text in ["", ":5061", "host:5061", "10.0.0.1:70000", "10.0.0.256"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_has_no_bits_behind_its_prefix_and_is_not_everybodys() {
        for (text, shown) in [
            ("10.0.0.5", "10.0.0.5/32"),
            ("::ffff:10.0.0.5", "10.0.0.5/32"),
            ("10.0.0.0/24", "10.0.0.0/24"),
            ("2001:db8::/64", "2001:db8::/64"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "lb.contoso.test",
            "10.0.0.5/24",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.5:5061",
        ] {
            assert_eq!(network(text), None, "{text}");
        }
    }

    #[test]
    fn an_unspecified_address_overlaps_its_own_family_only() {
        let overlaps = |a: &str, b: &str| overlap(a.parse().unwrap(), b.parse().unwrap());
        assert!(overlaps("10.0.0.1:5061", "10.0.0.1:5061"));
        assert!(overlaps("0.0.0.0:5061", "10.0.0.1:5061"));
        assert!(!overlaps("0.0.0.0:5061", "10.0.0.1:5062"));
        assert!(!overlaps("0.0.0.0:5061", "[::]:5061"));
        assert!(!overlaps("127.0.0.1:0", "127.0.0.1:0"));
    }
}
