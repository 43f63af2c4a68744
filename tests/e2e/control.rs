//! The control socket: commands with exit codes, for the daemon's user alone, and never in the way of a call.
use crate::harness::observed::Observed;
use crate::harness::{Edge, Lab, SOON, World};
use serde_json::{Value, json};
use sipward::reason::DaemonReason;
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// One raw exchange.
fn say(socket: &Path, octets: &[u8]) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(octets).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.ends_with('\n'), "{reply}");
    serde_json::from_str(&reply).unwrap()
}

#[tokio::test]
async fn status_shows_generation_listeners_and_connections() {
    let world = World::new().await;
    let _alice = world.client("alice").await;
    let _wire = world.dial(&world.fe01).await;
    // In TLS 1.3 who connects is done before the daemon has heard the last of it; each may lie in a shard of its own.
    let status = world
        .status_once(|status| status["peers"] == 1 && status["clients"] == 1)
        .await;
    assert_eq!(status["generation"], 1, "{status}");
    assert_eq!(
        status["listeners"][0]["address"],
        world.edge.address.to_string()
    );
    assert_eq!(status["last_reload"], Value::Null);
    let mut page = String::new();
    for _ in 0..20 {
        (_, page) = world.edge.command_text(&["status"]).await;
        if page.contains("1 of clients, 1 of peers") {
            break;
        }
    }
    assert!(page.contains("1 of clients, 1 of peers"), "{page}");
    world.fe01.kill();
    let down = world
        .edge
        .log
        .wait("peer_disconnected", |e| e["peer"] == "fe01.contoso.test");
    let down = down.await.unwrap();
    let status = world
        .status_once(|status| status["by_peer"][0]["inbound"] == 0)
        .await;
    let fe01 = &status["by_peer"][0];
    assert_eq!(
        (&fe01["peer"], &fe01["inbound"]),
        (&json!("fe01.contoso.test"), &json!(0))
    );
    assert_eq!(fe01["last_down"]["reason"], down["reason"], "{status}");
    let log = world.stop().await;
    assert!(
        log.named("control_request").is_empty(),
        "looking leaves no trace"
    );
}

#[tokio::test]
async fn reload_answers_with_the_difference_and_a_refused_one_with_its_faults_and_exit_1() {
    let mut world = World::new().await;
    world
        .topology
        .section("[limits]")
        .text("client_idle", "600s");
    world.topology.section("[node]").raw("shards", "7");
    let text = world.topology.to_toml();
    world.lab.site.write("topology.toml", &text).unwrap();
    let (code, report) = world.edge.command(&["reload"]).await;
    assert_eq!(
        (code, &report["result"]),
        (Some(0), &json!("ok")),
        "{report}"
    );
    assert_eq!(report["generation"], 2);
    assert!(
        report["changes"].to_string().contains("client_idle"),
        "{report}"
    );
    assert!(
        report["restart"].to_string().contains("node.shards"),
        "{report}"
    );
    let broken = text.replace("[[pool]]", "[[pool]]\nspeed = 9");
    world.lab.site.write("topology.toml", &broken).unwrap();
    let (code, report) = world.edge.command(&["reload"]).await;
    assert_eq!(
        (code, &report["result"]),
        (Some(1), &json!("refused")),
        "{report}"
    );
    assert_eq!(report["generation"], 2);
    assert!(report["faults"].to_string().contains("speed"), "{report}");
    let (_, page) = world.edge.command_text(&["reload"]).await;
    assert!(
        page.contains("refused; generation 2 stays in force"),
        "{page}"
    );
    let log = world.stop().await;
    let reloads = log.named("reload");
    assert!(reloads.iter().all(|e| e["trigger"] == "control"));
    assert_eq!(reloads.len(), 3);
    assert_eq!(log.named("control_request").len(), 3);
}

