//! Topology hiding fails closed: whatever the home side writes, none of its names and addresses leaves.
use super::hiding::{hiding_world, routing, tokens};
use super::world::*;
use crate::proxy::hiding::Hiding;
use crate::proxy::leg::PeerKey;
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message};
use proptest::prelude::*;

/// What a partner must not see: a home server, a phone, another host of the home side.
const SECRETS: [&str; 4] = ["10.0.0.99", "fe01.contoso.test", "fd00::99", "192.168.7.7"];

/// Whether a text holds a secret as a whole host.
fn secret_in(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    SECRETS.into_iter().find(|secret| {
        text.match_indices(secret).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let behind = text[at + secret.len()..].chars().next();
            let in_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
            !before.is_some_and(in_host) && !behind.is_some_and(|c| in_host(c) && c != ':')
        })
    })
}

fn invite(more: &str) -> String {
    Request::invite()
        .uri("sip:x@fabrikam.test")
        .to("<sip:x@fabrikam.test>")
        .more(more)
        .to_string()
}

/// Lines as broken and odd as they come, each with an address of home.
const LINES: &[&str] = &[
    "Contact: <sip:alice@10.0.0.99;transport=tls;transport=tls>",
    "Contact: <sip:@10.0.0.99>",
    "Contact: <sip:alice@10.0.0.99;lr;lr=on>",
    "Contact: <sip:alice@10.0.0.99>;",
    "Contact: <sip:alice@10.0.0.99>;;;",
    "Contact: sip:alice@10.0.0.99",
    "Contact: sip:alice@10.0.0.99;expires=60",
    "Contact: alice@10.0.0.99",
    "Contact: <alice@10.0.0.99>",
    "Contact: <sip:alice@10.0.0.99",
    "Contact: \"Alice <sip:alice@10.0.0.99>",
    "Contact: Alice (desk) <sip:alice@10.0.0.99>",
    "Contact: <sip:a@b.test>, <sip:alice@10.0.0.99;x=\">, <sip:c@d.test>",
    "Contact: <sip:a@b.test>, sip:al ice@10.0.0.99, <sip:c@d.test>",
    "Contact:\n\t<sip:alice@10.0.0.99\n >",
    "Contact:\n <sip:alice@10.0.0.99:5060\n ;transport=tls>",
    "m: <sip:alice@10.0.0.99:99999>",
    "M:<sip:alice@[fd00::99]:5061;transport=tls>",
    "contact: <sip:alice@[fd00::99>",
    "Contact: <sip:alice@contoso.test;maddr=10.0.0.99>",
    "Contact: <sip:alice@contoso.test;received=10.0.0.99>",
    "Contact: <sip:alice%4010.0.0.99@contoso.test>",
    "Contact: <sip:10%2E0%2E0%2E99@contoso.test>",
    "Contact: <sip:alice@contoso.test?Route=%3Csip:10.0.0.99%3E>",
    "Contact: \"alice@10.0.0.99\" <sip:alice@contoso.test>",
    "Contact: <sip:alice@contoso.test>;received=\"sip:10.0.0.99:5060\"",
    "Contact: <tel:+4930123;phone-context=fe01.contoso.test>",
    "Contact: <http://10.0.0.99/alice>",
    "Contact: <sip:alice@fe01.contoso.test.>",
    "Contact: *, <sip:alice@10.0.0.99>",
    "Contact: ,,<sip:alice@10.0.0.99>,",
    "Record-Route: <sip:10.0.0.99;lr;lr=on>",
    "Record-Route: <sip:10.0.0.99;lr>;",
    "Record-Route: sip:10.0.0.99;lr",
    "Record-Route: <sip:@10.0.0.99;lr>, <sip:192.168.7.7;lr",
    "Record-Route: <sip:edge01.contoso.test;lr;alias=10.0.0.99~5060~1>",
    "Path: <sip:10.0.0.99;lr;transport=tcp;transport=tls>",
    "Service-Route: <sip:10.0.0.99;lr>",
    "Via: SIP/2.0/TLS 10.0.0.99;branch=",
    "Via: SIP/2.0/TLS host:10.0.0.99:x;;",
    "v: 10.0.0.99",
    "Via: SIP/2.0/UDP a.test;received=10.0.0.99",
    "Call-Info: <http://10.0.0.99/pic.png>;purpose=icon",
    "Alert-Info: <http://fe01.contoso.test/ring>",
    "Error-Info: <sip:announce@192.168.7.7>",
    "Refer-To: <sip:bob@10.0.0.99>",
    "Refer-To: <sip:bob@10.0.0.99;transport=tls;transport=tls?Replaces=1>",
    "Referred-By: <sip:alice@fe01.contoso.test>;cid=\"1@10.0.0.99\"",
    "b: <sip:alice@10.0.0.99",
    "Reply-To: Alice <sip:alice@10.0.0.99>",
    "History-Info: <sip:bob@10.0.0.99?Reason=SIP%3Bcause%3D302>;index=1",
    "Warning: 399 fe01.contoso.test \"upstream 10.0.0.99 failed\"",
    "Reason: SIP;cause=200;text=\"answered at 10.0.0.99\"",
    "User-Agent: PBX 1.0 (192.168.7.7)",
    "Server: fe01.contoso.test",
    "X-Internal: fd00::99",
    "Geolocation: <cid:target123@fe01.contoso.test>",
    "P-Asserted-Identity: <sip:alice@fe01.contoso.test>",
];

