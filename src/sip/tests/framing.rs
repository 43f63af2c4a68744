//! RFC 3261 §7.5, §18.3 and RFC 5626 §4.4.1: what a stream consists of.
use crate::sip::{FrameError, FrameLimits, Framer, LineTable, Phase, Rule, Scan};

const LIMITS: FrameLimits = FrameLimits {
    head: 200,
    body: 1000,
};

const SMALL: &str = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";

fn scan(framer: &mut Framer, buf: &[u8]) -> String {
    match framer.scan(buf, &LIMITS, &mut LineTable::default()) {
        Ok(Scan::Incomplete(phase)) => format!("{phase:?}"),
        Ok(Scan::Ping(n)) => format!("ping {n}"),
        Ok(Scan::Skip(n)) => format!("skip {n}"),
        Ok(Scan::Message(m)) => format!("message {}", m.bytes().len()),
        Err(e) => format!("{} {} {:?}", e.status, e.rule, e.head),
    }
}

fn once(buf: &[u8]) -> String {
    scan(&mut Framer::default(), buf)
}

fn with_length(lines: &str) -> String {
    once(format!("OPTIONS sip:a SIP/2.0\r\n{lines}\r\n\r\n").as_bytes())
}

#[test]
fn crlf_before_a_start_line_is_skipped() {
    assert_eq!(once(format!("\r\n{SMALL}").as_bytes()), "skip 2");
    assert_eq!(once(b""), "Idle");
    assert_eq!(once(b"\r"), "Idle");
    assert_eq!(once(SMALL.as_bytes()), "message 31");
}

#[test]
fn two_crlf_are_a_ping_however_they_arrive() {
    assert_eq!(once(b"\r\n\r\n"), "ping 4");
    assert_eq!(once(b"\r\n\r\n\r\n\r\n\r\n"), "ping 8");
    let mut framer = Framer::default();
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    assert_eq!(scan(&mut framer, b""), "Idle");
    assert_eq!(scan(&mut framer, b"\r"), "Idle");
    assert_eq!(scan(&mut framer, b"\r\n"), "ping 2");
    assert_eq!(scan(&mut framer, b"\r\n\r"), "skip 2");
    assert_eq!(scan(&mut framer, b"\r\n\r\n\r\n"), "ping 6");
}

#[test]
fn a_pong_that_is_due_is_no_half_of_a_ping() {
    let mut framer = Framer::default();
    for _ in 0..3 {
        framer.expect_pong();
        assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    }
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    assert_eq!(scan(&mut framer, b"\r\n"), "ping 2");
}

#[test]
fn a_pong_with_a_message_behind_it_is_taken_for_the_pong() {
    let mut framer = Framer::default();
    framer.expect_pong();
    assert_eq!(
        scan(&mut framer, format!("\r\n{SMALL}").as_bytes()),
        "skip 2"
    );
    assert_eq!(scan(&mut framer, SMALL.as_bytes()), "message 31");
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    assert_eq!(scan(&mut framer, b"\r\n"), "ping 2");
}

#[test]
fn blanks_and_tabs_between_messages_are_skipped_and_never_answered() {
    assert_eq!(once(b" "), "skip 1");
    assert_eq!(once(b"\t \t\r\n"), "skip 3");
    assert_eq!(once(format!(" \t{SMALL}").as_bytes()), "skip 2");
    assert_eq!(once(&[b' '; 100_000]), "skip 100000");
    let mut framer = Framer::default();
    // Two line ends with a blank between them are no ping, however they arrive.
    for bytes in ["\r\n", " ", "\r\n", "\t"] {
        let expected = format!("skip {}", bytes.len());
        assert_eq!(scan(&mut framer, bytes.as_bytes()), expected);
    }
    assert_eq!(scan(&mut framer, b"\r\n \r\n"), "skip 2");
    assert_eq!(scan(&mut framer, b" \r\n"), "skip 1");
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    assert_eq!(scan(&mut framer, b"\r\n"), "ping 2");
    // What follows must still begin a message.
    assert_eq!(scan(&mut framer, b" "), "skip 1");
    assert_eq!(scan(&mut framer, b"\n"), "400 bare_lf None");
    assert_eq!(scan(&mut framer, b"\r "), "400 bare_cr None");
    assert_eq!(scan(&mut framer, SMALL.as_bytes()), "message 31");
}

#[test]
fn a_line_that_begins_with_white_space_inside_a_message_is_no_keep_alive() {
    let bytes = b" OPTIONS sip:a SIP/2.0\r\nx: a\r\n \r\n\t\r\nl: 2\r\n\r\n \t ";
    let mut framer = Framer::default();
    assert_eq!(scan(&mut framer, bytes), "skip 1");
    let mut table = LineTable::default();
    let Ok(Scan::Message(message)) = framer.scan(&bytes[1..], &LIMITS, &mut table) else {
        panic!("no message");
    };
    assert_eq!(message.bytes(), &bytes[1..bytes.len() - 1]);
    assert_eq!(message.body(), b" \t");
    assert_eq!(scan(&mut framer, b" "), "skip 1");
}

