//! Where registered clients were when their registration ended, as long as that connection lives: their calls go on over
//! it, though nothing new reaches them.
//!
//! Bounded for each connection by what its shard keeps of it, and gone with the connection.
use super::id::BindingId;
use crate::proxy::link_id::LinkId;
use crate::topology::FastMap;

/// The most in one shard.
const MOST: usize = 65_536;

/// The connections that have held bindings of this shard last.
#[derive(Default)]
pub(crate) struct FormerHolders {
    at: FastMap<BindingId, LinkId>,
}

impl FormerHolders {
    /// The connection that held it last.
    pub(crate) fn get(&self, id: BindingId) -> Option<LinkId> {
        self.at.get(&id).copied()
    }

    /// The registration on this connection has ended. Without room its calls end with it.
    pub(crate) fn enter(&mut self, id: BindingId, link: LinkId) {
        if self.at.len() < MOST || self.at.contains_key(&id) {
            self.at.insert(id, link);
        }
    }

    /// The connection is closed, or has held too many others since.
    pub(crate) fn gone(&mut self, id: BindingId, link: LinkId) {
        if self.get(id) == Some(link) {
            self.at.remove(&id);
        }
    }

    /// It is registered again, somewhere.
    pub(crate) fn take(&mut self, id: BindingId) -> Option<LinkId> {
        self.at.remove(&id)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}
