//! Why a request over the control socket is not carried out.
use serde::{Deserialize, Serialize};

/// Why a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRefusal {
    /// A stable identifier.
    pub code: RefusalCode,
    /// What is wrong, for a person.
    pub what: String,
}

/// The identifiers of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The request is no line of JSON that this version knows.
    MalformedRequest,
    /// The other side is neither the daemon's user nor root.
    NotPermitted,
    /// The request did not come, or was not carried out, in time.
    Timeout,
    /// Too many requests wait.
    Busy,
    /// A shard does not answer.
    NoAnswer,
    /// The answer would be larger than a reply may be.
    ReplyTooLarge,
    /// The daemon ends.
    Stopping,
    /// No chain of such a decision is kept any more.
    UnknownDecision,
    /// No series of CRLs has this id, or several begin like it.
    UnknownCrls,
}

impl RefusalCode {
    /// The identifier as written.
    pub fn code(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::NotPermitted => "not_permitted",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::ReplyTooLarge => "reply_too_large",
            Self::Stopping => "stopping",
            Self::UnknownDecision => "unknown_decision",
            Self::UnknownCrls => "unknown_crls",
        }
    }

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
    RefusalCode::NoAnswer.because("a shard does not answer")
}

/// The daemon ends: nothing that was asked for now would be done.
pub(super) fn stopping() -> ControlRefusal {
    RefusalCode::Stopping.because("the daemon ends")
}

/// So much waits to be done that this request would wait too long.
pub(super) fn busy() -> ControlRefusal {
    RefusalCode::Busy.because("too many commands wait")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_code_is_written_as_it_says() {
        for code in [
            RefusalCode::MalformedRequest,
            RefusalCode::NotPermitted,
            RefusalCode::Timeout,
            RefusalCode::Busy,
            RefusalCode::NoAnswer,
            RefusalCode::ReplyTooLarge,
            RefusalCode::Stopping,
            RefusalCode::UnknownDecision,
            RefusalCode::UnknownCrls,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.code());
        }
    }
}
