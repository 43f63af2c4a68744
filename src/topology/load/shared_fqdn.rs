//! Entries with one `fqdn`: which of them may share it, and that no name of an entry is another's `fqdn`.
use super::loading::Loading;
use crate::topology::{Peer, TopologyReason};
use std::collections::HashMap;

/// Looks at all entries at once, in the order of the file.
pub(super) fn check(peers: &[Option<Peer>], loading: &mut Loading<'_, '_>) {
    let mut by_fqdn: HashMap<&str, &Peer> = HashMap::new();
    for peer in peers.iter().flatten() {
        let first = *by_fqdn.entry(peer.fqdn.as_str()).or_insert(peer);
        // Two of one name were reported.
        if !std::ptr::eq(first, peer) && first.name != peer.name {
            let (name, first, fqdn) = (&peer.name, &first.name, &peer.fqdn);
            let what = format!("peer \"{name}\" has the fqdn {fqdn}, which \"{first}\" has, too");
            let remedy = "write one entry for it";
            loading.add(TopologyReason::FqdnShared, peer.line, what, remedy);
        }
    }
    for peer in peers.iter().flatten() {
        let (name, fqdn) = (peer.name.as_str(), peer.fqdn.as_str());
        if name != fqdn
            && let Some(other) = by_fqdn.get(name)
            && other.name != peer.name
        {
            let line = other.line;
            let what = format!(
                "peer \"{name}\" with the fqdn {fqdn} bears the fqdn of another, in line {line}"
            );
            let remedy = "give it a name that is nobody's fqdn";
            loading.add(TopologyReason::PeerNameMisleads, peer.line, what, remedy);
        }
    }
}
