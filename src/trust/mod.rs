//! Trust: who a presented certificate chain is, decided in one place ([`decide`]).

mod chain;
mod decision;
mod generation;
mod names;
mod path;
mod purpose;
mod reason;
mod refusal;
mod revocation;
mod validity;
mod verifier;

#[cfg(test)]
mod tests;

pub use decision::{Decision, MatchedKind, PeerId, Presented, Verdict, decide};
pub use generation::Generation;
pub use reason::{Reason, Step};
pub use verifier::{InboundVerifier, OutboundVerifier};

use refusal::Refusal;
