//! The home server found by a real name server: SRV with priorities, then A, and the certificate of the topology's name.
use crate::harness::{
    CONTOSO, Certificates, Dnsmasq, Edge, HOME, Home, Mark, Phone, Program, Setup, Stage, Target,
    free_port,
};

#[test]
fn a_home_server_is_found_by_dnsmasqs_srv_records_in_the_order_of_their_priority() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Baresip, Program::Dnsmasq])
    else {
        return;
    };
    let certificates = Certificates::new();
    let (port, nobody) = (free_port(), free_port());
    let names = Dnsmasq::start(&[
        format!("--srv-host=_sips._tcp.{HOME},b.datacenter.test,{port},20,1"),
        format!("--srv-host=_sips._tcp.{HOME},a.datacenter.test,{nobody},10,1"),
        "--host-record=a.datacenter.test,127.0.0.1".to_owned(),
        "--host-record=b.datacenter.test,127.0.0.1".to_owned(),
    ]);
    let edge = Edge::start_by_name(&certificates, names.address());
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let home = Home::start(&certificates, &setup);
    let alice = Phone::start(&certificates, "alice", "bob");
    alice.register(Target { port: edge.port() });
    home.wait_text("REGISTER");
    names.wait_asked(&format!("query[SRV] _sips._tcp.{HOME}"));
    let up = edge.wait_event(Mark::START, "handshake_accepted", |event| {
        event.text("direction") == "outbound"
    });
    assert_eq!(up.text("peer"), HOME);
    assert_eq!(
        up.text("sni"),
        HOME,
        "the topology's name, not the target's"
    );
    // The better target was tried first.
    edge.wait_event(Mark::START, "handshake_aborted", |event| {
        event.contains(&format!("127.0.0.1:{nobody}"))
    });
}
