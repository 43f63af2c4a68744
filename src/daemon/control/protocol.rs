//! What is said over the control socket: requests and replies, each one line of JSON.
use super::calls::ListedCalls;
use super::crls::CrlSeries;
use super::deny::Denied;
use super::drain::{Draining, DrainingClients};
use super::explain::ExplainedDecision;
use super::figures::DaemonFigures;
use super::inventory::Inventory;
use super::kick::Kicked;
use super::limits::ListedLimit;
use super::log_level::LogLevelSet;
use super::pools::ListedPool;
use super::refusal::ControlRefusal;
use super::refusals::LatestRefusals;
use super::status::DaemonStatus;
use super::topology::ServedTopology;
use super::trace::TraceRequest;
use crate::daemon::crl_timer::ForgottenCrls;
use crate::daemon::reload_report::ReloadReport;
use crate::daemon::upgrade::Upgraded;
use crate::edge::{ConnectionRole, Denial, ListedBindings, ListedConnection, RowPage};
use crate::proxy::NamedParty;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of a request line.
pub(super) const LONGEST_REQUEST: usize = 64 * 1024;
/// Bytes of a reply line.
pub(super) const LONGEST_REPLY: usize = 64 * 1024 * 1024;

/// Rows of a listing unless a request says otherwise.
///
/// A few hundred kilobytes of JSON, and some milliseconds of a shard.
fn usual_rows() -> usize {
    1_000
}

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Figures of the running daemon.
    Status {},
    /// Which file it serves.
    Topology {},
    /// Load the topology again; the answer comes when the new one serves or is refused.
    Reload {},
    /// Stop as SIGTERM does: no new connections, transactions may finish.
    Drain {},
    /// The live connections.
    Connections {
        /// Of one side only.
        #[serde(default)]
        role: Option<ConnectionRole>,
        /// With a binding of this user only.
        #[serde(default)]
        user: Option<String>,
        /// At most so many.
        #[serde(default = "usual_rows")]
        limit: usize,
        /// Behind the connection with this number.
        #[serde(default)]
        after: u64,
    },
    /// The registered clients.
    Bindings {
        /// Of this user only.
        #[serde(default)]
        user: Option<String>,
        /// At most so many.
        #[serde(default = "usual_rows")]
        limit: usize,
        /// Of users that come behind this one.
        #[serde(default)]
        after: String,
    },
    /// Answer new requests 503 and let the clients go; the daemon stays.
    DrainClients {
        /// No longer do so.
        #[serde(default)]
        cancel: bool,
    },
    /// Start a new process with the listeners, and let the clients of this one go.
    Upgrade {
        /// The program; that of the running process unless it is given.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// The calls that are up or ring.
    Calls {
        /// At most so many.
        #[serde(default = "usual_rows")]
        limit: usize,
        /// Behind the call with this key.
        #[serde(default)]
        after: u64,
    },
    /// The pools and their members.
    Pools {
        /// At most so many pools.
        #[serde(default = "usual_rows")]
        limit: usize,
        /// Behind the pool of this name.
        #[serde(default)]
        after: String,
    },
    /// Each bound, its use, and how often it bit.
    Limits {},
    /// Counters and gauges, two readings of which make rates.
    Figures {
        /// At most so many peers.
        #[serde(default = "usual_rows")]
        limit: usize,
    },
    /// Give one party's requests other lines for a while.
    LogLevel {
        /// A word of `[log] requests`.
        requests: String,
        /// A peer's FQDN.
        #[serde(default)]
        peer: Option<String>,
        /// A client's address, network or user, if it is no peer.
        #[serde(default)]
        client: Option<String>,
        /// For so many seconds.
        for_s: u64,
    },
    /// Messages while they pass: the reply has many lines.
    Trace(TraceRequest),
    /// What was refused lately.
    Refusals {},
    /// Close connections.
    Kick {
        /// A connection's number or remote address and port; or an address, a network, a peer's name or a user for all
        /// of its connections.
        what: String,
        /// Refuse whose they are for so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u64>,
    },
    /// Refuse connections from a network for a time.
    Deny {
        /// An address or a network.
        network: String,
        /// For so many seconds.
        for_s: u64,
        /// Why, for the list.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Who is denied.
    Denials {},
    /// Refuse a party as the other process of this node does: what the two say to each other, and nothing for operators.
    ShareDenial {
        /// What it refuses.
        denial: Denial,
    },
    /// End a denial before its time.
    AdmitAgain {
        /// A network, a peer's name or a user.
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
            Self::Topology {} => "topology",
            Self::Reload {} => "reload",
            Self::Drain {} => "drain",
            Self::Connections { .. } => "connections",
            Self::Bindings { .. } => "bindings",
            Self::DrainClients { .. } => "drain_clients",
            Self::Upgrade { .. } => "upgrade",
            Self::Calls { .. } => "calls",
            Self::Pools { .. } => "pools",
            Self::Limits {} => "limits",
            Self::Figures { .. } => "figures",
            Self::Trace(_) => "trace",
            Self::LogLevel { .. } => "log_level",
            Self::Refusals {} => "refusals",
            Self::Kick { .. } => "kick",
            Self::Deny { .. } => "deny",
            Self::Denials {} => "denials",
            Self::ShareDenial { .. } => "share_denial",
            Self::AdmitAgain { .. } => "admit_again",
            Self::Inventory {} => "inventory",
            Self::Explain { .. } => "explain",
            Self::Crls {} => "crls",
            Self::CrlsForget { .. } => "crls_forget",
        }
    }

    /// Whether it is logged who asked.
    pub(super) fn changes_something(&self) -> bool {
        match self {
            Self::Status {} | Self::Explain { .. } | Self::Inventory {} | Self::Crls {} => false,
            Self::Connections { .. } | Self::Bindings { .. } | Self::Denials {} => false,
            Self::Calls { .. } | Self::Refusals {} | Self::Figures { .. } => false,
            Self::Topology {} => false,
            // It has events of its own.
            Self::Pools { .. } | Self::Limits {} | Self::Trace(_) => false,
            Self::Reload {}
            | Self::Drain {}
            | Self::DrainClients { .. }
            | Self::Upgrade { .. }
            | Self::Kick { .. }
            | Self::CrlsForget { .. } => true,
            Self::Deny { .. }
            | Self::ShareDenial { .. }
            | Self::AdmitAgain { .. }
            | Self::LogLevel { .. } => true,
        }
    }
}

