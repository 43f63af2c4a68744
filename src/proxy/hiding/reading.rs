//! Addresses as they are written in free text, and escapes undone.
//!
//! Free text has no grammar that would end an address where it ends. The readers therefore look at
//! every place at which one could begin, and report with each find whether it must be an address or
//! may be part of something else (a version, a telephone number, a hash). Who asks decides what to
//! do with the uncertain ones.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most octets of an IPv6 address in text (RFC 4291 §2.2, with an IPv4 address as its end).
const LONGEST_V6: usize = 45;
/// The most groups of it: eight, and one for an IPv4 end or a `::`.
const MOST_GROUPS: usize = 9;

/// Whether `reveals` holds for an IPv4 address in the text, whatever stands beside its digits.
///
/// Numbers may have leading zeros, and `-` or `_` may stand for the dots, as in names made of
/// addresses.
///
/// `reveals` also gets to know whether the address is sure to be one: of more than four dotted
/// numbers the first four are (`10.0.0.11.5060`), others may be a version's (`1.10.0.0.11`); and
/// what `-` or `_` part may be a telephone number.
pub(super) fn each_v4(text: &[u8], reveals: impl Fn(IpAddr, bool) -> bool) -> bool {
    // The first byte that belongs to no dotted run in which an address has been seen.
    let mut free = 0;
    let mut at = 0;
    while at < text.len() {
        let Some((_, end)) = number(text, at) else {
            at += 1;
            continue;
        };
        if let Some((address, mark)) = quad(text, at) {
            let is_whole = mark == b'.' && at >= free;
            if reveals(address.into(), is_whole) {
                return true;
            }
            if is_whole {
                free = run_end(text, end);
            }
        }
        at = end;
    }
    false
}

/// The end of a run of digits and dots.
fn run_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let end = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'.'));
    end.map_or(text.len(), |end| from + end)
}

/// The digits from `at` on as a number that an address may have, or what is too large for one; and
/// where they end.
fn number(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit());
    let (value, count) = digits.fold((0_u32, 0), |(value, count), digit| {
        let value = value
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'));
        (value, count + 1)
    });
    (count > 0).then_some((value, at + count))
}

/// Four numbers from `at` on, and what parts them.
fn quad(text: &[u8], at: usize) -> Option<(Ipv4Addr, u8)> {
    let mut octets = [0_u8; 4];
    let (mut at, mut mark) = (at, None);
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            let next = *text.get(at)?;
            if !matches!(next, b'.' | b'-' | b'_') || mark.is_some_and(|mark| mark != next) {
                return None;
            }
            mark = Some(next);
            at += 1;
        }
        let (value, end) = number(text, at)?;
        *octet = u8::try_from(value).ok()?;
        at = end;
    }
    Some((octets.into(), mark?))
}

/// As [`each_v4`] for IPv6 addresses: what colons part is sure to be an address if all of it is
/// one, or none of it can be.
pub(super) fn each_v6(text: &[u8], reveals: impl Fn(IpAddr, bool) -> bool) -> bool {
    let in_v6 = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
    text.split(|b| !in_v6(b))
        .filter(|run| run.iter().filter(|b| **b == b':').count() > 1)
        .any(|run| {
            let tries = [
                run,
                run.strip_suffix(b":").unwrap_or(run),
                run.strip_prefix(b":").unwrap_or(run),
            ];
            let whole = tries.into_iter().find_map(v6);
            whole.is_some_and(|address| reveals(address, true))
                || parts(run).any(|address| reveals(address, whole.is_none()))
        })
}

/// An IPv6 address that is the whole text. Bounded before it is parsed, so that a long run of
/// colons costs little.
fn v6(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LONGEST_V6 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    Some(text.parse::<Ipv6Addr>().ok()?.into())
}

/// The addresses that begin with a group of the run, and end with one.
fn parts(run: &[u8]) -> impl Iterator<Item = IpAddr> {
    let begins = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| run.get(at));
        before.is_none_or(|b| *b == b':') && run.get(*at).is_some_and(|b| *b != b':')
    };
    (0..run.len()).filter(begins).flat_map(move |start| {
        let rest = run.get(start..).unwrap_or_default();
        let rest = rest.get(..LONGEST_V6).unwrap_or(rest);
        let colons = rest.iter().enumerate().filter(|(_, b)| **b == b':');
        let ends = colons.map(|(at, _)| at).chain([rest.len()]);
        ends.skip(2)
            .take(MOST_GROUPS)
            .filter_map(|end| v6(rest.get(..end)?))
    })
}

/// One round of `%xy` and of quoted pairs (RFC 3261 §25.1) undone; `None` if there are none.
pub(super) fn undone(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr2(b'%', b'\\', text)?;
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let digit = |b: u8| char::from(b).to_digit(16);
        let (octet, behind) = match (first, tail) {
            (b'%', [high, low, behind @ ..]) => {
                let value = digit(*high).zip(digit(*low));
                let value = value.and_then(|(h, l)| u8::try_from(h * 16 + l).ok());
                value.map_or((*first, tail), |value| (value, behind))
            }
            (b'\\', [escaped, behind @ ..]) => (*escaped, behind),
            _ => (*first, tail),
        };
        octets.push(octet);
        rest = behind;
    }
    (octets != text).then_some(octets)
}
