//! Re-INVITEs that were refused without a transaction, so that their ACKs end here (RFC 3261 §17.2.1).
//!
//! The ACK of any other refusal is known by its To tag, which this node has made. That of a re-INVITE has the tag of its
//! dialog, like the ACK of a 2xx, which goes on to the other side: only what is kept here tells the two apart.

/// The most that one shard keeps, 32 KiB once there is one. An ACK follows its refusal within a round trip, and the newest
/// stay: a shard refuses fewer than so many in that time.
const PLACES: usize = 4_096;

/// Keyed hashes of refused re-INVITEs: of sender, Call-ID and branch, which their ACKs repeat.
#[derive(Default)]
pub(crate) struct RefusedInvites {
    /// Each at the place that its hash says; 0 is none.
    places: Vec<u64>,
}

impl RefusedInvites {
    /// One was refused.
    pub(crate) fn note(&mut self, hash: u64) {
        if self.places.is_empty() {
            self.places.resize(PLACES, 0);
        }
        if let Some(place) = self.places.get_mut(place_of(hash)) {
            *place = hash;
        }
    }

    /// Whether none was ever refused.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether an ACK belongs to one of them.
    pub(crate) fn has(&self, hash: u64) -> bool {
        self.places.get(place_of(hash)) == Some(&hash)
    }
}

fn place_of(hash: u64) -> usize {
    (hash % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_and_there_are_never_more_than_so_many() {
        let mut refused = RefusedInvites::default();
        assert!(!refused.has(7));
        for hash in 1..=2 * PLACES as u64 {
            refused.note(hash);
            assert!(refused.has(hash));
        }
        assert!(!refused.has(1) && refused.has(1 + PLACES as u64));
        assert_eq!(refused.places.len(), PLACES);
    }
}
