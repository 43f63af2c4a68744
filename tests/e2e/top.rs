//! `sipward top`: the live view of the running daemon in a terminal, and its figures without one.
#[cfg(feature = "top")]
mod terminal;

use crate::harness::World;
use serde_json::{Value, json};
#[cfg(feature = "top")]
use sipward_lab::{Client, End};

/// So many texts are relayed, and one is refused.
#[cfg(feature = "top")]
async fn traffic(world: &World, alice: &Client, count: usize) {
    for _ in 0..count {
        let sent = alice.message("sip:bob@contoso.test", "x");
        let sent = sent.send().await.unwrap();
        let got = world.fe01.expect("MESSAGE").await.unwrap();
        world.fe01.reply(&got, 200).await.unwrap();
        alice.answer(&sent, 200).await.unwrap();
    }
    let hostile = alice.message("sip:bob@contoso.test", "x");
    let hostile = hostile.set("From", "<sip:eve@fabrikam.test>;tag=1");
    let sent = hostile.send().await.unwrap();
    alice.answer(&sent, 403).await.unwrap();
}

#[tokio::test]
async fn the_figures_of_the_socket_have_requests_times_peers_and_refusals() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let hostile = alice.message("sip:bob@contoso.test", "x");
    let hostile = hostile.set("From", "<sip:eve@fabrikam.test>;tag=1");
    let sent = hostile.send().await.unwrap();
    alice.answer(&sent, 403).await.unwrap();
    let request = serde_json::from_value(json!({"command": "figures", "limit": 2})).unwrap();
    let reply = serde_json::to_value(world.edge.ask(request).await).unwrap();
    let figures = &reply["figures"];
    assert_eq!(
        (&figures["clients"], &figures["bindings"]),
        (&json!(1), &json!(1))
    );
    let rows = figures["peers"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{figures:#}");
    assert_eq!(figures["peers"]["left_off"], 1, "{figures:#}");
    let has = |list: &Value, wanted: Value| {
        let fields = wanted.as_object().unwrap();
        let rows = list.as_array().unwrap().iter();
        rows.filter(|row| fields.iter().all(|(key, value)| row[key] == *value))
            .count()
            == 1
    };
    for (list, wanted) in [
        (
            "requests",
            json!({"direction": "client_to_home", "method": "REGISTER", "class": "2xx", "count": 1}),
        ),
        (
            "times",
            json!({"direction": "client_to_home", "kind": "non_invite", "count": 1}),
        ),
        (
            "refused",
            json!({"event": "request_refused", "reason": "from_not_allowed", "count": 1}),
        ),
    ] {
        assert!(has(&figures[list], wanted), "{list}: {figures:#}");
    }
    world.stop().await;
}

#[cfg(not(feature = "top"))]
#[tokio::test]
async fn a_build_without_it_says_how_it_is_had() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["top", "--once"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("packages have it"), "{told}");
    assert!(output.stdout.is_empty());
}

#[cfg(feature = "top")]
#[tokio::test]
async fn without_a_terminal_it_says_why_and_once_prints_the_figures() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    world
        .edge
        .log
        .wait("control_listening", |_| true)
        .await
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"))
        .arg("top")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("no terminal"), "{told}");
    // Two seconds between two readings, and traffic in them.
    let once = world.edge.command(&["top", "--once"]);
    let ((code, figures), ()) = tokio::join!(once, traffic(&world, &alice, 3));
    assert_eq!(code, Some(0));
    assert_eq!(figures["clients"], 1);
    let over = figures["over_ms"].as_u64().unwrap();
    assert!((2_000..20_000).contains(&over), "{figures:#}");
    let peers = figures["peers"].as_array().unwrap();
    let fe01 = peers.iter().find(|it| it["peer"] == "fe01.contoso.test");
    let fe01 = fe01.unwrap();
    assert_eq!(
        (&fe01["state"], &fe01["kind"]),
        (&json!("up"), &json!("home"))
    );
    let (code, page) = world
        .edge
        .command_text(&["top", "--once", "--interval", "1s"])
        .await;
    assert_eq!(code, Some(0), "{page}");
    for part in [
        "client_to_home",
        "from_not_allowed",
        "fe01.contoso.test",
        "alice@contoso.test",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    world.stop().await;
    let nobody = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["top", "--once", "--socket", "/nonexistent/socket"])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(69));
}

#[cfg(feature = "top")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_terminal_it_follows_the_traffic_the_keys_the_size_and_the_daemon() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    world
        .edge
        .log
        .wait("control_listening", |_| true)
        .await
        .unwrap();
    let top = terminal::Terminal::start(&world.edge.socket, 30, 120);
    let shown = async |what: &'static str, is: fn(&str) -> bool| top.shown(what, is).await;
    shown("who is there", |it| {
        it.contains("edge01.contoso.test  sipward") && it.contains("fe01.contoso.test")
    })
    .await;
    traffic(&world, &alice, 5).await;
    shown("requests, their time and the refusal", |it| {
        it.contains("client_to_home") && it.contains(" ms") && it.contains("from_not_allowed")
    })
    .await;
    top.keys("\t");
    shown("connections", |it| {
        it.contains("connections, by messages") && it.contains("alice@contoso.test")
    })
    .await;
    top.keys("/fe01\r");
    shown("the filter", |it| {
        it.contains("1 connection, by messages, with \"fe01\"")
            && !it.contains("alice@contoso.test")
    })
    .await;
    top.keys("p");
    shown("that it stands still", |it| it.contains("paused")).await;
    top.keys("p\u{1b}");
    shown("all of them again", |it| it.contains("alice@contoso.test")).await;
    top.resize(12, 60);
    shown("what fits in a small window", |it| {
        it.lines().count() <= 12 && it.contains("alice@contoso.test") && !it.contains("REQUESTS")
    })
    .await;
    top.resize(30, 120);
    shown("all of it again", |it| it.contains("REQUESTS")).await;
    // The daemon goes, and another one comes to the same place.
    let World {
        lab,
        edge,
        topology,
        fe01: _fe01,
        ..
    } = world;
    edge.stop().await;
    shown("that nobody answers", |it| {
        it.contains("no daemon answers at")
    })
    .await;
    let edge = lab.edge(&topology).await;
    let pid = format!("process {},", edge.pid());
    top.shown("the new one", |it| {
        it.contains(&pid) && !it.contains("no daemon answers")
    })
    .await;
    top.keys("q");
    assert_eq!(top.exited().await, Some(0));
    edge.stop().await;
}

#[cfg(feature = "top")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_remote_wrote_acts_on_no_terminal_and_a_signal_gives_the_terminal_back() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    // Escapes are what a user of a Request-URI or an address of record may hold (RFC 3261 §25.1).
    let to = "<sip:al%1b%5b2Jice@contoso.test>";
    let sent = alice.register().set("To", to).send().await.unwrap();
    let register = world.fe01.expect("REGISTER").await.unwrap();
    let home: &End = &world.fe01;
    home.reply(&register, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world
        .edge
        .log
        .wait("control_listening", |_| true)
        .await
        .unwrap();
    let top = terminal::Terminal::start(&world.edge.socket, 30, 120);
    top.keys("\t");
    top.shown("the name, and the lines above it", |it| {
        it.contains("ice@contoso.test") && it.contains("edge01.contoso.test  sipward")
    })
    .await;
    top.terminate();
    assert_eq!(top.exited().await, Some(0));
    world.stop().await;
}
