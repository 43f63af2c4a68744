//! The log: every line is one JSON event whatever a message holds, and no body or key is ever in it.
use crate::harness::observed::Observed;
use crate::harness::tls::connect;
use crate::harness::{Edge, Lab, SOON, World, lines_and_sums, message_passes, windows};
use sipward::daemon::control::{Reply, Request};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn every_line_is_json_whatever_a_message_holds() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let hostile = "\u{1b}[2J\"},{\u{0}\u{7f}\u{202e}";
    let text = String::from_utf8(
        alice
            .message("sip:bob@contoso.test", "s3cret-body")
            .build()
            .to_bytes(),
    )
    .unwrap();
    let text = text.replacen("Call-ID: ", &format!("Call-ID: {hostile}"), 1);
    alice.wire().send_raw(text.as_bytes()).await.unwrap();
    let mallory = world.client("mallory").await;
    mallory
        .wire()
        .send_raw(b"\xff\xfe\x00 s3cret-body \"\n\r\n\r\n")
        .await
        .unwrap();
    mallory.wire().ended(SOON).await.unwrap();
    let log = world.stop().await;
    let all = log.to_text();
    assert!(!all.contains("s3cret-body"));
    assert!(!all.contains("BEGIN PRIVATE KEY"));
    for event in log.since(0) {
        assert!(
            event["ts"].is_string() && event["level"].is_string(),
            "{event}"
        );
    }
}

#[tokio::test]
async fn a_client_that_knows_it_gets_tls_1_3_with_the_hybrid_key_exchange() {
    let world = World::new().await;
    let _alice = world.client("alice").await;
    let log = world.stop().await;
    let accepted = log.named("handshake_accepted");
    let client = accepted
        .iter()
        .find(|e| e["direction"] == "inbound" && e["decision"].is_null())
        .unwrap();
    assert_eq!(client["version"], "TLSv1.3");
    assert_eq!(client["group"], "X25519MLKEM768");
}

#[tokio::test]
async fn the_daemon_foretells_at_its_start_what_will_end() {
    let world = World::new().await;
    let forecast = world.edge.log.wait("forecast", |_| true).await.unwrap();
    assert!(forecast["ends_at"].is_number() && forecast["relaxed"].is_array());
    let details = forecast["details"].to_string();
    assert!(details.contains(" own_certificate: "), "{details}");
    let log = world.stop().await;
    assert_eq!(log.named("forecast").len(), 1, "the next is due in a day");
}

#[tokio::test]
async fn a_call_is_told_with_its_peers_and_a_refused_stranger_with_its_names() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.reply(&invite, 486).await.unwrap();
    alice.answer(&call, 486).await.unwrap();
    let event = world
        .edge
        .log
        .wait("request_relayed", |e| e["method"] == "INVITE")
        .await
        .unwrap();
    assert_eq!(event["to_peer"], "fe01.contoso.test");
    assert_eq!(event["status"], 486);
    assert_eq!(event["call_id"], call.message.call_id());
    assert!(event["from_peer"].is_null());

    let rogue = world.lab.home("rogue").await;
    if let Ok(wire) = rogue
        .dial(world.edge.address, sipward_lab::site::EDGE)
        .await
    {
        wire.ended(SOON).await.unwrap();
    }
    let refused = world
        .edge
        .log
        .wait("handshake_refused", |e| e["reason"] == "not_in_topology")
        .await
        .unwrap();
    assert_eq!(refused["names"][0], "rogue.contoso.test");
    assert_eq!(refused["direction"], "inbound");
    assert_eq!(refused["fingerprints"][0].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_topology_that_cannot_be_used_is_told_as_an_event_and_exit_1() {
    let lab = Lab::new();
    let text = lab
        .site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 1).into())], None);
    let broken = text.to_toml().replace("[node]", "[node]\nfqnd = \"x\"");
    let file = lab.site.write("topology.toml", &broken).unwrap();
    let (code, log) = tokio::task::spawn_blocking(move || Edge::refuses_to_start(&file))
        .await
        .unwrap();
    assert_eq!(code, Some(1));
    assert!(log.to_text().contains("fqnd"), "{}", log.to_text());
}

#[tokio::test]
async fn a_client_that_floods_costs_few_lines_and_is_counted_exactly() {
    const BATCHES: u64 = 30;
    const BATCH: u64 = 100;
    let world = World::new().await;
    let alice = world.client("alice").await;
    for _ in 0..BATCHES {
        let mut flood = Vec::new();
        for _ in 0..BATCH {
            // An ACK that belongs to nothing, and a request that may not be passed on (RFC 3261 §16.3 step 3).
            let ack = alice.request("ACK", "sip:bob@contoso.test").build();
            flood.extend(ack.to_bytes());
            let message = alice.message("sip:bob@contoso.test", "hi");
            let message = message.set("Max-Forwards", "0").build();
            flood.extend(message.to_bytes());
        }
        alice.wire().send_raw(&flood).await.unwrap();
        // What was sent before it has been handled when its answer is there.
        alice.wire().ping(SOON).await.unwrap();
        alice.clear();
    }
    // The sums come when their window is over, whatever else happens.
    let sum = |e: &serde_json::Value| e["suppressed_event"] == "message_dropped";
    let sum = world.edge.log.wait("events_suppressed", sum).await.unwrap();
    assert!(sum["reason"].is_string() && sum["peer"].is_null(), "{sum}");
    assert_eq!(sum["level"], "warn");
    let Reply::Status(status) = world.edge.ask(Request::Status {}).await else {
        panic!("no status");
    };
    let log = world.stop().await;
    for event in ["message_dropped", "request_refused"] {
        let (lines, sums) = lines_and_sums(&log, event);
        assert_eq!(
            lines + sums,
            BATCHES * BATCH,
            "{event}: {:?}",
            log.named("events_suppressed")
        );
        let counts = status.events.iter().filter(|count| count.event == event);
        assert_eq!(
            counts.map(|count| count.count).sum::<u64>(),
            BATCHES * BATCH,
            "{event}"
        );
        let windows = windows(&log.named(event));
        assert!(lines <= 20 * windows, "{event}: {lines} lines");
    }
}

