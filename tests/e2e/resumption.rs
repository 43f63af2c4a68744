//! Nothing resumes, so that no session can skip a trust decision: RFC 8446 §2.2 and RFC 5246 §7.3 are left unused.
use crate::harness::tls::{VERSIONS, client_config, server_config, shake};
use crate::harness::{Lab, SOON, World, message_passes};
use rustls::client::Resumption;
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FE02: &str = "fe02.contoso.test";

/// A configuration that would resume if it were let.
fn eager(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(8);
    config
}

/// A server that offers everything to resume by, answers one keep-alive and leaves; gives how each handshake was made.
async fn tempting_server(mut config: ServerConfig) -> (SocketAddr, Arc<Mutex<Vec<HandshakeKind>>>) {
    config.session_storage = ServerSessionMemoryCache::new(8);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    config.send_tls13_tickets = 2;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kinds);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut stream = acceptor.accept(tcp).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            seen.lock().unwrap().extend(kind);
            // The keep-alive and the whole request: what is left unread would turn the end into a reset.
            let mut got = Vec::new();
            while !got.ends_with(b"\r\n\r\nhi") {
                stream.read_buf(&mut got).await.unwrap();
            }
            stream.write_all(b"\r\n").await.unwrap();
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut got).await;
        }
    });
    (address, kinds)
}

#[tokio::test]
async fn a_server_that_we_dial_is_never_taken_at_an_old_word() {
    const FE01: &str = "fe01.contoso.test";
    for version in VERSIONS {
        let lab = Lab::new();
        let identity = lab.site.enterprise.server(FE01).unwrap();
        let config = server_config(version, &lab.roots, &identity);
        let (fe01, kinds) = tempting_server(config).await;
        let fe02 = lab.home("fe02").await;
        let topology = lab
            .site
            .topology(&[(FE01, fe01), (FE02, fe02.address())], None);
        let edge = lab.edge(&topology).await;
        let alice = lab.client(&edge, "alice").await;
        for _ in 0..2 {
            let mark = edge.log.mark();
            // fe01 leaves without an answer, so fe02 gives it.
            message_passes(&alice, &fe02).await;
            edge.log
                .wait_after(mark, "connection_closed", |e| e["peer"] == FE01)
                .await
                .unwrap();
        }
        edge.stop().await;
        let kinds = kinds.lock().unwrap();
        assert_eq!(kinds.len(), 2, "{kinds:?}");
        assert!(!kinds.contains(&HandshakeKind::Resumed), "{kinds:?}");
    }
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
