//! Messages that are refused for their form, and ACKs and responses that are dropped.
use crate::harness::{SOON, World, message_passes};
use sipward::reason::Rule;
use sipward_lab::site::PARTNER_EDGE;

/// A whole request without its framing.
const LINES: &str = "MESSAGE sip:b@contoso.test SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:a@contoso.test>;tag=1\r\nTo: <sip:b@contoso.test>\r\nCall-ID: framed\r\nCSeq: 1 MESSAGE\r\n";

pub(super) async fn a_head_that_cannot_be_framed_ends_the_connection_with_the_rule_that_it_breaks()
{
    let world = World::with(|t| {
        t.section("[limits]").raw("head_bytes", "4096");
    })
    .await;
    let large = format!("{LINES}X-Large: {}\r\n", "x".repeat(5_000));
    for (text, reason) in [
        (format!("{LINES}X-Odd: a\rb\r\n\r\n"), "bare_cr"),
        (format!("{LINES}X-Odd: a\nb\r\n\r\n"), "bare_lf"),
        (large, "head_too_large"),
    ] {
        let mark = world.edge.log.mark();
        let mallory = world.client("mallory").await;
        mallory.wire().send_raw(text.as_bytes()).await.unwrap();
        let _ = mallory.wire().ended(SOON).await;
        let log = &world.edge.log;
        let closed = log.wait_after(mark, "connection_closed", |_| true).await;
        assert_eq!(closed.unwrap()["reason"], reason);
    }
    world.stop().await;
}

pub(super) async fn an_ack_that_breaks_a_rule_is_dropped_without_an_answer() {
    let world = World::new().await;
    let (bob, _) = world.registered("bob").await;
    // Max-Forwards 0: every other method would get a 483.
    let ack = LINES
        .replace("MESSAGE", "ACK")
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    let ack = format!("{ack}Content-Length: 0\r\n\r\n");
    bob.wire().send_raw(ack.as_bytes()).await.unwrap();
    world
        .logged("message_dropped", |e| e["reason"] == "ack_refused")
        .await;
    world.stop().await;
}

pub(super) async fn what_breaks_a_rule_within_its_fields_is_answered_400() {
    let world = World::new().await;
    let whole = format!("{LINES}Content-Length: 0\r\n\r\n");
    for (part, broken, rule) in [
        ("CSeq: 1 MESSAGE", "CSeq: MESSAGE", Rule::BadCSeq),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nMax-Breadth: many",
            Rule::BadMaxBreadth,
        ),
        (
            "sip:b@contoso.test SIP/2.0",
            "sip:b@contoso.test?Route=x SIP/2.0",
            Rule::HeadersInRequestUri,
        ),
    ] {
        let mallory = world.client("mallory").await;
        let text = whole.replacen(part, broken, 1);
        assert_ne!(text, whole, "{rule}");
        mallory.wire().send_raw(text.as_bytes()).await.unwrap();
        mallory.expect_status(400).await.unwrap();
        world.refused("malformed_request").await;
    }
    world.stop().await;
}

pub(super) async fn no_more_requests_wait_for_a_connection_than_may() {
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hole.local_addr().unwrap().to_string();
    let world = World::with(|t| {
        let partner = t.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.list("address", &[&address]);
        t.section("[limits]").raw("connect_queue", "1");
    })
    .await;
    let wire = world.dial(&world.fe01).await;
    for text in ["1", "2", "3"] {
        let message = world.fe01.message("sip:carol@fabrikam.test", text);
        message.on(&wire).send().await.unwrap();
    }
    world.refused("connect_queue_full").await;
    world.stop().await;
}

pub(super) async fn a_request_that_waits_for_a_peer_fails_when_a_reload_removes_it() {
    // It takes connections and never shakes hands.
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hole.local_addr().unwrap().to_string();
    let mut world = World::with(|t| {
        if let Some(peer) = t.find("[[peer]]", "fqdn", PARTNER_EDGE) {
            peer.list("address", &[&address]);
        }
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    world
        .fe01
        .message("sip:carol@fabrikam.test", "hi")
        .send()
        .await
        .unwrap();
    let (waiting, _) = hole.accept().await.unwrap();
    world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
        })
        .await;
    world.refused("peer_withdrawn").await;
    drop(waiting);
    world.stop().await;
}
