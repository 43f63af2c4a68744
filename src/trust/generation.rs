//! A generation: one immutable loaded topology with its anchors and CRLs ready for path building.
mod crls;
mod refresh;

pub use crls::HeldSeries;
pub(super) use crls::KnownCrls;
pub use refresh::{Read, Refreshed};

use super::admission::{Admitted, RefusedCrl, Shelf, Unfit};
use super::anchors::index::Anchors;
use super::anchors::prepare::prepare;
use super::issuers::{Issuers, Keys};
use super::ledger::Ledger;
use super::names::topology_names::Known;
use super::own_staple::{self, weigh};
use super::set_notes::{note_of, note_revoked, told, worth};
use super::{Presented, Reason, decide};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Direction, Expectation, Fault, Peer, Topology, TrustRef, did_you_mean};
use rustls_pki_types::UnixTime;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

/// One immutable loaded topology with what [`super::decide`] needs of it.
pub struct Generation {
    number: u64,
    topology: Topology,
    /// In the order of [`Topology::trusts`].
    sets: Vec<Arc<Prepared>>,
    /// The sets that hold a CA of a name, in the order of the sets' own names.
    by_authority: Arc<HashMap<NameKey, Vec<TrustRef>>>,
    ledger: Arc<Ledger>,
    /// When the ledger's CRLs end, in order, Unix seconds.
    crl_ends: Arc<Vec<u64>>,
    /// The keys of all sets' CAs.
    keys: Arc<Keys>,
    /// What the sources of each set held at the last look. It decides nothing; a look that brings nothing new into force
    /// writes it.
    shelves: Mutex<Vec<Arc<Shelf>>>,
    notes: Vec<Fault>,
    refused: Vec<RefusedCrl>,
    /// Made when it is needed first.
    known: OnceLock<Known>,
}

#[derive(Clone)]
struct Prepared {
    anchors: Arc<Anchors>,
    issuers: Arc<Issuers>,
    /// CRLs that are not used, with nothing in their place.
    unfit: Vec<Unfit>,
}

/// What a generation is built upon.
#[derive(Clone, Copy, Default)]
pub struct Before<'a> {
    /// The one whose place it takes.
    pub previous: Option<&'a Generation>,
    /// The CRLs that were proven before this process, where there is no previous one.
    pub ledger: Option<&'a Ledger>,
}

impl Generation {
    /// Prepares anchors and CRLs, and runs the expectations at `at`.
    ///
    /// # Errors
    /// Every anchor that cannot be used (`anchor_malformed`) and every expectation that
    /// fails (`expectation_failed`), each with file, line and what to do.
    pub fn build(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        Self::build_after(Before::default(), number, topology, at)
    }

    /// As [`Self::build`], with what is known of CRLs: one that is worse than one that was proven before does not come into
    /// force, and the one held stays ([`Self::refused_crls`]).
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_after(
        before: Before<'_>,
        number: u64,
        topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare_after(before, number, topology, at)?;
        let faults = generation.unmet_expectations(at, |_| true);
        generation.ready(faults)
    }

    /// As [`Self::build_after`], for a process that starts: an expectation that somebody is accepted and that fails is a note
    /// here. A partner's certificate that ended or was revoked since the file was checked must not keep the node from
    /// starting; who gets in against an expectation must.
    ///
    /// # Errors
    /// As [`Self::build_after`].
    pub fn build_at_start(
        before: Before<'_>,
        number: u64,
        topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare_after(before, number, topology, at)?;
        let faults = generation.unmet_expectations(at, |expectation| !expectation.accept);
        let notes = generation.unmet_expectations(at, |expectation| expectation.accept);
        generation.with_notes(notes).ready(faults)
    }

    /// Itself, unless there are faults.
    fn ready(self, faults: Vec<Fault>) -> Result<Self, Vec<Fault>> {
        if !faults.is_empty() {
            return Err(faults);
        }
        // Not in the first handshake that asks.
        self.known();
        Ok(self)
    }

