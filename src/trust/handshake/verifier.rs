//! The rustls verifiers: they hand what was presented to [`decide`] and keep its decision.
use crate::topology::{Direction, Listener, PeerRef};
use crate::trust::decision::client_rule::{Admitted, decide_inbound};
use crate::trust::decision::decide::{PeerId, decide};
use crate::trust::decision::presented::Presented;
use crate::trust::decision::verdict::Decision;
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::possession::{self, Handshake};
use crate::trust::handshake::seen::SeenChains;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// What was decided about the certificate of one handshake (`P`: who may pass), and that certificate for [`SeenChains`].
///
/// The chain is copied: rustls lends it for the call only, and the signature is checked in a later one.
#[derive(Debug)]
struct Judged<P> {
    outcome: Result<P, Arc<Decision>>,
    chain: Vec<CertificateDer<'static>>,
    at: UnixTime,
}

/// The verdict of one handshake (`P`: who may pass), from the moment its certificate is judged until its caller takes it.
///
/// Each handshake has one of its own. A verdict that two handshakes could both reach would be right only by the order in
/// which they are polled, and a mistake there would let a stranger in as a peer.
#[derive(Debug)]
struct HandshakeVerdict<P> {
    /// Not held: the TLS library keeps the verifier of a client connection for as long as the connection lives, and a
    /// generation that no longer serves must be freed. Whoever shakes hands holds it meanwhile.
    generation: Weak<Generation>,
    /// A lock because rustls calls a verifier through `&self`. Nobody waits for it: one task drives one handshake.
    judged: Mutex<Option<Judged<P>>>,
    seen: Arc<SeenChains>,
    /// Those of the provider: RFC 9325 §4.5 and RFC 8446 §4.2.3 without SHA-1.
    algorithms: WebPkiSupportedAlgorithms,
}

impl<P: Clone + Into<Admitted>> HandshakeVerdict<P> {
    fn new(
        generation: Weak<Generation>,
        seen: Arc<SeenChains>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self {
            seen,
            generation,
            judged: Mutex::new(None),
            algorithms,
        }
    }

    /// Lets `decide` judge the chain and keeps the outcome until its owner has signed. Returns the refusal.
    ///
    /// Called once in a handshake, from inside a poll of its task.
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
        decide: impl FnOnce(&[CertificateDer<'_>], &Generation) -> Result<P, Arc<Decision>>,
    ) -> Result<Option<Arc<Decision>>, rustls::Error> {
        // The leaf first, as `decide` and every list in the log have it.
        let chain: Vec<CertificateDer<'static>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        let Some(generation) = self.generation.upgrade() else {
            // A handshake that outlived its generation is begun anew by whoever wants it.
            return Err(rustls::Error::General("the generation is gone".to_owned()));
        };
        let outcome = decide(&chain, &generation);
        let refused = outcome.as_ref().err().map(Arc::clone);
        if let Some(decision) = &refused {
            // It ends the handshake; who has the key does not matter any more.
            // Noted at once, so that an operator finds a refusal even if the remote hangs up.
            self.seen.note(decision, &chain, at);
        }
        self.lock().replace(Judged { outcome, chain, at });
        Ok(refused)
    }

    /// Checks the signature of who has shown the leaf. Certificates are public, and who shows a peer's without the key has
    /// not been seen as that peer; a refusal that waited for the signature takes effect now.
    fn prove(
        &self,
        handshake: Handshake,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let judged = self.lock();
        // A signature for a certificate that nobody judged proves nothing.
        let Some(one) = judged
            .as_ref()
            .filter(|one| one.chain.first() == Some(leaf))
        else {
            return Err(rustls::Error::General(
                "no certificate was judged".to_owned(),
            ));
        };
        // An accepted chain and a refused one alike must be proven first; only then does anybody learn the
        // verdict.
        let passed = one.outcome.as_ref().map(|passed| passed.clone().into());
        // A certificate on which nothing rests may have a key that is never used here.
        let is_passed_over =
            matches!(&passed, Ok(Admitted::Client(client)) if client.is_passed_over());
        let check = if is_passed_over {
            possession::check_if_used
        } else {
            possession::check
        };
        let signature = check(handshake, message, leaf, signed, &self.algorithms)?;
        match passed {
            // An accepted chain is noted only now: without the key it was shown by somebody else.
            Ok(admitted) => {
                self.seen.note(admitted.decision(), &one.chain, one.at);
                Ok(signature)
            }
            Err(refused) => Err(refused.tls_error()),
        }
    }

