//! The rustls verifiers: they hand what was presented to [`super::decide`] and keep its decision.
use super::{Decision, Generation, PeerId, Presented, decide};
use crate::topology::{Accept, Direction, PeerRef};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a verifier was told: the peer, or the refusal.
type Outcome = Result<PeerId, Arc<Decision>>;

/// What both verifiers do: ask, keep the answer, and check the handshake's signature.
#[derive(Debug)]
struct Asking {
    /// Not held: the TLS library keeps a verifier for as long as a connection lives, and a generation that no longer
    /// serves shall go. Whoever shakes hands holds it meanwhile.
    generation: Weak<Generation>,
    outcome: Mutex<Option<Outcome>>,
    /// Those of the provider: RFC 9325 §4.5 and RFC 8446 §4.2.3 without SHA-1.
    algorithms: WebPkiSupportedAlgorithms,
}

impl Asking {
    fn new(generation: &Arc<Generation>) -> Self {
        Self {
            generation: Arc::downgrade(generation),
            outcome: Mutex::new(None),
            algorithms: rustls::crypto::aws_lc_rs::default_provider()
                .signature_verification_algorithms,
        }
    }

    fn ask(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        direction: Direction,
        expected: Option<PeerRef>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| CertificateDer::from(certificate.as_ref()))
            .collect();
        let presented = Presented {
            chain: &chain,
            expected,
            staple: None,
        }
        .with_staple(staple);
        let Some(generation) = self.generation.upgrade() else {
            // A handshake that outlived its generation is begun anew by whoever wants it.
            return Err(rustls::Error::General("the generation is gone".to_owned()));
        };
        let outcome = decide(&presented, direction, &generation, now);
        let answer = match &outcome {
            Ok(_) => Ok(()),
            Err(decision) => Err(decision.reason.tls_error()),
        };
        self.lock().replace(outcome);
        answer
    }

    fn take(&self) -> Option<Outcome> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Outcome>> {
        // The cell holds a whole value at any time, so a panic elsewhere leaves nothing half done.
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges the certificate shown to one of our listeners; one for each connection.
///
/// The caller takes the outcome after the handshake. No outcome after a finished handshake means that no
/// certificate was presented; a presented one that is refused ends the handshake.
#[derive(Debug)]
pub struct InboundVerifier {
    asking: Asking,
    accept: Accept,
}

impl InboundVerifier {
    /// For a listener that accepts these kinds of connection. The caller holds the generation while it shakes hands.
    pub fn new(generation: Arc<Generation>, accept: Accept) -> Arc<Self> {
        Arc::new(Self {
            asking: Asking::new(&generation),
            accept,
        })
    }

    /// The last handshake's outcome; `None` when no certificate was presented (or it was taken already).
    pub fn take(&self) -> Option<Result<PeerId, Arc<Decision>>> {
        self.asking.take()
    }
}

impl ClientCertVerifier for InboundVerifier {
    fn offer_client_auth(&self) -> bool {
        self.accept.peers()
    }

    fn client_auth_mandatory(&self) -> bool {
        !self.accept.clients()
    }

    /// None: a stranger need not learn whose CAs we trust.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.asking
            .ask(
                end_entity,
                intermediates,
                Direction::Inbound,
                None,
                &[],
                now,
            )
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.asking.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.asking.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asking.algorithms.supported_schemes()
    }
}

/// Judges the certificate of a peer that we dialled; one for each connection.
#[derive(Debug)]
pub struct OutboundVerifier {
    asking: Asking,
    peer: PeerRef,
}

impl OutboundVerifier {
    /// For a connection to `peer`, a peer of `generation`, which the caller holds while it shakes hands.
    pub fn new(generation: Arc<Generation>, peer: PeerRef) -> Arc<Self> {
        Arc::new(Self {
            asking: Asking::new(&generation),
            peer,
        })
    }

    /// The last handshake's outcome; `None` before it (or when it was taken already).
    pub fn take(&self) -> Option<Result<PeerId, Arc<Decision>>> {
        self.asking.take()
    }
}

impl ServerCertVerifier for OutboundVerifier {
    /// The reference identifier is the dialled peer's FQDN, never the name that rustls was given for SNI.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.asking
            .ask(
                end_entity,
                intermediates,
                Direction::Outbound,
                Some(self.peer),
                ocsp_response,
                now,
            )
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.asking.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.asking.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asking.algorithms.supported_schemes()
    }
}
