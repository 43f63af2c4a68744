//! What the sender hears (RFC 3261 §8.2.6, §16.7, §18.2.2): which answer, with which tag, on which connection.
use super::world::*;
use crate::sip::phrase;
use std::time::Duration;

#[test]
fn answers_leave_on_the_connection_that_asked() {
    let mut w = World::new();
    let (first, second, home) = (w.peer(PARTNER), w.peer(PARTNER), w.peer(FE01));
    let ask = |branch| {
        Request::of("MESSAGE")
            .from("<sip:carol@fabrikam.test>;tag=c")
            .branch(branch)
            .to_string()
    };
    w.send(first, &ask("z9hG4bKfirst"));
    w.send(second, &ask("z9hG4bKsecond"));
    let (one, two) = (w.expect(home, "MESSAGE"), w.expect(home, "MESSAGE"));
    // The later one is answered first.
    w.answers(home, &two, 202);
    w.answers(home, &one, 200);
    let got = w.expect(first, "SIP/2.0 200");
    assert!(got.contains("branch=z9hG4bKfirst"));
    let got = w.expect(second, "SIP/2.0 202");
    assert!(got.contains("branch=z9hG4bKsecond"));
    w.silent(first);
    w.silent(second);
}

#[test]
fn every_final_answer_of_the_last_target_is_the_answer_except_503() {
    for status in [
        300, 302, 380, 400, 401, 403, 404, 407, 408, 415, 420, 480, 484, 486, 487, 500, 501, 502,
        504, 580, 600, 603, 606, 699,
    ] {
        let mut w = World::new();
        let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
        w.ask(client, Request::invite());
        let invite = w.expect(fe01, "INVITE");
        let line = format!("{status} {}", phrase(status));
        w.send(
            fe01,
            &answer(&invite, &line, "Contact: <sip:elsewhere@nowhere.test>\n"),
        );
        w.expect(fe01, "ACK");
        let got = w.expect(client, &format!("SIP/2.0 {line}\r\n"));
        // No recursion: a 3xx is the caller's to follow (RFC 3261 §16.5 lets a proxy leave it).
        assert_eq!(field(&got, "Contact"), Some("<sip:elsewhere@nowhere.test>"));
        w.silent(fe02);
        w.silent(client);
    }
}

#[test]
fn the_answer_is_that_of_the_target_that_gave_one_not_of_those_before_it() {
    // One target after the other, so the best answer (RFC 3261 §16.7 step 6) is the only one that is left.
    for (status, heard) in [
        ("486 Busy Here", "SIP/2.0 486"),
        ("603 Decline", "SIP/2.0 603"),
        ("200 OK", "SIP/2.0 200"),
    ] {
        let mut w = World::new();
        let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
        w.ask(client, Request::invite());
        let invite = w.expect(fe01, "INVITE");
        w.answers(fe01, &invite, 503);
        let invite = w.expect(fe02, "INVITE");
        w.send(fe02, &answer(&invite, status, ""));
        w.expect(client, heard);
        w.silent(client);
    }
}

#[test]
fn a_challenge_passes_with_every_line_of_it() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("REGISTER").uri("sip:contoso.test"));
    let got = w.expect(home, "REGISTER");
    let challenges = "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=SHA-256\n\
                      WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=MD5\n\
                      Proxy-Authenticate: Digest realm=\"b\", nonce=\"2\"\n";
    w.answers_with(home, &got, 401, challenges);
    let heard = w.expect(client, "SIP/2.0 401");
    for line in challenges.lines() {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
    // And the credentials pass the other way.
    let credentials = "Authorization: Digest username=\"alice\", realm=\"a\", response=\"x\"\n";
    w.ask(
        client,
        Request::of("REGISTER")
            .uri("sip:contoso.test")
            .cseq(2)
            .branch("z9hG4bKtwo")
            .more(credentials),
    );
    let got = w.expect(home, "REGISTER");
    assert!(got.contains(credentials.trim_end()));
}

#[test]
fn our_to_tag_is_the_same_for_the_same_request_and_a_100_has_none() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let wrong = Request::of("MESSAGE").from("<sip:mallory@elsewhere.test>;tag=m");
    let tags: Vec<String> = (0..2)
        .map(|_| {
            w.ask(client, wrong);
            let refused = w.expect(client, "SIP/2.0 403");
            field(&refused, "To").unwrap().to_owned()
        })
        .collect();
    assert!(tags[0].contains(";tag=") && tags[0] == tags[1], "{tags:?}");
    // Of what was answered: the same answer again, tag and all.
    w.ask(client, Request::invite());
    w.expect(home, "INVITE");
    w.pass(Duration::from_millis(300));
    let trying = w.expect(client, "SIP/2.0 100");
    assert_eq!(field(&trying, "To"), Some("<sip:bob@contoso.test>"));
    w.pass(Duration::from_secs(40));
    let refused = w.expect(client, "SIP/2.0 408");
    w.ask(client, Request::invite());
    let again = w.expect(client, "SIP/2.0 408");
    assert_eq!(field(&again, "To"), field(&refused, "To"));
    assert!(field(&refused, "To").unwrap().contains(";tag="));
}

#[test]
fn an_invite_repeated_on_a_new_connection_of_its_peer_finds_its_transaction() {
    let mut w = World::new();
    let (partner, home) = (w.peer(PARTNER), w.peer(FE01));
    let invite = Request::invite().from("<sip:carol@fabrikam.test>;tag=c");
    w.ask(partner, invite);
    let got = w.expect(home, "INVITE");
    w.rings(home, &got);
    let ringing = w.expect(partner, "SIP/2.0 180");
    // RFC 6026 §7.1: a transport error does not end the transaction.
    w.lose(partner);
    let back = w.peer(PARTNER);
    w.ask(back, invite);
    assert_eq!(w.expect(back, "SIP/2.0 180"), ringing);
    w.silent(home);
    w.answers(home, &got, 200);
    w.expect(back, "SIP/2.0 200");
}

#[test]
fn a_strict_router_on_both_sides_gets_what_it_can_read() {
    // RFC 3261 §16.12.1.2: our token in the request line, the target last in the route, and the next hop strict as well.
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let token = field(&invite, "Record-Route").unwrap();
    w.ask(
        client,
        Request::of("BYE")
            .uri(token.trim_matches(['<', '>']))
            .more("Route: <sip:fe01.contoso.test>\nRoute: <sip:bob@10.0.0.9>\n")
            .cseq(2)
            .branch("z9hG4bKbye"),
    );
    let got = w.expect(home, "BYE sip:fe01.contoso.test SIP/2.0\r\n");
    assert_eq!(fields(&got, "Route"), vec!["<sip:bob@10.0.0.9>"]);
}

#[test]
fn a_cancel_of_anything_but_an_invite_changes_nothing() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("MESSAGE"));
    let got = w.expect(home, "MESSAGE");
    w.ask(client, Request::of("CANCEL"));
    w.expect(client, "SIP/2.0 481");
    w.silent(home);
    w.answers(home, &got, 200);
    w.expect(client, "SIP/2.0 200");
    w.all_freed();
}

#[test]
fn a_response_whose_way_back_is_gone_is_told_of_without_an_address_that_nobody_has() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.lose(client);
    w.answers(home, &invite, 200);
    let dropped = w.events.iter().find_map(|event| {
        if let crate::observe::Event::MessageDropped {
            reason,
            remote,
            peer,
        } = event
        {
            Some((reason.code(), *remote, peer.clone()))
        } else {
            None
        }
    });
    assert_eq!(dropped, Some(("origin_gone", None, None)));
}
