//! RFC 3261 §16.7, §16.10, §17 with RFC 6026 and RFC 4320: responses, CANCEL, ACK and timers.
use super::world::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_call_sets_up_and_all_is_freed_after_32_seconds() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 100);
    w.silent(client);
    w.rings(home, &invite);
    let ringing = w.expect(client, "SIP/2.0 180");
    assert_eq!(fields(&ringing, "Via").len(), 1);
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    // RFC 6026 §7.1: a further 2xx passes, a repeated INVITE is absorbed.
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    w.ask(client, Request::invite());
    w.silent(client);
    w.silent(home);
    w.pass(31 * SECOND);
    assert_eq!(w.cores[0].transactions(), 1);
    w.pass(2 * SECOND);
    w.all_freed();
    w.answers(home, &invite, 200);
    w.silent(client);
    assert_eq!(w.reasons().last(), Some(&"response_unmatched"));
}

#[test]
fn a_refused_call_is_acknowledged_below_and_waits_for_its_ack_above() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 486);
    let ack = w.expect(home, "ACK sip:bob@contoso.test SIP/2.0");
    assert_eq!(fields(&ack, "Via"), vec![fields(&invite, "Via")[0]]);
    assert!(field(&ack, "To").unwrap().ends_with(";tag=b"));
    assert_eq!(field(&ack, "CSeq"), Some("1 ACK"));
    let busy = w.expect(client, "SIP/2.0 486");
    // The INVITE again: the answer again (RFC 3261 §17.2.1).
    w.ask(client, Request::invite());
    let again = w.expect(client, "SIP/2.0 486");
    for same in ["Via", "From", "To", "Call-ID", "CSeq"] {
        assert_eq!(field(&again, same), field(&busy, same));
    }
    w.send(
        client,
        &Request::of("ACK")
            .to(field(&busy, "To").unwrap())
            .to_string(),
    );
    w.silent(home);
    w.all_freed();
}

#[test]
fn timer_h_frees_a_refused_call_whose_ack_never_comes() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 486);
    w.pass(33 * SECOND);
    w.all_freed();
}

#[test]
fn a_100_is_sent_only_when_nothing_else_comes_in_200_ms() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.pass(Duration::from_millis(190));
    w.silent(client);
    w.pass(Duration::from_millis(50));
    let trying = w.expect(client, "SIP/2.0 100");
    assert!(!field(&trying, "To").unwrap().contains("tag"));
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.pass(5 * SECOND);
    w.silent(client);
}

#[test]
fn a_non_invite_gets_its_100_after_three_and_a_half_seconds_and_never_a_408() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("MESSAGE"));
    let message = w.expect(home, "MESSAGE");
    w.pass(3 * SECOND);
    w.silent(client);
    w.pass(SECOND);
    w.expect(client, "SIP/2.0 100");
    w.answers(home, &message, 100);
    w.pass(40 * SECOND);
    w.silent(client);
    assert_eq!(w.reasons(), vec!["no_answer"]);
    w.all_freed();
    // RFC 4320 §4.2: a late final response goes nowhere.
    w.answers(home, &message, 200);
    w.silent(client);
}

#[test]
fn a_silent_last_target_is_408_by_timer_b() {
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    w.expect(fe01, "INVITE");
    w.pass(9 * SECOND);
    w.expect(fe02, "INVITE");
    w.pass(33 * SECOND);
    w.expect(client, "SIP/2.0 100");
    w.expect(client, "SIP/2.0 408");
    assert_eq!(w.reasons(), vec!["no_answer"]);
}

#[test]
fn timer_c_cancels_a_call_that_rings_for_ever() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.pass(170 * SECOND);
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.pass(170 * SECOND);
    w.silent(home);
    w.pass(12 * SECOND);
    w.expect(home, "CANCEL");
    w.answers(home, &invite, 487);
    w.expect(home, "ACK");
    w.expect(client, "SIP/2.0 487");
}

