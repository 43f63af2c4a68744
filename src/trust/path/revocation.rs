//! Whether CRLs clear a path (RFC 5280 §6.3), under the policy of the trust set that vouches.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{RevocationScope, TrustSet};
use crate::trust::path::cert_path::CertPath;
use crate::trust::revocation::clearance::{Issuer, KnownCrls, clear};
use crate::trust::revocation::crl_signature::signs_crls;
use crate::trust::revocation::ocsp::{self, About};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// The CRL that cleared the leaf: its issuer and the seconds since its thisUpdate.
pub(crate) type Cleared = Option<(String, u64)>;

/// Refuses unless the CRLs that are known clear the path as the set's policy demands.
///
/// A CRL that lists a certificate counts even when it is stale, or when another certificate of the path has none: `revoked`
/// outranks every other reason. A stapled response can refuse the leaf, too; it never replaces a CRL, so that a live
/// connection is judged again by what is at hand here.
pub(crate) fn check(
    path: &CertPath<'_>,
    set: &TrustSet,
    known: &KnownCrls<'_>,
    staple: Option<&[u8]>,
    at: UnixTime,
) -> Result<Cleared, StepRefusal> {
    let Some(grace) = set.grace() else {
        return Ok(None);
    };
    let mut refusal: Option<StepRefusal> = None;
    let mut cleared = None;
    for (place, (certificate, issuer)) in in_scope(path, set.scope).iter().enumerate() {
        let other_issuer_keys = other_issuer_keys(path, known, certificate);
        match clear(
            certificate,
            issuer,
            &other_issuer_keys,
            known,
            (at, grace),
            path.budget(),
        ) {
            // The decision records the CRL of the leaf, whose age shows how fresh the verdict is.
            Ok(crl) if place == 0 => {
                let age = at.as_secs().saturating_sub(crl.this_update());
                cleared = Some((crl.issuer().to_owned(), age));
            }
            Ok(_) => {}
            // At once: no other finding changes that.
            Err(other) if other.reason == TrustReason::Revoked => return Err(other),
            Err(other) => {
                refusal.get_or_insert(other);
            }
        }
        if place == 0
            && let Some(response) = staple
        {
            // Only about the leaf: TLS staples for the leaf alone, and nothing is fetched in a handshake.
            let about = About {
                certificate,
                issuer_key: &issuer.key,
                ledger: known.ledger,
                budget: path.budget(),
            };
            match ocsp::check(response, &about, at) {
                Ok(_) => {}
                // A staple can only refuse. One that is good does not make up for a missing CRL, because a
                // connection that is judged again later has no staple.
                Err(other) if other.reason == TrustReason::OcspRevoked => return Err(other),
                Err(other) => {
                    refusal.get_or_insert(other);
                }
            }
        }
    }
    refusal.map_or(Ok(cleared), Err)
}

/// The certificates that need a CRL, each with its issuer.
///
/// The anchor itself is never among them: who should revoke it (RFC 5280 §6.1: it is no part of the path).
pub(crate) fn in_scope<'p>(
    path: &CertPath<'p>,
    scope: RevocationScope,
) -> Vec<(&'p X509Certificate<'p>, Issuer<'p>)> {
    let issuers = path
        .intermediates()
        .map(|issuer| Issuer {
            key: SubjectPublicKeyInfoDer::from(issuer.public_key().raw),
            signs_crls: signs_crls(issuer),
        })
        .chain([Issuer {
            key: SubjectPublicKeyInfoDer::from(path.anchor().key.info()),
            signs_crls: path.anchor().signs_crls,
        }]);
    // Each certificate with the next one of the path as its issuer, the last with the anchor.
    let pairs = path.certificates().zip(issuers);
    match scope {
        RevocationScope::Chain => pairs.collect(),
        RevocationScope::Leaf => pairs.take(1).collect(),
    }
}

/// Further keys of the certificate's issuer: those of its name that the set's file or the path itself vouches for (RFC 5280
/// §6.3.3 (f): by the same anchor).
///
/// A CA with an old and a new key may list a certificate in either's CRL.
fn other_issuer_keys<'k>(
    path: &CertPath<'k>,
    known: &KnownCrls<'k>,
    certificate: &X509Certificate<'_>,
) -> Vec<&'k [u8]> {
    let Some(name) = NameKey::of(certificate.issuer().as_raw()) else {
        return Vec::new();
    };
    let named = known.issuers.named(&name).iter();
    let named = named.filter(|s| s.signs_crls).map(|signer| &*signer.key);
    let above = path.intermediates().filter(|authority| {
        signs_crls(authority) && NameKey::of(authority.subject().as_raw()).as_ref() == Some(&name)
    });
    named
        .chain(above.map(|authority| authority.public_key().raw))
        .collect()
}
