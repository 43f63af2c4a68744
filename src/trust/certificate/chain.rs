//! The presented chain, parsed once and within bounds (RFC 5280 §4.1), with what was found out about it on the way.
use crate::trust::budget::{self, Budget};
use crate::trust::certificate::{key::PublicKey, parsed::Certificate};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::HashMap;
use x509_parser::certificate::X509Certificate;

/// Certificates in a chain: far above what any CA hierarchy needs, low enough for path building.
///
/// Each certificate more multiplies the paths that a stranger can make the search try.
pub(crate) const MAX_CERTIFICATES: usize = 10;

/// Bytes of all certificates together: rustls' own bound for the Certificate message of TLS.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// The presented chain, or why it is none.
pub(crate) type ParsedChain<'a> = Result<Chain<'a>, StepRefusal>;

/// The digests of a certificate and of a key that may have signed it.
///
/// Digests instead of places: the same certificate may be presented twice, and an intermediate of a trust set
/// is read anew for each chain.
type Pair = ([u8; 32], [u8; 32]);

/// A chain in which every certificate could be parsed.
pub(crate) struct Chain<'a> {
    leaf: Certificate<'a>,
    /// Those after the leaf, in the presented order.
    // Not sorted: RFC 8446 §4.4.2 lets a peer send them in any order, and the search goes by names.
    above: Vec<Certificate<'a>>,
    /// What everything that is asked about this chain may cost together.
    budget: Budget,
    /// By certificate and key: how the check of the signature came out. It is done once, however many paths and trust
    /// sets ask, and whether the key is in one certificate or in nine.
    checked: RefCell<HashMap<Pair, Option<TrustReason>>>,
}

impl<'a> Chain<'a> {
    /// Parses what was presented, leaf first.
    pub(crate) fn parse(der: &'a [CertificateDer<'a>]) -> Result<Self, StepRefusal> {
        // The bounds come before any parsing, so that what is too much costs nothing.
        let Some((leaf, above)) = der.split_first() else {
            return Err(TrustReason::NoCertificate.into());
        };
        let count = der.len();
        if count > MAX_CERTIFICATES {
            let what = format!("{count} certificates, at most {MAX_CERTIFICATES}");
            return Err(TrustReason::ChainTooLong.because(what));
        }
        let bytes: usize = der.iter().map(|c| c.as_ref().len()).sum();
        if bytes > MAX_BYTES {
            return Err(
                TrustReason::ChainTooLarge.because(format!("{bytes} bytes, at most {MAX_BYTES}"))
            );
        }
        let leaf = parse_certificate(leaf, 0)?;
        let above = above
            .iter()
            .zip(1..)
            .map(|(certificate, position)| parse_certificate(certificate, position))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            leaf,
            above,
            budget: Budget::full(),
            checked: RefCell::default(),
        })
    }

    /// The leaf.
    pub(crate) fn leaf(&self) -> &X509Certificate<'a> {
        self.leaf.read()
    }

    /// The leaf with what path validation asks of it.
    pub(crate) fn leaf_certificate(&self) -> &Certificate<'a> {
        &self.leaf
    }

    /// Those after the leaf.
    pub(crate) fn above(&self) -> &[Certificate<'a>] {
        &self.above
    }

    /// All certificates, leaf first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &X509Certificate<'a>> {
        self.certificates().map(Certificate::read)
    }

    /// The same with what path validation asks of them.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate<'a>> {
        std::iter::once(&self.leaf).chain(&self.above)
    }

    /// The certificate at which following the issuers' names through what was presented ends.
    pub(crate) fn end(&self) -> &Certificate<'a> {
        let mut end = &self.leaf;
        // Each step leads to another certificate; a circle of cross-certificates ends with their number.
        for _ in &self.above {
            let mut above = self.above.iter();
            let issuer = above.find(|c| c.subject() == end.issuer() && !end.is_self_issued());
            let Some(issuer) = issuer else { break };
            end = issuer;
        }
        end
    }

    /// What is left to the judgement of this chain.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether `key` signed a certificate, presented or of a trust set.
    ///
    /// # Errors
    /// Why it counts as not signed by it; [`TrustReason::PathTooComplex`] when the budget is used up.
    pub(crate) fn check_signature(
        &self,
        certificate: &Certificate<'_>,
        key: &PublicKey<'_>,
    ) -> Result<(), StepRefusal> {
        let pair = (*certificate.digest(), *key.digest());
        if let Some(known) = self.checked.borrow().get(&pair) {
            return known.map_or(Ok(()), |reason| Err(reason.into()));
        }
        let outcome = certificate.signed.verify(key, &self.budget);
        let reason = outcome.as_ref().err().map(|refusal| refusal.reason);
        // A check that was not made is no answer about this pair.
        if reason != Some(TrustReason::PathTooComplex) {
            self.checked.borrow_mut().insert(pair, reason);
        }
        outcome
    }

    /// Takes the steps for a candidate.
    pub(crate) fn look(&self) -> Result<(), StepRefusal> {
        self.budget.spend(budget::CANDIDATE)
    }
}

fn parse_certificate<'a>(
    der: &'a CertificateDer<'a>,
    position: usize,
) -> Result<Certificate<'a>, StepRefusal> {
    Certificate::parse(der.as_ref()).map_err(|what| {
        TrustReason::MalformedCertificate.because(format!(
            "certificate {position} of the chain (0 is the leaf): {what}"
        ))
    })
}
