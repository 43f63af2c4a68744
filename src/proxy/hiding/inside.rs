//! What a text tells of the home side: names and addresses of home servers, and addresses that no network outside routes.
use crate::sip::Host;
use crate::topology::{DialAddress, PeerKind, Topology};
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The home servers by name and address.
#[derive(Default)]
pub(crate) struct Inside {
    names: HashSet<Box<str>>,
    addresses: HashSet<IpAddr>,
}

/// Hosts of one message that are hidden in it, and so must not stand elsewhere in it.
pub(super) type Hidden = HashSet<Box<str>>;

impl Inside {
    /// Of a topology. What names this node or a home domain is known outside, whoever else bears it.
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut inside = Self::default();
        let home = topology.peers().iter().filter(|p| p.kind == PeerKind::Home);
        for peer in home {
            inside.names.insert(peer.fqdn.as_str().into());
            for address in &peer.addresses {
                match address {
                    DialAddress::Socket(address) => {
                        inside.addresses.insert(address.ip().to_canonical());
                    }
                    DialAddress::Host(host, _) => {
                        inside.names.insert(host.to_ascii_lowercase().into());
                    }
                }
            }
        }
        let node = topology.node();
        inside.names.remove(node.fqdn.as_str());
        for domain in node.aliases.iter().chain(&node.domains) {
            inside.names.remove(domain.as_str());
        }
        for name in topology.identities().iter().flat_map(|own| &own.names) {
            inside.names.remove(name.as_str());
        }
        inside
    }

    /// Whether the host is of the home side for all that is known.
    pub(super) fn has(&self, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        match host.ip() {
            Some(address) => self.has_address(address),
            None => host
                .lower(&mut buffer)
                .is_some_and(|name| self.names.contains(name)),
        }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.contains(&address) || is_unroutable(address)
    }

    /// Whether the text tells of the home side, or of a host that is hidden elsewhere in the message.
    pub(super) fn is_told_by(&self, text: &[u8], hidden: &Hidden) -> bool {
        let text = String::from_utf8_lossy(text);
        if self.is_read_in(&text, hidden) {
            return true;
        }
        match unescaped(&text) {
            Cow::Owned(text) => self.is_read_in(&text, hidden),
            Cow::Borrowed(_) => false,
        }
    }

    fn is_read_in(&self, text: &str, hidden: &Hidden) -> bool {
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let tells = |run: &str| {
            let name = run.trim_matches('.').to_ascii_lowercase();
            if let Ok(address) = name.parse::<Ipv4Addr>() {
                return self.has_address(address.into()) || hidden.contains(name.as_str());
            }
            // A name below a home server's is told with it.
            let mut rest = name.as_str();
            loop {
                if self.names.contains(rest) || hidden.contains(rest) {
                    return true;
                }
                let Some((_, parent)) = rest.split_once('.') else {
                    return false;
                };
                rest = parent;
            }
        };
        if text
            .split(|c| !in_name(c))
            .any(|run| !run.is_empty() && tells(run))
        {
            return true;
        }
        let in_v6 = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        text.split(|c| !in_v6(c))
            .filter(|run| run.bytes().filter(|b| *b == b':').count() > 1)
            .any(|run| {
                let tries = [run, run.trim_end_matches(':'), run.trim_start_matches(':')];
                let address = tries.iter().find_map(|run| run.parse::<Ipv6Addr>().ok());
                address.is_some_and(|address| {
                    self.has_address(address.into()) || hidden.contains(&*address.to_string())
                })
            })
    }
}

/// A host as it is kept in [`Hidden`].
pub(super) fn text_of(host: &Host<'_>) -> Option<Box<str>> {
    let mut buffer = [0; 253];
    match host.ip() {
        Some(address) => Some(address.to_canonical().to_string().into()),
        None => host
            .lower(&mut buffer)
            .filter(|name| name.contains('.'))
            .map(Into::into),
    }
}

/// Addresses that are nobody's outside (RFC 1918, RFC 6598, RFC 4193, RFC 4291 §2.5.3 and §2.5.6, RFC 3927).
fn is_unroutable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// `%xy` undone.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = match tail {
            [high, low, ..] if *first == b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16);
                digit(*high).zip(digit(*low))
            }
            _ => None,
        };
        match escape.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_servers_and_unroutable_addresses_are_found_in_any_text() {
        let inside = Inside {
            names: ["fe01.contoso.test".into()].into(),
            addresses: ["198.51.100.7".parse().unwrap()].into(),
        };
        let hidden = Hidden::from(["x.internal".into()]);
        for text in [
            "fe01.contoso.test",
            "SIP;text=\"via FE01.Contoso.Test.\"",
            "399 _sip.fe01.contoso.test \"x\"",
            "<http://x.internal:8080/pic.png>",
            "Asterisk 10.0.0.5:5060",
            "198.51.100.7",
            "a%2010%2E0%2E0%2E5",
            "[fd00::1]:5061",
            "for=fe80::1;x",
            "::ffff:10.0.0.5",
            "100.64.0.1",
        ] {
            assert!(inside.is_told_by(text.as_bytes(), &hidden), "{text}");
        }
        for text in [
            "contoso.test",
            "edge01.contoso.test",
            "FreeSWITCH/1.10.9",
            "203.0.113.9",
            "2001:db8::1",
            "Tue, 01 Jan 2030 10:00:00 GMT",
            "sip:bob@fe01.contoso.test.example",
            "z9hG4bK.10.0",
        ] {
            assert!(!inside.is_told_by(text.as_bytes(), &hidden), "{text}");
        }
    }
}
