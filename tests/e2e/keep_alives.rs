//! CRLF keep-alives on connections that we made, with real connections (RFC 5626 §4.4.1).
use crate::harness::{SOON, World, message_passes};
use std::time::Duration;

const FE01: &str = "fe01.contoso.test";

/// fe01 is pinged so often.
async fn world(every: &'static str) -> World {
    World::with(|t| {
        t.find("[[peer]]", "fqdn", FE01)
            .unwrap()
            .text("keepalive", every);
    })
    .await
}

/// Waits until so many pings came on a connection.
async fn pinged(wire: &sipward::lab::Wire, times: usize) {
    let enough = async {
        while wire.pings() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, enough).await;
    assert!(waited.is_ok(), "{} pings of {times}", wire.pings());
}

#[tokio::test]
async fn a_peer_that_answers_pings_keeps_its_connection_and_gets_no_pong_of_ours() {
    let world = world("100ms").await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let wire = world.fe01.wire().unwrap();
    pinged(&wire, 8).await;
    assert_eq!(wire.pongs(), 0, "its pongs were taken for pings");
    message_passes(&alice, &world.fe01).await;
    assert!(wire.is_live());
    assert!(world.edge.log.named("connection_closed").is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_peer_that_leaves_a_ping_unanswered_is_dead_and_connected_to_anew() {
    let world = world("100ms").await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let wire = world.fe01.wire().unwrap();
    wire.ignore_pings();
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| e["peer"] == FE01)
        .await
        .unwrap();
    assert_eq!(
        (&closed["by"], &closed["reason"]),
        (&"us".into(), &"no_pong".into())
    );
    wire.ended(SOON).await.unwrap();
    message_passes(&alice, &world.fe01).await;
    let again = world.fe01.wire().unwrap();
    assert_ne!(again.remote(), wire.remote());
    pinged(&again, 3).await;
    world.stop().await;
}

#[tokio::test]
async fn a_peer_without_the_key_is_never_pinged_while_idle() {
    let world = world("100ms").await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    // fe02 has no such key, and a connection that is as old.
    world.dial(&world.fe01).await;
    let sent = world
        .fe01
        .message("sip:x@fe02.contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe02.expect("MESSAGE").await.unwrap();
    world.fe02.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
    let other = world.fe02.wire().unwrap();
    let before = other.pings();
    let own = world.fe01.wires();
    let first = own.first().unwrap();
    pinged(first, first.pings() + 5).await;
    assert_eq!(other.pings(), before);
    world.stop().await;
}

/// As Skype for Business and Lync servers keep a connection alive, single line ends among it.
#[tokio::test]
async fn white_space_of_a_partner_between_its_messages_is_taken_and_its_pings_answered() {
    let world = World::new().await;
    let wire = world.dial(&world.partner).await;
    for (before, pongs) in [("", 0), ("\r\n", 0), ("\r\n\r\n", 1), ("\r\n\r\n\r\n", 2)] {
        let request = world.partner.message("sip:bob@contoso.test", "hi").build();
        let mut octets = before.as_bytes().to_vec();
        octets.extend_from_slice(&request.to_bytes());
        wire.send_raw(&octets).await.unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        assert_eq!(got.message.body, b"hi");
        world.fe01.reply(&got, 200).await.unwrap();
        let branch = request.branch();
        world
            .partner
            .expect_where("a 200", |m| m.status() == Some(200) && m.branch() == branch)
            .await
            .unwrap();
        // What answers it came before the answer to the request behind it.
        assert_eq!(wire.pongs(), pongs, "after {before:?}");
    }
    wire.ping(SOON).await.unwrap();
    assert!(wire.is_live());
    world.stop().await;
}
