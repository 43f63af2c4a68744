//! Which of a peer's trust sets vouches for a chain, and which other set would (RFC 5280 §6.1).
use crate::topology::{Peer, TrustRef, WindowState};
use crate::trust::certificate::{chain::Chain, parsed::Certificate};
use crate::trust::generation::loaded::Generation;
use crate::trust::path::{cert_path::CertPath, search::search};
use crate::trust::trace::{fact::Fact, recorder::Trace, step::StepOutcome};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::UnixTime;

/// Finds a path to an anchor of one of the peer's trust sets that `judge` accepts.
///
/// Any one set that vouches is enough. The sets are asked in the order of their names, so that the order in
/// the file does not matter; of several refusals the one that got furthest is returned.
///
/// Only the sets of this entry are asked: another CA of the topology must not gain a say about this name,
/// which is the point of a trust set for each peer.
pub(crate) fn vouch<T>(
    chain: &Chain<'_>,
    peer: &Peer,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
    judge: impl Fn(&CertPath<'_>, TrustRef) -> Result<T, StepRefusal>,
) -> Result<T, StepRefusal> {
    trace.step(&Fact::Vouching, || {
        let mut sets = peer.trust.clone();
        sets.sort_by_key(|set| &generation.topology().trust(*set).name);
        sets.dedup();
        let mut refusal: Option<StepRefusal> = None;
        // Sets outside their window vouch for nobody; they are kept apart to name them in a refusal.
        let (open, closed): (Vec<TrustRef>, Vec<TrustRef>) = sets
            .iter()
            .partition(|set| generation.topology().trust(**set).window.is_open(at));
        for set in &open {
            let anchors = generation.anchors(*set);
            let fact = Fact::Set(generation.topology().trust(*set));
            let outcome = trace.step(&fact, || {
                // Every path is judged, and not the first one that reaches an anchor: with cross-certificates one
                // path may be expired and another good.
                search(chain, anchors, |path| {
                    trace.step(&Fact::Path(path), || judge(path, *set))
                })
            });
            match outcome {
                Ok(accepted) => return Ok(accepted),
                // What was not tried might have been accepted: no other reason would be true then.
                Err(other) if other.reason == TrustReason::PathTooComplex => return Err(other),
                Err(other) => StepRefusal::keep_most_telling(&mut refusal, other),
            }
        }
        // A peer without an open set is like one whose CA is unknown.
        let refusal = refusal.unwrap_or_else(|| TrustReason::UnknownIssuer.into());
        // Only if no path was found at all: a path that was refused has a better reason of its own.
        if let TrustReason::UnknownIssuer | TrustReason::SelfSigned | TrustReason::BadSignature =
            refusal.reason
        {
            if let Some(refusal) = outside_its_window(chain, &closed, generation, at) {
                trace.note(&Fact::ClosedSet(&refusal), StepOutcome::Failed);
                return Err(refusal);
            }
            // Naming the other set tells the operator that only `trust` of the entry is missing.
            let Some(other) = set_that_would_vouch(chain, &sets, generation, at) else {
                trace.note(&Fact::MissingIssuer(chain), StepOutcome::Failed);
                return Err(refusal);
            };
            let set = generation.topology().trust(other);
            trace.note(&Fact::OtherSet(set, peer), StepOutcome::Failed);
            let (name, entry) = (&set.name, &peer.name);
            let what = format!("trust set {name} is not among those of {entry}");
            return Err(TrustReason::AnchorNotForPeer.because(what));
        }
        Err(refusal)
    })
}

/// The set of the peer that would vouch if it counted at this time.
///
/// Whatever the later steps would find: the window is what the operator set, and the first thing to look at.
fn outside_its_window(
    chain: &Chain<'_>,
    closed: &[TrustRef],
    generation: &Generation,
    at: UnixTime,
) -> Option<StepRefusal> {
    let vouches = |set: &&TrustRef| search(chain, generation.anchors(**set), |_| Ok(())).is_ok();
    let set = generation.topology().trust(*closed.iter().find(vouches)?);
    let reason = match set.window.state_at(at) {
        WindowState::NotYet(_) => TrustReason::TrustNotYetActive,
        WindowState::Over(_) | WindowState::Open => TrustReason::TrustNoLongerActive,
    };
    let detail = format!("trust set {} counts {}", set.name, set.window);
    Some(reason.at_line(detail, set.line))
}

/// A configured set outside `asked` whose anchors the chain leads to, whatever the later steps would say.
///
/// It only explains and decides what a stranger may learn; it lets nobody in.
pub(crate) fn set_that_would_vouch(
    chain: &Chain<'_>,
    asked: &[TrustRef],
    generation: &Generation,
    at: UnixTime,
) -> Option<TrustRef> {
    // By the names of the issuers in the chain, so that a topology with very many sets is not searched
    // through.
    let names = chain.certificates().map(Certificate::issuer);
    let sets = generation.sets_that_name(names).into_iter();
    // Very many sets may hold a CA of one name; what is left of the budget is for some of them.
    let mut sets = sets.take_while(|_| !chain.budget().is_spent());
    // Windows count here, too: a set outside its window vouches for nobody.
    sets.find(|set| {
        !asked.contains(set)
            && generation.topology().trust(*set).window.is_open(at)
            && search(chain, generation.anchors(*set), |_| Ok(())).is_ok()
    })
}
