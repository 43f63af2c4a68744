//! Two nodes behind HAProxy, which shares out their phones; one of them is killed in mid-call.
use crate::harness::{Edge, Haproxy, Mark, PATIENCE, Program, Stage, free_port};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, Site};
use sipward_lab::{Client, Dialog, EdgeTarget, Server, ServerSpec, Transcript, Wire, trust_only};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODES: [&str; 2] = ["node1.contoso.test", "node2.contoso.test"];
/// What HAProxy connects from.
const BALANCER: &str = "127.0.0.3";
const PHONES: usize = 20;

/// The topology of one node, with whole paths.
fn topology(site: &Site, at: usize, ports: [u16; 2], home: SocketAddr) -> String {
    let mut spec = LeafSpec::server(EDGE);
    spec.dns.push(NODES[at].to_owned());
    let issued = site.enterprise.issue(&spec).unwrap();
    site.issue(&format!("node{at}"), &issued).unwrap();
    let mut topology = site.topology(&[("fe01.contoso.test", home)], None);
    topology
        .section("[node]")
        .text("fqdn", NODES[at])
        .text("advertise", EDGE)
        .raw("advertise_port", "5061");
    topology
        .section("[[identity]]")
        .text("certificate", &format!("node{at}.chain.pem"))
        .text("private_key", &format!("node{at}.key.pem"));
    topology
        .section("[[listener]]")
        .text("address", &format!("127.0.0.1:{}", ports[at]))
        .list("proxy_protocol", &[BALANCER]);
    topology
        .add("[[sibling]]")
        .text("fqdn", NODES[1 - at])
        .list("trust", &["enterprise-ca"])
        .list("address", &[&format!("127.0.0.1:{}", ports[1 - at])]);
    let mut text = topology.to_toml();
    for name in [
        &format!("node{at}.chain.pem"),
        &format!("node{at}.key.pem"),
        "enterprise-ca.pem",
        "enterprise-ca.crl.pem",
        "fabrikam-ca.pem",
        "fabrikam-ca.crl.pem",
        "tokens.key",
    ] {
        let path = site.path().join(name);
        text = text.replace(&format!("\"{name}\""), &format!("\"{}\"", path.display()));
    }
    text
}

/// A phone behind the balancer, and its registration's Path.
async fn phone(target: &EdgeTarget, home: &Server, number: usize) -> (Client, String) {
    let user = format!("user{number}");
    let aor = format!("sip:{user}@contoso.test");
    let phone = Client::connect(target, &user, &aor).await.unwrap();
    let sent = phone.register().send().await.unwrap();
    let register = home.expect("REGISTER").await.unwrap();
    home.reply(&register, 200).await.unwrap();
    phone.answer(&sent, 200).await.unwrap();
    let path = register.message.header("path").unwrap().to_owned();
    (phone, path)
}

/// The home server calls a phone over this connection; the dialogs of both sides.
async fn call(home: &Server, wire: &Wire, phone: &Client, path: &str) -> (Dialog, Dialog) {
    let call = home.invite(phone.contact()).header("Route", path).on(wire);
    let call = call.send().await.unwrap();
    let invite = phone.expect("INVITE").await.unwrap();
    let mut of_phone = phone.accept(&invite).await.unwrap();
    let ok = home.answer(&call, 200).await.unwrap();
    let of_home = home.ack(&call, &ok).await.unwrap();
    phone.expect("ACK").await.unwrap();
    of_phone.cseq = 100;
    (of_home, of_phone)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures a wait")]
async fn haproxy_brings_the_phones_of_a_killed_node_to_the_other_one_and_their_calls_go_on() {
    let Some(_stage) = Stage::enter(&[Program::Haproxy]) else {
        return;
    };
    let site = Site::new().unwrap();
    let roots = trust_only(&[&site.enterprise]).unwrap();
    let transcript = Transcript::new();
    let identity = site.enterprise.server("fe01.contoso.test").unwrap();
    let home = Server::start(&ServerSpec {
        party: "fe01",
        fqdn: "fe01.contoso.test",
        aor: "sip:fe01.contoso.test",
        identity: &identity,
        roots: &roots,
        transcript: &transcript,
        listen: None,
    })
    .await
    .unwrap();
    let ports = [free_port(), free_port()];
    let [first, second] = [0, 1].map(|at| Edge::run(&topology(&site, at, ports, home.address())));
    for (edge, name) in [(&first, NODES[1]), (&second, NODES[0])] {
        edge.wait_event(Mark::START, "handshake_accepted", |e| {
            e.text("peer") == name
        });
    }
    let servers = [("node1", ports[0]), ("node2", ports[1])];
    let options =
        "send-proxy-v2 check check-send-proxy inter 200ms on-marked-down shutdown-sessions";
    let balancer = Haproxy::start_for(&servers, BALANCER, options);
    for (name, _) in servers {
        balancer.wait_text(&format!("Health check for server edge/{name} succeeded"));
    }
    let target = EdgeTarget {
        address: SocketAddr::from(([127, 0, 0, 1], balancer.port())),
        name: EDGE.to_owned(),
        roots: Arc::clone(&roots),
        transcript: transcript.clone(),
    };
    let wire = home
        .dial(([127, 0, 0, 1], ports[1]).into(), EDGE)
        .await
        .unwrap();
    let mut calls = Vec::new();
    for number in 0..PHONES {
        let (phone, path) = phone(&target, &home, number).await;
        // All through the second node: half of the phones are at the first one.
        let dialogs = call(&home, &wire, &phone, &path).await;
        calls.push((number, phone, dialogs));
    }
    let mark = second.mark();
    drop(first);
    let killed = Instant::now();
    second.wait_event(mark, "peer_disconnected", |e| e.text("peer") == NODES[0]);
    // HAProxy ends the connections of the phones that were at the first one.
    let are_cut = async {
        let is_live = |(_, phone, _): &&(usize, Client, _)| phone.wire().is_live();
        while calls.iter().filter(is_live).count() > PHONES / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, are_cut).await.unwrap();
    let mut moved = 0;
    for (number, before, (of_home, of_phone)) in &mut calls {
        let mut now = None;
        if !before.wire().is_live() {
            // The home side is ahead of the phone.
            let early = home.within(of_home, "INFO").on(&wire).send().await.unwrap();
            let (phone, _) = phone(&target, &home, *number).await;
            let info = phone.expect("INFO").await.unwrap();
            phone.reply(&info, 200).await.unwrap();
            home.answer(&early, 200).await.unwrap();
            moved += 1;
            now = Some(phone);
        }
        let phone = now.as_ref().unwrap_or(before);
        let sent = phone.within(of_phone, "INVITE").send().await.unwrap();
        let invite = home.expect("INVITE").await.unwrap();
        home.reply(&invite, 200).await.unwrap();
        phone.answer(&sent, 200).await.unwrap();
        let bye = home.within(of_home, "BYE").on(&wire).send().await.unwrap();
        let got = phone.expect("BYE").await.unwrap();
        phone.reply(&got, 200).await.unwrap();
        home.answer(&bye, 200).await.unwrap();
    }
    println!(
        "{PHONES} calls went on and ended within {:?} of the kill",
        killed.elapsed()
    );
    assert_eq!(moved, PHONES / 2);
    assert_eq!(second.stop().events(mark, "request_refused").len(), 0);
}
