//! What will break, and when: everything that a generation rests on and that ends by itself, in the order of time, and
//! what peers showed last that ends, or that only a relaxed policy lets in.
use crate::reason::Reason;
use crate::topology::{CertificateFacts, TrustSet, Window, show_moment};
use crate::trust::certificate::chain::Chain;
use crate::trust::decision::decide::{conclude, strict_purpose_refuses};
use crate::trust::decision::{presented::Presented, question::TrustQuestion};
use crate::trust::generation::loaded::Generation;
use crate::trust::handshake::seen::ShownChain;
use crate::trust::trace::recorder::Trace;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// One thing that ends.
///
/// `check` and `status` show it: certificates fail on a day that was known for a year.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Foreseen {
    /// When it ends, Unix seconds.
    pub at: u64,
    /// What ends: `own_certificate`, `anchor`, `crl`, `identity_window`, `peer_window` or `trust_window`; of what peers have shown,
    /// `peer_certificate`.
    // Words that scripts may match on.
    pub kind: &'static str,
    /// The name of the identity, trust set or peer that it belongs to.
    pub name: String,
    /// Which one, and what comes of it.
    pub what: String,
    /// The line of the topology.
    pub line: u32,
}

impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = show_moment(self.at);
        write!(f, "{at} {}: {} (line {})", self.kind, self.what, self.line)
    }
}

/// What is foreseen of the peers, by the chains that they have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeerOutlook {
    /// What is accepted now and will not be later, the next first.
    pub ends: Vec<Foreseen>,
    /// Names of the peers that get in only because their `purpose` is not strict.
    // Public CAs stop issuing clientAuth, and `strict` asks for it inbound.
    pub relaxed: Vec<String>,
    /// What was accepted when it was shown and is no longer.
    pub refused: Vec<Lapsed>,
}

/// A chain that a peer showed last, and that is accepted no longer.
///
/// After a reload or an edit of the file: who would be locked out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lapsed {
    /// The peer's name.
    pub peer: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// The reason code.
    pub reason: Reason,
    /// What makes it understandable.
    pub detail: Option<String>,
    /// The line of the topology that decides.
    pub line: Option<u32>,
}

