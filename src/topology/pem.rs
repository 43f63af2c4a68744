//! Certificates, keys and CRLs from PEM (RFC 7468) or DER files: whatever a file holds is read or reported.
//!
//! rustls-pemfile is archived upstream (RUSTSEC-2025-0134, unmaintained, acknowledged in deny.toml), so nothing but
//! `armour` uses it. Its successor is `rustls_pki_types::pem::PemObject`.
use super::armour::{MOST_OBJECTS, PemSection, sections};
use super::der::{Der, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME};
use super::pem_error::PemError;
use rustls_pemfile::Item;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a file is read for decides what may stand beside it. A private key among anchors is a secret in
/// a file that others may read; a CRL among anchors has no effect, and would be missed only when a
/// revoked certificate is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A chain; a private key may stand beside it, as in the files of many servers.
    Chain,
    /// Anchors and nothing else.
    Anchors,
    /// Anchors in a file that is named for its CRLs as well.
    AnchorsBesideCrls,
    /// CRLs; certificates may stand beside them.
    Crls,
    /// The private key; certificates may stand beside it.
    Key,
}

/// What a section is by its label.
///
/// By label only. What the bytes are is found out when they are decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ObjectKind {
    Certificate,
    /// A certificate with OpenSSL's trust settings behind it.
    TrustedCertificate,
    Crl,
    Key,
    EncryptedKey,
    /// Certificates and CRLs in a form that is not read.
    Bundle,
    /// What belongs to a key or a certificate and is of no use.
    Harmless,
    Unknown,
}

impl ObjectKind {
    /// RFC 7468 §5 to §13, and the labels of OpenSSL (`pem.h`).
    ///
    /// Labels that no program writes any more, such as `X509 CERTIFICATE`, are still in files that were
    /// made long ago and are renewed by appending.
    fn of(label: &str) -> Self {
        match label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" => Self::Certificate,
            "TRUSTED CERTIFICATE" => Self::TrustedCertificate,
            "X509 CRL" | "CRL" => Self::Crl,
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Self::Key,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedKey,
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Self::Bundle,
            // Programs write these beside a key without being asked; they hold nothing that is used
            // here.
            "EC PARAMETERS"
            | "DH PARAMETERS"
            | "X9.42 DH PARAMETERS"
            | "PUBLIC KEY"
            | "RSA PUBLIC KEY"
            | "CERTIFICATE REQUEST"
            | "NEW CERTIFICATE REQUEST" => Self::Harmless,
            _ => Self::Unknown,
        }
    }
}

/// The certificates of a file, in its order; at least one.
///
/// For callers outside of loading, such as `explain` and `probe`.
///
/// # Errors
/// Why the file does not hold what it should.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    certificates_for(file, Wanted::Chain)
}

/// The certificates of a file that is read for this; at least one.
///
/// In the order of the file, which matters for a chain. A file without any certificate is an error: an
/// empty anchors file would make every peer of the set unreachable without a word.
pub(super) fn certificates_for(
    file: &[u8],
    wanted: Wanted,
) -> Result<Vec<CertificateDer<'static>>, PemError> {
    // With the marker, so that the operator sees what to look for in the file.
    let nothing = PemError::Nothing("certificate (-----BEGIN CERTIFICATE-----)");
    let text = match content(file)? {
        Content::Der(objects) => {
            // DER has no labels, so everything in the file must be what is wanted.
            let all = objects.into_iter().map(|object| match kind_of(object) {
                Some(ObjectKind::Certificate) => Ok(CertificateDer::from(object.to_vec())),
                _ => Err(wrong_der(object)),
            });
            return all.collect();
        }
        // Text is walked section by section; a file may hold thousands of CAs.
        Content::Text(text) => text,
    };
    let mut found = Vec::new();
    for section in sections(text)? {
        let kind = ObjectKind::of(&section.label);
        if kind == ObjectKind::Certificate {
            found.push(certificate(&section)?);
        } else if kind == ObjectKind::TrustedCertificate {
            found.push(without_settings(&section)?);
        } else {
            pass_over(&section, kind, wanted)?;
        }
    }
    if found.is_empty() {
        Err(nothing)
    } else {
        Ok(found)
    }
}

