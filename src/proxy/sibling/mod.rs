//! Siblings: the other nodes of this site, which have clients of their own.
//!
//! A request for a binding that this node does not hold is handed over to the node that the token names, then to the
//! others, as ordinary SIP over mutual TLS. Whom it came from stands in one signed field (`origin`); the sibling judges it
//! as if that peer had sent it there. Nothing is replicated: a node learns where a client is by asking.
//!
//! At the node that the request came to (`plan`, `asking`):
//! 1. Policy lets it pass to a binding, as ever, and the boundary strips what its sender may not say.
//! 2. The binding's directory does not have it. Siblings become the next targets, with a branch each; one that answers 430,
//!    or cannot be reached, is followed by the next.
//! 3. If the client was lost a moment ago, here or together with the node that the token names, it is waited for in between.
//!
//! At the sibling: the field is read with the request, and its sender stands in the place of the sibling's leg wherever rights
//! are asked for. Responses and CANCEL belong to the sibling's leg, as with any server that has sent a request. It records no
//! route, since the one that is there leads to all nodes, and it asks nobody further.
mod asking;
mod origin;
mod plan;
mod taken;

pub(crate) use origin::HandedOver;
pub(crate) use plan::SiblingPlan;
pub(crate) use taken::Taken;
