//! Start lines (RFC 3261 §7.1, §7.2).
use super::grammar::{self, cut};
use super::{Method, Rule, words};
use std::ops::Range;

/// The start line. Its parts are slices of the message as received: what is relayed is not written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// A request.
    Request {
        /// Method.
        method: Method<'a>,
        /// Request-URI as received.
        uri: &'a [u8],
    },
    /// A response.
    Response {
        /// 100..=699; 0 when `Message::fault` is `bad_status`.
        status: u16,
        /// Reason phrase as received.
        phrase: &'a [u8],
    },
}

/// What is wrong with a start line: the place and the rule.
pub(super) type LineFault = (usize, Rule);

/// Compared in any case (RFC 3261 §7.1).
const VERSION: &[u8] = b"SIP/2.0";

/// Reads a start line (without its CRLF) as far as possible. A faulty line still yields what an answer needs.
pub(super) fn parse(line: &[u8]) -> (StartLine<'_>, Option<LineFault>) {
    if line
        .get(..4)
        .is_some_and(|b| b.eq_ignore_ascii_case(b"SIP/"))
    {
        response(line)
    } else {
        request(line)
    }
}

/// `SIP/2.0 status phrase` (RFC 3261 §7.2). A missing phrase, also without the space before it, is tolerated.
fn response(line: &[u8]) -> (StartLine<'_>, Option<LineFault>) {
    // As nearly everybody writes it; what follows is for the others.
    if let Some(
        [
            a @ b'1'..=b'6',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            b' ',
            phrase @ ..,
        ],
    ) = line.strip_prefix(b"SIP/2.0 ")
    {
        let digit = |b: &u8| u16::from(b - b'0');
        let status = 100 * digit(a) + 10 * digit(b) + digit(c);
        return (StartLine::Response { status, phrase }, None);
    }
    let space = |from: usize| {
        memchr::memchr(b' ', line.get(from..).unwrap_or_default()).map_or(line.len(), |n| from + n)
    };
    // Parts end at single spaces. A second space would make the status empty, which is refused below.
    let version_end = space(0);
    let code_start = version_end + 1;
    let code_end = space(code_start);
    let code = cut(line, code_start, code_end);
    let phrase = cut(line, code_end + 1, line.len());
    // RFC 4475 §3.1.2.19: three digits, or the number might wrap somewhere.
    let status = match code {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => grammar::decimal(code),
        _ => None,
    }
    .and_then(|status| u16::try_from(status).ok());
    let fault = if status.is_none() {
        Some((code_start, Rule::BadStatus))
    } else {
        version_fault(cut(line, 0, version_end), 0)
    };
    // 0 is the status of no response, so nothing that matches by status takes this one for its own.
    let status = status.unwrap_or(0);
    (StartLine::Response { status, phrase }, fault)
}

/// `Method Request-URI SIP/2.0` (RFC 3261 §7.1). The first fault from the left is reported.
fn request(line: &[u8]) -> (StartLine<'_>, Option<LineFault>) {
    // As nearly everybody writes it, and then all others.
    plain_request(line).map_or_else(|| any_request(line), |start| (start, None))
}

/// Any request line, however it is written.
fn any_request(line: &[u8]) -> (StartLine<'_>, Option<LineFault>) {
    let parts = request_parts(line);
    // Each check may note a fault; the first that was noted wins, so they stand in the order of the line.
    let method = cut(line, 0, parts.method_end);
    let uri = cut(line, parts.uri.start, parts.uri.end);
    let mut fault = None;
    let mut note = |at, rule| {
        fault.get_or_insert((at, rule));
    };
    if !grammar::is_token(method) {
        note(0, Rule::BadMethod);
    }
    // Only what is certain to be no URI is a fault here; its parts are checked when routing asks for them.
    if parts.version.is_empty() || uri.is_empty() {
        note(parts.method_end, Rule::BadStartLine);
    } else if parts.extra_space {
        note(parts.method_end, Rule::ExtraSpace);
    } else if uri.first() == Some(&b'<') {
        note(parts.uri.start, Rule::BracketedRequestUri);
    } else if let at = grammar::span(uri, grammar::URI)
        && at < uri.len()
    {
        let rule = match uri.get(at) {
            Some(b' ' | b'\t') => Rule::SpaceInRequestUri,
            _ => Rule::BadRequestUri,
        };
        note(parts.uri.start + at, rule);
    }
    if let Some((at, rule)) = version_fault(
        cut(line, parts.version.start, parts.version.end),
        parts.version.start,
    ) {
        note(at, rule);
    }
    let method = Method::from_bytes(method);
    (StartLine::Request { method, uri }, fault)
}