/// What the daemon answers: one key that names what it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `status`.
    Status(Box<DaemonStatus>),
    /// To `topology`.
    Topology(ServedTopology),
    /// To `reload`.
    Reload(ReloadReport),
    /// To `drain`: it has begun.
    Drain(Draining),
    /// To `connections`.
    Connections(RowPage<ListedConnection>),
    /// To `bindings`.
    Bindings(ListedBindings),
    /// To `drain_clients`.
    DrainClients(DrainingClients),
    /// To `upgrade`.
    Upgrade(Upgraded),
    /// To `calls`.
    Calls(ListedCalls),
    /// To `pools`.
    Pools(RowPage<ListedPool>),
    /// To `limits`.
    Limits(Vec<ListedLimit>),
    /// To `figures`.
    Figures(Box<DaemonFigures>),
    /// To `log_level`.
    LogLevel(LogLevelSet),
    /// To `refusals`.
    Refusals(LatestRefusals),
    /// To `kick`.
    Kick(Kicked),
    /// To `deny`.
    Deny(Denied),
    /// To `denials`.
    Denials(Vec<Denial>),
    /// To `admit_again`: whose denial has ended.
    AdmitAgain(NamedParty),
    /// To `inventory`.
    Inventory(Box<Inventory>),
    /// To `explain`.
    Explain(Box<ExplainedDecision>),
    /// To `crls`.
    Crls(Vec<CrlSeries>),
    /// To `crls_forget`.
    CrlsForget(ForgottenCrls),
    /// To a request that is not carried out.
    Error(ControlRefusal),
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
}