#[test]
fn a_half_ping_is_forgotten_when_a_message_follows() {
    let mut framer = Framer::default();
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
    assert_eq!(scan(&mut framer, SMALL.as_bytes()), "message 31");
    assert_eq!(scan(&mut framer, b"\r\n"), "skip 2");
}

#[test]
fn a_ping_inside_a_body_is_body() {
    let mut framer = Framer::default();
    let whole = b"OPTIONS sip:a SIP/2.0\r\nl: 8\r\n\r\n\r\n\r\n\r\n\r\n";
    for end in 31..39 {
        let phase = format!("{:?}", Phase::Body { total: 39 });
        assert_eq!(scan(&mut framer, &whole[..end]), phase);
    }
    assert_eq!(scan(&mut framer, whole), "message 39");
}

#[test]
fn content_length_is_one_plain_digit_string() {
    assert_eq!(with_length("Content-Length : 000"), "message 47");
    assert_eq!(with_length("Content-Length:\r\n 0"), "message 46");
    assert_eq!(with_length("X: 0"), "400 no_content_length Some(31)");
    for value in [
        "+5",
        "-5",
        "0x5",
        "5,5",
        "5 5",
        "",
        "5;a",
        "18446744073709551616",
    ] {
        let found = with_length(&format!("l: {value}"));
        assert!(found.starts_with("400 bad_content_length Some("), "{found}");
    }
    for lines in [
        "l: 0\r\nl: 0",
        "Content-Length: 0\r\nl: 0",
        "l: 0\r\ncontent-length: 5",
    ] {
        let found = with_length(lines);
        assert!(
            found.starts_with("400 duplicate_content_length Some("),
            "{found}"
        );
    }
}

#[test]
fn limits_are_checked_before_anything_is_waited_for() {
    assert_eq!(with_length("l: 1001"), "413 body_too_large Some(34)");
    let most = usize::MAX.to_string();
    let found = with_length(&format!("l: {most}"));
    assert!(found.starts_with("413 body_too_large Some("), "{found}");
    assert_eq!(with_length("l: 1000"), "Body { total: 1034 }");
    let long = [b'a'; 200];
    assert_eq!(once(&long[..199]), "Head");
    assert_eq!(once(&long), "513 head_too_large None");
    let mut fits = format!(
        "OPTIONS sip:a SIP/2.0\r\nl: 0\r\nx: {}\r\n\r\n",
        "y".repeat(164)
    );
    assert_eq!(once(fits.as_bytes()), "message 200");
    fits.insert(25, '0');
    assert_eq!(once(fits.as_bytes()), "513 head_too_large None");
}

#[test]
fn bare_line_ends_lose_the_framing() {
    assert_eq!(once(b"\nOPTIONS"), "400 bare_lf None");
    assert_eq!(once(b"\rOPTIONS"), "400 bare_cr None");
    assert_eq!(
        once(b"OPTIONS sip:a SIP/2.0\nl: 0\n\n"),
        "400 bare_lf Some(28)"
    );
    assert_eq!(
        once(b"OPTIONS sip:a SIP/2.0\nl: 0\r\n\r\n"),
        "400 bare_lf Some(30)"
    );
    assert_eq!(with_length("x: a\nl: 0"), "400 bare_lf Some(36)");
    assert_eq!(with_length("x: a\rl: 0"), "400 bare_cr Some(36)");
    assert_eq!(with_length("l: 0\r\nx: a\r\r\n b"), "400 bare_cr Some(42)");
}

#[test]
fn faulty_lines_do_not_lose_the_framing() {
    let bytes = b"NO\0 sip:a SIP/3.0\r\nno colon\r\nl: 0\r\n\r\nrest";
    let mut framer = Framer::default();
    let mut table = LineTable::default();
    let Ok(Scan::Message(message)) = framer.scan(bytes, &LIMITS, &mut table) else {
        panic!("no message");
    };
    assert_eq!(message.bytes().len(), bytes.len() - 4);
    assert_eq!(message.fault().unwrap().rule, "bad_method");
}

#[test]
fn one_byte_at_a_time_makes_one_message_and_one_verdict() {
    let bytes = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";
    let mut framer = Framer::default();
    for end in 1..bytes.len() {
        assert!(matches!(
            framer.scan(&bytes[..end], &LIMITS, &mut LineTable::default()),
            Ok(Scan::Incomplete(Phase::Head | Phase::Body { total: 34 }))
        ));
    }
    assert_eq!(scan(&mut framer, bytes), "message 34");
    let error: Result<(), FrameError> = Err(FrameError {
        rule: Rule::BareLf,
        status: 400,
        head: Some(3),
    });
    let mut framer = Framer::default();
    assert_eq!(scan(&mut framer, b"a\n"), "Head");
    let mut table = LineTable::default();
    let found = framer.scan(b"a\n\n", &LIMITS, &mut table);
    assert_eq!(found.map(|_| ()), error);
}
