//! Who a finished inbound handshake has let in, by the listener's rule and the decision on what was presented.
use super::clock;
use super::failed::HandshakeFailure;
use crate::proxy::RemoteIdentity;
use crate::reason::ConnectionReason;
use crate::topology::{Direction, Listener};
use crate::trust::{
    Admitted, ClientId, Decision, Generation, PeerId, Presented, decide, decide_inbound,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Who has come in. It can be had from the functions below only, so that no connection exists without a decision.
pub(super) struct InboundIdentity {
    /// What the core goes by.
    pub(super) identity: RemoteIdentity,
    /// The decision on a client that presented a certificate.
    pub(super) client: Option<ClientId>,
}

impl InboundIdentity {
    /// Without a certificate nobody but a client comes in, and only where the listener takes clients like that.
    pub(super) fn without_certificate(listener: &Listener) -> Result<Self, HandshakeFailure> {
        // The usual phone: it proves itself by SIP credentials later, to its home server.
        if listener.takes_clients_without_certificate() {
            Ok(Self {
                identity: RemoteIdentity::Client,
                client: None,
            })
        // Two refusals: with a certificate this could be a client here, or nobody could.
        } else if listener.accept.clients() {
            Err(HandshakeFailure::refused(ConnectionReason::NoCertificate))
        } else {
            Err(HandshakeFailure::refused(
                ConnectionReason::ClientNotAccepted,
            ))
        }
    }

    /// With a certificate on which trust has decided.
    pub(super) fn admitted(
        admitted: Admitted,
        listener: &Listener,
    ) -> Result<Self, HandshakeFailure> {
        match admitted {
            // A peer is never also a client: what it may send follows from its entry in the topology.
            Admitted::Peer(peer) if listener.accept.peers() => Ok(Self {
                identity: RemoteIdentity::Peer(peer),
                client: None,
            }),
            // The decision holds, but peers come in elsewhere: a listener for phones takes no other servers.
            Admitted::Peer(_) => Err(HandshakeFailure::refused(ConnectionReason::PeerNotAccepted)),
            Admitted::Client(client) => Ok(Self {
                identity: RemoteIdentity::Client,
                client: Some(client),
            }),
        }
    }

    /// Decides now: a reload during the handshake has made the verifier's decision one of an earlier generation.
    pub(super) fn decide(
        presented: &Presented<'_>,
        listener: &Listener,
        generation: &Arc<Generation>,
    ) -> Result<Self, HandshakeFailure> {
        // The same two cases as in a handshake that no reload has overtaken.
        if presented.chain.is_empty() {
            return Self::without_certificate(listener);
        }
        let admitted = decide_inbound(presented, listener, generation, clock::unix())
            .map_err(HandshakeFailure::decided)?;
        Self::admitted(admitted, listener)
    }

    /// The decision that let them in; `None`: a client without a certificate.
    pub(super) fn decision(&self) -> Option<Arc<Decision>> {
        match &self.identity {
            RemoteIdentity::Peer(peer) => Some(Arc::clone(peer.decision())),
            RemoteIdentity::Client => {
                let client = self.client.as_ref();
                client.map(|client| Arc::clone(client.decision()))
            }
            // It does not come in through a listener.
            RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => None,
        }
    }
}

/// Whether a chain that a peer presented as a client would also pass as that of the server which this node would dial.
///
/// Only then may requests of this node go back on the peer's own connection (RFC 5923 §8.1).
pub(super) fn passes_as_server(
    chain: &[CertificateDer<'_>],
    peer: &PeerId,
    generation: &Arc<Generation>,
    at: UnixTime,
) -> bool {
    // As if this node had dialled the peer and been shown this chain; what a server staples is not there.
    let presented = Presented::outbound(chain, peer.peer());
    decide(&presented, Direction::Outbound, generation, at).is_ok()
}
