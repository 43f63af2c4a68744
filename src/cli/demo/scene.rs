//! A scene of the demo: what it is called, who stands in its ladder, and what is played.
use super::failure::SceneFailure;
use super::stage::Stage;
use std::pin::Pin;

/// What a scene does; it gives the sentence for the summary.
pub(super) type Play<'s> = Pin<Box<dyn Future<Output = Result<String, SceneFailure>> + 's>>;

/// One row of the programme.
pub(super) struct Scene {
    /// Its heading.
    pub(super) title: &'static str,
    /// The ladder's columns from left to right.
    pub(super) columns: &'static [&'static str],
    /// The play itself.
    pub(super) play: for<'s> fn(&'s mut Stage) -> Play<'s>,
}
