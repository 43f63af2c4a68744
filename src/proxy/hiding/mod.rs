//! Topology hiding: towards a peer that is set so, names and addresses of the home side become
//! encrypted tokens of this node or are taken out; what comes back from it is what was there
//! before. Nothing is kept: any node with the keys restores what another has hidden.
//!
//! The core itself never sees a token: [`Hiding::restore`] stands before it, [`Hiding::hide`]
//! behind it. It fails closed: what cannot be read is sealed as it stands, and what cannot be
//! sealed is not sent.
//!
//! The same keys seal the contacts of clients whose registrar keeps no Path (`contact`).
mod back;
mod contact;
mod fields;
mod inside;
mod out;
mod reading;
mod seal;
mod towards;
mod uri;

pub(crate) use back::unhidden;
pub(crate) use contact::{cover_contacts, readable_contacts, uncovered_contacts, uncovered_target};
pub(crate) use inside::Inside;
pub(crate) use seal::HidingKey;
pub(crate) use towards::Hiding;
