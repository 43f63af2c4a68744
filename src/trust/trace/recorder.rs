//! What a decision saw on its way, kept only when somebody asks; a handshake pays one branch for each step.
use crate::trust::StepRefusal;
use crate::trust::trace::fact::Fact;
use crate::trust::trace::step::{ExplainedStep, StepOutcome};
use std::cell::RefCell;

/// One line of a trace, with its depth in the tree.
///
/// Flat and with a depth: a tree of owned nodes would need a cursor into itself while it grows.
struct RecordedStep {
    depth: usize,
    step: &'static str,
    outcome: StepOutcome,
    text: String,
}

#[derive(Default)]
struct Recording {
    lines: Vec<RecordedStep>,
    depth: usize,
}

impl Recording {
    /// Adds a line at the present depth, and returns its place.
    fn push(&mut self, step: &'static str, outcome: StepOutcome, text: String) -> usize {
        self.lines.push(RecordedStep {
            depth: self.depth,
            step,
            outcome,
            text,
        });
        self.lines.len() - 1
    }
}

/// Takes down the steps of one decision, or nothing at all.
///
/// A handshake pays one branch for each step: facts are references, and words are made only here.
pub(crate) struct Trace(Option<RefCell<Recording>>);

impl Trace {
    /// Takes down nothing.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Takes down every step.
    pub(crate) fn on() -> Self {
        Self(Some(RefCell::default()))
    }

    /// A fact that decides nothing by itself, or that is the end of the decision.
    pub(crate) fn note(&self, fact: &Fact<'_>, outcome: StepOutcome) {
        self.begin(fact).ends(outcome);
    }

    /// A step of the decision: its refusal is recorded where it arose.
    ///
    /// It runs the check in any case and returns its outcome as it is: a trace cannot change a decision.
    pub(crate) fn step<T>(
        &self,
        fact: &Fact<'_>,
        check: impl FnOnce() -> Result<T, StepRefusal>,
    ) -> Result<T, StepRefusal> {
        let open = self.begin(fact);
        let outcome = check();
        match &outcome {
            Ok(_) => open.ends(StepOutcome::Passed),
            Err(refusal) => open.fails(refusal),
        }
        outcome
    }

    /// Opens a step; what is recorded until it is dropped is part of it.
    pub(crate) fn begin(&self, fact: &Fact<'_>) -> OpenStep<'_> {
        // Off: no words are composed at all.
        let line = self.0.as_ref().map(|cell| {
            let mut lines = cell.borrow_mut();
            let at = lines.push(fact.step(), StepOutcome::Noted, fact.words());
            // What the step found comes below it, before the steps that it is made of.
            lines.depth += 1;
            for note in fact.notes() {
                lines.push(note.step, note.outcome, note.text);
            }
            at
        });
        OpenStep { trace: self, line }
    }

    /// The steps as a tree.
    pub(crate) fn into_steps(self) -> Vec<ExplainedStep> {
        let lines = self.0.map(|cell| cell.into_inner().lines);
        let mut lines = lines.unwrap_or_default().into_iter().peekable();
        branch(&mut lines, 0)
    }
}

/// Lines deeper than this one belong to the last line of this depth.
fn branch(
    lines: &mut std::iter::Peekable<impl Iterator<Item = RecordedStep>>,
    depth: usize,
) -> Vec<ExplainedStep> {
    let mut steps = Vec::new();
    while let Some(line) = lines.next_if(|line| line.depth >= depth) {
        let below = branch(lines, line.depth + 1);
        steps.push(ExplainedStep {
            step: line.step.to_owned(),
            outcome: line.outcome,
            text: line.text,
            below,
        });
    }
    steps
}

/// A step that is being taken.
///
/// Closed by being dropped, so that an early return cannot leave the depth wrong.
pub(crate) struct OpenStep<'t> {
    trace: &'t Trace,
    line: Option<usize>,
}

impl OpenStep<'_> {
    /// How it came out.
    pub(crate) fn ends(self, outcome: StepOutcome) {
        self.set(outcome, None);
    }

    /// It ended in this refusal.
    pub(crate) fn fails(self, refusal: &StepRefusal) {
        if self.line.is_some() {
            self.set(StepOutcome::Failed, Some(refusal.to_string()));
        }
    }

    /// It would have ended in this refusal, had it decided.
    ///
    /// For policies that are only observed.
    pub(crate) fn would_fail(self, refusal: &StepRefusal) {
        if self.line.is_some() {
            self.set(StepOutcome::Noted, Some(format!("would refuse {refusal}")));
        }
    }

    fn set(&self, outcome: StepOutcome, also: Option<String>) {
        let (Some(cell), Some(at)) = (&self.trace.0, self.line) else {
            return;
        };
        if let Some(line) = cell.borrow_mut().lines.get_mut(at) {
            line.outcome = outcome;
            if let Some(also) = also {
                // First what was looked at, then why it failed.
                if !line.text.is_empty() {
                    line.text.push_str(": ");
                }
                line.text.push_str(&also);
            }
        }
    }
}

impl Drop for OpenStep<'_> {
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
    use crate::trust::TrustReason;

    #[test]
    fn steps_form_a_tree_in_the_order_in_which_they_were_taken() {
        let trace = Trace::on();
        {
            let outer = trace.begin(&Fact::Vouching);
            trace.note(&Fact::Observed, StepOutcome::Passed);
            {
                let inner = trace.begin(&Fact::Observed);
                trace.note(&Fact::Vouching, StepOutcome::Failed);
                inner.fails(&TrustReason::Revoked.because("serial 1".to_owned()));
            }
            outer.ends(StepOutcome::Failed);
        }
        trace.note(&Fact::Observed, StepOutcome::Passed);
        let steps = trace.into_steps();
        let names: Vec<&str> = steps.iter().map(|s| s.step.as_str()).collect();
        assert_eq!(names, ["path", "stage"]);
        let outer = steps.first().unwrap();
        assert_eq!(outer.outcome, StepOutcome::Failed);
        assert_eq!(outer.below.len(), 2);
        let inner = outer.below.last().unwrap();
        assert!(inner.text.ends_with(": revoked (serial 1)"), "{inner:?}");
        assert_eq!(inner.below.first().unwrap().step, "path");
    }

    #[test]
    fn nobody_listening_means_nothing_is_recorded() {
        let trace = Trace::off();
        trace.note(&Fact::Observed, StepOutcome::Passed);
        assert!(trace.into_steps().is_empty());
    }
}
