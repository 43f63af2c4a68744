//! Which side opened a connection, and for an accepted one through which listener.
use crate::topology::Direction;

/// How a connection came to be. `L` names the listener: by its index where a connection is kept, since a reload may
/// change what stands behind it, and by its entry in the topology where the connection is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened<L> {
    /// The remote side connected to this listener.
    Accepted(L),
    /// This node dialled.
    Dialled,
}

impl<L> Opened<L> {
    /// The same with the listener looked up.
    pub(super) fn map<M>(self, look_up: impl FnOnce(L) -> M) -> Opened<M> {
        match self {
            Self::Accepted(listener) => Opened::Accepted(look_up(listener)),
            Self::Dialled => Opened::Dialled,
        }
    }

    /// The listener of an accepted connection.
    pub fn listener(self) -> Option<L> {
        match self {
            Self::Accepted(listener) => Some(listener),
            Self::Dialled => None,
        }
    }

    /// The direction in which trust decides on it.
    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::Accepted(_) => Direction::Inbound,
            Self::Dialled => Direction::Outbound,
        }
    }
}
