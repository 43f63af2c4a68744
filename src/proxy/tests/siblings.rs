//! Two nodes of one site: what is for a client of the other one reaches it, and nothing else passes.
use super::pair::*;
use crate::topology::{FieldTrust, PeerBoundary, Topology};

#[test]
fn what_is_for_a_phone_of_the_other_node_reaches_it_and_is_answered() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[1].expect(phone, "INVITE sip:alice@10.0.0.1");
        assert_eq!(fields(&called, "Route"), Vec::<String>::new());
        assert_eq!(fields(&called, "X-Sipward-Origin"), Vec::<String>::new());
        assert_eq!(fields(&called, "Record-Route").len(), 1);
        pair.answers(1, phone, &called, 180);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 180");
        pair.answers(1, phone, &called, 200);
        let ok = pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200");
        let dialog = route_of(&ok);
        assert_eq!(route_of(&called), dialog);
        pair.sends(0, &request("ACK", &dialog, "z9hG4bK2"));
        let ack = pair.nodes[1].expect(phone, "ACK");
        assert_eq!(fields(&ack, "X-Sipward-Origin"), Vec::<String>::new());
        for (at, method) in [(0, "INVITE"), (1, "INFO"), (0, "NOTIFY"), (0, "UPDATE")] {
            pair.sends(at, &request(method, &dialog, &format!("z9hG4bK{method}")));
            let got = pair.nodes[1].expect(phone, method);
            pair.answers(1, phone, &got, 200);
            pair.nodes[at].expect(pair.homes[at], "SIP/2.0 200");
        }
        pair.sends(0, &request("BENOTIFY", &dialog, "z9hG4bK3"));
        pair.nodes[1].expect(phone, "BENOTIFY");
        // The phone's own request needs nothing of the other node.
        let bye = Request::of("BYE").in_dialog().more(&dialog).to_string();
        pair.nodes[1].send(phone, &bye.replace("tag=b", "tag=x"));
        pair.nodes[1].expect(pair.homes[1], "BYE");
        assert!(pair.nodes.iter_mut().all(|node| node.reasons().is_empty()));
    });
}

#[test]
fn a_call_that_crosses_is_counted_by_the_node_that_has_its_client() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 200);
        let ok = pair.nodes[0].pick(pair.homes[0], "SIP/2.0 200");
        let counts = |pair: &Pair| [0, 1].map(|at: usize| pair.nodes[at].calls());
        assert_eq!(counts(&pair), [0, 1]);
        // Whichever way the BYE comes, it passes the phone's node.
        let bye = request("BYE", &route_of(&ok), "z9hG4bKbye");
        pair.sends(0, &bye.replace("tag=a", "tag=b"));
        let bye = pair.nodes[1].pick(phone, "BYE");
        pair.answers(1, phone, &bye, 200);
        assert_eq!(counts(&pair), [0, 0]);
        let ended = pair.nodes.iter().flat_map(|node| &node.events);
        let ended = ended.filter(|event| event.name() == "call_ended");
        assert_eq!(ended.count(), 1);
    });
}

#[test]
fn a_refusal_and_a_cancel_cross_as_well() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 486);
        pair.nodes[1].expect(phone, "ACK");
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 486");
        pair.sends(0, &invite(&path, "z9hG4bK2"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 180);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 180");
        let cancel = invite(&path, "z9hG4bK2").replace("INVITE", "CANCEL");
        pair.sends(0, &cancel);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200");
        let cancelled = pair.nodes[1].expect(phone, "CANCEL");
        pair.answers(1, phone, &cancelled, 200);
        pair.answers(1, phone, &called, 487);
        pair.nodes[1].expect(phone, "ACK");
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 487");
        pair.pass(60 * SECOND);
    });
}

#[test]
fn what_nobody_has_is_gone_at_once_and_what_came_from_a_sibling_goes_to_none() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.nodes[1].lose(phone);
        pair.pass(31 * SECOND);
        pair.nodes[1].reasons();
        pair.nodes[0].send(pair.homes[0], &invite(&path, "z9hG4bK1"));
        // The INVITE, a 430 and its ACK.
        assert_eq!(pair.pump(), 3);
        pair.nodes[0].refused(pair.homes[0], "SIP/2.0 430", "flow_gone");
        assert_eq!(pair.nodes[1].reasons(), ["flow_gone"]);
    });
}