#[test]
fn no_line_however_broken_tells_a_host_of_home() {
    for (number, line) in LINES.iter().enumerate() {
        let mut w = hiding_world();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.send(home, &invite(&format!("{line}\n")));
        if let Some(sent) = w.take(partner) {
            assert!(!sent.contains("10.0.0.99"), "{line}\nas {sent}");
            assert_eq!(secret_in(sent.as_bytes()), None, "{line}\nas {sent}");
            assert!(!sent.contains("10%2E"), "{line}\nas {sent}");
        } else {
            w.expect(home, "SIP/2.0 4");
        }
        // The same in an answer.
        if line.starts_with("Via") || line.starts_with("v:") || number % 2 == 1 {
            continue;
        }
        let request = Request::invite()
            .from("<sip:x@fabrikam.test>;tag=a")
            .branch("z9hG4bKback");
        w.ask(partner, request);
        let asked = w.expect(home, "INVITE");
        // Above ours, where home servers put their routes.
        let ok = answer(&asked, "200 OK", "");
        let (start, rest) = ok.split_once('\n').unwrap();
        w.send(home, &format!("{start}\n{line}\n{rest}"));
        if let Some(sent) = w.take(partner) {
            assert_eq!(secret_in(sent.as_bytes()), None, "{line}\nas {sent}");
        }
    }
}

