//! Topology hiding: towards a peer that is set so, names and addresses of the home side become
//! encrypted tokens of this node or are taken out; what comes back from it is what was there
//! before. Nothing is kept: any node with the keys restores what another has hidden.
//!
//! The core itself never sees a token: [`Hiding::restore`] stands before it, [`Hiding::hide`]
//! behind it. It fails closed: what cannot be read is sealed as it stands, and what cannot be
//! sealed is not sent.
mod back;
mod fields;
mod inside;
mod out;
mod reading;
mod seal;
mod towards;
mod uri;

pub(crate) use back::unhidden;
pub(crate) use inside::Inside;
pub(crate) use seal::HidingKey;
pub(crate) use towards::Hiding;
