//! A scenario of the demo: its title, its ladder's columns and its steps.
use super::failure::ScenarioFailure;
use super::setup::DemoSetup;
use std::pin::Pin;

/// The steps of a scenario; they return the sentence for the summary. Boxed, because the scenarios stand in
/// tables of functions, and each `async` block is a type of its own.
pub(super) type Steps<'s> = Pin<Box<dyn Future<Output = Result<String, ScenarioFailure>> + 's>>;

/// One row of the tables in `calls` and `refusals`.
pub(super) struct Scenario {
    /// Heading and line of the summary.
    pub(super) title: &'static str,
    /// The ladder's columns from left to right.
    pub(super) columns: &'static [&'static str],
    /// What happens. They have the setup for themselves, because one of them stops a server.
    pub(super) steps: for<'s> fn(&'s mut DemoSetup) -> Steps<'s>,
}
