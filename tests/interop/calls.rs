//! Two baresip phones register at Kamailio through the edge and call each other.
use crate::harness::{
    CONTOSO, Certificates, DOMAIN, EDGE, HOME, Home, Lab, Mark, Phone, Program, Setup, Stage,
    Target, establish, free_port,
};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Baresip];

/// Without the edge: if this fails, the machine or the lab is at fault and the other tests say nothing about it.
#[test]
fn the_lab_alone_carries_a_call_without_the_edge() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let setup = Setup {
        site: CONTOSO,
        port,
        pair: certificates.server(HOME),
        switches: &["DIRECT"],
        edge_port: 0,
    };
    let _home = Home::start(&certificates, &setup);
    let alice = Phone::start(&certificates, "alice", "bob");
    let bob = Phone::start(&certificates, "bob", "alice");
    alice.register(Target { port });
    bob.register(Target { port });
    establish(&alice, &bob, "bob");
    alice.hang_up();
    alice.wait("CALL_CLOSED");
    bob.wait("CALL_CLOSED");
    let before = bob.mark();
    alice.message("good morning");
    bob.wait_trace(before, "good morning");
}

#[test]
fn phones_register_through_the_edge_and_the_registrar_sees_its_path() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    let request = lab.home.wait_request(Mark::START, "REGISTER");
    assert!(
        request.contains(&format!("peer={EDGE}")),
        "the edge proves its name: {request}"
    );
    let path = request
        .split_once("path=<sip:")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let (token, rest) = path.split_once('@').unwrap_or_default();
    assert!(!token.is_empty(), "a flow token in the Path: {request}");
    let host = format!("{EDGE}:{};", lab.edge.port());
    assert!(
        rest.starts_with(&host),
        "the listener's port in the Path: {request}"
    );
    let (parameters, _) = rest.split_once('>').unwrap_or_default();
    let parameters: Vec<_> = parameters.split(';').skip(1).collect();
    assert!(parameters.contains(&"lr"), "{request}");
    // The phones send reg-id and one Via: RFC 5626 §5.1.
    assert!(parameters.contains(&"ob"), "{request}");
    lab.edge.wait_relayed(Mark::START, "REGISTER", 200);
}

#[test]
fn a_call_is_answered_and_the_caller_hangs_up() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    establish(&lab.alice, &lab.bob, "bob");
    lab.alice.hang_up();
    lab.alice.wait("CALL_CLOSED");
    assert_eq!(lab.bob.wait("CALL_CLOSED"), "Connection reset by peer");
    lab.edge.wait_relayed(Mark::START, "INVITE", 200);
    lab.edge.wait_relayed(Mark::START, "BYE", 200);
}

#[test]
fn a_call_is_answered_and_the_callee_hangs_up() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    establish(&lab.bob, &lab.alice, "alice");
    lab.alice.hang_up();
    lab.alice.wait("CALL_CLOSED");
    assert_eq!(lab.bob.wait("CALL_CLOSED"), "Connection reset by peer");
    lab.edge.wait_relayed(Mark::START, "BYE", 200);
}

/// Kamailio makes its own MTLS connection to the edge, and the edge's requests go on using the one that it made.
#[test]
fn a_call_works_over_a_connection_that_the_home_server_makes() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&[]);
    establish(&lab.alice, &lab.bob, "bob");
    let inbound = lab
        .edge
        .wait_event(Mark::START, "handshake_accepted", |event| {
            event.text("direction") == "inbound" && event.text("peer") == HOME
        });
    assert!(inbound.contains("fingerprints"), "{inbound:?}");
    lab.bob.hang_up();
    lab.alice.wait("CALL_CLOSED");
    lab.bob.wait("CALL_CLOSED");
    lab.edge.wait_relayed(Mark::START, "BYE", 200);
}

/// `Record-Route: <sip:127.0.0.1:PORT;transport=tls;lr>`: in-dialog requests go where our token says, not where that
/// URI points.
#[test]
fn a_home_server_may_write_its_address_into_record_route() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE", "ADDRESS_ROUTES"]);
    establish(&lab.alice, &lab.bob, "bob");
    lab.bob.hang_up();
    lab.alice.wait("CALL_CLOSED");
    lab.bob.wait("CALL_CLOSED");
    lab.edge.wait_relayed(Mark::START, "BYE", 200);
}

#[test]
fn a_call_is_cancelled_while_it_rings() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    lab.alice.dial("bob");
    lab.bob.wait("CALL_INCOMING");
    lab.alice.wait("CALL_RINGING");
    lab.alice.hang_up();
    lab.bob.wait("CALL_CLOSED");
    lab.alice.wait("CALL_CLOSED");
    lab.edge.wait_relayed(Mark::START, "INVITE", 487);
}

#[test]
fn a_call_is_rejected_by_the_callee() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    lab.alice.dial("bob");
    lab.bob.wait("CALL_INCOMING");
    lab.bob.hang_up();
    assert_eq!(lab.alice.wait("CALL_CLOSED"), "486 Rejected");
    lab.edge.wait_relayed(Mark::START, "INVITE", 486);
}

#[test]
fn a_call_to_nobody_is_refused_by_the_home_server() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    lab.alice.dial("nobody");
    assert_eq!(lab.alice.wait("CALL_CLOSED"), "404 Not Found");
}

#[test]
fn a_message_reaches_the_other_phone() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let lab = Lab::registered(&["REUSE"]);
    let before = lab.bob.mark();
    lab.alice.message("good morning over there");
    lab.bob
        .wait_trace(before, &format!("From: <sip:alice@{DOMAIN}>"));
    lab.bob.wait_trace(before, "good morning over there");
    lab.edge.wait_relayed(Mark::START, "MESSAGE", 200);
}