/// What stands in the Refer-To that the home side sends, and what comes back in one from the partner.
#[test]
fn an_attended_transfer_stays_attended_both_ways() {
    let tokens = tokens(&[], [7; 32]);
    let routing = routing();
    let hiding = Hiding {
        tokens: &tokens,
        routing: &routing,
        peer: PeerKey::of(PARTNER),
        sent_by: NODE,
        has_many_names: false,
    };
    let refer = |field: &str| {
        wire(&format!(
            "REFER sip:x@p.test SIP/2.0\nVia: SIP/2.0/TLS {NODE};branch=z9hG4bK1\nRefer-To: {field}\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@c>\nCall-ID: c\nCSeq: 1 REFER\n"
        ))
    };
    let shown = |octets: &[u8]| {
        let message = Message::parse(octets).unwrap();
        String::from_utf8_lossy(message.first(HeaderName::ReferTo).unwrap()).into_owned()
    };
    for (uri, adds, comes_back) in [
        (
            "sip:bob@10.0.0.99:5061;transport=tls",
            "?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2",
            "sip:bob@10.0.0.99:5061;transport=tls?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2",
        ),
        (
            "sip:bob@10.0.0.99",
            ";method=INVITE;user=phone?Replaces=x&Require=replaces",
            "sip:bob@10.0.0.99;method=INVITE;user=phone?Replaces=x&Require=replaces",
        ),
        (
            "sips:bob@fe01.contoso.test;gr=1",
            ";gr=2",
            "sips:bob@fe01.contoso.test;gr=1",
        ),
    ] {
        let mut hidden = refer(&format!("<{uri}>"));
        hiding.hide(0, &mut hidden).unwrap();
        let token = shown(&hidden);
        assert_eq!(secret_in(token.as_bytes()), None);
        let token = token.trim_matches(['<', '>']);
        let back = refer(&format!("\"Bob\" <{token}{adds}>;x=1"));
        let back = hiding
            .restore(&Message::parse(&back).unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(shown(&back), format!("\"Bob\" <{comes_back}>;x=1"));
    }
    // The partner sees which call should be replaced, and how.
    let mut hidden = refer(
        "<sip:bob@10.0.0.99;method=INVITE?Replaces=1%4010.0.0.99%3Bto-tag%3D1&Route=%3Csip:10.0.0.99%3E>",
    );
    hiding.hide(0, &mut hidden).unwrap();
    let token = shown(&hidden);
    assert!(
        token.contains(";method=INVITE?Replaces=1%4010.0.0.99%3Bto-tag%3D1>"),
        "{token}"
    );
    // As a Request-URI it has no header part, and what the partner adds stays.
    let uri = token
        .trim_matches(['<', '>'])
        .split_once('?')
        .unwrap()
        .0
        .to_owned();
    let back = wire(&format!("INVITE {uri};user=phone SIP/2.0\nCall-ID: c\n"));
    let back = hiding
        .restore(&Message::parse(&back).unwrap())
        .unwrap()
        .unwrap();
    let back = String::from_utf8(back).unwrap();
    assert!(
        back.starts_with("INVITE sip:bob@10.0.0.99;method=INVITE;user=phone SIP/2.0\r\n"),
        "{back}"
    );
}

#[test]
fn a_transfer_to_somebody_outside_names_whom_it_means() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let line = "Refer-To: <sip:carol@third.example;user=phone?Replaces=1>\nReferred-By: <sip:alice@contoso.test>\nUser-Agent: PBX/1.2\nContact: <sip:alice@10.0.0.99>\n";
    w.send(home, &invite(line));
    let sent = w.expect(partner, "INVITE");
    for kept in [
        "Refer-To: <sip:carol@third.example;user=phone?Replaces=1>\r\n",
        "Referred-By: <sip:alice@contoso.test>\r\n",
        "User-Agent: PBX/1.2\r\n",
    ] {
        assert!(sent.contains(kept), "{sent}");
    }
}

/// Of several values of ours in Record-Route the one of the peer's own request parts what it knows from what it must not see.
#[test]
fn routes_of_home_between_two_of_ours_are_hidden_too() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let request = Request::invite()
        .from("<sip:x@fabrikam.test>;tag=a")
        .more("Record-Route: <sip:p.fabrikam.test;lr>\n");
    w.ask(partner, request);
    let invite = w.expect(home, "INVITE");
    let ours = field(&invite, "Record-Route").unwrap().to_owned();
    let again = "<sip:AAAA@edge01.contoso.test;transport=tls;lr>";
    let added = format!("Record-Route: {again}, <sip:10.0.0.99;lr>, {ours}\n");
    let ok = answer(&invite, "200 OK", "").replacen(&format!("Record-Route: {ours}\n"), &added, 1);
    assert!(ok.contains("10.0.0.99"), "{ok}");
    w.send(home, &ok);
    let ok = w.expect(partner, "SIP/2.0 200");
    assert_eq!(secret_in(ok.as_bytes()), None, "{ok}");
    assert!(ok.contains(again) && ok.contains(&ours), "{ok}");
    assert!(ok.contains("<sip:p.fabrikam.test;lr>"), "{ok}");
}

