//! Which CRLs come into force when files, distribution points and the state directory offer some (RFC 5280 §5.1.2.4, §5.2.3
//! and §6.3.3).
use crate::topology::distinguished_name::NameKey;
use crate::topology::{CrlReason, HeldCrl};
use crate::trust::revocation::crl_signature::{is_signed_acceptably, is_signed_with};
use crate::trust::revocation::issuers::Issuers;
use crate::trust::revocation::ledger::{Entered, Ledger};
use crate::trust::revocation::offers::{AdmittedCrls, Offer, RejectedCrl, SetSources, Terms};
use crate::trust::revocation::scope_key::ScopeKey;
use crate::trust::revocation::series::{Series, SeriesId};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// How far a CA's clock may be ahead of this machine's: five minutes, as Kerberos allows between two machines.
const SKEW: u64 = 300;
/// CRLs that one trust set's sources may offer: a file can hold many.
///
/// Without a bound a CA's directory of old CRLs could fill the memory at each reading.
const MOST_OFFERED: usize = 1_024;
/// Keys that are tried on a CRL because they have signed others of its issuer. A CA has a few in its life; whoever shows
/// hundreds under one name would have each tried on each of its CRLs.
const MOST_TRIED: usize = 8;

/// Holds what some sets offer against everything that was ever proven; `others` are the other sets' names with their
/// sources.
///
/// The ledger is copied and never changed in place: the generation that serves goes on with the old one until
/// the new one is whole.
pub(crate) fn admit<'a>(
    ledger: &Ledger,
    offers: Vec<Offer<'a>>,
    others: &[(&'a str, &'a SetSources)],
    terms: &Terms<'_>,
) -> AdmittedCrls {
    let mut admission = AdmissionRun {
        ledger: ledger.clone(),
        terms,
        refused: Vec::new(),
        older: Vec::new(),
        waiting: Vec::new(),
    };
    // Also the sets that offer nothing now: what waits there may be promoted by a key that another set
    // brought.
    let offering = offers.iter().filter_map(|o| Some((o.set.1, o.before?)));
    let before: Vec<(&str, &SetSources)> = others.iter().copied().chain(offering).collect();
    admission.promote(&before);
    let sources = others.iter().map(|(_, sources)| *sources);
    let mut present: HashSet<[u8; 32]> = sources.flat_map(digests).collect();
    // In the order of the topology, so that the same sources always lead to the same reports.
    let mut by_set = BTreeMap::new();
    let mut before = HashMap::new();
    let mut names = HashMap::new();
    for offer in offers {
        let (set, name) = offer.set;
        before.insert(set, offer.before);
        names.insert(set, name);
        let sources = admission.take(offer);
        // Present means: in some source of some set at this moment.
        present.extend(digests(&sources));
        by_set.insert(set, sources);
    }
    // Only now is it known which CRLs are present anywhere, and so which older one is a rollback.
    admission.settle_older(&present, &mut by_set, &before);
    // The sets of each one that waits, so that each set has room for its own.
    let own = by_set.iter();
    let own = own.map(|(set, sources)| (names.get(set).copied().unwrap_or_default(), sources));
    let mut owners: HashMap<[u8; 32], BTreeSet<&str>> = HashMap::new();
    for (name, sources) in others.iter().copied().chain(own) {
        for digest in &sources.waiting {
            owners.entry(*digest).or_default().insert(name);
        }
    }
    admission.settle(&present, &owners);
    admission.settle_waiting(&mut by_set);
    AdmittedCrls {
        ledger: admission.ledger,
        sources: by_set,
        refused: admission.refused,
    }
}

fn digests(sources: &SetSources) -> impl Iterator<Item = [u8; 32]> {
    sources.offered.iter().map(|((_, digest), _)| *digest)
}

/// One run over all that is offered; it holds what cannot be decided before the end.
struct AdmissionRun<'t> {
    ledger: Ledger,
    terms: &'t Terms<'t>,
    refused: Vec<RejectedCrl>,
    /// Those that are older than what is known, each with its set and its series. Decided at the end, by what else was
    /// offered.
    older: Vec<(usize, HeldCrl, NameKey, SeriesId)>,
    /// Those that nobody is known to have signed, each with its set.
    waiting: Vec<(usize, NameKey, HeldCrl)>,
}

