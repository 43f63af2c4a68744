//! What nobody outside can predict: keyed hashes, and numbers that are drawn once.
//!
//! They protect tables, not messages: who cannot predict the hash cannot make many requests land on
//! one entry, and who cannot predict a branch cannot answer a request that it has not seen. Tokens,
//! which leave the node for long, are signed with keys of their own (`token`).
use siphasher::sip::{SipHasher13, SipHasher24};
use std::cell::Cell;
use std::hash::Hasher;

/// The keys of one core, cut from the seed of the process.
pub(crate) struct Secrets {
    hash: (u64, u64),
    nonce: (u64, u64),
    drawn: u64,
    /// The room for what is hashed, kept for its memory.
    room: Cell<Vec<u8>>,
}

/// The most that the room may keep: one long message must not hold its memory for ever.
const MOST_ROOM: usize = 4 * 1024;

/// What is to be hashed, gathered first: the hash takes one long text at less cost than many short ones.
pub(crate) struct HashInput {
    text: Vec<u8>,
    key: (u64, u64),
}

impl HashInput {
    /// A field, with its length before it, so that no two lists of fields are the same text.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.text
            .extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.text.extend_from_slice(bytes);
    }
}

impl Hasher for HashInput {
    fn write(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }
    fn finish(&self) -> u64 {
        SipHasher13::new_with_keys(self.key.0, self.key.1).hash(&self.text)
    }
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
            room: Cell::default(),
        }
    }

    /// A keyed hash of what `feed` writes: nobody outside can aim at collisions.
    #[inline]
    pub(crate) fn hash(&self, feed: impl FnOnce(&mut HashInput)) -> u64 {
        self.gathered(feed, HashInput::finish)
    }

    /// As [`Self::hash`], long enough that two inputs never meet: transactions are looked up by it
    /// alone.
    #[inline]
    pub(crate) fn wide_hash(&self, feed: impl FnOnce(&mut HashInput)) -> u128 {
        self.gathered(feed, |input| {
            let key = siphasher::sip128::SipHasher13::new_with_keys(input.key.0, input.key.1);
            key.hash(&input.text).as_u128()
        })
    }

    /// Gathers what `feed` writes in the room that is kept for it.
    #[inline]
    fn gathered<T>(
        &self,
        feed: impl FnOnce(&mut HashInput),
        hash: impl FnOnce(&HashInput) -> T,
    ) -> T {
        let mut input = HashInput {
            text: self.room.take(),
            key: self.hash,
        };
        // Of the last one nothing is left but the room.
        input.text.clear();
        feed(&mut input);
        let hash = hash(&input);
        if input.text.capacity() <= MOST_ROOM {
            self.room.set(input.text);
        }
        hash
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
