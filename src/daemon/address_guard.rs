//! Which addresses a URI out of a certificate may lead to: a CA's web server, not this host, its link or its cloud.
//!
//! The rule looks at what the name resolves to, at the moment of connecting: the addresses that pass are the ones that are
//! connected to.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A resolver that returns no special address, except for hosts that the operator lists.
#[derive(Debug)]
pub(super) struct Guard {
    /// Host names and addresses in lower case, without brackets.
    pub(super) local: Vec<String>,
}

/// A host all of whose addresses are special.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} is at {address}, which is loopback, link-local or otherwise special; crl_fetch_local can list the host"
)]
pub(super) struct Forbidden {
    /// As the URI has it.
    host: String,
    /// The first of its addresses.
    address: IpAddr,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        // Listed by the operator, by the name that the certificate has.
        if self.local.contains(&host) {
            return Ok(found);
        }
        // Those that pass are the ones that are connected to: a name that resolves differently a second time gains nothing.
        let mut passed = self.empty();
        for address in found.iter().filter(|address| !is_special(address.ip())) {
            passed.push(*address);
        }
        match found.first() {
            Some(first) if passed.is_empty() => Err(ureq::Error::Other(Box::new(Forbidden {
                host,
                address: first.ip(),
            }))),
            _ => Ok(passed),
        }
    }
}

/// Whether an address is no ordinary host's (RFC 6890 and IANA's registries): the host's own, the link's, a group's, reserved, or one
/// at which a cloud answers its guests. Private networks are ordinary: an enterprise CA publishes its CRLs there.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    }
}

/// Where clouds answer their guests, beside 169.254.169.254.
const OF_CLOUDS: [Ipv4Addr; 2] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
];

/// This host, loopback, link-local, multicast, documentation, benchmarks, and the clouds' own.
fn is_special_v4(address: Ipv4Addr) -> bool {
    matches!(
        address.octets(),
        [0 | 127 | 224..=255, ..]
            | [169, 254, ..]
            | [192, 0, 0 | 2, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    ) || OF_CLOUDS.contains(&address)
}

/// The same for IPv6, and every form that carries an IPv4 address: the rule must not be escaped by notation.
fn is_special_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_special_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // IPv4-mapped, NAT64 and 6to4 carry an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        [0x2002, high, low, ..] => embedded(high, low),
        // Unspecified, loopback and IPv4-compatible; local NAT64, discard-only, Teredo, documentation, SRv6.
        [0, 0, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 1, ..]
        | [0x100, 0, 0, 0, ..]
        | [0x2001, 0 | 0xdb8, ..]
        | [0x3fff, 0..=0xfff, ..]
        | [0x5f00, ..] => true,
        // fd00:ec2::254 and fd20:ce::254.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => true,
        // Link-local, the former site-local, and groups.
        [first, ..] => matches!(first, 0xfe80..=0xffff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_ordinary_hosts_pass() {
        for special in [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.251",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.1",
            "198.51.100.7",
            "203.0.113.7",
            "168.63.129.16",
            "100.100.100.200",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff:1::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100::1",
        ] {
            assert!(is_special(special.parse().unwrap()), "{special}");
        }
        for ordinary in [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "100.64.0.1",
            "93.184.216.34",
            "192.0.1.1",
            "198.17.0.1",
            "198.51.101.1",
            "fd12:3456::1",
            "2a00:1450::1",
            "2001:500::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ] {
            assert!(!is_special(ordinary.parse().unwrap()), "{ordinary}");
        }
    }
}