#[test]
fn a_cancel_is_answered_at_once_and_the_invite_by_the_487_from_below() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(
        client,
        &Request::invite()
            .more("Route: <sip:edge01.contoso.test;lr>\n")
            .to_string(),
    );
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    let cancel = w.expect(home, "CANCEL sip:bob@contoso.test SIP/2.0");
    assert_eq!(fields(&cancel, "Via"), vec![fields(&invite, "Via")[0]]);
    assert_eq!(field(&cancel, "CSeq"), Some("1 CANCEL"));
    assert_eq!(field(&cancel, "To"), field(&invite, "To"));
    assert_eq!(field(&cancel, "Route"), None);
    w.answers(home, &cancel, 200);
    w.silent(client);
    w.answers(home, &invite, 487);
    w.expect(home, "ACK");
    w.expect(client, "SIP/2.0 487");
    // Once more: answered, and nothing happens below.
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.silent(home);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.silent(home);
    w.answers(home, &invite, 100);
    w.expect(home, "CANCEL");
}

#[test]
fn a_cancel_that_crosses_the_200_changes_nothing() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.expect(home, "CANCEL");
    w.answers(home, &invite, 200);
    assert_eq!(
        field(&w.expect(client, "SIP/2.0 200"), "CSeq"),
        Some("1 INVITE")
    );
    w.pass(40 * SECOND);
    w.silent(client);
    w.all_freed();
}

#[test]
fn a_cancelled_branch_that_never_answers_ends_after_32_seconds() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.expect(client, "SIP/2.0 180");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.pass(33 * SECOND);
    w.expect(client, "SIP/2.0 487");
    assert_eq!(w.reasons(), vec!["cancelled"]);
    w.pass(33 * SECOND);
    w.all_freed();
}

#[test]
fn a_cancel_from_another_identity_is_481_and_does_nothing() {
    let mut w = World::new();
    let (client, other, home) = (w.client(), w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.rings(home, &invite);
    w.ask(other, Request::of("CANCEL"));
    let status = crate::reason::MessageReason::NoTransaction.status();
    w.expect(other, &format!("SIP/2.0 {status}"));
    assert_eq!(status, 481);
    w.silent(home);
}

#[test]
fn a_cancel_before_anything_was_sent_ends_the_invite_here() {
    let mut w = World::new();
    let client = w.client();
    w.ask(client, Request::invite());
    assert_eq!(w.connects.len(), 1);
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.expect(client, "SIP/2.0 487");
    let home = w.peer(FE01);
    w.silent(home);
}

#[test]
fn a_response_counts_only_from_the_identity_that_was_asked() {
    let mut w = World::new();
    let (client, fe01, fe02, other) = (w.client(), w.peer(FE01), w.peer(FE02), w.client());
    w.ask(client, Request::of("MESSAGE"));
    let message = w.expect(fe01, "MESSAGE");
    for stranger in [fe02, other] {
        w.answers(stranger, &message, 200);
        assert_eq!(w.reasons(), vec!["response_wrong_peer"]);
    }
    w.silent(client);
    // Another connection of the same peer is the same identity.
    let second = w.peer(FE01);
    w.answers(second, &message, 200);
    w.expect(client, "SIP/2.0 200");
}

#[test]
fn a_stray_response_goes_nowhere() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("MESSAGE"));
    let message = w.expect(home, "MESSAGE");
    let good = answer(&message, "200 OK", "");
    w.send(
        home,
        &good.replacen(
            "edge01.contoso.test;branch",
            "edge02.contoso.test;branch",
            1,
        ),
    );
    assert_eq!(w.reasons(), vec!["response_foreign_via"]);
    let via = fields(&message, "Via")[0].to_owned();
    let nonce_at = good.find("z9hG4bK").unwrap() + 20;
    let digit = if &good[nonce_at..=nonce_at] == "0" {
        "1"
    } else {
        "0"
    };
    let forged = format!("{}{digit}{}", &good[..nonce_at], &good[nonce_at + 1..]);
    assert!(!forged.contains(&via));
    w.send(home, &forged);
    assert_eq!(w.reasons(), vec!["response_unmatched"]);
    w.send(home, &good.replace("MESSAGE", "OPTIONS"));
    assert_eq!(w.reasons(), vec!["response_unmatched"]);
    w.silent(client);
    w.send(home, &good);
    w.expect(client, "SIP/2.0 200");
}

#[test]
fn responses_of_a_client_lose_their_asserted_identity() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let route = w.register(client, home, "");
    w.send(
        home,
        &Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&route)
            .to_string(),
    );
    let invite = w.expect(client, "INVITE");
    w.answers_with(
        client,
        &invite,
        180,
        "P-Asserted-Identity: <sip:ceo@contoso.test>\n",
    );
    assert_eq!(
        field(&w.expect(home, "SIP/2.0 180"), "P-Asserted-Identity"),
        None
    );
}

