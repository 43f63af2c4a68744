//! Trust taken away from live connections: nothing new runs on them, what runs may finish, then they are closed.
use crate::harness::tls::{VERSIONS, client_config, connect};
use crate::harness::{Lab, SOON, World, message_passes};
use rustls_pki_types::ServerName;
use serde_json::Value;
use sipward_lab::pki::{Issued, LeafSpec};
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use sipward_lab::{Server, Wire};
use std::sync::Arc;
use std::time::Duration;

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";

/// With a bound for withdrawn connections beyond every test's patience: what closes sooner had nothing left to do.
async fn patient_world() -> World {
    World::with(|t| {
        t.section("[limits]").text("drain", "120s");
    })
    .await
}

/// fe02 with this certificate, on a connection that it made; gives the event that let it in.
async fn let_in(world: &World, identity: &Issued) -> (Server, Wire, Value) {
    let server = world
        .lab
        .server("twin", FE02, "sip:fe02.contoso.test", identity)
        .await;
    let wire = world.dial(&server).await;
    let accepted = world
        .edge
        .log
        .wait("handshake_accepted", |e| {
            e["direction"] == "inbound" && e["peer"] == FE02
        })
        .await
        .unwrap();
    (server, wire, accepted)
}

/// Both events of a withdrawal, and the close.
async fn withdrawn(world: &World, accepted: &Value, reason: &str) {
    let connection = &accepted["connection"];
    let event = world
        .edge
        .log
        .wait("trust_withdrawn", |e| &e["connection"] == connection)
        .await
        .unwrap();
    assert_eq!(event["reason"], reason, "{event}");
    assert_eq!(event["peer"], accepted["peer"]);
    assert_eq!(event["decision"], accepted["decision"]);
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| &e["connection"] == connection)
        .await
        .unwrap();
    assert_eq!(closed["reason"], "trust_withdrawn");
    assert_eq!(closed["trust_reason"], reason);
    assert_eq!(closed["closed_by"], "local");
}

#[tokio::test]
async fn a_certificate_that_ends_while_its_connection_is_open_takes_it_along() {
    let world = patient_world().await;
    let identity = world
        .lab
        .site
        .enterprise
        .issue(&LeafSpec {
            not_after: 8,
            ..LeafSpec::server(FE02)
        })
        .unwrap();
    let (server, wire, accepted) = let_in(&world, &identity).await;
    wire.ended(SOON).await.unwrap();
    withdrawn(&world, &accepted, "expired").await;
    if let Ok(wire) = server.dial(world.edge.address, EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    world
        .edge
        .log
        .wait("handshake_refused", |e| e["reason"] == "expired")
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_crl_that_goes_stale_takes_the_connections_along_that_need_it() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let mut topology = lab.site.topology(&[(FE01, fe01.address())], None);
    topology.section("[limits]").text("drain", "120s");
    let crl = lab
        .site
        .enterprise
        .crl_pem(&[], Duration::from_secs(10))
        .unwrap();
    lab.site.write("enterprise-ca.crl.pem", &crl).unwrap();
    let edge = lab.edge(&topology).await;
    let wire = fe01.dial(edge.address, EDGE).await.unwrap();
    wire.ended(SOON).await.unwrap();
    let event = edge
        .log
        .wait("trust_withdrawn", |e| e["peer"] == FE01)
        .await
        .unwrap();
    assert_eq!(event["reason"], "crl_stale");
    assert!(event["new_decision"].is_string());
    edge.stop().await;
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_connection_at_once() {
    let world = patient_world().await;
    let identity = world.lab.site.enterprise.server(FE02).unwrap();
    let (_server, wire, accepted) = let_in(&world, &identity).await;
    world.lab.site.revoke(&[&identity], &[]).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    wire.ended(SOON).await.unwrap();
    withdrawn(&world, &accepted, "revoked").await;
    world.stop().await;
}

#[tokio::test]
async fn a_removed_peer_is_out_of_its_pool_at_once() {
    let mut world = patient_world().await;
    let alice = world.client("alice").await;
    let got = message_passes(&alice, &world.fe01).await;
    let event = world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", FE01);
            t.section("[[pool]]").list("peers", &[FE02]);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    got.wire.ended(SOON).await.unwrap();
    let event = world
        .edge
        .log
        .wait("trust_withdrawn", |e| e["peer"] == FE01)
        .await
        .unwrap();
    assert_eq!(event["reason"], "not_in_topology");
    message_passes(&alice, &world.fe02).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_new_certificate_of_ours_rides_no_old_connection_and_a_ringing_call_survives()
{
    let world = patient_world().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    // The same name, another certificate and key.
    let renewed = world.lab.site.enterprise.server(EDGE).unwrap();
    world.lab.site.issue("edge", &renewed).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let event = world
        .edge
        .log
        .wait("trust_withdrawn", |e| e["peer"] == FE01)
        .await
        .unwrap();
    assert_eq!(event["reason"], "own_certificate_replaced");
    // What is new goes over a connection of its own.
    let got = message_passes(&alice, &world.fe01).await;
    assert_ne!(got.wire.remote(), invite.wire.remote());
    // The call goes on where it began, and then that connection has had its day.
    assert!(invite.wire.is_live());
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    invite.wire.ended(SOON).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let bye = alice.bye(&mut dialog).await.unwrap();
    let got = world.fe01.expect("BYE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_handshake_that_a_reload_overtakes_is_judged_by_what_holds_at_its_end() {
    let mut world = World::new().await;
    let identity = world.lab.site.fabrikam.server(PARTNER_EDGE).unwrap();
    // The edge has taken the connection by the time that it has reloaded.
    let tcp = connect(world.edge.address).await;
    let event = world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    let config = client_config(VERSIONS[0], &world.lab.roots, Some(&identity));
    let refused = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(EDGE).unwrap(), tcp)
        .await;
    if let Ok(mut stream) = refused {
        let mut sink = [0; 16];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut sink);
        assert!(!matches!(tokio::time::timeout(SOON, read).await.unwrap(), Ok(n) if n > 0));
    }
    world
        .edge
        .log
        .wait("handshake_refused", |e| e["reason"] == "not_in_topology")
        .await
        .unwrap();
    let log = world.stop().await;
    let accepted = log.named("handshake_accepted");
    assert!(accepted.iter().all(|e| e["peer"] != PARTNER_EDGE));
}
