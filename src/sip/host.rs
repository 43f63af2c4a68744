//! Hosts of URIs and sent-by (RFC 3261 §25.1, RFC 5118 §4.10).
use super::grammar::{self, cut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A URI's or sent-by's host; names compare without case and without a trailing dot.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A name as written.
    Name(&'a [u8]),
    /// An IPv4 literal.
    V4(Ipv4Addr),
    /// A bracketed IPv6 literal.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// From the text of a host alone.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        if let [b'[', inner @ .., b']'] = text {
            return v6(inner).map(Self::V6);
        }
        let name = text.strip_suffix(b".").unwrap_or(text);
        let last = name.rsplit(|&b| b == b'.').next()?;
        if !last.is_empty() && last.iter().all(u8::is_ascii_digit) {
            // A top label is no number (RFC 3261 §25.1), so this is an IPv4 address or nothing.
            return std::str::from_utf8(text).ok()?.parse().ok().map(Self::V4);
        }
        let is_name = name.iter().all(|&b| grammar::is(b, grammar::NAME))
            && name.split(|&b| b == b'.').all(|label| !label.is_empty());
        is_name.then_some(Self::Name(text))
    }

    /// Splits `host[:port]` from the beginning of the text; gives what follows.
    pub(super) fn split(text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let end = if text.first() == Some(&b'[') {
            memchr::memchr(b']', text)? + 1
        } else {
            text.iter()
                .position(|&b| !grammar::is(b, grammar::NAME))
                .unwrap_or(text.len())
        };
        text.split_at_checked(end)
    }

    /// Whether this is that name (given in lower case without trailing dot).
    pub fn is_name(&self, name: &str) -> bool {
        self.bare()
            .is_some_and(|bare| bare.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The literal address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// The name in lower case without trailing dot, written to `buf`; `None` for literals and names over 253 octets.
    pub fn lower<'b>(&self, buf: &'b mut [u8; 253]) -> Option<&'b str> {
        let bare = self.bare()?;
        let lower = buf.get_mut(..bare.len())?;
        lower.copy_from_slice(bare);
        lower.make_ascii_lowercase();
        std::str::from_utf8(lower).ok()
    }

    /// Whether both are the same name or the same literal (an IPv4-mapped IPv6 address is not its IPv4 address).
    pub fn same(&self, other: &Host<'_>) -> bool {
        match (self.bare(), other.bare()) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            (None, None) => self.ip() == other.ip(),
            _ => false,
        }
    }

    /// The name without trailing dot.
    fn bare(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Name(text) => Some(text.strip_suffix(b".").unwrap_or(text)),
            Self::V4(_) | Self::V6(_) => None,
        }
    }
}

/// An IPv6 address; the `:::` before an embedded IPv4 address that RFC 3261's grammar led to is taken as `::`.
fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    let written = std::str::from_utf8(text).ok()?;
    if let Ok(address) = written.parse() {
        return Some(address);
    }
    let colons = written.find(":::")?;
    if text.len() > 48 || !written.contains('.') {
        return None;
    }
    let mut repaired = [0; 48];
    let (front, back) = (cut(text, 0, colons), cut(text, colons + 1, text.len()));
    repaired.get_mut(..front.len())?.copy_from_slice(front);
    repaired
        .get_mut(front.len()..front.len() + back.len())?
        .copy_from_slice(back);
    std::str::from_utf8(cut(&repaired, 0, text.len() - 1))
        .ok()?
        .parse()
        .ok()
}

/// A port as written behind the colon.
pub(super) fn port(text: &[u8]) -> Option<u16> {
    grammar::decimal(text).and_then(|value| u16::try_from(value).ok())
}
