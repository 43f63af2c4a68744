//! Masks what would let a reader of a trace act as somebody else: credentials, route tokens of this site, and bodies,
//! which hold the keys of media (RFC 4568).
//!
//! What is left is a well-formed message that any program decodes: a body that is taken out leaves a Content-Length of 0.
use crate::proxy::has_token_form;
use crate::sip::{HeaderName, Message};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::LazyLock;

/// What stands in the place of what is masked.
const MASK: &[u8] = b"masked";
/// The longest user part that may be a token.
const LONGEST_USER: usize = 256;
/// Answers to credentials that have no name of their own in `sip` (RFC 3261 §20.6, RFC 8760).
const INFO: [&[u8]; 2] = [b"Authentication-Info", b"Proxy-Authentication-Info"];

static SCHEME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"sip"));

/// What is not masked, at an operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Credentials, and the challenges that they answer.
    #[serde(default)]
    pub credentials: bool,
    /// Route tokens of this site, and what siblings say of a sender.
    #[serde(default)]
    pub tokens: bool,
    /// Bodies.
    #[serde(default)]
    pub bodies: bool,
}

impl Shown {
    /// The words for it, for the event of a trace; `None`: all is masked.
    pub fn words(self) -> Option<String> {
        let all = [
            (self.credentials, "credentials"),
            (self.tokens, "tokens"),
            (self.bodies, "bodies"),
        ];
        let shown: Vec<&str> = all.iter().filter(|(is, _)| *is).map(|it| it.1).collect();
        (!shown.is_empty()).then(|| format!("shows {}", shown.join(", ")))
    }
}

/// A message without its secrets. What cannot be read as one is left with its first line: what follows may be anything.
pub fn masked(bytes: &[u8], shown: Shown) -> Vec<u8> {
    let Ok(message) = Message::parse(bytes) else {
        let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes.get(..end).unwrap_or_default();
        // A Request-URI with a token is in such a line as well.
        let places = tokens(line).filter(|_| !shown.tokens);
        return replaced(line, places.map(|place| (place, MASK.to_vec())).collect());
    };
    let mut cuts: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for line in message.lines() {
        let place = message.place_of(line.value);
        if !shown.credentials && is_credential(line.name, line.raw_name) {
            cuts.push((place, masked_credential(line.value)));
        } else if !shown.tokens && line.name == HeaderName::SiblingOrigin {
            cuts.push((place, MASK.to_vec()));
        } else if !shown.bodies && line.name == HeaderName::ContentLength {
            cuts.push((place, b"0".to_vec()));
        }
    }
    let head = message.head();
    // In all fields at once: a token stands in routes, in Request-URIs, and wherever a program copies these.
    if !shown.tokens {
        cuts.extend(tokens(head).map(|place| (place, MASK.to_vec())));
    }
    let kept = if shown.bodies { bytes } else { head };
    replaced(kept, cuts)
}

/// Whether a field has credentials, or what they are made from.
fn is_credential(name: HeaderName, raw: &[u8]) -> bool {
    let known = [
        HeaderName::Authorization,
        HeaderName::ProxyAuthorization,
        HeaderName::WwwAuthenticate,
        HeaderName::ProxyAuthenticate,
    ];
    known.contains(&name) || INFO.iter().any(|info| raw.eq_ignore_ascii_case(info))
}

/// The scheme stays, so that a reader sees how somebody authenticates, and a decoder a value of the right form.
fn masked_credential(value: &[u8]) -> Vec<u8> {
    let scheme = value.split(|b| b.is_ascii_whitespace()).next();
    let scheme = scheme.filter(|it| it.iter().all(u8::is_ascii_alphanumeric));
    let scheme = scheme.unwrap_or_default();
    let mut masked = scheme.to_vec();
    if !scheme.is_empty() {
        masked.push(b' ');
    }
    masked.extend_from_slice(b"realm=\"masked\"");
    masked
}

