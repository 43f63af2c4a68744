//! The verdict of one handshake, from the judgement of a certificate to the proof that who showed it has its key.
use crate::trust::decision::{client_rule::Admitted, verdict::Decision};
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::possession::{self, Handshake};
use crate::trust::handshake::seen::SeenChains;
use rustls::DigitallySignedStruct;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What both verifiers do alike: the signature of the handshake proves who has the key of the certificate that their
/// `verdict` is about.
macro_rules! signatures_prove_possession {
    // Both versions sign the handshake with the leaf's key, over different bytes (RFC 5246 §7.4.8, RFC 8446
    // §4.4.3).
    (@$version:ident $method:ident) => {
        fn $method(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let handshake = crate::trust::handshake::possession::Handshake::$version;
            self.verdict.prove(handshake, message, leaf, signed)
        }
    };
    () => {
        signatures_prove_possession!(@Tls12 verify_tls12_signature);
        signatures_prove_possession!(@Tls13 verify_tls13_signature);

        // What is offered in the hello; see `HandshakeVerdict::algorithms`.
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.verdict.algorithms.supported_schemes()
        }
    };
}
pub(super) use signatures_prove_possession;

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
pub(crate) struct HandshakeVerdict<P> {
    /// Not held: the TLS library keeps the verifier of a client connection for as long as the connection lives, and a
    /// generation that no longer serves must be freed. Whoever shakes hands holds it meanwhile.
    generation: Weak<Generation>,
    /// A lock because rustls calls a verifier through `&self`. Nobody waits for it: one task drives one handshake.
    judged: Mutex<Option<Judged<P>>>,
    seen: Arc<SeenChains>,
    /// Those of the provider: RFC 9325 §4.5 and RFC 8446 §4.2.3 without SHA-1.
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl<P: Clone + Into<Admitted>> HandshakeVerdict<P> {
    pub(crate) fn new(
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
    pub(crate) fn judge(
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
            // It ends the handshake; who has the key does not matter any more. Noted at once, so
            // that an operator finds a refusal even if the remote hangs up.
            self.seen.note(decision, &chain, at);
        }
        self.lock().replace(Judged { outcome, chain, at });
        Ok(refused)
    }

    /// Checks the signature of who has shown the leaf. Certificates are public, and who shows a peer's without the key has
    /// not been seen as that peer; a refusal that waited for the signature takes effect now.
    pub(crate) fn prove(
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
    pub(crate) fn take(&self) -> Option<Result<P, Arc<Decision>>> {
        self.lock().take().map(|judged| judged.outcome)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Judged<P>>> {
        // The cell holds a whole value at any time, so a panic elsewhere leaves nothing half done.
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The algorithms with which handshakes are signed.
pub(crate) fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms
}
