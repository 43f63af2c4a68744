//! RFC 3261 §16.3: what is refused before anything is routed.
use super::world::*;
use crate::observe::Event;
use std::time::Duration;

#[track_caller]
fn refused(request: &Request<'_>, start: &str, reason: &str) -> String {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(client, &request.to_string());
    let reply = w.expect(client, start);
    w.silent(home);
    assert_eq!(w.reasons(), vec![reason]);
    w.all_freed();
    reply
}

#[test]
fn an_unknown_scheme_is_416() {
    refused(
        &Request::invite().uri("soap.beep://192.0.2.103:3002"),
        "SIP/2.0 416",
        "unsupported_scheme",
    );
}

#[test]
fn max_forwards_zero_is_483() {
    let text = Request::invite()
        .to_string()
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    let mut w = World::new();
    let client = w.client();
    w.send(client, &text);
    w.expect(client, "SIP/2.0 483");
    assert_eq!(w.reasons(), vec!["too_many_hops"]);
}

#[test]
fn a_proxy_require_of_ours_unknown_is_420_and_lists_exactly_it() {
    let request = Request::invite().more("Proxy-Require: nothingSupportsThis, nor-this\n");
    let reply = refused(&request, "SIP/2.0 420", "bad_extension");
    assert_eq!(
        field(&reply, "Unsupported"),
        Some("nothingSupportsThis, nor-this")
    );
}

#[test]
fn require_is_for_the_far_end_and_passes() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(
        client,
        &Request::invite().more("Require: nothing\n").to_string(),
    );
    assert_eq!(field(&w.expect(home, "INVITE"), "Require"), Some("nothing"));
}

#[test]
fn a_cseq_method_that_differs_is_400() {
    let text = Request::invite()
        .to_string()
        .replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    let mut w = World::new();
    let client = w.client();
    w.send(client, &text);
    w.expect(client, "SIP/2.0 400");
    assert_eq!(w.reasons(), vec!["malformed_request"]);
}

#[test]
fn a_bare_magic_cookie_is_400() {
    refused(
        &Request::invite().branch("z9hG4bK"),
        "SIP/2.0 400",
        "bad_branch",
    );
}

#[test]
fn a_refusal_copies_what_it_must_and_tells_a_stranger_little() {
    let request = Request::invite().from("<sip:eve@elsewhere.test>;tag=e");
    let reply = refused(&request, "SIP/2.0 403", "from_not_allowed");
    assert_eq!(
        field(&reply, "Via"),
        Some("SIP/2.0/TLS ua.invalid:5061;branch=z9hG4bKone;received=198.51.100.7")
    );
    assert_eq!(
        field(&reply, "From"),
        Some("<sip:eve@elsewhere.test>;tag=e")
    );
    assert!(
        field(&reply, "To")
            .unwrap()
            .starts_with("<sip:bob@contoso.test>;tag=")
    );
    assert_eq!(field(&reply, "CSeq"), Some("1 INVITE"));
    assert_eq!(field(&reply, "Content-Length"), Some("0"));
    assert_eq!(
        field(&reply, "Warning"),
        Some("399 edge01.contoso.test \"from not allowed\"")
    );
}

#[test]
fn the_ack_of_a_stateless_refusal_is_absorbed_without_a_line() {
    let mut w = World::new();
    let client = w.client();
    let invite = Request::invite().from("<sip:eve@elsewhere.test>;tag=e");
    w.ask(client, invite);
    let reply = w.expect(client, "SIP/2.0 403");
    w.reasons();
    let ack = Request {
        method: "ACK",
        to: field(&reply, "To").unwrap(),
        ..invite
    };
    w.send(client, &ack.to_string());
    w.silent(client);
    assert!(w.reasons().is_empty());
}

