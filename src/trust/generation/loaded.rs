//! A generation: one immutable loaded topology with its anchors and CRLs ready for path building.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Fault, Peer, Topology, TrustRef};
use crate::trust::anchors::{index::Anchors, prepare::prepare};
use crate::trust::generation::ambiguous::note_ambiguous;
use crate::trust::generation::notes::{note_authorities, note_of, refused_crl, worth};
use crate::trust::generation::prepared_set::PreparedSet;
use crate::trust::generation::{crls, own_staple};
use crate::trust::names::topology_names::TopologyNames;
use crate::trust::revocation::issuers::{CaKeys, Issuers};
use crate::trust::revocation::offers::{AdmittedCrls, RefusedCrl, SetSources};
use crate::trust::revocation::{clearance::KnownCrls, ledger::Ledger};
use rustls_pki_types::UnixTime;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One immutable loaded topology with what [`crate::trust::decide`] needs of it.
///
/// Nothing in it changes while it serves, except `sources`. Shards share it behind one pointer, and a
/// handshake judges by the generation that it began with.
pub struct Generation {
    pub(super) number: u64,
    pub(super) topology: Topology,
    /// In the order of [`Topology::trusts`].
    pub(super) sets: Vec<Arc<PreparedSet>>,
    /// The sets that hold a CA of a name, in the order of the sets' own names.
    pub(super) by_authority: Arc<HashMap<NameKey, Vec<TrustRef>>>,
    pub(super) ledger: Arc<Ledger>,
    /// When the ledger's CRLs end, in order, Unix seconds.
    pub(super) crl_ends: Arc<Vec<u64>>,
    /// The keys of all sets' CAs.
    pub(super) keys: Arc<CaKeys>,
    /// What the sources of each set held at the last look. It decides nothing; a look that brings nothing new into force
    /// writes it.
    // A lock only here: the timer that reads the sources takes it, and no handshake does.
    pub(super) sources: Mutex<Vec<Arc<SetSources>>>,
    pub(super) notes: Vec<Fault>,
    pub(super) refused: Vec<RefusedCrl>,
    /// Made when it is needed first.
    // Not made for generations that are only asked a question, such as those of `plan` and `explain`.
    pub(super) known: OnceLock<TopologyNames>,
}

/// What a generation is built upon.
#[derive(Clone, Copy, Default)]
pub struct Before<'a> {
    /// The one whose place it takes.
    pub previous: Option<&'a Generation>,
    /// The CRLs that were proven before this process, where there is no previous one.
    // Where there is a previous generation its ledger is newer than what was restored at the start.
    pub ledger: Option<&'a Ledger>,
}

impl Generation {
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
        // All faults are collected before any is returned: an operator wants to see them at once.
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        let mut refused = Vec::new();
        let mut sets = Vec::new();
        let mut keys = CaKeys::default();
        for set in topology.trusts() {
            let anchors = prepare(set, &topology, at, &mut faults, &mut notes);
            let issuers = Issuers::of(&set.anchors);
            keys.add(&issuers);
            sets.push(Arc::new(PreparedSet {
                anchors: Arc::new(anchors),
                issuers: Arc::new(issuers),
                unfit: Vec::new(),
            }));
        }
        let AdmittedCrls {
            ledger,
            sources,
            refused: not_taken,
            // CRLs come after all sets, because a CRL in one set may be signed by a CA of another.
        } = before.admit(&topology, &sets, &keys, at);
        let sources: Vec<Arc<SetSources>> = sources.into_values().map(Arc::new).collect();
        crls::set_unfit(&mut sets, &not_taken);
        crls::show(&mut topology, &sets, &sources, &ledger);
        for not_taken in &not_taken {
            if let Some(set) = topology.trusts().get(not_taken.set) {
                let crl = refused_crl(set, not_taken);
                notes.push(note_of(&crl, &topology));
                refused.push(crl);
            }
        }
        // Notes about CRLs speak of what is in force, and that is known only now.
        for set in topology.trusts() {
            notes.extend(worth(set, &topology, at));
            note_authorities(set, &topology, &mut notes);
        }
        note_ambiguous(&topology, at, &mut notes);
        own_staple::keep_good(&mut topology, at, &mut faults, &mut notes);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            number,
            by_authority: Arc::new(by_authority(&topology, &sets)),
            topology,
            sets,
            crl_ends: Arc::new(crls::ends(&ledger)),
            ledger: Arc::new(ledger),
            keys: Arc::new(keys),
            sources: Mutex::new(sources),
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

