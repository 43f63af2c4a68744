//! Text of unknown origin made fit for one line of a log: bounded, and without a character that acts on its reader.
use super::keys::{FieldKey, KEYS};
use crate::topology::acts_on_reader;
use std::borrow::Cow;

/// Bytes of one field, counted as JSON writes them; a longer one is cut and ends with [`CUT`].
pub(super) const FIELD_BYTES: usize = 1024;
/// Bytes of all items of a list in a field, counted as JSON writes them. With the other fields a line stays below the
/// 48 KiB at which the journal would cut it in two.
const LIST_BYTES: usize = 4 * 1024;
/// The same for `details`, which an operator needs to correct a topology: every fault has to be readable.
const DETAILS_BYTES: usize = 24 * 1024;
/// What a cut field ends with.
pub(super) const CUT: char = '…';

/// Text with every character that [`acts_on_reader`] written as its code point.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts_on_reader) {
        return text.into();
    }
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if acts_on_reader(c) => written.extend(c.escape_unicode()),
            c => written.push(c),
        }
    }
    written.into()
}

/// Bytes that a character takes in JSON, at most.
fn cost(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        // `\uXXXX` for each unit of UTF-16: twice beyond the Basic Multilingual Plane.
        _ if acts_on_reader(c) => 6 * c.len_utf16(),
        _ => c.len_utf8(),
    }
}

/// Whether this is printable ASCII that JSON writes as it is, as nearly every field of a log is: eight bytes at a step.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let mut odd = 0;
    for word in words {
        odd |= odd_bytes(u64::from_le_bytes(*word));
    }
    // The last eight bytes, some of them again: a byte that was seen twice is as odd as before, and no byte is looked at alone.
    // Of a shorter text with blanks, which are plain, before it.
    odd |= match text.last_chunk() {
        Some(last) => odd_bytes(u64::from_le_bytes(*last)),
        None => odd_bytes(
            rest.iter()
                .fold(EACH * u64::from(b' '), |word, b| word << 8 | u64::from(*b)),
        ),
    };
    odd == 0
}

/// One in each byte of a word.
const EACH: u64 = u64::from_ne_bytes([1; 8]);

/// Zero if each byte of the word is plain, and only then.
#[inline]
fn odd_bytes(word: u64) -> u64 {
    // A byte's highest bit says of it what is asked: that it is below a blank, or zero. The borrow of a lower byte that is
    // sets it in a plain one too, which changes nothing. The third holds DEL, and the bit of what is no ASCII.
    let is_below_blank = word.wrapping_sub(EACH * u64::from(b' ')) & !word;
    let is = |b: u8| {
        let other = word ^ (EACH * u64::from(b));
        other.wrapping_sub(EACH) & !other
    };
    let is_beyond = word.wrapping_add(EACH) | word;
    (is_below_blank | is(b'"') | is(b'\\') | is_beyond) & (EACH << 7)
}

/// The text, cut to `limit` bytes of JSON.
pub(super) fn bounded(text: Cow<'_, str>, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && is_plain(text.as_bytes()) {
        return text;
    }
    // The mark of a cut must fit too. One walk finds both where to cut and whether that is needed at all: a text that just
    // fits is kept whole.
    let room = limit.saturating_sub(CUT.len_utf8());
    let mut used = 0;
    let mut cut_at = None;
    for (at, c) in text.char_indices() {
        used += cost(c);
        if used > room && cut_at.is_none() {
            cut_at = Some(at);
        }
        if used > limit {
            let kept = cut_at.and_then(|at| text.get(..at)).unwrap_or_default();
            return Cow::Owned(format!("{kept}{CUT}"));
        }
    }
    text
}

/// Bytes as text, cut to `limit`; what is not UTF-8 becomes U+FFFD.
pub(super) fn lossy(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    // Reading as UTF-8 never shortens, so what lies further behind would be cut anyway.
    let head = bytes.get(..limit + 4).unwrap_or(bytes);
    let text =
        std::str::from_utf8(head).map_or_else(|_| String::from_utf8_lossy(head), Cow::Borrowed);
    bounded(text, limit)
}

/// Whether a list's items stand below the line, one each: what an operator must be able to read at a terminal.
pub(super) fn has_own_lines(key: &FieldKey) -> bool {
    key.name == KEYS.details.name
}

/// As many items as fit, and how many did not: a list must not push the line over its bound, and what is missing must be
/// visible.
pub(super) fn bounded_list<'i>(key: &FieldKey, items: &'i [String]) -> Vec<Cow<'i, str>> {
    let mut room = if has_own_lines(key) {
        DETAILS_BYTES
    } else {
        LIST_BYTES
    };
    let mut fitting = Vec::new();
    for item in items {
        let item = bounded(item.as_str().into(), FIELD_BYTES);
        // An item's worst case is its bound, so this much is never exceeded.
        let bytes = escaped_bytes(&item) + 3;
        if bytes > room {
            let left_out = items.len() - fitting.len();
            fitting.push(format!("… and {left_out} more").into());
            break;
        }
        room -= bytes;
        fitting.push(item);
    }
    fitting
}

/// What a text takes in JSON at most, without its quotes and comma.
fn escaped_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX / 2, |json| {
        json.len() + 6 * text.chars().filter(|c| acts_on_reader(*c)).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_plain_byte(b: u8) -> bool {
        matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')
    }

    #[test]
    fn each_odd_byte_is_seen_in_each_place() {
        for length in 0..20 {
            assert!(is_plain(&b"plain, and not short"[..length]));
            for (place, b) in (0..length).flat_map(|place| (0..=255).map(move |b| (place, b))) {
                let mut text = [b'~'; 20];
                text[place] = b;
                assert_eq!(
                    is_plain(&text[..length]),
                    is_plain_byte(b),
                    "{b:#x} at {place}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_plain_if_each_byte_is(
            text in prop::collection::vec(prop::sample::select(&b"a ~!#[]\"\\\x00\x1f\x7f\x80\xff"[..]), 0..30),
        ) {
            prop_assert_eq!(is_plain(&text), text.iter().all(|b| is_plain_byte(*b)));
        }
    }

    #[test]
    fn a_short_text_is_not_copied() {
        assert!(matches!(bounded("abc".into(), 3), Cow::Borrowed("abc")));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(bounded("äöüß".into(), 7), "äö…");
        assert_eq!(bounded("äöüß".into(), 8), "äöüß");
    }

    #[test]
    fn characters_that_json_escapes_count_as_escaped() {
        let written = bounded("\0".repeat(10_000).into(), FIELD_BYTES);
        assert_eq!(written.chars().count(), (FIELD_BYTES - 3) / 6 + 1);
        assert!(written.ends_with(CUT));
    }

    #[test]
    fn bytes_without_meaning_as_text_still_get_a_bound() {
        let written = lossy(&[0xff; 5000], 100);
        assert!(written.len() <= 100 && written.ends_with(CUT));
        assert_eq!(lossy(b"a\xffb", 100), "a\u{fffd}b");
    }
}
