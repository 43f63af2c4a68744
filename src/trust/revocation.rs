//! Whether CRLs clear a path (RFC 5280 §6.3), under the policy of the trust set that vouches.
use super::chain::subject_text;
use super::generation::{Anchors, Crl};
use super::path::{ALGORITHMS, Path, WellFormed};
use super::{Reason, Refusal};
use crate::topology::{Revocation, RevocationScope, TrustSet};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use webpki::{
    EndEntityCert, Error, ExpirationPolicy, RawPublicKeyEntity, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::certificate::X509Certificate;

/// The CRL that cleared the leaf: its issuer and the seconds since its thisUpdate.
pub(super) type Cleared = Option<(String, u64)>;

/// Refuses unless the set's CRLs clear the path as its policy demands.
///
/// What a CRL says is heard even when it is stale: `revoked` outranks `crl_stale`.
pub(super) fn check(
    path: &Path<'_>,
    set: &TrustSet,
    crls: &[Crl],
    at: UnixTime,
) -> Result<Cleared, Refusal> {
    let grace = match set.revocation {
        Revocation::Off => return Ok(None),
        Revocation::Require => 0,
        Revocation::Grace(grace) => grace.as_secs(),
    };
    let depth = match set.scope {
        RevocationScope::Chain => RevocationCheckDepth::Chain,
        RevocationScope::Leaf => RevocationCheckDepth::EndEntity,
    };
    let (genuine, uncovered) = genuine(path, set.scope, crls);
    let unknown = if uncovered.is_some() {
        UnknownStatusPolicy::Allow
    } else {
        UnknownStatusPolicy::Deny
    };
    match consult(path, &genuine, depth, unknown, at) {
        Ok(()) => {}
        Err(Error::CertRevoked) => return Err(revoked(path, &genuine)),
        Err(error) if uncovered.is_none() => {
            let reason = super::path::reason_of(&error);
            return Err(Refusal::because(reason, error.to_string()));
        }
        Err(_) => {}
    }
    if let Some(refusal) = uncovered {
        return Err(refusal);
    }
    let current: Vec<&Crl> = genuine
        .iter()
        .copied()
        .filter(|crl| at.as_secs() < crl.next_update.saturating_add(grace))
        .collect();
    if current.len() < genuine.len()
        && consult(path, &current, depth, UnknownStatusPolicy::Deny, at).is_err()
    {
        return Err(stale(&genuine, &current));
    }
    Ok(current
        .iter()
        .find(|crl| {
            crl.is_of(path.leaf())
                && consult(
                    path,
                    &[*crl],
                    RevocationCheckDepth::EndEntity,
                    UnknownStatusPolicy::Deny,
                    at,
                )
                .is_ok()
        })
        .map(|crl| {
            (
                crl.issuer.clone(),
                at.as_secs().saturating_sub(crl.this_update),
            )
        }))
}

/// The CRLs that the issuers on the path signed, the newest first, and the refusal if one has none.
///
/// A CRL of the right name and another key is left out, so that it can neither clear nor hide anything.
fn genuine<'c>(
    path: &Path<'_>,
    scope: RevocationScope,
    crls: &'c [Crl],
) -> (Vec<&'c Crl>, Option<Refusal>) {
    let mut uncovered = None;
    let mut genuine: Vec<&Crl> = Vec::new();
    for (certificate, key) in in_scope(path, scope) {
        let of_that_name = crls.iter().filter(|crl| crl.is_of(certificate));
        let (signed, forged): (Vec<&Crl>, Vec<&Crl>) =
            of_that_name.partition(|crl| is_signed_with(crl, &key));
        if signed.is_empty() {
            let reason = if forged.is_empty() {
                Reason::CrlMissing
            } else {
                Reason::CrlBadSignature
            };
            uncovered.get_or_insert_with(|| {
                Refusal::because(
                    reason,
                    format!(
                        "CRL of {} for {}",
                        subject_text(certificate.issuer()),
                        subject_text(certificate.subject())
                    ),
                )
            });
        }
        for crl in signed {
            if !genuine.iter().any(|g| std::ptr::eq(*g, crl)) {
                genuine.push(crl);
            }
        }
    }
    genuine.sort_by_key(|crl| std::cmp::Reverse(crl.this_update));
    (genuine, uncovered)
}

