//! `sipward upgrade`: a new process takes over the listeners in the middle of calls, and a program that fails changes nothing.
use crate::harness::{Edge, Lab, SOON, World};
use serde_json::Value;
use sipward_lab::site::EDGE;
use sipward_lab::{Client, Dialog, End, Ended, Wire};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// A world whose clients are let go within this time.
pub(crate) async fn world(handover: &str) -> World {
    World::with(|t| {
        t.section("[limits]").text("handover", handover);
    })
    .await
}

/// Upgrades to the same program; gives the number of the new process when it accepts and answers commands.
pub(crate) async fn upgrade(edge: &Edge) -> u64 {
    // The new process's socket is what is waited for.
    edge.log.wait("control_listening", |_| true).await.unwrap();
    let mark = edge.log.mark();
    let (code, upgraded) = edge.command(&["upgrade"]).await;
    assert_eq!(code, Some(0), "{upgraded}");
    let listens = edge.log.wait_after(mark, "control_listening", |_| true);
    listens.await.unwrap();
    upgraded["pid"].as_u64().unwrap()
}

/// Ends the new process, which this test has not started itself.
pub(crate) async fn stop(edge: Edge, pid: u64) -> sipward_lab::EventLog {
    let pid = pid.to_string();
    let ended = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(ended.unwrap().success());
    // Standard error ends when the last of the two does.
    let (status, log) = edge.exited().await;
    assert_eq!(status.code(), Some(0), "{}", log.to_text());
    assert_eq!(log.other_lines(), [""; 0]);
    log
}

/// The home server calls a phone over this connection; the dialogs of both sides.
pub(crate) async fn call(home: &End, wire: &Wire, phone: &Client, path: &str) -> (Dialog, Dialog) {
    let call = home.invite(phone.contact()).header("Route", path);
    let call = call.on(wire).send().await.unwrap();
    let invite = phone.expect("INVITE").await.unwrap();
    assert_eq!(invite.message.header("x-sipward-origin"), None);
    let mut of_phone = phone.accept(&invite).await.unwrap();
    let ok = home.answer(&call, 200).await.unwrap();
    let of_home = home.ack(&call, &ok).await.unwrap();
    phone.expect("ACK").await.unwrap();
    of_phone.cseq = 100;
    (of_home, of_phone)
}

/// The home server asks in a dialog over this connection, and the phone answers.
pub(crate) async fn home_asks(
    home: &End,
    wire: &Wire,
    dialog: &mut Dialog,
    phone: &Client,
    method: &str,
) {
    let sent = home.within(dialog, method).on(wire).send().await.unwrap();
    let got = phone.expect(method).await.unwrap();
    phone.reply(&got, 200).await.unwrap();
    let ok = home.answer(&sent, 200).await.unwrap();
    if method == "INVITE" {
        home.ack(&sent, &ok).await.unwrap();
        phone.expect("ACK").await.unwrap();
    }
}

/// A phone asks in its dialog, and the home server answers.
pub(crate) async fn phone_asks(phone: &Client, dialog: &mut Dialog, home: &End, method: &str) {
    let sent = phone.within(dialog, method).send().await.unwrap();
    let got = home.expect(method).await.unwrap();
    home.reply(&got, 200).await.unwrap();
    phone.answer(&sent, 200).await.unwrap();
}

