//! What a loaded topology sets for the daemon itself: DNS, log, token keys, bounds and the way in for an operator.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[dns]`: who is asked for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long an answer past its TTL serves while no name server answers.
    pub stale: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            stale: Duration::from_secs(3_600),
        }
    }
}

/// `[log] requests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRequests {
    /// Every request.
    All,
    /// INVITE, BYE, REGISTER and every refusal.
    Calls,
    /// Refusals only.
    Refused,
}

/// `[log] format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON lines.
    Json,
    /// For a terminal.
    Human,
    /// Human on a terminal, JSON otherwise.
    Auto,
}

/// `[log]`.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Which requests make a line.
    pub requests: LogRequests,
    /// How a line looks.
    pub format: LogFormat,
}

/// `[tokens]`: the keys that sign Record-Route and Path URIs.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// The key file as written and resolved against the topology file; `None`: a random key for this run.
    pub key_file: Option<PathBuf>,
    /// Its keys as (id, key): the first signs, all verify. At most two.
    pub keys: Vec<(u8, [u8; 32])>,
}

/// `[limits]`: every bound, with safe defaults.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of a message head.
    pub head_bytes: usize,
    /// Octets of a message body.
    pub body_bytes: usize,
    /// From the first octet of a message to the end of its head.
    pub head_timeout: Duration,
    /// From the first octet of a message to the end of its body.
    pub body_timeout: Duration,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Handshakes at a time in each shard.
    pub handshakes: usize,
    /// Inbound connections in each shard.
    pub connections: usize,
    /// Connections from one source address (all shards).
    pub connections_per_source: usize,
    /// Connections that a shard may have more than the emptiest one before the next shard gets some.
    pub gather: usize,
    /// A client connection without a message or keep-alive is closed after this.
    pub client_idle: Duration,
    /// A new client connection must send its first message within this.
    pub first_message: Duration,
    /// To resolve, connect and shake hands with one address of a peer.
    pub connect_timeout: Duration,
    /// First pause after a failed connect; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest pause between connects to a peer.
    pub backoff_max: Duration,
    /// Requests that wait for one peer's connect, in each shard.
    pub connect_queue: usize,
    /// Octets waiting for a socket before no new request goes there; at twice that it is closed.
    pub send_queue: usize,
    /// Transactions at a time in each shard.
    pub transactions: usize,
    /// Transactions at a time from one client connection.
    pub transactions_per_client: usize,
    /// How long SIGTERM lets transactions finish.
    pub drain: Duration,
    /// Log lines waiting for the writer.
    pub log_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            body_bytes: 256 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            handshakes: 200,
            connections: 30_000,
            connections_per_source: 5_000,
            gather: 32,
            client_idle: Duration::from_secs(900),
            first_message: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            connect_queue: 1_000,
            send_queue: 1024 * 1024,
            transactions: 200_000,
            transactions_per_client: 200,
            drain: Duration::from_secs(10),
            log_queue: 8_192,
        }
    }
}

/// `[admin]`: how an operator reaches the running daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// The control socket; `None`: in the runtime directory, if there is one.
    pub socket: Option<PathBuf>,
    /// How often the topology and its files are looked at for a change that nobody announced; `None`: never.
    pub watch: Option<Duration>,
}
