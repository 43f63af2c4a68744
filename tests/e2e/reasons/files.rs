//! Anchors, CRLs and certificates that `sipward check`, `sipward explain` or the daemon finds wanting.
use crate::harness::observed::{Observed, sipward};
use crate::harness::{Lab, World};
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use sipward_lab::der::{common_name, element};
use sipward_lab::forge::CertificateFields;
use sipward_lab::ocsp::{OcspSpec, OcspStatus};
use sipward_lab::pki::{AuthoritySpec, CrlSpec, KeyKind, LeafSpec, SigningKey, chain_pem};
use sipward_lab::site::{EDGE, TopologyText};
use std::os::unix::fs::PermissionsExt;
use tokio::io::AsyncReadExt as _;

const FE01: &str = "fe01.contoso.test";
const DAY: i64 = 86_400;

type Certificate = CertificateDer<'static>;

fn topology(lab: &Lab) -> TopologyText {
    lab.site
        .topology(&[(FE01, ([127, 0, 0, 1], 9).into())], None)
}

/// What `sipward check` prints about this topology.
fn checked(lab: &Lab, topology: &TopologyText) -> Value {
    let file = lab
        .site
        .write("topology.toml", &topology.to_toml())
        .unwrap();
    let nobody = lab.site.path().join("nobody.sock");
    let (file, nobody) = (file.to_str().unwrap(), nobody.to_str().unwrap());
    let output = sipward(&["check", file, "--json", "--socket", nobody]);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether this code is anywhere in a report.
fn reports(report: &Value, code: &str) -> bool {
    match report {
        Value::Object(fields) => fields.values().any(|value| reports(value, code)),
        Value::Array(items) => items.iter().any(|item| reports(item, code)),
        Value::String(text) => text == code,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) fn anchors_that_vouch_for_nobody_are_reported_by_check() {
    let lab = Lab::new();
    let root = &lab.site.enterprise;
    let below = root
        .subordinate("Contoso Issuing")
        .unwrap()
        .certificate_pem();
    let foreign = lab.site.fabrikam.subordinate("Foreign Issuing").unwrap();
    let over = AuthoritySpec {
        not_before: -2 * DAY,
        not_after: -DAY,
        ..AuthoritySpec::named("Contoso Old Root")
    };
    let over = sipward_lab::pki::Authority::root_with(over).unwrap();
    let leaf = root.server(FE01).unwrap();
    let whole = root.certificate_pem();
    for (anchors, code) in [
        (below, "anchor_missing"),
        (
            format!("{whole}{}", foreign.certificate_pem()),
            "anchor_unrooted",
        ),
        (
            format!("{whole}{}", over.certificate_pem()),
            "anchor_expired",
        ),
        (format!("{whole}{}", chain_pem(&leaf.chain)), "anchor_unfit"),
    ] {
        lab.site.write("odd.pem", &anchors).unwrap();
        let mut topology = topology(&lab);
        let set = topology.find("[[trust]]", "name", "enterprise-ca");
        set.unwrap().text("anchors", "odd.pem");
        let report = checked(&lab, &topology);
        assert!(reports(&report, code), "{code} is not in {report}");
    }
}

pub(super) fn crls_that_cannot_be_used_are_reported_by_check() {
    let lab = Lab::new();
    let file = lab.site.path().join("odd.crl.pem");
    let refused = |code: &str| {
        let mut topology = topology(&lab);
        let set = topology.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.list("crls", &["enterprise-ca.crl.pem", "odd.crl.pem"]);
        let report = checked(&lab, &topology);
        assert!(reports(&report, code), "{code} is not in {report}");
    };
    let point = vec![0x55, 0x1d, 28];
    for (extension, code) in [
        ((vec![0x55, 0x1d, 27], true, vec![2, 1, 1]), "crl_delta"),
        (
            (point.clone(), true, vec![0x30, 3, 0x84, 1, 0xff]),
            "crl_indirect",
        ),
        ((point.clone(), true, long_name()), "crl_too_complex"),
        (
            (point.clone(), true, vec![0x30, 4, 0x83, 2, 6, 0x40]),
            "crl_some_reasons",
        ),
        (
            (point, true, vec![0x30, 3, 0x85, 1, 0xff]),
            "crl_scope_unsupported",
        ),
        ((vec![0x2a, 3, 4], true, vec![5, 0]), "crl_unknown_critical"),
    ] {
        let odd = CrlSpec {
            extensions: vec![extension],
            ..CrlSpec::default()
        };
        let odd = lab.site.enterprise.crl_as_pem(&odd).unwrap();
        lab.site.write("odd.crl.pem", &odd).unwrap();
        refused(code);
    }
    let whole = lab.site.enterprise.crl(&CrlSpec::default()).unwrap();
    std::fs::write(&file, endless(&whole)).unwrap();
    refused("crl_without_next_update");
}

/// An issuingDistributionPoint with a name of more bytes than are read.
fn long_name() -> Vec<u8> {
    let name = element(0x86, &[&vec![b'a'; 1_025]]);
    element(0x30, &[&element(0xa0, &[&element(0xa0, &[&name])])])
}

/// A CRL without its nextUpdate, which is read before its signature is looked at.
fn endless(crl: &[u8]) -> Vec<u8> {
    let (whole, _) = contents(crl);
    let (body, signature) = contents(whole);
    // Two UTCTimes of 15 bytes each.
    let first = body.windows(2).position(|tag| tag == [0x17, 13]).unwrap();
    let body = [&body[..first + 15], &body[first + 30..]];
    element(0x30, &[&element(0x30, &body), signature])
}

/// What is in the first element, and what is behind it.
fn contents(der: &[u8]) -> (&[u8], &[u8]) {
    let (begin, length) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) * 256 + usize::from(der[3])),
        short => (2, usize::from(short)),
    };
    der[begin..].split_at(length)
}