#[tokio::test]
async fn what_waits_for_a_restart_is_told_until_the_file_says_again_what_the_daemon_was_started_with()
 {
    let mut world = World::new().await;
    let started = world.topology.to_toml();
    world.topology.section("[node]").raw("shards", "7");
    let changed = world.topology.to_toml();
    let site = &world.lab.site;
    for (text, waits) in [(&changed, true), (&changed, true), (&started, false)] {
        let file = site.write("topology.toml", text).unwrap();
        let file = file.to_str().unwrap();
        let (_, plan) = world.edge.command(&["plan", file]).await;
        let (_, report) = world.edge.command(&["reload"]).await;
        for told in [&plan["restart"], &report["restart"]] {
            assert_eq!(told.to_string().contains("node.shards"), waits, "{told}");
        }
        // Both files are good, and everything else of them is in force.
        assert_eq!(report["result"], "ok");
    }
    site.write("topology.toml", &changed).unwrap();
    world.edge.command(&["reload"]).await;
    let (_, page) = world.edge.command_text(&["reload"]).await;
    assert!(page.contains("needs a restart: node.shards"), "{page}");
    assert!(!page.contains("nothing has changed"), "{page}");
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn what_is_no_request_gets_an_error_and_the_next_one_is_served() {
    let world = World::new().await;
    assert_eq!(world.edge.command(&["status"]).await.0, Some(0));
    let socket = world.edge.socket.clone();
    let observed = Observed::of_thread();
    tokio::task::spawn_blocking(move || {
        for octets in [
            &b"\n"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"{\"command\":\"fly\"}\n",
        ] {
            assert_eq!(say(&socket, octets)["error"]["code"], "malformed_command");
            observed.add("malformed_command");
        }
        // The answer is not lost over what follows.
        for length in [70_000, 300_000] {
            let refused = say(&socket, &vec![b'A'; length]);
            assert!(refused.to_string().contains("at most 65536 bytes"));
        }
        // More than the commands at a time, and none of them says a word.
        let idle: Vec<_> = (0..40)
            .map(|_| UnixStream::connect(&socket).unwrap())
            .collect();
        let mut asking = UnixStream::connect(&socket).unwrap();
        let at_most = Duration::from_secs(4);
        asking.set_read_timeout(Some(at_most)).unwrap();
        asking.write_all(b"{\"command\":\"status\"}\n").unwrap();
        let mut status = String::new();
        asking.read_to_string(&mut status).unwrap();
        assert!(status.contains("\"generation\":1"), "{status}");
        drop(idle);
    })
    .await
    .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn no_daemon_is_exit_69() {
    let world = World::new().await;
    let socket = world.edge.socket.to_str().unwrap().to_owned();
    world.stop().await;
    assert!(
        !Path::new(&socket).exists(),
        "the socket goes with its daemon"
    );
    let run = |arguments: &'static [&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"));
        let output = command.args(arguments).arg("--socket").arg(&socket);
        output.output().unwrap()
    };
    for arguments in [&["status"][..], &["reload"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(69));
        assert!(!output.stderr.is_empty());
    }
    // Nobody has said where it is: then the answer says how to.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"))
        .arg("status")
        .env("RUNTIME_DIRECTORY", Path::new(&socket).parent().unwrap())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(error.contains("--config FILE"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_socket_does_not_reach_the_daemon_of_another_one() {
    let world = World::new().await;
    let directory = world.edge.socket.parent().unwrap().to_owned();
    let own = directory.join("topology.toml");
    let other = world
        .lab
        .site
        .write("other.toml", &std::fs::read_to_string(&own).unwrap());
    let other = other.unwrap();
    let run = |arguments: &[&str], config: &Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"));
        let output = command
            .args(arguments)
            .arg("--config")
            .arg(config)
            // Neither names a socket: the daemon is found where it is by default.
            .env("RUNTIME_DIRECTORY", &directory)
            .current_dir(&directory)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), error)
    };
    for arguments in [
        &["status"][..],
        &["kick", PARTNER_EDGE],
        &["trace", "--for", "1s"],
    ] {
        let (code, error) = run(arguments, &other);
        assert_eq!(code, Some(69), "{arguments:?}: {error}");
        let names_both = error.contains(own.to_str().unwrap()) && error.contains("other.toml");
        assert!(names_both && error.lines().count() == 1, "{error}");
    }
    let (code, error) = run(&["kick", PARTNER_EDGE], Path::new("/nowhere/topology.toml"));
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("/nowhere/topology.toml"), "{error}");
    // The same file by other ways.
    for config in [
        &own,
        Path::new("topology.toml"),
        Path::new("./topology.toml"),
    ] {
        assert_eq!(run(&["status"], config), (Some(0), String::new()));
    }
    // A new file is judged by whatever the daemon has seen.
    assert_eq!(
        world
            .edge
            .command(&["plan", other.to_str().unwrap()])
            .await
            .0,
        Some(0)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_named_socket_must_be_had_and_a_default_one_need_not() {
    let lab = Lab::new();
    let mut text = lab
        .site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 1).into())], None);
    let first = lab.edge(&text).await;
    assert_eq!(first.command(&["status"]).await.0, Some(0));
    // The default place is taken by the first: the second serves without.
    let file = first.socket.parent().unwrap().join("topology.toml");
    let second = Edge::start(&file).await;
    let event = second.log.wait("control_unavailable", |_| true).await;
    assert_eq!(event.unwrap()["reason"], "socket_in_use");
    second.stop().await;
    // The same place by name: no start.
    text.section("[admin]")
        .text("socket", first.socket.to_str().unwrap());
    let file = lab.site.write("named.toml", &text.to_toml()).unwrap();
    let (code, log) = tokio::task::spawn_blocking(move || Edge::refuses_to_start(&file))
        .await
        .unwrap();
    assert_eq!(code, Some(3));
    let refused = &log.named("start_refused")[0];
    assert!(
        refused["details"].to_string().contains("another daemon"),
        "{refused}"
    );
    let (code, _) = first.command(&["status"]).await;
    assert_eq!(code, Some(0), "the first still has its socket");
}

