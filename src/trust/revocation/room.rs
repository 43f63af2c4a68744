//! How much may be kept for each trust set: no set's CAs take the room of another set's.
use std::collections::HashMap;

/// Number and bytes of what is kept for each trust set. What no set has offered that there is has a room of its own.
pub(crate) struct Rooms<'s> {
    most: usize,
    largest: u64,
    taken: HashMap<&'s str, (usize, u64)>,
}

impl<'s> Rooms<'s> {
    /// Empty ones, each for so many things and bytes together.
    pub(crate) fn new(most: usize, largest: u64) -> Self {
        Self {
            most,
            largest,
            taken: HashMap::new(),
        }
    }

    /// Takes room for what these sets have offered; `false` when none of them has any left.
    ///
    /// It counts for each set that has room for it: a set that offers what another one has offered, too, can
    /// neither push it out nor have it for nothing.
    pub(crate) fn take(&mut self, sets: impl Iterator<Item = &'s str>, size: u64) -> bool {
        let mut sets = sets.peekable();
        // No set has an empty name.
        let of_nobody = sets.peek().is_none().then_some("");
        let mut kept = false;
        for set in sets.chain(of_nobody) {
            let (count, bytes) = self.taken.entry(set).or_default();
            // The first is kept however large it is, or a set's only CRL might go with its file.
            if *count == 0 || *count < self.most && *bytes + size <= self.largest {
                *count += 1;
                *bytes += size;
                kept = true;
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_is_full_takes_no_others_room_and_pushes_out_what_is_its_own_alone() {
        let mut rooms = Rooms::new(2, 100);
        let mut take = |sets: &[&'static str], size| rooms.take(sets.iter().copied(), size);
        assert!(take(&["fabrikam"], 500), "the first, whatever its size");
        assert!(!take(&["fabrikam"], 1));
        assert!(take(&["fabrikam", "contoso"], 60));
        assert!(!take(&["contoso"], 60) && take(&["contoso"], 40));
        assert!(!take(&["contoso", "fabrikam"], 1));
        assert!(take(&[], 60) && take(&[], 40) && !take(&[], 0));
    }
}
