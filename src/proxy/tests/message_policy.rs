//! DESIGN's message policy, row by row: who may send what, and where it goes.
use super::world::*;

#[test]
fn a_client_reaches_the_home_pool_whatever_its_request_uri_says() {
    for uri in [
        "sip:bob@contoso.test",
        "sip:x@evil.test",
        "sip:x@fabrikam.test",
        "sip:x@192.0.2.99:5060",
        "tel:+4930123",
    ] {
        let mut w = World::new();
        let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
        w.ask(client, Request::invite().uri(uri));
        w.expect(home, &format!("INVITE {uri} "));
        w.silent(partner);
        assert!(w.connects.is_empty());
    }
}

#[test]
fn a_client_may_be_anonymous_but_not_somebody_elsewhere() {
    for (from, ok) in [
        (
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a",
            true,
        ),
        ("<sip:alice@CONTOSO.test>;tag=a", true),
        ("<sip:alice@sub.contoso.test>;tag=a", false),
        ("<sip:alice@fabrikam.test>;tag=a", false),
        ("<tel:+4930123>;tag=a", false),
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.ask(client, Request::of("MESSAGE").from(from));
        if ok {
            w.expect(home, "MESSAGE");
        } else {
            w.refused(client, "SIP/2.0 403", "from_not_allowed");
        }
    }
}

#[test]
fn a_to_tag_or_method_opens_no_door_for_a_client() {
    for method in ["BYE", "INVITE", "UPDATE", "NOTIFY", "FOO"] {
        let mut w = World::new();
        let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
        let from = EVE;
        let to = "<sip:bob@fabrikam.test>;tag=forged";
        w.ask(
            client,
            Request::of(method)
                .from(from)
                .to(to)
                .uri("sip:bob@fabrikam.test"),
        );
        w.expect(client, "SIP/2.0 403");
        w.silent(home);
        w.silent(partner);
    }
}

#[test]
fn a_client_cannot_route_through_us() {
    for route in [
        "<sip:evil.test;lr>",
        "<sip:edge.fabrikam.test;lr>",
        "<sip:203.0.113.9;lr>",
    ] {
        let mut w = World::new();
        let (client, home, partner) = (w.client(), w.peer(FE01), w.peer(PARTNER));
        let more = format!("Route: <sip:edge01.contoso.test;lr>\nRoute: {route}\n");
        w.ask(client, Request::invite().more(&more));
        w.refused(client, "SIP/2.0 403", "route_not_permitted");
        w.silent(home);
        w.silent(partner);
        assert!(w.connects.is_empty());
    }
}

#[test]
fn a_home_peer_reaches_a_partner_by_domain_another_home_peer_by_name_and_nobody_else() {
    let mut w = World::new();
    let (fe01, fe02, partner) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
    let from = "<sip:whoever@anywhere.test>;tag=a";
    w.ask(
        fe01,
        Request::invite().from(from).uri("sip:x@fabrikam.test"),
    );
    w.expect(partner, "INVITE");
    w.ask(
        fe01,
        Request::invite()
            .from(from)
            .uri("sip:x@fe02.contoso.test")
            .branch("z9hG4bK2"),
    );
    w.expect(fe02, "INVITE");
    w.ask(
        fe01,
        Request::invite()
            .from(from)
            .uri("sip:x@evil.test")
            .branch("z9hG4bK3"),
    );
    w.refused(fe01, "SIP/2.0 404", "no_route");
    let more = "Route: <sip:evil.test;lr>\n";
    w.ask(
        fe01,
        Request::invite().from(from).more(more).branch("z9hG4bK4"),
    );
    w.refused(fe01, "SIP/2.0 403", "route_not_permitted");
    let more = "Route: <sip:edge.fabrikam.test;lr>\n";
    w.ask(
        fe01,
        Request::invite().from(from).more(more).branch("z9hG4bK5"),
    );
    let routed = w.expect(partner, "INVITE");
    assert_eq!(field(&routed, "Route"), Some("<sip:edge.fabrikam.test;lr>"));
}

#[test]
fn a_home_peer_that_asks_for_its_own_domain_gets_another_member_not_itself() {
    let mut w = World::new();
    let (fe01, fe02) = (w.peer(FE01), w.peer(FE02));
    w.ask(fe01, Request::invite());
    w.expect(fe02, "INVITE");
    w.silent(fe01);
}

#[test]
fn a_partner_asserts_its_own_domains_and_reaches_home_only() {
    for (from, uri, outcome) in [
        (
            "<sip:x@fabrikam.test>;tag=a",
            "sip:bob@contoso.test",
            "accepted",
        ),
        (
            "<sip:ceo@contoso.test>;tag=a",
            "sip:bob@contoso.test",
            "from_not_allowed",
        ),
        (
            "<sip:x@other.test>;tag=a",
            "sip:bob@contoso.test",
            "from_not_allowed",
        ),
        (
            "<sip:anonymous@anonymous.invalid>;tag=a",
            "sip:bob@contoso.test",
            "from_not_allowed",
        ),
        (
            "<sip:x@fabrikam.test>;tag=a",
            "sip:x@fabrikam.test",
            "not_home_domain",
        ),
        (
            "<sip:x@fabrikam.test>;tag=a",
            "sip:x@evil.test",
            "not_home_domain",
        ),
    ] {
        for method in ["INVITE", "MESSAGE", "BYE", "NOTIFY"] {
            let mut w = World::new();
            let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
            w.ask(partner, Request::of(method).from(from).uri(uri));
            if outcome == "accepted" {
                w.expect(home, method);
            } else {
                w.refused(partner, "SIP/2.0 403", outcome);
                w.silent(home);
            }
        }
    }
}

#[test]
fn a_withdrawn_link_takes_no_new_request_but_finishes_what_runs() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let from = "<sip:x@fabrikam.test>;tag=a";
    w.ask(partner, Request::invite().from(from));
    let running = w.expect(home, "INVITE");
    w.link_event(0, crate::proxy::LinkEvent::Withdrawn { link: partner });
    w.ask(partner, Request::invite().from(from).branch("z9hG4bK2"));
    w.refused(partner, "SIP/2.0 403", "trust_withdrawn");
    w.answers(home, &running, 200);
    w.expect(partner, "SIP/2.0 200");
    // Nothing new is sent on it either.
    w.ask(
        home,
        Request::invite()
            .uri("sip:x@fabrikam.test")
            .branch("z9hG4bK3"),
    );
    w.silent(partner);
    assert_eq!(w.connects.len(), 1);
}
