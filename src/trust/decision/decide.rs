//! [`decide`]: whether a presented chain speaks for a peer, in the order of the design, and the proof that it does.
use crate::reason::TrustReason;
use crate::topology::{Direction, DnsName, Peer, PeerName, PeerRef, Stage};
use crate::trust::StepRefusal;
use crate::trust::certificate::chain::Chain;
use crate::trust::decision::judge::{PathJudge, Strictness, Vouched, earliest};
use crate::trust::decision::verdict::{Decision, Verdict};
use crate::trust::decision::{
    presented::Presented, question::TrustQuestion, vouch::set_that_would_vouch,
};
use crate::trust::generation::loaded::Generation;
use crate::trust::names::{entry::MatchedEntry, presented::PresentedNames};
use crate::trust::trace::{fact::Fact, recorder::Trace};
use rustls_pki_types::UnixTime;
use std::sync::Arc;

/// Proof that [`decide`] accepted a chain for a peer; it has no other maker.
///
/// Private fields, no `Default`, no `Deserialize`: what holds a `PeerId` need not ask again whether the peer
/// was accepted. The proxy takes nothing else as a peer's identity.
#[derive(Clone, Debug)]
pub struct PeerId {
    peer: PeerRef,
    decision: Arc<Decision>,
    also: Arc<[PeerName]>,
}

impl PeerId {
    /// The peer, in the generation of [`Self::decision`].
    pub fn peer(&self) -> PeerRef {
        self.peer
    }
    /// Outbound: the name under which it was dialled and has proven itself, if that is one that its
    /// entry covers.
    pub fn name(&self) -> Option<&DnsName> {
        self.decision.dialled.as_ref()
    }
    /// What was decided.
    pub fn decision(&self) -> &Arc<Decision> {
        &self.decision
    }
    /// Inbound: the names of other entries that the certificate speaks for as well. Each grants the
    /// same, so that any of them may be the one that connected.
    pub fn also(&self) -> &[PeerName] {
        &self.also
    }
    /// The same, presented to a listener.
    pub(crate) fn at(mut self, listener: &str) -> Self {
        Arc::make_mut(&mut self.decision).listener = Some(listener.into());
        self
    }
}

/// Judges a presented chain. Pure: no clock, no file, no log.
///
/// `presented.expected` must be a peer of `generation`.
///
/// # Errors
/// The refusal, as a [`Decision`] with verdict [`Verdict::Refuse`].
///
/// Everything that asks who a certificate is comes through here: both verifiers, the re-evaluation of
/// connections, expectations, `plan` and `explain`.
pub fn decide(
    presented: &Presented<'_>,
    direction: Direction,
    generation: &Generation,
    at: UnixTime,
) -> Result<PeerId, Arc<Decision>> {
    let question = TrustQuestion {
        presented,
        chain: &Chain::parse(presented.chain),
        direction,
        generation,
        at,
    };
    conclude(&question, &Trace::off())
}

/// [`decide`] about a chain that was parsed before, with each step recorded in `trace`.
pub(crate) fn conclude(
    question: &TrustQuestion<'_>,
    trace: &Trace,
) -> Result<PeerId, Arc<Decision>> {
    let mut decision = Decision::blank(question);
    let dialled = question.presented.expected;
    // The record is filled by the steps as far as they come, so that a refusal shows what was found before
    // it.
    match steps(question, Strictness::AsWritten, &mut decision, trace) {
        Ok(MatchedEntry { peer, also, .. }) => {
            let topology = question.generation.topology();
            let names = also.iter().map(|other| topology.peer(*other).name.clone());
            decision.verdict = Verdict::Accept;
            decision.reason = TrustReason::Accepted;
            Ok(PeerId {
                peer,
                decision: decision.sealed(dialled),
                also: names.collect(),
            })
        }
        Err(refusal) => {
            let mut decision = decision.refused_for(refusal);
            // Asked whatever the reason, so that a listed name takes as long as another.
            decision.anchored = question.chain.as_ref().is_ok_and(|chain| {
                set_that_would_vouch(chain, &[], question.generation, question.at).is_some()
            });
            Err(decision.sealed(dialled))
        }
    }
}

/// As [`conclude`], where accepted and refused are explained alike.
pub(crate) fn decision_on(question: &TrustQuestion<'_>, trace: &Trace) -> Arc<Decision> {
    match conclude(question, trace) {
        Ok(peer) => peer.decision,
        Err(decision) => decision,
    }
}

/// Whether the chain would be refused if its peer's `purpose` were strict. Asked of an accepted one: whether it passes
/// only because that policy is the relaxed one.
///
/// `check` warns of such peers: they would be lost on the day when `purpose` becomes strict.
pub(crate) fn strict_purpose_refuses(question: &TrustQuestion<'_>) -> bool {
    let mut decision = Decision::blank(question);
    let (strict, trace) = (Strictness::StrictPurpose, Trace::off());
    steps(question, strict, &mut decision, &trace).is_err()
}

