//! What nobody outside can predict: keyed hashes, and numbers that are drawn once.
//!
//! They protect tables, not messages: who cannot predict the hash cannot make many requests land on
//! one entry, and who cannot predict a branch cannot answer a request that it has not seen. Tokens,
//! which leave the node for long, are signed with keys of their own (`token`).
use crate::sip::{Host, Via};
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes128Enc, Block};
use siphasher::{sip, sip128, sip128::Hasher128 as _};
use std::hash::Hasher;
use std::net::IpAddr;

/// The keys of one core, cut from the seed of the process.
pub(crate) struct Secrets {
    hash: (u64, u64),
    nonces: Nonces,
}

/// What is to be hashed, as words: the hash takes eight bytes at a step, and is spared to gather them from pieces.
///
/// Two lists of what is written are the same words only if they are the same list: a text has its length before it.
pub(crate) struct HashInput<H>(H);

impl<H: Hasher> HashInput<H> {
    /// Texts, each as long as it is.
    #[inline]
    pub(crate) fn texts<const N: usize>(&mut self, texts: [&[u8]; N]) {
        // No message is longer than 4 GiB, so that two lengths are a word.
        for pair in texts.chunks(2) {
            let length = |word, text: &&[u8]| word << 32 | text.len() as u64;
            self.0.write_u64(pair.iter().fold(0, length));
        }
        for text in texts {
            self.words_of(text, 0);
        }
    }

    /// Sent-by, as RFC 3261 §17.2.3 compares it: names in any case, and addresses in one form.
    #[inline]
    pub(crate) fn sent_by(&mut self, via: &Via<'_>) {
        let port = u64::from(via.port.unwrap_or(0));
        // The numbers say which of the three it is, and so how much follows.
        match (
            via.host,
            via.host.ip().map(|address| address.to_canonical()),
        ) {
            (_, Some(IpAddr::V4(address))) => {
                self.write_u64(port | u64::from(address.to_bits()) << 32);
            }
            (_, Some(IpAddr::V6(address))) => {
                self.write_u64(port | 1 << 16);
                self.write_u64((address.to_bits() >> 64) as u64);
                self.write_u64(address.to_bits() as u64);
            }
            (Host::Name(name), None) => {
                self.write_u64(port | 1 << 17);
                self.name(name.strip_suffix(b".").unwrap_or(name));
            }
            (Host::V4(_) | Host::V6(_), None) => {}
        }
    }

    /// A name, in whatever case it is written: letters, digits, `.`, `-` and `_`, and so long.
    #[inline]
    fn name(&mut self, name: &[u8]) {
        self.0.write_u64(name.len() as u64);
        // The bit in which lower case differs from upper: it tells none of the others apart either.
        self.words_of(name, u64::from_ne_bytes([0x20; 8]));
    }

    /// The words of a text with these bits set. The last is of the last eight bytes, some of them again.
    #[inline]
    fn words_of(&mut self, text: &[u8], set: u64) {
        let (words, rest) = text.as_chunks();
        for word in words {
            self.0.write_u64(u64::from_le_bytes(*word) | set);
        }
        if !rest.is_empty() {
            self.0.write_u64(last_word(text) | set);
        }
    }
}

/// The last eight bytes as a number, or as many as there are.
#[inline]
fn last_word(text: &[u8]) -> u64 {
    match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => text
            .iter()
            .rev()
            .fold(0, |word, b| word << 8 | u64::from(*b)),
    }
}

impl<H: Hasher> Hasher for HashInput<H> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.texts([bytes]);
    }
    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }
    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }
    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0.write_u64(number);
    }
    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl Secrets {
    /// All shards get the same seed, so that they agree on transaction keys: a CANCEL that another
    /// shard reads finds its INVITE here. The nonces must differ all the same, so the shard takes
    /// part in their key.
    pub(crate) fn new(seed: &[u8; 32], shard: u8) -> Self {
        let (hash, nonce) = seed.split_at(16);
        let word = |at| hash.get(at..).and_then(<[u8]>::first_chunk);
        let word = |at| word(at).map_or(0, |word| u64::from_le_bytes(*word));
        Self {
            hash: (word(0), word(8)),
            nonces: Nonces::new(nonce, shard),
        }
    }

    /// A keyed hash of what `feed` writes: nobody outside can aim at collisions.
    #[inline]
    pub(crate) fn hash(&self, feed: impl FnOnce(&mut HashInput<sip::SipHasher13>)) -> u64 {
        let (first, second) = self.hash;
        let mut input = HashInput(sip::SipHasher13::new_with_keys(first, second));
        feed(&mut input);
        input.0.finish()
    }

    /// As [`Self::hash`], long enough that two inputs never meet: transactions are looked up by it
    /// alone.
    #[inline]
    pub(crate) fn wide_hash(&self, feed: impl FnOnce(&mut HashInput<sip128::SipHasher13>)) -> u128 {
        let (first, second) = self.hash;
        let mut input = HashInput(sip128::SipHasher13::new_with_keys(first, second));
        feed(&mut input);
        input.0.finish128().as_u128()
    }

    /// An unguessable number that was not drawn before, so that no random bits are asked for while a
    /// message is relayed.
    pub(crate) fn nonce(&mut self) -> u64 {
        self.nonces.draw()
    }
}

