//! `[http]`: what monitoring reads is right and well-formed, whoever else asks is bounded, and no call notices.
use crate::harness::http::{connect, get, program, say};
use crate::harness::{SOON, World, hangs_up, message_passes};
use sipward_lab::site::{EDGE, PARTNER_EDGE};
use sipward_lab::{Client, Wire};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The usual cast, with `[http]` at an address that the system chooses.
async fn world() -> World {
    World::with(|topology| {
        topology.section("[http]").text("address", "127.0.0.1:0");
    })
    .await
}

/// A registration, a call that is hung up, a message, an odd method, a refused request, and a partner that connects. They
/// stay while what is returned does.
async fn happenings(world: &World) -> (Client, Client, Wire) {
    let (alice, _) = world.registered("alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    world.fe01.expect("ACK").await.unwrap();
    hangs_up(&alice, &mut dialog, &world.fe01).await;
    message_passes(&alice, &world.fe01).await;
    let odd = alice.request("X-FLY", "sip:bob@contoso.test");
    let odd = odd.send().await.unwrap();
    let got = world.fe01.expect("X-FLY").await.unwrap();
    world.fe01.reply(&got, 501).await.unwrap();
    alice.answer(&odd, 501).await.unwrap();
    // A From of somebody else's domain.
    let face = world.lab.face(&world.edge);
    let mallory = Client::connect(&face, "mallory", "sip:mallory@evil.test");
    let mallory = mallory.await.unwrap();
    let sent = mallory.message("sip:bob@contoso.test", "hi");
    let sent = sent.send().await.unwrap();
    mallory.answer(&sent, 403).await.unwrap();
    let wire = world.dial(&world.partner).await;
    (alice, mallory, wire)
}

/// What the figures are after [`happenings`], a server that nobody lists, and a body that is too long.
const SERIES: &[(&str, f64)] = &[
    (
        r#"sipward_requests_total{method="INVITE",direction="client_to_home",code="2xx"}"#,
        1.0,
    ),
    (
        r#"sipward_requests_total{method="ACK",direction="client_to_home",code="none"}"#,
        1.0,
    ),
    (
        r#"sipward_requests_total{method="BYE",direction="client_to_home",code="2xx"}"#,
        1.0,
    ),
    (
        r#"sipward_requests_total{method="other",direction="client_to_home",code="5xx"}"#,
        1.0,
    ),
    (
        r#"sipward_requests_total{method="MESSAGE",direction="client_to_node",code="4xx"}"#,
        1.0,
    ),
    (
        r#"sipward_requests_refused_total{reason="from_not_allowed"}"#,
        1.0,
    ),
    (r#"sipward_requests_refused_total{reason="draining"}"#, 0.0),
    (
        r#"sipward_request_duration_seconds_count{direction="client_to_home",transaction="invite"}"#,
        1.0,
    ),
    (
        r#"sipward_request_duration_seconds_count{direction="client_to_home",transaction="non_invite"}"#,
        4.0,
    ),
    (
        r#"sipward_handshakes_total{outcome="accepted",reason=""}"#,
        3.0,
    ),
    (
        r#"sipward_handshakes_total{outcome="refused",reason="not_in_topology"}"#,
        1.0,
    ),
    (r#"sipward_limit_hits_total{limit="body_bytes"}"#, 1.0),
    ("sipward_calls", 0.0),
    ("sipward_log_lines_dropped_total", 0.0),
    (
        r#"sipward_expiry_timestamp_seconds{kind="peer_window",name="edge.fabrikam.test"}"#,
        4_070_908_800.0,
    ),
    (
        r#"sipward_peer_up{peer="fe01.contoso.test",kind="home"}"#,
        1.0,
    ),
    ("sipward_bindings", 1.0),
    ("sipward_generation", 1.0),
    ("sipward_ready", 1.0),
    (r#"sipward_connections{role="client"}"#, 2.0),
    (r#"sipward_pool_members{pool="front-end"}"#, 2.0),
    (r#"sipward_pool_members_up{pool="front-end"}"#, 2.0),
    (r#"sipward_shard_up{shard="0"}"#, 1.0),
    (r#"sipward_reloads_total{result="ok"}"#, 0.0),
];

#[tokio::test]
async fn figures_show_what_has_happened_and_promtool_has_nothing_against_them() {
    let world = World::with(|topology| {
        topology.section("[http]").text("address", "127.0.0.1:0");
        topology.section("[limits]").raw("body_bytes", "2000");
        let partner = topology.find("[[peer]]", "fqdn", PARTNER_EDGE).unwrap();
        partner.text("not_after", "2099-01-01T00:00:00Z");
    })
    .await;
    let _ends = happenings(&world).await;
    // A server that nobody lists, and a body that is too long.
    let rogue = world.lab.home("rogue").await;
    if let Ok(wire) = rogue.dial(world.edge.address, EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    let long = world.client("long").await;
    let sent = long.message("sip:bob@contoso.test", &"x".repeat(3_000));
    sent.send().await.unwrap();
    let metrics = world.edge.metrics_once(|metrics| {
        [
            r#"sipward_connections{role="federated"}"#,
            r#"sipward_connections_closed_total{reason="body_too_large"}"#,
            r#"sipward_handshakes_total{outcome="refused",reason="not_in_topology"}"#,
        ]
        .iter()
        .all(|series| metrics.sample(series) >= 1.0)
            && metrics.sample(r#"sipward_connections{role="client"}"#) < 3.0
    });
    let metrics = metrics.await;
    for (series, value) in SERIES {
        assert_eq!(metrics.sample(series), *value, "{series}\n{}", metrics.body);
    }
    let now = sipward_lab::pki::now().as_secs() as f64;
    for (kind, name) in [
        ("own_certificate", "edge"),
        ("crl", "enterprise-ca"),
        ("crl", "fabrikam-ca"),
        ("anchor", "fabrikam-ca"),
    ] {
        let series = format!(r#"sipward_expiry_timestamp_seconds{{kind="{kind}",name="{name}"}}"#);
        assert!(metrics.sample(&series) > now, "{series}\n{}", metrics.body);
    }
    assert!(metrics.sample("process_resident_memory_bytes") > 1e6);
    assert!(metrics.sample("process_open_fds") > 3.0);
    // Nothing that a remote has chosen is a label.
    for chosen in ["X-FLY", "mallory", "evil.test", "alice"] {
        assert!(!metrics.body.contains(chosen), "{chosen}");
    }
    promtool(&["check", "metrics"], &metrics.body);
    world.stop().await;
}

/// `promtool ARGUMENTS...` must find nothing wrong with what it reads.
fn promtool(arguments: &[&str], input: &str) {
    let Some(promtool) = program("promtool") else {
        return;
    };
    let child = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    if arguments.contains(&"metrics") {
        assert_eq!(said, "", "{input}");
    }
}

#[tokio::test]
async fn open_metrics_is_there_for_who_asks_for_it_and_each_family_is_in_both_formats() {
    let world = world().await;
    let address = world.edge.http().await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let open = get(address, "/metrics", accept).await;
    assert_eq!(
        open.field("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.body.ends_with("\n# EOF\n"));
    let classic = get(address, "/metrics", "").await;
    assert_eq!(
        classic.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for family in sipward::observe::metrics::FAMILIES {
        let line = format!("# HELP {} ", family.name);
        assert_eq!(classic.body.matches(&line).count(), 1, "{}", family.name);
    }
    let families = |body: &str| body.matches("# TYPE ").count();
    assert_eq!(families(&open.body), families(&classic.body));
    assert!(open.body.contains("# TYPE sipward_requests counter\n"));
}

#[tokio::test]
async fn head_has_the_head_alone_and_what_is_not_asked_rightly_is_refused() {
    let world = world().await;
    let address = world.edge.http().await;
    let whole = get(address, "/healthz", "").await;
    assert_eq!((whole.status, whole.body.as_str()), (200, "ok\n"));
    assert_eq!(whole.field("cache-control"), Some("no-store"));
    let head = "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = say(address, head.as_bytes()).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.field("content-length"), Some("3"));
    let long = "x".repeat(20_000);
    for (request, status) in [
        (
            "GET /healthz HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned(),
            421,
        ),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            405,
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            405,
        ),
        (
            "GET /passwd HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\nabc"
                .to_owned(),
            413,
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            "INVITE sip:bob@contoso.test SIP/2.0\r\n\r\n".to_owned(),
            400,
        ),
    ] {
        let answer = say(address, request.as_bytes()).await;
        let shown = &request[..request.len().min(60)];
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        if status == 405 {
            assert_eq!(answer.field("allow"), Some("get, head"));
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_thousand_who_say_nothing_keep_out_neither_monitoring_nor_a_call() {
    let world = world().await;
    let address = world.edge.http().await;
    let alice = world.client("alice").await;
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(connect(address).await.unwrap());
    }
    // Sooner than the silent ones are given up.
    let metrics = world.edge.metrics_once(|_| true);
    let metrics = tokio::time::timeout(Duration::from_secs(5), metrics);
    let metrics = metrics.await.unwrap();
    message_passes(&alice, &world.fe01).await;
    let fds = metrics.sample("process_open_fds");
    assert!(fds < 600.0, "{fds} descriptors");
    drop(silent);
    world.stop().await;
}

#[tokio::test]
async fn one_who_asks_or_reads_too_slowly_is_closed() {
    let world = world().await;
    let address = world.edge.http().await;
    let mut slow = connect(address).await.unwrap();
    let trickle = async {
        let mut answer = [0; 1024];
        for octet in b"GET /metrics HTTP/1.1\r\nX-Never-Ends: "
            .iter()
            .chain([b'x'].iter().cycle())
        {
            if slow.write_all(&[*octet]).await.is_err() {
                return;
            }
            let soon = Duration::from_millis(200);
            if let Ok(read) = tokio::time::timeout(soon, slow.read(&mut answer)).await
                && read.is_ok_and(|octets| octets == 0)
            {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, trickle).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_node_that_drains_is_not_ready_and_goes_on_answering() {
    let world = world().await;
    let address = world.edge.http().await;
    assert_eq!(get(address, "/readyz", "").await.status, 200);
    let alice = world.client("alice").await;
    let sent = alice.message("sip:bob@contoso.test", "hi");
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.edge.signal("TERM");
    world.edge.log.wait("drain", |_| true).await.unwrap();
    let answer = get(address, "/readyz", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "draining\n"));
    world
        .edge
        .metrics_once(|metrics| metrics.body.contains("\nsipward_ready 0\n"))
        .await;
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    let (status, _) = world.edge.exited().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
pub(crate) async fn an_address_that_is_taken_is_served_when_it_is_free_and_a_reload_moves_it() {
    // At an address of this test's own, where nobody takes the port when it is free.
    let taken = std::net::TcpListener::bind("127.0.61.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut world = World::with(|topology| {
        topology
            .section("[http]")
            .text("address", &address.to_string());
    })
    .await;
    let event = world.logged("http_unavailable", |_| true).await;
    assert_eq!(event["reason"], "http_unavailable");
    drop(taken);
    assert_eq!(world.edge.http().await, address);
    assert_eq!(get(address, "/readyz", "").await.status, 200);
    let mark = world.edge.log.mark();
    let event = world
        .reload_with(|topology| {
            topology
                .section("[http]")
                .text("address", "127.0.0.1:0")
                .raw("hosts", "[\"Mon.contoso.test.\"]");
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    let moved = world.edge.log.wait_after(mark, "http_listening", |_| true);
    let moved = moved.await.unwrap();
    let moved: SocketAddr = moved["address"].as_str().unwrap().parse().unwrap();
    let named = "GET /readyz HTTP/1.1\r\nHost: mon.contoso.test:9464\r\n\r\n";
    assert_eq!(say(moved, named.as_bytes()).await.status, 200);
    // The old one is let go of a moment later, and its thread with it.
    let gone = async { while connect(address).await.is_ok() {} };
    tokio::time::timeout(SOON, gone).await.unwrap();
    let event = world
        .reload_with(|topology| {
            topology.section("[http]").without("address");
        })
        .await;
    assert_eq!(event["result"], "ok", "{event}");
    let gone = async { while connect(moved).await.is_ok() {} };
    tokio::time::timeout(SOON, gone).await.unwrap();
    world.stop().await;
}

/// A file that is shipped.
fn shipped(name: &str) -> String {
    let file = format!("{}/config/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn the_shipped_alerts_and_dashboard_name_metrics_and_reasons_that_exist() {
    let families = sipward::observe::metrics::FAMILIES;
    let is_family = |name: &str| families.iter().any(|family| family.name == name);
    let dashboard = shipped("grafana.json");
    let _: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let alerts = shipped("alerts.yml");
    for text in [&dashboard, &alerts, &shipped("alerts.test.yml")] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named = words.filter(|it| it.starts_with("sipward_") || it.starts_with("process_"));
        for name in named {
            let base = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(is_family(base), "{name}");
        }
    }
    // The reasons of a certificate with a listed name: every one of a decision but those of none, and of a client.
    let (_, rest) = alerts.split_once("outcome=\"refused\",reason=~\"").unwrap();
    let listed: Vec<_> = rest.split('"').next().unwrap().split('|').collect();
    let all = sipward::reason::TrustReason::ALL.iter();
    let others = [
        "no_certificate",
        "chain_too_long",
        "chain_too_large",
        "malformed_certificate",
        "too_many_names",
        "no_usable_name",
        "not_in_topology",
        "accepted",
    ];
    let of_peers: Vec<_> = all
        .map(|reason| reason.code())
        .filter(|code| !others.contains(code) && !code.starts_with("client_certificate"))
        .collect();
    assert_eq!(listed, of_peers);
}

#[test]
fn promtool_takes_the_shipped_alerts_and_they_fire_when_they_should() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}
