//! Who makes this node keep too much: its own requests are refused, its own connections go, and nobody else's.
use crate::faults::{behind_relay, is_up};
use crate::harness::tls::{Records, VERSIONS, client_config, connect_from};
use crate::harness::{LOOK, SOON, World, hangs_up, message_passes};
use rustls::ContentType;
use rustls_pki_types::ServerName;
use sipward::daemon::control::{Reply, Request};
use sipward_lab::pki::{Authority, LeafSpec};
use sipward_lab::site::EDGE;
use sipward_lab::{Line, SipMessage};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Where a flood comes from, and another one.
const FLOOD: &str = "127.0.3.1";
const OTHER: &str = "127.0.3.2";

/// A client's connection from this address.
async fn shake_from(world: &World, source: &str) -> TlsStream<TcpStream> {
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let tcp = connect_from(source, world.edge.address).await;
    let name = ServerName::try_from(EDGE).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.unwrap()
}

/// A request of this method with a body of so many bytes.
fn request(method: &str, to: &str, number: usize, body: usize) -> String {
    let head = format!(
        "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS c.test;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\nFrom: <sip:a@contoso.test>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: flood{number}\r\nCSeq: 1 {method}\r\nContent-Length: {body}\r\n\r\n"
    );
    head + &"x".repeat(body)
}

/// Reads until a 200 has come.
async fn answered(tls: &mut TlsStream<TcpStream>) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("SIP/2.0 200") {
        assert_ne!(tls.read_buf(&mut read).await.unwrap(), 0, "closed");
    }
}

/// Sends all but the last byte of a large message on many connections; those that are closed meanwhile are gone.
async fn half_sent(world: &World, source: &str, count: usize) -> Vec<TlsStream<TcpStream>> {
    let mut all = Vec::new();
    for number in 0..count {
        let mut tls = shake_from(world, source).await;
        let whole = request("MESSAGE", "bob@contoso.test", number, 200_000);
        if tls
            .write_all(&whole.as_bytes()[..whole.len() - 1])
            .await
            .is_ok()
        {
            let _ = tls.flush().await;
        }
        all.push(tls);
    }
    all
}

/// What a bound of `sipward limits` shows as taken.
async fn used(world: &World, limit: &str) -> u64 {
    let Reply::Limits(limits) = world.edge.ask(Request::Limits {}).await else {
        panic!("no limits");
    };
    let row = limits.into_iter().find(|it| it.limit == limit).unwrap();
    row.used.unwrap()
}

