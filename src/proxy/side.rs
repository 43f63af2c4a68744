//! Which entries of the topology are one party: wherever a sender is held against a side of a dialog or transaction,
//! entries that grant the same, and that one certificate may stand for, count as one (RFC 5922 §7.4).
use super::leg::{Leg, PeerKey};
use super::parsed::Parsed;
use super::routing::Routing;
use super::{Core, Identity, Origin};
use smallvec::SmallVec;

/// The entries that a sender's certificate names besides the one that it is taken for.
pub(crate) type Also = SmallVec<[PeerKey; 2]>;

/// Whether a sender that is taken for `own` may be `key`: it is that entry, its certificate names that one too, or both
/// are entries of one partner that grant the same.
///
/// Home servers with certificates of their own stay apart: one does not answer for another.
pub(crate) fn stands_for(own: PeerKey, also: &[PeerKey], key: PeerKey, routing: &Routing) -> bool {
    own == key || also.contains(&key) || routing.equals(own).binary_search(&key).is_ok()
}

/// The most equals under which a transaction is looked for.
const MOST_EQUALS: usize = 16;

/// What else the sender's certificate names.
pub(crate) fn also(from: &Origin) -> Also {
    match &from.identity {
        Identity::Client => Also::new(),
        Identity::Peer(id) => id.also().iter().map(|n| PeerKey::of(n.as_str())).collect(),
    }
}

impl Core {
    /// As [`stands_for`], for the sender of a message.
    pub(super) fn may_be(&self, from: &Origin, leg: Leg, key: PeerKey) -> bool {
        matches!(leg, Leg::Peer(own) if own == key || stands_for(own, &also(from), key, &self.tables.routing))
    }

    /// The key of a transaction that began when other entries were one party with the sender than now: a reload lies
    /// between an INVITE and its CANCEL or ACK.
    pub(super) fn key_before(&self, from: &Origin, leg: Leg, request: &Parsed<'_>) -> Option<u128> {
        let own = leg.peer()?;
        let equals = self.tables.routing.equals(own).iter().copied();
        let sides = std::iter::once(own)
            .chain(also(from))
            .chain(equals.take(MOST_EQUALS));
        sides
            .map(|side| self.transaction_key(side.0, request))
            .find(|key| self.contexts.by_key(*key).is_some())
    }

    /// Who sends as one number, the same for all that are one party: what a transaction is kept under (RFC 3261 §17.2.3),
    /// so that its CANCEL and ACK are known on whichever connection of the party they come.
    pub(super) fn side_of(&self, from: &Origin, leg: Leg) -> u64 {
        let Leg::Peer(own) = leg else {
            return leg.as_u64();
        };
        let first = self.tables.routing.equals(own).first().copied();
        let also = match &from.identity {
            Identity::Peer(id) if !id.also().is_empty() => also(from),
            Identity::Peer(_) | Identity::Client => Also::new(),
        };
        first.into_iter().chain(also).fold(own, PeerKey::min).0
    }
}
