//! Bytes of a certificate as text for logs and explanations.
pub(crate) use crate::topology::subject_text;
use std::fmt::Write as _;

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