#[tokio::test]
async fn a_flood_over_all_shards_costs_the_lines_and_the_sums_of_one() {
    const CONNECTIONS: u64 = 400;
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "4");
        t.section("[limits]")
            .raw("connections_per_source", &CONNECTIONS.to_string());
    })
    .await;
    for _ in 0..CONNECTIONS {
        let mut tcp = connect(world.edge.address).await;
        tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        while tcp.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
    }
    let sum = |e: &serde_json::Value| e["suppressed_event"] == "handshake_refused";
    world.edge.log.wait("events_suppressed", sum).await.unwrap();
    let log = world.stop().await;
    let refused = log.named("handshake_refused");
    assert!(refused.iter().all(|e| e["reason"] == "not_tls"));
    let (lines, sums) = lines_and_sums(&log, "handshake_refused");
    assert_eq!(lines + sums, CONNECTIONS, "{}", log.to_text());
    let windows = windows(&log.named("handshake_refused"));
    // The windows of the node begin a second later than the slots, so that its lines lie in one window more.
    let windows = windows + 1;
    assert!(lines <= 20 * windows, "{lines} lines in {windows} windows");
    let sums = log.named("events_suppressed").into_iter().filter(sum);
    assert!(sums.count() as u64 <= windows, "{}", log.to_text());
}

#[tokio::test]
async fn a_client_that_sends_many_requests_that_are_relayed_costs_few_lines_and_a_second_one_still_has_its_own()
 {
    const MANY: u64 = 300;
    let world = World::with(|t| {
        t.section("[log]").text("requests", "all");
    })
    .await;
    let alice = world.client("alice").await;
    for _ in 0..MANY {
        message_passes(&alice, &world.fe01).await;
    }
    let zoe = world.client("zoe").await;
    message_passes(&zoe, &world.fe01).await;
    let log = world.stop().await;
    let (lines, sums) = lines_and_sums(&log, "request_relayed");
    assert_eq!(lines + sums, MANY + 1);
    let of_zoe = zoe.wire().local().to_string();
    let seen = log.named("request_relayed").into_iter();
    assert_eq!(seen.filter(|e| e["remote"] == *of_zoe).count(), 1);
}

#[tokio::test]
pub(crate) async fn a_log_file_is_opened_anew_at_a_signal_and_a_lost_directory_is_said() {
    let lab = Lab::new();
    let logs = lab.site.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let file = logs.join("sipward.log");
    let mut topology = lab
        .site
        .topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
    topology
        .section("[log]")
        .raw("format", "\"json\"")
        .raw("file", &format!("{:?}", file.to_str().unwrap()));
    let path = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let runtime = lab.site.path().to_str().unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_sipward"))
        .args(["run", path.to_str().unwrap()])
        .env("RUNTIME_DIRECTORY", runtime)
        .spawn()
        .unwrap();
    let id = daemon.id().to_string();
    let signal = |name: &str| {
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    };
    let has = async |path: &Path, what: &str| {
        let is_there = || std::fs::read_to_string(path).is_ok_and(|text| text.contains(what));
        tokio::time::timeout(SOON, async {
            while !is_there() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {what} in {}", path.display()));
    };
    has(&file, "\"ready\"").await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // As logrotate does it: the file is moved, and the daemon hears of it.
    let rotated = logs.join("sipward.log.1");
    std::fs::rename(&file, &rotated).unwrap();
    signal("USR1");
    has(&file, "\"log_reopened\"").await;
    assert!(
        !std::fs::read_to_string(&rotated)
            .unwrap()
            .contains("log_reopened")
    );
    // Without its directory lines go on where they went.
    let elsewhere = lab.site.path().join("elsewhere");
    std::fs::rename(&logs, &elsewhere).unwrap();
    signal("USR1");
    has(&elsewhere.join("sipward.log"), "\"log_file_failed\"").await;
    Observed::of_thread().add("log_file_failed");
    signal("TERM");
    assert!(daemon.wait().unwrap().success());
    has(&elsewhere.join("sipward.log"), "\"stopped\"").await;
    // A file that cannot be had is no start.
    let (code, log) = Edge::refuses_to_start(&path);
    assert_eq!(code, Some(70));
    let refused = log.named("start_refused");
    assert!(
        refused[0]["details"].to_string().contains("[log] file"),
        "{refused:?}"
    );
}
