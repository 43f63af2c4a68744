//! Hosts of URIs and sent-by (RFC 3261 §25.1, RFC 5118 §4.10).
use super::block::{self, Block, Marks};
use super::grammar::{self, cut};
use super::words;
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
    /// From the text of a host alone, with nothing behind it.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (host, length) = Self::begin(text)?;
        (length == text.len()).then_some(host)
    }

    /// The host that the text begins with, and its length.
    ///
    /// What looks like an address is one or is refused: a host such as `1.2.3` or `010.0.0.1` is a name to one resolver and
    /// another address to the next.
    pub(super) fn begin(text: &'a [u8]) -> Option<(Self, usize)> {
        // IPv6 stands in brackets and nowhere else (RFC 5118 §4.1): without them its port could not be separated.
        if let Some((b'[', inner)) = text.split_first() {
            let length = memchr::memchr(b']', inner)?;
            return Some((Self::V6(v6(cut(inner, 0, length))?), length + 2));
        }
        // Nearly every Via and Contact of a phone has an IPv4 address, and nothing that begins so reads as one by accident.
        if text.first().is_some_and(u8::is_ascii_digit)
            && let Some((address, length)) = v4(text)
        {
            return Some((Self::V4(address), length));
        }
        let kinds = |block| [name_bytes(block), block.is(b'.')];
        // A longer one is a name too, and is nobody's.
        let within = cut(text, 0, text.len().min(64));
        match block::marks(within, kinds) {
            Some([names, dots]) if names.trailing_ones() < 64 => name(text, names, dots),
            _ => Self::long_name(text),
        }
    }

    /// As [`Self::begin`], of a name of 64 bytes and more.
    #[cold]
    fn long_name(text: &'a [u8]) -> Option<(Self, usize)> {
        let length = grammar::span(text, grammar::NAME);
        // With the dots, as written: comparisons take the trailing one off.
        let name = cut(text, 0, length);
        let labels = name.strip_suffix(b".").unwrap_or(name);
        // No label is empty, but for what follows the last dot of all.
        if matches!(labels, [] | [b'.', ..] | [.., b'.']) || words::has_two_dots(labels) {
            return None;
        }
        (!has_number_on_top(labels)).then_some((Self::Name(name), length))
    }

    /// Whether this is that name (passed in lower case without trailing dot).
    pub fn is_name(&self, name: &str) -> bool {
        self.bare()
            .is_some_and(|bare| bare.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether this is a name below that one (passed in lower case without dots at its ends).
    pub fn is_below(&self, name: &str) -> bool {
        let above = self
            .bare()
            .and_then(|bare| bare.split_at_checked(bare.len().checked_sub(name.len())?));
        above.is_some_and(|(label, end)| {
            label.len() > 1 && label.ends_with(b".") && end.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    /// The literal address, if it is one. An IPv4-mapped IPv6 address stays one: whether it counts as IPv4 is for policy.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// For look-ups by name: the tables of the topology hold lower case.
    ///
    /// The name in lower case without trailing dot, written to `buf`; `None` for literals and names over 253 bytes.
    pub fn lower<'b>(&self, buf: &'b mut [u8; 253]) -> Option<&'b str> {
        std::str::from_utf8(self.lower_bytes(buf)?).ok()
    }

    /// The same as bytes.
    pub(crate) fn lower_bytes<'b>(&self, buf: &'b mut [u8; 253]) -> Option<&'b [u8]> {
        let bare = self.bare()?;
        let lower = buf.get_mut(..bare.len())?;
        lower.copy_from_slice(bare);
        lower.make_ascii_lowercase();
        Some(lower)
    }

    /// The name without trailing dot.
    fn bare(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Name(text) => Some(text.strip_suffix(b".").unwrap_or(text)),
            Self::V4(_) | Self::V6(_) => None,
        }
    }
}

