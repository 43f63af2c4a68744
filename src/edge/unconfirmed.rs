//! The time between this node's own end of a TLS 1.3 handshake and the server's verdict on its certificate, which comes
//! after it (RFC 8446 §4.4.2.4): the connection carries requests, but the log does not count it as accepted yet.
use super::ending::Ending;
use super::failed::HandshakeFailure;
use crate::observe::{Event, PresentedChain};
use crate::reason::ConnectionReason;
use crate::trust::Decision;
use rustls::AlertDescription;
use std::sync::Arc;
use std::time::Instant;

/// A keep-alive (RFC 5626 §4.4.1). A server that answers it has accepted the certificate, and one that does not know it
/// skips it as empty lines before a message (RFC 3261 §7.5).
pub(super) const PING: &[u8] = b"\r\n\r\n";

/// What is logged of a dialled connection when the server has sent its first bytes, or its refusal.
pub(super) struct Unconfirmed {
    /// `handshake_accepted`.
    pub(super) accepted: Event,
    /// The chain that was shown to the server.
    pub(super) shown: Option<Arc<PresentedChain>>,
    /// A server that is silent until then counts as content: some answer no ping and send no tickets.
    pub(super) until: Instant,
}

/// The failure of a handshake whose connection ended before the server confirmed it. `None`: this node has closed it,
/// which is no verdict of the server.
pub(super) fn late_failure(
    ending: Ending,
    decision: Option<Arc<Decision>>,
) -> Option<HandshakeFailure> {
    match ending {
        Ending::Local(_) => None,
        Ending::Alert(alert) if alert != AlertDescription::CloseNotify => {
            Some(HandshakeFailure::ByPeer { alert, decision })
        }
        Ending::Alert(_) => Some(HandshakeFailure::aborted(ConnectionReason::Closed)),
        Ending::Remote(reason)
            if reason == ConnectionReason::EofWithoutCloseNotify
                || reason == ConnectionReason::CloseNotify =>
        {
            Some(HandshakeFailure::aborted(ConnectionReason::Closed))
        }
        Ending::Remote(_) => Some(HandshakeFailure::aborted(ConnectionReason::Reset)),
    }
}
