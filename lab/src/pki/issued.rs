//! A certificate with its key, and how it lies on disk.
use super::key::SigningKey;
use super::params::leaf_params;
use super::pem::{chain_pem, pem, write_file};
use super::{LeafSpec, PkiError, Serial};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::{Path, PathBuf};

/// A certificate with its key.
pub struct Issued {
    /// The leaf.
    pub certificate: CertificateDer<'static>,
    /// Leaf first, then the subordinates up to, without, the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key (PKCS #8).
    pub key: PrivateKeyDer<'static>,
    /// The chain as PEM.
    pub chain_pem: String,
    /// The key as PEM.
    pub key_pem: String,
    /// The leaf's serial number.
    pub serial: Serial,
}

impl Issued {
    /// Writes `stem.chain.pem` and, readable by its owner only, `stem.key.pem`; returns both paths.
    ///
    /// # Errors
    /// [`PkiError::Write`] names the file.
    pub fn write_to(&self, dir: &Path, stem: &str) -> Result<(PathBuf, PathBuf), PkiError> {
        let chain = dir.join(format!("{stem}.chain.pem"));
        let key = dir.join(format!("{stem}.key.pem"));
        write_file(&chain, &self.chain_pem, 0o644)?;
        write_file(&key, &self.key_pem, 0o600)?;
        Ok((chain, key))
    }

    /// Puts together what was made.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &SigningKey,
        serial: Serial,
    ) -> Self {
        let none = || CertificateDer::from(Vec::new());
        Self {
            certificate: chain.first().cloned().unwrap_or_else(none),
            chain_pem: chain_pem(&chain),
            chain,
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pair.serialize_der())),
            key_pem: pem("PRIVATE KEY", key.pair.serialized_der()),
            serial,
        }
    }
}

/// A leaf that is its own issuer.
///
/// # Errors
/// As [`Authority::issue`].
pub fn self_signed(spec: &LeafSpec) -> Result<Issued, PkiError> {
    let (params, serial) = leaf_params(spec)?;
    let key = SigningKey::new(spec.key)?;
    let made = params.self_signed(&*key.pair)?;
    Ok(Issued::new(vec![made.into()], &key, serial))
}
