//! Bindings: registered clients, whatever connection they have (RFC 5626, RFC 3327).
//!
//! A token names a binding, and the binding says which connection leads to its client now. A home server's 200 to a
//! REGISTER is what binds (`registration`); the number of a binding (`id`) is a keyed hash, by which each shard knows
//! which shard's directory (`directory`) has it; shards tell each other what changes (`messages`). Clients without a
//! registration have legs of their own, which move with the dialog (`moved`).
mod directory;
mod ends;
mod following;
mod former;
mod held;
mod id;
mod located;
mod messages;
mod moved;
mod registration;
mod user;
mod waiters;

pub(crate) use directory::{Directory, Displacement, Found, Held, Room, WAIT};
pub(crate) use following::Following;
pub(crate) use former::FormerHolders;
pub(crate) use held::HeldBinding;
pub use id::BindingId;
#[cfg(test)]
pub(crate) use id::Device;
pub(crate) use id::{BindingKey, BindingName, ContactMark, Owner};
pub(crate) use located::LocatedClients;
pub use messages::BindingMessage;
pub(crate) use messages::{Answer, Asker, Holding, Place, Unregistered, Where};
pub(crate) use moved::MovedLegs;
pub(crate) use registration::{ContactMarks, Outcome, Registration};
pub use user::RegisteredUser;
pub(crate) use waiters::Waiter;
