//! What a reload did: for the log, for who asked for it, and kept for `sipward status`.
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    /// As in the event `reload`.
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
    /// What this node's listeners show since.
    pub served: Vec<ServedCheck>,
    /// Microseconds that it took.
    pub took_us: u64,
    /// What the process before this one did, while it lets its clients go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Box<Self>>,
}

/// How the reloads of this run ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReloadTally {
    /// Those that were taken.
    pub(super) ok: u64,
    /// Those that were refused.
    pub(super) refused: u64,
    /// When the last one ended, Unix seconds; `None`: there was none.
    pub(super) last: Option<u64>,
    /// Whether that was refused.
    pub(super) last_refused: bool,
}

impl ReloadTally {
    /// One more, which has ended now.
    pub(super) fn add(&mut self, result: ReloadResult, now: u64) {
        self.last_refused = result == ReloadResult::Refused;
        match result {
            ReloadResult::Ok => self.ok += 1,
            ReloadResult::Refused => self.refused += 1,
        }
        self.last = Some(now);
    }
}

/// One handshake with a listener of this node.
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

/// What a listener of this node shows.
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
    /// Whether another certificate is shown than that of the topology.
    pub fn is_wrong(&self) -> bool {
        self.result == ServedResult::Other
    }
}

impl std::fmt::Display for ServedCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let identity = &self.identity;
        write!(f, "listener {} on {} ", self.listener, self.address)?;
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
