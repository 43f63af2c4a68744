//! URIs of RFC 3261 §19.1 (sip, sips), tel (RFC 3966) and others by scheme.
use super::grammar::{self, cut};
use super::{HeaderName, Host, Malformed, Rule, host};
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
    /// What follows the scheme's colon.
    pub(super) rest: &'a [u8],
}

/// Parameters that decide where a request goes: a second one of a name would be read differently by different parsers
/// (RFC 3261 §19.1.1 forbids it). A second `transport`, `lr` or another one decides nothing here.
const ONCE: [&[u8]; 1] = [b"maddr"];

impl<'a> Uri<'a> {
    /// Parses a URI. Errors carry an offset relative to the text.
    ///
    /// # Errors
    /// `bad_uri` (no scheme, or an octet that no URI holds), `bad_user`, `bad_host`, `bad_port`, `bad_escape` (in a
    /// parameter), `duplicate_param`.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let fault = |offset, rule| Malformed {
            field: HeaderName::Other,
            offset,
            rule,
        };
        let colon = scheme_len(text).ok_or(fault(0, Rule::BadUri))?;
        let (all, any) = grammar::classes_of(text);
        if all & grammar::URI == 0 {
            let at = text.iter().position(|&b| !grammar::is(b, grammar::URI));
            return Err(fault(at.unwrap_or(0), Rule::BadUri));
        }
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
            rest,
        };
        let parsed = match scheme {
            Scheme::Sip | Scheme::Sips => uri.parse_sip(rest, any),
            Scheme::Tel => uri.parse_tel(rest),
            Scheme::Other if rest.is_empty() => Err((0, Rule::BadUri)),
            Scheme::Other => Ok(()),
        };
        match parsed {
            Ok(()) => Ok(uri),
            Err((at, rule)) => Err(fault(colon + 1 + at, rule)),
        }
    }

    /// `any`: the classes that any octet belongs to.
    fn parse_sip(&mut self, rest: &'a [u8], any: u8) -> Result<(), (usize, Rule)> {
        let check_escapes = |text| match any & grammar::ESCAPE {
            0 => Ok(()),
            _ => check_escapes(text),
        };
        let after_user = match memchr::memchr(b'@', rest) {
            None => 0,
            // Nothing before the `@` is no user that anybody has, but no reason to refuse either.
            Some(at) => {
                self.user = Some(cut(rest, 0, at));
                at + 1
            }
        };
        let place = cut(rest, after_user, rest.len());
        if let Some(second) = memchr::memchr(b'@', place) {
            // `@` is legal nowhere but once: what is host to one parser would be user to another.
            return Err((after_user + second, Rule::BadUser));
        }
        let bad_host = (after_user, Rule::BadHost);
        let (host, length) = Host::begin(place).ok_or(bad_host)?;
        self.host = host;
        let mut at = after_user + length;
        let mut tail = cut(place, length, place.len());
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
        let question = memchr::memchr(b'?', tail).unwrap_or(tail.len());
        self.params = cut(tail, 0, question);
        self.headers = cut(tail, question + 1, tail.len());
        if !matches!(self.params.first(), None | Some(b';')) {
            return Err((at, Rule::BadHost));
        }
        check_escapes(self.params).map_err(|e| (at + e, Rule::BadEscape))?;
        self.check_once().map_err(|rule| (at, rule))
    }

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

    fn check_once(&self) -> Result<(), Rule> {
        let mut seen = [false; ONCE.len()];
        for (name, _) in params(self.params) {
            let is_plain = !name.contains(&b'%');
            let is = |one: &[u8]| {
                if is_plain {
                    name.eq_ignore_ascii_case(one)
                } else {
                    same_text(name, one, Case::Any)
                }
            };
            for (one, seen) in ONCE.iter().zip(&mut seen) {
                if is(one) && std::mem::replace(seen, true) {
                    return Err(Rule::DuplicateParam);
                }
            }
        }
        Ok(())
    }

    /// A URI parameter (name in any case): `None` absent, `Some(None)` without a value.
    ///
    /// A name that is written with escapes is the name it stands for (RFC 4475 §3.1.1.3); values are given as written.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        params(self.params)
            .find(|(found, _)| same_text(found, name.as_bytes(), Case::Any))
            .map(|(_, value)| value)
    }

    /// The host that `maddr` puts in the place of the URI's own (RFC 3261 §19.1.1).
    ///
    /// # Errors
    /// `bad_host`: it has no value, or one that is no host.
    pub fn maddr(&self) -> Result<Option<Host<'a>>, Malformed> {
        // Most URIs have no parameters at all.
        if self.params.is_empty() {
            return Ok(None);
        }
        match self.param("maddr") {
            None => Ok(None),
            Some(value) => value.and_then(Host::parse).map(Some).ok_or(Malformed {
                field: HeaderName::Other,
                offset: 0,
                rule: Rule::BadHost,
            }),
        }
    }

    /// Whether the two are equal by RFC 3261 §19.1.4 (which is not transitive).
    ///
    /// tel URIs are compared by RFC 3966 §5, others octet by octet behind the scheme. URIs with more than 32 parameters
    /// or header parts equal nothing: comparing them takes quadratic time.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                let users = match (self.user, other.user) {
                    (None, None) => true,
                    (Some(one), Some(two)) => same_text(one, two, Case::Exact),
                    _ => false,
                };
                users
                    && self.host.same(&other.host)
                    && self.port == other.port
                    && params_agree(self.params, other.params, must_be_on_both)
                    && headers_agree(self.headers, other.headers)
            }
            Scheme::Tel => {
                let digits = |uri: &[u8]| -> Vec<u8> {
                    uri.iter()
                        .filter(|&&b| !is_visual_separator(b))
                        .map(u8::to_ascii_lowercase)
                        .collect()
                };
                digits(self.user.unwrap_or_default()) == digits(other.user.unwrap_or_default())
                    && params_agree(self.params, other.params, |_| true)
            }
            Scheme::Other => self.rest == other.rest,
        }
    }
}

