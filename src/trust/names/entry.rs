//! The topology entry that a certificate speaks for, by the names that it presents (RFC 5922 §7.3 and §7.4).
use crate::topology::{DnsName, Peer, PeerRef, Topology, WindowState};
use crate::trust::names::presented::PresentedNames;
use crate::trust::names::presented_name::{MatchedKind, PresentedName};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::UnixTime;
use std::collections::BTreeSet;

/// The most entries that an identity stands for besides its own; a wildcard could name thousands.
///
/// The list goes into the decision, its events and the pool of connections, none of which may grow with a
/// certificate.
const MOST_ALSO: usize = 32;

/// The peer entry that a certificate speaks for, and by which name.
pub(crate) struct MatchedEntry {
    /// In the generation that judges.
    pub(crate) peer: PeerRef,
    pub(crate) name: String,
    pub(crate) kind: MatchedKind,
    /// Inbound: the other entries that it speaks for as well, which grant the same.
    pub(crate) also: Vec<PeerRef>,
}

impl PresentedNames {
    /// Inbound: the entry that the names match (RFC 5922 §7.4).
    ///
    /// Of several entries with equal rights the one of the certificate's first matching name is taken.
    /// An entry outside its window counts as absent; it is the reason only when no other one matches. Where several have one
    /// FQDN, those count whose identity was shown, if there are any.
    pub(crate) fn find_peer(
        &self,
        topology: &Topology,
        identity: Option<&str>,
        at: UnixTime,
    ) -> Result<MatchedEntry, StepRefusal> {
        // All candidates are looked at even after the first match: an entry with other rights would make the
        // identity ambiguous, in whatever order the file has them.
        let mut found: Vec<(usize, &Peer, PeerRef)> = Vec::new();
        let mut held_back: Option<(TrustReason, &Peer)> = None;
        for reference in self.candidates(topology) {
            let peer = topology.peer(reference);
            let spoken = self
                .speak_for(peer)
                .and_then(|position| active(peer, at).map(|()| position).map_err(Some));
            match spoken {
                Ok(position) => found.push((position, peer, reference)),
                // Of several entries that are held back the first by name is reported, so that the file's
                // order does not change the reason.
                Err(Some(reason)) if held_back.is_none_or(|(_, p)| peer.name < p.name) => {
                    held_back = Some((reason, peer));
                }
                Err(_) => {}
            }
        }
        keep_meant(&mut found, topology, identity);
        // By the place of the name in the certificate, then by the entry's name: the same certificate always
        // speaks for the same entry.
        found.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
        let Some((position, peer, reference)) = found.first().copied() else {
            return Err(match held_back {
                Some((reason, peer)) => reason.at_line(held_back_words(reason, peer), peer.line),
                None => TrustReason::NotInTopology.into(),
            });
        };
        let others = found.get(1..).unwrap_or_default();
        // Grants are computed only where they are compared; a usual certificate names one entry.
        let grants = (!others.is_empty()).then(|| peer.terms());
        if let Some((_, other, _)) = others.iter().find(|(_, p, _)| Some(p.terms()) != grants) {
            return Err(TrustReason::AmbiguousIdentity
                .at_line(both_words(topology, peer, other, identity), peer.line));
        }
        Ok(MatchedEntry {
            also: others
                .iter()
                .take(MOST_ALSO)
                .map(|(_, _, reference)| *reference)
                .collect(),
            ..self.matched(reference, position)?
        })
    }

    /// The entries that one of the names could mean, in the order of the file.
    ///
    /// Found through an index of the topology, so that a handshake does not cost more with more peers.
    fn candidates(&self, topology: &Topology) -> BTreeSet<PeerRef> {
        let meant = |identity: &PresentedName| match identity.kind {
            MatchedKind::SipUri | MatchedKind::Dns | MatchedKind::CommonName => {
                topology.peers_called(&identity.name)
            }
            // A wildcard covers the entries one label below its parent (RFC 6125 §6.4.3); whether they allow
            // wildcards is asked later, so that the reason can be the right one.
            MatchedKind::Wildcard => topology.peers_below(&identity.name),
        };
        let meant = self.identities.iter().flat_map(meant);
        meant.copied().collect()
    }

