//! What an operator asks the running daemon for: pools, bounds, other lines for one party, and one page of calls after
//! another.
use crate::harness::{Edge, Lab, World};
use serde_json::{Value, json};
use sipward_lab::site::PARTNER_EDGE;
use std::process::Command;

const FE01: &str = "fe01.contoso.test";

#[tokio::test]
async fn pools_say_who_is_up_since_when_and_why_not_and_what_runs_there() {
    let world = World::with(|topology| {
        let pool = topology.find("[[pool]]", "name", "front-end");
        pool.unwrap().raw(
            "health",
            "{ options_every = \"200ms\", timeout = \"5s\", down_after = 1, up_after = 1, fail_back = \"0s\" }",
        );
    })
    .await;
    let alice = world.client("alice").await;
    // The first ping of each member stays unanswered: it is on its way.
    let ping = world.fe01.expect("OPTIONS").await.unwrap();
    let sent = alice.message("sip:bob@contoso.test", "x");
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    let (code, pools) = world.edge.command(&["pools"]).await;
    assert_eq!(code, Some(0));
    let rows = pools["rows"].as_array().unwrap();
    let names: Vec<&Value> = rows.iter().map(|row| &row["pool"]).collect();
    assert_eq!(names, ["fabrikam.test", "front-end"], "{pools}");
    let member = &rows[1]["members"][0];
    assert_eq!(
        (&member["peer"], &member["state"]),
        (&json!(FE01), &json!("up"))
    );
    assert_eq!(
        (&member["in_flight"], &member["since_s"]),
        (&json!(1), &Value::Null)
    );
    assert!(member["pings"]["sent"].as_u64() >= Some(1), "{member}");
    assert_eq!(
        rows[0]["members"][0]["pings"],
        Value::Null,
        "nobody pings it"
    );
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world.fe01.reply(&ping, 503).await.unwrap();
    world
        .logged("peer_unavailable", |e| e["peer"] == FE01)
        .await;
    let (_, pools) = world
        .edge
        .command(&["pools", "--after", "fabrikam.test"])
        .await;
    let member = &pools["rows"][0]["members"][0];
    assert_eq!(
        (&member["state"], &member["reason"]),
        (&json!("down"), &json!("ping_unavailable")),
        "{pools}"
    );
    assert!(member["since_s"].is_u64());
    let (code, page) = world.edge.command_text(&["pools"]).await;
    assert!(
        code == Some(0) && page.contains("ping_unavailable"),
        "{page}"
    );
    let (_, first) = world.edge.command_text(&["pools", "--limit", "1"]).await;
    assert!(
        first.contains("1 more: sipward pools --after fabrikam.test"),
        "{first}"
    );
}

