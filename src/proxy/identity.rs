//! Who is who in the log: the URIs of From, To and the request line as `[log] identities` wants them.
//!
//! They are made on the way into a record, so that what the settings keep out of the log is kept nowhere else either.
use super::log_key::LogKey;
use super::token::has_token_form;
use crate::observe::Parties;
use crate::sip::{Address, HeaderName, Message, StartLine, find, find_either};
use crate::topology::LogIdentities;
use std::borrow::Cow;

/// What a message says of whom it is between, as written; what is missing or cannot be read is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartyTexts<'a> {
    /// The one field here that is no identity: what finds the lines of one call.
    pub(crate) call_id: &'a [u8],
    /// The URI in From.
    pub(crate) from: &'a [u8],
    /// The URI in To.
    pub(crate) to: &'a [u8],
    /// Of the request line; empty in a response.
    pub(crate) request_uri: &'a [u8],
    /// What the sender's program says that it is.
    pub(crate) user_agent: &'a [u8],
}

impl<'a> PartyTexts<'a> {
    /// Of any message: a refused one may be broken in any way.
    pub(crate) fn of(message: &Message<'a>) -> Self {
        let field = |name| message.first(name).unwrap_or_default();
        let uri = |name| Address::parse(field(name)).map_or(&b""[..], |address| address.uri);
        Self {
            call_id: field(HeaderName::CallId),
            from: uri(HeaderName::From),
            to: uri(HeaderName::To),
            // A response has none: then a record goes without.
            request_uri: match message.start() {
                StartLine::Request { uri, .. } => uri,
                StartLine::Response { .. } => b"",
            },
            user_agent: field(HeaderName::UserAgent),
        }
    }

    /// As a record may have them.
    pub(crate) fn logged(&self, how: LogIdentities, key: LogKey) -> Parties {
        let uri = |uri| logged(uri, how, key);
        Parties::new([
            self.call_id,
            &uri(self.from),
            &uri(self.to),
            &uri(self.request_uri),
            self.user_agent,
        ])
    }
}

/// Scheme, user and place of a URI (RFC 3261 §19.1, RFC 3966), without password, parameters and headers: what a record
/// is looked through for, and nothing that could be a secret or as long as its sender likes.
fn logged(uri: &[u8], how: LogIdentities, key: LogKey) -> Cow<'_, [u8]> {
    // The message was judged by its own parser before; here whatever is written must only come out short and harmless.
    let Some(colon) = find(b':', uri) else {
        return Cow::Borrowed(b"");
    };
    let (scheme, rest) = uri.split_at_checked(colon + 1).unwrap_or((uri, b""));
    let is_sip = scheme.eq_ignore_ascii_case(b"sip:") || scheme.eq_ignore_ascii_case(b"sips:");
    // A user may hold `;` and `?` unescaped, so that the place, with its `@`, is looked for first.
    let at = find(b'@', rest).filter(|_| is_sip);
    let (with_password, place) = match at.and_then(|at| rest.split_at_checked(at)) {
        Some((user, place)) => (user, until_params(place)),
        None if is_sip => (&b""[..], until_params(rest)),
        // A number, or the name of a service.
        None => (until_params(rest), &b""[..]),
    };
    let password = find(b':', with_password).filter(|_| at.is_some());
    let user = with_password.get(..password.unwrap_or(with_password.len()));
    let user = user.unwrap_or_default();
    // Whatever the settings are, nobody is named by what this node has made.
    let is_token = has_token_form(user);
    if how == LogIdentities::Full && password.is_none() && !is_token {
        let shown = uri.get(..scheme.len() + user.len() + place.len());
        return Cow::Borrowed(shown.unwrap_or_default());
    }
    let mut text = scheme.to_vec();
    match how {
        _ if user.is_empty() => {}
        // A route of this node in the place of a user: no log has a token.
        _ if is_token => text.push(b'*'),
        LogIdentities::Full => text.extend_from_slice(user),
        LogIdentities::Hashed => {
            text.push(b'~');
            text.extend_from_slice(&super::branch::hex(key.hash(user)));
        }
        LogIdentities::Domain => {}
    }
    text.extend_from_slice(match how {
        LogIdentities::Domain => place.strip_prefix(b"@").unwrap_or(place),
        LogIdentities::Full | LogIdentities::Hashed => place,
    });
    Cow::Owned(text)
}

/// What stands before the parameters and headers of a URI.
fn until_params(text: &[u8]) -> &[u8] {
    let end = find_either(b';', b'?', text).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
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
            ("", ""),
            ("no-uri", ""),
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