/// How many blocks of a counter are encrypted at a time: as many as the processor has in hand at once.
const BLOCKS: usize = 8;

/// A counter in AES (SP 800-90A §10.2.1, without a new key for each request).
struct Nonces {
    cipher: Aes128Enc,
    /// The next block to be encrypted.
    counter: u128,
    /// What was encrypted; each block is two numbers.
    drawn: [Block; BLOCKS],
    /// How many of those numbers are still to be handed out.
    left: usize,
}

impl Nonces {
    /// Of 16 bytes of the seed.
    fn new(seed: &[u8], shard: u8) -> Self {
        let mut key = aes::cipher::Key::<Aes128Enc>::default();
        for (place, b) in key.iter_mut().zip(seed) {
            *place = *b;
        }
        if let Some(first) = key.first_mut() {
            *first ^= shard;
        }
        Self {
            cipher: Aes128Enc::new(&key),
            counter: 0,
            drawn: [Block::default(); BLOCKS],
            left: 0,
        }
    }

    #[inline]
    fn draw(&mut self) -> u64 {
        if self.left == 0 {
            self.encrypt();
        }
        self.left -= 1;
        let block = self.drawn.get(self.left / 2);
        let number = block.map_or(0, |block| u128::from_le_bytes((*block).into()));
        (number >> (64 * (self.left % 2))) as u64
    }

    #[cold]
    fn encrypt(&mut self) {
        for block in &mut self.drawn {
            *block = self.counter.to_le_bytes().into();
            self.counter += 1;
        }
        self.cipher.encrypt_blocks(&mut self.drawn);
        self.left = 2 * BLOCKS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn hash(texts: [&[u8]; 2]) -> u64 {
        Secrets::new(&[1; 32], 0).hash(|input| input.texts(texts))
    }

    proptest! {
        #[test]
        fn a_hash_is_that_of_the_words(words: Vec<u64>) {
            let secrets = Secrets::new(&[1; 32], 0);
            let ours = secrets.hash(|input| words.iter().for_each(|word| input.write_u64(*word)));
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let (first, second) = secrets.hash;
            prop_assert_eq!(ours, sip::SipHasher13::new_with_keys(first, second).hash(&bytes));
        }

        #[test]
        fn two_lists_of_texts_have_two_hashes(one: [Vec<u8>; 2], other: [Vec<u8>; 2]) {
            let of = |texts: &[Vec<u8>; 2]| hash([&texts[0], &texts[1]]);
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }

    #[test]
    fn every_byte_of_a_text_counts_and_so_does_its_end() {
        let text = [0; 40];
        let mut seen = HashSet::new();
        for end in 0..40 {
            assert!(seen.insert(hash([&text[..end], &text[end..]])));
            assert!(seen.insert(hash([&text[..end], b""])));
            for at in 0..end {
                let mut other = text;
                other[at] = 1;
                assert!(seen.insert(hash([&other[..end], b""])), "{at} of {end}");
            }
        }
    }

    #[test]
    fn a_name_has_no_case_and_every_other_character_counts() {
        let hash = |name: &str| Secrets::new(&[1; 32], 0).hash(|input| input.name(name.as_bytes()));
        assert_eq!(hash("Edge01.Contoso.TEST"), hash("edge01.contoso.test"));
        let characters = b"abcdefghijklmnopqrstuvwxyz0123456789.-_";
        let names = characters.iter().map(|b| format!("a{}", char::from(*b)));
        let hashes: HashSet<_> = names.map(|name| hash(&name)).collect();
        assert_eq!(hashes.len(), characters.len());
    }

    #[test]
    fn no_number_is_drawn_twice_nor_in_another_shard() {
        let mut seen = HashSet::new();
        for shard in 0..3 {
            let mut secrets = Secrets::new(&[1; 32], shard);
            assert!((0..1_000).all(|_| seen.insert(secrets.nonce())));
        }
        let (mut one, mut other) = (Secrets::new(&[1; 32], 0), Secrets::new(&[2; 32], 0));
        assert_ne!(one.nonce(), other.nonce());
    }
}
