//! Who is who in the log: the URIs of From, To and the request line as a record may hold them.
use crate::sip::HeaderName;
use crate::sip::{Address, Message, StartLine};
use smallvec::SmallVec;

/// A URI as the log has it.
pub(crate) type LoggedUri = SmallVec<[u8; 96]>;

/// Scheme, user and place of a URI (RFC 3261 §19.1, RFC 3966), without password, parameters and headers: what a record
/// is looked through for, and nothing that could be a secret or as long as its sender likes.
pub(crate) fn logged(uri: &[u8]) -> LoggedUri {
    let mut text = LoggedUri::new();
    // The message was judged by its own parser before; here whatever is written must only come out short and harmless.
    let colon = memchr::memchr(b':', uri).unwrap_or(uri.len());
    let (scheme, rest) = uri.split_at_checked(colon).unwrap_or((uri, b""));
    let rest = rest.get(1..).unwrap_or_default();
    text.extend_from_slice(scheme);
    text.push(b':');
    let is_sip = scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips");
    // A user may hold `;` and `?` unescaped, so that the place is looked for first.
    let at = memchr::memchr(b'@', rest).filter(|_| is_sip);
    let (user, place) = match at {
        Some(at) => (
            until(rest.get(..at).unwrap_or_default(), b":"),
            until(rest.get(at + 1..).unwrap_or_default(), b";?"),
        ),
        None if is_sip => (&b""[..], until(rest, b";?")),
        // A number, or the name of a service.
        None => (until(rest, b";?"), &b""[..]),
    };
    text.extend_from_slice(user);
    if at.is_some() {
        text.push(b'@');
    }
    text.extend_from_slice(place);
    text
}

/// What stands before the first of these.
fn until<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let end = text.iter().position(|b| ends.contains(b));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The URI of From or To.
pub(crate) fn of_field(message: &Message<'_>, name: HeaderName) -> LoggedUri {
    let address = message
        .first(name)
        .and_then(|value| Address::parse(value).ok());
    address.map(|it| logged(it.uri)).unwrap_or_default()
}

/// The Request-URI; empty in a response.
pub(crate) fn of_request_line(message: &Message<'_>) -> LoggedUri {
    match message.start() {
        StartLine::Request { uri, .. } => logged(uri),
        StartLine::Response { .. } => LoggedUri::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_identity_is_left_out() {
        for (uri, shown) in [
            ("sip:alice@contoso.test", "sip:alice@contoso.test"),
            (
                "sips:bob:secret@contoso.test:5061;transport=tls?Subject=x",
                "sips:bob@contoso.test:5061",
            ),
            (
                "SIP:a;b=c@[2001:db8::1]:5061;lr",
                "SIP:a;b=c@[2001:db8::1]:5061",
            ),
            ("sip:contoso.test;lr", "sip:contoso.test"),
            ("tel:+4930123;phone-context=x", "tel:+4930123"),
            ("urn:service:sos", "urn:service:sos"),
            ("", ":"),
            ("sip:", "sip:"),
        ] {
            assert_eq!(String::from_utf8_lossy(&logged(uri.as_bytes())), shown);
        }
    }
}
