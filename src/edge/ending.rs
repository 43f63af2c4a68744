//! Why a connection ends, and which side ended it.
use super::alert::alert_reason;
use crate::observe::ClosedBy;
use crate::reason::{ConnectionReason, Reason};
use rustls::AlertDescription;

/// The end of one connection, with its reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// This node closes: what is queued is sent first, as far as the socket takes it, and then a close_notify.
    Local(Reason),
    /// The remote side closed, or the network did; nothing that is written now would be read.
    Remote(Reason),
    /// The remote side closed with a fatal alert, which counts as a refusal while the handshake is not confirmed.
    Alert(AlertDescription),
}

impl Ending {
    /// This node closes for this reason.
    pub(super) fn local(reason: impl Into<Reason>) -> Self {
        Self::Local(reason.into())
    }

    /// The remote side is gone for this reason.
    pub(super) fn remote(reason: ConnectionReason) -> Self {
        Self::Remote(reason.into())
    }

    /// The reason code.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Local(reason) | Self::Remote(reason) => reason,
            Self::Alert(alert) => alert_reason(alert).into(),
        }
    }

    /// Which side it was.
    pub(super) fn closed_by(self) -> ClosedBy {
        match self {
            Self::Local(_) => ClosedBy::Local,
            Self::Remote(_) | Self::Alert(_) => ClosedBy::Remote,
        }
    }
}
