//! Why sockets or shards could not be had.
use std::net::SocketAddr;

impl EdgeError {
    /// Whether a socket is what could not be had.
    pub fn is_about_sockets(&self) -> bool {
        matches!(
            self,
            Self::Bind { .. } | Self::InheritedUnusable { .. } | Self::InheritedUnmatched { .. }
        )
    }
}

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
    /// A descriptor that was handed over cannot be used.
    #[error(
        "the socket \"{name}\" that was handed over, number {position} from 0, is no listening TCP socket: {source}"
    )]
    InheritedUnusable {
        /// Its place among those that were handed over.
        position: usize,
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A socket that was handed over belongs to no listener.
    #[error(
        "the socket \"{name}\" at {address} that was handed over belongs to no [[listener]], by its name or its address ({listeners}): correct ListenStream= or FileDescriptorName= of the socket unit, or the topology"
    )]
    InheritedUnmatched {
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
        /// Where it listens.
        address: SocketAddr,
        /// The listeners that have no socket.
        listeners: String,
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
