//! Certificates that no CA software makes: every field as it is given, signed all the same (RFC 5280 §4.1).
use super::der::{bits, element};
use super::pki::{LabError, now};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize, SigningKey as _,
};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// id-ce-keyUsage and its kin: the last octet of the OID below 2.5.29.
pub mod id {
    /// subjectKeyIdentifier.
    pub const SUBJECT_KEY: u8 = 14;
    /// keyUsage.
    pub const KEY_USAGE: u8 = 15;
    /// subjectAltName.
    pub const ALTERNATIVE_NAME: u8 = 17;
    /// basicConstraints.
    pub const BASIC_CONSTRAINTS: u8 = 19;
    /// nameConstraints.
    pub const NAME_CONSTRAINTS: u8 = 30;
    /// certificatePolicies.
    pub const POLICIES: u8 = 32;
    /// authorityKeyIdentifier.
    pub const AUTHORITY_KEY: u8 = 35;
    /// policyConstraints.
    pub const POLICY_CONSTRAINTS: u8 = 36;
    /// extKeyUsage.
    pub const EXTENDED_KEY_USAGE: u8 = 37;
    /// inhibitAnyPolicy.
    pub const INHIBIT_ANY_POLICY: u8 = 54;
}

/// Tags of GeneralName.
pub mod name {
    /// rfc822Name.
    pub const MAIL: u8 = 0x81;
    /// dNSName.
    pub const DNS: u8 = 0x82;
    /// directoryName.
    pub const DIRECTORY: u8 = 0xa4;
    /// uniformResourceIdentifier.
    pub const URI: u8 = 0x86;
    /// iPAddress.
    pub const ADDRESS: u8 = 0x87;
}

/// A kind of key that signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on P-256 with SHA-256.
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
pub struct Signer {
    pair: Arc<KeyPair>,
    /// AlgorithmIdentifier of its signatures.
    algorithm: Vec<u8>,
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// What the library says.
    pub fn new(kind: Kind) -> Result<Self, LabError> {
        let ecdsa = |last: u8| vec![0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last];
        let (pair, algorithm) = match kind {
            Kind::P256 => (KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?, ecdsa(2)),
            Kind::P384 => (KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?, ecdsa(3)),
            Kind::P521 => (KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?, ecdsa(4)),
            Kind::Ed25519 => (
                KeyPair::generate_for(&PKCS_ED25519)?,
                vec![0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
            ),
            Kind::Rsa2048 => (
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

    /// Signs a certificate.
    ///
    /// # Errors
    /// What the library says.
    pub fn sign(&self, form: &Form) -> Result<CertificateDer<'static>, LabError> {
        let body = form.body(&self.algorithm);
        let signature = bits(&self.pair.sign(&body)?);
        let whole = element(0x30, &[&body, &self.algorithm, &signature]);
        Ok(CertificateDer::from(whole))
    }
}

/// The fields of a certificate.
#[derive(Clone)]
pub struct Form {
    /// The version's number, 2 for v3; `None`: the field is left out, as for v1.
    pub version: Option<u8>,
    /// The serial number's octets.
    pub serial: Vec<u8>,
    /// The issuer's Name as DER.
    pub issuer: Vec<u8>,
    /// The subject's Name as DER.
    pub subject: Vec<u8>,
    /// notBefore and notAfter as DER.
    pub validity: (Vec<u8>, Vec<u8>),
    /// SubjectPublicKeyInfo as DER.
    pub key: Vec<u8>,
    /// The OID's content, whether critical, and the value.
    pub extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
}

impl Form {
    /// A leaf of v3 for a host: subjectAltName with it, serverAuth and clientAuth, valid now.
    pub fn leaf(issuer: &[u8], host: &str, key: &Signer) -> Self {
        Self::blank(issuer, &common_name(0x0c, host.as_bytes()), key)
            .with(
                id::ALTERNATIVE_NAME,
                false,
                &names(&[(name::DNS, host.as_bytes())]),
            )
            .with(id::EXTENDED_KEY_USAGE, false, &usages(&[1, 2]))
    }

    /// A CA's certificate of v3, valid now.
    pub fn authority(issuer: &[u8], subject: &[u8], key: &Signer) -> Self {
        Self::blank(issuer, subject, key).with(
            id::BASIC_CONSTRAINTS,
            true,
            &element(0x30, &[&[1, 1, 0xff]]),
        )
    }

    /// v3 without extensions, valid now.
    pub fn blank(issuer: &[u8], subject: &[u8], key: &Signer) -> Self {
        let now = i64::try_from(now().as_secs()).unwrap_or(0);
        Self {
            version: Some(2),
            serial: vec![0x11],
            issuer: issuer.to_vec(),
            subject: subject.to_vec(),
            validity: (moment(now - 3_600), moment(now + 90 * 86_400)),
            key: key.public(),
            extensions: Vec::new(),
        }
    }

    /// The same with an extension below id-ce.
    #[must_use]
    pub fn with(mut self, id: u8, critical: bool, value: &[u8]) -> Self {
        self.extensions
            .push((vec![0x55, 0x1d, id], critical, value.to_vec()));
        self
    }

    /// The same with another serial number.
    #[must_use]
    pub fn numbered(mut self, number: u8) -> Self {
        self.serial = vec![0x11, number];
        self
    }

    /// The same with empty extensions that nobody knows, so that it is long.
    #[must_use]
    pub fn padded(mut self, count: u16) -> Self {
        for number in 0..count {
            // Below the enterprise number that RFC 5612 keeps for examples, in two digits of seven bits.
            let [high, low] = (number % 0x3f80 + 0x80).to_be_bytes();
            let digits = [0x80 | high << 1 | low >> 7, low & 0x7f];
            let oid = [&[0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59], &digits[..]].concat();
            self.extensions.push((oid, false, Vec::new()));
        }
        self
    }

    fn body(&self, algorithm: &[u8]) -> Vec<u8> {
        let version = self
            .version
            .map_or_else(Vec::new, |version| element(0xa0, &[&[2, 1, version]]));
        let serial = element(0x02, &[&self.serial]);
        let validity = element(0x30, &[&self.validity.0, &self.validity.1]);
        let extensions: Vec<u8> = self.extensions.iter().flat_map(extension).collect();
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            element(0xa3, &[&element(0x30, &[&extensions])])
        };
        element(
            0x30,
            &[
                &version,
                &serial,
                algorithm,
                &self.issuer,
                &validity,
                &self.subject,
                &self.key,
                &extensions,
            ],
        )
    }
}

/// An Extension: its OID's content, whether critical, and the value.
pub(super) fn extension((oid, critical, value): &(Vec<u8>, bool, Vec<u8>)) -> Vec<u8> {
    let critical: &[u8] = if *critical { &[1, 1, 0xff] } else { &[] };
    let value = element(0x04, &[value]);
    element(0x30, &[&element(0x06, &[oid]), critical, &value])
}

/// A Name of one CN in a string type: 0x0c for UTF8String, 0x13 for PrintableString.
pub fn common_name(tag: u8, text: &[u8]) -> Vec<u8> {
    distinguished_name(&[(3, tag, text)])
}

/// A Name of attributes below id-at (2.5.4), each an RDN: the OID's last octet, the string type, the text.
pub fn distinguished_name(attributes: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let rdns: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, tag, text)| {
            let attribute = element(0x30, &[&[6, 3, 0x55, 4, *kind], &element(*tag, &[text])]);
            element(0x31, &[&attribute])
        })
        .collect();
    element(0x30, &[&rdns])
}

