//! `[[peer]]`: the servers that may connect and be connected to, with every reference resolved.
use super::TopologyReason;
use super::boundary::{self, PeerBoundary};
use super::context::{Context, Names};
use super::listener::{SIPS_PORT, literal};
use super::quantity::duration;
use super::raw::{RawPeer, Text};
use super::{
    DialAddress, DnsName, Domain, DomainSet, IdentityRef, Lookup, NamePolicy, Node, Peer, PeerKind,
    PurposePolicy, Stage, TrustRef, pin, window,
};
use std::collections::HashSet;
use std::time::Duration;

/// The most connections that a shard makes to one peer.
const MOST_CONNECTIONS: u8 = 16;

/// Resolves one peer; `None` when something of it is missing or broken, which is then reported.
pub(super) fn load(
    raw: &RawPeer,
    fqdn: Option<&DnsName>,
    line: u32,
    node: Option<&Node>,
    (identities, trusts): (&Names, &Names),
    role: &boundary::Loaded,
    context: &mut Context<'_, '_>,
) -> Option<Peer> {
    let fqdn = fqdn?.clone();
    let place = format!("peer \"{fqdn}\"");
    check_not_node(&fqdn, raw, node, &place, context);
    let trust = trust(raw, trusts, &place, context);
    let domains = domains(raw, node, &place, line, context);
    let addresses = addresses(raw, &place, context);
    let identity = match &raw.identity {
        Some(text) => identities.find(text.get_ref(), context.line(text), &place, context),
        None => identities.first(),
    };
    let window = window::load(
        &place,
        raw.not_before.as_ref(),
        raw.not_after.as_ref(),
        context,
    );
    let pins = pin::load(raw.pins.as_deref().unwrap_or_default(), &place, context);
    if let Some(stage) = &raw.stage
        && *stage.get_ref() == Stage::Observe
    {
        let at = context.line(stage);
        context.add(
            TopologyReason::StageObserved,
            at,
            format!("{place} is observed: its pins refuse nobody, nor do the strictest policies"),
            "when the event would_refuse stays away, write the stricter policies and take `stage` out",
        );
    }
    let dns = dns(raw, &domains, &place, context);
    let keepalive = keepalive(raw, &place, context);
    let connections = connections(raw, &place, context);
    let kind = raw.kind?;
    let assert_identity = raw.assert_identity.unwrap_or(kind == PeerKind::Home);
    if let Some(flag) = raw.anonymous.as_ref().filter(|_| kind == PeerKind::Home) {
        let at = context.line(flag);
        context.add(
            TopologyReason::AnonymousUnused,
            at,
            format!(
                "{place} is a home server, which may name anybody in From, but has `anonymous`"
            ),
            "take the line out",
        );
    }
    let boundary = boundary::of_peer(raw, kind, assert_identity, role, &place, context);
    check_denied(&domains, &boundary, role, &place, line, context);
    Some(Peer {
        fqdn,
        kind,
        domains,
        trust: trust?,
        addresses,
        names: raw.names.unwrap_or(NamePolicy::Exact),
        common_name: raw.common_name.unwrap_or(false),
        purpose: raw.purpose.unwrap_or(PurposePolicy::ServerOrClient),
        assert_identity,
        identity: IdentityRef(identity?),
        dns,
        keepalive,
        connections: connections?,
        boundary,
        window,
        stage: raw.stage.as_ref().map_or(Stage::Enforce, |s| *s.get_ref()),
        pins,
        line,
    })
}

/// A domain that is allowed and denied is denied: that works, but is seldom meant.
fn check_denied(
    domains: &[Domain],
    boundary: &PeerBoundary,
    role: &boundary::Loaded,
    place: &str,
    line: u32,
    context: &mut Context<'_, '_>,
) {
    let own: DomainSet = boundary.deny.iter().collect();
    for domain in domains {
        if own.covers(domain.as_str()) || role.denied.covers(domain.as_str()) {
            context.add(
                TopologyReason::DomainDeniedToPeer,
                line,
                format!("{place}: its domain {domain} is denied, so that nothing from it or to it passes"),
                "take the domain out of one of the lists",
            );
        }
    }
}

fn check_not_node(
    fqdn: &DnsName,
    raw: &RawPeer,
    node: Option<&Node>,
    place: &str,
    context: &mut Context<'_, '_>,
) {
    let ours = node.is_some_and(|node| {
        node.fqdn == *fqdn || node.aliases.contains(&Domain::from(fqdn.clone()))
    });
    if ours && let Some(text) = &raw.fqdn {
        let line = context.line(text);
        context.add(
            TopologyReason::PeerIsNode,
            line,
            format!("{place} has the name of this node"),
            "take the peer out; a node is not its own peer",
        );
    }
}

