//! A listed server whose RSA key has 1024 bits, shown by openssl: the lab's own TLS library does not sign with one.
use crate::harness::{
    Certificates, DOMAIN, Edge, HOME, Mark, Openssl, Pair, Process, Program, Stage, finish,
    free_port,
};
use std::process::Command;

/// What both tests see of the edge's verdict.
fn refused(edge: &Edge, direction: &str) {
    let refused = edge.wait_event(Mark::START, "handshake_refused", |event| {
        event.text("direction") == direction
    });
    assert_eq!(refused.text("reason"), "weak_key", "{refused:?}");
}

/// An RSA key of 1024 bits with a certificate of the enterprise CA for the home server's name.
fn weak(certificates: &Certificates) -> Pair {
    let key = certificates.directory().join("weak.key.pem");
    let public = certificates.directory().join("weak.der");
    let mut make = Command::new("openssl");
    make.args(["genrsa", "-out"]).arg(&key).arg("1024");
    assert!(finish(&make).status.success());
    let mut extract = Command::new("openssl");
    extract.args(["rsa", "-RSAPublicKey_out", "-outform", "DER", "-in"]);
    extract.arg(&key).arg("-out").arg(&public);
    assert!(finish(&extract).status.success());
    let chain = certificates.server_with_rsa_key(HOME, std::fs::read(public).unwrap());
    Pair { chain, key }
}

#[test]
fn a_listed_server_with_a_weak_key_is_refused_when_it_connects() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    let edge = Edge::start(&certificates, free_port());
    let pair = weak(&certificates);
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    let (chain, key) = (pair.chain.display(), pair.key.display());
    openssl.handshake(&[
        "-cipher",
        "DEFAULT@SECLEVEL=0",
        "-cert",
        &chain.to_string(),
        "-key",
        &key.to_string(),
    ]);
    refused(&edge, "inbound");
}

#[test]
fn a_listed_server_with_a_weak_key_gets_no_request() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    let port = free_port();
    let pair = weak(&certificates);
    let mut server = Command::new("openssl");
    server.args(["s_server", "-accept", &format!("127.0.0.1:{port}")]);
    server.args(["-cipher", "DEFAULT@SECLEVEL=0", "-cert"]);
    server.arg(&pair.chain).arg("-key").arg(&pair.key);
    // Open input: at its end the server would leave.
    let server = Process::start_with_input("openssl", &mut server, b"");
    server.wait_text(Mark::START, "ACCEPT");
    let edge = Edge::start(&certificates, port);
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    let request = format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\n\
         Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKweak;rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:dora@{DOMAIN}>;tag=1\r\n\
         To: <sip:{DOMAIN}>\r\n\
         Call-ID: interop-weak\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    openssl.converse(&["-tls1_3"], request.as_bytes(), "SIP/2.0 5");
    refused(&edge, "outbound");
}