#[test]
fn a_phone_that_changes_the_node_is_asked_for_again_while_it_is_waited_for() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[0].expect(phone, "INVITE");
        pair.answers(0, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
        pair.nodes[0].lose(phone);
        pair.sends(0, &request("INFO", &dialog, "z9hG4bK2"));
        pair.pass(2 * SECOND);
        let (phone, _) = pair.phone(1);
        pair.nodes[1].silent(phone);
        pair.pass(2 * SECOND);
        let info = pair.nodes[1].expect(phone, "INFO");
        pair.answers(1, phone, &info, 200);
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 200");
        // From now on it is known to be there.
        pair.sends(0, &request("BYE", &dialog, "z9hG4bK3"));
        pair.nodes[1].expect(phone, "BYE");
    });
}

#[test]
fn a_call_outlives_the_node_that_it_ran_through() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[0].expect(phone, "INVITE");
        pair.answers(0, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
        pair.kill(0);
        // The home side is quicker than the phone, and is made to wait.
        pair.nodes[1].send(pair.homes[1], &request("INVITE", &dialog, "z9hG4bK2"));
        pair.nodes[1].pass(4 * SECOND);
        let phone = pair.nodes[1].client();
        pair.nodes[1].register(phone, pair.homes[1], "");
        let again = pair.nodes[1].expect(phone, "INVITE");
        pair.nodes[1].answers(phone, &again, 200);
        pair.nodes[1].pick(pair.homes[1], "SIP/2.0 200");
        let bye = request("BYE", &dialog, "z9hG4bK3");
        pair.nodes[1].send(pair.homes[1], &bye);
        pair.nodes[1].expect(phone, "BYE");
        let own = Request::of("INFO").in_dialog().more(&dialog).to_string();
        pair.nodes[1].send(phone, &own);
        pair.nodes[1].pick(pair.homes[1], "INFO");
        assert!(pair.nodes[1].reasons().is_empty());
    });
}

/// The request as node 0 hands it over.
fn handed_over(pair: &mut Pair, text: &str) -> String {
    pair.nodes[0].send(pair.homes[0], text);
    while let Some(message) = pair.nodes[0].take(pair.siblings[0][0]) {
        if !message.starts_with("OPTIONS") {
            return message;
        }
    }
    panic!("nothing was handed over")
}

/// What a sibling sends is refused for this reason, or dropped.
fn refused(pair: &mut Pair, text: &str, reason: &str) {
    pair.nodes[1].reasons();
    pair.nodes[1].send(pair.siblings[1][0], &text.replace('\r', ""));
    let answer = pair.nodes[1].take(pair.siblings[1][0]);
    assert_eq!(pair.nodes[1].reasons(), [reason], "{text} {answer:?}");
    while pair.nodes[1].take(pair.siblings[1][0]).is_some() {}
}

#[test]
fn a_sibling_may_send_nothing_but_what_somebody_else_has_sent_to_a_client() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    // Of its own: by the Path, to the home pool, to a partner, a registration.
    let not = "sibling_not_permitted";
    refused(&mut pair, &invite(&path, "z9hG4bKa"), not);
    for uri in ["sip:bob@contoso.test", "sip:x@fabrikam.test"] {
        let new = Request::invite().uri(uri).branch("z9hG4bKb").to_string();
        refused(&mut pair, &new, not);
    }
    let register = Request::of("REGISTER").branch("z9hG4bKc").to_string();
    refused(&mut pair, &register, not);
    // A genuine one, changed in what it is bound to.
    let genuine = handed_over(&mut pair, &invite(&path, "z9hG4bK1"));
    let [origin, call_id, route] = ["X-Sipward-Origin", "Call-ID", "Route"]
        .map(|name| field(&genuine, name).unwrap().to_owned());
    for (from, to) in [
        (&call_id[..], "another-call"),
        ("1 INVITE", "2 INVITE"),
        ("INVITE", "MESSAGE"),
        (&origin[..12], "AAAAAAAAAAAA"),
        (&origin[20..], &origin[21..]),
        (&origin, ""),
        (&origin, &format!("{origin}\r\nX-Sipward-Origin: {origin}")),
    ] {
        assert!(genuine.contains(from), "{from}");
        refused(&mut pair, &genuine.replace(from, to), "origin_forged");
    }
    // The origin of a request to a client, under one that is for nobody here.
    let astray = genuine.replace(&route, "<sip:contoso.test;lr>");
    refused(
        &mut pair,
        &astray.replace("10.0.0.1", "contoso.test"),
        "origin_forged",
    );
    let partner = genuine.replace("alice@10.0.0.1", "x@fabrikam.test");
    refused(
        &mut pair,
        &partner.replace(&route, "<sip:fe02.contoso.test;lr>"),
        "origin_forged",
    );
    // Under one for another client, whose token stands in its place, in front of it, or where a strict router puts it.
    let other = pair.nodes[1].client();
    let to_other = pair.nodes[1].register(other, pair.homes[1], ";+sip.instance=\"<urn:uuid:2>\"");
    let to_other = to_other.trim_end().strip_prefix("Route: ").unwrap();
    for astray in [to_other.to_owned(), format!("{to_other}, {route}")] {
        let astray = genuine.replace(&route, &astray);
        refused(&mut pair, &astray, "origin_forged");
    }
    let strict = genuine.replace("sip:alice@10.0.0.1", to_other.trim_matches(['<', '>']));
    let strict = strict.replace(&route, &format!("{route}, <sip:alice@10.0.0.1>"));
    refused(&mut pair, &strict, not);
    pair.nodes[1].silent(other);
    pair.nodes[1].silent(phone);
    // Too late.
    pair.nodes[1].pass(62 * SECOND);
    while pair.nodes[1].take(pair.siblings[1][0]).is_some() {}
    refused(&mut pair, &genuine, "origin_forged");
    pair.nodes[1].silent(phone);
    pair.nodes[1].silent(pair.homes[1]);
}