/// A request line of a known method, one SP between its parts, that has no fault.
fn plain_request(line: &[u8]) -> Option<StartLine<'_>> {
    let rest = line.strip_suffix(b" SIP/2.0")?;
    let space = words::find(b' ', rest)?;
    let method = Method::from_bytes(cut(rest, 0, space));
    let uri = cut(rest, space + 1, rest.len());
    let is_plain = !matches!(method, Method::Other(_))
        && !uri.is_empty()
        && grammar::is_all(uri, grammar::URI);
    is_plain.then_some(StartLine::Request { method, uri })
}

/// Where the parts of a request line stand.
pub(super) struct RequestParts {
    method_end: usize,
    pub(super) uri: Range<usize>,
    version: Range<usize>,
    /// More than one SP between two parts, or SP behind the last.
    extra_space: bool,
}

/// Method up to the first SP, version behind the last one, Request-URI between. So a Request-URI with blanks in it is seen
/// whole, and can be named in the fault, instead of a wrong half of it being taken for the URI.
pub(super) fn request_parts(line: &[u8]) -> RequestParts {
    // Blanks at the end are left out first, or the version would be empty; the fault is noted all the same.
    let trimmed = line.len()
        - line
            .iter()
            .rev()
            .take_while(|&&b| matches!(b, b' ' | b'\t'))
            .count();
    let method_end = memchr::memchr(b' ', cut(line, 0, trimmed)).unwrap_or(trimmed);
    let version_start = memchr::memrchr(b' ', cut(line, 0, trimmed)).map_or(trimmed, |at| at + 1);
    // With less than two spaces the parts would overlap; then the URI is empty, and the line is refused.
    let middle = (method_end + 1).min(version_start)..version_start.saturating_sub(1);
    let raw = cut(line, middle.start, middle.end);
    let uri = grammar::trim(raw);
    let start = if raw.is_empty() {
        middle.start
    } else {
        middle.start + grammar::offset_in(raw, uri)
    };
    RequestParts {
        method_end,
        uri: start..start + uri.len(),
        version: version_start..trimmed,
        extra_space: trimmed != line.len() || uri.len() != raw.len(),
    }
}

/// The version of RFC 3261 in any case is right (§7.1); another number is `bad_version` (505); the rest is no version.
fn version_fault(text: &[u8], at: usize) -> Option<LineFault> {
    if text.eq_ignore_ascii_case(VERSION) {
        return None;
    }
    let number = text
        .split_at_checked(4)
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"SIP/"))
        .map(|(_, number)| number);
    // SIP/3.0 is a version, and has a status for itself; `SIP/2.0x` or `HTTP/1.1` is no start line of SIP.
    let is_version = number.is_some_and(|number| {
        let mut digits = number.splitn(2, |&b| b == b'.');
        let mut part = || digits.next().and_then(grammar::decimal).is_some();
        part() && part()
    });
    Some((
        at,
        if is_version {
            Rule::BadVersion
        } else {
            Rule::BadStartLine
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_usual_request_line_takes_the_short_way() {
        let plain = |line: &str| plain_request(line.as_bytes()).is_some();
        assert!(plain("INVITE sip:bob@contoso.test SIP/2.0"));
        assert!(plain("OPTIONS sip:contoso.test;transport=tls SIP/2.0"));
        for odd in [
            "NEWMETHOD sip:bob@contoso.test SIP/2.0",
            "INVITE  sip:bob@contoso.test SIP/2.0",
            "INVITE sip:bob@contoso.test  SIP/2.0",
            "INVITE sip:bob@contoso.test SIP/2.0 ",
            "INVITE sip:bob@contoso.test sip/2.0",
            "INVITE <sip:bob@contoso.test> SIP/2.0",
            "INVITE SIP/2.0",
            "INVITE  SIP/2.0",
        ] {
            assert!(!plain(odd), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(
            line in "(INVITE|BYE|invite|X|)[ \t]{0,2}(sip:)?[a-c@;=<>\"\t é-]{0,8}[ \t]{0,2}(SIP/2\\.0|sip/2.0|SIP/3.0|)[ ]{0,1}"
        ) {
            if let Some(start) = plain_request(line.as_bytes()) {
                prop_assert_eq!((start, None), any_request(line.as_bytes()), "{}", line);
            }
        }
    }
}
