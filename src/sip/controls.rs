//! Finds the line ends of a head, and every other control byte, sixty-four bytes at a step.
//!
//! Reading the head is the largest part of the work on a message. Here a byte costs half an instruction.
use super::block::{self, Block};

/// Bytes that are marked at a step.
const BLOCK: usize = 64;

/// The control bytes of a block: those below SP, and DEL. Bytes from 0x80 on are none: UTF-8 is allowed.
#[inline]
fn bits(bytes: &[u8; BLOCK]) -> u64 {
    let (blocks, _) = bytes.as_chunks();
    blocks.iter().rev().fold(0, |bits, bytes| {
        let block = Block::new(bytes);
        bits << block::WIDTH | (block.up_to(b' ' - 1) | block.is(0x7f)).bits()
    })
}

/// The places of all control bytes of a text.
#[derive(Clone, Debug)]
pub(super) struct Controls<'a> {
    /// What comes behind the block that is looked at.
    rest: &'a [u8],
    /// Where that block ends.
    end: usize,
    /// Its control bytes that are still to be returned.
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

    /// Passes by the byte behind the one that was returned last, which is a control byte too; if that stands in the next
    /// block, it is returned all the same.
    #[inline]
    pub(super) fn pass_by(&mut self) {
        self.bits &= self.bits.wrapping_sub(1);
    }
}

impl Iterator for Controls<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.bits = if let Some((block, rest)) = self.rest.split_first_chunk() {
                self.rest = rest;
                bits(block)
            } else if self.rest.is_empty() {
                return None;
            } else {
                // The last block is filled up with blanks, which are no control bytes and so are never reported.
                let mut block = [b' '; BLOCK];
                let last = std::mem::take(&mut self.rest);
                block.get_mut(..last.len())?.copy_from_slice(last);
                bits(&block)
            };
            self.end += BLOCK;
        }
        let place = self.bits.trailing_zeros() as usize;
        // Clears the lowest set bit: the byte that is reported now.
        self.bits &= self.bits - 1;
        Some(self.end - BLOCK + place)
    }
}
