//! `calls`: the calls that are up or ring, the oldest first, a bounded part of them at a time.
//!
//! A call that is answered between two pages comes again behind its new key: none is missed.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::edge::{ListedCall, RowPage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Calls that are up or ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedCalls {
    /// The calls: the fields of `call_ended` that are known, `since_s`, `answered`, and `call`, the key of the row.
    #[serde(flatten)]
    pub page: RowPage<Value>,
    /// How many are up, answered ones.
    pub up: usize,
}

impl ControlContext {
    /// Carries out `calls`.
    pub(super) async fn calls(
        &self,
        limit: usize,
        after: u64,
    ) -> Result<ListedCalls, ControlRefusal> {
        let calls = self.daemon.edge.calls(limit, after, FOR_SHARDS).await;
        let status = self.daemon.status(FOR_SHARDS).await;
        let (calls, status) = calls.zip(status).ok_or_else(no_answer)?;
        Ok(ListedCalls {
            page: RowPage {
                rows: calls.rows.into_iter().map(row).collect(),
                left_off: calls.left_off,
            },
            up: status.calls,
        })
    }
}

/// A call as its record in the log, without what is open while it is up.
fn row(listed: ListedCall) -> Value {
    let ListedCall { key, call } = listed;
    let mut row = call.record.into_json();
    if let Value::Object(fields) = &mut row {
        for open in ["ended_by", "setup_ms", "talk_ms", "status"] {
            fields.remove(open);
        }
        fields.insert("call".to_owned(), key.into());
        fields.insert("since_s".to_owned(), call.since.as_secs().into());
        fields.insert("answered".to_owned(), call.answered.into());
    }
    row
}

/// The key of a row.
pub(super) fn key_of(row: &Value) -> u64 {
    // Of another version of this program it may be missing: such a row comes first.
    row.get("call").and_then(Value::as_u64).unwrap_or_default()
}