/// What [`grammar::NAME`] is.
#[inline]
pub(super) fn name_bytes(block: Block) -> Marks {
    let others = block.within(b'-', b'.') | block.is(b'_');
    block.letters() | block.within(b'0', b'9') | others
}

/// The name that a text begins with, and its length, by the marks of its [`name_bytes`] and of its dots.
///
/// Who has parsed the rest of a URI has these marks already.
#[inline]
pub(super) fn name(text: &[u8], names: u64, dots: u64) -> Option<(Host<'_>, usize)> {
    let length = names.trailing_ones() as usize;
    let name = cut(text, 0, length);
    // Without the trailing dot.
    let labels = name.strip_suffix(b".").unwrap_or(name);
    // No label is empty, but for what follows the last dot of all. A dot at the beginning has one in front of it.
    let within = 1_u64.checked_shl(labels.len() as u32)?.wrapping_sub(1);
    let behind_dot = dots << 1 | 1;
    if labels.is_empty() || dots & behind_dot & within != 0 || labels.last() == Some(&b'.') {
        return None;
    }
    (!has_number_on_top(labels)).then_some((Host::Name(name), length))
}

/// Whether the top label is a number, which it must not be (RFC 3261 §25.1): this would be an IPv4 address, and is none. Its
/// last byte says so of nearly every name.
#[inline]
fn has_number_on_top(labels: &[u8]) -> bool {
    let mut top = labels.iter().rev().take_while(|&&b| b != b'.');
    top.all(u8::is_ascii_digit)
}

/// The IPv4 address that the text begins with, and its length: four numbers without zeros in front, which some parsers read
/// as octal, and behind them nothing that a name could go on with.
///
/// In one walk: where the address ends is found on the way.
fn v4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut address, mut dots) = (0_u32, 0);
    let (mut number, mut digits) = (0_u32, 0);
    let mut length = 0;
    for &b in text {
        if b.is_ascii_digit() && (digits == 0 || number > 0) {
            number = 10 * number + u32::from(b - b'0');
            digits += 1;
        } else if b == b'.' && digits > 0 {
            (address, number) = (address << 8 | number, 0);
            (dots, digits) = (dots + 1, 0);
        } else if grammar::is(b, grammar::NAME) {
            // A name that begins with digits, or what only looks like an address: the walk over labels tells which.
            return None;
        } else {
            break;
        }
        if number > 255 || dots > 3 {
            return None;
        }
        length += 1;
    }
    // The last number has no dot behind it.
    (dots == 3 && digits > 0).then(|| (Ipv4Addr::from(address << 8 | number), length))
}

/// An IPv6 address; the `:::` before an embedded IPv4 address that RFC 3261's grammar led to is taken as `::`.
fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    let written = std::str::from_utf8(text).ok()?;
    if let Ok(address) = written.parse() {
        return Some(address);
    }
    // RFC 5118 §4.10: the grammar of RFC 3261 produces three colons there, and some senders follow it.
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

/// A port as written behind the colon. Zeros in front are read over; nothing reads them as octal.
pub(super) fn port(text: &[u8]) -> Option<u16> {
    grammar::decimal(text).and_then(|value| u16::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a text is a name by its labels, one by one.
    fn is_name(text: &str) -> bool {
        let labels: Vec<_> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
        let is_number = |label: &&str| label.bytes().all(|b| b.is_ascii_digit());
        labels.iter().all(|label| !label.is_empty()) && !labels.last().is_some_and(is_number)
    }

    proptest! {
        #[test]
        fn a_name_has_no_empty_label_and_no_number_on_top(text in "[a-c0-9_-]{0,9}(\\.{1,2}[a-c0-9-]{0,9}){0,3}") {
            let found = Host::parse(text.as_bytes());
            let is_found = matches!(found, Some(Host::Name(name)) if name == text.as_bytes());
            prop_assert_eq!(is_found, is_name(&text), "{}", text);
        }
    }
}
