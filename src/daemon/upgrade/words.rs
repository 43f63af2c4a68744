//! What the two processes say to each other.
use crate::daemon::log_level_list::RunningLevel;
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
        /// Whether the numbers of its connections are odd; an earlier version has both kinds.
        #[serde(default)]
        odd_numbers: bool,
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
        /// Whose requests have other lines in the log for a while, at an operator's word.
        #[serde(default)]
        levels: Vec<RunningLevel>,
    },
    /// The new one asks what an operator has asked it.
    Ask {
        /// By which the answer is known.
        number: u64,
        /// A request of the control socket.
        request: Value,
    },
    /// The old one answers; of a trace this is the end.
    Answer {
        /// Of the question.
        number: u64,
        /// A reply of the control socket.
        reply: Value,
    },
    /// A line of a trace that the new one has asked for.
    Line {
        /// Of the question.
        number: u64,
        /// A line of the control socket's reply.
        line: Value,
        /// How many were lost so far, since they were not read in time.
        lost: u64,
    },
    /// The new one wants no more lines of this trace. Said only of one that has had a line: an earlier version does not know it.
    Enough {
        /// Of the question.
        number: u64,
    },
}
