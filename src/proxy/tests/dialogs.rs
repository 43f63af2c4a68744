//! Dialogs and flows: Record-Route and Path tokens on their way back (RFC 3261 §16.4, RFC 3327, RFC 5626 §5.3).
use super::world::*;
use std::time::Duration;

/// A call from a client to the home server, answered; gives the INVITE as the home server saw it.
fn call(w: &mut World, client: crate::proxy::LinkId, home: crate::proxy::LinkId) -> String {
    w.ask(client, Request::invite());
    let invite = w.expect(home, "INVITE");
    w.answers(home, &invite, 200);
    w.expect(client, "SIP/2.0 200");
    invite
}

#[test]
fn ack_and_bye_follow_the_token_whatever_the_request_uri_claims() {
    let mut w = World::new();
    let (client, fe01, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    let invite = call(&mut w, client, fe01);
    let more = route_of(&invite);
    let to = "<sip:bob@contoso.test>;tag=b";
    let uri = "sip:bob@edge.fabrikam.test";
    w.send(
        client,
        &Request::of("ACK")
            .uri(uri)
            .to(to)
            .more(&more)
            .branch("z9hG4bKack")
            .to_string(),
    );
    let ack = w.expect(fe01, "ACK sip:bob@edge.fabrikam.test");
    assert_eq!(fields(&ack, "Via").len(), 2);
    assert_eq!(field(&ack, "Route"), None);
    w.send(
        client,
        &Request::of("BYE")
            .uri(uri)
            .to(to)
            .more(&more)
            .cseq(2)
            .branch("z9hG4bKbye")
            .to_string(),
    );
    let bye = w.expect(fe01, "BYE");
    w.answers(fe01, &bye, 200);
    w.expect(client, "SIP/2.0 200");
    w.silent(partner);
}

#[test]
fn the_requests_of_a_call_keep_their_order_on_one_of_several_connections() {
    // Three that the topology asks for, or three that the server has made though it asks for one.
    for wanted in [1, 3] {
        let mut topology = topology();
        topology.peers[0].connections = wanted;
        let mut w = World::with(topology, 1);
        let client = w.client();
        let links = [(); 3].map(|()| w.peer(FE01));
        let mut used = std::collections::BTreeSet::new();
        for n in 0..40 {
            let of_call = |request: Request<'_>| {
                let text = request.to_string();
                text.replace("call-1", &format!("call-{n}"))
            };
            let branch = |of: &str| format!("z9hG4bK{of}{n}");
            w.send(
                client,
                &of_call(Request::invite().branch(&branch("INVITE"))),
            );
            let got = links.iter().find_map(|link| Some((*link, w.take(*link)?)));
            let (link, invite) = got.unwrap();
            w.answers(link, &invite, 200);
            let more = route_of(&invite);
            for (cseq, method) in [(1, "ACK"), (2, "BYE")] {
                let branch = branch(method);
                let request = Request::of(method).in_dialog().branch(&branch);
                w.send(client, &of_call(request.cseq(cseq).more(&more)));
                w.expect(link, method);
            }
            used.insert(link);
        }
        assert_eq!(used.len(), usize::from(wanted));
    }
}

#[test]
fn a_token_with_escaped_octets_that_need_none_is_the_same_token() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let invite = call(&mut w, client, fe01);
    let route = route_of(&invite);
    let (start, end) = (route.find("sip:").unwrap() + 4, route.find('@').unwrap());
    let user = &route[start..end];
    let all: String = user.bytes().map(|b| format!("%{b:02x}")).collect();
    let some = user
        .replace('_', "%5F")
        .replace('-', "%2d")
        .replace('A', "%41");
    for (cseq, token, genuine) in [
        (2, all.clone(), true),
        (3, some, true),
        (4, all.replacen('%', "%25", 1), false),
        (5, format!("{user}%00"), false),
    ] {
        let more = route.replacen(user, &token, 1);
        let branch = format!("z9hG4bK{cseq}");
        let bye = Request::of("BYE")
            .to("<sip:bob@contoso.test>;tag=b")
            .more(&more)
            .cseq(cseq)
            .branch(&branch);
        w.ask(client, bye);
        if genuine {
            assert_eq!(field(&w.expect(fe01, "BYE"), "Route"), None);
        } else {
            w.refused(client, "SIP/2.0 403", "token_forged");
        }
    }
}

