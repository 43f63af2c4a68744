//! Who is not let in at a listener, and how connections end.
use crate::harness::World;
use crate::harness::tls::{VERSIONS, client_config, connect, shake};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::EDGE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FE01: &str = "fe01.contoso.test";

pub(super) async fn connections_beyond_a_bound_are_refused_and_the_bound_is_named() {
    for (key, reason) in [
        ("connections_per_source", "too_many_from_source"),
        ("connections", "too_many_connections"),
    ] {
        let world = World::with(|t| {
            t.section("[limits]").raw(key, "1");
            t.section("[node]").raw("shards", "1");
        })
        .await;
        let alice = world.client("alice").await;
        world
            .logged("handshake_accepted", |e| e["direction"] == "inbound")
            .await;
        let mut second = connect(world.edge.address).await;
        let refused = world.logged("handshake_refused", |_| true).await;
        assert_eq!(refused["reason"], reason, "{refused}");
        let _ = second.read(&mut [0; 16]).await;
        drop(alice);
        world.stop().await;
    }
}

pub(super) async fn a_connection_that_ends_without_the_end_of_tls_is_logged_so() {
    let world = World::new().await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let tls = shake(config, world.edge.address, EDGE).await.unwrap();
    world
        .logged("handshake_accepted", |e| e["direction"] == "inbound")
        .await;
    let (tcp, _) = tls.into_inner();
    drop(tcp);
    let closed = world.logged("connection_closed", |_| true).await;
    assert_eq!(closed["reason"], "eof_without_close_notify");
    world.stop().await;
}

pub(super) async fn a_certificate_that_speaks_for_another_peer_after_a_reload_loses_its_connection()
{
    let mut world = World::new().await;
    let mut spec = LeafSpec::server(FE01);
    spec.dns.push("fe09.contoso.test".to_owned());
    let identity = world.lab.site.enterprise.issue(&spec).unwrap();
    let config = client_config(VERSIONS[1], &world.lab.roots, Some(&identity));
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    let accepted = world
        .logged("handshake_accepted", |e| e["direction"] == "inbound")
        .await;
    assert_eq!(accepted["peer"], FE01);
    world
        .reload_with(|topology| {
            if let Some(peer) = topology.find("[[peer]]", "fqdn", FE01) {
                peer.text("fqdn", "fe09.contoso.test");
            }
            let pool = topology.section("[[pool]]");
            pool.list("peers", &["fe09.contoso.test", "fe02.contoso.test"]);
        })
        .await;
    let withdrawn = world.logged("trust_withdrawn", |_| true).await;
    assert_eq!(withdrawn["reason"], "identity_changed", "{withdrawn}");
    let _ = tls.read(&mut [0; 16]).await;
    world.stop().await;
}

pub(super) async fn a_reload_that_stops_accepting_a_kind_closes_its_connections() {
    for (accept, moved, reason) in [
        ("peer", "client", "client_not_accepted"),
        ("client", "peer", "peer_not_accepted"),
    ] {
        let mut world = World::new().await;
        let alice = world.client("alice").await;
        let fe01 = world.dial(&world.fe01).await;
        world
            .logged("handshake_accepted", |e| e["peer"] == FE01)
            .await;
        world
            .reload_with(|topology| {
                topology.section("[[listener]]").list("accept", &[accept]);
                topology
                    .add("[[listener]]")
                    .text("name", "other")
                    .text("address", "127.0.0.1:0")
                    .text("identity", "edge")
                    .list("accept", &[moved]);
            })
            .await;
        let withdrawn = world.logged("trust_withdrawn", |_| true).await;
        assert_eq!(withdrawn["reason"], reason, "{withdrawn}");
        drop((alice, fe01));
        world.stop().await;
    }
}

pub(super) async fn a_removed_listener_takes_its_connections_along() {
    let mut world = World::new().await;
    let alice = world.client("alice").await;
    let reloaded = world
        .reload_with(|topology| {
            topology.section("[[listener]]").text("name", "renamed");
        })
        .await;
    assert_eq!(reloaded["result"], "ok", "{reloaded}");
    let withdrawn = world.logged("trust_withdrawn", |_| true).await;
    assert_eq!(withdrawn["reason"], "listener_removed", "{withdrawn}");
    drop(alice);
    world.stop().await;
}

pub(super) async fn a_client_that_sends_and_never_reads_is_closed_when_its_answers_pile_up() {
    let world = World::with(|t| {
        t.section("[limits]").text("send_queue", "4KiB");
    })
    .await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let mut tls = shake(config, world.edge.address, EDGE).await.unwrap();
    let flood = async {
        for count in 0..200_000 {
            let options = format!(
                "OPTIONS sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bK{count}\r\nMax-Forwards: 70\r\nFrom: <sip:a@contoso.test>;tag=1\r\nTo: <sip:{EDGE}>\r\nCall-ID: {count}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            if tls.write_all(options.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = world.edge.log.wait("connection_closed", |_| true) => {}
        () = flood => {}
    }
    world
        .logged("connection_closed", |e| e["reason"] == "send_queue_full")
        .await;
    world.stop().await;
}
