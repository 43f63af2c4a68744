//! What names a call: its dialog, as one number that nobody outside can aim at.
use crate::proxy::secrets::Secrets;

/// A dialog (RFC 3261 §12): its Call-ID and both tags, whichever side sends.
///
/// Keyed, the same in all shards, and different in each run. 64 bits: of a hundred thousand calls two share a number once
/// in a billion runs, and then one of them is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct CallKey(u64);

impl CallKey {
    /// Of no call.
    pub(crate) const NONE: Self = Self(0);

    /// Of a request or response: `from` and `to` are the tags, empty where a program of RFC 2543 has none.
    pub(crate) fn of(secrets: &Secrets, call_id: &[u8], from: &[u8], to: &[u8]) -> Self {
        let (first, second) = if from < to { (from, to) } else { (to, from) };
        Self(secrets.hash(|input| input.texts([call_id, first, second])))
    }

    /// The shard that keeps it.
    pub(crate) fn shard(self, shards: u8) -> u8 {
        (self.0 % u64::from(shards.max(1))) as u8
    }
}

/// A hash of a tag, by which a record knows the caller's side.
pub(crate) fn tag_hash(secrets: &Secrets, tag: &[u8]) -> u64 {
    secrets.hash(|input| input.texts([tag]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_dialog_have_one_key_and_every_part_counts() {
        let secrets = [0, 1].map(|shard| Secrets::new(&[3; 32], shard));
        let key = |call_id: &[u8], from: &[u8], to: &[u8]| {
            let [one, other] = &secrets;
            let key = CallKey::of(one, call_id, from, to);
            assert_eq!(key, CallKey::of(other, call_id, from, to), "in all shards");
            key
        };
        assert_eq!(key(b"id", b"a", b"b"), key(b"id", b"b", b"a"));
        assert_ne!(key(b"id", b"a", b"b"), key(b"id2", b"a", b"b"));
        assert_ne!(key(b"id", b"a", b"b"), key(b"id", b"a", b"c"));
        assert_ne!(key(b"id", b"ab", b""), key(b"id", b"a", b"b"));
        assert_ne!(key(b"ida", b"b", b"c"), key(b"id", b"ab", b"c"));
        assert!(key(b"id", b"a", b"b").shard(3) < 3);
        assert_eq!(key(b"id", b"a", b"b").shard(0), 0);
    }
}
