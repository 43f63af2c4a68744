//! A handshake with a listener of this node: which certificate it shows, compared with the one that it should.
//!
//! After a reload the files may be right and the served certificate still the old one, or another process may answer on
//! the port. Only a handshake proves it.
use super::own_checks::OwnChecks;
use super::proxy_header;
use super::reception::lists;
use crate::topology::reached_at;
use ipnet::IpNet;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// What a listener showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// The certificate that it should, with proof of its key.
    Expected,
    /// Another one.
    Other,
    /// It could not be asked, or did not come so far.
    Unknown(String),
}

/// Shakes hands with the listener bound to `address`, asking for `name`, and returns whether it shows `leaf`. If this node
/// is one of the listener's `balancers`, it says first that it speaks for itself. It has no bound in time of its own, and stands
/// in `checks`.
pub async fn served(
    address: SocketAddr,
    name: &str,
    leaf: CertificateDer<'static>,
    balancers: &[IpNet],
    checks: &OwnChecks,
) -> Served {
    let verifier = Arc::new(OnlyThis::new(leaf));
    // By what the verifier has seen and not by how it ended: the listener may refuse this client
    // afterwards.
    match shake_hands(address, name, &verifier, (balancers, checks)).await {
        // A listener for peers alone ends it, since no certificate is presented; by then it has shown its own.
        Ok(()) | Err(_) if verifier.proven.load(Ordering::Relaxed) => Served::Expected,
        Ok(()) | Err(_) if verifier.other.load(Ordering::Relaxed) => Served::Other,
        Ok(()) => Served::Unknown("it showed no certificate".to_owned()),
        Err(error) => Served::Unknown(error.to_string()),
    }
}

/// The handshake, through the given verifier, and an orderly end.
async fn shake_hands(
    address: SocketAddr,
    name: &str,
    verifier: &Arc<OnlyThis>,
    (balancers, checks): (&[IpNet], &OwnChecks),
) -> std::io::Result<()> {
    // With every version and suite that a client of the node could use.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as _)
        .with_no_client_auth();
    // A resumed session would show no certificate.
    config.resumption = Resumption::disabled();
    // By this name the listener chooses the identity.
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it goes to a listener of this node, and carries nothing"
    )]
    // To the bound address, past any name or load balancer.
    let mut tcp = TcpStream::connect(reached_at(address)).await?;
    let own = tcp.local_addr()?;
    // Before the first byte: the listener's end may be through as soon as it has it.
    checks.enter(own);
    if lists(balancers, own.ip()) {
        tcp.write_all(&proxy_header::local()).await?;
    }
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    stream.shutdown().await
}

/// Accepts one certificate and no other, whoever issued it: no chain is built, since the question is not whether the
/// certificate is good but whether it is the one of the topology.
#[derive(Debug)]
struct OnlyThis {
    leaf: CertificateDer<'static>,
    /// Another one came.
    other: AtomicBool,
    /// The right one came, and the server has signed with its key.
    proven: AtomicBool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl OnlyThis {
    /// For one expected certificate.
    fn new(leaf: CertificateDer<'static>) -> Self {
        Self {
            leaf,
            other: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            algorithms: rustls::crypto::aws_lc_rs::default_provider()
                .signature_verification_algorithms,
        }
    }

    /// Without the signature anybody could show the certificate.
    fn note(
        &self,
        signature: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proven.store(signature.is_ok(), Ordering::Relaxed);
        signature
    }
}

// No chain, no name, no time: the one question is whether this very certificate is served, with its key.
impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Compared byte by byte, with the leaf of the topology.
        if *end_entity == self.leaf {
            return Ok(ServerCertVerified::assertion());
        }
        // Noted before the refusal: the handshake fails for that alone.
        self.other.store(true, Ordering::Relaxed);
        Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
