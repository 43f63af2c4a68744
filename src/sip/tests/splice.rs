//! Splices: what topology hiding replaces and brings back.
use crate::sip::{HeaderName, Message, Splices, StartLine};

const REST: &str = "From: <sip:a@b>;tag=1\r\nContent-Length: 0\r\n\r\n";

fn spliced(head: &str, change: impl FnOnce(&mut Splices<'_, '_>)) -> String {
    let text = format!("SIP/2.0 200 OK\r\n{head}{REST}");
    let message = Message::parse(text.as_bytes()).unwrap();
    let mut splices = Splices::new(&message);
    change(&mut splices);
    let mut out = Vec::new();
    splices.write(&mut out);
    let out = String::from_utf8(out).unwrap();
    let head = out.strip_prefix("SIP/2.0 200 OK\r\n").unwrap();
    head.strip_suffix(REST).unwrap().to_owned()
}

#[test]
fn the_second_via_is_replaced_wherever_it_stands() {
    let block = "Via: x\r\nv: y\r\n";
    let one = "Via: SIP/2.0/TLS a;branch=1";
    let two = "SIP/2.0/TLS b;branch=2";
    for (head, expected) in [
        (
            format!("{one}\r\nVia: {two}\r\n"),
            format!("{one}\r\n{block}"),
        ),
        (format!("{one}, {two}\r\n"), format!("{one}\r\n{block}")),
        (
            format!("{one}\r\n ,\r\n {two}\r\n"),
            format!("{one}\r\n{block}"),
        ),
        (
            format!("{one}\r\nX: 1\r\nv : {two}\r\n"),
            format!("{one}\r\nX: 1\r\n{block}"),
        ),
        (
            format!("{one}, {two}, SIP/2.0/TLS c\r\n"),
            format!("{one}\r\n{block}Via: SIP/2.0/TLS c\r\n"),
        ),
        (format!("{one}\r\n"), format!("{one}\r\n")),
    ] {
        let out = spliced(&head, |s| assert!(s.restore_second_via(block.into())));
        assert_eq!(out, expected, "{head}");
    }
}

#[test]
fn the_vias_below_the_first_line_come_out_and_go_in_as_one() {
    let head = "Via: SIP/2.0/TLS a\r\nX: 1\r\nv:\r\n SIP/2.0/TLS b\r\nY: 2\r\nVIA: SIP/2.0/TLS c, SIP/2.0/TLS d\r\n";
    let out = spliced(head, |s| {
        let lines = s.lower_vias().unwrap();
        assert_eq!(
            lines,
            b"v:\r\n SIP/2.0/TLS b\r\nVIA: SIP/2.0/TLS c, SIP/2.0/TLS d\r\n"
        );
        s.replace_lower_vias("h.test", b"z9hG4bK1");
    });
    assert_eq!(
        out,
        "Via: SIP/2.0/TLS a\r\nX: 1\r\nVia: SIP/2.0/TLS h.test;branch=z9hG4bK1\r\nY: 2\r\n"
    );
}

#[test]
fn a_bare_uri_gets_its_brackets() {
    let head = "Contact: sip:a@b;expires=3\r\nRecord-Route: <sip:c@d;lr>;x\r\n";
    let text = format!("SIP/2.0 200 OK\r\n{head}{REST}");
    let message = Message::parse(text.as_bytes()).unwrap();
    let mut splices = Splices::new(&message);
    for name in [HeaderName::Contact, HeaderName::RecordRoute] {
        let address = message.addresses(name).next().unwrap().unwrap();
        splices.replace_uri(address.uri, b"sip:h@e;transport=tls");
    }
    let mut out = Vec::new();
    splices.write(&mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("Contact: <sip:h@e;transport=tls>;expires=3\r\n"),
        "{out}"
    );
    assert!(
        out.contains("Record-Route: <sip:h@e;transport=tls>;x\r\n"),
        "{out}"
    );
}

#[test]
fn nothing_but_via_lines_comes_back_as_via_lines() {
    let head = "Via: SIP/2.0/TLS a\r\nVia: SIP/2.0/TLS b\r\n";
    for lines in [
        "Via: x\r\nX: y\r\n",
        "Via: x\r\n\r\nVia: y\r\n",
        "Via: x",
        "Via: x\nVia: y\r\n",
        "Via: x\0\r\n",
        "Via x\r\n",
        " x\r\n",
        "x",
    ] {
        let out = spliced(head, |s| {
            assert!(!s.restore_second_via(lines.into()), "{lines}")
        });
        assert_eq!(out, head, "nothing is planned");
    }
}

#[test]
fn a_via_value_is_replaced_within_its_line() {
    let head = "Via: SIP/2.0/TLS a, SIP/2.0/TLS b;branch=x , SIP/2.0/TLS c\r\n";
    let text = format!("SIP/2.0 200 OK\r\n{head}{REST}");
    let message = Message::parse(text.as_bytes()).unwrap();
    let mut splices = Splices::new(&message);
    let second = message.values(HeaderName::Via).nth(1).unwrap().unwrap();
    splices.replace_via(second, "h.test", b"z9hG4bK1");
    let mut out = Vec::new();
    splices.write(&mut out);
    let expected = text.replace("b;branch=x", "h.test;branch=z9hG4bK1");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_address_is_written_anew_and_a_value_keeps_chosen_parts() {
    let head = "Contact: \"A\" <sip:a@b>;expires=3;x=1\r\nEvent: talk;a=1;b=2;c=3\r\n";
    let text = format!("SIP/2.0 200 Fine\r\n{head}{REST}");
    let message = Message::parse(text.as_bytes()).unwrap();
    let mut splices = Splices::new(&message);
    let contact = message.values(HeaderName::Contact).next().unwrap().unwrap();
    let address = message
        .addresses(HeaderName::Contact)
        .next()
        .unwrap()
        .unwrap();
    splices.replace_address(contact, b"sip:h@e", address.each_param().take(1));
    let event = message.first(HeaderName::Event).unwrap();
    let parts: Vec<_> = event.split(|b| *b == b';').collect();
    splices.keep_parts(event, &[parts[0], parts[2]]);
    let StartLine::Response { phrase, status } = message.start() else {
        unreachable!("it is a response");
    };
    splices.replace_phrase(phrase, status);
    let mut out = Vec::new();
    splices.write(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("SIP/2.0 200 OK\r\nContact: <sip:h@e>;expires=3\r\nEvent: talk;b=2\r\n{REST}")
    );
}
