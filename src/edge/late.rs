//! A TLS 1.3 server's verdict on our certificate, which comes after our own handshake is done (RFC 8446 §4.4.2.4): until
//! then a connection that we made carries requests, but counts for nothing in the log.
use super::failed::Failure;
use super::link::{Ending, Link};
use super::shard::Shard;
use crate::observe::{Event, Shown};
use crate::proxy::Identity;
use crate::reason::{ConnectionReason, Reason};
use rustls::AlertDescription;
use std::sync::Arc;
use std::time::Instant;

/// What is said, and not yet, of a connection whose other side has not spoken.
pub(super) struct Unconfirmed {
    /// `handshake_accepted`.
    pub(super) accepted: Event,
    /// The chain that we showed.
    pub(super) shown: Option<Arc<Shown>>,
    /// Silence until then means that they took it.
    pub(super) until: Instant,
}

/// A keep-alive (RFC 5626 §4.4.1): whoever answers it has taken our certificate, and whoever does not know it skips it
/// (RFC 3261 §7.5).
pub(super) const PING: &[u8] = b"\r\n\r\n";

impl Shard {
    /// They have accepted our certificate: the connection counts from now on.
    pub(super) fn confirmed(&self, link: &Link, unconfirmed: Unconfirmed) {
        self.log.record(unconfirmed.accepted);
        self.count_peer_up(link);
    }

    /// The end of a connection that they have not confirmed: it was a handshake that failed. Gives the reason to back
    /// off; `None`: we ended it, so it counts as accepted and closed.
    pub(super) fn failed_late(
        &self,
        link: &Link,
        ending: Ending,
        unconfirmed: Unconfirmed,
    ) -> Option<Reason> {
        if ending.by == "us" {
            self.confirmed(link, unconfirmed);
            return None;
        }
        let decision = match &link.origin.borrow().identity {
            Identity::Peer(peer) => Some(Arc::clone(peer.decision())),
            Identity::Client => None,
        };
        let failure = match ending
            .alert
            .filter(|alert| *alert != AlertDescription::CloseNotify)
        {
            Some(alert) => Failure::ByPeer { alert, decision },
            None if ending.reason == ConnectionReason::EofWithoutCloseNotify
                || ending.reason == ConnectionReason::CloseNotify =>
            {
                Failure::aborted(ConnectionReason::Closed)
            }
            None => Failure::aborted(ConnectionReason::Reset),
        };
        let reason = failure.reason();
        let fqdn = link.peer.as_deref().unwrap_or_default().to_owned();
        let event = failure.event(
            "outbound",
            link.remote(),
            fqdn.clone(),
            Some(fqdn),
            unconfirmed.shown,
        );
        self.tally.tell(event);
        Some(reason)
    }
}
