//! The control socket: one JSON request line, one JSON reply line, for an operator's commands (docs/control.md).
//!
//! It lives in the supervising runtime, never in a shard: a slow or greedy operator costs no call anything. Only the
//! daemon's own user and root are answered, whatever the file's mode says.

mod client;
mod crls;
mod inventory;
mod place;
mod protocol;
mod server;

pub use client::{AskError, ask};
pub use crls::{CrlSeries, ForgottenCrls};
pub use inventory::{Inventory, LivePeer, Outline, Route, SeenNow, ShownByClients};
pub use place::{ENV_RUNTIME, SOCKET_NAME, Unavailable, candidates};
pub use protocol::{
    Draining, ExplainedDecision, Kicked, LastDown, ListenerStatus, PastDecision, PeerStatus,
    Refusal, ReloadReport, ReloadResult, Reply, Request, ServedCheck, ServedResult, Status,
};

pub(super) use inventory::Chains;
pub(super) use place::Place;
pub(super) use server::{Command, Server, Sinks};
