//! The table of header lines: one pass over a head, names only, no value is looked into (RFC 3261 §7.3.1).
//!
//! A head is read strictly in what separates its lines, since a line that only one of two parsers sees is how fields are
//! smuggled past a proxy that strips them. Everything else is tolerated here and judged by who reads the field.
use super::controls::Controls;
use super::grammar::{self, cut};
use super::{HeaderName, Malformed, Rule};
use memchr::memmem::Finder;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::LazyLock;

/// Lines held without an allocation; an INVITE behind three proxies has some 25. A message with more costs one
/// allocation, which the table keeps for the next message.
const INLINE: usize = 36;

/// Room for a message's table of lines, which [`Framer::scan`](super::Framer::scan) fills and the message borrows. One
/// table serves all messages of a connection, one after the other.
#[derive(Debug)]
pub struct LineTable {
    lines: SmallVec<[LineEntry; INLINE]>,
    /// Which line is the first of each known name; only for those that occur, so that nothing need be cleared for the next
    /// message.
    first: [u8; 64],
}

/// Of a first line with this number only that it has this one or a higher one.
const LATE: u8 = u8::MAX;

impl Default for LineTable {
    fn default() -> Self {
        Self {
            lines: SmallVec::new(),
            first: [0; 64],
        }
    }
}

/// The table of a message: its connection's, or one of its own.
///
/// The view of a message is moved from step to step, so it holds where the table is and not the table.
#[derive(Debug)]
enum Lines<'t> {
    Shared(&'t LineTable),
    Own(Box<LineTable>),
}

/// Where one header line stands; all places are offsets in the message. `u32` keeps the table half as large, and no
/// message is longer than 4 GiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineEntry {
    pub(super) name: HeaderName,
    start: u32,
    value_start: u32,
    value_end: u32,
    /// Behind the line's last CRLF.
    end: u32,
}

impl LineEntry {
    /// Where its name begins.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }
    /// Where its value begins, behind the colon and white space.
    pub(super) fn value_start(&self) -> usize {
        self.value_start as usize
    }
    /// Behind the last byte of its value that is no white space, in a fold perhaps.
    pub(super) fn value_end(&self) -> usize {
        self.value_end as usize
    }
    /// Behind its CRLF: removing `start()..end()` removes the line.
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }
    /// The name as written, or the line as far as its first CRLF if it is no header line.
    pub(super) fn raw_name<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        let line = cut(message, self.start(), self.end());
        let text = cut(line, 0, memchr::memchr(b'\r', line).unwrap_or(line.len()));
        field_name(text).map_or(text, |(name, _)| name)
    }
}

/// What a head consists of.
#[derive(Debug)]
pub(super) struct Index<'t> {
    /// Length of the head, the empty line included.
    pub(super) head: usize,
    /// Length of the start line without its CRLF.
    pub(super) start_line: usize,
    table: Lines<'t>,
    /// The first line that is no header line, or the first control byte. Only one is kept: the message is refused anyway,
    /// and the first is the one that explains the others.
    pub(super) fault: Option<Malformed>,
    /// Names that occur, and names that occur again, as [`HeaderName::bit`]s: most questions about a message are whether a
    /// field is there, and these answer without a walk over the lines.
    pub(super) seen: u64,
    pub(super) repeated: u64,
}

impl<'t> Index<'t> {
    /// Reads the head that the bytes begin with, up to its first empty line.
    ///
    /// `None` if there is none, or if two parsers could read its line ends differently ([`why_unread`]).
    pub(super) fn read(bytes: &[u8], table: &'t mut LineTable) -> Option<Self> {
        // Places are kept as `u32`; a head beyond that is refused by the limits long before.
        let bytes = cut(bytes, 0, bytes.len().min(u32::MAX as usize));
        let mut reading = Reading::new(bytes, table);
        let mut start_line = None;
        let mut has_controls = false;
        // `from` is where the current line begins. Every control byte is visited once, all others are never looked at.
        let mut from = 0;
        let mut controls = Controls::new(bytes);
        while let Some(at) = controls.next() {
            if at < from {
                // The LF of the CRLF that was the last one.
                continue;
            }
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    controls.pass_by();
                    // The first line is the start line, an empty one ends the head, all others are header lines.
                    if start_line.is_none() {
                        start_line = Some(at);
                    } else if at > from {
                        if !reading.add_plain(from, at) {
                            reading.add(from, at);
                        }
                    } else {
                        return Some(reading.finish(start_line?, at + 2, has_controls));
                    }
                    from = at + 2;
                }
                // A CR or LF alone. Another parser may see a line end here, so the whole head is in doubt.
                (Some(b'\r' | b'\n'), _) => return None,
                // A tab is white space, no fault.
                (Some(b'\t'), _) => {}
                (Some(_) | None, _) => has_controls = true,
            }
        }
        None
    }

    /// The same with a table of its own, for messages that outlive the connection's.
    pub(super) fn into_owned(self) -> Index<'static> {
        let table = match self.table {
            Lines::Shared(table) => Box::new(LineTable {
                lines: table.lines.clone(),
                first: table.first,
            }),
            Lines::Own(table) => table,
        };
        Index {
            table: Lines::Own(table),
            ..self
        }
    }

    fn table(&self) -> &LineTable {
        match &self.table {
            Lines::Shared(table) => table,
            Lines::Own(table) => table,
        }
    }

    /// All lines in order.
    #[inline]
    pub(super) fn lines(&self) -> &[LineEntry] {
        &self.table().lines
    }

    /// The lines of that name.
    #[inline]
    pub(super) fn named(&self, name: HeaderName) -> impl Iterator<Item = &LineEntry> {
        let lines = match name == HeaderName::Other {
            true => self.lines(),
            false => self.behind_first(name),
        };
        lines.iter().filter(move |line| line.name == name)
    }

    /// The first line of that known name and those behind it; that one alone if it is the only one.
    #[inline]
    fn behind_first(&self, name: HeaderName) -> &[LineEntry] {
        if self.seen & name.bit() == 0 {
            return &[];
        }
        let table = self.table();
        let first = table.first.get(name as usize).copied().unwrap_or(0);
        let from = table.lines.get(usize::from(first)..).unwrap_or_default();
        match self.repeated & name.bit() == 0 && first != LATE {
            true => from.get(..1).unwrap_or(from),
            false => from,
        }
    }
}

