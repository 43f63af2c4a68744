//! The daemon in this process: what is held over reloads, and what is let go.
use super::Daemon;
use super::control::{ReloadResult, ServedResult};
use crate::observe::{Event, Log, MemoryLog};
use crate::topology::Direction;
use crate::trust::Generation;
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE, Site, TopologyText};
use sipward_lab::{Client, EdgeTarget, Server, ServerSpec, Transcript, trust_only};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Longer than anything on loopback takes.
const SOON: Duration = Duration::from_secs(30);

struct World {
    site: Site,
    text: TopologyText,
    daemon: Daemon,
    log: MemoryLog,
    fe01: Server,
    partner: Server,
}

async fn world() -> World {
    let site = Site::new().unwrap();
    let roots = trust_only(&[&site.enterprise, &site.fabrikam]).unwrap();
    let transcript = Transcript::new();
    let server = async |party, fqdn: &str, aor: &str, identity: &_| {
        Server::start(&ServerSpec {
            party,
            fqdn,
            aor,
            identity,
            roots: &roots,
            transcript: &transcript,
            listen: None,
        })
        .await
        .unwrap()
    };
    let fe = "fe01.contoso.test";
    let identity = site.enterprise.server(fe).unwrap();
    let fe01 = server("fe01", fe, "sip:bob@contoso.test", &identity).await;
    let identity = site.fabrikam.server(PARTNER_EDGE).unwrap();
    let partner = server(
        "partner",
        PARTNER_EDGE,
        "sip:carol@fabrikam.test",
        &identity,
    )
    .await;
    let text = site.topology(&[(fe, fe01.address())], Some(partner.address()));
    let file = site.write("topology.toml", &text.to_toml()).unwrap();
    let (log, events) = Log::memory();
    let daemon = Daemon::start(&file, &log).unwrap();
    World {
        site,
        text,
        daemon,
        log: events,
        fe01,
        partner,
    }
}

impl World {
    async fn client(&self) -> Client {
        let face = EdgeTarget {
            address: self.daemon.addresses()[0].1,
            name: EDGE.to_owned(),
            roots: trust_only(&[&self.site.enterprise]).unwrap(),
            transcript: Transcript::new(),
        };
        let aor = format!("sip:alice@{HOME}");
        Client::connect(&face, "alice", &aor).await.unwrap()
    }

    fn write(&self) {
        let text = self.text.to_toml();
        self.site.write("topology.toml", &text).unwrap();
    }

    async fn message(&self, from: &Client) {
        let sent = from.message("sip:bob@contoso.test", "hi").send().await;
        let got = self.fe01.expect("MESSAGE").await.unwrap();
        self.fe01.reply(&got, 200).await.unwrap();
        from.answer(&sent.unwrap(), 200).await.unwrap();
    }
}

/// Waits until nobody holds a generation any more.
async fn gone(generation: &Weak<Generation>) {
    let until_gone = async {
        while generation.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, until_gone)
        .await
        .expect("the old generation must go");
}

#[tokio::test]
async fn live_connections_hold_their_decision_and_not_the_generation() {
    let mut world = world().await;
    let alice = world.client().await;
    // One link of each kind: a client, a peer that dialled us, and one that we dialled.
    let inbound = world
        .partner
        .dial(world.daemon.addresses()[0].1, EDGE)
        .await
        .unwrap();
    world.message(&alice).await;
    let mut old = Vec::new();
    for round in 0..3 {
        old.push(Arc::downgrade(&world.daemon.generation()));
        let limit = format!("{}s", 600 + round);
        world.text.section("[limits]").text("client_idle", &limit);
        world.write();
        let report = world.daemon.reload("signal").await;
        assert_eq!(report.result, ReloadResult::Ok, "{report:?}");
    }
    for generation in &old {
        gone(generation).await;
    }
    assert!(alice.wire().is_live() && inbound.is_live());
    world.message(&alice).await;
    assert_eq!(world.daemon.generation().number(), 4);
    world.daemon.stop().await;
}

