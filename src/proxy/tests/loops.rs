//! Loops, breadth and bombs (RFC 5393, RFC 3261 §16.3), and Request-URIs that name this node in every form (§16.4).
use super::world::*;

#[test]
fn max_breadth_is_added_capped_passed_whole_and_440_when_used_up() {
    let cases = [
        ("", "60"),
        ("Max-Breadth: 60\n", "60"),
        ("Max-Breadth: 100\n", "60"),
        ("Max-Breadth: 4294967295\n", "60"),
        ("max-breadth: 7\n", "7"),
        ("Max-Breadth: 1\n", "1"),
    ];
    for (given, passed) in cases {
        let mut w = World::new();
        let (client, fe01, fe02) = (w.client(), w.peer(FE01), w.peer(FE02));
        w.ask(client, Request::invite().more(given));
        let invite = w.expect(fe01, "INVITE");
        assert_eq!(fields(&invite, "Max-Breadth"), vec![passed], "{given}");
        // One branch after the other: what the first one has given back, the next one gets.
        w.answers(fe01, &invite, 503);
        let again = w.expect(fe02, "INVITE");
        assert_eq!(fields(&again, "Max-Breadth"), vec![passed], "{given}");
    }
    for (given, status, reason) in [
        ("Max-Breadth: 0\n", "SIP/2.0 440", "max_breadth_exceeded"),
        ("Max-Breadth: some\n", "SIP/2.0 400", "malformed_request"),
        (
            "Max-Breadth: 1\nMax-Breadth: 1\n",
            "SIP/2.0 400",
            "malformed_request",
        ),
    ] {
        let mut w = World::new();
        let (client, fe01) = (w.client(), w.peer(FE01));
        w.ask(client, Request::invite().more(given));
        w.expect(client, status);
        assert_eq!(w.reasons(), vec![reason]);
        w.silent(fe01);
        w.all_freed();
    }
}

#[test]
fn a_route_longer_than_any_way_is_refused_and_the_longest_is_followed() {
    let ours = |count: usize| "Route: <sip:edge01.contoso.test;lr>\n".repeat(count);
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite().more(&ours(100)));
    let invite = w.expect(fe01, "INVITE");
    assert_eq!(fields(&invite, "Route"), [""; 0], "all of them named us");
    let one_line = format!(
        "Route: {}\n",
        vec!["<sip:a.contoso.test;lr>"; 500].join(",")
    );
    for bomb in [ours(101), ours(1_500), one_line] {
        w.ask(client, Request::invite().more(&bomb).branch("z9hG4bKbomb"));
        w.expect(client, "SIP/2.0 400");
        assert_eq!(w.reasons().last(), Some(&"too_many_routes"));
        w.silent(fe01);
    }
}

#[test]
fn every_form_of_our_name_in_the_request_line_is_ours_and_leads_nowhere_else() {
    let forms = [
        "sip:edge01.contoso.test",
        "sip:EDGE01.Contoso.TEST",
        "sip:edge01.contoso.test.",
        "sip:edge01.contoso.test:5061",
        "sip:192.0.2.1:5061",
        "sip:192.0.2.1",
        "sips:edge01.contoso.test",
        "sip:edge01.contoso.test;transport=tls",
        "sip:edge01.contoso.test;transport=udp",
        "sip:edge01.contoso.test;lr",
    ];
    for uri in forms {
        let mut w = World::new();
        let (home, fe02, partner) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
        // A home server asks the node itself: no user of it, so nobody behind it.
        w.ask(home, Request::of("OPTIONS").uri(uri));
        w.expect(home, "SIP/2.0 200");
        // Anything else for the node is for nobody.
        w.ask(home, Request::invite().uri(uri).branch("z9hG4bKcall"));
        w.expect(home, "SIP/2.0 404");
        w.silent(fe02);
        w.silent(partner);
        w.all_freed();
    }
}

#[test]
fn a_port_or_address_that_is_not_ours_is_not_us() {
    for uri in [
        "sip:edge01.contoso.test:5070",
        "sip:192.0.2.1:5060",
        "sip:192.0.2.2",
        "sip:[2001:db8::1]",
        "sip:edge02.contoso.test",
    ] {
        let mut w = World::new();
        let home = w.peer(FE01);
        w.ask(home, Request::of("OPTIONS").uri(uri));
        w.expect(home, "SIP/2.0 404");
        assert_eq!(w.reasons(), vec!["no_route"], "{uri}");
    }
}

