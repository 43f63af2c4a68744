//! The handshake signature of who shows a certificate, checked with the key alone (RFC 8446 §4.4.3, RFC 5246 §7.4.8).
//!
//! Whether the rest of the certificate is in order has been decided; the TLS library's own check would parse it again by
//! other rules, and refuse what was accepted, or let a stranger learn more than was decided.
use crate::trust::certificate::key::PublicKey;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Which handshake the signature is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    Tls12,
    Tls13,
}

/// As [`check`] for a certificate that is passed over, on which nothing rests.
///
/// A key that is never used here (RSA below 2048 bits, other curves) proves nothing, right or wrong: it passes, and the
/// connection is what it would be without a certificate.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_if_used(
    handshake: Handshake,
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let used = X509Certificate::from_der(leaf).is_ok_and(|(_, leaf)| {
        PublicKey::of(leaf.public_key().raw).is_some_and(|key| key.serves_handshakes())
    });
    if used || !is_offered(signed, algorithms) {
        return check(handshake, message, leaf, signed, algorithms);
    }
    Ok(HandshakeSignatureValid::assertion())
}

fn is_offered(signed: &DigitallySignedStruct, algorithms: &WebPkiSupportedAlgorithms) -> bool {
    let mut offered = algorithms.mapping.iter();
    offered.any(|(scheme, _)| *scheme == signed.scheme)
}

/// Checks the signature with the leaf's key, whatever the rest of the certificate looks like.
///
/// # Errors
/// A signature that is wrong, or of a scheme that was not offered or does not fit the key: one error for all, but for a
/// scheme that was not offered.
pub(crate) fn check(
    handshake: Handshake,
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    if !is_offered(signed, algorithms) {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    // decrypt_error for all of them: which check failed is of use to an attacker only.
    let wrong = Error::from(CertificateError::BadSignature);
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Err(wrong);
    };
    let key = SubjectPublicKeyInfoDer::from(leaf.public_key().raw);
    match handshake {
        Handshake::Tls13 => verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
            .map_err(|_| wrong),
        // TLS 1.2 allows any key with a scheme of its kind; the library has no function for bare keys there.
        Handshake::Tls12 => {
            let entity = RawPublicKeyEntity::try_from(&key).map_err(|_| wrong.clone())?;
            let of_scheme = algorithms.mapping.iter();
            let mut of_scheme = of_scheme
                .filter(|(scheme, _)| *scheme == signed.scheme)
                .flat_map(|(_, algorithms)| *algorithms);
            of_scheme
                .any(|algorithm| {
                    entity
                        .verify_signature(*algorithm, message, signed.signature())
                        .is_ok()
                })
                .then(HandshakeSignatureValid::assertion)
                .ok_or(wrong)
        }
    }
}
