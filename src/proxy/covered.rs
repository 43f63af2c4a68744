//! Names that entries of partners cover, as next hops of their own: which of them this shard uses, and
//! which connections it has made under them.
//!
//! A partner's routes choose among these names, so that it could have ever new ones dialled. An entry
//! has so many at a time in a shard, and for a further one the least recently used one goes.
use super::leg::PeerKey;
use super::link_id::LinkId;
use crate::topology::FastMap;

/// The most names of an entry that a shard uses at a time.
pub(crate) const MOST_NAMES: usize = 16;

/// The names in use. Empty where no entry covers any.
#[derive(Default)]
pub(crate) struct CoveredNames {
    /// Of each entry, the most recently used last.
    of: FastMap<PeerKey, Vec<PeerKey>>,
    /// The connections that were made under a name.
    links: FastMap<LinkId, PeerKey>,
}

impl CoveredNames {
    /// The names of an entry, the least recently used first.
    pub(crate) fn of(&self, entry: PeerKey) -> &[PeerKey] {
        self.of.get(&entry).map_or(&[], Vec::as_slice)
    }

    /// A name is used now.
    pub(crate) fn used(&mut self, entry: PeerKey, name: PeerKey) {
        let names = self.of.entry(entry).or_default();
        names.retain(|other| *other != name);
        names.push(name);
    }

    /// A name is used no more.
    pub(crate) fn forget(&mut self, entry: PeerKey, name: PeerKey) {
        if let Some(names) = self.of.get_mut(&entry) {
            names.retain(|other| *other != name);
            if names.is_empty() {
                self.of.remove(&entry);
            }
        }
    }

    /// A connection was made under this name.
    pub(crate) fn connected(&mut self, link: LinkId, name: PeerKey) {
        self.links.insert(link, name);
    }

    /// The name that a connection was made under, if it was under one.
    pub(crate) fn name_of(&self, link: LinkId) -> Option<PeerKey> {
        if self.links.is_empty() {
            return None;
        }
        self.links.get(&link).copied()
    }

    /// A connection is closed, or serves its name no more.
    pub(crate) fn disconnected(&mut self, link: LinkId) -> Option<PeerKey> {
        self.links.remove(&link)
    }
}
