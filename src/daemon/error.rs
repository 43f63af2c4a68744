//! Why the daemon does not run.
use super::control::Unavailable;
use super::warnings::lines;
use crate::edge::EdgeError;
use crate::topology::Fault;

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The topology cannot be used.
    #[error("{}", lines(.0))]
    Topology(Vec<Fault>),
    /// Sockets or threads cannot be had.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The control socket that the topology names cannot be had.
    #[error(transparent)]
    Control(#[from] Unavailable),
    /// A listener does not show what it should, in a trial before anything is accepted.
    #[error("the self-check fails: {0}")]
    Trial(String),
    /// The process has no runtime or signals.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}
