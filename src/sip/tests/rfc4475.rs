//! The torture messages of RFC 4475 and RFC 5118, field by field: what is read out of each where senders differ. Their
//! verdicts as a whole are in tests/torture.rs.
use super::text;
use crate::sip::{Edits, HeaderName, Host, Message, Method, Scheme, StartLine, ViaParams};

macro_rules! torture {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/torture/",
            $name,
            ".dat"
        ))
    };
}

fn uri_of<'a>(message: &Message<'a>) -> &'a str {
    match message.start() {
        StartLine::Request { uri, .. } => text(uri),
        StartLine::Response { .. } => unreachable!("it is a request"),
    }
}

fn fault(bytes: &[u8]) -> Option<&'static str> {
    Message::parse(bytes)
        .unwrap()
        .fault()
        .map(|fault| fault.rule.code())
}

/// RFC 4475 §3.1.1.1: folds, white space, odd case and compact forms everywhere.
#[test]
fn wsinv_is_read_through_all_its_white_space() {
    let bytes = torture!("rfc4475/wsinv");
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.fault(), None);
    assert_eq!(
        uri_of(&message),
        "sip:vivekg@chair-dnrc.example.com;unknownparam"
    );
    assert_eq!(
        message.max_forwards(),
        Ok(Some(68)),
        "0068 is no octal number"
    );
    assert_eq!(message.from().unwrap().tag().map(text), Some("98asjd8"));
    let to = message.to().unwrap();
    assert_eq!(text(to.uri), "sip:vivekg@chair-dnrc.example.com");
    assert_eq!(to.tag().map(text), Some("1918181833n"));
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    let transports: Vec<_> = vias.iter().map(|via| text(via.transport)).collect();
    assert_eq!(
        transports,
        ["UDP", "TCP", "UDP"],
        "a Via may be spread over a fold"
    );
    assert_eq!(
        vias[0].branch.map(text),
        Some("390skdjuw"),
        "a branch without the cookie"
    );
    assert!(!vias[0].has_cookie() && vias[1].has_cookie());
    assert_eq!(message.routes().count(), 1);
    assert_eq!(
        message.addresses(HeaderName::Contact).count(),
        1,
        "compact m"
    );
    assert_eq!(message.content_length(), Ok(Some(150)));
    assert_eq!(message.body().len(), 150);
    assert!(
        message
            .lines()
            .any(|line| text(line.raw_name) == "NewFangledHeader")
    );
}

/// RFC 4475 §3.1.1.2: every character that the grammar allows.
#[test]
fn intmeth_has_a_method_and_a_user_of_all_characters() {
    let message = Message::parse(torture!("rfc4475/intmeth")).unwrap();
    assert_eq!(message.fault(), None);
    let StartLine::Request { method, .. } = message.start() else {
        unreachable!("it is a request");
    };
    assert_eq!(
        text(method.as_bytes()),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    assert_eq!(message.cseq().unwrap().method, method);
    let uri = message.request_uri().unwrap();
    assert!(uri.user.is_some_and(|user| text(user).contains("*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")));
    assert!(uri.host.is_name("example.com"));
    let from = message.from().unwrap();
    assert!(
        from.tag()
            .is_some_and(|tag| text(tag).starts_with("_token~1'+`*%!-."))
    );
}

/// RFC 4475 §3.1.1.3 to §3.1.1.5: escapes.
#[test]
fn escapes_in_uris_are_neither_delimiters_nor_lost() {
    let message = Message::parse(torture!("rfc4475/esc01")).unwrap();
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.user.map(text), Some("sips%3Auser%40example.com"));
    assert_eq!(
        uri.scheme,
        Scheme::Sip,
        "what is escaped in the user is no scheme"
    );
    assert!(uri.host.is_name("example.net"));
    let contact = message
        .addresses(HeaderName::Contact)
        .next()
        .unwrap()
        .unwrap();
    let contact = contact.parse_uri().unwrap();
    // `l%72` is `lr` (§19.1.4), and `%70` begins a parameter's value elsewhere.
    assert!(contact.user.is_some());
    let null = Message::parse(torture!("rfc4475/escnull")).unwrap();
    assert_eq!(null.fault(), None, "%00 is two digits, not a control byte");
    assert_eq!(
        null.to().unwrap().parse_uri().unwrap().user.map(text),
        Some("null-%00-null")
    );
    let escaped = Message::parse(torture!("rfc4475/esc02")).unwrap();
    let StartLine::Request { method, .. } = escaped.start() else {
        unreachable!("it is a request");
    };
    assert_eq!(
        text(method.as_bytes()),
        "RE%47IST%45R",
        "not REGISTER: a method has no escapes"
    );
    assert!(
        escaped
            .lines()
            .any(|line| text(line.raw_name) == "C%6Fntact"),
        "nor has a field name"
    );
    assert_eq!(escaped.count(HeaderName::Contact), 2);
}

