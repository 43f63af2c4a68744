//! The CRLs of a generation: what its trust sets offer held against what was proven, and what each set shows of it.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{HeldCrl, Topology, TrustSet};
use crate::trust::generation::prepared_set::PreparedSet;
use crate::trust::revocation::offers::{
    AdmittedCrls, Offer, RejectedCrl, SetSources, Terms, UnusedCrl,
};
use crate::trust::revocation::{
    admission::admit, issuers::CaKeys, ledger::Ledger, series::SeriesId,
};
use rustls_pki_types::UnixTime;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// When the CRLs of a ledger end, in order, Unix seconds.
///
/// Kept in order, so that the moment of the next change is found by a binary search at each turn.
pub(super) fn ends(ledger: &Ledger) -> Vec<u64> {
    let in_force = ledger.all().into_iter().flat_map(|series| series.crls());
    let waiting = ledger.all_waiting().map(|(_, crl)| crl);
    let mut ends: Vec<u64> = in_force
        .chain(waiting)
        .map(|crl| crl.next_update())
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// What holds for the CRLs of all sets.
///
/// For a load and for a reading of the sources alike, so that a CRL is taken or refused in the same way by
/// both.
pub(super) fn terms<'a>(topology: &'a Topology, keys: &'a CaKeys, at: UnixTime) -> Terms<'a> {
    let sets = topology.trusts();
    Terms {
        keys,
        sets: sets.iter().map(|set| set.name.as_str()).collect(),
        grace: sets.iter().filter_map(TrustSet::grace).max().unwrap_or(0),
        at,
    }
}

/// Holds what loading has read against what was proven before; `sources` are those of the sets before, by their names.
pub(super) fn admit_loaded(
    ledger: &Ledger,
    sources: &HashMap<&str, &SetSources>,
    topology: &Topology,
    sets: &[Arc<PreparedSet>],
    keys: &CaKeys,
    at: UnixTime,
) -> AdmittedCrls {
    let offers = topology.trusts().iter().zip(sets).enumerate();
    let offers = offers.map(|(position, (set, prepared))| {
        // By name: a reload may move, add and remove sets.
        let before = sources.get(&*set.name).copied();
        let fetched = before.into_iter().flat_map(|sources| &sources.offered);
        Offer {
            set: (position, &set.name),
            issuers: &prepared.issuers,
            // What loading found in the files; fetched CRLs come from the ledger.
            crls: set.crls.clone(),
            // What was fetched is in no file, and is still there for a set that still fetches.
            still: fetched
                .filter(|(_, fetched)| *fetched && set.crl_fetch)
                .cloned()
                .collect(),
            before,
        }
    });
    let terms = terms(topology, keys, at);
    admit(ledger, offers.collect(), &[], &terms)
}

/// Puts into each set the unused CRLs that explain its refusals.
pub(super) fn set_unfit(sets: &mut [Arc<PreparedSet>], refused: &[RejectedCrl]) {
    for refused in refused.iter().filter(|refused| !refused.stays) {
        // Shared with the generation that still serves, so the set is copied before it is changed.
        if let Some(set) = sets.get_mut(refused.set) {
            Arc::make_mut(set).unfit.push(UnusedCrl {
                crl: refused.crl.clone(),
                refusal: refused.refusal,
            });
        }
    }
}

/// Puts into each set the CRLs that it shows: of its own CAs, those that its sources offered, and those that wait there for their
/// issuer's key.
///
/// What is shown decides nothing; `status`, `crls`, `check` and the forecast read it.
pub(super) fn show(
    topology: &mut Topology,
    sets: &[Arc<PreparedSet>],
    sources: &[Arc<SetSources>],
    ledger: &Ledger,
) {
    let named = by_set(ledger);
    let by_digest: HashMap<&[u8; 32], &HeldCrl> = ledger
        .all_waiting()
        .map(|(_, crl)| (crl.digest(), crl))
        .collect();
    let sets = sets.iter().zip(sources);
    for (set, (prepared, sources)) in topology.trusts.iter_mut().zip(sets) {
        let ids = shown_in(set, prepared, ledger, &named);
        let in_force = ids.iter().filter_map(|id| ledger.get(*id));
        let in_force = in_force.flat_map(|series| series.crls());
        let waiting = sources.waiting.iter();
        let waiting = waiting.filter_map(|digest| by_digest.get(digest).copied());
        // By file and digest: one CRL can be in force and waiting, and the order should not change by itself.
        let mut crls: BTreeMap<_, HeldCrl> = BTreeMap::new();
        for crl in in_force.chain(waiting) {
            crls.insert((Arc::clone(&crl.file), *crl.digest()), crl.clone());
        }
        set.crls = crls.into_values().collect();
    }
}

/// The series by the names of the sets that offered them.
///
/// Turned around once, rather than searched for each set.
pub(super) fn by_set(ledger: &Ledger) -> HashMap<&str, Vec<SeriesId>> {
    let mut named: HashMap<&str, Vec<SeriesId>> = HashMap::new();
    for series in ledger.all() {
        for set in series.sets() {
            named.entry(set).or_default().push(series.id());
        }
    }
    named
}

/// A series belongs to a set that offered it and to every set that holds the CA's key: an operator looks for
/// it in either.
pub(super) fn shown_in(
    set: &TrustSet,
    prepared: &PreparedSet,
    ledger: &Ledger,
    named: &HashMap<&str, Vec<SeriesId>>,
) -> BTreeSet<SeriesId> {
    let offered = named.get(&*set.name).into_iter().flatten().copied();
    let mut ids: BTreeSet<SeriesId> = offered.collect();
    let mut names: HashSet<&NameKey> = HashSet::new();
    for (name, _) in prepared.issuers.all() {
        // A CA with two keys has its name twice.
        if !names.insert(name) {
            continue;
        }
        let keys: HashSet<&[u8]> = prepared
            .issuers
            .named(name)
            .iter()
            .map(|signer| &*signer.key)
            .collect();
        // By key and name: another CA of the same name is another issuer.
        let own = ledger.named(name).filter(|s| keys.contains(s.key()));
        ids.extend(own.map(|series| series.id()));
    }
    ids
}
