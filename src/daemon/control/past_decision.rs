//! A decision that the log has named, as replies show it.
use crate::topology::Direction;
use crate::trust::SeenChain;
use serde::{Deserialize, Serialize};

/// What was decided about a chain that was presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDecision {
    /// The decision's id, as in the log.
    pub decision: String,
    /// `accept` or `refuse`.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// Name of the peer entry, when one was found or dialled.
    pub peer: Option<String>,
    /// The name under which that was dialled, if its entry covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialled: Option<String>,
    /// Inbound: the identity that this node showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
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
            peer: decision.peer_name.clone(),
            dialled: decision.dialled.as_ref().map(ToString::to_string),
            identity: decision.identity.clone(),
            direction: decision.direction.word().to_owned(),
            generation: decision.generation,
            first: seen.first,
            last: seen.last,
            times: seen.times,
        }
    }
}
