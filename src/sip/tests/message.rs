//! RFC 3261 §7 and §20: start lines, header lines and the fields that a proxy reads.
use super::{INVITE, message, request, text};
use crate::sip::{
    Address, FrameLimits, Framer, HeaderName, LineTable, Message, Method, Scan, StartLine, Via,
};

fn start_fault(line: &str) -> Option<&'static str> {
    let bytes = format!("{line}\r\nl: 0\r\n\r\n");
    message(bytes.as_bytes())
        .fault()
        .map(|fault| fault.rule.code())
}

fn rule<T>(result: Result<T, crate::sip::Malformed>) -> &'static str {
    result.err().map_or("ok", |e| e.rule.code())
}

#[test]
fn start_lines_have_single_spaces_and_nothing_else() {
    assert_eq!(start_fault("FOO sip:a SIP/2.0"), None);
    assert_eq!(start_fault("FOO sip:a sip/2.0"), None);
    for (line, rule) in [
        ("FOO sip:a SIP/2.0 ", "extra_space"),
        ("FOO  sip:a SIP/2.0", "extra_space"),
        ("FOO sip:a  SIP/2.0", "extra_space"),
        ("FOO sip:a; lr SIP/2.0", "space_in_request_uri"),
        ("FOO <sip:a> SIP/2.0", "bracketed_request_uri"),
        ("FOO sip:\"a SIP/2.0", "bad_request_uri"),
        ("FOO sip:a SIP/2.1", "bad_version"),
        ("FOO sip:a SIP/20", "bad_start_line"),
        ("FOO sip:a HTTP/1.1", "bad_start_line"),
        ("FOO sip:a", "bad_start_line"),
        ("FOO", "bad_start_line"),
        ("FOO SIP/2.0", "bad_start_line"),
        (" FOO sip:a SIP/2.0", "bad_method"),
        ("F@O sip:a SIP/2.0", "bad_method"),
        ("FOO sip:a SIP/2.0\r\n x", "folded_start_line"),
        ("SIP/2.0 99 x", "bad_status"),
        ("SIP/2.0 700 x", "bad_status"),
        ("SIP/2.0 0200 x", "bad_status"),
        ("SIP/2.0 4294967496 x", "bad_status"),
        ("SIP/2.0  200 x", "bad_status"),
        ("SIP/3.0 200 x", "bad_version"),
    ] {
        assert_eq!(start_fault(line), Some(rule), "{line:?}");
    }
}

#[test]
fn a_faulty_start_line_still_tells_what_an_answer_needs() {
    let message = Message::parse(b"ACK  <sip:a b> SIP/7.0 \r\n\r\n").unwrap();
    let StartLine::Request { method, uri } = message.start() else {
        panic!("no request");
    };
    assert_eq!((method, text(uri)), (Method::Ack, "<sip:a b>"));
}

#[test]
fn status_lines_may_lack_a_phrase() {
    for (line, expected) in [
        ("SIP/2.0 100 ", ""),
        ("SIP/2.0 100", ""),
        ("SIP/2.0 100 a b", "a b"),
    ] {
        let bytes = format!("{line}\r\n\r\n");
        let message = message(bytes.as_bytes());
        let phrase = expected.as_bytes();
        let status = 100;
        assert_eq!(message.start(), StartLine::Response { status, phrase });
        assert_eq!(message.fault(), None);
    }
}

#[test]
fn header_lines_need_a_name_and_a_colon() {
    for (line, rule) in [
        ("nocolon", "bad_header_line"),
        (": x", "bad_header_line"),
        ("a b: x", "bad_header_line"),
        ("Via\u{e9}: x", "bad_header_line"),
        ("X: a\u{0}b", "control_octet"),
        ("X: a\u{7f}", "control_octet"),
        ("X: \"a\\\\\u{1}\"", "control_octet"),
    ] {
        let bytes = request(line);
        assert_eq!(message(&bytes).fault().unwrap().rule, rule, "{line:?}");
    }
    let bytes = request("X: \"a\\\u{1}\\\u{0}\"\r\nY\t : \u{e9}");
    assert_eq!(message(&bytes).fault(), None);
}

