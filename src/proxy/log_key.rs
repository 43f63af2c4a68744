//! What hashes users in the log (`[log] identities = "hashed"`).
//!
//! Who reads such a log can follow a user through it and through those of all nodes with the same token keys, and cannot
//! learn who that is by hashing every name of a directory: for that the key is needed.
use crate::sip::plain_user;
use aws_lc_rs::hmac;
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

/// Hashes users: derived from a token key, so that a user has the same hash after a restart and at every node.
#[derive(Clone, Copy, Default)]
pub(crate) struct LogKey(u64, u64);

impl LogKey {
    /// A key of its own, so that no hash in a log says anything about a token.
    pub(crate) fn derive(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sipward log");
        let (words, _) = derived.as_ref().as_chunks();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_be_bytes(*word));
        Self(word(0), word(1))
    }

    /// The hash of a user, whose spelling does not count (RFC 3261 §19.1.4).
    pub(crate) fn hash(self, user: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        hasher.write(&plain_user(user));
        hasher.finish()
    }
}
