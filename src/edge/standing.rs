//! Whether a live connection may stay under a generation: one rule for judging again after a change and for `plan`.
use crate::topology::Accept;
use crate::topology::Direction;
use crate::trust::{Decision, Generation, PeerId, Presented, Reason, decide};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through a listener that accepts these by now; `None`: the topology has no such listener any more.
    Listener(Option<Accept>),
    /// We dialled.
    Dialled,
}

/// What is known of a live connection.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// How it came to be.
    pub way: Way,
    /// FQDN of the peer that it was accepted for; `None`: a client.
    pub peer: Option<&'a str>,
    /// What they presented.
    pub chain: &'a [CertificateDer<'a>],
    /// The leaf that we have shown, if we dialled.
    pub shown: Option<&'a CertificateDer<'a>>,
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub enum Standing {
    /// A client goes on.
    Client,
    /// A peer goes on.
    Peer(PeerId),
    /// It may not stay, for this reason code; with the decision that is about somebody else or refuses, if there is one.
    Lost(&'static str, Option<Arc<Decision>>),
}

impl Held<'_> {
    /// Judges it by `generation` at the time `at`.
    pub fn standing(&self, generation: &Generation, at: UnixTime) -> Standing {
        let topology = generation.topology();
        let accept = match self.way {
            Way::Listener(None) => return Standing::Lost("listener_removed", None),
            Way::Listener(accept) => accept,
            Way::Dialled => None,
        };
        let Some(fqdn) = self.peer else {
            return match accept {
                Some(accept) if accept.clients() => Standing::Client,
                Some(_) | None => Standing::Lost("client_not_accepted", None),
            };
        };
        if accept.is_some_and(|a| !a.peers()) {
            return Standing::Lost("peer_not_accepted", None);
        }
        let (direction, expected) = match self.way {
            Way::Listener(_) => (Direction::Inbound, None),
            Way::Dialled => match topology.peer_by_fqdn(fqdn) {
                Some(peer) => (Direction::Outbound, Some(peer)),
                None => return Standing::Lost(Reason::NotInTopology.code(), None),
            },
        };
        let presented = Presented {
            chain: self.chain,
            expected,
            staple: None,
        };
        let identity = match decide(&presented, direction, generation, at) {
            Ok(identity) => identity,
            Err(decision) => return Standing::Lost(decision.reason.code(), Some(decision)),
        };
        // It stands, but for somebody else: what runs on it was somebody else's.
        if identity.decision().peer_fqdn.as_deref() != Some(fqdn) {
            return Standing::Lost("identity_changed", Some(Arc::clone(identity.decision())));
        }
        if let (Some(shown), Some(peer)) = (self.shown, expected) {
            let ours = topology.identity_at(topology.peer(peer).identity, at);
            let ours = topology.identity(ours);
            let now_shown = ours.client.as_ref().unwrap_or(&ours.server).chain.first();
            if now_shown != Some(shown) {
                return Standing::Lost("own_certificate_replaced", None);
            }
        }
        Standing::Peer(identity)
    }
}
