//! What the sender of a refused message or handshake learns.
use rustls::AlertDescription;

/// What the sender of a refused message or handshake learns: always less than the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// Nothing: the connection is closed, the message dropped, or nobody waits for an answer.
    Nothing,
    /// A TLS alert.
    Alert(AlertDescription),
    /// A SIP response with this status and, as `Warning: 399`, this text.
    Status(u16, &'static str),
}
