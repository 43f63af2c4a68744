//! In which order the targets of a service and the addresses of a host are tried: RFC 2782 and a part of RFC 6724, pure.
use std::net::{IpAddr, Ipv6Addr};

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// The smallest is tried first.
    pub(super) priority: u16,
    /// The share among those of one priority.
    pub(super) weight: u16,
    /// Where the service listens on the target.
    pub(super) port: u16,
    /// Without its final dot; empty: the service is decidedly not there.
    pub(super) target: String,
}

/// The order in which targets are tried (RFC 2782): by priority, within one at random by weight. `random` returns a
/// number from 0 to its argument, both included.
pub(super) fn in_turn(
    mut services: Vec<Service>,
    mut random: impl FnMut(u32) -> u32,
) -> Vec<Service> {
    // Weight 0 first, so that it gets its small chance.
    services.sort_by_key(|s| (s.priority, s.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(priority) = services.first().map(|s| s.priority) {
        let end = services.partition_point(|s| s.priority == priority);
        let mut group: Vec<Service> = services.drain(..end).collect();
        while !group.is_empty() {
            let sum = group.iter().map(|s| u32::from(s.weight)).sum();
            let drawn = random(sum);
            let mut running = 0;
            let chosen = group
                .iter()
                .position(|s| {
                    running += u32::from(s.weight);
                    running >= drawn
                })
                .unwrap_or(0);
            ordered.push(group.remove(chosen));
        }
    }
    ordered
}

/// The order in which the addresses of one host are tried: those that this machine has a way to first (RFC 6724 §6 rule 1),
/// IPv6 before IPv4 (rule 6 with the default table), the name server's order otherwise.
pub(super) fn preferred(addresses: &mut [IpAddr], reachable: impl Fn(IpAddr) -> bool) {
    let precedence = |ip: &IpAddr| match ip {
        IpAddr::V6(Ipv6Addr::LOCALHOST) => 0,
        IpAddr::V6(_) => 1,
        IpAddr::V4(_) => 2,
    };
    addresses.sort_by_cached_key(|ip| (!reachable(*ip), precedence(ip)));
}

/// Whether this machine has a way to an address: its routing table is asked, nothing is sent.
pub(super) fn has_route(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    std::net::UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect((ip, 9)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service {
            priority,
            weight,
            port: 5061,
            target: target.to_owned(),
        }
    }

    /// A linear congruential generator: even enough, and the same in every run.
    fn dice() -> impl FnMut(u32) -> u32 {
        let mut state = 7u64;
        move |most| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % (u64::from(most) + 1)) as u32
        }
    }

    #[test]
    fn priorities_come_before_weights_in_every_draw() {
        let mut random = dice();
        for _ in 0..1_000 {
            let services = vec![
                service(20, 65_535, "c"),
                service(10, 0, "a"),
                service(10, 1, "b"),
            ];
            let ordered = in_turn(services, &mut random);
            assert_eq!(ordered.len(), 3);
            assert_eq!(ordered[2].target, "c");
        }
    }

    #[test]
    fn ten_thousand_draws_follow_the_weights() {
        let mut random = dice();
        let mut first: HashMap<String, u32> = HashMap::new();
        for _ in 0..10_000 {
            let services = vec![
                service(1, 60, "sixty"),
                service(1, 30, "thirty"),
                service(1, 10, "ten"),
                service(1, 0, "none"),
            ];
            let ordered = in_turn(services, &mut random);
            *first.entry(ordered[0].target.clone()).or_default() += 1;
        }
        for (target, expected) in [
            ("sixty", 5_940),
            ("thirty", 2_970),
            ("ten", 990),
            ("none", 99),
        ] {
            let got = first.get(target).copied().unwrap_or(0);
            assert!(
                got.abs_diff(expected) < 200,
                "{target}: {got}, {expected} expected"
            );
        }
        assert!(
            first.get("none").copied().unwrap_or(0) > 0,
            "weight 0 has a small chance, not none"
        );
    }

    #[test]
    fn equal_weights_of_zero_are_all_tried() {
        let services = vec![service(1, 0, "a"), service(1, 0, "b")];
        assert_eq!(in_turn(services, dice()).len(), 2);
        assert_eq!(in_turn(Vec::new(), dice()), []);
    }

    #[test]
    fn addresses_with_a_way_come_first_and_ipv6_before_ipv4() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut both = [
            ip("192.0.2.1"),
            ip("2001:db8::1"),
            ip("192.0.2.2"),
            ip("2001:db8::2"),
        ];
        preferred(&mut both, |_| true);
        assert_eq!(
            both,
            [
                ip("2001:db8::1"),
                ip("2001:db8::2"),
                ip("192.0.2.1"),
                ip("192.0.2.2")
            ]
        );
        preferred(&mut both, |ip| ip.is_ipv4());
        assert_eq!(
            both,
            [
                ip("192.0.2.1"),
                ip("192.0.2.2"),
                ip("2001:db8::1"),
                ip("2001:db8::2")
            ]
        );
    }

    #[test]
    fn loopback_has_a_route() {
        assert!(has_route(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)));
    }
}
