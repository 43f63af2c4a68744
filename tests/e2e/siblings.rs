//! Two nodes of one site on real connections: phones at both, calls between them, and one node killed in mid-call.
use crate::harness::nodes::{NODES, Nodes, phone_asks, start, topology};
use crate::harness::{Lab, SOON};
use sipward_lab::site::EDGE;

#[tokio::test]
async fn calls_cross_to_the_node_that_has_the_phone() {
    let pair = Nodes::new(2).await;
    let (alice, of_alice) = pair.phone(0, "alice").await;
    let (bob, of_bob) = pair.phone(1, "bob").await;
    // Each is called through the node that it is not at, as a home server does that knows one name for both.
    let mut first = pair.call(1, &alice, &of_alice).await;
    let mut second = pair.call(0, &bob, &of_bob).await;
    for method in ["INVITE", "INFO", "UPDATE", "NOTIFY", "MESSAGE"] {
        pair.asks(1, &mut first.0, &alice, method).await;
        pair.asks(0, &mut second.0, &bob, method).await;
    }
    phone_asks(&alice, &mut first.1, &pair.fe01, "INFO").await;
    phone_asks(&bob, &mut second.1, &pair.fe01, "INVITE").await;
    pair.asks(1, &mut first.0, &alice, "BYE").await;
    phone_asks(&bob, &mut second.1, &pair.fe01, "BYE").await;
    for edge in pair.edges {
        let log = edge.stop().await;
        assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    }
}

/// Ten calls; the node that their phones are at is killed while token keys are rotated. Each call goes on from both sides.
#[tokio::test]
async fn a_killed_node_ends_no_call_of_a_phone_that_registers_at_the_other_one() {
    let pair = Nodes::new(2).await;
    let mut calls = Vec::new();
    for number in 0..10 {
        let (phone, path) = pair.phone(0, &format!("user{number}")).await;
        // Half of them through the other node.
        let dialogs = pair.call(number % 2, &phone, &path).await;
        calls.push((phone, dialogs));
    }
    let old = std::fs::read_to_string(pair.lab.site.path().join("tokens.key")).unwrap();
    let new = format!("9 {}\n", "cd".repeat(32));
    pair.lab
        .site
        .write("tokens.key", &format!("{new}{old}"))
        .unwrap();
    for edge in &pair.edges {
        edge.reload().await;
    }
    pair.edges[0].signal("KILL");
    let left = &pair.edges[1].log;
    left.wait("peer_disconnected", |e| e["peer"] == NODES[0])
        .await
        .unwrap();
    for (number, (before, (of_home, of_phone))) in calls.iter_mut().enumerate() {
        before.wire().ended(SOON).await.unwrap();
        // The home side asks before the phone is back.
        let early = pair.fe01.within(of_home, "INVITE").on(&pair.wires[1]);
        let early = early.send().await.unwrap();
        let (phone, _) = pair.phone(1, &format!("user{number}")).await;
        let got = phone.expect("INVITE").await.unwrap();
        phone.reply(&got, 200).await.unwrap();
        let ok = pair.fe01.answer(&early, 200).await.unwrap();
        pair.fe01.ack(&early, &ok).await.unwrap();
        phone.expect("ACK").await.unwrap();
        phone_asks(&phone, of_phone, &pair.fe01, "INVITE").await;
        match number % 2 {
            0 => drop(pair.asks(1, of_home, &phone, "BYE").await),
            _ => phone_asks(&phone, of_phone, &pair.fe01, "BYE").await,
        }
    }
    let second = pair.edges.into_iter().nth(1).unwrap();
    let log = second.stop().await;
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
}

