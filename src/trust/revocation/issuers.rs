//! The CAs that trust sets name, as signers of CRLs (RFC 5280 §6.3.3 (f)).
use crate::topology::distinguished_name::NameKey;
use crate::trust::revocation::crl_signature::signs_crls;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// The CAs of one trust set by their names.
///
/// Apart from the anchors: an intermediate in the file signs CRLs as well, while it vouches for nobody by
/// itself.
#[derive(Default)]
pub(crate) struct Issuers {
    by_name: HashMap<NameKey, Vec<CrlSigner>>,
}

/// A CA's key.
pub(crate) struct CrlSigner {
    /// SubjectPublicKeyInfo.
    // Shared with the keys of all sets.
    pub(crate) key: Arc<[u8]>,
    /// Whether keyUsage permits it to sign CRLs.
    pub(crate) signs_crls: bool,
}

impl Issuers {
    /// Those that a set's file holds; what cannot be parsed is a fault of the anchors.
    pub(crate) fn of(certificates: &[CertificateDer<'_>]) -> Self {
        let mut issuers = Self::default();
        for der in certificates {
            // What is wrong with an anchor has been noted when the set was prepared.
            let Ok((_, certificate)) = X509Certificate::from_der(der) else {
                continue;
            };
            if let Some(name) = NameKey::of(certificate.subject().as_raw()) {
                issuers.by_name.entry(name).or_default().push(CrlSigner {
                    key: certificate.public_key().raw.into(),
                    signs_crls: signs_crls(&certificate),
                });
            }
        }
        issuers
    }

    /// Those of a name.
    pub(crate) fn named(&self, name: &NameKey) -> &[CrlSigner] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&NameKey, &CrlSigner)> {
        let named = self.by_name.iter();
        named.flat_map(|(name, signers)| signers.iter().map(move |signer| (name, signer)))
    }
}

/// The keys of all sets' CAs by their names, each once.
#[derive(Default)]
pub(crate) struct CaKeys(HashMap<NameKey, Vec<Arc<[u8]>>>);

impl CaKeys {
    /// Adds those of a set.
    pub(crate) fn add(&mut self, issuers: &Issuers) {
        for (name, signer) in issuers.all() {
            let keys = self.0.entry(name.clone()).or_default();
            if !keys.contains(&signer.key) {
                keys.push(Arc::clone(&signer.key));
            }
        }
    }

    /// Those of a name.
    pub(crate) fn named(&self, name: &NameKey) -> &[Arc<[u8]>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
