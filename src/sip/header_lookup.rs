//! Finds a header name in the table without comparing texts: by its length, then eight bytes at a step.
//!
//! A message has some twenty header lines, and each name is looked up once. Names of one length lie side by side in the
//! table, rarely more than four, so a look-up is a few comparisons of words. The table is made at compile time.
use super::HeaderName;
use super::{grammar, words};

/// Longest known name.
const LONGEST: usize = 29;

/// A name's bytes in lower case, filled up with blanks, eight to a word: 32 bytes hold the longest known name.
type NameWords = [u64; 4];
const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);

/// A known name, as a row of the table.
#[derive(Clone, Copy)]
struct KnownName {
    words: NameWords,
    length: u8,
    name: HeaderName,
}

/// Places for the names of at most two words, by a hash: four for each name, so that a multiplier without a collision is soon
/// found.
const SLOTS: usize = 256;
/// No name stands there.
const EMPTY: u8 = u8::MAX;

/// Known names in the order of their lengths, and compact forms by letter.
///
/// The fields of equal length stand together, so `shorter[n]..shorter[n + 1]` are the names of length `n`.
struct NameTable {
    known: [KnownName; HeaderName::KNOWN.len()],
    /// How many known names are shorter than so many bytes.
    shorter: [u8; LONGEST + 2],
    by_letter: [HeaderName; 26],
    /// Which of the known names stands at each hash.
    slots: [u8; SLOTS],
    /// The number that makes the hash of them.
    multiplier: u64,
}

static TABLE: NameTable = table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time: a name that does not fit fails the build"
)]
const fn table() -> NameTable {
    let none = KnownName {
        words: [0; 4],
        length: 0,
        name: HeaderName::Other,
    };
    let mut table = NameTable {
        known: [none; HeaderName::KNOWN.len()],
        shorter: [0; LONGEST + 2],
        by_letter: [HeaderName::Other; 26],
        slots: [EMPTY; SLOTS],
        multiplier: 0x9e37_79b9_7f4a_7c15,
    };
    // For each length in turn, so that names of one length come to lie together. Quadratic, but at compile time.
    let mut filled = 0;
    let mut length = 0;
    while length <= LONGEST {
        table.shorter[length] = filled as u8;
        let mut i = 0;
        while i < HeaderName::KNOWN.len() {
            let name = HeaderName::KNOWN[i];
            if name.as_str().len() == length {
                table.known[filled] = KnownName {
                    words: name_words(name.as_str().as_bytes()),
                    length: length as u8,
                    name,
                };
                filled += 1;
            }
            i += 1;
        }
        length += 1;
    }
    table.shorter[length] = filled as u8;
    assert!(filled == HeaderName::KNOWN.len(), "a name is too long");
    let mut i = 0;
    while i < HeaderName::KNOWN.len() {
        if let Some(letter) = HeaderName::KNOWN[i].compact() {
            table.by_letter[(letter - b'a') as usize] = HeaderName::KNOWN[i];
        }
        i += 1;
    }
    // The first number of a row by which no two names meet.
    let mut placed = 0;
    while placed < table.known.len() {
        let known = table.known[placed];
        placed += 1;
        if known.length >= 16 {
            continue;
        }
        let slot = slot(table.multiplier, known.words[0], known.words[1]);
        if table.slots[slot] == EMPTY {
            table.slots[slot] = placed as u8 - 1;
        } else {
            table.slots = [EMPTY; SLOTS];
            table.multiplier = table.multiplier.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1;
            placed = 0;
        }
    }
    table
}

/// The place of a name of two words.
const fn slot(multiplier: u64, first: u64, second: u64) -> usize {
    ((first ^ second.rotate_left(29)).wrapping_mul(multiplier) >> 56) as usize
}

/// The words of a name of at most [`LONGEST`] bytes.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, as its caller"
)]
const fn name_words(name: &[u8]) -> NameWords {
    let mut words = [BLANKS; 4];
    let mut i = 0;
    while i < name.len() {
        // A blank has only the bit in which lower case differs from upper, and every lower-case letter has it.
        words[i / 8] |= (name[i].to_ascii_lowercase() as u64) << (i % 8 * 8);
        i += 1;
    }
    words
}

impl HeaderName {
    /// From the wire, in any case, long or compact (RFC 3261 §7.3.1, §7.3.3).
    pub fn from_bytes(text: &[u8]) -> Self {
        let mut bytes = [b' '; 32];
        // Longer than any known name, so it can only be of a family.
        let Some(place) = bytes.get_mut(..text.len()) else {
            return Self::family(text);
        };
        place.copy_from_slice(text);
        bytes.make_ascii_lowercase();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self::find(&words, text.len()).unwrap_or_else(|| Self::family(text))
    }

