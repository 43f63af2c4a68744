//! `config/kamailio.toml` as it is shipped, with a real Kamailio behind it and softphones in front.
use crate::harness::{
    CONTOSO, Certificates, Edge, HOME, Home, Mark, Phone, Program, SECOND_HOME, Setup, Stage,
    Target, establish, free_port,
};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Baresip];

/// One of the two servers of the file does not run: the other serves all calls, whatever their hash says.
#[test]
fn kamailio_phones_register_and_call_each_other_while_one_of_two_servers_is_down() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start_shipped(
        &certificates,
        "kamailio.toml",
        &[(HOME, port), (SECOND_HOME, free_port())],
    );
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["REUSE"],
        edge_port: edge.port(),
    };
    let home = Home::start(&certificates, &setup);
    let alice = Phone::start(&certificates, "alice", "bob");
    let bob = Phone::start(&certificates, "bob", "alice");
    for phone in [&alice, &bob] {
        phone.register(Target { port: edge.port() });
    }
    home.wait_request(Mark::START, "REGISTER");
    for (caller, callee, user) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        for ends in [caller, callee] {
            let before = edge.mark();
            establish(caller, callee, user);
            edge.wait_relayed(before, "INVITE", 200);
            let before = edge.mark();
            ends.hold();
            edge.wait_relayed(before, "INVITE", 200);
            let before = edge.mark();
            ends.resume();
            edge.wait_relayed(before, "INVITE", 200);
            ends.hang_up();
            caller.wait("CALL_CLOSED");
            callee.wait("CALL_CLOSED");
        }
    }
    // Not taken, and given up.
    alice.dial("bob");
    bob.wait("CALL_INCOMING");
    alice.hang_up();
    alice.wait("CALL_CLOSED");
    bob.wait("CALL_CLOSED");
    let before = bob.mark();
    alice.message("good morning");
    bob.wait_trace(before, "good morning");
    let refused = edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}

/// `path = "contact"`, and a registrar that stores no Path.
#[test]
fn kamailio_without_path_calls_phones_by_the_contacts_that_it_keeps() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start_for_contacts(&certificates, port);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["REUSE", "NO_PATH"],
        edge_port: edge.port(),
    };
    let home = Home::start(&certificates, &setup);
    let alice = Phone::start(&certificates, "alice", "bob");
    let bob = Phone::start(&certificates, "bob", "alice");
    for phone in [&alice, &bob] {
        phone.register(Target { port: edge.port() });
    }
    let register = home.wait_request(Mark::START, "REGISTER");
    assert!(register.contains(" path=<null> "), "{register}");
    for (caller, callee, user) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        let before = edge.mark();
        establish(caller, callee, user);
        edge.wait_relayed(before, "INVITE", 200);
        for ends in [caller, callee] {
            let before = edge.mark();
            ends.hold();
            edge.wait_relayed(before, "INVITE", 200);
            let before = edge.mark();
            ends.resume();
            edge.wait_relayed(before, "INVITE", 200);
        }
        callee.hang_up();
        caller.wait("CALL_CLOSED");
        callee.wait("CALL_CLOSED");
    }
    home.wait_text("HOME out INVITE sip:c.");
    // Not taken, and given up.
    alice.dial("bob");
    bob.wait("CALL_INCOMING");
    alice.hang_up();
    alice.wait("CALL_CLOSED");
    bob.wait("CALL_CLOSED");
    let before = bob.mark();
    alice.message("good morning");
    bob.wait_trace(before, "good morning");
    for phone in [&alice, &bob] {
        phone.assert_trace_without("sip:c.");
    }
    // A refresh finds its own contact among those that are kept.
    let before = edge.mark();
    alice.register_again(Target { port: edge.port() });
    edge.wait_relayed(before, "REGISTER", 200);
    establish(&bob, &alice, "alice");
    bob.hang_up();
    alice.wait("CALL_CLOSED");
    bob.wait("CALL_CLOSED");
    let refused = edge.stop().events(Mark::START, "request_refused");
    assert!(refused.is_empty(), "{refused:?}");
}
