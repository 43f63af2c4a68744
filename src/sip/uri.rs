//! URIs of RFC 3261 §19.1 (sip, sips), tel (RFC 3966) and others by scheme.
use super::escape::{check_escapes, plain_user, same_name};
use super::grammar::{self, cut};
use super::{Host, Malformed, Rule, host};
use super::{block, words};
use std::borrow::Cow;

/// URI scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel` (RFC 3966)
    Tel,
    /// Anything else that is a scheme.
    Other,
}

/// A parsed URI, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// Scheme.
    pub scheme: Scheme,
    /// User part as written (with `:password` if any); for tel the number. `None` when there is no `@`.
    pub user: Option<&'a [u8]>,
    /// Host (for tel and others: an empty name).
    pub host: Host<'a>,
    /// Port, if written.
    pub port: Option<u16>,
    /// Parameters from the first `;` on, as written.
    pub params: &'a [u8],
    /// What follows `?`, as written.
    pub headers: &'a [u8],
    /// Whether one of the parameters may be [`ONCE`].
    may_have_maddr: bool,
}

/// The parameter that decides where a request goes: a second one would be read differently by different parsers (RFC 3261
/// §19.1.1 forbids it). A second `transport`, `lr` or another one decides nothing here.
const ONCE: &[u8] = b"maddr";

