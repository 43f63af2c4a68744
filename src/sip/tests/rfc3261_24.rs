//! The message flows of RFC 3261 §24: each message is read field by field, and comes out as it came in.
use super::text;
use crate::sip::{Derived, ViaParams, write_cancel};
use crate::sip::{Edits, HeaderName, Message, Method, Scheme, StartLine, write_ack, write_reply};

/// §24.2 F1: Alice calls Bob.
const F1: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\r\n\
    Max-Forwards: 70\r\n\
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@biloxi.example.com>\r\n\
    Call-ID: 3848276298220188511@atlanta.example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
    Content-Length: 0\r\n\r\n";

/// §24.2 F4, as the second proxy receives it.
const F4: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/TCP ss1.atlanta.example.com:5060;branch=z9hG4bK2d4790.1\r\n\
    Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;received=192.0.2.101\r\n\
    Max-Forwards: 69\r\n\
    Record-Route: <sip:ss1.atlanta.example.com;lr>\r\n\
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@biloxi.example.com>\r\n\
    Call-ID: 3848276298220188511@atlanta.example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
    Content-Length: 0\r\n\r\n";

/// §24.2 F11: Bob answers.
const F11: &str = "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/TCP ss2.biloxi.example.com:5060;branch=z9hG4bK721e4.1;received=192.0.2.222\r\n\
    Via: SIP/2.0/TCP ss1.atlanta.example.com:5060;branch=z9hG4bK2d4790.1;received=192.0.2.111\r\n\
    Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;received=192.0.2.101\r\n\
    Record-Route: <sip:ss2.biloxi.example.com;lr>, <sip:ss1.atlanta.example.com;lr>\r\n\
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@biloxi.example.com>;tag=314159\r\n\
    Call-ID: 3848276298220188511@atlanta.example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:bob@client.biloxi.example.com;transport=tcp>\r\n\
    Content-Length: 0\r\n\r\n";

/// §24.1 F1: Bob registers.
const REGISTER: &str = "REGISTER sip:registrar.biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bKnashds7\r\n\
    Max-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.com>\r\n\
    From: Bob <sip:bob@biloxi.com>;tag=456248\r\n\
    Call-ID: 843817637684230@998sdasdh09\r\n\
    CSeq: 1826 REGISTER\r\n\
    Contact: <sip:bob@192.0.2.4>\r\n\
    Expires: 7200\r\n\
    Content-Length: 0\r\n\r\n";

fn parse(message: &str) -> Message<'_> {
    let parsed = Message::parse(message.as_bytes()).unwrap();
    assert_eq!(parsed.fault(), None);
    parsed
}

fn edited(message: &str, plan: impl for<'m, 'a> FnOnce(&mut Edits<'m, 'a>)) -> String {
    let message = parse(message);
    let mut edits = Edits::new(&message);
    plan(&mut edits);
    let mut out = Vec::new();
    edits.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_invite_of_24_2_has_every_field_of_its_sender() {
    let invite = parse(F1);
    assert_eq!(
        invite.start(),
        StartLine::Request {
            method: Method::Invite,
            uri: b"sip:bob@biloxi.example.com"
        }
    );
    let uri = invite.request_uri().unwrap();
    assert_eq!((uri.scheme, uri.user.map(text)), (Scheme::Sip, Some("bob")));
    assert!(uri.host.is_name("biloxi.example.com") && uri.port.is_none());
    let via = invite.top_via().unwrap();
    assert_eq!(text(via.transport), "TCP");
    assert_eq!(text(via.sent_by), "client.atlanta.example.com:5060");
    assert_eq!(via.port, Some(5060));
    assert_eq!(via.branch.map(text), Some("z9hG4bK74bf9"));
    assert!(via.has_cookie());
    assert_eq!(invite.max_forwards(), Ok(Some(70)));
    assert_eq!(invite.from().unwrap().tag().map(text), Some("9fxced76sl"));
    assert_eq!(invite.to().unwrap().tag(), None);
    assert_eq!(
        invite.call_id().map(text),
        Ok("3848276298220188511@atlanta.example.com")
    );
    let cseq = invite.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (1, Method::Invite));
    assert_eq!(invite.content_length(), Ok(Some(0)));
    assert!(invite.body().is_empty() && !invite.has(HeaderName::Route));
}

#[test]
fn the_proxy_of_24_2_makes_f4_of_f1() {
    let out = edited(F1, |edits| {
        let message = parse(F1);
        let via = message.top_via().unwrap();
        // Offsets count, not the address: the same text elsewhere is another message.
        assert_eq!(
            message.place_of(via.sent_by).start,
            F1.find("client.").unwrap()
        );
        edits.prepend_via(
            "ss1.atlanta.example.com:5060",
            b"z9hG4bK2d4790.1",
            ViaParams::Plain,
        );
        edits.set_max_forwards(69);
        edits.prepend_record_route(b"sip:ss1.atlanta.example.com;lr");
    });
    let forwarded = parse(&out);
    let expected = parse(F4);
    let lines = |message: &Message<'_>| -> Vec<(HeaderName, String)> {
        let mut lines: Vec<_> = message
            .lines()
            .filter(|line| line.name != HeaderName::Via)
            .map(|line| (line.name, text(line.value).to_owned()))
            .collect();
        lines.sort_by_key(|(name, _)| name.as_str());
        lines
    };
    assert_eq!(lines(&forwarded), lines(&expected));
    let branches = |message: &Message<'_>| -> Vec<String> {
        message
            .vias()
            .map(|via| text(via.unwrap().branch.unwrap()).to_owned())
            .collect()
    };
    assert_eq!(branches(&forwarded), branches(&expected));
}