/// Where the value that we added has gone, nobody knows which of the others the peer knows.
#[test]
fn an_answer_without_our_route_shows_none_of_a_dialog() {
    for (method, host, shows) in [
        ("INVITE", "10.0.0.99", false),
        ("INVITE", "sbc.internal", false),
        ("INFO", "10.0.0.99", false),
        ("INFO", "p.fabrikam.test", true),
    ] {
        let mut w = hiding_world();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        let request = Request::of(method).from("<sip:x@fabrikam.test>;tag=a");
        w.ask(partner, request);
        let asked = w.expect(home, method);
        let ours = field(&asked, "Record-Route").map(|ours| format!("Record-Route: {ours}\n"));
        let mut ok = answer(
            &asked,
            "200 OK",
            &format!("Record-Route: <sip:{host};lr>\n"),
        );
        if let Some(ours) = ours {
            ok = ok.replacen(&ours, "", 1);
        }
        w.send(home, &ok);
        let ok = w.expect(partner, "SIP/2.0 200");
        assert_eq!(ok.contains(host), shows, "{ok}");
    }
}

/// A call from the partner, and what it sees of an answer of home's; `change` is what home makes of its answer.
fn answered(status: &str, change: impl Fn(&str) -> String) -> String {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let request = Request::invite()
        .from("<sip:x@fabrikam.test>;tag=a")
        .more("Via: SIP/2.0/TLS 10.9.9.9;branch=z9hG4bKp2\nRecord-Route: <sip:10.9.9.9;lr>\n");
    w.ask(partner, request);
    let asked = w.expect(home, "INVITE");
    w.send(home, &change(&answer(&asked, status, "")));
    w.take(partner).unwrap()
}

#[test]
fn a_reason_phrase_that_tells_of_home_becomes_the_standard_one() {
    for (status, seen) in [
        ("404 Not here 10.0.0.11", "404 Not Found"),
        ("486 Busy (fe01.contoso.test)", "486 Busy Here"),
        ("183 from-FE01.contoso.test_1", "183 Session Progress"),
        ("200 at 10%2E0%2e0.11", "200 OK"),
        ("302 see 192.168.7.7", "302 Moved Temporarily"),
        ("499 fd00::1", "499 Client Error"),
        (
            "486 Everybody Talks 1.10.0.1",
            "486 Everybody Talks 1.10.0.1",
        ),
        ("404 ", "404 "),
    ] {
        let sent = answered(status, str::to_owned);
        assert_eq!(
            sent.split("\r\n").next().unwrap(),
            format!("SIP/2.0 {seen}")
        );
    }
    // A host that is hidden elsewhere in the answer.
    let sent = answered("200 phone.lan answers", |ok| {
        ok.replacen("\nFrom", "\nContact: <sip:alice@phone.lan>\nFrom", 1)
    });
    assert!(sent.starts_with("SIP/2.0 200 OK\r\n"), "{sent}");
    assert!(!sent.contains("phone.lan"), "{sent}");
}

