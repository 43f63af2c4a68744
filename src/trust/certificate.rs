//! A presented certificate, read once: what path validation asks of it (RFC 5280 §4.1 and §4.2), in linear time.
use super::chain::subject_text;
use super::constraints::Constraints;
use super::key::{Key, Signed};
use super::purpose::Purposes;
use super::{Reason, Refusal};
use crate::topology::der::{BIT_STRING, Der, INTEGER, SEQUENCE, context};
use crate::topology::distinguished_name::NameKey;
use crate::topology::sha256;
use std::collections::HashSet;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

/// The extensions that a path is judged by, all below id-ce (2.5.29); critical or not, they are acted upon.
const KEY_USAGE: u8 = 15;
const ALTERNATIVE_NAME: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const NAME_CONSTRAINTS: u8 = 30;
const DISTRIBUTION_POINTS: u8 = 31;
const EXTENDED_KEY_USAGE: u8 = 37;
/// The policy extensions: no policy is asked for, so that every one of them is met (RFC 5280 §6.1.1 (c) to (f)).
///
/// **Deviation:** a requireExplicitPolicy asks whoever relies on the certificate to have policies; sipward has none, as
/// other validators have none by default, and lets it pass.
const POLICIES: [u8; 4] = [32, 33, 36, 54];

/// Hints for the order in which issuers are tried.
const SUBJECT_KEY_ID: u8 = 14;
const AUTHORITY_KEY_ID: u8 = 35;

/// A certificate with what is asked of it.
pub(super) struct Certificate<'a> {
    read: X509Certificate<'a>,
    digest: [u8; 32],
    subject: NameKey,
    issuer: NameKey,
    key: Key<'a>,
    signed: Signed<'a>,
    says: Extensions<'a>,
    flaw: Option<Refusal>,
    text: String,
}

/// What the extensions say.
#[derive(Default)]
struct Extensions<'a> {
    /// Position of subjectAltName among the extensions.
    names_at: Option<usize>,
    authority: bool,
    path_length: Option<u32>,
    /// Whether keyCertSign and cRLSign are asserted, where there is a keyUsage.
    signs: Option<(bool, bool)>,
    purposes: Option<Purposes>,
    constraints: Option<Constraints>,
    subject_key: Option<&'a [u8]>,
    authority_key: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads one from DER; what follows it is a fault.
    ///
    /// # Errors
    /// What keeps it from being read at all, in words. What is wrong inside is its [`Self::flaw`].
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, String> {
        let read = match X509Certificate::from_der(der) {
            Ok(([], read)) => read,
            Ok(_) => return Err("octets follow it".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        let frame = Frame::find(der).ok_or("its frame is not DER")?;
        let name = |octets: &[u8]| NameKey::of(octets).ok_or("a name in it is not DER");
        let subject = name(read.subject().as_raw())?;
        let issuer = name(read.issuer().as_raw())?;
        let key = Key::of(read.tbs_certificate.subject_pki.raw).ok_or("its key is not DER")?;
        let mut says = Extensions::default();
        let flaw = flaw(&read, &frame, &mut says).err();
        Ok(Self {
            digest: sha256(der),
            subject,
            issuer,
            key,
            signed: frame.signed,
            says,
            flaw,
            text: subject_text(read.subject()),
            read,
        })
    }

    /// As the library reads it.
    pub(super) fn read(&self) -> &X509Certificate<'a> {
        &self.read
    }
    /// SHA-256 of the whole.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
    /// The subject, for comparisons.
    pub(super) fn subject(&self) -> &NameKey {
        &self.subject
    }
    /// The issuer, for comparisons.
    pub(super) fn issuer(&self) -> &NameKey {
        &self.issuer
    }
    /// The subject's key.
    pub(super) fn key(&self) -> &Key<'a> {
        &self.key
    }
    /// What the issuer signed.
    pub(super) fn signed(&self) -> &Signed<'a> {
        &self.signed
    }
    /// What makes it useless for everybody, whoever signed it.
    pub(super) fn flaw(&self) -> Option<&Refusal> {
        self.flaw.as_ref()
    }
    /// Whether subject and issuer are one name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
    /// Whether it is of X.509 v3: older ones have no extensions.
    pub(super) fn is_v3(&self) -> bool {
        self.read.version() == X509Version::V3
    }
    /// Whether it says that it is a CA's (RFC 5280 §4.2.1.9).
    pub(super) fn is_authority(&self) -> bool {
        self.says.authority
    }
    /// How many intermediates that are not self-issued may stand between it and a leaf (RFC 5280 §4.2.1.9).
    pub(super) fn path_length(&self) -> Option<u32> {
        self.says.path_length
    }
    /// Whether its keyUsage permits it to sign certificates (RFC 5280 §4.2.1.3); without the extension it does.
    pub(super) fn signs_certificates(&self) -> bool {
        self.says.signs.is_none_or(|(certificates, _)| certificates)
    }
    /// Whether its keyUsage permits it to sign CRLs; without the extension it does.
    pub(super) fn signs_crls(&self) -> bool {
        self.says.signs.is_none_or(|(_, crls)| crls)
    }
    /// Its extended key usages, if it has the extension.
    pub(super) fn purposes(&self) -> Option<&Purposes> {
        self.says.purposes.as_ref()
    }
    /// The names that it permits and excludes below it (RFC 5280 §4.2.1.10).
    pub(super) fn constraints(&self) -> Option<&Constraints> {
        self.says.constraints.as_ref()
    }
    /// Takes what it permits and excludes.
    pub(super) fn take_constraints(&mut self) -> Option<Constraints> {
        self.says.constraints.take()
    }
    /// subjectKeyIdentifier.
    pub(super) fn subject_key_id(&self) -> Option<&'a [u8]> {
        self.says.subject_key
    }
    /// The keyIdentifier of authorityKeyIdentifier.
    pub(super) fn authority_key_id(&self) -> Option<&'a [u8]> {
        self.says.authority_key
    }
    /// The entries of subjectAltName.
    pub(super) fn alternative_names(&self) -> &[GeneralName<'a>] {
        let extension = self
            .says
            .names_at
            .and_then(|at| self.read.extensions().get(at));
        if let Some(ParsedExtension::SubjectAlternativeName(names)) =
            extension.map(X509Extension::parsed_extension)
        {
            &names.general_names
        } else {
            &[]
        }
    }
    /// The subject for logs.
    pub(super) fn text(&self) -> String {
        self.text.clone()
    }
}

