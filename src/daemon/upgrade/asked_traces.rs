//! Traces that the new process has asked the old one for: their lines go over the conversation until it wants no more.
use super::answers::{as_value, say_answer};
use super::conversation::Speaker;
use super::words::Word;
use crate::daemon::control::{ControlContext, Reply, TraceLine, TraceRequest};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// At a time: as many as the new process runs, and those that it is just ending.
const MOST: usize = 8;

/// Those that run.
#[derive(Default)]
pub(super) struct AskedTraces {
    // They end with the set.
    tasks: JoinSet<()>,
    by_number: HashMap<u64, AbortHandle>,
}

impl AskedTraces {
    /// Begins one.
    pub(super) fn begin(
        &mut self,
        number: u64,
        request: TraceRequest,
        context: &Arc<ControlContext>,
        speaker: &Speaker,
    ) {
        // Those that are over by their time; nobody else takes them away.
        while self.tasks.try_join_next().is_some() {}
        self.by_number.retain(|_, task| !task.is_finished());
        // The new process has its own bound, which is lower.
        if self.by_number.len() >= MOST {
            return;
        }
        // Beside the loop: a reader that is slow holds up its own trace and nothing else.
        let (context, speaker) = (Arc::clone(context), speaker.clone());
        let task = self.tasks.spawn(async move {
            // The end of its lines is the answer to the question.
            let reply = match run(number, &request, &context, &speaker).await {
                Ok(()) => Value::Null,
                Err(reply) => reply,
            };
            say_answer(&speaker, number, reply).await;
        });
        self.by_number.insert(number, task);
    }

    /// The new process wants no more of this one.
    pub(super) fn end(&mut self, number: u64) {
        if let Some(task) = self.by_number.remove(&number) {
            task.abort();
        }
    }
}

/// Until its time is over. The new process has logged who traces whom.
///
/// # Errors
/// The reply that says why it does not begin.
async fn run(
    number: u64,
    request: &TraceRequest,
    context: &ControlContext,
    speaker: &Speaker,
) -> Result<(), Value> {
    let begun = context.begin_trace(request).await;
    let (selection, mut feed) = begun.map_err(|refusal| as_value(Reply::Error(refusal)))?;
    let say = async |line: &TraceLine, lost: u64| {
        // Types of this crate: that they can be written is tested.
        let line = serde_json::to_value(line).unwrap_or_default();
        let word = Word::Line { number, line, lost };
        speaker.say_traced(&word).await
    };
    // By this the new process knows that it has begun.
    let first = context.trace_begun(&selection, request);
    let _ = say(&TraceLine::Trace(first), 0).await;
    let lines = async {
        let mut lost = 0;
        while let Some(record) = feed.next().await {
            let line = TraceLine::of(record, request.shown);
            // Too long for this way, if nothing worse: it is counted with those that found no room.
            if say(&line, lost + feed.dropped()).await.is_err() {
                lost += 1;
            }
        }
    };
    // The new process ends it by a word; this is for one that has not said it.
    let _ = timeout(Duration::from_secs(request.for_s), lines).await;
    Ok(())
}
