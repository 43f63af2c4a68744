//! An upgrade in the wrong hands or at the wrong moment: processes that stop, die or flood, and commands that come together.
use crate::harness::{Edge, SOON, World, stand_still};
use crate::upgrade::{call, home_asks, script, stop, upgrade, world};
use serde_json::Value;
use sipward_lab::Client;
use std::process::Command;

/// A world whose processes end within this time.
async fn quick_world(drain: &str) -> World {
    World::with(|t| {
        let limits = t.section("[limits]");
        limits.text("handover", "1h").text("drain", drain);
    })
    .await
}

/// A signal to a process that this test has not started itself.
fn signal(pid: u64, name: &str) {
    let mut kill = Command::new("kill");
    let sent = kill.args(["-s", name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A message of this client arrives at fe01 and is answered.
async fn is_served(world: &World, client: &Client) {
    let sent = client.message("sip:x@contoso.test", "hi");
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    client.answer(&sent, 200).await.unwrap();
}

/// `sipward upgrade` to this program.
async fn upgrade_to(edge: &Edge, program: &str) -> (Option<i32>, Value) {
    edge.command(&["upgrade", program]).await
}

/// The new process asks without end and reads no answer: neither a stop of the old one nor its clients wait for that.
#[tokio::test]
async fn a_new_process_that_does_not_read_holds_up_nothing() {
    let mut world = quick_world("2s").await;
    let (alice, _) = world.registered("alice").await;
    let flood = script(
        &world,
        "flood",
        "printf '{\"ready\":{\"version\":\"9\"}}\\n' >&3\n\
         n=0\n\
         while [ $n -lt 3000 ]; do\n\
         n=$((n + 1))\n\
         printf '{\"ask\":{\"number\":%s,\"request\":{\"command\":\"status\"}}}\\n' $n >&3\n\
         done\n\
         exec sleep 300\n",
    );
    let (code, upgraded) = upgrade_to(&world.edge, &flood).await;
    assert_eq!(code, Some(0), "{upgraded}");
    is_served(&world, &alice).await;
    // As long as its queue takes to fill: answers are made beside everything else.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    is_served(&world, &alice).await;
    world.edge.signal("TERM");
    let status = world.edge.main_ended().await;
    assert_eq!(status.code(), Some(0));
    signal(upgraded["pid"].as_u64().unwrap(), "KILL");
    let (_, log) = world.edge.exited().await;
    assert_eq!(log.named("stopped").len(), 1, "{}", log.to_text());
}

/// It has said that it is ready, and then nothing any more.
#[tokio::test]
async fn a_new_process_that_is_stopped_keeps_the_old_one_from_nothing() {
    let mut world = quick_world("2s").await;
    let (alice, path) = world.registered("alice").await;
    let wire = world.dial(&world.fe01).await;
    let mut dialogs = call(&world.fe01, &wire, &alice, &path).await;
    let pid = upgrade(&world.edge).await;
    stand_still(u32::try_from(pid).unwrap());
    // What is at the old process goes on.
    home_asks(&world.fe01, &wire, &mut dialogs.0, &alice, "INFO").await;
    is_served(&world, &alice).await;
    world.edge.signal("TERM");
    let status = world.edge.main_ended().await;
    assert_eq!(status.code(), Some(0));
    signal(pid, "CONT");
    // It learns of it, and serves.
    world.logged("former_gone", |_| true).await;
    let bob = world.client("bob").await;
    is_served(&world, &bob).await;
    stop(world.edge, pid).await;
}

/// An operator has what the new process knows, and can end the node.
#[tokio::test]
async fn an_old_process_that_is_stopped_keeps_the_new_one_from_nothing() {
    let mut world = quick_world("1s").await;
    let (_alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    let (bob, _) = world.registered("bob").await;
    world.edge.stand_still();
    is_served(&world, &bob).await;
    let (code, status) = world.edge.command(&["status"]).await;
    assert_eq!((code, &status["pid"]), (Some(0), &pid.into()));
    assert!(status["former"].is_null(), "{status}");
    signal(pid, "TERM");
    world.logged("stopped", |_| true).await;
    // The node was to end: that is what the old process finds when it goes on.
    world.edge.signal("CONT");
    let status = world.edge.main_ended().await;
    assert_eq!(status.code(), Some(0));
    let (_, log) = world.edge.exited().await;
    assert_eq!(log.named("stopped").len(), 2, "{}", log.to_text());
    assert_eq!(log.named("upgrade_undone").len(), 0, "{}", log.to_text());
}

/// A reload is made in both, but the one that has the listeners does not wait for the other.
#[tokio::test]
async fn a_reload_that_the_old_process_does_not_answer_holds_up_no_end() {
    let mut world = quick_world("1s").await;
    let (_alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    world.edge.stand_still();
    signal(pid, "HUP");
    world.logged("reload", |e| e["trigger"] == "signal").await;
    signal(pid, "TERM");
    world.logged("stopped", |_| true).await;
    world.edge.signal("CONT");
    let status = world.edge.main_ended().await;
    assert_eq!(status.code(), Some(0));
    world.edge.exited().await;
}

/// Whatever the last words of the new process are, the old one accepts again.
#[tokio::test]
async fn a_new_process_that_ends_at_any_step_leaves_the_old_one_in_charge() {
    let world = quick_world("2s").await;
    let (alice, _) = world.registered("alice").await;
    let ready = "printf '{\"ready\":{\"version\":\"9\"}}\\n' >&3\n";
    let steps = [
        // Before it is ready: nothing has changed.
        ("silent", "kill -s KILL $$\n".to_owned(), false),
        (
            "garbled",
            "printf 'ready\\n' >&3\nexit 3\n".to_owned(),
            false,
        ),
        (
            "hurried",
            "printf '{\"go\":{}}\\n' >&3\nexec sleep 300\n".to_owned(),
            false,
        ),
        // As it is told to go, and in the middle of a word.
        ("short", format!("{ready}exit 3\n"), true),
        (
            "half",
            format!("{ready}printf '{{\"ask\":' >&3\nkill -s KILL $$\n"),
            true,
        ),
    ];
    let mut undone = 0;
    for (name, body, has_handed_over) in steps {
        let program = script(&world, name, &body);
        let mark = world.edge.log.mark();
        let (code, said) = upgrade_to(&world.edge, &program).await;
        assert_eq!(code, Some(i32::from(!has_handed_over)), "{name}: {said}");
        if has_handed_over {
            undone += 1;
            let log = &world.edge.log;
            log.wait_after(mark, "upgrade_undone", |_| true)
                .await
                .unwrap();
            log.wait_after(mark, "control_listening", |_| true)
                .await
                .unwrap();
        }
        is_served(&world, &alice).await;
        let late = world.client(name).await;
        is_served(&world, &late).await;
    }
    // A real one has its turn all the same.
    let pid = upgrade(&world.edge).await;
    is_served(&world, &alice).await;
    let log = stop(world.edge, pid).await;
    assert_eq!(log.named("upgrade_undone").len(), undone);
    assert_eq!(log.named("upgrade_failed").len(), 3);
}

#[tokio::test]
async fn an_old_process_that_dies_leaves_the_new_one_with_all() {
    let mut world = quick_world("2s").await;
    let (alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    world.edge.signal("KILL");
    world.edge.main_ended().await;
    world.logged("former_gone", |_| true).await;
    alice.wire().ended(SOON).await.unwrap();
    let (alice, path) = world.registered("alice").await;
    let wire = world.dial(&world.fe01).await;
    let mut dialogs = call(&world.fe01, &wire, &alice, &path).await;
    home_asks(&world.fe01, &wire, &mut dialogs.0, &alice, "BYE").await;
    let (_, status) = world.edge.command(&["status"]).await;
    assert!(status["former"].is_null(), "{status}");
    // Nothing stands in the way of the next one.
    signal(pid, "TERM");
    let (_, log) = world.edge.exited().await;
    assert_eq!(log.named("stopped").len(), 1, "{}", log.to_text());
}

#[tokio::test]
async fn of_two_upgrades_at_once_one_is_made() {
    let world = quick_world("2s").await;
    let (_alice, _) = world.registered("alice").await;
    let (one, other) = tokio::join!(
        world.edge.command(&["upgrade"]),
        world.edge.command(&["upgrade"])
    );
    let codes = [one.0, other.0];
    assert!(
        codes.contains(&Some(0)) && codes.contains(&Some(1)),
        "{codes:?}"
    );
    let made = if one.0 == Some(0) { one.1 } else { other.1 };
    world.logged("upgraded", |_| true).await;
    let log = stop(world.edge, made["pid"].as_u64().unwrap()).await;
    assert_eq!(log.named("upgraded").len(), 1);
}

/// A node that is being emptied takes nothing new, and a new process would not know of that.
#[tokio::test]
async fn a_node_that_lets_its_clients_go_or_ends_is_not_upgraded() {
    let world = quick_world("30s").await;
    let (alice, _) = world.registered("alice").await;
    world.edge.command(&["drain", "--clients"]).await;
    let (code, _) = world.edge.command(&["upgrade"]).await;
    assert_eq!(code, Some(1));
    let failed = world.logged("upgrade_failed", |e| {
        e["detail"].to_string().contains("drain --clients")
    });
    failed.await;
    world
        .edge
        .command(&["drain", "--clients", "--cancel"])
        .await;
    is_served(&world, &alice).await;
    // What runs holds it up.
    let sent = alice.message("sip:x@contoso.test", "hi");
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.edge.command(&["drain"]).await;
    world.logged("drain", |_| true).await;
    // At once, and not when the daemon has gone.
    let (code, _) = world.edge.command(&["upgrade"]).await;
    assert_eq!(code, Some(70));
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let (status, log) = world.edge.exited().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.named("upgraded").len(), 0);
}

/// The file changes while two processes serve: both take it, and one that is refused is refused by both.
#[tokio::test]
async fn a_reload_between_the_two_is_made_by_both_or_by_none() {
    let mut world = world("1h").await;
    let (alice, _) = world.registered("alice").await;
    let pid = upgrade(&world.edge).await;
    let (bob, _) = world.registered("bob").await;
    let file = world.lab.site.path().join("topology.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("[[pool]]", "[[pol]]")).unwrap();
    let (code, report) = world.edge.command(&["reload"]).await;
    assert_eq!(code, Some(1), "{report}");
    assert!(report["former"].is_null(), "{report}");
    world.topology.section("[log]").text("requests", "all");
    std::fs::write(&file, world.topology.to_toml()).unwrap();
    // A signal reaches the process that the service manager knows.
    signal(pid, "HUP");
    for user in ["alice", "bob"] {
        let phone = if user == "alice" { &alice } else { &bob };
        let mark = world.edge.log.mark();
        let from = format!("sip:{user}@contoso.test");
        let log = &world.edge.log;
        let relayed = log.wait_after(mark, "request_relayed", |e| {
            e["method"] == "MESSAGE" && e["from"] == from.as_str()
        });
        let mut relayed = std::pin::pin!(relayed);
        // Its line comes a moment after it, and only once the process that has the phone has reloaded.
        loop {
            is_served(&world, phone).await;
            let moment = std::time::Duration::from_millis(50);
            if let Ok(relayed) = tokio::time::timeout(moment, &mut relayed).await {
                relayed.unwrap();
                break;
            }
        }
    }
    stop(world.edge, pid).await;
}