#[test]
fn an_ipv6_listener_is_named_by_its_address_however_written() {
    use crate::proxy::{Actions, Origin};
    let mut w = World::new();
    let home = w.peer(FE01);
    for (host, ours) in [
        ("[2001:db8::1]", true),
        ("[2001:DB8:0:0:0:0:0:1]:5061", true),
        ("[2001:db8::2]", false),
        ("[2001:db8::1]:5060", false),
    ] {
        let uri = format!("sip:{host}");
        let bytes = wire(&Request::of("OPTIONS").uri(&uri).to_string());
        let message = crate::sip::Message::parse(&bytes).unwrap();
        let origin = Origin {
            local: "[2001:db8::1]:5061".parse().unwrap(),
            remote: "[2001:db8::9]:40000".parse().unwrap(),
            link: home,
            identity: crate::proxy::RemoteIdentity::Peer(w.peer_id(FE01)),
            asked: 0,
            held: None,
            number: 1,
        };
        let mut out = Actions::default();
        w.cores[0].on_message(&origin, &message, w.now, &mut out);
        let reply = String::from_utf8(out.bytes).unwrap();
        let status = if ours { "SIP/2.0 200" } else { "SIP/2.0 404" };
        assert!(reply.starts_with(status), "{host}: {reply}");
        // RFC 5118 §4.5: written without brackets.
        assert!(reply.contains(";received=2001:db8::9\r\n"), "{reply}");
    }
}

#[test]
fn an_maddr_that_names_us_is_taken_out_with_its_port_and_transport() {
    let ours = [
        "sip:carol@fabrikam.test;maddr=edge01.contoso.test",
        "sip:carol@fabrikam.test:5061;MADDR=192.0.2.1;transport=tls",
        "sip:carol@fabrikam.test;user=phone;maddr=edge01.contoso.test",
    ];
    for uri in ours {
        let mut w = World::new();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.ask(home, Request::invite().uri(uri));
        let invite = w.take(partner).unwrap();
        let plain = if uri.contains("user=phone") {
            "INVITE sip:carol@fabrikam.test;user=phone SIP/2.0\r\n"
        } else {
            "INVITE sip:carol@fabrikam.test SIP/2.0\r\n"
        };
        assert!(invite.starts_with(plain), "{uri}: {invite}");
        // Its CANCEL and its ACK bear the Request-URI that was sent.
        w.answers(partner, &invite, 486);
        let ack = w.take(partner).unwrap();
        assert_eq!(ack.split(' ').nth(1), invite.split(' ').nth(1));
    }
}

#[test]
fn an_maddr_elsewhere_leads_to_a_listed_peer_or_nowhere() {
    for (uri, to_partner) in [
        ("sip:x@nowhere.test;maddr=edge.fabrikam.test", true),
        ("sip:carol@fabrikam.test;maddr=198.51.100.66", false),
        ("sip:carol@fabrikam.test;maddr=evil.test", false),
    ] {
        let mut w = World::new();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        w.ask(home, Request::invite().uri(uri));
        if to_partner {
            w.expect(partner, &format!("INVITE {uri} SIP/2.0\r\n"));
        } else {
            w.expect(home, "SIP/2.0 404");
            w.silent(partner);
        }
    }
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let call = Request::invite().uri("sip:bob@contoso.test;maddr=");
    w.ask(client, call);
    w.expect(client, "SIP/2.0 400");
    // Whatever a client writes there, its requests go home.
    let call = Request::invite()
        .uri("sip:bob@contoso.test;maddr=198.51.100.66")
        .branch("z9hG4bKtwo");
    w.ask(client, call);
    w.expect(
        home,
        "INVITE sip:bob@contoso.test;maddr=198.51.100.66 SIP/2.0\r\n",
    );
}

#[test]
fn a_transport_parameter_changes_neither_the_way_nor_the_octets() {
    let mut w = World::new();
    let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    for (branch, uri) in [
        ("z9hG4bKu", "sip:bob@contoso.test;transport=udp"),
        ("z9hG4bKt", "sip:bob@contoso.test;transport=tcp"),
        ("z9hG4bKs", "sip:bob@contoso.test;transport=sctp"),
    ] {
        w.ask(client, Request::invite().uri(uri).branch(branch));
        w.expect(home, &format!("INVITE {uri} SIP/2.0\r\n"));
    }
    let call = Request::invite()
        .uri("sip:carol@fabrikam.test;transport=udp")
        .more("Route: <sip:edge01.contoso.test;transport=udp;lr>\n");
    w.ask(home, call);
    let invite = w.expect(
        partner,
        "INVITE sip:carol@fabrikam.test;transport=udp SIP/2.0\r\n",
    );
    assert_eq!(field(&invite, "Route"), None);
}

#[test]
fn a_request_that_spirals_through_us_ends_by_max_forwards_at_the_latest() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    // Two elements that send the request to each other and change it each time: no loop by RFC 5393, so its hops end it.
    let mut text = wire(&Request::invite().uri("sip:x0@fabrikam.test").to_string());
    let mut passed = 0;
    loop {
        w.send_bytes(home, &text);
        let Some(next) = w.take(partner) else { break };
        passed += 1;
        assert!(passed <= 70, "for ever");
        let onward = next.replacen(
            "Via: ",
            "Via: SIP/2.0/TLS b.test;branch=z9hG4bKb\r\nVia: ",
            1,
        );
        let branch = format!("branch=z9hG4bKb{passed}");
        text = onward
            .replacen("branch=z9hG4bKb", &branch, 1)
            .replacen(
                &format!("sip:x{}@", passed - 1),
                &format!("sip:x{passed}@"),
                1,
            )
            .into_bytes();
    }
    assert_eq!(passed, 70);
    w.expect(home, "SIP/2.0 483");
}

