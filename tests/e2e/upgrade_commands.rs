//! An operator's commands, metrics and the log while two processes are one node.
use crate::harness::http::get;
use crate::harness::tls::connect;
use crate::harness::{Edge, Lab, SOON, World};
use crate::upgrade::{call, number_of, stop, upgrade, world};
use serde_json::{Value, json};
use sipward::daemon::control::{Reply, Request};
use sipward::reason::DaemonReason;
use sipward_lab::Client;
use sipward_lab::site::HOME;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What a command prints as JSON, if it ends well.
async fn said(edge: &Edge, arguments: &[&str]) -> Value {
    let (code, said) = edge.command(arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

/// A request of this client is refused.
async fn is_refused(world: &World, client: &Client) {
    let sent = client
        .message("sip:x@contoso.test", "x")
        .send()
        .await
        .unwrap();
    client.answer(&sent, 403).await.unwrap();
    world.refused("user_denied").await;
}

#[tokio::test]
async fn what_is_listed_is_of_both_processes() {
    let world = world("1h").await;
    let (alice, of_alice) = world.registered("alice").await;
    let older = world.dial(&world.fe01).await;
    let _first = call(&world.fe01, &older, &alice, &of_alice).await;
    // Refused by the old process.
    let sent = alice
        .message("sip:x@contoso.test", "x")
        .from("sip:a@nowhere.test");
    let sent = sent.send().await.unwrap();
    alice.answer(&sent, 403).await.unwrap();
    let pid = upgrade(&world.edge).await;
    let (bob, of_bob) = world.registered("bob").await;
    let newer = world.dial(&world.fe01).await;
    let _second = call(&world.fe01, &newer, &bob, &of_bob).await;
    let sent = bob
        .message("sip:x@contoso.test", "x")
        .from("sip:b@nowhere.test");
    let sent = sent.send().await.unwrap();
    bob.answer(&sent, 403).await.unwrap();

    let edge = &world.edge;
    let calls = said(edge, &["calls"]).await;
    let ids: Vec<_> = calls["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["call_id"])
        .collect();
    assert_eq!((ids.len(), &calls["up"]), (2, &json!(2)), "{calls}");
    let one = said(edge, &["calls", "--limit", "1"]).await;
    assert_eq!(one["rows"].as_array().unwrap().len(), 1, "{one}");
    let bindings = said(edge, &["bindings"]).await.to_string();
    let connections = said(edge, &["connections"]).await.to_string();
    for user in ["alice", "bob"] {
        let user = format!("{user}@contoso.test");
        assert!(bindings.contains(&user) && connections.contains(&user));
    }
    let refusals = said(edge, &["refusals"]).await;
    let latest = refusals["latest"].as_array().unwrap();
    let of = |user: &str| {
        latest
            .iter()
            .position(|row| row["from"].to_string().contains(user))
    };
    // The newest first.
    assert!(
        of("b@nowhere").unwrap() < of("a@nowhere").unwrap(),
        "{refusals}"
    );
    let counts = refusals["counts"].as_array().unwrap();
    let denied = counts
        .iter()
        .find(|row| row["reason"] == "from_not_allowed");
    assert_eq!(denied.unwrap()["count"], 2, "{refusals}");
    let status = said(edge, &["status"]).await;
    assert_eq!(
        (&status["calls"], &status["former"]["calls"]),
        (&json!(1), &json!(1))
    );
    stop(world.edge, pid).await;
}

/// Made before an upgrade and while both run, by network, user and connection: both refuse.
#[tokio::test]
async fn a_denial_holds_at_both_processes_whenever_it_was_made() {
    let world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let (bob, _) = world.registered("bob").await;
    let (_carol, _) = world.registered("carol").await;
    // No state directory: the new process hears of it from the old one.
    said(&world.edge, &["kick", "dave", "--for", "10m"]).await;
    said(
        &world.edge,
        &["deny", "add", "203.0.113.0/24", "--for", "10m"],
    )
    .await;
    let pid = upgrade(&world.edge).await;
    let denied = |denials: &Value, key: &str| {
        let rows = denials.as_array().unwrap().iter();
        rows.filter_map(|row| row[key].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let denials = said(&world.edge, &["deny", "list"]).await;
    assert_eq!(denied(&denials, "network"), ["203.0.113.0/24"]);
    assert_eq!(denied(&denials, "user"), ["dave"]);
    let dave = world.client("dave").await;
    is_refused(&world, &dave).await;
    // Of a user whose phone is at the old process.
    let kicked = said(&world.edge, &["kick", "alice", "--for", "10m"]).await;
    assert_eq!(kicked["connections"], 1, "{kicked}");
    alice.wire().ended(SOON).await.unwrap();
    let again = world.client("alice").await;
    is_refused(&world, &again).await;
    // And one whose phone is at the old process in another's name.
    said(&world.edge, &["kick", "eve", "--for", "10m"]).await;
    let sent = bob
        .message("sip:x@contoso.test", "x")
        .from("sip:eve@contoso.test");
    let sent = sent.send().await.unwrap();
    bob.answer(&sent, 403).await.unwrap();
    // A connection of the old process, by its number: its address is refused by the new one, which accepts.
    let listed = said(&world.edge, &["connections", "--user", "bob"]).await;
    let kicked = said(&world.edge, &["kick", &number_of(&listed), "--for", "10m"]).await;
    assert_eq!(kicked["denied"]["network"], "127.0.0.1/32", "{kicked}");
    bob.wire().ended(SOON).await.unwrap();
    let face = world.lab.face(&world.edge);
    let refused = Client::connect(&face, "bob", &format!("sip:bob@{HOME}")).await;
    assert!(refused.is_err());
    world.logged("denial", |e| e["denied"] == "127.0.0.1").await;
    // Of both it is taken back.
    said(&world.edge, &["deny", "remove", "127.0.0.1"]).await;
    let back = world.client("bob").await;
    let sent = back
        .message("sip:x@contoso.test", "x")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    back.answer(&sent, 200).await.unwrap();
    // That is for the two processes, and not for operators.
    let denial = serde_json::from_value(json!({"user": "x", "until": 4_000_000_000_u64}));
    let denial = denial.unwrap();
    let Reply::Error(refusal) = world.edge.ask(Request::ShareDenial { denial }).await else {
        panic!("taken from an operator");
    };
    assert_eq!(refusal.code, DaemonReason::MalformedCommand);
    stop(world.edge, pid).await;
}

/// Monitoring finds somebody at the same address at every moment, and figures of both.
#[tokio::test]
async fn maintenance_during_an_upgrade_is_of_both_processes() {
    let world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    let (bob, _) = world.registered("bob").await;
    let is_answered = async |client: &Client, status: u16| {
        let sent = client.message("sip:x@contoso.test", "x");
        let sent = sent.send().await.unwrap();
        if status == 200 {
            let got = world.fe01.expect("MESSAGE").await.unwrap();
            world.fe01.reply(&got, 200).await.unwrap();
        }
        client.answer(&sent, status).await.unwrap();
    };
    let drained = said(&world.edge, &["drain", "--clients"]).await;
    assert_eq!(drained["clients"], 2, "{drained}");
    is_answered(&alice, 503).await;
    is_answered(&bob, 503).await;
    let kept = said(&world.edge, &["drain", "--clients", "--cancel"]).await;
    assert_eq!(kept, json!({"clients": 2}));
    is_answered(&alice, 200).await;
    is_answered(&bob, 200).await;
    // The old one lets its client go all the same: it ends when that is gone.
    said(&world.edge, &["kick", "alice"]).await;
    world.edge.log.wait("former_gone", |_| true).await.unwrap();
    stop(world.edge, pid).await;
}

#[tokio::test]
async fn metrics_are_read_over_an_upgrade_without_a_refused_connect() {
    let world = World::with(|t| {
        t.section("[limits]").text("handover", "1h");
        t.section("[http]").text("address", "127.0.0.1:0");
    })
    .await;
    let (alice, path) = world.registered("alice").await;
    let older = world.dial(&world.fe01).await;
    let _call = call(&world.fe01, &older, &alice, &path).await;
    let address = world.edge.http().await;
    let reads = tokio::spawn(read_for_ever(address));
    let mark = world.edge.log.mark();
    let pid = upgrade(&world.edge).await;
    let listens = world.edge.log.wait_after(mark, "http_listening", |_| true);
    let now: SocketAddr = listens.await.unwrap()["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(now, address);
    let (_bob, _) = world.registered("bob").await;
    let both = world
        .edge
        .metrics_once(|metrics| metrics.sample("sipward_connections{role=\"client\"}") == 2.0);
    assert_eq!(both.await.sample("sipward_calls"), 1.0);
    // As long as the old process may have looked away last.
    tokio::time::sleep(Duration::from_secs(3)).await;
    reads.abort();
    assert!(
        reads.await.unwrap_err().is_cancelled(),
        "a connect was refused"
    );
    stop(world.edge, pid).await;
}

/// Ends if one is refused.
async fn read_for_ever(address: SocketAddr) {
    loop {
        assert_eq!(get(address, "/healthz", "").await.status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One signal, to the process that the service manager knows.
#[tokio::test]
async fn the_log_is_opened_anew_by_both_processes() {
    let lab = Lab::new();
    let file = lab.site.path().join("sipward.log");
    let peers = [("fe01.contoso.test", ([127, 0, 0, 1], 9).into())];
    let mut topology = lab.site.topology(&peers, None);
    let log = topology.section("[log]").raw("format", "\"json\"");
    log.raw("file", &format!("{:?}", file.to_str().unwrap()));
    let path = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["run", path.to_str().unwrap()])
        .env("RUNTIME_DIRECTORY", lab.site.path())
        .spawn()
        .unwrap();
    wait(&file, "control_listening", 1).await;
    let listening = &events(&file, "listening")[0];
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    // A connection that shakes hands keeps the old process.
    let _held = connect(address).await;
    let mut upgrade = Command::new(env!("CARGO_BIN_EXE_sipward"));
    upgrade.args(["upgrade", "--json", "--socket"]);
    upgrade.arg(lab.site.path().join("control.sock"));
    let output = tokio::task::spawn_blocking(move || upgrade.output().unwrap());
    let upgraded: Value = serde_json::from_slice(&output.await.unwrap().stdout).unwrap();
    let pid = upgraded["pid"].to_string();
    let signal = |name: &str| {
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    };
    wait(&file, "control_listening", 2).await;
    let rotated = lab.site.path().join("sipward.log.1");
    std::fs::rename(&file, &rotated).unwrap();
    signal("USR1");
    wait(&file, "log_reopened", 2).await;
    signal("TERM");
    // The old process ends with the new one.
    let ended = tokio::task::spawn_blocking(move || daemon.wait().unwrap());
    assert!(ended.await.unwrap().success());
    wait(&file, "stopped", 2).await;
}

/// The events of this name in a file.
fn events(file: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &Value| event["event"] == name)
        .collect()
}

async fn wait(file: &Path, name: &str, count: usize) {
    let end = async {
        while events(file, name).len() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(6 * SOON, end).await;
    ended.unwrap_or_else(|_| panic!("{name} is not {count} times in {}", file.display()));
}
