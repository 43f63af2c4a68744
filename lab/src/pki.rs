//! A throw-away PKI in memory (RFC 5280): authorities, leaves with every oddity a test needs, and CRLs.
use super::der::{bits, element};
use super::forge;
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SanType,
    SerialNumber, SigningKey as _,
};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime,
};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

const DAY: i64 = 86_400;
/// ecdsa-with-SHA256 as AlgorithmIdentifier.
const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// sha256WithRSAEncryption as AlgorithmIdentifier.
const RSA_SHA256: &[u8] = &[
    0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0,
];
/// crlEntryExtensions with reasonCode keyCompromise.
const KEY_COMPROMISE: &[u8] = &[
    0x30, 0x0c, 0x30, 0x0a, 6, 3, 0x55, 0x1d, 21, 4, 3, 0x0a, 1, 1,
];

/// Why a certificate, key, CRL or file of the lab could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A value cannot be encoded, or signing failed.
    #[error("the lab certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system gave no random octets.
    #[error("no random octets for a serial number")]
    Random,
    /// What was asked for does not fit what was made.
    #[error("the lab cannot add to what the library made")]
    Odd,
    /// A date is outside what X.509 can say.
    #[error("{0} seconds from now is no date that X.509 can hold")]
    Date(i64),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A kind of key pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    P256,
    /// RSA of 2048 bits, PKCS #1 v1.5 signatures with SHA-256.
    Rsa2048,
}

/// An extended key usage of a certificate (RFC 5280 §4.2.1.12, RFC 5924).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// id-kp-serverAuth.
    Server,
    /// id-kp-clientAuth.
    Client,
    /// anyExtendedKeyUsage.
    Any,
    /// id-kp-sipDomain.
    SipDomain,
    /// id-kp-codeSigning.
    CodeSigning,
    /// id-kp-emailProtection.
    Email,
    /// id-kp-OCSPSigning.
    OcspSigning,
}

impl Usage {
    fn purpose(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Self::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Self::Any => ExtendedKeyUsagePurpose::Any,
            Self::SipDomain => ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20]),
            Self::CodeSigning => ExtendedKeyUsagePurpose::CodeSigning,
            Self::Email => ExtendedKeyUsagePurpose::EmailProtection,
            Self::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
        }
    }
}

/// What a leaf shall hold; `..LeafSpec::default()` gives a valid certificate without names and purposes.
#[derive(Clone, Debug)]
pub struct LeafSpec {
    /// The subject's CN; `None` leaves the subject empty.
    pub common_name: Option<String>,
    /// subjectAltName dNSName values.
    pub dns: Vec<String>,
    /// subjectAltName URI values.
    pub uris: Vec<String>,
    /// subjectAltName iPAddress values.
    pub addresses: Vec<IpAddr>,
    /// subjectAltName rfc822Name values.
    pub emails: Vec<String>,
    /// Extended key usages; empty leaves the extension out.
    pub usages: Vec<Usage>,
    /// notBefore, seconds relative to now (may be negative).
    pub not_before: i64,
    /// notAfter, seconds relative to now (may be negative).
    pub not_after: i64,
    /// The leaf's key.
    pub key: KeyKind,
    /// Whether it asserts basicConstraints with cA, as a leaf must not.
    pub authority: bool,
    /// Whether it holds a critical extension that nobody knows.
    pub unknown_critical: bool,
    /// Whether keyUsage permits keyEncipherment instead of digitalSignature.
    pub encipher_only: bool,
    /// URIs of the CRL distribution points, each a point of its own; empty leaves the extension out.
    pub crl_points: Vec<String>,
}

impl Default for LeafSpec {
    fn default() -> Self {
        Self {
            common_name: None,
            dns: Vec::new(),
            uris: Vec::new(),
            addresses: Vec::new(),
            emails: Vec::new(),
            usages: Vec::new(),
            not_before: -3_600,
            not_after: 90 * DAY,
            key: KeyKind::P256,
            authority: false,
            unknown_critical: false,
            encipher_only: false,
            crl_points: Vec::new(),
        }
    }
}

impl LeafSpec {
    /// The common case: CN and dNSName `fqdn`, serverAuth and clientAuth, valid now.
    pub fn server(fqdn: &str) -> Self {
        Self {
            common_name: Some(fqdn.to_owned()),
            dns: vec![fqdn.to_owned()],
            usages: vec![Usage::Server, Usage::Client],
            ..Self::default()
        }
    }
}

