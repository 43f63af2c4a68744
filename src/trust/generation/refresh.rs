//! The generation that follows when CRLs and OCSP responses are read again, without a reload.
use crate::topology::{CrlFile, Fault, HeldCrl, IdentityRef, Topology, TrustRef, TrustSet};
use crate::trust::generation::crls;
use crate::trust::generation::own_staple::{self, weigh};
use crate::trust::generation::{loaded::Generation, notes::refused_crl, prepared_set::PreparedSet};
use crate::trust::revocation::offers::{Offer, OfferedCrl, RefusedCrl, SetSources};
use crate::trust::revocation::{admission::admit, ledger::Ledger, series::SeriesId};
use rustls_pki_types::UnixTime;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

/// What was read again for [`Generation::refresh`].
///
/// Reading is I/O and the daemon's; what comes of it is decided here, without any.
#[derive(Default)]
pub struct Read {
    /// The CRL files of some trust sets.
    pub crls: Vec<(TrustRef, Vec<CrlFile>)>,
    /// The OCSP responses of some identities; `None`: the file could not be read.
    pub staples: Vec<(IdentityRef, Option<Vec<u8>>)>,
}

/// What [`Generation::refresh`] found.
///
/// Without a generation nothing has changed, and no connection needs to be judged again.
#[derive(Default)]
pub struct Refreshed {
    /// The next generation, if anything came into force or went out of it.
    pub generation: Option<Generation>,
    /// Files and CRLs that were not taken.
    pub refused: Vec<RefusedCrl>,
    /// OCSP responses that are not stapled, and why.
    pub notes: Vec<Fault>,
    /// CRLs that came into force, each with the name of its trust set.
    pub updated: Vec<(String, HeldCrl)>,
}

impl Generation {
    /// The next generation after the CRL files of some trust sets were read again: those that are worse than the ones
    /// held, or cannot be read, do not come into force. Expectations are not asked: a revocation takes effect even if
    /// somebody expected otherwise.
    pub fn refresh(&self, number: u64, read: Read, at: UnixTime) -> Refreshed {
        let mut outcome = Refreshed::default();
        // A copy, because the topology shows the CRLs and responses that are in force.
        let mut topology = self.topology.clone();
        let mut sets = self.sets.clone();
        let mut changed = false;
        for (reference, response) in read.staples {
            changed |= restaple(&mut topology, reference, response, at, &mut outcome.notes);
        }
        let sources = self.sources();
        let mut offers = Vec::new();
        let mut read_sets = HashSet::new();
        for (reference, files) in read.crls {
            let position = reference.index();
            let (Some(set), Some(prepared)) =
                (topology.trusts().get(position), self.sets.get(position))
            else {
                continue;
            };
            let before = sources.get(position).map(|sources| &**sources);
            let (crls, still) = sort_out(files, set, before, &mut outcome.refused);
            // Sets that were not read now keep what they offered at their last reading.
            read_sets.insert(position);
            offers.push(Offer {
                set: (position, &self.topology.trust(reference).name),
                issuers: &prepared.issuers,
                crls,
                still,
                before,
            });
        }
        let names = self.topology.trusts().iter().map(|set| &*set.name);
        let others = names.zip(&sources).enumerate();
        let others: Vec<(&str, &SetSources)> = others
            .filter(|(position, _)| !read_sets.contains(position))
            .map(|(_, (name, sources))| (name, &**sources))
            .collect();
        let terms = crls::terms(&self.topology, &self.keys, at);
        let admitted = admit(&self.ledger, offers, &others, &terms);
        let mut sources = sources.clone();
        for (position, fresh) in admitted.sources {
            if let Some(place) = sources.get_mut(position) {
                *place = Arc::new(fresh);
            }
        }
        // What explained a refusal so far may have been replaced by what was read.
        for position in &read_sets {
            if let Some(set) = sets.get_mut(*position) {
                Arc::make_mut(set).unfit.clear();
            }
        }
        crls::set_unfit(&mut sets, &admitted.refused);
        let refused = admitted.refused.iter().filter_map(|refused| {
            let set = topology.trusts().get(refused.set)?;
            Some(refused_crl(set, refused))
        });
        outcome.refused.extend(refused);
        // A new generation makes every connection be judged again, so one is made only if a verdict or its
        // explanation could differ.
        changed |= !self.ledger.is_same(&admitted.ledger) || self.explains_otherwise(&sets);
        if changed {
            crls::show(&mut topology, &sets, &sources, &admitted.ledger);
            outcome.updated = came(self, &topology, &admitted.ledger);
            let next = self.followed_by(number, topology, sets, sources);
            outcome.generation = Some(next.with_ledger(admitted.ledger));
        } else {
            // Remembered in the generation that stays: which old CRLs lie beside the newer ones is no news at
            // the next reading.
            *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
        }
        outcome
    }