#[test]
fn the_answer_to_a_client_that_has_gone_is_dropped_and_counted() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("MESSAGE"));
    let message = w.expect(home, "MESSAGE");
    w.lose(client);
    w.answers(home, &message, 200);
    assert!(w.reasons().contains(&"origin_gone"));
    w.all_freed();
}

#[test]
fn the_answer_to_a_peer_whose_connection_broke_leaves_on_its_other_one() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let from = "<sip:x@fabrikam.test>;tag=a";
    w.ask(partner, Request::invite().from(from));
    let invite = w.expect(home, "INVITE");
    w.lose(partner);
    w.answers(home, &invite, 200);
    assert_eq!(w.connects.len(), 1, "none is left: one is made");
    let again = w.peer(PARTNER);
    w.expect(again, "SIP/2.0 200");
    // And the INVITE repeated on the new connection is the same transaction: absorbed.
    w.ask(again, Request::invite().from(from));
    w.silent(home);
}

#[test]
fn what_comes_late_of_a_cancelled_and_refused_call_keeps_nothing_alive() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 200");
    w.answers(home, &invite, 486);
    w.expect(home, "ACK");
    w.expect(client, "SIP/2.0 486");
    w.rings(home, &invite);
    w.silent(home);
    w.silent(client);
    w.pass(33 * SECOND);
    w.all_freed();
}

/// What two parsers would read differently, or what answers another request, must not pass (RFC 3261 §8.2.6.2).
#[test]
fn a_response_is_relayed_only_if_it_has_what_the_request_was_called_by_once() {
    let forgeries: [(&str, &str); 11] = [
        ("Call-ID: call-1", "Call-ID: call-1\nCall-ID: call-1"),
        ("Call-ID: call-1", "Call-ID: call-1\ni: call-2"),
        ("Call-ID: call-1", "Call-ID: call-2"),
        ("Call-ID: call-1", "X-Call-ID: call-1"),
        ("To: ", "To: <sip:eve@evil.test>;tag=c\nt: "),
        ("To: ", "X-To: "),
        ("From: ", "f: <sip:eve@evil.test>;tag=c\nFrom: "),
        ("From: ", "X-From: "),
        (";tag=a", ";tag=other"),
        (";tag=a", ";tag=a;tag=other"),
        ("CSeq: 1", "CSeq: 2"),
    ];
    for method in ["INVITE", "MESSAGE"] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.ask(client, Request::of(method));
        let request = w.expect(home, method);
        let genuine = answer(&request, "200 OK", "");
        let forge = |(is, reads): (&str, &str)| genuine.replacen(is, reads, 1);
        for forgery in forgeries {
            w.send(home, &forge(forgery));
            w.silent(client);
            assert_eq!(w.reasons(), ["response_malformed"], "{forgery:?}");
        }
        // The same From, written otherwise.
        let other = (
            "From: <sip:alice@contoso.test>;tag=a",
            "f : \"A\" <sip:alice@contoso.test> ; tag=a",
        );
        w.send(home, &forge(other));
        w.expect(client, "SIP/2.0 200");
        if method == "INVITE" {
            // Further 2xx of a fork are held to the same, when the request is gone.
            for forgery in forgeries {
                w.send(home, &forge(forgery));
                w.silent(client);
                assert_eq!(w.reasons(), ["response_malformed"], "{forgery:?}");
            }
            w.send(home, &forge((";tag=b", ";tag=c")));
            w.expect(client, "SIP/2.0 200");
            w.send(home, &forge(other));
            w.expect(client, "SIP/2.0 200");
        }
    }
}

