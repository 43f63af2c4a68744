//! What the shard of a connection keeps of each binding that the connection holds.
use super::id::{BindingId, BindingName, ContactMark};
use smallvec::SmallVec;

/// One binding of a live connection.
pub(crate) struct HeldBinding {
    pub(crate) name: BindingName,
    /// The contact that it leads to, if its device has no instance and so may have registered another one before.
    pub(crate) contact: Option<ContactMark>,
    /// When it ends unless it is renewed, in the seconds of the shard's directory.
    pub(crate) until: u32,
    /// Its number under each token key in use; the first is that of the key that signs.
    pub(crate) ids: SmallVec<[BindingId; 1]>,
}

impl HeldBinding {
    /// Whether it leads to one of these contacts; to whichever, if there are none.
    pub(crate) fn is_at(&self, contacts: &[ContactMark]) -> bool {
        let is_one = |contact| contacts.contains(&contact);
        contacts.is_empty() || self.contact.is_none_or(is_one)
    }

    /// The number that new tokens name it by.
    pub(crate) fn id(&self) -> Option<BindingId> {
        self.ids.first().copied()
    }
}
