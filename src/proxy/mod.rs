//! The sans-I/O proxy core of RFC 3261 §16 and §17: (connection identity, message, time) in,
//! actions out.
//!
//! The calling order, which [`crate::edge`] keeps: one input (`on_message`, `on_unframed`,
//! `on_link`, `on_deadline`, `on_generation`), then carry out and clear every action in `out`, in
//! order, then sleep until `next_deadline` or the next input. The current time is an argument
//! everywhere, random bits come from the seed.
//!
//! A request comes in by `messages`, is read in `inbound`, judged in `admission` (`route`,
//! `policy`, `boundary`), planned in `plan`, kept in `context`, tried target by target in
//! `target_set`, and written by `outgoing`. Its response comes in by `messages` and goes back by
//! `relay`.
//!
//! | file | what it holds |
//! |---|---|
//! | `leg`, `link_id`, `branch`, `token` | what a request comes from and goes to, and what names it on the wire |
//! | `interface` | what goes into a core and comes out of it |
//! | `health`, `listing`, `meaning`, `routing`, `tables` | peers, names and domains of one generation, for all shards |
//! | `link_state`, `links`, `wheel`, `buffers`, `secrets`, `environment` | what a shard has besides its requests |
//! | `same_party` | which entries of the topology are one party |
//! | `inbound`, `route`, `policy`, `privacy`, `asserted`, `boundary`, `plan`, `admission` | RFC 3261 §16.3 to §16.6: whether and how a request passes |
//! | `hiding`, `outgoing` | what is written to a leg |
//! | `reply`, `keep_alive` | what this node answers itself |
//! | `transaction`, `context`, `contexts`, `target_set`, `relay` | §16.7, §17: the response context and its transactions |
//! | `stateless` | the ACK of a 2xx, and BENOTIFY |
//! | `ping` | OPTIONS to pool members |
//! | `core`, `messages`, `events` | the core and its inputs |

mod admission;
mod asserted;
mod boundary;
mod branch;
mod buffers;
mod cancellation;
mod claims;
mod context;
mod contexts;
mod core;
mod dialog;
mod environment;
mod events;
mod fast_map;
mod health;
mod hiding;
mod inbound;
mod interface;
mod keep_alive;
mod leg;
mod link_id;
mod link_state;
mod links;
mod listing;
mod meaning;
mod messages;
mod outgoing;
mod ping;
mod plan;
mod policy;
mod pool_order;
mod privacy;
mod question;
mod relay;
mod reply;
mod route;
mod routing;
mod same_party;
mod secrets;
mod stateless;
mod tables;
mod target_set;
#[cfg(test)]
mod tests;
mod timeouts;
mod token;
mod transaction;
mod wheel;

pub use branch::BranchKey;
pub(crate) use context::FAILOVER_SILENCE;
pub use core::{Core, CoreSetup};
pub use health::HealthBoard;
pub(crate) use health::REST;
pub use interface::{Action, Actions, AdvertisedNames, LinkEvent, Origin, RemoteIdentity};
pub use link_id::LinkId;
pub use tables::Tables;
pub use token::TokenKeys;