#[test]
fn hosts_that_are_sealed_late_in_a_message_are_hidden_early_in_it_too() {
    for line in [
        "Contact: \"pbx.lan\" <sip:a@edge01.contoso.test>,<sip:a@pbx.lan>",
        "Contact: <sip:a@edge01.contoso.test>;x=pbx.lan, <sip:a@pbx.lan>",
        "Contact: <sip:a@edge01.contoso.test;gr=pbx.lan>, <sip:a@pbx.lan>",
        "Contact: <sip:a@edge01.contoso.test;user=pbx.lan>",
        "Record-Route: \"pbx.lan\" <sip:edge01.contoso.test;lr>\nContact: <sip:a@pbx.lan>",
        "Record-Route: <sip:contoso.test;lr;isub=pbx.lan>, <sip:pbx.lan;lr>",
        "Refer-To: <sip:a@pbx.lan>\nReferred-By: <sip:b@c.test;x=mgw.lan?y=pbx.lan>\nContact: <sip:mgw.lan>, <sip:pbx.lan>",
        "P-Asserted-Identity: <sip:pbx.lan@contoso.test>\nContact: <sip:a@pbx.lan>",
    ] {
        let mut w = hiding_world();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.send(home, &invite(&format!("{line}\n")));
        let sent = w.expect(partner, "INVITE");
        assert!(!sent.contains(".lan"), "{line}\nas {sent}");
    }
}

#[test]
fn home_servers_below_our_own_place_in_an_answer_are_hidden_too() {
    let sent = answered("200 OK", |ok| {
        let via = "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKx\nVia: SIP/2.0/TLS h.test;branch=1, SIP/2.0/TLS FE01.contoso.test\n";
        let route = "Record-Route: <sip:10.9.9.9;lr>";
        let more = format!("{route}, <sip:fe01.contoso.test;lr>");
        let ok = ok.replacen(route, &more, 1);
        ok.replacen("From", &format!("{via}From"), 1)
    });
    assert_eq!(secret_in(sent.as_bytes()), None, "{sent}");
    assert!(
        sent.contains("Via: SIP/2.0/TLS 10.9.9.9;branch=z9hG4bKp2\r\n"),
        "{sent}"
    );
    assert!(
        sent.contains("Via: SIP/2.0/TLS h.test;branch=1, SIP/2.0/TLS edge01"),
        "{sent}"
    );
    assert!(sent.contains("<sip:10.9.9.9;lr>, <sip:h."), "{sent}");
}

#[test]
fn fields_that_must_be_there_lose_parameters_only() {
    for (line, left) in [
        (
            "Event: dialog;call-id=\"12;3@10.0.0.99\";from-tag=1;x=10.0.0.99",
            "Event: dialog;call-id=\"12;3@10.0.0.99\";from-tag=1",
        ),
        (
            "o: dialog;x=\"a\\\";10.0.0.99;b\";include-session-description",
            "o: dialog;include-session-description",
        ),
        (
            "subscription-state: active;x=pbx-10.0.0.99;expires=60",
            "subscription-state: active;expires=60",
        ),
        ("Event: presence;id=1", "Event: presence;id=1"),
        ("Event: p-10.0.0.99;id=1", ""),
        ("X-Event: dialog;x=10.0.0.99", ""),
    ] {
        let mut w = hiding_world();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.send(home, &invite(&format!("{line}\n")));
        let sent = w.expect(partner, "INVITE");
        let name = line.split(':').next().unwrap();
        let found = sent
            .split("\r\n")
            .find(|l| l.starts_with(&format!("{name}:")));
        assert_eq!(found.unwrap_or_default(), left, "{sent}");
    }
}

#[test]
fn an_answer_that_has_lost_the_sealed_via_goes_nowhere() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.send(
        home,
        &invite("Via: SIP/2.0/TLS 10.0.0.99;branch=z9hG4bKphone\n"),
    );
    let asked = w.expect(partner, "INVITE");
    let ok = answer(&asked, "200 OK", "");
    let sealed = format!("Via: {}\n", fields(&asked, "Via")[1]);
    assert!(ok.contains(&sealed), "{ok}");
    w.send(partner, &ok.replacen(&sealed, "", 1));
    w.silent(home);
    assert_eq!(w.reasons(), ["response_malformed"]);
    // The next one that is whole still counts.
    w.send(partner, &ok);
    w.expect(home, "SIP/2.0 200");
}