pub(super) fn revoked_anchors_and_too_many_crls_are_reported_by_check() {
    let lab = Lab::new();
    let root = &lab.site.enterprise;
    let below = root.subordinate("Contoso Issuing").unwrap();
    let both = format!("{}{}", root.certificate_pem(), below.certificate_pem());
    lab.site.write("both.pem", &both).unwrap();
    let revoking = CrlSpec {
        revoked: vec![below.serial().clone()],
        ..CrlSpec::default()
    };
    let crl = root.crl_as_pem(&revoking).unwrap();
    lab.site.write("revoking.crl.pem", &crl).unwrap();
    let many = lab.site.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..300 {
        std::fs::write(many.join(format!("{number}.pem")), &crl).unwrap();
    }
    for (crls, code) in [
        ("revoking.crl.pem", "anchor_revoked"),
        ("many", "crl_too_many"),
    ] {
        let mut topology = topology(&lab);
        let set = topology.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("anchors", "both.pem").list("crls", &[crls]);
        let report = checked(&lab, &topology);
        assert!(reports(&report, code), "{code} is not in {report}");
    }
}

pub(super) fn ocsp_responses_that_cannot_be_stapled_are_reported_by_check() {
    let lab = Lab::new();
    let (root, edge) = (&lab.site.enterprise, &lab.site.edge);
    let good = OcspSpec::good(edge);
    let other = root.server(EDGE).unwrap();
    let unknown = OcspSpec {
        status: OcspStatus::Unknown,
        ..good
    };
    let stale = OcspSpec {
        this_update: -2 * DAY,
        next_update: Some(-DAY),
        ..good
    };
    let mut forged = root.ocsp(&good).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    for (response, code) in [
        (b"no response".to_vec(), "ocsp_malformed"),
        (
            root.ocsp(&OcspSpec::good(&other)).unwrap(),
            "ocsp_wrong_certificate",
        ),
        (forged, "ocsp_bad_signature"),
        (root.ocsp(&stale).unwrap(), "ocsp_stale"),
        (root.ocsp(&unknown).unwrap(), "ocsp_unknown"),
    ] {
        std::fs::write(lab.site.path().join("edge.ocsp"), response).unwrap();
        let mut topology = topology(&lab);
        topology.section("[[identity]]").text("ocsp", "edge.ocsp");
        let report = checked(&lab, &topology);
        assert!(reports(&report, code), "{code} is not in {report}");
    }
}

pub(super) fn an_expectation_that_does_not_hold_is_reported_by_check() {
    let lab = Lab::new();
    let mut topology = topology(&lab);
    topology
        .add("[[expect]]")
        .text("certificate", "edge.chain.pem")
        .text("as", "inbound")
        .text("verdict", "accept");
    let report = checked(&lab, &topology);
    assert!(reports(&report, "expectation_failed"), "{report}");
}

/// A root, a leaf of X.509 v1 below it, and one with a key on secp256k1.
fn forged() -> (Certificate, Certificate, Certificate) {
    let (root_key, leaf_key) = (key(), key());
    let root = common_name(0x0c, b"Forged Root");
    let anchor = CertificateFields::authority(&root, &root, &root_key);
    let subject = common_name(0x0c, FE01.as_bytes());
    let mut old = CertificateFields::blank(&root, &subject, &leaf_key);
    old.version = None;
    let mut curve = CertificateFields::leaf(&root, FE01, &leaf_key);
    // A point of P-256 does: nobody looks at it.
    let p256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let at = curve.key.windows(10).position(|oid| oid == p256).unwrap();
    curve.key.splice(at..at + 10, [6, 5, 0x2b, 0x81, 4, 0, 10]);
    curve.key[1] -= 3;
    curve.key[3] -= 3;
    let sign = |fields: &CertificateFields| root_key.sign(fields).unwrap();
    (sign(&anchor), sign(&old), sign(&curve))
}

