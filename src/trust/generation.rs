//! A generation: one immutable loaded topology with its anchors and CRLs ready for path building.
mod refresh;

pub use refresh::{Read, Refreshed};

use super::admission::{RefusedCrl, Unfit, admit};
use super::anchors::{Anchors, prepare};
use super::known::Known;
use super::own_staple::{self, weigh};
use super::set_notes::{note_of, told, worth};
use super::{Presented, Reason, decide};
use crate::topology::{
    Direction, Expectation, Fault, HeldCrl, Peer, Revocation, Topology, TrustRef, TrustSet,
    did_you_mean,
};
use rustls_pki_types::UnixTime;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// One immutable loaded topology with what [`super::decide`] needs of it.
pub struct Generation {
    number: u64,
    topology: Topology,
    /// In the order of [`Topology::trusts`].
    sets: Vec<Arc<Prepared>>,
    by_name: Vec<TrustRef>,
    notes: Vec<Fault>,
    refused: Vec<RefusedCrl>,
    /// Made when it is needed first.
    known: OnceLock<Known>,
}

#[derive(Clone)]
struct Prepared {
    anchors: Arc<Anchors>,
    unfit: Vec<Unfit>,
}

impl Generation {
    /// Prepares anchors and CRLs, and runs the expectations at `at`.
    ///
    /// # Errors
    /// Every anchor that cannot be used (`anchor_malformed`) and every expectation that
    /// fails (`expectation_failed`), each with file, line and what to do.
    pub fn build(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        Self::build_after(None, number, topology, at)
    }

    /// As [`Self::build`], for a generation that takes the place of `previous`: a CRL that is worse than the one held
    /// there does not come into force, and the one held stays ([`Self::refused_crls`]).
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_after(
        previous: Option<&Self>,
        number: u64,
        topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare_after(previous, number, topology, at)?;
        let faults = generation.unmet_expectations(at);
        if faults.is_empty() {
            // Not in the first handshake that asks.
            generation.known();
            Ok(generation)
        } else {
            Err(faults)
        }
    }

    /// As [`Self::build`] without running the expectations: only for asking what would be decided.
    ///
    /// # Errors
    /// Every anchor that cannot be used.
    pub fn prepare(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        Self::prepare_after(None, number, topology, at)
    }

