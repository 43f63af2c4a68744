//! The period for which a certificate is valid (RFC 5280 §4.1.2.5).
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

/// notBefore and notAfter; what lies before 1970 counts as 1970.
///
/// Used by every check of a period, so that none can differ in how it reads the ends.
pub(crate) fn window(certificate: &X509Certificate<'_>) -> (UnixTime, UnixTime) {
    let time = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    let validity = certificate.validity();
    (
        time(validity.not_before.timestamp()),
        time(validity.not_after.timestamp()),
    )
}