#[test]
fn lines_are_named_and_trimmed_and_folds_belong_to_them() {
    let bytes = request("v :\r\n \r\n\tSIP/2.0/TLS a\r\n ;b \r\n \r\nZ:\r\nt:a:b");
    let message = message(&bytes);
    let lines: Vec<_> = message
        .lines()
        .map(|line| (line.name, text(line.raw_name), text(line.value)))
        .collect();
    assert_eq!(
        lines,
        [
            (HeaderName::Via, "v", "SIP/2.0/TLS a\r\n ;b"),
            (HeaderName::Other, "Z", ""),
            (HeaderName::To, "t", "a:b"),
        ]
    );
}

#[test]
fn lists_are_split_outside_of_quotes_and_brackets_and_joined_over_lines() {
    let message = message(INVITE);
    let routes: Vec<_> = message
        .values(HeaderName::Route)
        .map(|v| text(v.unwrap()))
        .collect();
    assert_eq!(
        routes,
        [
            "<sip:a.test;lr>",
            "\"x,y\" <sip:b.test;lr>",
            "<sip:c.test;lr>",
            "<sip:d,d@d.test;lr>"
        ]
    );
    assert_eq!(message.vias().map(Result::unwrap).count(), 3);
    assert_eq!(message.values(HeaderName::Other).count(), 0);
    assert_eq!(message.body(), b"body");
}

#[test]
fn lists_that_cannot_be_split_are_errors() {
    for (line, expected) in [
        ("Route: <sip:a>, \"b", "unbalanced_quotes"),
        ("Route: <sip:a>, <b", "unbalanced_angle"),
        ("Route: <sip:a>,,<sip:b>", "empty_value"),
        ("Route: <sip:a>,", "empty_value"),
        ("Route:", "empty_value"),
        ("Route: <sip:a>\r\nRoute:", "empty_value"),
    ] {
        let bytes = request(line);
        let found = message(&bytes).routes().find_map(Result::err).unwrap();
        assert_eq!(
            (found.field, found.rule.code()),
            (HeaderName::Route, expected),
            "{line}"
        );
        assert!(found.offset < bytes.len(), "{line}");
    }
}

#[test]
fn fields_of_one_instance_are_missing_single_or_duplicate() {
    let bytes = request("X: y");
    let none = message(&bytes);
    assert_eq!(rule(none.from()), "missing_header");
    assert_eq!(rule(none.to()), "missing_header");
    assert_eq!(rule(none.call_id()), "missing_header");
    assert_eq!(rule(none.cseq()), "missing_header");
    assert_eq!(rule(none.top_via()), "missing_header");
    assert_eq!(none.max_forwards(), Ok(None));
    let twice = "f: <sip:a>;tag=1\r\nTo: <sip:a>\r\ni: x\r\nCSeq: 1 A\r\nMax-Forwards: 1\r\n";
    let bytes = request(&format!("{twice}{}", twice.trim_end()));
    let two = message(&bytes);
    assert_eq!(rule(two.from()), "duplicate_header");
    assert_eq!(rule(two.to()), "duplicate_header");
    assert_eq!(rule(two.call_id()), "duplicate_header");
    assert_eq!(rule(two.cseq()), "duplicate_header");
    assert_eq!(rule(two.max_forwards()), "duplicate_header");
    let fault = two.from().unwrap_err();
    assert!(bytes[fault.offset..].starts_with(b"f: "));
}

