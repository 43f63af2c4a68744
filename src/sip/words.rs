//! Eight bytes at a step, as one word: where a byte stands, how many letters there are, whether a dot follows another.
//!
//! Most texts of a message are shorter than what a search with wide registers takes to begin. A word's first byte in memory
//! is its lowest.
use super::block::short_word;

/// A byte of that value in each place of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte of a word.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
/// The bit in which lower case differs from upper, in each byte of a word.
const CASE: u64 = 0x20 * ONES;

/// The bytes of the word that have that value: the lowest bit is right; those above it may be the borrow's.
#[inline]
fn marks(b: u8, word: u64) -> u64 {
    let others = word ^ (u64::from(b) * ONES);
    others.wrapping_sub(ONES) & !others & HIGH
}

/// Where the first mark is.
#[inline]
fn first(marks: u64) -> Option<usize> {
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

/// Which byte of the word is the first of that value.
#[inline]
pub(super) fn place_of(b: u8, word: u64) -> Option<usize> {
    first(marks(b, word))
}

/// Where the first byte of that value stands in a short text. It is not zero.
#[inline]
pub(crate) fn find(b: u8, text: &[u8]) -> Option<usize> {
    find_by(text, |word| marks(b, word))
}

/// Where the first byte of one of these values stands in a short text. Neither is zero.
#[inline]
pub(crate) fn find_either(one: u8, other: u8, text: &[u8]) -> Option<usize> {
    find_by(text, |word| marks(one, word) | marks(other, word))
}

/// Where the first mark in a text is.
#[inline]
fn find_by(text: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, rest) = text.as_chunks();
    for (number, word) in words.iter().enumerate() {
        if let Some(place) = first(marks(u64::from_le_bytes(*word))) {
            return Some(8 * number + place);
        }
    }
    match text.last_chunk() {
        // The last eight bytes: of those that have been looked at already none is one.
        Some(last) => {
            let place = first(marks(u64::from_le_bytes(*last)))?;
            Some(text.len() - 8 + place)
        }
        None => first(marks(first_word(rest))),
    }
}

/// Whether that letter, in lower case here, stands in the text in any case.
#[inline]
pub(super) fn has_letter(letter: u8, text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let holds = |word: &[u8; 8]| place_of(letter, u64::from_le_bytes(*word) | CASE).is_some();
    words.iter().any(holds) || rest.iter().any(|b| b | 0x20 == letter)
}

/// How many letters the text begins with, of any case: what nearly every parameter's name consists of.
#[inline]
pub(super) fn letters(text: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let found = letters_in(first_word(text.get(length..).unwrap_or_default()));
        length += found;
        if found < 8 {
            return length;
        }
    }
}

/// The first eight bytes; what is missing is filled up with zeros.
#[inline]
fn first_word(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => short_word(text),
    }
}

/// How many letters the word begins with.
#[inline]
fn letters_in(word: u64) -> usize {
    let low = (word | CASE) & !HIGH;
    // The highest bit of each byte that is not below `a`, and of each that is above `z`; no sum reaches the next byte.
    let from_a = low + (0x80 - b'a' as u64) * ONES;
    let above_z = low + (0x7f - b'z' as u64) * ONES;
    let others = !(from_a & !above_z & !word) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// Whether two dots stand side by side.
pub(super) fn has_two_dots(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let Some(last) = text.last_chunk() else {
        return rest.windows(2).any(|pair| pair == b"..");
    };
    let mut before = 0;
    // The last eight bytes, some of them again, are the rest: what stands before them lies in a whole word.
    for word in words {
        let dots = dots(u64::from_le_bytes(*word));
        if dots & (dots << 8 | before) != 0 {
            return true;
        }
        before = dots >> 56;
    }
    let dots = dots(u64::from_le_bytes(*last));
    dots & dots << 8 != 0
}

/// The highest bit of each byte that is a dot.
#[inline]
fn dots(word: u64) -> u64 {
    let others = word ^ (u64::from(b'.') * ONES);
    // Unlike in `place_of` each bit is right: no sum reaches the next byte.
    !(((others & !HIGH) + !HIGH) | others) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_say_what_bytes_say(text in prop::collection::vec(prop::sample::select(&b"@.azAZ{`[0\xe1\xc1\x00"[..]), 0..40)) {
            prop_assert_eq!(find(b'@', &text), text.iter().position(|&b| b == b'@'));
            let either = text.iter().position(|b| matches!(b, b'[' | b'0'));
            prop_assert_eq!(find_either(b'[', b'0', &text), either);
            prop_assert_eq!(has_letter(b'z', &text), text.iter().any(|b| b.eq_ignore_ascii_case(&b'z')));
            let others = text.iter().position(|b| !b.is_ascii_alphabetic());
            prop_assert_eq!(letters(&text), others.unwrap_or(text.len()));
            prop_assert_eq!(has_two_dots(&text), text.windows(2).any(|pair| pair == b".."));
        }
    }
}
