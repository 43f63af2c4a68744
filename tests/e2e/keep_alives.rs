//! CRLF keep-alives on connections that we made, with real connections (RFC 5626 §4.4.1).
use crate::harness::{SOON, World, message_passes};
use sipward_lab::Wire;
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
async fn pinged(wire: &Wire, times: usize) {
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
    let log = world.stop().await.before("drain");
    assert!(
        log.named("connection_closed").is_empty(),
        "{}",
        log.to_text()
    );
}

#[tokio::test]
pub(crate) async fn a_peer_that_leaves_a_ping_unanswered_is_dead_and_connected_to_anew() {
    let world = world("100ms").await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let wire = world.fe01.wire().unwrap();
    wire.ignore_pings();
    let closed = world
        .logged("connection_closed", |e| e["peer"] == FE01)
        .await;
    assert_eq!(
        (&closed["closed_by"], &closed["reason"]),
        (&"local".into(), &"no_pong".into())
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

/// The partner sends these octets and a MESSAGE right behind them, one write or one octet at a time; the MESSAGE arrives
/// and is answered, and so is all that came before it.
async fn message_passes_behind(world: &World, wire: &Wire, before: &str, writes: Writes) {
    let request = world.partner.message("sip:bob@contoso.test", "hi").build();
    match writes {
        Writes::One => {
            let octets = [before.as_bytes(), &request.to_bytes()].concat();
            wire.send_raw(&octets).await.unwrap();
        }
        Writes::OctetByOctet => {
            wire.send_in_segments(before.as_bytes(), before.len())
                .await
                .unwrap();
            wire.send_raw(&request.to_bytes()).await.unwrap();
        }
    }
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.body, b"hi");
    world.fe01.reply(&got, 200).await.unwrap();
    let branch = request.branch();
    world
        .partner
        .expect_where("a 200", |m| m.status() == Some(200) && m.branch() == branch)
        .await
        .unwrap();
}

#[derive(Clone, Copy)]
enum Writes {
    One,
    OctetByOctet,
}

/// As Skype for Business and Lync servers keep a connection alive: line ends, and blanks and tabs among them.
#[tokio::test]
async fn white_space_of_a_partner_between_its_messages_is_taken_and_only_its_pings_are_answered() {
    let world = World::new().await;
    let wire = world.dial(&world.partner).await;
    for (before, pings) in [
        ("", 0),
        ("\r\n", 0),
        ("\r\n\r\n", 1),
        ("\r\n\r\n\r\n", 1),
        (" ", 0),
        ("\t \t", 0),
        (" \r\n\t\r\n ", 0),
        ("\r\n \r\n\r\n\t\r\n", 1),
    ] {
        for writes in [Writes::One, Writes::OctetByOctet] {
            let pongs = wire.pongs();
            message_passes_behind(&world, &wire, before, writes).await;
            // What answers it came before the answer to the request behind it.
            assert_eq!(wire.pongs(), pongs + pings, "after {before:?}");
        }
    }
    wire.ping(SOON).await.unwrap();
    assert!(wire.is_live());
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_stranger_with_nothing_but_white_space_loses_its_connection_like_a_silent_one()
{
    let world = World::with(|t| {
        t.section("[limits]").text("first_message", "1s");
    })
    .await;
    let mallory = world.client("mallory").await;
    let wire = mallory.wire();
    let white = [b" ".repeat(16_000), b"\t\r\n".to_vec()].concat();
    while wire.send_raw(&white).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let closed = world.logged("connection_closed", |_| true).await;
    assert_eq!(closed["reason"], "no_first_message");
    assert_eq!(wire.pongs(), 0);
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn white_space_keeps_a_client_that_has_spoken_for_as_long_as_any_keep_alive() {
    let world = World::with(|t| {
        t.section("[limits]").text("client_idle", "2s");
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    alice.wire().send_raw(b" ").await.unwrap();
    let closed = world.logged("connection_closed", |_| true).await;
    assert_eq!(closed["reason"], "idle");
    // Two seconds after the blank, not after the message.
    assert!(closed["open_ms"].as_u64().unwrap() >= 2650, "{closed}");
    world.stop().await;
}
