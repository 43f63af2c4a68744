//! The page of `[http]`: it shows how the node and its peers are, to a browser too, and what a stranger writes stays text.
use crate::harness::http::{get, program};
use crate::harness::{Lab, World, automatic, message_passes};
use sipward_lab::{Client, Registrar};
use std::net::SocketAddr;
use std::process::Command;

/// What a stranger has his program called.
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&";

/// The usual cast with a page, a message that has passed, and one that was refused.
async fn world() -> (World, Client, Client) {
    let world = World::with(|topology| {
        topology.section("[http]").text("address", "127.0.0.1:0");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    message_passes(&alice, &world.fe01).await;
    let face = world.lab.face(&world.edge);
    let mallory = Client::connect(&face, "mallory", "sip:mallory@evil.test");
    let mallory = mallory.await.unwrap();
    let sent = mallory.message("sip:bob@contoso.test", "hi");
    let sent = sent.set("User-Agent", HOSTILE).send().await.unwrap();
    mallory.answer(&sent, 403).await.unwrap();
    (world, alice, mallory)
}

/// The page as soon as it shows this: a look counts for a second.
async fn page_with(address: SocketAddr, wanted: &str) -> String {
    let mut last = String::new();
    for _ in 0..100 {
        let answer = get(address, "/", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let html = Some("text/html; charset=utf-8");
        assert_eq!(answer.field("content-type"), html);
        let policy = answer.field("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        last = answer.body;
        if last.contains(wanted) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{wanted} is not in {last}");
}

/// What a reader must find, whoever has made the text from the page.
fn shows_the_node_and_what_was_refused(page: &str) {
    for shown in [
        "<svg",
        "edge01.contoso.test",
        "fe01.contoso.test",
        "fe02.contoso.test",
        "pool front-end",
        "2 of 2 members up",
        "fabrikam.test",
        "2 connections, 1 registered",
        "Every peer takes requests.",
        "own_certificate",
        "from_not_allowed: ",
        "MESSAGE from sip:mallory@evil.test to sip:bob@contoso.test",
        "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    for tag in ["<script", "<img", "<iframe", " style=", " onload="] {
        assert!(!page.contains(tag), "{tag} is in {page}");
    }
}

#[tokio::test]
async fn the_page_shows_the_node_its_peers_and_what_was_refused_and_what_strangers_write_is_text() {
    let (world, _alice, _mallory) = world().await;
    let address = world.edge.http().await;
    let page = page_with(address, "mallory@evil.test").await;
    shows_the_node_and_what_was_refused(&page);
    // Each as one character reference, in the text and in the tooltips of the picture.
    assert!(page.contains("onerror=&#39;alert(2)&#39;&gt;&quot;&amp;"));
    world.stop().await;
}

/// Whether the box of the picture whose tooltip begins so is drawn in this colour: its border and its dot.
fn is_drawn(page: &str, tooltip: &str, colour: &str) -> bool {
    let (_, rest) = page.split_once(&format!("<title>{tooltip}")).unwrap();
    let (shape, _) = rest.split_once("</g>").unwrap();
    shape.matches(colour).count() == 2
}

// Red, amber and green of the picture.
const RED: &str = "\"#c0392b\"";
const AMBER: &str = "\"#c77c02\"";
const GREEN: &str = "\"#1e8449\"";

#[tokio::test]
async fn a_member_that_is_taken_out_is_red_and_the_page_says_why() {
    let lab = Lab::new();
    let (fe01, fe02) = (lab.home("fe01").await, lab.home("fe02").await);
    let members = [
        ("fe01.contoso.test", fe01.address()),
        ("fe02.contoso.test", fe02.address()),
    ];
    let mut topology = lab.site.topology(&members, None);
    topology.section("[http]").text("address", "127.0.0.1:0");
    let pool = topology.find("[[pool]]", "name", "front-end").unwrap();
    pool.raw(
        "health",
        "{ options_every = \"200ms\", timeout = \"5s\", down_after = 2, up_after = 2, fail_back = \"0s\" }",
    );
    let edge = lab.edge(&topology).await;
    let registrar = Registrar::default();
    let fe01 = automatic(fe01, &registrar, &edge);
    let _fe02 = automatic(fe02, &registrar, &edge);
    let address = edge.http().await;
    page_with(address, "2 of 2 members up").await;
    // With a connection: the end of that one is what the page gives as the reason.
    let connected = edge
        .log
        .wait("peer_connected", |e| e["peer"] == "fe01.contoso.test");
    connected.await.unwrap();
    fe01.kill();
    let page = page_with(address, "1 of 2 members up").await;
    for (tooltip, colour) in [
        ("fe01.contoso.test: down; member, 0 connections", RED),
        ("fe02.contoso.test: up; member, ", GREEN),
        ("pool front-end: in part; 1 of 2 members up", AMBER),
        ("edge01.contoso.test: up; serves", GREEN),
    ] {
        assert!(is_drawn(&page, tooltip, colour), "{tooltip}: {page}");
    }
    assert!(page.contains("<td>fe01.contoso.test</td><td>"), "{page}");
    assert!(!page.contains("Every peer takes requests."));
    edge.stop().await;
}

/// Who answers 503 is connected: no end of a connection says why it is passed over.
#[tokio::test]
async fn a_connected_member_that_refuses_is_red_with_its_reason_and_siblings_are_in_the_picture() {
    let world = World::with(|topology| {
        topology.section("[http]").text("address", "127.0.0.1:0");
        let pool = topology.find("[[pool]]", "name", "front-end").unwrap();
        pool.raw(
            "health",
            "{ options_every = \"200ms\", timeout = \"60s\", down_after = 1, up_after = 1, fail_back = \"0s\" }",
        );
        topology
            .section("[node]")
            .text("advertise", "edge01.contoso.test");
        topology
            .add("[[sibling]]")
            .text("fqdn", "edge02.contoso.test")
            .list("trust", &["enterprise-ca"])
            .list("address", &["127.0.0.1:1"]);
    })
    .await;
    let ping = world.fe01.expect("OPTIONS").await.unwrap();
    world.fe01.reply(&ping, 503).await.unwrap();
    let refused = |e: &serde_json::Value| e["peer"] == "fe01.contoso.test";
    world.logged("peer_unavailable", refused).await;
    let address = world.edge.http().await;
    let page = page_with(address, "fe01.contoso.test: down; member, 1 connection").await;
    assert!(is_drawn(&page, "fe01.contoso.test: down; ", RED));
    let row = "<td>fe01.contoso.test</td><td>ping_unavailable: the peer answered an OPTIONS with 503</td><td>";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("reduce the peer&#39;s load"), "{page}");
    let sibling = page.split_once("<title>edge02.contoso.test: ").unwrap().1;
    assert!(
        sibling.contains("; sibling, 0 connections</title>"),
        "{page}"
    );
    // What nothing was sent to takes requests, and has no connection.
    assert!(
        is_drawn(&page, "edge.fabrikam.test: not connected; ", AMBER),
        "{page}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_browser_shows_the_page_under_its_policy_and_runs_nothing() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let (world, _alice, _mallory) = world().await;
    let address = world.edge.http().await;
    page_with(address, "mallory@evil.test").await;
    let profile = tempfile::tempdir().unwrap();
    let data = format!("--user-data-dir={}", profile.path().display());
    let url = format!("http://{address}/");
    // Where the ends of this test go on answering meanwhile.
    let run = tokio::task::spawn_blocking(move || {
        let mut chromium = Command::new(chromium);
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu"]);
        chromium.args(["--disable-dev-shm-usage", "--enable-logging=stderr"]);
        chromium.args([data.as_str(), "--dump-dom", &url]).output()
    });
    let output = run.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // What the policy has kept out, the style among it, would be a line of the console.
    assert!(!said.contains("CONSOLE"), "{said}");
    shows_the_node_and_what_was_refused(&String::from_utf8_lossy(&output.stdout));
    world.stop().await;
}
