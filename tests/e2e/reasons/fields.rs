//! A message for each rule of the form within a whole frame, over TLS to a daemon that refuses or drops it.
//!
//! The daemon says `malformed_request` or `response_malformed` but not which rule: that the message breaks this one is what
//! the program's own reader says.
use crate::harness::World;
use crate::harness::observed::Observed;
use serde_json::Value;
use sipward::reason::Rule;
use sipward::sip::{FrameLimits, Framer, LineTable, Message, Scan, StartLine, Uri};

const WHOLE: &str = "MESSAGE sip:b@contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:a@contoso.test>;tag=1\r\nTo: <sip:b@contoso.test>\r\nCall-ID: framed\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n";

/// What is written instead of which part, and the rule that it breaks.
const BROKEN: [(&str, &str, Rule); 32] = [
    ("CSeq: 1", "no colon\r\nCSeq: 1", Rule::BadHeaderLine),
    ("CSeq: 1", "X: a\0b\r\nCSeq: 1", Rule::ControlOctet),
    (" SIP/2.0\r\n", " SIP/2.0\r\n x\r\n", Rule::FoldedStartLine),
    (" SIP/2.0\r\n", " HTTP/1.1\r\n", Rule::BadStartLine),
    ("MESSAGE sip", "M@SSAGE sip", Rule::BadMethod),
    (
        "MESSAGE sip:b@contoso.test SIP/2.0",
        "SIP/2.0 99 x",
        Rule::BadStatus,
    ),
    ("MESSAGE sip", "MESSAGE  sip", Rule::ExtraSpace),
    (
        "sip:b@contoso.test SIP",
        "<sip:b@contoso.test> SIP",
        Rule::BracketedRequestUri,
    ),
    (
        "sip:b@contoso.test SIP",
        "sip:b@contoso.test; lr SIP",
        Rule::SpaceInRequestUri,
    ),
    (
        "sip:b@contoso.test SIP",
        "sip:\"b@contoso.test SIP",
        Rule::BadRequestUri,
    ),
    (
        "sip:b@contoso.test SIP",
        "sip:b@contoso.test?Route=x SIP",
        Rule::HeadersInRequestUri,
    ),
    ("Call-ID: framed\r\n", "", Rule::MissingHeader),
    (
        "Call-ID: framed",
        "Call-ID: framed\r\ni: other",
        Rule::DuplicateHeader,
    ),
    (";tag=1", ";tag=1;tag=2", Rule::DuplicateTag),
    (
        ";branch=z9hG4bKx",
        ";branch=z9hG4bKx;branch=z9hG4bKx",
        Rule::DuplicateParam,
    ),
    ("Call-ID: framed", "Call-ID: a b", Rule::BadCallId),
    ("CSeq: 1 MESSAGE", "CSeq: MESSAGE", Rule::BadCSeq),
    (
        "Max-Forwards: 70",
        "Max-Forwards: many",
        Rule::BadMaxForwards,
    ),
    (
        "Max-Forwards: 70",
        "Max-Forwards: 70\r\nMax-Breadth: many",
        Rule::BadMaxBreadth,
    ),
    (
        "CSeq: 1",
        "Route: <sip:a.test;lr>,\r\nCSeq: 1",
        Rule::EmptyValue,
    ),
    ("From: <sip:a", "From: \"A <sip:a", Rule::UnbalancedQuotes),
    (
        "a@contoso.test>;tag",
        "a@contoso.test;tag",
        Rule::UnbalancedAngle,
    ),
    (
        "From: <sip:a@contoso.test>",
        "From: \"A\" sip:a@contoso.test",
        Rule::BadDisplayName,
    ),
    (
        "a@contoso.test>;tag",
        "a@contoso.test> x;tag",
        Rule::BadAddress,
    ),
    ("From: <sip:a", "From: < sip:a", Rule::SpaceInUri),
    (";tag=1", ";tag=\"x", Rule::BadParam),
    ("Via: SIP/2.0/TLS c", "Via: SIP/2.0 c", Rule::BadVia),
    ("From: <sip:a@", "From: <a@", Rule::BadUri),
    ("From: <sip:a@", "From: <sip:a@b@", Rule::BadUser),
    ("a@contoso.test>;tag", "a@>;tag", Rule::BadHost),
    (
        "a@contoso.test>;tag",
        "a@contoso.test:99999>;tag",
        Rule::BadPort,
    ),
    (
        "sip:b@contoso.test SIP",
        "sip:b@contoso.test;x=%zz SIP",
        Rule::BadEscape,
    ),
];

/// The rule that the message breaks, by what the proxy reads of it.
fn rule_of(bytes: &[u8]) -> Option<Rule> {
    let limits = FrameLimits {
        head: 65_536,
        body: 65_536,
    };
    let mut table = LineTable::default();
    let Ok(Scan::Message(message)) = Framer::default().scan(bytes, &limits, &mut table) else {
        panic!("it is no whole message");
    };
    if let Some(fault) = message.fault() {
        return Some(fault.rule);
    }
    broken_field(&message).err()
}

fn broken_field(message: &Message<'_>) -> Result<(), Rule> {
    macro_rules! read {
        ($($read:expr),+) => { $($read.map_err(|fault| fault.rule)?;)+ };
    }
    let from = message.from().map_err(|fault| fault.rule)?;
    read!(
        from.parse_uri(),
        message.to(),
        message.call_id(),
        message.cseq(),
        message.top_via(),
        message.max_forwards(),
        message.max_breadth()
    );
    for route in message.routes() {
        read!(route);
    }
    if let StartLine::Request { uri, .. } = message.start() {
        let uri = Uri::parse(uri).map_err(|fault| fault.rule)?;
        read!(uri.maddr());
        if !uri.headers.is_empty() {
            return Err(Rule::HeadersInRequestUri);
        }
    }
    Ok(())
}

pub(super) async fn what_breaks_a_rule_within_its_fields_is_refused_or_dropped() {
    let world = World::new().await;
    for (part, broken, rule) in BROKEN {
        let text = WHOLE.replacen(part, broken, 1);
        assert_eq!(rule_of(text.as_bytes()), Some(rule), "{text}");
        let mallory = world.client("mallory").await;
        mallory.wire().send_raw(text.as_bytes()).await.unwrap();
        if rule == Rule::BadStatus {
            let dropped = |e: &Value| e["reason"] == "response_malformed";
            world.logged("message_dropped", dropped).await;
        } else {
            // Not by its event: of so many there is a sum only.
            let refused = mallory.expect_status(400).await.unwrap();
            let warning = refused.message.header("warning");
            assert!(warning.unwrap().contains("malformed request"), "{rule}");
        }
        Observed::of_thread().add(rule.code());
    }
    world.refused("malformed_request").await;
    world.stop().await;
}
