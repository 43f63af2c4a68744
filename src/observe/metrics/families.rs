//! The table of metric families: name, type, labels and what is counted. The output, `# HELP` and docs/metrics.md are made
//! from it.

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Numbers by size.
    Histogram,
    /// Always 1: the labels are what it says.
    Info,
}

/// One family.
#[derive(Debug)]
pub struct MetricFamily {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Names of the labels. Their values are words of this program, or names of the topology: no remote can add a series.
    pub labels: &'static [&'static str],
    /// What is measured, in one sentence.
    pub help: &'static str,
}

/// Makes a constant of each row, and the list of all.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $constant:ident $kind:ident $name:literal [$($label:literal),*];)+) => {
        $(
            $(#[doc = $help])+
            pub(crate) static $constant: MetricFamily = MetricFamily {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                help: concat!($($help),+).trim_ascii_start(),
            };
        )+

        /// Every family, in the order in which they are written.
        pub static FAMILIES: &[&MetricFamily] = &[$(&$constant),+];
    };
}

families! {
    /// The running version.
    BUILD_INFO Info "sipward_build_info" ["version"];
    /// 1 while the node takes new connections, 0 while it drains.
    READY Gauge "sipward_ready" [];
    /// The loaded topology that serves, counted from 1 in each run.
    GENERATION Gauge "sipward_generation" [];
    /// Reloads by result: ok, or refused (the topology before it stays in force).
    RELOADS Counter "sipward_reloads_total" ["result"];
    /// 1 if the last reload was taken, 0 if it was refused and what is in the file is not in force.
    LAST_RELOAD_OK Gauge "sipward_last_reload_successful" [];
    /// When the last reload ended, since 1970; without one the start.
    LAST_RELOAD Gauge "sipward_last_reload_timestamp_seconds" [];
    /// When something that the node rests on ends by itself, since 1970: the first of its kind under this name.
    EXPIRY Gauge "sipward_expiry_timestamp_seconds" ["kind", "name"];
    /// 1 if the shard answers. One that does not counts with its last answer in the other figures.
    SHARD_UP Gauge "sipward_shard_up" ["shard"];
    /// Messages, answers and questions that one shard handed to another: each costs two threads.
    SHARD_MESSAGES Counter "sipward_shard_messages_total" [];

    /// Live connections by who is at the other end: client, home, federated, sibling, or removed (a peer that the topology
    /// no longer names).
    CONNECTIONS Gauge "sipward_connections" ["role"];
    /// Connections that ended, by reason.
    CONNECTIONS_CLOSED Counter "sipward_connections_closed_total" ["reason"];
    /// Handshakes by outcome (accepted, refused, refused_by_peer, aborted) and reason, which is empty for an accepted client.
    HANDSHAKES Counter "sipward_handshakes_total" ["outcome", "reason"];
    /// Connections with each peer of the topology.
    PEER_CONNECTIONS Gauge "sipward_peer_connections" ["peer", "kind"];
    /// 1 if the peer takes new requests, 0 if it was taken out of use or asked to be left alone.
    PEER_UP Gauge "sipward_peer_up" ["peer", "kind"];
    /// Peers that serve the pool's domains.
    POOL_MEMBERS Gauge "sipward_pool_members" ["pool"];
    /// Those of them that take new requests; members that drain do not.
    POOL_MEMBERS_UP Gauge "sipward_pool_members_up" ["pool"];

    /// Requests by method (other: none of RFC 3261 and its usual extensions), direction (who asked, who was asked; node: this
    /// node answered) and class of the final status (none: nobody answered, as for ACK).
    REQUESTS Counter "sipward_requests_total" ["method", "direction", "code"];
    /// Requests that this node refused, or answered for a remote that did not, by reason.
    REQUESTS_REFUSED Counter "sipward_requests_refused_total" ["reason"];
    /// Messages that ended here without an answer, by reason.
    MESSAGES_DROPPED Counter "sipward_messages_dropped_total" ["reason"];
    /// From receiving a request to its first final answer, of requests that were passed on. An invite waits for a person.
    REQUEST_DURATION Histogram "sipward_request_duration_seconds" ["direction", "transaction"];
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    TRANSACTIONS Gauge "sipward_transactions" [];
    /// Registered clients that are known here, those without a connection included; one for each token key.
    BINDINGS Gauge "sipward_bindings" [];

    /// Answered calls that are up.
    CALLS Gauge "sipward_calls" [];

    /// How often a bound of the topology kept something out or ended it.
    LIMIT_HITS Counter "sipward_limit_hits_total" ["limit"];
    /// Log lines that nobody will read: the queue was full, or they could not be written.
    LOG_LINES_DROPPED Counter "sipward_log_lines_dropped_total" [];
    /// Events of the log by name and reason, whether they had a line or not; the reason is empty where an event has none.
    EVENTS Counter "sipward_events_total" ["event", "reason"];

    // The names that Prometheus' own client libraries use.
    /// User and system CPU time.
    PROCESS_CPU Counter "process_cpu_seconds_total" [];
    /// Resident memory.
    PROCESS_RESIDENT Gauge "process_resident_memory_bytes" [];
    /// Virtual memory.
    PROCESS_VIRTUAL Gauge "process_virtual_memory_bytes" [];
    /// Open file descriptors.
    PROCESS_FDS Gauge "process_open_fds" [];
    /// The most file descriptors that may be open.
    PROCESS_MAX_FDS Gauge "process_max_fds" [];
    /// When the process started, since 1970.
    PROCESS_START Gauge "process_start_time_seconds" [];
}
