//! What a trace consists of.
//!
//! Copies: a shard goes on at once, and its buffers belong to the next message.
use crate::observe::Event;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceDirection {
    /// To this node.
    Received,
    /// From this node.
    Sent,
}

/// One thing that was traced, and when, since 1970.
#[derive(Clone, Debug)]
pub struct TraceRecord {
    /// When.
    pub at: Duration,
    /// What.
    pub item: TracedItem,
}

/// What was traced.
#[derive(Clone, Debug)]
pub enum TracedItem {
    /// A message.
    Message(TracedMessage),
    /// A refusal, a dropped message or the end of a connection.
    Refusal(Box<Event>),
}

/// A message as it was on the wire, below TLS.
#[derive(Clone, Debug)]
pub struct TracedMessage {
    /// Which way.
    pub direction: TraceDirection,
    /// The number of the connection.
    pub connection: u64,
    /// The peer's name; `None`: a client.
    pub peer: Option<Box<str>>,
    /// The remote address.
    pub remote: SocketAddr,
    /// This node's.
    pub local: SocketAddr,
    /// The shard that owns the connection.
    pub shard: u8,
    /// Its bytes; without the body where nobody has asked for bodies.
    pub bytes: Box<[u8]>,
    /// How long its body was.
    pub body: usize,
    /// Whether it is a message: what cannot be framed is traced too.
    pub is_framed: bool,
}
