//! `[[listener]]`: where sipward listens, for whom, and which identity it shows.
use super::TopologyReason;
use super::client_certificates;
use super::context::{Context, Names};
use super::raw::{RawAccept, RawListener, Text};
use super::{Accept, DnsName, Identity, IdentityRef, Listener};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

/// The port of SIP over TLS (RFC 3261 §18.1.1).
pub(super) const SIPS_PORT: u16 = 5061;

/// Resolves every listener.
pub(super) fn load_all(
    raws: &[toml::Spanned<RawListener>],
    (identities, trusts): (&Names, &Names),
    loaded: &[Option<Identity>],
    fqdn: Option<&DnsName>,
    context: &mut Context<'_, '_>,
) -> Vec<Option<Listener>> {
    let named = raws.iter().map(|raw| {
        let name = raw.get_ref().name.as_ref()?;
        Some((name.get_ref().clone(), name))
    });
    Names::register("listener", named, context);
    let listeners: Vec<Option<Listener>> = raws
        .iter()
        .map(|raw| {
            let line = context.line(raw);
            let listener = load(
                raw.get_ref(),
                line,
                (identities, trusts),
                loaded.len(),
                context,
            )?;
            check_names(&listener, loaded, fqdn, context);
            Some(listener)
        })
        .collect();
    check_addresses(&listeners, raws, context);
    listeners
}

fn load(
    raw: &RawListener,
    line: u32,
    (identities, trusts): (&Names, &Names),
    count: usize,
    context: &mut Context<'_, '_>,
) -> Option<Listener> {
    let name = raw.name.as_ref()?.get_ref().clone();
    let place = format!("listener \"{name}\"");
    let address = raw.address.as_ref().and_then(|text| address(text, context));
    let identity = match &raw.identity {
        Some(text) => identities.find(text.get_ref(), context.line(text), &place, context),
        None => identities.first(),
    };
    let sni = sni(raw, identity, identities, count, &place, context);
    let accept = match &raw.accept {
        None => Accept::Both,
        Some(list) => accept(list, &place, context)?,
    };
    let client_certificates = client_certificates::load(raw, line, accept, trusts, &place, context);
    Some(Listener {
        name,
        address: address?,
        identity: IdentityRef(identity?),
        sni: sni?,
        accept,
        client_certificates: client_certificates?,
        line,
    })
}

fn sni(
    raw: &RawListener,
    identity: Option<u32>,
    identities: &Names,
    count: usize,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Option<Vec<IdentityRef>> {
    let Some(list) = &raw.sni else {
        let all = (0..u32::try_from(count).unwrap_or(u32::MAX)).map(IdentityRef);
        return Some(all.filter(|r| Some(r.0) != identity).collect());
    };
    let mut sni = Vec::new();
    let mut known = HashSet::new();
    let mut whole = true;
    for text in list {
        let line = context.line(text);
        let Some(at) = identities.find(text.get_ref(), line, place, context) else {
            whole = false;
            continue;
        };
        if Some(at) != identity && !known.insert(at) {
            context.twice(line, &format!("{place} sni"), text.get_ref());
        } else if Some(at) != identity {
            sni.push(IdentityRef(at));
        }
    }
    whole.then_some(sni)
}

fn accept(
    list: &toml::Spanned<Vec<RawAccept>>,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Option<Accept> {
    context.filled(list, &format!("{place} accept"));
    let clients = list.get_ref().contains(&RawAccept::Client);
    let peers = list.get_ref().contains(&RawAccept::Peer);
    if list.get_ref().len() > usize::from(clients) + usize::from(peers) {
        let line = context.line(list);
        context.twice(
            line,
            &format!("{place} accept"),
            if clients { "client" } else { "peer" },
        );
    }
    match (clients, peers) {
        (true, true) => Some(Accept::Both),
        (true, false) => Some(Accept::Clients),
        (false, true) => Some(Accept::Peers),
        (false, false) => None,
    }
}

/// A literal address, with or without a port.
fn address(text: &Text, context: &mut Context<'_, '_>) -> Option<SocketAddr> {
    let address = literal(text.get_ref());
    if address.is_none() {
        let line = context.line(text);
        context.add(
            TopologyReason::InvalidAddress,
            line,
            format!("\"{}\" is not an address to listen on", text.get_ref()),
            "write an IP address with a port: \"0.0.0.0:5061\", \"10.0.0.5:5061\" or \"[::]:5061\"",
        );
    }
    address
}

/// An IP literal with a port, or without one for port 5061.
pub(super) fn literal(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse::<SocketAddr>().ok();
    with_port.or_else(|| {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let ip = bare.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, SIPS_PORT))
    })
}

