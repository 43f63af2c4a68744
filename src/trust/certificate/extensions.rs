//! What the extensions of a certificate say that a path is judged by (RFC 5280 §4.2).
use crate::trust::certificate::{constraints::Constraints, purposes::KeyPurposes};
use x509_parser::extensions::{ParsedExtension, X509Extension};

/// The extensions that a path is judged by, all below id-ce (2.5.29); critical or not, they are acted upon.
// Only the last byte of the object identifier 2.5.29.x, which all extensions of RFC 5280 §4.2.1 share.
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

/// What the extensions say.
#[derive(Default)]
pub(crate) struct Extensions<'a> {
    /// Position of subjectAltName among the extensions.
    pub(crate) names_at: Option<usize>,
    pub(crate) authority: bool,
    /// How many intermediates that are not self-issued may stand between it and a leaf.
    pub(crate) path_length: Option<u32>,
    /// Whether keyCertSign and cRLSign are asserted, where there is a keyUsage.
    pub(crate) signs: Option<(bool, bool)>,
    pub(crate) purposes: Option<KeyPurposes>,
    /// The names that it permits and excludes below it (RFC 5280 §4.2.1.10).
    pub(crate) constraints: Option<Constraints>,
    pub(crate) subject_key: Option<&'a [u8]>,
    pub(crate) authority_key: Option<&'a [u8]>,
}

/// Takes what an extension extensions; `false` for one that nothing here acts upon.
///
/// The key identifiers, which only hint, count as unknown where they are critical, as no CA may mark them (RFC 5280
/// §4.2.1.1 and §4.2.1.2).
pub(crate) fn take<'a>(
    extension: &X509Extension<'a>,
    position: usize,
    extensions: &mut Extensions<'a>,
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
    match (*number, parsed) {
        (BASIC_CONSTRAINTS, ParsedExtension::BasicConstraints(basic)) => {
            extensions.authority = basic.ca;
            extensions.path_length = basic.path_len_constraint.filter(|_| basic.ca);
        }
        (KEY_USAGE, ParsedExtension::KeyUsage(usage)) => {
            extensions.signs = Some((usage.key_cert_sign(), usage.crl_sign()));
        }
        (EXTENDED_KEY_USAGE, ParsedExtension::ExtendedKeyUsage(usages)) => {
            extensions.purposes = Some(KeyPurposes::of(usages));
        }
        (ALTERNATIVE_NAME, ParsedExtension::SubjectAlternativeName(_)) => {
            extensions.names_at = Some(position);
        }
        // An extension of these that cannot be read is a fault of the certificate and never the same as a
        // missing one: a missing one widens what the certificate may do.
        (BASIC_CONSTRAINTS | KEY_USAGE | EXTENDED_KEY_USAGE | ALTERNATIVE_NAME, _) => {
            return Err(unreadable());
        }
        (NAME_CONSTRAINTS, _) => extensions.constraints = Some(Constraints::read(extension.value)?),
        (SUBJECT_KEY_ID, ParsedExtension::SubjectKeyIdentifier(id)) => {
            extensions.subject_key = Some(id.0);
            return Ok(false);
        }
        (AUTHORITY_KEY_ID, ParsedExtension::AuthorityKeyIdentifier(id)) => {
            extensions.authority_key = id.key_identifier.as_ref().map(|id| id.0);
            return Ok(false);
        }
        // Read when revocation is checked, and accepted as critical because they are acted upon then.
        (DISTRIBUTION_POINTS, _) => {}
        (known, _) if POLICIES.contains(&known) => {}
        _ => return Ok(false),
    }
    Ok(true)
}
