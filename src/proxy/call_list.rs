//! The calls that a shard knows, for an operator who lists them: looked at first, so that a row is made only of what is
//! shown.
use super::calls::{AnsweredCall, Beginning, CallPart, RunningCall};
use super::context::ResponseContext;
use super::core::Core;
use std::time::Instant;

/// A call that is looked at.
#[derive(Clone, Copy)]
pub(crate) enum SeenCall<'c> {
    /// An INVITE that nobody has answered yet.
    Rings(&'c ResponseContext, &'c Beginning),
    /// A dialog.
    Up(&'c AnsweredCall),
}

impl SeenCall<'_> {
    /// When it was answered, or its INVITE came.
    pub(crate) fn at(&self) -> Instant {
        match self {
            Self::Rings(context, _) => context.received,
            Self::Up(answered) => answered.at,
        }
    }
}

impl Core {
    /// Shows each call that this shard knows, in no order. Of those that ring there is one for each pass through this
    /// node.
    pub(crate) fn look_at_calls<'c>(&'c self, mut see: impl FnMut(SeenCall<'c>)) {
        for context in self.contexts.all() {
            // Answered ones are in the table, failed ones wait for their ACK only.
            if let CallPart::Begins(beginning) = &context.call
                && context.pending()
            {
                see(SeenCall::Rings(context, beginning));
            }
        }
        self.env.calls.all().for_each(|it| see(SeenCall::Up(it)));
    }

    /// All of them with what is known of each.
    #[cfg(test)]
    pub(crate) fn running_calls(&self, now: Instant) -> Vec<RunningCall> {
        let mut seen = Vec::new();
        self.look_at_calls(|call| seen.push(call));
        let calls = seen.into_iter();
        calls.filter_map(|it| self.running_call(it, now)).collect()
    }

    /// What is known of one of them; `None`: its INVITE is no longer kept.
    pub(crate) fn running_call(&self, call: SeenCall<'_>, now: Instant) -> Option<RunningCall> {
        let record = match call {
            SeenCall::Up(answered) => answered.record.clone(),
            // It is answered this very moment, or was: what it asked for is in its record.
            SeenCall::Rings(context, _) if context.request.is_empty() => return None,
            SeenCall::Rings(context, beginning) => {
                let parties = context.places.parties(&context.request);
                context.record(&parties, beginning, now, &self.env)
            }
        };
        Some(RunningCall {
            record: Box::new(record),
            since: now.saturating_duration_since(call.at()),
            answered: matches!(call, SeenCall::Up(_)),
        })
    }
}
