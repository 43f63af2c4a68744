//! How a handshake fails: we refuse, they refuse, or it is broken off; each kind is an event of its own.
use super::alert::alert_reason;
use crate::observe::{Event, HandshakeSides, PresentedChain};
use crate::reason::{ConnectionReason, Reason};
use crate::trust::Decision;
use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};
use std::io::ErrorKind;
use std::sync::Arc;

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// We refused: a trust decision, a bound of ours, or what they offer in TLS.
    Refused {
        reason: Reason,
        detail: Option<String>,
        decision: Option<Arc<Decision>>,
    },
    /// They refused us, with this alert; `decision` is ours about them, if it came so far.
    ByPeer {
        alert: AlertDescription,
        decision: Option<Arc<Decision>>,
    },
    /// It ended without anybody's verdict.
    Aborted {
        reason: Reason,
        detail: Option<String>,
    },
}

impl Failure {
    /// We refuse for a reason that is not about a certificate.
    pub(super) fn refused(reason: impl Into<Reason>) -> Self {
        Self::Refused {
            reason: reason.into(),
            detail: None,
            decision: None,
        }
    }

    /// The decision refuses.
    pub(super) fn decided(decision: Arc<Decision>) -> Self {
        Self::Refused {
            reason: decision.reason.into(),
            detail: decision.detail.clone(),
            decision: Some(decision),
        }
    }

    /// Nobody refuses, and yet it ends.
    pub(super) fn aborted(reason: impl Into<Reason>) -> Self {
        Self::Aborted {
            reason: reason.into(),
            detail: None,
        }
    }

    /// From what the TLS library or the system says.
    pub(super) fn from_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
            Some(Error::AlertReceived(AlertDescription::CloseNotify)) => {
                Self::aborted(ConnectionReason::Closed)
            }
            Some(Error::AlertReceived(description)) => Self::ByPeer {
                alert: *description,
                decision: None,
            },
            Some(error) => Self::Refused {
                reason: tls_reason(error).into(),
                detail: Some(error.to_string()),
                decision: None,
            },
            None => {
                let kind = error.kind();
                if kind == ErrorKind::UnexpectedEof {
                    Self::aborted(ConnectionReason::Closed)
                } else if matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) {
                    Self::aborted(ConnectionReason::Reset)
                } else {
                    Self::Aborted {
                        reason: ConnectionReason::IoError.into(),
                        detail: Some(error.to_string()),
                    }
                }
            }
        }
    }

    /// The same of a first flight, which may have been no TLS at all.
    pub(super) fn from_hello(error: &std::io::Error) -> Self {
        let mut failure = Self::from_io(error);
        let said = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        if let (Self::Refused { reason, .. }, Some(error)) = (&mut failure, said)
            && is_no_record(error)
        {
            *reason = ConnectionReason::NotTls.into();
        }
        failure
    }

    /// With the decision about them, if they refused us after it.
    pub(super) fn after(mut self, accepted: &Arc<Decision>) -> Self {
        if let Self::ByPeer { decision, .. } = &mut self {
            *decision = Some(Arc::clone(accepted));
        }
        self
    }

    /// The reason code.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Refused { reason, .. } | Self::Aborted { reason, .. } => *reason,
            Self::ByPeer { alert, .. } => alert_reason(*alert).into(),
        }
    }

    /// The one event that this handshake ends in; `shown` is what this node had presented by then.
    pub(super) fn event(self, sides: HandshakeSides, shown: Option<Arc<PresentedChain>>) -> Event {
        match self {
            Self::Refused {
                reason,
                detail,
                decision,
            } => Event::HandshakeRefused {
                sides: sides.judged(decision.as_ref()),
                reason,
                detail,
                decision,
            },
            Self::ByPeer { alert, decision } => Event::HandshakeRefusedByPeer {
                sides: sides.judged(decision.as_ref()),
                reason: alert_reason(alert).into(),
                alert: alert.into(),
                detail: alert_reason(alert).what(),
                shown,
                decision,
            },
            Self::Aborted { reason, detail } => Event::HandshakeAborted {
                sides,
                reason,
                detail,
            },
        }
    }
}