impl<'a> Uri<'a> {
    /// Parses a URI. Errors carry an offset relative to the text.
    ///
    /// # Errors
    /// `bad_uri` (no scheme, or an byte that no URI holds), `bad_user`, `bad_host`, `bad_port`, `bad_escape` (in a
    /// parameter), `duplicate_param`.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if scheme_len(text).is_none() {
            return Err(Malformed::other(0, Rule::BadUri));
        }
        // Found here, a control byte or quote cannot reach any of the parsers below.
        let fits = grammar::span(text, grammar::URI);
        if fits < text.len() {
            return Err(Malformed::other(fits, Rule::BadUri));
        }
        Self::parse_written(text)
    }

    /// As [`Self::parse`], of a text that holds only what a URI is written with.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(super) fn parse_written(text: &'a [u8]) -> Result<Self, Malformed> {
        let colon = scheme_len(text).ok_or(Malformed::other(0, Rule::BadUri))?;
        let (name, rest) = (cut(text, 0, colon), cut(text, colon + 1, text.len()));
        let scheme = if name.eq_ignore_ascii_case(b"sip") {
            Scheme::Sip
        } else if name.eq_ignore_ascii_case(b"sips") {
            Scheme::Sips
        } else if name.eq_ignore_ascii_case(b"tel") {
            Scheme::Tel
        } else {
            Scheme::Other
        };
        let mut uri = Self {
            scheme,
            user: None,
            host: Host::Name(b""),
            port: None,
            params: b"",
            headers: b"",
            may_have_maddr: false,
        };
        let parsed = match scheme {
            Scheme::Sip | Scheme::Sips => uri.parse_sip(rest),
            Scheme::Tel => uri.parse_tel(rest),
            Scheme::Other if rest.is_empty() => Err((0, Rule::BadUri)),
            Scheme::Other => Ok(()),
        };
        match parsed {
            Ok(()) => Ok(uri),
            Err((at, rule)) => Err(Malformed::other(colon + 1 + at, rule)),
        }
    }

    /// Parses what follows the scheme: `[user@]host[:port][;params][?headers]` (RFC 3261 §19.1.1).
    fn parse_sip(&mut self, rest: &'a [u8]) -> Result<(), (usize, Rule)> {
        // As nearly everybody writes it, and then all others.
        match self.parse_plain(rest) {
            Some(()) => Ok(()),
            None => self.parse_any(rest),
        }
    }

    /// The same with a name or IPv4 address for a host, at most 64 bytes from there on, and no escape, headers or `maddr` behind
    /// it. `None` decides nothing, and nothing has changed.
    ///
    /// One look at each byte of these says where all parts begin. The user is not looked into: whatever stands there is one, as
    /// long as it ends at the only `@`.
    #[inline]
    fn parse_plain(&mut self, rest: &'a [u8]) -> Option<()> {
        // An empty user is nobody's, but no reason to refuse either.
        let (user, rest) = match block::find(rest, |block| block.is(b'@')) {
            Some(at) => (Some(cut(rest, 0, at)), cut(rest, at + 1, rest.len())),
            None => (None, rest),
        };
        let [names, dots, odd, ms] = block::marks(rest, |block| {
            [
                host::name_bytes(block),
                block.is(b'.'),
                // A second `@`, headers, escapes.
                block.is(b'@') | block.is(b'?') | block.is(b'%'),
                block.lower().is(b'm'),
            ]
        })?;
        let (host, mut at) = match rest.first()? {
            // What begins with a digit may be an address.
            b'0'..=b'9' => Host::begin(rest)?,
            // And this is one of IPv6.
            b'[' => return None,
            _ => host::name(rest, names, dots)?,
        };
        // What may be an `maddr` is for the long way, too.
        let behind = u64::MAX.checked_shl(at as u32).unwrap_or(0);
        if (odd | ms) & behind != 0 {
            return None;
        }
        let mut port = None;
        if let Some(b':') = rest.get(at) {
            let digits = cut(rest, at + 1, rest.len());
            let end = words::find(b';', digits).unwrap_or(digits.len());
            port = Some(host::port(cut(digits, 0, end))?);
            at += 1 + end;
        }
        let params = cut(rest, at, rest.len());
        if !matches!(params, [] | [b';', ..]) {
            return None;
        }
        (self.user, self.host, self.port, self.params) = (user, host, port, params);
        Some(())
    }

    /// However it is written.
    #[cold]
    fn parse_any(&mut self, rest: &'a [u8]) -> Result<(), (usize, Rule)> {
        let after_user = match words::find(b'@', rest) {
            None => 0,
            // An empty user is nobody's, but no reason to refuse either.
            Some(at) => {
                self.user = Some(cut(rest, 0, at));
                at + 1
            }
        };
        let place = cut(rest, after_user, rest.len());
        // `@` is legal nowhere but once: what is host to one parser would be user to another.
        let second = |from: usize| {
            let at = memchr::memchr(b'@', cut(place, from, place.len()))?;
            Some((after_user + from + at, Rule::BadUser))
        };
        let Some((host, length)) = Host::begin(place) else {
            return Err(second(0).unwrap_or((after_user, Rule::BadHost)));
        };
        self.host = host;
        let mut at = after_user + length;
        let mut tail = cut(place, length, place.len());
        if tail.is_empty() {
            return Ok(());
        }
        // No host has one of these. Nearly no URI has any of them behind its host, and one look finds that out.
        let is_plain = memchr::memchr3(b'@', b'?', b'%', tail).is_none();
        if !is_plain && let Some(fault) = second(length) {
            return Err(fault);
        }
        if let [b':', digits @ ..] = tail {
            let end = digits
                .iter()
                .position(|&b| matches!(b, b';' | b'?'))
                .unwrap_or(digits.len());
            self.port = Some(host::port(cut(digits, 0, end)).ok_or((at + 1, Rule::BadPort))?);
            tail = cut(digits, end, digits.len());
            at += 1 + end;
        }
        if tail.is_empty() {
            return Ok(());
        }
        // Headers begin at the first `?`. In parameters it would have to be escaped.
        let question = (!is_plain).then(|| memchr::memchr(b'?', tail)).flatten();
        let question = question.unwrap_or(tail.len());
        self.params = cut(tail, 0, question);
        self.headers = cut(tail, question + 1, tail.len());
        if !matches!(self.params.first(), None | Some(b';')) {
            return Err((at, Rule::BadHost));
        }
        // Nearly no URI has an escape there, and plain names are compared at less cost.
        let has_escapes = !is_plain && memchr::memchr(b'%', self.params).is_some();
        if has_escapes {
            check_escapes(self.params).map_err(|e| (at + e, Rule::BadEscape))?;
        }
        self.may_have_maddr = has_escapes || words::has_letter(b'm', self.params);
        match self.may_have_maddr && self.has_twice(ONCE, has_escapes) {
            true => Err((at, Rule::DuplicateParam)),
            false => Ok(()),
        }
    }

    /// Parses a telephone number (RFC 3966 §3). Its digits are not checked: the proxy routes by the pool of the domain, and
    /// passes the number on.
    fn parse_tel(&mut self, rest: &'a [u8]) -> Result<(), (usize, Rule)> {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let number = cut(rest, 0, end);
        if number.is_empty() {
            return Err((0, Rule::BadUser));
        }
        self.user = Some(number);
        self.params = cut(rest, end, rest.len());
        Ok(())
    }

    /// Whether two parameters have this name, escaped or not: one parser would take the first, another the last.
    fn has_twice(&self, name: &[u8], has_escapes: bool) -> bool {
        let is_it = |found: &[u8]| match has_escapes {
            true => same_name(found, name),
            false => found.eq_ignore_ascii_case(name),
        };
        let mut found = params(self.params).filter(|(found, _)| is_it(found));
        found.nth(1).is_some()
    }

    /// A URI parameter (name in any case): `None` absent, `Some(None)` without a value.
    ///
    /// A name that is written with escapes is the name it stands for (RFC 4475 §3.1.1.3); values are given as written.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        params(self.params)
            .find(|(found, _)| same_name(found, name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The user without a password, and without escapes that change nothing (RFC 3261 §19.1.1, §19.1.4): who it is, whatever
    /// else is written into the user part. Empty without one.
    pub fn plain_name(&self) -> Cow<'a, [u8]> {
        let user = self.user.unwrap_or_default();
        // An escaped colon is one of the name.
        let end = memchr::memchr(b':', user).unwrap_or(user.len());
        plain_user(cut(user, 0, end))
    }

    /// The host that `maddr` puts in the place of the URI's own (RFC 3261 §19.1.1).
    ///
    /// # Errors
    /// `bad_host`: it has no value, or one that is no host.
    pub fn maddr(&self) -> Result<Option<Host<'a>>, Malformed> {
        // Most URIs have none.
        if !self.may_have_maddr {
            return Ok(None);
        }
        // The parameter overrides the host (RFC 3261 §19.1.1), so policy must judge it and not the host.
        match self.param("maddr") {
            None => Ok(None),
            Some(value) => value
                .and_then(Host::parse)
                .map(Some)
                .ok_or(Malformed::other(0, Rule::BadHost)),
        }
    }
}

