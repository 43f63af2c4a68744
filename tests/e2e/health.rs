//! Health of pool members with real connections: OPTIONS pings, death, return, maintenance.
use crate::harness::{Lab, World, automatic};
use sipward_lab::site::{HOME, TopologyText};
use sipward_lab::{Registrar, Server, ServerSpec};
use std::net::SocketAddr;

const FE01: &str = "fe01.contoso.test";

/// The first member at this address.
async fn at(lab: &Lab, address: SocketAddr) -> Server {
    let identity = lab.site.enterprise.server(FE01).unwrap();
    Server::start(&ServerSpec {
        party: "fe01",
        fqdn: FE01,
        aor: "sip:fe01.contoso.test",
        identity: &identity,
        roots: &lab.roots,
        transcript: &lab.transcript,
        listen: Some(address),
    })
    .await
    .unwrap()
}

fn pinged(topology: &mut TopologyText) {
    topology.find("[[pool]]", "name", "front-end").unwrap().raw(
        "health",
        "{ options_every = \"200ms\", timeout = \"5s\", down_after = 2, up_after = 2, fail_back = \"0s\" }",
    );
}

#[tokio::test]
async fn a_member_that_dies_is_seen_by_pings_alone_and_serves_again_after_it_answers_them() {
    let lab = Lab::new();
    // At an address of this test's own, where nobody takes the port while it is away.
    let fe01 = at(&lab, ([127, 0, 62, 1], 0).into()).await;
    let fe02 = lab.home("fe02").await;
    let address = fe01.address();
    let members = [(FE01, address), ("fe02.contoso.test", fe02.address())];
    let mut topology = lab.site.topology(&members, None);
    pinged(&mut topology);
    let edge = lab.edge(&topology).await;
    let registrar = Registrar::default();
    let fe01 = automatic(fe01, &registrar, &edge);
    let _fe02 = automatic(fe02, &registrar, &edge);
    // Nobody has sent anything: the connection is made for the ping.
    edge.log
        .wait("peer_connected", |e| e["peer"] == FE01)
        .await
        .unwrap();
    fe01.kill();
    let down = edge
        .log
        .wait("peer_unavailable", |e| e["peer"] == FE01)
        .await
        .unwrap();
    assert!(
        matches!(
            down["reason"].as_str(),
            Some("connection_lost" | "connect_failed")
        ),
        "{down}"
    );
    let alice = lab.client(&edge, "alice").await;
    let sent = alice.message("sip:contoso.test", "1").send().await.unwrap();
    alice.answer(&sent, 200).await.unwrap();

    let again = at(&lab, address).await;
    let again = automatic(again, &registrar, &edge);
    let is_back = edge.log.up_to("peer_available", |e| e["peer"] == FE01);
    let relayed = is_back.await.unwrap().named("request_relayed");
    assert!(!relayed.is_empty(), "the message before it was back");
    assert!(relayed.iter().all(|e| e["to_peer"] != FE01), "{relayed:?}");
    let sent = alice.register().send().await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    assert!(
        again
            .registrar()
            .contact(&format!("alice@{HOME}"))
            .is_some()
    );
    edge.stop().await;
}

#[tokio::test]
async fn a_member_that_drains_keeps_its_calls_and_gets_no_new_ones() {
    let mut world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();

    let reload = world
        .reload_with(|t| {
            t.find("[[pool]]", "name", "front-end")
                .unwrap()
                .list("drain", &[FE01]);
        })
        .await;
    assert_eq!(reload["result"], "ok");
    assert!(
        reload["details"]
            .to_string()
            .contains("drain +fe01.contoso.test"),
        "{reload}"
    );
    let sent = alice
        .message("sip:bob@contoso.test", "1")
        .send()
        .await
        .unwrap();
    let got = world.fe02.expect("MESSAGE").await.unwrap();
    world.fe02.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let bye = alice.bye(&mut dialog).await.unwrap();
    let got = world.fe01.expect("BYE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    world.stop().await;
}
