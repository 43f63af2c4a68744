//! Which peer has a name, and which have an FQDN or lie right below a name: so that a certificate is held against the entries that it can mean
//! and not against all.
use super::{DnsName, Peer, PeerName, PeerRef, TopologyId};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The peers of one topology by name and FQDN. Made when it is first asked.
///
/// Not made while loading, because tests and suppositions change the peers of a copy before they ask
/// it.
#[derive(Default)]
pub(crate) struct PeerIndex(OnceLock<NamePositions>);

struct NamePositions {
    by_name: HashMap<PeerName, PeerRef>,
    by_fqdn: HashMap<DnsName, Vec<PeerRef>>,
    /// By what follows the first label.
    by_parent: HashMap<Box<str>, Vec<PeerRef>>,
}

impl Clone for PeerIndex {
    /// Of the copy's own peers, which may be changed before it is asked.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PeerIndex {
    /// The peer of this name; `of` and `peers` are those of the topology that this belongs to.
    pub(super) fn named(&self, name: &str, of: TopologyId, peers: &[Peer]) -> Option<PeerRef> {
        self.names(of, peers).by_name.get(name).copied()
    }

    /// The peers of this FQDN in the order of the file.
    pub(super) fn called(&self, fqdn: &str, of: TopologyId, peers: &[Peer]) -> &[PeerRef] {
        let found = self.names(of, peers).by_fqdn.get(fqdn);
        found.map_or(&[], Vec::as_slice)
    }

    /// The peers whose FQDN is one label and this, in the order of the file.
    pub(super) fn below(&self, parent: &str, of: TopologyId, peers: &[Peer]) -> &[PeerRef] {
        let found = self.names(of, peers).by_parent.get(parent);
        found.map_or(&[], Vec::as_slice)
    }

    fn names(&self, of: TopologyId, peers: &[Peer]) -> &NamePositions {
        // Once for a generation; handshakes only read it.
        self.0.get_or_init(|| {
            let mut names = NamePositions {
                by_name: HashMap::with_capacity(peers.len()),
                by_fqdn: HashMap::with_capacity(peers.len()),
                by_parent: HashMap::new(),
            };
            for (reference, peer) in of.peers(peers) {
                // Loading leaves one; of two in a copy the first counts.
                let named = names.by_name.entry(peer.name.clone());
                named.or_insert(reference);
                let same = names.by_fqdn.entry(peer.fqdn.clone());
                same.or_default().push(reference);
                if let Some((_, parent)) = peer.fqdn.as_str().split_once('.') {
                    match names.by_parent.get_mut(parent) {
                        Some(below) => below.push(reference),
                        None => {
                            names.by_parent.insert(parent.into(), vec![reference]);
                        }
                    }
                }
            }
            names
        })
    }
}
