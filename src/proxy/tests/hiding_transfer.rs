//! What we have sealed for a partner it may call: a transfer and a redirection lead to home servers, and nowhere else.
use super::hiding::hiding_world;
use super::world::*;
use crate::proxy::LinkId;
use crate::topology::{DialAddress, Topology};

const CALLER: &str = "<sip:x@fabrikam.test>;tag=a";

/// The URI in the first value of a field, without its header part, and that.
fn uri_in(message: &str, name: &str) -> (String, String) {
    let value = field(message, name).unwrap();
    let uri = value.split_once('<').unwrap().1.split_once('>').unwrap().0;
    let (uri, headers) = uri.split_once('?').unwrap_or((uri, ""));
    (uri.to_owned(), headers.to_owned())
}

/// The home side refers the partner to somebody, whom the partner sees as this.
fn referred(w: &mut World, home: LinkId, partner: LinkId, to: &str) -> (String, String) {
    let more = format!("Refer-To: <{to}>\nContact: <sip:alice@10.0.0.99>\n");
    w.ask(
        home,
        Request::of("REFER")
            .uri("sip:x@fabrikam.test")
            .to("<sip:x@fabrikam.test>")
            .branch("z9hG4bKrefer")
            .more(&more),
    );
    let refer = w.expect(partner, "REFER");
    w.answers(partner, &refer, 202);
    w.expect(home, "SIP/2.0 202");
    uri_in(&refer, "Refer-To")
}

fn call<'r>(uri: &'r str, to: &'r str, more: &'r str) -> Request<'r> {
    Request::invite()
        .uri(uri)
        .from(CALLER)
        .to(to)
        .branch("z9hG4bKtransfer")
        .more(more)
}

#[test]
fn an_attended_transfer_to_a_sealed_address_is_a_call_that_works() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let replaces = "c1%4010.0.0.99%3Bto-tag%3D1%3Bfrom-tag%3D2";
    let uri = format!("sip:carol@10.0.0.99:5061;transport=tls?Replaces={replaces}");
    let (shown, headers) = referred(&mut w, home, partner, &uri);
    assert!(shown.starts_with("sip:h."), "{shown}");
    assert_eq!(headers, format!("Replaces={replaces}"));

    let to = format!("<{shown}>");
    let more = "Replaces: c1@10.0.0.99;to-tag=1;from-tag=2\nContact: <sip:x@p.fabrikam.test>\n";
    w.ask(partner, call(&shown, &to, more));
    let invite = w.expect(
        home,
        "INVITE sip:carol@10.0.0.99:5061;transport=tls SIP/2.0",
    );
    assert_eq!(
        field(&invite, "Replaces"),
        Some("c1@10.0.0.99;to-tag=1;from-tag=2")
    );
    w.answers_with(home, &invite, 200, "Contact: <sip:carol@10.0.0.98>\n");
    let ok = w.expect(partner, "SIP/2.0 200");
    assert!(!ok.contains("10.0.0.98"), "{ok}");

    // The dialog goes on: its caller sends ACK and BYE, its callee a request of its own.
    let route = route_of(&ok);
    let (target, _) = uri_in(&ok, "Contact");
    let to = field(&ok, "To").unwrap();
    let ours = field(&invite, "Record-Route").unwrap();
    let back = format!("Route: {ours}\n");
    for method in ["ACK", "INFO"] {
        w.ask(
            partner,
            Request {
                method,
                cseq: if method == "ACK" { 1 } else { 2 },
                branch: method,
                ..call(&target, to, &route)
            },
        );
        let got = w.expect(home, &format!("{method} sip:carol@10.0.0.98 "));
        if method == "INFO" {
            w.answers(home, &got, 200);
            w.expect(partner, "SIP/2.0 200");
        }
    }
    let bye = Request {
        method: "BYE",
        uri: "sip:x@p.fabrikam.test",
        from: to,
        to: CALLER,
        branch: "z9hG4bKbye",
        cseq: 7,
        more: &back,
    };
    w.ask(home, bye);
    w.expect(partner, "BYE sip:x@p.fabrikam.test ");
}

