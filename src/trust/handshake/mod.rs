//! Handshakes: the verifiers that rustls calls, the proof that who shows a certificate has its key, and what was presented.
pub(crate) mod inbound;
pub(crate) mod outbound;
mod possession;
pub(crate) mod seen;
mod verdict_cell;
