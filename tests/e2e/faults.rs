//! Each kind of fault once, short and in the same order in every run: who is not hit loses nothing, and who is serves again
//! without a restart. The long run of all of them under load is `benches/chaos`.
use crate::harness::{Lab, World, automatic, hangs_up, message_passes};
use sipward_lab::pki::Issued;
use sipward_lab::site::EDGE;
use sipward_lab::{
    Client, Data, Dialog, Ended, Line, NameServer, Registrar, Relay, Server, garbage,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const FE01: &str = "fe01.contoso.test";
const SIPS: &str = "_sips._tcp.fe01.contoso.test";
const TARGET: &str = "host7.datacenter.test";
const SOON: Duration = Duration::from_secs(30);

/// A call that the server answers: the dialog of each side.
pub(crate) async fn is_up(caller: &Client, server: &Server) -> (Dialog, Dialog) {
    let call = caller.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = server.expect("INVITE").await.unwrap();
    let mut of_server = server.accept(&invite).await.unwrap();
    of_server.cseq = 100;
    let ok = caller.answer(&call, 200).await.unwrap();
    let of_caller = caller.ack(&call, &ok).await.unwrap();
    server.expect("ACK").await.unwrap();
    (of_caller, of_server)
}

/// A world whose fe01 is behind a relay.
pub(crate) async fn behind_relay() -> (World, Relay) {
    let mut world = World::new().await;
    let relay = Relay::start(world.fe01.address()).await.unwrap();
    let address = relay.address().to_string();
    let event = world
        .reload_with(|t| {
            if let Some(peer) = t.find("[[peer]]", "fqdn", FE01) {
                peer.list("address", &[&address]);
            }
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    (world, relay)
}

#[tokio::test]
async fn dns_that_led_to_another_server_is_believed_neither_for_its_ttl_nor_in_silence() {
    let names = NameServer::start().unwrap();
    let server = names.address().to_string();
    let world = World::with(|t| {
        if let Some(peer) = t.find("[[peer]]", "fqdn", FE01) {
            peer.without("address");
        }
        t.section("[dns]")
            .list("servers", &[&server])
            .text("timeout", "3s");
        t.section("[limits]").text("backoff_max", "500ms");
    })
    .await;
    let leads_to = |server: &Server, ttl| {
        let port = server.address().port();
        names.set(SIPS, ttl, &[Data::Service(0, 0, port, TARGET.to_owned())]);
        let address = Data::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        names.set(TARGET, ttl, &[address]);
    };
    leads_to(&world.fe01, 0);
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    // To be kept for a day, and wrong: the partner's server proves its own name.
    leads_to(&world.partner, 86_400);
    world.fe01.wire().unwrap().cut();
    let refused = |mark| {
        let of_fe01 = |e: &serde_json::Value| e["peer"] == FE01 && e["reason"] == "name_mismatch";
        world
            .edge
            .log
            .wait_after(mark, "handshake_refused", of_fe01)
    };
    message_passes(&alice, &world.fe02).await;
    refused(0).await.unwrap();
    // No name server answers any more: what was right serves, and not what was heard last.
    names.set_silent(true);
    world.serves_again(&alice).await;
    let log = world.stop().await;
    let silent = log.before("lookup_stale").since(0).len();
    let later = log.since(silent);
    assert!(!later.is_empty(), "{}", log.to_text());
    let wrong = |e: &&serde_json::Value| e["reason"] == "name_mismatch";
    assert_eq!(later.iter().find(wrong), None);
}

#[tokio::test]
async fn who_closes_its_side_and_reads_on_loses_nothing_that_another_can_serve() {
    let (world, relay) = behind_relay().await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let pending = alice.message("sip:bob@contoso.test", "2").send().await;
    world.fe01.expect("MESSAGE").await.unwrap();
    // By TCP alone, without the end of TLS: no answer can come any more.
    relay.set(Line::HalfClosed);
    let got = world.fe02.expect("MESSAGE").await.unwrap();
    world.fe02.reply(&got, 200).await.unwrap();
    alice.answer(&pending.unwrap(), 200).await.unwrap();
    relay.set(Line::Open);
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_tls_and_keeps_tcp_open_is_connected_to_anew() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let got = message_passes(&alice, &world.fe01).await;
    got.wire.close().await.unwrap();
    assert_ne!(got.wire.ended(SOON).await.unwrap(), Ended::Here);
    let (mut of_alice, _) = is_up(&alice, &world.fe01).await;
    hangs_up(&alice, &mut of_alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn garbage_for_answers_hurts_no_call_of_another_server_and_ends_with_itself() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let carol = world.client("carol").await;
    // A call with the partner's server is up meanwhile.
    let call = carol.invite("sip:dave@fabrikam.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = carol.answer(&call, 200).await.unwrap();
    let mut up = carol.ack(&call, &ok).await.unwrap();
    // Not the half of an answer, which is waited for: that is `head_timeout`.
    for piece in 0..7 {
        let sent = alice
            .message("sip:bob@contoso.test", "1")
            .send()
            .await
            .unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        got.wire.send_raw(&garbage(piece, &got)).await.unwrap();
        // Where the connection goes the other server answers, else this one still may.
        let other = async {
            let again = world.fe02.expect("MESSAGE").await.unwrap();
            world.fe02.reply(&again, 200).await.unwrap();
            std::future::pending().await
        };
        let same = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // It may go in this moment yet.
            let _ = world.fe01.reply(&got, 200).await;
            std::future::pending().await
        };
        let answer = tokio::select! {
            answer = alice.final_answer(&sent) => answer.unwrap(),
            () = other => unreachable!(),
            () = same => unreachable!(),
        };
        assert_eq!(answer.message.status(), Some(200), "after piece {piece}");
    }
    hangs_up(&carol, &mut up, &world.fe01).await;
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn a_line_that_is_slow_lossy_or_dead_for_a_while_loses_no_call() {
    let (world, relay) = behind_relay().await;
    let alice = world.client("alice").await;
    let (mut of_alice, _) = is_up(&alice, &world.fe01).await;
    for line in [
        Line::Slow(Duration::from_millis(50)),
        Line::Lossy(2, Duration::from_millis(100)),
    ] {
        relay.set(line);
        message_passes(&alice, &world.fe01).await;
    }
    relay.set(Line::Dead);
    let bye = alice.bye(&mut of_alice).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    relay.set(Line::Open);
    let got = world.fe01.expect("BYE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&bye, 200).await.unwrap();
    world.stop().await;
}

/// As after a SIGSTOP: its connections stay, and nothing comes any more.
#[tokio::test]
async fn a_server_that_stands_still_is_passed_over_after_one_silence_and_serves_when_it_goes_on() {
    let lab = Lab::new();
    let (fe01, fe02) = (lab.home("fe01").await, lab.home("fe02").await);
    let relay = Relay::start(fe01.address()).await.unwrap();
    let members = [
        (FE01, relay.address()),
        ("fe02.contoso.test", fe02.address()),
    ];
    let mut topology = lab.site.topology(&members, None);
    topology.section("[[pool]]").raw(
        "health",
        "{ options_every = \"200ms\", timeout = \"1s\", down_after = 2, up_after = 2, fail_back = \"0s\" }",
    );
    let edge = lab.edge(&topology).await;
    let registrar = Registrar::default();
    let _fe01 = automatic(fe01, &registrar, &edge);
    let _fe02 = automatic(fe02, &registrar, &edge);
    let of_fe01 = |e: &serde_json::Value| e["peer"] == FE01;
    edge.log.wait("peer_connected", of_fe01).await.unwrap();
    relay.set(Line::Dead);
    let alice = lab.client(&edge, "alice").await;
    alice.set_patience(SOON);
    // The first one waits until the silence is one, the second for nobody.
    let waits = alice
        .invite("sip:nobody@contoso.test")
        .send()
        .await
        .unwrap();
    alice.answer(&waits, 404).await.unwrap();
    let sent = alice.message("sip:contoso.test", "1").send().await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    edge.log.wait("peer_unavailable", of_fe01).await.unwrap();
    relay.set(Line::Open);
    edge.log.wait("peer_available", of_fe01).await.unwrap();
    let relayed = |e: &serde_json::Value| e["to_peer"] == FE01;
    let sent = alice.message("sip:contoso.test", "1").send().await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    edge.log.wait("request_relayed", relayed).await.unwrap();
    edge.stop().await;
}

#[tokio::test]
async fn connections_that_are_reset_are_made_anew_and_the_call_goes_on() {
    let (world, relay) = behind_relay().await;
    let alice = world.client("alice").await;
    let (mut of_alice, _) = is_up(&alice, &world.fe01).await;
    relay.set(Line::Reset);
    message_passes(&alice, &world.fe02).await;
    relay.set(Line::Open);
    // Until then its place in the dialog is another member's to take.
    world.serves_again(&alice).await;
    hangs_up(&alice, &mut of_alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn hang_ups_without_end_lose_no_call() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let mut up = Vec::new();
    for _ in 0..20 {
        up.push(is_up(&alice, &world.fe01).await.0);
        world.edge.signal("HUP");
        message_passes(&alice, &world.fe01).await;
        world.edge.signal("HUP");
    }
    for dialog in &mut up {
        world.edge.signal("HUP");
        hangs_up(&alice, dialog, &world.fe01).await;
    }
    assert_eq!(world.edge.reload().await["result"], "ok");
    world.stop().await;
}

#[tokio::test]
async fn what_a_server_sends_on_a_connection_with_a_replaced_certificate_of_ours_is_served() {
    let world = World::with(|t| {
        t.section("[limits]").text("drain", "30s");
    })
    .await;
    let (alice, path) = world.registered("alice").await;
    // Something rings, so that the connection stays for a while.
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 180).await.unwrap();
    alice.answer(&call, 180).await.unwrap();
    let renewed: Issued = world.lab.site.enterprise.server(EDGE).unwrap();
    world.lab.site.issue("edge", &renewed).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let replaced = |e: &serde_json::Value| e["reason"] == "own_certificate_replaced";
    world.logged("trust_withdrawn", replaced).await;
    // The server need not know of that: it sends where it has sent before.
    for round in 0..2 {
        let sent = world.fe01.message(alice.contact(), "hi");
        let sent = sent.header("Route", &path).on(&invite.wire).send().await;
        let got = alice.expect("MESSAGE").await.unwrap();
        alice.reply(&got, 200).await.unwrap();
        world.fe01.answer(&sent.unwrap(), 200).await.unwrap();
        // Another reload decides on it once more, and serves it on.
        if round == 0 {
            assert_eq!(world.edge.reload().await["result"], "ok");
        }
    }
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    hangs_up(&alice, &mut dialog, &world.fe01).await;
    world.stop().await;
}