#[tokio::test]
async fn a_socket_that_a_killed_daemon_left_is_replaced() {
    let lab = Lab::new();
    let path = lab.site.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let text = lab
        .site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 1).into())], None);
    let edge = lab.edge(&text).await;
    assert_eq!(edge.socket, path);
    assert_eq!(edge.command(&["status"]).await.0, Some(0));
    edge.stop().await;
}

#[tokio::test]
async fn a_decision_of_the_log_is_explained_as_it_was_and_as_it_would_be_now() {
    let mut world = World::new().await;
    let fe03 = world.lab.home("fe03").await;
    if let Ok(wire) = fe03.dial(world.edge.address, EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    let refused = world
        .edge
        .log
        .wait("handshake_refused", |e| e["reason"] == "not_in_topology")
        .await
        .unwrap();
    let decision = refused["decision"].as_str().unwrap().to_owned();
    let explained = world.edge.explain(&decision).await.unwrap();
    assert_eq!(explained.then.reason, "not_in_topology");
    assert_eq!((explained.then.generation, explained.then.times), (1, 1));
    // The same question to the generation in force gives the same answer, and the same id.
    assert_eq!(explained.now.reason, "not_in_topology");
    assert_eq!(explained.now.decision, decision);
    world
        .reload_with(|t| {
            t.add("[[peer]]")
                .text("fqdn", "fe03.contoso.test")
                .text("kind", "home")
                .list("trust", &["enterprise-ca"]);
        })
        .await;
    let explained = world.edge.explain(&decision).await.unwrap();
    assert_eq!(explained.then.verdict, "refuse");
    assert!(explained.now.is_accepted());
    assert_eq!(explained.now.peer.as_deref(), Some("fe03.contoso.test"));
    // Accepted ones are kept too, and an unknown id is an answer of its own.
    let _wire = world.dial(&fe03).await;
    let accepted = world
        .edge
        .log
        .wait("handshake_accepted", |e| e["peer"] == "fe03.contoso.test")
        .await
        .unwrap();
    let accepted = accepted["decision"].as_str().unwrap();
    let explained = world.edge.explain(accepted).await.unwrap();
    assert_eq!(
        (explained.then.verdict.as_str(), explained.then.generation),
        ("accept", 2)
    );
    let unknown = world.edge.explain("0000000000000000").await.unwrap_err();
    assert_eq!(unknown, DaemonReason::UnknownDecision);
}

#[tokio::test]
async fn a_plan_tells_what_the_reload_then_does() {
    let mut world = World::new().await;
    let inbound = world.dial(&world.partner).await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@contoso.test", "x")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let plan = async |edge: &Edge, file: &Path| {
        let (code, plan) = edge.command(&["plan", file.to_str().unwrap()]).await;
        (code.unwrap(), plan)
    };
    // Nothing is different, nothing happens.
    let file = world.lab.site.path().join("topology.toml");
    let (code, same) = plan(&world.edge, &file).await;
    assert_eq!((code, &same["live"]), (0, &json!(true)), "{same}");
    // Without the partner: its connection, its domain.
    let mut text = world.topology.clone();
    text.remove("[[peer]]", "fqdn", PARTNER_EDGE);
    let file = world.lab.site.write("new.toml", &text.to_toml()).unwrap();
    let (code, plan_without) = plan(&world.edge, &file).await;
    assert_eq!(code, 4);
    assert_eq!(
        plan_without["dropped"].as_array().unwrap().len(),
        1,
        "{plan_without}"
    );
    let dropped = &plan_without["dropped"][0];
    assert_eq!(
        (&dropped["peer"], &dropped["reason"]),
        (&json!(PARTNER_EDGE), &json!("not_in_topology"))
    );
    assert_eq!(plan_without["refused"][0]["reason"], "not_in_topology");
    assert_eq!(plan_without["removed_peers"], json!([PARTNER_EDGE]));
    assert_eq!(plan_without["lost_domains"], json!(["fabrikam.test"]));
    let (_, page) = world
        .edge
        .command_text(&["plan", file.to_str().unwrap()])
        .await;
    assert!(page.contains("loses      domain fabrikam.test"), "{page}");
    // A certificate of ours that is renewed: the connection that showed the old one goes.
    let renewed = world.lab.site.enterprise.server(EDGE).unwrap();
    world.lab.site.issue("renewed", &renewed).unwrap();
    let mut text = world.topology.clone();
    text.section("[[identity]]")
        .text("certificate", "renewed.chain.pem")
        .text("private_key", "renewed.key.pem");
    let file = world.lab.site.write("new.toml", &text.to_toml()).unwrap();
    let (code, renewed) = plan(&world.edge, &file).await;
    assert_eq!(code, 4);
    assert_eq!(
        renewed["dropped"][0]["reason"], "own_certificate_replaced",
        "{renewed}"
    );
    // A file with faults is refused before anybody is asked.
    let file = world.lab.site.write("new.toml", "[node]\n").unwrap();
    assert_eq!(plan(&world.edge, &file).await.0, 1);
    // What was foretold happens.
    assert!(inbound.is_live());
    world
        .reload_with(|t| {
            t.remove("[[peer]]", "fqdn", PARTNER_EDGE);
        })
        .await;
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| e["peer"] == PARTNER_EDGE)
        .await;
    let closed = closed.unwrap();
    assert_eq!(closed["connection"], dropped["connection"]);
}

