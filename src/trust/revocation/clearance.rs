//! Whether the CRLs that are known clear one certificate (RFC 5280 §6.3.3).
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Crl, CrlScope, HeldCrl, show_moment};
use crate::trust::certificate::text::subject_text;
use crate::trust::revocation::{
    age::CrlAge, crl_signature::is_signed_with, distribution::CrlCoverage, issuers::Issuers,
    ledger::Ledger, offers::UnusedCrl,
};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// What revocation is judged by: everything that was proven, whatever set named it, and what is the set's own.
///
/// The ledger is common to all sets: a CA that is named in two sets revokes in both, whichever of them has
/// its file.
pub(crate) struct KnownCrls<'g> {
    pub(crate) ledger: &'g Ledger,
    /// The CAs that the set names.
    pub(crate) issuers: &'g Issuers,
    /// Those that are not used, with nothing in their place.
    pub(crate) unfit: &'g [UnusedCrl],
}

/// Who signs CRLs about a certificate of the path.
///
/// Only its key is needed: CRLs are found by the issuer's name, and proven by the key.
pub(crate) struct Issuer<'p> {
    pub(crate) key: SubjectPublicKeyInfoDer<'p>,
    /// RFC 5280 §6.3.3 (f).
    pub(crate) signs_crls: bool,
}

/// A CRL that covers a certificate; or, where that has gone, what is known of it.
///
/// A CRL that has gone out of the ledger still counts by its age: an older one must not take its place.
struct CoveringCrl<'l> {
    crl: Option<&'l HeldCrl>,
    scope: &'l CrlScope,
    age: CrlAge<'l>,
    next_update: u64,
}

impl<'l> CoveringCrl<'l> {
    /// Whether a newer one takes its place.
    fn yields_to(&self, other: &Self) -> bool {
        // Two scopes may be numbered apart from each other, so that across scopes number and time must agree.
        if self.scope == other.scope {
            self.age.is_older_than(other.age)
        } else {
            self.age.is_outdated_by(other.age)
        }
    }

    fn of(crl: &'l HeldCrl) -> Self {
        Self {
            crl: Some(crl),
            scope: crl.scope(),
            age: CrlAge::of(crl),
            next_update: crl.next_update(),
        }
    }
}