    fn prepare_after(
        previous: Option<&Self>,
        number: u64,
        mut topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        let mut refused = Vec::new();
        let mut sets = Vec::new();
        let before = previous.iter().flat_map(|p| p.topology.trusts());
        let before: HashMap<&str, &[HeldCrl]> = before
            .map(|set| (set.name.as_str(), &set.crls[..]))
            .collect();
        for position in 0..topology.trusts.len() {
            let Some(set) = topology.trusts.get(position) else {
                break;
            };
            let anchors = Arc::new(prepare(set, &topology, at, &mut faults, &mut notes));
            let held = before.get(set.name.as_str()).copied().unwrap_or_default();
            // What was fetched is in no file, and stays with a set that still fetches.
            let fetched = held.iter().filter(|crl| crl.fetched && set.crl_fetch);
            let offered = fetched.chain(&set.crls).cloned().collect();
            let admitted = admit(offered, held, &anchors, at);
            let told = told(set, &admitted);
            notes.extend(told.iter().map(|refused| note_of(refused, &topology)));
            refused.extend(told);
            notes.extend(worth(set, &admitted, &topology, at));
            if let Some(set) = topology.trusts.get_mut(position) {
                set.crls = admitted.in_force;
            }
            sets.push(Arc::new(Prepared {
                anchors,
                unfit: admitted.unfit,
            }));
        }
        for position in 0..topology.identities.len() {
            let Some(identity) = topology.identities.get(position) else {
                break;
            };
            let response = identity.staple.as_ref().and_then(|s| s.response.as_ref());
            let weighed = response.map(|r| weigh(identity, r, &topology, at));
            let Some(Err(refusal)) = weighed else {
                continue;
            };
            let told = own_staple::note(identity, &refusal, &topology);
            if let Reason::OcspMalformed | Reason::OcspWrongCertificate = refusal.reason {
                faults.push(told);
            } else {
                notes.push(told);
            }
            if let Some(identity) = topology.identities.get_mut(position)
                && let Some(staple) = &mut identity.staple
            {
                staple.response = None;
            }
        }
        let mut by_name: Vec<TrustRef> = (0u32..)
            .map(TrustRef)
            .zip(topology.trusts())
            .map(|(reference, _)| reference)
            .collect();
        by_name.sort_by_key(|set| &topology.trust(*set).name);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            number,
            topology,
            sets,
            by_name,
            notes,
            refused,
            known: OnceLock::new(),
        })
    }

    fn unmet_expectations(&self, at: UnixTime) -> Vec<Fault> {
        let expectations = self.topology.expectations();
        expectations
            .iter()
            .filter_map(|e| self.unmet(e, at))
            .collect()
    }

    /// This generation with other peers, sharing its anchors and CRLs: only for asking what would be decided.
    pub(super) fn supposing(&self, peers: Vec<Peer>) -> Self {
        Self {
            number: self.number,
            topology: self.topology.supposing(peers),
            sets: self.sets.clone(),
            by_name: self.by_name.clone(),
            notes: Vec::new(),
            refused: Vec::new(),
            known: OnceLock::new(),
        }
    }

    /// Whom the topology names.
    pub(super) fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::of(&self.topology))
    }

    /// The first time after `after` at which a verdict may turn although no file does: a CRL goes stale under its set's
    /// policy. Unix seconds.
    pub fn next_turn(&self, after: UnixTime) -> Option<u64> {
        let ends = |set: &TrustSet| {
            let grace = match set.revocation {
                Revocation::Off => return None,
                Revocation::Require => 0,
                Revocation::Grace(grace) => grace.as_secs(),
            };
            let ends = |crl: &HeldCrl| crl.next_update().saturating_add(grace);
            set.crls
                .iter()
                .map(ends)
                .filter(|end| *end > after.as_secs())
                .min()
        };
        let windows = self.topology.trusts().iter().map(|set| set.window);
        let windows = windows.chain(self.topology.peers().iter().map(|peer| peer.window));
        let windows = windows.chain(self.topology.identities().iter().map(|own| own.window));
        // Both ends belong to a window, so what ends turns a second later.
        let turns = windows
            .flat_map(|window| [window.not_before, window.not_after.map(|end| end + 1)])
            .flatten()
            .filter(|turn| *turn > after.as_secs());
        let crls = self.topology.trusts().iter().filter_map(ends);
        crls.chain(turns).min()
    }

    /// Counts up with each load, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The CRLs that the files offered and that did not come into force when this generation was built.
    pub fn refused_crls(&self) -> &[RefusedCrl] {
        &self.refused
    }

    /// What does not keep the generation from serving but wants the operator's eye, at the time of building:
    /// `crl_stale`, `crl_absent`, `anchor_expired`, and every CRL that did not come into force.
    pub fn notes(&self) -> &[Fault] {
        &self.notes
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, and there is one entry for each trust set"
    )]
    fn set(&self, set: TrustRef) -> &Prepared {
        &self.sets[set.index()]
    }

    /// The anchors of a set.
    pub(super) fn anchors(&self, set: TrustRef) -> &Anchors {
        &self.set(set).anchors
    }

    /// The CRLs of a set that are not used, with nothing in their place.
    pub(super) fn unfit(&self, set: TrustRef) -> &[Unfit] {
        &self.set(set).unfit
    }

    /// All sets in the order of their names.
    pub(super) fn trust_refs_by_name(&self) -> impl Iterator<Item = TrustRef> {
        self.by_name.iter().copied()
    }

    /// The fault that tells how an expectation is not met.
    fn unmet(&self, expectation: &Expectation, at: UnixTime) -> Option<Fault> {
        let presented = Presented {
            chain: &expectation.chain,
            expected: expectation
                .peer
                .filter(|_| expectation.direction == Direction::Outbound),
            staple: None,
        };
        let at = expectation.at.unwrap_or(at);
        let decision = match decide(&presented, expectation.direction, self, at) {
            Ok(peer) => Arc::clone(peer.decision()),
            Err(decision) => decision,
        };
        let accepted = decision.reason == Reason::Accepted;
        let wanted = expectation.reason.as_deref();
        let meant = expectation
            .peer
            .is_none_or(|peer| !accepted || decision.peer == Some(peer));
        if accepted == expectation.accept
            && wanted.is_none_or(|w| w == decision.reason.code())
            && meant
        {
            return None;
        }
        if let Some(word) = wanted
            && Reason::from_code(word).is_none()
        {
            let known = Reason::ALL.iter().map(|reason| reason.code());
            return Some(Fault {
                file: self.topology.path().to_owned(),
                line: Some(expectation.line),
                code: "expectation_failed",
                what: format!("`{word}` is no reason code{}", did_you_mean(word, known)),
                remedy: "docs/reasons.md lists them all".to_owned(),
            });
        }
        let way = match expectation.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        let verdict = if expectation.accept {
            "accept"
        } else {
            "refuse"
        };
        let detail = decision.detail.as_deref().unwrap_or("no further detail");
        Some(Fault {
            file: self.topology.path().to_owned(),
            line: Some(expectation.line),
            code: "expectation_failed",
            what: format!(
                "{} as {way} shall be: {verdict}{}; the decision is {}{} ({}; {detail})",
                expectation.certificate.display(),
                wanted.map_or_else(String::new, |w| format!(" {w}")),
                decision.reason,
                match &decision.peer_fqdn {
                    Some(peer) if accepted => format!(" for {peer}"),
                    Some(_) | None => String::new(),
                },
                decision.reason.sentence(),
            ),
            remedy: "mend the topology, or the expectation if the new behaviour is wanted"
                .to_owned(),
        })
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
