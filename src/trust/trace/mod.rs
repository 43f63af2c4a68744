//! What a decision saw on its way: recorded as facts, put into words only for an explanation.
pub(crate) mod fact;
mod narrate;
mod notes;
pub(crate) mod recorder;
pub(crate) mod step;
pub(crate) mod words;
