//! What the shard of a connection keeps of each binding that the connection holds.
use super::id::{BindingId, BindingName};
use smallvec::SmallVec;

/// One binding of a live connection.
pub(crate) struct HeldBinding {
    pub(crate) name: BindingName,
    /// When it ends unless it is renewed, in the seconds of the shard's directory.
    pub(crate) until: u32,
    /// Its number under each token key in use; the first is that of the key that signs.
    pub(crate) ids: SmallVec<[BindingId; 1]>,
}

impl HeldBinding {
    /// The number that new tokens name it by.
    pub(crate) fn id(&self) -> Option<BindingId> {
        self.ids.first().copied()
    }
}