/// What an authority's certificate shall hold; `..AuthoritySpec::named("x")` gives a sound one.
#[derive(Clone, Debug)]
pub struct AuthoritySpec {
    /// The subject's CN.
    pub common_name: String,
    /// Extended key usages; empty leaves the extension out.
    pub usages: Vec<Usage>,
    /// notBefore, seconds relative to now (may be negative).
    pub not_before: i64,
    /// notAfter, seconds relative to now (may be negative).
    pub not_after: i64,
    /// The key.
    pub key: KeyKind,
    /// Whether keyUsage asserts cRLSign beside keyCertSign.
    pub crl_sign: bool,
    /// Name constraints: dNSName subtrees below which names are permitted; empty leaves the extension out.
    pub permitted: Vec<String>,
    /// basicConstraints pathLenConstraint.
    pub path_length: Option<u8>,
}

impl AuthoritySpec {
    /// A sound authority of this CN, valid for ten years.
    pub fn named(common_name: &str) -> Self {
        Self {
            common_name: common_name.to_owned(),
            usages: Vec::new(),
            not_before: -DAY,
            not_after: 3_650 * DAY,
            key: KeyKind::P256,
            crl_sign: true,
            permitted: Vec::new(),
            path_length: None,
        }
    }
}

/// SHA-256 over a certificate's SubjectPublicKeyInfo, as a pin holds it; of bytes that are no certificate, over nothing.
pub fn pin(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let key = X509Certificate::from_der(certificate)
        .map_or(&[][..], |(_, read)| read.tbs_certificate.subject_pki.raw);
    let mut pin = [0; 32];
    let hash = digest(&SHA256, key);
    pin.iter_mut()
        .zip(hash.as_ref())
        .for_each(|(to, from)| *to = *from);
    pin
}

/// A certificate's serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial(pub(super) Vec<u8>);

impl Serial {
    /// One of a series that no certificate of a lab has: what fills a large CRL.
    pub fn filler(number: u64) -> Self {
        let mut octets = vec![0x7e; 8];
        octets.extend(number.to_be_bytes());
        Self(octets)
    }
}

/// What a CRL shall hold; `..CrlSpec::default()` gives an empty one that is current for a day.
#[derive(Clone, Debug)]
pub struct CrlSpec {
    /// The revoked serial numbers.
    pub revoked: Vec<Serial>,
    /// thisUpdate, seconds relative to now (may be negative).
    pub this_update: i64,
    /// nextUpdate, seconds relative to now (may be negative, but after `this_update`).
    pub next_update: i64,
    /// The CRL number.
    pub number: u64,
    /// issuingDistributionPoint with this URI as full name; `None` leaves the extension out.
    pub point: Option<String>,
    /// Further extensions: the octets of the OID, whether critical, and the value; an issuingDistributionPoint that
    /// no library writes, for one.
    pub extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
    /// The tag of the string type in which the issuer's CN is written; `None`: as in its certificate.
    pub issuer_tag: Option<u8>,
    /// The octets of the OIDs of extensions that are left out: `openssl ca` writes no authorityKeyIdentifier.
    pub without: Vec<Vec<u8>>,
}

impl Default for CrlSpec {
    fn default() -> Self {
        Self {
            revoked: Vec::new(),
            this_update: -60,
            next_update: DAY,
            number: 1,
            point: None,
            extensions: Vec::new(),
            issuer_tag: None,
            without: Vec::new(),
        }
    }
}

/// A certificate authority (root or subordinate) that can issue leaves, subordinates and CRLs.
///
/// A clone is the same authority with the same key.
#[derive(Clone)]
pub struct Authority {
    spec: AuthoritySpec,
    params: CertificateParams,
    key: Arc<KeyPair>,
    certificate: CertificateDer<'static>,
    /// This authority and those above it, without the root; empty for a root.
    below_root: Vec<CertificateDer<'static>>,
    serial: Serial,
}

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
    /// [`LabError::Write`] names the file.
    pub fn write_to(&self, dir: &Path, stem: &str) -> Result<(PathBuf, PathBuf), LabError> {
        let chain = dir.join(format!("{stem}.chain.pem"));
        let key = dir.join(format!("{stem}.key.pem"));
        write_file(&chain, &self.chain_pem, 0o644)?;
        write_file(&key, &self.key_pem, 0o600)?;
        Ok((chain, key))
    }
}

