//! Text of a certificate for logs and explanations: bounded, and without characters that steer a terminal.
use crate::topology::printable;
use std::fmt::Write as _;
use x509_parser::x509::{RelativeDistinguishedName, X509Name};

/// Characters of a subject that are kept for logs.
const MAX_SUBJECT: usize = 200;

/// Attributes of a subject that are written out for logs.
const MAX_ATTRIBUTES: usize = 32;

/// A distinguished name as text that any log line can hold. Of one with very many attributes only the first are written.
pub(crate) fn subject_text(name: &X509Name<'_>) -> String {
    // Writing a name out costs time that grows with its attributes, and strangers choose how many there are.
    let few = name.iter_attributes().nth(MAX_ATTRIBUTES).is_none();
    let text = if few {
        name.to_string()
    } else {
        let first = name.iter_attributes().take(MAX_ATTRIBUTES).cloned();
        let rdns = first.map(|attribute| RelativeDistinguishedName::from_iter([attribute]));
        X509Name::from_iter(rdns).to_string()
    };
    printable(&text, MAX_SUBJECT)
}

/// Bytes in lower-case hex, as fingerprints are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
