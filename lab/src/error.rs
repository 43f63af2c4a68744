//! What can go wrong at a lab end; a wait that runs out shows the whole transcript.
use std::fmt;
use std::io;
use std::time::Duration;

/// Why an end could not do its part.
#[derive(thiserror::Error)]
pub enum LabError {
    /// What was waited for did not come in time.
    #[error("{end} waited {seconds} s in vain for {awaited}\n{transcript}")]
    Timeout {
        /// The end that waited.
        end: String,
        /// For what.
        awaited: String,
        /// How long.
        seconds: u64,
        /// Everything that was sent and received until then.
        transcript: String,
    },
    /// Another answer came than the one waited for.
    #[error("{end} waited for {awaited} and got {got}\n{transcript}")]
    Unexpected {
        /// The end that waited.
        end: String,
        /// For what.
        awaited: String,
        /// The start line that came.
        got: String,
        /// Everything that was sent and received until then.
        transcript: String,
    },
    /// There is no live connection to send on.
    #[error("{end} has no live connection to send on\n{transcript}")]
    NoConnection {
        /// The end.
        end: String,
        /// Everything that was sent and received until then.
        transcript: String,
    },
    /// A message lacks a field that the dialog needs.
    #[error("the message has no usable {field}: {start}")]
    Incomplete {
        /// The field.
        field: &'static str,
        /// Its start line.
        start: String,
    },
    /// A connection could not be made or a socket not be had.
    #[error("{end}: cannot {what}: {source}")]
    Io {
        /// The end.
        end: String,
        /// What was tried.
        what: &'static str,
        /// The error of the system or of the TLS library.
        source: io::Error,
    },
    /// Certificates or keys that the TLS library does not take.
    #[error("certificates are not usable: {source}")]
    Tls {
        /// The library's error.
        #[from]
        source: rustls::Error,
    },
    /// A certificate or CRL that could not be made.
    #[error(transparent)]
    Pki(#[from] super::pki::PkiError),
    /// Trust anchors that cannot be used.
    #[error("trust anchors are not usable: {source}")]
    Anchors {
        /// The library's error.
        #[from]
        source: rustls::server::VerifierBuilderError,
    },
}

impl LabError {
    /// A wait of `end` that ran out.
    pub(crate) fn timeout(
        end: &str,
        awaited: String,
        patience: Duration,
        transcript: String,
    ) -> Self {
        Self::Timeout {
            end: end.to_owned(),
            awaited,
            seconds: patience.as_secs(),
            transcript,
        }
    }

    /// For `map_err`: what `end` tried when the system or the TLS library refused.
    pub(crate) fn io(end: &str, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let end = end.to_owned();
        move |source| Self::Io { end, what, source }
    }
}

/// A test that unwraps shows the sentence with its line ends, not an escaped struct.
impl fmt::Debug for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
