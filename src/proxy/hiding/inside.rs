//! What reveals the home side in a text: names and addresses of home servers, and addresses that no
//! network outside routes.
//!
//! The search must find a server's name or address in any text, whatever stands beside it, since
//! headers of products are full of them (`Server`, `Warning`, `User-Agent`, `X-` fields). And it
//! must not see one where there is none: a version number that looks like an address must pass. Its
//! cost is bounded by the length of the text, not by the number of home servers: candidates are
//! found by a hash of the first run of letters and digits.
use super::reading::{each_v4, each_v6, undone};
use crate::sip::Host;
use crate::topology::{DialAddress, PeerKind, Topology};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// How often escapes are undone to see what they stand for, since a reader may undo them more than
/// once: `%252e` is `%2e` is `.`.
const MOST_ESCAPES: usize = 4;

/// Hosts that a text is searched for, in time that does not grow with their number.
#[derive(Default)]
pub(super) struct Hosts {
    names: HashSet<Box<str>>,
    /// How long the names are that begin with this run of letters and digits.
    lengths: HashMap<Box<[u8]>, SmallVec<[usize; 2]>>,
    addresses: HashSet<IpAddr>,
}

/// Hosts of one message that are hidden in it, and so must not stand elsewhere in it.
pub(super) type Hidden = Hosts;

impl Hosts {
    /// Adds a name or an address.
    pub(super) fn add(&mut self, host: &str) {
        if let Ok(address) = host.parse::<IpAddr>() {
            self.addresses.insert(address.to_canonical());
            return;
        }
        let name = host.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let name = name.to_ascii_lowercase();
        let first = first_run(name.as_bytes());
        if first.is_empty() || self.names.contains(name.as_str()) {
            return;
        }
        let lengths = self.lengths.entry(first.into()).or_default();
        if !lengths.contains(&name.len()) {
            lengths.push(name.len());
        }
        self.names.insert(name.into());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len() + self.addresses.len()
    }

    /// Whether one of the names stands in a run of letters, digits, `-`, `.` and `_`, with neither
    /// a letter nor a digit beside it. A name of one label is a word like others, so it counts only
    /// as the last label.
    fn is_named_in(&self, run: &str) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let octets = run.as_bytes();
        let is_word = |at: usize| octets.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let mut at = 0;
        while at < octets.len() {
            let first = first_run(octets.get(at..).unwrap_or_default());
            for length in self.lengths.get(first).into_iter().flatten() {
                let end = at + length;
                let Some(name) = run.get(at..end).filter(|_| !is_word(end)) else {
                    continue;
                };
                let before = at.checked_sub(1).and_then(|at| octets.get(at));
                let is_last_label = || end == octets.len() && matches!(before, None | Some(b'.'));
                if self.names.contains(name) && (name.contains('.') || is_last_label()) {
                    return true;
                }
            }
            at += first.len().max(1);
        }
        false
    }
}

/// The letters and digits that a text begins with.
fn first_run(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !b.is_ascii_alphanumeric());
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The home servers by name and address.
#[derive(Default)]
pub(crate) struct Inside {
    servers: Hosts,
    /// Names that are known outside: this node's and the home domains.
    public: HashSet<Box<str>>,
}

