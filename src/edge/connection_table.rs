//! The connection table of a shard.
use super::connection::Connection;
use crate::proxy::LinkId;
use std::rc::Rc;

/// The connections by slot. The serial in an id sets its connection apart from earlier ones in the same slot: an id that the
/// core or another shard still holds after the close must not reach the connection that came next.
#[derive(Default)]
pub(super) struct ConnectionTable {
    /// The serial of each slot's last user, and that user while it lives.
    slots: Vec<(u32, Option<Rc<Connection>>)>,
    /// Slots without a user, the last one first: its memory is still in the caches.
    free: Vec<u32>,
    /// Slots with a user.
    live: usize,
}

impl ConnectionTable {
    /// The live connection with this id.
    pub(super) fn get(&self, id: LinkId) -> Option<&Rc<Connection>> {
        let (serial, connection) = self.slots.get(id.slot() as usize)?;
        connection.as_ref().filter(|_| *serial == id.serial())
    }

    /// The live connections.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Connection>> {
        let connections = self.slots.iter();
        connections.filter_map(|(_, connection)| connection.as_ref())
    }

    /// How many connections there are.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Enters the connection that `make` returns for its id in shard `shard`. The id comes first, since the connection
    /// carries it in what it hands to the core.
    pub(super) fn insert(
        &mut self,
        shard: u8,
        make: impl FnOnce(LinkId) -> Connection,
    ) -> Option<Rc<Connection>> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let (serial, entry) = self.slots.get_mut(slot as usize)?;
        *serial = serial.wrapping_add(1);
        let connection = Rc::new(make(LinkId::new(shard, slot, *serial)));
        *entry = Some(Rc::clone(&connection));
        self.live += 1;
        Some(connection)
    }

    /// Takes a connection out: its slot is free again.
    pub(super) fn remove(&mut self, id: LinkId) {
        if let Some((_, entry)) = self.slots.get_mut(id.slot() as usize) {
            *entry = None;
            self.free.push(id.slot());
            self.live -= 1;
        }
    }
}
