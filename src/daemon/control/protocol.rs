//! What is said over the control socket: requests and replies, each one line of JSON.
use super::crls::{CrlSeries, ForgottenCrls};
use super::inventory::Inventory;
use crate::reason::DaemonReason;
use crate::topology::Direction;
use crate::trust::{Explanation, SeenChain};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Octets of a request line.
pub(super) const LONGEST_REQUEST: usize = 64 * 1024;
/// Octets of a reply line.
pub(super) const LONGEST_REPLY: usize = 64 * 1024 * 1024;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Figures of the running daemon.
    Status {},
    /// Load the topology again; the answer comes when the new one serves or is refused.
    Reload {},
    /// Stop as SIGTERM does: no new connections, transactions may finish.
    Drain {},
    /// Close connections.
    Kick {
        /// A connection's number, or a peer's FQDN for all of its connections.
        what: String,
    },
    /// What a new topology would be judged by.
    Inventory {},
    /// The chain that a decision of the log was about, under the generation in force.
    Explain {
        /// The decision's id.
        decision: String,
    },
    /// The CRLs that are held.
    Crls {},
    /// Drop what is known of a series of CRLs.
    CrlsForget {
        /// Its id, or at least eight characters of its beginning.
        id: String,
    },
}

impl Request {
    /// The word that stands for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Reload {} => "reload",
            Self::Drain {} => "drain",
            Self::Kick { .. } => "kick",
            Self::Inventory {} => "inventory",
            Self::Explain { .. } => "explain",
            Self::Crls {} => "crls",
            Self::CrlsForget { .. } => "crls_forget",
        }
    }
}

/// What the daemon answers: one key that says what it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `status`.
    Status(Box<Status>),
    /// To `reload`.
    Reload(ReloadReport),
    /// To `drain`: it has begun.
    Drain(Draining),
    /// To `kick`.
    Kick(Kicked),
    /// To `inventory`.
    Inventory(Box<Inventory>),
    /// To `explain`.
    Explain(Box<ExplainedDecision>),
    /// To `crls`.
    Crls(Vec<CrlSeries>),
    /// To `crls_forget`.
    CrlsForget(ForgottenCrls),
    /// To a request that is not carried out.
    Error(Refusal),
}

/// Why a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable identifier.
    pub code: DaemonReason,
    /// What is wrong, for a person.
    pub what: String,
}

impl DaemonReason {
    /// A refusal with this code.
    pub(super) fn because(self, what: impl Into<String>) -> Reply {
        Reply::Error(Refusal {
            code: self,
            what: what.into(),
        })
    }
}

/// A drain that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Transactions that wait for an answer; `None`: a shard did not say in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<usize>,
    /// How long they may take, in milliseconds.
    pub bound_ms: u64,
}

/// What a `kick` has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// How many connections.
    pub connections: usize,
}

/// Figures of the running daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The package's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The topology file.
    pub topology: PathBuf,
    /// The loaded topology that serves, counted from 1.
    pub generation: u64,
    /// The last reload, if there was one.
    pub last_reload: Option<ReloadReport>,
    /// Where it listens.
    pub listeners: Vec<ListenerStatus>,
    /// Shards that run.
    pub shards: usize,
    /// Client connections.
    pub clients: usize,
    /// Peer connections.
    pub peers: usize,
    /// The peers of the topology.
    pub by_peer: Vec<PeerStatus>,
    /// Transactions that wait for an answer.
    pub transactions: usize,
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    pub contexts: usize,
    /// Log lines that were lost since the start.
    pub log_lost: u64,
}

/// One peer of the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its FQDN.
    pub peer: String,
    /// `home` or `federated`.
    pub kind: String,
    /// Connections that it made to us.
    pub inbound: usize,
    /// Connections that we made to it.
    pub outbound: usize,
    /// Why it was down last, in any shard; the log's `peer_down`.
    pub last_down: Option<LastDown>,
}

/// Why a peer was down last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDown {
    /// The reason code.
    pub reason: String,
    /// Seconds since.
    pub ago_s: u64,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The bound address.
    pub address: SocketAddr,
}