/// RFC 4475 §3.1.1.6 to §3.1.1.13: valid oddities.
#[test]
fn odd_but_valid_messages_are_read() {
    let display = Message::parse(torture!("rfc4475/lwsdisp")).unwrap();
    assert_eq!(
        text(display.from().unwrap().uri),
        "sip:caller@example.com",
        "caller<sip:..>"
    );
    let long = Message::parse(torture!("rfc4475/longreq")).unwrap();
    assert_eq!(long.fault(), None);
    assert_eq!(long.vias().map(Result::unwrap).count(), 34);
    assert!(long.to().unwrap().uri.len() > 300);
    let semicolon = Message::parse(torture!("rfc4475/semiuri")).unwrap();
    assert_eq!(
        semicolon.request_uri().unwrap().user.map(text),
        Some("user;par=u%40example.net")
    );
    let transports = Message::parse(torture!("rfc4475/transports")).unwrap();
    let all: Vec<_> = transports
        .vias()
        .map(|via| text(via.unwrap().transport).to_owned())
        .collect();
    assert_eq!(all, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
    let parts = Message::parse(torture!("rfc4475/mpart01")).unwrap();
    assert_eq!(parts.content_length(), Ok(Some(parts.body().len())));
    assert!(parts.body().contains(&0), "a body is no text");
    let phrase = Message::parse(torture!("rfc4475/unreason")).unwrap();
    assert!(
        matches!(phrase.start(), StartLine::Response { status: 200, phrase } if phrase.len() > 50)
    );
    let bare = Message::parse(torture!("rfc4475/noreason")).unwrap();
    assert_eq!(
        bare.start(),
        StartLine::Response {
            status: 100,
            phrase: b""
        }
    );
}

/// RFC 4475 §3.1.2: what is malformed in the start line or in the form of a header line.
#[test]
fn malformed_messages_are_named_by_their_rule() {
    for (bytes, rule) in [
        (&torture!("rfc4475/ltgtruri")[..], "bracketed_request_uri"),
        (torture!("rfc4475/lwsruri"), "space_in_request_uri"),
        (torture!("rfc4475/lwsstart"), "extra_space"),
        (torture!("rfc4475/trws"), "extra_space"),
        (torture!("rfc4475/badvers"), "bad_version"),
        (torture!("rfc4475/bigcode"), "bad_status"),
    ] {
        assert_eq!(fault(bytes), Some(rule));
    }
    let headers = Message::parse(torture!("rfc4475/escruri")).unwrap();
    assert_eq!(
        headers.request_uri().unwrap_err().rule.code(),
        "headers_in_request_uri"
    );
    let quotes = Message::parse(torture!("rfc4475/quotbal")).unwrap();
    assert_eq!(quotes.to().unwrap_err().rule.code(), "unbalanced_quotes");
    let number = Message::parse(torture!("rfc4475/scalar02")).unwrap();
    assert_eq!(number.cseq().unwrap_err().rule.code(), "bad_cseq");
    assert_eq!(
        number.max_forwards().unwrap_err().rule.code(),
        "bad_max_forwards"
    );
    let spec = Message::parse(torture!("rfc4475/badaspec")).unwrap();
    assert_eq!(spec.to().unwrap_err().rule.code(), "space_in_uri");
}

/// RFC 4475 §3.1.2.4 and others: faults of fields that a proxy does not use are not its business.
#[test]
fn what_only_user_agents_read_is_passed_on() {
    for bytes in [
        &torture!("rfc4475/baddate")[..],
        torture!("rfc4475/regbadct"),
        torture!("rfc4475/unksm2"),
        torture!("rfc4475/sdp01"),
        torture!("rfc4475/regaut01"),
        torture!("rfc4475/bext01"),
        torture!("rfc4475/invut"),
    ] {
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.fault(), None);
        let mut edits = Edits::new(&message);
        edits.prepend_via("edge01.contoso.test:5061", b"z9hG4bK1", ViaParams::Plain);
        let mut out = Vec::new();
        edits.write(&mut out);
        let via = b"Via: SIP/2.0/TLS edge01.contoso.test:5061;branch=z9hG4bK1\r\n";
        let at = out
            .windows(via.len())
            .position(|window| window == via)
            .unwrap();
        out.drain(at..at + via.len());
        assert_eq!(out, bytes, "nothing else is touched");
    }
}