/// The CRLs of a file; at least one, and at most `most`.
///
/// Takes the file by value: a CRL in DER is often tens of megabytes, and is then the whole file.
pub(super) fn crls(file: Vec<u8>, most: usize) -> Result<Vec<Vec<u8>>, PemError> {
    let too_many = PemError::TooMany(most, "CRLs");
    let text = match content(&file)? {
        Content::Der(objects) => {
            // What kind of SEQUENCE it is its reader finds out: the one of CRLs has a more precise message.
            return Ok(match objects[..] {
                // The usual case; nothing is copied.
                [_] => vec![file],
                _ if objects.len() > most => return Err(too_many),
                _ => objects.into_iter().map(<[u8]>::to_vec).collect(),
            });
        }
        Content::Text(text) => text,
    };
    let mut found = Vec::new();
    for section in sections(text)? {
        let kind = ObjectKind::of(&section.label);
        // A CRL under the label of a certificate would otherwise be passed over as a certificate that
        // stands beside the CRLs.
        if kind != ObjectKind::Crl {
            // What is passed over must be what its label claims.
            if kind == ObjectKind::Certificate && is_crl(certificate(&section)?.as_ref()) {
                return Err(section
                    .broken("it is a CRL, which stands between BEGIN X509 CRL and END X509 CRL"));
            }
            pass_over(&section, kind, Wanted::Crls)?;
            continue;
        }
        match section.decode("X509 CRL")? {
            Some(Item::Crl(_)) if found.len() >= most => return Err(too_many),
            Some(Item::Crl(der)) => found.push(der.to_vec()),
            // The decoder passes over what it does not know. A CRL that an operator put here is used or
            // reported: one that is passed over would leave a revoked certificate accepted.
            _ => return Err(section.broken("it cannot be read")),
        }
    }
    if found.is_empty() {
        return Err(PemError::Nothing("CRL (-----BEGIN X509 CRL-----)"));
    }
    Ok(found)
}

/// The one private key of a file.
///
/// Exactly one: with two it would have to be guessed which belongs to the chain.
///
/// # Errors
/// Why the file does not hold what it should.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let nothing = PemError::Nothing("private key (-----BEGIN PRIVATE KEY-----)");
    let text = match content(file)? {
        Content::Der(objects) => {
            return match objects[..] {
                [key] if kind_of(key) == Some(ObjectKind::EncryptedKey) => {
                    Err(PemError::Passphrase)
                }
                [key] => PrivateKeyDer::try_from(key.to_vec()).map_err(|_| wrong_der(key)),
                _ => Err(nothing),
            };
        }
        Content::Text(text) => text,
    };
    // All sections are looked at, so that a second key is noticed.
    let mut found: Option<PrivateKeyDer<'static>> = None;
    for section in sections(text)? {
        let kind = ObjectKind::of(&section.label);
        // A daemon that starts at night has nobody to type a passphrase.
        if kind == ObjectKind::EncryptedKey || kind == ObjectKind::Key && section.encrypted {
            return Err(PemError::Passphrase);
        }
        if kind != ObjectKind::Key {
            pass_over(&section, kind, Wanted::Key)?;
            continue;
        }
        let key = key(&section)?;
        if found.replace(key).is_some() {
            return Err(PemError::SeveralKeys);
        }
    }
    found.ok_or(nothing)
}

/// PKCS #8, PKCS #1 or SEC 1, by the label; all three are in use.
fn key(section: &PemSection) -> Result<PrivateKeyDer<'static>, PemError> {
    match section.decode(&section.label)? {
        Some(Item::Pkcs1Key(key)) => Ok(PrivateKeyDer::from(key)),
        Some(Item::Pkcs8Key(key)) => Ok(PrivateKeyDer::from(key)),
        Some(Item::Sec1Key(key)) => Ok(PrivateKeyDer::from(key)),
        _ => Err(section.broken("it cannot be read")),
    }
}

/// Some programs write another label for the same thing, so it is decoded under the usual one.
fn certificate(section: &PemSection) -> Result<CertificateDer<'static>, PemError> {
    match section.decode("CERTIFICATE")? {
        Some(Item::X509Certificate(der)) => Ok(der),
        _ => Err(section.broken("it cannot be read")),
    }
}

/// A certificate of OpenSSL's own kind. Its trust settings may say that it is not to be trusted for something: nobody
/// here would follow them, so they must not be there.
fn without_settings(section: &PemSection) -> Result<CertificateDer<'static>, PemError> {
    let der = certificate(section)?;
    match elements(der.as_ref())? {
        // Without settings behind it, it is an ordinary certificate under another label.
        Some(parts) if parts.len() == 1 => Ok(der),
        _ => Err(not_read(
            section,
            "it carries trust settings that only OpenSSL follows: openssl x509 -in FILE -out NEW writes it without",
        )),
    }
}