/// Whether the node's FQDN is shown, and no SNI name has two answers.
fn check_names(
    listener: &Listener,
    loaded: &[Option<Identity>],
    fqdn: Option<&DnsName>,
    context: &mut Context<'_, '_>,
) {
    let references = std::iter::once(&listener.identity).chain(&listener.sni);
    let shown: Vec<Option<&Identity>> = references
        .map(|r| loaded.get(r.index()).and_then(Option::as_ref))
        .collect();
    let whole = shown.iter().all(Option::is_some);
    let shown: Vec<&Identity> = shown.into_iter().flatten().collect();
    let place = format!("listener \"{}\"", listener.name);
    for (position, later) in shown.iter().enumerate() {
        for name in &later.names {
            let mut earlier = shown.iter().take(position);
            let earlier =
                earlier.find(|i| i.names.contains(name) && i.window.overlaps(&later.window));
            if let Some(earlier) = earlier {
                context.add(
                    TopologyReason::DuplicateSni,
                    listener.line,
                    format!(
                        "{place}: the name {name} is carried by the identities \"{}\" and \"{}\"",
                        earlier.name, later.name
                    ),
                    "choose with `sni` which of them this listener shows (without `sni` it is all), or let the not_after of one end before the not_before of the other",
                );
            }
        }
    }
    let Some(fqdn) = fqdn else { return };
    if whole && !shown.iter().any(|identity| identity.names.contains(fqdn)) {
        let carried: Vec<&str> = shown
            .iter()
            .flat_map(|i| i.names.iter().map(DnsName::as_str))
            .collect();
        context.add(
            TopologyReason::IdentityWithoutFqdn,
            listener.line,
            format!(
                "{place}: no identity carries node.fqdn {fqdn}; its certificates are for {}",
                if carried.is_empty() { "no name".to_owned() } else { carried.join(", ") }
            ),
            format!("get a certificate with subjectAltName DNS:{fqdn} (or URI:sip:{fqdn}), or set node.fqdn to a name that it carries"),
        );
    }
}

fn check_addresses(
    listeners: &[Option<Listener>],
    raws: &[toml::Spanned<RawListener>],
    context: &mut Context<'_, '_>,
) {
    for (position, later) in listeners.iter().enumerate() {
        let Some(later) = later else { continue };
        let before = listeners.iter().take(position).flatten();
        for earlier in before {
            if overlap(earlier.address, later.address) {
                let text = raws
                    .get(position)
                    .and_then(|raw| raw.get_ref().address.as_ref());
                let line = text.map_or(later.line, |text| context.line(text));
                context.add(
                    TopologyReason::DuplicateListenerAddress,
                    line,
                    format!(
                        "listener \"{}\" wants {}, which listener \"{}\" has with {}",
                        later.name, later.address, earlier.name, earlier.address
                    ),
                    "give them different ports or addresses, or make one listener of the two (accept = [\"client\", \"peer\"])",
                );
            }
        }
    }
}

/// Whether both cannot be bound: one port, and one address or an unspecified one of the same family.
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
    fn an_unspecified_address_overlaps_its_own_family_only() {
        let overlaps = |a: &str, b: &str| overlap(a.parse().unwrap(), b.parse().unwrap());
        assert!(overlaps("10.0.0.1:5061", "10.0.0.1:5061"));
        assert!(overlaps("0.0.0.0:5061", "10.0.0.1:5061"));
        assert!(!overlaps("0.0.0.0:5061", "10.0.0.1:5062"));
        assert!(!overlaps("0.0.0.0:5061", "[::]:5061"));
        assert!(!overlaps("127.0.0.1:0", "127.0.0.1:0"));
    }
}