/// A partner that damages what it was given, wherever: the caller gets no answer that it would not know.
#[test]
fn an_answer_whose_sealed_via_does_not_open_goes_nowhere() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let mut calls = 0;
    let mut call = |w: &mut World| {
        calls += 1;
        let branch = format!("z9hG4bKcall{calls}");
        let request = Request::invite()
            .uri("sip:x@fabrikam.test")
            .to("<sip:x@fabrikam.test>")
            .branch(&branch)
            .more("Via: SIP/2.0/TLS 10.0.0.99;branch=z9hG4bKphone\n");
        w.ask(home, request);
        let asked = w.expect(partner, "INVITE");
        let sealed = fields(&asked, "Via")[1].to_owned();
        (answer(&asked, "200 OK", ""), sealed, branch)
    };
    let (_, other, _) = call(&mut w);
    let token = other.find("z9hG4bKh.").unwrap() + "z9hG4bKh.".len();
    // Every octet in front of the token, and some of it.
    for place in 0..token + 20 {
        for octet in [b'x', b',', b' '] {
            let (ok, sealed, branch) = call(&mut w);
            let mut damaged = sealed.clone().into_bytes();
            damaged[place] = octet;
            let damaged = String::from_utf8(damaged).unwrap();
            w.send(partner, &ok.replacen(&sealed, &damaged, 1));
            // Of the rest nothing is asked for but the branch: it is this node that has written it.
            if let Some(opened) = w.take(home) {
                assert!(place < token || damaged == sealed, "{damaged}: {opened}");
                assert!(field(&opened, "Via").unwrap().contains(&branch));
                assert_eq!(fields(&opened, "Via").len(), 2, "{opened}");
                assert!(w.reasons().is_empty());
                continue;
            }
            let reasons = w.reasons();
            assert!(
                matches!(reasons[..], ["response_malformed" | "token_forged"]),
                "{damaged}: {reasons:?}"
            );
        }
    }
    // One that was sealed for another call of the same partner.
    let (ok, sealed, _) = call(&mut w);
    w.send(partner, &ok.replacen(&sealed, &other, 1));
    w.silent(home);
    assert_eq!(w.reasons(), ["response_malformed"]);
    // Nothing of that ended the call.
    w.send(partner, &ok);
    w.expect(home, "SIP/2.0 200");
}

/// A reload ends no call: what was sealed for the partner before comes back after it.
#[test]
fn what_was_hidden_before_a_reload_is_opened_after_it() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let more =
        "Record-Route: <sip:fe01.contoso.test;lr>\nContact: <sip:alice@10.0.0.99;transport=tls>\n";
    w.send(home, &invite(more));
    let asked = w.expect(partner, "INVITE");
    assert!(!asked.contains("10.0.0.99"), "{asked}");
    w.load(topology());
    let contact = "Contact: <sip:x@203.0.113.5;transport=tls>\n";
    w.answers_with(partner, &asked, 200, contact);
    let ok = w.expect(home, "SIP/2.0 200");
    assert_eq!(fields(&ok, "Via").len(), 1, "{ok}");
    assert!(ok.contains("<sip:fe01.contoso.test;lr>"), "{ok}");
    // The partner hangs up: it knows the caller by what was sealed.
    let target = field(&asked, "Contact").unwrap();
    let target = target.split(['<', '>']).nth(1).unwrap();
    let routes: Vec<_> = fields(&asked, "Record-Route");
    let route: String = routes.iter().map(|r| format!("Route: {r}\n")).collect();
    let bye = Request::of("BYE")
        .uri(target)
        .from("<sip:x@fabrikam.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .branch("z9hG4bKbye")
        .more(&route);
    w.ask(partner, bye);
    let bye = w.expect(home, "BYE sip:alice@10.0.0.99;transport=tls ");
    assert!(bye.contains("fe01.contoso.test;lr"), "{bye}");
    // What is sent from now on is not hidden.
    let later = invite(more).replace("z9hG4bKone", "z9hG4bKlater");
    w.send(home, &later);
    let asked = w.expect(partner, "INVITE");
    assert!(asked.contains("10.0.0.99"), "{asked}");
    assert!(w.reasons().is_empty());
}

