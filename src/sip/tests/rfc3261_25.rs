//! The grammar of RFC 3261 §25.1 and the rules of §7.3 and §19.1, element by element.
use super::{message, request, text};
use crate::sip::controls::Controls;
use crate::sip::cursor::Cursor;
use crate::sip::escape::{check_escapes, escaped, same_name};
use crate::sip::grammar::{self, quoted_len, trim, trimmed};
use crate::sip::params::{self, Empty, Params};
use crate::sip::{CSeq, HeaderName, Host, Method, Scheme, Uri, phrase, plain_user};

#[test]
fn a_token_is_made_of_the_characters_of_25_1() {
    for fits in ["INVITE", "a-b.c!d%e*f_g+h`i'j~k", "0"] {
        assert!(grammar::is_token(fits.as_bytes()), "{fits}");
    }
    for other in [
        "", " ", "a b", "a;b", "a=b", "a\"", "(a)", "<a>", "@", "[", "a/b", "\u{e9}", "a\r",
    ] {
        assert!(!grammar::is_token(other.as_bytes()), "{other}");
    }
    // Exactly these bytes: a wider class would let a name end later here than for the next parser.
    let fits = (0..=u8::MAX)
        .filter(|&b| grammar::is(b, grammar::TOKEN))
        .count();
    assert_eq!(fits, 62 + 10);
}

#[test]
fn a_span_ends_at_the_first_byte_of_another_class_wherever_that_stands() {
    for length in 0..40 {
        let all = "ab9-".repeat(10).into_bytes();
        assert_eq!(grammar::span(&all[..length], grammar::TOKEN), length);
        for at in 0..length {
            let mut text = all[..length].to_vec();
            text[at] = b';';
            assert_eq!(grammar::span(&text, grammar::TOKEN), at, "of {length}");
            assert_eq!(grammar::span(&text, grammar::NAME), at, "of {length}");
        }
    }
}

#[test]
fn no_class_holds_what_ends_an_element() {
    for b in 0..=u8::MAX {
        let delimits = |set: &[u8]| b.is_ascii_control() || b == b' ' || set.contains(&b);
        for (class, ends) in [
            (grammar::TOKEN, &b"\"<>,;:@()[]/?={}\\"[..]),
            (grammar::URI, b"\"<>"),
            (grammar::ADDR_SPEC, b"\"<>,;?"),
            (grammar::VALUE, b"\"<>,;"),
            (grammar::NAME, b"\"<>,;:@[]/?"),
        ] {
            assert!(
                !(grammar::is(b, class) && delimits(ends)),
                "{b:#x} in {class}"
            );
        }
    }
}

