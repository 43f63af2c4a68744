//! Behind a layer-4 balancer (PROXY protocol): who may send a header, what it says, and whom it counts for.
use crate::harness::tls::{VERSIONS, client_config};
use crate::harness::{World, message_passes};
use serde_json::Value;
use sipward_lab::site::{EDGE, TopologyText};
use sipward_lab::{Client, EdgeTarget};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What the tests connect from; listed as a balancer.
const BALANCER: &str = "127.0.0.1";
/// An address that is not listed.
const STRANGER: &str = "127.0.0.2:0";

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 for a client at 203.0.113.7 with this port.
fn v2(port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let addresses = [203, 0, 113, 7, 198, 51, 100, 1, high, low, 0x13, 0xc5];
    [V2, &[0x21, 0x11, 0, 12], &addresses].concat()
}

/// Version 2 for nobody but the balancer.
fn local() -> Vec<u8> {
    [V2, &[0x20, 0, 0, 0]].concat()
}

/// A usual world whose listener has a balancer at 127.0.0.1.
async fn world(change: impl FnOnce(&mut TopologyText)) -> World {
    World::with(|topology| {
        topology
            .section("[[listener]]")
            .list("proxy_protocol", &[BALANCER]);
        // So that bounds of a shard are bounds of the node.
        topology.section("[node]").raw("shards", "1");
        change(topology);
    })
    .await
}

/// A bare connection to the edge from this address, with the first bytes sent.
#[expect(
    clippy::disallowed_methods,
    reason = "ends are the outside world: they dial the edge under test"
)]
async fn connected(from: &str, to: SocketAddr, first: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    let mut tcp = socket.connect(to).await.unwrap();
    // Who is refused at once may be closed already.
    let _ = tcp.write_all(first).await;
    tcp
}

