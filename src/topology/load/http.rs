//! `[http]`: where the daemon serves figures, and by which names.
use super::loading::Loading;
use crate::topology::keys::Text;
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
    if let (Some(address), Some(text)) = (address, &raw.address) {
        warn_open(address, text, loading);
    }
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

/// There is no password: an address for all networks is rarely meant. It is bound as the system has it, and `[::]` usually
/// takes IPv4 as well, other than that of a listener.
fn warn_open(address: SocketAddr, text: &Text, loading: &mut Loading<'_, '_>) {
    if !address.ip().is_unspecified() {
        return;
    }
    let both = match address.is_ipv6() {
        true => ", usually over IPv4 too",
        false => "",
    };
    let what = format!(
        "http.address {address} is open to whoever reaches this machine{both}: figures and page have no password"
    );
    let port = address.port();
    let remedy =
        format!("write \"127.0.0.1:{port}\", or the address of a network for monitoring alone");
    loading.add(TopologyReason::HttpOpen, text, what, remedy);
}