#[test]
fn what_cannot_be_read_is_not_sent() {
    let tokens = tokens(&[], [7; 32]);
    let routing = routing();
    let hiding = Hiding {
        tokens: &tokens,
        routing: &routing,
        peer: PeerKey::of(PARTNER),
        sent_by: NODE,
        has_many_names: false,
    };
    for broken in [
        &b"INVITE sip:x@y SIP/2.0\r\nContact: <sip:a@10.0.0.99>\r\n"[..],
        b"INVITE sip:x@y SIP/2.0\r\nContact: <sip:a@10.0.0.99>\nX: y\r\n\r\n",
        b"",
    ] {
        let mut out = [b"before", broken].concat();
        assert_eq!(
            hiding.hide(6, &mut out),
            Err(MessageReason::TopologyNotHidden)
        );
        assert_eq!(out, b"before");
    }
}

/// A value with a host of home, well formed or nearly so.
fn value() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["", "Alice ", "\"A \\\" <\" ", "Bob (x) "]),
        prop::sample::select(vec!["sip:", "sips:", "SIP:", "tel:", "http://", ""]),
        prop::sample::select(vec!["", "alice@", "@", "a%20b@", "a@b@"]),
        prop::sample::select(vec![
            "10.0.0.99",
            "fe01.contoso.test",
            "[fd00::99]",
            "192.168.7.7",
        ]),
        prop::sample::select(vec!["", ":5061", ":", ":x"]),
        prop::sample::select(vec![
            "",
            ";lr",
            ";lr;lr=on",
            ";transport=tls;transport=tcp",
            ";maddr=10.0.0.99",
            "?X=10.0.0.99",
        ]),
        prop::sample::select(vec!["<>", "<", "", ">"]),
        prop::sample::select(vec![
            "",
            ";q=1",
            ";",
            ";;x",
            ";received=\"10.0.0.99",
            ";+sip.instance=\"<urn:x>\"",
        ]),
    )
        .prop_map(
            |(name, scheme, user, host, port, params, brackets, behind)| {
                let uri = format!("{scheme}{user}{host}{port}{params}");
                match brackets {
                    "<>" => format!("{name}<{uri}>{behind}"),
                    "<" => format!("{name}<{uri}{behind}"),
                    ">" => format!("{uri}>{behind}"),
                    _ => format!("{uri}{behind}"),
                }
            },
        )
}