/// Two calls of phones at the old process, one of them let go, and a phone that comes in at the new one: everything arrives.
#[tokio::test]
pub(crate) async fn calls_go_on_over_an_upgrade_from_both_sides() {
    let world = world("1h").await;
    let (alice, of_alice) = world.registered("alice").await;
    let old_wire = world.dial(&world.fe01).await;
    let mut first = call(&world.fe01, &old_wire, &alice, &of_alice).await;

    let pid = upgrade(&world.edge).await;
    assert_ne!(pid, u64::from(world.edge.pid()));
    let (_, status) = world.edge.command(&["status"]).await;
    assert_eq!(
        (&status["pid"], &status["former"]["clients"]),
        (&pid.into(), &1.into())
    );
    let (_, page) = world.edge.command_text(&["status"]).await;
    assert!(page.contains("former"), "{page}");
    let (_, listed) = world.edge.command(&["connections"]).await;
    assert!(
        listed.to_string().contains("alice@contoso.test"),
        "{listed}"
    );

    // The home server has a connection to either process.
    let new_wire = world.dial(&world.fe01).await;
    for wire in [&old_wire, &new_wire] {
        home_asks(&world.fe01, wire, &mut first.0, &alice, "INFO").await;
        home_asks(&world.fe01, wire, &mut first.0, &alice, "INVITE").await;
    }
    phone_asks(&alice, &mut first.1, &world.fe01, "INVITE").await;
    // A new call, and one from a phone that has come since.
    let second = call(&world.fe01, &new_wire, &alice, &of_alice).await;
    let (bob, of_bob) = world.registered("bob").await;
    let mut third = call(&world.fe01, &old_wire, &bob, &of_bob).await;
    phone_asks(&bob, &mut third.1, &world.fe01, "INFO").await;

    // Another upgrade waits until the first is over.
    let (code, _) = world.edge.command(&["upgrade"]).await;
    assert_eq!(code, Some(1));

    // The phone goes to the new process in the middle of its calls.
    let kicked = world.edge.command(&["kick", &number_of(&listed)]).await;
    assert_eq!(kicked.1["connections"], 1);
    alice.wire().ended(SOON).await.unwrap();
    let (alice, _) = world.registered("alice").await;
    home_asks(&world.fe01, &new_wire, &mut first.0, &alice, "INVITE").await;
    phone_asks(&alice, &mut first.1, &world.fe01, "INVITE").await;
    phone_asks(&alice, &mut first.1, &world.fe01, "BYE").await;
    let (mut of_home, _) = second;
    home_asks(&world.fe01, &new_wire, &mut of_home, &alice, "BYE").await;
    home_asks(&world.fe01, &new_wire, &mut third.0, &bob, "BYE").await;
    // Its last client is gone: the old process ends by itself, and leaves its peers.
    world.logged("former_gone", |_| true).await;
    let ended = old_wire.ended(SOON).await.unwrap();
    assert_eq!(ended, Ended::CloseNotify);
    let log = stop(world.edge, pid).await;
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    assert_eq!(log.named("upgraded").len(), 1);
    assert_eq!(log.named("took_over").len(), 1);
}

/// The number of the first connection of a client in a listing.
pub(crate) fn number_of(listed: &Value) -> String {
    let rows = listed["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["peer"].is_null()).unwrap();
    row["connection"].to_string()
}

#[tokio::test]
async fn clients_are_let_go_evenly_and_the_old_process_ends_behind_them() {
    let world = world("2s").await;
    let mut phones = Vec::new();
    for number in 0..4 {
        phones.push(world.registered(&format!("user{number}")).await.0);
    }
    let pid = upgrade(&world.edge).await;
    for phone in &phones {
        let ended = phone.wire().ended(SOON).await.unwrap();
        assert_eq!(ended, Ended::CloseNotify);
    }
    world.logged("former_gone", |_| true).await;
    let again = world.registered("user0").await;
    let pid_of_next = upgrade(&world.edge).await;
    assert_ne!(pid, pid_of_next);
    again.0.wire().ended(SOON).await.unwrap();
    let log = stop(world.edge, pid_of_next).await;
    let closed = log.named("connection_closed").into_iter();
    // The four of the first upgrade, and the one of the second.
    let gone = closed.filter(|e| e["reason"] == "let_go").count();
    assert_eq!(gone, 5, "{}", log.to_text());
}

/// A reload that takes a partner out of the topology ends what that has with the old process, too.
#[tokio::test]
async fn trust_that_a_reload_withdraws_is_withdrawn_at_the_old_process() {
    let mut world = world("1h").await;
    let (_alice, _) = world.registered("alice").await;
    let wire = world.partner.dial(world.edge.address, EDGE).await.unwrap();
    world
        .logged("handshake_accepted", |e| e["peer"] == "edge.fabrikam.test")
        .await;
    let pid = upgrade(&world.edge).await;
    world
        .topology
        .remove("[[peer]]", "fqdn", "edge.fabrikam.test");
    let file = world.topology.to_toml();
    world.lab.site.write("topology.toml", &file).unwrap();
    let (code, report) = world.edge.command(&["reload"]).await;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["former"]["result"], "ok", "{report}");
    world
        .logged("trust_withdrawn", |e| e["peer"] == "edge.fabrikam.test")
        .await;
    wire.ended(SOON).await.unwrap();
    stop(world.edge, pid).await;
}

