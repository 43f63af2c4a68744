//! Who is denied at an operator's word or by the file: addresses, networks, peers and users, for a time and over a restart.
use crate::harness::observed::Observed;
use crate::harness::{Lab, SOON, World, message_passes};
use crate::upgrade::{stop, upgrade};
use serde_json::{Value, json};
use sipward::daemon::control::{Reply, Request};
use sipward_lab::site::{HOME, PARTNER_EDGE};
use sipward_lab::{Client, LabError};

/// What a command prints as JSON, if it ends well.
async fn said(world: &World, arguments: &[&str]) -> Value {
    let (code, said) = world.edge.command(arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

/// A client of the node, if it is let in.
async fn connects(world: &World, user: &str) -> Result<Client, LabError> {
    let face = world.lab.face(&world.edge);
    Client::connect(&face, user, &format!("sip:{user}@{HOME}")).await
}

/// The status of alice's registration over this connection.
async fn registers(world: &World, client: &Client) -> u16 {
    let sent = client.register().send().await.unwrap();
    let answered = async {
        let answer = client.final_answer(&sent).await.unwrap();
        answer.message.status().unwrap()
    };
    let granted = async {
        let register = world.fe01.expect("REGISTER").await.unwrap();
        world.fe01.reply(&register, 200).await.unwrap();
        std::future::pending().await
    };
    tokio::select! {
        status = answered => status,
        () = granted => unreachable!(),
    }
}

#[tokio::test]
pub(crate) async fn a_kicked_user_is_refused_for_a_time_and_nobody_else() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let (bob, _) = world.registered("bob").await;
    let (code, kicked) = world.edge.command(&["kick", "carol"]).await;
    assert_eq!((code, &kicked["connections"]), (Some(1), &json!(0)));
    let kicked = said(&world, &["kick", "alice", "--for", "10m"]).await;
    assert_eq!(kicked["connections"], 1);
    assert_eq!(kicked["denied"]["user"], "alice");
    alice.wire().ended(SOON).await.unwrap();
    let denial = world.logged("denial", |e| e["denied"] == "alice").await;
    assert_eq!(denial["until"], kicked["denied"]["until"]);
    assert!(denial["uid"].is_number(), "{denial}");
    // Whatever connection she comes over, and under each spelling of her name.
    let again = world.client("alice").await;
    assert_eq!(registers(&world, &again).await, 403);
    let refused = world.refused("user_denied").await;
    assert_eq!(refused["method"], "REGISTER");
    let from = again.message("sip:bob@contoso.test", "x");
    let sent = from.from("sip:%61lice@CONTOSO.test").send().await.unwrap();
    again.answer(&sent, 403).await.unwrap();
    message_passes(&bob, &world.fe01).await;
    // Until an operator thinks otherwise.
    let denials = said(&world, &["deny", "list"]).await;
    assert_eq!(denials[0]["user"], "alice", "{denials}");
    let (_, page) = world.edge.command_text(&["deny", "list"]).await;
    assert!(page.contains("alice   user"), "{page}");
    assert_eq!(
        said(&world, &["deny", "remove", "alice"]).await,
        json!({"user": "alice"})
    );
    let ended = world
        .logged("denial_ended", |e| e["denied"] == "alice")
        .await;
    assert!(ended["uid"].is_number());
    assert_eq!(registers(&world, &again).await, 200);
    let (code, _) = world.edge.command(&["deny", "remove", "alice"]).await;
    assert_eq!(code, Some(1));
    let what = "alice".to_owned();
    let Reply::Error(refusal) = world.edge.ask(Request::AdmitAgain { what }).await else {
        panic!("nobody is denied")
    };
    Observed::of_thread().add(refusal.code.code());
    assert_eq!(refusal.code.code(), "unknown_denial");
}

#[tokio::test]
async fn a_kicked_peer_neither_comes_nor_is_connected_to_until_its_time_is_over() {
    let world = World::new().await;
    let wire = world.dial(&world.partner).await;
    world
        .logged("handshake_accepted", |e| e["peer"] == PARTNER_EDGE)
        .await;
    let kicked = said(&world, &["kick", PARTNER_EDGE, "--for", "10m"]).await;
    assert_eq!(kicked["denied"]["peer"], PARTNER_EDGE);
    wire.ended(SOON).await.unwrap();
    if let Ok(wire) = world
        .partner
        .dial(world.edge.address, sipward_lab::site::EDGE)
        .await
    {
        wire.ended(SOON).await.unwrap();
    }
    let refused = world
        .logged("handshake_refused", |e| e["reason"] == "denied")
        .await;
    assert_eq!(refused["direction"], "inbound");
    let ask = async |status| {
        let sent = world.fe01.message("sip:carol@fabrikam.test", "x");
        let wire = world.dial(&world.fe01).await;
        let sent = sent.on(&wire).send().await.unwrap();
        if status == 200 {
            let got = world.partner.expect("MESSAGE").await.unwrap();
            world.partner.reply(&got, 200).await.unwrap();
        }
        world.fe01.answer(&sent, status).await.unwrap();
    };
    ask(503).await;
    assert_eq!(
        said(&world, &["kick", PARTNER_EDGE, "--for", "1s"]).await["connections"],
        0
    );
    let ended = world
        .logged("denial_ended", |e| e["denied"] == PARTNER_EDGE)
        .await;
    assert_eq!(ended["uid"], Value::Null, "its time is over");
    let wire = world.dial(&world.partner).await;
    let here = wire.local().to_string();
    world
        .logged("handshake_accepted", |e| {
            e["peer"] == PARTNER_EDGE && e["remote"] == here
        })
        .await;
}

#[tokio::test]
pub(crate) async fn an_address_is_denied_by_a_connection_of_it_in_each_notation_and_by_the_file() {
    let mut world = World::new().await;
    let client = world.client("one").await;
    let accepted = world
        .logged("handshake_accepted", |e| e.get("peer").is_none())
        .await;
    let number = accepted["connection"].to_string();
    let listed = said(&world, &["connections", "--client"]).await;
    assert_eq!(listed["rows"][0]["connection"], accepted["connection"]);
    let kicked = said(&world, &["kick", &number, "--for", "10m"]).await;
    assert_eq!(kicked["denied"]["network"], "127.0.0.1/32", "{kicked}");
    client.wire().ended(SOON).await.unwrap();
    assert!(connects(&world, "two").await.is_err());
    let refused = world
        .logged("handshake_refused", |e| e["reason"] == "denied")
        .await;
    assert_eq!(refused["listener"], "edge");
    said(&world, &["deny", "remove", "::ffff:127.0.0.1"]).await;
    let client = world.client("three").await;
    let remote = world.logged("handshake_accepted", |e| {
        e["connection"].as_u64() > accepted["connection"].as_u64() && e.get("peer").is_none()
    });
    let remote = remote.await["remote"].as_str().unwrap().to_owned();
    assert_eq!(said(&world, &["kick", &remote]).await["connections"], 1);
    client.wire().ended(SOON).await.unwrap();
    // It is among the refusals, although no shard has seen it.
    let refusals = said(&world, &["refusals"]).await;
    let denied = |row: &Value| row["reason"] == "denied" && row["remote"].is_string();
    assert!(refusals["latest"].as_array().unwrap().iter().any(denied));
    // A network closes what is there, in IPv6's notation too.
    let client = world.client("four").await;
    message_passes(&client, &world.fe01).await;
    let hostile = "scans\u{1b}[2J\u{202e}";
    let denied = [
        "deny",
        "add",
        "::ffff:127.0.0.0/104",
        "--for",
        "1h",
        "--reason",
        hostile,
    ];
    let mut closed = 0;
    // It may still be between its handshake and its shard's table.
    for _ in 0..100 {
        let said = said(&world, &denied).await;
        assert_eq!(said["denied"]["network"], "127.0.0.0/8");
        closed += said["connections"].as_u64().unwrap();
        if client.wire().is_live() {
            tokio::task::yield_now().await;
        } else {
            break;
        }
    }
    assert!(closed > 0 || !client.wire().is_live());
    // What this node has dialled stays, although it is at an address of the network.
    let dialled = said(&world, &["connections", "--peer"]).await;
    assert_eq!(dialled["rows"][0]["listener"], Value::Null, "{dialled}");
    let (_, page) = world.edge.command_text(&["deny", "list"]).await;
    assert!(
        page.contains("127.0.0.0/8") && page.contains("scans?[2J"),
        "{page:?}"
    );
    assert!(
        !page.contains(|c: char| c.is_control() && c != '\n'),
        "{page:?}"
    );
    said(&world, &["deny", "remove", "127.0.0.0/8"]).await;
    // By the file: a reload closes what is there, and lets it in again without the line.
    let client = world.client("five").await;
    let report = world
        .reload_with(|t| {
            t.section("[limits]")
                .list("deny", &["127.0.0.0/8", "2001:db8::/32"]);
        })
        .await;
    assert!(report["details"].to_string().contains("deny"), "{report}");
    client.wire().ended(SOON).await.unwrap();
    assert!(connects(&world, "six").await.is_err());
    let denials = said(&world, &["deny", "list"]).await;
    assert_eq!(denials.as_array().unwrap().len(), 2);
    assert_eq!(denials[0]["until"], Value::Null);
    let (code, _) = world.edge.command(&["deny", "remove", "127.0.0.0/8"]).await;
    assert_eq!(code, Some(1), "it stands in the file");
    world
        .reload_with(|t| {
            t.section("[limits]").list("deny", &[]);
        })
        .await;
    world.client("seven").await;
    // What is no network or no time is refused before anybody is asked, or by the daemon.
    for arguments in [
        &["deny", "add", "127.0.0.1/8", "--for", "1h"][..],
        &["deny", "add", "edge01", "--for", "1h"],
        &["deny", "add", "127.0.0.1", "--for", "1"],
        &["deny", "add", "127.0.0.1"],
        &["kick", "alice", "--for", "0s"],
    ] {
        assert_eq!(
            world.edge.command(arguments).await.0,
            Some(2),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn an_address_is_kicked_with_all_its_connections_and_may_come_again() {
    let world = World::new().await;
    let clients = [world.client("one").await, world.client("two").await];
    world.status_once(|status| status["clients"] == 2).await;
    let kicked = said(&world, &["kick", "::ffff:127.0.0.1"]).await;
    assert_eq!(kicked, json!({"connections": 2}));
    for client in &clients {
        client.wire().ended(SOON).await.unwrap();
    }
    let three = world.client("three").await;
    message_passes(&three, &world.fe01).await;
    let (code, kicked) = world.edge.command(&["kick", "192.0.2.1"]).await;
    assert_eq!((code, kicked), (Some(1), json!({"connections": 0})));
    // What is wrong was typed, and is no fault of the daemon.
    let (code, _) = world
        .edge
        .command(&["kick", "127.0.0.1", "--for", "400d"])
        .await;
    assert_eq!(code, Some(2));
    assert!(three.wire().is_live());
}

/// A world whose node has a state directory, which may hold a file of denials already.
async fn with_state(denials: Option<&str>) -> World {
    let lab = Lab::new();
    let state = lab.site.path().join("state");
    std::fs::create_dir(&state).unwrap();
    if let Some(denials) = denials {
        std::fs::write(state.join("denials.json"), denials).unwrap();
    }
    World::in_lab(lab, |t| {
        t.section("[node]").text("state", state.to_str().unwrap());
    })
    .await
}

#[tokio::test]
async fn a_node_that_denies_itself_says_so_when_it_asks_its_own_listener() {
    let world = World::with(|t| {
        t.section("[limits]").list("deny", &["127.0.0.0/8"]);
    })
    .await;
    let start = world.edge.log.up_to("ready", |_| true).await.unwrap();
    let warned = start.named("warning");
    let is_it = |event: &&Value| event["reason"] == "deny_covers_node";
    assert_eq!(warned.iter().filter(is_it).count(), 1, "{warned:?}");
    let (code, report) = world.edge.command(&["reload"]).await;
    assert_eq!(code, Some(0), "{report}");
    let served = &report["served"][0];
    assert_eq!(served["result"], "unknown", "{report}");
    let detail = served["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(
            "127.0.0.0/8 is denied (sipward deny list), and this node asks from 127.0.0.1:"
        ),
        "{detail}"
    );
    world.stop().await;
}

#[tokio::test]
async fn denials_outlive_a_restart() {
    let world = with_state(None).await;
    let deny = [
        "deny",
        "add",
        "127.0.0.1",
        "--for",
        "1h",
        "--reason",
        "probes",
    ];
    said(&world, &deny).await;
    said(&world, &["kick", "alice", "--for", "1h"]).await;
    let before = said(&world, &["deny", "list"]).await;
    assert_eq!(before[0]["reason"], "probes");
    let World {
        lab,
        edge,
        topology,
        ..
    } = world;
    edge.stop().await;
    let edge = lab.edge(&topology).await;
    let (_, after) = edge.command(&["deny", "list"]).await;
    assert_eq!(after, before);
    let face = lab.face(&edge);
    let aor = format!("sip:alice@{HOME}");
    assert!(Client::connect(&face, "alice", &aor).await.is_err());
}

/// The old process has had no room for it, and writes nothing any more.
#[tokio::test]
async fn a_denial_that_could_not_be_written_is_written_by_the_process_that_takes_over() {
    let lab = Lab::new();
    let state = lab.site.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let world = World::in_lab(lab, |t| {
        t.section("[node]").text("state", state.to_str().unwrap());
        t.section("[limits]").text("handover", "1h");
        // As often as this is looked whether there is room.
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s");
    })
    .await;
    let (_alice, _) = world.registered("alice").await;
    // A directory in its place: no file can take that.
    let file = state.join("denials.json");
    std::fs::create_dir(&file).unwrap();
    let deny = ["deny", "add", "192.0.2.0/24", "--for", "1h"];
    let denied = said(&world, &deny).await;
    let unwritten = |e: &Value| e["reason"] == "state_unwritable";
    let mark = world.edge.log.mark();
    world.logged("warning", unwritten).await;
    let pid = upgrade(&world.edge).await;
    // The new process has tried to, and goes on to.
    let warned = world.edge.log.wait_after(mark, "warning", unwritten);
    warned.await.unwrap();
    std::fs::remove_dir(&file).unwrap();
    let kept = loop {
        match std::fs::read(&file) {
            Ok(text) => break serde_json::from_slice::<Value>(&text).unwrap(),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert_eq!(kept, json!([denied["denied"]]), "{denied}");
    stop(world.edge, pid).await;
}

#[tokio::test]
pub(crate) async fn there_is_room_for_so_many_denials_and_damage_is_no_reason_not_to_start() {
    let full: Vec<Value> = (0..10_000u32)
        .map(|n| {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + n);
            json!({"network": format!("{address}/32"), "until": 4_000_000_000u64})
        })
        .collect();
    let world = with_state(Some(&Value::from(full).to_string())).await;
    let request = Request::Deny {
        network: "192.0.2.1".to_owned(),
        for_s: 60,
        reason: None,
    };
    let Reply::Error(refusal) = world.edge.ask(request).await else {
        panic!("there is no room")
    };
    Observed::of_thread().add(refusal.code.code());
    assert_eq!(refusal.code.code(), "denials_full");
    let (code, denials) = world.edge.command(&["deny", "list"]).await;
    assert_eq!((code, denials.as_array().unwrap().len()), (Some(0), 10_000));
    world.stop().await;
    let world = with_state(Some("[{}]")).await;
    let warned = world.logged("warning", |e| e["reason"] == "state_damaged");
    assert!(warned.await["detail"].to_string().contains("denials.json"));
}
