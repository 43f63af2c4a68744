//! Where the clients of running dialogs are, as the directories of other shards have answered: a dialog asks once, and not for
//! each of its requests.
//!
//! A directory notes who has asked, and reports to them when a binding moves or ends; what it has reported is forgotten
//! here before anything else is sent. A connection that is found to be closed is asked for anew, whatever stands here. What
//! a directory does not hold, as the connection of a registration that has ended, is asked for each time.
use super::id::BindingId;
use crate::proxy::link_id::LinkId;
use crate::topology::FastMap;

/// The most that one shard keeps.
const MOST: usize = 8_192;

/// The answers that stand.
#[derive(Default)]
pub(crate) struct LocatedClients {
    at: FastMap<BindingId, LinkId>,
}

impl LocatedClients {
    /// The connection that holds it.
    pub(crate) fn get(&self, id: BindingId) -> Option<LinkId> {
        self.at.get(&id).copied()
    }

    /// Its directory has said so.
    pub(crate) fn note(&mut self, id: BindingId, link: LinkId) {
        // What is forgotten is asked for again.
        if self.at.len() >= MOST && !self.at.contains_key(&id) {
            self.at.clear();
        }
        self.at.insert(id, link);
    }

    /// It is no longer there, or that was never so.
    pub(crate) fn forget(&mut self, id: BindingId) {
        self.at.remove(&id);
    }
}
