//! Hash maps whose keys no stranger chooses.
//!
//! The standard map defends against chosen keys by SipHash, which costs more than everything else
//! of a look-up. It is not needed where the keys are hashes with a secret key already, or come from
//! the operator's file.
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Multiplies instead of mixing: enough for numbers that this node made itself (link ids, peer
/// keys, keyed hashes) and for the names of the topology. A stranger may look up any name, but
/// cannot insert one, and so cannot build collisions.
#[derive(Default)]
pub(crate) struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        // What is left together with bytes before it, if there are so many: that takes no walk.
        match bytes.last_chunk() {
            _ if rest.is_empty() => {}
            Some(last) => self.write_u64(u64::from_le_bytes(*last)),
            None => self.write_u64(rest.iter().fold(0, |word, b| word << 8 | u64::from(*b))),
        }
    }
    fn write_u64(&mut self, value: u64) {
        // Fibonacci hashing; rotated because the map looks at both ends of the number.
        self.0 = (self.0 ^ value)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29);
    }
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64 ^ (value >> 64) as u64);
    }
}

/// A map with [`FastHasher`].
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