/// Decides of a section that holds nothing of what is wanted.
///
/// Everything that is not listed here is refused, with what to do about it: whatever an operator put
/// into a file was meant to count.
fn pass_over(section: &PemSection, kind: ObjectKind, wanted: Wanted) -> Result<(), PemError> {
    let reading_keys = wanted == Wanted::Key;
    // The arms go from what may stand there to what may not; a kind that is wanted never comes here.
    let remedy = match kind {
        ObjectKind::Harmless => return Ok(()),
        ObjectKind::Certificate | ObjectKind::TrustedCertificate
            if matches!(wanted, Wanted::Crls | Wanted::Key) =>
        {
            return Ok(());
        }
        ObjectKind::Key | ObjectKind::EncryptedKey
            if matches!(wanted, Wanted::Chain | Wanted::Key) =>
        {
            return Ok(());
        }
        ObjectKind::Crl if matches!(wanted, Wanted::AnchorsBesideCrls | Wanted::Crls) => {
            return Ok(());
        }
        ObjectKind::Key | ObjectKind::EncryptedKey => {
            "remove the private key from this file: anchors and CRLs need none"
        }
        ObjectKind::Crl => "name the CRL's file in `crls` of the trust set: here it has no effect",
        ObjectKind::Bundle => {
            "write what is in it as sections of their own: openssl pkcs7 -in FILE -print_certs -out NEW"
        }
        ObjectKind::Unknown if reading_keys && section.label.ends_with("PRIVATE KEY") => {
            "convert it: openssl pkey -in FILE -out NEW, or ssh-keygen -p -m PEM for a key of OpenSSH"
        }
        ObjectKind::Unknown | ObjectKind::Certificate | ObjectKind::TrustedCertificate => {
            "remove this section, or correct its BEGIN and END"
        }
    };
    Err(not_read(section, remedy))
}

/// The label is shown as it stands in the file, since that is what the operator has to look for.
fn not_read(section: &PemSection, remedy: &'static str) -> PemError {
    PemError::NotRead {
        line: section.line,
        label: section.label.clone(),
        remedy,
    }
}

/// What a file is made of.
///
/// Found by the first bytes: names of files are no reliable sign.
enum Content<'f> {
    /// CAs publish certificates and CRLs in DER too: SEQUENCEs, one after the other.
    Der(Vec<&'f [u8]>),
    /// PEM, without a byte order mark.
    Text(&'f [u8]),
}

/// What is neither PEM nor DER is named as precisely as possible. Files from Windows in UTF-16, PKCS
/// #12 and compressed files are what operators put here by mistake.
fn content(file: &[u8]) -> Result<Content<'_>, PemError> {
    // 0x30 is also the digit 0, so a text may begin with it.
    if file.first() == Some(&SEQUENCE) {
        if let Some(objects) = elements(file)? {
            return match objects.first() {
                Some(first) if is_pkcs12(first) => Err(pkcs12()),
                _ => Ok(Content::Der(objects)),
            };
        }
        // Text may begin with the digit that a SEQUENCE begins with.
        if !file.iter().take(64).all(is_text) {
            return Err(match file {
                // An indefinite length is BER; of the files that end up here only PKCS #12 is written
                // so.
                [_, 0x80, ..] => pkcs12(),
                _ => PemError::NotReadAtAll {
                    what: "DER that is cut off, or has something behind its end",
                    remedy: "fetch or export it anew",
                },
            });
        }
    }
    // Byte order marks of UTF-16, either way.
    let marked = file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]);
    // Of the bytes of ASCII in UTF-16 every second is zero.
    let pairs = file.chunks_exact(2).take(32);
    let wide = pairs
        .clone()
        .all(|pair| matches!(pair, [0, low] | [low, 0] if is_text(low)));
    let binary = file.iter().take(64).any(|octet| *octet == 0);
    // Zeros in other places than every second byte are in no text.
    if binary && !marked && !(wide && pairs.len() > 0) || file.starts_with(&[0x1f, 0x8b]) {
        return Err(PemError::NotReadAtAll {
            what: match file {
                [0x1f, 0x8b, ..] => "neither PEM nor DER, but compressed by gzip",
                _ => "neither PEM nor DER, nor any text",
            },
            remedy: "put the file itself in place, as PEM or DER; file FILE may say what this is",
        });
    }
    if marked || binary {
        return Err(PemError::NotReadAtAll {
            what: "neither PEM nor DER; some programs of Windows write PEM in UTF-16",
            remedy: "save it as ASCII or UTF-8: iconv -f UTF-16 -t ASCII FILE",
        });
    }
    Ok(Content::Text(
        file.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(file),
    ))
}

