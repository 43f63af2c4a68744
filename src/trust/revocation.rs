//! Whether CRLs clear a path (RFC 5280 §6.3), under the policy of the trust set that vouches.
use super::admission::Unfit;
use super::certificate::signature::ALGORITHMS;
use super::certificate::text::subject_text;
use super::distribution::Reach;
use super::generation::KnownCrls;
use super::ledger::{Ledger, is_older, is_outdated};
use super::ocsp::{self, About};
use super::path::Path;
use super::{Reason, Refusal};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Crl, CrlScope, HeldCrl, Revocation, RevocationScope, TrustSet};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;

/// The CRL that cleared the leaf: its issuer and the seconds since its thisUpdate.
pub(super) type Cleared = Option<(String, u64)>;

/// Refuses unless the CRLs that are known clear the path as the set's policy demands.
///
/// What a CRL says is heard even when it is stale, or when another certificate of the path has none: `revoked`
/// outranks every other reason. A stapled response can refuse the leaf, too; it never replaces a CRL, so that a live
/// connection is judged again by what is at hand here.
pub(super) fn check(
    path: &Path<'_>,
    set: &TrustSet,
    known: &KnownCrls<'_>,
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
    for (place, (certificate, issuer)) in in_scope(path, set.scope).iter().enumerate() {
        let kin = kin(path, known, certificate);
        match clear(certificate, issuer, &kin, known, at, grace) {
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
                ledger: known.ledger,
                budget: path.budget(),
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
pub(super) struct Issuer<'p> {
    pub(super) key: SubjectPublicKeyInfoDer<'p>,
    /// RFC 5280 §6.3.3 (f).
    signs_crls: bool,
}

/// The certificates that need a CRL, each with its issuer.
pub(super) fn in_scope<'p>(
    path: &Path<'p>,
    scope: RevocationScope,
) -> Vec<(&'p X509Certificate<'p>, Issuer<'p>)> {
    let issuers = path
        .intermediates()
        .map(|issuer| Issuer {
            key: SubjectPublicKeyInfoDer::from(issuer.public_key().raw),
            signs_crls: signs_crls(issuer),
        })
        .chain([Issuer {
            key: SubjectPublicKeyInfoDer::from(path.anchor().key().info()),
            signs_crls: path.anchor().signs_crls(),
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

/// Further keys of the certificate's issuer: those of its name that the set's file or the path itself vouches for (RFC 5280
/// §6.3.3 (f): by the same anchor).
fn kin<'k>(
    path: &Path<'k>,
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

/// A CRL that covers a certificate; or, where that has gone, what is known of it.
struct Voice<'l> {
    crl: Option<&'l HeldCrl>,
    scope: &'l CrlScope,
    number: Option<&'l [u8]>,
    this_update: u64,
    next_update: u64,
}

impl<'l> Voice<'l> {
    /// Whether a newer one speaks in its place.
    fn yields_to(&self, other: &Self) -> bool {
        let (mine, its) = (
            (self.number, self.this_update),
            (other.number, other.this_update),
        );
        if self.scope == other.scope {
            is_older(mine, its)
        } else {
            is_outdated(mine, its)
        }
    }

    fn of(crl: &'l HeldCrl) -> Self {
        Self {
            crl: Some(crl),
            scope: crl.scope(),
            number: crl.number(),
            this_update: crl.this_update(),
            next_update: crl.next_update(),
        }
    }
}

/// What `key` has said about a certificate of an issuer's name.
fn voices<'l>(
    ledger: &'l Ledger,
    name: &NameKey,
    key: &[u8],
    covers: impl Fn(&CrlScope) -> bool,
) -> Vec<Voice<'l>> {
    let mut voices = Vec::new();
    for series in ledger.named(name) {
        if series.key() != key || !covers(series.scope()) {
            continue;
        }
        voices.extend(series.crls().iter().map(Voice::of));
        if series.crls().is_empty() {
            voices.push(Voice {
                crl: None,
                scope: series.scope(),
                number: series.number(),
                this_update: series.this_update(),
                next_update: series.next_update(),
            });
        }
    }
    let spki = SubjectPublicKeyInfoDer::from(key);
    let beside = ledger.beside(name).iter();
    let beside = beside.filter(|crl| covers(crl.scope()) && is_signed_with(crl, &spki));
    voices.extend(beside.map(Voice::of));
    let newest: Vec<bool> = voices
        .iter()
        .map(|voice| !voices.iter().any(|other| voice.yields_to(other)))
        .collect();
    let mut newest = newest.into_iter();
    voices.retain(|_| newest.next().unwrap_or(false));
    voices
}

/// Finds the CRL that clears one certificate.
///
/// A CRL belongs to the key that signed it: one of the right name and another key is left out, so that it can neither clear
/// nor hide anything. Of those that cover the certificate the newest speaks, or all of the same age; one of them that is
/// current is enough, and none may list the certificate. A CRL by another key of the same CA is heard when it lists the
/// certificate, too, and never clears it.
///
/// **Deviation:** RFC 5280 §6.3.3 (f) lets a CRL by any key of the issuer clear. CAs that keep one CRL for each of their keys
/// list in the one of the new key nothing that the old key has signed.
fn clear<'c>(
    certificate: &X509Certificate<'_>,
    issuer: &Issuer<'_>,
    kin: &[&[u8]],
    known: &KnownCrls<'c>,
    at: UnixTime,
    grace: u64,
) -> Result<&'c Crl, Refusal> {
    let name = NameKey::of(certificate.issuer().as_raw());
    let name = name.ok_or_else(|| Refusal::from(Reason::MalformedCertificate))?;
    let reach = Reach::of(certificate);
    let covers = |scope: &CrlScope| reach.is_covered_by(scope);
    let voices_of = |key: &[u8]| voices(known.ledger, &name, key, covers);
    let lists = |voice: &Voice<'_>| {
        let crl = voice.crl;
        crl.is_some_and(|crl| crl.lists(certificate.raw_serial()))
    };
    let key = issuer.key.as_ref();
    let own = voices_of(key);
    let others = kin.iter().filter(|other| **other != key);
    let revoked = issuer.signs_crls && own.iter().any(lists)
        || others
            .into_iter()
            .any(|other| voices_of(other).iter().any(lists));
    if revoked {
        return Err(Refusal::because(
            Reason::Revoked,
            format!(
                "{}, serial {}",
                subject_text(certificate.subject()),
                certificate.raw_serial_as_string()
            ),
        ));
    }
    if own.is_empty() {
        return Err(uncovered(certificate, &reach, &name, known));
    }
    if !issuer.signs_crls {
        return Err(Refusal::because(
            Reason::CrlSignerUnfit,
            subject_text(certificate.issuer()),
        ));
    }
    let current = own
        .iter()
        .filter(|voice| at.as_secs() < voice.next_update.saturating_add(grace))
        .find_map(|voice| voice.crl);
    current.map(|crl| &*crl.list).ok_or_else(|| {
        let next = own.iter().map(|voice| voice.next_update).max();
        Refusal::because(
            Reason::CrlStale,
            format!(
                "{}: nextUpdate was Unix time {}",
                subject_text(certificate.issuer()),
                next.unwrap_or_default()
            ),
        )
    })
}

