//! Every row of the message policy: who may send what, where it goes, and what is refused.
use crate::harness::World;
use sipward_lab::{End, SipMessage};
use std::time::Duration;

/// Sends a request that the edge must answer itself, and gives the answer.
async fn refused(world: &World, from: &End, request: SipMessage, status: u16, reason: &str) {
    let sent = from.draft(request).send().await.unwrap();
    from.answer(&sent, status).await.unwrap();
    let event = world.refused(reason).await;
    assert_eq!(event["status"], status);
    for server in [&world.fe01, &world.fe02, &world.partner] {
        assert!(
            server.untaken().await.is_empty(),
            "{} got something",
            server.party()
        );
    }
}

#[tokio::test]
async fn a_clients_request_goes_to_the_home_pool_whatever_the_request_uri_says() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    for uri in [
        "sip:bob@contoso.test",
        "sip:x@elsewhere.test",
        "sip:y@fabrikam.test",
    ] {
        let sent = alice.message(uri, "hi").send().await.unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.uri(), Some(uri));
        world.fe01.reply(&got, 200).await.unwrap();
        alice.answer(&sent, 200).await.unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn an_anonymous_client_is_served() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@contoso.test", "hi")
        .from("sip:anonymous@anonymous.invalid")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
pub(crate) async fn a_client_may_not_assert_a_foreign_from() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let forged = alice
        .message("sip:bob@contoso.test", "hi")
        .from("sip:carol@fabrikam.test")
        .build();
    refused(&world, &alice, forged, 403, "from_not_allowed").await;
}

#[tokio::test]
pub(crate) async fn a_clients_route_to_a_third_party_is_refused() {
    let world = World::new().await;
    let third = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    third.set_nonblocking(true).unwrap();
    let alice = world.client("alice").await;
    let request = alice
        .message("sip:bob@contoso.test", "hi")
        .header(
            "Route",
            &format!("<sip:{};lr>", third.local_addr().unwrap()),
        )
        .build();
    refused(&world, &alice, request, 403, "route_not_permitted").await;
    assert!(third.accept().is_err(), "the third party was reached");
}

#[tokio::test]
async fn a_route_that_names_the_edge_without_a_token_is_just_removed() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let route = format!("<sip:{};transport=tls;lr>", world.edge.address);
    let sent = alice
        .message("sip:bob@contoso.test", "hi")
        .header("Route", &route)
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.header("route"), None);
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
pub(crate) async fn a_client_cannot_use_the_path_of_another_client() {
    let world = World::new().await;
    let (_bob, path) = world.registered("bob").await;
    let alice = world.client("alice").await;
    let request = alice
        .message("sip:bob@contoso.test", "hi")
        .header("Route", &path)
        .build();
    refused(&world, &alice, request, 403, "token_not_for_origin").await;
}

#[tokio::test]
pub(crate) async fn a_forged_route_token_is_refused() {
    let world = World::new().await;
    let (_bob, path) = world.registered("bob").await;
    let at = path.find("sip:").unwrap() + 12;
    let mut octets = path.clone().into_bytes();
    octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(octets).unwrap();
    let request = world
        .fe01
        .message("sip:bob@127.0.0.1", "hi")
        .header("Route", &forged)
        .build();
    refused(&world, &world.fe01, request, 403, "token_forged").await;
}

#[tokio::test]
async fn a_home_server_reaches_a_registered_client_over_its_path() {
    let world = World::new().await;
    let (bob, path) = world.registered("bob").await;
    let sent = world
        .fe01
        .message(bob.contact(), "hi")
        .from("sip:anyone@anywhere.test")
        .header("Route", &path)
        .send()
        .await
        .unwrap();
    let got = bob.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.uri(), Some(bob.contact()));
    assert_eq!(got.message.header("route"), None);
    bob.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
pub(crate) async fn a_client_that_does_not_come_back_is_430_half_a_minute_after_it_has_gone() {
    let world = World::new().await;
    let (bob, path) = world.registered("bob").await;
    bob.wire().close().await.unwrap();
    world
        .edge
        .log
        .wait("connection_closed", |e| e["peer"].is_null())
        .await
        .unwrap();
    let sent = world
        .fe01
        .message("sip:bob@127.0.0.1", "hi")
        .header("Route", &path)
        .send()
        .await
        .unwrap();
    // The whole wait, in real time, once.
    world.fe01.set_patience(Duration::from_secs(40));
    world.fe01.answer(&sent, 430).await.unwrap();
    let refused = world.refused("flow_gone").await;
    assert!(
        refused["took_us"].as_u64().unwrap() > 25_000_000,
        "{refused}"
    );
}

#[tokio::test]
async fn a_home_server_reaches_the_partner_by_domain_and_another_home_server_by_name() {
    let world = World::new().await;
    world.dial(&world.fe01).await;
    for (uri, far) in [
        ("sip:carol@fabrikam.test", &world.partner),
        ("sip:x@fe02.contoso.test", &world.fe02),
    ] {
        let sent = world.fe01.message(uri, "hi").send().await.unwrap();
        let got = far.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.uri(), Some(uri));
        far.reply(&got, 200).await.unwrap();
        world.fe01.answer(&sent, 200).await.unwrap();
    }
}

#[tokio::test]
async fn a_home_server_reaches_no_domain_that_the_topology_omits() {
    let world = World::new().await;
    world.dial(&world.fe01).await;
    let request = world.fe01.message("sip:x@elsewhere.test", "hi").build();
    refused(&world, &world.fe01, request, 404, "no_route").await;
}

