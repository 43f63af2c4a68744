//! The decision: what was presented, the steps in their order, and what was concluded.
pub(crate) mod client_rule;
pub(crate) mod decide;
pub(crate) mod expectations;
mod judge;
pub(crate) mod presented;
pub(crate) mod question;
pub(crate) mod verdict;
pub(crate) mod vouch;
