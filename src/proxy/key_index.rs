//! The index of transactions by their keys: eight bytes for each place, and nothing that a removal leaves behind.
//!
//! The keys themselves stand with the transactions, of which a shard may have a million that are answered and wait
//! (`answered`). A map that repeats each key takes 33 bytes a place, and what its removals leave makes it double once more.

/// A place holds 32 bits of a key above the number of a slot.
type IndexPlace = u64;

/// No slot has this number: there are far fewer.
///
/// A table that is new is full of it, and a removal writes it: nothing tells a place that was used from one that never was.
const FREE: IndexPlace = IndexPlace::MAX;
/// Places of the smallest table.
const FEWEST: usize = 64;

/// Slots by the keys of what stands in them. Keys are hashes that only this node can compute, so that their bits are as good
/// as drawn and nobody can choose two that meet.
///
/// Open addressing, each entry in the first free place from its own on. One that is removed draws those behind it nearer, so
/// that a table that is used for weeks is as quick as a new one.
#[derive(Default)]
pub(crate) struct KeyIndex {
    /// A power of two of them, a quarter free at least.
    places: Box<[IndexPlace]>,
    used: usize,
}

/// The part of a key that stands in its place, and that its own place follows from: all 32 bits are kept, so that a table of
/// any size finds the own place of an entry without its key.
fn tag(key: u128) -> u32 {
    key as u32
}

fn slot_of(place: IndexPlace) -> u32 {
    place as u32
}

fn tag_of(place: IndexPlace) -> u32 {
    (place >> 32) as u32
}

impl KeyIndex {
    /// The slot of this key, by `is` among those that may be it.
    pub(crate) fn find(&self, key: u128, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.find_place(tag(key), is).map(|at| slot_of(self.at(at)))
    }

    /// A key has this slot from now on. It must not be here: [`Self::replace`].
    pub(crate) fn insert(&mut self, key: u128, slot: u32) {
        if (self.used + 1) * 4 > self.places.len() * 3 {
            self.resize((self.used + 1) * 2);
        }
        self.used += 1;
        self.put(IndexPlace::from(tag(key)) << 32 | IndexPlace::from(slot));
    }

    /// The entry of the key that has this slot has another one; returns whether there was one.
    pub(crate) fn replace(&mut self, key: u128, old: u32, new: u32) -> bool {
        let Some(at) = self.find_place(tag(key), |slot| slot == old) else {
            return false;
        };
        self.set(at, IndexPlace::from(tag(key)) << 32 | IndexPlace::from(new));
        true
    }

    /// Removes the entry of this key and slot, if it is there.
    pub(crate) fn remove(&mut self, key: u128, slot: u32) {
        let Some(mut hole) = self.find_place(tag(key), |other| other == slot) else {
            return;
        };
        self.used -= 1;
        let mut at = hole;
        loop {
            at = self.behind(at);
            let place = self.at(at);
            if place == FREE {
                break;
            }
            // It may move to the hole unless its own place lies behind that.
            let own = self.own_place(tag_of(place));
            if self.distance(own, at) >= self.distance(hole, at) {
                self.set(hole, place);
                hole = at;
            }
        }
        self.set(hole, FREE);
    }

    /// Returns the memory of a table of which little is used.
    pub(crate) fn shrink(&mut self) {
        if self.used < self.places.len() / 8 {
            self.resize(self.used * 2);
        }
    }

    /// A table of another size. No transaction is looked at for it: the tags are enough.
    fn resize(&mut self, wanted: usize) {
        let places = wanted.next_power_of_two().max(FEWEST);
        let old = std::mem::replace(&mut self.places, vec![FREE; places].into_boxed_slice());
        for place in old.into_iter().filter(|place| *place != FREE) {
            self.put(place);
        }
    }

