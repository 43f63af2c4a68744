//! Whether a live connection may stay under a generation: one rule for judging again after a change and for `plan`.
use crate::reason::{ConnectionReason, Reason};
use crate::topology::{Direction, Listener};
use crate::trust::{
    Admitted, ClientId, Decision, Generation, PeerId, Presented, TrustReason, decide,
    decide_inbound,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// How a connection came to be.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// Through a listener, as it is by now; `None`: the topology has no such listener any more.
    Listener(Option<&'a Listener>),
    /// We dialled.
    Dialled,
}

/// What is known of a live connection.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// How it came to be.
    pub way: Way<'a>,
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
    /// A client goes on; with what is made of the certificate that it has shown, if it has.
    Client(Option<ClientId>),
    /// A peer goes on.
    Peer(PeerId),
    /// It may not stay, for this reason code; with the decision that is about somebody else or refuses, if there is one.
    Lost(Reason, Option<Arc<Decision>>),
}

impl Held<'_> {
    /// Judges it by `generation` at the time `at`.
    pub fn standing(&self, generation: &Generation, at: UnixTime) -> Standing {
        let topology = generation.topology();
        let listener = match self.way {
            Way::Listener(None) => {
                return Standing::Lost(ConnectionReason::ListenerRemoved.into(), None);
            }
            Way::Listener(Some(listener)) => Some(listener),
            Way::Dialled => None,
        };
        let Some(fqdn) = self.peer else {
            return self.clients_standing(listener, generation, at);
        };
        if listener.is_some_and(|l| !l.accept.peers()) {
            return Standing::Lost(ConnectionReason::PeerNotAccepted.into(), None);
        }
        let (direction, expected) = match self.way {
            Way::Listener(_) => (Direction::Inbound, None),
            Way::Dialled => match topology.peer_by_fqdn(fqdn) {
                Some(peer) => (Direction::Outbound, Some(peer)),
                None => return Standing::Lost(TrustReason::NotInTopology.into(), None),
            },
        };
        let presented = Presented {
            chain: self.chain,
            expected,
            staple: None,
        };
        let identity = match decide(&presented, direction, generation, at) {
            Ok(identity) => identity,
            Err(decision) => return Standing::Lost(decision.reason.into(), Some(decision)),
        };
        // It stands, but for somebody else: what runs on it was somebody else's.
        if identity.decision().peer_fqdn.as_deref() != Some(fqdn) {
            return Standing::Lost(
                ConnectionReason::IdentityChanged.into(),
                Some(Arc::clone(identity.decision())),
            );
        }
        if let (Some(shown), Some(peer)) = (self.shown, expected) {
            let ours = topology.identity_at(topology.peer(peer).identity, at);
            let ours = topology.identity(ours);
            let now_shown = ours.client.as_ref().unwrap_or(&ours.server).chain.first();
            if now_shown != Some(shown) {
                return Standing::Lost(ConnectionReason::OwnCertificateReplaced.into(), None);
            }
        }
        Standing::Peer(identity)
    }

    /// What becomes of a client: without a certificate the listener alone says, with one the decision.
    fn clients_standing(
        &self,
        listener: Option<&Listener>,
        generation: &Generation,
        at: UnixTime,
    ) -> Standing {
        let Some(listener) = listener.filter(|l| l.accept.clients()) else {
            return Standing::Lost(ConnectionReason::ClientNotAccepted.into(), None);
        };
        if self.chain.is_empty() {
            return if listener.client_certificates.are_required() {
                Standing::Lost(TrustReason::NoCertificate.into(), None)
            } else {
                Standing::Client(None)
            };
        }
        match decide_inbound(self.chain, listener, generation, at) {
            Ok(Admitted::Client(client)) => Standing::Client(Some(client)),
            // It was a client's, and would be a server's now: what runs on it was the client's.
            Ok(Admitted::Peer(peer)) => Standing::Lost(
                ConnectionReason::IdentityChanged.into(),
                Some(Arc::clone(peer.decision())),
            ),
            Err(decision) => Standing::Lost(decision.reason.into(), Some(decision)),
        }
    }
}