static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Length of the head that the bytes begin with, its empty line included. The search is set up once: it runs for each
/// message that comes in pieces.
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    EMPTY_LINE.find(bytes).map(|at| at + 4)
}

/// Why [`Index::read`] has not read the message: `no_empty_line`, `head_too_large` (2**32 bytes), or a line end that two
/// parsers could read differently, `bare_lf` before `bare_cr`.
pub(super) fn why_unread(bytes: &[u8]) -> Malformed {
    let Some(head) = head_len(bytes) else {
        return Malformed::other(bytes.len(), Rule::NoEmptyLine);
    };
    if u32::try_from(head).is_err() {
        return Malformed::other(0, Rule::HeadTooLarge);
    }
    let head = cut(bytes, 0, head);
    // LF is looked for first: a bare LF is what a request smuggler writes, a bare CR is a broken sender.
    let is_bare_lf = |&at: &usize| at == 0 || head.get(at - 1) != Some(&b'\r');
    if let Some(at) = memchr::memchr_iter(b'\n', head).find(is_bare_lf) {
        return Malformed::other(at, Rule::BareLf);
    }
    let is_bare_cr = |&at: &usize| head.get(at + 1) != Some(&b'\n');
    let bare = memchr::memchr_iter(b'\r', head).find(is_bare_cr);
    Malformed::other(bare.unwrap_or(0), Rule::BareCr)
}

/// A head while it is read; it becomes an [`Index`] when its empty line is found.
struct Reading<'o, 't> {
    bytes: &'o [u8],
    table: &'t mut LineTable,
    fault: Option<Malformed>,
    seen: u64,
    repeated: u64,
}

impl<'o, 't> Reading<'o, 't> {
    fn new(bytes: &'o [u8], table: &'t mut LineTable) -> Self {
        table.lines.clear();
        Self {
            bytes,
            table,
            fault: None,
            seen: 0,
            repeated: 0,
        }
    }

