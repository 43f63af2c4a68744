//! One peer from which the topology is hidden, and the tokens that it gets instead.
use super::seal::{NONCE, SealedKind, TAG};
use crate::proxy::environment::Environment;
use crate::proxy::leg::PeerKey;
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
/// Nothing longer is looked at: a head has a bound, and so has what is hidden of it.
pub(super) const LONGEST: usize = 1024 * 1024;
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
}

impl<'c> Hiding<'c> {
    /// For a peer from which the topology is hidden; `None` for any other.
    pub(crate) fn of(peer: PeerKey, env: &'c Environment) -> Option<Self> {
        env.links.peer(peer).filter(|p| p.hide_topology)?;
        Some(Self {
            tokens: &env.tokens,
            routing: env.routing(),
            peer,
            sent_by: &env.names.peers,
        })
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
        if token.len() > LONGEST {
            return None;
        }
        let raw = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, rest) = raw.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        if sealed.len() < TAG {
            return None;
        }
        // What was sealed for one server of a partner comes back from another of the same rights.
        let equals = self.routing.equals(self.peer).iter().copied();
        let peers = std::iter::once(self.peer).chain(equals.take(MOST_EQUALS));
        let keys = self.tokens.keys().hiding.iter().filter(|key| key.id == *id);
        peers
            .flat_map(|peer| keys.clone().map(move |key| (peer, key)))
            .find_map(|(peer, key)| key.open(kind, peer, nonce, sealed))
    }
}
