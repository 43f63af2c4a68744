//! The lazy view of one framed message: a start line and a table of header lines over the received octets.
use super::grammar::{self, Cursor, cut, offset_in};
use super::index::{self, Index, Line, LineTable};
use super::list::Values;
use super::start_line::{self, Method, StartLine};
use super::{Address, HeaderName, HeaderSet, Rule, Uri, Via};
use std::ops::Range;

/// What is wrong with a message or a field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field (`Other` for the start line).
    pub field: HeaderName,
    /// Octet offset in the message.
    pub offset: usize,
    /// A stable identifier of the broken rule: `bad_start_line`, `duplicate_header`, `bad_cseq` ...
    pub rule: Rule,
}

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
    /// The comma-separated values of this line; `Err` ends it: what follows cannot be told apart. Nothing between two commas
    /// is an empty value.
    pub fn list_values(&self) -> impl Iterator<Item = Result<&'a [u8], ()>> + use<'a> {
        Values::new(self.value).map(|value| match value {
            Ok(value) => Ok(value),
            Err(fault) if fault.rule == Rule::EmptyValue => Ok(&b""[..]),
            Err(_) => Err(()),
        })
    }
}

/// CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2**31.
    pub number: u32,
    /// The method.
    pub method: Method<'a>,
}

/// A complete framed message.
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
    /// `no_empty_line`, `bare_lf`, `bare_cr`, `head_too_large` (2**32 octets).
    pub fn parse(frame: &'a [u8]) -> Result<Self, Malformed> {
        match Index::read(frame, &mut LineTable::default()) {
            Some(index) => Ok(Self::new(frame, index.into_owned())),
            None => Err(index::why_unread(frame)),
        }
    }

    /// The message that the octets begin with, its head having been read.
    pub(super) fn new(frame: &'a [u8], mut index: Index<'a>) -> Self {
        let (start, fault) = start_line::parse(cut(frame, 0, index.start_line));
        if let Some((offset, rule)) = fault {
            // The start line comes first, so its fault does too.
            index.fault = Some(Malformed {
                field: HeaderName::Other,
                offset,
                rule,
            });
        }
        Self {
            bytes: frame,
            start,
            index,
        }
    }

    /// The same head over more or fewer octets of body.
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

    /// All octets as received.
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
        let fault = |offset, rule| Malformed {
            field: HeaderName::Other,
            offset,
            rule,
        };
        let StartLine::Request { uri, .. } = self.start else {
            return Err(fault(0, Rule::BadStartLine));
        };
        let at = offset_in(self.bytes, uri);
        let parsed = Uri::parse(uri).map_err(|e| fault(at + e.offset, e.rule))?;
        if parsed.headers.is_empty() {
            Ok(parsed)
        } else {
            Err(fault(
                offset_in(self.bytes, parsed.headers),
                Rule::HeadersInRequestUri,
            ))
        }
    }

    /// The table of header lines.
    pub(super) fn index(&self) -> &Index<'a> {
        &self.index
    }

    /// The value of a line of the table.
    pub(super) fn value(&self, line: &Line) -> &'a [u8] {
        cut(self.bytes, line.value_start(), line.value_end())
    }

    /// All octets of a line of the table.
    pub(super) fn raw(&self, line: &Line) -> &'a [u8] {
        cut(self.bytes, line.start(), line.end())
    }

    /// All header lines in order.
    pub fn lines(&self) -> impl Iterator<Item = HeaderLine<'a>> + '_ {
        self.index.lines.iter().map(|line| HeaderLine {
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

    /// The first line's value.
    pub fn first(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.index.named(name).next().map(|line| self.value(line))
    }

    /// The comma-separated values over all lines of this name, in order.
    ///
    /// Only for fields that are lists by their definition; nothing for `Other`. A value that cannot be told from the
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
    fn values_of(
        &self,
        line: &Line,
    ) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a> {
        let text = self.value(line);
        let (name, start) = (line.name, line.value_start());
        let fault = move |at, rule| Malformed {
            field: name,
            offset: start + at,
            rule,
        };
        let empty =
            (text.is_empty() && !name.may_be_empty()).then(|| Err(fault(0, Rule::EmptyValue)));
        Values::new(text)
            .map(move |value| value.map_err(|e| fault(e.at, e.rule)))
            .chain(empty)
    }

    /// The option tags of Require, Proxy-Require, Supported or Unsupported, in order (RFC 3261 §19.2).
    pub fn option_tags(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + '_ {
        self.values(name).map(move |value| {
            let tag = value?;
            if grammar::is_token(tag) {
                Ok(tag)
            } else {
                Err(self.malformed(name, tag, 0, Rule::BadOptionTag))
            }
        })
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

    /// The topmost Via value.
    ///
    /// # Errors
    /// `missing_header`, or as [`Via::parse`].
    pub fn top_via(&self) -> Result<Via<'a>, Malformed> {
        let name = HeaderName::Via;
        let line = self.index.named(name).next();
        let line = line.ok_or(self.missing(name))?;
        let value = self.values_of(line).next().ok_or(self.missing(name))??;
        self.via(value)
    }

    /// All Via values by generic syntax, in order.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, Malformed>> + '_ {
        self.values(HeaderName::Via).map(|value| self.via(value?))
    }

    /// From (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `duplicate_tag`, or as [`Address::parse`].
    pub fn from(&self) -> Result<Address<'a>, Malformed> {
        self.party(HeaderName::From)
    }

    /// To (exactly one).
    ///
    /// # Errors
    /// As [`Self::from`].
    pub fn to(&self) -> Result<Address<'a>, Malformed> {
        self.party(HeaderName::To)
    }

    /// Call-ID (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `bad_call_id` (empty, or white space in it).
    pub fn call_id(&self) -> Result<&'a [u8], Malformed> {
        let name = HeaderName::CallId;
        let value = self.single(name)?.ok_or(self.missing(name))?;
        if !value.is_empty() && value.iter().all(|&b| b > b' ' && b != 0x7f) {
            Ok(value)
        } else {
            Err(self.malformed(name, value, 0, Rule::BadCallId))
        }
    }

    /// CSeq (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `bad_cseq` (also a number of 2**31 or more, RFC 3261 §8.1.1.5).
    pub fn cseq(&self) -> Result<CSeq<'a>, Malformed> {
        let name = HeaderName::CSeq;
        let value = self.single(name)?.ok_or(self.missing(name))?;
        let mut cursor = Cursor::new(value);
        let number = grammar::decimal(cursor.take(grammar::TOKEN))
            .and_then(|number| u32::try_from(number).ok())
            .filter(|&number| number < 1 << 31);
        let parted = cursor.skip_lws();
        match number {
            Some(number) if parted && grammar::is_token(cursor.rest()) => Ok(CSeq {
                number,
                method: Method::from_bytes(cursor.rest()),
            }),
            _ => Err(self.malformed(name, value, 0, Rule::BadCSeq)),
        }
    }

    /// Max-Forwards, 0..=255; `None` when absent.
    ///
    /// # Errors
    /// `duplicate_header`, `bad_max_forwards`.
    pub fn max_forwards(&self) -> Result<Option<u8>, Malformed> {
        let name = HeaderName::MaxForwards;
        let Some(value) = self.single(name)? else {
            return Ok(None);
        };
        grammar::decimal(value)
            .and_then(|hops| u8::try_from(hops).ok())
            .map(Some)
            .ok_or_else(|| self.malformed(name, value, 0, Rule::BadMaxForwards))
    }

    /// Max-Breadth (RFC 5393 §5.3.3).
    ///
    /// # Errors
    /// `duplicate_header`; `bad_max_breadth` when it is no number below 2**32.
    pub fn max_breadth(&self) -> Result<Option<u32>, Malformed> {
        let name = HeaderName::MaxBreadth;
        let Some(value) = self.single(name)? else {
            return Ok(None);
        };
        grammar::decimal(value)
            .and_then(|breadth| u32::try_from(breadth).ok())
            .map(Some)
            .ok_or_else(|| self.malformed(name, value, 0, Rule::BadMaxBreadth))
    }

    /// Route values in order.
    pub fn routes(&self) -> impl Iterator<Item = Result<Address<'a>, Malformed>> + '_ {
        self.addresses(HeaderName::Route)
    }

    /// The values of a list of addresses (Route, Record-Route, Path, Service-Route, Contact), in order.
    pub fn addresses(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<Address<'a>, Malformed>> + '_ {
        self.values(name)
            .map(move |value| self.address(name, value?))
    }

    fn party(&self, name: HeaderName) -> Result<Address<'a>, Malformed> {
        let value = self.single(name)?.ok_or(self.missing(name))?;
        let address = self.address(name, value)?;
        if address.has_bad_tag {
            return Err(self.malformed(name, address.params, 0, Rule::DuplicateTag));
        }
        Ok(address)
    }

    fn via(&self, value: &'a [u8]) -> Result<Via<'a>, Malformed> {
        Via::parse(value).map_err(|e| self.malformed(HeaderName::Via, value, e.offset, e.rule))
    }

    fn address(&self, name: HeaderName, value: &'a [u8]) -> Result<Address<'a>, Malformed> {
        Address::parse(value).map_err(|e| self.malformed(name, value, e.offset, e.rule))
    }

    /// The value of a field that must not occur twice (RFC 4475 §3.3.8: neither the first nor the last of two counts).
    fn single(&self, name: HeaderName) -> Result<Option<&'a [u8]>, Malformed> {
        if self.index.repeated & name.bit() != 0 {
            let second = self.index.named(name).nth(1);
            return Err(Malformed {
                field: name,
                offset: second.map_or(0, Line::start),
                rule: Rule::DuplicateHeader,
            });
        }
        Ok(self.first(name))
    }

    fn missing(&self, name: HeaderName) -> Malformed {
        Malformed {
            field: name,
            offset: self.index.head,
            rule: Rule::MissingHeader,
        }
    }

    /// A fault at that octet of a part of this message.
    fn malformed(&self, field: HeaderName, part: &[u8], at: usize, rule: Rule) -> Malformed {
        Malformed {
            field,
            offset: offset_in(self.bytes, part) + at,
            rule,
        }
    }
}