#[tokio::test]
pub(crate) async fn a_program_that_fails_changes_nothing_and_the_command_says_why() {
    let world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let file = world.lab.site.path().join("topology.toml");
    let ends = script(&world, "ends", "exit 7\n");
    for (program, why) in [
        ("/nonexistent/sipward".to_owned(), "No such file"),
        (file.display().to_string(), "ermission denied"),
        (ends, "exit status: 7"),
    ] {
        let (code, page) = refused(&world.edge, &[&program]).await;
        assert_eq!(code, Some(1));
        assert!(page.contains(why), "{page}");
    }
    // The topology has a fault since: the new process refuses it.
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("[[pool]]", "[[pol]]")).unwrap();
    let (code, page) = refused(&world.edge, &[]).await;
    assert_eq!(code, Some(1));
    assert!(page.contains("pol"), "{page}");
    std::fs::write(&file, good).unwrap();
    // All is as before.
    let sent = alice
        .message("sip:x@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world.client("late").await;
    let last = world.logged("upgrade_failed", |e| {
        e["detail"].to_string().contains("`pol`")
    });
    last.await;
    let log = world.stop().await;
    let failed = log.named("upgrade_failed");
    assert_eq!(failed.len(), 4);
    assert!(failed.iter().all(|e| e["reason"] == "upgrade_failed"));
    assert_eq!(log.named("upgraded").len(), 0);
}

/// A program of the shell, which a test has the daemon upgrade to. Its conversation is descriptor 3.
pub(crate) fn script(world: &World, name: &str, body: &str) -> String {
    let path = world.lab.site.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `sipward upgrade`: exit code, and what it says on standard error.
async fn refused(edge: &Edge, program: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    command.arg("upgrade").args(program);
    command.arg("--socket").arg(&edge.socket);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

/// The new process is killed while the old one has a client: the old one accepts again.
#[tokio::test]
async fn a_new_process_that_dies_early_leaves_the_old_one_in_charge() {
    let world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    let mark = world.edge.log.mark();
    let killed = Command::new("kill")
        .args(["-s", "KILL", &pid.to_string()])
        .status();
    assert!(killed.unwrap().success());
    world.logged("upgrade_undone", |_| true).await;
    let listens = world
        .edge
        .log
        .wait_after(mark, "control_listening", |_| true);
    listens.await.unwrap();
    world.client("late").await;
    let (_, status) = world.edge.command(&["status"]).await;
    assert_eq!(status["pid"], world.edge.pid());
    let sent = alice
        .message("sip:x@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world.stop().await;
}

/// Keys that were drawn at the start, and no file of them: what the old process has signed leads through the new one.
#[tokio::test]
async fn random_token_keys_go_over_as_well() {
    let lab = Lab::new();
    let world = World::in_lab(lab, |t| {
        t.section("[limits]").text("handover", "1h");
        t.remove("[tokens]", "key_file", "tokens.key");
    })
    .await;
    let (alice, path) = world.registered("alice").await;
    let old_wire = world.dial(&world.fe01).await;
    let mut dialogs = call(&world.fe01, &old_wire, &alice, &path).await;
    let pid = upgrade(&world.edge).await;
    let new_wire = world.dial(&world.fe01).await;
    home_asks(&world.fe01, &new_wire, &mut dialogs.0, &alice, "BYE").await;
    stop(world.edge, pid).await;
}

/// Let go by the old process and not yet at the new one, which is called for it meanwhile.
#[tokio::test]
pub(crate) async fn a_phone_between_the_two_processes_is_waited_for() {
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    // Another client keeps the old process.
    let (_bob, _) = world.registered("bob").await;
    let pid = upgrade(&world.edge).await;
    let wire = world.dial(&world.fe01).await;
    let listed = world
        .edge
        .command(&["connections", "--user", "alice"])
        .await
        .1;
    world.edge.command(&["kick", &number_of(&listed)]).await;
    alice.wire().ended(SOON).await.unwrap();
    let call = world.fe01.invite(alice.contact()).header("Route", &path);
    let call = call.on(&wire).send().await.unwrap();
    world.refused("client_away").await;
    let (alice, _) = world.registered("alice").await;
    let invite = alice.expect("INVITE").await.unwrap();
    alice.reply(&invite, 486).await.unwrap();
    world.fe01.answer(&call, 486).await.unwrap();
    stop(world.edge, pid).await;
}