fn trust(
    raw: &RawPeer,
    trusts: &Names,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Option<Vec<TrustRef>> {
    let list = raw.trust.as_ref()?;
    context.filled(list, &format!("{place} trust"));
    let mut trust = Vec::new();
    let mut known = HashSet::new();
    for text in list.get_ref() {
        let line = context.line(text);
        let Some(at) = trusts.find(text.get_ref(), line, place, context) else {
            continue;
        };
        if known.insert(at) {
            trust.push(TrustRef(at));
        } else {
            context.twice(line, &format!("{place} trust"), text.get_ref());
        }
    }
    Some(trust)
}

fn domains(
    raw: &RawPeer,
    node: Option<&Node>,
    place: &str,
    line: u32,
    context: &mut Context<'_, '_>,
) -> Vec<Domain> {
    let texts: &[Text] = raw.domains.as_ref().map_or(&[], |list| list.get_ref());
    let domains = context.patterns(texts, &format!("{place} domain"));
    let at = raw.domains.as_ref().map_or(line, |list| context.line(list));
    match raw.kind {
        Some(PeerKind::Federated) if texts.is_empty() => context.add(
            TopologyReason::PeerWithoutDomains,
            at,
            format!("{place} is federated but has no domains"),
            "list in `domains` the SIP domains that it may speak for and that are routed to it",
        ),
        Some(kind) => {
            if node.is_none() {
                return domains;
            }
            for domain in &domains {
                let home = context.home.contains(domain);
                if kind == PeerKind::Home && !home {
                    context.add(
                        TopologyReason::DomainNotHome,
                        at,
                        format!("{place} is a home server, but its domain {domain} is not in node.domains"),
                        "add the domain to node.domains, or take it out here (a home peer needs no domains)",
                    );
                } else if kind == PeerKind::Federated
                    && (!home
                        && (context.own.contains(domain) || context.home_servers.contains(domain))
                        || domain
                            .below()
                            .is_some_and(|name| context.above_home.contains(name)))
                {
                    context.add(
                        TopologyReason::DomainHomeAndFederated,
                        at,
                        format!("{domain} of the federated {place} covers a home domain, a home server or this node"),
                        "a partner must not speak for what is ours: list its domains one by one, or those below a longer name",
                    );
                } else if kind == PeerKind::Federated && home {
                    context.add(
                        TopologyReason::DomainHomeAndFederated,
                        at,
                        format!("{domain} is a home domain and a domain of the federated {place}"),
                        "a partner must not speak for a home domain: take it out on one side",
                    );
                }
            }
        }
        None => {}
    }
    domains
}

fn addresses(raw: &RawPeer, place: &str, context: &mut Context<'_, '_>) -> Vec<DialAddress> {
    let Some(list) = &raw.address else {
        return Vec::new();
    };
    context.filled(list, &format!("{place} address"));
    let mut addresses = Vec::new();
    let mut known = HashSet::new();
    for text in list.get_ref() {
        let line = context.line(text);
        let Some(address) = dial_address(text.get_ref()) else {
            context.add(
                TopologyReason::InvalidAddress,
                line,
                format!("{place}: \"{}\" is not an address to dial", text.get_ref()),
                "write an IP address or host name with a port: \"10.0.0.11:5061\", \"[2001:db8::11]:5061\" or \"fe01.contoso.test:5061\"",
            );
            continue;
        };
        if known.insert(address.clone()) {
            addresses.push(address);
        } else {
            context.twice(line, &format!("{place} address"), text.get_ref());
        }
    }
    addresses
}

/// How its addresses are found.
fn dns(raw: &RawPeer, domains: &[Domain], place: &str, context: &mut Context<'_, '_>) -> Lookup {
    let Some(given) = &raw.dns else {
        return Lookup::Sip;
    };
    let what = if raw.address.is_some() {
        "but it has addresses, and these are dialled"
    } else if *given.get_ref() == Lookup::Federation
        && domains.iter().all(|domain| domain.name().is_none())
    {
        "but it has no domains that could be asked for"
    } else {
        return *given.get_ref();
    };
    let line = context.line(given);
    context.add(
        TopologyReason::DnsUnused,
        line,
        format!("{place} has dns = \"{}\", {what}", given.get_ref().word()),
        "take `dns` out, or what stands against it",
    );
    *given.get_ref()
}

/// How often a connection to the peer is kept alive.
fn keepalive(raw: &RawPeer, place: &str, context: &mut Context<'_, '_>) -> Option<Duration> {
    let text = raw.keepalive.as_ref()?;
    let line = context.line(text);
    let Some(time) = duration(text.get_ref()) else {
        context.add(
            TopologyReason::InvalidDuration,
            line,
            format!("{place}: keepalive = \"{}\" cannot be read", text.get_ref()),
            "write a number with a unit: \"30s\" or \"2m\"",
        );
        return None;
    };
    let good = (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&time);
    if !good {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!(
                "{place}: keepalive = \"{}\" is out of range",
                text.get_ref()
            ),
            "choose 100ms to 1h",
        );
    }
    good.then_some(time)
}

/// How many connections each shard has to the peer; more than a few only cost the peer.
fn connections(raw: &RawPeer, place: &str, context: &mut Context<'_, '_>) -> Option<u8> {
    let Some(number) = &raw.connections else {
        return Some(1);
    };
    let good = u8::try_from(*number.get_ref())
        .ok()
        .filter(|n| (1..=MOST_CONNECTIONS).contains(n));
    if good.is_none() {
        let line = context.line(number);
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!(
                "{place}: connections = {} is out of range",
                number.get_ref()
            ),
            format!("choose 1 to {MOST_CONNECTIONS}; each shard makes that many"),
        );
    }
    good
}

/// An address that can be dialled: a literal or a host name, with a port other than 0 (without one: 5061).
fn dial_address(text: &str) -> Option<DialAddress> {
    if let Some(address) = literal(text) {
        let good =
            address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        return good.then_some(DialAddress::Socket(address));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, port.parse().ok()?)
        }
        Some(_) => return None,
        None => (text, SIPS_PORT),
    };
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
