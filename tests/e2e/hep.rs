//! `[hep]`: copies of messages for a collector: of whom, to which one, and what is said when nobody takes them.
use crate::harness::World;
use sipward_lab::Client;
use std::net::UdpSocket;
use std::time::Duration;

/// A collector on loopback.
struct Collector(UdpSocket);

impl Collector {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(socket)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// The next packet: its ports, source and destination, and the message in it.
    fn next(&self) -> (u16, u16, String) {
        let mut buffer = [0; 65_536];
        let length = self.0.recv(&mut buffer).expect("a packet");
        read(&buffer[..length])
    }

    /// The first lines of the messages that have come, until one of this Call-ID's method does.
    fn until(&self, start: &str) -> Vec<(u16, u16, String)> {
        let mut all = Vec::new();
        loop {
            let packet = self.next();
            let is_last = packet.2.starts_with(start);
            all.push(packet);
            if is_last {
                return all;
            }
        }
    }

    /// Nothing more lies there.
    fn is_empty(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let is_empty = self.0.recv(&mut [0; 16]).is_err();
        self.0.set_nonblocking(false).unwrap();
        is_empty
    }
}

/// HEPv3: a magic word, the length, and chunks of vendor, type, length and value.
fn read(packet: &[u8]) -> (u16, u16, String) {
    assert_eq!(&packet[..4], b"HEP3");
    let number = |at: &[u8]| u16::from_be_bytes([at[0], at[1]]);
    assert_eq!(usize::from(number(&packet[4..])), packet.len());
    let (mut source, mut destination, mut text) = (0, 0, String::new());
    let mut rest = &packet[6..];
    while !rest.is_empty() {
        let (kind, length) = (number(&rest[2..]), usize::from(number(&rest[4..])));
        let value = &rest[6..length];
        match kind {
            7 => source = number(value),
            8 => destination = number(value),
            15 => text = String::from_utf8(value.to_vec()).unwrap(),
            _ => {}
        }
        rest = &rest[length..];
    }
    (source, destination, text)
}

/// A text of alice's, and its answer.
async fn text(world: &World, alice: &Client) {
    let sent = alice.message("sip:bob@contoso.test", "x");
    let sent = sent.send().await.unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    world.fe01.reply(&got, 200).await.unwrap();
    alice.answer(&sent, 200).await.unwrap();
}

/// A node with this in `[hep]`, and alice on it.
async fn world(section: &[(&str, &str)]) -> (World, Client) {
    let section: Vec<(String, String)> = section
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let world = World::with(|t| {
        let hep = t.section("[hep]");
        for (key, value) in &section {
            hep.raw(key, value);
        }
    })
    .await;
    world.edge.log.wait("hep_sending", |_| true).await.unwrap();
    let (alice, _) = world.registered("alice").await;
    (world, alice)
}

#[tokio::test]
async fn a_list_of_peers_or_clients_chooses_the_connections_whose_messages_are_copied() {
    for (key, value, of_peer) in [
        ("peers", "[\"fe01.contoso.test\"]", true),
        ("clients", "[\"127.0.0.1\"]", false),
    ] {
        let collector = Collector::new();
        let address = format!("\"{}\"", collector.address());
        let (world, alice) = world(&[("address", &address), (key, value)]).await;
        text(&world, &alice).await;
        let fe01 = world.fe01.address().port();
        let edge = world.edge.address.port();
        // The registration has two messages there, and the text has two.
        let mut packets = collector.until("MESSAGE");
        packets.push(collector.next());
        assert_eq!(packets.len(), 4, "{key}: {packets:?}");
        for (source, destination, message) in &packets {
            let ports = [source, destination];
            assert_eq!(
                ports.contains(&&fe01),
                of_peer,
                "{key}: {ports:?} {message}"
            );
            assert_eq!(
                ports.contains(&&edge),
                !of_peer,
                "{key}: {ports:?} {message}"
            );
        }
        assert!(packets[3].2.starts_with("SIP/2.0 200"), "{packets:?}");
        assert!(collector.is_empty());
        world.stop().await;
    }
    // Who is in neither list is copied nowhere.
    let collector = Collector::new();
    let address = format!("\"{}\"", collector.address());
    let nobody = ("clients", "[\"192.0.2.0/24\"]");
    let (world, alice) = world(&[("address", &address), nobody]).await;
    text(&world, &alice).await;
    world.stop().await;
    assert!(collector.is_empty());
}

#[tokio::test]
async fn a_reload_sends_to_another_collector_and_then_to_none() {
    let (first, second) = (Collector::new(), Collector::new());
    let address = format!("\"{}\"", first.address());
    let (world, alice) = world(&[("address", &address)]).await;
    text(&world, &alice).await;
    first.until("MESSAGE");
    let path = world.lab.site.path().join("topology.toml");
    let file = std::fs::read_to_string(&path).unwrap();
    let changed = file.replace(&first.address(), &second.address());
    assert_ne!(file, changed);
    std::fs::write(&path, &changed).unwrap();
    let mark = world.edge.log.mark();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let log = &world.edge.log;
    let sending = log.wait_after(mark, "hep_sending", |_| true).await.unwrap();
    assert_eq!(sending["address"], second.address());
    text(&world, &alice).await;
    let packets = second.until("MESSAGE");
    assert!(packets.iter().all(|it| !it.2.starts_with("REGISTER")));
    // What was sent before the change may still lie there; nothing of the text behind it does.
    while !first.is_empty() {}
    text(&world, &alice).await;
    second.until("MESSAGE");
    assert!(first.is_empty());
    let without = changed.replace(&format!("address = \"{}\"", second.address()), "");
    assert_ne!(without, changed);
    std::fs::write(&path, without).unwrap();
    assert_eq!(world.edge.reload().await["result"], "ok");
    let log = world.stop().await;
    assert_eq!(log.named("hep_sending").len(), 2);
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_said_with_what_was_lost_and_harms_no_call() {
    // Connected to somebody else, its socket takes nothing of the node's.
    let nobody = Collector::new();
    nobody.0.connect("127.0.0.1:9").unwrap();
    let address = format!("\"{}\"", nobody.address());
    let (world, alice) = world(&[("address", &address)]).await;
    for _ in 0..5 {
        text(&world, &alice).await;
    }
    let log = &world.edge.log;
    let lost = log.wait("hep_lost", |_| true).await.unwrap();
    assert!(lost["dropped"].as_u64().unwrap() > 0, "{lost}");
    assert!(
        lost["detail"].as_str().unwrap().contains("refused"),
        "{lost}"
    );
    // One line a minute, whatever is lost.
    let log = world.stop().await;
    assert_eq!(log.named("hep_lost").len(), 1);
}
