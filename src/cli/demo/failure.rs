//! What can go wrong in the demo; each variant names who failed, so that the summary's line is enough to look
//! further.
use crate::daemon::DaemonError;
use sipward_lab::LabError;

/// Why a scenario did not go as it must.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScenarioFailure {
    /// An end did not get what it waited for.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] sipward_lab::pki::PkiError),
    /// A file, a socket or the terminal.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The embedded daemon did not start.
    #[error("the edge does not start: {0}")]
    Daemon(#[from] DaemonError),
    /// It listens nowhere.
    #[error("the edge has no listener")]
    NoListener,
    /// Something was let through that must not be.
    #[error("{what} was not refused")]
    NotRefused {
        /// Who or what.
        what: &'static str,
    },
    /// The request went to an address that no topology names.
    #[error("a third party was reached")]
    ThirdPartyReached,
}
