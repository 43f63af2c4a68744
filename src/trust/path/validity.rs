//! Whether every certificate of a path is valid at a time (RFC 5280 §4.1.2.5).
use crate::topology::show_time;
use crate::trust::certificate::{text::subject_text, validity::window};
use crate::trust::path::cert_path::CertPath;
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// Refuses when a certificate of the path is not valid at `at`; both ends of a period belong to it.
///
/// What is past its end is reported before what has not begun, and the leaf before its issuers.
pub(crate) fn check(path: &CertPath<'_>, at: UnixTime) -> Result<(), StepRefusal> {
    // Two passes: a certificate that has ended is the stronger reason, wherever it stands in the path.
    for certificate in path.certificates() {
        if at > window(certificate).1 {
            return Err(refuse(TrustReason::Expired, certificate));
        }
    }
    for certificate in path.certificates() {
        if at < window(certificate).0 {
            return Err(refuse(TrustReason::NotYetValid, certificate));
        }
    }
    Ok(())
}

/// The earliest notAfter of a path, Unix seconds.
///
/// Until then the decision holds, if nothing else changes; connections are judged again at that moment.
pub(crate) fn ends(path: &CertPath<'_>) -> Option<u64> {
    path.certificates().map(|c| window(c).1.as_secs()).min()
}

fn refuse(reason: TrustReason, certificate: &X509Certificate<'_>) -> StepRefusal {
    let validity = certificate.validity();
    let from = show_time(validity.not_before.timestamp());
    let to = show_time(validity.not_after.timestamp());
    let subject = subject_text(certificate.subject());
    reason.because(format!("{subject}: {from} to {to}"))
}
