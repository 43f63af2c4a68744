//! What the running daemon shows of its state: who is connected and registered, bounded, and harmless on a terminal.
use crate::harness::{SOON, World, hangs_up};
use serde_json::{Value, json};
use sipward_lab::Server;
use sipward_lab::pki::now;
use sipward_lab::site::{EDGE, HOME, PARTNER_EDGE};
use std::time::Duration;

/// Grants every registration.
async fn grant_all(server: &Server, count: usize) {
    for _ in 0..count {
        let register = server.expect("REGISTER").await.unwrap();
        server.reply(&register, 200).await.unwrap();
    }
}

#[tokio::test]
async fn connections_are_listed_with_who_is_there_and_over_what() {
    let world = World::new().await;
    let (_alice, _) = world.registered("alice").await;
    let _nobody = world.client("nobody").await;
    let _wire = world.dial(&world.partner).await;
    world
        .logged("handshake_accepted", |e| {
            e["peer"] == PARTNER_EDGE && e["direction"] == "inbound"
        })
        .await;
    // The numbers are those of the log, in order.
    let (code, all) = world.edge.command(&["connections"]).await;
    assert_eq!(code, Some(0), "{all}");
    let rows = all["rows"].as_array().unwrap();
    assert!(rows.is_sorted_by_key(|row| row["connection"].as_u64().unwrap()));
    assert_eq!(all["left_off"], 0);
    for row in rows {
        let is_it = |e: &Value| e["connection"] == row["connection"];
        let event = world.logged("handshake_accepted", is_it).await;
        assert_eq!(event["remote"], row["remote"]);
        assert_eq!(event["version"], row["tls"]["version"]);
        assert_eq!(event["cipher"], row["tls"]["cipher"]);
        // Short enough to type, and a time.
        assert!(row["connection"].to_string().len() <= 12, "{row}");
    }
    let of = async |arguments: &[&str]| {
        let (code, listed) = world
            .edge
            .command(&[&["connections"], arguments].concat())
            .await;
        assert_eq!(code, Some(0));
        listed["rows"].as_array().unwrap().clone()
    };
    let alice = of(&["--user", "alice"]).await;
    assert_eq!(alice.len(), 1, "{alice:?}");
    let alice = &alice[0];
    assert_eq!(alice["users"], json!([format!("alice@{HOME}")]));
    assert_eq!(
        (&alice["sni"], &alice["peer"]),
        (&json!(EDGE), &Value::Null)
    );
    assert_eq!(alice["messages_in"], 1);
    assert_eq!(alice["messages_out"], 1);
    assert_eq!(alice["queued"], 0);
    let age = now()
        .as_secs()
        .saturating_sub(alice["since"].as_u64().unwrap());
    assert!(age < 600, "{alice}");
    let full = format!("sip:alice@{HOME}");
    assert_eq!(of(&["--client", "--user", &full]).await.len(), 1);
    assert!(of(&["--user", "alice@fabrikam.test"]).await.is_empty());
    assert_eq!(of(&["--client"]).await.len(), 2);
    let peers = of(&["--peer"]).await;
    let inbound = peers.iter().find(|row| row["peer"] == PARTNER_EDGE);
    assert_eq!(inbound.unwrap()["listener"], "edge");
    let dialled = peers.iter().find(|row| row["peer"] == "fe01.contoso.test");
    let dialled = dialled.unwrap();
    assert_eq!(dialled["listener"], Value::Null, "this node dialled");
    assert_eq!(dialled["sni"], "fe01.contoso.test");
    // The same for people.
    let (code, page) = world.edge.command_text(&["connections"]).await;
    assert_eq!(code, Some(0));
    assert!(page.contains("alice@contoso.test"), "{page}");
    assert!(page.contains("dialled"), "{page}");
    assert_eq!(page.lines().count(), rows.len() + 1);
    // A connection by its number, whatever shard it lies in.
    let number = alice["connection"].to_string();
    let (code, _) = world.edge.command(&["kick", &number]).await;
    assert_eq!(code, Some(0));
    world
        .logged("connection_closed", |e| {
            e["connection"] == alice["connection"]
        })
        .await;
    let bindings = world.edge.command(&["bindings"]).await.1;
    assert_eq!(
        (&bindings["rows"], &bindings["away"]),
        (&json!([]), &json!(1))
    );
    let (_, page) = world.edge.command_text(&["bindings"]).await;
    assert!(page.contains("1 binding without a connection"), "{page}");
}

