//! A step of a decision as an explanation shows it.
use serde::{Deserialize, Serialize};

/// How a step of a decision came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was seen, and decides nothing by itself.
    Noted,
}

/// One step of a decision with the steps that it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// What was looked at: `chain`, `certificate`, `names`, `name`, `topology`, `peer`, `path`, `trust`, `issuer`,
    /// `anchor`, `key`, `validity`, `revocation`, `crl`, `purpose`, `pin`, `stage`, `client` or `verdict`.
    pub step: String,
    /// How it came out.
    pub outcome: StepOutcome,
    /// In words.
    #[serde(rename = "says")]
    pub text: String,
    /// The steps that it is made of, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Self>,
}

/// Something that a step looked at, on a line of its own below the step.
pub(crate) struct Note {
    pub(crate) step: &'static str,
    pub(crate) outcome: StepOutcome,
    pub(crate) text: String,
}
