//! Trust: who a presented certificate chain is, decided in one place ([`decide`]).

mod admission;
mod anchors;
mod chain;
mod client_rule;
mod decision;
mod distribution;
mod explain;
mod fetchable;
mod forecast;
mod generation;
mod known;
mod lenient;
mod names;
mod narrate;
mod ocsp;
mod own_staple;
mod path;
mod pins;
mod possession;
mod purpose;
mod reason;
mod refusal;
mod revocation;
mod seen;
mod set_notes;
mod supposition;
mod trace;
mod validity;
mod verifier;

#[cfg(test)]
mod tests;

pub use admission::RefusedCrl;
pub use client_rule::{Admitted, ClientId, decide_inbound};
pub use decision::{Decision, MatchedKind, PeerId, Presented, Verdict, decide, fingerprint};
pub use explain::{Explanation, SmallestChange, explain, explain_inbound};
pub use forecast::{Foreseen, Lapsed, PeerOutlook};
pub use generation::{Generation, Read, Refreshed};
pub use reason::{Reason, Step};
pub use seen::{SeenChain, SeenChains, Shown};
pub use trace::{ExplainedStep, Outcome};
pub use verifier::{InboundVerifier, OutboundVerifier};

use refusal::Refusal;
