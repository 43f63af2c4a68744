//! Two edges with a CA each, a Kamailio behind each, and a call from one domain to the other.
use crate::harness::{
    CONTOSO, Certificates, Edge, FABRIKAM, HOME, Home, Mark, Peering, Phone, Program, Setup, Stage,
    Target, free_port,
};

const NEEDS: &[Program] = &[Program::Kamailio, Program::Baresip];
const PARTNER_HOME: &str = "fe01.fabrikam.test";

#[test]
fn a_call_goes_from_one_domain_to_the_other_and_shows_nothing_of_home() {
    let Some(_stage) = Stage::enter(NEEDS) else {
        return;
    };
    let certificates = Certificates::new();
    let [here, there, home_here, home_there] = [(); 4].map(|()| free_port());
    let edge = |site, port, pair, home: &(&str, u16), partner| {
        Edge::start_in(
            &certificates,
            &Peering {
                site,
                port,
                pair,
                homes: &[*home],
                partner: Some(partner),
            },
        )
    };
    let contoso = edge(
        CONTOSO,
        here,
        certificates.edge(),
        &(HOME, home_here),
        (FABRIKAM, there),
    );
    let fabrikam = edge(
        FABRIKAM,
        there,
        certificates.partner_edge(FABRIKAM.edge, FABRIKAM.domain),
        &(PARTNER_HOME, home_there),
        (CONTOSO, here),
    );
    let home = |site, port, pair, edge_port| {
        let setup = Setup {
            site,
            port,
            pair,
            switches: &["REUSE", "FEDERATES"],
            edge_port,
        };
        Home::start(&certificates, &setup)
    };
    let _ours = home(CONTOSO, home_here, certificates.server(HOME), here);
    let _theirs = home(
        FABRIKAM,
        home_there,
        certificates.server_of_other_ca(PARTNER_HOME),
        there,
    );
    let alice = Phone::start(&certificates, "alice", "bob");
    let carol = Phone::start_in(FABRIKAM.domain, &certificates, "carol", "dave");
    alice.register(Target { port: here });
    carol.register(Target { port: there });

    let before = carol.mark();
    alice.dial_uri("sip:carol@fabrikam.test");
    carol.wait("CALL_INCOMING");
    carol.answer();
    alice.wait("CALL_ESTABLISHED");
    carol.wait("CALL_ESTABLISHED");
    // What arrived is what the partner's servers saw: one hidden Via, and no name of ours but the edge's.
    carol.wait_trace(before, "z9hG4bKh.");
    carol.assert_trace_without("fe01.contoso.test");

    // Who was called hangs up: the request goes the hidden way back.
    carol.hang_up();
    alice.wait("CALL_CLOSED");
    carol.wait("CALL_CLOSED");
    for edge in [&contoso, &fabrikam] {
        edge.wait_relayed(Mark::START, "INVITE", 200);
        edge.wait_relayed(Mark::START, "BYE", 200);
    }

    // And from the partner to us; now the caller hangs up.
    let before = [&contoso, &fabrikam].map(|edge| (edge, edge.mark()));
    carol.dial_uri("sip:alice@contoso.test");
    alice.wait("CALL_INCOMING");
    alice.answer();
    alice.wait("CALL_ESTABLISHED");
    carol.wait("CALL_ESTABLISHED");
    carol.hang_up();
    alice.wait("CALL_CLOSED");
    carol.wait("CALL_CLOSED");
    for (edge, before) in before {
        edge.wait_relayed(before, "INVITE", 200);
        edge.wait_relayed(before, "BYE", 200);
    }
}
