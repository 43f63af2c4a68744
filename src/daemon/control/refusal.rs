//! Why a request over the control socket is not carried out.
use crate::reason::DaemonReason;
use serde::{Deserialize, Serialize};

/// Why a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRefusal {
    /// A stable identifier.
    pub code: DaemonReason,
    /// What is wrong, for a person.
    pub what: String,
}

impl DaemonReason {
    /// A refusal with this code.
    pub(super) fn because(self, what: impl Into<String>) -> ControlRefusal {
        ControlRefusal {
            code: self,
            what: what.into(),
        }
    }
}

/// A shard stands still, or is so busy that its figures do not come in time.
pub(super) fn no_answer() -> ControlRefusal {
    DaemonReason::ShardSilent.because("a shard does not answer")
}

/// The daemon ends: nothing that was asked for now would be done.
pub(super) fn stopping() -> ControlRefusal {
    DaemonReason::Stopping.because("the daemon ends")
}

/// So much waits to be done that this request would wait too long.
pub(super) fn busy() -> ControlRefusal {
    DaemonReason::Busy.because("too many commands wait")
}

#[cfg(test)]
mod tests {
    use super::*;

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
