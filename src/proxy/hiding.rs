//! Topology hiding: towards a peer that is set so, names and addresses of the home side become encrypted tokens of ours or are
//! taken out; what comes back from it is what was there before. Nothing is kept: any node with the keys restores what
//! another has hidden.
//!
//! The core itself never sees a token: [`Hiding::restore`] stands before it, [`Hiding::hide`] behind it. It fails closed:
//! what cannot be read is sealed as it stands, and what cannot be sealed is not sent.
mod back;
mod inside;
mod out;
mod reading;
mod seal;
mod uri;

pub(crate) use inside::Inside;
pub(crate) use seal::HidingKey;

use super::leg::{Leg, PeerKey};
use super::links::Links;
use super::routing::Routing;
use super::token::TokenBox;
use super::{Core, MessageReason, Origin};
use crate::sip::{Host, Message, StartLine};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use seal::{Kind, NONCE, TAG};

/// How a user part of ours begins that hides a URI; `.` is in no other token of ours.
const USER: &[u8] = b"h.";
/// How a branch begins that hides Via lines.
const BRANCH: &[u8] = b"z9hG4bKh.";
/// Nothing longer is looked at: a head has a bound, and so has what is hidden of it.
const LONGEST: usize = 1024 * 1024;
/// The most entries that a token may have been sealed for, besides the one that it comes from.
const MOST_EQUALS: usize = 16;

/// One peer from which the topology is hidden, and what it takes to do that.
pub(crate) struct Hiding<'c> {
    pub(crate) tokens: &'c TokenBox,
    pub(crate) routing: &'c Routing,
    pub(crate) peer: PeerKey,
    /// Our name and port as that peer knows them.
    pub(crate) face: &'c str,
}

impl<'c> Hiding<'c> {
    /// For a party from which the topology is hidden; `None` for any other.
    pub(crate) fn of(
        peer: PeerKey,
        links: &Links,
        tokens: &'c TokenBox,
        routing: &'c Routing,
        face: &'c str,
    ) -> Option<Self> {
        links.peer(peer).filter(|p| p.hide_topology)?;
        Some(Self {
            tokens,
            routing,
            peer,
            face,
        })
    }

    /// Hides what stands in `out` from `start` on, a message on its way to the peer. What cannot be hidden is taken back.
    ///
    /// # Errors
    /// [`MessageReason::TopologyNotHidden`]: it must not be sent.
    pub(crate) fn hide(&self, start: usize, out: &mut Vec<u8>) -> Result<(), MessageReason> {
        let sent = out.split_off(start);
        let message = Message::parse(&sent).map_err(|_| MessageReason::TopologyNotHidden)?;
        out::hidden(self, &message)?.write(out);
        Ok(())
    }

    /// Whether the peer knows this host anyway: it names us or a home domain.
    fn is_public(&self, host: &Host<'_>) -> bool {
        self.routing.is_own_name(host) || self.routing.is_home(host)
    }

    fn token(&self, kind: Kind, plain: &[u8]) -> Result<String, MessageReason> {
        let key = self.tokens.keys().hiding.first();
        key.and_then(|key| key.seal(kind, self.peer, plain))
            .map(|raw| URL_SAFE_NO_PAD.encode(raw))
            .ok_or(MessageReason::TopologyNotHidden)
    }

    fn plain(&self, kind: Kind, token: &[u8]) -> Option<Vec<u8>> {
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

impl Core {
    /// The message without the tokens of topology hiding, and whether its Request-URI was one: `None` if there are none
    /// in it.
    ///
    /// # Errors
    /// As [`Hiding::restore`].
    pub(super) fn unhidden(
        &self,
        from: &Origin,
        message: &Message<'_>,
    ) -> Result<Option<(Vec<u8>, bool)>, MessageReason> {
        let Some(Leg::Peer(key)) = self.leg(from) else {
            return Ok(None);
        };
        let Some(hiding) = Hiding::of(
            key,
            &self.links,
            &self.tokens,
            &self.tables.routing,
            &self.faces.peers,
        ) else {
            return Ok(None);
        };
        let is_sealed = || match message.start() {
            StartLine::Request { uri, .. } => hiding.is_sealed(uri),
            StartLine::Response { .. } => false,
        };
        let restored = hiding.restore(message)?;
        Ok(restored.map(|whole| (whole, is_sealed())))
    }
}