    /// The head is complete. Control bytes other than line ends and tabs are rare, so they are looked for again only if
    /// the walk has met one.
    fn finish(mut self, start_line: usize, head: usize, has_controls: bool) -> Index<'t> {
        if has_controls && let Some(at) = unquoted_control(cut(self.bytes, 0, head)) {
            self.note(at, Rule::ControlOctet);
        }
        Index {
            head,
            start_line,
            table: Lines::Shared(self.table),
            fault: self.fault,
            seen: self.seen,
            repeated: self.repeated,
        }
    }

    /// Keeps the first fault only.
    fn note(&mut self, offset: usize, rule: Rule) {
        self.fault.get_or_insert(Malformed::other(offset, rule));
    }

    /// Takes in the line at `from..to` (without CRLF) if it is written as nearly all are: a known name, a colon, one blank, and
    /// a value. Returns whether it is.
    #[inline]
    fn add_plain(&mut self, from: usize, to: usize) -> bool {
        // Sixteen bytes, of the lines behind this one too: the last lines of a head without a body take the slow way.
        let begin = self.bytes.get(from..).unwrap_or_default().first_chunk();
        let Some((name, length)) = begin.and_then(HeaderName::begin) else {
            return false;
        };
        let value = from + length + 2;
        // Folds and other white space around the value are for the slow way.
        let written = self.bytes.get(value - 1..to).unwrap_or_default();
        let ([b' ', b'!'..=255] | [b' ', b'!'..=255, .., b'!'..=255]) = written else {
            return false;
        };
        self.push(name, from, value..to, to);
        true
    }

    /// Takes in any line at `from..to` (without CRLF).
    #[cold]
    fn add(&mut self, from: usize, to: usize) {
        let text = cut(self.bytes, from, to);
        let begin = first_bytes(self.bytes, from);
        if let [b' ' | b'\t', ..] = begin {
            self.fold(text, from, to);
            return;
        }
        // The fast look-up needs the colon right behind the name, as nearly everybody writes it. RFC 3261 §7.3.1 allows
        // blanks before it; those lines take the slow one.
        let (name, value) = match HeaderName::before_colon(&begin, text.len()) {
            Some((name, length)) => (name, length + 1),
            None => match field_name(text) {
                Ok((name, colon)) => (HeaderName::from_bytes(name), colon + 1),
                Err(at) => {
                    self.note(from + at, Rule::BadHeaderLine);
                    (HeaderName::Other, text.len())
                }
            },
        };
        let value = grammar::trimmed(text, value);
        self.push(name, from, from + value.start..from + value.end, to);
    }

    /// Enters a line: where it begins, its value, and its end without CRLF.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`read` looks at fewer than 2**32 bytes"
    )]
    fn push(&mut self, name: HeaderName, from: usize, value: Range<usize>, to: usize) {
        // A bit that is set again marks a repeated field, compact and long form alike.
        let bit = name.bit();
        self.repeated |= self.seen & bit;
        if self.seen & bit == 0
            && let Some(first) = self.table.first.get_mut(name as usize)
        {
            *first = u8::try_from(self.table.lines.len()).unwrap_or(LATE);
        }
        self.seen |= bit;
        self.table.lines.push(LineEntry {
            name,
            start: from as u32,
            value_start: value.start as u32,
            value_end: value.end as u32,
            end: (to + 2) as u32,
        });
    }

    /// Continues the last line (RFC 3261 §7.3.1).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`read` looks at fewer than 2**32 bytes"
    )]
    fn fold(&mut self, text: &[u8], from: usize, to: usize) {
        // A fold behind the start line continues that; it has no place in the grammar, and parsers differ on it.
        let Some(line) = self.table.lines.last_mut() else {
            self.note(from, Rule::FoldedStartLine);
            return;
        };
        line.end = (to + 2) as u32;
        let more = grammar::trimmed(text, 0);
        if line.value_start == line.value_end {
            // Still nothing but white space: the value begins here, or nowhere yet.
            line.value_start = (from + more.start) as u32;
            line.value_end = (from + more.end) as u32;
        } else if !more.is_empty() {
            line.value_end = (from + more.end) as u32;
        }
    }
}

/// The bytes from that place on, filled up if there are not so many: the last line of a head that has no body is often
/// the end of what was read.
#[inline]
fn first_bytes(bytes: &[u8], from: usize) -> [u8; 32] {
    let behind = bytes.get(from..).unwrap_or_default();
    behind.first_chunk().copied().unwrap_or_else(|| {
        // No zero byte is part of a name or a colon.
        let mut first = [0; 32];
        for (place, b) in first.iter_mut().zip(behind) {
            *place = *b;
        }
        first
    })
}

/// Reads a header line the slow way: its name, and where the colon stands behind it; or the byte where there should be one.
fn field_name(line: &[u8]) -> Result<(&[u8], usize), usize> {
    let (name, rest) = line.split_at(grammar::span(line, grammar::TOKEN));
    let blanks = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let colon = name.len() + blanks;
    if name.is_empty() || line.get(colon) != Some(&b':') {
        return Err(colon);
    }
    Ok((name, colon))
}

/// The first control byte that no backslash escapes, as quoted strings may (RFC 3261 §25.1, `quoted-pair`).
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_that_is_taken_in_at_once_is_the_one_that_the_slow_way_takes_in(
            lines in prop::collection::vec("(Via|To|t|cseq|Max-Forwards|Content-Length|X-Y)[ ]{0,1}:[ \t]{0,2}[a-c:,]{0,9}[ \t]{0,1}", 0..6)
        ) {
            let head = format!("A b SIP/2.0\r\n{}\r\n\r\n", lines.join("\r\n"));
            let bytes = head.as_bytes();
            let (mut quick, mut slow) = (LineTable::default(), LineTable::default());
            let mut reading = Reading::new(bytes, &mut slow);
            let mut from = "A b SIP/2.0\r\n".len();
            for line in &lines {
                reading.add(from, from + line.len());
                from += line.len() + 2;
            }
            let expected = (reading.seen, reading.repeated, format!("{:?}", reading.table.lines));
            if let Some(index) = Index::read(bytes, &mut quick) {
                let found = (index.seen, index.repeated, format!("{:?}", index.lines()));
                prop_assert_eq!(found, expected, "{}", head);
            }
        }
    }
}
