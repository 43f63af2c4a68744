//! The control socket: one JSON request line, one JSON reply line, for an operator's commands (docs/control.md).
//!
//! It lives in the supervising runtime, never in a shard: a slow or greedy operator costs no call anything. Only the
//! daemon's own user and root are answered, whatever the file's mode is.
//!
//! Each command is a file: the type of its reply, and what the daemon does for it as a method of the context. `protocol`
//! lists them all, `server` calls them.

mod bindings;
mod both;
mod calls;
mod carry_out;
mod client;
mod connections;
mod context;
mod crls;
mod crls_forget;
mod deny;
mod drain;
mod explain;
mod figures;
mod inventory;
mod kick;
mod limits;
mod log_level;
mod outline;
mod past_decision;
mod peer_word;
mod place;
mod pools;
mod protocol;
mod refusal;
mod refusals;
mod reload;
mod server;
mod status;
mod topology;
mod trace;
mod trace_source;
mod upgrade;

pub use super::crl_timer::ForgottenCrls;
pub use super::reload_report::{ReloadReport, ReloadResult, ServedCheck, ServedResult};
pub use super::upgrade::Upgraded;
pub use crate::daemon::trace::{Shown, masked};
pub use crate::edge::{Denial, ListedBinding, ListedBindings, ListedConnection};
pub use crate::proxy::NamedParty;
pub use calls::ListedCalls;
pub use client::{AskError, ask, follow};
pub use crls::CrlSeries;
pub use deny::Denied;
pub use drain::{Draining, DrainingClients};
pub use explain::ExplainedDecision;
pub use figures::{DaemonFigures, PeerFigures};
pub use inventory::{Inventory, LivePeer, SeenNow, ShownByClients};
pub use kick::Kicked;
pub use limits::ListedLimit;
pub use log_level::LogLevelSet;
pub use outline::{Outline, Route};
pub use past_decision::PastDecision;
pub use place::{ENV_RUNTIME, SOCKET_NAME, Unavailable, candidates};
pub use pools::{ListedMember, ListedPings, ListedPool};
pub use protocol::{Reply, Request};
pub use refusal::ControlRefusal;
pub use refusals::LatestRefusals;
pub use status::{DaemonStatus, EventCount, LastDown, ListenerStatus, PeerStatus};
pub use topology::ServedTopology;
pub use trace::{ShownMessage, TraceBegun, TraceEnd, TraceLine, TraceRequest};

pub(super) use context::{ControlContext, Sinks, SupervisorCommand};
pub(super) use place::ControlPlace;
pub(super) use server::ControlServer;
pub(crate) use trace::HANDED_OVER;