#[test]
fn numbers_are_plain_and_bounded() {
    let cseq = |value: &str| {
        let bytes = request(&format!("CSeq: {value}"));
        message(&bytes)
            .cseq()
            .ok()
            .map(|c| (c.number, c.method.as_bytes().to_vec()))
    };
    assert_eq!(
        cseq("2147483647 FOO"),
        Some((2_147_483_647, b"FOO".to_vec()))
    );
    assert_eq!(cseq("0009\r\n \tFOO"), Some((9, b"FOO".to_vec())));
    for value in [
        "2147483648 FOO",
        "4294967297 FOO",
        "1",
        "1FOO",
        "FOO",
        "-1 FOO",
        "1 FOO BAR",
        "",
    ] {
        assert_eq!(cseq(value), None, "{value:?}");
    }
    let hops = |value: &str| {
        let bytes = request(&format!("Max-Forwards: {value}"));
        message(&bytes).max_forwards()
    };
    assert_eq!(hops("0068"), Ok(Some(68)));
    assert_eq!(hops("255"), Ok(Some(255)));
    for value in ["256", "-1", "", "7 0", "+1", "99999999999999999999999"] {
        assert_eq!(rule(hops(value)), "bad_max_forwards", "{value:?}");
    }
}

#[test]
fn call_ids_hold_no_white_space() {
    for (value, expected) in [
        ("a@b", "ok"),
        ("", "bad_call_id"),
        ("a b", "bad_call_id"),
        ("a\r\n b", "bad_call_id"),
    ] {
        let bytes = request(&format!("i: {value}"));
        assert_eq!(rule(message(&bytes).call_id()), expected);
    }
}

#[test]
fn addresses_come_in_and_without_brackets() {
    for (value, uri, tag) in [
        ("<sip:a@b;x=y>;tag=1", "sip:a@b;x=y", Some("1")),
        ("sip:a@b;x=y;TAG = 1", "sip:a@b", Some("1")),
        ("sip:a@b \r\n ; tag=1", "sip:a@b", Some("1")),
        ("Bob<sip:a@b>", "sip:a@b", None),
        ("Bob B. <sip:a,b?@b>", "sip:a,b?@b", None),
        (
            "\"B\\\"<;,\" <sip:a@b>;x=\";tag=9\";tag=2",
            "sip:a@b",
            Some("2"),
        ),
        ("J\u{f6}rg <sip:a@b>", "sip:a@b", None),
        ("isbn:2983792873", "isbn:2983792873", None),
        (
            "<http://www.example.com>;tag=3",
            "http://www.example.com",
            Some("3"),
        ),
        ("<sip:a@b>;tag=abc==", "sip:a@b", Some("abc==")),
        ("<sip:a@b>;tag=", "sip:a@b", None),
        ("<sip:a@b>;tag", "sip:a@b", None),
        ("<sip:a@b>;", "sip:a@b", None),
        ("<sip:a@b>;;tag=1;; ;", "sip:a@b", Some("1")),
        ("<sip:a@b>;x=;y = ;tag=1", "sip:a@b", Some("1")),
        ("<sip:a@b>;x=a b;(y)=[z];=;tag=1", "sip:a@b", Some("1")),
        ("<sip:a@b>;name=\u{e9};tag=1", "sip:a@b", Some("1")),
        ("Bob (desk) [2] <sip:a@b>", "sip:a@b", None),
        ("B=1 <sip:a@b>", "sip:a@b", None),
    ] {
        let address = Address::parse(value.as_bytes()).unwrap();
        assert_eq!(text(address.uri), uri, "{value}");
        assert_eq!(address.tag().map(text), tag, "{value}");
    }
}

#[test]
fn addresses_that_two_parsers_could_read_differently_are_refused() {
    for (value, expected) in [
        ("\"Bob <sip:a@b>", "unbalanced_quotes"),
        ("\"Bob\\\" <sip:a@b>", "unbalanced_quotes"),
        ("\"Bob\" sip:a@b", "bad_display_name"),
        ("Bell, A <sip:a@b>", "bad_uri"),
        ("<sip:a@b", "unbalanced_angle"),
        ("< sip:a@b>", "space_in_uri"),
        ("<sip:a@b >", "space_in_uri"),
        ("<<sip:a@b>>", "bad_uri"),
        ("<sip:a@b>>", "bad_address"),
        ("<sip:a@b> x", "bad_address"),
        ("<a@b>", "bad_uri"),
        ("", "bad_uri"),
        ("*", "bad_uri"),
        ("sip:a@b?x=y", "bad_address"),
        ("sip:a@b,c", "bad_address"),
        ("sip:a b@c", "bad_address"),
        ("<sip:a@b>;tag=\"x", "bad_param"),
        ("<sip:a@b>;tag=1,2", "bad_param"),
    ] {
        assert_eq!(rule(Address::parse(value.as_bytes())), expected, "{value}");
    }
    for params in [";tag=1;tag=2", ";tag=1;x;Tag=1", ";tag=1 2", ";tag;tag=1"] {
        let bytes = request(&format!("From: <sip:a@b>{params}"));
        assert_eq!(rule(message(&bytes).from()), "duplicate_tag", "{params}");
    }
}