    /// This generation with other peers, sharing its anchors and CRLs: only for asking what would be decided.
    ///
    /// For the smallest change: a handful of decisions about the same chain.
    pub(crate) fn supposing(&self, peers: Vec<Peer>) -> Self {
        let topology = self.topology.supposing(peers);
        Self {
            ledger: Arc::clone(&self.ledger),
            crl_ends: Arc::clone(&self.crl_ends),
            ..self.followed_by(self.number, topology, self.sets.clone(), self.sources())
        }
    }

    /// One of the same CAs, with nothing in its ledger yet; its notes and refused CRLs are for who made it to report.
    pub(super) fn followed_by(
        &self,
        number: u64,
        topology: Topology,
        sets: Vec<Arc<PreparedSet>>,
        sources: Vec<Arc<SetSources>>,
    ) -> Self {
        Self {
            number,
            topology,
            sets,
            by_authority: Arc::clone(&self.by_authority),
            ledger: Arc::default(),
            crl_ends: Arc::default(),
            keys: Arc::clone(&self.keys),
            sources: Mutex::new(sources),
            notes: Vec::new(),
            refused: Vec::new(),
            known: OnceLock::new(),
        }
    }

    /// The same with these CRLs in force.
    pub(super) fn with_ledger(self, ledger: Ledger) -> Self {
        Self {
            crl_ends: Arc::new(crls::ends(&ledger)),
            ledger: Arc::new(ledger),
            ..self
        }
    }

    /// The names of the topology and of its CAs.
    pub(crate) fn topology_names(&self) -> &TopologyNames {
        self.known.get_or_init(|| TopologyNames::of(&self.topology))
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
    /// `crl_stale`, `crl_absent`, `anchor_expired`, `ambiguous_identity`, and every CRL that did not come into force.
    pub fn notes(&self) -> &[Fault] {
        &self.notes
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, and there is one entry for each trust set"
    )]
    fn set(&self, set: TrustRef) -> &PreparedSet {
        &self.sets[set.index()]
    }

    /// The anchors of a set.
    pub(crate) fn anchors(&self, set: TrustRef) -> &Anchors {
        &self.set(set).anchors
    }

    /// The sets that hold an anchor or another CA of one of these names, in the order of their own names.
    ///
    /// A question by name instead of a walk through all sets, whose number has no bound.
    pub(crate) fn sets_that_name<'n>(
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

    /// The CRLs that were ever proven.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What revocation is judged by in a set.
    pub(crate) fn known_crls(&self, set: TrustRef) -> KnownCrls<'_> {
        let prepared = self.set(set);
        KnownCrls {
            ledger: &self.ledger,
            issuers: &prepared.issuers,
            unfit: &prepared.unfit,
        }
    }

    /// What the sources of each set held at the last look.
    pub(super) fn sources(&self) -> Vec<Arc<SetSources>> {
        let sources = self.sources.lock();
        sources.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Before<'_> {
    /// Holds what loading has read against what was proven before.
    fn admit(
        &self,
        topology: &Topology,
        sets: &[Arc<PreparedSet>],
        keys: &CaKeys,
        at: UnixTime,
    ) -> AdmittedCrls {
        let sources = self.previous.map(Generation::sources).unwrap_or_default();
        // Sets are matched by their names: what was passed over or waited in a set does so still after a
        // reload.
        let previous = self.previous.iter().flat_map(|p| p.topology.trusts());
        let names = previous.map(|set| &*set.name);
        let sources: HashMap<&str, &SetSources> = names
            .zip(sources.iter().map(|sources| &**sources))
            .collect();
        let nothing = Ledger::default();
        let previous = self.previous.map(|previous| &*previous.ledger);
        let ledger = previous.or(self.ledger).unwrap_or(&nothing);
        crls::admit_loaded(ledger, &sources, topology, sets, keys, at)
    }
}

/// The sets by the names of the CAs that they hold, each list in the order of the sets' own names.
fn by_authority(topology: &Topology, sets: &[Arc<PreparedSet>]) -> HashMap<NameKey, Vec<TrustRef>> {
    // A reference is a position; the topology has refused more sets than that long before.
    let count = u32::try_from(topology.trusts().len()).unwrap_or(u32::MAX);
    let mut by_name: Vec<TrustRef> = (0..count).map(TrustRef).collect();
    by_name.sort_by_key(|set| &topology.trust(*set).name);
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
    by_authority
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
