//! A presented certificate, read once: what path validation asks of it (RFC 5280 §4.1 and §4.2), in linear time.
use crate::topology::der::{Der, INTEGER, SEQUENCE, context};
use crate::topology::distinguished_name::NameKey;
use crate::topology::sha256;
use crate::trust::certificate::extensions::{Extensions, take};
use crate::trust::certificate::general_name::{Name, NameForm};
use crate::trust::certificate::{key::PublicKey, signature::SignedPart, text::subject_text};
use crate::trust::{StepRefusal, TrustReason};
use std::collections::HashSet;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::OID_PKCS9_EMAIL_ADDRESS;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

/// A certificate with what is asked of it.
pub(crate) struct Certificate<'a> {
    // Everything below is found once here; the search looks at a certificate up to hundreds of times.
    read: X509Certificate<'a>,
    digest: [u8; 32],
    // Names in the form in which RFC 5280 §7.1 compares them, so that string types, case and spaces make no
    // difference.
    subject: NameKey,
    issuer: NameKey,
    key: PublicKey<'a>,
    /// What the issuer signed.
    pub(crate) signed: SignedPart<'a>,
    pub(crate) extensions: Extensions<'a>,
    /// What makes it useless for everybody, whoever signed it.
    ///
    /// Kept and not returned by `parse`: a flaw counts only if the certificate is on a path that is judged.
    pub(crate) flaw: Option<StepRefusal>,
    text: String,
}

impl<'a> Certificate<'a> {
    /// Reads one from DER; what follows it is a fault.
    ///
    /// # Errors
    /// What keeps it from being read at all, in words. What is wrong inside is its [`Self::flaw`].
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, String> {
        let read = match X509Certificate::from_der(der) {
            Ok(([], read)) => read,
            // Bytes after the certificate are under no signature; whoever reads them would trust a stranger.
            Ok(_) => return Err("bytes follow it".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        let outer = Der::new(der).expect(SEQUENCE);
        let frame = outer.and_then(|outer| {
            let (signed, _) = SignedPart::read(&outer)?;
            Some((inner_algorithm(&signed)?, signed))
        });
        let (inner_algorithm, signed) = frame.ok_or("its frame is not DER")?;
        let name = |bytes: &[u8]| NameKey::of(bytes).ok_or("a name in it is not DER");
        let subject = name(read.subject().as_raw())?;
        let issuer = name(read.issuer().as_raw())?;
        let key =
            PublicKey::of(read.tbs_certificate.subject_pki.raw).ok_or("its key is not DER")?;
        let mut extensions = Extensions::default();
        // RFC 5280 §4.1.1.2: the algorithm outside the signature must be the one under it, or an attacker
        // could choose the algorithm by which a signature is checked.
        let one_algorithm = inner_algorithm == signed.algorithm;
        let flaw = flaw(&read, one_algorithm, &mut extensions).err();
        Ok(Self {
            digest: sha256(der),
            subject,
            issuer,
            key,
            signed,
            extensions,
            flaw,
            text: subject_text(read.subject()),
            read,
        })
    }

    /// As the library reads it.
    pub(crate) fn read(&self) -> &X509Certificate<'a> {
        &self.read
    }
    /// SHA-256 of the whole.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
    /// The subject, for comparisons.
    pub(crate) fn subject(&self) -> &NameKey {
        &self.subject
    }
    /// The issuer, for comparisons.
    pub(crate) fn issuer(&self) -> &NameKey {
        &self.issuer
    }
    /// The subject's key.
    pub(crate) fn key(&self) -> &PublicKey<'a> {
        &self.key
    }
    /// Whether subject and issuer are one name.
    ///
    /// Not the same as self-signed: a CA that changes its key issues for its own name (RFC 5280 §3.2).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
    /// Whether it is of X.509 v3: older ones have no extensions.
    pub(crate) fn is_v3(&self) -> bool {
        self.read.version() == X509Version::V3
    }
    /// Whether its keyUsage permits it to sign certificates (RFC 5280 §4.2.1.3); without the extension it does.
    pub(crate) fn signs_certificates(&self) -> bool {
        self.extensions
            .signs
            .is_none_or(|(certificates, _)| certificates)
    }
    /// Whether its keyUsage permits it to sign CRLs; without the extension it does.
    pub(crate) fn signs_crls(&self) -> bool {
        self.extensions.signs.is_none_or(|(_, crls)| crls)
    }
    /// All names that constraints are held against (RFC 5280 §6.1.3 (b)): a subject that is not empty, the mail addresses
    /// in the subject, and subjectAltName.
    pub(crate) fn constrained_names(&self) -> impl Iterator<Item = Name<'_>> {
        let subject = (!self.subject.is_empty()).then(|| Name::Directory(self.subject.clone()));
        // RFC 5280 §4.2.1.10: an emailAddress in the subject is held against rfc822Name constraints, too.
        let mails = self.read.subject().iter_by_oid(&OID_PKCS9_EMAIL_ADDRESS);
        let mails = mails.map(|mail| {
            let mail = mail.as_str().ok();
            mail.map_or(Name::Other(NameForm::Mail), Name::Mail)
        });
        let names = self.alternative_names().iter().map(Name::of);
        subject.into_iter().chain(mails).chain(names)
    }
    /// The entries of subjectAltName.
    fn alternative_names(&self) -> &[GeneralName<'a>] {
        let extension = self
            .extensions
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
    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }
}

