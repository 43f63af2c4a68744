//! Flows of clients (RFC 5626): several of one client, one that comes back, and tokens that are none of ours.
use super::world::*;
use crate::proxy::{Actions, LinkId, TokenKeys};
use crate::topology::DnsName;
use std::sync::Arc;
use std::time::Duration;

const ALICE: &str = "<sip:alice@contoso.test>";
const INSTANCE: &str = "+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-A765-00a0c91e6bf6>\"";

/// Registers a flow; gives the REGISTER as the home server saw it, and a Route of its Path.
fn register(w: &mut World, client: LinkId, home: LinkId, reg_id: u32) -> (String, String) {
    let contact =
        format!("Contact: <sip:alice@10.0.0.1;transport=tls;ob>;reg-id={reg_id};{INSTANCE}\n");
    w.send(
        client,
        &Request::of("REGISTER")
            .uri("sip:contoso.test")
            .to(ALICE)
            .branch(&format!("z9hG4bKr{reg_id}"))
            .more(&contact)
            .to_string(),
    );
    let register = w.expect(home, "REGISTER");
    let granted = contact.replace('\n', ";expires=600\n");
    w.send(home, &answer(&register, "200 OK", &granted));
    w.expect(client, "SIP/2.0 200");
    let route = format!("Route: {}\n", field(&register, "Path").unwrap());
    (register, route)
}

/// An INVITE of the home server along a Path.
fn invite(route: &str, branch: &str) -> String {
    Request::invite()
        .uri("sip:alice@10.0.0.1")
        .to(ALICE)
        .from("<sip:bob@contoso.test>;tag=a")
        .more(route)
        .branch(branch)
        .to_string()
}

#[test]
fn each_flow_of_a_client_has_its_own_path_and_outlives_the_other() {
    let mut w = World::new();
    let (first, second, home) = (w.client(), w.client(), w.peer(FE01));
    let (_, one) = register(&mut w, first, home, 1);
    let (_, two) = register(&mut w, second, home, 2);
    assert_ne!(one, two);
    for (route, its, other, branch) in [
        (&one, first, second, "z9hG4bK1"),
        (&two, second, first, "z9hG4bK2"),
    ] {
        w.send(home, &invite(route, branch));
        let arrived = w.expect(its, "INVITE");
        w.silent(other);
        w.answers(its, &arrived, 486);
        w.expect(its, "ACK");
        w.expect(home, "SIP/2.0 486");
    }
    w.lose(first);
    w.pass(Duration::from_secs(30));
    w.send(home, &invite(&one, "z9hG4bK3"));
    w.expect(home, "SIP/2.0 430");
    // RFC 5626 §5.3: never on another flow instead, however alike; the registrar tries that one itself.
    w.silent(second);
    w.send(home, &invite(&two, "z9hG4bK4"));
    w.expect(second, "INVITE");
}

#[test]
fn a_client_that_comes_back_has_the_same_path_and_its_call_goes_on() {
    let mut w = World::new();
    let (before, home) = (w.client(), w.peer(FE01));
    let (_, old) = register(&mut w, before, home, 1);
    w.send(home, &invite(&old, "z9hG4bK1"));
    let arrived = w.expect(before, "INVITE");
    w.send(
        before,
        &answer(&arrived, "200 OK", "Contact: <sip:alice@10.0.0.1;ob>\n"),
    );
    w.expect(home, "SIP/2.0 200");
    let dialog = route_of(&arrived);
    w.lose(before);
    let after = w.client();
    let (_, new) = register(&mut w, after, home, 1);
    assert_eq!(old, new);
    w.send(
        home,
        &Request {
            method: "BYE",
            uri: "sip:alice@10.0.0.1;ob",
            from: "<sip:bob@contoso.test>;tag=a",
            to: "<sip:alice@contoso.test>;tag=b",
            branch: "z9hG4bK3",
            cseq: 2,
            more: &dialog,
        }
        .to_string(),
    );
    w.expect(after, "BYE");
    w.send(home, &invite(&old, "z9hG4bK4"));
    w.expect(after, "INVITE");
    assert!(w.reasons().is_empty());
}

/// TCP has not told that the connection is dead.
#[test]
fn what_a_phone_has_asked_is_answered_where_it_has_registered_since() {
    for shards in [1, 3] {
        let mut w = World::with(topology(), shards);
        let homes: Vec<_> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let (dead, next) = (w.client_in(0), w.client_in(1 % shards));
        let home = |link: LinkId| homes[usize::from(link.shard())];
        register(&mut w, dead, home(dead), 1);
        let call = Request::invite().from("<sip:alice@contoso.test>;tag=a");
        w.ask(dead, call);
        let invite = w.expect(home(dead), "INVITE");
        register(&mut w, next, home(next), 1);
        w.answers(home(dead), &invite, 180);
        w.expect(next, "SIP/2.0 180");
        // It is there again, over whatever network.
        register(&mut w, dead, home(dead), 1);
        w.answers(home(dead), &invite, 200);
        w.expect(dead, "SIP/2.0 200");
        w.silent(next);
    }
}

