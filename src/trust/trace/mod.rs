//! What a decision saw on its way: recorded as facts, put into words only for an explanation.
pub(crate) mod fact;
pub(crate) mod narrate;
pub(crate) mod recorder;
pub(crate) mod step;
