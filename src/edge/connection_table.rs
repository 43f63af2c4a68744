//! The connection table of a shard.
use super::connection::Connection;
use crate::proxy::LinkId;
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};
use std::rc::Rc;

/// The connections by id. An id that the core or another shard still holds after the close must not reach the connection
/// that came next in the same slot: the serial in it, the map's version of the slot, sets the two apart.
#[derive(Default)]
pub(super) struct ConnectionTable(SlotMap<DefaultKey, Rc<Connection>>);

impl ConnectionTable {
    /// The live connection with this id.
    pub(super) fn get(&self, id: LinkId) -> Option<&Rc<Connection>> {
        self.0.get(key_of(id))
    }

    /// The live connections.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Connection>> {
        self.0.values()
    }

    /// How many connections there are.
    pub(super) fn live(&self) -> usize {
        self.0.len()
    }

    /// Enters the connection that `make` returns for its id in shard `shard`. The id comes first, since the connection
    /// carries it in what it hands to the core.
    pub(super) fn insert(
        &mut self,
        shard: u8,
        make: impl FnOnce(LinkId) -> Connection,
    ) -> Option<Rc<Connection>> {
        let key = self.0.insert_with_key(|key| {
            let number = key.data().as_ffi();
            Rc::new(make(LinkId::new(
                shard,
                number as u32,
                (number >> 32) as u32,
            )))
        });
        self.0.get(key).cloned()
    }

    /// Takes a connection out: its slot is free again.
    pub(super) fn remove(&mut self, id: LinkId) {
        self.0.remove(key_of(id));
    }
}

/// Slot and serial as the map knows them.
fn key_of(id: LinkId) -> DefaultKey {
    KeyData::from_ffi(u64::from(id.serial()) << 32 | u64::from(id.slot())).into()
}
