//! A URI as it is sealed, as it is shown, and how the two come together again with what the other
//! side has added.
//!
//! A URI that leads into the home network has three parts for this purpose: what is sealed (the URI
//! itself with the header parts that reveal something), what the peer must see to use it
//! (transport, `lr`, `method`), and the header parts that name a call. What comes back may have
//! grown parameters and header parts of the peer's, which must not be lost.
use super::towards::USER;
use crate::sip::{Scheme, Uri};

/// Header parts of a URI that name calls, not hosts; who refers somebody must show them (RFC 3891
/// §6, RFC 3911 §6).
const CALLS: [&[u8]; 5] = [
    b"Replaces",
    b"Join",
    b"Target-Dialog",
    b"In-Reply-To",
    b"Call-ID",
];

/// Whether a header part of a URI names a call.
pub(super) fn names_a_call(part: &[u8]) -> bool {
    let name = part.split(|b| *b == b'=').next().unwrap_or_default();
    CALLS.iter().any(|call| name.eq_ignore_ascii_case(call))
}

/// A URI taken apart for hiding.
pub(super) struct SplitUri {
    /// What is sealed.
    pub(super) sealed: Vec<u8>,
    scheme: &'static [u8],
    /// Parameters that the other side must see.
    shown: Vec<Vec<u8>>,
    /// Header parts that it must see.
    headers: Vec<u8>,
}

impl SplitUri {
    /// `reveals` decides whether a text reveals of the home side.
    pub(super) fn of(text: &[u8], uri: &Uri<'_>, reveals: impl Fn(&[u8]) -> bool) -> Self {
        let question = match uri.headers {
            [] => text.len(),
            headers => text.len().saturating_sub(headers.len() + 1),
        };
        let mut sealed = text.get(..question).unwrap_or(text).to_vec();
        let mut headers = Vec::new();
        let mut kept = Vec::new();
        for part in uri.headers.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let list = if !names_a_call(part) && reveals(part) {
                &mut kept
            } else {
                &mut headers
            };
            if !list.is_empty() {
                list.push(b'&');
            }
            list.extend_from_slice(part);
        }
        if !kept.is_empty() {
            sealed.push(b'?');
            sealed.append(&mut kept);
        }
        Self {
            sealed,
            scheme: match uri.scheme {
                Scheme::Sips => b"sips:",
                Scheme::Sip | Scheme::Tel | Scheme::Other => b"sip:",
            },
            shown: shown_params(uri),
            headers,
        }
    }

    /// What cannot be read is sealed as it stands, on one line.
    pub(super) fn unread(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        let inner = text
            .iter()
            .position(|b| *b == b'<')
            .and_then(|open| text.get(open + 1..))
            .map_or(text, |rest| {
                let close = rest.iter().position(|b| *b == b'>');
                rest.get(..close.unwrap_or(rest.len())).unwrap_or(rest)
            });
        let sealed = inner
            .iter()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .copied()
            .collect();
        Self {
            sealed,
            scheme: b"sip:",
            shown: vec![b"transport=tls".to_vec()],
            headers: Vec::new(),
        }
    }

    /// The URI that is shown instead.
    pub(super) fn shown(&self, token: &str, face: &str) -> Vec<u8> {
        let mut uri = self.scheme.to_vec();
        uri.extend_from_slice(USER);
        uri.extend_from_slice(token.as_bytes());
        uri.push(b'@');
        uri.extend_from_slice(face.as_bytes());
        for param in &self.shown {
            uri.push(b';');
            uri.extend_from_slice(param);
        }
        if !self.headers.is_empty() {
            uri.push(b'?');
            uri.extend_from_slice(&self.headers);
        }
        uri
    }
}

/// The parameters of a shown URI that stands for this one: what the peer needs to reach this node
/// and to keep the route loose (RFC 3261 §19.1.1).
fn shown_params(uri: &Uri<'_>) -> Vec<Vec<u8>> {
    let mut shown = Vec::new();
    if uri.scheme != Scheme::Sips {
        shown.push(b"transport=tls".to_vec());
    }
    if uri.param("lr").is_some() {
        shown.push(b"lr".to_vec());
    }
    if let Some(Some(method)) = uri.param("method") {
        shown.push([b"method=", method].concat());
    }
    shown
}

/// Where a restored URI will stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UriPlace {
    /// The Request-URI, which has no header part (RFC 3261 §19.1.1).
    RequestLine,
    /// A header field.
    Field,
}

/// The URI that was sealed, with what was added to the one that was shown: parameters and header
/// parts.
pub(super) fn restored(sealed: &[u8], came: &Uri<'_>, place: UriPlace) -> Vec<u8> {
    let Ok(plain) = Uri::parse(sealed) else {
        return sealed.to_vec();
    };
    if !matches!(plain.scheme, Scheme::Sip | Scheme::Sips) {
        return sealed.to_vec();
    }
    let question = match plain.headers {
        [] => sealed.len(),
        headers => sealed.len().saturating_sub(headers.len() + 1),
    };
    let mut uri = sealed.get(..question).unwrap_or(sealed).to_vec();
    // Parameters that were only shown in place of hidden ones are not the peer's.
    let shown = shown_params(&plain);
    for param in came.params.split(|b| *b == b';').filter(|p| !p.is_empty()) {
        let name = param.split(|b| *b == b'=').next().unwrap_or_default();
        let is_shown = shown.iter().any(|o| o.eq_ignore_ascii_case(param));
        let name = std::str::from_utf8(name).unwrap_or_default();
        if !is_shown && plain.param(name).is_none() {
            uri.push(b';');
            uri.extend_from_slice(param);
        }
    }
    let sealed_headers = match place {
        UriPlace::RequestLine => &[][..],
        UriPlace::Field => plain.headers,
    };
    let mut before = b'?';
    for headers in [sealed_headers, came.headers] {
        if !headers.is_empty() {
            uri.push(std::mem::replace(&mut before, b'&'));
            uri.extend_from_slice(headers);
        }
    }
    uri
}