#[test]
fn what_a_client_says_of_its_flow_is_relayed_as_it_was_written() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let lines = [
        "Contact :  <sip:alice@10.0.0.1;transport=tls;ob>;+SIP.Instance=\"<urn:uuid:A-b>\" ; Reg-Id = 1 ;expires=600",
        "m:<sip:alice@10.0.0.2;ob>;reg-id=2",
        "Supported: path,  outbound , gruu",
    ];
    let more = format!("{}\n", lines.join("\n"));
    w.send(
        client,
        &Request::of("REGISTER")
            .uri("sip:contoso.test")
            .to(ALICE)
            .more(&more)
            .to_string(),
    );
    let register = w.expect(home, "REGISTER");
    for line in lines {
        assert!(
            register.contains(&format!("\r\n{line}\r\n")),
            "{line} not in {register}"
        );
    }
    let said = "Contact: <sip:alice@10.0.0.1;transport=tls;ob>;+sip.instance=\"<urn:uuid:A-b>\";reg-id=1;expires=600";
    let more = format!("{said}\nRequire: outbound\nFlow-Timer: 120\n");
    w.answers_with(home, &register, 200, &more);
    let ok = w.expect(client, "SIP/2.0 200");
    assert!(ok.contains(&more.replace('\n', "\r\n")), "{ok}");
}

#[test]
fn a_path_of_another_node_or_under_another_key_is_403() {
    let mut elsewhere = topology();
    elsewhere.node.fqdn = DnsName::parse("edge02.contoso.test").unwrap();
    let mut other = World::with(elsewhere, 1);
    let (client, home) = (other.client(), other.peer(FE01));
    let (_, of_node) = register(&mut other, client, home, 1);

    let mut other = World::new();
    let keys = Arc::new(TokenKeys::new(&[], [8; 32]));
    let (tables, now) = (other.tables(&other.generation), other.now);
    other.cores[0].on_generation(tables, keys, now, &mut Actions::default());
    let (client, home) = (other.client(), other.peer(FE01));
    let (_, of_key) = register(&mut other, client, home, 1);

    // The same connection has the same number here: only the seal tells them apart.
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let (_, own) = register(&mut w, client, home, 1);
    for (route, branch) in [(&of_node, "z9hG4bK1"), (&of_key, "z9hG4bK2")] {
        assert_ne!(*route, own);
        w.send(home, &invite(route, branch));
        w.expect(home, "SIP/2.0 403");
        w.silent(client);
    }
    assert_eq!(w.reasons(), ["token_forged", "token_forged"]);
    w.send(home, &invite(&own, "z9hG4bK3"));
    w.expect(client, "INVITE");
}

/// RFC 5626 §5.3.1 and §5.3.2: `ob` belongs to the Path; a Record-Route of the same flow does without.
#[test]
fn dialogs_over_a_flow_stay_on_it_by_a_record_route_without_ob() {
    let mut w = World::new();
    let (client, other, home) = (w.client(), w.client(), w.peer(FE01));
    let (seen, path) = register(&mut w, client, home, 1);
    assert!(field(&seen, "Path").unwrap().ends_with(";lr;ob>"), "{seen}");
    // Towards the client.
    w.send(home, &invite(&path, "z9hG4bK1"));
    let arrived = w.expect(client, "INVITE");
    // From it: with its Path token as a Route, and with `ob` in its Contact.
    let more = format!("{path}Contact: <sip:alice@10.0.0.1;ob>\n");
    w.send(
        client,
        &Request::invite().branch("z9hG4bK2").more(&more).to_string(),
    );
    let left = w.expect(home, "INVITE");
    for (invite, branch) in [(arrived, "z9hG4bK3"), (left, "z9hG4bK4")] {
        let routes = fields(&invite, "Record-Route");
        assert!(
            matches!(routes[..], [route] if route.ends_with(";lr>")),
            "{routes:?}"
        );
        assert_eq!(field(&invite, "Route"), None);
        let route = format!("Route: {}\n", routes[0]);
        w.send(
            home,
            &Request {
                method: "INFO",
                uri: "sip:alice@10.0.0.1;ob",
                from: "<sip:bob@contoso.test>;tag=b",
                to: "<sip:alice@contoso.test>;tag=a",
                branch,
                cseq: 7,
                more: &route,
            }
            .to_string(),
        );
        w.expect(client, "INFO sip:alice@10.0.0.1;ob ");
        w.silent(other);
    }
}