impl Authority {
    /// A sound self-signed root.
    ///
    /// # Errors
    /// A name that cannot be encoded, or no random octets.
    pub fn root(common_name: &str) -> Result<Self, LabError> {
        Self::root_with(AuthoritySpec::named(common_name))
    }

    /// A self-signed root as specified.
    ///
    /// # Errors
    /// A value that cannot be encoded, or no random octets.
    pub fn root_with(spec: AuthoritySpec) -> Result<Self, LabError> {
        let (params, serial) = authority_params(&spec)?;
        let key = generate(spec.key)?;
        let certificate = CertificateDer::from(params.self_signed(&key)?);
        Ok(Self {
            spec,
            params,
            key: Arc::new(key),
            certificate,
            below_root: Vec::new(),
            serial,
        })
    }

    /// Another root with the same subject and another key: what an impostor can make.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn impostor(&self) -> Result<Self, LabError> {
        Self::root_with(self.spec.clone())
    }

    /// A sound CA certificate below this one.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn subordinate(&self, common_name: &str) -> Result<Self, LabError> {
        self.subordinate_with(AuthoritySpec::named(common_name))
    }

    /// A CA certificate below this one, as specified.
    ///
    /// # Errors
    /// As [`Self::root_with`].
    pub fn subordinate_with(&self, spec: AuthoritySpec) -> Result<Self, LabError> {
        let (params, serial) = authority_params(&spec)?;
        let key = generate(spec.key)?;
        let certificate = CertificateDer::from(params.signed_by(&key, &self.issuer())?);
        let mut below_root = vec![certificate.clone()];
        below_root.extend(self.below_root.iter().cloned());
        Ok(Self {
            spec,
            params,
            key: Arc::new(key),
            certificate,
            below_root,
            serial,
        })
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
    ) -> Result<Self, LabError> {
        let spec = AuthoritySpec {
            not_before,
            not_after,
            ..self.spec.clone()
        };
        let (params, serial) = authority_params(&spec)?;
        let certificate = CertificateDer::from(params.signed_by(&*self.key, &issuer.issuer())?);
        let mut below_root = vec![certificate.clone()];
        below_root.extend(issuer.below_root.iter().cloned());
        Ok(Self {
            spec,
            params,
            key: Arc::clone(&self.key),
            certificate,
            below_root,
            serial,
        })
    }

    /// Issues a leaf.
    ///
    /// # Errors
    /// A value that cannot be encoded, or no random octets.
    pub fn issue(&self, spec: &LeafSpec) -> Result<Issued, LabError> {
        let (params, serial) = leaf_params(spec)?;
        let key = generate(spec.key)?;
        let certificate = CertificateDer::from(params.signed_by(&key, &self.issuer())?);
        Ok(issued(certificate, &self.below_root, &key, serial))
    }

    /// Issues a leaf for a public key whose private half nobody here holds; leaf first, then the subordinates.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn certify(
        &self,
        spec: &LeafSpec,
        public: &impl PublicKeyData,
    ) -> Result<Vec<CertificateDer<'static>>, LabError> {
        let (params, _) = leaf_params(spec)?;
        let certificate = CertificateDer::from(params.signed_by(public, &self.issuer())?);
        let mut chain = vec![certificate];
        chain.extend(self.below_root.iter().cloned());
        Ok(chain)
    }

    /// The common case: CN and dNSName `fqdn`, serverAuth and clientAuth, valid now.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn server(&self, fqdn: &str) -> Result<Issued, LabError> {
        self.issue(&LeafSpec::server(fqdn))
    }

    /// A CRL as specified, signed by this authority (also one whose keyUsage lacks cRLSign).
    ///
    /// # Errors
    /// Dates that X.509 cannot hold or that run backwards.
    pub fn crl(&self, spec: &CrlSpec) -> Result<CertificateRevocationListDer<'static>, LabError> {
        self.sign_crl(spec).map(CertificateRevocationListDer::from)
    }

    /// As [`Self::crl`], as PEM.
    ///
    /// # Errors
    /// As [`Self::crl`].
    pub fn crl_as_pem(&self, spec: &CrlSpec) -> Result<String, LabError> {
        Ok(pem("X509 CRL", &self.sign_crl(spec)?))
    }

    /// A CRL, thisUpdate now minus one minute, nextUpdate after `valid`, that lists `revoked`, as PEM.
    ///
    /// # Errors
    /// As [`Self::crl`].
    pub fn crl_pem(&self, revoked: &[&Issued], valid: Duration) -> Result<String, LabError> {
        let spec = CrlSpec {
            revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
            next_update: i64::try_from(valid.as_secs()).unwrap_or(i64::MAX),
            ..CrlSpec::default()
        };
        self.crl_as_pem(&spec)
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
    /// [`LabError::Write`] names the file.
    pub fn write_to(&self, dir: &Path, stem: &str) -> Result<PathBuf, LabError> {
        let path = dir.join(format!("{stem}.pem"));
        write_file(&path, &self.certificate_pem(), 0o644)?;
        Ok(path)
    }

    /// Writes [`Self::crl_pem`] to `stem.crl.pem` and returns the path.
    ///
    /// # Errors
    /// As [`Self::crl_pem`], or [`LabError::Write`].
    pub fn write_crl_to(
        &self,
        dir: &Path,
        stem: &str,
        revoked: &[&Issued],
        valid: Duration,
    ) -> Result<PathBuf, LabError> {
        let path = dir.join(format!("{stem}.crl.pem"));
        write_file(&path, &self.crl_pem(revoked, valid)?, 0o644)?;
        Ok(path)
    }

    /// Signs octets with this authority's key.
    pub(super) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, LabError> {
        Ok(self.key.sign(octets)?)
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// Written field by field (RFC 5280 §5.1), because no library writes the oddities that a [`CrlSpec`] can ask for.
    fn sign_crl(&self, spec: &CrlSpec) -> Result<Vec<u8>, LabError> {
        let (_, own) = X509Certificate::from_der(&self.certificate).map_err(|_| LabError::Odd)?;
        let algorithm = match self.spec.key {
            KeyKind::P256 => ECDSA_SHA256,
            KeyKind::Rsa2048 => RSA_SHA256,
        };
        let issuer = match spec.issuer_tag {
            Some(tag) => forge::common_name(tag, self.spec.common_name.as_bytes()),
            None => own.subject().as_raw().to_vec(),
        };
        let this_update = moment_from_now(spec.this_update)?;
        let next_update = moment_from_now(spec.next_update)?;
        let revoked: Vec<u8> = spec
            .revoked
            .iter()
            .flat_map(|serial| {
                element(
                    0x30,
                    &[&element(2, &[&serial.0]), &this_update, KEY_COMPROMISE],
                )
            })
            .collect();
        let revoked = if revoked.is_empty() {
            revoked
        } else {
            element(0x30, &[&revoked])
        };
        let extensions: Vec<u8> = self
            .crl_extensions(spec, &own)
            .iter()
            .filter(|(id, ..)| !spec.without.contains(id))
            .flat_map(forge::extension)
            .collect();
        let signed = element(
            0x30,
            &[
                &[2, 1, 1],
                algorithm,
                &issuer,
                &this_update,
                &next_update,
                &revoked,
                &element(0xa0, &[&element(0x30, &[&extensions])]),
            ],
        );
        let signature = bits(&self.sign(&signed)?);
        Ok(element(0x30, &[&signed, algorithm, &signature]))
    }

    /// authorityKeyIdentifier, cRLNumber, issuingDistributionPoint if there is a point, and what the specification adds.
    fn crl_extensions(
        &self,
        spec: &CrlSpec,
        own: &X509Certificate<'_>,
    ) -> Vec<(Vec<u8>, bool, Vec<u8>)> {
        let key_identifier = own.iter_extensions().find_map(|extension| {
            let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() else {
                return None;
            };
            Some(id.0)
        });
        let authority_key = element(0x80, &[key_identifier.unwrap_or_default()]);
        // A leading zero keeps the number positive; DER allows it only where the next bit is set.
        let number = spec.number.to_be_bytes();
        let number = number
            .get(spec.number.leading_zeros() as usize / 8..)
            .unwrap_or_default();
        let number = match number.first() {
            Some(first) if *first < 0x80 => number.to_vec(),
            _ => [&[0], number].concat(),
        };
        let mut extensions = vec![
            (
                vec![0x55, 0x1d, 35],
                false,
                element(0x30, &[&authority_key]),
            ),
            (vec![0x55, 0x1d, 20], false, element(2, &[&number])),
        ];
        if let Some(uri) = &spec.point {
            let name = element(
                0xa0,
                &[&element(0xa0, &[&element(0x86, &[uri.as_bytes()])])],
            );
            extensions.push((vec![0x55, 0x1d, 28], true, element(0x30, &[&name])));
        }
        extensions.extend(spec.extensions.iter().cloned());
        extensions
    }
}

/// A leaf that is its own issuer.
///
/// # Errors
/// As [`Authority::issue`].
pub fn self_signed(spec: &LeafSpec) -> Result<Issued, LabError> {
    let (params, serial) = leaf_params(spec)?;
    let key = generate(spec.key)?;
    let certificate = CertificateDer::from(params.self_signed(&key)?);
    Ok(issued(certificate, &[], &key, serial))
}

/// The time that the lab's dates are relative to.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds()))
}

