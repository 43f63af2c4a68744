//! Why a connection ends, and which side ended it.

/// The reason of the close that follows when trust was withdrawn; the trust's own reason stands beside it in the log.
pub(super) const TRUST_WITHDRAWN: &str = "trust_withdrawn";

/// The end of one connection, with its reason code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// This node closes: what is queued is sent first, as far as the socket takes it, and then a close_notify.
    Local(&'static str),
    /// The remote side closed, or the network did; nothing that is written now would be read.
    Remote(&'static str),
}

impl Ending {
    /// The reason code.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Local(reason) | Self::Remote(reason) => reason,
        }
    }

    /// Which side, as `connection_closed` names it.
    pub(super) fn by(self) -> &'static str {
        match self {
            Self::Local(_) => "us",
            Self::Remote(_) => "them",
        }
    }
}
