//! Keys that sign, and the AlgorithmIdentifiers of what they sign (RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5).
use super::PkiError;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SignatureAlgorithm, SigningKey as _,
};
use std::sync::Arc;

/// A kind of key that signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits with SHA-256.
    Rsa2048,
}

/// A key that signs; a clone is the same key.
#[derive(Clone)]
pub struct SigningKey {
    pub(super) pair: Arc<KeyPair>,
    /// AlgorithmIdentifier of its signatures.
    algorithm: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// The library cannot make such a key.
    pub fn new(kind: KeyKind) -> Result<Self, PkiError> {
        let ecdsa = |last: u8| vec![0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last];
        let (pair, algorithm) = match kind {
            KeyKind::P256 => (KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?, ecdsa(2)),
            KeyKind::P384 => (KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?, ecdsa(3)),
            KeyKind::P521 => (KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?, ecdsa(4)),
            KeyKind::Ed25519 => (
                KeyPair::generate_for(&PKCS_ED25519)?,
                vec![0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
            ),
            KeyKind::Rsa2048 => (
                KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
                vec![
                    0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0,
                ],
            ),
        };
        Ok(Self {
            pair: Arc::new(pair),
            algorithm,
        })
    }

    /// Its SubjectPublicKeyInfo.
    pub fn public(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The AlgorithmIdentifier of its signatures.
    pub(crate) fn algorithm(&self) -> &[u8] {
        &self.algorithm
    }

    /// A signature over these bytes.
    pub(crate) fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, PkiError> {
        Ok(self.pair.sign(bytes)?)
    }
}

/// The RSAPublicKey (RFC 8017 §A.1.1) of somebody else's key: a certificate for it can be made, nothing
/// signed with it.
pub(super) struct ForeignRsaKey<'a>(pub(super) &'a [u8]);

impl PublicKeyData for ForeignRsaKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}