/// The parts of a certificate that the library does not give as octets.
struct Frame<'a> {
    signed: Signed<'a>,
    /// The algorithm as it stands under the signature.
    inner_algorithm: &'a [u8],
}

impl<'a> Frame<'a> {
    fn find(der: &'a [u8]) -> Option<Self> {
        let mut outer = Der::new(der).expect(SEQUENCE)?.inside();
        let body = outer.expect(SEQUENCE)?;
        let algorithm = outer.expect(SEQUENCE)?.content();
        let signature = outer.expect(BIT_STRING)?.bits()?;
        let mut fields = body.inside();
        fields.optional(context(0));
        fields.expect(INTEGER)?;
        Some(Self {
            inner_algorithm: fields.expect(SEQUENCE)?.content(),
            signed: Signed {
                octets: body.whole(),
                algorithm,
                signature,
            },
        })
    }
}

/// Reads the extensions in one pass, and refuses what makes the certificate useless.
fn flaw<'a>(
    read: &X509Certificate<'a>,
    frame: &Frame<'_>,
    says: &mut Extensions<'a>,
) -> Result<(), Refusal> {
    let refuse = |reason: Reason, what: &str| {
        let subject = subject_text(read.subject());
        Err(Refusal::because(reason, format!("{subject}: {what}")))
    };
    if frame.inner_algorithm != frame.signed.algorithm {
        return refuse(
            Reason::PathInvalid,
            "it names two signature algorithms, outside and under its signature",
        );
    }
    let validity = read.validity();
    if validity.not_before > validity.not_after {
        return refuse(Reason::PathInvalid, "its notAfter is before its notBefore");
    }
    let mut seen = HashSet::with_capacity(read.extensions().len());
    let mut unknown = None;
    for (position, extension) in read.extensions().iter().enumerate() {
        if !seen.insert(extension.oid.as_bytes()) {
            let what = format!("the extension {} occurs twice", extension.oid);
            return refuse(Reason::MalformedCertificate, &what);
        }
        match take(extension, position, says) {
            Ok(true) => {}
            Ok(false) => {
                if extension.critical {
                    unknown.get_or_insert(&extension.oid);
                }
            }
            Err(what) => {
                let what = format!("the extension {}: {what}", extension.oid);
                return refuse(Reason::MalformedCertificate, &what);
            }
        }
    }
    match unknown {
        Some(oid) => refuse(Reason::UnknownCriticalExtension, &oid.to_id_string()),
        None => Ok(()),
    }
}

/// Takes what an extension says; `false` for one that nothing here acts upon.
///
/// The key identifiers, which only hint, count as unknown where they are critical, as no CA may mark them (RFC 5280
/// §4.2.1.1 and §4.2.1.2).
fn take<'a>(
    extension: &X509Extension<'a>,
    position: usize,
    says: &mut Extensions<'a>,
) -> Result<bool, String> {
    let [0x55, 0x1d, number] = extension.oid.as_bytes() else {
        return Ok(false);
    };
    let parsed = extension.parsed_extension();
    let unreadable = || {
        if let ParsedExtension::ParseError { error } = parsed {
            error.to_string()
        } else {
            "it cannot be read".to_owned()
        }
    };
    match *number {
        BASIC_CONSTRAINTS => {
            let ParsedExtension::BasicConstraints(basic) = parsed else {
                return Err(unreadable());
            };
            says.authority = basic.ca;
            says.path_length = basic.path_len_constraint.filter(|_| basic.ca);
        }
        KEY_USAGE => {
            let ParsedExtension::KeyUsage(usage) = parsed else {
                return Err(unreadable());
            };
            says.signs = Some((usage.key_cert_sign(), usage.crl_sign()));
        }
        EXTENDED_KEY_USAGE => {
            let ParsedExtension::ExtendedKeyUsage(usages) = parsed else {
                return Err(unreadable());
            };
            says.purposes = Some(Purposes::of(usages));
        }
        ALTERNATIVE_NAME => {
            let ParsedExtension::SubjectAlternativeName(_) = parsed else {
                return Err(unreadable());
            };
            says.names_at = Some(position);
        }
        NAME_CONSTRAINTS => says.constraints = Some(Constraints::read(extension.value)?),
        SUBJECT_KEY_ID => {
            if let ParsedExtension::SubjectKeyIdentifier(id) = parsed {
                says.subject_key = Some(id.0);
            }
            return Ok(false);
        }
        AUTHORITY_KEY_ID => {
            if let ParsedExtension::AuthorityKeyIdentifier(id) = parsed {
                says.authority_key = id.key_identifier.as_ref().map(|id| id.0);
            }
            return Ok(false);
        }
        DISTRIBUTION_POINTS => {}
        known if POLICIES.contains(&known) => {}
        _ => return Ok(false),
    }
    Ok(true)
}
