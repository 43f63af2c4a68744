//! The lazy view of one framed message: a start line and a table of header lines over the received bytes.
use super::grammar::{self, cut, offset_in};
use super::index::{self, Index, LineEntry, LineTable};
use super::list::Values;
use super::start_line::{self, StartLine};
use super::{HeaderName, HeaderSet, Malformed, Rule, Uri};
use std::ops::Range;

/// One header line as received (folds included in the value).
#[derive(Clone, Copy, Debug)]
pub struct HeaderLine<'a> {
    /// Known name or `Other`.
    pub name: HeaderName,
    /// The name as written.
    pub raw_name: &'a [u8],
    /// The value without white space around it.
    pub value: &'a [u8],
}

impl<'a> HeaderLine<'a> {
    /// The comma-separated values of this line; `Err` ends it: what follows cannot be separated. Nothing between two commas
    /// is an empty value.
    pub fn list_values(&self) -> impl Iterator<Item = Result<&'a [u8], ()>> + use<'a> {
        Values::new(self.value).map(|value| match value {
            Ok(value) => Ok(value),
            Err(fault) if fault.rule == Rule::EmptyValue => Ok(&b""[..]),
            Err(_) => Err(()),
        })
    }
}

/// A complete framed message, borrowed from the receive buffer: a start line, and where each header line stands.
///
/// Nothing is copied and no value is parsed before it is asked for. A fault of the start line or of a header line is kept
/// beside the view instead of preventing it, because a malformed request still deserves its 400 (RFC 4475 §3.1.2).
#[derive(Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    start: StartLine<'a>,
    index: Index<'a>,
}

impl<'a> Message<'a> {
    /// Indexes one complete message (head, empty line, body as framed).
    ///
    /// Faults that leave the framing sound do not fail here, so that a request can still be answered: ask
    /// [`Self::fault`]. Content-Length is the framer's business ([`Self::content_length`]).
    ///
    /// # Errors
    /// `no_empty_line`, `bare_lf`, `bare_cr`, `head_too_large` (2**32 bytes).
    pub fn parse(frame: &'a [u8]) -> Result<Self, Malformed> {
        match Index::read(frame, &mut LineTable::default()) {
            Some(index) => Ok(Self::new(frame, index.into_owned())),
            None => Err(index::why_unread(frame)),
        }
    }

    /// The message that the bytes begin with, its head having been read.
    pub(super) fn new(frame: &'a [u8], mut index: Index<'a>) -> Self {
        let (start, fault) = start_line::parse(cut(frame, 0, index.start_line));
        if let Some((offset, rule)) = fault {
            // The start line stands before all header lines, so its fault is the first of the message.
            index.fault = Some(Malformed::other(offset, rule));
        }
        Self {
            bytes: frame,
            start,
            index,
        }
    }

    /// The same head over more or fewer bytes of body: the framer reads a head before its body is complete.
    pub(super) fn reframed(mut self, frame: &'a [u8]) -> Self {
        self.bytes = frame;
        self
    }

    /// What is wrong with the start line or with the form of a header line, if anything; the framing is sound all the
    /// same. A request with a fault is answered 400 (505 for `bad_version`), a response is dropped.
    ///
    /// Rules: `bad_start_line`, `bad_method`, `bad_version`, `bad_status`, `extra_space`, `bracketed_request_uri`,
    /// `space_in_request_uri`, `bad_request_uri`, `folded_start_line`, `bad_header_line`, `control_octet`.
    pub fn fault(&self) -> Option<Malformed> {
        self.index.fault
    }

    /// All bytes as received.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where a part of this message lies in [`Self::bytes`].
    pub(crate) fn place_of(&self, part: &[u8]) -> Range<usize> {
        let start = offset_in(self.bytes, part);
        start..start + part.len()
    }