#[test]
fn the_callee_hangs_up_through_the_same_token() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let invite = call(&mut w, client, fe01);
    let more = route_of(&invite);
    let bye = Request::of("BYE")
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .more(&more)
        .branch("z9hG4bKbye");
    w.ask(fe01, bye);
    let bye = w.expect(client, "BYE sip:alice@10.0.0.1");
    w.answers(client, &bye, 200);
    w.expect(fe01, "SIP/2.0 200");
}

#[test]
fn a_forged_token_is_403() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let invite = call(&mut w, client, fe01);
    let genuine = field(&invite, "Record-Route").unwrap();
    let at = 30;
    let other = if genuine.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("Route: {}{other}{}\n", &genuine[..at], &genuine[at + 1..]);
    w.send(
        client,
        &Request::of("BYE")
            .more(&forged)
            .branch("z9hG4bKf")
            .cseq(2)
            .to_string(),
    );
    w.expect(client, "SIP/2.0 403");
    assert_eq!(w.reasons().last(), Some(&"token_forged"));
    // Nor does a genuine one serve another call.
    let stolen = Request::of("BYE")
        .more(&route_of(&invite))
        .branch("z9hG4bKg")
        .cseq(2)
        .to_string();
    w.send(client, &stolen.replace("call-1", "call-2"));
    w.expect(client, "SIP/2.0 403");
    assert_eq!(w.reasons(), vec!["token_forged"]);
    w.silent(fe01);
}

#[test]
fn a_partner_may_not_use_a_dialog_that_it_is_not_part_of() {
    let mut w = World::new();
    let (client, fe01, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    let invite = call(&mut w, client, fe01);
    let from = "<sip:x@fabrikam.test>;tag=x";
    w.ask(
        partner,
        Request::of("BYE")
            .in_dialog()
            .from(from)
            .more(&route_of(&invite))
            .branch("z9hG4bKx"),
    );
    w.expect(partner, "SIP/2.0 403");
    assert_eq!(w.reasons().last(), Some(&"token_not_for_origin"));
    w.silent(client);
    w.silent(fe01);
}

#[test]
fn another_home_server_that_has_taken_over_still_hangs_up() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let invite = call(&mut w, client, fe01);
    w.lose(fe01);
    let fe02 = w.peer(FE02);
    let route = route_of(&invite);
    let bye = Request::of("BYE").from("<sip:bob@contoso.test>;tag=b");
    w.ask(fe02, bye.in_dialog().more(&route).branch("z9hG4bKt"));
    w.expect(client, "BYE");
}

#[test]
fn a_callee_answers_to_the_name_it_was_called_by_and_to_no_other() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let path = w.register(client, fe01, "");
    let invite = Request::invite()
        .uri("sip:alice@10.0.0.1")
        .from("<sip:x@carrier.test>;tag=a")
        .to("<tel:+4930123>")
        .more(&path);
    w.send(fe01, &invite.to_string());
    let invite = w.expect(client, "INVITE");
    w.answers(client, &invite, 200);
    w.expect(fe01, "SIP/2.0 200");
    let more = route_of(&invite);
    let bye = Request::of("BYE")
        .uri("sip:x@carrier.test")
        .from("<tel:+4930123>;tag=b")
        .to("<sip:x@carrier.test>;tag=a")
        .more(&more)
        .branch("z9hG4bKb");
    w.ask(client, bye);
    w.expect(fe01, "BYE");
    for (from, branch) in [
        ("<sip:eve@evil.test>;tag=b", "z9hG4bKw"),
        ("<tel:1;phone-context=contoso.test>;tag=b", "z9hG4bKx"),
    ] {
        let wrong = Request {
            from,
            branch,
            ..bye
        };
        w.send(client, &wrong.to_string());
        w.expect(client, "SIP/2.0 403");
        assert_eq!(w.reasons().last(), Some(&"from_not_allowed"));
    }
}

#[test]
fn a_home_server_reaches_a_registered_client_by_its_path_until_it_is_gone_for_30_seconds() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let path = w.register(client, fe01, "");
    let invite = |branch| {
        Request::invite()
            .uri("sip:alice@10.0.0.1")
            .more(&path)
            .branch(branch)
            .to_string()
    };
    w.send(fe01, &invite("z9hG4bK1"));
    let arrived = w.expect(client, "INVITE sip:alice@10.0.0.1");
    assert_eq!(field(&arrived, "Route"), None);
    assert!(!fields(&arrived, "Via")[0].contains("alias"));
    // The connection breaks while it rings: the caller hears of it when nobody has come back for long enough.
    w.lose(client);
    w.pass(Duration::from_millis(29_900));
    w.expect(fe01, "SIP/2.0 100");
    w.silent(fe01);
    w.pass(Duration::from_millis(200));
    w.expect(fe01, "SIP/2.0 430");
    w.send(fe01, &invite("z9hG4bK2"));
    w.expect(fe01, "SIP/2.0 430");
    assert_eq!(w.reasons(), vec!["flow_gone", "flow_gone"]);
}