    /// As [`Self::build`] without running the expectations: only for asking what would be decided.
    ///
    /// # Errors
    /// Every anchor that cannot be used.
    pub fn prepare(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        Self::prepare_after(Before::default(), number, topology, at)
    }

    /// As [`Self::prepare`], with what is known of CRLs.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_after(
        before: Before<'_>,
        number: u64,
        mut topology: Topology,
        at: UnixTime,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        let mut refused = Vec::new();
        let mut sets = Vec::new();
        let mut keys = Keys::default();
        for set in topology.trusts() {
            let anchors = prepare(set, &topology, at, &mut faults, &mut notes);
            let issuers = Issuers::of(&set.anchors);
            keys.add(&issuers);
            sets.push(Arc::new(Prepared {
                anchors: Arc::new(anchors),
                issuers: Arc::new(issuers),
                unfit: Vec::new(),
            }));
        }
        let Admitted {
            ledger,
            shelves,
            refused: not_taken,
        } = crls::admit_loaded(before, &topology, &sets, &keys, at);
        let shelves: Vec<Arc<Shelf>> = shelves.into_values().map(Arc::new).collect();
        crls::set_unfit(&mut sets, &not_taken);
        crls::show(&mut topology, &sets, &shelves, &ledger);
        for not_taken in &not_taken {
            if let Some(set) = topology.trusts().get(not_taken.set) {
                let told = told(set, not_taken);
                notes.push(note_of(&told, &topology));
                refused.push(told);
            }
        }
        for set in topology.trusts() {
            notes.extend(worth(set, &topology, at));
            note_revoked(set, &topology, &mut notes);
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
        let mut by_authority: HashMap<NameKey, Vec<TrustRef>> = HashMap::new();
        for set in by_name {
            let prepared = sets.get(set.index());
            for name in prepared.iter().flat_map(|set| set.anchors.names()) {
                let sets = by_authority.entry(name.clone()).or_default();
                if sets.last() != Some(&set) {
                    sets.push(set);
                }
            }
        }
        Ok(Self {
            number,
            topology,
            sets,
            by_authority: Arc::new(by_authority),
            crl_ends: Arc::new(crls::ends(&ledger)),
            ledger: Arc::new(ledger),
            keys: Arc::new(keys),
            shelves: Mutex::new(shelves),
            notes,
            refused,
            known: OnceLock::new(),
        })
    }

    /// With further notes.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<Fault>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// How those expectations that are asked for are not met.
    fn unmet_expectations(&self, at: UnixTime, which: impl Fn(&Expectation) -> bool) -> Vec<Fault> {
        let expectations = self.topology.expectations();
        expectations
            .iter()
            .filter(|e| which(e))
            .filter_map(|e| self.unmet(e, at))
            .collect()
    }

    /// This generation with other peers, sharing its anchors and CRLs: only for asking what would be decided.
    pub(super) fn supposing(&self, peers: Vec<Peer>) -> Self {
        Self {
            number: self.number,
            topology: self.topology.supposing(peers),
            sets: self.sets.clone(),
            by_authority: Arc::clone(&self.by_authority),
            ledger: Arc::clone(&self.ledger),
            crl_ends: Arc::clone(&self.crl_ends),
            keys: Arc::clone(&self.keys),
            shelves: Mutex::new(self.shelves()),
            notes: Vec::new(),
            refused: Vec::new(),
            known: OnceLock::new(),
        }
    }

    /// Whom the topology names.
    pub(super) fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::of(&self.topology))
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

    /// The sets that hold an anchor or another CA of one of these names, in the order of their own names.
    pub(super) fn sets_that_name<'n>(
        &self,
        names: impl Iterator<Item = &'n NameKey>,
    ) -> Vec<TrustRef> {
        let mut sets: Vec<TrustRef> = names
            .filter_map(|name| self.by_authority.get(name))
            .flatten()
            .copied()
            .collect();
        sets.sort_by_key(|set| &self.topology.trust(*set).name);
        sets.dedup();
        sets
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
