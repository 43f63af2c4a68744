//! RFC 3261 §16.4 and §16.6: what a forwarded request looks like.
use super::world::*;

#[test]
fn a_forwarded_invite_has_via_record_route_and_one_hop_less() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(
        client,
        &Request::invite()
            .more("X-Custom:  kept  as is\nk: foo\n")
            .to_string(),
    );
    let invite = w.expect(home, "INVITE sip:bob@contoso.test SIP/2.0\r\n");
    let vias = fields(&invite, "Via");
    assert!(vias[0].starts_with("SIP/2.0/TLS edge01.contoso.test;branch=z9hG4bK"));
    assert!(vias[0].ends_with(";alias"));
    assert_eq!(
        vias[1],
        "SIP/2.0/TLS ua.invalid:5061;branch=z9hG4bKone;received=198.51.100.7"
    );
    assert_eq!(field(&invite, "Max-Forwards"), Some("69"));
    let record_route = fields(&invite, "Record-Route");
    assert_eq!(record_route.len(), 1);
    assert!(
        record_route[0].starts_with("<sip:")
            && record_route[0].ends_with("@edge01.contoso.test;transport=tls;lr>")
    );
    assert!(invite.contains("X-Custom:  kept  as is\r\nk: foo\r\n"));
}

#[test]
fn a_message_outside_a_dialog_gets_no_record_route() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.ask(client, Request::of("MESSAGE"));
    assert_eq!(field(&w.expect(home, "MESSAGE"), "Record-Route"), None);
}

#[test]
fn a_missing_max_forwards_becomes_70() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(
        client,
        &Request::invite()
            .to_string()
            .replace("Max-Forwards: 70\n", ""),
    );
    assert_eq!(field(&w.expect(home, "INVITE"), "Max-Forwards"), Some("70"));
}

#[test]
fn a_sips_request_uri_gets_a_sips_record_route() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(
        client,
        &Request::invite().uri("sips:bob@contoso.test").to_string(),
    );
    assert!(
        field(&w.expect(home, "INVITE"), "Record-Route")
            .unwrap()
            .starts_with("<sips:")
    );
}

#[test]
fn a_register_from_a_client_gets_our_path_even_if_it_did_not_announce_it_and_loses_its_own() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let register = Request::of("REGISTER")
        .uri("sip:contoso.test")
        .to("<sip:alice@contoso.test>")
        .more("Contact: <sip:alice@10.0.0.1;transport=tls>\nPath: <sip:evil.test;lr>\n");
    w.ask(client, register);
    let register = w.expect(home, "REGISTER");
    let path = fields(&register, "Path");
    assert_eq!(path.len(), 1);
    assert!(
        path[0].ends_with("@edge01.contoso.test;transport=tls;lr>"),
        "{}",
        path[0]
    );
    assert_eq!(field(&register, "Record-Route"), None);
}

#[test]
fn only_a_first_hop_with_a_reg_id_adds_ob() {
    for (via, contact, ob) in [
        (
            "",
            "<sip:alice@10.0.0.1>;reg-id=1;+sip.instance=\"<urn:uuid:0>\"",
            true,
        ),
        ("", "<sip:alice@10.0.0.1>", false),
        (
            "Via: SIP/2.0/TLS before.test;branch=z9hG4bKb\n",
            "<sip:alice@10.0.0.1>;reg-id=1",
            false,
        ),
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let more = format!("{via}Contact: {contact}\n");
        let to = "<sip:alice@contoso.test>";
        w.send(
            client,
            &Request::of("REGISTER")
                .uri("sip:contoso.test")
                .to(to)
                .more(&more)
                .to_string(),
        );
        let register = w.expect(home, "REGISTER");
        assert_eq!(
            field(&register, "Path").unwrap().contains(";ob"),
            ob,
            "{contact}"
        );
    }
}

#[test]
fn a_route_that_names_us_without_a_token_is_just_removed() {
    for route in [
        "<sip:edge01.contoso.test;lr>",
        "<sip:EDGE01.contoso.test.:5061;transport=tls;lr>",
        "<sip:192.0.2.1:5061;transport=tls;lr>",
        "<sip:contoso.test;lr>",
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        let more = format!("Route: {route}\n");
        w.send(client, &Request::invite().more(&more).to_string());
        let invite = w.expect(home, "INVITE");
        assert_eq!(field(&invite, "Route"), None, "{route}");
    }
}

#[test]
fn asserted_identity_is_stripped_from_clients_however_it_is_written() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let more = "P-ASSERTED-identity : <sip:ceo@contoso.test>\nP-Asserted-Identity:\n <tel:+1>\nRemote-Party-ID: <sip:x@y>\nP-Preferred-Identity: <sip:alice@contoso.test>\n";
    w.ask(client, Request::invite().more(more));
    let invite = w.expect(home, "INVITE").to_ascii_lowercase();
    assert!(
        !invite.contains("asserted") && !invite.contains("+1") && !invite.contains("remote-party")
    );
    assert!(invite.contains("p-preferred-identity"));
}

#[test]
fn privacy_id_withholds_the_asserted_identity_from_a_partner_only() {
    for (privacy, kept) in [
        ("Privacy: id\n", false),
        ("", true),
        ("Privacy: none\n", true),
        ("Privacy: header; id\n", false),
    ] {
        let mut w = World::new();
        let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
        let more = format!("P-Asserted-Identity: <sip:alice@contoso.test>\n{privacy}");
        w.send(
            home,
            &Request::invite()
                .uri("sip:x@fabrikam.test")
                .more(&more)
                .to_string(),
        );
        let invite = w.expect(partner, "INVITE");
        assert_eq!(
            field(&invite, "P-Asserted-Identity").is_some(),
            kept,
            "{privacy}"
        );
    }
}

#[test]
fn a_strict_router_behind_us_gets_its_uri_in_the_request_line() {
    let mut w = World::new();
    let (home, partner) = (w.peer(FE01), w.peer(PARTNER));
    let more = "Route: <sip:edge01.contoso.test;lr>, <sip:edge.fabrikam.test>\n";
    w.send(
        home,
        &Request::invite()
            .uri("sip:x@fabrikam.test")
            .more(more)
            .to_string(),
    );
    let invite = w.expect(partner, "INVITE sip:edge.fabrikam.test SIP/2.0");
    assert_eq!(fields(&invite, "Route"), vec!["<sip:x@fabrikam.test>"]);
    // What is derived from it takes the same way.
    w.answers(partner, &invite, 486);
    let ack = w.expect(partner, "ACK sip:edge.fabrikam.test SIP/2.0");
    assert_eq!(fields(&ack, "Route"), vec!["<sip:x@fabrikam.test>"]);
}

#[test]
fn bodies_pass_byte_for_byte() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let mut bytes = Request::of("MESSAGE")
        .more("Content-Length: 6\n")
        .to_string()
        .replace('\n', "\r\n")
        .into_bytes();
    bytes.extend_from_slice(b"\r\n\0\r\n\r\n\x7f");
    w.send_bytes(client, &bytes);
    assert!(
        w.expect(home, "MESSAGE")
            .ends_with("\r\n\r\n\0\r\n\r\n\x7f")
    );
}
