//! RFC 3261 §8.2.6, §9.1 and §17.1.1.3: messages that we make ourselves.
use super::{INVITE, message, text};
use crate::sip::{
    Derived, Extra, Message, ViaParams, write_ack, write_cancel, write_reply, write_unframed_reply,
};
use std::net::SocketAddr;

fn source() -> SocketAddr {
    "192.0.2.7:4000".parse().unwrap()
}

fn reply(request: &[u8], status: u16, tag: Option<&[u8]>, extras: &[Extra<'_>]) -> String {
    let mut out = Vec::new();
    write_reply(&message(request), source(), status, tag, extras, &mut out);
    assert!(Message::parse(&out).unwrap().fault().is_none());
    text(&out).to_owned()
}

#[test]
fn an_answer_copies_what_identifies_the_request() {
    let extras = [
        Extra::Warning {
            code: 399,
            agent: "edge.test",
            text: "say \"no\"\r\n",
        },
        Extra::Unsupported(&[b"a", b"b"]),
        Extra::RetryAfter(30),
        Extra::Allow("INVITE, ACK"),
    ];
    assert_eq!(
        reply(INVITE, 420, Some(b"t9"), &extras),
        "SIP/2.0 420 Bad Extension\r\n\
         v: SIP/2.0/TLS phone.contoso.test;rport=4000;branch=z9hG4bKaa;received=192.0.2.7 , \
         SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKbb\r\n\
         Via: SIP/2.0/TLS 192.0.2.8;branch=z9hG4bKcc\r\n\
         From: \"Al, \\\"Ice\" <sip:alice@contoso.test>;tag=f1\r\n\
         To: <sip:bob@contoso.test>;tag=t9\r\n\
         Call-ID: c1@contoso.test\r\n\
         CSeq: 7 INVITE\r\n\
         Warning: 399 edge.test \"say \\\"no\\\"\"\r\n\
         Unsupported: a, b\r\n\
         Retry-After: 30\r\n\
         Allow: INVITE, ACK\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_to_tag_is_added_once_and_to_the_header() {
    for (to, expected) in [
        ("To: sip:a@b", "To: sip:a@b;tag=t\r\n"),
        ("t : sip:a@b \r\n ;x \r\n", "t : sip:a@b \r\n ;x;tag=t\r\n"),
        ("To: <sip:a@b;tag=uri>", "To: <sip:a@b;tag=uri>;tag=t\r\n"),
        ("To: sip:a@b;TAG=x", "To: sip:a@b;TAG=x\r\n"),
        ("To: \"a <sip:a@b>", "To: \"a <sip:a@b>;tag=t\r\n"),
        ("To: \"a <sip:a@b>;Tag=x", "To: \"a <sip:a@b>;Tag=x\r\n"),
    ] {
        let bytes = super::request(to.trim_end());
        let out = reply(&bytes, 404, Some(b"t"), &[]);
        assert_eq!(
            out,
            format!("SIP/2.0 404 Not Found\r\n{expected}Content-Length: 0\r\n\r\n")
        );
        assert!(!reply(&bytes, 404, None, &[]).contains(";tag=t\r"));
    }
}

#[test]
fn only_a_100_copies_the_timestamp() {
    let bytes = super::request("Timestamp: 54.1");
    assert!(reply(&bytes, 100, None, &[]).contains("\r\nTimestamp: 54.1\r\n"));
    assert!(!reply(&bytes, 200, None, &[]).contains("Timestamp"));
}

#[test]
fn of_fields_that_stand_twice_one_is_copied_and_a_broken_via_as_it_is() {
    let bytes = super::request("i: 1\r\nVia: SIP/2.0/TLS a;;\r\nCall-ID: 2\r\nCSeq: x");
    assert_eq!(
        reply(&bytes, 400, Some(b"t"), &[]),
        "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/TLS a;;\r\ni: 1\r\nCSeq: x\r\nContent-Length: 0\r\n\r\n"
    );
}

const HEAD: &str = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7\r\nf: sip:a\r\nt: sip:b\r\ni: c\r\nCSeq: 1 OPTIONS\r\n";

fn unframed(head: &str) -> Option<String> {
    let mut out = Vec::new();
    let answered = write_unframed_reply(head.as_bytes(), source(), 400, b"t", &mut out);
    assert_eq!(answered, !out.is_empty());
    answered.then(|| text(&out).to_owned())
}

#[test]
fn a_broken_frame_is_answered_from_its_head() {
    let expected = "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/TLS 192.0.2.7\r\nf: sip:a\r\nt: sip:b;tag=t\r\n\
                    i: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    for head in [
        format!("{HEAD}l: -1\r\n\r\n"),
        format!("{HEAD}l: 99999999"),
        HEAD.to_owned(),
        format!("{HEAD}\r\nVia: behind the head\r\n"),
        HEAD.replace("\r\n", "\n"),
    ] {
        assert_eq!(unframed(&head).as_deref(), Some(expected), "{head:?}");
    }
}

#[test]
fn what_cannot_be_answered_is_not() {
    assert_eq!(unframed(&HEAD.replace("OPTIONS sip", "ACK sip")), None);
    assert_eq!(
        unframed(&HEAD.replace("OPTIONS sip:a SIP/2.0", "SIP/2.0 200 OK")),
        None
    );
    assert_eq!(unframed(&HEAD.replace("sip:b", "sip:\rb")), None);
    assert_eq!(unframed("\r\n\r\n"), None);
    assert_eq!(unframed(""), None);
    for field in ["Via:", "f:", "t:", "i:", "CSeq:"] {
        assert_eq!(unframed(&HEAD.replace(field, "x:")), None, "{field}");
    }
}

fn derived() -> Derived<'static> {
    Derived {
        request_uri: b"sip:bob@192.0.2.77",
        popped_routes: 1,
        popped_last_route: true,
        appended_route: None,
        sent_by: "edge.test",
        branch: b"z9hG4bKours",
        params: ViaParams::Alias,
    }
}

