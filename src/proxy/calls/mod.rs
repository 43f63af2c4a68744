//! The calls that are up: dialogs from the first 2xx to their INVITE until their BYE is answered (RFC 3261 §12, §15).
//!
//! A dialog is named by a keyed hash of its Call-ID and tags (`key`), which says as well which shard keeps it, so that
//! INVITE and BYE may run through different shards and none asks all of them. `part` is what a request does to a call,
//! `messages` what shards tell each other, and `table` what a shard keeps. Requests of other methods pay nothing.
mod key;
mod messages;
mod part;
mod table;

pub(crate) use key::{CallKey, tag_hash};
pub use messages::CallMessage;
pub(crate) use messages::{AnsweredCall, CallClient, CallNews, HungUp, session_of};
pub(crate) use part::{Beginning, CallPart};
pub(crate) use table::{CallRoom, CallTable};
pub use table::{CallsOfClients, RunningCall};
