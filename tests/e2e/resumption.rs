//! Nothing resumes, so that no session can skip a trust decision: RFC 8446 §2.2 and RFC 5246 §7.3 are left unused.
use crate::harness::tls::{VERSIONS, client_config, shake};
use crate::harness::{SOON, World};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use sipward::lab::pki::LeafSpec;
use sipward::lab::site::{EDGE, PARTNER_EDGE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FE02: &str = "fe02.contoso.test";

/// A configuration that would resume if it were let.
fn eager(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(8);
    config
}

/// One handshake and a keep-alive; gives how it was made. An end before the keep-alive's answer is a refusal.
async fn visit(world: &World, config: &ClientConfig) -> std::io::Result<Option<HandshakeKind>> {
    let mut stream = shake(config.clone(), world.edge.address, EDGE).await?;
    stream.write_all(b"\r\n\r\n").await?;
    let mut pong = [0; 2];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut pong)).await;
    read.unwrap()?;
    let (_, session) = stream.get_ref();
    assert_eq!(session.tls13_tickets_received(), 0);
    let kind = session.handshake_kind();
    let _ = stream.shutdown().await;
    Ok(kind)
}

/// Two visits with what the first may have left behind: both are full handshakes.
async fn visits_twice(world: &World, config: &ClientConfig) {
    for _ in 0..2 {
        assert!(matches!(
            visit(world, config).await.unwrap(),
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
        ));
    }
}

#[tokio::test]
async fn clients_and_peers_always_shake_hands_anew() {
    let world = World::new().await;
    let peer = world.lab.site.enterprise.server(FE02).unwrap();
    for version in VERSIONS {
        for identity in [None, Some(&peer)] {
            let config = eager(client_config(version, &world.lab.roots, identity));
            visits_twice(&world, &config).await;
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_removed_peer_cannot_come_back_with_a_session_of_better_days() {
    let mut world = World::new().await;
    let identity = world.lab.site.fabrikam.server(PARTNER_EDGE).unwrap();
    let configs = VERSIONS.map(|v| eager(client_config(v, &world.lab.roots, Some(&identity))));
    for config in &configs {
        visits_twice(&world, config).await;
    }
    let event = world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    for config in &configs {
        let mark = world.edge.log.mark();
        assert!(visit(&world, config).await.is_err());
        world
            .edge
            .log
            .wait_after(mark, "handshake_refused", |e| {
                e["reason"] == "not_in_topology"
            })
            .await
            .unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn a_newly_revoked_peer_cannot_come_back_with_a_session_of_better_days() {
    let world = World::new().await;
    let identity = world.lab.site.enterprise.server(FE02).unwrap();
    let configs = VERSIONS.map(|v| eager(client_config(v, &world.lab.roots, Some(&identity))));
    for config in &configs {
        visits_twice(&world, config).await;
    }
    world.lab.site.revoke(&[&identity], &[]).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    for config in &configs {
        let mark = world.edge.log.mark();
        assert!(visit(&world, config).await.is_err());
        world
            .edge
            .log
            .wait_after(mark, "handshake_refused", |e| e["reason"] == "revoked")
            .await
            .unwrap();
    }
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_that_ends_while_its_session_could_be_resumed_is_refused() {
    let world = World::new().await;
    let identity = world
        .lab
        .site
        .enterprise
        .issue(&LeafSpec {
            not_after: 8,
            ..LeafSpec::server(FE02)
        })
        .unwrap();
    let configs = VERSIONS.map(|v| eager(client_config(v, &world.lab.roots, Some(&identity))));
    for config in &configs {
        visit(&world, config).await.unwrap();
    }
    // A connection that stays tells when the certificate has ended.
    let stream = shake(configs[0].clone(), world.edge.address, EDGE)
        .await
        .unwrap();
    world
        .edge
        .log
        .wait("trust_withdrawn", |e| e["reason"] == "expired")
        .await
        .unwrap();
    drop(stream);
    for config in &configs {
        let mark = world.edge.log.mark();
        assert!(visit(&world, config).await.is_err());
        world
            .edge
            .log
            .wait_after(mark, "handshake_refused", |e| e["reason"] == "expired")
            .await
            .unwrap();
    }
    world.stop().await;
}
