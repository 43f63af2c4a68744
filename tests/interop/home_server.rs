//! Home servers that the edge must refuse, and one that comes back after a restart.
use crate::harness::{
    CONTOSO, Certificates, Edge, HOME, Home, Lab, Mark, Pair, Phone, Program, Setup, Stage, Target,
    establish, free_port,
};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Baresip];

/// Starts a Kamailio that shows a certificate and probes the edge; gives the edge's reason for refusing it.
fn refusal_of_a_server_that_connects(pair: impl Fn(&Certificates) -> Pair) -> Option<String> {
    let _stage = Stage::enter(&[Program::Kamailio])?;
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start(&certificates, port);
    let pair = pair(&certificates);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair,
        switches: &["PROBE"],
        edge_port: edge.port(),
    };
    let _rogue = Home::start(&certificates, &setup);
    let refused = edge.wait_event(Mark::START, "handshake_refused", |_| true);
    assert_eq!(refused.text("direction"), "inbound");
    let accepted = edge.stop().events(Mark::START, "handshake_accepted");
    assert!(accepted.is_empty(), "{accepted:?}");
    Some(refused.text("reason").to_owned())
}

#[test]
fn a_server_whose_name_is_not_listed_is_refused_when_it_connects() {
    let reason = refusal_of_a_server_that_connects(|all| all.server("fe99.contoso.test"));
    assert!(reason.is_none_or(|reason| reason == "not_in_topology"));
}

#[test]
fn a_listed_name_from_another_ca_is_refused_when_it_connects() {
    let reason = refusal_of_a_server_that_connects(|all| all.server_of_other_ca(HOME));
    assert!(reason.is_none_or(|reason| reason == "unknown_issuer"));
}

#[test]
fn a_listed_server_is_accepted_when_it_connects_and_its_probe_is_answered() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio]) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start(&certificates, port);
    let pair = certificates.server(HOME);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair,
        switches: &["PROBE"],
        edge_port: edge.port(),
    };
    let home = Home::start(&certificates, &setup);
    let accepted = edge.wait_event(Mark::START, "handshake_accepted", |_| true);
    assert_eq!(accepted.text("direction"), "inbound");
    assert_eq!(accepted.text("peer"), HOME, "{accepted:?}");
    // OPTIONS sip:127.0.0.1:PORT;transport=tls: without an answer Kamailio takes the edge for dead.
    home.wait_text("HOME reply 200 to OPTIONS");
}

/// Puts a Kamailio with a certificate where the home server should be and lets a phone register; gives the edge's
/// reason for refusing the server.
fn refusal_of_a_server_that_is_connected_to(
    pair: impl Fn(&Certificates) -> Pair,
) -> Option<String> {
    let _stage = Stage::enter(NEEDS)?;
    let certificates = Certificates::new();
    let port = free_port();
    let edge = Edge::start(&certificates, port);
    let pair = pair(&certificates);
    let setup = Setup {
        site: CONTOSO,
        port,
        pair,
        switches: &[],
        edge_port: edge.port(),
    };
    let impostor = Home::start(&certificates, &setup);
    let alice = Phone::start(&certificates, "alice", "bob");
    let answer = alice.try_register(Target { port: edge.port() });
    let code = answer.expect_err("nobody is there to register at");
    assert!(code.starts_with('5'), "the phone is told: {code}");
    let refused = edge.wait_event(Mark::START, "handshake_refused", |event| {
        event.text("direction") == "outbound"
    });
    impostor.assert_saw_nothing("REGISTER");
    Some(refused.text("reason").to_owned())
}

#[test]
fn a_server_of_another_name_at_the_home_servers_address_gets_no_request() {
    let reason = refusal_of_a_server_that_is_connected_to(|all| all.server("fe99.contoso.test"));
    assert!(reason.is_none_or(|reason| reason == "name_mismatch"));
}

#[test]
fn a_server_of_another_ca_at_the_home_servers_address_gets_no_request() {
    let reason = refusal_of_a_server_that_is_connected_to(|all| all.server_of_other_ca(HOME));
    assert!(reason.is_none_or(|reason| reason == "unknown_issuer"));
}

#[test]
fn calls_work_again_after_the_home_server_was_restarted() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let mut lab = Lab::registered(&["REUSE"]);
    establish(&lab.alice, &lab.bob, "bob");
    lab.alice.hang_up();
    lab.alice.wait("CALL_CLOSED");
    lab.bob.wait("CALL_CLOSED");

    let before = lab.edge.mark();
    lab.home.kill();
    lab.edge.wait_event(before, "peer_disconnected", |event| {
        event.text("peer") == HOME
    });
    lab.alice.dial("bob");
    let closed = lab.alice.wait("CALL_CLOSED");
    assert!(
        closed.starts_with("503") || closed.starts_with("500"),
        "{closed}"
    );

    let before = lab.edge.mark();
    lab.home = Home::start(&lab.certificates, &lab.setup);
    // Its registrations were in memory. The edge may still hold back after the failed connect.
    for phone in [&lab.alice, &lab.bob] {
        phone.register_again(lab.target());
    }
    lab.edge
        .wait_event(before, "peer_connected", |event| event.text("peer") == HOME);
    establish(&lab.alice, &lab.bob, "bob");
    lab.bob.hang_up();
    lab.alice.wait("CALL_CLOSED");
    lab.bob.wait("CALL_CLOSED");
}
