//! What counts as one source, and as one network: an IPv4 address and its /24, an IPv6 /64 and its /48.
use std::net::IpAddr;

/// An IPv4 address, or the 64 bits of an IPv6 one: whoever has one address of those has them all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SourceKey(u128);

/// The wider net around a source: a /24 of IPv4, a /48 of IPv6, which is what a site gets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NetKey(u128);

impl SourceKey {
    /// Of an address; to a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(cut(address, 0, 64))
    }
}

impl NetKey {
    /// Of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(cut(address, 8, 80))
    }
}

/// An address without its last bits, of which each family has its own number. IPv4 keeps its mapped form, so that no IPv6
/// network is taken for it.
fn cut(address: IpAddr, v4: u32, v6: u32) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits() >> v4 << v4,
        IpAddr::V6(address) => address.to_bits() >> v6 << v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_source_and_one_network() {
        let both = |text: &str| {
            let address = text.parse().unwrap();
            (SourceKey::of(address), NetKey::of(address))
        };
        for (one, other, same_source, same_net) in [
            ("192.0.2.1", "192.0.2.2", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("2001:db8::1", "2001:db8::ffff:2", true, true),
            ("2001:db8::1", "2001:db8:0:1::1", false, true),
            ("2001:db8::1", "2001:db8:1::1", false, false),
        ] {
            let (one, other) = (both(one), both(other));
            assert_eq!(
                (one.0 == other.0, one.1 == other.1),
                (same_source, same_net)
            );
        }
    }
}