    /// Into the first free place from its own on. There is one: a quarter is.
    fn put(&mut self, place: IndexPlace) {
        let mut at = self.own_place(tag_of(place));
        while self.at(at) != FREE {
            at = self.behind(at);
        }
        self.set(at, place);
    }

    /// The place of an entry with this tag that `is` it.
    ///
    /// Nearly always the first one with the tag: of a million entries a hundred pairs have the same. So hardly any transaction is
    /// looked at in vain.
    fn find_place(&self, tag: u32, is: impl Fn(u32) -> bool) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut at = self.own_place(tag);
        loop {
            let place = self.at(at);
            if place == FREE {
                return None;
            }
            if tag_of(place) == tag && is(slot_of(place)) {
                return Some(at);
            }
            at = self.behind(at);
        }
    }

    /// Where an entry stands if nobody is in its way.
    fn own_place(&self, tag: u32) -> usize {
        tag as usize & self.mask()
    }

    /// The next one; behind the last is the first.
    fn behind(&self, at: usize) -> usize {
        (at + 1) & self.mask()
    }

    /// Places from the one to the other, forwards.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    /// There are a power of two of them.
    fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    /// A place of a number that was masked is always there.
    fn at(&self, at: usize) -> IndexPlace {
        self.places.get(at).copied().unwrap_or(FREE)
    }

    /// The same to write.
    fn set(&mut self, at: usize, place: IndexPlace) {
        if let Some(there) = self.places.get_mut(at) {
            *there = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Keys of which many share their place, and some all 32 bits.
    fn key(number: u64) -> u128 {
        u128::from(number) << 64 | u128::from(number % 97 * 0x4000_0001 + number % 3)
    }

    #[test]
    fn it_agrees_with_a_map_through_many_insertions_and_removals() {
        let (mut index, mut map) = (KeyIndex::default(), HashMap::new());
        let (mut keys, mut seed) = (HashMap::new(), 1_u64);
        for slot in 0..20_000_u32 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let number = seed >> 53;
            let known = |keys: &HashMap<u32, u128>, number| {
                index.find(key(number), |slot| keys.get(&slot) == Some(&key(number)))
            };
            assert_eq!(known(&keys, number), map.get(&number).copied());
            match map.remove(&number) {
                Some(old) if seed & 1 == 0 => {
                    assert!(index.replace(key(number), old, slot));
                    keys.remove(&old);
                    keys.insert(slot, key(number));
                    map.insert(number, slot);
                }
                Some(old) => {
                    index.remove(key(number), old);
                    keys.remove(&old);
                }
                None => {
                    index.insert(key(number), slot);
                    keys.insert(slot, key(number));
                    map.insert(number, slot);
                }
            }
            assert_eq!(index.used, map.len());
        }
        for number in 0..2_048 {
            let found = index.find(key(number), |slot| keys.get(&slot) == Some(&key(number)));
            assert_eq!(found, map.get(&number).copied(), "{number}");
        }
    }

    #[test]
    fn what_is_removed_leaves_nothing_and_a_large_table_is_returned() {
        let mut index = KeyIndex::default();
        assert_eq!(index.find(7, |_| true), None);
        index.remove(7, 7);
        let drawn =
            |slot: u32| u128::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        for slot in 0..100_000 {
            index.insert(drawn(slot), slot);
        }
        let most = index.places.len();
        assert!(most <= 262_144, "{most}");
        // As many come as go: the table stays as it is.
        for slot in 0..1_000_000_u32 {
            index.remove(drawn(slot), slot);
            index.insert(drawn(slot + 100_000), slot + 100_000);
        }
        assert_eq!(index.places.len(), most);
        for slot in 1_000_000..1_100_000 {
            assert_eq!(index.find(drawn(slot), |it| it == slot), Some(slot));
            index.remove(drawn(slot), slot);
        }
        assert!(index.places.iter().all(|place| *place == FREE));
        index.shrink();
        assert_eq!((index.used, index.places.len()), (0, FEWEST));
    }
}
