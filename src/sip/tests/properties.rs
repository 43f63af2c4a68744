//! Properties over random input: nothing panics, splits change nothing, what is not edited comes out equal.
use super::text;
use crate::sip::{
    Address, Edits, FrameLimits, Framer, HeaderName, LineTable, Message, Scan, Uri, Via, ViaParams,
    write_unframed_reply,
};
use proptest::prelude::*;

const LIMITS: FrameLimits = FrameLimits {
    head: 600,
    body: 60,
};

/// A header line without its CRLF.
fn line() -> impl Strategy<Value = String> {
    let value = "[ -~é]{0,12}";
    prop_oneof![
        (value, value).prop_map(|(a, b)| format!("X-Other: {a}\r\n {b}")),
        value.prop_map(|v| format!("Subject : {v}")),
        "[a-z]{1,4}".prop_map(|h| format!("Via: SIP/2.0/TLS {h};rport;branch=z9hG4bK{h}")),
        "[a-z]{1,4}".prop_map(|h| format!("v: SIP/2.0/TLS {h}\t,\r\n SIP/2.0/TLS 192.0.2.1")),
        "[a-z]{1,4}".prop_map(|h| format!("Route: <sip:{h};lr>")),
        "[a-z]{1,4}"
            .prop_map(|h| format!("ROUTE: <sip:{h};lr> , \"q,\\\"\" <sip:a,b@{h}>,<sip:z>")),
        "[a-z]{1,4}".prop_map(|h| format!("Record-Route: <sip:{h}>")),
        Just("Max-Forwards: 9".to_owned()),
        Just("P-Asserted-Identity: a,\r\n\tb".to_owned()),
        Just("f: <sip:a@b>;tag=1".to_owned()),
    ]
}

fn request() -> impl Strategy<Value = String> {
    (prop::collection::vec(line(), 0..12), "[ -~\r\n]{0,20}").prop_map(|(lines, body)| {
        let mut head = "INVITE sip:b SIP/2.0\r\n".to_owned();
        for line in lines {
            head += &line;
            head += "\r\n";
        }
        format!("{head}l: {}\r\n\r\n{body}", body.len())
    })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Uri,
    Via,
    Stamp,
    PopVia,
    Hops,
    PopRoutes(usize),
    PopLast,
    RecordRoute,
    Path,
    AppendRoute,
    Strip(HeaderName),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Uri),
        Just(Step::Via),
        Just(Step::Stamp),
        Just(Step::PopVia),
        Just(Step::Hops),
        (0_usize..5).prop_map(Step::PopRoutes),
        Just(Step::PopLast),
        Just(Step::RecordRoute),
        Just(Step::Path),
        Just(Step::AppendRoute),
        prop::sample::select(vec![
            HeaderName::Route,
            HeaderName::RecordRoute,
            HeaderName::PAssertedIdentity,
            HeaderName::Other,
        ])
        .prop_map(Step::Strip),
    ]
}

fn apply(edits: &mut Edits<'_, '_>, message: &Message<'_>, step: Step) {
    match step {
        Step::Uri => edits.set_request_uri(b"sip:new"),
        Step::Via => edits.prepend_via("edge", b"z9hG4bKe", ViaParams::Alias),
        Step::Stamp => {
            if let Ok(via) = message.top_via() {
                edits.stamp_top_via(&via, "192.0.2.1:1".parse().unwrap());
            }
        }
        Step::PopVia => edits.pop_via(),
        Step::Hops => edits.set_max_forwards(8),
        Step::PopRoutes(count) => edits.pop_routes(count),
        Step::PopLast => edits.pop_last_route(),
        Step::RecordRoute => edits.prepend_record_route(b"sip:rr"),
        Step::Path => edits.prepend_path(b"sip:p"),
        Step::AppendRoute => edits.append_route(b"sip:below"),
        Step::Strip(name) => edits.strip(name),
    }
}

/// Raw lines of fields that no step touches, and the body.
fn untouched(bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
    let message = Message::parse(bytes).unwrap();
    let lines = message
        .lines()
        .filter(|line| {
            matches!(
                line.name,
                HeaderName::Other | HeaderName::From | HeaderName::ContentLength
            )
        })
        .map(|line| format!("{}|{}", text(line.raw_name), text(line.value)))
        .collect();
    (lines, message.body().to_vec())
}

fn values(bytes: &[u8], name: HeaderName) -> Vec<String> {
    let message = Message::parse(bytes).unwrap();
    let values = message.values(name);
    values.map(|v| text(v.unwrap()).to_owned()).collect()
}

/// What a stream was found to consist of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Frames {
    messages: Vec<Vec<u8>>,
    pings: usize,
    /// Bytes that the framer still waits with.
    held: usize,
    error: Option<&'static str>,
}

/// Scans bytes that arrive up to each of `cuts` in turn, and then to the end.
fn frames(bytes: &[u8], cuts: &[usize]) -> Frames {
    let mut framer = Framer::default();
    let (mut found, mut from) = (Frames::default(), 0);
    for &to in cuts.iter().chain([&bytes.len()]) {
        loop {
            match framer.scan(&bytes[from..to], &LIMITS, &mut LineTable::default()) {
                Ok(Scan::Incomplete(_)) => break,
                Ok(Scan::Ping(n)) => {
                    found.pings += n.div_ceil(4);
                    from += n;
                }
                Ok(Scan::Skip(n)) => from += n,
                Ok(Scan::Message(m)) => {
                    found.messages.push(m.bytes().to_vec());
                    from += m.bytes().len();
                }
                Err(e) => {
                    found.error = Some(e.rule.code());
                    return found;
                }
            }
            assert!(from <= to);
        }
    }
    found.held = bytes.len() - from;
    found
}

