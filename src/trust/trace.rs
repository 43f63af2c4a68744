//! What a decision saw on its way, kept only when somebody asks; a handshake pays one branch for each step.
use super::Refusal;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// How a step of a decision came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
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
    pub outcome: Outcome,
    /// In words.
    pub says: String,
    /// The steps that it is made of, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Self>,
}

/// One line of a trace, with its depth in the tree.
struct Line {
    depth: usize,
    step: &'static str,
    outcome: Outcome,
    says: String,
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    depth: usize,
}

/// Takes down the steps of one decision, or nothing at all.
pub(super) struct Trace(Option<RefCell<Lines>>);

impl Trace {
    /// Takes down nothing.
    pub(super) fn off() -> Self {
        Self(None)
    }

    /// Takes down every step.
    pub(super) fn on() -> Self {
        Self(Some(RefCell::default()))
    }

    /// A step without parts.
    pub(super) fn note(&self, step: &'static str, outcome: Outcome, says: impl FnOnce() -> String) {
        self.begin(step, says).ends(outcome);
    }

    /// A step that passed or failed, without parts.
    pub(super) fn passed(&self, step: &'static str, says: impl FnOnce() -> String) {
        self.note(step, Outcome::Passed, says);
    }

    /// A step of the decision: its refusal is told where it arose.
    pub(super) fn step<T>(
        &self,
        step: &'static str,
        says: impl FnOnce() -> String,
        check: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let open = self.begin(step, says);
        let outcome = check();
        match &outcome {
            Ok(_) => open.ends(Outcome::Passed),
            Err(refusal) => open.fails(refusal),
        }
        outcome
    }

    /// Opens a step; what is taken down until it is dropped is part of it.
    pub(super) fn begin(&self, step: &'static str, says: impl FnOnce() -> String) -> Open<'_> {
        let line = self.0.as_ref().map(|cell| {
            // Composed before the cell is borrowed: it may look at what is being traced.
            let says = says();
            let mut lines = cell.borrow_mut();
            let depth = lines.depth;
            lines.lines.push(Line {
                depth,
                step,
                outcome: Outcome::Noted,
                says,
            });
            lines.depth += 1;
            lines.lines.len() - 1
        });
        Open { trace: self, line }
    }

    /// Whether anybody listens: for what costs something to find out.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The steps as a tree.
    pub(super) fn into_steps(self) -> Vec<ExplainedStep> {
        let lines = self.0.map(|cell| cell.into_inner().lines);
        let mut lines = lines.unwrap_or_default().into_iter().peekable();
        branch(&mut lines, 0)
    }
}

fn branch(
    lines: &mut std::iter::Peekable<impl Iterator<Item = Line>>,
    depth: usize,
) -> Vec<ExplainedStep> {
    let mut steps = Vec::new();
    while let Some(line) = lines.next_if(|line| line.depth >= depth) {
        let below = branch(lines, line.depth + 1);
        steps.push(ExplainedStep {
            step: line.step.to_owned(),
            outcome: line.outcome,
            says: line.says,
            below,
        });
    }
    steps
}

/// A step that is being taken.
pub(super) struct Open<'t> {
    trace: &'t Trace,
    line: Option<usize>,
}

impl Open<'_> {
    /// How it came out.
    pub(super) fn ends(self, outcome: Outcome) {
        self.set(outcome, None);
    }

    /// It ended in this refusal.
    pub(super) fn fails(self, refusal: &Refusal) {
        if self.line.is_some() {
            self.set(Outcome::Failed, Some(refusal.to_string()));
        }
    }

    /// It would have ended in this refusal, had it decided.
    pub(super) fn would_fail(self, refusal: &Refusal) {
        if self.line.is_some() {
            self.set(Outcome::Noted, Some(format!("would refuse {refusal}")));
        }
    }

    fn set(&self, outcome: Outcome, also: Option<String>) {
        let (Some(cell), Some(at)) = (&self.trace.0, self.line) else {
            return;
        };
        if let Some(line) = cell.borrow_mut().lines.get_mut(at) {
            line.outcome = outcome;
            if let Some(also) = also {
                if !line.says.is_empty() {
                    line.says.push_str(": ");
                }
                line.says.push_str(&also);
            }
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let (Some(cell), Some(_)) = (&self.trace.0, self.line) {
            let mut lines = cell.borrow_mut();
            lines.depth = lines.depth.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Reason;

    #[test]
    fn steps_form_a_tree_in_the_order_in_which_they_were_taken() {
        let trace = Trace::on();
        {
            let outer = trace.begin("path", || "outer".to_owned());
            trace.passed("key", || "first".to_owned());
            {
                let inner = trace.begin("trust", || "inner".to_owned());
                trace.note("crl", Outcome::Failed, || "deep".to_owned());
                inner.fails(&Refusal::because(Reason::Revoked, "serial 1".to_owned()));
            }
            outer.ends(Outcome::Failed);
        }
        trace.passed("verdict", || "last".to_owned());
        let steps = trace.into_steps();
        let names: Vec<&str> = steps.iter().map(|s| s.says.as_str()).collect();
        assert_eq!(names, ["outer", "last"]);
        let outer = steps.first().unwrap();
        assert_eq!(outer.outcome, Outcome::Failed);
        assert_eq!(outer.below.len(), 2);
        let inner = outer.below.last().unwrap();
        assert_eq!(inner.says, "inner: revoked (serial 1)");
        assert_eq!(inner.below.first().unwrap().says, "deep");
    }

    #[test]
    fn nobody_listening_means_nothing_is_composed() {
        let trace = Trace::off();
        trace.passed("key", || unreachable!("composed for nobody"));
        assert!(!trace.is_on());
        assert!(trace.into_steps().is_empty());
    }
}
