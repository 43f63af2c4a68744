//! What a generation holds that changes by itself: its CRLs as they are shown, and when a verdict may turn.
use crate::topology::TrustSet;
use crate::trust::generation::crls::{by_set, shown_in};
use crate::trust::generation::loaded::Generation;
use crate::trust::revocation::series::{Series, SeriesId};
use rustls_pki_types::UnixTime;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A series, with the trust sets that it is shown in.
#[derive(Clone, Debug)]
pub struct HeldSeries {
    /// The series.
    pub series: Arc<Series>,
    /// Names of trust sets.
    pub sets: Vec<String>,
}

impl Generation {
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
    ///
    /// The daemon sleeps until then and judges its connections again, so that a verdict never outlives its
    /// grounds.
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
        // Each set has its own grace: the same CRL goes stale at another moment in each.
        let graces: BTreeSet<u64> = self
            .topology
            .trusts()
            .iter()
            .filter_map(TrustSet::grace)
            .collect();
        let ends = &self.crl_ends;
        let stale = graces.iter().filter_map(|grace| {
            let first = ends.partition_point(|end| end.saturating_add(*grace) <= after);
            Some(ends.get(first)?.saturating_add(*grace))
        });
        stale.chain(turns).min()
    }
}