impl Generation {
    /// What is foreseen of each peer by the chain that it showed last in each direction, of `shown`, the latest first.
    ///
    /// Peers that this generation does not name are left out.
    pub fn outlook<'a>(
        &self,
        shown: impl IntoIterator<Item = ShownChain<'a>>,
        now: UnixTime,
    ) -> PeerOutlook {
        let mut ends = BTreeSet::new();
        let mut relaxed = BTreeSet::new();
        let mut refused = BTreeSet::new();
        let mut judged = HashSet::new();
        // The latest comes first, and only it counts for each peer and direction.
        for shown in shown {
            let direction = shown.direction;
            let named = self.topology().peer_by_name(shown.peer);
            // A peer that left the topology is no surprise.
            if named.is_none() || !judged.insert((shown.peer, shown.name.clone(), direction)) {
                continue;
            }
            let presented = Presented::again(&shown.chain, Some(shown.peer), direction, self)
                .under(shown.name.as_ref())
                .shown(shown.identity);
            let question = TrustQuestion {
                presented: &presented,
                chain: &Chain::parse(presented.chain),
                direction,
                generation: self,
                at: now,
            };
            // By the same decision as a handshake, so that the forecast cannot be wrong about a rule.
            let accepted = match conclude(&question, &Trace::off()) {
                Ok(accepted) => accepted,
                Err(refusal) => {
                    refused.insert(Lapsed {
                        peer: shown.peer.to_owned(),
                        direction: direction.word(),
                        reason: refusal.reason.into(),
                        detail: refusal.detail.clone(),
                        line: refusal.line,
                    });
                    continue;
                }
            };
            let peer = self.topology().peer(accepted.peer());
            let decision = accepted.decision();
            let subject = decision.subjects.first().map_or("", String::as_str);
            ends.extend(decision.valid_until.map(|at| Foreseen {
                at,
                kind: "peer_certificate",
                name: peer.name.to_string(),
                what: format!(
                    "what peer {} showed last, \"{subject}\", will no longer be accepted",
                    peer.name
                ),
                line: peer.line,
            }));
            if strict_purpose_refuses(&question) {
                relaxed.insert(peer.name.to_string());
            }
        }
        PeerOutlook {
            ends: ends.into_iter().collect(),
            relaxed: relaxed.into_iter().collect(),
            refused: refused.into_iter().collect(),
        }
    }

    /// Everything that ends after `after`, the next first.
    ///
    /// Only what ends by itself is listed, with what comes of it; what an operator changes is not foreseen.
    pub fn forecast(&self, after: UnixTime) -> Vec<Foreseen> {
        let topology = self.topology();
        let mut ends = Vec::new();
        for identity in topology.identities() {
            let place = format!("identity {}", identity.name);
            let client = identity.client.iter().flat_map(|pair| &pair.chain);
            let last = identity.window.not_after;
            for der in identity.server.chain.iter().chain(client) {
                let what = format!("{place}: nobody will accept it any more");
                // A client's certificate of an identity ends like its server's: both are shown to peers.
                let of = (identity.name.as_str(), identity.line);
                let end = certificate("own_certificate", der, &what, of);
                // One that is not shown any more by then breaks nothing.
                ends.extend(end.filter(|end| last.is_none_or(|last| last >= end.at)));
            }
            // Only a warning: the successor is already in the file.
            let what = format!("{place}: another one with its names will be shown from then on");
            let of = (identity.name.as_str(), identity.line);
            ends.extend(window("identity_window", identity.window, what, of));
        }
        for set in topology.trusts() {
            let of = (set.name.as_str(), set.line);
            for der in &set.anchors {
                // The anchor itself goes on vouching; its CA issues nothing beyond its end.
                let what = format!("trust {}: its CA should have a new one by then", set.name);
                ends.extend(certificate("anchor", der, &what, of));
            }
            ends.extend(crls(set));
            let what = format!("trust {}: it will vouch for nobody any more", set.name);
            ends.extend(window("trust_window", set.window, what, of));
        }
        for peer in topology.peers() {
            let what = format!("peer {}: it will count as absent", peer.name);
            let of = (peer.name.as_str(), peer.line);
            ends.extend(window("peer_window", peer.window, what, of));
        }
        // What has ended already is a note of the generation and not a forecast.
        ends.retain(|end| end.at > after.as_secs());
        ends.sort();
        // One anchor may be in several files of a set.
        ends.dedup();
        ends
    }
}

/// One that cannot be read has been refused when the topology was loaded.
fn certificate(
    kind: &'static str,
    der: &CertificateDer<'_>,
    what: &str,
    (name, line): (&str, u32),
) -> Option<Foreseen> {
    let facts = CertificateFacts::read(der)?;
    Some(Foreseen {
        at: u64::try_from(facts.not_after).ok()?,
        kind,
        name: name.to_owned(),
        what: format!("the certificate of \"{}\" ends; {what}", facts.subject),
        line,
    })
}

/// The CRLs of a set with the moment from which on they clear nobody.
///
/// The grace is part of the moment: until then the CRL still clears.
fn crls(set: &TrustSet) -> impl Iterator<Item = Foreseen> {
    set.grace().into_iter().flat_map(move |grace| {
        set.crls.iter().map(move |crl| Foreseen {
            at: crl.next_update().saturating_add(grace),
            kind: "crl",
            name: set.name.clone(),
            what: format!(
                "the CRL of \"{}\" will clear nobody any more; trust {}",
                crl.issuer(),
                set.name
            ),
            line: set.line,
        })
    })
}

fn window(
    kind: &'static str,
    window: Window,
    what: String,
    (name, line): (&str, u32),
) -> Option<Foreseen> {
    Some(Foreseen {
        at: window.not_after?,
        kind,
        name: name.to_owned(),
        what,
        line,
    })
}
