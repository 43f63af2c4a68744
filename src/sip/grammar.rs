//! Octet classes and the cursor that every field parser walks with (RFC 3261 §25.1, basic rules).
use std::ops::Range;

/// `token` (methods, header names, parameter names, option tags).
pub(super) const TOKEN: u8 = 1;
/// What a URI is written with; more than RFC 3261 allows, but nothing that could end it early.
pub(super) const URI: u8 = 2;
/// [`URI`] without the octets that force a URI into `<>` (RFC 3261 §20).
pub(super) const ADDR_SPEC: u8 = 4;
/// An unquoted parameter value: `token`, `host`, and the `=` that base64 tags end with.
pub(super) const VALUE: u8 = 8;
/// A label's octets in a host name; `_` is no host name's by the RFCs, but in use.
pub(super) const LABEL: u8 = 16;
const DOT: u8 = 128;
/// A host name's octets.
pub(super) const NAME: u8 = LABEL | DOT;
/// A display name's words, with the raw UTF-8 that phones write unquoted.
pub(super) const WORD: u8 = 32;
/// What begins an escape in a URI.
pub(super) const ESCAPE: u8 = 64;

const CLASSES: [u8; 256] = classes();

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
            class |= TOKEN | WORD;
        }
        if b >= 0x80 {
            class |= WORD | URI | ADDR_SPEC;
        }
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
        if b == b'.' {
            class |= DOT;
        }
        if b == b'%' {
            class |= ESCAPE;
        }
        table[i] = class;
        i += 1;
    }
    table
}

/// Whether the octet belongs to one of the classes.
pub(super) fn is(b: u8, class: u8) -> bool {
    CLASSES
        .get(usize::from(b))
        .is_some_and(|of| of & class != 0)
}

/// The classes that all octets of the text belong to, and those that any belongs to.
pub(super) fn classes_of(text: &[u8]) -> (u8, u8) {
    text.iter().fold((u8::MAX, 0), |(all, any), &b| {
        let class = CLASSES.get(usize::from(b)).copied().unwrap_or(0);
        (all & class, any | class)
    })
}

/// Whether the text is a `token`.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is(b, TOKEN))
}

/// Octets that linear white space is made of.
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

/// Where the text from that octet on stands without white space around it; an empty range at its end if there is nothing
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

/// `text[from..to]`, empty if that does not lie in it.
pub(super) fn cut(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// A plain digit string of any length; `None` for anything else or a value that does not fit.
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

/// The octet that `%xy` at the beginning of the text stands for.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let nibble = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    Some(nibble(*high)? << 4 | nibble(*low)?)
}

/// An octet in each place of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each octet of a word.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// The highest bit of each octet of the word that is below SP or DEL.
fn control_bits(word: u64) -> u64 {
    let low = word & !HIGH;
    // No sum leaves its octet: the highest bit is set from SP on in the first, for DEL in the second.
    (!(low + 0x60 * ONES) | (low + ONES)) & !word & HIGH
}

/// Which octet of the word (by its order in memory) is the first of that value.
pub(super) fn place_of(b: u8, word: u64) -> Option<usize> {
    let others = word ^ (u64::from(b) * ONES);
    // The lowest bit is right; those above it may be the borrow's.
    let found = others.wrapping_sub(ONES) & !others & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The places of all control octets of a text, eight octets at a step.
#[derive(Clone, Debug)]
pub(super) struct Controls<'a> {
    /// What comes behind the word that is looked at.
    rest: &'a [u8],
    /// Where that word ends.
    end: usize,
    /// Its control octets that are still to be told.
    bits: u64,
}

impl<'a> Controls<'a> {
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
                let mut word = [b' '; 8];
                for (octet, &b) in word.iter_mut().zip(std::mem::take(&mut self.rest)) {
                    *octet = b;
                }
                word
            };
            self.end += 8;
            self.bits = control_bits(u64::from_le_bytes(word));
        }
        let place = self.bits.trailing_zeros() as usize / 8;
        self.bits &= self.bits - 1;
        Some(self.end - 8 + place)
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    /// Octets before the cursor.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        cut(self.text, from, self.at)
    }
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
    /// Steps over that octet if it is the next one.
    pub(super) fn eat(&mut self, b: u8) -> bool {
        let found = self.peek() == Some(b);
        self.at += usize::from(found);
        found
    }
    /// Steps over that text if it comes next.
    pub(super) fn eat_text(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }
    /// Steps over all octets of these classes.
    pub(super) fn take(&mut self, class: u8) -> &'a [u8] {
        let rest = self.rest();
        let taken = rest.iter().position(|&b| !is(b, class));
        let taken = cut(rest, 0, taken.unwrap_or(rest.len()));
        self.at += taken.len();
        taken
    }
    /// Steps over linear white space, folds included; says whether there was any.
    #[inline]
    pub(super) fn skip_lws(&mut self) -> bool {
        // Mostly there is none.
        self.peek().is_some_and(is_blank) && self.skip_blanks()
    }
    fn skip_blanks(&mut self) -> bool {
        let from = self.at;
        loop {
            match self.rest() {
                [b' ' | b'\t', ..] => self.at += 1,
                [b'\r', b'\n', b' ' | b'\t', ..] => self.at += 3,
                _ => return self.at > from,
            }
        }
    }
    /// Steps over that octet with white space on both sides of it.
    #[inline]
    pub(super) fn eat_separator(&mut self, b: u8) -> bool {
        let from = self.at;
        self.skip_lws();
        if !self.eat(b) {
            self.at = from;
            return false;
        }
        self.skip_lws();
        true
    }
    /// Steps over a quoted string, which begins here; `None` (and nothing moved) if it does not end.
    pub(super) fn take_quoted(&mut self) -> Option<&'a [u8]> {
        let length = quoted_len(self.rest())?;
        let from = self.at;
        self.at += length;
        Some(self.since(from))
    }
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
