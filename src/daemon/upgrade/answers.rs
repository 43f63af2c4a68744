//! Answers of the old process to what the new one has asked it.
use super::conversation::Speaker;
use super::words::Word;
use crate::daemon::control::{ControlContext, ControlRefusal, Reply, Request};
use crate::reason::DaemonReason;
use serde_json::Value;
use std::io;

/// Carries out what an operator has asked the new process.
pub(super) async fn answer(
    context: &ControlContext,
    request: serde_json::Result<Request>,
) -> Value {
    let reply = match request {
        // The new process has logged who asked.
        Ok(request) => context.carry_out(&request, None).await,
        // Another version's, whose question has no answer here.
        Err(error) => Err(ControlRefusal {
            code: DaemonReason::MalformedCommand,
            what: error.to_string(),
        }),
    };
    // A refusal is a reply as well, and the new process shows it as its own.
    as_value(reply.unwrap_or_else(Reply::Error))
}

/// Answers, or says that the answer is too long.
pub(super) async fn say_answer(speaker: &Speaker, number: u64, reply: Value) {
    let said = speaker.say(&Word::Answer { number, reply }).await;
    // One that is gone asks nothing.
    if said.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
        let reply = as_value(Reply::Error(ControlRefusal {
            code: DaemonReason::ReplyTooLarge,
            what: "of the former process".to_owned(),
        }));
        let _ = speaker.say(&Word::Answer { number, reply }).await;
    }
}

/// As it goes over the conversation.
pub(super) fn as_value(reply: Reply) -> Value {
    // Types of this crate: that they can be written is tested.
    serde_json::to_value(reply).unwrap_or_default()
}