    /// The name that a header line begins with, as nearly all are written: a known name of at most 15 letters, and the colon
    /// at once. With the name's length. `None` decides nothing.
    ///
    /// The bytes may go on behind the line; then the length that is returned may be beyond it.
    #[inline]
    pub(super) fn begin(bytes: &[u8; 16]) -> Option<(Self, usize)> {
        let low = |place: usize| (1 << (8 * place)) - 1;
        let number = u128::from_le_bytes(*bytes);
        let (first, second) = (number as u64, (number >> 64) as u64);
        let (first, second, length) = match words::place_of(b':', first) {
            Some(place) => (first & low(place), 0, place),
            None => {
                let place = words::place_of(b':', second)?;
                (first, second & low(place), 8 + place)
            }
        };
        // No byte but a letter becomes one of a known name by the bit of lower case, save CR and LF, which no line holds.
        let (first, second) = (first | BLANKS, second | BLANKS);
        let place = TABLE.slots.get(slot(TABLE.multiplier, first, second))?;
        let known = TABLE.known.get(usize::from(*place))?;
        // A blank or NUL in front of the colon is no part of a name, but would look like what fills it up.
        let [a, b, ..] = known.words;
        (a == first && b == second && usize::from(known.length) == length)
            .then_some((known.name, length))
    }

    /// The name that a header line of that length begins with, and the name's length, if a colon follows at once. `None`
    /// decides nothing: white space may stand before the colon, and the caller then reads the slow way.
    ///
    /// The bytes may go on behind the line, which holds neither CR nor LF.
    pub(super) fn before_colon(bytes: &[u8; 32], line: usize) -> Option<(Self, usize)> {
        let (next, _) = bytes.as_chunks();
        let mut words = [BLANKS; 4];
        let mut length = 0;
        for (word, next) in words.iter_mut().zip(next) {
            let next = u64::from_le_bytes(*next);
            // No byte but a letter becomes one of a known name by the bit of lower case, save CR and LF.
            let Some(place) = words::place_of(b':', next) else {
                *word |= next;
                length += 8;
                continue;
            };
            *word |= next & ((1 << (8 * place)) - 1);
            length += place;
            if length >= line {
                return None;
            }
            return match Self::find(&words, length) {
                Some(name) => Some((name, length)),
                None => Self::unknown(bytes, length),
            };
        }
        None
    }

    /// An unknown name must still be a token, or the line is no header line.
    #[cold]
    fn unknown(bytes: &[u8; 32], length: usize) -> Option<(Self, usize)> {
        let name = grammar::cut(bytes, 0, length);
        grammar::is_token(name).then(|| (Self::family(name), length))
    }

    /// A known name by its words and its length. The words are compared whole: a name that is longer or shorter differs in
    /// the blanks that fill it up.
    fn find(words: &NameWords, length: usize) -> Option<Self> {
        // Compact forms are looked up by their letter.
        if length == 1 {
            let [letter, ..] = words[0].to_le_bytes();
            let row = usize::from(letter.wrapping_sub(b'a'));
            return TABLE
                .by_letter
                .get(row)
                .copied()
                .filter(|&name| name != Self::Other);
        }
        let (from, to) = (TABLE.shorter.get(length)?, TABLE.shorter.get(length + 1)?);
        let known = TABLE.known.get(usize::from(*from)..usize::from(*to))?;
        // The first words differ between nearly any two names of one length.
        let is_it = |known: &&KnownName| known.words[0] == words[0] && known.words == *words;
        let found = known.iter().find(is_it)?;
        Some(found.name)
    }

    /// The family of a name that the table does not list: other private `P-` fields (RFC 3427 §4.1), and Microsoft's
    /// `ms-` and `X-MS-`.
    fn family(text: &[u8]) -> Self {
        let begins = |with: &[u8]| matches!(text.split_at_checked(with.len()), Some((head, _)) if head.eq_ignore_ascii_case(with));
        if begins(b"P-") {
            Self::PrivateP
        } else if begins(b"ms-") || begins(b"X-MS-") {
            Self::PrivateMs
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_of_two_words_is_found_at_the_beginning_of_a_line() {
        for name in HeaderName::KNOWN
            .iter()
            .filter(|name| name.as_str().len() < 16)
        {
            // By the bit of lower case a control byte becomes a digit: a name with one would be found in what is none. `-` and
            // the `*` of a family come from CR and LF alone.
            let is_found_by_case = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'-' | b'*');
            assert!(name.as_str().bytes().all(is_found_by_case), "{name:?}");
            for written in [name.as_str().to_owned(), name.as_str().to_uppercase()] {
                let line = format!("{written}: some value of any kind");
                let begin = line.as_bytes().first_chunk().unwrap();
                assert_eq!(
                    HeaderName::begin(begin),
                    Some((*name, written.len())),
                    "{line}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_a_line_begins_with_is_the_name_that_it_has(
            name in "(Via|To|From|cSEQ|Contact|Max-Forwards|X|v)[ \0a-c-]{0,2}", rest in ": [a-c:]{16}"
        ) {
            let line = [name.as_bytes(), rest.as_bytes()].concat();
            if let Some((found, length)) = HeaderName::begin(line.first_chunk().unwrap()) {
                prop_assert_eq!(length, name.len());
                prop_assert_eq!(found, HeaderName::from_bytes(name.as_bytes()));
            }
        }
    }
}
