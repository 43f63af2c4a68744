//! The CRLs of a generation: what its trust sets offer held against what was proven, and what each set shows of it.
use super::{Before, Generation, Prepared};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{HeldCrl, Revocation, Topology, TrustRef, TrustSet};
use crate::trust::admission::{Admitted, Offer, Refused, Shelf, Terms, Unfit, admit};
use crate::trust::issuers::{Issuers, Keys};
use crate::trust::ledger::{Ledger, Series, SeriesId};
use rustls_pki_types::UnixTime;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

/// What revocation is judged by: everything that was proven, whatever set named it, and what is the set's own.
pub(in crate::trust) struct KnownCrls<'g> {
    pub(in crate::trust) ledger: &'g Ledger,
    /// The CAs that the set names.
    pub(in crate::trust) issuers: &'g Issuers,
    /// Those that are not used, with nothing in their place.
    pub(in crate::trust) unfit: &'g [Unfit],
}

/// A series, with the trust sets that it is shown in.
#[derive(Clone, Debug)]
pub struct HeldSeries {
    /// The series.
    pub series: Arc<Series>,
    /// Names of trust sets.
    pub sets: Vec<String>,
}

impl Generation {
    /// The CRLs that were ever proven.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What revocation is judged by in a set.
    pub(in crate::trust) fn known_crls(&self, set: TrustRef) -> KnownCrls<'_> {
        let prepared = self.set(set);
        KnownCrls {
            ledger: &self.ledger,
            issuers: &prepared.issuers,
            unfit: &prepared.unfit,
        }
    }

    /// What the sources of each set held at the last look.
    pub(super) fn shelves(&self) -> Vec<Arc<Shelf>> {
        let shelves = self.shelves.lock();
        shelves.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All series, with the trust sets whose CAs or sources they belong to.
    pub fn held_crls(&self) -> Vec<HeldSeries> {
        let mut sets: HashMap<SeriesId, BTreeSet<&str>> = HashMap::new();
        let named = by_set(&self.ledger);
        for (set, prepared) in self.topology.trusts().iter().zip(&self.sets) {
            for id in shown_in(set, prepared, &self.ledger, &named) {
                sets.entry(id).or_default().insert(&set.name);
            }
        }
        let all = self.ledger.all().into_iter();
        all.map(|series| HeldSeries {
            series: Arc::clone(series),
            sets: sets
                .get(&series.id())
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
                .unwrap_or_default(),
        })
        .collect()
    }

    /// The first time after `after` at which a verdict may turn although no file does: a CRL goes stale under a set's
    /// policy, or a window opens or closes. Unix seconds.
    pub fn next_turn(&self, after: UnixTime) -> Option<u64> {
        let after = after.as_secs();
        let windows = self.topology.trusts().iter().map(|set| set.window);
        let windows = windows.chain(self.topology.peers().iter().map(|peer| peer.window));
        let windows = windows.chain(self.topology.identities().iter().map(|own| own.window));
        // Both ends belong to a window, so what ends turns a second later.
        let turns = windows
            .flat_map(|window| [window.not_before, window.not_after.map(|end| end + 1)])
            .flatten()
            .filter(|turn| *turn > after)
            .min();
        let graces: BTreeSet<u64> = self.topology.trusts().iter().filter_map(grace).collect();
        let ends = &self.crl_ends;
        let stale = graces.iter().filter_map(|grace| {
            let first = ends.partition_point(|end| end.saturating_add(*grace) <= after);
            Some(ends.get(first)?.saturating_add(*grace))
        });
        stale.chain(turns).min()
    }
}

