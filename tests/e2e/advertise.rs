//! The name that a node goes by: its own, another for each side, or one that several nodes share.
use crate::harness::{Edge, Lab, World, hangs_up};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, PARTNER_EDGE, TopologyText};
use sipward_lab::{Client, EdgeTarget};

const SHARED: &str = "sip.contoso.test";
const OUTSIDE: &str = "phones.contoso.test";

/// A lab whose edge has a certificate for all its names.
fn lab() -> Lab {
    let lab = Lab::new();
    let mut spec = LeafSpec::server(EDGE);
    for name in [SHARED, OUTSIDE, "edge02.contoso.test"] {
        spec.dns.push(name.to_owned());
    }
    let issued = lab.site.enterprise.issue(&spec).unwrap();
    lab.site.issue("edge", &issued).unwrap();
    lab
}

/// Where clients come in, by the name that is announced to them.
fn clients_outside(topology: &mut TopologyText) {
    topology.section("[node]").text("advertise", SHARED);
    topology.section("[[listener]]").list("accept", &["peer"]);
    topology
        .add("[[listener]]")
        .text("name", "outside")
        .text("address", "127.0.0.1:0")
        .text("advertise", OUTSIDE)
        .list("accept", &["client"]);
}

#[tokio::test]
async fn each_side_sees_the_name_that_its_listener_goes_by() {
    let world = World::in_lab(lab(), clients_outside).await;
    let outside = world.edge.listener(|e| e["listener"] == "outside").await;
    let (inner, outer) = (
        format!("{SHARED}:{}", world.edge.address.port()),
        format!("{OUTSIDE}:{}", outside.port()),
    );
    let target = EdgeTarget {
        address: outside,
        name: OUTSIDE.to_owned(),
        ..world.lab.face(&world.edge)
    };
    let alice = Client::connect(&target, "alice", "sip:alice@contoso.test")
        .await
        .unwrap();
    let sent = alice.register().send().await.unwrap();
    let register = world.fe01.expect("REGISTER").await.unwrap();
    let (path, via) = (
        register.message.header("path").unwrap(),
        register.message.top_via().unwrap(),
    );
    assert!(path.contains(&format!("@{inner};")), "{path}");
    assert!(via.contains(&inner), "{via}");
    world.fe01.reply(&register, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    let routes = invite.message.values("record-route");
    // Towards the home server first (RFC 5658 §6).
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes[0].contains(&format!("@{inner};")), "{routes:?}");
    assert!(routes[1].contains(&format!("@{outer};")), "{routes:?}");
    let mut theirs = world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut ours = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let sent = alice.within(&mut ours, "UPDATE").send().await.unwrap();
    let update = world.fe01.expect("UPDATE").await.unwrap();
    world.fe01.reply(&update, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    hangs_up(&world.fe01, &mut theirs, &alice).await;
    world.stop().await;
}

#[tokio::test]
async fn a_dialog_goes_on_over_another_node_of_the_same_name_and_keys() {
    let World {
        lab,
        edge: first,
        fe01,
        partner,
        mut topology,
        ..
    } = World::in_lab(lab(), |topology| {
        // The port of the balancer that both are behind.
        let node = topology.section("[node]");
        node.text("advertise", SHARED).raw("advertise_port", "5061");
    })
    .await;
    topology
        .section("[node]")
        .text("fqdn", "edge02.contoso.test");
    let file = lab.site.write("second.toml", &topology.to_toml()).unwrap();
    partner.dial(first.address, EDGE).await.unwrap();
    let call = partner.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = fe01.expect("INVITE").await.unwrap();
    let route = invite.message.header("record-route").unwrap().to_owned();
    assert!(route.contains(&format!("@{SHARED};")), "{route}");
    fe01.accept(&invite).await.unwrap();
    let ok = partner.answer(&call, 200).await.unwrap();
    let mut dialog = partner.ack(&call, &ok).await.unwrap();
    fe01.expect("ACK").await.unwrap();
    // The first node is gone; both ends come to the second one.
    first.stop().await;
    let second = Edge::start(&file).await;
    let wire = partner.dial(second.address, EDGE).await.unwrap();
    second
        .log
        .wait("handshake_accepted", |e| e["peer"] == PARTNER_EDGE)
        .await
        .unwrap();
    let sent = partner
        .within(&mut dialog, "BYE")
        .on(&wire)
        .send()
        .await
        .unwrap();
    let bye = fe01.expect("BYE").await.unwrap();
    assert_eq!(bye.message.header("route"), None);
    fe01.reply(&bye, 200).await.unwrap();
    partner.answer(&sent, 200).await.unwrap();
    second.stop().await;
}
