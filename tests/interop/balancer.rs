//! Behind HAProxy: whom it names is who comes, in both versions of the PROXY protocol, and its health checks are quiet.
use crate::harness::{Certificates, EDGE, Edge, Haproxy, Mark, Openssl, Program, Stage};
use std::time::Duration;

/// What HAProxy connects from, and what its clients do: both on this host, told apart by the address.
const BALANCER: &str = "127.0.0.3";
const CLIENT: &str = "127.0.0.4";

/// What a client asks the edge itself.
fn options() -> String {
    format!(
        "OPTIONS sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TLS phone.test;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@contoso.test>;tag=1\r\nTo: <sip:{EDGE}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_client_of_haproxy_counts_with_its_own_address_in_both_versions() {
    let Some(_stage) = Stage::enter(&[Program::Haproxy, Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    for version in ["send-proxy", "send-proxy-v2"] {
        let edge = Edge::start_behind(&certificates, BALANCER);
        let balancer = Haproxy::start(edge.port(), BALANCER, version);
        let client = Openssl {
            certificates: &certificates,
            port: balancer.port(),
        };
        let bind = format!("{CLIENT}:0");
        let printed = client.converse(&["-bind", &bind], options().as_bytes(), "CSeq: 1 OPTIONS");
        let accepted = edge.wait_event(Mark::START, "handshake_accepted", |_| true);
        let remote = accepted.text("remote").to_owned();
        assert!(remote.starts_with(&format!("{CLIENT}:")), "{accepted:?}");
        let through = accepted.text("balancer");
        assert!(through.starts_with(&format!("{BALANCER}:")), "{accepted:?}");
        let (_, port) = remote.split_once(':').unwrap();
        assert!(printed.contains(&format!("received={CLIENT}")), "{printed}");
        assert!(printed.contains(&format!("rport={port}")), "{printed}");
        edge.wait_event(Mark::START, "connection_closed", |event| {
            event.text("remote") == remote
        });
    }
}

#[test]
fn haproxys_health_checks_find_the_edge_and_make_no_line() {
    let Some(_stage) = Stage::enter(&[Program::Haproxy]) else {
        return;
    };
    let certificates = Certificates::new();
    // HAProxy leaves as soon as it has seen enough, by a reset where something is on its way to it. That overtakes the end
    // of the handshake or does not, so that the same check is counted as one or as the other.
    let counted =
        |edge: &Edge| edge.counted("handshake_aborted") + edge.counted("connection_closed");
    for (version, check) in [
        ("send-proxy", ""),
        ("send-proxy-v2", ""),
        ("send-proxy", "check-ssl verify none"),
        ("send-proxy-v2", "check-ssl verify none"),
    ] {
        let edge = Edge::start_behind(&certificates, BALANCER);
        edge.wait_event(Mark::START, "control_listening", |_| true);
        let options = format!("{version} check check-send-proxy {check} inter 100ms");
        let balancer = Haproxy::start(edge.port(), BALANCER, &options);
        balancer.wait_text("Health check for server edge/edge succeeded");
        // Each is counted.
        for _ in 0..200 {
            if counted(&edge) >= 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(counted(&edge) >= 3, "{options}");
        assert!(!balancer.has_said("DOWN"), "{options}");
        let log = edge.stop();
        for name in [
            "handshake_accepted",
            "handshake_refused",
            "handshake_refused_by_peer",
            "handshake_aborted",
            "connection_closed",
        ] {
            let lines = log.events(Mark::START, name);
            let inbound = lines.iter().filter(|e| e.text("direction") != "outbound");
            assert_eq!(inbound.count(), 0, "{options}: {lines:?}");
        }
    }
}

#[test]
fn without_its_header_haproxy_is_refused_and_so_is_a_header_from_elsewhere() {
    let Some(_stage) = Stage::enter(&[Program::Haproxy, Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    for (source, options, reason) in [
        (BALANCER, "", "proxy_header_missing"),
        ("127.0.0.5", "send-proxy", "proxy_header_unexpected"),
        ("127.0.0.5", "send-proxy-v2", "proxy_header_unexpected"),
    ] {
        let edge = Edge::start_behind(&certificates, BALANCER);
        let balancer = Haproxy::start(edge.port(), source, options);
        let client = Openssl {
            certificates: &certificates,
            port: balancer.port(),
        };
        let _failed = client.handshake(&[]);
        let refused = edge.wait_event(Mark::START, "handshake_refused", |_| true);
        assert_eq!(refused.text("reason"), reason, "{refused:?}");
        assert!(refused.text("remote").starts_with(source), "{refused:?}");
    }
}
