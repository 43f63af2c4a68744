//! The search for a path from a leaf to an anchor (RFC 5280 §6.1, RFC 4158 §2): depth first, every rule held, within a
//! budget.
//!
//! Why not the TLS library's path building: it takes validity as a reason to look no further, counts self-issued
//! certificates against pathLen, knows no directoryName constraints, compares issuer names byte by byte, refuses
//! critical policy extensions, and bounds its work by numbers that both honest chains and attackers reach. What a path is
//! made of (signatures, keys) still comes from the library.
//!
//! What keeps it small: a certificate is above another only if its key made the signature, and each pair of certificate
//! and key is checked once; no name with one key stands twice in a path, for the part between could be left out. Nine
//! presented certificates then make 27 paths at most, and what is left to multiply (anchors of one name, constraints,
//! CRLs) is counted by the [budget](crate::trust::budget).
use crate::trust::anchors::{anchor::Anchor, index::Anchors};
use crate::trust::budget;
use crate::trust::certificate::{
    chain::Chain, key::PublicKey, parsed::Certificate, text::subject_text,
};
use crate::trust::path::cert_path::CertPath;
use crate::trust::{StepRefusal, TrustReason};

/// Finds a path to one of `anchors` that holds all rules that need no clock and no policy, and that `judge` accepts.
///
/// # Errors
/// Of all refusals the one that got furthest; [`TrustReason::PathTooComplex`] when the budget was used up before all was tried.
pub(crate) fn search<T>(
    chain: &Chain<'_>,
    anchors: &Anchors,
    judge: impl Fn(&CertPath<'_>) -> Result<T, StepRefusal>,
) -> Result<T, StepRefusal> {
    let leaf = chain.leaf_certificate();
    // One budget for all sets of all questions about this chain: a stranger gains nothing by leading to many
    // sets.
    chain.budget().spend(budget::SEARCH)?;
    fit_as_leaf(leaf)?;
    let of_the_set = anchors.intermediates_for(chain)?;
    // Presented certificates first: a peer usually sends what belongs together.
    let pool: Vec<&Certificate<'_>> = chain.above().iter().chain(&of_the_set).collect();
    let mut search = Search {
        chain,
        pool: &pool,
        anchors,
        judge,
        links: Vec::new(),
        refusal: None,
        end: None,
    };
    match search.above(leaf)? {
        Some(accepted) => Ok(accepted),
        None => {
            // Nothing was refused on the way, so the chain just ends somewhere.
            let end = search.end.unwrap_or(leaf);
            Err(search.refusal.unwrap_or_else(|| orphan(leaf, end)))
        }
    }
}

/// What a leaf must be, whoever issued it.
fn fit_as_leaf(leaf: &Certificate<'_>) -> Result<(), StepRefusal> {
    sound(leaf)?;
    // RFC 5280 allows a CA's certificate as a leaf; a server that shows one could also issue itself names.
    if leaf.extensions.authority {
        let text = leaf.text();
        let what = if leaf.is_self_issued() {
            format!("{text} is self-signed and has CA:TRUE, as `openssl req -x509` makes it")
        } else {
            format!("{text} has CA:TRUE, and was presented as a server's")
        };
        return Err(TrustReason::AuthorityMisuse.because(what));
    }
    Ok(())
}

/// What every certificate of a path must be (RFC 5280 §6.1.3, §6.1.4 (k), §4.2).
fn sound(certificate: &Certificate<'_>) -> Result<(), StepRefusal> {
    // A flaw makes a certificate useless in every place of a path.
    if let Some(flaw) = &certificate.flaw {
        return Err(flaw.clone());
    }
    if !certificate.is_v3() {
        return Err(TrustReason::CertificateVersion.because(certificate.text()));
    }
    Ok(())
}

/// What the issuer of another certificate must be besides (RFC 5280 §6.1.4 (k)).
fn fit_as_issuer(issuer: &Certificate<'_>) -> Result<(), StepRefusal> {
    sound(issuer)?;
    // Without this check every leaf of the CA could issue for any name (RFC 5280 §4.2.1.9).
    if !issuer.extensions.authority {
        let issuer = issuer.text();
        let what = format!("{issuer} is no CA's certificate and issued another");
        return Err(TrustReason::AuthorityMisuse.because(what));
    }
    Ok(())
}

/// Nothing that was presented, and no anchor, bears the name of the issuer of `end`.
fn orphan(leaf: &Certificate<'_>, end: &Certificate<'_>) -> StepRefusal {
    if leaf.is_self_issued() {
        return TrustReason::SelfSigned.into();
    }
    let issuer = subject_text(end.read().issuer());
    let what = if end.is_self_issued() {
        format!("the chain ends in {issuer}, which is no anchor here")
    } else {
        format!("issued by {issuer}")
    };
    TrustReason::UnknownIssuer.because(what)
}

/// A search on its way.
struct Search<'s, 'p, J> {
    chain: &'p Chain<'p>,
    /// Who may stand between leaf and anchor: what was presented, then what the trust set brings.
    pool: &'s [&'p Certificate<'p>],
    anchors: &'p Anchors,
    // The rules that need a clock and policies are the caller's: the search knows neither.
    judge: J,
    /// From the leaf's issuer on.
    links: Vec<&'p Certificate<'p>>,
    refusal: Option<StepRefusal>,
    /// The first certificate whose issuer nobody brought.
    // Only for the words of a refusal.
    end: Option<&'p Certificate<'p>>,
}

impl<'p, J> Search<'_, 'p, J> {
    /// Tries every way from `certificate`, which is the leaf or the last of the links, to an anchor.
    ///
    /// # Errors
    /// Only that the budget is used up.
    fn above<T>(&mut self, certificate: &'p Certificate<'p>) -> Result<Option<T>, StepRefusal>
    where
        J: Fn(&CertPath<'_>) -> Result<T, StepRefusal>,
    {
        // Of several CAs of one name only one key can have signed it; the others are reported when none has.
        let (mut signed, mut forged) = (false, None);
        let mut anchors: Vec<&'p Anchor> = self.anchors.named(certificate.issuer()).collect();
        // The likely first: usually the first try succeeds, and the budget is for the others.
        anchors.sort_by_key(|anchor| unlikely(certificate, anchor.key_id.as_deref()));
        for anchor in anchors {
            // Each candidate costs, or very many CAs of one name would be tried for nothing.
            self.chain.look()?;
            // An anchor that is already in the path as an intermediate would make the path longer and no
            // better.
            let again = |link: &&Certificate<'_>| {
                link.subject() == &anchor.subject && link.key().digest() == anchor.key.digest()
            };
            if self.links.iter().any(again) {
                continue;
            }
            if !self.is_signed(certificate, &anchor.key, &mut forged)? {
                continue;
            }
            signed = true;
            let arrived = self.arrive(certificate, anchor);
            // A refused path is no end: another anchor or intermediate may lead to an accepted one.
            if let Some(accepted) = self.heard(arrived)? {
                return Ok(Some(accepted));
            }
        }
        let pool = self.pool;
        let bears = |candidate: &&&Certificate<'_>| candidate.subject() == certificate.issuer();
        let mut candidates: Vec<&'p Certificate<'p>> = pool.iter().filter(bears).copied().collect();
        candidates.sort_by_key(|candidate| unlikely(certificate, candidate.extensions.subject_key));
        for candidate in candidates {
            self.chain.look()?;
            if self
                .links
                .iter()
                .any(|link| is_same_authority(link, candidate))
            {
                continue;
            }
            if !self.is_signed(certificate, candidate.key(), &mut forged)? {
                continue;
            }
            signed = true;
            // After the signature: only then does the candidate's unfitness concern this chain.
            if self.heard(fit_as_issuer(candidate))?.is_none() {
                continue;
            }
            self.links.push(candidate);
            let found = self.above(candidate);
            // Also on an error: the search stays whole.
            self.links.pop();
            if let Some(accepted) = found? {
                return Ok(Some(accepted));
            }
        }
        // A forged signature counts only if no other CA of that name has signed.
        match forged {
            Some(_) if signed => {}
            Some(forged) => {
                self.heard::<()>(Err(forged))?;
            }
            None if signed => {}
            None => {
                self.end.get_or_insert(certificate);
            }
        }
        Ok(None)
    }

    /// Whether a key signed a certificate; why not is kept.
    fn is_signed(
        &self,
        certificate: &Certificate<'_>,
        key: &PublicKey<'_>,
        forged: &mut Option<StepRefusal>,
    ) -> Result<bool, StepRefusal> {
        let Err(refusal) = self.chain.check_signature(certificate, key) else {
            return Ok(true);
        };
        if refusal.reason == TrustReason::PathTooComplex {
            return Err(refusal);
        }
        let refusal = refusal.reason.because(certificate.text());
        StepRefusal::keep_most_telling(forged, refusal);
        Ok(false)
    }

    /// Holds the rules against the path that has come to an anchor, then asks the judge.
    fn arrive<T>(&self, last: &Certificate<'_>, anchor: &'p Anchor) -> Result<T, StepRefusal>
    where
        J: Fn(&CertPath<'_>) -> Result<T, StepRefusal>,
    {
        // Judging a path reads its certificates again, so that long ones cost more.
        let parts = self.links.iter().copied();
        let parts = parts.chain([self.chain.leaf_certificate()]);
        let bytes: usize = parts.map(|part| part.read().as_raw().len()).sum();
        let reading = u32::try_from(bytes / budget::BYTES).unwrap_or(u32::MAX);
        self.chain
            .budget()
            .spend(budget::PATH.saturating_add(reading))?;
        if let Some(unfit) = anchor.unfit_for(last) {
            return Err(unfit.clone());
        }
        let path = CertPath::new(self.chain, self.links.clone(), anchor);
        // The cheap rules first; constraints are paid for by the name.
        path.check_lengths()?;
        path.check_constraints()?;
        (self.judge)(&path)
    }

    /// Keeps the most specific refusal; a budget that is used up ends everything.
    fn heard<T>(&mut self, outcome: Result<T, StepRefusal>) -> Result<Option<T>, StepRefusal> {
        let refusal = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(refusal) if refusal.reason == TrustReason::PathTooComplex => return Err(refusal),
            Err(refusal) => refusal,
        };
        StepRefusal::keep_most_telling(&mut self.refusal, refusal);
        Ok(None)
    }
}

/// Whether two certificates are of one CA and key, so that a path with both could leave out what lies between.
fn is_same_authority(one: &Certificate<'_>, other: &Certificate<'_>) -> bool {
    one.key().digest() == other.key().digest() && one.subject() == other.subject()
}

/// Sorts candidates by the key identifiers, which may hint and never decide: CAs change and leave out identifiers.
fn unlikely(certificate: &Certificate<'_>, key_id: Option<&[u8]>) -> u8 {
    match certificate.extensions.authority_key.zip(key_id) {
        Some((wanted, offered)) if wanted == offered => 0,
        None => 1,
        Some(_) => 2,
    }
}
