//! Pins: what a topology may demand of a key besides its certificate.
use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// SHA-256 over a certificate's SubjectPublicKeyInfo, as a pin holds it; of bytes that are no certificate,
/// over nothing.
pub fn pin(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let key = X509Certificate::from_der(certificate)
        .map_or(&[][..], |(_, read)| read.tbs_certificate.subject_pki.raw);
    digest(&SHA256, key).as_ref().try_into().unwrap_or_default()
}
