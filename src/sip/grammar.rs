//! Classes of bytes, and the small readers that every parser of this folder is made of (RFC 3261 §25.1, basic rules).
//!
//! A class is a bit of a table with 256 entries, so one look-up answers for several classes at once. The classes are wider
//! than the RFC's where senders of the field are sloppy, and exactly as wide as safe: no byte of a class could end the
//! element early for another parser.
use super::block::{self, Block};
use std::ops::Range;

/// `token` (methods, header names, parameter names, option tags).
pub(super) const TOKEN: u8 = 1;
/// What a URI is written with; more than RFC 3261 allows, but nothing that could end it early.
pub(super) const URI: u8 = 2;
/// [`URI`] without the bytes that force a URI into `<>` (RFC 3261 §20).
pub(super) const ADDR_SPEC: u8 = 4;
/// An unquoted parameter value: `token`, `host`, and the `=` that base64 tags end with.
pub(super) const VALUE: u8 = 8;
/// A label's bytes in a host name; `_` is no host name's by the RFCs, but in use.
pub(super) const LABEL: u8 = 16;
/// A host name's bytes: those of its labels, and the dots.
pub(super) const NAME: u8 = 128;
/// What a header parameter consists of: all but what ends it, and what could hide its end.
pub(super) const PARAM: u8 = 32;

static CLASSES: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time over a table of 256 entries"
)]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        let mut class = 0;
        let alphanum = b.is_ascii_alphanumeric();
        if alphanum
            || matches!(
                b,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            )
        {
            class |= TOKEN;
        }
        // UTF-8 in a URI is against the grammar and in use; no byte of it can be taken for a delimiter.
        if b >= 0x80 {
            class |= URI | ADDR_SPEC;
        }
        // `<`, `>` and quotes delimit URIs, `,` and `;` values and parameters, `?` the headers of a URI.
        if b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"') {
            class |= URI;
            if !matches!(b, b',' | b';') {
                class |= VALUE;
            }
            if !matches!(b, b',' | b';' | b'?') {
                class |= ADDR_SPEC;
            }
        }
        if alphanum || matches!(b, b'-' | b'_') {
            class |= LABEL;
        }
        if class & LABEL != 0 || b == b'.' {
            class |= NAME;
        }
        if !matches!(b, b';' | b'"' | b'<' | b'>' | b',') {
            class |= PARAM;
        }
        table[i] = class;
        i += 1;
    }
    table
}

/// Whether the byte belongs to one of the classes.
pub(super) fn is(b: u8, class: u8) -> bool {
    classes_of(b) & class != 0
}

/// The classes of a byte.
fn classes_of(b: u8) -> u8 {
    CLASSES.get(usize::from(b)).copied().unwrap_or(0)
}

/// How many bytes at the beginning of the text belong to this class.
///
/// Long texts are of the classes whose ends are few or lie side by side: those are found by [`block`].
#[inline]
pub(super) fn span(text: &[u8], class: u8) -> usize {
    // What ends a URI, but for what may separate it from others.
    let ends_uri =
        |block: Block| block.up_to(b' ') | block.is(0x7f) | block.angles() | block.is(b'"');
    match class {
        URI => block::before(text, ends_uri),
        ADDR_SPEC => block::before(text, |block| {
            ends_uri(block) | block.is(b',') | block.is(b';') | block.is(b'?')
        }),
        VALUE => block::before(text, |block| {
            ends_uri(block) | block.from(0x80) | block.is(b',') | block.is(b';')
        }),
        _ => by_table(text, class),
    }
}

/// The same of any class: eight bytes share one decision.
///
/// What a `token` may hold lies in a dozen places of the table, and each would be a comparison of its own; tokens are short.
fn by_table(text: &[u8], class: u8) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let is_whole = |word: &[u8; 8]| word.iter().fold(class, |all, &b| all & classes_of(b)) != 0;
    let whole = 8 * words.iter().take_while(|word| is_whole(word)).count();
    let rest = text.get(whole..).unwrap_or_default();
    let ends = rest.iter().position(|&b| !is(b, class));
    whole + ends.unwrap_or(rest.len())
}

/// Whether all of the text belongs to this class.
pub(super) fn is_all(text: &[u8], class: u8) -> bool {
    span(text, class) == text.len()
}

/// Whether the text is a `token`, which is never empty.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && is_all(text, TOKEN)
}

/// Bytes that linear white space is made of. CR and LF are among them: in a value they can only be a fold, since the
/// index has split lines before.
pub(super) fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// The text without white space around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let begin = text
        .iter()
        .position(|&b| !is_blank(b))
        .unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|&b| !is_blank(b))
        .map_or(begin, |last| last + 1);
    cut(text, begin, end)
}

/// Where the text from that byte on stands without white space around it; an empty range at its end if there is nothing
/// else.
pub(super) fn trimmed(text: &[u8], from: usize) -> Range<usize> {
    let mut range = from..text.len();
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = text.get(range.start) {
        range.start += 1;
    }
    while range.start < range.end && text.get(range.end - 1).is_some_and(|&b| is_blank(b)) {
        range.end -= 1;
    }
    range
}

/// `text[from..to]`, empty if that does not lie in it. All slicing in this folder goes through here or `get`, so that no
/// received length can cause a panic.
pub(super) fn cut(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

/// Where `part`, a slice of `whole`, begins in it. Parsers return slices; faults and edits need places.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// A plain digit string of any length; `None` for anything else or a value that does not fit. Signs, blanks and hex that
/// the library's parsers take would be read differently by others.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for &b in text {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(b - b'0'))?;
    }
    Some(value)
}

/// Length of the quoted string at the beginning of the text, quotes included; `None` if it does not end.
pub(super) fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let step = memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        at += step;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_and_the_table_are_of_one_mind(text in prop::collection::vec(any::<u8>(), 0..50), plain in "[a-z:@.=]{0,40}") {
            let all = [plain.as_bytes(), &text].concat();
            for class in [TOKEN, URI, ADDR_SPEC, VALUE, LABEL, NAME, PARAM] {
                prop_assert_eq!(span(&all, class), by_table(&all, class));
            }
        }
    }
}
