//! What the two processes say to each other.
use crate::edge::Denial;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of the conversation. Requests and replies are those of the control socket, which either side knows as it can.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// The old process begins.
    Hello {
        /// Its version.
        version: String,
        /// Its process.
        pid: u32,
        /// Stands in for a token key where the topology has none, in base64.
        key: String,
    },
    /// The new one has passed its self-check.
    Ready {
        /// Its version.
        version: String,
    },
    /// It has not, and ends.
    Failed {
        /// Why.
        what: String,
    },
    /// The old one has stopped accepting.
    Go {
        /// Who is refused at an operator's word; `None`: an earlier version does not say, and the state directory has them.
        #[serde(default)]
        denials: Option<Vec<Denial>>,
    },
    /// The new one asks what an operator has asked it.
    Ask {
        /// By which the answer is known.
        number: u64,
        /// A request of the control socket.
        request: Value,
    },
    /// The old one answers.
    Answer {
        /// Of the question.
        number: u64,
        /// A reply of the control socket.
        reply: Value,
    },
}
