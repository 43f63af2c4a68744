//! Trust: who a presented certificate chain is, decided in one place ([`decide`]).
//!
//! The folders lie above each other, each made of those before it:
//!
//! * `certificate`: one certificate and the presented chain, from bytes to keys, names, constraints and signatures.
//! * `names`: which names a certificate presents, and which peers they stand for.
//! * `anchors`: the CAs of a trust set.
//! * `revocation`: CRLs and OCSP responses about one certificate.
//! * `path`: paths to an anchor: the search for them and the rules that they must hold.
//! * `generation`: a loaded topology with everything that its decisions need.
//! * `trace`: what a decision looks at, as facts, and the words for an explanation.
//! * `decision`: the steps in their order, and what was concluded.
//! * `handshake`: the verifiers that rustls calls, and what was presented lately.
//! * `explain`: why, what would change it, what will end, and where CRLs can be fetched.

mod anchors;
mod budget;
mod certificate;
mod decision;
mod explain;
mod generation;
mod handshake;
mod names;
mod path;
mod reason;
mod refusal;
mod revocation;
mod trace;

#[cfg(test)]
mod tests;

pub use crate::reason::TrustReason;
pub use decision::client_rule::{Admitted, ClientId, decide_inbound};
pub use decision::decide::{PeerId, decide};
pub use decision::presented::Presented;
pub use decision::verdict::{Decision, Verdict, fingerprint};
pub use explain::explanation::{Explanation, explain, explain_inbound, outcome_words};
pub use explain::fetchable::{DistributionPoint, Fetchable};
pub use explain::forecast::{Foreseen, Lapsed, PeerOutlook};
pub use explain::smallest_change::SmallestChange;
pub use generation::held::HeldSeries;
pub use generation::loaded::{Before, Generation};
pub use generation::refresh::{Read, Refreshed};
pub use handshake::inbound::{InboundVerifier, ListenerTrust};
pub use handshake::outbound::OutboundVerifier;
pub use handshake::seen::{SeenChain, SeenChains, ShownChain};
pub use names::presented_name::MatchedKind;
pub use reason::Step;
pub(crate) use revocation::distribution::http_uris;
pub use revocation::ledger::Ledger;
pub use revocation::offers::RefusedCrl;
pub use revocation::record::RecordError;
pub use revocation::series::{Series, SeriesId};
pub use trace::step::{ExplainedStep, StepOutcome};

use refusal::StepRefusal;
