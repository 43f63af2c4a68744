//! Linphone calls and is called through the edge.
use crate::harness::{
    CONTOSO, Certificates, Edge, HOME, Home, Linphone, Program, Relay, Setup, Stage, free_port,
};
use std::net::{Ipv4Addr, SocketAddrV4};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Linphone];

/// Two phones, each over a relay of its own.
struct Scene {
    alice: Linphone,
    bob: Linphone,
    way_of_bob: Relay,
    edge: Edge,
    _home: Home,
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
        let around = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), edge.port());
        let way_of_bob = Relay::start_at(around, edge.port());
        let alice = Linphone::start("alice", directly);
        let bob = Linphone::start("bob", around);
        Self {
            alice,
            bob,
            way_of_bob,
            edge,
            _home: home,
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
