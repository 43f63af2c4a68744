//! The handshake signature of who shows a certificate that is passed over: checked where it can be, and nothing rests on it
//! (RFC 8446 §4.4.3, RFC 5246 §7.4.8).
use super::key::Key;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Which handshake the signature is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    Tls12,
    Tls13,
}

/// Checks the signature with the leaf's key, whatever the rest of the certificate looks like.
///
/// A key that is never used here (RSA below 2048 bits, other curves) proves nothing, right or wrong: it passes, and the
/// connection is what it would be without a certificate.
///
/// # Errors
/// A signature that is wrong, or of a scheme that was not offered.
pub(super) fn check(
    handshake: Handshake,
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    if !algorithms
        .mapping
        .iter()
        .any(|(scheme, _)| *scheme == signed.scheme)
    {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Err(CertificateError::BadEncoding.into());
    };
    // A kind of key that is used nowhere here.
    if !Key::of(leaf.public_key().raw).is_some_and(|key| key.serves_handshakes()) {
        return Ok(HandshakeSignatureValid::assertion());
    }
    let key = SubjectPublicKeyInfoDer::from(leaf.public_key().raw);
    match handshake {
        Handshake::Tls13 => verify_tls13_signature_with_raw_key(message, &key, signed, algorithms),
        Handshake::Tls12 => {
            let wrong = Error::from(CertificateError::BadSignature);
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