#[tokio::test]
async fn the_forecast_tells_of_ours_and_of_what_peers_have_shown() {
    let world = world().await;
    let forecast = async || {
        world.daemon.forecast().await;
        let lines = world.log.lines().into_iter();
        let line = lines.rev().find(|l| l.contains("\"event\":\"forecast\""));
        line.unwrap()
    };
    let before = forecast().await;
    assert!(before.contains("own_certificate:") && before.contains(" anchor:"));
    assert!(before.contains(" crl:") && before.contains("\"relaxed\":[]"));
    assert!(!before.contains("peer_certificate:"), "{before}");
    let alice = world.client().await;
    world.message(&alice).await;
    let partner = world
        .partner
        .dial(world.daemon.addresses()[0].1, EDGE)
        .await
        .unwrap();
    // In TLS 1.3 a client is done before the server has judged it.
    let judged = world.log.wait_for(
        |event| {
            matches!(
                event,
                Event::HandshakeAccepted {
                    sides,
                    decision: Some(_),
                    ..
                } if sides.direction == Direction::Inbound
            )
        },
        SOON,
    );
    assert!(judged.is_some());
    let after = forecast().await;
    for peer in ["fe01.contoso.test", PARTNER_EDGE] {
        let told = format!("peer_certificate: what peer {peer} showed last");
        assert!(after.contains(&told), "{after}");
    }
    assert!(partner.is_live());
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_reload_with_faults_leaves_generation_and_connections_alone() {
    let world = world().await;
    let alice = world.client().await;
    let before = world.daemon.generation();
    world.site.write("topology.toml", "[node]\n").unwrap();
    let report = world.daemon.reload("signal").await;
    assert_eq!(report.result, ReloadResult::Refused);
    assert!(!report.faults.is_empty() && report.served.is_empty());
    assert!(Arc::ptr_eq(&before, &world.daemon.generation()));
    world.message(&alice).await;
    world.daemon.stop().await;
}

#[tokio::test]
async fn after_a_reload_the_listener_is_seen_to_show_the_new_certificate() {
    let mut world = world().await;
    let renewed = world.site.enterprise.server(EDGE).unwrap();
    world.site.issue("edge", &renewed).unwrap();
    let second = world.site.enterprise.server("sip.contoso.test").unwrap();
    world.site.issue("second", &second).unwrap();
    world
        .text
        .add("[[identity]]")
        .text("name", "second")
        .text("certificate", "second.chain.pem")
        .text("private_key", "second.key.pem");
    world.write();
    let report = world.daemon.reload("signal").await;
    let served: Vec<_> = report
        .served
        .iter()
        .map(|check| (check.identity.as_str(), check.result))
        .collect();
    assert!(
        served.contains(&("edge", ServedResult::Expected)),
        "{report:?}"
    );
    assert!(
        served
            .iter()
            .all(|(_, result)| *result == ServedResult::Expected)
    );
    // What the check must find if a listener went on with the old one.
    let (address, old) = (
        world.daemon.addresses()[0].1,
        world.site.edge.chain[0].clone(),
    );
    let found = crate::edge::served(address, EDGE, old, &[], world.daemon.edge.own_checks()).await;
    assert_eq!(found, crate::edge::Served::Other);
    let line = world
        .log
        .lines()
        .into_iter()
        .find(|l| l.contains("\"reload\""));
    assert!(
        line.unwrap()
            .contains("shows the certificate of identity edge")
    );
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_staged_certificate_takes_over_at_its_time_without_a_reload() {
    let mut world = world().await;
    let address = world.daemon.addresses()[0].1;
    let old = world.site.edge.chain[0].clone();
    let spec = LeafSpec::edge(EDGE, HOME);
    let renewed = world.site.enterprise.issue(&spec).unwrap();
    let new = renewed.chain[0].clone();
    world.site.issue("renewed", &renewed).unwrap();
    world
        .text
        .add("[[identity]]")
        .text("name", "renewed")
        .text("certificate", "renewed.chain.pem")
        .text("private_key", "renewed.key.pem");
    let alice = world.client().await;
    world.message(&alice).await;
    let stage = async |world: &mut World, turn: &str| {
        let identity = world.text.find("[[identity]]", "name", "edge").unwrap();
        identity.text("not_after", turn);
        let identity = world.text.find("[[identity]]", "name", "renewed").unwrap();
        identity.text("not_before", turn);
        world.write();
        let report = world.daemon.reload("signal").await;
        assert_eq!(report.result, ReloadResult::Ok, "{report:?}");
    };
    let hour = rustls_pki_types::UnixTime::now().as_secs() + 3_600;
    stage(&mut world, &crate::topology::show_moment(hour)).await;
    let shown = crate::edge::served(address, EDGE, old, &[], world.daemon.edge.own_checks()).await;
    assert_eq!(shown, crate::edge::Served::Expected);
    world.daemon.forecast().await;
    let lines = world.log.lines();
    let foretold = |line: &String| line.contains("identity_window: identity edge");
    assert!(lines.iter().any(foretold));
    // After the reload's own end, on a busy machine too.
    let turn = rustls_pki_types::UnixTime::now().as_secs() + 3;
    stage(&mut world, &crate::topology::show_moment(turn)).await;
    let is_turn = |event: &Event| {
        matches!(
            event,
            Event::TrustWithdrawn {
                reason,
                direction: Direction::Outbound,
                ..
            } if *reason == "own_certificate_replaced"
        )
    };
    assert!(world.log.wait_for(is_turn, SOON).is_some());
    let shown = crate::edge::served(address, EDGE, new, &[], world.daemon.edge.own_checks()).await;
    assert_eq!(shown, crate::edge::Served::Expected);
    // What is dialled now is dialled with the new one.
    world.message(&alice).await;
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_listener_for_peers_alone_is_checked_too() {
    let mut world = world().await;
    world.text.section("[[listener]]").list("accept", &["peer"]);
    world.write();
    let report = world.daemon.reload("signal").await;
    assert_eq!(report.result, ReloadResult::Ok, "{report:?}");
    assert_eq!(
        report.served[0].result,
        ServedResult::Expected,
        "{report:?}"
    );
    // Only when the listener's end is through as well is it known that nothing came of it.
    world.daemon.stop().await;
    let counts = world.daemon.log.counts();
    let mut names = counts.iter().map(|(event, ..)| event.row().name);
    let is_refusal = |name| name == "handshake_refused";
    assert!(!names.any(is_refusal), "{:?}", world.log.lines());
}
