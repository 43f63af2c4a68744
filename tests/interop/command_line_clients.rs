//! TLS clients for the command line, without certificates: sipsak and `openssl s_client`.
use crate::harness::{
    CONTOSO, Certificates, DOMAIN, EDGE, Edge, HOME, Home, Mark, Openssl, Program, Setup, Stage,
    finish, free_port,
};
use std::process::Command;

/// The edge with a home server and no phones.
struct Scene {
    edge: Edge,
    home: Home,
    certificates: Certificates,
}

impl Scene {
    fn raise() -> Self {
        let certificates = Certificates::new();
        let port = free_port();
        let edge = Edge::start(&certificates, port);
        let pair = certificates.server(HOME);
        let setup = Setup {
            site: CONTOSO,
            port,
            pair,
            switches: &["REUSE"],
            edge_port: edge.port(),
        };
        let home = Home::start(&certificates, &setup);
        Self {
            edge,
            home,
            certificates,
        }
    }

    /// sipsak over TLS 1.3 to the edge. It checks our certificate against the URI's domain, but only at `-vvv`.
    ///
    /// Debian's 0.9.8.1 takes a session ticket after the handshake for an error: an edge that sends none suits it.
    fn sipsak(&self) -> Command {
        let mut command = Command::new("sipsak");
        command.args(["-vvv", "-i", "-E", "tls"]);
        command.arg(format!(
            "--tls-ca-cert={}",
            self.certificates.enterprise_ca().display()
        ));
        command.args(["-p", &format!("127.0.0.1:{}", self.edge.port())]);
        command
    }
}

#[test]
fn sipsak_registers_a_contact_over_tls() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Sipsak]) else {
        return;
    };
    let scene = Scene::raise();
    let mut sipsak = scene.sipsak();
    sipsak.args([
        "-U",
        "-C",
        "sip:carol@127.0.0.1:5999",
        "-s",
        &format!("sip:carol@{DOMAIN}"),
    ]);
    let output = finish(&sipsak);
    output.assert_has("All usrloc tests completed successful");
    output.assert_has("Protocol: TLS1.3");
    assert!(output.status.success(), "{output:?}");
    // It announces no `path`; it gets one all the same, or nobody could call it.
    let request = scene.home.wait_request(Mark::START, "REGISTER");
    assert!(
        request.contains(&format!("@{EDGE}:{};", scene.edge.port())),
        "{request}"
    );
    scene.edge.wait_relayed(Mark::START, "REGISTER", 200);
}

/// Without a user, sipsak writes its address into From: that is no home domain.
#[test]
fn sipsak_with_a_foreign_from_is_refused_and_told_so() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Sipsak]) else {
        return;
    };
    let scene = Scene::raise();
    let mut sipsak = scene.sipsak();
    sipsak.args(["-s", &format!("sip:{DOMAIN}")]);
    let output = finish(&sipsak);
    output.assert_has("SIP/2.0 403");
    assert!(!output.status.success(), "{output:?}");
    scene
        .edge
        .wait_event(Mark::START, "request_refused", |event| {
            event.text("method") == "OPTIONS" && event.number("status") == Some(403)
        });
    scene.home.assert_saw_nothing("OPTIONS");
}

#[test]
fn openssl_sends_options_and_gets_the_home_servers_answer() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    let openssl = Openssl {
        certificates: &scene.certificates,
        port: scene.edge.port(),
    };
    let text = openssl.converse(
        &["-tls1_3"],
        format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKinterop;rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:dora@{DOMAIN}>;tag=1\r\n\
             To: <sip:{DOMAIN}>\r\n\
             Call-ID: interop-options\r\n\
             CSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .as_bytes(),
        "Content-Length: 0",
    );
    assert!(text.contains("SIP/2.0 200 "), "{text}");
    assert!(text.contains("received=127.0.0.1"), "{text}");
    // The edge's own Via is gone again.
    assert!(
        !text.contains(&format!("Via: SIP/2.0/TLS {EDGE}")),
        "{text}"
    );
    scene.edge.wait_relayed(Mark::START, "OPTIONS", 200);
}

#[test]
fn openssl_pings_with_an_empty_line_and_gets_one_back() {
    let Some(_stage) = Stage::enter(&[Program::Kamailio, Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    let openssl = Openssl {
        certificates: &scene.certificates,
        port: scene.edge.port(),
    };
    // RFC 5626 §4.4.1. A request behind it shows where the answer to the ping ends: 483, made by the edge.
    let text = openssl.converse(
        &["-tls1_3", "-quiet"],
        format!(
            "\r\n\r\nOPTIONS sip:{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKinterop;rport\r\n\
             Max-Forwards: 0\r\n\
             From: <sip:dora@{DOMAIN}>;tag=1\r\n\
             To: <sip:{DOMAIN}>\r\n\
             Call-ID: interop-ping\r\n\
             CSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .as_bytes(),
        "SIP/2.0 483",
    );
    let before = text
        .split_once("SIP/2.0 483")
        .map(|(before, _)| before)
        .unwrap_or_default();
    assert!(before.lines().any(str::is_empty), "{text}");
}