/// Length of the scheme in front of the first colon.
pub(super) fn scheme_len(text: &[u8]) -> Option<usize> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let end = text.iter().position(|b| !fits(b))?;
    (text.get(end) == Some(&b':') && text.first()?.is_ascii_alphabetic()).then_some(end)
}

/// RFC 3966 §3: these only make a number easier to read.
fn is_visual_separator(b: u8) -> bool {
    matches!(b, b'-' | b'.' | b'(' | b')')
}

/// Every `%` begins an escape, or the octet where one does not.
fn check_escapes(text: &[u8]) -> Result<(), usize> {
    match memchr::memchr_iter(b'%', text)
        .find(|&at| grammar::escaped(cut(text, at, at + 3)).is_none())
    {
        Some(at) => Err(at),
        None => Ok(()),
    }
}

/// Names and values of URI parameters; empty ones are passed over.
pub(super) fn params(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    pairs(text, b';')
}

fn pairs(text: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(move |&b| b == separator)
        .filter(|part| !part.is_empty())
        .map(|part| match memchr::memchr(b'=', part) {
            Some(equal) => (cut(part, 0, equal), Some(cut(part, equal + 1, part.len()))),
            None => (part, None),
        })
}

/// RFC 3261 §19.1.4: present on one side only, these make a difference.
fn must_be_on_both(name: &[u8]) -> bool {
    [&b"user"[..], b"ttl", b"method", b"maddr"]
        .iter()
        .any(|one| same_text(name, one, Case::Any))
}

/// The most parameters or header parts that are compared.
const COMPARED: usize = 32;

fn params_agree(one: &[u8], two: &[u8], needed: impl Fn(&[u8]) -> bool) -> bool {
    let covers = |here: &[u8], there: &[u8]| {
        params(here).all(|(name, value)| {
            let of_that_name = |(found, _): &(&[u8], _)| same_text(name, found, Case::Any);
            // A name may stand twice although RFC 3261 §19.1.1 forbids it: any of them will do.
            let mut there = params(there).filter(of_that_name).peekable();
            match there.peek() {
                Some(_) => there.any(|(_, found)| match (value, found) {
                    (None, None) => true,
                    (Some(value), Some(found)) => same_text(value, found, Case::Any),
                    _ => false,
                }),
                None => !needed(name),
            }
        })
    };
    params(one).count() <= COMPARED
        && params(two).count() <= COMPARED
        && covers(one, two)
        && covers(two, one)
}

fn headers_agree(one: &[u8], two: &[u8]) -> bool {
    let covers = |here: &[u8], there: &[u8]| {
        pairs(here, b'&').all(|(name, value)| {
            pairs(there, b'&').any(|(found, other)| {
                same_text(name, found, Case::Any)
                    && same_text(
                        value.unwrap_or_default(),
                        other.unwrap_or_default(),
                        Case::Exact,
                    )
            })
        })
    };
    let counts = (pairs(one, b'&').count(), pairs(two, b'&').count());
    counts.0 == counts.1 && counts.0 <= COMPARED && covers(one, two) && covers(two, one)
}

/// A user part with the escapes undone that say nothing: those of unreserved octets (RFC 3261 §19.1.4). What is reserved
/// stays escaped, and so does what is no escape.
pub fn plain_user(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let (octet, length) = match grammar::escaped(rest).filter(|&b| is_unreserved(b)) {
            Some(octet) => (octet, 3),
            None => (first, 1),
        };
        plain.push(octet);
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

/// Whether both are the same name of a parameter.
pub(super) fn same_name(one: &[u8], two: &[u8]) -> bool {
    same_text(one, two, Case::Any)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Any,
}

/// Whether both mean the same text: an escape of an octet that needs none equals that octet; an escape of a reserved
/// octet does not (RFC 3261 §19.1.4).
fn same_text(one: &[u8], two: &[u8], case: Case) -> bool {
    let (mut one, mut two) = (one, two);
    loop {
        match (next_octet(&mut one), next_octet(&mut two)) {
            (None, None) => return true,
            (Some((a, a_escaped)), Some((b, b_escaped))) => {
                let octets = match case {
                    Case::Exact => a == b,
                    Case::Any => a.eq_ignore_ascii_case(&b),
                };
                if !octets || (a_escaped != b_escaped && !is_unreserved(a)) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The first octet with escapes undone, and whether it was escaped.
fn next_octet(text: &mut &[u8]) -> Option<(u8, bool)> {
    let (octet, length, was_escaped) = match grammar::escaped(text) {
        Some(octet) => (octet, 3, true),
        None => (*text.first()?, 1, false),
    };
    *text = text.get(length..).unwrap_or_default();
    Some((octet, was_escaped))
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b)
}
