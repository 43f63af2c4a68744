//! Paths from a leaf to the anchors of one trust set (RFC 5280 §6.1), built by webpki and judged one by one.
use super::anchors::Anchors;
use super::chain::{Chain, has_weak_key, subject_text};
use super::generation::Generation;
use super::trace::{Outcome, Trace};
use super::validity::window;
use super::{Reason, Refusal, narrate};
use crate::topology::{Peer, Standing, TrustRef};
use rustls_pki_types::{SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use std::cell::RefCell;
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};
use x509_parser::certificate::X509Certificate;

/// Signature algorithms of certificates and CRLs: RFC 9325 §4.5 without SHA-1 and short RSA keys.
///
/// webpki's own list holds nothing weaker.
pub(super) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// Times at which a path is looked for; see [`times`].
const MAX_TIMES: usize = 6;

/// Paths that are judged; a hierarchy with cross-certificates has two or three.
const MAX_PATHS: usize = 8;

/// A path whose signatures, constraints and CA flags hold, at some time.
pub(super) struct Path<'p> {
    chain: &'p Chain<'p>,
    /// Positions in [`Chain::above`], the leaf's issuer first.
    links: Vec<usize>,
    anchor: &'p TrustAnchor<'p>,
}

impl<'p> Path<'p> {
    /// The leaf.
    pub(super) fn leaf(&self) -> &'p X509Certificate<'p> {
        self.chain.leaf()
    }

    /// The intermediates, the leaf's issuer first.
    pub(super) fn intermediates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        let above = self.chain.above();
        self.links.iter().filter_map(|link| above.get(*link))
    }

    /// The leaf and the intermediates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        std::iter::once(self.leaf()).chain(self.intermediates())
    }

    /// The anchor.
    pub(super) fn anchor(&self) -> &'p TrustAnchor<'p> {
        self.anchor
    }

    /// Whether a CA of the path is bound to some names (RFC 5280 §4.2.1.10).
    pub(super) fn has_name_constraints(&self) -> bool {
        self.anchor.name_constraints.is_some()
            || self
                .intermediates()
                .any(|c| !matches!(c.name_constraints(), Ok(None)))
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
    let mut refusal = Refusal::from(Reason::UnknownIssuer);
    let (open, closed): (Vec<TrustRef>, Vec<TrustRef>) = sets
        .iter()
        .partition(|set| generation.topology().trust(**set).window.is_open(at));
    for set in &open {
        let anchors = generation.anchors(*set);
        let asked = || narrate::set(generation.topology().trust(*set));
        let outcome = trace.step("trust", asked, || {
            search(chain, anchors, at, |path| {
                let found = || narrate::path(path, anchors);
                trace.step("anchor", found, || judge(path, *set))
            })
        });
        match outcome {
            Ok(accepted) => return Ok(accepted),
            Err(other) => refusal = refusal.most_telling(other),
        }
    }
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
    let vouches =
        |set: &&TrustRef| search(chain, generation.anchors(**set), at, |_| Ok(())).is_ok();
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
    generation.trust_refs_by_name().find(|set| {
        !asked.contains(set)
            && generation.topology().trust(*set).window.is_open(at)
            && search(chain, generation.anchors(*set), at, |_| Ok(())).is_ok()
    })
}

