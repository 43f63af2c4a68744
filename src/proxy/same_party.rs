//! Who sends, and which entries of the topology are one party: wherever a sender is held against a
//! side of a dialog or transaction, entries that grant the same, and that one certificate may stand
//! for, count as one (RFC 5922 §7.4).
//!
//! The sender's kind is looked up in the current generation for each request: a peer that a reload
//! has made a home server, or has removed, is judged as what it is now, whatever it was when its
//! connection came up.
use super::interface::{Origin, RemoteIdentity};
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::Links;
use super::routing::Routing;
use crate::topology::PeerKind;
use smallvec::SmallVec;

/// The sender as policy sees it: a leg, with the kind that its peer has in the current generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Client(LinkId),
    Home(PeerKey),
    Federated(PeerKey),
}

impl Sender {
    /// The peer, if it is one.
    pub(crate) fn peer(self) -> Option<PeerKey> {
        match self {
            Self::Client(_) => None,
            Self::Home(key) | Self::Federated(key) => Some(key),
        }
    }
    pub(crate) fn of(leg: Leg, links: &Links) -> Option<Self> {
        match leg {
            Leg::Client(link) => Some(Self::Client(link)),
            // Nobody sends as a binding, only over a connection that holds it.
            Leg::Binding(_) => None,
            Leg::Peer(key) => {
                let peer = links.peer(key)?;
                peer.current?;
                Some(match peer.kind {
                    PeerKind::Home => Self::Home(key),
                    PeerKind::Federated => Self::Federated(key),
                })
            }
        }
    }
}

/// The entries that a sender's certificate names besides the one that it is taken for.
pub(crate) type OtherEntries = SmallVec<[PeerKey; 2]>;

/// The most equals under which a transaction is looked for: each costs a hash of the request.
const MOST_EQUALS: usize = 16;

/// What else the sender's certificate names.
pub(crate) fn other_entries(origin: &Origin) -> OtherEntries {
    match &origin.identity {
        RemoteIdentity::Client => OtherEntries::new(),
        RemoteIdentity::Peer(id) => id.also().iter().map(|n| PeerKey::of(n.as_str())).collect(),
    }
}

/// Whether a sender that is taken for `own` may be `key`: it is that entry, its certificate names
/// that one too, or both are entries of one partner that grant the same.
///
/// Home servers with certificates of their own stay apart: one does not answer for another.
pub(crate) fn stands_for(own: PeerKey, also: &[PeerKey], key: PeerKey, routing: &Routing) -> bool {
    own == key || also.contains(&key) || routing.equals(own).binary_search(&key).is_ok()
}

/// As [`stands_for`], for the sender of a message. The certificate's other names are looked at only
/// where the entry differs: each costs a hash, and a response nearly always comes from the entry
/// that was asked.
pub(crate) fn may_be(origin: &Origin, leg: Leg, key: PeerKey, routing: &Routing) -> bool {
    matches!(leg, Leg::Peer(own) if own == key || stands_for(own, &other_entries(origin), key, routing))
}

/// Who sends as one number, the same for all that are one party: what a transaction is kept under
/// (RFC 3261 §17.2.3), so that its CANCEL and ACK are known on whichever connection of the party
/// they come.
pub(crate) fn side_of(origin: &Origin, leg: Leg, routing: &Routing) -> u64 {
    let Leg::Peer(own) = leg else {
        return leg.as_u64();
    };
    let first = routing.equals(own).first().copied();
    let also = match &origin.identity {
        RemoteIdentity::Peer(id) if !id.also().is_empty() => other_entries(origin),
        RemoteIdentity::Peer(_) | RemoteIdentity::Client => OtherEntries::new(),
    };
    first.into_iter().chain(also).fold(own, PeerKey::min).0
}

/// Every number that [`side_of`] may have returned for this sender under an earlier generation.
///
/// Clients have but one.
pub(crate) fn earlier_sides(
    origin: &Origin,
    leg: Leg,
    routing: &Routing,
) -> impl Iterator<Item = u64> {
    let own = leg.peer();
    let also = own.map(|_| other_entries(origin)).unwrap_or_default();
    let equals = own.map_or(&[][..], |own| routing.equals(own));
    let equals = equals.iter().copied().take(MOST_EQUALS);
    own.into_iter().chain(also).chain(equals).map(|key| key.0)
}
