//! Finds the line ends of a head, and every other control byte, eight bytes at a step.
//!
//! Reading the head is the largest part of the work on a message. Here a byte costs an eighth of a comparison, and without
//! `unsafe` or instructions that not every processor has: a word of eight bytes is treated as eight small numbers at once.

/// An byte in each place of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte of a word.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// The highest bit of each byte of the word that is below SP, or is DEL. Bytes from 0x80 on are none: UTF-8 is allowed.
fn control_bits(word: u64) -> u64 {
    let low = word & !HIGH;
    // No sum leaves its byte: the highest bit is set from SP on in the first, for DEL in the second.
    (!(low + 0x60 * ONES) | (low + ONES)) & !word & HIGH
}

/// Which byte of the word (by its order in memory) is the first of that value.
pub(super) fn place_of(b: u8, word: u64) -> Option<usize> {
    let others = word ^ (u64::from(b) * ONES);
    // The lowest bit is right; those above it may be the borrow's.
    let found = others.wrapping_sub(ONES) & !others & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The places of all control bytes of a text, eight bytes at a step.
#[derive(Clone, Debug)]
pub(super) struct Controls<'a> {
    /// What comes behind the word that is looked at.
    rest: &'a [u8],
    /// Where that word ends.
    end: usize,
    /// Its control bytes that are still to be returned, as the highest bit of each.
    bits: u64,
}

impl<'a> Controls<'a> {
    /// Begins before the first byte of the text.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            end: 0,
            bits: 0,
        }
    }
}

impl Iterator for Controls<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            let word = if let Some((word, rest)) = self.rest.split_first_chunk() {
                self.rest = rest;
                *word
            } else if self.rest.is_empty() {
                return None;
            } else {
                // The last word is filled up with blanks, which are no control bytes and so are never reported.
                let mut word = [b' '; 8];
                for (byte, &b) in word.iter_mut().zip(std::mem::take(&mut self.rest)) {
                    *byte = b;
                }
                word
            };
            self.end += 8;
            self.bits = control_bits(u64::from_le_bytes(word));
        }
        let place = self.bits.trailing_zeros() as usize / 8;
        // Clears the lowest set bit: the byte that is reported now.
        self.bits &= self.bits - 1;
        Some(self.end - 8 + place)
    }
}
