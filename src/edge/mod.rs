//! The only I/O shell: shards, listeners, handshakes, connections.
//!
//! One thread accepts, and has in its lobby (`lobby`, `guest`) who has not sent a whole ClientHello yet or waits for a
//! handshake's slot (`grants`); each shard is a thread with a single-threaded runtime that owns its connections and one
//! [`crate::proxy::Core`]. A connection's task (`reading`) reads, frames, feeds the core (`relay`) and writes to the
//! outgoing connection's session itself. What all tasks that woke together have written leaves in one flush behind them
//! (`flush_queue`, `background`); the outgoing connection's own task takes over only when its socket is full. What crosses
//! shards is in `inbox`.
//!
//! Nothing in here decides what a message means or who may send it: that is the core's and trust's. What is decided here
//! is about bytes, sockets and time: how much may wait, how long anybody may be silent, and in which order things are sent.
//!
//! From the ground up: the types of one connection (`session`, `connection`, `deadlines`) and of its admission; the state
//! of a shard (`shard`) and what is done with it (`relay`, `lifecycle`); the tasks (`reading`, `inbound`, `outbound`,
//! `judged`, `reevaluate`, `background`); the thread (`shard_loop`); and on top [`Edge`], the handle that the daemon holds, with one
//! file for each thing that it can be asked for (`status`, `calls`, `figures`, `live`, `inventory`, `kick`, `deny`, `trace`, `reload`, `drain`).

mod acceptor;
mod addresses;
mod admission;
pub mod alert;
mod arrival;
mod background;
mod bind;
mod buffers;
mod calendar;
mod calls;
mod client_hello;
mod clock;
mod clock_pair;
mod connection;
mod connection_number;
mod connection_table;
mod crowd;
mod deadlines;
mod denials;
mod deny;
mod descriptors;
mod dial;
mod dialler;
mod dns_query;
mod drain;
mod ending;
mod error;
mod evidence;
mod failed;
mod figures;
mod flush_queue;
mod grants;
mod guest;
mod hand_over;
mod handle;
mod handshake_socket;
mod inbound;
mod inbound_identity;
mod inbox;
mod inherited;
mod inventory;
mod judged;
mod keep_alive;
mod kick;
mod layer;
mod let_go;
mod lifecycle;
mod limit_use;
mod live;
mod lobby;
mod log_level;
mod make_room;
mod negotiated;
mod opened;
mod other_process;
mod outbound;
mod own_checks;
mod page;
mod pause;
mod peer_load;
mod peer_states;
mod pending;
mod priority;
mod probe;
mod proxy_header;
mod rate;
mod reading;
mod reception;
mod records;
mod reevaluate;
mod registered;
mod relay;
mod relief;
mod reload;
mod resolver;
mod scheduling;
mod served;
mod session;
mod shard;
mod shard_count;
mod shard_loop;
mod shard_work;
mod signal;
mod slots;
mod slowing;
mod sources;
mod start;
mod status;
mod suites;
mod tls;
mod trace;
mod unconfirmed;

pub(crate) use bind::BACKLOG;
pub use bind::BoundListeners;
pub use calls::ListedCall;
pub use client_hello::{Hello, MOST as LONGEST_HELLO, look as look_at_hello};
pub use denials::Denial;
pub use descriptors::{DescriptorRoom, raise_descriptors};
pub use error::EdgeError;
pub use evidence::{Evidence, Reevaluation};
pub use failed::HandshakeFailure;
pub use figures::ShardFigures;
pub use hand_over::Handed;
pub use handle::Edge;
pub use inherited::{
    CONTROL, CONVERSATION, FormerProcess, HTTP, Inherited, InheritedSockets, LINK,
};
pub use inventory::{LiveConnections, PeerConnection};
pub use kick::KickTarget;
pub use limit_use::LimitUse;
pub use live::{ConnectionRole, ListedConnection, Selection};
pub use negotiated::Negotiated;
pub use opened::Opened;
pub use own_checks::OwnChecks;
pub use page::RowPage;
pub use peer_states::Down;
pub use probe::{ProbeAttempt, ProbeVerdict, probe};
pub use proxy_header::{Announced, HeaderSource, read as read_proxy_header};
pub use registered::{BindingSelection, ListedBinding, ListedBindings};
pub use served::{Served, served};
pub use shard_count::shards;
pub use start::Inheritance;
pub use status::EdgeStatus;
pub use trace::{
    TraceDirection, TraceFeed, TraceGuard, TraceRecord, TraceSelection, TracedItem, TracedMessage,
};
