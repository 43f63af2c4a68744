//! The rustls verifiers: they hand what was presented to [`super::decide`] and keep its decision.
use super::{Decision, Generation, PeerId, Presented, SeenChains, decide};
use crate::topology::{Accept, Direction, PeerRef};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a verifier was told: the peer, or the refusal.
type Outcome = Result<PeerId, Arc<Decision>>;

/// An accepted chain whose owner has yet to sign with its key.
#[derive(Debug)]
struct Unproven {
    decision: Arc<Decision>,
    chain: Vec<CertificateDer<'static>>,
    at: UnixTime,
}

/// Handshakes of one verifier between certificate and signature, which mostly come in one flight.
const MOST_UNPROVEN: usize = 64;

/// What both verifiers do: ask, keep the answer, and check the handshake's signature.
#[derive(Debug)]
struct Asking {
    /// Not held: the TLS library keeps a verifier for as long as a connection lives, and a generation that no longer
    /// serves shall go. Whoever shakes hands holds it meanwhile.
    generation: Weak<Generation>,
    outcome: Mutex<Option<Outcome>>,
    seen: Arc<SeenChains>,
    /// Accepted, and the key not yet proven.
    unproven: Mutex<VecDeque<Unproven>>,
    /// Those of the provider: RFC 9325 §4.5 and RFC 8446 §4.2.3 without SHA-1.
    algorithms: WebPkiSupportedAlgorithms,
}

impl Asking {
    fn new(generation: &Arc<Generation>, seen: Arc<SeenChains>) -> Self {
        Self {
            seen,
            unproven: Mutex::default(),
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
            Ok(peer) => {
                self.await_proof(peer.decision(), &chain, now);
                Ok(())
            }
            Err(decision) => {
                // The refusal ends the handshake; who has the key does not matter any more.
                self.seen.note(decision, &chain, now);
                Err(decision.reason.tls_error())
            }
        };
        self.lock().replace(outcome);
        answer
    }

    /// Keeps an accepted chain until its owner has signed: certificates are public, and who shows a peer's without the
    /// key has not been seen as that peer.
    fn await_proof(&self, decision: &Arc<Decision>, chain: &[CertificateDer<'_>], at: UnixTime) {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        if unproven.len() == MOST_UNPROVEN {
            unproven.pop_front();
        }
        unproven.push_back(Unproven {
            decision: Arc::clone(decision),
            chain: chain.iter().map(|c| c.clone().into_owned()).collect(),
            at,
        });
    }

    /// The signature was checked.
    fn proved(
        &self,
        leaf: &CertificateDer<'_>,
        signature: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        let found = unproven
            .iter()
            .position(|one| one.chain.first() == Some(leaf))
            .and_then(|at| unproven.remove(at));
        drop(unproven);
        if let (Some(one), Ok(_)) = (found, &signature) {
            self.seen.note(&one.decision, &one.chain, one.at);
        }
        signature
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
        Self::noting(&generation, accept, Arc::default())
    }

    /// As [`Self::new`]; what is presented is noted in `seen`.
    pub fn noting(
        generation: &Arc<Generation>,
        accept: Accept,
        seen: Arc<SeenChains>,
    ) -> Arc<Self> {
        Arc::new(Self {
            asking: Asking::new(generation, seen),
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
        let signature = verify_tls12_signature(message, cert, dss, &self.asking.algorithms);
        self.asking.proved(cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let signature = verify_tls13_signature(message, cert, dss, &self.asking.algorithms);
        self.asking.proved(cert, signature)
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
        Self::noting(&generation, peer, Arc::default())
    }

    /// As [`Self::new`]; what is presented is noted in `seen`.
    pub fn noting(generation: &Arc<Generation>, peer: PeerRef, seen: Arc<SeenChains>) -> Arc<Self> {
        Arc::new(Self {
            asking: Asking::new(generation, seen),
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
        let signature = verify_tls12_signature(message, cert, dss, &self.asking.algorithms);
        self.asking.proved(cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let signature = verify_tls13_signature(message, cert, dss, &self.asking.algorithms);
        self.asking.proved(cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asking.algorithms.supported_schemes()
    }
}
