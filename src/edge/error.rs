//! Why sockets or shards could not be had.
use std::net::SocketAddr;

/// Why the edge does not start, or does not take a new generation.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A listener's address cannot be bound.
    #[error("listener {listener}: cannot listen on {address}: {source}")]
    Bind {
        /// The listener's name.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// A thread or its runtime could not be started.
    #[error("cannot start a shard: {0}")]
    Runtime(#[source] std::io::Error),
    /// A key or chain that the TLS library does not take.
    #[error("the TLS library refuses the configuration: {0}")]
    Tls(#[source] rustls::Error),
    /// The system has no random bytes.
    #[error("the system's source of randomness fails")]
    Random,
}