#[tokio::test]
async fn a_number_of_an_earlier_run_means_no_connection_of_this_one() {
    let world = World::new().await;
    let _one = world.client("one").await;
    let first = world.logged("handshake_accepted", |_| true).await["connection"].clone();
    let World {
        lab,
        edge,
        topology,
        ..
    } = world;
    edge.stop().await;
    let edge = lab.edge(&topology).await;
    let _other = lab.client(&edge, "other").await;
    let second = edge.log.wait("handshake_accepted", |_| true).await.unwrap()["connection"].clone();
    assert!(second.as_u64() > first.as_u64(), "{first} {second}");
    let (code, kicked) = edge.command(&["kick", &first.to_string()]).await;
    assert_eq!((code, kicked), (Some(1), json!({"connections": 0})));
}

#[tokio::test]
async fn ten_thousand_bindings_are_listed_a_bounded_part_at_a_time() {
    const CLIENTS: usize = 20;
    const EACH: usize = 500;
    let world = World::with(|t| {
        t.section("[limits]")
            .raw("bindings_per_client", &EACH.to_string());
    })
    .await;
    world.fe01.set_patience(Duration::from_secs(120));
    let register = async |client: &sipward_lab::Client, first: usize| {
        client.set_patience(Duration::from_secs(120));
        for window in 0..EACH / 50 {
            let mut sent = Vec::new();
            for number in 0..50 {
                let user = first * EACH + window * 50 + number;
                let register = client.register();
                let to = format!("<sip:u{user:05}@{HOME}>");
                sent.push(register.set("To", &to).send().await.unwrap());
            }
            for sent in &sent {
                client.answer(sent, 200).await.unwrap();
            }
        }
    };
    // Each when its turn comes: who says nothing for long is closed.
    let registering = async {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let client = world.client("gateway").await;
            register(&client, number).await;
            clients.push(client);
        }
        clients
    };
    let (_clients, ()) = tokio::join!(registering, grant_all(&world.fe01, CLIENTS * EACH));
    let listed = async |arguments: &[&str]| {
        let (code, listed) = world
            .edge
            .command(&[&["bindings"], arguments].concat())
            .await;
        assert_eq!(code, Some(0));
        let rows = listed["rows"].as_array().unwrap();
        let users = rows
            .iter()
            .map(|row| row["user"].as_str().unwrap().to_owned());
        (
            users.collect::<Vec<_>>(),
            listed["left_off"].as_u64().unwrap(),
        )
    };
    // A thousand unless more are asked for, and never more than ten thousand.
    let (rows, left_off) = listed(&[]).await;
    assert_eq!((rows.len(), left_off), (1_000, 9_000));
    assert_eq!(rows[0], "u00000@contoso.test");
    assert_eq!(rows[999], "u00999@contoso.test");
    let (next, left_off) = listed(&["--after", &rows[999], "--limit", "10"]).await;
    assert_eq!(
        (next[0].as_str(), next.len(), left_off),
        ("u01000@contoso.test", 10, 8_990)
    );
    let (rows, left_off) = listed(&["--limit", "1000000"]).await;
    assert_eq!((rows.len(), left_off), (10_000, 0));
    let (one, left_off) = listed(&["--user", "u07777"]).await;
    assert_eq!((one, left_off), (vec!["u07777@contoso.test".to_owned()], 0));
    let (_, page) = world.edge.command_text(&["bindings", "--limit", "3"]).await;
    assert!(
        page.ends_with(
            "9997 more: sipward bindings --after u00002@contoso.test, or a higher --limit\n"
        ),
        "{page}"
    );
    let connections = world.edge.command(&["connections", "--limit", "7"]).await.1;
    assert_eq!(connections["rows"].as_array().unwrap().len(), 7);
    assert!(
        connections["left_off"].as_u64().unwrap() >= 13,
        "{connections}"
    );
}