/// Two servers at one address, of which the second has another port.
fn addressed(mut topology: Topology) -> Topology {
    topology.peers[2].boundary.hide_topology = true;
    for (peer, address) in [(0, "198.51.100.1:5061"), (1, "198.51.100.1:5071")] {
        topology.peers[peer].addresses = vec![DialAddress::Socket(address.parse().unwrap())];
    }
    let v6 = DialAddress::Socket("[2001:db8::2]:5061".parse().unwrap());
    topology.peers[1].addresses.push(v6);
    let host = DialAddress::Host("Trunk.contoso.lan".to_owned(), 5061);
    topology.peers[1].addresses.push(host);
    topology
}

#[test]
fn what_was_sealed_goes_to_its_home_server_else_to_the_pool_and_never_elsewhere() {
    for (uri, goes_to) in [
        ("sip:carol@fe01.contoso.test", FE01),
        ("sip:carol@FE02.contoso.test:5066;x=1", FE02),
        ("sip:carol@198.51.100.1", FE01),
        ("sip:carol@198.51.100.1:5071", FE02),
        ("sip:carol@198.51.100.1:9", FE01),
        ("sip:carol@[2001:DB8::2]", FE02),
        ("sip:carol@trunk.contoso.lan", FE02),
        ("sip:carol@fe01.contoso.test:5071;maddr=198.51.100.1", FE02),
        ("sip:carol@10.0.0.99", FE01),
        ("sips:carol@10.0.0.99", FE01),
        ("sip:10.0.0.99", FE01),
        ("tel:+49;phone-context=fe02.contoso.test", FE01),
        // Told by a parameter, and a name of somebody else's.
        ("sip:carol@edge.fabrikam.test;x=10.0.0.99", FE01),
        ("sip:carol@third.example;x=10.0.0.99", FE01),
        ("sip:carol@edge01.contoso.test;x=10.0.0.99", FE01),
        ("sip:carol@contoso.test;x=10.0.0.99", FE01),
    ] {
        let mut w = World::with(addressed(topology()), 1);
        let (fe01, fe02, partner) = (w.peer(FE01), w.peer(FE02), w.peer(PARTNER));
        let (shown, _) = referred(&mut w, fe01, partner, uri);
        assert!(shown.contains(":h."), "{shown} of {uri}");
        w.ask(partner, call(&shown, "<sip:carol@contoso.test>", ""));
        let (asked, other) = if goes_to == FE01 {
            (fe01, fe02)
        } else {
            (fe02, fe01)
        };
        let invite = w
            .take(asked)
            .unwrap_or_else(|| panic!("{uri}: {:?}", w.take(partner)));
        assert!(invite.starts_with(&format!("INVITE {uri} ")), "{invite}");
        w.silent(other);
        w.silent(partner);
    }
}

#[test]
fn a_redirection_to_a_sealed_contact_can_be_followed() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    w.ask(
        partner,
        call("sip:bob@contoso.test", "<sip:bob@contoso.test>", ""),
    );
    let invite = w.expect(home, "INVITE");
    let moved = "Contact: <sip:bob@10.0.0.99>, <sip:bob@third.example>\n";
    w.answers_with(home, &invite, 302, moved);
    let moved = w.expect(partner, "SIP/2.0 302");
    while w.take(home).is_some() {}
    let (shown, _) = uri_in(&moved, "Contact");
    let again = Request {
        branch: "z9hG4bKagain",
        ..call(&shown, "<sip:bob@contoso.test>", "")
    };
    w.ask(partner, again);
    w.expect(home, "INVITE sip:bob@10.0.0.99 ");
}

#[test]
fn who_calls_what_was_sealed_for_it_is_held_to_its_rights() {
    let mut w = hiding_world();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let (shown, _) = referred(&mut w, home, partner, "sip:carol@10.0.0.99");
    let to = "<sip:carol@contoso.test>";
    let foreign = "Route: <sip:third.example;lr>\n";
    for (request, reason) in [
        // The address itself, which nobody has told it.
        (call("sip:carol@10.0.0.99", to, ""), "not_home_domain"),
        (
            Request {
                from: "<sip:ceo@contoso.test>;tag=a",
                ..call(&shown, to, "")
            },
            "from_not_allowed",
        ),
        (
            call(&shown, "<sip:carol@third.example>", ""),
            "to_not_allowed",
        ),
        (call(&shown, to, foreign), "route_not_permitted"),
    ] {
        w.ask(partner, request);
        w.refused(partner, "SIP/2.0 403", reason);
        w.silent(home);
    }
}
