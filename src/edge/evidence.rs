//! Whether a live connection may stay under a generation: one rule for evaluating it again after a change and for `plan`.
use super::opened::Opened;
use crate::reason::{ConnectionReason, Reason, TrustReason};
use crate::topology::{Direction, DnsName, Listener};
use crate::trust::{
    Admitted, ClientId, Decision, Generation, PeerId, Presented, decide, decide_inbound,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// What is known of a live connection: enough to decide on it as if it came now.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// How it came to be. The listener is as it is by now; `None`: the topology has no such listener any more.
    pub opened: Opened<Option<&'a Listener>>,
    /// Name of the peer that it was accepted for; `None`: a client.
    pub peer: Option<&'a str>,
    /// The name under which that was dialled, if its entry covers it.
    pub name: Option<&'a DnsName>,
    /// The identity that was shown to who came in.
    pub identity: Option<&'a str>,
    /// What the remote side presented.
    pub chain: &'a [CertificateDer<'a>],
    /// The leaf that this node has shown, if it dialled.
    pub shown: Option<&'a CertificateDer<'a>>,
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub enum Reevaluation {
    /// A client stays; with the decision on the certificate that it has presented, if it has.
    Client(Option<ClientId>),
    /// A peer stays.
    Peer(PeerId),
    /// A peer is trusted as before, but has seen a certificate of this node that is replaced: what it sends is served, nothing new
    /// is sent on the connection, and it ends as if trust were withdrawn.
    Outdated(PeerId),
    /// Trust is withdrawn, for this reason code; with the decision that is about somebody else or refuses, if there is
    /// one.
    Withdrawn(Reason, Option<Arc<Decision>>),
}

impl Reevaluation {
    /// Why the connection ends, with the decision that says so if there is one; `None`: it stays.
    pub fn end(self) -> Option<(Reason, Option<Arc<Decision>>)> {
        match self {
            Self::Client(_) | Self::Peer(_) => None,
            Self::Outdated(_) => Some((ConnectionReason::OwnCertificateReplaced.into(), None)),
            Self::Withdrawn(reason, decision) => Some((reason, decision)),
        }
    }
}

impl Evidence<'_> {
    /// Decides on it by `generation` at the time `at`.
    pub fn reevaluate(&self, generation: &Generation, at: UnixTime) -> Reevaluation {
        let topology = generation.topology();
        let listener = match self.opened {
            Opened::Accepted(None) => {
                return Reevaluation::Withdrawn(ConnectionReason::ListenerRemoved.into(), None);
            }
            Opened::Accepted(Some(listener)) => Some(listener),
            Opened::Dialled => None,
        };
        // No peer: it came in as a client, and stays one or goes.
        let Some(name) = self.peer else {
            return self.reevaluate_client(listener, generation, at);
        };
        // The reload may have left the listener to clients alone.
        if listener.is_some_and(|l| !l.accept.peers()) {
            return Reevaluation::Withdrawn(ConnectionReason::PeerNotAccepted.into(), None);
        }
        // A dialled peer must still be the expected one; an inbound one is found by its chain.
        let (direction, expected) = match self.opened {
            Opened::Accepted(_) => (Direction::Inbound, None),
            Opened::Dialled => match topology.peer_by_name(name) {
                Some(peer) => (Direction::Outbound, Some(peer)),
                None => return Reevaluation::Withdrawn(TrustReason::NotInTopology.into(), None),
            },
        };
        let presented = Presented {
            chain: self.chain,
            expected,
            // An entry that covers it no more refuses it.
            name: self.name,
            identity: self.identity,
            staple: None,
        };
        // By the current rules and at the current time: nothing of the old decision counts.
        let identity = match decide(&presented, direction, generation, at) {
            Ok(identity) => identity,
            Err(decision) => {
                return Reevaluation::Withdrawn(decision.reason.into(), Some(decision));
            }
        };
        // The chain passes, but as another peer: the transactions on this connection were authorised for the first one.
        if identity.decision().peer_name.as_deref() != Some(name) {
            return Reevaluation::Withdrawn(
                ConnectionReason::IdentityChanged.into(),
                Some(Arc::clone(identity.decision())),
            );
        }
        // Only a dialled connection has shown a certificate that the topology has chosen.
        if let (Some(shown), Some(peer)) = (self.shown, expected) {
            // A replaced certificate may be a stolen key's: the peer must see the new one, which takes a new connection.
            let own = topology.identity_at(topology.peer(peer).identity, at);
            let own = topology.identity(own);
            let shown_now = own.client.as_ref().unwrap_or(&own.server).chain.first();
            if shown_now != Some(shown) {
                return Reevaluation::Outdated(identity);
            }
        }
        Reevaluation::Peer(identity)
    }

    /// A client: without a certificate the listener's rule is all there is, with one trust decides.
    fn reevaluate_client(
        &self,
        listener: Option<&Listener>,
        generation: &Generation,
        at: UnixTime,
    ) -> Reevaluation {
        // A client on a listener that takes none any more.
        let Some(listener) = listener.filter(|l| l.accept.clients()) else {
            return Reevaluation::Withdrawn(ConnectionReason::ClientNotAccepted.into(), None);
        };
        // It came in without a certificate; whether that still does is the listener's rule.
        if self.chain.is_empty() {
            return if listener.client_certificates.are_required() {
                Reevaluation::Withdrawn(TrustReason::NoCertificate.into(), None)
            } else {
                Reevaluation::Client(None)
            };
        }
        let presented = Presented::inbound(self.chain).shown(self.identity);
        match decide_inbound(&presented, listener, generation, at) {
            Ok(Admitted::Client(client)) => Reevaluation::Client(Some(client)),
            // It was a client's, and would be a peer's now: the dialogs on it were a client's, with a client's rights.
            Ok(Admitted::Peer(peer)) => Reevaluation::Withdrawn(
                ConnectionReason::IdentityChanged.into(),
                Some(Arc::clone(peer.decision())),
            ),
            Err(decision) => Reevaluation::Withdrawn(decision.reason.into(), Some(decision)),
        }
    }
}
