//! SIGHUP: a bad reload changes nothing, a good one changes everything at once, live connections included.
use crate::harness::{Lab, SOON, World, message_passes};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_bad_reload_says_why_and_changes_nothing() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let broken = world
        .topology
        .to_toml()
        .replace("[[pool]]", "[[pool]]\nspeed = 9");
    world.lab.site.write("topology.toml", &broken).unwrap();
    let event = world.edge.reload().await;
    assert_eq!(event["result"], "refused");
    assert!(event["details"].to_string().contains("speed"), "{event}");
    assert_eq!(event["generation"], 1);
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn a_good_reload_keeps_connections_whose_decision_stands() {
    let mut world = World::new().await;
    let alice = world.client("alice").await;
    let wire = world.dial(&world.partner).await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let event = world
        .reload_with(|t| {
            t.section("[limits]").text("client_idle", "600s");
        })
        .await;
    assert_eq!(
        (&event["result"], &event["generation"]),
        (&"ok".into(), &2.into())
    );
    let bye = alice.bye(&mut dialog).await.unwrap();
    let got = world.fe01.expect("BYE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    assert!(wire.is_live() && alice.wire().is_live());
    message_passes(&world.partner, &world.fe01).await;
}

/// A place where fe01 is connected to, and answers when this test says so.
struct SlowPlace {
    listener: TcpListener,
    address: SocketAddr,
}

impl SlowPlace {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// A connect that is under way from now on.
    async fn taken(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().await.unwrap();
        // The ClientHello is there: the handshake has begun.
        stream.readable().await.unwrap();
        stream
    }
}

/// It goes on with this server.
#[expect(clippy::disallowed_methods, reason = "the network between the two")]
fn goes_on(mut near: TcpStream, server: SocketAddr) {
    tokio::spawn(async move {
        let mut far = TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
}

/// Whatever waits for a connection would wait for ever where reloads come faster than the server answers.
#[tokio::test]
async fn a_connect_under_way_outlives_reloads_that_do_not_concern_it() {
    let place = SlowPlace::new().await;
    let mut world = World::in_lab(Lab::new(), |t| {
        let fe01 = t.find("[[peer]]", "fqdn", "fe01.contoso.test").unwrap();
        fe01.list("address", &[&place.address.to_string()]);
        t.section("[limits]").text("connect_timeout", "1m");
    })
    .await;
    let alice = world.client("alice").await;
    let sent = alice.message("sip:bob@contoso.test", "hi");
    let sent = sent.send().await.unwrap();
    let near = place.taken().await;
    for number in 0..5 {
        let event = world
            .reload_with(|t| {
                let idle = format!("{}s", 600 + number);
                t.section("[limits]").text("client_idle", &idle);
            })
            .await;
        assert_eq!(event["result"], "ok", "{event}");
    }
    goes_on(near, world.fe01.address());
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let log = world.stop().await;
    let accepted = log.named("handshake_accepted").into_iter();
    let accepted: Vec<_> = accepted.filter(|e| e["direction"] == "outbound").collect();
    assert_eq!(accepted.len(), 1, "{}", log.to_text());
}

/// What it connects to may be no place of the peer any more, or is trusted otherwise.
#[tokio::test]
async fn a_connect_under_way_ends_with_a_reload_that_concerns_it() {
    for moves in [true, false] {
        let place = SlowPlace::new().await;
        let mut world = World::in_lab(Lab::new(), |t| {
            let fe01 = t.find("[[peer]]", "fqdn", "fe01.contoso.test").unwrap();
            fe01.list("address", &[&place.address.to_string()]);
            t.section("[limits]").text("connect_timeout", "1m");
        })
        .await;
        let alice = world.client("alice").await;
        let sent = alice.message("sip:bob@contoso.test", "hi");
        let sent = sent.send().await.unwrap();
        let near = place.taken().await;
        let address = world.fe01.address();
        let event = world
            .reload_with(|t| match moves {
                true => {
                    let fe01 = t.find("[[peer]]", "fqdn", "fe01.contoso.test").unwrap();
                    fe01.list("address", &[&address.to_string()]);
                }
                false => {
                    let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
                    set.text("scope", "leaf");
                }
            })
            .await;
        assert_eq!(event["result"], "ok", "{event}");
        if !moves {
            goes_on(place.taken().await, address);
        }
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        world.fe01.reply(&got, 200).await.unwrap();
        alice.answer(&sent, 200).await.unwrap();
        goes_on(near, address);
        world
            .logged("handshake_aborted", |e| e["reason"] == "reloaded")
            .await;
        world.stop().await;
    }
}

#[tokio::test]
async fn a_withdrawn_peer_loses_its_connection_and_cannot_come_back() {
    let mut world = World::new().await;
    let wire = world.dial(&world.partner).await;
    message_passes(&world.partner, &world.fe01).await;
    let event = world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", "edge.fabrikam.test");
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    wire.ended(SOON).await.unwrap();
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| e["peer"] == "edge.fabrikam.test")
        .await
        .unwrap();
    assert_eq!(closed["reason"], "trust_withdrawn");
    let again = world
        .partner
        .dial(world.edge.address, sipward_lab::site::EDGE)
        .await;
    if let Ok(wire) = again {
        wire.ended(SOON).await.unwrap();
    }
    world
        .edge
        .log
        .wait("handshake_refused", |e| e["reason"] == "not_in_topology")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_crl_ends_the_connection_of_the_revoked_certificate() {
    let world = World::new().await;
    let identity = world
        .lab
        .site
        .enterprise
        .server("fe02.contoso.test")
        .unwrap();
    let twin = world
        .lab
        .server(
            "twin",
            "fe02.contoso.test",
            "sip:fe02.contoso.test",
            &identity,
        )
        .await;
    let wire = world.dial(&twin).await;
    twin.message("sip:carol@fabrikam.test", "x")
        .send()
        .await
        .unwrap();
    world.partner.expect("MESSAGE").await.unwrap();
    world.lab.site.revoke(&[&identity], &[]).unwrap();
    let event = world.edge.reload().await;
    assert_eq!(event["result"], "ok", "{event}");
    wire.ended(SOON).await.unwrap();
}

#[tokio::test]
async fn a_new_peer_is_let_in_after_the_reload_only() {
    let mut world = World::new().await;
    let fe03 = world.lab.home("fe03").await;
    let address = fe03.address().to_string();
    if let Ok(wire) = fe03.dial(world.edge.address, sipward_lab::site::EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    let event = world
        .reload_with(|t| {
            t.add("[[peer]]")
                .text("fqdn", "fe03.contoso.test")
                .text("kind", "home")
                .list("trust", &["enterprise-ca"])
                .list("address", &[&address]);
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    world.dial(&fe03).await;
    let sent = fe03
        .message("sip:carol@fabrikam.test", "x")
        .send()
        .await
        .unwrap();
    let got = world.partner.expect("MESSAGE").await.unwrap();
    world.partner.reply(&got, 200).await.unwrap();
    fe03.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
async fn watched_files_reload_by_themselves_once_for_each_content() {
    let world = World::with(|t| {
        t.section("[admin]").text("watch", "100ms");
    })
    .await;
    let reloaded = async |mark, result: &str| {
        let ended_so = |e: &serde_json::Value| e["result"] == result;
        let event = world.edge.log.wait_after(mark, "reload", ended_so).await;
        let event = event.unwrap();
        assert_eq!(event["trigger"], "watch");
        event
    };
    // A certificate that the topology names, exchanged under its name.
    let mark = world.edge.log.mark();
    let renewed = world
        .lab
        .site
        .enterprise
        .server(sipward_lab::site::EDGE)
        .unwrap();
    world.lab.site.issue("edge", &renewed).unwrap();
    let event = reloaded(mark, "ok").await;
    assert!(
        event["details"].to_string().contains("certificate renewed"),
        "{event}"
    );
    assert!(
        event["served"]
            .to_string()
            .contains("shows the certificate of identity edge")
    );
    // A broken file is tried once, and the next one again.
    let mark = world.edge.log.mark();
    world.lab.site.write("topology.toml", "[node]\n").unwrap();
    reloaded(mark, "refused").await;
    let mark = world.edge.log.mark();
    let text = world.topology.to_toml() + "\n";
    world.lab.site.write("topology.toml", &text).unwrap();
    let event = reloaded(mark, "ok").await;
    assert_eq!(event["generation"], 3);
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let log = world.stop().await;
    assert!(log.named("reload").len() <= 4, "{}", log.to_text());
}

#[tokio::test]
async fn reloads_that_are_asked_for_together_are_few_and_each_asker_gets_the_end() {
    let mut world = World::new().await;
    world
        .topology
        .section("[limits]")
        .text("client_idle", "601s");
    let text = world.topology.to_toml();
    world.lab.site.write("topology.toml", &text).unwrap();
    let (a, b, c, d) = tokio::join!(
        world.edge.command(&["reload"]),
        world.edge.command(&["reload"]),
        world.edge.command(&["reload"]),
        world.edge.command(&["reload"]),
    );
    let mut generations = Vec::new();
    for (code, report) in [a, b, c, d] {
        assert_eq!(code, Some(0), "{report}");
        generations.push(report["generation"].as_u64().unwrap());
    }
    let (_, status) = world.edge.command(&["status"]).await;
    assert_eq!(
        status["generation"].as_u64(),
        generations.iter().max().copied()
    );
    assert_eq!(status["last_reload"]["result"], "ok");
    let log = world.stop().await;
    let reloads = log.named("reload").len() as u64;
    assert_eq!(Some(reloads + 1), generations.into_iter().max());
}
