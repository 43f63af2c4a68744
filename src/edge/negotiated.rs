//! What the two sides of a TLS session agreed on, and the event of a handshake that passed.
use crate::observe::{Event, HandshakeSides};
use crate::trust::Decision;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What the two sides of a TLS session agreed on, by the IANA names: what an operator compares with the peer's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Protocol version, e.g. `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Key exchange group.
    pub group: String,
}

/// Reads it from the session of a finished handshake.
pub(super) fn negotiated(session: &rustls::Connection) -> Negotiated {
    // After a finished handshake each is there; an empty field in the log would still be no reason to fail.
    let text = |value: Option<String>| value.unwrap_or_default();
    Negotiated {
        // Each is `None` only before the handshake is finished.
        version: text(session.protocol_version().map(version_name)),
        cipher: text(
            session
                .negotiated_cipher_suite()
                .and_then(|s| s.suite().as_str())
                .map(str::to_owned),
        ),
        group: text(
            session
                .negotiated_key_exchange_group()
                .and_then(|g| g.name().as_str())
                .map(str::to_owned),
        ),
    }
}

/// A protocol version as OpenSSL and most tools write it, and not as rustls does.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library negotiates no other; its enum is open"
)]
fn version_name(version: rustls::ProtocolVersion) -> String {
    // The two that exist here; anything else would be a change of the library.
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The event of a handshake that passed.
pub(super) fn accepted_event(
    sides: HandshakeSides,
    connection: u64,
    session: &rustls::Connection,
    decision: Option<Arc<Decision>>,
    took: Duration,
) -> Event {
    // The event has the names as fields of their own, so that logs can be filtered by them.
    let Negotiated {
        version,
        cipher,
        group,
    } = negotiated(session);
    Event::HandshakeAccepted {
        connection,
        sides: sides.judged(decision.as_ref()),
        version,
        cipher,
        group,
        took,
        reason: decision.as_ref().map(|decision| decision.reason.into()),
        decision,
    }
}