#[test]
fn vias_are_read_with_white_space_everywhere() {
    let via = Via::parse(
        b"SIP  / 2.0\r\n /  TLS   a.test : 5061  ; branch =\r\n z9hG4bKx ;rport; received = [::1]",
    )
    .unwrap();
    assert_eq!(text(via.transport), "TLS");
    assert!(via.host.is_name("a.test"));
    assert_eq!((text(via.sent_by), via.port), ("a.test : 5061", Some(5061)));
    assert_eq!(via.branch.map(text), Some("z9hG4bKx"));
    assert_eq!(via.param("RPORT"), Some(None));
    assert_eq!(via.param("received"), Some(Some(&b"[::1]"[..])));
    assert_eq!(via.param("ttl"), None);
    assert!(via.has_cookie() && !via.is_bare_cookie());
}

#[test]
fn only_a_cookie_with_something_behind_it_names_a_transaction() {
    let parse = |branch: &'static str| Via::parse(branch.as_bytes()).unwrap();
    assert!(parse("SIP/2.0/TLS a;branch=Z9HG4BKx").has_cookie());
    for value in [
        "SIP/2.0/TLS a",
        "SIP/2.0/TLS a;branch=z9hG4b",
        "SIP/2.0/TLS a;branch=xz9hG4bKx",
    ] {
        assert!(!parse(value).has_cookie() && !parse(value).is_bare_cookie());
    }
    let bare = parse("SIP/2.0/TLS a;branch=z9hG4bK");
    assert!(!bare.has_cookie() && bare.is_bare_cookie());
}

#[test]
fn broken_vias_are_refused() {
    for (value, expected) in [
        ("", "bad_via"),
        ("SIP/2.0 a", "bad_via"),
        ("SIP/2.0/TLSa", "bad_via"),
        ("SIP/2.0/TLS ", "bad_host"),
        ("SIP/2.0/TLS ;branch=x", "bad_host"),
        ("SIP/2.0/TLS a b", "bad_param"),
        ("SIP/2.0/TLS a;;branch=x", "bad_param"),
        ("SIP/2.0/TLS a;branch=x;branch=x", "duplicate_param"),
        ("SIP/2.0/TLS a;branch", "duplicate_param"),
        ("SIP/2.0/TLS a;branch=", "duplicate_param"),
        ("SIP/2.0/TLS a;branch=x y", "duplicate_param"),
        ("SIP/2.0/TLS a;branch=x;", "bad_param"),
        ("SIP/2.0/TLS a;x=\"y\"z;branch=x", "bad_param"),
        ("SIP/2.0/TLS a;x=<y>;branch=x", "bad_param"),
    ] {
        assert_eq!(rule(Via::parse(value.as_bytes())), expected, "{value}");
    }
}

