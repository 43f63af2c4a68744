//! What holds for any octets: the bodies of the fuzz targets, run on stable by `tests/fuzz_bodies.rs` as well.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    unreachable_pub,
    reason = "a fuzz target fails by panicking"
)]

mod chain;
mod control;
mod crl;
mod dialog;
mod files;
mod hello;
mod http;
mod proxied;
mod relay;
mod scene;
mod topology;
mod written;

pub use chain::chain;
pub use control::control;
pub use crl::{crl, usual_crl};
pub use dialog::dialog;
pub use files::files;
pub use hello::hello;
pub use http::http;
pub use proxied::proxied;
pub use relay::{relay, token};
pub use topology::{topology, usual_topology};
pub use written::written;

use sipward::proxy::Envelope;
use sipward::sip::{
    Address, Edits, FrameLimits, Framer, HeaderName, LineTable, Message, Scan, StartLine, Uri,
    ViaParams, write_reply, write_unframed_reply,
};
use std::net::SocketAddr;

const LIMITS: FrameLimits = FrameLimits {
    head: 4_096,
    body: 4_096,
};

/// What a framer finds, and how many octets of the stream it has taken.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    messages: Vec<Vec<u8>>,
    pings: usize,
    error: Option<&'static str>,
}

fn scan(octets: &[u8], step: usize) -> Found {
    let mut framer = Framer::default();
    let mut found = Found {
        messages: Vec::new(),
        pings: 0,
        error: None,
    };
    let mut from = 0;
    let mut to = 0;
    while to < octets.len() {
        to = octets.len().min(to + step);
        loop {
            match framer.scan(&octets[from..to], &LIMITS, &mut LineTable::default()) {
                Ok(Scan::Incomplete(_)) => break,
                Ok(Scan::Ping(length)) => {
                    found.pings += length.div_ceil(4);
                    from += length;
                }
                Ok(Scan::Skip(length)) => {
                    assert!(length > 0);
                    from += length;
                }
                Ok(Scan::Message(message)) => {
                    assert!(message.bytes() == &octets[from..from + message.bytes().len()]);
                    assert!(message.bytes().len() <= LIMITS.head + LIMITS.body);
                    from += message.bytes().len();
                    found.messages.push(message.bytes().to_vec());
                }
                Err(error) => {
                    found.error = Some(error.rule.code());
                    // A best-effort answer from the head never panics, and is a message.
                    let head = error.head.and_then(|end| octets[from..to].get(..end));
                    let mut out = Vec::new();
                    if let Some(head) = head
                        && write_unframed_reply(head, source(), error.status, b"t", &mut out)
                    {
                        assert!(Message::parse(&out).is_ok());
                    }
                    return found;
                }
            }
        }
    }
    found
}

fn source() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 5061))
}

/// The first octet says how finely the rest is split: same messages, same error.
pub fn framing(data: &[u8]) {
    let Some((first, octets)) = data.split_first() else {
        return;
    };
    let whole = scan(octets, usize::MAX / 2);
    let step = usize::from(*first) + 1;
    assert_eq!(scan(octets, step), whole, "in steps of {step}");
    assert_eq!(scan(octets, 1), whole, "one by one");
}

/// Whatever parses comes out equal without edits; a Via put on and taken off leaves no trace; no getter panics.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let mut out = Vec::new();
    Edits::new(&message).write(&mut out);
    assert_eq!(out, data, "nothing was edited");

    let _ = (
        message.fault(),
        message.content_length(),
        message.request_uri(),
    );
    let _ = (
        message.top_via().is_ok(),
        message.from().is_ok(),
        message.to().is_ok(),
    );
    let _ = (message.call_id(), message.cseq().is_ok());
    let _ = (message.max_forwards(), message.max_breadth());
    for route in message.routes().flatten() {
        let _ = route.parse_uri();
    }
    // Between the two processes of an upgrade: what is an envelope is written as it was read, around any message.
    if let Some(envelope) = Envelope::read(&message) {
        let mut written = Vec::new();
        envelope.write(message.body(), &mut written);
        let again = Message::parse(&written).unwrap();
        assert_eq!(again.body(), message.body());
        assert_eq!(Envelope::read(&again), Some(envelope));
    }
    for &name in HeaderName::KNOWN {
        for value in message.values(name).flatten() {
            let _ = Address::parse(value);
        }
    }

    if message.fault().is_some() {
        // Answered or dropped, never relayed: below a folded start line, say, the fold would take what is put there.
        return;
    }
    let mut edits = Edits::new(&message);
    edits.prepend_via("edge01.contoso.test", b"z9hG4bKfuzz", ViaParams::Alias);
    let mut with_via = Vec::new();
    edits.write(&mut with_via);
    let edited = Message::parse(&with_via).unwrap();
    assert_eq!(
        Envelope::read(&edited),
        None,
        "relayed, and yet an envelope"
    );
    assert_eq!(edited.start(), message.start());
    assert_eq!(edited.body(), message.body());
    let top = edited.top_via().unwrap();
    assert_eq!(top.branch, Some(&b"z9hG4bKfuzz"[..]));
    let mut edits = Edits::new(&edited);
    edits.pop_via();
    let mut back = Vec::new();
    edits.write(&mut back);
    assert_eq!(back, data, "a Via put on and taken off");

    // The edits of a forwarded request never make it unreadable.
    let mut edits = Edits::new(&message);
    if let Ok(via) = message.top_via() {
        edits.stamp_top_via(&via, source());
    }
    edits.set_max_forwards(7);
    edits.set_max_breadth(60);
    edits.pop_routes(1);
    edits.pop_last_route();
    edits.prepend_record_route(b"sip:token@edge01.contoso.test;lr");
    let mut forwarded = Vec::new();
    edits.write(&mut forwarded);
    let forwarded = Message::parse(&forwarded).unwrap();
    assert_eq!(forwarded.body(), message.body());
    assert!(forwarded.has(HeaderName::RecordRoute));
}

/// The parts of a URI lie inside it.
pub fn uri(data: &[u8]) {
    let Ok(uri) = Uri::parse(data) else {
        return;
    };
    let _ = (uri.param("lr"), uri.param("transport"), uri.maddr().is_ok());
    for part in [uri.user.unwrap_or_default(), uri.params, uri.headers] {
        assert!(part.is_empty() || data.windows(part.len()).any(|w| w == part));
    }
}

/// An answer can be read, answers that request, and names every hop back.
pub fn reply(data: &[u8]) {
    let Ok(request) = Message::parse(data) else {
        return;
    };
    if !matches!(request.start(), StartLine::Request { .. }) {
        return;
    }
    let mut out = Vec::new();
    write_reply(&request, source(), 404, Some(b"tag"), &[], &mut out);
    let answer = Message::parse(&out).unwrap();
    assert!(matches!(
        answer.start(),
        StartLine::Response { status: 404, .. }
    ));
    assert_eq!(answer.content_length(), Ok(Some(0)));
    assert_eq!(answer.vias().count(), request.vias().count());
    assert!(answer.body().is_empty());
    if request.fault().is_none() && request.call_id().is_ok() {
        assert_eq!(answer.call_id(), request.call_id());
    }
}