/// A decision of the past, and what would be decided about the same chain now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedDecision {
    /// What was decided then.
    pub then: PastDecision,
    /// The same chain under the generation in force, step by step.
    pub now: Explanation,
}

/// What was decided about a chain that was presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDecision {
    /// The decision's id, as in the log.
    pub decision: String,
    /// `accept` or `refuse`.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// FQDN of the peer entry, when one was found or dialled.
    pub peer: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// The generation that decided.
    pub generation: u64,
    /// When it was decided first, Unix seconds.
    pub first: u64,
    /// When it was decided last, Unix seconds.
    pub last: u64,
    /// How often.
    pub times: u64,
}

impl PastDecision {
    /// Which way the connection was made.
    pub fn direction(&self) -> Direction {
        if self.direction == Direction::Outbound.word() {
            Direction::Outbound
        } else {
            Direction::Inbound
        }
    }
}

impl From<&SeenChain> for PastDecision {
    fn from(seen: &SeenChain) -> Self {
        let decision = &seen.decision;
        Self {
            decision: decision.id.clone(),
            verdict: decision.verdict.word().to_owned(),
            reason: decision.reason.code().to_owned(),
            peer: decision.peer_fqdn.clone(),
            direction: decision.direction.word().to_owned(),
            generation: decision.generation,
            first: seen.first,
            last: seen.last,
            times: seen.times,
        }
    }
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// The new generation serves.
    Ok,
    /// The old one goes on, untouched.
    Refused,
}

impl ReloadResult {
    /// As written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
        }
    }
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// How it ended.
    pub result: ReloadResult,
    /// The generation that serves now.
    pub generation: u64,
    /// What is different, one line each.
    pub changes: Vec<String>,
    /// What of it waits for a restart.
    pub restart: Vec<String>,
    /// Why it was refused.
    pub faults: Vec<String>,
    /// What our own listeners show since.
    pub served: Vec<ServedCheck>,
    /// Microseconds that it took.
    pub took_us: u64,
}

/// One handshake with a listener of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedCheck {
    /// The listener's name.
    pub listener: String,
    /// Its bound address.
    pub address: SocketAddr,
    /// The identity whose certificate it should show.
    pub identity: String,
    /// What it shows.
    pub result: ServedResult,
    /// Why that is not known.
    pub detail: Option<String>,
}

/// What a listener of our own shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedResult {
    /// The identity's certificate.
    Expected,
    /// Another one.
    Other,
    /// It could not be asked, or not in time.
    Unknown,
}

impl ServedCheck {
    /// Whether another certificate is shown than the topology says.
    pub fn is_wrong(&self) -> bool {
        self.result == ServedResult::Other
    }
}

impl std::fmt::Display for ServedCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            listener,
            address,
            identity,
            ..
        } = self;
        write!(f, "listener {listener} on {address} ")?;
        match self.result {
            ServedResult::Expected => write!(f, "shows the certificate of identity {identity}"),
            ServedResult::Other => {
                write!(
                    f,
                    "shows another certificate than that of identity {identity}"
                )
            }
            ServedResult::Unknown => {
                let why = self.detail.as_deref().unwrap_or("no reason is known");
                write!(f, "could not be asked for identity {identity}: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_object_with_its_command_and_nothing_unknown() {
        let read = |text: &str| serde_json::from_str::<Request>(text).ok();
        assert_eq!(read(r#"{"command":"status"}"#), Some(Request::Status {}));
        for text in [
            "",
            "{}",
            r#""status""#,
            r#"{"command":"fly"}"#,
            r#"{"command":"status","deep":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for request in [Request::Status {}, Request::Reload {}] {
            let text = serde_json::to_string(&request).unwrap();
            assert!(text.contains(request.word()), "{text}");
            assert_eq!(read(&text), Some(request));
        }
    }

    #[test]
    fn a_refusal_code_is_written_as_it_says() {
        for code in [
            DaemonReason::MalformedCommand,
            DaemonReason::NotPermitted,
            DaemonReason::CommandTimeout,
            DaemonReason::Busy,
            DaemonReason::ShardSilent,
            DaemonReason::ReplyTooLarge,
            DaemonReason::Stopping,
            DaemonReason::UnknownDecision,
            DaemonReason::UnknownCrls,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.code());
        }
    }
}
