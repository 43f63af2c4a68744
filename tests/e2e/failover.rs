//! A pool whose member dies, refuses or stays silent: the next one is tried (RFC 3263 §4.3).
use crate::harness::{SOON, World, message_passes};
use std::time::Duration;

#[tokio::test]
async fn a_dead_server_is_passed_over_for_the_next_of_its_pool() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    world.fe01.kill();
    for _ in 0..5 {
        message_passes(&alice, &world.fe02).await;
    }
    world.logged("peer_disconnected", |_| true).await;
    world.stop().await;
}

#[tokio::test]
async fn a_503_leads_to_the_next_server_on_a_new_branch() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let first = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&first, 503).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let second = world.fe02.expect("INVITE").await.unwrap();
    assert_ne!(first.message.branch(), second.message.branch());
    world.fe02.reply(&second, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
}

#[tokio::test]
async fn when_every_server_says_503_the_client_is_told_500() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    for server in [&world.fe01, &world.fe02] {
        let invite = server.expect("INVITE").await.unwrap();
        server.reply(&invite, 503).await.unwrap();
    }
    alice.answer(&call, 500).await.unwrap();
}

#[tokio::test]
async fn a_server_that_dies_with_requests_pending_hands_them_to_the_next() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let mut sent = Vec::new();
    for n in 0..50 {
        let draft = alice.message("sip:bob@contoso.test", &n.to_string());
        sent.push(draft.send().await.unwrap());
    }
    for _ in 0..50 {
        world.fe01.expect("MESSAGE").await.unwrap();
    }
    world.fe01.kill();
    for _ in 0..50 {
        let got = world.fe02.expect("MESSAGE").await.unwrap();
        world.fe02.reply(&got, 200).await.unwrap();
    }
    for request in &sent {
        alice.answer(request, 200).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_there_but_cannot_prove_its_name_gets_nothing() {
    let world = World::with(|t| {
        // fe01's address is the partner's server, whose certificate says so.
        let partner = t
            .find("[[peer]]", "fqdn", "edge.fabrikam.test")
            .unwrap()
            .clone();
        let address = partner.value("address").unwrap().to_owned();
        t.find("[[peer]]", "fqdn", "fe01.contoso.test")
            .unwrap()
            .raw("address", &address);
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe02).await;
    let refused = world
        .logged("handshake_refused", |e| e["direction"] == "outbound")
        .await;
    assert!(refused["reason"].is_string());
    assert!(world.partner.untaken().await.is_empty());
}

#[tokio::test]
async fn with_the_whole_pool_dead_requests_are_answered_soon() {
    let world = World::new().await;
    world.fe01.kill();
    world.fe02.kill();
    let alice = world.client("alice").await;
    alice.set_patience(SOON + Duration::from_secs(5));
    let sent = alice
        .message("sip:bob@contoso.test", "1")
        .send()
        .await
        .unwrap();
    let answer = alice.final_answer(&sent).await.unwrap();
    assert!(
        matches!(answer.message.status(), Some(500 | 503)),
        "{:?}",
        answer.message
    );
    world.stop().await;
}