/// A TLS client behind the balancer.
async fn client(
    world: &World,
    header: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = connected("127.0.0.1:0", world.edge.address, header).await;
    let config = client_config(VERSIONS[1], &world.lab.roots, None);
    let name = rustls_pki_types::ServerName::try_from(EDGE).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// A balancer for one client: it sends this header, and then what comes.
async fn balancer(edge: SocketAddr, header: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = connected("127.0.0.1:0", edge, &header).await;
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    address
}

/// How the next connection with these first bytes is refused or broken off.
async fn failure(world: &World, from: &str, first: &[u8], stays: bool) -> Value {
    let mark = world.edge.log.mark();
    let mut tcp = connected(from, world.edge.address, first).await;
    if stays {
        // The edge closes.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    } else {
        drop(tcp);
    }
    let log = &world.edge.log;
    let failed = tokio::select! {
        refused = log.wait_after(mark, "handshake_refused", |_| true) => refused,
        aborted = log.wait_after(mark, "handshake_aborted", |_| true) => aborted,
    };
    failed.unwrap()
}

#[tokio::test]
async fn the_source_that_the_balancer_names_is_in_via_and_in_the_log() {
    let world = world(|_| {}).await;
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4006 5061\r\n".to_vec();
    for (header, remote, received) in [
        (v2(4001), "203.0.113.7:4001", "203.0.113.7"),
        (
            b"PROXY TCP4 203.0.113.8 198.51.100.1 4002 5061\r\n".to_vec(),
            "203.0.113.8:4002",
            "203.0.113.8",
        ),
        (v6, "[2001:db8::7]:4006", "2001:db8::7"),
        (
            b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:198.51.100.1 4003 5061\r\n".to_vec(),
            "203.0.113.9:4003",
            "203.0.113.9",
        ),
    ] {
        let target = EdgeTarget {
            address: balancer(world.edge.address, header).await,
            ..world.lab.face(&world.edge)
        };
        let alice = Client::connect(&target, "alice", "sip:alice@contoso.test")
            .await
            .unwrap();
        let accepted = world
            .logged("handshake_accepted", |e| e["remote"] == remote)
            .await;
        let through = accepted["balancer"].as_str().unwrap();
        assert!(through.starts_with("127.0.0.1:"), "{accepted}");
        let got = message_passes(&alice, &world.fe01).await;
        let vias = got.message.values("via").join(" ");
        assert!(vias.contains(&format!("received={received}")), "{vias}");
        world
            .logged("request_relayed", |e| e["remote"] == remote)
            .await;
        drop(alice);
        world
            .logged("connection_closed", |e| e["remote"] == remote)
            .await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_address_of_the_balancer_in_a_route_is_this_nodes_for_who_came_to_it() {
    let world = world(|_| {}).await;
    let target = EdgeTarget {
        address: balancer(world.edge.address, v2(4010)).await,
        ..world.lab.face(&world.edge)
    };
    let alice = Client::connect(&target, "alice", "sip:alice@contoso.test")
        .await
        .unwrap();
    let mut message = alice.message("sip:bob@contoso.test", "hi").build();
    message.push("Route", "<sip:198.51.100.1:5061;transport=tls;lr>");
    let sent = alice.draft(message).send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    assert_eq!(got.message.header("route"), None);
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn what_breaks_the_rules_of_the_header_is_refused_by_its_name() {
    let world = world(|t| {
        t.section("[limits]").text("proxy_header_timeout", "300ms");
    })
    .await;
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 0, 0, 0, 0];
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    let udp = [V2, &[0x21, 0x12, 0, 12], &[0; 12]].concat();
    let listed = "127.0.0.1:0";
    for (from, first, stays, event, reason) in [
        (listed, &hello[..], true, "refused", "proxy_header_missing"),
        (
            listed,
            b"PROXY TCP4 x\r\nxxxxxxxx",
            true,
            "refused",
            "proxy_header_malformed",
        ),
        (listed, &long, true, "refused", "proxy_header_too_long"),
        (listed, &udp, true, "refused", "proxy_header_unsupported"),
        (
            listed,
            &v2(1)[..20],
            false,
            "aborted",
            "proxy_header_truncated",
        ),
        (
            listed,
            &v2(1)[..20],
            true,
            "aborted",
            "proxy_header_timeout",
        ),
        (listed, b"", true, "aborted", "proxy_header_timeout"),
        (STRANGER, &v2(1), true, "refused", "proxy_header_unexpected"),
        (
            STRANGER,
            b"PROXY UNKNOWN\r\n",
            true,
            "refused",
            "proxy_header_unexpected",
        ),
        (
            STRANGER,
            b"OPTIONS sip:x SIP/2.0\r\n",
            true,
            "refused",
            "not_tls",
        ),
    ] {
        let failed = failure(&world, from, first, stays).await;
        assert_eq!(failed["reason"], reason, "{failed}");
        assert_eq!(failed["event"], format!("handshake_{event}"), "{failed}");
        let host = from.trim_end_matches('0');
        assert!(
            failed["remote"].as_str().unwrap().starts_with(host),
            "{failed}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn a_header_where_no_balancer_is_listed_is_refused_and_tls_from_elsewhere_passes() {
    let plain = World::new().await;
    let failed = failure(&plain, "127.0.0.1:0", &v2(1), true).await;
    assert_eq!(failed["reason"], "proxy_header_unexpected", "{failed}");
    plain.stop().await;
    let world = World::with(|t| {
        t.section("[[listener]]")
            .list("proxy_protocol", &["127.0.0.8/29", "::1"]);
    })
    .await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn health_checks_of_the_balancer_have_no_line() {
    let world = world(|_| {}).await;
    let address = world.edge.address;
    // A look whether the port is open, one with LOCAL, and one of version 1.
    for header in [&b""[..], &local(), b"PROXY UNKNOWN\r\n"] {
        drop(connected("127.0.0.1:0", address, header).await);
    }
    // One that shakes hands, in both versions.
    for header in [&local()[..], b"PROXY UNKNOWN\r\n"] {
        let mut tls = client(&world, header).await.unwrap();
        tls.shutdown().await.unwrap();
        let _ = tls.read_to_end(&mut Vec::new()).await;
    }
    // Through the same shard, and after all of them.
    let tls = client(&world, &v2(4100)).await.unwrap();
    drop(tls);
    world.logged("connection_closed", |_| true).await;
    let counted = |status: &Value, event: &str| {
        let counts = status["events"].as_array().unwrap().iter();
        let counts = counts.filter(|count| count["event"] == event);
        counts
            .map(|count| count["count"].as_u64().unwrap())
            .sum::<u64>()
    };
    world
        .status_once(|status| {
            counted(status, "handshake_aborted") == 3
                && counted(status, "handshake_accepted") == 3
                && counted(status, "connection_closed") == 3
        })
        .await;
    let log = world.stop().await;
    for event in log.since(0) {
        let name = event["event"].as_str().unwrap();
        let is_of_connection = name.starts_with("handshake_") || name == "connection_closed";
        if is_of_connection && event["direction"] != "outbound" {
            assert_eq!(event["remote"], "203.0.113.7:4100", "{event}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_comes_with_local_has_its_line_all_the_same() {
    let world = world(|_| {}).await;
    let fe01 = world
        .lab
        .site
        .enterprise
        .server("fe01.contoso.test")
        .unwrap();
    let tcp = connected("127.0.0.1:0", world.edge.address, &local()).await;
    let config = client_config(VERSIONS[1], &world.lab.roots, Some(&fe01));
    let name = rustls_pki_types::ServerName::try_from(EDGE).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(name, tcp).await.unwrap();
    let accepted = world.logged("handshake_accepted", |_| true).await;
    assert_eq!(accepted["peer"], "fe01.contoso.test");
    drop(tls);
    world.logged("connection_closed", |_| true).await;
    world.stop().await;
}

#[tokio::test]
async fn the_bound_of_a_source_is_of_the_true_one() {
    let world = world(|t| {
        t.section("[limits]").raw("connections_per_source", "2");
    })
    .await;
    let held = [
        client(&world, &v2(1)).await.unwrap(),
        client(&world, &v2(2)).await.unwrap(),
    ];
    let failed = failure(&world, "127.0.0.1:0", &v2(3), true).await;
    assert_eq!(failed["reason"], "too_many_from_source", "{failed}");
    assert_eq!(failed["remote"], "203.0.113.7:3");
    // The balancer's own address counts for none of them.
    let other = b"PROXY TCP4 203.0.113.9 198.51.100.1 1 5061\r\n";
    let other = client(&world, other).await.unwrap();
    drop(held);
    for port in [1, 2] {
        let remote = format!("203.0.113.7:{port}");
        world
            .logged("connection_closed", |e| e["remote"] == *remote)
            .await;
    }
    drop((client(&world, &v2(4)).await.unwrap(), other));
    world.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_header_takes_no_slot_and_its_balancer_stands_above_strangers() {
    let world = world(|t| {
        t.section("[limits]").raw("handshakes", "1");
        t.section("[limits]").raw("waiting", "2");
    })
    .await;
    let address = world.edge.address;
    let mut waiting = connected("127.0.0.1:0", address, b"PROXY ").await;
    // Of strangers the first makes room for the next.
    let mut first = connected(STRANGER, address, b"").await;
    let _next = connected(STRANGER, address, b"").await;
    let refused = world.logged("handshake_refused", |_| true).await;
    assert_eq!(refused["reason"], "too_many_waiting", "{refused}");
    assert_eq!(first.read(&mut [0]).await.unwrap_or_default(), 0);
    waiting
        .write_all(b"TCP4 203.0.113.9 198.51.100.1 1 5061\r\nno TLS")
        .await
        .unwrap();
    let failed = world
        .logged("handshake_refused", |e| e["reason"] == "not_tls")
        .await;
    assert_eq!(failed["remote"], "203.0.113.9:1", "{failed}");
    world.stop().await;
}

/// Whoever comes through it stands where his own address stands, and not where the balancer's does.
#[tokio::test]
async fn the_last_places_are_not_for_strangers_behind_the_balancer() {
    let world = world(|t| {
        t.section("[limits]").raw("connections", "64");
    })
    .await;
    let mut here = Vec::new();
    while let Ok(one) = client(&world, &v2(5_000)).await {
        here.push(one);
        assert!(here.len() < 64, "some of the places are kept");
        if here.len() % 8 == 0 {
            for stranger in &mut here {
                stranger.write_all(b"\r\n\r\n").await.unwrap();
            }
        }
    }
    assert!(here.len() >= 60, "{}", here.len());
    let refused = world
        .logged("handshake_refused", |e| {
            e["reason"] == "too_many_connections"
        })
        .await;
    assert_eq!(refused["remote"], "203.0.113.7:5000", "{refused}");
    // The home server's address.
    let server = b"PROXY TCP4 127.0.0.1 198.51.100.1 5001 5061\r\n";
    client(&world, server).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn after_a_reload_the_node_looks_at_its_listener_as_its_own_balancer() {
    let mut world = World::new().await;
    for listed in [BALANCER, "127.0.0.0/8", "10.0.0.0/8"] {
        let reloaded = world
            .reload_with(|topology| {
                topology
                    .section("[[listener]]")
                    .list("proxy_protocol", &[listed]);
            })
            .await;
        assert_eq!(reloaded["result"], "ok", "{reloaded}");
        let served = reloaded["served"].to_string();
        assert!(
            served.contains("shows the certificate of identity edge"),
            "{served}"
        );
    }
    // The list that counts is the last one.
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    world
        .reload_with(|topology| {
            topology
                .section("[[listener]]")
                .list("proxy_protocol", &[BALANCER]);
        })
        .await;
    let failed = failure(&world, "127.0.0.1:0", &[22; 16], true).await;
    assert_eq!(failed["reason"], "proxy_header_missing", "{failed}");
    // Who was there before goes on.
    message_passes(&alice, &world.fe01).await;
    world.stop().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_header() {
    let world = world(|t| {
        t.section("[limits]").text("proxy_header_timeout", "1h");
    })
    .await;
    let _waiting = connected("127.0.0.1:0", world.edge.address, b"PROXY ").await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), world.stop()).await;
    let log = stopped.unwrap();
    assert_eq!(log.named("stopped").len(), 1);
}

#[tokio::test]
async fn behind_a_balancer_its_client_is_denied_and_not_the_balancer() {
    let world = world(|t| {
        t.section("[limits]")
            .list("deny", &["203.0.113.0/24", "127.0.0.0/8"]);
    })
    .await;
    let v6 = |from: &str| format!("PROXY TCP6 {from} 2001:db8::1 4006 5061\r\n").into_bytes();
    let deny = ["deny", "add", "2001:db8:7::/48", "--for", "1h"];
    assert_eq!(world.edge.command(&deny).await.0, Some(0));
    for denied in [v2(4001), v6("2001:db8:7::9"), v6("::ffff:203.0.113.9")] {
        let mark = world.edge.log.mark();
        client(&world, &denied).await.unwrap_err();
        let log = &world.edge.log;
        let refused = log.wait_after(mark, "handshake_refused", |_| true);
        assert_eq!(refused.await.unwrap()["reason"], "denied");
    }
    let _other = client(&world, &v6("2001:db8:8::9")).await.unwrap();
    // Without a balancer's word its own address counts.
    let refused = failure(&world, STRANGER, b"", true).await;
    assert_eq!(refused["reason"], "denied");
    // Who is there when the denial comes is closed.
    let mut there = client(&world, &v6("2001:db8:9::9")).await.unwrap();
    let listed = |rows: &Value| {
        let rows = rows["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["remote"] == "[2001:db8:9::9]:4006")
            .count()
    };
    while listed(&world.edge.command(&["connections"]).await.1) == 0 {
        tokio::task::yield_now().await;
    }
    let deny = ["deny", "add", "2001:db8:9::9", "--for", "1h"];
    let (code, denied) = world.edge.command(&deny).await;
    assert_eq!(
        (code, &denied["connections"]),
        (Some(0), &serde_json::json!(1))
    );
    let _ = there.read_to_end(&mut Vec::new()).await;
    let closed = world
        .edge
        .log
        .wait("connection_closed", |e| e["reason"] == "denied");
    assert_eq!(closed.await.unwrap()["remote"], "[2001:db8:9::9]:4006");
}
