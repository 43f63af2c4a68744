//! Certificates that no CA software makes: every field as it is set, signed all the same (RFC 5280 §4.1).
//!
//! What an attacker with a CA of his own could send. [`crate::pki`] makes what honest CAs issue.
pub use crate::der::{common_name, distinguished_name, moment};
pub use crate::pki::{KeyKind, SigningKey};

use crate::der::{bits, element, extension, sequence, unless_empty};
use crate::pki::{PkiError, now};
use rustls_pki_types::CertificateDer;

/// The certificate extensions that tests set: the last byte of the OID below 2.5.29.
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

impl SigningKey {
    /// Signs a certificate.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, fields: &CertificateFields) -> Result<CertificateDer<'static>, PkiError> {
        let body = fields.body(self.algorithm());
        let signature = bits(&self.signature(&body)?);
        let whole = sequence(&[&body, self.algorithm(), &signature]);
        Ok(CertificateDer::from(whole))
    }
}

/// The fields of a certificate.
#[derive(Clone)]
pub struct CertificateFields {
    /// The version's number, 2 for v3; `None`: the field is left out, as for v1.
    pub version: Option<u8>,
    /// The serial number's bytes.
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

impl CertificateFields {
    /// A leaf of v3 for a host: subjectAltName with it, serverAuth and clientAuth, valid now.
    pub fn leaf(issuer: &[u8], host: &str, key: &SigningKey) -> Self {
        Self::blank(issuer, &common_name(0x0c, host.as_bytes()), key)
            .with(
                id::ALTERNATIVE_NAME,
                false,
                &names(&[(name::DNS, host.as_bytes())]),
            )
            .with(id::EXTENDED_KEY_USAGE, false, &usages(&[1, 2]))
    }

    /// A CA's certificate of v3, valid now.
    pub fn authority(issuer: &[u8], subject: &[u8], key: &SigningKey) -> Self {
        Self::blank(issuer, subject, key).with(
            id::BASIC_CONSTRAINTS,
            true,
            &sequence(&[&[1, 1, 0xff]]),
        )
    }

    /// v3 without extensions, valid now.
    pub fn blank(issuer: &[u8], subject: &[u8], key: &SigningKey) -> Self {
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
        let validity = sequence(&[&self.validity.0, &self.validity.1]);
        let extensions: Vec<u8> = self.extensions.iter().flat_map(extension).collect();
        let extensions = unless_empty(0xa3, &unless_empty(0x30, &extensions));
        sequence(&[
            &version,
            &serial,
            algorithm,
            &self.issuer,
            &validity,
            &self.subject,
            &self.key,
            &extensions,
        ])
    }
}

/// GeneralNames of tags and contents; a directoryName's content is the whole Name.
pub fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|(tag, content)| element(*tag, &[content]))
        .collect();
    sequence(&[&list])
}

/// NameConstraints of permitted and excluded bases.
pub fn constraints(permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> Vec<u8> {
    let subtrees = |tag: u8, bases: &[(u8, &[u8])]| {
        let list: Vec<u8> = bases
            .iter()
            .flat_map(|(tag, content)| sequence(&[&element(*tag, &[content])]))
            .collect();
        unless_empty(tag, &list)
    };
    sequence(&[&subtrees(0xa0, permitted), &subtrees(0xa1, excluded)])
}

/// ExtKeyUsageSyntax of purposes below id-kp: 1 for serverAuth, 2 for clientAuth.
pub fn usages(purposes: &[u8]) -> Vec<u8> {
    let list: Vec<u8> = purposes
        .iter()
        .flat_map(|purpose| element(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 3, *purpose]]))
        .collect();
    sequence(&[&list])
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
