//! Requests within a dialog: which side the sender is, and who stands in for the other side (RFC
//! 3261 §12.2).
//!
//! A dialog outlives connections and servers: a client comes back on a new connection (`bindings`,
//! `moving`), a home
//! server is replaced by another of its pool, a partner answers from another of its proxies. So a
//! side is recognised by what it may stand for, and its requests are sent to whoever has taken over
//! from the other side.
use super::leg::{Leg, PeerKey, TargetSet};
use super::link_id::LinkId;
use super::links::Links;
use super::listing::ListedPeer;
use super::routing::Routing;
use super::same_party::{Sender, stands_for};
use crate::reason::MessageReason;
use crate::topology::PeerKind;
use smallvec::smallvec;

/// The most servers of a partner that a request of a dialog tries behind the dialog's own: each may
/// cost eight seconds of silence, and nobody waits longer for a BYE.
const MOST_STAND_INS: usize = 8;

/// The other side of a dialog as seen from the sender, who must be one of its sides.
///
/// The token alone is no right: it stands in every Record-Route and Contact of the call, and so
/// reaches elements that have no part in it. The connection must belong to one of the two legs that
/// it names.
pub(crate) fn far_leg(
    who: Sender,
    caller: Leg,
    callee: Leg,
    also: &[PeerKey],
    routing: &Routing,
    links: &Links,
) -> Result<Leg, MessageReason> {
    let exact = |leg: Leg| match who {
        Sender::Client(own) => is_client(own, leg, links),
        Sender::Home(own) | Sender::Federated(own) => leg == Leg::Peer(own),
        Sender::Sibling(_) => false,
    };
    if exact(caller) {
        return Ok(callee);
    }
    if exact(callee) {
        return Ok(caller);
    }
    // Not the very server of the dialog's start, but its kind of side: another home server that may
    // take over, another server of the same partner under the same rights. Partners and clients get
    // no further latitude.
    let kin = |leg: Leg| match (who, leg) {
        (Sender::Home(own), Leg::Peer(key)) => {
            let mut senders = std::iter::once(&own).chain(also);
            links.peer(key).is_some_and(|p| p.is_home())
                && senders.any(|sender| routing.may_take_over(*sender, key))
        }
        (Sender::Federated(own), Leg::Peer(key)) => stands_for(own, also, key, routing),
        (Sender::Client(_) | Sender::Sibling(_), _) | (_, Leg::Client(_) | Leg::Binding(_)) => {
            false
        }
    };
    match (kin(caller), kin(callee)) {
        (true, false) => Ok(callee),
        (false, true) => Ok(caller),
        // Both are home servers: which of them it is, only a certificate that names one of them too
        // can say.
        (true, true) => {
            match [caller, callee].map(|leg| matches!(leg, Leg::Peer(key) if also.contains(&key))) {
                [true, false] => Ok(callee),
                [false, true] => Ok(caller),
                [true, true] | [false, false] => Err(MessageReason::TokenNotForOrigin),
            }
        }
        (false, false) => Err(MessageReason::TokenNotForOrigin),
    }
}

/// Whether a client's side of a dialog is the client at this connection: it holds the binding that the
/// token names, or held it when its registration ended, or is itself what the token of an unregistered client names.
pub(crate) fn is_client(own: LinkId, leg: Leg, links: &Links) -> bool {
    match leg {
        Leg::Binding(id) => links.speaks_for(own, id),
        Leg::Client(link) => link == own,
        Leg::Peer(_) => false,
    }
}

/// The far server of a dialog, and behind it those that take over when it is gone, as [`far_leg`]
/// lets them speak for it: the other servers of a home server's pool, never the sender itself,
/// which may be one of them; of a partner, the servers whose entries grant the same.
pub(crate) fn in_dialog(
    who: Sender,
    key: PeerKey,
    routing: &Routing,
    links: &Links,
) -> Result<TargetSet, MessageReason> {
    let peer = links.peer(key);
    let mut targets = as_listed(key, peer)?;
    match peer.map(|peer| peer.kind) {
        Some(PeerKind::Home) => {
            let others = routing
                .other_members(key)
                .filter(|member| Some(*member) != who.peer());
            targets.extend(others.map(Leg::Peer));
        }
        Some(PeerKind::Federated) => {
            let others = routing.equals(key).iter().filter(|other| **other != key);
            targets.extend(others.take(MOST_STAND_INS).map(|other| Leg::Peer(*other)));
        }
        // No dialog is with a sibling: it only hands over.
        Some(PeerKind::Sibling) => return Err(MessageReason::TokenNotForOrigin),
        None => {}
    }
    Ok(targets)
}

/// Only peers of the current generation are reached: one that a reload has removed keeps its
/// connections until they are judged anew, and gets nothing more.
pub(crate) fn listed(key: PeerKey, links: &Links) -> Result<TargetSet, MessageReason> {
    as_listed(key, links.peer(key))
}

/// The same of what was looked up.
fn as_listed(key: PeerKey, peer: Option<&ListedPeer>) -> Result<TargetSet, MessageReason> {
    match peer {
        Some(peer) if peer.current.is_some() => Ok(smallvec![Leg::Peer(key)]),
        Some(_) | None => Err(MessageReason::PeerWithdrawn),
    }
}
