//! The connection table of a shard.
use super::link::Link;
use crate::proxy::LinkId;
use std::rc::Rc;

/// The connections by slot; a slot's serial tells its connection from those that had the slot before.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<(u32, Option<Rc<Link>>)>,
    free: Vec<u32>,
    live: usize,
}

impl Slots {
    pub(super) fn get(&self, id: LinkId) -> Option<&Rc<Link>> {
        let (serial, link) = self.slots.get(id.slot() as usize)?;
        link.as_ref().filter(|_| *serial == id.serial())
    }

    /// The live connections.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Link>> {
        self.slots.iter().filter_map(|(_, link)| link.as_ref())
    }

    /// How many connections there are.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Slot and serial of a connection to come.
    pub(super) fn reserve(&mut self) -> Option<(u32, u32)> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let entry = self.slots.get_mut(slot as usize)?;
        entry.0 = entry.0.wrapping_add(1);
        Some((slot, entry.0))
    }

    /// Enters a connection in the slot that was reserved for it.
    pub(super) fn occupy(&mut self, link: Rc<Link>) {
        if let Some(entry) = self.slots.get_mut(link.id.slot() as usize) {
            entry.1 = Some(link);
            self.live += 1;
        }
    }

    /// Takes a connection out: its slot is free again.
    pub(super) fn vacate(&mut self, id: LinkId) {
        if let Some(entry) = self.slots.get_mut(id.slot() as usize) {
            entry.1 = None;
            self.free.push(id.slot());
            self.live -= 1;
        }
    }
}
