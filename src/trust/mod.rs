//! Trust: who a presented certificate chain is, decided in one place ([`decide`]).

mod admission;
mod anchors;
mod budget;
mod certificate;
mod client_rule;
mod decision;
mod distribution;
mod explain;
mod fetchable;
mod forecast;
mod generation;
mod issuers;
mod judgement;
mod ledger;
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
mod search;
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
pub use decision::{Decision, PeerId, Presented, Verdict, decide, fingerprint};
pub use explain::{Explanation, SmallestChange, explain, explain_inbound};
pub use fetchable::{DistributionPoint, Fetchable};
pub use forecast::{Foreseen, Lapsed, PeerOutlook};
pub use generation::{Before, Generation, HeldSeries, Read, Refreshed};
pub use ledger::{Ledger, RecordError, Series, SeriesId};
pub use names::presented_name::MatchedKind;
pub use reason::{Reason, Step};
pub use seen::{SeenChain, SeenChains, Shown};
pub use trace::{ExplainedStep, Outcome};
pub use verifier::{InboundVerifier, ListenerTrust, OutboundVerifier};

use refusal::Refusal;