    /// Outbound: whether the names cover the peer that was dialled (RFC 5922 §7.3).
    pub(crate) fn expect_peer(
        &self,
        expected: PeerRef,
        name: Option<&DnsName>,
        topology: &Topology,
        at: UnixTime,
    ) -> Result<MatchedEntry, StepRefusal> {
        // Of another topology: whoever was dialled is not listed in this one.
        let peer = topology.find_peer(expected);
        let peer = peer.ok_or(TrustReason::NotInTopology)?;
        if let Err(reason) = active(peer, at) {
            return Err(reason.at_line(held_back_words(reason, peer), peer.line));
        }
        // A name that the entry covers takes the place of its own.
        let under = match name {
            Some(name) if !peer.covers_name(name.as_str()) => {
                let detail = format!("dialled {name}, which {} does not cover", peer.name);
                return Err(TrustReason::NotInTopology.at_line(detail, peer.line));
            }
            Some(name) => Some(peer.under(name)),
            None => None,
        };
        let peer = under.as_ref().unwrap_or(peer);
        match self.speak_for(peer) {
            Ok(position) => self.matched(expected, position),
            Err(Some(reason)) => Err(reason.at_line(peer.name.to_string(), peer.line)),
            // The names do not cover the dialled peer. Which other peer they belong to is for the operator,
            // whose DNS record or address is often the slip.
            Err(None) => {
                let others = self.candidates(topology).into_iter();
                let others = others.map(|other| topology.peer(other));
                let others = others.filter(|p| p.window.is_open(at) && self.speak_for(p).is_ok());
                let dialled = &peer.fqdn;
                let detail = match others.map(|p| &p.name).min() {
                    None => format!("dialled {dialled}; no other peer has these names"),
                    Some(other) => format!("dialled {dialled}; these names are those of {other}"),
                };
                Err(TrustReason::NameMismatch.at_line(detail, peer.line))
            }
        }
    }

    fn matched(&self, peer: PeerRef, position: usize) -> Result<MatchedEntry, StepRefusal> {
        let identity = self
            .identities
            .get(position)
            .ok_or(TrustReason::NoUsableName)?;
        Ok(MatchedEntry {
            peer,
            name: identity.shown(),
            kind: identity.kind,
            also: Vec::new(),
        })
    }
}

/// Of entries that share an FQDN, the partner means the one whose identity it was shown: it asked for that name (RFC 5922 §7.8).
///
/// Nothing else is distinguished by it: who comes in chooses which identity it is shown, and entries with FQDNs of their own
/// are distinguished by what is proven.
fn keep_meant(
    found: &mut Vec<(usize, &Peer, PeerRef)>,
    topology: &Topology,
    identity: Option<&str>,
) {
    let is_shared = |peer: &Peer| {
        let same = found.iter().filter(|(_, other, _)| other.fqdn == peer.fqdn);
        same.count() > 1
    };
    let Some(identity) = identity else { return };
    if !found.iter().any(|(_, peer, _)| is_shared(peer)) {
        return;
    }
    let is_meant = |peer: &Peer| topology.shows(peer.identity, identity);
    if found.iter().any(|(_, peer, _)| is_meant(peer)) {
        found.retain(|(_, peer, _)| is_meant(peer));
    }
}

/// Why nothing distinguishes two entries that a certificate speaks for.
fn both_words(topology: &Topology, one: &Peer, other: &Peer, identity: Option<&str>) -> String {
    let both = format!("{} and {}", one.name, other.name);
    if one.fqdn != other.fqdn {
        return both;
    }
    let of = |peer: &Peer| &topology.identity(peer.identity).name;
    match identity {
        Some(identity) => format!(
            "{both}, which are shown {} and {}, while this node showed {identity}",
            of(one),
            of(other)
        ),
        None => both,
    }
}

/// Whether an entry counts at a time.
///
/// Outside its window an entry is treated as absent, so that a peer can be added before and removed after the
/// moment at which it counts.
pub(crate) fn active(peer: &Peer, at: UnixTime) -> Result<(), TrustReason> {
    match peer.window.state_at(at) {
        WindowState::Open => Ok(()),
        WindowState::NotYet(_) => Err(TrustReason::PeerNotYetActive),
        WindowState::Over(_) => Err(TrustReason::PeerNoLongerActive),
    }
}

/// The entry that is held back, and since or until when it counts.
fn held_back_words(reason: TrustReason, peer: &Peer) -> String {
    if let TrustReason::PeerNotYetActive | TrustReason::PeerNoLongerActive = reason {
        format!("{} counts {}", peer.name, peer.window)
    } else {
        peer.name.to_string()
    }
}
