//! `refusals` and `calls`: what was refused lately, and the calls that are up.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use super::status::EventCount;
use crate::observe::RefusalRing;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatestRefusals {
    /// The latest 200, the newest first, each as its line in the log.
    pub latest: Vec<Value>,
    /// How often each was refused since the start, by event and reason.
    pub counts: Vec<EventCount>,
}

/// Calls that are up or ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedCalls {
    /// The calls, the oldest first: the fields of `call_ended` that are known, `since_s` and `answered`.
    pub rows: Vec<Value>,
    /// How many are up, answered ones.
    pub up: usize,
}

impl ControlContext {
    /// Carries out `refusals`.
    pub(super) async fn refusals(&self) -> Result<LatestRefusals, ControlRefusal> {
        let log = &self.daemon.log;
        let rings = self.daemon.edge.refusals(FOR_SHARDS).await;
        let rings: Option<Vec<RefusalRing>> = rings.into_iter().collect();
        let rings = rings.ok_or_else(no_answer)?;
        let mut counts = super::status::event_counts(log);
        counts.retain(|count| count.event.ends_with("_refused"));
        // What is refused most stands on top.
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        Ok(LatestRefusals {
            latest: RefusalRing::latest(rings.into_iter().chain([log.refusals()])),
            counts,
        })
    }

    /// Carries out `calls`.
    pub(super) async fn calls(&self, limit: usize) -> Result<ListedCalls, ControlRefusal> {
        let calls = self.daemon.edge.calls(limit, FOR_SHARDS).await;
        let status = self.daemon.status(FOR_SHARDS).await;
        let (calls, status) = calls.zip(status).ok_or_else(no_answer)?;
        let rows = calls.into_iter().map(|call| {
            let mut row = call.record.into_json();
            if let Value::Object(fields) = &mut row {
                // Of a call that is up these say nothing yet.
                for open in ["ended_by", "setup_ms", "talk_ms", "status"] {
                    fields.remove(open);
                }
                fields.insert("since_s".to_owned(), call.since.as_secs().into());
                fields.insert("answered".to_owned(), call.answered.into());
            }
            row
        });
        Ok(ListedCalls {
            rows: rows.collect(),
            up: status.calls,
        })
    }
}
