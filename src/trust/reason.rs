//! The steps of a trust decision, and how a reason of it ends a TLS handshake.
use crate::reason::{Learns, TrustReason};
use rustls::{AlertDescription, CertificateError};

/// The step of the decision that a reason belongs to, in the order in which the steps run.
///
/// Also the order of [`TrustReason`]: of two refusals the one of the later step got further, and is the one
/// that is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Parsing what was presented.
    Chain,
    /// Reading the names and finding the peer entry.
    Name,
    /// Building a path to the peer's anchors.
    Path,
    /// Comparing validity periods with the time.
    Validity,
    /// Consulting CRLs.
    Revocation,
    /// Key usage and extended key usage.
    Purpose,
    /// Comparing keys with the peer's pins.
    Pin,
    /// All steps passed.
    Done,
}

impl TrustReason {
    /// The step that it belongs to.
    ///
    /// A match without a `_` arm, so that a new reason must say where it belongs.
    pub const fn step(self) -> Step {
        match self {
            Self::NoCertificate
            | Self::ChainTooLong
            | Self::ChainTooLarge
            | Self::MalformedCertificate => Step::Chain,
            Self::TooManyNames
            | Self::NoUsableName
            | Self::NotInTopology
            | Self::NameMismatch
            | Self::CommonNameOnly
            | Self::WildcardNotAllowed
            | Self::PeerNotYetActive
            | Self::PeerNoLongerActive
            | Self::AmbiguousIdentity
            | Self::IdentityNotForPeer => Step::Name,
            Self::UnknownIssuer
            | Self::SelfSigned
            | Self::TrustNotYetActive
            | Self::TrustNoLongerActive
            | Self::AnchorNotForPeer
            | Self::PathInvalid
            | Self::PathTooComplex
            | Self::CertificateVersion
            | Self::AuthorityMisuse
            | Self::PathLength
            | Self::UnknownCriticalExtension
            | Self::UnsupportedSignature
            | Self::WeakKey
            | Self::KeyUnusable
            | Self::BadSignature
            | Self::NameConstraintViolated
            | Self::ClientCertificateUntrusted => Step::Path,
            Self::Expired | Self::NotYetValid => Step::Validity,
            Self::CrlMissing
            | Self::CrlFromFuture
            | Self::CrlUnsupportedSignature
            | Self::CrlBadSignature
            | Self::CrlSignerUnfit
            | Self::CrlStale
            | Self::OcspMalformed
            | Self::OcspWrongCertificate
            | Self::OcspBadSignature
            | Self::OcspStale
            | Self::OcspUnknown
            | Self::OcspRevoked
            | Self::Revoked => Step::Revocation,
            Self::KeyUsageUnsuitable | Self::EkuUnsuitable => Step::Purpose,
            Self::PinMismatch => Step::Pin,
            Self::ClientCertificateIgnored | Self::ClientCertificateTrusted | Self::Accepted => {
                Step::Done
            }
        }
    }

    /// The TLS alert that ends the handshake; `None` when it does not end.
    pub const fn alert(self) -> Option<AlertDescription> {
        match self.reason().learns() {
            Learns::Alert(alert) => Some(alert),
            Learns::Nothing | Learns::Status(..) => None,
        }
    }

    /// The error that makes rustls send [`Self::alert`]: the library chooses the alert by the kind of its error.
    pub fn tls_error(self) -> rustls::Error {
        use AlertDescription as A;
        rustls::Error::InvalidCertificate(match self.alert() {
            Some(A::CertificateRequired) => return rustls::Error::NoCertificatesPresented,
            Some(A::UnknownCA) => CertificateError::UnknownIssuer,
            Some(A::BadCertificate) => CertificateError::BadEncoding,
            Some(A::CertificateExpired) => CertificateError::Expired,
            Some(A::CertificateRevoked) => CertificateError::Revoked,
            Some(A::BadCertificateStatusResponse) => CertificateError::InvalidOcspResponse,
            Some(A::UnsupportedCertificate) => CertificateError::InvalidPurpose,
            _ => CertificateError::ApplicationVerificationFailure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_steps() {
        assert!(
            TrustReason::ALL
                .windows(2)
                .all(|w| w[0].step() <= w[1].step() && w[0] < w[1])
        );
    }

    #[test]
    fn every_refusal_has_the_alert_that_the_library_sends_for_it() {
        for reason in TrustReason::ALL {
            assert_eq!(reason.alert().is_none(), reason.step() == Step::Done);
            if let (Some(alert), rustls::Error::InvalidCertificate(error)) =
                (reason.alert(), reason.tls_error())
            {
                assert_eq!(AlertDescription::from(error), alert, "{reason}");
            }
        }
    }
    #[test]
    fn alerts_fit_the_reasons() {
        use AlertDescription as A;
        for (reason, alert) in [
            (TrustReason::NoCertificate, A::CertificateRequired),
            (TrustReason::NotInTopology, A::AccessDenied),
            (TrustReason::NameMismatch, A::AccessDenied),
            (TrustReason::UnknownIssuer, A::UnknownCA),
            (TrustReason::BadSignature, A::UnknownCA),
            (TrustReason::Expired, A::CertificateExpired),
            (TrustReason::NotYetValid, A::CertificateExpired),
            (TrustReason::Revoked, A::CertificateRevoked),
            (TrustReason::CrlStale, A::UnknownCA),
            (TrustReason::EkuUnsuitable, A::UnsupportedCertificate),
            (TrustReason::MalformedCertificate, A::BadCertificate),
        ] {
            assert_eq!(reason.alert(), Some(alert), "{reason}");
        }
        assert_eq!(TrustReason::Accepted.alert(), None);
    }
}
