//! The verifier that rustls calls for a connection to a listener: it hands what was presented to [`decide_inbound`].
use crate::topology::Listener;
use crate::trust::decision::client_rule::{Admitted, decide_inbound};
use crate::trust::decision::{presented::Presented, verdict::Decision};
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::seen::SeenChains;
use crate::trust::handshake::verdict_cell::{
    HandshakeVerdict, signature_algorithms, signatures_prove_possession,
};
use rustls::DistinguishedName;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::{Arc, Weak};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

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

    /// The verifier of one handshake, in which this node shows the identity of this name.
    ///
    /// Cheap: two counters and an empty cell, beside the public-key operations of a handshake.
    pub fn verifier(self: &Arc<Self>, identity: Option<String>) -> Arc<InboundVerifier> {
        Arc::new(InboundVerifier {
            identity,
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
    identity: Option<String>,
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
                let presented = Presented::inbound(chain).shown(self.identity.as_deref());
                decide_inbound(&presented, &self.shared.listener, generation, now)
            })
            .map(|_| ClientCertVerified::assertion())
    }

    signatures_prove_possession!();
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
