//! What a certificate shall hold: the specifications that tests vary field by field (RFC 5280 §4).
use super::key::KeyKind;
use rcgen::ExtendedKeyUsagePurpose;
use std::net::IpAddr;

/// Seconds of a day, for validity periods.
const DAY: i64 = 86_400;

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
    /// As the library calls it; id-kp-sipDomain (RFC 5924) it does not know by name.
    pub(super) fn purpose(self) -> ExtendedKeyUsagePurpose {
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

/// What a leaf shall hold; `..LeafSpec::default()` is a valid certificate without names and purposes.
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

    /// As [`Self::server`], for a node that phones find by the SIP domain that it serves.
    pub fn edge(fqdn: &str, domain: &str) -> Self {
        Self {
            dns: vec![fqdn.to_owned(), domain.to_owned()],
            ..Self::server(fqdn)
        }
    }
}

/// What an authority's certificate shall hold; `..AuthoritySpec::named("x")` is a sound one.
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