#[tokio::test]
async fn limits_show_what_is_taken_and_how_often_each_bit_as_the_metrics_count_it() {
    let world = World::with(|topology| {
        topology.section("[limits]").raw("body_bytes", "2000");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    let long = alice.message("sip:bob@contoso.test", &"x".repeat(3_000));
    long.send().await.unwrap();
    world
        .logged("connection_closed", |e| e["reason"] == "body_too_large")
        .await;
    let (_bob, _) = world.registered("bob").await;
    let (code, limits) = world.edge.command(&["limits"]).await;
    assert_eq!(code, Some(0));
    let limits = limits.as_array().unwrap();
    let of = |name: &str| limits.iter().find(|row| row["limit"] == name).unwrap();
    let body = of("body_bytes");
    assert_eq!((&body["hits"], &body["number"]), (&json!(1), &json!(2_000)));
    assert_eq!(of("bindings")["used_by"], "node");
    assert!(of("bindings")["used"].as_u64() >= Some(1));
    assert_eq!(of("connections_per_source")["used_by"], "fullest source");
    assert_eq!(of("bindings_per_client")["used"], 1);
    assert_eq!(of("head_timeout")["used"], Value::Null);
    let (_, page) = world.edge.command_text(&["limits"]).await;
    assert!(page.lines().count() == limits.len() + 1, "{page}");
}

#[tokio::test]
async fn one_partys_requests_have_other_lines_until_the_time_is_over() {
    let world = World::with(|topology| {
        topology.section("[log]").text("requests", "refused");
    })
    .await;
    let (alice, bob) = (world.client("alice").await, world.registered("bob").await.0);
    for (arguments, spared) in [
        (["--peer", FE01], None),
        (["--client", "bob"], Some(&alice)),
    ] {
        let command = [&["log-level", "all"], &arguments[..], &["--for", "4s"]].concat();
        let (code, set) = world.edge.command(&command).await;
        assert_eq!((code, &set["selected"]), (Some(0), &json!(arguments[1])));
        for client in [&alice, &bob] {
            let sent = client
                .message("sip:x@contoso.test", "x")
                .send()
                .await
                .unwrap();
            let got = world.fe01.expect("MESSAGE").await.unwrap();
            world.fe01.reply(&got, 200).await.unwrap();
            client.answer(&sent, 200).await.unwrap();
        }
        let is_over = |e: &Value| e["selected"] == arguments[1];
        let log = world.edge.log.up_to("log_level_ended", is_over);
        let log = log.await.unwrap();
        let set = log.named("log_level_set");
        assert_eq!(set.last().unwrap()["selected"], arguments[1]);
        let lines = log.named("request_relayed");
        assert!(lines.iter().any(|e| e["from"] == "sip:bob@contoso.test"));
        let alices = lines
            .iter()
            .filter(|e| e["from"] == "sip:alice@contoso.test");
        assert_eq!(alices.count(), 1, "{}: {lines:?}", spared.is_some());
    }
    let sent = bob.message("sip:x@contoso.test", "x").send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    bob.answer(&sent, 200).await.unwrap();
    for wrong in [
        &[
            "log-level",
            "all",
            "--peer",
            "nobody.contoso.test",
            "--for",
            "5m",
        ][..],
        &["log-level", "all", "--peer", FE01, "--for", "300d"],
        &["log-level", "loud", "--peer", FE01, "--for", "5m"],
        &["log-level", "all", "--for", "5m"],
        &[
            "log-level",
            "all",
            "--peer",
            FE01,
            "--client",
            "bob",
            "--for",
            "5m",
        ],
    ] {
        assert_eq!(world.edge.command(wrong).await.0, Some(2), "{wrong:?}");
    }
    let log = world.stop().await;
    assert_eq!(
        log.named("request_relayed").len(),
        3,
        "two of bob, one of alice"
    );
    assert_eq!(log.named("control_request").len(), 4, "two of them refused");
}

#[tokio::test]
async fn calls_come_page_after_page_and_nothing_is_said_on_standard_error() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let mut ringing = Vec::new();
    for _ in 0..3 {
        let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
        ringing.push(world.fe01.expect("INVITE").await.unwrap());
        drop(call);
        // A page has all calls of one millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let (mut keys, mut after) = (Vec::new(), "0".to_owned());
    for left_off in [2, 1, 0] {
        let asked = ["calls", "--limit", "1", "--after", &after];
        let (code, page) = world.edge.command(&asked).await;
        assert_eq!(
            (code, &page["left_off"]),
            (Some(0), &json!(left_off)),
            "{page}"
        );
        keys.push(page["rows"][0]["call"].as_u64().unwrap());
        after = keys[keys.len() - 1].to_string();
    }
    assert!(keys.is_sorted(), "the oldest first: {keys:?}");
    let (_, page) = world.edge.command_text(&["calls", "--limit", "2"]).await;
    let more = format!("1 more: sipward calls --after {}", keys[1]);
    assert!(page.contains(&more), "{page}");
    for command in ["calls", "pools", "limits", "connections", "bindings"] {
        let mut sipward = Command::new(env!("CARGO_BIN_EXE_sipward"));
        sipward.arg(command).arg("--socket").arg(&world.edge.socket);
        let output = tokio::task::spawn_blocking(move || sipward.output().unwrap());
        let output = output.await.unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command}"
        );
    }
    let (_, pools) = world.edge.command(&["pools"]).await;
    assert!(pools.to_string().contains(PARTNER_EDGE), "{pools}");
}

/// What is relative in the file is relative to its directory, however the file is named.
#[tokio::test]
async fn a_file_is_served_and_planned_from_its_own_directory_by_its_name_alone() {
    let lab = Lab::new();
    let mut topology = lab
        .site
        .topology(&[(FE01, ([127, 0, 0, 1], 9).into())], None);
    topology.section("[admin]").text("socket", "control.sock");
    topology.section("[node]").text("state", "kept");
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let edge = Edge::start_beside(&file).await;
    let (code, status) = edge.command(&["status"]).await;
    assert_eq!(
        (code, &status["topology"]),
        (Some(0), &json!(file.to_str().unwrap()))
    );
    let plan = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["plan", "topology.toml", "--config", "topology.toml"])
        .current_dir(file.parent().unwrap())
        .output()
        .unwrap();
    let page = String::from_utf8(plan.stdout).unwrap();
    assert_eq!(plan.status.code(), Some(0), "{page}");
    assert!(page.starts_with("no effect"), "{page}");
    assert!(file.with_file_name("kept").is_dir());
    edge.stop().await;
}