/// Who has seen what one node was handed cannot use it at another one, though that has the client too.
#[test]
fn an_origin_that_was_signed_for_one_node_is_refused_by_another() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let genuine = handed_over(&mut pair, &invite(&path, "z9hG4bK1")).replace('\r', "");
    let (here, _) = pair.phone(0);
    pair.nodes[0].reasons();
    pair.nodes[0].send(pair.siblings[0][0], &genuine);
    pair.nodes[0].pick(pair.siblings[0][0], "SIP/2.0 430");
    assert_eq!(pair.nodes[0].reasons(), ["origin_forged"]);
    pair.nodes[0].silent(here);
    pair.nodes[1].send(pair.siblings[1][0], &genuine);
    pair.nodes[1].expect(phone, "INVITE");
}

/// A sibling says which entries a sender's certificate names; what could not be one certificate here does not count.
#[test]
fn what_a_sibling_says_of_a_certificate_counts_as_far_as_this_topology_has_it() {
    use crate::proxy::leg::PeerKey;
    use crate::proxy::sibling::HandedOver;
    let node = World::with(teams(), 1);
    let routing = node.cores[0].env.routing();
    let [one, two, three] = TEAMS.map(PeerKey::of);
    let [home, partner, unknown] = [FE01, PARTNER, "nobody.invalid"].map(PeerKey::of);
    let also = |own, said: &[PeerKey]| HandedOver::said(own, said).also(routing).to_vec();
    assert_eq!(
        also(one, &[three, home, two, partner, unknown]),
        [three, two]
    );
    assert_eq!(also(partner, &[one, home]), []);
    assert_eq!(also(home, &[PeerKey::of(FE02), one]), [PeerKey::of(FE02)]);
}

#[test]
fn the_field_is_worth_nothing_from_anybody_else_and_never_leaves_a_node() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let genuine = handed_over(&mut pair, &invite(&path, "z9hG4bK1"));
    let origin = format!(
        "X-Sipward-Origin: {}\n",
        field(&genuine, "X-Sipward-Origin").unwrap()
    );
    let partner = pair.nodes[1].peer(PARTNER);
    let stranger = pair.nodes[1].client();
    for link in [partner, stranger] {
        pair.nodes[1].send(link, &genuine.replace('\r', ""));
        let answer = pair.nodes[1].take(link).unwrap();
        assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    }
    pair.nodes[1].silent(phone);
    // Towards a server, from a client; towards a client, from a server, and back in a response.
    let call = Request::invite().more(&origin).branch("z9hG4bK2");
    pair.nodes[1].send(phone, &call.to_string());
    let called = pair.nodes[1].pick(pair.homes[1], "INVITE");
    assert!(!called.contains("X-Sipward-Origin"), "{called}");
    pair.nodes[1].answers_with(pair.homes[1], &called, 200, &origin);
    let ok = pair.nodes[1].pick(phone, "SIP/2.0 200");
    assert!(!ok.contains("X-Sipward-Origin"), "{ok}");
    pair.nodes[1].send(
        pair.homes[1],
        &invite(&format!("{path}{origin}"), "z9hG4bK3"),
    );
    let called = pair.nodes[1].pick(phone, "INVITE");
    assert!(!called.contains("X-Sipward-Origin"), "{called}");
    pair.nodes[1].answers_with(phone, &called, 200, &origin);
    let ok = pair.nodes[1].pick(pair.homes[1], "SIP/2.0 200");
    assert!(!ok.contains("X-Sipward-Origin"), "{ok}");
}