#[test]
fn under_overload_dialogs_and_responses_go_on() {
    let mut topology = topology();
    topology.limits.transactions = 16;
    let mut w = World::with(topology, 1);
    let (client, fe01) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    // Twice what the limit allows.
    let mut open = Vec::new();
    for n in 0..32 {
        let branch = format!("z9hG4bKm{n}");
        let message = Request::of("MESSAGE").branch(&branch);
        w.ask(client, message);
        match w.take(fe01) {
            Some(message) => open.push(message),
            None => {
                w.expect(client, "SIP/2.0 503");
            }
        }
    }
    assert_eq!(open.len(), 15);
    assert!(w.reasons().iter().all(|r| *r == "too_many_transactions"));
    // A re-INVITE is refused, and its ACK has no business with the other side.
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let route = route_of(&invite);
    let again = |method| {
        let text = Request::of(method).in_dialog().branch("z9hG4bKagain");
        text.more(&route).cseq(3).to_string()
    };
    let limit = w.cores[0].env.limits.transactions;
    w.cores[0].env.limits.transactions = 0;
    w.send(client, &again("INVITE"));
    w.refused(client, "SIP/2.0 503", "too_many_transactions");
    w.send(client, &again("ACK"));
    w.silent(fe01);
    assert!(w.reasons().is_empty());
    w.cores[0].env.limits.transactions = limit;
    // The call is acknowledged, changed and ended all the same.
    for (n, method) in ["ACK", "INFO", "BYE"].into_iter().enumerate() {
        let branch = format!("z9hG4bKd{n}");
        w.ask(
            client,
            Request::of(method)
                .in_dialog()
                .branch(&branch)
                .more(&route)
                .cseq(2),
        );
        let got = w.expect(fe01, method);
        if method != "ACK" {
            w.answers(fe01, &got, 200);
            w.expect(client, "SIP/2.0 200");
        }
    }
    for message in open {
        w.answers(fe01, &message, 200);
        w.expect(client, "SIP/2.0 200");
    }
}

/// Changes of calls that nobody answers must not use up what their ends need.
#[test]
fn under_overload_changes_of_a_call_leave_room_for_its_end() {
    let mut topology = topology();
    topology.limits.transactions = 16;
    let mut w = World::with(topology, 1);
    let (client, fe01) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let route = route_of(&invite);
    let within = |method: &'static str, n: u32| {
        let branch = format!("z9hG4bKo{n}");
        Request::of(method)
            .in_dialog()
            .branch(&branch)
            .more(&route)
            .cseq(n)
            .to_string()
    };
    let mut changed = 0;
    for n in 2..40 {
        w.send(client, &within("INVITE", n));
        if let Some(change) = w.take(fe01) {
            w.answers(fe01, &change, 200);
            w.expect(client, "SIP/2.0 200");
            changed += 1;
        } else {
            w.expect(client, "SIP/2.0 503");
        }
    }
    // What is answered takes no room.
    assert_eq!(changed, 38);
    let mut open = 0;
    for n in 40..80 {
        w.send(client, &within("INVITE", n));
        if w.take(fe01).is_some() {
            open += 1;
        } else {
            w.expect(client, "SIP/2.0 503");
        }
    }
    // Sixteen and an eighth.
    assert_eq!(open, 19);
    for n in 80..100 {
        w.send(client, &within("BYE", n));
        let bye = w.expect(fe01, "BYE");
        w.answers(fe01, &bye, 200);
        w.expect(client, "SIP/2.0 200");
    }
    // The room of BYEs, too, has an end.
    for n in 100..103 {
        w.send(client, &within("BYE", n));
        w.expect(fe01, "BYE");
    }
    w.send(client, &within("BYE", 103));
    w.expect(client, "SIP/2.0 503");
}

#[test]
fn our_token_in_the_request_line_is_opened_only_with_a_route_behind_it_and_never_followed_blindly()
{
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    let token = field(&invite, "Record-Route").unwrap();
    let token = token.trim_matches(['<', '>']);
    // Without a Route there is nothing to put in its place: it names nobody.
    w.ask(home, Request::of("INFO").uri(token).branch("z9hG4bKbare"));
    w.expect(home, "SIP/2.0 404");
    w.silent(client);
    // With one, it is checked like any other.
    let forged = token.replacen("sip:", "sip:A", 1);
    for (uri, to, start, branch) in [
        (token, client, "INFO", "z9hG4bKgood"),
        (forged.as_str(), home, "SIP/2.0 403", "z9hG4bKbad"),
    ] {
        w.ask(
            home,
            Request::of("INFO")
                .in_dialog()
                .uri(uri)
                .more("Route: <sip:alice@10.0.0.1>\n")
                .branch(branch),
        );
        w.expect(to, start);
    }
}
