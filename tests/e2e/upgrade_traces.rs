//! What an operator has had the log or a trace show reaches both processes while an upgrade runs, whenever it was asked for.
use crate::harness::{Edge, SOON, World};
use crate::upgrade::{call, home_asks, stop, upgrade, world};
use serde_json::Value;
use sipward_lab::Client;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A trace that runs.
struct Tracing {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Tracing {
    /// Begins one, and returns when the daemon has said that it has begun.
    async fn start(edge: &Edge, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sipward"))
            .args(["trace", "--json", "--for", "10m", "--limit", "100000"])
            .args(arguments)
            .arg("--socket")
            .arg(&edge.socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, lines) = (child.stdout.take().unwrap(), Arc::default());
        let tracing = Self {
            child,
            lines: Arc::clone(&lines),
        };
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap();
                lines.lock().unwrap().push(line);
            }
        });
        tracing.until(|line| !line["trace"].is_null()).await;
        tracing
    }

    fn all(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for such a line; its place.
    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        let end = now() + SOON;
        loop {
            if let Some(at) = self.all().iter().position(&wanted) {
                return at;
            }
            assert!(now() < end, "{:#?}", self.all());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Both hops of a message with this Call-ID, received and then sent; the processes that have their connections.
    async fn hops(&self, id: &str) -> Vec<Value> {
        let is = |line: &Value, direction: &str| {
            let (message, named) = (&line["message"], format!("Call-ID: {id}\r\n"));
            let text = message["text"].as_str().unwrap_or_default();
            message["direction"] == direction
                && text.starts_with("MESSAGE")
                && text.contains(&named)
        };
        let received = self.until(|line| is(line, "received")).await;
        let sent = self.until(|line| is(line, "sent")).await;
        assert!(received < sent, "{:#?}", self.all());
        let all = self.all();
        let process = |at: usize| all[at]["message"]["process"].clone();
        vec![process(received), process(sent)]
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits no longer than so")]
fn now() -> Instant {
    Instant::now()
}

/// A message of this client with a Call-ID of its own arrives at fe01 and is answered.
async fn sends(world: &World, client: &Client, id: &str) {
    let sent = client
        .message("sip:x@contoso.test", "hi")
        .set("Call-ID", id);
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    client.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
async fn a_trace_shows_both_processes_whether_it_began_before_or_during_the_upgrade() {
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    let capture = world.lab.site.path().join("trace.pcapng");
    let file = capture.to_str().unwrap();
    let before = Tracing::start(&world.edge, &["--pcap", file]).await;
    sends(&world, &alice, "first").await;
    let old = Value::from(world.edge.pid());
    assert_eq!(before.hops("first").await, [Value::Null, Value::Null]);
    let log = &world.edge.log;
    log.wait("trace_started", |_| true).await.unwrap();
    let mark = log.mark();
    let pid = upgrade(&world.edge).await;
    // It goes on by itself, at the new process.
    let again = log.wait_after(mark, "trace_started", |_| true).await;
    again.unwrap();
    let during = Tracing::start(&world.edge, &["--user", "alice"]).await;
    let (bob, _) = world.registered("bob").await;
    sends(&world, &alice, "at-the-old").await;
    sends(&world, &bob, "at-the-new").await;
    assert_eq!(before.hops("at-the-old").await, [old.clone(), old.clone()]);
    assert_eq!(before.hops("at-the-new").await, [Value::Null, Value::Null]);
    assert_eq!(during.hops("at-the-old").await, [old.clone(), old.clone()]);
    // A request that passes both is seen on its two hops, in order, and not between the processes.
    let wire = world.dial(&world.fe01).await;
    let sent = world
        .fe01
        .message(alice.contact(), "hi")
        .header("Route", &path);
    let sent = sent.set("Call-ID", "through-both").on(&wire);
    let sent = sent.send().await.unwrap();
    let got = alice.expect("MESSAGE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    world.fe01.answer(&sent, 200).await.unwrap();
    assert_eq!(
        before.hops("through-both").await,
        [Value::Null, old.clone()]
    );
    for line in before.all() {
        assert_ne!(line["message"]["peer"], "the other process", "{line}");
    }
    assert!(!format!("{:?}", during.all()).contains("at-the-new"));
    let written = std::fs::read(&capture).unwrap();
    let has = |part: &str| written.windows(part.len()).any(|it| it == part.as_bytes());
    for id in ["first", "at-the-old", "at-the-new", "through-both"] {
        assert!(has(&format!("Call-ID: {id}\r\n")), "{id}");
    }
    assert!(has(&format!(", process {old}")));
    // Its reader goes: the taps of both processes go.
    drop(during);
    log.wait("trace_ended", |e| e["selected"] == "user alice")
        .await
        .unwrap();
    // The old process ends, and the trace goes on.
    world.edge.command(&["kick", "alice"]).await;
    world.logged("former_gone", |_| true).await;
    sends(&world, &bob, "last").await;
    assert_eq!(before.hops("last").await, [Value::Null, Value::Null]);
    drop(before);
    stop(world.edge, pid).await;
}

#[tokio::test]
async fn a_level_of_the_log_holds_at_both_processes_whenever_it_was_set() {
    let world = World::with(|t| {
        t.section("[limits]").text("handover", "1h");
        t.section("[log]").text("requests", "refused");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    let (carol, _) = world.registered("carol").await;
    let level = ["log-level", "all", "--client"];
    let (code, _) = world
        .edge
        .command(&[&level[..], &["alice", "--for", "10m"]].concat())
        .await;
    assert_eq!(code, Some(0));
    let pid = upgrade(&world.edge).await;
    let (bob, _) = world.registered("bob").await;
    let relayed = async |id: &str| {
        let id = id.to_owned();
        world
            .logged("request_relayed", |e| e["call_id"] == id.as_str())
            .await;
    };
    // Of a phone at the old process, and when it has moved.
    sends(&world, &alice, "old-alice").await;
    relayed("old-alice").await;
    sends(&world, &carol, "quiet-old").await;
    sends(&world, &bob, "quiet-new").await;
    world.edge.command(&["kick", "alice"]).await;
    alice.wire().ended(SOON).await.unwrap();
    let (alice, _) = world.registered("alice").await;
    sends(&world, &alice, "new-alice").await;
    relayed("new-alice").await;
    // Set during the upgrade: at both at once.
    for user in ["carol", "bob"] {
        let (code, _) = world
            .edge
            .command(&[&level[..], &[user, "--for", "5s"]].concat())
            .await;
        assert_eq!(code, Some(0));
    }
    sends(&world, &carol, "old-carol").await;
    sends(&world, &bob, "new-bob").await;
    relayed("old-carol").await;
    relayed("new-bob").await;
    for user in ["carol", "bob"] {
        world
            .logged("log_level_ended", |e| e["selected"] == user)
            .await;
    }
    let log = stop(world.edge, pid).await;
    assert!(!log.to_text().contains("quiet-"), "{}", log.to_text());
    // Each end has one line, of the process that takes commands.
    assert_eq!(log.named("log_level_ended").len(), 2, "{}", log.to_text());
}

/// Whichever process has what a row is about, its numbers lead to it.
#[tokio::test]
async fn each_row_says_which_process_has_it_and_calls_name_connections_that_are_listed() {
    let world = world("1h").await;
    let (alice, path) = world.registered("alice").await;
    let older = world.dial(&world.fe01).await;
    let pid = upgrade(&world.edge).await;
    let newer = world.dial(&world.fe01).await;
    let (bob, of_bob) = world.registered("bob").await;
    // From the connection with one process to a phone at the other, both ways.
    let (mut one, _) = call(&world.fe01, &newer, &alice, &path).await;
    let (mut other, _) = call(&world.fe01, &older, &bob, &of_bob).await;
    let old = Value::from(world.edge.pid());
    let (_, listed) = world.edge.command(&["connections"]).await;
    let rows = listed["rows"].as_array().unwrap();
    let of_user = |user: &str| {
        let row = rows
            .iter()
            .find(|row| row["users"].to_string().contains(user));
        row.unwrap_or_else(|| panic!("{listed}"))
    };
    assert_eq!(of_user("alice")["process"], old);
    assert!(of_user("bob")["process"].is_null());
    let (_, bindings) = world.edge.command(&["bindings"]).await;
    for (row, process) in bindings["rows"]
        .as_array()
        .unwrap()
        .iter()
        .zip([&old, &Value::Null])
    {
        assert_eq!(&row["process"], process, "{bindings}");
    }
    let (_, calls) = world.edge.command(&["calls"]).await;
    let shown = calls["rows"].as_array().unwrap();
    assert_eq!(shown.len(), 2, "{calls}");
    for (number, (process, other_process)) in [(0, (&old, &Value::Null)), (1, (&Value::Null, &old))]
    {
        let row = &shown[number];
        assert_eq!(&row["process"], process, "{calls}");
        assert_eq!(row["from_peer"], "fe01.contoso.test", "{calls}");
        // The partner's is with the other process.
        for (key, process) in [("connection", other_process), ("to_connection", process)] {
            let found = rows.iter().find(|it| it["connection"] == row[key]);
            let found = found.unwrap_or_else(|| panic!("{key}: {calls} {listed}"));
            assert_eq!(&found["process"], process, "{key}: {calls} {listed}");
        }
    }
    let marked = format!("(process {old})");
    for command in ["connections", "bindings", "calls"] {
        let (_, page) = world.edge.command_text(&[command]).await;
        assert!(page.contains(&marked), "{page}");
    }
    let (_, pools) = world.edge.command(&["pools"]).await;
    let pool = pools["rows"].as_array().unwrap().iter();
    let mut members = pool.flat_map(|pool| pool["members"].as_array().unwrap());
    let fe01 = members
        .find(|it| it["peer"] == "fe01.contoso.test")
        .unwrap();
    let (_, listed) = world.edge.command(&["connections"]).await;
    let with_fe01 = listed["rows"].as_array().unwrap().iter();
    let with_fe01 = with_fe01.filter(|row| row["peer"] == "fe01.contoso.test");
    assert_eq!(fe01["connections"], with_fe01.count(), "{pools} {listed}");
    let (_, limits) = world.edge.command(&["limits"]).await;
    let limits = limits.as_array().unwrap();
    let bindings = limits.iter().find(|it| it["limit"] == "bindings").unwrap();
    assert_eq!(
        (&bindings["used"], &bindings["former_used"]),
        (&1.into(), &1.into())
    );
    home_asks(&world.fe01, &newer, &mut one, &alice, "BYE").await;
    home_asks(&world.fe01, &older, &mut other, &bob, "BYE").await;
    stop(world.edge, pid).await;
}
