//! Whether the CRLs that are known clear one certificate (RFC 5280 §6.3.3).
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Crl, CrlScope, show_moment};
use crate::trust::budget::{self, BYTES, Budget, comparing};
use crate::trust::certificate::text::subject_text;
use crate::trust::revocation::covering::{CoveringCrl, newest};
use crate::trust::revocation::crl_signature::{is_signed_with, was_tried};
use crate::trust::revocation::distribution::CrlCoverage;
use crate::trust::revocation::{
    issuers::Issuers, ledger::Ledger, offers::UnusedCrl, series::SeriesId,
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

/// The certificate that is to be cleared.
struct Subject<'s, 'c> {
    coverage: &'s CrlCoverage<'c>,
    /// The serial number's bytes.
    serial: &'s [u8],
    /// Its issuer's name.
    issuer: &'s NameKey,
    budget: &'s Budget,
}

impl Subject<'_, '_> {
    /// The CRLs by `key` that cover the certificate, the newest of each scope.
    fn covering<'l>(
        &self,
        ledger: &'l Ledger,
        key: &[u8],
    ) -> Result<Vec<CoveringCrl<'l>>, StepRefusal> {
        let scopes = || ledger.of_key(self.issuer, key);
        self.coverage
            .pay(scopes().map(|s| s.scope()), self.budget)?;
        // Proven CRLs first, then those that wait for a key and turn out to be signed by this one.
        let mut covering = Vec::new();
        for series in scopes().filter(|s| self.coverage.is_covered_by(s.scope())) {
            let crls = series.crls().iter();
            covering.extend(crls.map(|crl| CoveringCrl::of(crl, series.id())));
            if series.crls().is_empty() {
                covering.push(CoveringCrl::gone(series));
            }
        }
        let waiting = ledger.waiting(self.issuer);
        let scopes = waiting.iter().map(|crl| crl.scope());
        self.coverage.pay(scopes, self.budget)?;
        for crl in waiting {
            if self.coverage.is_covered_by(crl.scope()) && is_proven(crl, key, self.budget)? {
                let names = crl.scope().names().iter();
                self.budget.spend(octets(names.map(Vec::len).sum()))?;
                let id = SeriesId::of(key, self.issuer, crl.scope());
                covering.push(CoveringCrl::of(crl, id));
            }
        }
        newest(covering, self.budget)
    }

    /// Whether one of these lists the certificate.
    fn is_listed(&self, in_crls: &[CoveringCrl<'_>]) -> Result<bool, StepRefusal> {
        let crls = || in_crls.iter().filter_map(|one| one.crl);
        let looks = crls().map(|crl| budget::searching(crl.revoked()));
        self.budget.spend(comparing(looks.sum()))?;
        Ok(crls().any(|crl| crl.lists(self.serial)))
    }
}

/// The steps of reading so many bytes.
fn octets(count: usize) -> u32 {
    u32::try_from(count.div_ceil(BYTES)).unwrap_or(u32::MAX)
}

/// Bytes of a CRL that one step hashes to check its signature, and steps of the check: less than it takes.
///
/// A key is tried once on a CRL that waits, however large, and all that may wait must find room in one budget, or nobody
/// could ever show the key that it waits for.
const HASHED: u64 = 64 * 1024;
const CHECKED: u32 = 6;

/// Whether a CRL that waits was signed with a key, paid from a budget.
pub(crate) fn is_proven(crl: &Crl, key: &[u8], budget: &Budget) -> Result<bool, StepRefusal> {
    let spki = SubjectPublicKeyInfoDer::from(key);
    let steps = if was_tried(crl, &spki) {
        1
    } else {
        u32::try_from(crl.size() / HASHED)
            .unwrap_or(u32::MAX)
            .saturating_add(CHECKED)
    };
    budget.spend(steps)?;
    Ok(is_signed_with(crl, &spki))
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
    (at, grace): (UnixTime, u64),
    budget: &Budget,
) -> Result<&'c Crl, StepRefusal> {
    let name = NameKey::of(certificate.issuer().as_raw());
    let name = name.ok_or_else(|| StepRefusal::from(TrustReason::MalformedCertificate))?;
    let coverage = CrlCoverage::of(certificate);
    let subject = Subject {
        coverage: &coverage,
        serial: certificate.raw_serial(),
        issuer: &name,
        budget,
    };
    let key = issuer.key.as_ref();
    let own = subject.covering(known.ledger, key)?;
    let others = other_issuer_keys.iter().filter(|other| **other != key);
    // Revocation is looked at before anything else, in every CRL by any key of the issuer: what a CA has
    // revoked stays revoked, even if that CRL could clear nobody.
    let mut revoked = issuer.signs_crls && subject.is_listed(&own)?;
    for other in others {
        revoked = revoked || subject.is_listed(&subject.covering(known.ledger, other)?)?;
    }
    if revoked {
        let subject = subject_text(certificate.subject());
        let serial = certificate.raw_serial_as_string();
        return Err(TrustReason::Revoked.because(format!("{subject}, serial {serial}")));
    }
    // Without a CRL by the issuer's own key nothing is known about the certificate.
    if own.is_empty() {
        return Err(uncovered(certificate, &subject, known)?);
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
///
/// # Errors
/// That the budget is used up.
fn uncovered(
    certificate: &X509Certificate<'_>,
    about: &Subject<'_, '_>,
    known: &KnownCrls<'_>,
) -> Result<StepRefusal, StepRefusal> {
    let (coverage, name, ledger) = (about.coverage, about.issuer, known.ledger);
    // What is there was signed by another key.
    let series = ledger
        .named(name)
        .filter(|series| !series.crls().is_empty());
    // To tell a CRL of a wrong key from a CRL for other certificates.
    let scopes = series.map(|series| series.scope());
    let scopes: Vec<&CrlScope> = scopes
        .chain(ledger.waiting(name).iter().map(|crl| crl.scope()))
        .collect();
    coverage.pay(scopes.iter().copied(), about.budget)?;
    let covers = |scope: &CrlScope| coverage.is_covered_by(scope);
    // Their issuers' names are read for it.
    let names = known.unfit.iter().map(|u| u.crl.issuer_der().len());
    about.budget.spend(octets(names.sum()))?;
    let unfit = known.unfit.iter();
    let unfit = unfit.filter(|u| NameKey::of(u.crl.issuer_der()).as_ref() == Some(name));
    let unfit: Vec<&UnusedCrl> = unfit.collect();
    coverage.pay(unfit.iter().map(|u| u.crl.scope()), about.budget)?;
    let unfit = unfit.into_iter().filter(|u| covers(u.crl.scope()));
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
    Ok(reason.because(format!("CRL of {issuer} for {subject}{partitions}")))
}