#[test]
fn what_a_via_says_besides_its_branch_is_no_reason_to_refuse_it() {
    for (value, sent_by) in [
        (
            "SIP/2.0/TLS a.test;received=;rport=;alias=;branch=z9hG4bKx",
            "a.test",
        ),
        (
            "SIP/2.0/TLS a.test;rport = ; branch=z9hG4bKx;alias =",
            "a.test",
        ),
        (
            "SIP/2.0/TLS a.test;x=a b;branch=z9hG4bKx;y=[::1%eth0]",
            "a.test",
        ),
        (
            "SIP/2.0/TLS [fe80::1%25eth0]:5061;branch=z9hG4bKx",
            "[fe80::1%25eth0]:5061",
        ),
        ("SIP/2.0/TLS ::1;branch=z9hG4bKx", "::1"),
        ("SIP/2.0/TLS my phone;branch=z9hG4bKx", ""),
        (
            "SIP/2.0/TLS 10.0.0.300:5061;branch=z9hG4bKx",
            "10.0.0.300:5061",
        ),
        ("SIP/2.0/TLS a:65536;branch=z9hG4bKx", "a:65536"),
        ("SIP/2.0/TLS a:;branch=z9hG4bKx", "a:"),
    ] {
        let via = Via::parse(value.as_bytes());
        if sent_by.is_empty() {
            assert!(via.is_err(), "{value}");
            continue;
        }
        let via = via.unwrap();
        assert_eq!(text(via.sent_by), sent_by);
        assert_eq!(via.branch.map(text), Some("z9hG4bKx"), "{value}");
    }
}

#[test]
fn errors_point_into_the_message() {
    let bytes = request("Via: SIP/2.0/TLS a;branch=x,\r\n SIP/2.0/TLS b;;x");
    let fault = message(&bytes).vias().nth(1).unwrap().unwrap_err();
    assert!(bytes[fault.offset..].starts_with(b";x"), "{fault:?}");
    let bytes = b"FOO sip:a@[::1 SIP/2.0\r\n\r\n";
    let fault = message(bytes).request_uri().unwrap_err();
    assert_eq!((fault.rule.code(), fault.offset), ("bad_host", 10));
}

/// The first line of a name is found at once where there are few lines, and all the same where there are many.
#[test]
fn a_field_is_found_behind_any_number_of_lines() {
    for lines in [0, 1, 30, 40, 253, 254, 255, 256, 257, 400] {
        let before = "X-Filler: a\r\n".repeat(lines);
        for contacts in [1, 2] {
            let contact = "Contact: <sip:c@a.test>\r\n".repeat(contacts);
            let head = format!(
                "OPTIONS sip:a.test SIP/2.0\r\n{before}Subject: s\r\n{contact}Call-ID: c1\r\nX-Last: z\r\n\r\n"
            );
            let message = message(head.as_bytes());
            assert_eq!(
                message.first(HeaderName::CallId),
                Some(&b"c1"[..]),
                "behind {lines}"
            );
            assert_eq!(
                message.count(HeaderName::Contact),
                contacts,
                "behind {lines}"
            );
            assert_eq!(message.count(HeaderName::Via), 0);
            assert_eq!(message.count(HeaderName::Other), lines + 2);
            assert_eq!(message.repeated().has(HeaderName::Contact), contacts == 2);
            // One that outlives the table of its connection.
            assert_eq!(message.lines().count(), lines + contacts + 3);
        }
    }
}

/// A table that has served a long message says nothing of it in the next one.
#[test]
fn a_table_forgets_the_message_before() {
    let mut table = LineTable::default();
    let limits = FrameLimits {
        head: 65_536,
        body: 16,
    };
    for text in [
        "OPTIONS sip:a SIP/2.0\r\nX: 1\r\nVia: v\r\nRoute: r\r\nRoute: s\r\nl: 0\r\n\r\n",
        "OPTIONS sip:b SIP/2.0\r\nl: 0\r\nVia: w\r\n\r\n",
        "OPTIONS sip:c SIP/2.0\r\nl: 0\r\n\r\n",
    ] {
        let Ok(Scan::Message(message)) =
            Framer::default().scan(text.as_bytes(), &limits, &mut table)
        else {
            panic!("{text}");
        };
        for name in [HeaderName::Via, HeaderName::Route] {
            let found: Vec<_> = message.whole_values(name).collect();
            let written = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{}: ", name.as_str())));
            assert_eq!(
                found,
                written.map(str::as_bytes).collect::<Vec<_>>(),
                "{text}"
            );
        }
    }
}