#[tokio::test]
async fn what_a_client_calls_itself_never_reaches_the_terminal_raw() {
    let world = World::new().await;
    let client = world.client("mallory").await;
    let mut granted = 0;
    for user in ["a\u{9b}2Jb", "a\u{202e}b", "東京", "a%1b%5b2Jb"] {
        let register = client.register();
        let to = format!("<sip:{user}@{HOME}>");
        let sent = register.set("To", &to).send().await.unwrap();
        // What is no SIP user part is refused here; what passes must be harmless.
        tokio::select! {
            got = world.fe01.expect("REGISTER") => {
                world.fe01.reply(&got.unwrap(), 200).await.unwrap();
                client.answer(&sent, 200).await.unwrap();
                granted += 1;
            }
            refused = client.final_answer(&sent) => {
                assert_eq!(refused.unwrap().message.status(), Some(400));
            }
        }
    }
    assert!(granted > 0);
    for command in ["connections", "bindings"] {
        for arguments in [&[command][..], &[command, "--json"]] {
            let (code, text) = world.edge.command_text(arguments).await;
            assert_eq!(code, Some(0));
            let acts =
                |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(acts), "{text:?}");
            assert!(text.contains("%1b%5b2Jb"), "{text}");
        }
    }
}

#[tokio::test]
async fn who_does_not_read_an_answer_costs_the_daemon_nothing_and_loses_it() {
    use std::io::{Read as _, Write as _};
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let socket = world.edge.socket.clone();
    let stalled: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            stream
                .write_all(b"{\"command\":\"connections\"}\n")
                .unwrap();
            stream
        })
        .collect();
    // They hold no command's place for longer than ten seconds, and no call notices them.
    let sent = alice.message("sip:bob@contoso.test", "x").send().await;
    let sent = sent.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let asked = tokio::time::timeout(SOON, world.edge.command(&["connections"]));
    assert_eq!(asked.await.unwrap().0, Some(0));
    for mut stream in stalled {
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        assert!(reply.is_empty() || reply.ends_with('\n'));
    }
}

#[tokio::test]
async fn calls_are_listed_while_they_ring_and_while_they_are_up_and_refusals_with_who_sent_them() {
    let world = World::new().await;
    let (alice, _) = world.registered("alice").await;
    let (_, none) = world.edge.command_text(&["calls"]).await;
    assert_eq!(none, "no calls\n");
    let invite = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let got = world.fe01.expect("INVITE").await.unwrap();
    let rings = world.edge.command(&["calls"]).await.1;
    assert_eq!(rings["rows"][0]["answered"], false, "{rings}");
    let mut there = world.fe01.accept(&got).await.unwrap();
    let ok = alice.answer(&invite, 200).await.unwrap();
    let _dialog = alice.ack(&invite, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    let up = world.edge.command(&["calls"]).await.1;
    let call = &up["rows"][0];
    assert_eq!(
        (&call["answered"], &up["up"]),
        (&json!(true), &json!(1)),
        "{up}"
    );
    assert_eq!(call["to_peer"], "fe01.contoso.test");
    assert!(call["from"].to_string().contains("alice"), "{call}");
    assert!(call.get("ended_by").is_none());
    let (code, page) = world.edge.command_text(&["calls"]).await;
    assert!(
        code == Some(0) && page.contains("fe01.contoso.test"),
        "{page}"
    );
    hangs_up(&world.fe01, &mut there, &alice).await;
    world.logged("call_ended", |_| true).await;
    assert_eq!(world.edge.command(&["calls"]).await.1["rows"], json!([]));
    // A From of somebody else's is refused, with an escape sequence in its name.
    let (_, none) = world.edge.command_text(&["refusals"]).await;
    assert_eq!(none, "nothing was refused\n");
    let hostile = alice.message("sip:bob@contoso.test", "x");
    let hostile = hostile
        .set("From", "<sip:eve@fabrikam.test>;tag=1")
        .header("User-Agent", "a\u{9b}2J\u{202e}b");
    let sent = hostile.send().await.unwrap();
    alice.answer(&sent, 403).await.unwrap();
    let refused = world.refused("from_not_allowed").await;
    let (code, refusals) = world.edge.command(&["refusals"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(refusals["latest"], json!([refused]), "as in the log");
    assert_eq!(refusals["counts"][0]["count"], 1);
    for arguments in [&["refusals"][..], &["refusals", "--json"]] {
        let (_, text) = world.edge.command_text(arguments).await;
        assert!(text.contains("from_not_allowed"), "{text}");
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(acts), "{text:?}");
    }
}
