//! The rustls verifiers: they hand what was presented to [`super::decide`] and keep its decision.
use super::possession::{self, Handshake};
use super::{
    Admitted, Decision, Generation, PeerId, Presented, SeenChains, decide, decide_inbound,
};
use crate::topology::{Direction, Listener, PeerRef};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// An accepted chain whose owner has yet to sign with its key.
#[derive(Debug)]
struct Unproven {
    passed: Admitted,
    chain: Vec<CertificateDer<'static>>,
    at: UnixTime,
}

/// Handshakes of one verifier between certificate and signature, which mostly come in one flight.
const MOST_UNPROVEN: usize = 64;

/// What both verifiers do: ask who may pass (`P`), keep the answer, and check the handshake's signature.
#[derive(Debug)]
struct Asking<P> {
    /// Not held: the TLS library keeps a verifier for as long as a connection lives, and a generation that no longer
    /// serves shall go. Whoever shakes hands holds it meanwhile.
    generation: Weak<Generation>,
    outcome: Mutex<Option<Result<P, Arc<Decision>>>>,
    seen: Arc<SeenChains>,
    /// Accepted, and the key not yet proven.
    unproven: Mutex<VecDeque<Unproven>>,
    /// Those of the provider: RFC 9325 §4.5 and RFC 8446 §4.2.3 without SHA-1.
    algorithms: WebPkiSupportedAlgorithms,
}

impl<P: Clone + Into<Admitted>> Asking<P> {
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

    /// `decide` judges the chain by the generation.
    fn ask(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        decide: impl FnOnce(&[CertificateDer<'_>], &Generation) -> Result<P, Arc<Decision>>,
    ) -> Result<(), rustls::Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| CertificateDer::from(certificate.as_ref()))
            .collect();
        let Some(generation) = self.generation.upgrade() else {
            // A handshake that outlived its generation is begun anew by whoever wants it.
            return Err(rustls::Error::General("the generation is gone".to_owned()));
        };
        let outcome = decide(&chain, &generation);
        let answer = match &outcome {
            Ok(passed) => {
                self.await_proof(passed.clone().into(), &chain, now);
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
    fn await_proof(&self, passed: Admitted, chain: &[CertificateDer<'_>], at: UnixTime) {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        if unproven.len() == MOST_UNPROVEN {
            unproven.pop_front();
        }
        unproven.push_back(Unproven {
            passed,
            chain: chain.iter().map(|c| c.clone().into_owned()).collect(),
            at,
        });
    }

    /// Checks the signature of who has shown the leaf.
    fn prove(
        &self,
        handshake: Handshake,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        let found = unproven
            .iter()
            .position(|one| one.chain.first() == Some(leaf))
            .and_then(|at| unproven.remove(at));
        drop(unproven);
        let is_passed_over = matches!(
            &found,
            Some(Unproven { passed: Admitted::Client(client), .. }) if client.is_passed_over()
        );
        let signature = if is_passed_over {
            possession::check(handshake, message, leaf, signed, &self.algorithms)
        } else {
            match handshake {
                Handshake::Tls12 => verify_tls12_signature(message, leaf, signed, &self.algorithms),
                Handshake::Tls13 => verify_tls13_signature(message, leaf, signed, &self.algorithms),
            }
        };
        if let (Some(one), Ok(_)) = (found, &signature) {
            self.seen.note(one.passed.decision(), &one.chain, one.at);
        }
        signature
    }

    fn take(&self) -> Option<Result<P, Arc<Decision>>> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Result<P, Arc<Decision>>>> {
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
    asking: Asking<Admitted>,
    listener: Listener,
    /// The CAs of all that may come in, where they are told.
    hints: Vec<DistinguishedName>,
}

impl InboundVerifier {
    /// For a listener of `generation`, which the caller holds while it shakes hands. What is presented is noted in `seen`.
    pub fn new(
        generation: &Arc<Generation>,
        listener: &Listener,
        seen: Arc<SeenChains>,
    ) -> Arc<Self> {
        Arc::new(Self {
            asking: Asking::new(generation, seen),
            listener: listener.clone(),
            hints: hints(generation, listener),
        })
    }

    /// The last handshake's outcome; `None` when no certificate was presented (or it was taken already).
    pub fn take(&self) -> Option<Result<Admitted, Arc<Decision>>> {
        self.asking.take()
    }
}

impl ClientCertVerifier for InboundVerifier {
    fn offer_client_auth(&self) -> bool {
        self.listener.asks_for_certificates()
    }

    fn client_auth_mandatory(&self) -> bool {
        !self.listener.takes_clients_without_certificate()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.asking
            .ask(end_entity, intermediates, now, |chain, generation| {
                decide_inbound(chain, &self.listener, generation, now)
            })
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.asking.prove(Handshake::Tls12, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.asking.prove(Handshake::Tls13, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asking.algorithms.supported_schemes()
    }
}

/// The most octets of CA names that are sent; phones have small buffers, and a list that is cut short is worse than none.
const MOST_HINTS: usize = 8 * 1024;

/// The CAs that may vouch for whoever comes in (RFC 8446 §4.2.4), told only where clients must show a certificate, so that one
/// that has several shows the right one. Elsewhere none: a stranger need not learn whose CAs we trust. All or none: who obeys
/// the list shows nothing that is not of it, so a peer's CA that was missing there would keep that peer out.
fn hints(generation: &Generation, listener: &Listener) -> Vec<DistinguishedName> {
    if !listener.client_certificates.are_required() {
        return Vec::new();
    }
    let topology = generation.topology();
    let mut sets = listener.client_certificates.trust().to_vec();
    if listener.accept.peers() {
        sets.extend(topology.peers().iter().flat_map(|peer| &peer.trust));
    }
    sets.sort_unstable();
    sets.dedup();
    let mut hints = Vec::new();
    let mut octets = 0;
    for anchor in sets.iter().flat_map(|set| &topology.trust(*set).anchors) {
        let Ok((_, anchor)) = X509Certificate::from_der(anchor) else {
            continue;
        };
        let subject = anchor.subject().as_raw();
        octets += subject.len() + 2;
        if octets > MOST_HINTS {
            return Vec::new();
        }
        if !hints
            .iter()
            .any(|hint: &DistinguishedName| hint.as_ref() == subject)
        {
            hints.push(DistinguishedName::from(subject.to_vec()));
        }
    }
    hints
}

/// Judges the certificate of a peer that we dialled; one for each connection.
#[derive(Debug)]
pub struct OutboundVerifier {
    asking: Asking<PeerId>,
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
            .ask(end_entity, intermediates, now, |chain, generation| {
                let presented = Presented::outbound(chain, self.peer).with_staple(ocsp_response);
                decide(&presented, Direction::Outbound, generation, now)
            })
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.asking.prove(Handshake::Tls12, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.asking.prove(Handshake::Tls13, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asking.algorithms.supported_schemes()
    }
}