fn is_text(octet: &u8) -> bool {
    octet.is_ascii_graphic() || octet.is_ascii_whitespace()
}

/// The SEQUENCEs that bytes consist of, at most [`MOST_OBJECTS`]; `None` if there is something else.
///
/// Several may follow each other without anything between them.
fn elements(octets: &[u8]) -> Result<Option<Vec<&[u8]>>, PemError> {
    let mut walk = Der::new(octets);
    let mut found = Vec::new();
    while !walk.is_empty() {
        if found.len() >= MOST_OBJECTS {
            return Err(PemError::TooMany(MOST_OBJECTS, "objects"));
        }
        let Some(object) = walk.expect(SEQUENCE) else {
            return Ok(None);
        };
        found.push(object.whole());
    }
    Ok(Some(found))
}

/// What DER is, from its first elements.
///
/// A guess that is good enough for a message: only a certificate is taken on the strength of it, and
/// that is parsed afterwards.
fn kind_of(object: &[u8]) -> Option<ObjectKind> {
    let mut whole = Der::new(object).expect(SEQUENCE)?.inside();
    let first = whole.next()?;
    let second = whole.next()?;
    match (first.tag, second.tag) {
        (INTEGER, _) => Some(ObjectKind::Key),
        (OID, _) => Some(ObjectKind::Bundle),
        (SEQUENCE, OCTET_STRING) => Some(ObjectKind::EncryptedKey),
        (SEQUENCE, SEQUENCE) => Some(ObjectKind::Certificate),
        _ => None,
    }
}

/// Whether it begins as a CRL does (RFC 5280 §5.1): behind version, algorithm and issuer stands a time, where a
/// certificate has its validity.
fn is_crl(object: &[u8]) -> bool {
    let time = || {
        let signed = Der::new(object)
            .expect(SEQUENCE)?
            .inside()
            .expect(SEQUENCE)?;
        let mut fields = signed.inside();
        fields.optional(INTEGER);
        fields.expect(SEQUENCE)?;
        fields.expect(SEQUENCE)?;
        fields.next()
    };
    time().is_some_and(|time| matches!(time.tag, UTC_TIME | GENERALIZED_TIME))
}

/// RFC 7292 §4: version 3 and a ContentInfo.
///
/// A PKCS #8 key begins with an INTEGER, too; its version is 0 or 1.
fn is_pkcs12(object: &[u8]) -> bool {
    let version = || {
        let mut parts = Der::new(object).expect(SEQUENCE)?.inside();
        let version = parts.expect(INTEGER)?;
        parts.expect(SEQUENCE).map(|_| version.content())
    };
    version() == Some(&[3])
}

/// Both halves of the way out: chain and key are two files for sipward.
fn pkcs12() -> PemError {
    PemError::NotReadAtAll {
        what: "a PKCS #12 file",
        remedy: "write chain and key apart: openssl pkcs12 -in FILE -nokeys -out CHAIN, then -nocerts -nodes -out KEY",
    }
}

/// Why DER is not what was wanted.
///
/// In DER nothing is passed over, so the message is about the object itself.
fn wrong_der(object: &[u8]) -> PemError {
    let (what, remedy) = match kind_of(object) {
        Some(ObjectKind::Key) => ("a private key in DER", "name the certificate's file here"),
        Some(ObjectKind::EncryptedKey) => return PemError::Passphrase,
        Some(ObjectKind::Bundle) => (
            "PKCS #7 in DER",
            "write what is in it as PEM: openssl pkcs7 -inform DER -in FILE -print_certs -out NEW",
        ),
        Some(ObjectKind::Certificate) => {
            ("a certificate or a CRL in DER", "name the key's file here")
        }
        _ => (
            "DER of another kind",
            "name a PEM file with the right contents (openssl asn1parse -inform DER -in FILE shows what it is)",
        ),
    };
    PemError::NotReadAtAll { what, remedy }
}

#[cfg(test)]
mod tests;
