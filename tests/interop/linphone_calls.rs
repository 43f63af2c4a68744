//! Linphone, which checks the edge's certificate, calls and is called through the edge.
use crate::harness::{
    CONTOSO, Certificates, EDGE, Edge, HOME, Home, Linphone, Mark, Phone, Program, Relay, Setup,
    Stage, Target, free_port,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

const NEEDS: &[Program] = &[Program::Kamailio, Program::Linphone];

/// Two phones, each over a relay of its own.
struct Scene {
    alice: Linphone,
    bob: Linphone,
    way_of_bob: Relay,
    edge: Edge,
    _home: Home,
    /// The phones read the CA's file at each handshake.
    _certificates: Certificates,
}

impl Scene {
    fn raise() -> Self {
        let certificates = Certificates::new();
        let port = free_port();
        let edge = Edge::start(&certificates, port);
        let setup = Setup {
            site: CONTOSO,
            port,
            pair: certificates.server(HOME),
            switches: &["REUSE"],
            edge_port: edge.port(),
        };
        let home = Home::start(&certificates, &setup);
        let directly = SocketAddrV4::new(Ipv4Addr::LOCALHOST, edge.port());
        let (way_of_bob, way) = Relay::beside(edge.port());
        let around = SocketAddrV4::new(way, edge.port());
        let ca = certificates.enterprise_ca();
        let alice = Linphone::start(&ca, "alice", directly);
        let bob = Linphone::start(&ca, "bob", around);
        Self {
            alice,
            bob,
            way_of_bob,
            edge,
            _home: home,
            _certificates: certificates,
        }
    }

    fn establish(&self) {
        self.alice.call("bob");
        self.bob.wait("Incoming");
        self.bob.order("answer 1");
        self.alice.wait("StreamsRunning");
        self.bob.wait("StreamsRunning");
    }
}

#[test]
fn linphone_calls_linphone_holds_and_the_callee_hangs_up() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let scene = Scene::raise();
    scene.establish();
    scene.alice.order("call-pause 1");
    scene.bob.wait("PausedByRemote");
    scene.alice.wait("Paused");
    scene.alice.order("call-resume 1");
    scene.alice.wait("StreamsRunning");
    scene.bob.wait("StreamsRunning");
    let before = scene.edge.mark();
    scene.bob.order("terminate 1");
    scene.alice.wait("CallEnd");
    scene.edge.wait_relayed(before, "BYE", 200);
}

#[test]
fn linphone_loses_its_connection_comes_back_and_is_called() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let scene = Scene::raise();
    let before = scene.edge.mark();
    scene.way_of_bob.cut();
    let closed = scene.edge.wait_event(before, "connection_closed", |_| true);
    // Over another connection than the one that was cut: the line of the first REGISTER may come late.
    scene.edge.wait_event(before, "request_relayed", |event| {
        event.text("method") == "REGISTER"
            && event.number("status") == Some(200)
            && event.text("remote") != closed.text("remote")
    });
    scene.establish();
    let before = scene.edge.mark();
    scene.alice.order("terminate 1");
    scene.bob.wait("CallEnd");
    scene.edge.wait_relayed(before, "BYE", 200);
}

/// Each program calls the other, each holds, each hangs up.
#[test]
fn baresip_and_linphone_call_each_other_hold_and_hang_up() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Baresip, Program::Linphone])
    else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start(&certificates, port);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let _home = Home::start(&certificates, &setup);
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, edge.port());
    let alice = Phone::start(&certificates, "alice", "bob");
    alice.register(Target { port: edge.port() });
    let bob = Linphone::start(&certificates.enterprise_ca(), "bob", address);

    alice.dial("bob");
    bob.wait("Incoming");
    bob.order("answer 1");
    alice.wait("CALL_ESTABLISHED");
    bob.wait("StreamsRunning");
    alice.hold();
    bob.wait("PausedByRemote");
    alice.resume();
    bob.wait("StreamsRunning");
    let before = edge.mark();
    alice.hang_up();
    bob.wait("CallEnd");
    alice.wait("CALL_CLOSED");
    edge.wait_relayed(before, "BYE", 200);

    bob.call("alice");
    alice.wait("CALL_INCOMING");
    alice.answer();
    bob.wait("StreamsRunning");
    alice.wait("CALL_ESTABLISHED");
    let heard = alice.mark();
    bob.order("call-pause 2");
    bob.wait("Paused");
    alice.wait_trace(heard, "a=sendonly");
    bob.order("call-resume 2");
    bob.wait("StreamsRunning");
    let before = edge.mark();
    bob.order("terminate 2");
    alice.wait("CALL_CLOSED");
    edge.wait_relayed(before, "BYE", 200);
}

/// Lets a phone that trusts a CA register at an edge that it knows by a name; the edge logs that it was refused, and how.
fn assert_phone_refuses(ca: impl Fn(&Certificates) -> PathBuf, name: &str, reason: &str) {
    let Some(_stage) = Stage::enter(&[Program::Linphone]) else {
        return;
    };
    let certificates = Certificates::new();
    let edge = Edge::start(&certificates, free_port());
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, edge.port());
    let phone = Linphone::launch(&ca(&certificates), "alice", name, address);
    let refused = edge.wait_event(Mark::START, "handshake_refused_by_peer", |_| true);
    phone.wait_unregistered();
    assert_eq!(refused.text("direction"), "inbound");
    assert_eq!(refused.text("sni"), name);
    assert_eq!(refused.text("reason"), reason, "{refused:?}");
    let relayed = edge.stop().events(Mark::START, "request_relayed");
    assert!(relayed.is_empty(), "{relayed:?}");
}

#[test]
fn linphone_refuses_an_edge_of_another_ca_and_the_log_says_so() {
    let other = |all: &Certificates| all.directory().join("other.pem");
    assert_phone_refuses(other, EDGE, "alert_unknown_ca");
}

#[test]
fn linphone_refuses_an_edge_of_another_name_and_the_log_says_so() {
    let name = "edge02.contoso.test";
    assert_phone_refuses(Certificates::enterprise_ca, name, "alert_bad_certificate");
}