fn line() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec![
            "Contact",
            "m",
            "Record-Route",
            "Path",
            "Refer-To",
            "Referred-By",
            "Via",
            "v",
            "Warning",
            "Reason",
            "User-Agent",
            "History-Info",
            "Call-Info",
            "X-Any",
            "Reply-To",
            "Diversion",
        ]),
        prop::sample::select(vec![": ", ":", " : ", ":\r\n "]),
        prop::collection::vec(value(), 1..4),
    )
        .prop_map(|(name, colon, values)| format!("{name}{colon}{}\r\n", values.join(", ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Generated lines, then octets changed, put in and taken out at will: nothing of home leaves, in requests and in answers.
    #[test]
    fn nothing_of_home_is_in_what_leaves(
        lines in prop::collection::vec(line(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, prop::sample::select(b"<>\";,:@%= \tax0.".to_vec())), 0..4),
        is_answer in any::<bool>(),
    ) {
        let tokens = tokens(&[], [7; 32]);
        let routing = routing();
        let hiding = Hiding { tokens: &tokens, routing: &routing, peer: PeerKey::of(PARTNER), sent_by: NODE, has_many_names: false };
        let mut text: Vec<u8> = lines.concat().into_bytes();
        for (place, kind, octet) in changes {
            let place = place.index(text.len());
            match kind {
                0 => text[place] = octet,
                1 => text.insert(place, octet),
                _ => { text.remove(place); }
            }
            if text.is_empty() { break; }
        }
        let start = if is_answer { "SIP/2.0 200 OK" } else { "INVITE sip:x@p.test SIP/2.0" };
        let head = format!("{start}\r\nVia: SIP/2.0/TLS {NODE};branch=z9hG4bKours\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@c>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n");
        let whole = [head.as_bytes(), &text, b"Content-Length: 0\r\n\r\n"].concat();
        // What two parsers read differently never comes so far: the core refuses it first.
        let Ok(message) = Message::parse(&whole) else { return Ok(()) };
        if message.fault().is_some() { return Ok(()) }
        // Fields that name the call and its parties to both ends stay as they are, and the type of the body (`c`, which one
        // changed byte makes of Contact); an answer's Via lines are the peer's own.
        let kept = |name| matches!(name, HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq | HeaderName::Route | HeaderName::ContentType)
            || is_answer && name == HeaderName::Via;
        let mut out = whole.clone();
        hiding.hide(0, &mut out).unwrap();
        let left = Message::parse(&out).unwrap();
        for line in left.lines().filter(|line| !kept(line.name)) {
            prop_assert_eq!(secret_in(line.value), None, "{} of {}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
        }
    }

    /// Whatever was hidden in a Contact or Refer-To comes back as it was, with what the other side has added.
    #[test]
    fn a_hidden_uri_comes_back_with_what_was_added(
        user in "[a-z0-9.+_-]{1,12}",
        host in prop::sample::select(vec!["10.0.0.99", "fe01.contoso.test", "[fd00::99]"]),
        port in prop::option::of(1_u16..),
        params in prop::collection::vec(prop::sample::select(vec!["lr", "transport=tls", "user=phone", "ob", "gr=urn:x", "method=INVITE", "x=1"]), 0..4),
        added in prop::collection::vec(prop::sample::select(vec!["y=2", "z", "isub=1"]), 0..3),
        headers in prop::sample::select(vec!["", "?Replaces=a%3Bto-tag%3Db", "?Subject=x&Replaces=1"]),
    ) {
        let mut params = params;
        params.sort_unstable();
        params.dedup();
        let mut added = added;
        added.sort_unstable();
        added.dedup();
        let join = |list: &[&str]| list.iter().map(|p| format!(";{p}")).collect::<String>();
        let port = port.map_or(String::new(), |p| format!(":{p}"));
        let uri = format!("sip:{user}@{host}{port}{}", join(&params));
        let tokens = tokens(&[], [7; 32]);
        let routing = routing();
        let hiding = Hiding { tokens: &tokens, routing: &routing, peer: PeerKey::of(PARTNER), sent_by: NODE, has_many_names: false };
        let with = |field: &str, value: &str| wire(&format!("REFER sip:x@p.test SIP/2.0\nVia: SIP/2.0/TLS {NODE};branch=z9hG4bK1\n{field}: <{value}>\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@c>\nCall-ID: c\nCSeq: 1 REFER\n"));
        for field in ["Contact", "Refer-To"] {
            let mut hidden = with(field, &uri);
            hiding.hide(0, &mut hidden).unwrap();
            let message = Message::parse(&hidden).unwrap();
            let name = HeaderName::from_bytes(field.as_bytes());
            let token = String::from_utf8(message.first(name).unwrap().to_vec()).unwrap();
            let token = token.trim_matches(['<', '>']);
            let back = with("Refer-To", &format!("{token}{}{headers}", join(&added)));
            let back = hiding.restore(&Message::parse(&back).unwrap()).unwrap().unwrap();
            let back = Message::parse(&back).unwrap();
            let expected = format!("<{uri}{}{headers}>", join(&added));
            prop_assert_eq!(String::from_utf8_lossy(back.first(HeaderName::ReferTo).unwrap()), expected);
        }
    }
}