/// Waits until less is taken of a bound.
async fn falls_below(world: &World, limit: &str, bytes: u64) {
    let falls = async {
        while used(world, limit).await >= bytes {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, falls).await.unwrap();
}

#[tokio::test]
pub(crate) async fn half_sent_messages_of_one_source_end_with_their_connections_and_hurt_nobody() {
    let world = World::with(|t| {
        t.section("[limits]").raw("memory_per_source", "\"2MiB\"");
    })
    .await;
    let alice = world.client("alice").await;
    let flood = half_sent(&world, FLOOD, 20).await;
    let closed = world
        .logged("connection_closed", |e| e["reason"] == "too_much_held")
        .await;
    assert!(
        closed["remote"].as_str().unwrap().starts_with(FLOOD),
        "{closed}"
    );
    world
        .logged("bound_reached", |e| e["reason"] == "too_much_held")
        .await;
    // It has what it may have, and no more.
    falls_below(&world, "memory_per_source", (2 << 20) + 1).await;
    message_passes(&alice, &world.fe01).await;
    drop(flood);
    // What it held is free again, but for what a connection takes.
    falls_below(&world, "memory_per_source", 256 << 10).await;
    world
        .logged("bound_left", |e| e["reason"] == "too_much_held")
        .await;
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    let of_others = closed
        .iter()
        .filter(|e| e["reason"] == "too_much_held" && !e["remote"].to_string().contains(FLOOD));
    assert_eq!(of_others.count(), 0);
}

#[tokio::test]
pub(crate) async fn answers_that_nobody_reads_end_with_their_connections() {
    let world = World::with(|t| {
        t.section("[limits]").raw("memory_per_source", "\"1MiB\"");
    })
    .await;
    let alice = world.client("alice").await;
    let mut flood = Vec::new();
    let sends = async {
        'flood: loop {
            let mut tls = shake_from(&world, FLOOD).await;
            for number in 0..400 {
                // Its answer repeats the Call-ID.
                let long = format!("Call-ID: {}", "x".repeat(30_000));
                let ping = request("OPTIONS", EDGE, number, 0).replace("Call-ID: flood", &long);
                let sent = tokio::time::timeout(SOON / 10, tls.write_all(ping.as_bytes())).await;
                if !matches!(sent, Ok(Ok(()))) {
                    break 'flood;
                }
            }
            flood.push(tls);
        }
    };
    let closed = world.logged("connection_closed", |e| {
        ["too_much_held", "send_queue_full"].contains(&e["reason"].as_str().unwrap())
    });
    tokio::time::timeout(SOON, async { tokio::join!(sends, closed) })
        .await
        .unwrap();
    message_passes(&alice, &world.fe01).await;
    drop(flood);
    falls_below(&world, "memory_per_source", 256 << 10).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_source_that_connects_anew_for_more_requests_finds_its_budget_taken() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]")
            .raw("transactions_per_client", "10")
            .raw("transactions_per_source", "25");
    })
    .await;
    // The home server is connected to: what only waits for that ends with who has sent it.
    let (alice, _) = world.registered("alice").await;
    for round in 0..5 {
        let mut tls = shake_from(&world, FLOOD).await;
        for number in 0..10 {
            let message = request("MESSAGE", "bob@contoso.test", 10 * round + number, 100);
            tls.write_all(message.as_bytes()).await.unwrap();
        }
        tls.shutdown().await.unwrap();
    }
    world.refused("source_budget").await;
    world
        .logged("bound_reached", |e| e["reason"] == "source_budget")
        .await;
    // The home server answers none of them, and has 25.
    for _ in 0..25 {
        world.fe01.expect("MESSAGE").await.unwrap();
    }
    message_passes(&alice, &world.fe01).await;
    assert_eq!(used(&world, "transactions").await, 25);
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_source_that_leaves_its_calls_and_comes_again_keeps_no_more_than_its_own() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("calls_per_source", "5");
    })
    .await;
    let alice = world.client("alice").await;
    for round in 0..4 {
        let mut tls = shake_from(&world, FLOOD).await;
        for number in 0..2 {
            let invite = request("INVITE", "bob@contoso.test", 2 * round + number, 0);
            tls.write_all(invite.as_bytes()).await.unwrap();
            let got = world.fe01.expect("INVITE").await.unwrap();
            world.fe01.reply(&got, 200).await.unwrap();
            answered(&mut tls).await;
        }
        // Its calls go on without it, for it may come back for them.
        tls.shutdown().await.unwrap();
    }
    let refused = world.logged("call_not_kept", |e| e["reason"] == "source_calls");
    let refused = refused.await;
    assert!(
        refused["remote"].as_str().unwrap().starts_with(FLOOD),
        "{refused}"
    );
    assert_eq!(used(&world, "calls").await, 5);
    // Others have room.
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = world.fe01.expect("INVITE").await.unwrap();
    world.fe01.accept(&invite).await.unwrap();
    alice.answer(&call, 200).await.unwrap();
    world.status_once(|status| status["calls"] == 6).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn at_the_bound_of_all_nothing_new_begins_and_the_fullest_source_goes_first() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("memory", "\"3MiB\"");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    let small = half_sent(&world, OTHER, 2).await;
    let flood = half_sent(&world, FLOOD, 20).await;
    let closed = world
        .logged("connection_closed", |e| e["reason"] == "memory_full")
        .await;
    assert!(
        closed["remote"].as_str().unwrap().starts_with(FLOOD),
        "{closed}"
    );
    falls_below(&world, "memory", 3 << 20).await;
    // As much as that again, bit by bit: near the bound requests are refused.
    let refused = async {
        let mut flood = Vec::new();
        loop {
            flood.extend(half_sent(&world, FLOOD, 1).await);
            let text = alice.message("sip:bob@contoso.test", "x").send().await;
            let text = text.unwrap();
            let answer = alice.final_answer(&text);
            let from_home = world.fe01.expect("MESSAGE");
            tokio::select! {
                got = from_home => {
                    let got = got.unwrap();
                    world.fe01.reply(&got, 200).await.unwrap();
                }
                answer = answer => {
                    let answer = answer.unwrap();
                    if answer.message.status() == Some(503) {
                        assert_eq!(answer.message.header("retry-after"), Some("1"));
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
    world.refused("memory_full").await;
    drop((flood, small));
    falls_below(&world, "memory", 1 << 20).await;
    message_passes(&alice, &world.fe01).await;
    world
        .logged("bound_left", |e| e["reason"] == "memory_full")
        .await;
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    let full = closed.iter().filter(|e| e["reason"] == "memory_full");
    assert!(
        full.into_iter()
            .all(|e| e["remote"].to_string().contains("127.0.3."))
    );
}

#[tokio::test]
pub(crate) async fn invites_that_are_refused_and_not_acknowledged_cost_a_record_each_and_end_with_their_client()
 {
    const COUNT: usize = 40;
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
    })
    .await;
    // The home server is connected to: its connect would have no room for so much that waits.
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let mut tls = shake_from(&world, FLOOD).await;
    for number in 0..COUNT {
        let invite = request("INVITE", "bob@contoso.test", number, 20_000);
        tls.write_all(invite.as_bytes()).await.unwrap();
    }
    tls.flush().await.unwrap();
    for _ in 0..COUNT {
        let got = world.fe01.expect("INVITE").await.unwrap();
        world.fe01.reply(&got, 407).await.unwrap();
        world.fe01.expect("ACK").await.unwrap();
    }
    // The 800 kB of bodies are none of what is kept.
    assert_eq!(used(&world, "transactions").await, 0);
    assert_eq!(used(&world, "answered").await, 192 * COUNT as u64);
    assert_eq!(
        used(&world, "answered_per_client").await,
        192 * COUNT as u64
    );
    assert!(used(&world, "memory_per_client").await < 100_000);
    // It would be 32 seconds (Timer H) for somebody who is there.
    drop(tls);
    falls_below(&world, "answered", 1).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn many_who_mean_well_keep_their_connections_when_all_memory_is_taken() {
    const HONEST: usize = 30;
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("memory", "\"4MiB\"");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    let mut honest = Vec::new();
    for number in 0..HONEST {
        honest.push(shake_from(&world, &format!("127.0.4.{}", number + 1)).await);
    }
    // More than there is room for beside them, of one source.
    let flood = half_sent(&world, FLOOD, 30).await;
    world
        .logged("connection_closed", |e| e["reason"] == "memory_full")
        .await;
    falls_below(&world, "memory", 4 << 20).await;
    // Each is answered over the connection that it has.
    for tls in &mut honest {
        tls.write_all(b"\r\n\r\n").await.unwrap();
        tls.flush().await.unwrap();
        let mut pong = [0; 2];
        let read = tokio::time::timeout(SOON, tls.read_exact(&mut pong)).await;
        read.unwrap().unwrap();
        assert_eq!(&pong, b"\r\n");
    }
    drop(flood);
    falls_below(&world, "memory", 2 << 20).await;
    message_passes(&alice, &world.fe01).await;
    drop(honest);
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    let full = closed.iter().filter(|e| e["reason"] == "memory_full");
    let of = |e: &serde_json::Value| e["remote"].as_str().unwrap().starts_with(FLOOD);
    assert!(full.into_iter().all(of));
}

#[tokio::test]
pub(crate) async fn large_requests_of_one_client_do_not_end_the_connection_to_the_server() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        // Shorter than what one client sends before anybody else has a turn.
        t.section("[limits]").raw("send_queue", "\"256KiB\"");
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let mut floods = Vec::new();
    for flood in 0..4 {
        let mut tls = shake_from(&world, FLOOD).await;
        floods.push(tokio::spawn(async move {
            for number in 0..40 {
                let number = 100 * flood + number;
                let message = request("MESSAGE", "bob@contoso.test", number, 200_000);
                tls.write_all(message.as_bytes()).await.unwrap();
            }
            tls.flush().await.unwrap();
            tls
        }));
    }
    let mut there = Vec::new();
    for flood in floods {
        let sent = tokio::time::timeout(SOON, flood).await.unwrap();
        there.push(sent.unwrap());
    }
    // Whoever has sent little is served all the time, by the next member where the first one is behind.
    alice
        .message("sip:bob@contoso.test", "still there")
        .send()
        .await
        .unwrap();
    let of_alice = |m: &SipMessage| {
        m.method() == Some("MESSAGE") && m.header("from").is_some_and(|f| f.contains("alice"))
    };
    let arrived = tokio::select! {
        got = world.fe01.expect_where("alice's MESSAGE", of_alice) => got,
        got = world.fe02.expect_where("alice's MESSAGE", of_alice) => got,
    };
    arrived.unwrap();
    drop(there);
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    let full = closed.iter().filter(|e| e["reason"] == "send_queue_full");
    assert_eq!(full.count(), 0);
}

/// An ACK has no answer and no transaction by which it would be bounded.
#[tokio::test]
async fn a_client_that_acknowledges_without_end_does_not_end_the_connection_to_the_server() {
    let (mut world, relay) = behind_relay().await;
    let event = world.reload_with(|t| {
        t.section("[limits]").text("send_queue", "64KiB");
    });
    assert_eq!(event.await["result"], "ok");
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    let (mut call, _) = is_up(&alice, &world.fe01).await;
    relay.set(Line::Slow(Duration::from_millis(2)));
    let body = vec![b'x'; 30_000];
    let congested = async {
        loop {
            let ack = alice.within(&mut call, "ACK").body("text/plain", &body);
            ack.send().await.unwrap();
        }
    };
    let is_it = |e: &serde_json::Value| e["reason"] == "peer_congested";
    tokio::select! {
        _ = world.logged("message_dropped", is_it) => {}
        () = congested => unreachable!(),
    }
    relay.set(Line::Open);
    // Neither its call nor what others ask is lost.
    world.serves_again(&bob).await;
    hangs_up(&alice, &mut call, &world.fe01).await;
    let log = world.stop().await;
    let closed = log.named("connection_closed");
    let full = closed.iter().filter(|e| e["reason"] == "send_queue_full");
    assert_eq!(full.count(), 0);
}

/// A KeyUpdate that claims 65,000 bytes (RFC 8446 §4.6.3), as far as the first so many of them.
fn half_key_update(bytes: usize) -> Vec<u8> {
    let mut message = vec![24, 0, 0xfd, 0xe8];
    message.resize(4 + bytes, 0);
    message
}

#[tokio::test]
pub(crate) async fn a_handshake_message_without_end_counts_and_ends_with_its_connection() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
    })
    .await;
    let (alice, _) = world.registered("alice").await;
    let mut tls = Records::from(FLOOD, world.edge.address, EDGE, &world.lab.roots).await;
    let message = half_key_update(64_000);
    let mut parts = message.chunks(15_000);
    let first = tls.record(ContentType::Handshake, parts.next().unwrap());
    tls.tcp.write_all(&first).await.unwrap();
    let counts = async {
        while used(&world, "memory_per_client").await < 15_000 {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, counts).await.unwrap();
    for part in parts {
        let record = tls.record(ContentType::Handshake, part);
        // It may be closed by now.
        let _ = tls.tcp.write_all(&record).await;
    }
    let closed = world
        .logged("connection_closed", |e| e["reason"] == "tls_without_data")
        .await;
    assert!(
        closed["remote"].as_str().unwrap().starts_with(FLOOD),
        "{closed}"
    );
    falls_below(&world, "memory_per_client", 15_000).await;
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn half_a_record_counts_for_its_source_and_has_the_time_of_a_head() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").text("head_timeout", "1s");
    })
    .await;
    let mut tls = Records::from(FLOOD, world.edge.address, EDGE, &world.lab.roots).await;
    let ping = request("OPTIONS", EDGE, 1, 0);
    let record = tls.record(ContentType::ApplicationData, ping.as_bytes());
    tls.tcp.write_all(&record).await.unwrap();
    let mut answer = [0; 1024];
    assert!(tls.tcp.read(&mut answer).await.unwrap() > 0);
    let record = tls.record(ContentType::ApplicationData, &[b'x'; 16_000]);
    tls.tcp.write_all(&record[..15_000]).await.unwrap();
    let closed = world
        .logged("connection_closed", |e| e["reason"] == "head_timeout")
        .await;
    assert_eq!(closed["messages_in"], 1);
    world.stop().await;
}

