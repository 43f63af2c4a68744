//! One look at the daemon: what the shards answer, and what is known without asking them.
use super::expiry::Expiries;
use super::figures::{AllShards, sum_up};
use super::process::ProcessFigures;
use crate::daemon::Daemon;
use crate::daemon::clock::now;
use crate::daemon::control::{Reply, Request};
use crate::daemon::reload_report::ReloadTally;
use crate::daemon::upgrade::FormerHandle;
use crate::edge::ShardFigures;
use crate::observe::{Counts, RefusalRing, RequestTotals};
use crate::proxy::PeerCondition;
use crate::trust::{Foreseen, Generation};
use rustls_pki_types::UnixTime;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What a shard gets to answer: far longer than any turn of its tasks, and far shorter than
/// monitoring waits.
const FOR_SHARDS: Duration = Duration::from_secs(2);

/// One look. Everything that is shown comes from here, so that one answer does not disagree with
/// itself.
pub(super) struct Snapshot {
    /// The generation that serves.
    pub(super) generation: Arc<Generation>,
    /// What the shards answer.
    pub(super) shards: AllShards,
    /// How each peer is and why, in the order of the topology.
    pub(super) conditions: Vec<PeerCondition>,
    /// What was counted of requests.
    pub(super) requests: RequestTotals,
    /// What was counted of events.
    pub(super) events: Counts,
    /// What was refused lately, the newest first, as lines of the log: the one thing here that
    /// has words of remotes in it, for the page alone.
    pub(super) refusals: Vec<Value>,
    /// Log lines that nobody will read.
    pub(super) lines_lost: u64,
    /// What ends, the next first.
    pub(super) ends: Arc<[Foreseen]>,
    /// How reloads ended.
    pub(super) reloads: ReloadTally,
    /// Whether the node takes nothing new.
    pub(super) draining: bool,
    /// Of this process.
    pub(super) process: ProcessFigures,
    /// When the daemon started, Unix seconds.
    pub(super) started: u64,
    /// What the process before this one still has.
    pub(super) former: FormerFigures,
}

/// What the process before this one has while it lets its clients go: the node's figures are those of both.
#[derive(Clone, Copy, Default)]
pub(super) struct FormerFigures {
    /// Client connections.
    pub(super) clients: usize,
    /// Answered calls that are up.
    pub(super) calls: usize,
}

/// Who looks, with what is worth keeping between two looks.
pub(super) struct Gatherer {
    /// Who is looked at.
    daemon: Arc<Daemon>,
    /// What each shard has answered last.
    last: Vec<ShardFigures>,
    /// What is looked up seldom.
    expiries: Expiries,
    /// As in [`Snapshot`].
    started: u64,
    /// The process before this one.
    former: Option<FormerHandle>,
}

impl Gatherer {
    /// For this daemon.
    pub(super) fn new(daemon: Arc<Daemon>, former: Option<FormerHandle>) -> Self {
        // Once, so that it stays the same when somebody sets the clock.
        let up = now().saturating_duration_since(daemon.started).as_secs();
        Self {
            daemon,
            last: Vec::new(),
            expiries: Expiries::default(),
            started: UnixTime::now().as_secs().saturating_sub(up),
            former,
        }
    }

    /// Looks.
    pub(super) async fn gather(&mut self) -> Snapshot {
        let daemon = &self.daemon;
        // The shards first, since that may take a while: what follows is as of then.
        let answers = daemon.edge.figures(FOR_SHARDS);
        let rings = daemon.edge.refusals(FOR_SHARDS);
        // At once: a shard that stands still is waited for only one time.
        let former = former_figures(self.former.as_ref());
        let (answers, rings, former) = tokio::join!(answers, rings, former);
        let ends = self.expiries.of(daemon).await;
        let generation = daemon.generation();
        Snapshot {
            shards: sum_up(answers, &mut self.last),
            conditions: daemon.edge.conditions(generation.topology()),
            generation,
            requests: daemon.edge.requests(),
            events: daemon.log.counts(),
            refusals: RefusalRing::latest(
                rings.into_iter().flatten().chain([daemon.log.refusals()]),
            ),
            lines_lost: daemon.log.lost(),
            ends,
            reloads: daemon.reload_tally(),
            draining: daemon.is_draining(),
            process: ProcessFigures::now(),
            started: self.started,
            former,
        }
    }
}

/// Asks the process before this one. While it does not answer, its part is missing.
///
/// No longer than the shards: monitoring has a patience of its own, and the rest of the figures are there.
async fn former_figures(former: Option<&FormerHandle>) -> FormerFigures {
    let asked = async {
        let former = former.filter(|former| former.lives())?;
        let Reply::Status(status) = former.carry_out(&Request::Status {}).await? else {
            return None;
        };
        Some(FormerFigures {
            clients: status.clients,
            calls: status.calls,
        })
    };
    let figures = timeout(FOR_SHARDS, asked).await;
    figures.ok().flatten().unwrap_or_default()
}
