//! Three nodes of one site: calls between phones of all of them, one node killed in mid-call, and one that hangs.
use crate::harness::SOON;
use crate::harness::nodes::{NODES, Nodes, phone_asks};
use serde_json::Value;
use sipward_lab::{Client, Dialog};
use std::time::{Duration, Instant};

/// A call between two phones, through a home server that has a dialog with each: who, and both sides of both dialogs.
struct Talk {
    caller: usize,
    callee: usize,
    /// The caller's and the home server's.
    first: (Dialog, Dialog),
    /// The home server's and the callee's.
    second: (Dialog, Dialog),
}

/// One phone calls another; the home server calls the callee through the node that the call came from.
async fn talk(
    nodes: &Nodes,
    (caller, from): (usize, &(Client, String)),
    (callee, to): (usize, &(Client, String)),
    via: usize,
) -> Talk {
    let call = from.0.invite(&format!("sip:user{callee}@contoso.test"));
    let call = call.send().await.unwrap();
    let asked = nodes.fe01.expect("INVITE").await.unwrap();
    let second = nodes.call(via, &to.0, &to.1).await;
    let mut of_home = nodes.fe01.accept(&asked).await.unwrap();
    let ok = from.0.answer(&call, 200).await.unwrap();
    let mut of_caller = from.0.ack(&call, &ok).await.unwrap();
    nodes.fe01.expect("ACK").await.unwrap();
    (of_home.cseq, of_caller.cseq) = (200, 300);
    Talk {
        caller,
        callee,
        first: (of_caller, of_home),
        second,
    }
}

/// Five phones: two at the first node, which is killed, one at each of the others, and one more at the last.
#[tokio::test]
async fn of_three_nodes_one_is_killed_and_every_call_between_all_pairs_goes_on_from_both_sides() {
    let mut nodes = Nodes::new(3).await;
    let at = [0, 0, 1, 2, 2];
    let mut phones = Vec::new();
    for (user, node) in at.into_iter().enumerate() {
        phones.push(nodes.phone(node, &format!("user{user}")).await);
    }
    let mut talks = Vec::new();
    // Each node calls each, itself included.
    for (caller, callee) in [
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 1),
        (2, 3),
        (3, 0),
        (3, 2),
        (3, 4),
    ] {
        let ends = ((caller, &phones[caller]), (callee, &phones[callee]));
        talks.push(talk(&nodes, ends.0, ends.1, at[caller]).await);
    }
    nodes.edges[0].signal("KILL");
    for edge in &nodes.edges[1..] {
        edge.log
            .wait("peer_disconnected", |e| e["peer"] == NODES[0])
            .await
            .unwrap();
    }
    // One to each of the nodes that are left.
    for (user, node) in [(0, 1), (1, 2)] {
        phones[user].0.wire().ended(SOON).await.unwrap();
        phones[user] = nodes.phone(node, &format!("user{user}")).await;
    }
    for (number, talk) in talks.iter_mut().enumerate() {
        let (caller, callee) = (&phones[talk.caller].0, &phones[talk.callee].0);
        // The home server asks both through one node, now this, now that; so half of it crosses.
        let via = 1 + number % 2;
        nodes.asks(via, &mut talk.first.1, caller, "INVITE").await;
        nodes
            .asks(3 - via, &mut talk.second.0, callee, "INVITE")
            .await;
        phone_asks(caller, &mut talk.first.0, &nodes.fe01, "INVITE").await;
        phone_asks(callee, &mut talk.second.1, &nodes.fe01, "INVITE").await;
        match number % 2 {
            0 => {
                nodes.asks(3 - via, &mut talk.first.1, caller, "BYE").await;
                phone_asks(callee, &mut talk.second.1, &nodes.fe01, "BYE").await;
            }
            _ => {
                phone_asks(caller, &mut talk.first.0, &nodes.fe01, "BYE").await;
                nodes.asks(via, &mut talk.second.0, callee, "BYE").await;
            }
        }
    }
    for edge in nodes.edges.drain(1..) {
        let log = edge.stop().await;
        assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    }
}

/// Whether a node's event says that it has not got a client.
fn has_not(event: &Value) -> bool {
    event["reason"] == "flow_gone" || event["reason"] == "client_away"
}

