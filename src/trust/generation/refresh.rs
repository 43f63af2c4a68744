//! The generation that follows when CRLs and OCSP responses are read again, without a reload.
use super::Generation;
use crate::topology::{CrlFile, Fault, HeldCrl, IdentityRef, Topology, TrustRef};
use crate::trust::admission::{RefusedCrl, admit, take};
use crate::trust::own_staple::{self, weigh};
use crate::trust::set_notes::told;
use rustls_pki_types::UnixTime;
use std::sync::{Arc, OnceLock};

/// What was read again for [`Generation::refresh`].
#[derive(Default)]
pub struct Read {
    /// The CRL files of some trust sets.
    pub crls: Vec<(TrustRef, Vec<CrlFile>)>,
    /// The OCSP responses of some identities; `None`: the file could not be read.
    pub staples: Vec<(IdentityRef, Option<Vec<u8>>)>,
}

/// What [`Generation::refresh`] found.
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
        let mut topology = self.topology.clone();
        let mut sets = self.sets.clone();
        let mut changed = false;
        for (reference, response) in read.staples {
            changed |= restaple(&mut topology, reference, response, at, &mut outcome.notes);
        }
        for (reference, files) in read.crls {
            let (Some(set), Some(prepared)) = (
                topology.trusts.get_mut(reference.index()),
                sets.get_mut(reference.index()).map(Arc::make_mut),
            ) else {
                continue;
            };
            let held = std::mem::take(&mut set.crls);
            let mut offered = Vec::new();
            let mut kept = Vec::new();
            for file in files {
                match file.content {
                    Ok(lists) => offered.extend(lists.into_iter().map(|list| HeldCrl {
                        file: Arc::clone(&file.file),
                        fetched: file.fetched,
                        list,
                    })),
                    Err((refusal, said)) => {
                        // A directory that cannot be listed keeps what was in it, as a file keeps what it held.
                        kept.extend(
                            held.iter()
                                .filter(|c| c.file.starts_with(&file.file))
                                .cloned(),
                        );
                        outcome.refused.push(RefusedCrl {
                            trust: set.name.clone(),
                            line: file.line,
                            file: file.file,
                            issuer: None,
                            refusal,
                            detail: said,
                            digest: file.digest,
                        });
                    }
                }
            }
            let mut admitted = admit(offered, &held, &prepared.anchors, at);
            kept.into_iter()
                .for_each(|crl| take(&mut admitted.in_force, crl));
            outcome.refused.extend(told(set, &admitted));
            let came = admitted
                .in_force
                .iter()
                .filter(|crl| !held.iter().any(|h| h.list == crl.list));
            outcome
                .updated
                .extend(came.map(|crl| (set.name.clone(), crl.clone())));
            let same = held.len() == admitted.in_force.len()
                && held
                    .iter()
                    .all(|h| admitted.in_force.iter().any(|c| c.list == h.list))
                && prepared.unfit.len() == admitted.unfit.len();
            changed |= !same;
            set.crls = admitted.in_force;
            prepared.unfit = admitted.unfit;
        }
        if changed {
            outcome.generation = Some(Self {
                number,
                topology,
                sets,
                by_name: self.by_name.clone(),
                notes: Vec::new(),
                refused: Vec::new(),
                known: OnceLock::new(),
            });
        }
        outcome
    }
}

/// Staples the response that was read, or goes on with the one stapled while that is good; whether anything changed.
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
    let next = next.or_else(|| stapled.clone().filter(still));
    let changed = next != stapled;
    if let Some(identity) = topology.identities.get_mut(reference.index())
        && let Some(staple) = &mut identity.staple
    {
        staple.response = next;
    }
    changed
}
