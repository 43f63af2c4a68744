//! A scenario of the demo: its title, its ladder's columns and its steps.
use super::failure::ScenarioFailure;
use super::setup::DemoSetup;
use std::pin::Pin;

/// The steps of a scenario; they return the sentence for the summary. Boxed, because the scenarios stand in
/// tables of functions, and each `async` block is a type of its own.
pub(super) type Steps<'s> = Pin<Box<dyn Future<Output = Result<String, ScenarioFailure>> + 's>>;

/// The steps with the setup for themselves, because one of them stops a server.
type Run = for<'s> fn(&'s mut DemoSetup) -> Steps<'s>;

/// One row of the tables in `calls` and `refusals`.
pub(super) struct Scenario {
    /// Heading and line of the summary.
    pub(super) title: &'static str,
    /// The ladder's columns from left to right.
    pub(super) columns: &'static [&'static str],
    /// What happens.
    pub(super) steps: Run,
}

/// Begins a row, which reads as its heading does in the output.
pub(super) const fn titled(title: &'static str) -> Title {
    Title(title)
}

/// The heading of a row that has no steps yet.
pub(super) struct Title(&'static str);

impl Title {
    pub(super) const fn among(self, columns: &'static [&'static str], steps: Run) -> Scenario {
        let title = self.0;
        Scenario {
            title,
            columns,
            steps,
        }
    }
}
