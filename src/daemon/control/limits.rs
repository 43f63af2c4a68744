//! `limits`: each bound of `[limits]`, how much of it is taken, and how often it bit.
//!
//! How often is the table of the metrics (`observe::metrics`), so that a page and an alert never disagree. A bound of one
//! party shows the one that takes most of it: of a flood that is who floods.
use super::context::{ControlContext, FOR_SHARDS};
use super::refusal::{ControlRefusal, no_answer};
use crate::observe::metrics;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedLimit {
    /// Its key in `[limits]`.
    pub limit: String,
    /// Things, bytes or milliseconds.
    pub number: u64,
    /// The same as the topology has it.
    pub value: String,
    /// Its default.
    pub default: String,
    /// How much is taken now; `None`: nobody counts that, as of a time.
    pub used: Option<u64>,
    /// The same in the process before this one, while that serves its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_used: Option<u64>,
    /// By whom: the `node`, or the party that takes most.
    pub used_by: Option<String>,
    /// How often it kept something out or ended it since the start, as in `sipward_limit_hits_total`; `None`: it has no
    /// reason of its own, or ends nothing.
    pub hits: Option<u64>,
    /// The bound that the hits are counted with: both have one reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits_with: Option<String>,
}

impl ControlContext {
    /// Carries out `limits`. As many rows as there are keys.
    pub(super) async fn limits(&self) -> Result<Vec<ListedLimit>, ControlRefusal> {
        let daemon = &self.daemon;
        let taken = daemon.edge.limits_in_use(FOR_SHARDS).await;
        let mut taken = taken.ok_or_else(no_answer)?;
        let counts = daemon.log.counts();
        let hits = metrics::hits(&counts).chain(metrics::ended(&counts));
        let mut hits: HashMap<_, _> = hits.collect();
        // What a full queue drops is counted apart, since it has no reason.
        hits.insert("log_queue", daemon.log.lost());
        let generation = daemon.generation();
        // In the order of docs/topology.md: who reads both finds the row.
        let all = generation.topology().limits().all().into_iter();
        let rows = all.map(|limit| {
            let name = limit.key.name;
            // Each once: what is counted and has no key would be left, and there is no such.
            let used = taken.remove(name);
            let with = metrics::COUNTED_WITH.iter().find(|(it, _)| *it == name);
            let with = with.map(|(_, with)| *with);
            ListedLimit {
                limit: name.to_owned(),
                number: limit.number,
                value: limit.shown,
                default: limit.default,
                used: used.map(|it| it.used),
                former_used: None,
                used_by: used.map(|it| it.by.to_owned()),
                hits: hits.get(with.unwrap_or(name)).copied(),
                hits_with: with.map(str::to_owned),
            }
        });
        Ok(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::Daemon;
    use crate::observe::Log;
    use crate::topology::Limits;
    use crate::topology::keys::ValueType;
    use sipward_lab::site::Site;

    /// Bounds of a moment or of one message: nothing of them is taken from one to the next. The log's queue is its writer's.
    const NOTHING_IS_TAKEN: &[&str] = &[
        "head_bytes",
        "body_bytes",
        "connects_per_source",
        "client_rate",
        "client_burst",
        "gather",
        "log_queue",
    ];

    #[tokio::test]
    async fn every_bound_of_the_topology_shows_its_use() {
        let site = Site::new().unwrap();
        let nobody = ([127, 0, 0, 1], 9).into();
        let text = site.topology(&[("fe01.contoso.test", nobody)], None);
        let file = site.write("topology.toml", &text.to_toml()).unwrap();
        let (log, _events) = Log::memory();
        let daemon = Daemon::start(&file, &log).unwrap();
        let taken = daemon.edge.limits_in_use(FOR_SHARDS).await.unwrap();
        for key in Limits::KEYS {
            let is_time = matches!(key.value, ValueType::Duration(..));
            let nothing = is_time || NOTHING_IS_TAKEN.contains(&key.name);
            let is_shown = taken.contains_key(key.name);
            assert!(is_shown != nothing, "limits.{}: who counts it?", key.name);
        }
        for limit in taken.keys() {
            let is_key = Limits::KEYS.iter().any(|key| key.name == *limit);
            assert!(is_key, "{limit}");
        }
        daemon.stop().await;
    }
}