/// The content of the AlgorithmIdentifier that stands under the signature, which the library does not return as bytes.
fn inner_algorithm<'a>(signed: &SignedPart<'a>) -> Option<&'a [u8]> {
    let mut fields = signed.part.inside();
    fields.optional(context(0));
    fields.expect(INTEGER)?;
    Some(fields.expect(SEQUENCE)?.content())
}

/// Reads the extensions in one pass, and refuses what makes the certificate useless.
fn flaw<'a>(
    read: &X509Certificate<'a>,
    one_algorithm: bool,
    extensions: &mut Extensions<'a>,
) -> Result<(), StepRefusal> {
    let refuse = |reason: TrustReason, what: &str| {
        let subject = subject_text(read.subject());
        Err(reason.because(format!("{subject}: {what}")))
    };
    if !one_algorithm {
        let what = "it names two signature algorithms, outside and under its signature";
        return refuse(TrustReason::PathInvalid, what);
    }
    let validity = read.validity();
    // Such a certificate is valid at no time; as a flaw it is reported as what it is and not as expired.
    if validity.not_before > validity.not_after {
        let what = "its notAfter is before its notBefore";
        return refuse(TrustReason::PathInvalid, what);
    }
    // A set and not a comparison of each with each: a certificate may have as many extensions as fit into 64
    // KiB.
    let mut seen = HashSet::with_capacity(read.extensions().len());
    let mut unknown = None;
    for (position, extension) in read.extensions().iter().enumerate() {
        // RFC 5280 §4.2 forbids it: of two basicConstraints one reader would take the first, another the
        // last.
        if !seen.insert(extension.oid.as_bytes()) {
            let what = format!("the extension {} occurs twice", extension.oid);
            return refuse(TrustReason::MalformedCertificate, &what);
        }
        match take(extension, position, extensions) {
            Ok(true) => {}
            Ok(false) => {
                // Only remembered: a fault in an extension that is understood is the more useful reason.
                if extension.critical {
                    unknown.get_or_insert(&extension.oid);
                }
            }
            Err(what) => {
                let what = format!("the extension {}: {what}", extension.oid);
                return refuse(TrustReason::MalformedCertificate, &what);
            }
        }
    }
    match unknown {
        Some(oid) => refuse(TrustReason::UnknownCriticalExtension, &oid.to_id_string()),
        None => Ok(()),
    }
}
