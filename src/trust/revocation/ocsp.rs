//! A stapled OCSP response (RFC 6960, RFC 6066 §8): whether it is about a certificate, genuine, fresh, and its status is `good`.
use crate::topology::der::{self, Element, magnitude};
use crate::topology::distinguished_name::{NameKey, same_name};
use crate::topology::{HeldCrl, show_moment};
use crate::trust::budget::{Budget, comparing, searching};
use crate::trust::certificate::{signature::SignedPart, text::subject_text, validity::window};
use crate::trust::revocation::ocsp_response::{BasicResponse, CertStatus, only, read};
use crate::trust::revocation::{clearance::is_proven, ledger::Ledger};
use crate::trust::{StepRefusal, TrustReason};
use aws_lc_rs::digest::{self, digest};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// No response is larger: one with a delegate's certificate has some three thousand bytes.
const LARGEST: usize = 64 * 1024;
/// How far the responder's clock may be ahead of this machine's, in seconds.
const SKEW: u64 = 300;

/// The hashes that a CertID may use: id-sha1 and id-sha256. They only name the issuer; nothing rests on their strength.
const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// What a response is held against.
///
/// The certificate and the key of its issuer on the path that is judged, not whatever the response may claim.
pub(crate) struct About<'a> {
    pub(crate) certificate: &'a X509Certificate<'a>,
    pub(crate) issuer_key: &'a SubjectPublicKeyInfoDer<'a>,
    /// CRLs that may list a delegate.
    pub(crate) ledger: &'a Ledger,
    /// What the judgement may still cost: a response brings keys and signatures of its own.
    pub(crate) budget: &'a Budget,
}

/// Until when the certificate is good by the response, Unix seconds.
///
/// # Errors
/// A reason for everything else; `unknown` is not good.
pub(crate) fn check(response: &[u8], about: &About<'_>, at: UnixTime) -> Result<u64, StepRefusal> {
    let malformed = || StepRefusal::from(TrustReason::OcspMalformed);
    if response.len() > LARGEST {
        return Err(malformed());
    }
    // The order is that of the reasons: what is malformed, what is about somebody else, what nobody signed,
    // what is old, and only then what it states.
    let basic = read(response).ok_or_else(malformed)?;
    let single = basic
        .single(|id| is_about(id, about))
        .ok_or_else(malformed)?;
    let Some(single) = single else {
        let subject = subject_text(about.certificate.subject());
        return Err(TrustReason::OcspWrongCertificate.because(format!("nothing about {subject}")));
    };
    // Before its content counts: anybody can write a response with `revoked` in it.
    genuine(&basic, about, at)?;
    let now = at.as_secs();
    if single.this_update > now.saturating_add(SKEW) {
        return Err(TrustReason::OcspStale
            .because(format!("thisUpdate is {}", show_moment(single.this_update))));
    }
    // Without nextUpdate nobody knows for how long what was stapled holds.
    let until = single.next_update.unwrap_or(0);
    // Revoked counts even when the response is stale: a revocation is not taken back (RFC 5280 §5.3.1 but for
    // a hold).
    if single.status == CertStatus::Revoked {
        return Err(TrustReason::OcspRevoked.because(subject_text(about.certificate.subject())));
    }
    if until <= now {
        return Err(
            TrustReason::OcspStale.because(format!("nextUpdate was {}", show_moment(until)))
        );
    }
    // `unknown` is no revocation, but whoever asks for a response wants to hear `good` (RFC 6960 §2.2).
    match single.status {
        CertStatus::Good => Ok(until),
        CertStatus::Unknown | CertStatus::Revoked => Err(TrustReason::OcspUnknown.into()),
    }
}