#[tokio::test]
async fn updates_of_keys_without_data_between_them_end_nothing() {
    let world = World::new().await;
    let mut tls = shake_from(&world, FLOOD).await;
    for _ in 0..30 {
        let (_, session) = tls.get_mut();
        session.refresh_traffic_keys().unwrap();
        tls.flush().await.unwrap();
    }
    tls.write_all(b"\r\n\r\n").await.unwrap();
    tls.flush().await.unwrap();
    let mut pong = [0; 2];
    let read = tokio::time::timeout(SOON, tls.read_exact(&mut pong)).await;
    read.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    world.stop().await;
}

#[tokio::test]
async fn long_certificates_count_for_the_source_that_shows_them() {
    const LONG: usize = 29_000;
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]").raw("memory_per_source", "\"512KiB\"");
    })
    .await;
    let alice = world.client("alice").await;
    let maker = Authority::root("Phone Maker Manufacturing CA").unwrap();
    let leaf = LeafSpec {
        common_name: Some("phone.maker.test".to_owned()),
        crl_points: vec![format!("http://maker.test/{}", "x".repeat(LONG))],
        ..LeafSpec::default()
    };
    let phone = maker.issue(&leaf).unwrap();
    let config = client_config(VERSIONS[1], &world.lab.roots, Some(&phone));
    let config = Arc::new(config);
    let mut flood = Vec::new();
    let shakes = async {
        loop {
            let tcp = connect_from(FLOOD, world.edge.address).await;
            let name = ServerName::try_from(EDGE).unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
            flood.extend(connector.connect(name, tcp).await);
            tokio::time::sleep(LOOK).await;
        }
    };
    let closed = world.logged("connection_closed", |e| e["reason"] == "too_much_held");
    let closed = tokio::select! {
        closed = closed => closed,
        () = shakes => unreachable!(),
    };
    assert!(
        closed["remote"].as_str().unwrap().starts_with(FLOOD),
        "{closed}"
    );
    assert!(flood.len() < 512 * 1024 / LONG + 2, "{}", flood.len());
    falls_below(&world, "memory_per_source", 512 << 10).await;
    message_passes(&alice, &world.fe01).await;
    drop(flood);
    falls_below(&world, "memory_per_source", 64 << 10).await;
    world.stop().await;
}
