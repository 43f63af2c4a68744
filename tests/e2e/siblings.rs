//! Two nodes of one site on real connections: phones at both, calls between them, and one node killed in mid-call.
use crate::harness::{Edge, Lab, SOON};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, TopologyText};
use sipward_lab::{Client, Dialog, EdgeTarget, End, Received, Server, Wire};

const NODES: [&str; 2] = ["node1.contoso.test", "node2.contoso.test"];

/// Two nodes that go by the name EDGE, and their home server with a connection to each.
struct Pair {
    lab: Lab,
    edges: [Edge; 2],
    fe01: Server,
    wires: [Wire; 2],
}

/// The topology of one node; its sibling comes when its port is known.
fn topology(lab: &Lab, at: usize, fe01: &Server) -> TopologyText {
    let mut topology = lab
        .site
        .topology(&[("fe01.contoso.test", fe01.address())], None);
    topology.section("[limits]").raw("gather", "0");
    topology
        .section("[node]")
        .text("fqdn", NODES[at])
        .text("advertise", EDGE)
        .raw("advertise_port", "5061");
    let mut spec = LeafSpec::server(EDGE);
    spec.dns.push(NODES[at].to_owned());
    let issued = lab.site.enterprise.issue(&spec).unwrap();
    let name = format!("node{at}");
    lab.site.issue(&name, &issued).unwrap();
    topology
        .section("[[identity]]")
        .text("certificate", &format!("{name}.chain.pem"))
        .text("private_key", &format!("{name}.key.pem"));
    topology
}

/// Starts a node in a directory of its own.
async fn start(lab: &Lab, at: usize, topology: &TopologyText) -> Edge {
    let file = format!("node{at}.toml");
    let file = lab.site.write(&file, &topology.to_toml()).unwrap();
    let runtime = lab.site.path().join(format!("run{at}"));
    std::fs::create_dir_all(&runtime).unwrap();
    Edge::start_in(&file, &runtime).await
}

impl Pair {
    async fn new() -> Self {
        let lab = Lab::new();
        let fe01 = lab.home("fe01").await;
        let mut files = [0, 1].map(|at| topology(&lab, at, &fe01));
        let edges = [
            start(&lab, 0, &files[0]).await,
            start(&lab, 1, &files[1]).await,
        ];
        for at in [0, 1] {
            files[at]
                .add("[[sibling]]")
                .text("fqdn", NODES[1 - at])
                .list("trust", &["enterprise-ca"])
                .list("address", &[&edges[1 - at].address.to_string()]);
            let file = format!("node{at}.toml");
            lab.site.write(&file, &files[at].to_toml()).unwrap();
            let reload = edges[at].reload().await;
            assert_eq!(reload["result"], "ok", "{reload}");
        }
        // They ping each other.
        for (edge, name) in edges.iter().zip([NODES[1], NODES[0]]) {
            edge.log
                .wait("handshake_accepted", |e| e["peer"] == name)
                .await
                .unwrap();
        }
        let wires = [
            fe01.dial(edges[0].address, EDGE).await.unwrap(),
            fe01.dial(edges[1].address, EDGE).await.unwrap(),
        ];
        Self {
            lab,
            edges,
            fe01,
            wires,
        }
    }

    /// A phone registers at this node; gives its Path as well.
    async fn phone(&self, at: usize, user: &str) -> (Client, String) {
        let target = EdgeTarget {
            address: self.edges[at].address,
            ..self.lab.face(&self.edges[at])
        };
        let client = Client::connect(&target, user, &format!("sip:{user}@contoso.test"))
            .await
            .unwrap();
        let sent = client.register().send().await.unwrap();
        let register = self.fe01.expect("REGISTER").await.unwrap();
        self.fe01.reply(&register, 200).await.unwrap();
        client.answer(&sent, 200).await.unwrap();
        let path = register.message.header("path").unwrap().to_owned();
        (client, path)
    }