impl Inside {
    /// Of a topology. What names this node or a home domain is known outside, whoever else bears
    /// it.
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut inside = Self::default();
        let node = topology.node();
        for name in topology.own_names() {
            inside.public.insert(name.as_str().into());
        }
        for domain in node.aliases.iter().chain(&node.domains) {
            inside.public.insert(domain.as_str().into());
        }
        for name in topology.identities().iter().flat_map(|own| &own.names) {
            inside.public.insert(name.as_str().into());
        }
        let home = topology.peers().iter().filter(|p| p.kind == PeerKind::Home);
        for peer in home {
            inside.add(peer.fqdn.as_str());
            for address in &peer.addresses {
                match address {
                    DialAddress::Socket(address) => {
                        inside.servers.addresses.insert(address.ip().to_canonical());
                    }
                    DialAddress::Host(host, _) => inside.add(&host.to_ascii_lowercase()),
                }
            }
        }
        inside
    }

    /// Adds a server's name. A name that is public anyway must not be hidden: it stands in every
    /// message.
    fn add(&mut self, name: &str) {
        if !self.public.contains(name) {
            self.servers.add(name);
        }
    }

    /// Whether the host is of the home side for all that is known.
    pub(super) fn has(&self, host: &Host<'_>) -> bool {
        self.has_server(host) || host.ip().is_some_and(is_unroutable)
    }

    /// Whether the host is a home server's name or address.
    fn has_server(&self, host: &Host<'_>) -> bool {
        let mut buffer = [0; 253];
        match host.ip() {
            Some(address) => self.servers.addresses.contains(&address.to_canonical()),
            None => host
                .lower(&mut buffer)
                .is_some_and(|name| self.servers.names.contains(name)),
        }
    }

    /// Whether the host can be nobody but a home server: a private address may be somebody else's
    /// too.
    pub(super) fn is_surely(&self, host: &Host<'_>) -> bool {
        self.has_server(host) && !host.ip().is_some_and(is_unroutable)
    }

    /// Whether the text reveals the home side, or a host that is hidden elsewhere in the message.
    ///
    /// So does what it is when escapes (`%xy`, RFC 3261 §25.1) and quoted pairs are undone.
    pub(super) fn is_revealed_by(&self, text: &[u8], hidden: &Hidden) -> bool {
        let mut text = Cow::Borrowed(text);
        for _ in 0..=MOST_ESCAPES {
            if self.is_read_in(&text.to_ascii_lowercase(), hidden) {
                return true;
            }
            match undone(&text) {
                Some(plain) => text = plain.into(),
                None => return false,
            }
        }
        // Nobody escapes so often who has nothing to hide.
        true
    }

    /// Whether a name or address of the home side stands in the text as it is.
    fn is_read_in(&self, text: &[u8], hidden: &Hidden) -> bool {
        let in_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let names = text.split(|b| !in_name(b)).any(|run| {
            let run = std::str::from_utf8(run).unwrap_or_default();
            let run = run.trim_matches('.');
            // The name of this node may hold that of a server.
            !run.is_empty()
                && !self.public.contains(run)
                && (self.servers.is_named_in(run) || hidden.is_named_in(run))
        });
        let reveals = |address: IpAddr, is_whole: bool| {
            let address = address.to_canonical();
            self.servers.addresses.contains(&address)
                || hidden.addresses.contains(&address)
                || is_whole && is_unroutable(address)
        };
        names || each_v4(text, reveals) || each_v6(text, reveals)
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

/// Addresses that are nobody's outside (RFC 1918, RFC 6598, RFC 4193, RFC 4291 §2.5.3 and §2.5.6,
/// RFC 3927).
fn is_unroutable(address: IpAddr) -> bool {
    match address.to_canonical() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn inside() -> Inside {
        let mut servers = Hosts::default();
        for host in [
            "fe01.contoso.test",
            "pbx",
            "198.51.100.7",
            "2001:db8::7",
            "10.9.9.9",
        ] {
            servers.add(host);
        }
        let public = ["edge-fe01.contoso.test", "fe01.contoso.test.example"];
        let public = public.map(Into::into).into();
        Inside { servers, public }
    }

    fn hidden() -> Hidden {
        let mut hidden = Hidden::default();
        hidden.add("x.internal");
        hidden.add("203.0.113.77");
        hidden
    }

    #[test]
    fn home_servers_and_unroutable_addresses_are_found_in_any_text() {
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
            assert!(
                inside().is_revealed_by(text.as_bytes(), &hidden()),
                "{text}"
            );
        }
        for text in [
            "contoso.test",
            "edge01.contoso.test",
            "FreeSWITCH/1.10.9",
            "203.0.113.9",
            "2001:db8::1",
            "Tue, 01 Jan 2030 10:00:00 GMT",
            "z9hG4bK.10.0",
        ] {
            assert!(
                !inside().is_revealed_by(text.as_bytes(), &hidden()),
                "{text}"
            );
        }
    }

    #[test]
    fn hosts_are_found_whatever_stands_beside_them() {
        for text in [
            "x-10.0.0.11",
            "10.0.0.11-5060",
            "10.0.0.11_5060",
            "10.0.0.11.5060",
            "id_10.0.0.11",
            "v10.0.0.11",
            "10.0.0.11x",
            "10.0.0.011",
            "0010.000.0.0011",
            "4711.10.0.0.11",
            "4711-10.0.0.11",
            "1.2.3.198.51.100.7.4",
            "ip-198-51-100-7.example",
            "srv_203_0_113_77",
            "pre-fe01.contoso.test",
            "fe01.contoso.test-backup",
            "fe01.contoso.test_1",
            "fe01.contoso.test.local",
            "a.b.fe01.contoso.test..x",
            "sip:bob@fe01.contoso.test.example.org",
            "my.x.internal-2",
            "at fe01\\.contoso\\.test",
            "\\1\\0.0.0.5",
            "fe01%2econtoso.test",
            "fe01%252econtoso.test",
            "fe01%25252Econtoso.test",
            "fe01\\%2econtoso.test",
            "%2525252525252525252525252541",
            "\u{e4}fe01.contoso.test\u{e4}",
            "1:2001:db8::7",
            "2001:db8::7:5061",
            "2001:DB8:0:0:0:0:0:7",
            "a:fd00::1:2:3:4:5:6:7:8:9",
            "sip:pbx",
            "a.pbx",
        ] {
            assert!(
                inside().is_revealed_by(text.as_bytes(), &hidden()),
                "{text}"
            );
        }
        for text in [
            "Asterisk 18.10.0.11",
            "Asterisk 18.10.0.0.11",
            "FreeSWITCH 1.10.0.0.11~64bit",
            "+49-10-11-20-30",
            "110.0.0.11",
            "10.0.0.256",
            "10.0.0",
            "Cisco-SIPGateway/IOS-15.2.4.M3",
            "prefe01.contoso.test",
            "fe01.contoso.testing",
            "fe011.contoso.test",
            "edge-fe01.contoso.test",
            "sip:edge-FE01.contoso.test.:5061",
            "sip:bob@fe01.contoso.test.example",
            "FreePBX pbx-1 pbx_2 pbx.3x",
            "2001:fd00::1",
            "2001:db8::1:7",
            "00:1b:44:11:3a:b7",
            "100% of \\\"a\\\" 5%",
        ] {
            assert!(
                !inside().is_revealed_by(text.as_bytes(), &hidden()),
                "{text}"
            );
        }
    }

    /// A head may be long, and a home user may have written it.
    #[test]
    fn long_texts_of_nothing_but_beginnings_are_read() {
        for piece in [
            "fe01.", "10.0.", "10.9.9.", "%25", "\\\\", "::", "a:", "fd00:", "0", "1.", "-_.",
        ] {
            let text = piece.repeat(100_000 / piece.len());
            inside().is_revealed_by(text.as_bytes(), &hidden());
        }
    }
}
