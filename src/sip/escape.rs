//! Escapes of URIs: `%xy` and the byte that it stands for (RFC 3261 §19.1.2, §19.1.4).
use super::grammar::cut;
use std::borrow::Cow;

/// The byte that `%xy` at the beginning of the text stands for.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    // Both cases of hex digits are in use (RFC 3986 §2.1).
    let nibble = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    Some(nibble(*high)? << 4 | nibble(*low)?)
}

/// The text with one round of `%xy` undone. What is no escape stays as it is, since other readers leave it, too.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    std::iter::from_fn(|| next_byte(&mut rest))
        .map(|(byte, _)| byte)
        .collect()
}

/// Checks that every `%` begins an escape; returns where one does not.
pub(super) fn check_escapes(text: &[u8]) -> Result<(), usize> {
    match memchr::memchr_iter(b'%', text).find(|&at| escaped(cut(text, at, at + 3)).is_none()) {
        Some(at) => Err(at),
        None => Ok(()),
    }
}

/// A user part without the escapes that change nothing: those of unreserved characters (RFC 3261 §19.1.4). What is
/// reserved stays escaped, and so does what is no escape.
///
/// Names are looked up in this form, or `%61lice` would be another user than `alice`.
pub fn plain_user(text: &[u8]) -> Cow<'_, [u8]> {
    // Nearly no user part has an escape; those are returned without a copy.
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let (byte, length) = match escaped(rest).filter(|&b| is_unreserved(b)) {
            Some(byte) => (byte, 3),
            None => (first, 1),
        };
        plain.push(byte);
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

/// Whether both are the same parameter name, in any case: an escape of a character that needs none equals that
/// character; an escape of a reserved one does not (RFC 3261 §19.1.4).
pub(super) fn same_name(one: &[u8], two: &[u8]) -> bool {
    let (mut one, mut two) = (one, two);
    loop {
        match (next_byte(&mut one), next_byte(&mut two)) {
            (None, None) => return true,
            (Some((a, a_escaped)), Some((b, b_escaped))) => {
                // `%6C` is `l`, but `%3B` is not `;`: a reserved character that is escaped is data, not a delimiter.
                if !a.eq_ignore_ascii_case(&b) || (a_escaped != b_escaped && !is_unreserved(a)) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The first byte with its escape undone, and whether it was escaped.
fn next_byte(text: &mut &[u8]) -> Option<(u8, bool)> {
    let (byte, length, was_escaped) = match escaped(text) {
        Some(byte) => (byte, 3, true),
        None => (*text.first()?, 1, false),
    };
    *text = text.get(length..).unwrap_or_default();
    Some((byte, was_escaped))
}

/// `unreserved` of RFC 3261 §25.1: characters that mean the same with and without an escape.
fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_round_of_escapes_is_undone_and_what_is_none_stays() {
        for (escaped, plain) in [
            ("fe01%2Econtoso.test", "fe01.contoso.test"),
            ("%61%6C%69ce", "alice"),
            ("%2561", "%61"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes(), "{escaped}");
        }
    }
}