/// Whether what came cannot be a record of TLS (RFC 8446 §5.1): its type, its version or its length are none.
fn is_no_record(error: &Error) -> bool {
    use InvalidMessage as M;
    matches!(
        error,
        Error::InvalidMessage(
            M::InvalidContentType
                | M::UnknownProtocolVersion
                | M::MessageTooLarge
                | M::InvalidEmptyPayload
        )
    )
}

/// What TLS itself finds wrong with the other side, as a reason code.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enums are open and long; what has no word of its own is told in the detail"
)]
fn tls_reason(error: &Error) -> ConnectionReason {
    use PeerIncompatible as I;
    match error {
        Error::NoCertificatesPresented => ConnectionReason::NoCertificate,
        Error::NoApplicationProtocol => ConnectionReason::NoCommonProtocol,
        Error::PeerMisbehaved(
            PeerMisbehaved::ServerNameMustContainOneHostName
            | PeerMisbehaved::ServerNameDifferedOnRetry,
        )
        | Error::InvalidMessage(
            InvalidMessage::InvalidServerName | InvalidMessage::IllegalEmptyList("ServerNames"),
        ) => ConnectionReason::ServerNameMalformed,
        Error::PeerIncompatible(what) => match what {
            I::ServerDoesNotSupportTls12Or13
            | I::ServerTlsVersionIsDisabledByOurConfig
            | I::SupportedVersionsExtensionRequired
            | I::SignatureAlgorithmsExtensionRequired
            | I::Tls12NotOffered
            | I::Tls12NotOfferedOrEnabled => ConnectionReason::NoCommonVersion,
            I::NoCipherSuitesInCommon => ConnectionReason::NoCommonCipher,
            I::NoKxGroupsInCommon | I::NamedGroupsExtensionRequired => {
                ConnectionReason::NoCommonGroup
            }
            I::NoSignatureSchemesInCommon | I::NoCertificateRequestSignatureSchemesInCommon => {
                ConnectionReason::NoCommonSignature
            }
            _ => ConnectionReason::TlsError,
        },
        _ => ConnectionReason::TlsError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(error: Error) -> std::io::Error {
        std::io::Error::new(ErrorKind::InvalidData, error)
    }

    #[test]
    fn a_first_flight_is_no_tls_only_if_it_is_no_record() {
        use InvalidMessage as M;
        for (error, reason) in [
            (Error::InvalidMessage(M::InvalidContentType), "not_tls"),
            (Error::InvalidMessage(M::UnknownProtocolVersion), "not_tls"),
            (Error::InvalidMessage(M::MessageTooLarge), "not_tls"),
            (Error::InvalidMessage(M::DuplicateExtension(0)), "tls_error"),
            (Error::InvalidMessage(M::MissingData("Random")), "tls_error"),
            (
                Error::InvalidMessage(M::InvalidServerName),
                "server_name_malformed",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::ServerNameMustContainOneHostName),
                "server_name_malformed",
            ),
            (Error::NoApplicationProtocol, "no_common_protocol"),
        ] {
            let said = error.to_string();
            assert_eq!(Failure::from_hello(&io(error)).reason(), reason, "{said}");
        }
        let gone = ErrorKind::UnexpectedEof.into();
        assert_eq!(Failure::from_hello(&gone).reason(), "closed");
    }

    #[test]
    fn who_ended_it_is_told_apart() {
        let by_peer = Failure::from_io(&io(Error::AlertReceived(AlertDescription::UnknownCA)));
        assert!(matches!(by_peer, Failure::ByPeer { .. }));
        assert_eq!(by_peer.reason(), "alert_unknown_ca");
        for (error, reason) in [
            (Error::NoApplicationProtocol, "no_common_protocol"),
            (Error::NoCertificatesPresented, "no_certificate"),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "no_common_cipher",
            ),
            (Error::DecryptError, "tls_error"),
        ] {
            let failure = Failure::from_io(&io(error));
            assert!(matches!(failure, Failure::Refused { .. }));
            assert_eq!(failure.reason(), reason);
        }
        for (kind, reason) in [
            (ErrorKind::UnexpectedEof, "closed"),
            (ErrorKind::ConnectionReset, "reset"),
            (ErrorKind::TimedOut, "io_error"),
        ] {
            let failure = Failure::from_io(&kind.into());
            assert!(matches!(failure, Failure::Aborted { .. }));
            assert_eq!(failure.reason(), reason);
        }
    }
}