/// Between messages: blanks and tabs, or so many CRLFs.
fn between() -> impl Strategy<Value = (String, usize)> {
    prop_oneof![
        "[ \t]{1,5}".prop_map(|blanks| (blanks, 0)),
        (1_usize..6).prop_map(|crlfs| ("\r\n".repeat(crlfs), crlfs)),
    ]
}

proptest! {
    #[test]
    fn an_unedited_message_comes_out_equal(bytes in request()) {
        let message = Message::parse(bytes.as_bytes()).unwrap();
        let mut out = Vec::new();
        Edits::new(&message).write(&mut out);
        prop_assert_eq!(text(&out), bytes);
    }

    #[test]
    fn edits_leave_all_other_lines_as_they_are(bytes in request(), steps in prop::collection::vec(step(), 0..8)) {
        let message = Message::parse(bytes.as_bytes()).unwrap();
        let mut edits = Edits::new(&message);
        for &step in &steps {
            apply(&mut edits, &message, step);
        }
        let mut out = Vec::new();
        edits.write(&mut out);
        prop_assert_eq!(untouched(&out), untouched(bytes.as_bytes()));
        prop_assert_eq!(Message::parse(&out).unwrap().fault(), message.fault());
    }

    #[test]
    fn popped_values_are_the_outermost_ones(bytes in request(), first in 0_usize..5, last in 0_usize..4, vias in 0_usize..4) {
        let message = Message::parse(bytes.as_bytes()).unwrap();
        let mut edits = Edits::new(&message);
        edits.pop_routes(first);
        (0..last).for_each(|_| edits.pop_last_route());
        (0..vias).for_each(|_| edits.pop_via());
        let mut out = Vec::new();
        edits.write(&mut out);
        let mut routes = values(bytes.as_bytes(), HeaderName::Route);
        routes.truncate(routes.len().saturating_sub(last));
        routes.drain(..first.min(routes.len()));
        prop_assert_eq!(values(&out, HeaderName::Route), routes);
        let mut left = values(bytes.as_bytes(), HeaderName::Via);
        left.drain(..vias.min(left.len()));
        prop_assert_eq!(values(&out, HeaderName::Via), left);
    }

    #[test]
    fn splits_change_nothing(
        messages in prop::collection::vec(prop_oneof![
            4 => request().prop_map(String::into_bytes),
            1 => Just(b"\r\n\r\n".to_vec()),
            1 => Just(b"\r\n".to_vec()),
            1 => "[ \t]{1,4}".prop_map(String::into_bytes),
            1 => "[aA:\r\n \t]{0,12}".prop_map(String::into_bytes),
        ], 0..4),
        cuts in prop::collection::vec(0_usize..2000, 0..6),
    ) {
        let bytes = messages.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.sort_unstable();
        let whole = frames(&bytes, &[]);
        prop_assert_eq!(&frames(&bytes, &cuts), &whole);
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&frames(&bytes, &each), &whole);
    }

    #[test]
    fn white_space_between_messages_leaves_them_whole_and_only_pairs_of_line_ends_are_pings(
        stream in prop::collection::vec((
            prop::collection::vec(between(), 0..5),
            request().prop_filter("fits the limits", |r| r.len() <= LIMITS.head),
        ), 1..4),
        cuts in prop::collection::vec(0_usize..1000, 0..8),
    ) {
        let (mut bytes, mut messages, mut pings) = (Vec::new(), Vec::new(), 0);
        for (spaces, message) in stream {
            let mut crlfs = 0;
            for (text, of_those) in spaces {
                bytes.extend_from_slice(text.as_bytes());
                if of_those == 0 {
                    pings += crlfs / 2;
                    crlfs = 0;
                }
                crlfs += of_those;
            }
            pings += crlfs / 2;
            bytes.extend_from_slice(message.as_bytes());
            messages.push(message.into_bytes());
        }
        let expected = Frames { messages, pings, held: 0, error: None };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(&frames(&bytes, &cuts), &expected);
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&frames(&bytes, &each), &expected);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\r\n \t:;,<>\"\\@=?%[]/.5asip".to_vec()),
        ], 0..80),
    ) {
        let _ = (Uri::parse(&bytes).is_ok(), Via::parse(&bytes).is_ok());
        if let Ok(address) = Address::parse(&bytes) {
            let _ = (address.parse_uri().is_ok(), address.tag());
        }
        let _ = write_unframed_reply(&bytes, "[::1]:1".parse().unwrap(), 400, b"t", &mut Vec::new());
        frames(&bytes, &[]);
        for name in ["Via", "Route", "From", "CSeq", "l"] {
            let mut head = format!("A b SIP/2.0\r\n{name}: ").into_bytes();
            head.extend_from_slice(&bytes);
            head.extend_from_slice(b"\r\n\r\n");
            let Ok(message) = Message::parse(&head) else { continue };
            let _ = (message.from().is_ok(), message.cseq().is_ok(), message.content_length().is_ok());
            message.vias().for_each(drop);
            message.routes().for_each(drop);
            let mut edits = Edits::new(&message);
            for step in [Step::Stamp, Step::PopVia, Step::PopRoutes(1), Step::PopLast, Step::Via] {
                apply(&mut edits, &message, step);
            }
            edits.write(&mut Vec::new());
        }
    }
}