impl AdmissionRun<'_> {
    /// Enters what was beside and has been found to be signed by a key that is known now.
    fn promote(&mut self, before: &[(&str, &SetSources)]) {
        let waits = before.iter();
        let waits =
            waits.flat_map(|(set, sources)| sources.waiting.iter().map(|digest| (*digest, *set)));
        let sets: HashMap<[u8; 32], &str> = waits.collect();
        let waiting: Vec<_> = self
            .ledger
            .all_waiting()
            .map(|(name, crl)| (name.clone(), crl.clone()))
            .collect();
        // A CA's certificate may be loaded after its CRL: from then on the CRL is proven and counts.
        for (name, crl) in waiting {
            // Looked at again in every run: the check of a signature is kept with the CRL, so that it costs
            // nothing the second time.
            // Whoever offered it while it waited gets the credit; without one the series is the CA's
            // alone.
            let set = sets.get(crl.digest()).copied().unwrap_or_default();
            for key in self.signers(&name, &crl, set) {
                self.ledger.enter(&name, &key, &crl, set);
            }
        }
    }

    /// The known keys of a name that signed a CRL which a set offers.
    fn signers(&self, name: &NameKey, crl: &HeldCrl, set: &str) -> Vec<Arc<[u8]>> {
        // Keys of the anchors, keys that signed before, and a key that a peer's path has shown: CRLs of a CA
        // below the anchors are proven by the last.
        let mut keys: Vec<Arc<[u8]>> = self.terms.keys.named(name).to_vec();
        let proven = crl.proven_by().map(Arc::from);
        // Those by which the set has offered CRLs come first, so that no other set's CAs can crowd them out under
        // the same name; one that is left out is tried when a peer shows it.
        let known = self.ledger.keys(name, set).take(MOST_TRIED).cloned();
        for key in known.chain(proven) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        // The signature decides, and the names of keys and CRL only narrow what is tried.
        keys.retain(|key| is_signed_with(crl, &SubjectPublicKeyInfoDer::from(&**key)));
        keys
    }

    /// Takes what one set offers.
    fn take(&mut self, offer: Offer<'_>) -> SetSources {
        let mut sources = SetSources {
            offered: offer.still,
            // What is gone from the files and still waits is still shown.
            waiting: offer
                .before
                .map(|sources| sources.waiting.clone())
                .unwrap_or_default(),
            ..SetSources::default()
        };
        // Copies of one CRL in several files are one offer.
        let mut seen = HashSet::new();
        for crl in offer.crls {
            let place = (Arc::clone(&crl.file), *crl.digest());
            sources.offered.push((place, crl.fetched));
            if !seen.insert(*crl.digest()) {
                continue;
            }
            // One report for the set, not one for each CRL beyond the bound.
            if seen.len() > MOST_OFFERED {
                self.refuse(offer.set.0, crl, CrlReason::TooMany);
                break;
            }
            if let Some(refusal) = self.offer(offer.set, offer.issuers, &crl, &mut sources) {
                self.refuse(offer.set.0, crl, refusal);
            }
        }
        sources
    }

    /// Takes one, or returns why not.
    fn offer(
        &mut self,
        (set, set_name): (usize, &str),
        issuers: &Issuers,
        crl: &HeldCrl,
        sources: &mut SetSources,
    ) -> Option<CrlReason> {
        // The checks are ordered from the cheap to the dear: form, algorithm, date, and only then signatures.
        let Some(name) = NameKey::of(crl.issuer_der()) else {
            return Some(CrlReason::Malformed);
        };
        // No key can show that it made it, whatever its issuer is: it need not wait.
        if !is_signed_acceptably(crl) {
            return Some(CrlReason::UnsupportedSignature);
        }
        // A clock that was set back must not throw out a CRL that was accepted before.
        let is_held = self.ledger.holding(crl).next().is_some();
        let at = self.terms.at.as_secs();
        if !is_held && crl.this_update() > at.saturating_add(SKEW) {
            return Some(CrlReason::Future);
        }
        let signers = self.signers(&name, crl, set_name);
        if signers.is_empty() {
            // A CRL under the name of a CA that is known, signed with another key, may be an impostor's: that
            // is reported. Of an unknown CA it is merely not of use yet.
            let known =
                !issuers.named(&name).is_empty() || self.ledger.named(&name).next().is_some();
            // Files are the operator's; what was fetched over HTTP may be anybody's and must not wait at the
            // operator's expense.
            if !crl.fetched {
                // A CA that changed its key has CRLs of the new one before anybody shows its certificate.
                sources.waiting.insert(*crl.digest());
                self.waiting.push((set, name, crl.clone()));
            }
            // What is fetched is named by a certificate whose issuer's key is known. The CRL may wait and be
            // reported at once: the operator should look, and the CA may have a new key.
            return (known || crl.fetched).then_some(CrlReason::BadSignature);
        }
        // RFC 5280 §6.3.3 (f): the keyUsage of the CA must allow CRLs. A CA that is in no file is judged with
        // the path.
        let named = issuers.named(&name).iter();
        let mut anchors = named
            .filter(|signer| signers.contains(&signer.key))
            .peekable();
        if anchors.peek().is_some() && !anchors.any(|signer| signer.signs_crls) {
            return Some(CrlReason::SignerUnfit);
        }
        let mut refusal = None;
        // Two CAs with one key make one series each, if their names differ; with one name they share it.
        for key in signers {
            match self.ledger.enter(&name, &key, crl, set_name) {
                (_, Entered::Taken | Entered::Held) => {}
                (_, Entered::Full) => refusal = Some(CrlReason::TooMany),
                // Kept for the end.
                (id, Entered::Older) => self.older.push((set, crl.clone(), name.clone(), id)),
            }
        }
        refusal
    }

    /// Whether another one stays in force is filled in when the ledger is complete.
    fn refuse(&mut self, set: usize, crl: HeldCrl, refusal: CrlReason) {
        self.refused.push(RejectedCrl {
            set,
            crl,
            refusal,
            stays: false,
        });
    }

    /// Which older one is a rollback can only be said when everything was offered.
    fn settle_older(
        &mut self,
        present: &HashSet<[u8; 32]>,
        by_set: &mut BTreeMap<usize, SetSources>,
        before: &HashMap<usize, Option<&SetSources>>,
    ) {
        // An older CRL alone is somebody's attempt to bring back a certificate that was revoked, or a copy
        // from a backup. Beside the newer one it is just an old file.
        for (set, crl, name, id) in std::mem::take(&mut self.older) {
            let place = (Arc::clone(&crl.file), *crl.digest());
            // What the set's sources held at the reading before.
            let known = before.get(&set).copied().flatten();
            let is_old_news = known.is_some_and(|sources| sources.passed_over.contains(&place));
            if is_old_news || self.newer_is_present(&name, id, &crl, present) {
                if let Some(sources) = by_set.get_mut(&set) {
                    sources.passed_over.insert(place);
                }
            } else {
                self.refuse(set, crl, CrlReason::Older);
            }
        }
    }

    /// What stays in force or waits, by what is offered; `owners` has the sets of those that wait.
    fn settle(&mut self, present: &HashSet<[u8; 32]>, owners: &HashMap<[u8; 32], BTreeSet<&str>>) {
        let (grace, at) = (self.terms.grace, self.terms.at.as_secs());
        let until = |crl: &HeldCrl| crl.next_update().saturating_add(grace);
        // Before pruning: what is promoted now is proven, and may be what keeps a series in use.
        self.put_waiting(until, at, owners);
        // Last, when it is known what is still offered.
        self.ledger.prune(present, &self.terms.sets, until, at);
        // Whether the refusal harms anybody: with another CRL in force nothing changes for peers.
        for refused in &mut self.refused {
            let name = NameKey::of(refused.crl.issuer_der());
            refused.stays = name.is_some_and(|name| self.ledger.covers(&name, refused.crl.scope()));
        }
    }

    /// A CRL that was promoted, or fell out for lack of room, waits no more.
    fn settle_waiting(&self, by_set: &mut BTreeMap<usize, SetSources>) {
        let waiting = self.ledger.all_waiting();
        let waiting: HashSet<[u8; 32]> = waiting.map(|(_, crl)| *crl.digest()).collect();
        for sources in by_set.values_mut() {
            sources.waiting.retain(|digest| waiting.contains(digest));
        }
    }

    /// Keeps those beside whose issuer's key is unknown: what was there before and is current, and what came.
    fn put_waiting(
        &mut self,
        until: impl Fn(&HeldCrl) -> u64,
        at: u64,
        owners: &HashMap<[u8; 32], BTreeSet<&str>>,
    ) {
        // Current, not yet proven and in no series: everything else has nothing to wait for.
        let waits = |(_, crl): &(&NameKey, &HeldCrl)| {
            until(crl) > at
                && crl.proven_by().is_none()
                && self.ledger.holding(crl).next().is_none()
        };
        let held = self.ledger.all_waiting().filter(waits);
        let mut waiting: Vec<_> = held
            .map(|(name, crl)| (name.clone(), crl.clone()))
            .collect();
        waiting.extend(self.waiting.iter().map(|w| (w.1.clone(), w.2.clone())));
        let offered: HashSet<[u8; 32]> = self.waiting.iter().map(|w| *w.2.digest()).collect();
        // Bounded for each set: waiting CRLs are unproven, and a large one could be anybody's.
        let left_out = self.ledger.set_waiting(waiting, &offered, owners);
        let left_out: HashSet<_> = left_out.iter().map(|crl| *crl.digest()).collect();
        for (set, _, crl) in std::mem::take(&mut self.waiting) {
            if left_out.contains(crl.digest()) {
                self.refuse(set, crl, CrlReason::TooMany);
            }
        }
    }

    /// Whether something that is offered, too, is newer than this one.
    ///
    /// Asked of an older CRL: with the newer one in some source the older is no attempt to roll back.
    fn newer_is_present(
        &self,
        name: &NameKey,
        id: SeriesId,
        crl: &HeldCrl,
        present: &HashSet<[u8; 32]>,
    ) -> bool {
        let is_present = |series: &Series| {
            let mut held = series.crls().iter();
            held.any(|held| present.contains(held.digest()))
        };
        let scope = ScopeKey::of(crl.scope());
        // In one of a wider scope that outdates it.
        let wider = |series: &Arc<Series>| {
            is_present(series) && series.outdates(crl) && series.includes(crl.scope(), &scope)
        };
        match self.ledger.get(id) {
            Some(own) => is_present(own) || self.ledger.of_key(name, own.key()).any(wider),
            // The series is not in the ledger when the CRL was outdated by one of a wider scope.
            None => self.ledger.named(name).any(wider),
        }
    }
}
