//! Where an inbound connection has come from, when, and how much of its time is left: it has this from the acceptor through
//! the lobby to the end of its handshake in a shard.
//!
//! None of it is shared: it moves along with the socket, from the thread that accepts to the one that serves.
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One inbound connection that has not finished its handshake, apart from its socket and what it holds of the bounds.
pub(super) struct Arrival {
    /// Where it came from, for the log; behind a balancer that is known with its header.
    pub(super) remote: SocketAddr,
    /// The balancer that it came through; `None`: it came by itself, or the balancer speaks for itself.
    pub(super) balancer: Option<SocketAddr>,
    /// The address at the balancer that was connected to, by what it says.
    pub(super) destination: Option<SocketAddr>,
    /// A balancer's health check, which has no line in the log.
    pub(super) is_check: bool,
    /// The index of the bound socket that it came through.
    pub(super) listener: usize,
    /// When it was accepted; behind a balancer, when the header was whole.
    pub(super) started: Instant,
    /// What is left of the handshake's time, once the hello is whole: to wait for a slot is this node's time.
    pub(super) left: Duration,
}
