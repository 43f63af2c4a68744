//! The cursor that every field parser walks with: each method steps over what it names and returns it.
//!
//! No method can step past the end, and none fails: at the end there is simply nothing more to take.
use super::grammar::{cut, is_blank, quoted_len, span};

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    /// Bytes before the cursor.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }
    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
    /// What was read from that place on.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        cut(self.text, from, self.at)
    }
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
    /// Steps over that byte if it is the next one; returns whether it was.
    pub(super) fn eat(&mut self, b: u8) -> bool {
        let found = self.peek() == Some(b);
        self.at += usize::from(found);
        found
    }
    /// Steps over that text, case and all, if it comes next; returns whether it did.
    pub(super) fn eat_text(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }
    /// Steps over all bytes of this class (see [`grammar`](super::grammar)) and returns them; an empty slice if there is
    /// none.
    pub(super) fn take(&mut self, class: u8) -> &'a [u8] {
        let rest = self.rest();
        let length = span(rest, class);
        self.at += length;
        cut(rest, 0, length)
    }
    /// Steps over linear white space, folds included (RFC 3261 §25.1, `LWS`); returns whether there was any.
    #[inline]
    pub(super) fn skip_lws(&mut self) -> bool {
        // Mostly there is none.
        self.peek().is_some_and(is_blank) && self.skip_blanks()
    }
    /// The slow part of [`Self::skip_lws`], apart from it so that the fast one is inlined. A fold is CRLF and at least one
    /// blank; a CRLF without one is the end of the line, and the index has split there already.
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
    /// Steps over that byte with white space on both sides of it; nothing moves if it does not follow.
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
    /// Steps over a quoted string (RFC 3261 §25.1), which begins here; `None` (and nothing moved) if it does not end.
    pub(super) fn take_quoted(&mut self) -> Option<&'a [u8]> {
        let length = quoted_len(self.rest())?;
        let from = self.at;
        self.at += length;
        Some(self.since(from))
    }
}