/// Length of the scheme in front of the first colon (RFC 3986 §3.1).
pub(super) fn scheme_len(text: &[u8]) -> Option<usize> {
    /// The bit in which lower case differs from upper, in the letters of `sip:`.
    const LETTERS: u32 = u32::from_le_bytes([0x20, 0x20, 0x20, 0]);
    // Nearly every URI here, in one comparison.
    if let Some(first) = text.first_chunk()
        && u32::from_le_bytes(*first) | LETTERS == u32::from_le_bytes(*b"sip:")
    {
        return Some(3);
    }
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let end = text.iter().position(|b| !fits(b))?;
    (text.get(end) == Some(&b':') && text.first()?.is_ascii_alphabetic()).then_some(end)
}

/// Names and values of URI parameters; empty ones are passed over.
pub(super) fn params(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(|&b| b == b';')
        .filter(|part| !part.is_empty())
        .map(|part| match memchr::memchr(b'=', part) {
            Some(equal) => (cut(part, 0, equal), Some(cut(part, equal + 1, part.len()))),
            None => (part, None),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_maddr_is_found_however_it_is_written(
            params in prop::collection::vec(";[a-m]{1,2}|;maddr|;MADDR=a|;m%61ddr=b.test|;%6daddr=c|;transport=tls;lr", 0..4)
        ) {
            let text = format!("sip:b@a.test{}", params.concat());
            if let Ok(uri) = Uri::parse(text.as_bytes()) {
                let written = uri.param("maddr");
                prop_assert_eq!(uri.maddr().is_ok_and(|host| host.is_none()), written.is_none(), "{}", text);
            }
        }

        #[test]
        fn the_short_way_reads_what_the_long_one_reads(
            text in "([a-c%:]{0,3}@{1,2}){0,1}([ab.1]{0,4}|a[.]b|1[.]2[.]3[.]4|\\[::1\\])(:[0-9]{0,6}){0,1}(;[a-cm=]{0,4}){0,2}([?@%:]{0,1}|%41|[.]{60})"
        ) {
            let blank = Uri { scheme: Scheme::Sip, user: None, host: Host::Name(b""), port: None, params: b"", headers: b"", may_have_maddr: false };
            let (mut plain, mut any) = (blank, blank);
            let found = plain.parse_plain(text.as_bytes());
            let expected = any.parse_any(text.as_bytes());
            match found {
                // Whether there may be an `maddr` is all that may differ, where there is none.
                Some(()) => {
                    prop_assert_eq!(expected, Ok(()), "{}", text);
                    prop_assert_eq!(format!("{plain:?}"), format!("{any:?}"), "{}", text);
                }
                None => prop_assert_eq!(format!("{plain:?}"), format!("{blank:?}"), "{}", text),
            }
        }
    }
}
