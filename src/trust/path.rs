//! Paths from a leaf to the anchors of one trust set (RFC 5280 §6.1), and which of a peer's sets vouches.
use super::anchors::anchor::Anchor;
use super::budget::Budget;
use super::certificate::chain::Chain;
use super::certificate::parsed::Certificate;
use super::certificate::purposes::Purposes;
use super::generation::Generation;
use super::search::search;
use super::trace::{Outcome, Trace};
use super::{Reason, Refusal, narrate};
use crate::topology::{Peer, Standing, TrustRef};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// A path whose signatures hold, and in which every issuer is a CA.
pub(super) struct Path<'p> {
    chain: &'p Chain<'p>,
    /// The leaf's issuer first.
    links: Vec<&'p Certificate<'p>>,
    anchor: &'p Anchor,
}

impl<'p> Path<'p> {
    pub(super) fn new(
        chain: &'p Chain<'p>,
        links: Vec<&'p Certificate<'p>>,
        anchor: &'p Anchor,
    ) -> Self {
        Self {
            chain,
            links,
            anchor,
        }
    }

    /// What is left to the judgement of the chain.
    pub(super) fn budget(&self) -> &'p Budget {
        self.chain.budget()
    }

    /// The leaf.
    pub(super) fn leaf(&self) -> &'p X509Certificate<'p> {
        self.chain.leaf()
    }

    /// The intermediates, the leaf's issuer first.
    pub(super) fn intermediates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        self.links.iter().map(|link| link.read())
    }

    /// The leaf and the intermediates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        std::iter::once(self.leaf()).chain(self.intermediates())
    }

    /// The same with what path validation asks of them.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'p Certificate<'p>> {
        std::iter::once(self.chain.leaf_certificate()).chain(self.links.iter().copied())
    }

    /// The anchor.
    pub(super) fn anchor(&self) -> &'p Anchor {
        self.anchor
    }

    /// The extended key usages of the leaf, the intermediates and the anchor, where they have the extension.
    pub(super) fn purposes(&self) -> impl Iterator<Item = Option<&'p Purposes>> {
        let parts = self.parts().map(Certificate::purposes);
        parts.chain([self.anchor.purposes()])
    }

    /// The subject at a place of [`Self::purposes`].
    pub(super) fn subject_at(&self, place: usize) -> Option<String> {
        let mut parts = self.parts();
        match parts.nth(place) {
            Some(part) => Some(part.text()),
            None => Some(self.anchor.text().to_owned()),
        }
    }

    /// An intermediate whose keyUsage does not permit it to sign certificates.
    pub(super) fn mute_issuer(&self) -> Option<String> {
        let mut links = self.links.iter();
        links
            .find(|link| !link.signs_certificates())
            .map(|link| link.text())
    }

    /// Refuses when more intermediates stand below a CA than it permits; self-issued ones do not count (RFC 5280 §6.1.4
    /// (l) and (m)).
    pub(super) fn check_lengths(&self) -> Result<(), Refusal> {
        let refuse = |text: &str, bound: u32, below: u32| {
            let what = format!("{text} permits {bound} CAs below it, and has {below}");
            Err(Refusal::because(Reason::PathLength, what))
        };
        let mut below = 0u32;
        for link in &self.links {
            if let Some(bound) = link.path_length().filter(|bound| *bound < below) {
                return refuse(&link.text(), bound, below);
            }
            below += u32::from(!link.is_self_issued());
        }
        match self.anchor.path_length().filter(|bound| *bound < below) {
            Some(bound) => refuse(self.anchor.text(), bound, below),
            None => Ok(()),
        }
    }

    /// Refuses when a CA may not issue for a name below it. Self-issued intermediates are not held against constraints,
    /// the leaf always is (RFC 5280 §6.1.3 (b) and (c)).
    pub(super) fn check_constraints(&self) -> Result<(), Refusal> {
        let leaf = self.chain.leaf_certificate();
        let authorities = self.links.iter().map(|link| link.constraints());
        let authorities = authorities.chain([self.anchor.constraints()]);
        for (place, constraints) in authorities.enumerate() {
            let Some(constraints) = constraints else {
                continue;
            };
            let between = self.links.iter().take(place).copied();
            let between = between.filter(|link| !link.is_self_issued());
            for below in std::iter::once(leaf).chain(between) {
                let size = below.read().as_raw().len();
                constraints.check(below.constrained_names(), size, self.chain.budget())?;
            }
        }
        Ok(())
    }

    /// Refuses when a CA of the path may not issue for the host that the certificate is taken for, in whatever field of
    /// the certificate it stands.
    pub(super) fn check_identity(&self, host: &str) -> Result<(), Refusal> {
        let authorities = self.links.iter().map(|link| link.constraints());
        let authorities = authorities.chain([self.anchor.constraints()]);
        for constraints in authorities.flatten() {
            constraints.check_identity(host, self.chain.budget())?;
        }
        Ok(())
    }
}