#[tokio::test]
async fn a_plan_admits_whom_the_log_has_seen_refused_and_refuses_the_revoked() {
    let world = World::new().await;
    let fe03 = world.lab.home("fe03").await;
    if let Ok(wire) = fe03.dial(world.edge.address, EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
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
    let _wire = world.dial(&twin).await;
    world
        .edge
        .log
        .wait("handshake_accepted", |e| e["peer"] == "fe02.contoso.test")
        .await
        .unwrap();
    world.lab.site.revoke(&[&identity], &[]).unwrap();
    let mut text = world.topology.clone();
    for fqdn in ["fe03.contoso.test", "fe04.contoso.test"] {
        text.peer(fqdn, "home", "enterprise-ca");
    }
    let file = world.lab.site.write("new.toml", &text.to_toml()).unwrap();
    let (code, plan) = world.edge.command(&["plan", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(4), "{plan}");
    let admitted = &plan["admitted"][0];
    assert_eq!(
        (&admitted["peer"], &admitted["reason"]),
        (&json!("fe03.contoso.test"), &json!("accepted"))
    );
    let end = admitted["not_after"].as_u64().unwrap();
    assert!(end > sipward_lab::pki::now().as_secs(), "{admitted}");
    // The one that was seen is none of them.
    assert_eq!(plan["untried"], json!(["fe04.contoso.test"]));
    let refused = &plan["refused"][0];
    assert_eq!(
        (&refused["peer"], &refused["reason"]),
        (&json!("fe02.contoso.test"), &json!("revoked"))
    );
    assert_eq!(plan["dropped"][0]["reason"], "revoked");
    assert_eq!(plan["lost_domains"], json!([]), "fe01 is left");
}

#[test]
fn a_plan_of_two_files_needs_no_daemon() {
    let lab = Lab::new();
    let address = ([127, 0, 0, 1], 1).into();
    let old = lab
        .site
        .topology(&[("fe01.contoso.test", address)], Some(address));
    let mut new = old.clone();
    new.remove("[[peer]]", "fqdn", PARTNER_EDGE);
    new.section("[[pool]]").text("name", "other");
    new.section("[node]").raw("shards", "3");
    let old = lab.site.write("old.toml", &old.to_toml()).unwrap();
    let new = lab.site.write("new.toml", &new.to_toml()).unwrap();
    let run = |files: [&Path; 2]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"));
        let output = command
            .arg("plan")
            .args(files)
            .arg("--json")
            .output()
            .unwrap();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), plan)
    };
    let (code, plan) = run([&old, &new]);
    assert_eq!((code, &plan["live"]), (4, &json!(false)));
    assert_eq!(plan["removed_peers"], json!([PARTNER_EDGE]));
    assert_eq!(plan["lost_domains"], json!(["fabrikam.test"]));
    let broken = lab.site.write("broken.toml", "[node]\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args([Path::new("plan"), &old, &broken])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("faults; nothing would be loaded"), "{error}");
    assert_eq!(
        plan["moved_domains"][0],
        json!({"domain": "contoso.test", "from": "front-end", "to": "other"})
    );
    assert_eq!(
        plan["restart"],
        json!(["node.shards one for each core becomes 3"])
    );
    let (code, plan) = run([&new, &old]);
    assert_eq!((code, &plan["added_peers"]), (0, &json!([PARTNER_EDGE])));
    assert_eq!(
        plan["joined"],
        json!([]),
        "nobody has served that domain before"
    );

    // A second server of the partner, as `probe` proposes it.
    let mut joined = lab
        .site
        .topology(&[("fe01.contoso.test", address)], Some(address));
    let old = lab.site.write("alone.toml", &joined.to_toml()).unwrap();
    joined
        .peer("new.fabrikam.test", "federated", "fabrikam-ca")
        .list("domains", &["fabrikam.test"])
        .list("address", &["127.0.0.1:1"]);
    let new = lab.site.write("joined.toml", &joined.to_toml()).unwrap();
    let (code, plan) = run([&old, &new]);
    assert_eq!(
        (code, &plan["joined"]),
        (
            0,
            &json!([{"peer": "new.fabrikam.test", "domain": "fabrikam.test", "pool": "fabrikam.test",
            "strategy": "call-id-hash", "beside": [PARTNER_EDGE]}])
        )
    );

    let mut peers_only = lab
        .site
        .topology(&[("fe01.contoso.test", address)], Some(address));
    peers_only.section("[[listener]]").list("accept", &["peer"]);
    let peers_only = peers_only.to_toml();
    let peers_only = lab.site.write("peers-only.toml", &peers_only).unwrap();
    let (code, plan) = run([&old, &peers_only]);
    assert_eq!(
        (code, &plan["narrowed"]),
        (4, &json!(["listener edge: no longer takes clients"])),
        "{plan}"
    );
    assert_eq!(plan["restart"], json!([]), "that takes no restart");
    let (code, plan) = run([&peers_only, &old]);
    assert_eq!((code, &plan["narrowed"]), (0, &json!([])), "{plan}");
}

