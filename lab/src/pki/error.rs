//! What can go wrong when certificates, keys and CRLs are made and written.
use std::path::PathBuf;

/// Why a certificate, key, CRL or file of the lab could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A value cannot be encoded, or signing failed.
    #[error("the lab certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system returned no random bytes.
    #[error("no random bytes for a serial number")]
    Random,
    /// A certificate of the lab's own cannot be read back, where something has to be taken from it.
    #[error("a certificate of the lab cannot be read")]
    Unreadable,
    /// A date is outside what X.509 can say.
    #[error("{0} seconds from now is no date that X.509 can hold")]
    Date(i64),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}
