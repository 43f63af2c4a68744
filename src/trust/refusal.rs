//! What a step of the decision hands back when it does not hold.
use crate::reason::TrustReason;

/// A reason with what makes it understandable.
///
/// Steps return it and do not format it: the decision keeps reason, detail and line apart, for events, JSON
/// and alerts.
#[derive(Clone, Debug)]
pub(crate) struct StepRefusal {
    pub(crate) reason: TrustReason,
    /// Which certificate, name or CRL it was, bounded and without control characters.
    pub(crate) detail: Option<String>,
    /// The line of the topology that decided.
    pub(crate) line: Option<u32>,
}

impl TrustReason {
    /// Most steps know no line: the entry that was found before has one.
    pub(crate) fn because(self, detail: impl Into<String>) -> StepRefusal {
        StepRefusal {
            detail: Some(detail.into()),
            ..self.into()
        }
    }

    /// For refusals that a certain line of the file causes, such as a window or a policy.
    pub(crate) fn at_line(self, detail: String, line: u32) -> StepRefusal {
        StepRefusal {
            line: Some(line),
            ..self.because(detail)
        }
    }
}

impl StepRefusal {
    /// Keeps the one that got further; of two that got equally far, the more specific one.
    ///
    /// Reasons are ordered by the steps and, within a step, from the vague to the specific. A path that
    /// failed at its CRL explains more than one that found no issuer.
    pub(crate) fn keep_most_telling(kept: &mut Option<Self>, other: Self) {
        if kept.as_ref().is_none_or(|kept| other.reason > kept.reason) {
            *kept = Some(other);
        }
    }
}

impl From<TrustReason> for StepRefusal {
    fn from(reason: TrustReason) -> Self {
        Self {
            reason,
            detail: None,
            line: None,
        }
    }
}

impl std::fmt::Display for StepRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.reason),
            None => write!(f, "{}", self.reason),
        }
    }
}
