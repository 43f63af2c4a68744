//! What nobody outside can predict: keyed hashes, and numbers that are drawn once.
//!
//! They protect tables, not messages: who cannot predict the hash cannot make many requests land on
//! one entry, and who cannot predict a branch cannot answer a request that it has not seen. Tokens,
//! which leave the node for long, are signed with keys of their own (`token`).
use siphasher::sip::{SipHasher13, SipHasher24};
use std::hash::Hasher as _;

/// The keys of one core, cut from the seed of the process.
pub(crate) struct Secrets {
    hash: (u64, u64),
    nonce: (u64, u64),
    drawn: u64,
}

impl Secrets {
    /// All shards get the same seed, so that they agree on transaction keys: a CANCEL that another
    /// shard reads finds its INVITE here. The nonces must differ all the same, so the shard takes
    /// part in their key.
    pub(crate) fn new(seed: &[u8; 32], shard: u8) -> Self {
        let word = |at: usize| {
            seed.get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };
        Self {
            hash: (word(0), word(8)),
            nonce: (word(16) ^ u64::from(shard), word(24)),
            drawn: 0,
        }
    }

    /// A keyed hash of what `feed` writes: nobody outside can aim at collisions.
    pub(crate) fn hash(&self, feed: impl FnOnce(&mut SipHasher13)) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash.0, self.hash.1);
        feed(&mut hasher);
        hasher.finish()
    }

    /// As [`Self::hash`], long enough that two inputs never meet: transactions are looked up by it
    /// alone.
    pub(crate) fn wide_hash(&self, text: &[u8]) -> u128 {
        let key = siphasher::sip128::SipHasher13::new_with_keys(self.hash.0, self.hash.1);
        key.hash(text).as_u128()
    }

    /// An unguessable number that was not drawn before: a keyed hash of a counter, so that no
    /// random bits are asked for while a message is relayed.
    pub(crate) fn nonce(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = SipHasher24::new_with_keys(self.nonce.0, self.nonce.1);
        hasher.write_u64(self.drawn);
        hasher.finish()
    }
}
