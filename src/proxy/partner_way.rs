//! How a request of a dialog goes to a server of a partner: over the connection that the dialog runs
//! on while that lives, else to the host of its next Route if the partner's entry covers that, and only
//! then to the peer as such.
//!
//! What one entry of the topology names is often several machines, and a dialog is with one of them.
//! Which connection that is the token says, so that nothing is kept for it here. A connection of
//! another shard is tried without asking; that shard reports if it is gone.
//!
//! The host of a Route is the partner's choice, as it has written it into the Record-Route of the
//! dialog. So it is heeded in requests of the home side alone, whose token is genuine, and leads to a
//! name that the operator has listed, on the port of its entry.
use super::environment::Environment;
use super::inbound::{InboundRequest, Routed, maddr_of};
use super::leg::{Leg, PeerKey, TargetSet};
use super::link_id::LinkId;
use super::links::Links;
use super::listing::UnderName;
use super::routing::Routing;
use super::same_party::stands_for;
use super::token::Token;
use crate::topology::DnsName;

/// The ways to one target that come before the peer as such. Each is taken out when it is tried.
#[derive(Clone, Debug)]
pub(crate) struct PartnerWay {
    peer: PeerKey,
    /// The connection that the dialog runs on.
    link: Option<LinkId>,
    /// The host of the next Route.
    name: Option<UnderName>,
    /// The request is on one of these ways now: if its connection fails, the peer has not.
    is_taken: bool,
}

/// One of them.
pub(crate) enum NextWay {
    Link(LinkId),
    Name(UnderName),
}

impl PartnerWay {
    /// Of a request that policy lets pass to these targets; `None`: it is in no dialog with a partner.
    pub(crate) fn of(
        request: &InboundRequest<'_, '_>,
        routed: &Routed<'_>,
        targets: &TargetSet,
        env: &Environment,
    ) -> Option<Box<Self>> {
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
                name: covered_name(request, routed, over.peer, env),
                is_taken: false,
            })
        })
    }

    /// What to try next for this target.
    pub(crate) fn next(&mut self, target: Leg, env: &Environment) -> Option<NextWay> {
        self.is_taken = false;
        if target != Leg::Peer(self.peer) {
            return None;
        }
        // The connection first: the dialog's state is where that ends, whatever the Route says.
        let link = self.link.take();
        let link = link.filter(|link| may_serve(*link, self.peer, env));
        let next = match link {
            Some(link) => NextWay::Link(link),
            None => NextWay::Name(self.name.take()?),
        };
        self.is_taken = true;
        Some(next)
    }

    /// The connection that what is never answered goes to.
    pub(crate) fn link(&self, target: Leg, env: &Environment) -> Option<LinkId> {
        let link = self.link.filter(|_| target == Leg::Peer(self.peer));
        link.filter(|link| may_serve(*link, self.peer, env))
    }

    /// The name that it goes to where that connection is gone.
    pub(crate) fn name(&self, target: Leg) -> Option<&UnderName> {
        let name = self.name.as_ref();
        name.filter(|_| target == Leg::Peer(self.peer))
    }

    /// The connection has failed; whether it was one of these, so that its target is still to be tried.
    pub(crate) fn has_failed(&mut self) -> bool {
        std::mem::take(&mut self.is_taken)
    }
}

/// The host of the next Route, if a home server has sent the request and the entry covers the host.
fn covered_name(
    request: &InboundRequest<'_, '_>,
    routed: &Routed<'_>,
    peer: PeerKey,
    env: &Environment,
) -> Option<UnderName> {
    let sender = env.links.peer(request.sender().peer()?)?;
    let route = routed.next_route.filter(|_| sender.is_home())?;
    // It would lead elsewhere than the name says (RFC 3263 §4).
    if !matches!(maddr_of(&route), Ok(None)) {
        return None;
    }
    // An address is no name, and passed over.
    let mut buffer = [0; 253];
    let host = route.host.lower(&mut buffer)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if !env.links.peer(peer)?.covers(host) {
        return None;
    }
    let name = DnsName::parse(host).ok()?;
    Some(UnderName { peer, name })
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
