//! A generation: one immutable loaded topology with its anchors and CRLs ready for path building.
use super::admission::{Admitted, RefusedCrl, Unfit, admit, take};
use super::chain::subject_text;
use super::own_staple::{self, weigh};
use super::revocation::signs_crls;
use super::{Presented, Reason, decide};
use crate::topology::{
    CrlFile, CrlRefusal, Direction, Expectation, Fault, HeldCrl, IdentityRef, Peer, Revocation,
    Topology, TrustRef, TrustSet, did_you_mean,
};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::fmt;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// One immutable loaded topology with what [`super::decide`] needs of it.
pub struct Generation {
    number: u64,
    topology: Topology,
    /// In the order of [`Topology::trusts`].
    sets: Vec<Arc<Prepared>>,
    by_name: Vec<TrustRef>,
    notes: Vec<Fault>,
    refused: Vec<RefusedCrl>,
}

#[derive(Clone)]
struct Prepared {
    anchors: Arc<Anchors>,
    unfit: Vec<Unfit>,
}

/// The anchors of one trust set.
pub(super) struct Anchors {
    anchors: Vec<TrustAnchor<'static>>,
    /// Their subjects as text, in the same order.
    subjects: Vec<String>,
    /// Whether the keyUsage of each permits it to sign CRLs.
    signs_crls: Vec<bool>,
}

impl Anchors {
    /// As webpki takes them.
    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The subject of one of them as text.
    pub(super) fn subject_of(&self, anchor: &TrustAnchor<'_>) -> Option<&str> {
        self.subjects
            .get(self.position(anchor)?)
            .map(String::as_str)
    }

    /// Whether one of them may sign CRLs.
    pub(super) fn signs_crls(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.position(anchor)
            .and_then(|position| self.signs_crls.get(position))
            .is_some_and(|signs| *signs)
    }

    fn position(&self, anchor: &TrustAnchor<'_>) -> Option<usize> {
        self.anchors.iter().position(|a| {
            a.subject == anchor.subject
                && a.subject_public_key_info == anchor.subject_public_key_info
        })
    }
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
        for position in 0..topology.trusts.len() {
            let Some(set) = topology.trusts.get(position) else {
                break;
            };
            let anchors = Arc::new(prepare(set, &topology, at, &mut faults, &mut notes));
            let held = previous.map_or(&[][..], |p| p.held(&set.name));
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
        let mut by_name: Vec<TrustRef> = (0u16..)
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
        }
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
            });
        }
        outcome
    }

    /// The CRLs that the files offered and that did not come into force when this generation was built.
    pub fn refused_crls(&self) -> &[RefusedCrl] {
        &self.refused
    }

    /// The CRLs in force in the set of this name.
    fn held(&self, set: &str) -> &[HeldCrl] {
        let set = self.topology.trusts().iter().find(|t| t.name == set);
        set.map_or(&[], |set| &set.crls)
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

/// What was read again for [`Generation::refresh`].
#[derive(Default)]
pub struct Read {
    /// The CRL files of some trust sets.
    pub crls: Vec<(TrustRef, Vec<CrlFile>)>,
    /// The OCSP responses of some identities; `None`: the file could not be read.
    pub staples: Vec<(IdentityRef, Option<Vec<u8>>)>,
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

fn fault(
    set: &TrustSet,
    topology: &Topology,
    code: &'static str,
    what: &str,
    remedy: &str,
) -> Fault {
    Fault {
        file: topology.path().to_owned(),
        line: Some(set.line),
        code,
        what: format!("trust set {}: {what}", set.name),
        remedy: remedy.to_owned(),
    }
}

/// Reads the anchors of a set.
fn prepare(
    set: &TrustSet,
    topology: &Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) -> Anchors {
    let mut anchors = Anchors {
        anchors: Vec::new(),
        subjects: Vec::new(),
        signs_crls: Vec::new(),
    };
    for (certificate, position) in set.anchors.iter().zip(1..) {
        match parse_anchor(certificate) {
            Ok(read) => {
                if read.ends < at.as_secs() {
                    let subject = &read.subject;
                    notes.push(fault(
                        set,
                        topology,
                        "anchor_expired",
                        &format!("the anchor {subject} is past its notAfter; it goes on vouching"),
                        "remove it, or replace it by the CA's current certificate",
                    ));
                }
                anchors.anchors.push(read.anchor);
                anchors.subjects.push(read.subject);
                anchors.signs_crls.push(read.signs_crls);
            }
            Err(error) => faults.push(fault(
                set,
                topology,
                "anchor_malformed",
                &format!("anchor {position} cannot be used: {error}"),
                "name a PEM file of X.509 CA certificates",
            )),
        }
    }
    anchors
}

/// What the CRLs in force are worth at a time.
fn worth(set: &TrustSet, admitted: &Admitted, topology: &Topology, at: UnixTime) -> Vec<Fault> {
    let stale = admitted
        .in_force
        .iter()
        .filter(|crl| crl.next_update() <= at.as_secs());
    let mut notes: Vec<Fault> = stale
        .map(|crl| {
            fault(
                set,
                topology,
                "crl_stale",
                &format!("the CRL of {} is past its nextUpdate", crl.issuer()),
                "fetch the current CRL and reload",
            )
        })
        .collect();
    if set.crls.is_empty() && set.revocation != Revocation::Off {
        notes.push(fault(
            set,
            topology,
            "crl_absent",
            "revocation is required but there is no CRL: every certificate will be refused",
            "name the CA's CRLs, or set revocation = \"off\"",
        ));
    }
    notes
}

/// What was not taken, as it is told.
fn told(set: &TrustSet, admitted: &Admitted) -> Vec<RefusedCrl> {
    let refused = admitted.refused.iter();
    refused
        .map(|(crl, refusal, stays)| RefusedCrl {
            trust: set.name.clone(),
            line: set.line,
            file: Arc::clone(&crl.file),
            issuer: Some(crl.issuer().to_owned()),
            refusal: *refusal,
            detail: if *stays {
                "the one held stays in force".to_owned()
            } else {
                "none is in its place".to_owned()
            },
            digest: *crl.digest(),
        })
        .collect()
}

fn note_of(refused: &RefusedCrl, topology: &Topology) -> Fault {
    let refusal: CrlRefusal = refused.refusal;
    Fault {
        file: topology.path().to_owned(),
        line: Some(refused.line),
        code: refusal.code(),
        what: format!(
            "trust set {}: the CRL of {} in {} is not used: {}; {}",
            refused.trust,
            refused.issuer.as_deref().unwrap_or("nobody"),
            refused.file.display(),
            refusal.sentence(),
            refused.detail
        ),
        remedy: refusal.remedy().to_owned(),
    }
}

/// An anchor with what its certificate says beside the key.
struct ReadAnchor {
    anchor: TrustAnchor<'static>,
    subject: String,
    /// notAfter, Unix seconds.
    ends: u64,
    signs_crls: bool,
}

fn parse_anchor(certificate: &CertificateDer<'_>) -> Result<ReadAnchor, String> {
    let anchor = webpki::anchor_from_trusted_cert(certificate)
        .map_err(|error| error.to_string())?
        .to_owned();
    let (_, read) =
        X509Certificate::from_der(certificate.as_ref()).map_err(|error| error.to_string())?;
    Ok(ReadAnchor {
        anchor,
        subject: subject_text(read.subject()),
        ends: u64::try_from(read.validity().not_after.timestamp()).unwrap_or(0),
        signs_crls: signs_crls(&read),
    })
}
