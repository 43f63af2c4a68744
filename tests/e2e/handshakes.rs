//! Every handshake ends in exactly one event: accepted, refused by us, refused by them, or aborted; floods are counted.
use crate::harness::tls::{
    VERSIONS, client_config, connect, connect_from, server_config, shake, silent_server,
};
use crate::harness::{Edge, Lab, SOON, World, message_passes, windows};
use rustls::ServerConfig;
use serde_json::Value;
use sipward_lab::site::EDGE;
use sipward_lab::{EventLog, Server, trust_only};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";

/// Every handshake of the log by (event, reason), the suppressed ones included.
fn tally(log: &EventLog, direction: &str) -> BTreeMap<(String, String), u64> {
    let mut tally = BTreeMap::new();
    for event in log.since(0) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let (name, count) = match text("event").as_str() {
            // A sum that names no peer is of handshakes that came in: the others are with the peer that was dialled.
            "events_suppressed" if event["peer"].is_string() == (direction == "outbound") => {
                (text("suppressed_event"), event["count"].as_u64().unwrap())
            }
            name if text("direction") == direction => (name.to_owned(), 1),
            _ => continue,
        };
        if !name.starts_with("handshake_") {
            continue;
        }
        *tally.entry((name, text("reason"))).or_insert(0) += count;
    }
    tally
}

/// An edge whose first home server is at the address given and whose second one works.
async fn edge_with(lab: &Lab, fe01: SocketAddr) -> (Edge, Server) {
    let fe02 = lab.home("fe02").await;
    let topology = lab
        .site
        .topology(&[(FE01, fe01), (FE02, fe02.address())], None);
    (lab.edge(&topology).await, fe02)
}

/// A request that goes to the first home server and, since that one refuses us, to the second.
async fn fails_over(lab: &Lab, edge: &Edge, fe02: &Server) {
    let alice = lab.client(edge, "alice").await;
    message_passes(&alice, fe02).await;
}