fn issued(
    certificate: CertificateDer<'static>,
    above: &[CertificateDer<'static>],
    key: &KeyPair,
    serial: Serial,
) -> Issued {
    let mut chain = vec![certificate.clone()];
    chain.extend(above.iter().cloned());
    Issued {
        certificate,
        chain_pem: chain_pem(&chain),
        chain,
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        key_pem: pem("PRIVATE KEY", key.serialized_der()),
        serial,
    }
}

fn authority_params(spec: &AuthoritySpec) -> Result<(CertificateParams, Serial), LabError> {
    let (mut params, serial) = dated_params(spec.not_before, spec.not_after)?;
    params
        .distinguished_name
        .push(DnType::CommonName, spec.common_name.as_str());
    params.is_ca = IsCa::Ca(
        spec.path_length
            .map_or(BasicConstraints::Unconstrained, |length| {
                BasicConstraints::Constrained(length)
            }),
    );
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    if spec.crl_sign {
        params.key_usages.push(KeyUsagePurpose::CrlSign);
    }
    params.extended_key_usages = spec.usages.iter().map(|u| u.purpose()).collect();
    if !spec.permitted.is_empty() {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: spec
                .permitted
                .iter()
                .cloned()
                .map(GeneralSubtree::DnsName)
                .collect(),
            excluded_subtrees: Vec::new(),
        });
    }
    Ok((params, serial))
}