/// Finds a path to one of `anchors` that `judge` accepts.
///
/// webpki looks at validity before it looks for issuers; to learn whether there is a path at all, it is asked
/// at other times too when nothing is found at `at`. Every path found is judged at `at` all the same.
pub(super) fn search<T>(
    chain: &Chain<'_>,
    anchors: &Anchors,
    at: UnixTime,
    judge: impl Fn(&Path<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut refusal: Option<Refusal> = None;
    for time in times(chain, at) {
        match search_at(chain, anchors, time, &judge) {
            Ok(accepted) => return Ok(accepted),
            Err(Failure::Judged(refusal)) => return Err(refusal),
            Err(Failure::NoPath(error)) => {
                let out_of_time = matches!(
                    error,
                    Error::CertExpired { .. } | Error::CertNotValidYet { .. }
                );
                let found = explain(&error, chain);
                if !out_of_time {
                    return Err(found);
                }
                refusal.get_or_insert(found);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| Reason::UnknownIssuer.into()))
}

enum Failure {
    /// There are paths, and none was accepted.
    Judged(Refusal),
    /// There is none.
    NoPath(Error),
}

fn search_at<T>(
    chain: &Chain<'_>,
    anchors: &Anchors,
    time: UnixTime,
    judge: &impl Fn(&Path<'_>) -> Result<T, Refusal>,
) -> Result<T, Failure> {
    let leaf_der = chain.leaf_der().ok_or(Failure::NoPath(Error::BadDer))?;
    let leaf = EndEntityCert::try_from(leaf_der).map_err(Failure::NoPath)?;
    let accepted: RefCell<Option<T>> = RefCell::new(None);
    let refused: RefCell<Option<Refusal>> = RefCell::new(None);
    let left = RefCell::new(MAX_PATHS);
    let on_path = |found: &VerifiedPath<'_>| {
        let Some(rest) = left.borrow().checked_sub(1) else {
            return Err(Error::MaximumPathBuildCallsExceeded);
        };
        left.replace(rest);
        let path = follow(found, chain).ok_or(Error::UnknownIssuer)?;
        match judge(&path) {
            Ok(value) => {
                accepted.replace(Some(value));
                Ok(())
            }
            Err(refusal) => {
                let before = refused.take();
                refused.replace(Some(match before {
                    Some(before) => before.most_telling(refusal),
                    None => refusal,
                }));
                Err(Error::UnknownIssuer)
            }
        }
    };
    let outcome = leaf.verify_for_usage(
        ALGORITHMS,
        anchors.as_slice(),
        chain.above_der(),
        time,
        WellFormed,
        None,
        Some(&on_path),
    );
    match (outcome, accepted.into_inner(), refused.into_inner()) {
        (Ok(_), Some(value), _) => Ok(value),
        (Ok(_), None, _) => Err(Failure::NoPath(Error::UnknownIssuer)),
        (Err(_), _, Some(refusal)) => Err(Failure::Judged(refusal)),
        (Err(error), _, None) => Err(Failure::NoPath(error)),
    }
}

/// The found path in terms of the parsed chain.
fn follow<'p>(found: &'p VerifiedPath<'p>, chain: &'p Chain<'p>) -> Option<Path<'p>> {
    let links = found
        .intermediate_certificates()
        .map(|certificate| {
            let der = certificate.der();
            chain.above_der().iter().position(|c| *c == der)
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Path {
        chain,
        links,
        anchor: found.anchor(),
    })
}

/// `at`, then the ends of the presented validity periods that lie in the leaf's: periods that overlap do so
/// at one of these.
fn times(chain: &Chain<'_>, at: UnixTime) -> Vec<UnixTime> {
    let (begin, end) = window(chain.leaf());
    let mut times = vec![at, at.clamp(begin, end.max(begin))];
    for certificate in chain.above() {
        let (first, last) = window(certificate);
        times.extend(
            [first, last]
                .into_iter()
                .filter(|t| *t >= begin && *t <= end),
        );
    }
    let mut seen = Vec::new();
    times.retain(|time| {
        let fresh = !seen.contains(time);
        seen.push(*time);
        fresh
    });
    times.truncate(MAX_TIMES);
    times
}

/// Takes every extended key usage that can be parsed; which ones satisfy is the purpose step's affair.
pub(super) struct WellFormed;

impl ExtendedKeyUsageValidator for WellFormed {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        for usage in usages {
            usage?;
        }
        Ok(())
    }
}

/// Why there is no path, with the cases that webpki does not tell apart.
fn explain(error: &Error, chain: &Chain<'_>) -> Refusal {
    let leaf = chain.leaf();
    let reason = reason_of(error);
    if reason == Reason::UnknownIssuer {
        if leaf.issuer().as_raw() == leaf.subject().as_raw() {
            return Reason::SelfSigned.into();
        }
        let issuer = subject_text(leaf.issuer());
        return Refusal::because(reason, format!("issued by {issuer}"));
    }
    if reason == Reason::BadSignature {
        return match chain.above().iter().find(|c| has_weak_key(c)) {
            Some(weak) => Refusal::because(Reason::WeakKey, subject_text(weak.subject())),
            None => reason.into(),
        };
    }
    Refusal::because(reason, error.to_string())
}

/// What each failure of path building means; no reason hides in a catch-all.
#[expect(
    deprecated,
    reason = "older variants of webpki's enum are listed beside those that replace them"
)]
pub(super) fn reason_of(error: &Error) -> Reason {
    match error {
        Error::UnknownIssuer | Error::CertDistrusted => Reason::UnknownIssuer,
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidSerialNumber
        | Error::MalformedDnsIdentifier
        | Error::MalformedExtensions
        | Error::MalformedNameConstraint
        | Error::InvalidNetworkMaskConstraint
        | Error::UnsupportedCertVersion
        | Error::TrailingData(_) => Reason::MalformedCertificate,
        Error::CertExpired { .. } => Reason::Expired,
        Error::CertNotValidYet { .. } => Reason::NotYetValid,
        Error::CertRevoked => Reason::Revoked,
        Error::CrlExpired { .. } => Reason::CrlStale,
        Error::InvalidCrlNumber
        | Error::InvalidCrlSignatureForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithm
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => Reason::CrlBadSignature,
        Error::IssuerNotCrlSigner => Reason::CrlSignerUnfit,
        Error::UnknownRevocationStatus
        | Error::UnsupportedCrlIssuingDistributionPoint
        | Error::UnsupportedCrlVersion
        | Error::UnsupportedDeltaCrl
        | Error::UnsupportedIndirectCrl
        | Error::UnsupportedRevocationReason
        | Error::UnsupportedRevocationReasonsPartitioning => Reason::CrlMissing,
        Error::EmptyEkuExtension
        | Error::RequiredEkuNotFound
        | Error::RequiredEkuNotFoundContext(_) => Reason::EkuUnsuitable,
        Error::CaUsedAsEndEntity | Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => {
            Reason::AuthorityMisuse
        }
        Error::InvalidSignatureForPublicKey => Reason::BadSignature,
        Error::UnsupportedSignatureAlgorithm
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Reason::UnsupportedSignature
        }
        Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => Reason::PathTooComplex,
        Error::NameConstraintViolation
        | Error::CertNotValidForName(_)
        | Error::UnsupportedNameType => Reason::NameConstraintViolated,
        Error::UnsupportedCriticalExtension => Reason::UnknownCriticalExtension,
        Error::InvalidCertValidity | Error::SignatureAlgorithmMismatch | _ => Reason::PathInvalid,
    }
}
