//! `[dns]`: which name servers are asked for the addresses of peers, and for how long an old answer serves.
use super::DnsSettings;
use super::TopologyReason;
use super::context::Context;
use super::listener::literal;
use super::quantity::duration;
use super::raw::{RawDns, Text};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port of a name server (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// More name servers than this only make a failure last longer.
const MOST_SERVERS: usize = 8;

/// Resolves the section; without it the system's settings serve.
pub(super) fn load(raw: Option<&RawDns>, context: &mut Context<'_, '_>) -> DnsSettings {
    let mut settings = DnsSettings::default();
    let Some(raw) = raw else {
        return settings;
    };
    if let Some(list) = &raw.servers
        && context.filled(list, "dns.servers")
    {
        for text in list.get_ref() {
            let line = context.line(text);
            match server(text.get_ref()) {
                Some(address) if settings.servers.contains(&address) => {
                    context.twice(line, "dns.servers", text.get_ref());
                }
                Some(address) => settings.servers.push(address),
                None => context.add(
                    TopologyReason::InvalidAddress,
                    line,
                    format!("dns.servers: \"{}\" is not an address", text.get_ref()),
                    "write an IP address, with a port if it is not 53: \"192.0.2.53\", \"[2001:db8::53]:5353\"",
                ),
            }
        }
        if settings.servers.len() > MOST_SERVERS {
            let line = context.line(list);
            context.add(
                TopologyReason::OutOfRange,
                line,
                format!("dns.servers has {} entries", settings.servers.len()),
                format!("name at most {MOST_SERVERS}"),
            );
        }
    }
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(60));
    if let Some(time) = time(&raw.timeout, "timeout", (least, most), context) {
        settings.timeout = time;
    }
    let week = Duration::from_secs(7 * 86_400);
    if let Some(time) = time(&raw.stale, "stale", (Duration::ZERO, week), context) {
        settings.stale = time;
    }
    settings
}

fn server(text: &str) -> Option<SocketAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, DNS_PORT),
        Err(_) => literal(text).filter(|_| text.contains(':'))?,
    };
    let good = address.port() != 0 && !address.ip().is_unspecified();
    good.then_some(address)
}

fn time(
    text: &Option<Text>,
    key: &str,
    (least, most): (Duration, Duration),
    context: &mut Context<'_, '_>,
) -> Option<Duration> {
    let text = text.as_ref()?;
    let line = context.line(text);
    let Some(time) = duration(text.get_ref()) else {
        context.add(
            TopologyReason::InvalidDuration,
            line,
            format!("dns.{key} = \"{}\" cannot be read", text.get_ref()),
            "write a number with a unit: \"500ms\", \"2s\" or \"1h\"",
        );
        return None;
    };
    let good = (least..=most).contains(&time);
    if !good {
        let show = super::show_duration;
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!("dns.{key} = \"{}\" is out of range", text.get_ref()),
            format!("choose {} to {}", show(least), show(most)),
        );
    }
    good.then_some(time)
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
