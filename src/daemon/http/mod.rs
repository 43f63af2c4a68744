//! `[http]`: figures for monitoring, over plain HTTP at an address that an operator has chosen (docs/metrics.md).
//!
//! It has a thread and a runtime of its own, so that nobody who asks can hold up a message or the
//! supervisor, and it is handed facts only: no key and no message comes here. Whoever reaches the
//! address may ask, and is bounded: in connections, in the size of a request, in time, and in how
//! often the shards are asked on its behalf (`cache`).

mod cache;
mod expiry;
mod figures;
mod html;
mod metrics;
mod page;
mod picture;
mod process;
mod request;
mod run;
mod server;
mod snapshot;
mod socket;

pub use request::{HostRules, Resource, wanted as wanted_of};
pub(super) use run::run;
pub(super) use socket::HttpSocket;