/// A call that rings and a message that waits at a node when that is killed reach the phone at the other node, and are answered once.
#[tokio::test]
async fn what_a_killed_node_had_taken_reaches_the_phone_at_the_other_one() {
    let pair = Nodes::new(2).await;
    let (before, path) = pair.phone(0, "alice").await;
    let (contact, wire) = (before.contact(), &pair.wires[1]);
    let call = pair.fe01.invite(contact).header("Route", &path).on(wire);
    let call = call.send().await.unwrap();
    let rings = before.expect("INVITE").await.unwrap();
    before.reply(&rings, 180).await.unwrap();
    let message = pair.fe01.message(contact, "hello").header("Route", &path);
    let message = message.on(wire).send().await.unwrap();
    before.expect("MESSAGE").await.unwrap();
    let seen = pair.edges[1].log.mark();
    pair.edges[0].signal("KILL");
    let lost = pair.edges[1]
        .log
        .wait_after(seen, "peer_disconnected", |e| e["peer"] == NODES[0]);
    lost.await.unwrap();
    before.wire().ended(SOON).await.unwrap();
    let (alice, _) = pair.phone(1, "alice").await;
    let got = alice.expect("MESSAGE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    pair.fe01.final_answer(&message).await.unwrap();
    let got = alice.expect("INVITE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    let ok = pair.fe01.final_answer(&call).await.unwrap();
    assert_eq!(ok.message.status(), Some(200));
    pair.fe01.ack(&call, &ok).await.unwrap();
    alice.expect("ACK").await.unwrap();
    let second = pair.edges.into_iter().nth(1).unwrap();
    let log = second.stop().await;
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
}

/// One node is told to stop in mid-call, and has still something to finish: what is for its phone arrives until it is gone.
#[tokio::test]
async fn a_node_that_drains_still_gets_what_is_for_its_phones() {
    let pair = Nodes::new(2).await;
    let (alice, of_alice) = pair.phone(1, "alice").await;
    let mut call = pair.call(0, &alice, &of_alice).await;
    let unanswered = alice.message("sip:bob@contoso.test", "hi");
    let unanswered = unanswered.send().await.unwrap();
    let pending = pair.fe01.expect("MESSAGE").await.unwrap();
    pair.edges[1].signal("TERM");
    pair.edges[1].log.wait("drain", |_| true).await.unwrap();
    // Outside of a dialog, by the phone's Path, through the other node.
    let sent = pair.fe01.message(alice.contact(), "hello");
    let sent = sent.header("Route", &of_alice).on(&pair.wires[0]);
    let sent = sent.send().await.unwrap();
    let got = alice.expect("MESSAGE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    pair.fe01.answer(&sent, 200).await.unwrap();
    pair.asks(0, &mut call.0, &alice, "INFO").await;
    pair.asks(0, &mut call.0, &alice, "BYE").await;
    pair.fe01.reply(&pending, 200).await.unwrap();
    alice.answer(&unanswered, 200).await.unwrap();
    let [first, second] = pair.edges.try_into().ok().unwrap();
    let (status, log) = second.exited().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    first.stop().await;
}

/// What bears a sibling's name and certificate may hand over, and nothing else.
#[tokio::test]
pub(crate) async fn a_sibling_has_no_rights_of_its_own() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let issued = lab.site.enterprise.server(NODES[1]).unwrap();
    let sibling = lab.server("node2", NODES[1], "sip:x@contoso.test", &issued);
    let sibling = sibling.await;
    let mut topology = topology(&lab, 0, &fe01);
    topology
        .add("[[sibling]]")
        .text("fqdn", NODES[1])
        .list("trust", &["enterprise-ca"])
        .list("address", &[&sibling.address().to_string()]);
    let edge = start(&lab, 0, &topology).await;
    let wire = sibling.dial(edge.address, EDGE).await.unwrap();
    let call = sibling.invite("sip:bob@contoso.test").on(&wire);
    let call = call.send().await.unwrap();
    sibling.answer(&call, 403).await.unwrap();
    edge.log
        .wait("request_refused", |e| {
            e["reason"] == "sibling_not_permitted"
        })
        .await
        .unwrap();
    let call = sibling.invite("sip:bob@contoso.test").on(&wire);
    let call = call.header(
        "X-Sipward-Origin",
        "AQBrSdIfARWT1Afp54kak6Dkzqv34AFtqJKvMBKBtg",
    );
    let call = call.send().await.unwrap();
    // As whatever it hands over that this node does not take: it asks another one then.
    sibling.answer(&call, 430).await.unwrap();
    edge.log
        .wait("request_refused", |e| e["reason"] == "origin_forged")
        .await
        .unwrap();
    edge.stop().await;
}