#[test]
fn nobody_but_a_home_server_uses_a_path() {
    let mut w = World::new();
    let (client, other, fe01, partner) = (w.client(), w.client(), w.peer(FE01), w.peer(PARTNER));
    let path = w.register(client, fe01, "");
    w.send(
        partner,
        &Request::invite()
            .from("<sip:x@fabrikam.test>;tag=x")
            .more(&path)
            .to_string(),
    );
    w.expect(partner, "SIP/2.0 403");
    w.send(other, &Request::invite().more(&path).to_string());
    w.expect(other, "SIP/2.0 403");
    w.silent(client);
    // RFC 5626 §5.3: on its own flow it means "outgoing".
    w.send(client, &Request::invite().more(&path).to_string());
    assert_eq!(field(&w.expect(fe01, "INVITE"), "Route"), None);
}

#[test]
fn a_strict_router_in_front_of_us_puts_our_token_in_the_request_line() {
    let mut w = World::new();
    let (client, fe01) = (w.client(), w.peer(FE01));
    let invite = call(&mut w, client, fe01);
    let ours = field(&invite, "Record-Route")
        .unwrap()
        .trim_matches(['<', '>']);
    let more = "Route: <sip:bob@10.0.0.9>\n";
    w.ask(
        client,
        Request::of("BYE")
            .uri(ours)
            .more(more)
            .branch("z9hG4bKs")
            .cseq(2),
    );
    let bye = w.expect(fe01, "BYE sip:bob@10.0.0.9 SIP/2.0");
    assert_eq!(field(&bye, "Route"), None);
}

#[test]
fn a_spiral_through_us_keeps_both_of_our_routes_apart() {
    let mut w = World::new();
    let (alice, bob, fe01) = (w.client(), w.client(), w.peer(FE01));
    let path = w.register(bob, fe01, "");
    let path = path.trim_end();
    w.send(alice, &Request::invite().to_string());
    let first = w.expect(fe01, "INVITE");
    // The home server sends it on to bob's flow, through us again.
    let onward = first
        .replacen(
            "Via: ",
            "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKfe\r\nVia: ",
            1,
        )
        .replacen("INVITE sip:bob@contoso.test", "INVITE sip:bob@10.0.0.2", 1)
        .replacen("Max-Forwards", &format!("{path}\r\nMax-Forwards"), 1);
    w.send_bytes(fe01, onward.as_bytes());
    let second = w.expect(bob, "INVITE sip:bob@10.0.0.2");
    let routes = fields(&second, "Record-Route");
    assert_eq!(routes.len(), 2);
    assert_ne!(routes[0], routes[1]);
    // Bob hangs up: first our leg to the home server, then our leg to alice.
    let more = format!("Route: {}\nRoute: {}\n", routes[0], routes[1]);
    let bye = Request::of("BYE")
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .more(&more)
        .branch("z9hG4bKbye");
    w.ask(bob, bye);
    let at_home = w.expect(fe01, "BYE");
    assert_eq!(fields(&at_home, "Route"), vec![routes[1]]);
    let onward = at_home.replacen(
        "Via: ",
        "Via: SIP/2.0/TLS fe01.contoso.test;branch=z9hG4bKfe2\r\nVia: ",
        1,
    );
    w.send_bytes(fe01, onward.as_bytes());
    w.expect(alice, "BYE sip:alice@10.0.0.1");
}

