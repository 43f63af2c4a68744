//! How a handshake fails: this node refuses, the remote side refuses, or it is broken off; each is an event of its own.
use super::alert::alert_reason;
use crate::observe::{Event, HandshakeSides, PresentedChain};
use crate::reason::{ConnectionReason, Reason};
use crate::trust::Decision;
use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};
use std::io::ErrorKind;
use std::sync::Arc;

/// Why there is no connection. The three kinds answer an operator's first question: whose configuration is to change,
/// this node's, the remote side's, or the network's.
#[derive(Clone, Debug)]
pub enum HandshakeFailure {
    /// This node refused: a trust decision, one of its bounds, or what the remote side offers in TLS.
    Refused {
        /// Why.
        reason: Reason,
        /// What makes it understandable, such as the library's error.
        detail: Option<String>,
        /// The decision, if it was one of trust.
        decision: Option<Arc<Decision>>,
    },
    /// The remote side refused, with this alert; `decision` is the one on the remote side, if it came so far.
    ByPeer {
        /// As it came, unknown ones too.
        alert: AlertDescription,
        /// Accepted here, refused there: the log shows both.
        decision: Option<Arc<Decision>>,
    },
    /// It ended without a verdict of either side: a timeout, a closed connection, an error of the network.
    Aborted {
        /// What happened.
        reason: Reason,
        /// The system's error.
        detail: Option<String>,
    },
}

impl HandshakeFailure {
    /// This node refuses for a reason that is not about a certificate.
    pub(super) fn refused(reason: impl Into<Reason>) -> Self {
        Self::Refused {
            reason: reason.into(),
            detail: None,
            decision: None,
        }
    }

    /// Whether trust has refused the remote side.
    pub(super) fn is_decided(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                decision: Some(_),
                ..
            }
        )
    }

    /// Trust has refused: its decision has the reason and what makes it understandable.
    pub(super) fn decided(decision: Arc<Decision>) -> Self {
        Self::Refused {
            reason: decision.reason.into(),
            detail: decision.detail.clone(),
            decision: Some(decision),
        }
    }

    /// Neither side refuses, and yet it ends.
    pub(super) fn aborted(reason: impl Into<Reason>) -> Self {
        Self::Aborted {
            reason: reason.into(),
            detail: None,
        }
    }

    /// From an error of the TLS library or of the system.
    pub(super) fn from_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
            // A close_notify in the middle of a handshake is an end, not a refusal (RFC 8446 §6.1).
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
                // The remote side closed without a word: a health check, a port scan, or a client that
                // changed its mind.
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

    /// The same of the remote's first flight, which may have been no TLS at all: SIP without TLS, an HTTP request, a port scan.
    pub(super) fn from_hello(error: &std::io::Error) -> Self {
        let mut failure = Self::from_io(error);
        let cause = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        // Only the first bytes can show that; later in the handshake the same error is a broken
        // implementation.
        if let (Self::Refused { reason, .. }, Some(error)) = (&mut failure, cause)
            && is_no_record(error)
        {
            *reason = ConnectionReason::NotTls.into();
        }
        failure
    }

    /// Whether the remote side was gone again without a word.
    pub(super) fn came_to_nothing(&self) -> bool {
        let reason = self.reason();
        reason == ConnectionReason::Closed || reason == ConnectionReason::Reset
    }

    /// With the decision on the remote side, if that refused after it: both verdicts are in the log then.
    pub(super) fn after(mut self, accepted: &Arc<Decision>) -> Self {
        if let Self::ByPeer { decision, .. } = &mut self {
            *decision = Some(Arc::clone(accepted));
        }
        self
    }

    /// The reason, whichever side it is of: for the peer's state and for what waits for the connection.
    pub fn reason(&self) -> Reason {
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

/// Whether what came cannot be a record of TLS (RFC 8446 §5.1): its type, its version or its length are none. Other
/// malformed messages come from TLS stacks with faults, and their operators look elsewhere.
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

/// What TLS itself finds wrong with the remote side, as a reason code. The library's own words go into the detail.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enums are open and long; what has no word of its own is in the detail"
)]
fn tls_reason(error: &Error) -> ConnectionReason {
    // The codes are those of the registry; what has none of its own is a TLS error with the library's
    // words.
    use PeerIncompatible as I;
    match error {
        // The listener asks every client for one, and this one is for peers.
        Error::NoCertificatesPresented => ConnectionReason::NoCertificate,
        // The client offers ALPN without "sip": it wants another service (RFC 7301 §3.2).
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
            // Each of these is a setting of the remote side that an operator can name to its administrator.
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
            let cause = error.to_string();
            assert_eq!(
                HandshakeFailure::from_hello(&io(error)).reason(),
                reason,
                "{cause}"
            );
        }
        let gone = ErrorKind::UnexpectedEof.into();
        assert_eq!(HandshakeFailure::from_hello(&gone).reason(), "closed");
    }

    #[test]
    fn who_ended_it_is_told_apart() {
        let by_peer =
            HandshakeFailure::from_io(&io(Error::AlertReceived(AlertDescription::UnknownCA)));
        assert!(matches!(by_peer, HandshakeFailure::ByPeer { .. }));
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
            let failure = HandshakeFailure::from_io(&io(error));
            assert!(matches!(failure, HandshakeFailure::Refused { .. }));
            assert_eq!(failure.reason(), reason);
        }
        for (kind, reason) in [
            (ErrorKind::UnexpectedEof, "closed"),
            (ErrorKind::ConnectionReset, "reset"),
            (ErrorKind::TimedOut, "io_error"),
        ] {
            let failure = HandshakeFailure::from_io(&kind.into());
            assert!(matches!(failure, HandshakeFailure::Aborted { .. }));
            assert_eq!(failure.reason(), reason);
        }
    }
}