#[test]
fn an_ack_is_never_answered_however_wrong() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    for text in [
        Request::of("ACK")
            .from("<sip:eve@elsewhere.test>;tag=e")
            .to_string(),
        Request::of("ACK").uri("soap.beep://x").to_string(),
        Request::of("ACK")
            .to_string()
            .replace("Max-Forwards: 70", "Max-Forwards: 0"),
        Request::of("ACK").branch("z9hG4bK").to_string(),
    ] {
        w.send(client, &text);
        w.silent(client);
        w.silent(home);
    }
    assert_eq!(w.reasons().len(), 4);
    w.all_freed();
}

#[test]
fn a_loop_is_482_and_a_spiral_passes() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(home, Request::invite().uri("sip:x@fabrikam.test"));
    let forwarded = w.expect(partner, "INVITE");
    // The partner sends it back changed (a spiral): another Request-URI.
    let spiral = forwarded
        .replace("sip:x@fabrikam.test", "sip:bob@contoso.test")
        .replace("sip:alice@contoso.test", "sip:alice@fabrikam.test");
    w.send_bytes(partner, spiral.as_bytes());
    let back = w.expect(home, "INVITE sip:bob@contoso.test");
    // The home server sends that once more to where it came from, unchanged: its own first request again.
    let again = back.replace("INVITE sip:bob@contoso.test", "INVITE sip:x@fabrikam.test");
    let again = again.replacen(
        "Via: ",
        "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKother\r\nVia: ",
        1,
    );
    w.send_bytes(home, again.as_bytes());
    w.expect(home, "SIP/2.0 482");
    assert_eq!(w.reasons(), vec!["loop_detected"]);
}

#[test]
fn options_for_the_node_itself_is_answered_here() {
    let mut w = World::new();
    let partner = w.peer(PARTNER);
    let ping = Request::of("OPTIONS")
        .uri("sip:edge01.contoso.test:5061")
        .from("<sip:edge.fabrikam.test@fabrikam.test>;tag=p")
        .to("<sip:edge01.contoso.test>");
    w.ask(partner, ping);
    let reply = w.expect(partner, "SIP/2.0 200");
    assert!(field(&reply, "Allow").unwrap().contains("INVITE"));
    w.all_freed();
}

#[test]
fn a_client_has_a_budget_and_another_client_is_not_hurt_by_it() {
    let mut topology = topology();
    topology.limits.transactions_per_client = 2;
    let mut w = World::with(topology, 1);
    let (busy, other, home) = (w.client(), w.client(), w.peer(FE01));
    for (n, branch) in ["z9hG4bK1", "z9hG4bK2", "z9hG4bK3"].into_iter().enumerate() {
        w.ask(busy, Request::of("MESSAGE").branch(branch));
        if n < 2 {
            w.expect(home, "MESSAGE");
        }
    }
    w.expect(busy, "SIP/2.0 503");
    assert_eq!(w.reasons(), vec!["client_budget"]);
    w.silent(home);
    w.ask(other, Request::of("MESSAGE"));
    let message = w.expect(home, "MESSAGE");
    w.answers(home, &message, 200);
    w.expect(other, "SIP/2.0 200");
}

