//! The timer of CRLs: reads their files again, makes what changed take effect at once, and reports staleness before it
//! closes connections.
//!
//! Reading and parsing happen on a thread of their own; a handshake never waits for them.

mod fetched_contents;
mod forget;
mod forget_request;
mod reports;
mod run;
mod timer;

pub use forget_request::ForgottenCrls;
pub(super) use forget_request::{Forget, Unforgotten};
pub(super) use run::run;
