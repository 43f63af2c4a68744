//! One peer from which the topology is hidden, and the tokens that it gets instead.
use super::seal::{SealedKind, open_token};
use crate::proxy::environment::Environment;
use crate::proxy::interface::without_port;
use crate::proxy::leg::{Leg, PeerKey};
use crate::proxy::listing::ListedPeer;
use crate::proxy::routing::Routing;
use crate::proxy::token::TokenBox;
use crate::reason::MessageReason;
use crate::sip::Host;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How a user part begins that hides a URI; `.` is in no other token of this node.
pub(super) const USER: &[u8] = b"h.";
/// How a branch begins that hides Via lines.
pub(super) const BRANCH: &[u8] = b"z9hG4bKh.";
/// The most entries that a token may have been sealed for, besides the one that it comes from: each
/// costs a try of every key.
pub(super) const MOST_EQUALS: usize = 16;

/// One peer from which the topology is hidden, and what it takes to do that.
pub(crate) struct Hiding<'c> {
    pub(crate) tokens: &'c TokenBox,
    pub(crate) routing: &'c Routing,
    pub(crate) peer: PeerKey,
    /// This node's name and port as that peer knows them.
    pub(crate) sent_by: &'c str,
    /// Whether other peers know it by other names, which are no business of this one.
    pub(crate) has_many_names: bool,
}

impl<'c> Hiding<'c> {
    /// For a peer from which the topology is hidden; `None` for any other.
    pub(crate) fn of(peer: PeerKey, env: &'c Environment) -> Option<Self> {
        // Nothing is looked up where nothing is hidden: this is asked of each message.
        let peers = env.hides().then_some(&env.links)?;
        peers.peer(peer).filter(|p| p.hide_topology)?;
        Some(Self::towards(peer, env))
    }

    /// For a peer that may send back what was sealed for it: the same, and one from which the topology was hidden before a
    /// reload. Its calls go on, and so do the tokens in them.
    pub(super) fn opening(peer: PeerKey, env: &'c Environment) -> Option<Self> {
        let is_former = |p: &ListedPeer| {
            let entry = p.under.as_ref().map_or(p.key, |under| under.peer);
            !env.formerly_hidden.is_empty() && env.formerly_hidden.contains(&entry)
        };
        let peers = env.hides().then_some(&env.links)?;
        peers
            .peer(peer)
            .filter(|p| p.hide_topology || is_former(p))?;
        Some(Self::towards(peer, env))
    }

    fn towards(peer: PeerKey, env: &'c Environment) -> Self {
        Self {
            tokens: &env.tokens,
            routing: env.routing(),
            peer,
            sent_by: env.sent_by(Leg::Peer(peer)),
            has_many_names: env.tables.listing.advertises,
        }
    }

    /// Whether the peer finds this node by this host. Any other name of this node is as good as none for a partner that
    /// knows its customers by that name alone.
    pub(super) fn is_face(&self, host: &Host<'_>) -> bool {
        match self.has_many_names {
            true => host.is_name(without_port(self.sent_by)),
            false => self.routing.is_own_name(host),
        }
    }

    /// Whether the peer knows this host anyway: it names this node or a home domain.
    pub(super) fn is_public(&self, host: &Host<'_>) -> bool {
        self.routing.is_own_name(host) || self.routing.is_home(host)
    }

    /// Seals something for this peer, as text that may stand in a user part or a branch.
    pub(super) fn token(&self, kind: SealedKind, plain: &[u8]) -> Result<String, MessageReason> {
        let key = self.tokens.keys().hiding.first();
        key.and_then(|key| key.seal(kind, self.peer, plain))
            .map(|raw| URL_SAFE_NO_PAD.encode(raw))
            .ok_or(MessageReason::TopologyNotHidden)
    }

    /// What a token from this peer stands for; `None` if it was not sealed for it by a key that is
    /// still known.
    pub(super) fn plain(&self, kind: SealedKind, token: &[u8]) -> Option<Vec<u8>> {
        // What was sealed for one server of a partner comes back from another of the same rights.
        let equals = self.routing.equals(self.peer).iter().copied();
        let peers = std::iter::once(self.peer).chain(equals.take(MOST_EQUALS));
        open_token(&self.tokens.keys().hiding, kind, peers, token)
    }
}
