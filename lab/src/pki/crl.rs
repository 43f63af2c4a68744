//! CRLs (RFC 5280 §5), sound ones and such as no CA software writes.
use super::clock::date;
use super::pem::{pem, write_file};
use super::{Authority, Issued, PkiError, Serial};
use crate::der::{bits, common_name, element, extension, moment, sequence, unless_empty};
use rustls_pki_types::CertificateRevocationListDer;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// crlEntryExtensions with reasonCode keyCompromise.
const KEY_COMPROMISE: &[u8] = &[
    0x30, 0x0c, 0x30, 0x0a, 6, 3, 0x55, 0x1d, 21, 4, 3, 0x0a, 1, 1,
];

/// What a CRL shall hold; `..CrlSpec::default()` is an empty one that is current for a day.
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
    /// Further extensions: the bytes of the OID, whether critical, and the value; an
    /// issuingDistributionPoint that no library writes, for one.
    pub extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
    /// The tag of the string type in which the issuer's CN is written; `None`: as in its certificate.
    pub issuer_tag: Option<u8>,
    /// The bytes of the OIDs of extensions that are left out: `openssl ca` writes no authorityKeyIdentifier.
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

impl Authority {
    /// A CRL as specified, signed by this authority (also one whose keyUsage lacks cRLSign).
    ///
    /// # Errors
    /// Dates that X.509 cannot hold or that run backwards.
    pub fn crl(&self, spec: &CrlSpec) -> Result<CertificateRevocationListDer<'static>, PkiError> {
        self.sign_crl(spec).map(CertificateRevocationListDer::from)
    }

    /// As [`Self::crl`], as PEM.
    ///
    /// # Errors
    /// As [`Self::crl`].
    pub fn crl_as_pem(&self, spec: &CrlSpec) -> Result<String, PkiError> {
        Ok(pem("X509 CRL", &self.sign_crl(spec)?))
    }

    /// A CRL, thisUpdate now minus one minute, nextUpdate after `valid`, that lists `revoked`, as PEM.
    ///
    /// # Errors
    /// As [`Self::crl`].
    pub fn crl_pem(&self, revoked: &[&Issued], valid: Duration) -> Result<String, PkiError> {
        let spec = CrlSpec {
            revoked: revoked.iter().map(|i| i.serial.clone()).collect(),
            next_update: i64::try_from(valid.as_secs()).unwrap_or(i64::MAX),
            ..CrlSpec::default()
        };
        self.crl_as_pem(&spec)
    }

    /// Writes [`Self::crl_pem`] to `stem.crl.pem` and returns the path.
    ///
    /// # Errors
    /// As [`Self::crl_pem`], or [`PkiError::Write`].
    pub fn write_crl_to(
        &self,
        dir: &Path,
        stem: &str,
        revoked: &[&Issued],
        valid: Duration,
    ) -> Result<PathBuf, PkiError> {
        let path = dir.join(format!("{stem}.crl.pem"));
        write_file(&path, &self.crl_pem(revoked, valid)?, 0o644)?;
        Ok(path)
    }

    /// Written field by field (RFC 5280 §5.1), because no library writes the oddities that a [`CrlSpec`] can
    /// ask for.
    fn sign_crl(&self, spec: &CrlSpec) -> Result<Vec<u8>, PkiError> {
        let (_, own) =
            X509Certificate::from_der(&self.certificate).map_err(|_| PkiError::Unreadable)?;
        let algorithm = self.key.algorithm();
        let issuer = match spec.issuer_tag {
            Some(tag) => common_name(tag, self.spec.common_name.as_bytes()),
            None => own.subject().as_raw().to_vec(),
        };
        let this_update = moment(date(spec.this_update)?.unix_timestamp());
        let next_update = moment(date(spec.next_update)?.unix_timestamp());
        let revoked: Vec<u8> = spec
            .revoked
            .iter()
            .flat_map(|serial| sequence(&[&element(2, &[&serial.0]), &this_update, KEY_COMPROMISE]))
            .collect();
        // An empty list must be absent and not empty (RFC 5280 §5.1.2.6).
        let revoked = unless_empty(0x30, &revoked);
        let extensions: Vec<u8> = self
            .crl_extensions(spec, &own)
            .iter()
            // What is left out is left out of everything, also of what the specification added.
            .filter(|(id, ..)| !spec.without.contains(id))
            .flat_map(extension)
            .collect();
        let signed = sequence(&[
            &[2, 1, 1],
            algorithm,
            &issuer,
            &this_update,
            &next_update,
            &revoked,
            &element(0xa0, &[&sequence(&[&extensions])]),
        ]);
        let signature = bits(&self.key.signature(&signed)?);
        Ok(sequence(&[&signed, algorithm, &signature]))
    }

    /// authorityKeyIdentifier, cRLNumber, issuingDistributionPoint if there is a point, and what the
    /// specification adds.
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
        // The shortest form: a leading zero keeps the number positive; DER allows it only where the next bit
        // is set.
        let number = spec.number.to_be_bytes();
        let number = number
            .get(spec.number.leading_zeros() as usize / 8..)
            .unwrap_or_default();
        let number = match number.first() {
            Some(first) if *first < 0x80 => number.to_vec(),
            _ => [&[0], number].concat(),
        };
        let mut extensions = vec![
            (vec![0x55, 0x1d, 35], false, sequence(&[&authority_key])),
            (vec![0x55, 0x1d, 20], false, element(2, &[&number])),
        ];
        if let Some(uri) = &spec.point {
            let name = element(
                0xa0,
                &[&element(0xa0, &[&element(0x86, &[uri.as_bytes()])])],
            );
            extensions.push((vec![0x55, 0x1d, 28], true, sequence(&[&name])));
        }
        extensions.extend(spec.extensions.iter().cloned());
        extensions
    }
}
