//! Finds a header name in the table without comparing texts: by its length, then eight bytes at a step.
//!
//! A message has some twenty header lines, and each name is looked up once. Names of one length lie side by side in the
//! table, rarely more than four, so a look-up is a few comparisons of words. The table is made at compile time.
use super::HeaderName;
use super::controls;
use super::grammar;

/// Longest known name.
const LONGEST: usize = 29;

/// A name's bytes in lower case, filled up with blanks, eight to a word: 32 bytes hold the longest known name.
type NameWords = [u64; 4];
const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);

/// A known name, as a row of the table.
#[derive(Clone, Copy)]
struct KnownName {
    words: NameWords,
    name: HeaderName,
}

/// Known names in the order of their lengths, and compact forms by letter.
///
/// The fields of equal length stand together, so `shorter[n]..shorter[n + 1]` are the names of length `n`.
struct NameTable {
    known: [KnownName; HeaderName::KNOWN.len()],
    /// How many known names are shorter than so many bytes.
    shorter: [u8; LONGEST + 2],
    by_letter: [HeaderName; 26],
}

static TABLE: NameTable = table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time: a name that does not fit fails the build"
)]
const fn table() -> NameTable {
    let none = KnownName {
        words: [0; 4],
        name: HeaderName::Other,
    };
    let mut table = NameTable {
        known: [none; HeaderName::KNOWN.len()],
        shorter: [0; LONGEST + 2],
        by_letter: [HeaderName::Other; 26],
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
                    words: words(name.as_str().as_bytes()),
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
    table
}

/// The words of a name of at most [`LONGEST`] bytes.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, as its caller"
)]
const fn words(name: &[u8]) -> NameWords {
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

    /// The name that a header line of that length begins with, and the name's length, if a colon follows at once. `None`
    /// decides nothing: white space may stand before the colon, and the caller then reads the slow way.
    ///
    /// The bytes may go on behind the line, which holds neither CR nor LF.
    pub(super) fn before_colon(bytes: &[u8; 32], line: usize) -> Option<(Self, usize)> {
        let mut words = [BLANKS; 4];
        let mut length = 0;
        for (word, next) in words.iter_mut().zip(bytes.as_chunks().0) {
            let next = u64::from_le_bytes(*next);
            // No byte but a letter becomes one of a known name by the bit of lower case, save CR and LF.
            let Some(place) = controls::place_of(b':', next) else {
                *word |= next;
                length += 8;
                continue;
            };
            *word |= next & ((1 << (8 * place)) - 1);
            length += place;
            if length >= line {
                return None;
            }
            // An unknown name must still be a token, or the line is no header line.
            return match Self::find(&words, length) {
                Some(name) => Some((name, length)),
                None => {
                    let name = grammar::cut(bytes, 0, length);
                    grammar::is_token(name).then(|| (Self::family(name), length))
                }
            };
        }
        None
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
        let found = known.iter().find(|known| known.words == *words)?;
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
