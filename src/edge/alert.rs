//! Which reason a TLS alert of the remote stands for (RFC 8446 §6).
use crate::reason::AlertReason;
use rustls::AlertDescription;

/// The reason of an alert; [`AlertReason::Other`] for one that has no row.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum is open; what has no row is reported with its number"
)]
pub const fn alert_reason(alert: AlertDescription) -> AlertReason {
    use AlertDescription as A;
    // By name and not by number: the library knows alerts of several RFCs, and each has one row of the registry.
    match alert {
        A::CloseNotify => AlertReason::CloseNotify,
        A::UnexpectedMessage => AlertReason::UnexpectedMessage,
        A::BadRecordMac => AlertReason::BadRecordMac,
        A::RecordOverflow => AlertReason::RecordOverflow,
        A::HandshakeFailure => AlertReason::HandshakeFailure,
        A::NoCertificate => AlertReason::NoCertificate,
        A::BadCertificate => AlertReason::BadCertificate,
        A::UnsupportedCertificate => AlertReason::UnsupportedCertificate,
        A::CertificateRevoked => AlertReason::CertificateRevoked,
        A::CertificateExpired => AlertReason::CertificateExpired,
        A::CertificateUnknown => AlertReason::CertificateUnknown,
        A::IllegalParameter => AlertReason::IllegalParameter,
        A::UnknownCA => AlertReason::UnknownCa,
        A::AccessDenied => AlertReason::AccessDenied,
        A::DecodeError => AlertReason::DecodeError,
        A::DecryptError => AlertReason::DecryptError,
        A::ProtocolVersion => AlertReason::ProtocolVersion,
        A::InsufficientSecurity => AlertReason::InsufficientSecurity,
        A::InternalError => AlertReason::InternalError,
        A::InappropriateFallback => AlertReason::InappropriateFallback,
        A::UserCanceled => AlertReason::UserCanceled,
        A::NoRenegotiation => AlertReason::NoRenegotiation,
        A::MissingExtension => AlertReason::MissingExtension,
        A::UnsupportedExtension => AlertReason::UnsupportedExtension,
        A::UnrecognisedName => AlertReason::UnrecognisedName,
        A::BadCertificateStatusResponse => AlertReason::BadCertificateStatusResponse,
        A::UnknownPSKIdentity => AlertReason::UnknownPskIdentity,
        A::CertificateRequired => AlertReason::CertificateRequired,
        A::NoApplicationProtocol => AlertReason::NoApplicationProtocol,
        // Reported with its number, which the RFC or the vendor explains.
        _ => AlertReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::TrustReason;

    #[test]
    fn every_row_belongs_to_one_alert_and_every_alert_that_is_sent_has_a_row() {
        let mut reached: Vec<_> = (0..=255)
            .map(AlertDescription::from)
            .map(alert_reason)
            .collect();
        reached.retain(|reason| *reason != AlertReason::Other);
        let mut distinct = reached.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(
            (distinct.len(), reached.len()),
            (AlertReason::ALL.len() - 1, AlertReason::ALL.len() - 1)
        );
        for reason in TrustReason::ALL {
            if let Some(sent) = reason.alert() {
                assert_ne!(alert_reason(sent), AlertReason::Other, "{reason}");
            }
        }
    }
}