const REST: &str = "Via: SIP/2.0/TLS edge.test;branch=z9hG4bKours;alias\r\n\
     Max-Forwards: 70\r\n\
     Route: \"x,y\" <sip:b.test;lr>\r\n\
     ROUTE: <sip:c.test;lr>\r\n\
     From: \"Al, \\\"Ice\" <sip:alice@contoso.test>;tag=f1\r\n";

#[test]
fn a_cancel_repeats_the_forwarded_request() {
    let mut out = Vec::new();
    write_cancel(&message(INVITE), &derived(), &mut out);
    assert_eq!(
        text(&out),
        format!(
            "CANCEL sip:bob@192.0.2.77 SIP/2.0\r\n{REST}To: <sip:bob@contoso.test>\r\n\
             Call-ID: c1@contoso.test\r\nCSeq: 7 CANCEL\r\nContent-Length: 0\r\n\r\n"
        )
    );
}

#[test]
fn an_ack_has_the_to_of_the_response() {
    let response = b"SIP/2.0 486 Busy Here\r\nT:\r\n <sip:bob@contoso.test>;tag=b1\r\nl: 0\r\n\r\n";
    let mut out = Vec::new();
    write_ack(&message(INVITE), &derived(), &message(response), &mut out);
    assert_eq!(
        text(&out),
        format!(
            "ACK sip:bob@192.0.2.77 SIP/2.0\r\n{REST}T:\r\n <sip:bob@contoso.test>;tag=b1\r\n\
             Call-ID: c1@contoso.test\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
        )
    );
    out.clear();
    write_ack(
        &message(INVITE),
        &derived(),
        &message(b"SIP/2.0 486 B\r\n\r\n"),
        &mut out,
    );
    assert!(out.is_empty());
}