    /// Taken out and not copied: the verifier may live longer than the handshake, and the chain is large.
    fn take(&self) -> Option<Result<P, Arc<Decision>>> {
        self.lock().take().map(|judged| judged.outcome)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Judged<P>>> {
        // The cell holds a whole value at any time, so a panic elsewhere leaves nothing half done.
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The algorithms with which handshakes are signed.
fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms
}

/// What all handshakes of a listener share. Nothing in it changes, so that no handshake learns anything of another.
///
/// Made once for each listener and generation by each shard; each handshake gets a verifier from it.
#[derive(Debug)]
pub struct ListenerTrust {
    /// As in [`HandshakeVerdict`].
    generation: Weak<Generation>,
    listener: Listener,
    /// The CAs of all that may come in, where clients are sent them.
    hints: Vec<DistinguishedName>,
    seen: Arc<SeenChains>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ListenerTrust {
    /// For a listener of `generation`, which the caller holds while it shakes hands. What is presented is noted in `seen`.
    pub fn new(
        generation: &Arc<Generation>,
        listener: &Listener,
        seen: Arc<SeenChains>,
    ) -> Arc<Self> {
        Arc::new(Self {
            generation: Arc::downgrade(generation),
            listener: listener.clone(),
            hints: hints(generation, listener),
            seen,
            algorithms: signature_algorithms(),
        })
    }

    /// The verifier of one handshake.
    ///
    /// Cheap: two counters and an empty cell, beside the public-key operations of a handshake.
    pub fn verifier(self: &Arc<Self>) -> Arc<InboundVerifier> {
        Arc::new(InboundVerifier {
            verdict: HandshakeVerdict::new(
                Weak::clone(&self.generation),
                Arc::clone(&self.seen),
                self.algorithms,
            ),
            shared: Arc::clone(self),
        })
    }
}

/// Judges the certificate that is shown to a listener in one handshake.
///
/// The caller takes the outcome after the handshake. No outcome after a finished handshake means that no
/// certificate was presented; a presented one that is refused ends the handshake. It ends when its owner has signed: who
/// cannot sign learns that and no more, since what is thought of somebody's certificate is nobody else's affair.
#[derive(Debug)]
pub struct InboundVerifier {
    shared: Arc<ListenerTrust>,
    verdict: HandshakeVerdict<Admitted>,
}

impl InboundVerifier {
    /// The handshake's outcome; `None` when no certificate was presented (or it was taken already).
    pub fn take(&self) -> Option<Result<Admitted, Arc<Decision>>> {
        self.verdict.take()
    }
}

impl ClientCertVerifier for InboundVerifier {
    /// A listener for clients alone asks for no certificate, so that phones need not send one.
    fn offer_client_auth(&self) -> bool {
        self.shared.listener.asks_for_certificates()
    }

    /// rustls ends the handshake without a certificate where no client may come in that way.
    fn client_auth_mandatory(&self) -> bool {
        !self.shared.listener.takes_clients_without_certificate()
    }

    /// Empty in most cases; see [`hints`].
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.shared.hints
    }

    /// A refusal waits for the signature.
    ///
    /// rustls calls it before the signature. Ending the handshake here would let anybody ask with copied
    /// certificates which names are listed.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verdict
            .judge(end_entity, intermediates, now, |chain, generation| {
                decide_inbound(chain, &self.shared.listener, generation, now)
            })
            .map(|_| ClientCertVerified::assertion())
    }

    // Both versions sign the handshake with the leaf's key, over different bytes (RFC 5246 §7.4.8, RFC 8446
    // §4.4.3).
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verdict.prove(Handshake::Tls12, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verdict.prove(Handshake::Tls13, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verdict.algorithms.supported_schemes()
    }
}

/// The most bytes of CA names that are sent; phones have small buffers, and a list that is cut short is worse than none.
// The RFC allows 64 KiB.
const MOST_HINTS: usize = 8 * 1024;

/// The CAs that may vouch for whoever comes in (RFC 8446 §4.2.4), sent only where clients must show a certificate, so that one
/// that has several shows the right one. Elsewhere none: a stranger need not learn which CAs are trusted here. All or none: who obeys
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
    let mut bytes = 0;
    for anchor in sets.iter().flat_map(|set| &topology.trust(*set).anchors) {
        // A set with an anchor that cannot be parsed was refused when the topology was loaded.
        let Ok((_, anchor)) = X509Certificate::from_der(anchor) else {
            continue;
        };
        let subject = anchor.subject().as_raw();
        bytes += subject.len() + 2;
        if bytes > MOST_HINTS {
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

/// Judges the certificate of a dialled peer in one handshake.
///
/// Unlike a listener's it ends the handshake at once: the daemon dialled, so the server learns nothing that
/// it did not ask for.
#[derive(Debug)]
pub struct OutboundVerifier {
    verdict: HandshakeVerdict<PeerId>,
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
            verdict: HandshakeVerdict::new(
                Arc::downgrade(generation),
                seen,
                signature_algorithms(),
            ),
            peer,
        })
    }

    /// The last handshake's outcome; `None` before it (or when it was taken already).
    pub fn take(&self) -> Option<Result<PeerId, Arc<Decision>>> {
        self.verdict.take()
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
        // The name that rustls passes is the one sent in SNI, which may be another than the peer's FQDN.
        let refused = self
            .verdict
            .judge(end_entity, intermediates, now, |chain, generation| {
                let presented = Presented::outbound(chain, self.peer).with_staple(ocsp_response);
                decide(&presented, Direction::Outbound, generation, now)
            })?;
        match refused {
            Some(decision) => Err(decision.tls_error()),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verdict.prove(Handshake::Tls12, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verdict.prove(Handshake::Tls13, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verdict.algorithms.supported_schemes()
    }
}
