//! OCSP responses (RFC 6960 §4.2) as a CA's responder makes them, with every oddity a test needs.
use super::der::{bits, element, generalized_time, sequence};
use super::pki::{Authority, Issued, PkiError, Serial, date};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rcgen::{KeyPair, SigningKey as _};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// ecdsa-with-SHA256 as AlgorithmIdentifier.
const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// id-sha1 as AlgorithmIdentifier, which most responders still use to name issuers.
const SHA1: &[u8] = &[0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0];
/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

/// The status of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspStatus {
    /// good.
    Good,
    /// revoked.
    Revoked,
    /// unknown.
    Unknown,
}

/// What a response shall hold.
#[derive(Clone, Copy)]
pub struct OcspSpec<'a> {
    /// The certificate's serial number.
    pub serial: &'a Serial,
    /// Its status.
    pub status: OcspStatus,
    /// thisUpdate, seconds relative to now (may be negative).
    pub this_update: i64,
    /// nextUpdate, seconds relative to now; `None` leaves it out.
    pub next_update: Option<i64>,
    /// Who signs, if not the authority itself; the certificate goes with the response.
    pub delegate: Option<&'a Issued>,
}

impl<'a> OcspSpec<'a> {
    /// Good for an hour, signed by the authority.
    pub fn good(issued: &'a Issued) -> Self {
        Self {
            serial: &issued.serial,
            status: OcspStatus::Good,
            this_update: -60,
            next_update: Some(3_600),
            delegate: None,
        }
    }
}

impl Authority {
    /// A response about a certificate of this authority; its key must be of P-256.
    ///
    /// # Errors
    /// Dates that X.509 cannot hold, or a key that does not sign.
    pub fn ocsp(&self, spec: &OcspSpec<'_>) -> Result<Vec<u8>, PkiError> {
        let (_, own) =
            X509Certificate::from_der(self.certificate()).map_err(|_| PkiError::Unreadable)?;
        let key = &own.public_key().subject_public_key.data;
        let hash =
            |octets: &[u8]| element(4, &[digest(&SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref()]);
        // CertID: the issuer by hashes of its name and of its key's bits, without the tag and length of the
        // BIT STRING.
        let id = sequence(&[
            SHA1,
            &hash(own.subject().as_raw()),
            &hash(key),
            &element(2, &[&spec.serial.0]),
        ]);
        let this_update = generalized_time(date(spec.this_update)?.unix_timestamp());
        let status = match spec.status {
            OcspStatus::Good => element(0x80, &[]),
            // RevokedInfo with the time alone; the reason is optional.
            OcspStatus::Revoked => element(0xa1, &[&this_update]),
            OcspStatus::Unknown => element(0x82, &[]),
        };
        let next_update = match spec.next_update {
            Some(next) => element(0xa0, &[&generalized_time(date(next)?.unix_timestamp())]),
            None => Vec::new(),
        };
        let single = sequence(&[&id, &status, &this_update, &next_update]);
        // The responder by name; for a delegate, too, this stays the authority's, which clients must not rely
        // on.
        let responder = element(0xa1, &[own.subject().as_raw()]);
        let data = sequence(&[&responder, &this_update, &sequence(&[&single])]);
        let signature = match spec.delegate {
            None => self.key.signature(&data)?,
            Some(delegate) => KeyPair::try_from(delegate.key.secret_der())?.sign(&data)?,
        };
        let certificates = spec.delegate.map_or_else(Vec::new, |delegate| {
            element(0xa0, &[&sequence(&[&delegate.certificate])])
        });
        let basic = sequence(&[&data, ECDSA_SHA256, &bits(&signature), &certificates]);
        let bytes = sequence(&[BASIC, &element(4, &[&basic])]);
        Ok(sequence(&[
            &element(0x0a, &[&[0]]),
            &element(0xa0, &[&bytes]),
        ]))
    }
}