fn leaf_params(spec: &LeafSpec) -> Result<(CertificateParams, Serial), LabError> {
    let (mut params, serial) = dated_params(spec.not_before, spec.not_after)?;
    if let Some(name) = &spec.common_name {
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
    }
    for uri in &spec.uris {
        let value = uri.as_str().try_into()?;
        params.subject_alt_names.push(SanType::URI(value));
    }
    for name in &spec.dns {
        let value = name.as_str().try_into()?;
        params.subject_alt_names.push(SanType::DnsName(value));
    }
    for address in &spec.addresses {
        params.subject_alt_names.push(SanType::IpAddress(*address));
    }
    for email in &spec.emails {
        let value = email.as_str().try_into()?;
        params.subject_alt_names.push(SanType::Rfc822Name(value));
    }
    params.key_usages = vec![if spec.encipher_only {
        KeyUsagePurpose::KeyEncipherment
    } else {
        KeyUsagePurpose::DigitalSignature
    }];
    params.extended_key_usages = spec.usages.iter().map(|u| u.purpose()).collect();
    params.crl_distribution_points = spec
        .crl_points
        .iter()
        .map(|uri| CrlDistributionPoint {
            uris: vec![uri.clone()],
        })
        .collect();
    if spec.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    if spec.unknown_critical {
        // Below the enterprise number that RFC 5612 keeps for examples.
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32_473, 1], vec![0x05, 0x00]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    }
    Ok((params, serial))
}

fn dated_params(not_before: i64, not_after: i64) -> Result<(CertificateParams, Serial), LabError> {
    let now = unix_seconds();
    let serial = random_serial()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(now, not_before)?;
    params.not_after = date(now, not_after)?;
    params.serial_number = Some(SerialNumber::from(serial.0.clone()));
    params.use_authority_key_identifier_extension = true;
    Ok((params, serial))
}

fn generate(kind: KeyKind) -> Result<KeyPair, LabError> {
    Ok(match kind {
        KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
    })
}

/// A positive serial number of 16 octets (RFC 5280 §4.1.2.2).
fn random_serial() -> Result<Serial, LabError> {
    let mut octets = [0u8; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| LabError::Random)?;
    if let Some(first) = octets.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(Serial(octets.to_vec()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab makes certificates that are valid when it runs"
)]
pub(super) fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// A Time of RFC 5280 §4.1.2.5 so many seconds from now.
fn moment_from_now(offset: i64) -> Result<Vec<u8>, LabError> {
    Ok(forge::moment(
        date(unix_seconds(), offset)?.unix_timestamp(),
    ))
}

pub(super) fn date(now: u64, offset: i64) -> Result<OffsetDateTime, LabError> {
    let seconds = i64::try_from(now)
        .unwrap_or(i64::MAX)
        .saturating_add(offset);
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| LabError::Date(offset))
}

