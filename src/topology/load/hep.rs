//! `[hep]`: which collector gets copies of which messages.
use super::loading::Loading;
use super::section_names::SectionNames;
use crate::topology::keys::hep::RawHep;
use crate::topology::{HepPassword, HepSettings, TopologyReason, network};
use std::net::SocketAddr;

/// Resolves the section; without an address nothing is sent.
pub(super) fn load(
    raw: &RawHep,
    names: &SectionNames,
    loading: &mut Loading<'_, '_>,
) -> HepSettings {
    let address = raw.address.as_ref().and_then(|text| {
        let address = text.get_ref().parse::<SocketAddr>().ok();
        // To nobody and to everybody at once: neither is a collector.
        let is_host = |ip: std::net::IpAddr| match ip {
            std::net::IpAddr::V4(ip) => !(ip.is_broadcast() || ip.is_multicast()),
            std::net::IpAddr::V6(ip) => !ip.is_multicast(),
        };
        let address =
            address.filter(|it| it.port() != 0 && !it.ip().is_unspecified() && is_host(it.ip()));
        if address.is_none() {
            let what = format!("hep.address \"{}\" is not an address", text.get_ref());
            let remedy = "write the IP address and UDP port of one collector: \"10.0.0.5:9060\"";
            loading.add(TopologyReason::InvalidAddress, text, what, remedy);
        }
        address
    });
    let password = raw.password_file.as_ref().and_then(|file| {
        // Whoever reads it can feed the collector in this node's name.
        loading.check_secret(file, "the HEP password file");
        let bytes = loading.read(file, "the HEP password file")?;
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        Some(HepPassword(line.trim_ascii_end().into()))
    });
    let known = names.find_all(&raw.peers, "peers", "hep.peers", loading);
    let mut clients = Vec::new();
    for text in &raw.clients {
        match network(text.get_ref()) {
            Some(network) if clients.contains(&network) => {
                loading.twice(text, "hep.clients:", text.get_ref());
            }
            Some(network) => clients.push(network),
            None => {
                let what = format!(
                    "hep.clients: \"{}\" is not an address or a network",
                    text.get_ref()
                );
                let remedy = "write an IP address, or a network without bits behind its prefix: \"192.0.2.0/24\"";
                loading.add(TopologyReason::InvalidNetwork, text, what, remedy);
            }
        }
    }
    // Of names that are known only: others were reported.
    let peers = raw.peers.iter().filter(|_| known.is_some());
    HepSettings {
        address,
        capture_id: raw.capture_id,
        password_file: raw.password_file.as_ref().map(|file| loading.path(file)),
        password,
        peers: peers
            .map(|text| text.get_ref().to_ascii_lowercase())
            .collect(),
        clients,
    }
}