/// RFC 4475 §3.3: fields that are missing, or that contradict each other.
#[test]
fn missing_and_repeated_fields_are_seen() {
    let few = Message::parse(torture!("rfc4475/insuf")).unwrap();
    for missing in [few.call_id().err(), few.from().err(), few.to().err()] {
        assert_eq!(
            missing.map(|fault| fault.rule.code()),
            Some("missing_header")
        );
    }
    let many = Message::parse(torture!("rfc4475/multi01")).unwrap();
    for repeated in [
        many.call_id().err(),
        many.from().err(),
        many.to().err(),
        many.cseq().err(),
    ] {
        assert_eq!(
            repeated.map(|fault| fault.rule.code()),
            Some("duplicate_header")
        );
    }
    let lengths = Message::parse(torture!("rfc4475/mcl01")).unwrap();
    assert_eq!(
        lengths.content_length().unwrap_err().rule.code(),
        "duplicate_content_length"
    );
    let mismatch = Message::parse(torture!("rfc4475/mismatch01")).unwrap();
    let StartLine::Request { method, .. } = mismatch.start() else {
        unreachable!("it is a request");
    };
    assert_ne!(mismatch.cseq().unwrap().method, method);
    let branch = Message::parse(torture!("rfc4475/badbranch")).unwrap();
    assert!(branch.top_via().unwrap().is_bare_cookie());
    let old = Message::parse(torture!("rfc4475/inv2543")).unwrap();
    assert!(
        old.from().is_ok() && old.from().unwrap().tag().is_none(),
        "RFC 2543 had no tag"
    );
}

/// RFC 5118 §4.1 to §4.5: brackets, ports and `received`.
#[test]
fn ipv6_addresses_stand_in_brackets_and_nowhere_else() {
    let good = Message::parse(torture!("rfc5118/wire/ipv6-good")).unwrap();
    let v6 = |text: &str| text.parse().ok();
    assert_eq!(good.request_uri().unwrap().host.ip(), v6("2001:db8::10"));
    assert_eq!(good.top_via().unwrap().host.ip(), v6("2001:db8::9:1"));
    let bad = Message::parse(torture!("rfc5118/wire/ipv6-bad")).unwrap();
    assert_eq!(bad.request_uri().unwrap_err().rule.code(), "bad_host");
    // An address followed by `:5070` inside of the brackets is one address, whatever was meant.
    let ambiguous = Message::parse(torture!("rfc5118/wire/port-ambiguous"))
        .unwrap()
        .request_uri()
        .unwrap();
    assert_eq!(
        (ambiguous.host.ip(), ambiguous.port),
        (v6("2001:db8::10:5070"), None)
    );
    let clear = Message::parse(torture!("rfc5118/wire/port-unambiguous"))
        .unwrap()
        .request_uri()
        .unwrap();
    assert_eq!(
        (clear.host.ip(), clear.port),
        (v6("2001:db8::10"), Some(5070))
    );
    for bytes in [
        &torture!("rfc5118/wire/via-received-param-with-delim")[..],
        torture!("rfc5118/wire/via-received-param-no-delim"),
    ] {
        let via = Message::parse(bytes).unwrap().top_via().unwrap();
        let received = via.param("received").unwrap().unwrap();
        assert_eq!(text(received).trim_matches(['[', ']']), "2001:db8::9:255");
    }
}

/// RFC 5118 §4.6 to §4.10: several addresses in one message, and mapped ones.
#[test]
fn ipv6_forms_of_the_field_are_read() {
    let mixed = Message::parse(torture!("rfc5118/wire/mult-ip-in-header")).unwrap();
    let hosts: Vec<_> = mixed
        .vias()
        .map(|via| via.unwrap().host.ip().unwrap())
        .collect();
    assert!(
        hosts.iter().any(std::net::IpAddr::is_ipv4) && hosts.iter().any(std::net::IpAddr::is_ipv6)
    );
    let mapped = Message::parse(torture!("rfc5118/wire/ipv4-mapped-ipv6")).unwrap();
    assert_eq!(mapped.fault(), None);
    // Three colons came out of an error of RFC 3261's grammar (§4.10); they mean two.
    for bytes in [
        &torture!("rfc5118/wire/ipv6-bug-abnf-3-colons")[..],
        torture!("rfc5118/wire/ipv6-correct-abnf-2-colons"),
    ] {
        let message = Message::parse(bytes).unwrap();
        let host = message.request_uri().unwrap().host;
        assert!(matches!(host, Host::V6(_)), "{host:?}");
        assert_eq!(host.ip(), "2001:db8::192.0.2.1".parse().ok());
    }
}
