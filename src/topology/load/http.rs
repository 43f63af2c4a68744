//! `[http]`: where the daemon serves figures, and by which names.
use super::loading::Loading;
use crate::topology::keys::http::RawHttp;
use crate::topology::{HttpSettings, TopologyReason};
use std::net::{IpAddr, SocketAddr};

/// Resolves the section; without an address nothing is served.
pub(super) fn load(raw: &RawHttp, loading: &mut Loading<'_, '_>) -> HttpSettings {
    let address = raw.address.as_ref().and_then(|text| {
        let address = text.get_ref().parse::<SocketAddr>().ok();
        if address.is_none() {
            // A name would have to be looked up before anything runs, and its answer may change.
            let what = format!("http.address \"{}\" is not an address", text.get_ref());
            let remedy = "write an IP address with a port: \"127.0.0.1:9464\", \"[::1]:9464\"";
            loading.add(TopologyReason::InvalidAddress, text, what, remedy);
        }
        address
    });
    let mut hosts = Vec::new();
    for text in &raw.hosts {
        // In the one form in which they are compared with what a request names.
        let host = match text.get_ref().parse::<IpAddr>() {
            Ok(ip) => Some(ip.to_string()),
            Err(_) => loading
                .name(text, "http.hosts:")
                .map(|name| name.to_string()),
        };
        match host {
            Some(host) if hosts.contains(&host) => loading.twice(text, "http.hosts:", &host),
            Some(host) => hosts.push(host),
            None => {}
        }
    }
    HttpSettings { address, hosts }
}