#[tokio::test]
async fn a_partner_reaches_the_home_pool_with_a_from_of_its_own() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    let sent = world
        .partner
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    world.partner.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
async fn a_partner_may_not_assert_a_home_from() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    let request = world
        .partner
        .message("sip:bob@contoso.test", "hi")
        .from("sip:alice@contoso.test")
        .build();
    refused(&world, &world.partner, request, 403, "from_not_allowed").await;
}

#[tokio::test]
pub(crate) async fn a_partner_reaches_home_domains_only() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    let request = world.partner.message("sip:x@elsewhere.test", "hi").build();
    refused(&world, &world.partner, request, 403, "not_home_domain").await;
}

#[tokio::test]
async fn a_partner_cannot_reach_a_client_flow_directly() {
    let world = World::new().await;
    let (bob, path) = world.registered("bob").await;
    world.dial(&world.partner).await;
    let request = world
        .partner
        .message("sip:bob@contoso.test", "hi")
        .header("Route", &path)
        .build();
    refused(&world, &world.partner, request, 403, "token_not_for_origin").await;
    assert!(bob.untaken().await.is_empty());
}

#[tokio::test]
async fn bye_with_a_forged_to_tag_is_judged_by_its_connection() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    let request = world
        .partner
        .request("BYE", "sip:bob@contoso.test")
        .from("sip:alice@contoso.test")
        .set("To", "<sip:bob@contoso.test>;tag=forged")
        .build();
    refused(&world, &world.partner, request, 403, "from_not_allowed").await;
}

#[tokio::test]
pub(crate) async fn a_stray_ack_is_neither_relayed_nor_answered() {
    let world = World::new().await;
    world.dial(&world.partner).await;
    world
        .partner
        .request("ACK", "sip:bob@contoso.test")
        .from("sip:alice@contoso.test")
        .set("To", "<sip:bob@contoso.test>;tag=forged")
        .send()
        .await
        .unwrap();
    world
        .edge
        .log
        .wait("message_dropped", |_| true)
        .await
        .unwrap();
    assert!(world.fe01.untaken().await.is_empty());
    assert!(world.partner.untaken().await.is_empty());
}

#[tokio::test]
async fn asserted_identities_of_clients_and_partners_are_taken_out_however_they_are_written() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    world.dial(&world.partner).await;
    for end in [&*alice, &*world.partner] {
        let sent = end
            .message("sip:bob@contoso.test", "hi")
            .header("p-AssErted-identity ", "<sip:root@contoso.test>")
            .header(
                "P-Asserted-Identity",
                "<tel:+1>,\r\n <sip:folded@contoso.test>",
            )
            .header("X-Other", "stays")
            .send()
            .await
            .unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.header("P-Asserted-Identity"), None);
        assert!(!String::from_utf8_lossy(&got.raw).contains("folded"));
        assert_eq!(got.message.header("x-other"), Some("stays"));
        world.fe01.reply(&got, 200).await.unwrap();
        end.answer(&sent, 200).await.unwrap();
    }
}

#[tokio::test]
async fn a_home_servers_asserted_identity_passes_unless_privacy_asks_for_its_removal() {
    let world = World::new().await;
    world.dial(&world.fe01).await;
    for (privacy, expected) in [(None, Some("<sip:alice@contoso.test>")), (Some("id"), None)] {
        let mut draft = world
            .fe01
            .message("sip:carol@fabrikam.test", "hi")
            .header("P-Asserted-Identity", "<sip:alice@contoso.test>");
        if let Some(privacy) = privacy {
            draft = draft.header("Privacy", privacy);
        }
        let sent = draft.send().await.unwrap();
        let got = world.partner.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.header("P-Asserted-Identity"), expected);
        world.partner.reply(&got, 200).await.unwrap();
        world.fe01.answer(&sent, 200).await.unwrap();
    }
}

#[tokio::test]
async fn one_call_gives_its_caller_no_right_beyond_its_dialog() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    world.dial(&world.partner).await;
    for (caller, is_partner) in [(&*alice, false), (&*world.partner, true)] {
        let sent = caller.invite("sip:bob@contoso.test").send().await.unwrap();
        let invite = world.fe01.expect("INVITE").await.unwrap();
        world.fe01.accept(&invite).await.unwrap();
        let ok = caller.answer(&sent, 200).await.unwrap();
        let mut dialog = caller.ack(&sent, &ok).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
        let route = dialog.routes.join(", ");
        let new = |method: &str, uri: &str, route: &str| {
            let request = caller.request(method, uri).set("Call-ID", &dialog.call_id);
            request.header("Route", route).build()
        };
        if is_partner {
            for (method, uri) in [
                ("INVITE", "sip:+1900555@toll.example"),
                ("INVITE", "tel:+1900555"),
                ("REGISTER", "sip:toll.example"),
                ("MESSAGE", "sip:x@adatum.test"),
            ] {
                let request = new(method, uri, &route);
                refused(&world, caller, request, 403, "not_home_domain").await;
            }
        }
        let beyond = format!("{route}, <sip:sbc.toll.example;lr>");
        let request = new("INVITE", "sip:bob@contoso.test", &beyond);
        refused(&world, caller, request, 403, "route_not_permitted").await;
        let onward = caller
            .within(&mut dialog, "INFO")
            .set("Route", &format!("{route}, <sip:edge.fabrikam.test;lr>"))
            .build();
        refused(&world, caller, onward, 403, "route_not_permitted").await;
        // The call itself goes on.
        let bye = caller.bye(&mut dialog).await.unwrap();
        let got = world.fe01.expect("BYE").await.unwrap();
        world.fe01.reply(&got, 200).await.unwrap();
        caller.answer(&bye, 200).await.unwrap();
    }
}
