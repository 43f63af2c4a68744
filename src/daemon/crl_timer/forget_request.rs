//! An operator's request to have a series of CRLs dropped, and what comes of it.
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// An operator's wish to have a series dropped.
pub(in crate::daemon) struct Forget {
    /// Its id, or the beginning of it.
    pub(in crate::daemon) id: String,
    /// What comes of it.
    pub(in crate::daemon) reply: oneshot::Sender<Result<ForgottenCrls, Unforgotten>>,
}

/// A series that was dropped: what the control socket answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenCrls {
    /// Its whole id.
    pub id: String,
    /// The CRLs' issuer.
    pub issuer: String,
    /// The highest CRL number that was known.
    pub number: Option<String>,
    /// The generation that serves without it.
    pub generation: u64,
}

/// Why none was.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum Unforgotten {
    /// No series has the id.
    #[error("no series of CRLs has this id: sipward crls lists them")]
    Unknown,
    /// Too few characters to mean one.
    #[error("give at least 8 characters of the id: sipward crls lists them")]
    TooShort,
    /// Several have it.
    #[error("several series begin like this: name the whole id")]
    Ambiguous,
    /// It is in force no more, but the state directory holds it.
    #[error("what the state directory holds of it cannot be removed: {0}")]
    Kept(std::io::Error),
    /// The shards did not take the new generation.
    #[error("a shard does not answer")]
    NoAnswer,
}