#[test]
fn numbers_are_digits_alone() {
    for (written, value) in [("0", 0), ("0068", 68), ("18446744073709551615", u64::MAX)] {
        assert_eq!(grammar::decimal(written.as_bytes()), Some(value));
    }
    for other in [
        "",
        "+1",
        "-1",
        " 1",
        "1 ",
        "0x1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "\u{661}",
    ] {
        assert_eq!(grammar::decimal(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn white_space_is_trimmed_with_its_folds() {
    for (raw, inside) in [
        ("", ""),
        (" \t", ""),
        ("a", "a"),
        (" a b ", "a b"),
        ("\r\n a\r\n\t", "a"),
    ] {
        assert_eq!(text(trim(raw.as_bytes())), inside);
        let range = trimmed(raw.as_bytes(), 0);
        assert_eq!(&raw[range], inside);
    }
    assert_eq!(trimmed(b"name:  value ", 5), 7..12);
    assert_eq!(trimmed(b"name:   ", 5), 8..8);
}

#[test]
fn a_quoted_string_ends_at_its_first_bare_quote() {
    for (written, length) in [
        ("\"\"", Some(2)),
        ("\"a\" b", Some(3)),
        ("\"a\\\"b\"", Some(6)),
        ("\"a\\\\\"b\"", Some(5)),
        ("\"", None),
        ("\"a", None),
        ("\"a\\\"", None),
        ("\"a\\", None),
    ] {
        assert_eq!(quoted_len(written.as_bytes()), length, "{written}");
    }
}

#[test]
fn a_cursor_steps_over_what_it_names_and_never_past_the_end() {
    let mut cursor = Cursor::new(b"SIP / 2.0;\r\n x");
    assert_eq!(text(cursor.take(grammar::TOKEN)), "SIP");
    assert!(!cursor.eat(b'/') && cursor.eat_separator(b'/'));
    assert!(cursor.eat_text(b"2.0") && !cursor.eat_text(b"2.0"));
    assert!(!cursor.eat_separator(b'/'), "nothing moves");
    assert_eq!(cursor.peek(), Some(b';'));
    assert!(cursor.eat_separator(b';'), "with the fold behind it");
    assert_eq!((text(cursor.rest()), cursor.at), ("x", 13));
    assert!(cursor.eat(b'x') && cursor.is_done());
    for _ in 0..2 {
        assert_eq!((cursor.peek(), cursor.rest()), (None, &b""[..]));
        assert!(!cursor.eat(b'x') && !cursor.skip_lws() && cursor.take(grammar::URI).is_empty());
        assert_eq!(cursor.at, 14);
    }
    let mut cursor = Cursor::new(b"\"a b\" <");
    assert_eq!(cursor.take_quoted().map(text), Some("\"a b\""));
    assert_eq!(cursor.take_quoted(), None, "no quote begins here that ends");
    let mut line_end = Cursor::new(b"\r\nNext: line");
    assert!(
        !line_end.skip_lws(),
        "CRLF without a blank is no white space"
    );
}

#[test]
fn control_bytes_are_found_wherever_they_stand_in_a_word() {
    // A block of 64 bytes is looked at as a whole.
    for length in (0..20).chain([63, 64, 65, 131]) {
        for at in 0..length {
            for control in [0, 1, b'\t', b'\n', b'\r', 0x1f, 0x7f] {
                let mut bytes = vec![b'a'; length];
                bytes[at] = control;
                assert_eq!(Controls::new(&bytes).collect::<Vec<_>>(), [at]);
            }
        }
        for other in [b' ', b'~', 0x80, 0xff, b'@', b'?'] {
            assert_eq!(Controls::new(&vec![other; length]).count(), 0, "{other:#x}");
        }
        let all = vec![b'\n'; length];
        assert_eq!(
            Controls::new(&all).collect::<Vec<_>>(),
            (0..length).collect::<Vec<_>>()
        );
    }
}

#[test]
fn parameters_are_read_with_white_space_quotes_and_folds() {
    let read = |raw: &str| -> Vec<(String, Option<String>)> {
        Params::new(raw.as_bytes())
            .map(|param| {
                let param = param.unwrap();
                assert!(param.start < param.end && param.end <= raw.len());
                assert_eq!(raw.as_bytes()[param.start], b';');
                (
                    text(param.name).to_owned(),
                    param.value.map(|value| text(value).to_owned()),
                )
            })
            .collect()
    };
    let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    assert_eq!(read(""), []);
    assert_eq!(read(";lr"), [("lr".to_owned(), None)]);
    assert_eq!(read(";a=1;b=2"), [some("a", "1"), some("b", "2")]);
    assert_eq!(
        read("; a = 1 \r\n ; b\t=\t2"),
        [some("a", "1"), some("b", "2")]
    );
    assert_eq!(
        read(";a=\"x;y=\\\"z\";b"),
        [some("a", "\"x;y=\\\"z\""), ("b".to_owned(), None)]
    );
    assert_eq!(read(";a="), [some("a", "")]);
    assert_eq!(
        read(";;;a=1;"),
        [some("a", "1")],
        "empty ones are passed over"
    );
    assert_eq!(
        read(";a==b="),
        [some("a", "=b=")],
        "base64 ends with equals signs"
    );
}

#[test]
fn what_could_hide_the_end_of_a_parameter_ends_the_walk() {
    for raw in [
        ";a=<b>",
        ";a,b",
        ";a=\"b",
        ";a\"b\"",
        ";a=b c\"",
        "a",
        ";a=\"b\"c",
    ] {
        let found: Vec<_> = Params::new(raw.as_bytes()).collect();
        let at = found.last().unwrap().as_ref().unwrap_err();
        assert!(*at <= raw.len(), "{raw}");
        assert_eq!(
            found.iter().filter(|it| it.is_err()).count(),
            1,
            "nothing follows it: {raw}"
        );
    }
    let refused = |raw: &str| Params::reading(raw.as_bytes(), Empty::Refused).any(|it| it.is_err());
    assert!(!refused(";a;b=") && refused(";a;=1") && refused(";=;a"));
    assert_eq!(params::find(b";A=1;a=2", "a"), Some(Some(&b"1"[..])));
    assert_eq!(params::find(b";ab=1", "a"), None);
    assert!(params::is_value(b"abc==") && params::is_value(b"\"a b\""));
    assert!(!params::is_value(b"") && !params::is_value(b"a b") && !params::is_value(b"a,b"));
}

#[test]
fn escapes_are_two_hex_digits() {
    assert_eq!(escaped(b"%41x"), Some(b'A'));
    assert_eq!(escaped(b"%fF"), Some(0xff));
    for other in ["", "%", "%4", "%4g", "% 4", "41", "%+1"] {
        assert_eq!(escaped(other.as_bytes()), None, "{other}");
    }
    assert_eq!(check_escapes(b"a%20b%00"), Ok(()));
    assert_eq!(check_escapes(b"a%20b%0"), Err(5));
}

#[test]
fn escapes_of_unreserved_characters_change_nothing() {
    for (one, two, same) in [
        ("lr", "LR", true),
        ("%6cr", "lr", true),
        ("%6C%52", "lr", true),
        ("maddr", "madd", false),
        ("a%3bb", "a;b", false),
        ("a%3Bb", "a%3bb", true),
        ("", "", true),
    ] {
        assert_eq!(
            same_name(one.as_bytes(), two.as_bytes()),
            same,
            "{one} {two}"
        );
        assert_eq!(
            same_name(two.as_bytes(), one.as_bytes()),
            same,
            "{two} {one}"
        );
    }
    for (written, plain) in [
        ("%61lice", "alice"),
        ("a%40b", "a%40b"),
        ("%zz", "%zz"),
        ("%2561", "%2561"),
    ] {
        assert_eq!(text(&plain_user(written.as_bytes())), plain, "{written}");
    }
}

#[test]
fn the_uris_of_19_1_3_have_the_parts_that_the_rfc_names() {
    for (written, scheme, user, host, port, parameter) in [
        (
            "sip:alice@atlanta.com",
            Scheme::Sip,
            Some("alice"),
            "atlanta.com",
            None,
            None,
        ),
        (
            "sip:alice:secretword@atlanta.com;transport=tcp",
            Scheme::Sip,
            Some("alice:secretword"),
            "atlanta.com",
            None,
            Some(("transport", "tcp")),
        ),
        (
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            Scheme::Sips,
            Some("alice"),
            "atlanta.com",
            None,
            None,
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            Scheme::Sip,
            Some("+1-212-555-1212:1234"),
            "gateway.com",
            None,
            Some(("user", "phone")),
        ),
        (
            "sips:1212@gateway.com",
            Scheme::Sips,
            Some("1212"),
            "gateway.com",
            None,
            None,
        ),
        (
            "sip:alice@192.0.2.4",
            Scheme::Sip,
            Some("alice"),
            "192.0.2.4",
            None,
            None,
        ),
        (
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            Scheme::Sip,
            None,
            "atlanta.com",
            None,
            Some(("method", "REGISTER")),
        ),
        (
            "sip:alice;day=tuesday@atlanta.com",
            Scheme::Sip,
            Some("alice;day=tuesday"),
            "atlanta.com",
            None,
            None,
        ),
        (
            "sip:bob@biloxi.com:5060;maddr=239.255.255.1;ttl=15",
            Scheme::Sip,
            Some("bob"),
            "biloxi.com",
            Some(5060),
            Some(("ttl", "15")),
        ),
    ] {
        let uri = Uri::parse(written.as_bytes()).unwrap();
        assert_eq!(
            (uri.scheme, uri.user.map(text), uri.port),
            (scheme, user, port),
            "{written}"
        );
        match uri.host {
            Host::Name(_) => assert!(uri.host.is_name(host), "{written}"),
            Host::V4(_) | Host::V6(_) => assert_eq!(uri.host.ip(), host.parse().ok(), "{written}"),
        }
        if let Some((name, value)) = parameter {
            assert_eq!(
                uri.param(name).flatten().map(text),
                Some(value),
                "{written}"
            );
        }
        assert_eq!(uri.headers.is_empty(), !written.contains('?'), "{written}");
    }
    let multicast = Uri::parse(b"sip:bob@biloxi.com;maddr=239.255.255.1").unwrap();
    assert_eq!(
        multicast.maddr().unwrap().unwrap().ip(),
        "239.255.255.1".parse().ok()
    );
}

#[test]
fn the_equal_header_lines_of_7_3_1_are_read_alike() {
    let routes = |lines: &str| -> Vec<String> {
        let bytes = request(lines);
        let message = message(&bytes);
        message
            .routes()
            .map(|route| text(route.unwrap().uri).to_owned())
            .collect()
    };
    let expected = [
        "sip:alice@atlanta.com",
        "sip:bob@biloxi.com",
        "sip:carol@chicago.com",
    ];
    for lines in [
        "Route: <sip:alice@atlanta.com>\r\nSubject: Lunch\r\nRoute: <sip:bob@biloxi.com>\r\nRoute: <sip:carol@chicago.com>",
        "Route: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>\r\nRoute: <sip:carol@chicago.com>\r\nSubject: Lunch",
        "Subject: Lunch\r\nRoute: <sip:alice@atlanta.com>, <sip:bob@biloxi.com>,\r\n <sip:carol@chicago.com>",
    ] {
        assert_eq!(routes(lines), expected, "{lines}");
    }
    for line in [
        "Subject:            lunch",
        "Subject      :      lunch",
        "Subject            :lunch",
        "Subject: lunch",
        "SUBJECT:\r\n lunch",
    ] {
        let bytes = request(line);
        let message = message(&bytes);
        assert_eq!(message.fault(), None, "{line}");
        assert_eq!(
            message.lines().next().map(|line| text(line.value)),
            Some("lunch")
        );
    }
}

#[test]
fn compact_forms_of_7_3_3_are_the_same_fields() {
    let bytes = request(
        "v: SIP/2.0/TLS a;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\ni: x\r\nm: <sip:e@f>\r\nl: 0",
    );
    let message = message(&bytes);
    assert!(message.top_via().is_ok() && message.from().is_ok() && message.to().is_ok());
    assert_eq!(message.call_id().map(text), Ok("x"));
    assert!(message.has(HeaderName::Contact));
    assert_eq!(message.content_length(), Ok(Some(0)));
    assert_eq!(
        text(message.lines().next().unwrap().raw_name),
        "v",
        "as written"
    );
}

#[test]
fn a_cseq_is_a_number_and_a_method() {
    let read = |value: &str| CSeq::parse(value.as_bytes()).map(|cseq| cseq.number);
    assert_eq!(read("4711 INVITE"), Some(4711));
    assert_eq!(read("0009\r\n INVITE"), Some(9));
    assert_eq!(read("2147483647 A"), Some(2_147_483_647));
    for bad in [
        "2147483648 A",
        "1",
        "1INVITE",
        "A 1",
        "-1 A",
        "1 A B",
        "1 ",
        "",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(
        CSeq::parse(b"1 invite").unwrap().method,
        Method::Other(b"invite"),
        "methods have a case"
    );
}

#[test]
fn methods_and_phrases_are_written_as_they_are_registered() {
    for name in [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "PRACK",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "INFO",
        "REFER",
        "MESSAGE",
        "UPDATE",
    ] {
        let method = Method::from_bytes(name.as_bytes());
        assert!(!matches!(method, Method::Other(_)), "{name}");
        assert_eq!(text(method.as_bytes()), name);
        assert_eq!(method.is_unanswered(), name == "ACK");
    }
    let benotify = Method::from_bytes(b"BENOTIFY");
    assert!(benotify.is_best_effort() && benotify.is_unanswered());
    for (status, words) in [
        (100, "Trying"),
        (183, "Session Progress"),
        (302, "Moved Temporarily"),
        (407, "Proxy Authentication Required"),
        (440, "Max-Breadth Exceeded"),
        (504, "Server Time-out"),
        (606, "Not Acceptable"),
    ] {
        assert_eq!(phrase(status), words);
    }
    for (status, class) in [
        (150, "Progress"),
        (299, "Success"),
        (399, "Redirection"),
        (499, "Client Error"),
        (599, "Server Error"),
        (699, "Global Failure"),
    ] {
        assert_eq!(
            phrase(status),
            class,
            "a code without a phrase bears the name of its class"
        );
    }
}
