//! What can be asked of a generation beside decisions: why, what would change it, what will end, and where CRLs are.
mod elsewhere;
pub(crate) mod explanation;
pub(crate) mod fetchable;
pub(crate) mod forecast;
pub(crate) mod smallest_change;