/// Whoever asked finds its transaction by branch and sent-by of its own Via, and by nothing else (RFC 3261 §17.1.3, §18.1.2).
#[test]
fn an_answer_that_whoever_asked_would_not_know_is_dropped_and_it_has_another() {
    let own = "SIP/2.0/TLS ua.invalid:5061;branch=z9hG4bKone";
    let damaged: [(&str, &str); 10] = [
        ("z9hG4bKone", "z9hG4bKonf"),
        ("z9hG4bKone", "z9hG4bKone1"),
        ("z9hG4bKone", "z9hG4bKon"),
        (";branch=z9hG4bKone", ""),
        ("branch=z9hG4bKone", "branch=z9hG4bKone;branch=z9hG4bKtwo"),
        ("ua.invalid", "ub.invalid"),
        ("ua.invalid", "ua,invalid"),
        (":5061", ":5062"),
        ("SIP/2.0/TLS ua", "SIP/2.0 ua"),
        (
            "SIP/2.0/TLS ua",
            "SIP/2.0/TLS 192.0.2.66;branch=z9hG4bKmore\nVia: SIP/2.0/TLS ua",
        ),
    ];
    for method in ["INVITE", "MESSAGE"] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.ask(client, Request::of(method));
        let request = w.expect(home, method);
        let genuine = answer(&request, "200 OK", "");
        let damage =
            |(is, reads): (&str, &str)| genuine.replacen(own, &own.replacen(is, reads, 1), 1);
        for one in damaged {
            assert_ne!(damage(one), genuine);
            w.send(home, &damage(one));
            w.silent(client);
            assert_eq!(w.reasons(), ["response_malformed"], "{one:?}");
        }
        // What the way back does not go by may be written otherwise.
        let as_read = (
            "SIP/2.0/TLS ua.invalid:5061",
            "SIP / 2.0/tls  UA.invalid. : 5061 ;x",
        );
        w.send(home, &damage(as_read));
        w.expect(client, "SIP/2.0 200");
        if method == "INVITE" {
            // Further 2xx of a fork are held to the same, when the request is gone.
            for one in damaged {
                w.send(home, &damage(one));
                w.silent(client);
                assert_eq!(w.reasons(), ["response_malformed"], "{one:?}");
            }
            for sound in [as_read, (own, own)] {
                w.send(home, &damage(sound).replacen(";tag=b", ";tag=c", 1));
                w.expect(client, "SIP/2.0 200");
            }
        }
    }
    // Nothing else comes: the caller has its answer by the timer.
    let mut w = World::new();
    let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    let other = answer(&invite, "200 OK", "").replacen("z9hG4bKone", "z9hG4bKtwo", 1);
    w.send(fe01, &other);
    assert_eq!(w.reasons(), ["response_malformed"]);
    w.pass(9 * SECOND);
    w.expect(fe02, "INVITE");
    w.pass(33 * SECOND);
    w.expect(client, "SIP/2.0 100");
    w.expect(client, "SIP/2.0 408");
    w.silent(client);
}

/// Via values as clients and servers write them: `rport` before the branch and behind it, lists, addresses, and no branch at all.
#[test]
fn an_answer_finds_its_way_back_however_the_via_was_written() {
    for (number, via) in [
        "SIP/2.0/TLS 10.0.0.5:49152;rport;branch=z9hG4bKb1;alias",
        "SIP/2.0/TLS 10.0.0.5:49152;branch=z9hG4bKb2;rport",
        "SIP/2.0/TLS [2001:db8::b]:5061;rport;branch=z9hG4bKb3",
        "SIP/2.0/TLS 10.0.0.5 : 49152 ; branch = z9hG4bKb4",
        "SIP/2.0/TLS Phone.local.;received=203.0.113.9;branch=z9hG4bKb5;keep",
        "SIP/2.0/TLS 10.0.0.5:49152;branch=z9hG4bKb6, SIP/2.0/UDP 10.0.0.6;branch=z9hG4bKb0",
        "SIP/2.0/TLS a_b.invalid;branch=z9hG4bKb7;x=\"a,b\"",
        "SIP/2.0/TLS 10.0.0.5:49152",
        "SIP/2.0/TLS 10.0.0.5:49152;branch=1",
    ]
    .iter()
    .enumerate()
    {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let usual = "SIP/2.0/TLS ua.invalid:5061;branch=z9hG4bKone";
        let invite = Request::invite().to_string().replacen(usual, via, 1);
        w.send(client, &invite);
        let asked = w.expect(home, "INVITE");
        w.answers(home, &asked, 180);
        w.expect(client, "SIP/2.0 180");
        // One line of all values, as some write them.
        let lines = fields(&asked, "Via");
        let joined = format!("Via: {}\n", lines.join(", "));
        let mut ok = answer(&asked, "200 OK", "");
        for line in &lines {
            ok = ok.replacen(&format!("Via: {line}\n"), "", 1);
        }
        let ok = ok.replacen('\n', &format!("\n{joined}"), 1);
        w.send(home, &ok);
        w.expect(client, "SIP/2.0 200");
        w.answers(home, &asked, 200);
        w.expect(client, "SIP/2.0 200");
        assert!(w.reasons().is_empty(), "{number}");
    }
}
