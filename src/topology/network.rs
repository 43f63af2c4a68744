//! Addresses and networks as operators write them.
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address alone, or a network with its prefix. Bits behind the prefix mean that one of the two was meant otherwise, and
/// a prefix of no bits would be everybody.
///
/// What stands for IPv4 in IPv6's notation (`::ffff:a.b.c.d`) is IPv4, as sources are.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => canonical(text.parse().ok()?),
    };
    let good = network.trunc() == network && network.prefix_len() > 0;
    good.then_some(network)
}

/// Where a bound address is reached from this machine: what is bound to all addresses is on loopback too. The connection comes
/// from the same address.
pub(crate) fn reached_at(bound: SocketAddr) -> SocketAddr {
    let host = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => bound.ip(),
    };
    SocketAddr::new(host, bound.port())
}

/// The IPv4 network that an IPv6 one stands for, or the network itself.
fn canonical(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(v6)) => v6
            .prefix_len()
            .checked_sub(96)
            .and_then(|length| Ipv4Net::new(address, length).ok())
            .map_or(network, IpNet::V4),
        (_, network) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_in_each_notation_and_without_bits_behind_its_prefix() {
        for (text, read) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), read, "{text}");
        }
        for text in [
            "",
            "192.0.2.1/24",
            "0.0.0.0/0",
            "::/0",
            "::ffff:0:0/96",
            "edge01",
            "1.2.3",
        ] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