    /// The home server calls a phone through this node; the dialogs of both sides.
    async fn call(&self, at: usize, phone: &Client, path: &str) -> (Dialog, Dialog) {
        let call = self.fe01.invite(phone.contact()).header("Route", path);
        let call = call.on(&self.wires[at]).send().await.unwrap();
        let invite = phone.expect("INVITE").await.unwrap();
        let origin = invite.message.header("x-sipward-origin");
        assert_eq!(origin, None);
        let mut of_phone = phone.accept(&invite).await.unwrap();
        let ok = self.fe01.answer(&call, 200).await.unwrap();
        let of_home = self.fe01.ack(&call, &ok).await.unwrap();
        phone.expect("ACK").await.unwrap();
        of_phone.cseq = 100;
        (of_home, of_phone)
    }

    /// The home server asks in a dialog through this node, and the phone answers.
    async fn asks(&self, at: usize, dialog: &mut Dialog, phone: &Client, method: &str) -> Received {
        let sent = self.fe01.within(dialog, method).on(&self.wires[at]);
        let sent = sent.send().await.unwrap();
        let got = phone.expect(method).await.unwrap();
        phone.reply(&got, 200).await.unwrap();
        self.fe01.answer(&sent, 200).await.unwrap();
        got
    }
}

/// A phone asks in its dialog, and the home server answers.
async fn phone_asks(phone: &Client, dialog: &mut Dialog, home: &End, method: &str) {
    let sent = phone.within(dialog, method).send().await.unwrap();
    let got = home.expect(method).await.unwrap();
    home.reply(&got, 200).await.unwrap();
    phone.answer(&sent, 200).await.unwrap();
}

#[tokio::test]
async fn calls_cross_to_the_node_that_has_the_phone() {
    let pair = Pair::new().await;
    let (alice, of_alice) = pair.phone(0, "alice").await;
    let (bob, of_bob) = pair.phone(1, "bob").await;
    // Each is called through the node that it is not at, as a home server does that knows one name for both.
    let mut first = pair.call(1, &alice, &of_alice).await;
    let mut second = pair.call(0, &bob, &of_bob).await;
    for method in ["INVITE", "INFO", "UPDATE", "NOTIFY", "MESSAGE"] {
        pair.asks(1, &mut first.0, &alice, method).await;
        pair.asks(0, &mut second.0, &bob, method).await;
    }
    phone_asks(&alice, &mut first.1, &pair.fe01, "INFO").await;
    phone_asks(&bob, &mut second.1, &pair.fe01, "INVITE").await;
    pair.asks(1, &mut first.0, &alice, "BYE").await;
    phone_asks(&bob, &mut second.1, &pair.fe01, "BYE").await;
    for edge in pair.edges {
        let log = edge.stop().await;
        assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    }
}

/// Ten calls; the node that their phones are at is killed while token keys are rotated. Each call goes on from both sides.
#[tokio::test]
async fn a_killed_node_ends_no_call_of_a_phone_that_registers_at_the_other_one() {
    let pair = Pair::new().await;
    let mut calls = Vec::new();
    for number in 0..10 {
        let (phone, path) = pair.phone(0, &format!("user{number}")).await;
        // Half of them through the other node.
        let dialogs = pair.call(number % 2, &phone, &path).await;
        calls.push((phone, dialogs));
    }
    let old = std::fs::read_to_string(pair.lab.site.path().join("tokens.key")).unwrap();
    let new = format!("9 {}\n", "cd".repeat(32));
    pair.lab
        .site
        .write("tokens.key", &format!("{new}{old}"))
        .unwrap();
    for edge in &pair.edges {
        edge.reload().await;
    }
    pair.edges[0].signal("KILL");
    let left = &pair.edges[1].log;
    left.wait("peer_disconnected", |e| e["peer"] == NODES[0])
        .await
        .unwrap();
    for (number, (before, (of_home, of_phone))) in calls.iter_mut().enumerate() {
        before.wire().ended(SOON).await.unwrap();
        // The home side asks before the phone is back.
        let early = pair.fe01.within(of_home, "INVITE").on(&pair.wires[1]);
        let early = early.send().await.unwrap();
        let (phone, _) = pair.phone(1, &format!("user{number}")).await;
        let got = phone.expect("INVITE").await.unwrap();
        phone.reply(&got, 200).await.unwrap();
        let ok = pair.fe01.answer(&early, 200).await.unwrap();
        pair.fe01.ack(&early, &ok).await.unwrap();
        phone.expect("ACK").await.unwrap();
        phone_asks(&phone, of_phone, &pair.fe01, "INVITE").await;
        match number % 2 {
            0 => drop(pair.asks(1, of_home, &phone, "BYE").await),
            _ => phone_asks(&phone, of_phone, &pair.fe01, "BYE").await,
        }
    }
    let [_, second] = pair.edges;
    let log = second.stop().await;
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
}