/// Finds a path to an anchor of one of the peer's trust sets that `judge` accepts.
///
/// Any one set that vouches is enough. The sets are asked in the order of their names, so that the order in
/// the file does not matter; of several refusals the one that got furthest is told.
pub(super) fn vouch<T>(
    chain: &Chain<'_>,
    peer: &Peer,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
    judge: impl Fn(&Path<'_>, TrustRef) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    trace.step("path", narrate::vouching, || {
        through_its_sets(chain, peer, generation, at, trace, judge)
    })
}

fn through_its_sets<T>(
    chain: &Chain<'_>,
    peer: &Peer,
    generation: &Generation,
    at: UnixTime,
    trace: &Trace,
    judge: impl Fn(&Path<'_>, TrustRef) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut sets = peer.trust.clone();
    sets.sort_by_key(|set| &generation.topology().trust(*set).name);
    sets.dedup();
    let mut refusal: Option<Refusal> = None;
    let (open, closed): (Vec<TrustRef>, Vec<TrustRef>) = sets
        .iter()
        .partition(|set| generation.topology().trust(**set).window.is_open(at));
    for set in &open {
        let anchors = generation.anchors(*set);
        let asked = || narrate::set(generation.topology().trust(*set));
        let outcome = trace.step("trust", asked, || {
            search(chain, anchors, |path| {
                let found = || narrate::path(path);
                trace.step("anchor", found, || judge(path, *set))
            })
        });
        match outcome {
            Ok(accepted) => return Ok(accepted),
            // What was not tried might have been accepted: nothing else is told then.
            Err(other) if other.reason == Reason::PathTooComplex => return Err(other),
            Err(other) => {
                refusal = Some(match refusal {
                    Some(refusal) => refusal.most_telling(other),
                    None => other,
                });
            }
        }
    }
    let refusal = refusal.unwrap_or_else(|| Reason::UnknownIssuer.into());
    if let Reason::UnknownIssuer | Reason::SelfSigned | Reason::BadSignature = refusal.reason {
        if let Some(refusal) = outside_its_window(chain, &closed, generation, at) {
            trace.note("trust", Outcome::Failed, || refusal.to_string());
            return Err(refusal);
        }
        let Some(other) = set_that_would_vouch(chain, &sets, generation, at) else {
            narrate::issuers(trace, chain, &refusal);
            return Err(refusal);
        };
        let set = generation.topology().trust(other);
        trace.note("trust", Outcome::Failed, || narrate::not_among(set, peer));
        let name = &set.name;
        return Err(Refusal::because(
            Reason::AnchorNotForPeer,
            format!("trust set {name} is not among those of {}", peer.fqdn),
        ));
    }
    Err(refusal)
}

/// The set of the peer that would vouch if it counted at this time.
fn outside_its_window(
    chain: &Chain<'_>,
    closed: &[TrustRef],
    generation: &Generation,
    at: UnixTime,
) -> Option<Refusal> {
    let vouches = |set: &&TrustRef| search(chain, generation.anchors(**set), |_| Ok(())).is_ok();
    let set = generation.topology().trust(*closed.iter().find(vouches)?);
    let reason = match set.window.standing(at) {
        Standing::NotYet(_) => Reason::TrustNotYetActive,
        Standing::Over(_) | Standing::Open => Reason::TrustNoLongerActive,
    };
    let detail = format!("trust set {} counts {}", set.name, set.window);
    Some(Refusal::at_line(reason, detail, set.line))
}

/// A configured set outside `asked` whose anchors the chain leads to, whatever the later steps would say.
pub(super) fn set_that_would_vouch(
    chain: &Chain<'_>,
    asked: &[TrustRef],
    generation: &Generation,
    at: UnixTime,
) -> Option<TrustRef> {
    let names = chain.certificates().map(Certificate::issuer);
    let sets = generation.sets_that_name(names).into_iter();
    // Very many sets may hold a CA of one name; what is left of the budget is for some of them.
    let mut sets = sets.take_while(|_| !chain.budget().is_spent());
    sets.find(|set| {
        !asked.contains(set)
            && generation.topology().trust(*set).window.is_open(at)
            && search(chain, generation.anchors(*set), |_| Ok(())).is_ok()
    })
}
