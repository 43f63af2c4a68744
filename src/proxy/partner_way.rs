//! How a request of a dialog goes to a server of a partner: over the connection that the dialog runs
//! on while that lives, and only then to the peer as such.
//!
//! What one entry of the topology names is often several machines, and a dialog is with one of them.
//! Which connection that is the token says, so that nothing is kept for it here. A connection of
//! another shard is tried without asking; that shard reports if it is gone.
use super::environment::Environment;
use super::inbound::Routed;
use super::leg::{Leg, PeerKey, TargetSet};
use super::link_id::LinkId;
use super::links::Links;
use super::routing::Routing;
use super::same_party::stands_for;
use super::token::Token;

/// The ways to one target that come before the peer as such. Each is taken out when it is tried.
#[derive(Clone, Debug)]
pub(crate) struct PartnerWay {
    peer: PeerKey,
    /// The connection that the dialog runs on.
    link: Option<LinkId>,
    /// The request is on one of these ways now: if its connection fails, the peer has not.
    is_taken: bool,
}

impl PartnerWay {
    /// Of a request that policy lets pass to these targets; `None`: it is in no dialog with a partner.
    pub(crate) fn of(routed: &Routed<'_>, targets: &TargetSet) -> Option<Box<Self>> {
        let Some(Token::Dialog {
            over: Some(over), ..
        }) = routed.token
        else {
            return None;
        };
        (targets.first() == Some(&Leg::Peer(over.peer))).then(|| {
            Box::new(Self {
                peer: over.peer,
                link: Some(over.link),
                is_taken: false,
            })
        })
    }

    /// The connection to try next, if there is another one that can take the request.
    pub(crate) fn next(&mut self, target: Leg, env: &Environment) -> Option<LinkId> {
        self.is_taken = false;
        if target != Leg::Peer(self.peer) {
            return None;
        }
        let link = self.link.take();
        let link = link.filter(|link| may_serve(*link, self.peer, env))?;
        self.is_taken = true;
        Some(link)
    }

    /// The connection that what is never answered goes to.
    pub(crate) fn link(&self, target: Leg, env: &Environment) -> Option<LinkId> {
        let link = self.link.filter(|_| target == Leg::Peer(self.peer));
        link.filter(|link| may_serve(*link, self.peer, env))
    }

    /// The connection has failed; whether it was one of these, so that its target is still to be tried.
    pub(crate) fn has_failed(&mut self) -> bool {
        std::mem::take(&mut self.is_taken)
    }
}

/// Whether a connection may still lead to this peer: one of this shard does, one of another shard is
/// asked by trying.
fn may_serve(link: LinkId, peer: PeerKey, env: &Environment) -> bool {
    if link.shard() != env.shard {
        return link.shard() < env.shards;
    }
    serves(link, peer, env.routing(), &env.links)
}

/// Whether a connection of this shard takes requests for this peer, or for one that is a party with
/// it (RFC 5923 §8.1).
pub(crate) fn serves(link: LinkId, peer: PeerKey, routing: &Routing, links: &Links) -> bool {
    links.get(link).is_some_and(|link| {
        let is_party = |own| stands_for(own, &[], peer, routing);
        link.trusted && link.requests && !link.full && link.leg.peer().is_some_and(is_party)
    })
}
