//! Two nodes that softphones find by dnsmasq's SRV records (RFC 3263 §4); one of them is killed in mid-call.
use crate::harness::{Certificates, Dnsmasq, Edge, Mark, Phone, Program, Stage, Target, establish};
use sipward_lab::pki::LeafSpec;
use sipward_lab::site::{EDGE, Site};
use sipward_lab::{HomeServer, Registrar, Server, ServerSpec, Transcript, trust_only};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Phones look for the port where the name has none, so that both nodes have the usual one.
const PORT: u16 = 5061;
const NODES: [&str; 2] = ["node1.contoso.test", "node2.contoso.test"];

/// Two addresses of loopback with a free port, of this process alone.
fn addresses() -> [Ipv4Addr; 2] {
    let id = std::process::id().to_be_bytes();
    for last in (2..250).step_by(2) {
        let both = [last, last + 1].map(|last| Ipv4Addr::new(127, 64 | id[2] & 63, id[3], last));
        if both.iter().all(|it| TcpListener::bind((*it, PORT)).is_ok()) {
            return both;
        }
    }
    panic!("no two free addresses")
}

/// The topology of one node, with whole paths.
fn topology(site: &Site, at: usize, addresses: [Ipv4Addr; 2], home: SocketAddr) -> String {
    let mut spec = LeafSpec::server(EDGE);
    spec.dns.push(NODES[at].to_owned());
    let issued = site.enterprise.issue(&spec).unwrap();
    site.issue(&format!("node{at}"), &issued).unwrap();
    let mut topology = site.topology(&[("fe01.contoso.test", home)], None);
    topology
        .section("[node]")
        .text("fqdn", NODES[at])
        .text("advertise", EDGE)
        .raw("advertise_port", &PORT.to_string());
    topology
        .section("[[identity]]")
        .text("certificate", &format!("node{at}.chain.pem"))
        .text("private_key", &format!("node{at}.key.pem"));
    topology
        .section("[[listener]]")
        .text("address", &format!("{}:{PORT}", addresses[at]));
    topology
        .add("[[sibling]]")
        .text("fqdn", NODES[1 - at])
        .list("trust", &["enterprise-ca"])
        .list("address", &[&format!("{}:{PORT}", addresses[1 - at])]);
    let directory = format!("{}/", site.path().display());
    let mut text = topology.to_toml();
    let own = [format!("node{at}.chain"), format!("node{at}.key")];
    let all = ["enterprise-ca", "fabrikam-ca", "tokens"].map(str::to_owned);
    for file in own.into_iter().chain(all) {
        text = text.replace(&format!("\"{file}."), &format!("\"{directory}{file}."));
    }
    text
}

/// What a name server says that has these nodes in this order.
fn records(addresses: [Ipv4Addr; 2], order: &[usize]) -> Vec<String> {
    let mut records = Vec::new();
    for (priority, at) in order.iter().enumerate() {
        let (at, node) = (*at, NODES[*at]);
        records.push(format!(
            "--srv-host=_sips._tcp.{EDGE},{node},{PORT},{priority},50"
        ));
        for name in [node, EDGE] {
            records.push(format!("--host-record={name},{}", addresses[at]));
        }
    }
    records
}

/// baresip is back at its next refresh, which is every ten seconds here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn softphones_find_two_nodes_by_srv_and_their_calls_go_on_when_one_is_killed() {
    let Some(_stage) = Stage::enter(&[Program::Baresip, Program::Dnsmasq]) else {
        return;
    };
    let site = Site::new().unwrap();
    let roots = trust_only(&[&site.enterprise]).unwrap();
    let identity = site.enterprise.server("fe01.contoso.test").unwrap();
    let transcript = Transcript::new();
    let home = ServerSpec {
        party: "fe01",
        fqdn: "fe01.contoso.test",
        aor: "sip:fe01.contoso.test",
        identity: &identity,
        roots: &roots,
        transcript: &transcript,
        listen: None,
    };
    let home = Server::start(&home).await.unwrap();
    let (at, of_home) = (addresses(), home.address());
    let home = HomeServer::start(home, &Registrar::default(), &["contoso.test"], true);
    let [first, second] = [0, 1].map(|node| Edge::run(&topology(&site, node, at, of_home)));
    home.set_edge(SocketAddr::from((at[0], PORT)), EDGE);
    for (edge, name) in [(&first, NODES[1]), (&second, NODES[0])] {
        edge.wait_event(Mark::START, "handshake_accepted", |e| {
            e.text("peer") == name
        });
    }
    // baresip compares no names, so that its own CA is as good as any.
    let certificates = Certificates::new();
    // One prefers this node and one the other, as weights do with many phones.
    let mut of_alice = Dnsmasq::start(&records(at, &[1, 0]));
    let of_bob = Dnsmasq::start(&records(at, &[0, 1]));
    let alice = Phone::start_by_records(of_alice.address(), &certificates, "alice", "bob");
    let bob = Phone::start_by_records(of_bob.address(), &certificates, "bob", "alice");
    for phone in [&alice, &bob] {
        phone.register(Target::BY_RECORDS);
    }
    for names in [&of_alice, &of_bob] {
        names.wait_asked(&format!("query[SRV] _sips._tcp.{EDGE}"));
    }
    // Each at the node that its records prefer.
    for (edge, user) in [(&second, "alice"), (&first, "bob")] {
        edge.wait_event(Mark::START, "request_relayed", |event| {
            event.text("method") == "REGISTER" && event.contains(&format!("sip:{user}@"))
        });
    }
    establish(&alice, &bob, "bob");
    first.wait_relayed(Mark::START, "INVITE", 200);
    let mark = first.mark();
    drop(second);
    // The next refresh finds nobody there, and the next record somebody.
    first.wait_event(mark, "request_relayed", |event| {
        event.text("method") == "REGISTER" && event.contains("sip:alice@")
    });
    let hold_and_resume = |holder: &Phone, other: &Phone| {
        for (step, direction) in [
            (Phone::hold as fn(&Phone), "a=sendonly"),
            (Phone::resume, "a=sendrecv"),
        ] {
            let (before, heard) = (first.mark(), other.mark());
            step(holder);
            first.wait_relayed(before, "INVITE", 200);
            other.wait_trace(heard, direction);
            first.wait_event(before, "request_relayed", |event| {
                event.text("method") == "ACK"
            });
        }
    };
    hold_and_resume(&bob, &alice);
    // baresip sends an ACK to the first record only, so that the record of a node that is gone must go, too.
    of_alice.restart(&records(at, &[0]));
    hold_and_resume(&alice, &bob);
    bob.hang_up();
    for phone in [&alice, &bob] {
        phone.wait("CALL_CLOSED");
    }
    // And new ones, in both directions.
    for (caller, callee, user) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        establish(caller, callee, user);
        caller.hang_up();
        for phone in [caller, callee] {
            phone.wait("CALL_CLOSED");
        }
    }
    assert_eq!(first.stop().events(mark, "request_refused").len(), 0);
}