#[test]
fn a_partner_reaches_no_phone_of_the_other_node() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let partner = pair.nodes[0].peer(PARTNER);
    let called = invite(&path, "z9hG4bK1").replace("bob@contoso.test", "x@fabrikam.test");
    pair.nodes[0].send(partner, &called);
    pair.nodes[0].refused(partner, "SIP/2.0 403", "token_not_for_origin");
    // And not as the sender of what a sibling hands over either.
    pair.sends(0, &invite(&path, "z9hG4bK2"));
    let invited = pair.nodes[1].expect(phone, "INVITE");
    let dialog = route_of(&invited);
    pair.answers(1, phone, &invited, 200);
    let info = request("INFO", &dialog, "z9hG4bK3").replace("bob@contoso.test", "x@fabrikam.test");
    pair.nodes[0].send(partner, &info);
    pair.nodes[0].refused(partner, "SIP/2.0 403", "token_not_for_origin");
    pair.pump();
    pair.nodes[1].silent(phone);
}

#[test]
fn a_home_server_that_the_other_node_does_not_list_has_no_rights_there() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let genuine = handed_over(&mut pair, &invite(&path, "z9hG4bK1"));
    let mut other = one_of_two(topology(), 1);
    other.peers[0].kind = crate::topology::PeerKind::Federated;
    other.pools[0].peers.remove(0);
    pair.nodes[1].load(other);
    while pair.nodes[1].take(pair.siblings[1][0]).is_some() {}
    pair.nodes[1].reasons();
    pair.nodes[1].send(pair.siblings[1][0], &genuine.replace('\r', ""));
    let answer = pair.nodes[1].pick(pair.siblings[1][0], "SIP/2.0 430");
    assert!(answer.contains("from not allowed"), "{answer}");
    pair.nodes[1].silent(phone);
}

/// The nodes' files differ: what one lets its server do, the other does not take from it.
#[test]
fn a_grant_that_this_node_does_not_have_is_not_taken_from_the_other() {
    let asserted = "P-Asserted-Identity: <sip:boss@contoso.test>\n";
    let standard = |asserts| PeerBoundary::standard(FieldTrust::of_peer(asserts));
    let of = |asserts| {
        move |topology: &mut Topology| {
            topology.peers[0].assert_identity = asserts;
            topology.peers[0].boundary = standard(asserts);
        }
    };
    // Each node's own grant, and whether what the server asserts arrives: both must let it pass.
    for (here, there) in [(true, true), (true, false), (false, true)] {
        let mut pair = Pair::new(1);
        let (phone, path) = pair.phone(1);
        for (at, asserts) in [here, there].into_iter().enumerate() {
            let mut topology = one_of_two(topology(), at);
            of(asserts)(&mut topology);
            pair.nodes[at].load(topology);
        }
        pair.sends(0, &invite(&format!("{path}{asserted}"), "z9hG4bK1"));
        let called = pair.nodes[1].pick(phone, "INVITE");
        let arrives = fields(&called, "P-Asserted-Identity").len() == 1;
        assert_eq!(arrives, here && there, "{here} {there}\n{called}");
    }
    // A server that is in no entry there, or in no pool of the client's domain, reaches nobody, however the first node has it.
    type Change = fn(&mut Topology);
    let changes: [(Change, &str); 2] = [
        (
            |topology| {
                let unlisted = crate::topology::DnsName("other.contoso.test".into());
                let other = topology.peers[0].clone().renamed(unlisted);
                topology.peers[0] = other;
            },
            "trust_withdrawn",
        ),
        (
            |topology| {
                topology.pools[0].peers.remove(0);
            },
            "token_not_for_origin",
        ),
    ];
    for (change, reason) in changes {
        let mut pair = Pair::new(1);
        let (phone, path) = pair.phone(1);
        let mut other = one_of_two(topology(), 1);
        change(&mut other);
        pair.nodes[1].load(other);
        pair.nodes[1].reasons();
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        assert_eq!(pair.nodes[1].reasons(), [reason]);
        pair.nodes[1].silent(phone);
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 430");
    }
}