/// One node is told to stop in mid-call, and has still something to finish: what is for its phone arrives until it is gone.
#[tokio::test]
async fn a_node_that_drains_still_gets_what_is_for_its_phones() {
    let pair = Pair::new().await;
    let (alice, of_alice) = pair.phone(1, "alice").await;
    let mut call = pair.call(0, &alice, &of_alice).await;
    let unanswered = alice.message("sip:bob@contoso.test", "hi");
    let unanswered = unanswered.send().await.unwrap();
    let pending = pair.fe01.expect("MESSAGE").await.unwrap();
    pair.edges[1].signal("TERM");
    pair.edges[1].log.wait("drain", |_| true).await.unwrap();
    // Outside of a dialog, by the phone's Path, through the other node.
    let sent = pair.fe01.message(alice.contact(), "hello");
    let sent = sent.header("Route", &of_alice).on(&pair.wires[0]);
    let sent = sent.send().await.unwrap();
    let got = alice.expect("MESSAGE").await.unwrap();
    alice.reply(&got, 200).await.unwrap();
    pair.fe01.answer(&sent, 200).await.unwrap();
    pair.asks(0, &mut call.0, &alice, "INFO").await;
    pair.asks(0, &mut call.0, &alice, "BYE").await;
    pair.fe01.reply(&pending, 200).await.unwrap();
    alice.answer(&unanswered, 200).await.unwrap();
    let [first, second] = pair.edges;
    let (status, log) = second.exited().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.named("request_refused").len(), 0, "{}", log.to_text());
    first.stop().await;
}

/// What bears a sibling's name and certificate may hand over, and nothing else.
#[tokio::test]
pub(crate) async fn a_sibling_has_no_rights_of_its_own() {
    let lab = Lab::new();
    let fe01 = lab.home("fe01").await;
    let issued = lab.site.enterprise.server(NODES[1]).unwrap();
    let sibling = lab.server("node2", NODES[1], "sip:x@contoso.test", &issued);
    let sibling = sibling.await;
    let mut topology = topology(&lab, 0, &fe01);
    topology
        .add("[[sibling]]")
        .text("fqdn", NODES[1])
        .list("trust", &["enterprise-ca"])
        .list("address", &[&sibling.address().to_string()]);
    let edge = start(&lab, 0, &topology).await;
    let wire = sibling.dial(edge.address, EDGE).await.unwrap();
    let call = sibling.invite("sip:bob@contoso.test").on(&wire);
    let call = call.send().await.unwrap();
    sibling.answer(&call, 403).await.unwrap();
    edge.log
        .wait("request_refused", |e| {
            e["reason"] == "sibling_not_permitted"
        })
        .await
        .unwrap();
    let call = sibling.invite("sip:bob@contoso.test").on(&wire);
    let call = call.header(
        "X-Sipward-Origin",
        "AQBrSdIfARWT1Afp54kak6Dkzqv34AFtqJKvMBKBtg",
    );
    let call = call.send().await.unwrap();
    // As whatever it hands over that this node does not take: it asks another one then.
    sibling.answer(&call, 430).await.unwrap();
    edge.log
        .wait("request_refused", |e| e["reason"] == "origin_forged")
        .await
        .unwrap();
    edge.stop().await;
}
