//! Serial numbers of certificates (RFC 5280 §4.1.2.2).
use super::PkiError;

/// A certificate's serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial(pub(crate) Vec<u8>);

impl Serial {
    /// One of a series that no certificate of a lab has: what fills a large CRL.
    pub fn filler(number: u64) -> Self {
        let mut bytes = vec![0x7e; 8];
        bytes.extend(number.to_be_bytes());
        Self(bytes)
    }

    /// A new one of 16 bytes. The top bit is clear, so that DER reads it as positive, and the next one set,
    /// so that no leading zero has to be dropped.
    pub(super) fn random() -> Result<Self, PkiError> {
        let mut bytes = [0u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PkiError::Random)?;
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        Ok(Self(bytes.to_vec()))
    }
}
