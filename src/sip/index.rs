//! The table of header lines: one pass over a head, names only, no value is looked into (RFC 3261 §7.3.1).
use super::grammar::{self, cut};
use super::{HeaderName, Malformed};
use smallvec::SmallVec;

/// Lines held without an allocation; an INVITE behind three proxies has some 25.
const INLINE: usize = 36;

/// One header line; all places are octets of the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) name: HeaderName,
    start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
    /// Behind the line's last CRLF.
    end: u32,
}

impl Line {
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }
    pub(super) fn name_end(&self) -> usize {
        self.name_end as usize
    }
    pub(super) fn value_start(&self) -> usize {
        self.value_start as usize
    }
    pub(super) fn value_end(&self) -> usize {
        self.value_end as usize
    }
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }
}

/// What a head consists of.
#[derive(Debug)]
pub(super) struct Index {
    /// Length of the start line without its CRLF.
    pub(super) start_line: usize,
    pub(super) lines: SmallVec<[Line; INLINE]>,
    /// The first header line that is none, or the first control octet.
    pub(super) fault: Option<Malformed>,
    /// Names that occur, and names that occur again, as [`HeaderName::bit`]s.
    pub(super) seen: u64,
    pub(super) repeated: u64,
}

impl Index {
    /// Reads a head that ends in its first empty line.
    ///
    /// The error is a line end that two parsers could read differently: `bare_lf` or `bare_cr`.
    pub(super) fn read(head: &[u8]) -> Result<Self, Malformed> {
        let lost = |offset, rule| Malformed {
            field: HeaderName::Other,
            offset,
            rule,
        };
        if u32::try_from(head.len()).is_err() {
            return Err(lost(0, "head_too_large"));
        }
        let mut index = Self {
            start_line: 0,
            lines: SmallVec::new(),
            fault: None,
            seen: 0,
            repeated: 0,
        };
        let mut from = 0;
        let mut returns = 0;
        for feed in memchr::memchr_iter(b'\n', head) {
            if feed == from || head.get(feed - 1) != Some(&b'\r') {
                return Err(lost(feed, "bare_lf"));
            }
            returns += 1;
            if from == 0 {
                index.start_line = feed - 1;
            } else if feed - from > 1 {
                index.add(head, from, feed - 1);
            }
            from = feed + 1;
        }
        let (all_returns, has_controls) = census(head);
        if all_returns != returns {
            let bare =
                memchr::memchr_iter(b'\r', head).find(|&at| head.get(at + 1) != Some(&b'\n'));
            return Err(lost(bare.unwrap_or(0), "bare_cr"));
        }
        if has_controls && let Some(at) = unquoted_control(head) {
            index.note(HeaderName::Other, at, "control_octet");
        }
        Ok(index)
    }

    /// The lines of that name.
    pub(super) fn named(&self, name: HeaderName) -> impl Iterator<Item = &Line> {
        let lines: &[Line] = if name == HeaderName::Other || self.seen & name.bit() != 0 {
            &self.lines
        } else {
            &[]
        };
        lines.iter().filter(move |line| line.name == name)
    }

    fn note(&mut self, field: HeaderName, offset: usize, rule: &'static str) {
        self.fault.get_or_insert(Malformed {
            field,
            offset,
            rule,
        });
    }

    /// Takes in the line at `from..to` (without CRLF).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`read` has checked that the head is shorter than 2**32"
    )]
    fn add(&mut self, head: &[u8], from: usize, to: usize) {
        let text = cut(head, from, to);
        if text.first().is_some_and(|&b| grammar::is_blank(b)) {
            self.fold(text, from, to);
            return;
        }
        let named = text
            .iter()
            .position(|&b| !grammar::is(b, grammar::TOKEN))
            .unwrap_or(text.len());
        let mut at = named;
        while matches!(text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let is_header = named > 0 && text.get(at) == Some(&b':');
        let (name, name_end, value) = if is_header {
            let value = grammar::trim(text.get(at + 1..).unwrap_or_default());
            (HeaderName::from_bytes(cut(text, 0, named)), named, value)
        } else {
            self.note(HeaderName::Other, from + at, "bad_header_line");
            (HeaderName::Other, text.len(), &[][..])
        };
        let value_start = if value.is_empty() {
            to
        } else {
            from + grammar::offset_in(text, value)
        };
        self.repeated |= self.seen & name.bit();
        self.seen |= name.bit();
        self.lines.push(Line {
            name,
            start: from as u32,
            name_end: (from + name_end) as u32,
            value_start: value_start as u32,
            value_end: (value_start + value.len()) as u32,
            end: (to + 2) as u32,
        });
    }

    /// Continues the last line (RFC 3261 §7.3.1).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`read` has checked that the head is shorter than 2**32"
    )]
    fn fold(&mut self, text: &[u8], from: usize, to: usize) {
        let Some(line) = self.lines.last_mut() else {
            self.note(HeaderName::Other, from, "folded_start_line");
            return;
        };
        line.end = (to + 2) as u32;
        let more = grammar::trim(text);
        let start = from + grammar::offset_in(text, more);
        if line.value_start == line.value_end {
            // Still nothing but white space: the value begins here, or nowhere yet.
            line.value_start = start as u32;
            line.value_end = (start + more.len()) as u32;
        } else if !more.is_empty() {
            line.value_end = (start + more.len()) as u32;
        }
    }
}

/// How many CR there are, and whether there is a control octet besides CR, LF and HTAB. Without branches, so that it is
/// a vector loop.
fn census(head: &[u8]) -> (usize, bool) {
    let mut returns = 0;
    let mut controls = false;
    for block in head.chunks(128) {
        let mut count = 0_u8;
        let mut found = false;
        for &b in block {
            count += u8::from(b == b'\r');
            found |= (b < 0x20) & (b != b'\r') & (b != b'\n') & (b != b'\t') | (b == 0x7f);
        }
        returns += usize::from(count);
        controls |= found;
    }
    (returns, controls)
}

/// The first control octet that no backslash escapes, as quoted strings may (RFC 3261 §25.1, `quoted-pair`).
fn unquoted_control(head: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (at, &b) in head.iter().enumerate() {
        if b.is_ascii_control() && !is_escaped && !matches!(b, b'\r' | b'\n' | b'\t') {
            return Some(at);
        }
        is_escaped = b == b'\\' && !is_escaped;
    }
    None
}
