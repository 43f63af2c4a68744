//! What a remote says or offers in its first flight: alerts, and hellos that lack something.
use crate::harness::tls::connect;
use crate::harness::{Lab, World};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Every alert by its number (RFC 8446 §6), and two numbers that no RFC gives a name.
const ALERTS: [(u8, &str); 30] = [
    (10, "alert_unexpected_message"),
    (20, "alert_bad_record_mac"),
    (22, "alert_record_overflow"),
    (40, "alert_handshake_failure"),
    (41, "alert_no_certificate"),
    (42, "alert_bad_certificate"),
    (43, "alert_unsupported_certificate"),
    (44, "alert_certificate_revoked"),
    (45, "alert_certificate_expired"),
    (46, "alert_certificate_unknown"),
    (47, "alert_illegal_parameter"),
    (48, "alert_unknown_ca"),
    (49, "alert_access_denied"),
    (50, "alert_decode_error"),
    (51, "alert_decrypt_error"),
    (70, "alert_protocol_version"),
    (71, "alert_insufficient_security"),
    (80, "alert_internal_error"),
    (86, "alert_inappropriate_fallback"),
    (90, "alert_user_canceled"),
    (100, "alert_no_renegotiation"),
    (109, "alert_missing_extension"),
    (110, "alert_unsupported_extension"),
    (112, "alert_unrecognised_name"),
    (113, "alert_bad_certificate_status_response"),
    (115, "alert_unknown_psk_identity"),
    (116, "alert_certificate_required"),
    (120, "alert_no_application_protocol"),
    (99, "alert_other"),
    (200, "alert_other"),
];

/// Sends these octets one after another on a new connection, with an answer between them, and returns the event in which
/// its handshake ends.
async fn handshake_of(world: &World, flights: &[&[u8]], event: &str) -> Value {
    let mark = world.edge.log.mark();
    let mut tcp = connect(world.edge.address).await;
    for flight in flights {
        tcp.write_all(flight).await.unwrap();
        let _ = tcp.read(&mut vec![0; 16 * 1024]).await;
    }
    let log = &world.edge.log;
    log.wait_after(mark, event, |_| true).await.unwrap()
}

pub(super) async fn every_alert_is_logged_with_its_own_code_and_number() {
    let world = World::new().await;
    let good = hello(&[groups(P256), schemes(ECDSA_P256), points()]);
    for (number, code) in ALERTS {
        // Behind a hello that was answered; nothing is encrypted yet, so the record is a plain one.
        let alert = [21, 3, 3, 0, 2, 2, number];
        let event = handshake_of(&world, &[&good, &alert], "handshake_refused_by_peer").await;
        assert_eq!(event["reason"], code);
        assert_eq!(event["alert"], number);
    }
    world.stop().await;
}

/// Octets behind their own length in two octets.
fn sized(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u16).to_be_bytes()[..], octets].concat()
}

/// One extension of a hello.
fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &sized(content)].concat()
}

/// Numbers of groups and of signature schemes (RFC 8446 §4.2.3, §4.2.7).
const P256: u16 = 0x0017;
const P521: u16 = 0x0019;
const ECDSA_P256: u16 = 0x0403;
const ED448: u16 = 0x0808;

fn groups(group: u16) -> Vec<u8> {
    extension(10, &sized(&group.to_be_bytes()))
}

fn schemes(scheme: u16) -> Vec<u8> {
    extension(13, &sized(&scheme.to_be_bytes()))
}

fn points() -> Vec<u8> {
    extension(11, &[1, 0])
}

/// A ClientHello of TLS 1.2 with one suite of ECDHE and these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend(sized(&extensions.concat()));
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

pub(super) async fn a_hello_of_tls_1_2_is_refused_for_what_it_lacks() {
    let world = World::new().await;
    for (extensions, reason) in [
        (vec![schemes(ECDSA_P256), points()], "no_common_group"),
        (
            vec![groups(P521), schemes(ECDSA_P256), points()],
            "no_common_group",
        ),
        (
            vec![groups(P256), schemes(ED448), points()],
            "no_common_signature",
        ),
    ] {
        let event = handshake_of(&world, &[&hello(&extensions)], "handshake_refused").await;
        assert_eq!(event["reason"], reason, "{event}");
    }
    // TLS_RSA_WITH_AES_128_CBC_SHA instead of the one suite.
    let mut old = hello(&[groups(P256), schemes(ECDSA_P256), points()]);
    let at = old.windows(2).position(|suite| suite == [0xc0, 0x2b]);
    old.splice(at.unwrap()..at.unwrap() + 2, [0x00, 0x2f]);
    let mark = world.edge.log.mark();
    let mut tcp = connect(world.edge.address).await;
    tcp.write_all(&old).await.unwrap();
    let is_it = |e: &Value| e["reason"] == "no_common_cipher";
    let refused = world.edge.log.wait_after(mark, "handshake_refused", is_it);
    refused.await.unwrap();
    world.stop().await;
}

pub(super) async fn a_peer_that_answers_with_something_else_than_sip_is_found_by_probe() {
    use crate::harness::observed::{Observed, sipward};
    use crate::harness::tls::{VERSIONS, server_config};
    use std::sync::Arc;

    let fqdn = "fe01.contoso.test";
    let lab = Lab::new();
    let identity = lab.site.enterprise.server(fqdn).unwrap();
    let config = Arc::new(server_config(VERSIONS[1], &lab.roots, &identity));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let mut tls = acceptor.accept(tcp).await.unwrap();
        let mut request = [0; 4096];
        let _ = tls.read(&mut request).await;
        let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        tls.write_all(answer).await.unwrap();
        let _ = tls.read(&mut request).await;
    });
    let topology = lab.site.topology(&[(fqdn, address)], None);
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let file = file.to_str().unwrap().to_owned();
    let observed = Observed::of_thread();
    let probe = move || sipward(&["probe", fqdn, "--json", "--config", &file]);
    let output = tokio::task::spawn_blocking(probe).await.unwrap();
    observed.add_text(&output.stdout);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let at = &report["addresses"][0];
    assert_eq!(
        (&at["verdict"], &at["reason"]),
        (&"failed".into(), &"not_sip".into())
    );
}
