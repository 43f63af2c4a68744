//! Tests of the SIP layer, filed by the part that they test.

mod bounds;
mod edit;
mod foreign_uris;
mod framing;
mod header;
mod message;
mod names;
mod properties;
mod reply;
mod rfc3261_24;
mod rfc3261_25;
mod rfc4475;
mod splice;
mod uri;

use super::Message;

/// An INVITE with a little of everything that edits touch.
const INVITE: &[u8] = b"INVITE sip:bob@contoso.test SIP/2.0\r\n\
    v: SIP/2.0/TLS phone.contoso.test;rport;branch=z9hG4bKaa , SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKbb\r\n\
    Via: SIP/2.0/TLS 192.0.2.8;branch=z9hG4bKcc\r\n\
    Max-Forwards:  0068 \r\n\
    Route: <sip:a.test;lr>, \"x,y\" <sip:b.test;lr>\r\n\
    ROUTE: <sip:c.test;lr>,\r\n <sip:d,d@d.test;lr>\r\n\
    X-Odd :  a ,, b\t\r\n\
    P-Asserted-Identity: <sip:eve@contoso.test>,\r\n\t<tel:+1>\r\n\
    Record-Route: <sip:r.test;lr>\r\n\
    From: \"Al, \\\"Ice\" <sip:alice@contoso.test>;tag=f1\r\n\
    To: <sip:bob@contoso.test>\r\n\
    Call-ID: c1@contoso.test\r\n\
    CSeq: 7 INVITE\r\n\
    l: 4\r\n\
    \r\n\
    body";

fn message(text: &[u8]) -> Message<'_> {
    Message::parse(text).unwrap()
}

/// A request head with these lines, ready to parse.
fn request(lines: &str) -> Vec<u8> {
    format!("OPTIONS sip:a@b.test SIP/2.0\r\n{lines}\r\n\r\n").into_bytes()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