/// When the CRLs of a ledger end, in order, Unix seconds.
pub(super) fn ends(ledger: &Ledger) -> Vec<u64> {
    let in_force = ledger.all().into_iter().flat_map(|series| series.crls());
    let beside = ledger.all_beside().map(|(_, crl)| crl);
    let mut ends: Vec<u64> = in_force
        .chain(beside)
        .map(|crl| crl.next_update())
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Seconds for which a CRL serves after its nextUpdate; `None`: the set does not ask for CRLs.
fn grace(set: &TrustSet) -> Option<u64> {
    match set.revocation {
        Revocation::Off => None,
        Revocation::Require => Some(0),
        Revocation::Grace(grace) => Some(grace.as_secs()),
    }
}

/// What holds for the CRLs of all sets.
pub(super) fn terms<'a>(topology: &'a Topology, keys: &'a Keys, at: UnixTime) -> Terms<'a> {
    let sets = topology.trusts();
    Terms {
        keys,
        sets: sets.iter().map(|set| set.name.as_str()).collect(),
        grace: sets.iter().filter_map(grace).max().unwrap_or(0),
        at,
    }
}

/// Holds what loading has read against what was proven before.
pub(super) fn admit_loaded(
    before: Before<'_>,
    topology: &Topology,
    sets: &[Arc<Prepared>],
    keys: &Keys,
    at: UnixTime,
) -> Admitted {
    let shelves = before.previous.map(Generation::shelves).unwrap_or_default();
    let previous = before.previous.iter().flat_map(|p| p.topology.trusts());
    let names = previous.map(|set| &*set.name);
    let shelves: HashMap<&str, &Shelf> = names.zip(shelves.iter().map(|shelf| &**shelf)).collect();
    let offers = topology.trusts().iter().zip(sets).enumerate();
    let offers = offers.map(|(position, (set, prepared))| {
        let before = shelves.get(&*set.name).copied();
        let fetched = before.into_iter().flat_map(|shelf| &shelf.offered);
        Offer {
            set: (position, &set.name),
            issuers: &prepared.issuers,
            crls: set.crls.clone(),
            // What was fetched is in no file, and is still there for a set that still fetches.
            still: fetched
                .filter(|(_, fetched)| *fetched && set.crl_fetch)
                .cloned()
                .collect(),
            before,
        }
    });
    let nothing = Ledger::default();
    let previous = before.previous.map(|previous| &*previous.ledger);
    let ledger = previous.or(before.ledger).unwrap_or(&nothing);
    let terms = terms(topology, keys, at);
    admit(ledger, offers.collect(), &[], &terms)
}

/// Gives each set those that explain its refusals.
pub(super) fn set_unfit(sets: &mut [Arc<Prepared>], refused: &[Refused]) {
    for refused in refused.iter().filter(|refused| !refused.stays) {
        if let Some(set) = sets.get_mut(refused.set) {
            Arc::make_mut(set).unfit.push(Unfit {
                crl: refused.crl.clone(),
                refusal: refused.refusal,
            });
        }
    }
}

/// Gives each set the CRLs that it shows: of its own CAs, those that its sources offered, and those that wait there for their
/// issuer's key.
pub(super) fn show(
    topology: &mut Topology,
    sets: &[Arc<Prepared>],
    shelves: &[Arc<Shelf>],
    ledger: &Ledger,
) {
    let named = by_set(ledger);
    let beside: HashMap<&[u8; 32], &HeldCrl> = ledger
        .all_beside()
        .map(|(_, crl)| (crl.digest(), crl))
        .collect();
    let sets = sets.iter().zip(shelves);
    for (set, (prepared, shelf)) in topology.trusts.iter_mut().zip(sets) {
        let ids = shown_in(set, prepared, ledger, &named);
        let in_force = ids.iter().filter_map(|id| ledger.get(*id));
        let in_force = in_force.flat_map(|series| series.crls());
        let waiting = shelf.beside.iter();
        let waiting = waiting.filter_map(|digest| beside.get(digest).copied());
        let mut crls: BTreeMap<_, HeldCrl> = BTreeMap::new();
        for crl in in_force.chain(waiting) {
            crls.insert((Arc::clone(&crl.file), *crl.digest()), crl.clone());
        }
        set.crls = crls.into_values().collect();
    }
}

/// The series by the names of the sets that offered them.
fn by_set(ledger: &Ledger) -> HashMap<&str, Vec<SeriesId>> {
    let mut named: HashMap<&str, Vec<SeriesId>> = HashMap::new();
    for series in ledger.all() {
        for set in series.sets() {
            named.entry(set).or_default().push(series.id());
        }
    }
    named
}

fn shown_in(
    set: &TrustSet,
    prepared: &Prepared,
    ledger: &Ledger,
    named: &HashMap<&str, Vec<SeriesId>>,
) -> BTreeSet<SeriesId> {
    let offered = named.get(&*set.name).into_iter().flatten().copied();
    let mut ids: BTreeSet<SeriesId> = offered.collect();
    let mut names: HashSet<&NameKey> = HashSet::new();
    for (name, _) in prepared.issuers.all() {
        if !names.insert(name) {
            continue;
        }
        let keys: HashSet<&[u8]> = prepared
            .issuers
            .named(name)
            .iter()
            .map(|signer| &*signer.key)
            .collect();
        let own = ledger.named(name).filter(|s| keys.contains(s.key()));
        ids.extend(own.map(|series| series.id()));
    }
    ids
}
