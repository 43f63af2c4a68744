//! CRL files that change under a running daemon: no reload is asked for.
use crate::harness::{Lab, SOON, World};
use sipward_lab::ocsp::{OcspSpec, OcspStatus};
use sipward_lab::pki::{CrlSpec, Issued};
use sipward_lab::{Server, Wire};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A world whose CRLs are read again each second, and a twin of fe02 that is connected.
struct Twin {
    world: World,
    server: Server,
    identity: Issued,
    wire: Wire,
}

async fn twin(crls: &[&str]) -> Twin {
    let world = World::with(|t| {
        for name in ["enterprise-ca", "fabrikam-ca"] {
            let set = t.find("[[trust]]", "name", name).unwrap();
            set.text("crl_refresh", "1s");
        }
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.list("crls", crls);
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    connected(world).await
}

async fn connected(world: World) -> Twin {
    let fqdn = "fe02.contoso.test";
    let identity = world.lab.site.enterprise.server(fqdn).unwrap();
    let server = world
        .lab
        .server("twin", fqdn, &format!("sip:{fqdn}"), &identity)
        .await;
    let wire = world.dial(&server).await;
    let twin = Twin {
        world,
        server,
        identity,
        wire,
    };
    twin.message_passes().await;
    twin
}

impl Twin {
    async fn message_passes(&self) {
        let sent = self
            .server
            .message("sip:carol@fabrikam.test", "x")
            .send()
            .await
            .unwrap();
        let got = self.world.partner.expect("MESSAGE").await.unwrap();
        self.world.partner.reply(&got, 200).await.unwrap();
        self.server.answer(&sent, 200).await.unwrap();
    }

    /// Puts a CRL of the enterprise CA in place at once, as an atomic rename does.
    fn put(&self, name: &str, spec: &CrlSpec) {
        let pem = self.world.lab.site.enterprise.crl_as_pem(spec).unwrap();
        self.put_text(name, &pem);
    }

    fn put_text(&self, name: &str, text: &str) {
        let fresh = self.path(&format!("{name}.tmp"));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path(name)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.lab.site.path().join(name)
    }

    fn revoking(&self, number: u64) -> CrlSpec {
        CrlSpec {
            revoked: vec![self.identity.serial.clone()],
            number,
            ..CrlSpec::default()
        }
    }
}

#[tokio::test]
async fn a_peer_revoked_in_a_refreshed_crl_loses_its_connection_without_a_reload() {
    let twin = twin(&["enterprise-ca.crl.pem"]).await;
    let log = twin.world.edge.log.clone();
    twin.put("enterprise-ca.crl.pem", &twin.revoking(2));
    let updated = log.wait("crl_updated", |_| true).await.unwrap();
    assert_eq!(
        (&updated["trust"], &updated["revoked"]),
        (&"enterprise-ca".into(), &1.into())
    );
    assert_eq!(updated["generation"], 2);
    twin.wire.ended(SOON).await.unwrap();
    let closed = log
        .wait("connection_closed", |e| e["peer"] == "fe02.contoso.test")
        .await
        .unwrap();
    assert_eq!(closed["reason"], "trust_withdrawn");
    // Rolled back, it is refused, and the peer stays out.
    let rolled_back = CrlSpec {
        this_update: -600,
        ..CrlSpec::default()
    };
    twin.put("enterprise-ca.crl.pem", &rolled_back);
    let refused = log.wait("crl_refused", |_| true).await.unwrap();
    assert_eq!(refused["reason"], "crl_older");
    let edge = twin.world.edge.address;
    if let Ok(wire) = twin.server.dial(edge, sipward_lab::site::EDGE).await {
        wire.ended(SOON).await.unwrap();
    }
    log.wait("handshake_refused", |e| e["reason"] == "revoked")
        .await
        .unwrap();
    let log = twin.world.edge.stop().await;
    assert!(log.named("reload").is_empty());
}

#[tokio::test]
pub(crate) async fn what_is_worse_in_a_directory_of_crls_leaves_in_force_what_was() {
    let lab = Lab::new();
    let directory = lab.site.path().join("generations/1");
    std::fs::create_dir_all(&directory).unwrap();
    let pem = lab.site.enterprise.crl_as_pem(&CrlSpec::default()).unwrap();
    std::fs::write(directory.join("enterprise.crl"), pem).unwrap();
    let link = lab.site.path().join("crls");
    std::os::unix::fs::symlink("generations/1", &link).unwrap();
    let world = World::in_lab(lab, |t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s").list("crls", &["crls"]);
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    let twin = connected(world).await;
    let log = twin.world.edge.log.clone();
    twin.put_text("crls/enterprise.crl", "nothing to see");
    let refused = log.wait("crl_refused", |_| true).await.unwrap();
    assert_eq!(refused["reason"], "crl_malformed", "{refused}");
    let forged = twin.world.lab.site.enterprise.impostor().unwrap();
    twin.put_text(
        "crls/enterprise.crl",
        &forged.crl_as_pem(&twin.revoking(9)).unwrap(),
    );
    log.wait("crl_refused", |e| e["reason"] == "crl_bad_signature")
        .await
        .unwrap();
    twin.message_passes().await;
    assert!(twin.wire.is_live());
    // The whole directory exchanged by its link, in one step.
    let next = twin.path("generations/2");
    std::fs::create_dir_all(&next).unwrap();
    twin.put("generations/2/enterprise.crl", &twin.revoking(2));
    std::os::unix::fs::symlink("generations/2", twin.path("crls.next")).unwrap();
    std::fs::rename(twin.path("crls.next"), &link).unwrap();
    log.wait("crl_updated", |e| e["revoked"] == 1)
        .await
        .unwrap();
    twin.wire.ended(SOON).await.unwrap();
    // What was refused is told once, not each second.
    let refused = twin.world.edge.stop().await.named("crl_refused");
    assert_eq!(refused.len(), 2, "{refused:?}");
}

/// A FIFO waits for its other end: whoever opens it would stand still.
#[tokio::test]
async fn a_fifo_among_the_files_holds_up_neither_refresh_nor_reload() {
    let lab = Lab::new();
    let directory = lab.site.path().join("crls");
    std::fs::create_dir_all(&directory).unwrap();
    let pem = lab.site.enterprise.crl_as_pem(&CrlSpec::default()).unwrap();
    std::fs::write(directory.join("enterprise.crl"), pem).unwrap();
    let fifo = |path: PathBuf| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    fifo(directory.join("fifo.crl"));
    let world = World::in_lab(lab, |t| {
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s").list("crls", &["crls"]);
        t.section("[limits]").text("drain", "1s");
    })
    .await;
    let twin = connected(world).await;
    let log = twin.world.edge.log.clone();
    twin.put("crls/enterprise.crl", &twin.revoking(2));
    log.wait("crl_updated", |_| true).await.unwrap();
    twin.wire.ended(SOON).await.unwrap();
    assert_eq!(twin.world.edge.reload().await["result"], "ok");
    // In the place of a file that the topology names it is a fault.
    for name in ["fabrikam-ca.pem", "edge.key.pem", "topology.toml"] {
        let path = twin.path(name);
        let kept = twin.path(&format!("{name}.kept"));
        std::fs::rename(&path, &kept).unwrap();
        fifo(path.clone());
        let event = twin.world.edge.reload().await;
        assert_eq!(event["result"], "refused", "{event}");
        assert!(event["details"].to_string().contains("no regular file"));
        std::fs::rename(&kept, &path).unwrap();
    }
    assert_eq!(twin.world.edge.reload().await["result"], "ok");
    twin.world.edge.stop().await;
}

#[tokio::test]
async fn a_crl_that_grows_stale_is_told_of_before_and_ends_what_it_covered() {
    let twin = twin(&["enterprise-ca.crl.pem"]).await;
    let log = twin.world.edge.log.clone();
    // Short enough to wait for, long enough to be seen in force.
    let short = CrlSpec {
        number: 2,
        next_update: 6,
        ..CrlSpec::default()
    };
    twin.put("enterprise-ca.crl.pem", &short);
    let soon = log.wait("crl_stale_soon", |_| true).await.unwrap();
    assert_eq!(soon["trust"], "enterprise-ca");
    let stale = log.wait("crl_stale", |_| true).await.unwrap();
    assert_eq!(stale["next_update"], soon["next_update"]);
    twin.wire.ended(Duration::from_secs(30)).await.unwrap();
    log.wait("connection_closed", |e| e["peer"] == "fe02.contoso.test")
        .await
        .unwrap();
}

/// Takes whatever the server shows and keeps the OCSP response that came with it.
#[derive(Debug)]
struct Stapled(std::sync::Mutex<Option<Vec<u8>>>);

impl rustls::client::danger::ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls_pki_types::CertificateDer<'_>,
        _intermediates: &[rustls_pki_types::CertificateDer<'_>],
        _server_name: &rustls_pki_types::ServerName<'_>,
        ocsp_response: &[u8],
        _now: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        self.0.lock().unwrap().replace(ocsp_response.to_vec());
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &rustls_pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &rustls_pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The OCSP response that the edge staples now; empty when it staples none.
async fn stapled(edge: std::net::SocketAddr) -> Vec<u8> {
    let verifier = Arc::new(Stapled(std::sync::Mutex::new(None)));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    #[expect(clippy::disallowed_methods, reason = "a test client")]
    let tcp = tokio::net::TcpStream::connect(edge).await.unwrap();
    let name = sipward_lab::site::EDGE.try_into().unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .unwrap();
    let staple = verifier.0.lock().unwrap().take();
    staple.unwrap()
}

#[tokio::test]
pub(crate) async fn our_own_staple_is_served_while_it_is_good_and_read_again() {
    let lab = Lab::new();
    let good = OcspSpec::good(&lab.site.edge);
    let write = |lab: &Lab, name: &str, spec: OcspSpec<'_>| {
        let response = lab.site.enterprise.ocsp(&spec).unwrap();
        std::fs::write(lab.site.path().join(name), &response).unwrap();
        response
    };
    let first = write(&lab, "edge.ocsp", good);
    let world = World::in_lab(lab, |t| {
        t.section("[[identity]]").text("ocsp", "edge.ocsp");
        let set = t.find("[[trust]]", "name", "enterprise-ca").unwrap();
        set.text("crl_refresh", "1s");
    })
    .await;
    let (edge, log) = (world.edge.address, world.edge.log.clone());
    assert_eq!(stapled(edge).await, first);
    let site = &world.lab.site;
    let good = OcspSpec::good(&site.edge);
    // One that is revoked is told of and not served; the one that is still good goes on.
    let revoked = OcspSpec {
        status: OcspStatus::Revoked,
        ..good
    };
    write(&world.lab, "edge.next", revoked);
    std::fs::rename(site.path().join("edge.next"), site.path().join("edge.ocsp")).unwrap();
    log.wait("warning", |e| e["reason"] == "ocsp_revoked")
        .await
        .unwrap();
    assert_eq!(stapled(edge).await, first);
    let newer = OcspSpec {
        next_update: Some(7_200),
        ..good
    };
    let second = write(&world.lab, "edge.next", newer);
    std::fs::rename(site.path().join("edge.next"), site.path().join("edge.ocsp")).unwrap();
    let deadline = tokio::time::Instant::now() + SOON * 3;
    while stapled(edge).await != second {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the newer one is not served"
        );
    }
    // About another certificate, it is a fault that keeps the old generation.
    let other = site.enterprise.server(sipward_lab::site::EDGE).unwrap();
    write(&world.lab, "edge.ocsp", OcspSpec::good(&other));
    let event = world.edge.reload().await;
    assert_eq!(event["result"], "refused");
    assert!(
        event["details"]
            .to_string()
            .contains("ocsp_wrong_certificate"),
        "{event}"
    );
    assert_eq!(stapled(edge).await, second);
    world.edge.stop().await;
}
