//! Which key has signed a CRL (RFC 5280 §5.1.1.3 and §6.3.3 (f) and (g)).
use crate::topology::Crl;
use crate::trust::certificate::signature::{is_acceptable, verifies};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_parser::certificate::X509Certificate;

/// Whether a CRL's signature is of an algorithm that is taken.
///
/// Asked before any key is tried: with SHA-1 the signature proves nothing, whoever made it.
pub(crate) fn is_signed_acceptably(crl: &Crl) -> bool {
    is_acceptable(crl.algorithm())
}

/// Whether the key made the CRL's signature. The answer is kept with the CRL, whichever it is: some hold millions of bytes.
pub(crate) fn is_signed_with(crl: &Crl, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    // Hashing a CRL of many megabytes takes longer than a whole handshake may; each key is tried once in the
    // life of the CRL.
    if crl.proven_by() == Some(key.as_ref()) {
        return true;
    }
    if crl.is_refuted(key.as_ref()) {
        return false;
    }
    let good = verifies(key, crl.algorithm(), crl.signed_octets(), crl.signature());
    if good {
        crl.prove(key.as_ref());
    } else {
        crl.refute(key.as_ref());
    }
    good
}

/// Whether it is known whether the key made the CRL's signature.
pub(crate) fn was_tried(crl: &Crl, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    crl.proven_by() == Some(key.as_ref()) || crl.is_refuted(key.as_ref())
}

/// Whether the keyUsage of a CA permits it to sign CRLs; without the extension it does.
///
/// A keyUsage that cannot be read permits nothing.
pub(crate) fn signs_crls(authority: &X509Certificate<'_>) -> bool {
    match authority.key_usage() {
        Ok(Some(usage)) => usage.value.crl_sign(),
        Ok(None) => true,
        Err(_) => false,
    }
}
