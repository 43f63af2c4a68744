//! A scene of the demo: what it is called, who stands in its ladder, and what is played.
use super::stage::Stage;
use crate::lab::LabError;
use std::pin::Pin;

/// What a scene does; it gives the sentence for the summary.
pub(super) type Play<'s> = Pin<Box<dyn Future<Output = Result<String, SceneError>> + 's>>;

/// One row of the programme.
pub(super) struct Scene {
    /// Its heading.
    pub(super) title: &'static str,
    /// The ladder's columns from left to right.
    pub(super) columns: &'static [&'static str],
    /// The play itself.
    pub(super) play: for<'s> fn(&'s mut Stage) -> Play<'s>,
}

/// Why a scene did not go as it must.
#[derive(Debug, thiserror::Error)]
pub(super) enum SceneError {
    /// An end did not get what it waited for.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] crate::lab::pki::LabError),
    /// A file, a socket or the terminal.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The embedded daemon did not start.
    #[error("the edge does not start: {0}")]
    Daemon(String),
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