#[test]
fn nobody_reaches_a_sibling_by_its_name() {
    let mut pair = Pair::new(1);
    let route = format!("Route: <sip:{};lr>\n", NODES[1]);
    pair.nodes[0].send(pair.homes[0], &invite(&route, "z9hG4bK1"));
    pair.nodes[0].refused(pair.homes[0], "SIP/2.0 403", "route_not_permitted");
    let client = pair.nodes[0].client();
    let call = Request::invite().more(&route).branch("z9hG4bK2");
    pair.nodes[0].send(client, &call.to_string());
    pair.nodes[0].refused(client, "SIP/2.0 403", "route_not_permitted");
}

#[test]
fn a_call_that_rings_follows_its_phone_to_the_other_node() {
    each(|mut pair| {
        let (phone, path) = pair.phone(0);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let rung = pair.nodes[0].expect(phone, "INVITE");
        pair.answers(0, phone, &rung, 180);
        pair.nodes[0].expect(pair.homes[0], "SIP/2.0 180");
        pair.nodes[0].lose(phone);
        pair.pump();
        pair.pass(SECOND);
        let (phone, _) = pair.phone(1);
        pair.pass(4 * SECOND);
        let again = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &again, 180);
        pair.answers(1, phone, &again, 200);
        pair.nodes[0].pick(pair.homes[0], "SIP/2.0 180");
        let dialog = route_of(&pair.nodes[0].pick(pair.homes[0], "SIP/2.0 200"));
        pair.sends(0, &request("ACK", &dialog, "z9hG4bK2"));
        pair.nodes[1].expect(phone, "ACK");
    });
}

