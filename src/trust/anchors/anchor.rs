//! One trust anchor: a CA's name and key, and the bounds that its certificate puts on it (RFC 5280 §6.1.1 (d)).
use crate::topology::distinguished_name::NameKey;
use crate::trust::certificate::{
    constraints::Constraints, key::PublicKey, parsed::Certificate, purposes::KeyPurposes,
};
use crate::trust::{StepRefusal, TrustReason};

/// An anchor, with what its certificate holds beside name and key: an operator who names a CA is taken to mean it with its
/// own bounds (RFC 5937 §3.2, as other validators hold it).
pub(crate) struct Anchor {
    // Owned, because anchors live as long as the generation and its certificates need not be kept.
    /// The subject as text. Owned, because anchors live as long as the generation and their certificates need not be kept.
    pub(crate) text: String,
    /// The subject, for comparisons.
    pub(crate) subject: NameKey,
    pub(crate) key: PublicKey<'static>,
    /// Of the whole certificate: a leaf that is its own anchor is recognised by it.
    digest: [u8; 32],
    /// subjectKeyIdentifier, only a hint for the order of the search (RFC 4158 §3.5.12).
    pub(crate) key_id: Option<Vec<u8>>,
    /// The names that it permits and excludes.
    pub(crate) constraints: Option<Constraints>,
    /// Its extended key usages, if it has the extension.
    pub(crate) purposes: Option<KeyPurposes>,
    /// How many intermediates may stand below it.
    pub(crate) path_length: Option<u32>,
    /// Whether its keyUsage permits it to sign CRLs (RFC 5280 §6.3.3 (f)).
    pub(crate) signs_crls: bool,
    /// Why it cannot be anybody's issuer. Kept with the anchor and not refused when the topology is loaded: a server's own
    /// certificate may be its anchor.
    unfit: Option<StepRefusal>,
}

impl Anchor {
    /// Why it may not have issued `certificate`; a certificate that is its own anchor needs no authority.
    pub(crate) fn unfit_for(&self, certificate: &Certificate<'_>) -> Option<&StepRefusal> {
        let unfit = self.unfit.as_ref();
        unfit.filter(|_| self.digest != *certificate.digest())
    }
}

/// Why a CA cannot have issued anything, by its own certificate.
pub(crate) fn unfit(certificate: &Certificate<'_>) -> Option<StepRefusal> {
    let refuse = |reason: TrustReason, what: &str| {
        let text = certificate.text();
        Some(reason.because(format!("{text} {what}")))
    };
    // In the order in which an operator would look: what cannot be used at all, then the key, then what the
    // extensions deny.
    if let Some(flaw) = &certificate.flaw {
        return Some(flaw.clone());
    }
    if certificate.key().is_weak() {
        let what = "has an RSA key of less than 2048 bits";
        return refuse(TrustReason::WeakKey, what);
    }
    // Roots of X.509 v1 have no basicConstraints; an operator who names one means it as a CA.
    if certificate.is_v3() && !certificate.extensions.authority {
        let what = "does not say that it is a CA's";
        return refuse(TrustReason::AuthorityMisuse, what);
    }
    if !certificate.signs_certificates() {
        return refuse(TrustReason::KeyUsageUnsuitable, "lacks keyCertSign");
    }
    None
}

/// The anchor that a certificate makes.
pub(crate) fn anchor(
    certificate: &Certificate<'_>,
    text: String,
    constraints: Option<Constraints>,
    unfit: Option<StepRefusal>,
) -> Anchor {
    let key = certificate.key().clone().into_owned();
    Anchor {
        text,
        subject: certificate.subject().clone(),
        digest: *certificate.digest(),
        key_id: certificate.extensions.subject_key.map(<[u8]>::to_vec),
        constraints,
        purposes: certificate.extensions.purposes.clone(),
        path_length: certificate.extensions.path_length,
        signs_crls: certificate.signs_crls(),
        unfit,
        key,
    }
}