/// The user parts of URIs that have the form of a token.
fn tokens(head: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    // URIs of this node are in lower case, as it has written them; others may copy but not change them.
    SCHEME.find_iter(head).filter_map(|at| {
        let rest = head.get(at..)?;
        let scheme = [&b"sips:"[..], b"sip:"];
        let scheme = scheme.iter().find(|it| rest.starts_with(it))?.len();
        let rest = rest.get(scheme..)?;
        let user = memchr::memchr(b'@', rest.get(..LONGEST_USER).unwrap_or(rest))?;
        let start = at + scheme;
        has_token_form(rest.get(..user)?).then_some(start..start + user)
    })
}

/// The bytes with these places exchanged. Of two that overlap the first in the message counts.
fn replaced(bytes: &[u8], mut cuts: Vec<(Range<usize>, Vec<u8>)>) -> Vec<u8> {
    cuts.sort_by_key(|(place, _)| place.start);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (place, with) in cuts {
        // None of an earlier one's inside: a token in a field that is masked as a whole.
        if let Some(before) = bytes.get(at..place.start) {
            out.extend_from_slice(before);
            out.extend_from_slice(&with);
            at = place.end;
        }
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `proxy::token` makes one for a binding: 36 bytes, of which the first says what it is.
    fn token() -> String {
        use base64::Engine as _;
        let alphabet = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let forms = (0..=u8::MAX).flat_map(|kind| (20..70).map(move |length| (kind, length)));
        let texts = forms.map(|(kind, length)| {
            let mut raw = vec![7; length];
            raw[0] = kind;
            alphabet.encode(raw)
        });
        let mut texts = texts.filter(|text| has_token_form(text.as_bytes()));
        texts.next().unwrap()
    }

    fn message() -> String {
        let token = token();
        format!(
            "INVITE sip:{token}@edge01.contoso.test;lr SIP/2.0\r\n\
             Via: SIP/2.0/TLS ua.contoso.test;branch=z9hG4bK1\r\n\
             record-route: <sip:{token}@edge01.contoso.test;lr>, <sip:other@proxy.test>\r\n\
             AUTHORIZATION: Digest username=\"alice\",\r\n response=\"c0ffee\"\r\n\
             Proxy-Authenticate: Digest nonce=\"secret\"\r\n\
             Authentication-Info: nextnonce=\"secret\"\r\n\
             From: <sip:alice@contoso.test>;tag=a\r\nTo: <sip:bob@contoso.test>\r\n\
             Call-ID: 1@a\r\nCSeq: 1 INVITE\r\n\
             l: 21\r\n\r\na=crypto:1 X inline:k"
        )
    }

    #[test]
    fn credentials_tokens_and_bodies_are_masked_and_the_rest_is_as_it_was() {
        let message = message();
        let text = String::from_utf8(masked(message.as_bytes(), Shown::default())).unwrap();
        for secret in ["alice\"", "c0ffee", "secret", "crypto", &token()] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for kept in [
            "INVITE sip:masked@edge01.contoso.test;lr SIP/2.0\r\n",
            "AUTHORIZATION: Digest realm=\"masked\"\r\n",
            "<sip:masked@edge01.contoso.test;lr>, <sip:other@proxy.test>",
            "From: <sip:alice@contoso.test>;tag=a\r\n",
            "l: 0\r\n\r\n",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let read = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(read.content_length().unwrap(), Some(0));
    }

    #[test]
    fn what_is_asked_for_is_shown() {
        let message = message();
        let all = Shown {
            credentials: true,
            tokens: true,
            bodies: true,
        };
        assert_eq!(masked(message.as_bytes(), all), message.as_bytes());
        assert_eq!(all.words().unwrap(), "shows credentials, tokens, bodies");
        assert_eq!(Shown::default().words(), None);
        let bodies = Shown {
            bodies: true,
            ..Shown::default()
        };
        let text = String::from_utf8(masked(message.as_bytes(), bodies)).unwrap();
        assert!(text.ends_with("l: 21\r\n\r\na=crypto:1 X inline:k"));
        assert!(!text.contains("c0ffee"));
    }

    #[test]
    fn of_what_is_no_message_the_first_line_is_left() {
        let shown = Shown::default();
        let secret = b"INVITE sip:a@b SIP/2.0\nAuthorization: Digest x\n";
        assert_eq!(masked(secret, shown), b"INVITE sip:a@b SIP/2.0");
        assert_eq!(masked(b"", shown), b"");
    }
}
