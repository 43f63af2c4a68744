//! What happens inside a call: hold, a lost connection, a home server that dies.
use crate::harness::{
    CONTOSO, Certificates, Edge, HOME, Home, Lab, Mark, Peering, Phone, Program, Relay,
    SECOND_HOME, Setup, Stage, Target, establish, free_port,
};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Baresip];

/// Waits for a re-INVITE of the holder that was answered.
fn held(lab: &Lab, since: Mark) {
    lab.edge.wait_relayed(since, "INVITE", 200);
}

#[test]
fn either_side_holds_the_call_and_either_ends_it() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    for (first, second) in [(&lab.alice, &lab.bob), (&lab.bob, &lab.alice)] {
        let before = lab.edge.mark();
        establish(&lab.alice, &lab.bob, "bob");
        lab.edge.wait_relayed(before, "INVITE", 200);
        for holder in [first, second] {
            let (before, heard) = (lab.edge.mark(), first.mark());
            holder.hold();
            held(&lab, before);
            first.wait_trace(heard, "a=sendonly");
            let before = lab.edge.mark();
            holder.resume();
            held(&lab, before);
        }
        let before = lab.edge.mark();
        first.hang_up();
        lab.alice.wait("CALL_CLOSED");
        lab.bob.wait("CALL_CLOSED");
        lab.edge.wait_relayed(before, "BYE", 200);
    }
}

/// A binding outlives its connection: what is sent to a phone that has lost it arrives when it has registered anew.
#[test]
fn a_phone_loses_its_connection_in_a_call_comes_back_and_is_sent_the_bye() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::raise(&["REUSE"]);
    let (relay, way) = Relay::beside(lab.edge.port());
    let carol = Phone::start_over(way, &lab.certificates, "carol", "alice");
    lab.alice.register(lab.target());
    carol.register(lab.target());
    establish(&lab.alice, &carol, "carol");

    let before = lab.edge.mark();
    relay.cut();
    lab.edge.wait_event(before, "connection_closed", |_| true);
    // Its BYE waits for the phone.
    lab.alice.hang_up();
    lab.alice.wait("CALL_CLOSED");

    // It would come back by itself only when its registration runs out.
    carol.register_again(lab.target());
    // With its account it has forgotten the call, but it is asked.
    lab.edge.wait_relayed(before, "BYE", 481);
    establish(&lab.alice, &carol, "carol");
    let before = lab.edge.mark();
    lab.alice.hang_up();
    carol.wait("CALL_CLOSED");
    lab.edge.wait_relayed(before, "BYE", 200);
}

/// The server that carried the call dies; the BYE reaches the other phone over the other server of its pool.
#[test]
fn a_bye_arrives_over_the_other_node_when_the_home_server_died_in_the_call() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let (first, second) = (free_port(), free_port());
    let edge = Edge::start_in(
        &certificates,
        &Peering {
            site: CONTOSO,
            port: 0,
            pair: certificates.edge(),
            homes: &[(HOME, first), (SECOND_HOME, second)],
            partner: None,
        },
    );
    let setup = |fqdn, port| Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(fqdn),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let mut one = Home::start(&certificates, &setup(HOME, first));
    let other = Home::start(&certificates, &setup(SECOND_HOME, second));
    let alice = Phone::start(&certificates, "alice", "bob");
    let bob = Phone::start(&certificates, "bob", "alice");
    let target = Target { port: edge.port() };
    alice.register(target);
    bob.register(target);
    establish(&alice, &bob, "bob");
    other.assert_saw_nothing("INVITE");

    let before = edge.mark();
    one.kill();
    edge.wait_event(before, "peer_disconnected", |event| {
        event.text("peer") == HOME
    });
    bob.hang_up();
    other.wait_request(Mark::START, "BYE");
    alice.wait("CALL_CLOSED");
    bob.wait("CALL_CLOSED");
    edge.wait_relayed(before, "BYE", 200);
}