/// The certificates that need a CRL, each with its issuer's key.
fn in_scope<'p>(
    path: &Path<'p>,
    scope: RevocationScope,
) -> Vec<(&'p X509Certificate<'p>, SubjectPublicKeyInfoDer<'p>)> {
    let keys = path
        .intermediates()
        .map(|issuer| SubjectPublicKeyInfoDer::from(issuer.public_key().raw))
        .chain([webpki::spki_for_anchor(path.anchor())]);
    let pairs = path.certificates().zip(keys);
    match scope {
        RevocationScope::Chain => pairs.collect(),
        RevocationScope::Leaf => pairs.take(1).collect(),
    }
}

fn is_signed_with(crl: &Crl, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    let Ok(key) = RawPublicKeyEntity::try_from(key) else {
        return false;
    };
    ALGORITHMS
        .iter()
        .filter(|algorithm| crl.is_signed_by_algorithm(**algorithm))
        .any(|algorithm| {
            key.verify_signature(*algorithm, crl.signed_octets(), &crl.signature)
                .is_ok()
        })
}

/// Asks webpki about this one path. Staleness is ours to judge, hence `Ignore`.
fn consult(
    path: &Path<'_>,
    crls: &[&Crl],
    depth: RevocationCheckDepth,
    unknown: UnknownStatusPolicy,
    at: UnixTime,
) -> Result<(), Error> {
    let lists: Vec<_> = crls.iter().map(|crl| &crl.list).collect();
    let options = RevocationOptionsBuilder::new(&lists)
        .map_err(|_| Error::UnknownRevocationStatus)?
        .with_depth(depth)
        .with_status_policy(unknown)
        .with_expiration_policy(ExpirationPolicy::Ignore)
        .build();
    let leaf = EndEntityCert::try_from(path.leaf_der().ok_or(Error::BadDer)?)?;
    let intermediates: Vec<CertificateDer<'_>> = path
        .intermediates_der()
        .map(|der| CertificateDer::from(der.as_ref()))
        .collect();
    leaf.verify_for_usage(
        ALGORITHMS,
        std::slice::from_ref(path.anchor()),
        &intermediates,
        at,
        WellFormed,
        Some(options),
        None,
    )
    .map(|_| ())
}

fn revoked(path: &Path<'_>, crls: &[&Crl]) -> Refusal {
    let listed = path.certificates().find(|certificate| {
        crls.iter().any(|crl| {
            crl.is_of(certificate)
                && matches!(crl.list.find_serial(certificate.raw_serial()), Ok(Some(_)))
        })
    });
    listed.map_or_else(
        || Reason::Revoked.into(),
        |certificate| {
            Refusal::because(
                Reason::Revoked,
                format!(
                    "{}, serial {}",
                    subject_text(certificate.subject()),
                    certificate.raw_serial_as_string()
                ),
            )
        },
    )
}

fn stale(genuine: &[&Crl], current: &[&Crl]) -> Refusal {
    let old = genuine
        .iter()
        .find(|crl| !current.iter().any(|c| std::ptr::eq(*c, **crl)));
    old.map_or_else(
        || Reason::CrlStale.into(),
        |crl| {
            Refusal::because(
                Reason::CrlStale,
                format!(
                    "{}: nextUpdate was Unix time {}",
                    crl.issuer, crl.next_update
                ),
            )
        },
    )
}

/// Whether an anchor has the CRL's issuer name, but none of that name signed it.
pub(super) fn is_impostor(crl: &Crl, anchors: &Anchors) -> bool {
    let mut of_that_name = anchors
        .as_slice()
        .iter()
        .filter(|anchor| anchor.subject.as_ref() == crl.list.issuer())
        .peekable();
    of_that_name.peek().is_some()
        && !of_that_name.any(|anchor| is_signed_with(crl, &webpki::spki_for_anchor(anchor)))
}