#[tokio::test]
async fn siblings_are_asked_in_the_order_of_the_file_and_ask_nobody_further() {
    let nodes = Nodes::new(3).await;
    let (before, path) = nodes.phone(0, "alice").await;
    before.wire().close().await.unwrap();
    let (alice, _) = nodes.phone(2, "alice").await;
    // By the Path of before, which names the node that it comes to: the second node is asked, and then the third.
    let sent = nodes.fe01.message(alice.contact(), "hello");
    let sent = sent.header("Route", &path).on(&nodes.wires[0]);
    let sent = sent.send().await.unwrap();
    let got = alice.expect("MESSAGE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    nodes.fe01.answer(&sent, 200).await.unwrap();
    // Nobody has it: each is asked once, and a loop would show as more than that.
    alice.wire().close().await.unwrap();
    nodes.edges[2]
        .log
        .wait("connection_closed", |e| e["messages_in"] != 0)
        .await
        .unwrap();
    let call = nodes.fe01.invite(alice.contact()).header("Route", &path);
    let call = call.on(&nodes.wires[0]).send().await.unwrap();
    let third = &nodes.edges[2].log;
    third.wait("request_refused", has_not).await.unwrap();
    // Meanwhile it waits for the phone.
    nodes.fe01.cancel(&call).await.unwrap();
    nodes.fe01.answer(&call, 487).await.unwrap();
    let mut times = Vec::new();
    for edge in nodes.edges {
        let log = edge.stop().await;
        let refused = log.named("request_refused").into_iter();
        let refused: Vec<Value> = refused.filter(has_not).collect();
        // Whoever is asked for a sibling asks nobody.
        let asker = |event: &Value| event["from_peer"] == NODES[0];
        assert!(refused.iter().all(asker), "{refused:?}");
        let call_id = call.message.call_id();
        let of_call = refused.iter().filter(|it| it["call_id"] == call_id);
        times.push((of_call.count(), refused.len()));
    }
    // The first waits for the phone itself. It asks the others one after the other, and again if that takes seconds.
    let [(_, of_first), (second, of_second), (third, _)] = times[..] else {
        panic!("{times:?}");
    };
    assert_eq!(of_first, 0);
    assert!(
        third > 0 && (third..=third + 1).contains(&second),
        "{times:?}"
    );
    assert!(
        of_second > second,
        "it was asked for the first one too: {times:?}"
    );
}

/// Its connections stay, and nothing comes back: the first call costs eight seconds, and no later one does.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures a wait")]
async fn a_sibling_that_stands_still_costs_one_silence() {
    let nodes = Nodes::new(3).await;
    let (before, path) = nodes.phone(1, "alice").await;
    let mut call = nodes.call(0, &before, &path).await;
    nodes.edges[1].stand_still();
    let (alice, _) = nodes.phone(2, "alice").await;
    let reaches = async |branch: &str| {
        let begun = Instant::now();
        let call = nodes.fe01.invite(alice.contact()).header("Route", &path);
        let call = call.on(&nodes.wires[0]).send().await.unwrap();
        let invite = loop {
            if let Ok(invite) = alice.expect("INVITE").await {
                break invite;
            }
            assert!(begun.elapsed() < SOON, "{branch}");
        };
        let took = begun.elapsed();
        alice.reply(&invite, 486).await.unwrap();
        nodes.fe01.answer(&call, 486).await.unwrap();
        took
    };
    let silence = Duration::from_secs(8);
    reaches("first").await;
    let down = nodes.edges[0]
        .log
        .wait("peer_unavailable", |e| e["peer"] == NODES[1])
        .await
        .unwrap();
    assert!(
        ["silence", "ping_timeout"]
            .map(Value::from)
            .contains(&down["reason"]),
        "{down}"
    );
    for number in 2..5 {
        let took = reaches(&number.to_string()).await;
        assert!(took < silence, "{number}: {took:?}");
    }
    let begun = Instant::now();
    for method in ["INFO", "INVITE", "BYE"] {
        nodes.asks(0, &mut call.0, &alice, method).await;
    }
    assert!(begun.elapsed() < silence);
}
