//! The presented chain, parsed within bounds (RFC 5280 §4.1).
use super::{Reason, Refusal};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

/// Certificates in a chain: far above what any CA hierarchy needs, low enough for path building.
pub(super) const MAX_CERTIFICATES: usize = 10;

/// Octets of all certificates together: rustls' own bound for the Certificate message of TLS.
pub(super) const MAX_OCTETS: usize = 64 * 1024;

/// Characters of a subject that are kept for logs.
const MAX_SUBJECT: usize = 200;

/// A chain in which every certificate could be parsed.
pub(super) struct Chain<'a> {
    der: &'a [CertificateDer<'a>],
    leaf: X509Certificate<'a>,
    /// Those after the leaf, in the presented order.
    above: Vec<X509Certificate<'a>>,
}

impl<'a> Chain<'a> {
    /// Parses what was presented, leaf first.
    pub(super) fn parse(der: &'a [CertificateDer<'a>]) -> Result<Self, Refusal> {
        let Some((leaf, above)) = der.split_first() else {
            return Err(Reason::NoCertificate.into());
        };
        if der.len() > MAX_CERTIFICATES {
            return Err(Refusal::because(
                Reason::ChainTooLong,
                format!("{} certificates, at most {MAX_CERTIFICATES}", der.len()),
            ));
        }
        let octets: usize = der.iter().map(|c| c.as_ref().len()).sum();
        if octets > MAX_OCTETS {
            return Err(Refusal::because(
                Reason::ChainTooLarge,
                format!("{octets} octets, at most {MAX_OCTETS}"),
            ));
        }
        let leaf = parse_certificate(leaf, 0)?;
        let above = above
            .iter()
            .zip(1..)
            .map(|(certificate, position)| parse_certificate(certificate, position))
            .collect::<Result<_, _>>()?;
        Ok(Self { der, leaf, above })
    }

    /// The leaf.
    pub(super) fn leaf(&self) -> &X509Certificate<'a> {
        &self.leaf
    }

    /// The leaf as presented.
    pub(super) fn leaf_der(&self) -> Option<&'a CertificateDer<'a>> {
        self.der.first()
    }

    /// Those after the leaf as presented.
    pub(super) fn above_der(&self) -> &'a [CertificateDer<'a>] {
        self.der.get(1..).unwrap_or_default()
    }

    /// Those after the leaf.
    pub(super) fn above(&self) -> &[X509Certificate<'a>] {
        &self.above
    }

    /// All certificates, leaf first.
    pub(super) fn all(&self) -> impl Iterator<Item = &X509Certificate<'a>> {
        std::iter::once(&self.leaf).chain(&self.above)
    }
}

fn parse_certificate<'a>(
    der: &'a CertificateDer<'a>,
    position: usize,
) -> Result<X509Certificate<'a>, Refusal> {
    let refuse = |what: &str| {
        Refusal::because(
            Reason::MalformedCertificate,
            format!("certificate {position} of the chain (0 is the leaf): {what}"),
        )
    };
    match X509Certificate::from_der(der.as_ref()) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(refuse("octets follow it")),
        Err(error) => Err(refuse(&error.to_string())),
    }
}

/// A distinguished name as text that any log line can hold.
pub(super) fn subject_text(name: &X509Name<'_>) -> String {
    name.to_string()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(MAX_SUBJECT)
        .collect()
}

/// Whether the key is RSA of less than 2048 bits (RFC 9325 §4.5).
pub(super) fn has_weak_key(certificate: &X509Certificate<'_>) -> bool {
    let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else {
        return false;
    };
    // The sign octet is not part of the modulus; an encoder that left it out made a negative number.
    let significant = key.modulus.iter().skip_while(|octet| **octet == 0).count();
    significant < 256
}