/// GeneralNames of tags and contents; a directoryName's content is the whole Name.
pub fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|(tag, content)| element(*tag, &[content]))
        .collect();
    element(0x30, &[&list])
}

/// NameConstraints of permitted and excluded bases.
pub fn constraints(permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> Vec<u8> {
    let subtrees = |tag: u8, bases: &[(u8, &[u8])]| {
        let list: Vec<u8> = bases
            .iter()
            .flat_map(|(tag, content)| element(0x30, &[&element(*tag, &[content])]))
            .collect();
        if bases.is_empty() {
            list
        } else {
            element(tag, &[&list])
        }
    };
    element(
        0x30,
        &[&subtrees(0xa0, permitted), &subtrees(0xa1, excluded)],
    )
}

/// ExtKeyUsageSyntax of purposes below id-kp: 1 for serverAuth, 2 for clientAuth.
pub fn usages(purposes: &[u8]) -> Vec<u8> {
    let list: Vec<u8> = purposes
        .iter()
        .flat_map(|purpose| element(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 3, *purpose]]))
        .collect();
    element(0x30, &[&list])
}

/// A GeneralizedTime of Unix seconds, which may lie before 1970; 1950 to 2049 as UTCTime.
pub fn moment(unix: i64) -> Vec<u8> {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(unix) else {
        return Vec::new();
    };
    let (year, month) = (at.year(), u8::from(at.month()));
    let rest = format!(
        "{month:02}{:02}{:02}{:02}{:02}Z",
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    if (1950..2050).contains(&year) {
        element(0x17, &[format!("{:02}{rest}", year % 100).as_bytes()])
    } else {
        element(0x18, &[format!("{year:04}{rest}").as_bytes()])
    }
}

/// The same object as if ecdsa-with-SHA224, which nobody takes, stood where ecdsa-with-SHA256 does.
pub fn weakly_signed(der: &[u8]) -> Vec<u8> {
    const STRONG: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let mut weak = der.to_vec();
    for at in 0..der.len() {
        if let Some(oid) = weak.get_mut(at..at + STRONG.len())
            && oid == STRONG
            && let Some(last) = oid.last_mut()
        {
            *last = 1;
        }
    }
    weak
}