    /// The same without what is known of a series; `None` when there is none of this id. Its CRLs may come again.
    ///
    /// For an operator whose CA has started to number its CRLs anew: nothing else ever lets an older CRL in.
    pub fn forgetting(&self, id: SeriesId, number: u64) -> Option<Self> {
        let ledger = self.ledger.without(id)?;
        let mut topology = self.topology.clone();
        let sources = self.sources();
        crls::show(&mut topology, &self.sets, &sources, &ledger);
        let next = self.followed_by(number, topology, self.sets.clone(), sources);
        Some(next.with_ledger(ledger))
    }

    /// Whether other CRLs explain refusals.
    ///
    /// By number: the CRLs behind it are reported anyway, and a difference in number is what changes a
    /// reason.
    fn explains_otherwise(&self, sets: &[Arc<PreparedSet>]) -> bool {
        let count = |sets: &[Arc<PreparedSet>]| -> Vec<usize> {
            sets.iter().map(|set| set.unfit.len()).collect()
        };
        count(&self.sets) != count(sets)
    }
}

/// The CRLs of the files, and what those still hold that cannot be read now; the reason goes into `refused`.
fn sort_out(
    files: Vec<CrlFile>,
    set: &TrustSet,
    before: Option<&SetSources>,
    refused: &mut Vec<RefusedCrl>,
) -> (Vec<HeldCrl>, Vec<OfferedCrl>) {
    let mut crls = Vec::new();
    let mut still = Vec::new();
    for file in files {
        match file.content {
            Ok(lists) => crls.extend(lists.into_iter().map(|list| HeldCrl {
                file: Arc::clone(&file.file),
                fetched: file.fetched,
                list,
            })),
            // What the file held stays offered, so that an unreadable file cannot take a CRL out of force.
            Err((refusal, error)) => {
                // A directory that cannot be listed has what was in it, as a file has what it held.
                let held = before.into_iter().flat_map(|sources| &sources.offered);
                let held = held.filter(|((place, _), _)| place.starts_with(&file.file));
                still.extend(held.cloned());
                refused.push(RefusedCrl {
                    trust: set.name.clone(),
                    line: file.line,
                    file: file.file,
                    issuer: None,
                    refusal,
                    detail: error,
                    digest: file.digest,
                });
            }
        }
    }
    (crls, still)
}

/// The CRLs that are in force now and were not, each with the first set that shows it.
fn came(before: &Generation, topology: &Topology, ledger: &Ledger) -> Vec<(String, HeldCrl)> {
    let in_force = |ledger: &Ledger| -> HashSet<[u8; 32]> {
        let crls = ledger.all().into_iter().flat_map(|series| series.crls());
        crls.map(|crl| *crl.digest()).collect()
    };
    // By digest: the same CRL from another file is not new.
    let mut fresh = in_force(ledger);
    for old in in_force(&before.ledger) {
        fresh.remove(&old);
    }
    let mut came = Vec::new();
    for set in topology.trusts() {
        for crl in &set.crls {
            if fresh.remove(crl.digest()) {
                came.push((set.name.clone(), crl.clone()));
            }
        }
    }
    came
}

/// Staples the response that was read, or goes on with the one stapled while that is good; whether anything changed.
///
/// The stapled one stays while it is good: a responder's outage must not take a good response away.
fn restaple(
    topology: &mut Topology,
    reference: IdentityRef,
    read: Option<Vec<u8>>,
    at: UnixTime,
    notes: &mut Vec<Fault>,
) -> bool {
    let Some(identity) = topology.identities.get(reference.index()) else {
        return false;
    };
    let stapled = identity.staple.as_ref().and_then(|s| s.response.clone());
    let mut next = None;
    if let Some(response) = read {
        match weigh(identity, &response, topology, at) {
            Ok(_) => next = Some(response),
            Err(refusal) => notes.push(own_staple::note(identity, &refusal, topology)),
        }
    }
    let still = |response: &Vec<u8>| weigh(identity, response, topology, at).is_ok();
    // Also when the file was read and refused: an older response that is still good serves better than none.
    let next = next.or_else(|| stapled.clone().filter(still));
    let changed = next != stapled;
    if let Some(identity) = topology.identities.get_mut(reference.index())
        && let Some(staple) = &mut identity.staple
    {
        staple.response = next;
    }
    changed
}