#[tokio::test]
async fn a_server_that_refuses_our_certificate_is_one_event_in_tls_1_2_and_1_3() {
    for version in VERSIONS {
        let lab = Lab::new();
        let identity = lab.site.enterprise.server(FE01).unwrap();
        let others = trust_only(&[&lab.site.fabrikam]).unwrap();
        let fe01 = silent_server(server_config(version, &others, &identity)).await;
        let (edge, fe02) = edge_with(&lab, fe01).await;
        fails_over(&lab, &edge, &fe02).await;
        let log = edge.stop().await;
        let to_fe01: Vec<Value> = log
            .since(0)
            .into_iter()
            .filter(|e| e["peer"] == FE01)
            .collect();
        let names: Vec<_> = to_fe01
            .iter()
            .map(|e| e["event"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["handshake_refused_by_peer", "peer_disconnected"]);
        let refused = &to_fe01[0];
        assert_eq!(refused["reason"], "alert_unknown_ca");
        assert_eq!(refused["alert"], 48);
        assert_eq!(refused["identity"], "edge");
        let ours = sipward::trust::fingerprint(&lab.site.edge.chain[0]);
        assert_eq!(refused["shown_fingerprints"][0], ours);
        assert!(
            refused["shown_subjects"][0]
                .as_str()
                .unwrap()
                .contains(EDGE)
        );
        assert_eq!(
            refused["verdict"], "accept",
            "we had accepted theirs: {refused}"
        );
        assert_eq!(to_fe01[1]["reason"], "alert_unknown_ca");
    }
}

#[tokio::test]
async fn a_connection_that_we_made_counts_once_the_server_has_spoken() {
    let world = World::new().await;
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    let log = world.stop().await;
    let outbound = tally(&log, "outbound");
    assert_eq!(outbound.len(), 1, "{outbound:?}");
    assert_eq!(log.named("peer_connected").len(), 1);
    assert_eq!(log.named("peer_disconnected").len(), 1);
}

#[tokio::test]
async fn a_silent_server_that_asked_for_our_certificate_counts_after_the_handshakes_bound() {
    let lab = Lab::new();
    let identity = lab.site.enterprise.server(FE01).unwrap();
    let fe01 = silent_server(server_config(VERSIONS[1], &lab.roots, &identity)).await;
    let mut topology = lab.site.topology(&[(FE01, fe01)], None);
    topology.section("[limits]").text("handshake_timeout", "4s");
    let edge = lab.edge(&topology).await;
    let alice = lab.client(&edge, "alice").await;
    alice
        .message("sip:bob@contoso.test", "hi")
        .send()
        .await
        .unwrap();
    edge.log
        .wait("handshake_accepted", |e| e["direction"] == "outbound")
        .await
        .unwrap();
    edge.log
        .wait("peer_connected", |e| e["peer"] == FE01)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_trust_our_ca_is_told_with_the_chain_that_it_saw() {
    for version in VERSIONS {
        let lab = Lab::new();
        let (edge, _fe02) = edge_with(&lab, ([127, 0, 0, 1], 1).into()).await;
        let others = trust_only(&[&lab.site.fabrikam]).unwrap();
        let refusal = shake(client_config(version, &others, None), edge.address, EDGE).await;
        assert!(refusal.is_err());
        let event = edge
            .log
            .wait("handshake_refused_by_peer", |_| true)
            .await
            .unwrap();
        assert_eq!(event["direction"], "inbound");
        assert_eq!(event["reason"], "alert_unknown_ca");
        assert_eq!(event["identity"], "edge");
        assert_eq!(event["sni"], EDGE);
        // An operator finds it where everything is that was refused.
        let (_, refusals) = edge.command(&["refusals"]).await;
        let latest = &refusals["latest"][0];
        assert_eq!(
            (&latest["reason"], &latest["event"]),
            (&event["reason"], &event["event"])
        );
        assert_eq!(refusals["counts"][0]["reason"], event["reason"]);
        let log = edge.stop().await;
        assert_eq!(tally(&log, "inbound").values().sum::<u64>(), 1);
    }
}

/// A ClientHello of TLS 1.1: no extension says that more is known.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    // No session, one CBC suite, no compression.
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut hello = vec![22, 3, 1];
    hello.extend((body.len() as u16 + 4).to_be_bytes());
    hello.extend([1, 0]);
    hello.extend((body.len() as u16).to_be_bytes());
    hello.extend(body);
    hello
}

/// A ClientHello of TLS 1.2 with these names in SNI (RFC 6066 §3), and without an extension that TLS 1.2 needs.
fn hello_for(names: &[&str]) -> Vec<u8> {
    let sized = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes()[..], octets].concat();
    let entry = |name: &&str| [&[0][..], &sized(name.as_bytes())].concat();
    let list = sized(&names.iter().flat_map(entry).collect::<Vec<_>>());
    let extension = [&[0, 0][..], &sized(&list)].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session, one suite, no compression.
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend(sized(&extension));
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

#[tokio::test]
pub(crate) async fn an_odd_name_in_sni_is_ignored_or_refused_as_what_it_is() {
    let long = format!("{}.test", "a".repeat(64));
    // What follows the name in the hello is refused for the extension that is missing.
    let passes = "no_common_version";
    let malformed = "server_name_malformed";
    let world = World::new().await;
    for (names, reason) in [
        (&["edge01.contoso.test"][..], passes),
        (&["EDGE01.Contoso.TEST"], passes),
        (&["edge01.contoso.test."], passes),
        (&["some_body.contoso.test"], passes),
        (&["localhost"], passes),
        (&["192.0.2.1"], passes),
        (&["2001:db8::1"], passes),
        (&["edge01.contoso.test:5061"], malformed),
        (&["192.0.2.1:5061"], malformed),
        (&["[2001:db8::1]"], malformed),
        (&["sip:edge01.contoso.test"], malformed),
        (&["edge01 contoso test"], malformed),
        (&[" edge01.contoso.test"], malformed),
        (&["edge01.contoso.test\0"], malformed),
        (&["edge01..contoso.test"], malformed),
        (&[".contoso.test"], malformed),
        (&["*.contoso.test"], malformed),
        (&["b\u{fc}cher.test"], malformed),
        (&[long.as_str()], malformed),
        (&["."], malformed),
        (&[""], "tls_error"),
        (&[], malformed),
        (&["a.test", "b.test"], malformed),
    ] {
        let mark = world.edge.log.mark();
        let mut tcp = connect(world.edge.address).await;
        tcp.write_all(&hello_for(names)).await.unwrap();
        let mut sink = Vec::new();
        let _ = tcp.read_to_end(&mut sink).await;
        let refused = world
            .edge
            .log
            .wait_after(mark, "handshake_refused", |_| true);
        let event = refused.await.unwrap();
        assert_eq!(event["reason"], reason, "{names:?}: {event}");
    }
    world.stop().await;
}

#[tokio::test]
async fn sip_is_chosen_from_what_a_client_offers_in_alpn_and_a_list_without_it_is_refused() {
    let world = World::new().await;
    for version in VERSIONS {
        for (offered, chosen) in [
            (&[][..], None),
            (&["sip"], Some("sip")),
            (&["sip/2"], Some("sip/2")),
            (&["sip", "sip/2"], Some("sip/2")),
            (&["h2", "sip", "http/1.1"], Some("sip")),
        ] {
            let mut config = client_config(version, &world.lab.roots, None);
            config.alpn_protocols = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
            let tls = shake(config, world.edge.address, EDGE).await.unwrap();
            let protocol = tls.get_ref().1.alpn_protocol();
            assert_eq!(protocol, chosen.map(str::as_bytes), "{offered:?}");
        }
        for offered in ["h2", "SIP", "sips", "xmpp-client"] {
            let mark = world.edge.log.mark();
            let mut config = client_config(version, &world.lab.roots, None);
            config.alpn_protocols = vec![offered.as_bytes().to_vec()];
            let error = shake(config, world.edge.address, EDGE).await.unwrap_err();
            assert!(
                error.to_string().contains("NoApplicationProtocol"),
                "{error}"
            );
            let refused = world
                .edge
                .log
                .wait_after(mark, "handshake_refused", |_| true);
            assert_eq!(refused.await.unwrap()["reason"], "no_common_protocol");
        }
    }
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_flood_of_every_kind_of_bad_handshake_is_counted_to_the_last_one() {
    const EACH: u64 = 45;
    let lab = Lab::new();
    let rogue = lab.site.enterprise.server("rogue.contoso.test").unwrap();
    let others = trust_only(&[&lab.site.fabrikam]).unwrap();
    let (edge, _fe02) = edge_with(&lab, ([127, 0, 0, 1], 1).into()).await;
    let to_the_end = async |mut tcp: tokio::net::TcpStream| {
        let mut sink = Vec::new();
        let _ = tcp.read_to_end(&mut sink).await;
    };
    for _ in 0..EACH {
        // A port scan.
        drop(connect(edge.address).await);
        // Cut in the middle of a hello.
        let mut tcp = connect(edge.address).await;
        tcp.write_all(&hello_of_tls_1_1()[..20]).await.unwrap();
        tcp.set_zero_linger().unwrap();
        drop(tcp);
        // Plain text, and an old version.
        for octets in [&b"OPTIONS sip:x SIP/2.0\r\n\r\n"[..], &hello_of_tls_1_1()] {
            let mut tcp = connect(edge.address).await;
            tcp.write_all(octets).await.unwrap();
            to_the_end(tcp).await;
        }
        // Another protocol, another trust, another name.
        let mut web = client_config(VERSIONS[1], &lab.roots, None);
        web.alpn_protocols = vec![b"h2".to_vec()];
        assert!(shake(web, edge.address, EDGE).await.is_err());
        let distrust = client_config(VERSIONS[1], &others, None);
        assert!(shake(distrust, edge.address, EDGE).await.is_err());
        let stranger = client_config(VERSIONS[0], &lab.roots, Some(&rogue));
        assert!(shake(stranger, edge.address, EDGE).await.is_err());
    }
    // What the edge had not read when we left is told as closed or reset by then.
    let alice = lab.client(&edge, "alice").await;
    alice.wire().ping(SOON).await.unwrap();
    let log = edge.stop().await;
    let inbound = tally(&log, "inbound");
    let count = |event: &str, reason: &str| {
        inbound
            .get(&(event.to_owned(), reason.to_owned()))
            .copied()
            .unwrap_or(0)
    };
    assert_eq!(count("handshake_refused", "not_tls"), EACH, "{inbound:?}");
    assert_eq!(
        count("handshake_refused", "no_common_version"),
        EACH,
        "{inbound:?}"
    );
    assert_eq!(
        count("handshake_refused", "no_common_protocol"),
        EACH,
        "{inbound:?}"
    );
    assert_eq!(
        count("handshake_refused", "not_in_topology"),
        EACH,
        "{inbound:?}"
    );
    assert_eq!(
        count("handshake_refused_by_peer", "alert_unknown_ca"),
        EACH,
        "{inbound:?}"
    );
    let gone = count("handshake_aborted", "closed") + count("handshake_aborted", "reset");
    assert_eq!(gone, 2 * EACH, "{inbound:?}");
    assert_eq!(count("handshake_accepted", ""), 1, "{inbound:?}");
    assert_eq!(inbound.values().sum::<u64>(), 7 * EACH + 1, "{inbound:?}");
    // Most of them are sums, if they do not take long.
    for (event, reason) in inbound.keys() {
        let lines = log.named(event).into_iter();
        let lines: Vec<Value> = lines.filter(|e| e["reason"] == **reason).collect();
        has_few_lines(event, &lines);
    }
}

/// A window of the node has 20 lines of a kind; it begins later than the slot by which its lines are told apart.
fn has_few_lines(event: &str, lines: &[Value]) {
    let most = 20 * (windows(lines) + 1);
    assert!(lines.len() as u64 <= most, "{event}: {} lines", lines.len());
}

#[tokio::test]
async fn clients_that_come_and_go_are_counted_exactly_and_cost_few_lines() {
    const EACH: usize = 100;
    let world = World::new().await;
    let others = world.lab.roots.clone();
    for _ in 0..EACH {
        let mut tls = shake(
            client_config(VERSIONS[0], &others, None),
            world.edge.address,
            EDGE,
        )
        .await
        .unwrap();
        tls.shutdown().await.unwrap();
        // Until it is closed: the next one is another connection, not one more at a time.
        let mut sink = Vec::new();
        let _ = tls.read_to_end(&mut sink).await;
    }
    // A listed server is always told one by one.
    for _ in 0..25 {
        let mark = world.edge.log.mark();
        let wire = world.dial(&world.partner).await;
        wire.cut();
        let closed = world.edge.log.wait_after(mark, "connection_closed", |e| {
            e["peer"] == "edge.fabrikam.test"
        });
        closed.await.unwrap();
    }
    let log = world.stop().await;
    let told = |name: &str, peer: bool| {
        let events = log.named(name).into_iter();
        let events = events.filter(|e| e["peer"].is_string() == peer);
        events.collect::<Vec<Value>>()
    };
    let suppressed = |of: &str| -> u64 {
        let sums = log.named("events_suppressed").into_iter();
        let sums = sums.filter(|e| e["suppressed_event"] == of);
        sums.filter_map(|e| e["count"].as_u64()).sum()
    };
    for name in ["handshake_accepted", "connection_closed"] {
        let (lines, counted) = (told(name, false), suppressed(name) as usize);
        assert_eq!(lines.len() + counted, EACH, "{name}");
        has_few_lines(name, &lines);
        assert_eq!(told(name, true).len(), 25, "{name}");
    }
}

#[tokio::test]
pub(crate) async fn stalled_handshakes_end_at_their_bound_and_hold_up_nobody() {
    let world = World::with(|t| {
        t.section("[limits]").text("handshake_timeout", "3s");
    })
    .await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut tcp = connect(world.edge.address).await;
        tcp.write_all(&hello_of_tls_1_1()[..9]).await.unwrap();
        stalled.push(tcp);
    }
    // While they hang a client comes in and is served.
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    for mut tcp in stalled {
        let mut sink = Vec::new();
        let _ = tokio::time::timeout(SOON, tcp.read_to_end(&mut sink))
            .await
            .unwrap();
    }
    let log = world.stop().await;
    let timeouts = tally(&log, "inbound");
    let timeouts = timeouts.get(&("handshake_aborted".to_owned(), "timeout".to_owned()));
    assert_eq!(timeouts, Some(&50));
}

/// The whole first flight of a client that never goes on.
fn whole_hello(lab: &Lab) -> Vec<u8> {
    let config = client_config(VERSIONS[1], &lab.roots, None);
    let name = rustls_pki_types::ServerName::try_from(EDGE).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// How many handshakes have ended so, with and without a line.
async fn ended(world: &World, event: &str, reason: &str) -> u64 {
    let (_, status) = world.edge.command(&["status"]).await;
    let counts = status["events"].as_array().unwrap().iter();
    let counts = counts.filter(|count| count["event"] == event && count["reason"] == reason);
    counts.map(|count| count["count"].as_u64().unwrap()).sum()
}

#[tokio::test]
pub(crate) async fn a_slot_that_is_held_without_an_answer_goes_to_who_waits_for_one() {
    let world = World::with(|t| {
        t.section("[node]").raw("shards", "1");
        t.section("[limits]")
            .raw("handshakes", "2")
            .text("handshake_timeout", "60s");
    })
    .await;
    let hello = whole_hello(&world.lab);
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut tcp = connect_from("127.0.0.2", world.edge.address).await;
        tcp.write_all(&hello).await.unwrap();
        stalled.push(tcp);
    }
    // Two have this node's flight, which nobody answers; the others wait, and none is turned away.
    let mut answered = [0];
    assert_eq!(stalled[0].peek(&mut answered).await.unwrap(), 1);
    assert_eq!(stalled[1].peek(&mut answered).await.unwrap(), 1);
    let from_elsewhere = world.client("alice").await;
    message_passes(&from_elsewhere, &world.fe01).await;
    world
        .logged("handshake_refused", |e| {
            e["reason"] == "too_many_handshakes"
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn who_says_nothing_or_half_a_hello_takes_no_slot() {
    let world = World::with(|t| {
        t.section("[limits]")
            .raw("handshakes", "1")
            .text("handshake_timeout", "60s");
        t.section("[node]").raw("shards", "1");
    })
    .await;
    let hello = whole_hello(&world.lab);
    let mut silent = Vec::new();
    for part in [0, 1, 5, 100, hello.len() - 1] {
        for _ in 0..20 {
            let mut tcp = connect_from("127.0.0.1", world.edge.address).await;
            tcp.write_all(&hello[..part]).await.unwrap();
            silent.push(tcp);
        }
    }
    for name in ["alice", "bob", "carol"] {
        let client = world.client(name).await;
        message_passes(&client, &world.fe01).await;
    }
    let partner = world.dial(&world.partner).await;
    // The last byte of one, after all that time, and it is answered.
    let mut late = silent.pop().unwrap();
    late.write_all(&hello[hello.len() - 1..]).await.unwrap();
    assert_ne!(late.read(&mut [0]).await.unwrap(), 0);
    drop((silent, partner));
    // The late one may find the node draining.
    let log = world.stop().await;
    for refused in log.named("handshake_refused") {
        assert_eq!(refused["reason"], "draining", "{refused}");
    }
}

#[tokio::test]
pub(crate) async fn a_full_lobby_makes_room_at_the_expense_of_the_fullest_source() {
    let world = World::with(|t| {
        t.section("[limits]")
            .raw("waiting", "10")
            .text("handshake_timeout", "60s");
    })
    .await;
    // Somebody of another network, who is silent for long but has no other connection.
    let lone = connect_from("127.0.9.1", world.edge.address).await;
    let mut flood = Vec::new();
    for number in 0..50 {
        let source = format!("127.0.0.{}", 2 + number % 3);
        flood.push(connect_from(&source, world.edge.address).await);
        if number % 10 == 0 {
            // Whoever shakes hands passes meanwhile.
            drop(world.client("alice").await);
        }
    }
    let refused = world.logged("handshake_refused", |_| true).await;
    assert_eq!(refused["reason"], "too_many_waiting", "{refused}");
    assert!(refused["remote"].as_str().unwrap().starts_with("127.0.0."));
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    // One for each that came on top of ten, and whoever shook hands took a place for a moment.
    let out = ended(&world, "handshake_refused", "too_many_waiting").await;
    assert!((41..=47).contains(&out), "{out}");
    let mut nothing = [0];
    let left = tokio::time::timeout(Duration::from_millis(50), lone.peek(&mut nothing)).await;
    assert!(left.is_err(), "{left:?}");
    drop(flood);
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_hello_of_more_than_16_kib_is_refused_by_its_length() {
    let world = World::new().await;
    let mut tcp = connect(world.edge.address).await;
    let record = [&[22, 3, 1, 0x10, 0, 1, 0, 0x80, 0][..], &[0; 100]].concat();
    tcp.write_all(&record).await.unwrap();
    let refused = world.logged("handshake_refused", |_| true).await;
    assert_eq!(refused["reason"], "hello_too_long", "{refused}");
    world.stop().await;
}

/// A TLS 1.3 server that has our certificate and says nothing of it until it is told to: then it refuses it and resets the
/// connection at once. Gives its address, what tells that our last flight is there, and what makes it refuse.
fn late_refuser(config: ServerConfig) -> (SocketAddr, Receiver<()>, Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, has_arrived) = channel();
    let (refuse, told) = channel();
    std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while tls.wants_read() && !tls.wants_write() {
            tls.read_tls(&mut tcp).unwrap();
            tls.process_new_packets().unwrap();
        }
        while tls.wants_write() {
            tls.write_tls(&mut tcp).unwrap();
        }
        tcp.peek(&mut [0]).unwrap();
        arrived.send(()).unwrap();
        told.recv().unwrap();
        while tls.process_new_packets().is_ok() {
            tls.read_tls(&mut tcp).unwrap();
        }
        while tls.wants_write() {
            tls.write_tls(&mut tcp).unwrap();
        }
        // What has not been read makes the close a reset, too; this makes it sure.
        let linger = socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO));
        linger.unwrap();
    });
    (address, has_arrived, refuse)
}