/// One call must not lift the policy for whatever else its sides send.
#[test]
fn what_has_no_to_tag_is_judged_as_new_whatever_token_it_shows() {
    let mut w = World::new();
    let (client, fe01, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
    w.ask(partner, Request::invite().from(EVE));
    let invite = w.expect(fe01, "INVITE");
    w.answers(fe01, &invite, 200);
    w.expect(partner, "SIP/2.0 200");
    let route = route_of(&invite);
    let beyond = format!("{route}Route: <sip:sbc.toll.example;lr>\n");
    let (toll, bob) = ("sip:+1900555@toll.example", "sip:bob@contoso.test");
    let (untagged, tagged) = ("<sip:bob@contoso.test>", "<sip:bob@contoso.test>;tag=b");
    for (at, (method, uri, to, more, reason)) in [
        ("INVITE", toll, untagged, &route, "not_home_domain"),
        (
            "INVITE",
            "tel:+1900555",
            untagged,
            &route,
            "not_home_domain",
        ),
        (
            "MESSAGE",
            toll,
            "<sip:bob@contoso.test>;tag=",
            &route,
            "not_home_domain",
        ),
        ("FROBNICATE", toll, untagged, &route, "not_home_domain"),
        (
            "INVITE",
            bob,
            "<sip:x@toll.example>",
            &route,
            "to_not_allowed",
        ),
        ("INVITE", bob, untagged, &beyond, "route_not_permitted"),
        (
            "REGISTER",
            "sip:toll.example",
            tagged,
            &route,
            "not_home_domain",
        ),
        ("PUBLISH", toll, tagged, &route, "not_home_domain"),
    ]
    .into_iter()
    .enumerate()
    {
        let branch = format!("z9hG4bKnew{at}");
        let asked = Request::of(method).uri(uri).from(EVE).to(to);
        w.ask(partner, asked.more(more).branch(&branch).cseq(2));
        w.refused(partner, "SIP/2.0 4", reason);
        w.silent(fe01);
    }
    // Its ACK is none of the dialog, and what is of the dialog passes.
    let bye = Request::of("BYE").uri("sip:bob@10.0.0.9").from(EVE);
    w.ask(
        partner,
        Request {
            method: "ACK",
            ..bye.more(&route)
        },
    );
    assert_eq!(w.reasons(), ["ack_unmatched"]);
    w.ask(
        partner,
        bye.in_dialog().more(&route).branch("z9hG4bKbye").cseq(3),
    );
    w.expect(fe01, "BYE sip:bob@10.0.0.9");
    // A client has the name that it was called by in that dialog alone.
    let invite = Request::invite().from("<sip:x@carrier.test>;tag=a");
    let path = w.register(client, fe01, "");
    w.ask(
        fe01,
        invite.to("<tel:+4930123>").more(&path).branch("z9hG4bKin"),
    );
    let invite = w.expect(client, "INVITE");
    let route = route_of(&invite);
    let forged = Request::invite().from("<tel:+4930123>;tag=b").more(&route);
    w.ask(client, forged.branch("z9hG4bKout"));
    w.refused(client, "SIP/2.0 403", "from_not_allowed");
    w.silent(fe01);
}

/// Behind the token stand the home side's routes; a partner's name there would make of the home server a way to others.
#[test]
fn behind_a_token_no_route_leads_to_a_partner() {
    for is_client in [true, false] {
        let mut w = World::new();
        let (fe01, partner) = (w.peer(FE01), w.peer(PARTNER));
        let (asks, from) = match is_client {
            true => (w.client(), "<sip:alice@contoso.test>;tag=a"),
            false => (partner, EVE),
        };
        w.ask(asks, Request::invite().from(from));
        let invite = w.expect(fe01, "INVITE");
        w.answers(fe01, &invite, 200);
        w.expect(asks, "SIP/2.0 200");
        for (at, (hop, passes)) in [
            ("<sip:edge.fabrikam.test;lr>", false),
            ("<sip:EDGE.fabrikam.test:5061>", false),
            ("<sip:x@fabrikam.test;lr>", false),
            (
                "<sip:inner.contoso.test;maddr=edge.fabrikam.test;lr>",
                false,
            ),
            ("<sip:edge.fabrikam.test;maddr=10.0.0.9;lr>", false),
            ("<sip:fe02.contoso.test;lr>", true),
            ("<sip:contoso.test;lr>", true),
            ("<sip:inner.contoso.test;lr>", true),
            ("<sip:10.0.0.9;lr>, <sip:edge.fabrikam.test;lr>", true),
        ]
        .into_iter()
        .enumerate()
        {
            let more = format!("{}Route: {hop}\n", route_of(&invite));
            let branch = format!("z9hG4bK{at}");
            let info = Request::of("INFO").in_dialog().from(from).more(&more);
            w.ask(asks, info.branch(&branch).cseq(2));
            if passes {
                w.expect(fe01, "INFO");
            } else {
                w.refused(asks, "SIP/2.0 403", "route_not_permitted");
                w.silent(fe01);
            }
        }
        // Without a token `maddr` is no way past the same rule.
        let more = "Route: <sip:fe02.contoso.test;maddr=203.0.113.9;lr>\n";
        w.ask(asks, Request::of("INFO").from(from).more(more));
        w.refused(asks, "SIP/2.0 403", "route_not_permitted");
        w.silent(fe01);
    }
}