#[test]
fn keys_are_rotated_at_one_node_after_the_other() {
    use crate::proxy::TokenKeys;
    use std::sync::Arc;
    let (old, new) = ((1, [1; 32]), (2, [2; 32]));
    let rotate = |node: &mut World, keys: &[(u8, [u8; 32])]| {
        let (tables, now) = (node.tables(&node.generation), node.now);
        node.rekey(&tables, &Arc::new(TokenKeys::new(keys, [7; 32])), now);
    };
    each(|mut pair| {
        pair.nodes.iter_mut().for_each(|node| rotate(node, &[old]));
        let (phone, path) = pair.phone(1);
        pair.sends(0, &invite(&path, "z9hG4bK1"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
        // As docs/scale.md has it: added everywhere, then first everywhere, then alone.
        let steps = [&[old, new][..], &[new, old]];
        for (step, keys) in steps.into_iter().enumerate() {
            for at in [0, 1] {
                rotate(&mut pair.nodes[at], keys);
                let branch = format!("z9hG4bK{step}{at}");
                pair.sends(0, &request("INFO", &dialog, &branch));
                let info = pair.nodes[1].expect(phone, "INFO");
                pair.answers(1, phone, &info, 200);
                pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200");
            }
        }
        // Signed by a key that the other node has no more.
        rotate(&mut pair.nodes[1], &[new]);
        rotate(&mut pair.nodes[0], &[old, new]);
        pair.nodes[1].reasons();
        pair.sends(0, &request("INFO", &dialog, "z9hG4bK9"));
        assert_eq!(pair.nodes[1].reasons(), ["origin_forged"]);
    });
}

/// With `path = "contact"` the registrar keeps a URI that either node takes.
#[test]
fn a_contact_that_a_registrar_keeps_leads_to_the_node_that_has_the_phone() {
    let mut pair = Pair::with(1, |mut topology| {
        topology.pools[0].path = crate::topology::ClientPath::Contact;
        topology
    });
    let phone = pair.nodes[1].client();
    let register = registration("sip:alice@contoso.test", "z9hG4bKr", "");
    pair.nodes[1].send(phone, &register);
    let asked = pair.nodes[1].pick(pair.homes[1], "REGISTER");
    let kept = field(&asked, "Contact").unwrap().to_owned();
    let granted = format!("Contact: {kept};expires=3600\n");
    pair.nodes[1].answers_with(pair.homes[1], &asked, 200, &granted);
    pair.nodes[1].pick(phone, "SIP/2.0 200");
    let kept = kept.split(['<', '>']).nth(1).unwrap();
    let call = invite("", "z9hG4bK1").replace("sip:alice@10.0.0.1", kept);
    pair.sends(0, &call);
    let called = pair.nodes[1].expect(phone, "INVITE");
    assert!(!called.contains("sip:c."), "{called}");
    pair.answers(1, phone, &called, 200);
    let dialog = route_of(&pair.nodes[0].expect(pair.homes[0], "SIP/2.0 200"));
    pair.sends(0, &request("BYE", &dialog, "z9hG4bK2"));
    pair.nodes[1].expect(phone, "BYE");
}

/// RFC 3261 §16.4: a strict router in front of the first node has the token in the Request-URI, and one behind it wants
/// its own URI there.
#[test]
fn strict_routers_on_either_side_do_not_hinder() {
    let mut pair = Pair::new(1);
    let (phone, path) = pair.phone(1);
    let token = path.split(['<', '>']).nth(1).unwrap();
    let strict = invite("Route: <sip:alice@10.0.0.1>\n", "z9hG4bK1");
    pair.sends(
        0,
        &strict.replacen("sip:alice@10.0.0.1 SIP", &format!("{token} SIP"), 1),
    );
    let called = pair.nodes[1].expect(phone, "INVITE sip:alice@10.0.0.1 SIP/2.0");
    assert!(fields(&called, "Route").is_empty(), "{called}");
    pair.answers(1, phone, &called, 486);
    pair.nodes[0].expect(pair.homes[0], "SIP/2.0 486");
    pair.nodes[1].expect(phone, "ACK sip:alice@10.0.0.1 SIP/2.0");
    let behind = format!("{path}Route: <sip:strict.invalid>\n");
    pair.sends(0, &invite(&behind, "z9hG4bK2"));
    let called = pair.nodes[1].expect(phone, "INVITE sip:strict.invalid SIP/2.0");
    assert_eq!(fields(&called, "Route"), ["<sip:alice@10.0.0.1>"]);
    let cancel = invite(&behind, "z9hG4bK2").replace("INVITE", "CANCEL");
    pair.answers(1, phone, &called, 180);
    pair.sends(0, &cancel);
    pair.nodes[1].expect(phone, "CANCEL sip:strict.invalid SIP/2.0");
}

/// A node whose clients are let go for maintenance takes nothing new; who is still there is reached through the other node, which
/// must not take it for dead.
#[test]
fn a_node_in_maintenance_takes_nothing_new_but_what_is_handed_over() {
    each(|mut pair| {
        let (phone, path) = pair.phone(1);
        pair.nodes[1]
            .cores
            .iter_mut()
            .for_each(|core| core.refuse_new(true));
        pair.sends(1, &invite(&path, "z9hG4bK1"));
        let refusal = pair.nodes[1].expect(pair.homes[1], "SIP/2.0 503");
        assert_eq!(field(&refusal, "Retry-After"), Some("30"));
        // Its pings are answered as before.
        pair.pass(31 * SECOND);
        pair.sends(0, &invite(&path, "z9hG4bK2"));
        let called = pair.nodes[1].expect(phone, "INVITE");
        pair.answers(1, phone, &called, 200);
        let dialog = route_of(&pair.nodes[0].pick(pair.homes[0], "SIP/2.0 200"));
        pair.sends(0, &request("INFO", &dialog, "z9hG4bK3"));
        pair.nodes[1].expect(phone, "INFO");
        pair.sends(1, &request("UPDATE", &dialog, "z9hG4bK4"));
        pair.nodes[1].expect(phone, "UPDATE");
        // A home server that asks whether this node takes requests is told that it does not.
        let ping = Request::of("OPTIONS")
            .uri("sip:edge01.contoso.test")
            .branch("z9hG4bK5");
        pair.nodes[1].reasons();
        pair.sends(1, &ping.to_string());
        assert_eq!(pair.nodes[1].reasons(), ["draining"]);
        pair.nodes[1]
            .cores
            .iter_mut()
            .for_each(|core| core.refuse_new(false));
        pair.sends(1, &invite(&path, "z9hG4bK6"));
        pair.nodes[1].expect(phone, "INVITE");
    });
}