/// Whether a CertID names the certificate (RFC 6960 §4.1.1).
fn is_about(id: &Element<'_>, about: &About<'_>) -> Option<bool> {
    let mut fields = id.inside();
    let algorithm = fields.expect(der::SEQUENCE)?.inside().expect(der::OID)?;
    let name = fields.expect(der::OCTET_STRING)?.content();
    let key = fields.expect(der::OCTET_STRING)?.content();
    let serial = fields.expect(der::INTEGER)?.content();
    let hash = match algorithm.content() {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        SHA256 => &digest::SHA256,
        // A hash that is not known cannot show that the response is about this certificate.
        _ => return Some(false),
    };
    // issuerKeyHash is over the bits of the key without the byte that counts unused bits (RFC 6960 §4.1.1).
    let mut spki = only(about.issuer_key.as_ref(), der::SEQUENCE)?.inside();
    spki.expect(der::SEQUENCE)?;
    let bits = spki.expect(der::BIT_STRING)?.bits()?;
    let is = |bytes: &[u8], hashed: &[u8]| digest(hash, bytes).as_ref() == hashed;
    Some(
        magnitude(serial) == magnitude(about.certificate.raw_serial())
            && is(about.certificate.issuer().as_raw(), name)
            && is(bits, key),
    )
}

/// Whether the certificate's issuer signed the response, or a responder that this issuer certified for it (RFC 6960
/// §4.2.2.2).
fn genuine(basic: &BasicResponse<'_>, about: &About<'_>, at: UnixTime) -> Result<(), StepRefusal> {
    if basic
        .signed
        .is_by(about.issuer_key.as_ref(), about.budget)?
    {
        return Ok(());
    }
    let mut why = "neither the issuer nor a delegate of it signed the response".to_owned();
    // RFC 6960 §4.2.2.2: a delegate must be issued by the CA itself. One issued by a CA below or beside it is
    // refused.
    for delegate in &basic.delegates {
        let Ok((_, certificate)) = X509Certificate::from_der(delegate) else {
            continue;
        };
        let key = certificate.public_key().raw;
        // Of several certificates only the one that signed matters.
        if !basic.signed.is_by(key, about.budget)? {
            continue;
        }
        match unfit(delegate, &certificate, about, at)? {
            None => return Ok(()),
            Some(what) => why = format!("{}: {what}", subject_text(certificate.subject())),
        }
    }
    Err(TrustReason::OcspBadSignature.because(why))
}

/// Why a certificate is not that of a responder of the issuer.
fn unfit(
    der: &[u8],
    delegate: &X509Certificate<'_>,
    about: &About<'_>,
    at: UnixTime,
) -> Result<Option<&'static str>, StepRefusal> {
    let signed = only(der, der::SEQUENCE).and_then(|outer| SignedPart::read(&outer));
    let issuer = about.certificate.issuer().as_raw();
    let named = same_name(delegate.issuer().as_raw(), issuer);
    let issued = match signed.filter(|_| named) {
        Some((signed, _)) => signed.is_by(about.issuer_key.as_ref(), about.budget)?,
        None => false,
    };
    if !issued {
        return Ok(Some("not issued by the certificate's own issuer"));
    }
    let purpose = delegate.extended_key_usage().ok().flatten();
    // id-kp-OCSPSigning must be there by name: a CA's TLS certificates would be responders otherwise.
    if !purpose.is_some_and(|usage| usage.value.ocsp_signing) {
        return Ok(Some("lacks OCSPSigning"));
    }
    let (begin, end) = window(delegate);
    if at < begin || at > end {
        return Ok(Some("not valid now"));
    }
    let Some(name) = NameKey::of(delegate.issuer().as_raw()) else {
        return Ok(Some("not issued by the certificate's own issuer"));
    };
    let key = about.issuer_key.as_ref();
    // The delegate may be revoked as any other certificate. OCSP about it would be a circle, so CRLs decide
    // (RFC 6960 §4.2.2.2.1).
    let series = about.ledger.of_key(&name, key);
    let mut crls: Vec<&HeldCrl> = series.flat_map(|series| series.crls()).collect();
    for crl in about.ledger.waiting(&name) {
        if is_proven(crl, key, about.budget)? {
            crls.push(crl);
        }
    }
    let looks = crls.iter().map(|crl| searching(crl.revoked()) + 1);
    about.budget.spend(comparing(looks.sum()))?;
    let revoked = crls.iter().any(|crl| crl.lists(delegate.raw_serial()));
    Ok(revoked.then_some("revoked"))
}
