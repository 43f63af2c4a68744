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
    /// Which identity was shown is asked first: an entry that is outside its window, or whose policy does not allow the name, leaves
    /// nobody who was shown its identity to another entry. An entry outside its window counts as absent; it is the reason only when
    /// no other one matches.
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
        let candidates = self.candidates(topology);
        for reference in &candidates {
            let peer = topology.peer(*reference);
            match is_meant(peer, topology, identity) {
                Meant::Yes => {}
                Meant::Another => continue,
                // What is proven for it, and for no other of its FQDN, was not asked for.
                Meant::Nobody if self.speak_for(peer).is_ok() => {
                    return Err(not_meant(peer, topology, identity));
                }
                Meant::Nobody => continue,
            }
            let spoken = self
                .speak_for(peer)
                .and_then(|position| active(peer, at).map(|()| position).map_err(Some));
            match spoken {
                Ok(position) => found.push((position, peer, *reference)),
                // Of several entries that are held back the first by name is reported, so that the file's
                // order does not change the reason.
                Err(Some(reason)) if held_back.is_none_or(|(_, p)| peer.name < p.name) => {
                    held_back = Some((reason, peer));
                }
                Err(_) => {}
            }
        }
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
                .at_line(format!("{} and {}", peer.name, other.name), peer.line));
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

/// Whether a partner has asked for an entry, by the identity that it was shown (RFC 5922 §7.8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// This one, or nothing tells which.
    Yes,
    /// Another entry of its FQDN.
    Another,
    /// None of its FQDN.
    Nobody,
}

/// Of entries that share an FQDN, the partner means the one whose identity it was shown: it asked for that name. An entry with a
/// name of this node's for it alone (`advertise`) is asked for by that name, too, where no other shares its FQDN: one that did may be
/// gone from the file, and whoever still asks for that one is not served by this.
///
/// Nothing else is distinguished by it: who comes in chooses which identity it is shown, and entries with FQDNs of their own
/// are distinguished by what is proven.
pub(crate) fn is_meant(peer: &Peer, topology: &Topology, identity: Option<&str>) -> Meant {
    let same = topology.peers_called(peer.fqdn.as_str());
    let is_shared = same.len() > 1;
    let shows = |peer: &Peer| identity.is_some_and(|name| topology.shows(peer.identity, name));
    if !is_shared && peer.advertise.is_none() || shows(peer) {
        return Meant::Yes;
    }
    if is_shared {
        let is_known = same.iter().any(|other| shows(topology.peer(*other)));
        return if is_known {
            Meant::Another
        } else {
            Meant::Nobody
        };
    }
    // Whoever calls this node by that name is content with any certificate that carries it.
    let carries = |shown: &str| {
        let mut all = topology.identities().iter();
        let own = all.find(|own| own.name == shown);
        own.is_some_and(|own| peer.advertise.iter().all(|name| own.names.contains(name)))
    };
    if identity.is_none_or(carries) {
        Meant::Yes
    } else {
        Meant::Nobody
    }
}

/// Why a certificate that speaks for this entry serves none of its FQDN.
fn not_meant(peer: &Peer, topology: &Topology, identity: Option<&str>) -> StepRefusal {
    let shown = identity.unwrap_or("one that is not said (`identity`)");
    let of = |peer: &Peer| &topology.identity(peer.identity).name;
    let same = topology.peers_called(peer.fqdn.as_str()).iter();
    let mut same = same.map(|other| topology.peer(*other));
    let other = same.find(|other| other.name != peer.name);
    let (reason, detail) = match (other, &peer.advertise) {
        (Some(other), _) => (
            TrustReason::AmbiguousIdentity,
            format!(
                "{} and {}, which are shown {} and {}, while this node showed {shown}",
                peer.name,
                other.name,
                of(peer),
                of(other)
            ),
        ),
        (None, name) => (
            TrustReason::IdentityNotForPeer,
            format!(
                "{} knows this node as {}, while this node showed {shown}",
                peer.name,
                name.iter().map(DnsName::as_str).collect::<String>()
            ),
        ),
    };
    reason.at_line(detail, peer.line)
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