/// The steps in their order; each records in `decision` what it found, and the first that does not hold ends them.
///
/// The order decides which of several faults a refusal names: first who it claims to be, then who vouches for
/// it, then whether that holds now and for this use.
fn steps(
    question: &TrustQuestion<'_>,
    strictness: Strictness,
    decision: &mut Decision,
    trace: &Trace,
) -> Result<MatchedEntry, StepRefusal> {
    let chain = parsed_chain(question, trace)?;
    decision.subjects = chain.certificates().map(|c| c.text()).collect();

    // Names before paths: only the entry names the anchors that may vouch, so that no other CA is ever asked.
    let names = presented_names(chain, trace)?;
    decision.names = names.shown();

    let entry = matching_entry(question, &names, trace)?;
    let peer = question.generation.topology().peer(entry.peer);
    decision.records_entry(&entry, peer);
    // From here on the name that was dialled is the one that must hold, under the entry's rules.
    let under = dialled_name(question).map(|name| peer.under(name));
    let peer = under.as_ref().unwrap_or(peer);

    let judge = PathJudge {
        chain,
        direction: question.direction,
        generation: question.generation,
        at: question.at,
        staple: question.presented.staple,
        also: &entry.also,
    };
    let vouched = judge.vouched_for(peer, Some(&entry.name), strictness, trace)?;
    // Asked only of an accepted chain: it changes nothing, and shows what stricter policies would do.
    if peer.stage == Stage::Observe {
        decision.would_refuse = judge.strictest_refusal(peer, &names, trace);
    }
    decision.records_vouching(vouched, peer);
    Ok(entry)
}

/// The chain, every certificate of which could be parsed within bounds.
fn parsed_chain<'q>(
    question: &TrustQuestion<'q>,
    trace: &Trace,
) -> Result<&'q Chain<'q>, StepRefusal> {
    let fact = Fact::Chain {
        presented: question.presented.chain,
        parsed: question.chain,
    };
    trace.step(&fact, || {
        question.chain.as_ref().map_err(StepRefusal::clone)
    })
}

/// The names of the leaf that count as identities (RFC 5922 §7.1).
fn presented_names(chain: &Chain<'_>, trace: &Trace) -> Result<PresentedNames, StepRefusal> {
    // Read before the step is recorded, because the record lists each name.
    let names = PresentedNames::of(chain.leaf());
    let outcome = names.as_ref().map(|_| ()).map_err(StepRefusal::clone);
    let fact = Fact::Names {
        chain,
        names: names.as_ref().ok(),
    };
    trace.step(&fact, || outcome)?;
    names
}

/// The name besides the entry's own under which the peer was dialled.
fn dialled_name<'q>(question: &TrustQuestion<'q>) -> Option<&'q DnsName> {
    let is_dialled = question.direction == Direction::Outbound;
    let name = question.presented.name.filter(|_| is_dialled)?;
    question.presented.expected.map(|_| name)
}

/// The peer entry that the names match: the dialled one, or inbound the one that they name (RFC 5922 §7.3 and §7.4).
fn matching_entry(
    question: &TrustQuestion<'_>,
    names: &PresentedNames,
    trace: &Trace,
) -> Result<MatchedEntry, StepRefusal> {
    let topology = question.generation.topology();
    let dialled = question.presented.expected;
    // Inbound nobody was dialled; an expectation may name a peer all the same.
    let dialled = dialled.filter(|_| question.direction == Direction::Outbound);
    let fact = Fact::Entries {
        names,
        topology,
        dialled,
        name: dialled_name(question),
        identity: question.presented.identity,
        at: question.at,
    };
    trace.step(&fact, || match dialled {
        Some(dialled) => names.expect_peer(dialled, dialled_name(question), topology, question.at),
        None => names.find_peer(topology, question.presented.identity, question.at),
    })
}

impl Decision {
    /// What the decision knows from here on: which entry, and by which name.
    fn records_entry(&mut self, entry: &MatchedEntry, peer: &Peer) {
        self.peer = Some(entry.peer);
        self.peer_name = Some(peer.name.to_string());
        self.matched = Some((entry.name.clone(), entry.kind));
        self.line = Some(peer.line);
    }

    /// The decision ends when the first of the things it rests on ends.
    fn records_vouching(&mut self, vouched: Vouched, peer: &Peer) {
        self.anchor = Some(vouched.anchor);
        self.crl = vouched.crl;
        self.purpose = Some(vouched.purpose);
        self.valid_until = earliest(vouched.valid_until, peer.window.not_after);
    }
}
