//! Handshakes: the verifiers that rustls calls, the proof that who shows a certificate has its key, and what was presented.
mod possession;
pub(crate) mod seen;
pub(crate) mod verifier;
