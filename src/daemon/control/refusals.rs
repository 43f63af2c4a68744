//! `refusals`: what was refused lately, and how often for which reason.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use super::status::{EventCount, event_counts};
use crate::observe::{EventKind, RefusalRing};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;

/// The most refusals that are kept, and shown of two processes.
const MOST_LATEST: usize = 200;

/// What was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatestRefusals {
    /// The latest 200, the newest first, each as its line in the log.
    pub latest: Vec<Value>,
    /// How often each was refused since the start, by event and reason.
    pub counts: Vec<EventCount>,
}

impl LatestRefusals {
    /// Those of another process of this node.
    pub(super) fn add(&mut self, other: Self) {
        self.latest.extend(other.latest);
        // RFC 3339 in UTC: as text in the order of time.
        let at = |row: &Value| row.get("ts").and_then(Value::as_str).map(str::to_owned);
        self.latest.sort_by_key(|row| Reverse(at(row)));
        self.latest.truncate(MOST_LATEST);
        for count in other.counts {
            let is_same =
                |own: &&mut EventCount| own.event == count.event && own.reason == count.reason;
            match self.counts.iter_mut().find(is_same) {
                Some(own) => own.count += count.count,
                None => self.counts.push(count),
            }
        }
        self.counts.sort_by_key(|count| Reverse(count.count));
    }
}

impl ControlContext {
    /// Carries out `refusals`.
    pub(super) async fn refusals(&self) -> Result<LatestRefusals, ControlRefusal> {
        let log = &self.daemon.log;
        let rings = self.daemon.edge.refusals(FOR_SHARDS).await;
        let rings: Option<Vec<RefusalRing>> = rings.into_iter().collect();
        let rings = rings.ok_or_else(no_answer)?;
        let mut counts = event_counts(log);
        let by_peer = EventKind::HandshakeRefusedByPeer.row().name;
        counts.retain(|count| count.event.ends_with("_refused") || count.event == by_peer);
        // What is refused most stands on top.
        counts.sort_by_key(|count| Reverse(count.count));
        Ok(LatestRefusals {
            latest: RefusalRing::latest(rings.into_iter().chain([log.refusals()])),
            counts,
        })
    }
}