#[tokio::test]
async fn an_alert_that_is_followed_by_a_reset_is_heard_before_the_next_write_fails() {
    let lab = Lab::new();
    let identity = lab.site.enterprise.server(FE01).unwrap();
    let others = trust_only(&[&lab.site.fabrikam]).unwrap();
    let (fe01, arrived, refuse) = late_refuser(server_config(VERSIONS[1], &others, &identity));
    let fe02 = lab.home("fe02").await;
    let mut topology = lab
        .site
        .topology(&[(FE01, fe01), (FE02, fe02.address())], None);
    topology.section("[node]").raw("shards", "1");
    let edge = lab.edge(&topology).await;
    let alice = lab.client(&edge, "alice").await;
    let hello = || alice.message("sip:bob@contoso.test", "hi").build();
    // A connection whose octets are in the socket when they are written.
    let config = client_config(VERSIONS[1], &lab.roots, None);
    let mut client = shake(config, edge.address, EDGE).await.unwrap();
    client.write_all(&hello().to_bytes()).await.unwrap();
    let waited = tokio::task::spawn_blocking(move || arrived.recv_timeout(SOON));
    waited.await.unwrap().unwrap();
    // While the daemon stands still there comes first what makes it write to the server, and then the server's refusal.
    edge.stand_still();
    client.write_all(&hello().to_bytes()).await.unwrap();
    refuse.send(()).unwrap();
    // The server's end of the connection is gone when its thread has dropped both channels.
    while refuse.send(()).is_ok() {
        tokio::task::yield_now().await;
    }
    edge.signal("CONT");
    let refused = edge
        .log
        .wait("handshake_refused_by_peer", |e| e["peer"] == FE01);
    assert_eq!(refused.await.unwrap()["reason"], "alert_unknown_ca");
    for _ in 0..2 {
        let got = fe02.expect("MESSAGE").await.unwrap();
        fe02.reply(&got, 200).await.unwrap();
    }
    let log = edge.stop().await;
    let of_fe01 = log.since(0).into_iter().filter(|e| e["peer"] == FE01);
    let of_fe01: Vec<_> = of_fe01
        .filter_map(|e| e["event"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(of_fe01, ["handshake_refused_by_peer", "peer_disconnected"]);
}
