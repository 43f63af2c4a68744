//! Who sends, and which entries of the topology are one party: wherever a sender is held against a
//! side of a dialog or transaction, entries that grant the same, and that one certificate may stand
//! for, count as one (RFC 5922 §7.4).
//!
//! The sender's kind is looked up in the current generation for each request: a peer that a reload
//! has made a home server, or has removed, is judged as what it is now, whatever it was when its
//! connection came up.
use super::interface::{Origin, RemoteIdentity};
use super::leg::{Certainty, Leg, PeerKey};
use super::link_id::LinkId;
use super::links::Links;
use super::lookalikes::Claims;
use super::routing::Routing;
use crate::sip::Message;
use crate::topology::{PeerKind, PeerName};
use smallvec::SmallVec;
use std::net::SocketAddr;

/// The sender as policy sees it: a leg, with the kind that its peer has in the current generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Client(LinkId),
    Home(PeerKey),
    Federated(PeerKey),
    /// For itself it may ask nothing: what it hands over comes from somebody else.
    Sibling(PeerKey),
}

impl Sender {
    /// The peer, if it is one.
    pub(crate) fn peer(self) -> Option<PeerKey> {
        match self {
            Self::Client(_) => None,
            Self::Home(key) | Self::Federated(key) | Self::Sibling(key) => Some(key),
        }
    }
    pub(crate) fn of(leg: Leg, links: &Links) -> Option<Self> {
        match leg {
            Leg::Client(link) => Some(Self::Client(link)),
            // It is listed in no generation.
            Leg::Peer(key) if key == PeerKey::OTHER_PROCESS => Some(Self::Sibling(key)),
            // Nobody sends as a binding, only over a connection that holds it.
            Leg::Binding(_) => None,
            Leg::Peer(key) => {
                let peer = links.peer(key)?;
                peer.current?;
                Some(match peer.kind {
                    PeerKind::Home => Self::Home(key),
                    PeerKind::Federated => Self::Federated(key),
                    PeerKind::Sibling => Self::Sibling(key),
                })
            }
        }
    }
}

/// Entries that one certificate names.
pub(crate) type OtherEntries = SmallVec<[PeerKey; 2]>;

/// The most equals under which a transaction is looked for: each costs a hash of the request.
const MOST_EQUALS: usize = 16;

/// The entries that a certificate names, if these are several: first the one that trust took it for.
fn all_entries(identity: &RemoteIdentity) -> OtherEntries {
    match identity {
        RemoteIdentity::Peer(id) if !id.also().is_empty() => {
            let first = id.decision().peer_name.as_deref().into_iter();
            let also = id.also().iter().map(PeerName::as_str);
            first.chain(also).map(PeerKey::of).collect()
        }
        RemoteIdentity::Peer(_)
        | RemoteIdentity::Client
        | RemoteIdentity::OtherProcess
        | RemoteIdentity::Vouched(_) => OtherEntries::new(),
    }
}

/// What the sender's certificate names besides the entry that it is taken for.
pub(crate) fn other_entries(origin: &Origin, leg: Leg) -> OtherEntries {
    let mut entries = all_entries(&origin.identity);
    entries.retain(|key| leg != Leg::Peer(*key));
    entries
}

/// Who is at the far end of a connection, and how well that is known. A certificate that names several servers
/// shows it only together with the address that the connection came from (`lookalikes`).
pub(crate) fn far_end(
    link: LinkId,
    identity: &RemoteIdentity,
    remote: SocketAddr,
    routing: &Routing,
) -> Option<(Leg, Certainty)> {
    let taken_for = Leg::of(link, identity)?;
    let entries = all_entries(identity);
    if entries.is_empty() {
        return Some((taken_for, Certainty::Shown));
    }
    let found = routing.lookalikes().at_address(&entries, remote.ip());
    Some(match found {
        Some(key) => (Leg::Peer(key), Certainty::Shown),
        None => (taken_for, Certainty::Open),
    })
}

/// Which server a request says that it comes from, where its connection does not show that.
pub(crate) fn claims(origin: &Origin, message: &Message<'_>, routing: &Routing) -> Claims {
    let entries = all_entries(&origin.identity);
    routing.lookalikes().claims(&entries, message)
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
    matches!(leg, Leg::Peer(own) if own == key || stands_for(own, &other_entries(origin, leg), key, routing))
}

/// Who sends as one number, the same for all that are one party: what a transaction is kept under
/// (RFC 3261 §17.2.3), so that its CANCEL and ACK are known on whichever connection of the party
/// they come.
pub(crate) fn side_of(origin: &Origin, leg: Leg, routing: &Routing) -> u64 {
    let Leg::Peer(own) = leg else {
        return leg.as_u64();
    };
    let first = routing.equals(own).first().copied();
    let also = all_entries(&origin.identity);
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
    let also = other_entries(origin, leg);
    let equals = own.map_or(&[][..], |own| routing.equals(own));
    let equals = equals.iter().copied().take(MOST_EQUALS);
    own.into_iter().chain(also).chain(equals).map(|key| key.0)
}
