//! `[dns]`: which name servers are asked for the addresses of peers.
use super::listener::literal;
use super::loading::Loading;
use crate::topology::keys::dns::RawDns;
use crate::topology::{DnsSettings, TopologyReason};
use std::net::{IpAddr, SocketAddr};

/// The port of a name server (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// Resolves the section; without name servers the system's serve.
///
/// Name servers are addresses and not names: there would be nobody to ask for a name.
pub(super) fn load(raw: &RawDns, loading: &mut Loading<'_, '_>) -> DnsSettings {
    let mut servers = Vec::new();
    for text in &raw.servers {
        match server(text.get_ref()) {
            Some(address) if servers.contains(&address) => loading.twice(text, "dns.servers", text.get_ref()),
            Some(address) => servers.push(address),
            None => loading.add(
                TopologyReason::InvalidAddress,
                text,
                format!("dns.servers: \"{}\" is not an address", text.get_ref()),
                "write an IP address, with a port if it is not 53: \"192.0.2.53\", \"[2001:db8::53]:5353\"",
            ),
        }
    }
    DnsSettings {
        servers,
        timeout: raw.timeout,
        stale: raw.stale,
    }
}

/// The unspecified address and port 0 cannot be asked.
fn server(text: &str) -> Option<SocketAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, DNS_PORT),
        // With a port; without the colon it would be read as one without, and get the port of SIP.
        Err(_) => literal(text).filter(|_| text.contains(':'))?,
    };
    let good = address.port() != 0 && !address.ip().is_unspecified();
    good.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_an_address_with_or_without_a_port() {
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(server("192.0.2.53"), address("192.0.2.53:53"));
        assert_eq!(server("127.0.0.1:5353"), address("127.0.0.1:5353"));
        assert_eq!(server("2001:db8::53"), address("[2001:db8::53]:53"));
        assert_eq!(server("[::1]:5353"), address("[::1]:5353"));
        for text in [
            "",
            "dns.contoso.test",
            "0.0.0.0",
            "192.0.2.53:0",
            "192.0.2.53:",
        ] {
            assert_eq!(server(text), None, "{text}");
        }
    }
}
