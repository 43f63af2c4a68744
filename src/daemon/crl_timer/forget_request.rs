//! An operator's request to have a series of CRLs dropped, and what comes of it.
use crate::trust::SeriesId;
use tokio::sync::oneshot;

/// An operator's wish to have a series dropped.
pub(in crate::daemon) struct Forget {
    /// Its id, or the beginning of it.
    pub(in crate::daemon) id: String,
    /// What comes of it.
    pub(in crate::daemon) reply: oneshot::Sender<Result<Forgotten, Unforgotten>>,
}

/// A series that was dropped.
pub(in crate::daemon) struct Forgotten {
    /// Its whole id.
    pub(in crate::daemon) id: SeriesId,
    /// Whose CRLs they are.
    pub(in crate::daemon) issuer: String,
    /// The highest CRL number that was known of it.
    pub(in crate::daemon) number: Option<String>,
    /// The generation that serves without it.
    pub(in crate::daemon) generation: u64,
}

/// Why none was.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum Unforgotten {
    /// No series has the id.
    #[error("no series of CRLs has this id: sipward crls lists them")]
    Unknown,
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
