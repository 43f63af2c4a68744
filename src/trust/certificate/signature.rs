//! Which signatures are checked, and the check (RFC 5280 §6.1.3 (a) (1), RFC 9325 §4.5).
use crate::topology::der::{BIT_STRING, Der, Element, SEQUENCE};
use crate::trust::budget::Budget;
use crate::trust::certificate::key::PublicKey;
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

/// Signature algorithms of certificates and CRLs: RFC 9325 §4.5 without SHA-1 and short RSA keys.
///
/// webpki's own list holds nothing weaker.
pub(crate) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// What stands under a signature, and the signature: the shape of a certificate, a CRL and an OCSP response alike (RFC 5280
/// §4.1.1, RFC 6960 §4.2.1).
pub(crate) struct SignedPart<'a> {
    /// What the signature is over.
    pub(crate) part: Element<'a>,
    /// The content of the AlgorithmIdentifier.
    pub(crate) algorithm: &'a [u8],
    signature: &'a [u8],
}

/// Whether signatures of an algorithm are taken; `algorithm` is an AlgorithmIdentifier's content.
pub(crate) fn is_acceptable(algorithm: &[u8]) -> bool {
    let mut known = ALGORITHMS.iter().map(|known| known.signature_alg_id());
    known.any(|known| known.as_ref() == algorithm)
}

/// Whether `signature` over `octets` is by `key`.
pub(crate) fn verifies(
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithm: &[u8],
    octets: &[u8],
    signature: &[u8],
) -> bool {
    let Ok(key) = RawPublicKeyEntity::try_from(key) else {
        return false;
    };
    ALGORITHMS
        .iter()
        .filter(|known| known.signature_alg_id().as_ref() == algorithm)
        // Several entries can have one signature algorithm and differ in the kind of key.
        .any(|known| key.verify_signature(*known, octets, signature).is_ok())
}

impl<'a> SignedPart<'a> {
    /// Reads it from the SEQUENCE around it, and returns with it what follows the signature there.
    pub(crate) fn read(outer: &Element<'a>) -> Option<(Self, Der<'a>)> {
        let mut fields = outer.inside();
        let signed = Self {
            part: fields.expect(SEQUENCE)?,
            algorithm: fields.expect(SEQUENCE)?.content(),
            signature: fields.expect(BIT_STRING)?.bits()?,
        };
        Some((signed, fields))
    }

    /// Steps of checking it with `key`: the key's, and those of hashing.
    fn cost(&self, key: &PublicKey<'_>) -> u32 {
        let hashing = u32::try_from(self.part.whole().len() / 256).unwrap_or(u32::MAX);
        key.cost().saturating_add(hashing)
    }

    /// Whether `key` made the signature.
    ///
    /// # Errors
    /// Why it counts as not made by it, and [`TrustReason::PathTooComplex`] when the budget is used up.
    pub(crate) fn verify(&self, key: &PublicKey<'_>, budget: &Budget) -> Result<(), StepRefusal> {
        let mut named = ALGORITHMS
            .iter()
            .filter(|known| known.signature_alg_id().as_ref() == self.algorithm)
            .peekable();
        if named.peek().is_none() {
            return Err(TrustReason::UnsupportedSignature.into());
        }
        if key.is_weak() {
            return Err(TrustReason::WeakKey.into());
        }
        // The first is the widest of those that fit: others take fewer lengths of RSA keys.
        let fitting = named.find(|known| known.public_key_alg_id().as_ref() == key.algorithm());
        let Some(algorithm) = fitting else {
            // A key of another accepted kind cannot have signed it; that of no accepted kind may have.
            let mut kinds = ALGORITHMS.iter().map(|known| known.public_key_alg_id());
            let accepted = kinds.any(|kind| kind.as_ref() == key.algorithm());
            return Err(if accepted {
                TrustReason::BadSignature.into()
            } else {
                TrustReason::UnsupportedSignature.into()
            });
        };
        budget.spend(self.cost(key))?;
        algorithm
            .verify_signature(key.bits(), self.part.whole(), self.signature)
            .map_err(|_| TrustReason::BadSignature.into())
    }

    /// Whether `key` made the signature, at whatever cost: of a CRL, beside the handshakes.
    pub(crate) fn is_with(&self, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
        verifies(key, self.algorithm, self.part.whole(), self.signature)
    }

    /// Whether the key of a SubjectPublicKeyInfo made the signature.
    ///
    /// # Errors
    /// Only [`TrustReason::PathTooComplex`], when the budget is used up.
    pub(crate) fn is_by(&self, key: &[u8], budget: &Budget) -> Result<bool, StepRefusal> {
        let Some(key) = PublicKey::of(key) else {
            return Ok(false);
        };
        match self.verify(&key, budget) {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.reason == TrustReason::PathTooComplex => Err(refusal),
            Err(_) => Ok(false),
        }
    }
}