/// One PEM block with lines of 64 characters (RFC 7468 §2).
/// Certificates as PEM, in their order.
pub fn chain_pem(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|c| pem("CERTIFICATE", c)).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), LabError> {
    let wrap = |source| LabError::Write {
        path: path.to_owned(),
        source,
    };
    // A file that is replaced keeps its old mode, so the old one goes first.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrap(error)),
        Ok(()) | Err(_) => {}
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(wrap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::pem::PemObject as _;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_leaf_below_a_subordinate_brings_the_chain_without_the_root() {
        let root = Authority::root("Lab Root").unwrap();
        let middle = root.subordinate("Lab Issuing").unwrap();
        let leaf = middle.server("fe01.contoso.test").unwrap();
        assert_eq!(leaf.chain.len(), 2);
        assert_eq!(leaf.chain[0], leaf.certificate);
        assert_eq!(&leaf.chain[1], middle.certificate());
        let read: Vec<_> = CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read, leaf.chain);
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
        assert_eq!(key, leaf.key);
    }

    #[test]
    fn a_leaf_carries_what_its_specification_says() {
        let root = Authority::root("Lab Root").unwrap();
        let leaf = root
            .issue(&LeafSpec {
                common_name: Some("edge".into()),
                dns: vec!["edge.fabrikam.test".into()],
                uris: vec!["sip:fabrikam.test".into()],
                addresses: vec!["192.0.2.1".parse().unwrap()],
                emails: vec!["sip@fabrikam.test".into()],
                usages: vec![Usage::SipDomain, Usage::Any],
                key: KeyKind::Rsa2048,
                unknown_critical: true,
                ..LeafSpec::default()
            })
            .unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(&leaf.certificate).unwrap();
        let names = &read.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 4);
        let usages = read.extended_key_usage().unwrap().unwrap().value;
        assert!(usages.any);
        assert_eq!(usages.other[0].to_id_string(), "1.3.6.1.5.5.7.3.20");
        assert_eq!(read.raw_serial(), leaf.serial.0);
        assert!(
            read.extensions()
                .iter()
                .any(|e| e.critical && e.oid.to_id_string() == "1.3.6.1.4.1.32473.1")
        );
    }

    #[test]
    fn an_impostor_has_the_name_but_not_the_key() {
        let root = Authority::root("Lab Root").unwrap();
        let other = root.impostor().unwrap();
        let (_, a) = x509_parser::parse_x509_certificate(root.certificate()).unwrap();
        let (_, b) = x509_parser::parse_x509_certificate(other.certificate()).unwrap();
        assert_eq!(a.subject().as_raw(), b.subject().as_raw());
        assert_ne!(a.public_key().raw, b.public_key().raw);
    }

    #[test]
    fn a_crl_lists_the_revoked_even_when_its_issuer_may_not_sign_crls() {
        let root = Authority::root_with(AuthoritySpec {
            crl_sign: false,
            ..AuthoritySpec::named("Lab Root")
        })
        .unwrap();
        let leaf = root.server("fe01.contoso.test").unwrap();
        let pem = root.crl_pem(&[&leaf], Duration::from_secs(60)).unwrap();
        let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, read) = x509_parser::parse_x509_crl(&der).unwrap();
        let serials: Vec<_> = read
            .iter_revoked_certificates()
            .map(|r| r.raw_serial().to_vec())
            .collect();
        assert_eq!(serials, std::slice::from_ref(&leaf.serial.0));
    }

    #[test]
    fn a_written_key_is_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = Authority::root("Lab Root").unwrap();
        let leaf = root.server("fe01.contoso.test").unwrap();
        leaf.write_to(dir.path(), "fe01").unwrap();
        let (chain, key) = leaf.write_to(dir.path(), "fe01").unwrap();
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(chain).unwrap(), leaf.chain_pem);
        let anchor = root.write_to(dir.path(), "root").unwrap();
        assert_eq!(
            std::fs::read_to_string(anchor).unwrap(),
            root.certificate_pem()
        );
        let crl = root
            .write_crl_to(dir.path(), "root", &[], Duration::from_secs(60))
            .unwrap();
        assert!(
            std::fs::read_to_string(crl)
                .unwrap()
                .starts_with("-----BEGIN X509 CRL-----")
        );
    }
}
