//! A certificate authority: a root or a subordinate that issues leaves and other authorities (RFC 5280
//! §4.2.1.9).
use super::key::ForeignRsaKey;
use super::params::{authority_params, leaf_params};
use super::pem::{pem, write_file};
use super::{AuthoritySpec, Issued, LeafSpec, PkiError, Serial, SigningKey};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use std::path::{Path, PathBuf};

/// A certificate authority (root or subordinate) that can issue leaves, subordinates and CRLs.
///
/// A clone is the same authority with the same key.
#[derive(Clone)]
pub struct Authority {
    pub(super) spec: AuthoritySpec,
    /// The library's parameters of its certificate: what it signs takes the issuer's name and key identifier
    /// from them.
    params: CertificateParams,
    pub(crate) key: SigningKey,
    pub(super) certificate: CertificateDer<'static>,
    /// This authority and those above it, without the root; empty for a root.
    below_root: Vec<CertificateDer<'static>>,
    serial: Serial,
}

impl Authority {
    /// A sound self-signed root.
    ///
    /// # Errors
    /// A name that cannot be encoded, or no random bytes.
    pub fn root(common_name: &str) -> Result<Self, PkiError> {
        Self::root_with(AuthoritySpec::named(common_name))
    }

    /// A self-signed root as specified.
    ///
    /// # Errors
    /// A value that cannot be encoded, or no random bytes.
    pub fn root_with(spec: AuthoritySpec) -> Result<Self, PkiError> {
        let key = SigningKey::new(spec.key)?;
        Self::certified(spec, key, None)
    }

    /// The authority of this key, certified by `issuer`, or by itself.
    fn certified(
        spec: AuthoritySpec,
        key: SigningKey,
        issuer: Option<&Self>,
    ) -> Result<Self, PkiError> {
        let (params, serial) = authority_params(&spec)?;
        let certificate = CertificateDer::from(match issuer {
            Some(issuer) => params.signed_by(&*key.pair, &issuer.issuer())?,
            None => params.self_signed(&*key.pair)?,
        });
        // A root goes with no chain: whoever trusts it has it.
        let below_root = issuer.map_or_else(Vec::new, |issuer| issuer.above(&certificate));
        Ok(Self {
            spec,
            params,
            key,
            certificate,
            below_root,
            serial,
        })
    }

    /// What is presented with a certificate of this authority: it, then this authority and those above, without the root.
    fn above(&self, certificate: &CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
        let mut chain = vec![certificate.clone()];
        chain.extend(self.below_root.iter().cloned());
        chain
    }

    /// Another root with the same subject and another key: what an impostor can make.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn impostor(&self) -> Result<Self, PkiError> {
        Self::root_with(self.spec.clone())
    }

    /// A sound CA certificate below this one.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn subordinate(&self, common_name: &str) -> Result<Self, PkiError> {
        self.subordinate_with(AuthoritySpec::named(common_name))
    }

    /// A CA certificate below this one, as specified.
    ///
    /// # Errors
    /// As [`Self::root_with`].
    pub fn subordinate_with(&self, spec: AuthoritySpec) -> Result<Self, PkiError> {
        let key = SigningKey::new(spec.key)?;
        Self::certified(spec, key, Some(self))
    }

    /// This authority with a certificate for the same key and name from `issuer` (a cross-certificate), valid
    /// from `not_before` to `not_after` seconds relative to now.
    ///
    /// # Errors
    /// As [`Self::root_with`].
    pub fn certified_by(
        &self,
        issuer: &Self,
        not_before: i64,
        not_after: i64,
    ) -> Result<Self, PkiError> {
        let spec = AuthoritySpec {
            not_before,
            not_after,
            ..self.spec.clone()
        };
        Self::certified(spec, self.key.clone(), Some(issuer))
    }

    /// Issues a leaf.
    ///
    /// # Errors
    /// A value that cannot be encoded, or no random bytes.
    pub fn issue(&self, spec: &LeafSpec) -> Result<Issued, PkiError> {
        let (params, serial) = leaf_params(spec)?;
        let key = SigningKey::new(spec.key)?;
        let made = params.signed_by(&*key.pair, &self.issuer())?;
        Ok(Issued::new(self.above(&made.into()), &key, serial))
    }

    /// Issues a leaf for an RSA key whose private half nobody here holds (`public`: its RSAPublicKey); leaf
    /// first, then the subordinates.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn certify_rsa(
        &self,
        spec: &LeafSpec,
        public: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let (params, _) = leaf_params(spec)?;
        let made = params.signed_by(&ForeignRsaKey(public), &self.issuer())?;
        Ok(self.above(&CertificateDer::from(made)))
    }

    /// The common case: CN and dNSName `fqdn`, serverAuth and clientAuth, valid now.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn server(&self, fqdn: &str) -> Result<Issued, PkiError> {
        self.issue(&LeafSpec::server(fqdn))
    }

    /// This authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// This authority's certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The serial number of this authority's certificate.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Writes this authority's certificate to `stem.pem` and returns the path.
    ///
    /// # Errors
    /// [`PkiError::Write`] names the file.
    pub fn write_to(&self, dir: &Path, stem: &str) -> Result<PathBuf, PkiError> {
        let path = dir.join(format!("{stem}.pem"));
        write_file(&path, &self.certificate_pem(), 0o644)?;
        Ok(path)
    }

    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key.pair)
    }
}