#[test]
fn the_received_address_of_24_2_is_stamped_when_the_name_is_not_the_source() {
    let message = parse(F1);
    let mut edits = Edits::new(&message);
    edits.stamp_top_via(
        &message.top_via().unwrap(),
        "192.0.2.101:40000".parse().unwrap(),
    );
    let mut out = Vec::new();
    edits.write(&mut out);
    assert_eq!(
        text(&out),
        F1.replace("z9hG4bK74bf9\r\n", "z9hG4bK74bf9;received=192.0.2.101\r\n")
    );
}

#[test]
fn the_200_of_24_2_finds_its_way_back_by_its_vias() {
    let answer = parse(F11);
    assert_eq!(
        answer.start(),
        StartLine::Response {
            status: 200,
            phrase: b"OK"
        }
    );
    let received: Vec<_> = answer
        .vias()
        .map(|via| text(via.unwrap().param("received").unwrap().unwrap()).to_owned())
        .collect();
    assert_eq!(received, ["192.0.2.222", "192.0.2.111", "192.0.2.101"]);
    assert_eq!(answer.to().unwrap().tag().map(text), Some("314159"));
    let routes: Vec<_> = answer
        .addresses(HeaderName::RecordRoute)
        .map(Result::unwrap)
        .collect();
    assert_eq!(routes.len(), 2);
    assert!(
        routes
            .iter()
            .all(|route| route.parse_uri().unwrap().param("lr") == Some(None))
    );
    // Each proxy takes its own Via off and nothing else (§16.7 step 3).
    let mut left = F11.to_owned();
    for next in [
        "Via: SIP/2.0/TCP ss1",
        "Via: SIP/2.0/TCP client",
        "Record-Route",
    ] {
        let out = edited(&left, |edits| edits.pop_via());
        left.replace_range(left.find("Via").unwrap()..left.find(next).unwrap(), "");
        assert_eq!(out, left);
    }
    assert_eq!(parse(&left).vias().count(), 0);
}

#[test]
fn a_100_answers_f1_as_f3_does() {
    let mut out = Vec::new();
    let source = "192.0.2.101:5060".parse().unwrap();
    write_reply(&parse(F1), source, 100, None, &[], &mut out);
    assert_eq!(
        text(&out),
        "SIP/2.0 100 Trying\r\n\
         Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;received=192.0.2.101\r\n\
         From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
         To: Bob <sip:bob@biloxi.example.com>\r\n\
         Call-ID: 3848276298220188511@atlanta.example.com\r\n\
         CSeq: 1 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn cancel_and_ack_of_the_forwarded_invite_are_of_one_transaction_with_it() {
    let derived = Derived {
        request_uri: b"sip:bob@client.biloxi.example.com",
        popped_routes: 0,
        popped_last_route: false,
        appended_route: None,
        sent_by: "ss2.biloxi.example.com:5061",
        branch: b"z9hG4bK721e4.1",
        params: ViaParams::Plain,
    };
    let invite = parse(F4);
    let mut cancel = Vec::new();
    write_cancel(&invite, &derived, &mut cancel);
    let busy = F11.replace("200 OK", "486 Busy Here");
    let mut ack = Vec::new();
    write_ack(&invite, &derived, &parse(&busy), &mut ack);
    for (out, method, to_tag) in [
        (&cancel, Method::Cancel, None),
        (&ack, Method::Ack, Some("314159")),
    ] {
        let made = parse(text(out));
        let StartLine::Request { method: found, uri } = made.start() else {
            unreachable!("it is a request");
        };
        assert_eq!(
            (found, text(uri)),
            (method, "sip:bob@client.biloxi.example.com")
        );
        assert_eq!(
            made.vias().count(),
            1,
            "a request of this node's own has one Via (§9.1)"
        );
        assert_eq!(made.top_via().unwrap().branch, Some(derived.branch));
        let cseq = made.cseq().unwrap();
        assert_eq!((cseq.number, cseq.method), (1, method));
        assert_eq!(made.call_id(), invite.call_id());
        assert_eq!(made.from().unwrap().tag(), invite.from().unwrap().tag());
        assert_eq!(made.to().unwrap().tag().map(text), to_tag);
    }
}

#[test]
fn the_registration_of_24_1_is_read() {
    let register = parse(REGISTER);
    let uri = register.request_uri().unwrap();
    assert!(uri.user.is_none() && uri.host.is_name("registrar.biloxi.com"));
    assert_eq!(register.cseq().unwrap().number, 1826);
    assert_eq!(register.cseq().unwrap().method, Method::Register);
    assert_eq!(register.first(HeaderName::Expires), Some(&b"7200"[..]));
    let contact = register
        .addresses(HeaderName::Contact)
        .next()
        .unwrap()
        .unwrap();
    let host = contact.parse_uri().unwrap().host;
    assert_eq!(host.ip(), Some("192.0.2.4".parse().unwrap()));
    // A proxy on the path adds itself (RFC 3327 §5.2) and announces that it has.
    let out = edited(REGISTER, |edits| {
        edits.prepend_path(b"sip:edge@edge01.contoso.test;lr");
        edits.announce_path();
    });
    let forwarded = parse(&out);
    assert_eq!(
        forwarded.first(HeaderName::Path),
        Some(&b"<sip:edge@edge01.contoso.test;lr>"[..])
    );
    assert_eq!(forwarded.first(HeaderName::Supported), Some(&b"path"[..]));
}
