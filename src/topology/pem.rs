//! Certificates, keys and CRLs out of PEM (RFC 7468) or DER files.
//!
//! rustls-pemfile is archived upstream (RUSTSEC-2025-0134, unmaintained, acknowledged in deny.toml), so nothing else
//! in the crate uses it. Its successor is `rustls_pki_types::pem::PemObject`: replacing [`sections`] by
//! `pem_slice_iter` is the one edit.
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file does not hold what it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    /// The armour or its base64 is broken.
    #[error("its PEM is broken: {0}")]
    Broken(String),
    /// None of the wanted objects.
    #[error("it holds no {0}")]
    Nothing(&'static str),
    /// More than one where one is wanted.
    #[error("it holds more than one private key")]
    SeveralKeys,
}

/// The certificates of a file, in its order; at least one.
pub(crate) fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    if is_der(file) {
        return Ok(vec![CertificateDer::from(file.to_vec())]);
    }
    let mut found = Vec::new();
    for section in sections(file)? {
        if let rustls_pemfile::Item::X509Certificate(der) = section {
            found.push(der);
        }
    }
    some(found, "certificate (-----BEGIN CERTIFICATE-----)")
}

/// The CRLs of a file; at least one.
pub(super) fn crls(file: Vec<u8>) -> Result<Vec<Vec<u8>>, PemError> {
    if is_der(&file) {
        return Ok(vec![file]);
    }
    let mut found = Vec::new();
    for section in sections(&file)? {
        if let rustls_pemfile::Item::Crl(der) = section {
            found.push(der.to_vec());
        }
    }
    some(found, "CRL (-----BEGIN X509 CRL-----)")
}

/// The one private key of a file.
pub(super) fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let mut found: Option<PrivateKeyDer<'static>> = None;
    for section in sections(file)? {
        let key = if let rustls_pemfile::Item::Pkcs1Key(key) = section {
            PrivateKeyDer::from(key)
        } else if let rustls_pemfile::Item::Pkcs8Key(key) = section {
            PrivateKeyDer::from(key)
        } else if let rustls_pemfile::Item::Sec1Key(key) = section {
            PrivateKeyDer::from(key)
        } else {
            continue;
        };
        if found.replace(key).is_some() {
            return Err(PemError::SeveralKeys);
        }
    }
    found.ok_or(PemError::Nothing(
        "private key without a passphrase (-----BEGIN PRIVATE KEY-----)",
    ))
}

fn sections(mut file: &[u8]) -> Result<Vec<rustls_pemfile::Item>, PemError> {
    rustls_pemfile::read_all(&mut file)
        .collect::<Result<_, _>>()
        .map_err(|error| PemError::Broken(error.to_string()))
}

fn some<T>(found: Vec<T>, wanted: &'static str) -> Result<Vec<T>, PemError> {
    if found.is_empty() {
        Err(PemError::Nothing(wanted))
    } else {
        Ok(found)
    }
}

/// CAs publish certificates and CRLs in DER too: a SEQUENCE, and no armour.
fn is_der(file: &[u8]) -> bool {
    file.first() == Some(&0x30)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    const CRL: &str = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";

    #[test]
    fn text_around_the_armour_and_other_sections_do_not_matter() {
        let file = format!("subject=/CN=a\n{KEY}{CERTIFICATE}issuer=b\n{CERTIFICATE}{CRL}");
        assert_eq!(certificates(file.as_bytes()).unwrap().len(), 2);
        assert!(private_key(file.as_bytes()).is_ok());
        assert_eq!(crls(file.into_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn a_der_file_is_one_object() {
        let der = [0x30, 3, 2, 1, 1];
        assert_eq!(certificates(&der).unwrap()[0].as_ref(), der);
        assert_eq!(crls(der.to_vec()).unwrap()[0], der);
    }

    #[test]
    fn a_file_without_the_wanted_object_says_what_is_missing() {
        assert!(matches!(
            certificates(KEY.as_bytes()),
            Err(PemError::Nothing(_))
        ));
        assert!(matches!(
            crls(CERTIFICATE.as_bytes().to_vec()),
            Err(PemError::Nothing(_))
        ));
        assert!(matches!(
            private_key(CERTIFICATE.as_bytes()),
            Err(PemError::Nothing(_))
        ));
        assert!(matches!(certificates(b""), Err(PemError::Nothing(_))));
        let cut = CERTIFICATE.get(..40).unwrap();
        assert!(matches!(
            certificates(cut.as_bytes()),
            Err(PemError::Broken(_))
        ));
        let two = format!("{KEY}{KEY}");
        assert!(matches!(
            private_key(two.as_bytes()),
            Err(PemError::SeveralKeys)
        ));
    }
}
