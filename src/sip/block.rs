//! Sixteen bytes of a text at a step: which of them are of a kind, as the bits of a number, the first byte's in the lowest.
//!
//! The texts of a message are short, and most are asked several things: where the `@` stands, what ends the host, whether
//! there is an escape. One load answers all of them. The registers are those that every x86-64 or AArch64 has.
//!
//! A question that is asked of one text alone goes through [`find`] or [`before`], which stop where the answer is. Several
//! questions about one text go through [`marks`], whose answers are words of 64 bits: where a part ends is then a count of
//! zeros, and whether anything odd stands behind it is one AND. Texts of more than 64 bytes are rare enough for the slow way.
//! A copy of the last bytes into a full block is what costs most here, so it is made of two loads that overlap.
use std::ops::BitOr;
use wide::u8x16;

/// Bytes of a block.
pub(super) const WIDTH: usize = 16;

/// Sixteen bytes of a text, or the last ones and zeros behind them.
#[derive(Clone, Copy)]
pub(super) struct Block(u8x16);

/// Which bytes of a block are of a kind.
#[derive(Clone, Copy)]
pub(super) struct Marks(u8x16);

impl Block {
    /// Of so many bytes.
    #[inline]
    pub(super) fn new(bytes: &[u8; WIDTH]) -> Self {
        Self(u8x16::new(*bytes))
    }

    /// That byte.
    #[inline]
    pub(super) fn is(self, b: u8) -> Marks {
        Marks(self.0.simd_eq(u8x16::splat(b)))
    }

    /// Bytes of a range, both ends included.
    ///
    /// There is no unsigned comparison in these registers: what is below the range wraps around and is above it as well.
    #[inline]
    pub(super) fn within(self, from: u8, to: u8) -> Marks {
        let above = self.0 - u8x16::splat(from);
        Marks(above.min(u8x16::splat(to - from)).simd_eq(above))
    }

    /// That byte and all below it.
    #[inline]
    pub(super) fn up_to(self, b: u8) -> Marks {
        Marks(self.0.min(u8x16::splat(b)).simd_eq(self.0))
    }

    /// That byte and all above it.
    #[inline]
    pub(super) fn from(self, b: u8) -> Marks {
        Marks(self.0.max(u8x16::splat(b)).simd_eq(self.0))
    }

    /// Letters in lower case, and some other bytes moved: for questions that only letters answer.
    #[inline]
    pub(super) fn lower(self) -> Self {
        Self(self.0 | u8x16::splat(0x20))
    }

    /// ASCII letters of any case.
    #[inline]
    pub(super) fn letters(self) -> Marks {
        self.lower().within(b'a', b'z')
    }

    /// `<` and `>`, which differ in one bit; no other byte becomes `>` by it.
    #[inline]
    pub(super) fn angles(self) -> Marks {
        Self(self.0 | u8x16::splat(0x02)).is(b'>')
    }
}

impl Marks {
    /// As bits.
    #[inline]
    pub(super) fn bits(self) -> u64 {
        u64::from(self.0.to_bitmask())
    }
}

impl BitOr for Marks {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Fewer than sixteen bytes, with zeros behind them: two overlapping loads, as a copy of any length costs more than what is
/// asked of them.
#[inline]
fn padded(text: &[u8]) -> [u8; WIDTH] {
    let length = text.len();
    let (low, high) = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let last = u64::from_le_bytes(*last);
        // With eight bytes there is nothing behind the first ones.
        let high = last.checked_shr(8 * (WIDTH - length) as u32).unwrap_or(0);
        (u64::from_le_bytes(*first), high)
    } else {
        (short_word(text), 0)
    };
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

/// Fewer than eight bytes, with zeros behind them.
///
/// Names of parameters are of that length, so this is asked some ten times in a message.
#[inline]
pub(super) fn short_word(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        // What both hold is the same in both.
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (text.len() - 4));
        return u64::from(u32::from_le_bytes(*first)) | last;
    }
    match *text {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        _ => 0,
    }
}

/// How many bytes the text begins with of which `ends` marks none.
///
/// Zeros behind a short text may be marked or not.
#[inline]
pub(super) fn before(text: &[u8], ends: impl Fn(Block) -> Marks) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk() else {
            // The bit behind the last byte ends the walk at the latest.
            let found = ends(Block::new(&padded(rest))).bits() | 1 << rest.len();
            return at + found.trailing_zeros() as usize;
        };
        let found = ends(Block::new(bytes)).bits();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += WIDTH;
    }
}

/// Where the first byte stands that is marked.
#[inline]
pub(super) fn find(text: &[u8], is_it: impl Fn(Block) -> Marks) -> Option<usize> {
    let at = before(text, is_it);
    (at < text.len()).then_some(at)
}

/// The marks of a text of at most 64 bytes, of several kinds; nothing is marked behind it. `None`: it is longer.
///
/// The zeros behind the text are cut off here, since a caller counts marks up to the first that is missing, and a zero may be
/// of a kind.
#[inline]
pub(super) fn marks<const N: usize>(
    text: &[u8],
    kinds: impl Fn(Block) -> [Marks; N],
) -> Option<[u64; N]> {
    if text.len() > 64 {
        return None;
    }
    let mut all = [0; N];
    let (blocks, rest) = text.as_chunks();
    let mut add = |block: Block, at: usize, within: u64| {
        for (all, found) in all.iter_mut().zip(kinds(block)) {
            *all |= (found.bits() & within) << at;
        }
    };
    let mut at = 0;
    for bytes in blocks {
        add(Block::new(bytes), at, u64::MAX);
        at += WIDTH;
    }
    if !rest.is_empty() {
        add(Block::new(&padded(rest)), at, (1 << rest.len()) - 1);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_say_what_bytes_say(text in prop::collection::vec(any::<u8>(), 0..80), b: u8, from: u8, to: u8) {
            let (from, to) = (from.min(to), from.max(to));
            let first = |is_it: &dyn Fn(u8) -> bool| text.iter().position(|&b| is_it(b));
            let end = text.len();
            prop_assert_eq!(find(&text, |block| block.is(b)), first(&|it| it == b));
            prop_assert_eq!(find(&text, |block| block.within(from, to)), first(&|it| (from..=to).contains(&it)));
            prop_assert_eq!(find(&text, |block| block.from(from)), first(&|it| it >= from));
            prop_assert_eq!(before(&text, |block| block.up_to(from)), first(&|it| it <= from).unwrap_or(end));
            prop_assert_eq!(find(&text, Block::letters), first(&|it| it.is_ascii_alphabetic()));
            prop_assert_eq!(find(&text, Block::angles), first(&|it| matches!(it, b'<' | b'>')));
            prop_assert_eq!(find(&text, |block| block.is(b) | block.is(to)), first(&|it| it == b || it == to));
            let bits = |is_it: &dyn Fn(u8) -> bool| (0..end).filter(|&at| text.get(at).is_some_and(|&b| is_it(b))).fold(0, |all, at| all | 1_u64 << at);
            let found = marks(&text, |block| [block.is(b), block.up_to(to)]);
            prop_assert_eq!(found, (end <= 64).then(|| [bits(&|it| it == b), bits(&|it| it <= to)]));
        }
    }
}
