//! What the edge's TLS offers to strangers, seen by programs of others (RFC 9325 §3 and §4).
use crate::harness::{Certificates, Edge, Mark, Openssl, Program, Stage, finish, free_port};
use std::process::Command;

/// An edge whose home server is not there: a handshake needs none.
struct Scene {
    edge: Edge,
    certificates: Certificates,
}

impl Scene {
    fn raise() -> Self {
        let certificates = Certificates::new();
        let edge = Edge::start(&certificates, free_port());
        Self { edge, certificates }
    }

    fn openssl(&self) -> Openssl<'_> {
        Openssl {
            certificates: &self.certificates,
            port: self.edge.port(),
        }
    }
}

#[test]
fn tls_1_3_and_tls_1_2_with_ecdhe_and_aead_are_accepted() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    let output = scene.openssl().handshake(&["-tls1_3"]);
    output.assert_has("New, TLSv1.3, ");
    output.assert_has("Verify return code: 0 (ok)");
    let output = scene.openssl().handshake(&["-tls1_2"]);
    output.assert_has("New, TLSv1.2, Cipher is ECDHE-");
    output.assert_has("Extended master secret: yes");
    output.assert_has("Secure Renegotiation IS supported");
}

#[test]
fn the_cheaper_key_is_taken_unless_the_client_has_no_aes_or_wants_the_longer_one() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    let (short, long) = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384");
    let chacha = "TLS_CHACHA20_POLY1305_SHA256";
    for (offered, taken) in [
        (format!("{long}:{chacha}:{short}"), short),
        (format!("{chacha}:{long}:{short}"), chacha),
        (format!("{long}:{chacha}"), long),
    ] {
        let output = scene
            .openssl()
            .handshake(&["-tls1_3", "-ciphersuites", &offered]);
        output.assert_has(&format!("New, TLSv1.3, Cipher is {taken}"));
    }
    for (offered, taken) in [
        ("ECDHE+AES256:ECDHE+AES128", "AES128-GCM-SHA256"),
        ("ECDHE+AES256", "AES256-GCM-SHA384"),
        ("ECDHE+CHACHA20:ECDHE+AES128", "CHACHA20-POLY1305"),
    ] {
        let output = scene.openssl().handshake(&["-tls1_2", "-cipher", offered]);
        output.assert_has(&format!("-{taken}"));
    }
}

/// The alert is the edge's: this shows that openssl did offer what it was told to. Which one it is depends on what is
/// missed first: the version, or the extension of signature algorithms that TLS 1.1 does not have.
#[test]
fn tls_1_1_is_refused() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    let output = scene
        .openssl()
        .handshake(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    output.assert_has("Protocol  : TLSv1.1");
    let refused = ["alert protocol version", "alert handshake failure"];
    assert!(
        refused.iter().any(|alert| output.text.contains(alert)),
        "{}",
        output.text
    );
    output.assert_has("New, (NONE), Cipher is (NONE)");
    scene
        .edge
        .wait_event(Mark::START, "handshake_refused", |_| true);
}

#[test]
fn cbc_and_rsa_key_transport_are_refused() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    for ciphers in [
        "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256",
        "kRSA",
        "DHE",
    ] {
        let ciphers = format!("{ciphers}:@SECLEVEL=0");
        let output = scene.openssl().handshake(&["-tls1_2", "-cipher", &ciphers]);
        output.assert_has("alert handshake failure");
    }
}

#[test]
fn no_session_can_be_resumed() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let scene = Scene::raise();
    // An answer on the connection comes after whatever the handshake had to send.
    let request = b"OPTIONS sip:contoso.test SIP/2.0\r\n\
        Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bKinterop\r\n\
        Max-Forwards: 0\r\n\
        From: <sip:dora@contoso.test>;tag=1\r\n\
        To: <sip:contoso.test>\r\n\
        Call-ID: interop-ticket\r\n\
        CSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n";
    let directory = tempfile::tempdir().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let session = directory.path().join(version);
        let session = session.to_str().unwrap();
        // What openssl could save of a whole visit is offered in the next.
        let saved = scene.openssl().handshake(&[version, "-sess_out", session]);
        saved.assert_has("Verify return code: 0 (ok)");
        if std::path::Path::new(session).exists() {
            let again = scene.openssl().handshake(&[version, "-sess_in", session]);
            again.assert_has("New, TLSv1.");
            assert!(!again.text.contains("Reused, "), "{}", again.text);
        }
        let text = scene.openssl().converse(&[version], request, "SIP/2.0 483");
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
        if version == "-tls1_2" {
            assert!(
                text.lines().any(|line| line.trim() == "Session-ID:"),
                "no session id: {text}"
            );
        }
        let text = text.to_lowercase();
        assert!(
            !text.contains("new session ticket") && !text.contains("session ticket:"),
            "{text}"
        );
    }
}

#[test]
fn sslscan_finds_nothing_weak() {
    let Some(_stage) = Stage::enter(&[Program::Sslscan]) else {
        return;
    };
    let scene = Scene::raise();
    let output = finish(
        Command::new("sslscan")
            .arg("--no-colour")
            .arg(format!("--sni-name={}", crate::harness::EDGE))
            .arg(format!("127.0.0.1:{}", scene.edge.port())),
    );
    for version in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
        let disabled = output
            .text
            .lines()
            .any(|line| line.split_whitespace().eq([version, "disabled"]));
        assert!(disabled, "{version}: {}", output.text);
    }
    let offered: Vec<_> = output
        .text
        .lines()
        .filter(|line| line.starts_with("Accepted ") || line.starts_with("Preferred "))
        .collect();
    assert!(offered.len() > 3, "{}", output.text);
    for line in offered {
        let authenticated = line.contains("GCM") || line.contains("CHACHA20");
        let ephemeral = line.contains("ECDHE") || line.contains("TLSv1.3");
        assert!(authenticated && ephemeral, "{line}");
    }
}