/// Why nothing covers a certificate.
fn uncovered(
    certificate: &X509Certificate<'_>,
    reach: &Reach<'_>,
    name: &NameKey,
    known: &KnownCrls<'_>,
) -> Refusal {
    let covers = |scope: &CrlScope| reach.is_covered_by(scope);
    let ledger = known.ledger;
    // What is there was signed by another key.
    let series = ledger
        .named(name)
        .filter(|series| !series.crls().is_empty());
    let scopes = series.map(|series| series.scope());
    let scopes: Vec<&CrlScope> = scopes
        .chain(ledger.beside(name).iter().map(|crl| crl.scope()))
        .collect();
    let unfit = known.unfit.iter().filter(|unfit| {
        NameKey::of(unfit.crl.issuer_der()).as_ref() == Some(name) && covers(unfit.crl.scope())
    });
    // Of several the one that got furthest, whatever the order of the files.
    let reason = match unfit.map(Unfit::reason).max() {
        Some(reason) => reason,
        None if scopes.iter().any(|scope| covers(scope)) => Reason::CrlBadSignature,
        None => Reason::CrlMissing,
    };
    let partitions = if reason == Reason::CrlMissing && !scopes.is_empty() {
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

/// Whether a CRL's signature is of an algorithm that is taken.
pub(super) fn is_signed_acceptably(crl: &Crl) -> bool {
    let mut known = ALGORITHMS.iter().map(|known| known.signature_alg_id());
    known.any(|known| known.as_ref() == crl.algorithm())
}

/// Whether the key made the CRL's signature. The answer is kept with the CRL, whichever it is: some hold millions of octets.
pub(super) fn is_signed_with(crl: &Crl, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    if crl.proven_by() == Some(key.as_ref()) {
        return true;
    }
    if crl.is_refuted(key.as_ref()) {
        return false;
    }
    let good = verifies(key, crl.algorithm(), crl.signed_octets(), crl.signature());
    if good {
        crl.prove(key.as_ref());
    } else {
        crl.refute(key.as_ref());
    }
    good
}

/// Whether `signature` over `octets` is by `key`; `algorithm` is an AlgorithmIdentifier's content.
fn verifies(
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