#[test]
fn a_connection_has_so_many_calls_that_ring_and_a_bound_says_when_it_bites() {
    let mut topology = topology();
    topology.limits.invites_per_client = 2;
    topology.peers[2].invites = 1;
    for (is_client, most) in [(true, 2), (false, 1)] {
        let mut w = World::with(topology.clone(), 1);
        let home = w.peer(FE01);
        let caller = match is_client {
            true => w.client(),
            false => w.peer(PARTNER),
        };
        let invite = |w: &mut World, number: usize| {
            let branch = format!("z9hG4bK{number}");
            let request = Request::of("INVITE").branch(&branch).cseq(number as u32);
            match is_client {
                true => w.ask(caller, request),
                false => w.ask(caller, request.from("<sip:carol@fabrikam.test>;tag=1")),
            }
        };
        for number in 1..=most {
            invite(&mut w, number);
            let got = w.expect(home, "INVITE");
            w.rings(home, &got);
            w.expect(caller, "SIP/2.0 180");
            if number == most {
                invite(&mut w, 8);
                invite(&mut w, 9);
                for _ in 0..2 {
                    let refusal = w.expect(caller, "SIP/2.0 503");
                    assert_eq!(field(&refusal, "Retry-After"), Some("1"));
                }
                let reached = |event: &&Event| matches!(event, Event::BoundReached { .. });
                assert_eq!(w.events.iter().filter(reached).count(), 1);
                assert_eq!(w.reasons(), ["too_many_invites"; 2]);
                w.silent(home);
                // Once it is answered the next one begins.
                w.answers(home, &got, 200);
                w.expect(caller, "SIP/2.0 200");
                invite(&mut w, 10);
                w.expect(home, "INVITE");
            }
        }
        w.pass(Duration::from_secs(6));
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these are asked for")]
        let about = |event: &Event| match event {
            Event::BoundLeft { reason, refused } => Some((reason.code(), *refused)),
            _ => None,
        };
        let bounds: Vec<_> = w.events.iter().filter_map(about).collect();
        assert_eq!(bounds, [("too_many_invites", 2)]);
    }
}

#[test]
fn what_is_answered_has_a_budget_of_its_own_and_is_refused_to_nobody_else() {
    let mut topology = topology();
    topology.limits.transactions = 1;
    topology.limits.answered_per_client = 3 * crate::proxy::answered::COST;
    for (status, waits) in [(200, true), (407, true), (407, false)] {
        let mut w = World::with(topology.clone(), 1);
        let (busy, other, home) = (w.client(), w.client(), w.peer(FE01));
        let call = |w: &mut World, client, number: u32| {
            let branch = format!("z9hG4bK{number}");
            let invite = Request::of("INVITE").branch(&branch).cseq(number);
            w.ask(client, invite);
            let Some(got) = w.take(home) else {
                let refusal = w.expect(client, "SIP/2.0 503");
                assert_eq!(field(&refusal, "Retry-After"), Some("1"));
                assert_eq!(w.reasons(), ["too_many_answered"]);
                return false;
            };
            w.answers(home, &got, status);
            if status == 407 {
                w.expect(home, "ACK");
            }
            let answer = w.expect(client, &format!("SIP/2.0 {status}"));
            if !waits {
                let to = field(&answer, "To").unwrap();
                let ack = Request::of("ACK").branch(&branch).cseq(number).to(to);
                w.send(client, &ack.to_string());
            }
            true
        };
        // Refused INVITEs that are acknowledged leave nothing.
        let passed = (1..=10).filter(|n| call(&mut w, busy, *n)).count();
        assert_eq!(passed, if waits { 3 } else { 10 });
        assert!(call(&mut w, other, 11));
        w.events.clear();
        // A BYE leaves nothing behind either, and passes.
        w.ask(busy, Request::of("MESSAGE").branch("z9hG4bKm"));
        let got = w.expect(home, "MESSAGE");
        w.answers(home, &got, 200);
        w.expect(busy, "SIP/2.0 200");
        w.pass(Duration::from_secs(33));
        w.all_freed();
        assert!(call(&mut w, busy, 12));
    }
}

#[test]
fn a_challenge_that_was_lost_with_its_connection_is_asked_for_anew() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    for _ in 0..2 {
        w.ask(client, Request::invite());
        let got = w.expect(home, "INVITE");
        w.answers_with(home, &got, 407, "Proxy-Authenticate: Digest nonce=\"n\"\n");
        w.expect(home, "ACK");
        let answer = w.expect(client, "SIP/2.0 407");
        assert!(field(&answer, "Proxy-Authenticate").is_some());
    }
    w.all_but(1);
    w.pass(Duration::from_secs(33));
    w.all_freed();
}
