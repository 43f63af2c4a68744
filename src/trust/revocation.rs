//! Whether CRLs clear a path (RFC 5280 §6.3), under the policy of the trust set that vouches.
use super::admission::Unfit;
use super::anchors::Anchors;
use super::chain::subject_text;
use super::ocsp::{self, About};
use super::path::{ALGORITHMS, Path};
use super::{Reason, Refusal, distribution};
use crate::topology::{Crl, HeldCrl, Revocation, RevocationScope, TrustSet};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;

/// The CRL that cleared the leaf: its issuer and the seconds since its thisUpdate.
pub(super) type Cleared = Option<(String, u64)>;

/// Refuses unless the set's CRLs clear the path as its policy demands.
///
/// What a CRL says is heard even when it is stale, or when another certificate of the path has none: `revoked`
/// outranks every other reason. A stapled response can refuse the leaf, too; it never replaces a CRL, so that a live
/// connection is judged again by what is at hand here.
pub(super) fn check(
    path: &Path<'_>,
    set: &TrustSet,
    (anchors, unfit): (&Anchors, &[Unfit]),
    staple: Option<&[u8]>,
    at: UnixTime,
) -> Result<Cleared, Refusal> {
    let grace = match set.revocation {
        Revocation::Off => return Ok(None),
        Revocation::Require => 0,
        Revocation::Grace(grace) => grace.as_secs(),
    };
    let mut refusal: Option<Refusal> = None;
    let mut cleared = None;
    for (place, (certificate, issuer)) in in_scope(path, set.scope, anchors).iter().enumerate() {
        match clear(certificate, issuer, &set.crls, unfit, at, grace) {
            Ok(crl) if place == 0 => {
                let age = at.as_secs().saturating_sub(crl.this_update());
                cleared = Some((crl.issuer().to_owned(), age));
            }
            Ok(_) => {}
            Err(other) if other.reason == Reason::Revoked => return Err(other),
            Err(other) => {
                refusal.get_or_insert(other);
            }
        }
        if place == 0
            && let Some(response) = staple
        {
            let about = About {
                certificate,
                issuer_key: &issuer.key,
                crls: &set.crls,
            };
            match ocsp::check(response, &about, at) {
                Ok(_) => {}
                Err(other) if other.reason == Reason::OcspRevoked => return Err(other),
                Err(other) => {
                    refusal.get_or_insert(other);
                }
            }
        }
    }
    refusal.map_or(Ok(cleared), Err)
}

/// Who signs CRLs about a certificate of the path.
struct Issuer<'p> {
    key: SubjectPublicKeyInfoDer<'p>,
    /// RFC 5280 §6.3.3 (f).
    signs_crls: bool,
}

/// The certificates that need a CRL, each with its issuer.
fn in_scope<'p>(
    path: &Path<'p>,
    scope: RevocationScope,
    anchors: &Anchors,
) -> Vec<(&'p X509Certificate<'p>, Issuer<'p>)> {
    let issuers = path
        .intermediates()
        .map(|issuer| Issuer {
            key: SubjectPublicKeyInfoDer::from(issuer.public_key().raw),
            signs_crls: signs_crls(issuer),
        })
        .chain([Issuer {
            key: webpki::spki_for_anchor(path.anchor()),
            signs_crls: anchors.signs_crls(path.anchor()),
        }]);
    let pairs = path.certificates().zip(issuers);
    match scope {
        RevocationScope::Chain => pairs.collect(),
        RevocationScope::Leaf => pairs.take(1).collect(),
    }
}