/// The CRLs by `key` that cover a certificate of an issuer's name, the newest of each scope.
fn covering<'l>(
    ledger: &'l Ledger,
    name: &NameKey,
    key: &[u8],
    covers: impl Fn(&CrlScope) -> bool,
) -> Vec<CoveringCrl<'l>> {
    // Proven CRLs first, then those that wait for a key and turn out to be signed by this one.
    let mut covering = Vec::new();
    for series in ledger.named(name) {
        if series.key() != key || !covers(series.scope()) {
            continue;
        }
        covering.extend(series.crls().iter().map(CoveringCrl::of));
        if series.crls().is_empty() {
            covering.push(CoveringCrl {
                crl: None,
                scope: series.scope(),
                age: CrlAge {
                    number: series.number(),
                    this_update: series.this_update(),
                },
                next_update: series.next_update(),
            });
        }
    }
    let spki = SubjectPublicKeyInfoDer::from(key);
    let waiting = ledger.waiting(name).iter();
    let waiting = waiting.filter(|crl| covers(crl.scope()) && is_signed_with(crl, &spki));
    covering.extend(waiting.map(CoveringCrl::of));
    // Compared with each other and not sorted: CRLs of different scopes may be incomparable, and then all of
    // them count.
    let newest: Vec<bool> = covering
        .iter()
        .map(|one| !covering.iter().any(|other| one.yields_to(other)))
        .collect();
    let mut newest = newest.into_iter();
    covering.retain(|_| newest.next().unwrap_or(false));
    covering
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
pub(crate) fn clear<'c>(
    certificate: &X509Certificate<'_>,
    issuer: &Issuer<'_>,
    other_issuer_keys: &[&[u8]],
    known: &KnownCrls<'c>,
    at: UnixTime,
    grace: u64,
) -> Result<&'c Crl, StepRefusal> {
    let name = NameKey::of(certificate.issuer().as_raw());
    let name = name.ok_or_else(|| StepRefusal::from(TrustReason::MalformedCertificate))?;
    let coverage = CrlCoverage::of(certificate);
    let covers = |scope: &CrlScope| coverage.is_covered_by(scope);
    let covering_by = |key: &[u8]| covering(known.ledger, &name, key, covers);
    let lists = |one: &CoveringCrl<'_>| {
        let crl = one.crl;
        crl.is_some_and(|crl| crl.lists(certificate.raw_serial()))
    };
    let key = issuer.key.as_ref();
    let own = covering_by(key);
    let others = other_issuer_keys.iter().filter(|other| **other != key);
    // Revocation is looked at before anything else, in every CRL by any key of the issuer: what a CA has
    // revoked stays revoked, even if that CRL could clear nobody.
    let revoked = issuer.signs_crls && own.iter().any(lists)
        || others
            .into_iter()
            .any(|other| covering_by(other).iter().any(lists));
    if revoked {
        let subject = subject_text(certificate.subject());
        let serial = certificate.raw_serial_as_string();
        return Err(TrustReason::Revoked.because(format!("{subject}, serial {serial}")));
    }
    // Without a CRL by the issuer's own key nothing is known about the certificate.
    if own.is_empty() {
        return Err(uncovered(certificate, &coverage, &name, known));
    }
    if !issuer.signs_crls {
        return Err(TrustReason::CrlSignerUnfit.because(subject_text(certificate.issuer())));
    }
    let current = own
        .iter()
        // RFC 5280 §5.1.2.5: past nextUpdate there is a newer CRL that is not at hand; the grace bridges an
        // outage of the CA.
        .filter(|one| at.as_secs() < one.next_update.saturating_add(grace))
        .find_map(|one| one.crl);
    current.map(|crl| &*crl.list).ok_or_else(|| {
        let issuer = subject_text(certificate.issuer());
        let next = own.iter().map(|one| one.next_update).max().unwrap_or(0);
        let next = show_moment(next);
        TrustReason::CrlStale.because(format!("{issuer}: nextUpdate was {next}"))
    })
}

/// Why nothing covers a certificate.
fn uncovered(
    certificate: &X509Certificate<'_>,
    coverage: &CrlCoverage<'_>,
    name: &NameKey,
    known: &KnownCrls<'_>,
) -> StepRefusal {
    let covers = |scope: &CrlScope| coverage.is_covered_by(scope);
    let ledger = known.ledger;
    // What is there was signed by another key.
    let series = ledger
        .named(name)
        .filter(|series| !series.crls().is_empty());
    // To tell a CRL of a wrong key from a CRL for other certificates.
    let scopes = series.map(|series| series.scope());
    let scopes: Vec<&CrlScope> = scopes
        .chain(ledger.waiting(name).iter().map(|crl| crl.scope()))
        .collect();
    let unfit = known.unfit.iter().filter(|unfit| {
        NameKey::of(unfit.crl.issuer_der()).as_ref() == Some(name) && covers(unfit.crl.scope())
    });
    // Of several the one that got furthest, whatever the order of the files.
    let reason = match unfit.map(UnusedCrl::reason).max() {
        Some(reason) => reason,
        None if scopes.iter().any(|scope| covers(scope)) => TrustReason::CrlBadSignature,
        None => TrustReason::CrlMissing,
    };
    // CAs that partition their CRLs by distribution point make this mistake easy: the file of one partition
    // is there, the other is not.
    let partitions = if reason == TrustReason::CrlMissing && !scopes.is_empty() {
        "; the CRLs of that issuer cover other distribution points"
    } else {
        ""
    };
    let issuer = subject_text(certificate.issuer());
    let subject = subject_text(certificate.subject());
    reason.because(format!("CRL of {issuer} for {subject}{partitions}"))
}