    /// The head, the empty line included.
    pub fn head(&self) -> &'a [u8] {
        cut(self.bytes, 0, self.index.head)
    }

    /// The body.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(self.index.head..).unwrap_or_default()
    }

    /// The start line.
    pub fn start(&self) -> StartLine<'a> {
        self.start
    }

    /// Length of the start line without its CRLF.
    pub(super) fn start_line(&self) -> usize {
        self.index.start_line
    }

    /// The parsed Request-URI.
    ///
    /// # Errors
    /// As [`Uri::parse`]; `headers_in_request_uri` (RFC 3261 §19.1.1 forbids them there); `bad_start_line` for a
    /// response.
    pub fn request_uri(&self) -> Result<Uri<'a>, Malformed> {
        let StartLine::Request { uri, .. } = self.start else {
            return Err(Malformed::other(0, Rule::BadStartLine));
        };
        let at = offset_in(self.bytes, uri);
        let parsed = Uri::parse(uri).map_err(|e| Malformed::other(at + e.offset, e.rule))?;
        if parsed.headers.is_empty() {
            Ok(parsed)
        } else {
            let at = offset_in(self.bytes, parsed.headers);
            Err(Malformed::other(at, Rule::HeadersInRequestUri))
        }
    }

    /// The table of header lines.
    pub(super) fn index(&self) -> &Index<'a> {
        &self.index
    }

    /// The value of a line of the table.
    pub(super) fn value(&self, line: &LineEntry) -> &'a [u8] {
        cut(self.bytes, line.value_start(), line.value_end())
    }

    /// All bytes of a line of the table.
    pub(super) fn raw(&self, line: &LineEntry) -> &'a [u8] {
        cut(self.bytes, line.start(), line.end())
    }

    /// Appends the first line of that name as received, if there is one.
    pub(super) fn copy_first(&self, name: HeaderName, out: &mut Vec<u8>) {
        if let Some(line) = self.index.named(name).next() {
            out.extend_from_slice(self.raw(line));
        }
    }

    /// All header lines in order.
    pub fn lines(&self) -> impl Iterator<Item = HeaderLine<'a>> + '_ {
        self.index.lines().iter().map(|line| HeaderLine {
            name: line.name,
            raw_name: line.raw_name(self.bytes),
            value: self.value(line),
        })
    }

    /// How many lines bear this name.
    pub fn count(&self, name: HeaderName) -> usize {
        self.index.named(name).count()
    }

    /// Whether a line bears this name. Never for `Other`.
    pub fn has(&self, name: HeaderName) -> bool {
        self.index.seen & name.bit() != 0
    }

    /// The known names that occur.
    pub fn names(&self) -> HeaderSet {
        HeaderSet(self.index.seen)
    }

    /// The known names that occur more than once.
    pub fn repeated(&self) -> HeaderSet {
        HeaderSet(self.index.repeated)
    }

    /// The first line's value.
    pub fn first(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.index.named(name).next().map(|line| self.value(line))
    }

    /// The values of all lines of that name as they stand, each line's values together; what cannot be split is there, too.
    pub(crate) fn whole_values(&self, name: HeaderName) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.index.named(name).map(|line| self.value(line))
    }

    /// The comma-separated values over all lines of this name, in order.
    ///
    /// Only for fields that are lists by their definition; nothing for `Other`. A value that cannot be separated from the
    /// next one (`unbalanced_quotes`, `unbalanced_angle`) is an error and ends its line; `empty_value` stands for
    /// nothing between two commas, or a whole line without a value where the field needs one.
    pub fn values(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + '_ {
        let lines = (name != HeaderName::Other).then(|| self.index.named(name));
        let lines = lines.into_iter().flatten();
        lines.flat_map(|line| self.values_of(line))
    }

    /// The values of one line.
    pub(super) fn values_of(
        &self,
        line: &LineEntry,
    ) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a> {
        let text = self.value(line);
        let (name, start) = (line.name, line.value_start());
        let fault = move |at, rule| Malformed::of(name, start + at, rule);
        let empty =
            (text.is_empty() && !name.may_be_empty()).then(|| Err(fault(0, Rule::EmptyValue)));
        Values::new(text)
            .map(move |value| value.map_err(|e| fault(e.at, e.rule)))
            .chain(empty)
    }

    /// Length of the body by Content-Length; `None` when it is absent (RFC 3261 §20.14).
    ///
    /// # Errors
    /// `duplicate_content_length` (also equal ones, also the compact form beside the long one), `bad_content_length`
    /// (anything but digits, or more than fits).
    pub fn content_length(&self) -> Result<Option<usize>, Malformed> {
        let name = HeaderName::ContentLength;
        let Some(value) = self.first(name) else {
            return Ok(None);
        };
        if self.index.repeated & name.bit() != 0 {
            return Err(self.malformed(name, value, 0, Rule::DuplicateContentLength));
        }
        grammar::decimal(value)
            .and_then(|length| usize::try_from(length).ok())
            .map(Some)
            .ok_or_else(|| self.malformed(name, value, 0, Rule::BadContentLength))
    }

    /// The value of a field that must occur at most once (RFC 4475 §3.3.8: neither the first nor the last of two counts).
    pub(super) fn single(&self, name: HeaderName) -> Result<Option<&'a [u8]>, Malformed> {
        if self.index.repeated & name.bit() != 0 {
            let second = self.index.named(name).nth(1);
            let at = second.map_or(0, LineEntry::start);
            return Err(Malformed::of(name, at, Rule::DuplicateHeader));
        }
        Ok(self.first(name))
    }

    pub(super) fn missing(&self, name: HeaderName) -> Malformed {
        Malformed::of(name, self.index.head, Rule::MissingHeader)
    }

    /// A fault at that byte of a part of this message.
    pub(super) fn malformed(
        &self,
        field: HeaderName,
        part: &[u8],
        at: usize,
        rule: Rule,
    ) -> Malformed {
        Malformed::of(field, offset_in(self.bytes, part) + at, rule)
    }
}
