//! Finds the line ends of a head, and every other control byte, sixty-four bytes at a step.
//!
//! Reading the head is the largest part of the work on a message. Here a byte costs half an instruction, without `unsafe`:
//! the compiler makes wide compares of one small function, which marks the control bytes of a block, and the marks are then
//! looked for eight at a time.

/// An byte in each place of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte of a word.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Bytes that are marked at a step.
const BLOCK: usize = 64;
/// A mark in the highest bit of each byte of a word.
type Marks = [u64; BLOCK / 8];

/// Marks what is below SP, or is DEL. Bytes from 0x80 on are not marked: UTF-8 is allowed.
///
/// Never inlined: alone it becomes a few wide compares, and within its caller it would be taken apart byte by byte.
#[inline(never)]
fn marks(block: &[u8; BLOCK]) -> Marks {
    let mut marked = [0; BLOCK];
    for (mark, &b) in marked.iter_mut().zip(block) {
        *mark = u8::from(b < b' ' || b == 0x7f) << 7;
    }
    let mut marks = [0; BLOCK / 8];
    for (word, bytes) in marks.iter_mut().zip(marked.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    marks
}

/// Which byte of the word (by its order in memory) is the first of that value.
pub(super) fn place_of(b: u8, word: u64) -> Option<usize> {
    let others = word ^ (u64::from(b) * ONES);
    // The lowest bit is right; those above it may be the borrow's.
    let found = others.wrapping_sub(ONES) & !others & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The places of all control bytes of a text.
#[derive(Clone, Debug)]
pub(super) struct Controls<'a> {
    /// What comes behind the block that is looked at.
    rest: &'a [u8],
    marks: Marks,
    /// The word of the block that comes next.
    word: usize,
    /// Where the word that is looked at ends.
    end: usize,
    /// Its marks that are still to be returned.
    bits: u64,
}

impl<'a> Controls<'a> {
    /// Begins before the first byte of the text.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            marks: [0; BLOCK / 8],
            word: BLOCK / 8,
            end: 0,
            bits: 0,
        }
    }

    /// Marks the next block; `None` behind the last one.
    fn next_block(&mut self) -> Option<()> {
        if let Some((block, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            self.marks = marks(block);
        } else if self.rest.is_empty() {
            return None;
        } else {
            // The last block is filled up with blanks, which are no control bytes and so are never reported.
            let mut block = [b' '; BLOCK];
            let last = std::mem::take(&mut self.rest);
            block.get_mut(..last.len())?.copy_from_slice(last);
            self.marks = marks(&block);
        }
        self.word = 0;
        Some(())
    }
}

impl Iterator for Controls<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.bits = match self.marks.get(self.word) {
                Some(bits) => *bits,
                None => {
                    self.next_block()?;
                    continue;
                }
            };
            self.word += 1;
            self.end += 8;
        }
        let place = self.bits.trailing_zeros() as usize / 8;
        // Clears the lowest set bit: the byte that is reported now.
        self.bits &= self.bits - 1;
        Some(self.end - 8 + place)
    }
}
