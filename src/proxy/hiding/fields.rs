//! Which fields and parameters are hidden in which way; `out` and `back` go by these lists.
use crate::sip::{HeaderLine, HeaderName};

/// Lists of URIs that lead to servers and devices of the home side.
pub(super) const ROUTES: [HeaderName; 4] = [
    HeaderName::RecordRoute,
    HeaderName::Path,
    HeaderName::ServiceRoute,
    HeaderName::Contact,
];

/// Fields of a transfer or diversion with URIs that may lead there or to anybody else. A peer sends
/// back in them what it was given; none of them decides where a request goes.
pub(super) const REFERENCES: [HeaderName; 5] = [
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
    HeaderName::ReplyTo,
    HeaderName::HistoryInfo,
    HeaderName::Diversion,
];

/// Fields with such URIs that name a caller or callee, which the peer says itself.
pub(super) const IDENTITIES: [HeaderName; 6] = [
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::PCalledPartyId,
    HeaderName::PAssociatedUri,
    HeaderName::PServedUser,
    HeaderName::RemotePartyId,
];

/// Fields that stay whatever they tell: they name the call and its parties to both ends, prove
/// something over their own bytes, or are the peer's own.
pub(super) const KEPT: [HeaderName; 17] = [
    HeaderName::Via,
    HeaderName::Route,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
    HeaderName::ContentLength,
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::TargetDialog,
    HeaderName::InReplyTo,
    HeaderName::WwwAuthenticate,
    HeaderName::ProxyAuthenticate,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
];

/// Parameters that name no host; those of the first six have no `.` in their values either.
const HARMLESS: [&[u8]; 12] = [
    b"transport",
    b"user",
    b"lr",
    b"ob",
    b"method",
    b"ttl",
    b"gr",
    b"cause",
    b"opaque",
    b"index",
    b"phone-context",
    b"isub",
];

/// Fields that SUBSCRIBE and NOTIFY must have (RFC 6665 §8.2), of which only parameters go.
pub(super) fn is_by_params(line: &HeaderLine<'_>) -> bool {
    line.name == HeaderName::Event || line.raw_name.eq_ignore_ascii_case(b"Subscription-State")
}

/// Whether none of the parameters could name a host.
pub(super) fn is_harmless(params: &[u8]) -> bool {
    params
        .split(|b| *b == b';')
        .filter(|p| !p.is_empty())
        .all(|param| {
            let name = param.split(|b| *b == b'=').next().unwrap_or_default();
            let place = HARMLESS.iter().position(|h| name.eq_ignore_ascii_case(h));
            place.is_some_and(|place| place >= 6 || !param.contains(&b'.'))
        })
}