#[tokio::test]
pub(crate) async fn kick_closes_one_connection_or_all_of_a_peer() {
    let world = World::new().await;
    // Each must be in its shard's table before it can be closed: the event comes right before that.
    let up = async |mark| {
        let of_partner = |e: &Value| e["peer"] == PARTNER_EDGE;
        let log = &world.edge.log;
        log.wait_after(mark, "handshake_accepted", of_partner)
            .await
            .unwrap()
    };
    let mark = world.edge.log.mark();
    let one = world.dial(&world.partner).await;
    let accepted = up(mark).await;
    let mark = world.edge.log.mark();
    let two = world.dial(&world.partner).await;
    up(mark).await;
    let first = accepted["connection"].to_string();
    let (code, kicked) = world.edge.command(&["kick", &first]).await;
    assert_eq!((code, kicked), (Some(0), json!({"connections": 1})));
    let (code, _) = world.edge.command(&["kick", PARTNER_EDGE]).await;
    assert_eq!(code, Some(0));
    one.ended(SOON).await.unwrap();
    two.ended(SOON).await.unwrap();
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| e["peer"] == PARTNER_EDGE)
        .await;
    assert_eq!(closed.unwrap()["reason"], "kicked");
    let (code, kicked) = world.edge.command(&["kick", "nobody.test"]).await;
    assert_eq!((code, kicked), (Some(1), json!({"connections": 0})));
    let (_, text) = world.edge.command_text(&["kick", "nobody.test"]).await;
    assert!(text.contains("called nobody.test"), "{text}");
}

#[tokio::test]
async fn drain_ends_the_daemon_as_a_signal_does() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    let (code, draining) = world.edge.command(&["drain"]).await;
    assert_eq!((code, &draining["transactions"]), (Some(0), &json!(1)));
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let (status, log) = world.edge.exited().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.named("control_request")[0]["command"], "drain");
}
