//! Phones that show the certificate of their maker to whoever asks, as openssl shows it: old, weak and odd ones.
use crate::harness::{
    Certificates, DOMAIN, Edge, HOME, Mark, Openssl, Pair, Program, Stage, finish, free_port,
};
use std::process::Command;

/// A certificate that openssl makes of a key of its own, of X.509 version 1 since it has no extension.
fn made(certificates: &Certificates, subject: &str, key: &[&str], sign: &[&str]) -> Pair {
    let file = |end: &str| certificates.directory().join(format!("factory.{end}"));
    let openssl = |arguments: &[&str], files: &[(&str, &str)]| {
        let mut command = Command::new("openssl");
        command.args(arguments);
        for (option, end) in files {
            command.arg(option).arg(file(end));
        }
        let output = finish(&command);
        assert!(output.status.success(), "{}", output.text);
    };
    openssl(key, &[("-out", "key.pem")]);
    let ask = ["req", "-new", "-subj", subject];
    openssl(&ask, &[("-key", "key.pem"), ("-out", "csr.pem")]);
    openssl(
        &[&["x509", "-req"], sign].concat(),
        &[("-in", "csr.pem"), ("-signkey", "key.pem"), ("-out", "pem")],
    );
    Pair {
        chain: file("pem"),
        key: file("key.pem"),
    }
}

/// A request that only a client that came in gets answered.
fn options() -> String {
    format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\n\
         Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKfactory;rport\r\n\
         Max-Forwards: 0\r\n\
         From: <sip:dora@{DOMAIN}>;tag=1\r\n\
         To: <sip:{DOMAIN}>\r\n\
         Call-ID: interop-factory\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn old_and_weak_factory_certificates_make_clients() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    let edge = Edge::start(&certificates, free_port());
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    let rsa = |bits| vec!["genpkey", "-algorithm", "RSA", "-pkeyopt", bits];
    let curve = |name| vec!["genpkey", "-algorithm", "EC", "-pkeyopt", name];
    let old = ["-sha1", "-days", "-1"];
    for (key, sign) in [
        (rsa("rsa_keygen_bits:2048"), &["-sha1", "-days", "1"][..]),
        (rsa("rsa_keygen_bits:1024"), &["-sha256", "-days", "1"]),
        (rsa("rsa_keygen_bits:2048"), &old[..]),
        (curve("ec_paramgen_curve:P-256"), &["-sha256"]),
        (curve("ec_paramgen_curve:secp256k1"), &["-sha256"]),
    ] {
        let pair = made(&certificates, "/O=Maker/CN=SEP0011AABBCCDD", &key, sign);
        let (chain, private) = (
            pair.chain.display().to_string(),
            pair.key.display().to_string(),
        );
        let is_odd = key.last().is_some_and(|k| k.ends_with("secp256k1"));
        for version in ["-tls1_2", "-tls1_3"] {
            // No scheme of TLS 1.3 is made for this curve.
            if is_odd && version == "-tls1_3" {
                continue;
            }
            let mark = edge.mark();
            let weak = "DEFAULT:@SECLEVEL=0";
            let shown = [version, "-cipher", weak, "-cert", &chain, "-key", &private];
            openssl.converse(&shown, options().as_bytes(), "SIP/2.0 483");
            let accepted = edge.wait_event(mark, "handshake_accepted", |_| true);
            assert_eq!(accepted.text("reason"), "client_certificate_ignored");
            assert_eq!(accepted.text("verdict"), "client");
            assert!(accepted.contains("SEP0011AABBCCDD"), "{accepted:?}");
            assert_eq!(accepted.text("peer"), "");
        }
    }
    assert_eq!(
        edge.stop().events(Mark::START, "handshake_refused").len(),
        0
    );
}

#[test]
fn a_factory_like_certificate_with_a_servers_name_is_refused() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let certificates = Certificates::new();
    let edge = Edge::start(&certificates, free_port());
    let openssl = Openssl {
        certificates: &certificates,
        port: edge.port(),
    };
    let key = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
    ];
    for subject in [
        format!("/CN={HOME}"),
        format!("/O=Maker/CN=*.{DOMAIN}"),
        "/DC=test/DC=contoso/CN=x".to_owned(),
    ] {
        let pair = made(&certificates, &subject, &key, &["-sha256", "-days", "1"]);
        let (chain, private) = (
            pair.chain.display().to_string(),
            pair.key.display().to_string(),
        );
        let mark = edge.mark();
        openssl.handshake(&["-cert", &chain, "-key", &private]);
        let refused = edge.wait_event(mark, "handshake_refused", |_| true);
        assert_eq!(refused.text("verdict"), "refuse", "{subject}: {refused:?}");
        assert!(
            refused
                .text("detail")
                .contains("cannot count as a client's"),
            "{refused:?}"
        );
    }
    assert_eq!(
        edge.stop().events(Mark::START, "handshake_accepted").len(),
        0
    );
}