fn key() -> SigningKey {
    SigningKey::new(KeyKind::P256).unwrap()
}

pub(super) fn certificates_with_keys_or_sizes_that_are_not_taken_are_explained() {
    let lab = Lab::new();
    let (anchor, old, curve) = forged();
    lab.site.write("forged.pem", &chain_pem(&[anchor])).unwrap();
    let mut topology = topology(&lab);
    topology
        .add("[[trust]]")
        .text("name", "forged")
        .text("anchors", "forged.pem")
        .text("revocation", "off");
    topology
        .section("[[peer]]")
        .list("trust", &["enterprise-ca", "forged"])
        .raw("common_name", "true");
    let text = topology.to_toml();
    let file = lab.site.write("topology.toml", &text).unwrap();
    // RSAPublicKey of 1024 bits (RFC 8017 A.1.1).
    let mut rsa = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    rsa.extend([0xc5; 128]);
    rsa.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let root = &lab.site.enterprise;
    let weak = root.certify_rsa(&LeafSpec::server(FE01), &rsa).unwrap();
    let wide = LeafSpec {
        dns: (0..900)
            .map(|n| format!("a-rather-long-host-name-{n}.contoso.test"))
            .collect(),
        ..LeafSpec::server(FE01)
    };
    let wide = root.issue(&wide).unwrap().chain.swap_remove(0);
    for (chain, code) in [
        (weak, "weak_key"),
        (vec![wide; 4], "chain_too_large"),
        (vec![old], "certificate_version"),
        (vec![curve], "key_unusable"),
    ] {
        let pem = lab.site.write("odd.chain.pem", &chain_pem(&chain)).unwrap();
        let (file, pem) = (file.to_str().unwrap(), pem.to_str().unwrap());
        let output = sipward(&["explain", "--config", file, "--cert", pem, "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(reports(&report, code), "{code} is not in {report}");
    }
}

/// The state directory is open to everybody, and then the socket cannot be made.
pub(super) async fn directories_that_the_daemon_cannot_use_are_logged() {
    let lab = Lab::new();
    let state = lab.site.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    let mut open = topology(&lab);
    open.section("[node]")
        .text("state", state.to_str().unwrap());
    let edge = lab.edge(&open).await;
    let unsafe_state = |e: &Value| e["reason"] == "state_unsafe";
    edge.log.wait("warning", unsafe_state).await.unwrap();
    assert_eq!(
        edge.explain("0123456789abcdef").await.unwrap_err().code(),
        "unknown_decision"
    );
    edge.stop().await;
    // A directory stands where the socket would.
    let socket = lab.site.path().join("control.sock");
    std::fs::create_dir(socket).unwrap();
    let edge = lab.edge(&open).await;
    let unusable = |e: &Value| e["reason"] == "socket_unusable";
    edge.log
        .wait("control_unavailable", unusable)
        .await
        .unwrap();
    edge.stop().await;
}

/// A distribution point at which nobody listens, and one that never answers.
pub(super) async fn a_distribution_point_that_says_nothing_is_unreachable_or_too_late() {
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let late = format!("http://{}/ca.crl", hole.local_addr().unwrap());
    let world = World::with(|t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s")
            .raw("crl_fetch", "true")
            .list("crl_fetch_local", &["127.0.0.1"]);
    })
    .await;
    let points = ["http://127.0.0.1:9/ca.crl".to_owned(), late];
    for (point, reason) in points.into_iter().zip(["unreachable", "fetch_timeout"]) {
        let spec = LeafSpec {
            crl_points: vec![point],
            ..LeafSpec::server(FE01)
        };
        let identity = world.lab.site.enterprise.issue(&spec).unwrap();
        let twin = world.lab.server("twin", FE01, "sip:twin", &identity).await;
        let _wire = world.dial(&twin).await;
        world
            .logged("crl_fetch_failed", |e| e["reason"] == reason)
            .await;
    }
    world.stop().await;
}

/// A command that never comes.
pub(super) async fn a_control_connection_that_says_nothing_ends() {
    let world = World::new().await;
    assert_eq!(world.edge.command(&["status"]).await.0, Some(0));
    let mut stream = tokio::net::UnixStream::connect(&world.edge.socket)
        .await
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(reply["error"]["code"], "command_timeout");
    Observed::of_thread().add_all(&reply);
    world.stop().await;
}