/// Whether the keyUsage of a CA permits it to sign CRLs; without the extension it does.
pub(super) fn signs_crls(authority: &X509Certificate<'_>) -> bool {
    match authority.key_usage() {
        Ok(Some(usage)) => usage.value.crl_sign(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Finds the CRL that clears one certificate.
///
/// A CRL of the right name and another key is left out, so that it can neither clear nor hide anything. Of each
/// series the newest speaks, or all of the same age; one of them that is current is enough, and none may list the
/// certificate.
fn clear<'c>(
    certificate: &X509Certificate<'_>,
    issuer: &Issuer<'_>,
    crls: &'c [HeldCrl],
    unfit: &[Unfit],
    at: UnixTime,
    grace: u64,
) -> Result<&'c Crl, Refusal> {
    let of_that_name = || crls.iter().filter(|crl| is_of(crl, certificate));
    let covering = || of_that_name().filter(|crl| distribution::covers(crl, certificate));
    let mut genuine: Vec<&HeldCrl> = covering()
        .filter(|crl| is_signed_with(crl, &issuer.key))
        .collect();
    if genuine.is_empty() {
        let forged = covering().next().is_some();
        return Err(uncovered(
            certificate,
            forged,
            of_that_name().next().is_some(),
            unfit,
        ));
    }
    if !issuer.signs_crls {
        return Err(Refusal::because(
            Reason::CrlSignerUnfit,
            subject_text(certificate.issuer()),
        ));
    }
    genuine.sort_by_key(|crl| std::cmp::Reverse(crl.age()));
    let mut newest: Vec<&HeldCrl> = Vec::new();
    for crl in genuine {
        let replaces = |other: &&HeldCrl| other.is_of_series(crl) && other.age() != crl.age();
        if !newest.iter().any(replaces) {
            newest.push(crl);
        }
    }
    if newest.iter().any(|crl| crl.lists(certificate.raw_serial())) {
        return Err(Refusal::because(
            Reason::Revoked,
            format!(
                "{}, serial {}",
                subject_text(certificate.subject()),
                certificate.raw_serial_as_string()
            ),
        ));
    }
    let current = newest
        .iter()
        .find(|crl| at.as_secs() < crl.next_update().saturating_add(grace));
    current.map(|crl| &*crl.list).ok_or_else(|| {
        newest.first().map_or_else(
            || Reason::CrlStale.into(),
            |crl| {
                let next = crl.next_update();
                Refusal::because(
                    Reason::CrlStale,
                    format!("{}: nextUpdate was Unix time {next}", crl.issuer()),
                )
            },
        )
    })
}

/// Why nothing covers a certificate.
fn uncovered(
    certificate: &X509Certificate<'_>,
    forged: bool,
    elsewhere: bool,
    unfit: &[Unfit],
) -> Refusal {
    let covering = unfit.iter().filter(|unfit| {
        is_of(&unfit.crl, certificate) && distribution::covers(&unfit.crl, certificate)
    });
    // Of several the one that got furthest, whatever the order of the files.
    let reason = match covering.map(Unfit::reason).max() {
        Some(reason) => reason,
        None if forged => Reason::CrlBadSignature,
        None => Reason::CrlMissing,
    };
    let partitions = if reason == Reason::CrlMissing && elsewhere {
        "; the CRLs of that issuer cover other distribution points"
    } else {
        ""
    };
    Refusal::because(
        reason,
        format!(
            "CRL of {} for {}{partitions}",
            subject_text(certificate.issuer()),
            subject_text(certificate.subject())
        ),
    )
}

/// Whether it carries the name of this certificate's issuer.
pub(super) fn is_of(crl: &Crl, certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == crl.issuer_der()
}

/// Whether the key made the CRL's signature. Only one key can have, so the answer is kept with the CRL.
pub(super) fn is_signed_with(crl: &Crl, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    if let Some(known) = crl.proven_by() {
        return known == key.as_ref();
    }
    let good = verifies(key, crl.algorithm(), crl.signed_octets(), crl.signature());
    if good {
        crl.prove(key.as_ref());
    }
    good
}

/// Whether `signature` over `octets` is by `key`; `algorithm` is an AlgorithmIdentifier's content.
pub(super) fn verifies(
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithm: &[u8],
    octets: &[u8],
    signature: &[u8],
) -> bool {
    let Ok(key) = RawPublicKeyEntity::try_from(key) else {
        return false;
    };
    ALGORITHMS
        .iter()
        .filter(|known| known.signature_alg_id().as_ref() == algorithm)
        .any(|known| key.verify_signature(*known, octets, signature).is_ok())
}
