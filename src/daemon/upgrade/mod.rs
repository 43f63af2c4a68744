//! An upgrade without a cut: the running process starts a new one, hands its listeners over, and lets its clients go.
//!
//! The two speak over one pair of sockets that the new process inherits (`conversation`, `words`). The order is such that
//! whatever fails before the last step changes nothing:
//! 1. The old process (`successor`) starts the program with copies of its listening sockets, of the control socket and of as
//!    many ends of connections as there are shards, and tells it what stands in for a token key.
//! 2. The new one (`former`) loads the topology, starts its shards, and shakes hands with its own listeners on sockets that are
//!    made for that. Then it is ready, and accepts nothing yet.
//! 3. The old one stops accepting, leaves the control socket, tells systemd the new main process, and says `go`.
//! 4. The old one (`retire`) serves who is connected, and lets clients go over `limits.handover`; what the operator asks of
//!    the new one, and its reloads, reach the old one too. When the last client is gone it leaves its peers and ends.
//!
//! Neither ever waits for the other's reading (`conversation`); who waits for its answers is kept in `inquirers`, and a trace of both
//! has its lines from `asked_traces`. If the new process ends before the old one, the old one takes everything up again.

mod answers;
mod asked_traces;
mod asking;
mod conversation;
mod former;
mod inquirers;
mod outcome;
mod program;
mod retire;
mod successor;
mod words;

pub use outcome::Upgraded;

pub(super) use former::{Former, FormerHandle, FormerTrace, tell_failure};
pub(super) use program::own_program;
pub(super) use retire::{Retired, retire};
pub(super) use successor::{Successor, start};
