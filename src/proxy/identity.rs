//! Who is who in the log: the URIs of From, To and the request line as `[log] identities` wants them.
//!
//! They are made on the way into a record, so that what the settings keep out of the log is kept nowhere else either.
use super::log_key::LogKey;
use super::token::has_token_form;
use crate::observe::Parties;
use crate::sip::{Address, HeaderName, Message, StartLine};
use crate::topology::LogIdentities;
use smallvec::SmallVec;

/// A URI as the log has it.
pub(crate) type LoggedUri = SmallVec<[u8; 96]>;

/// Whom a message names, for a record. What cannot be read is left out: a refused message may be broken in any way.
///
/// In order: its Call-ID, the URIs of From, To and its request line, and what its sender's
/// program says that it is.
pub(crate) fn parties(message: &Message<'_>, how: LogIdentities, key: LogKey) -> Parties {
    let field = |name| {
        let address = message
            .first(name)
            .and_then(|value| Address::parse(value).ok());
        address
            .map(|it| logged(it.uri, how, key))
            .unwrap_or_default()
    };
    // Of a response there is none: then a record goes without.
    let request_uri = match message.start() {
        StartLine::Request { uri, .. } => logged(uri, how, key),
        StartLine::Response { .. } => LoggedUri::new(),
    };
    Parties::new([
        message.first(HeaderName::CallId).unwrap_or_default(),
        &field(HeaderName::From),
        &field(HeaderName::To),
        &request_uri,
        message.first(HeaderName::UserAgent).unwrap_or_default(),
    ])
}

/// Scheme, user and place of a URI (RFC 3261 §19.1, RFC 3966), without password, parameters and headers: what a record
/// is looked through for, and nothing that could be a secret or as long as its sender likes.
fn logged(uri: &[u8], how: LogIdentities, key: LogKey) -> LoggedUri {
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
    // Whatever the settings are, nobody is named by what this node has made.
    match how {
        _ if user.is_empty() => {}
        // A route of this node in the place of a user: no log has a token.
        _ if has_token_form(user) => text.push(b'*'),
        LogIdentities::Full => text.extend_from_slice(user),
        LogIdentities::Hashed => {
            text.push(b'~');
            text.extend_from_slice(&super::branch::hex::<16>(key.hash(user)));
        }
        LogIdentities::Domain => {}
    }
    if at.is_some() && how != LogIdentities::Domain {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str, how: LogIdentities) -> String {
        let uri = logged(uri.as_bytes(), how, LogKey::derive(&[1; 32]));
        String::from_utf8(uri.to_vec()).unwrap()
    }

    #[test]
    fn what_is_no_identity_is_left_out() {
        for (uri, full) in [
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
            assert_eq!(shown(uri, LogIdentities::Full), full);
        }
    }

    #[test]
    fn a_user_is_hidden_by_a_hash_of_its_own_or_altogether() {
        let hashed = |uri| shown(uri, LogIdentities::Hashed);
        let alice = hashed("sip:alice@contoso.test");
        assert!(alice.starts_with("sip:~") && alice.ends_with("@contoso.test"));
        assert!(!alice.contains("alice"), "{alice}");
        assert_eq!(hashed("sip:%61lice:pw@contoso.test;x=y"), alice);
        assert_ne!(hashed("sip:bob@contoso.test"), alice);
        assert_eq!(hashed("sip:contoso.test"), "sip:contoso.test");
        assert_eq!(hashed("tel:+4930123").len(), "tel:~0123456789abcdef".len());
        let other = logged(
            b"sip:alice@contoso.test",
            LogIdentities::Hashed,
            LogKey::derive(&[2; 32]),
        );
        assert_ne!(&*other, alice.as_bytes());
        let domain = |uri| shown(uri, LogIdentities::Domain);
        assert_eq!(
            domain("sip:alice@contoso.test:5061"),
            "sip:contoso.test:5061"
        );
        assert_eq!(domain("tel:+4930123"), "tel:");
    }
}
