//! Where a peer is found that has only a name: SRV, A and AAAA of a name server (RFC 3263), and IPv6 all the way.
use crate::harness::tls::refusing;
use crate::harness::{Edge, Lab, World, hangs_up, message_passes};
use sipward_lab::pki::Issued;
use sipward_lab::site::TopologyText;
use sipward_lab::{Data, NameServer, Server, ServerSpec};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const FE01: &str = "fe01.contoso.test";
const SIPS: &str = "_sips._tcp.fe01.contoso.test";
const TARGET: &str = "host7.datacenter.test";
const LOOPBACK: Data = Data::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Takes a peer's address out and names the name server.
fn by_name(topology: &mut TopologyText, fqdn: &str, names: &NameServer) {
    if let Some(peer) = topology.find("[[peer]]", "fqdn", fqdn) {
        peer.without("address");
    }
    let server = names.address().to_string();
    topology
        .section("[dns]")
        .list("servers", &[&server])
        .text("timeout", "3s");
}

/// A world whose fe01 is found by name, at the target that the test gives.
async fn named(names: &NameServer) -> World {
    World::with(|t| by_name(t, FE01, names)).await
}

fn service(priority: u16, address: SocketAddr, target: &str) -> Data {
    Data::Service(priority, 0, address.port(), target.to_owned())
}

#[tokio::test]
pub(crate) async fn a_peer_is_found_by_its_service_and_proves_the_topologys_name() {
    let names = NameServer::start().unwrap();
    let world = named(&names).await;
    let (_held, dead) = refusing();
    names.set(
        SIPS,
        60,
        &[
            service(20, world.fe01.address(), TARGET),
            service(10, dead, TARGET),
        ],
    );
    names.set(TARGET, 60, &[LOOPBACK]);
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe01).await;
    // The better target was tried first, in the same connect.
    world
        .logged("handshake_aborted", |e| {
            e["peer"] == FE01 && e["reason"] == "connection_refused"
        })
        .await;
    let up = world
        .logged("handshake_accepted", |e| e["direction"] == "outbound")
        .await;
    assert_eq!((&up["peer"], &up["sni"]), (&FE01.into(), &FE01.into()));
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_proves_the_name_of_the_service_target_only_gets_nothing() {
    let names = NameServer::start().unwrap();
    let world = named(&names).await;
    let identity: Issued = world.lab.site.enterprise.server(TARGET).unwrap();
    let aor = format!("sip:{TARGET}");
    let impostor = world.lab.server("impostor", TARGET, &aor, &identity).await;
    names.set(SIPS, 60, &[service(10, impostor.address(), TARGET)]);
    names.set(TARGET, 60, &[LOOPBACK]);
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe02).await;
    let refused = world
        .logged("handshake_refused", |e| e["direction"] == "outbound")
        .await;
    assert_eq!(refused["peer"], FE01);
    assert!(
        refused["decision"].is_string(),
        "a trust decision: {refused}"
    );
    assert!(impostor.untaken().await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_lost_peer_is_found_again_while_its_name_server_is_silent() {
    let names = NameServer::start().unwrap();
    let world = named(&names).await;
    names.set(SIPS, 0, &[service(10, world.fe01.address(), TARGET)]);
    names.set(TARGET, 0, &[LOOPBACK]);
    let alice = world.client("alice").await;
    for round in ["1", "2"] {
        message_passes(&alice, &world.fe01).await;
        if round == "1" {
            names.set_silent(true);
            let mark = world.edge.log.mark();
            world.fe01.wire().unwrap().close().await.unwrap();
            world
                .edge
                .log
                .wait_after(mark, "peer_disconnected", |e| e["peer"] == FE01)
                .await
                .unwrap();
        }
    }
    world.logged("lookup_stale", |e| e["peer"] == FE01).await;
    world.stop().await;
}

#[tokio::test]
pub(crate) async fn a_peer_whose_domain_offers_no_such_service_is_not_connected_to() {
    let names = NameServer::start().unwrap();
    let world = named(&names).await;
    names.set(SIPS, 60, &[Data::Service(0, 0, 0, ".".to_owned())]);
    names.set(FE01, 60, &[LOOPBACK]);
    let alice = world.client("alice").await;
    message_passes(&alice, &world.fe02).await;
    let down = world
        .logged("peer_disconnected", |e| e["peer"] == FE01)
        .await;
    assert_eq!(down["reason"], "no_service");
    world.stop().await;
}

#[tokio::test]
async fn a_call_runs_over_ipv6_from_end_to_end() {
    let localhost = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if std::net::UdpSocket::bind(localhost).is_err() {
        // Not `eprintln!`: the test runner would keep that for itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED a_call_runs_over_ipv6_from_end_to_end: no ::1 here"
        );
        return;
    }
    let names = NameServer::start().unwrap();
    let lab = Lab::new();
    let identity = lab.site.enterprise.server(FE01).unwrap();
    let fe01 = Server::start(&ServerSpec {
        party: "fe01",
        fqdn: FE01,
        aor: "sip:fe01.contoso.test",
        identity: &identity,
        roots: &lab.roots,
        transcript: &lab.transcript,
        listen: Some(localhost),
    })
    .await
    .unwrap();
    names.set(SIPS, 60, &[service(10, fe01.address(), TARGET)]);
    names.set(TARGET, 60, &[Data::Address(Ipv6Addr::LOCALHOST.into())]);
    let mut topology = lab.site.topology(&[(FE01, fe01.address())], None);
    by_name(&mut topology, FE01, &names);
    topology.section("[[listener]]").text("address", "[::1]:0");
    let edge: Edge = lab.edge(&topology).await;
    assert!(edge.address.is_ipv6());
    let alice = lab.client(&edge, "alice").await;
    let call = alice.invite("sip:bob@contoso.test").send().await.unwrap();
    let invite = fe01.expect("INVITE").await.unwrap();
    // RFC 5118 §4.5: our `received` bears no brackets.
    let via = invite.message.values("via");
    assert!(
        via[1].ends_with(";received=::1") || via[1].contains(";received=::1;"),
        "{via:?}"
    );
    fe01.accept(&invite).await.unwrap();
    let ok = alice.answer(&call, 200).await.unwrap();
    let mut dialog = alice.ack(&call, &ok).await.unwrap();
    fe01.expect("ACK").await.unwrap();
    hangs_up(&alice, &mut dialog, &fe01).await;
    edge.stop().await;
}
