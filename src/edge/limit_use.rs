//! How much of each bound is taken, for an operator who wonders which one bites.
//!
//! Nothing here is counted for this alone: the numbers are those that the bounds are compared with. Times have no use that
//! could be counted.
use super::clock;
use super::handle::Edge;
use super::shard::Shard;
use crate::proxy::{Party, PartyUse};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How much of one bound is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// So many, or so many bytes.
    pub used: u64,
    /// By whom: the node, or the party that takes most.
    pub by: &'static str,
}

/// Bounds of the whole node are summed up over the shards; of the others the fullest is what matters.
const NODE: &str = "node";

impl Edge {
    /// The bounds that are counted, by their key. `None`: a shard does not answer within `patience`.
    pub async fn limits_in_use(
        &self,
        patience: Duration,
    ) -> Option<BTreeMap<&'static str, LimitUse>> {
        let mut all = BTreeMap::new();
        let shards = self.each(patience, |shard| of_shard(shard)).await?;
        for (limit, one) in shards.into_iter().flatten() {
            let sum = all.entry(limit).or_insert(LimitUse { used: 0, ..one });
            sum.used = match one.by {
                NODE => sum.used + one.used,
                _ => sum.used.max(one.used),
            };
        }
        let waiting = self.waiting.load(Ordering::Relaxed);
        let source = self.sources.fullest();
        all.insert("waiting", taken(waiting, NODE));
        all.insert("deny", taken(self.denials().len(), NODE));
        // Each party is looked at once, however many bounds are about them.
        let memory = self.memory.used();
        all.insert("memory", taken(memory, NODE));
        let parties = self.memory.fullest();
        for (is_peer, held, answered) in [
            (false, "memory_per_source", "answered_per_source"),
            (true, "memory_per_peer", "answered_per_peer"),
        ] {
            let of_kind = |it: &&PartyUse| matches!(it.party, Party::Peer(_)) == is_peer;
            let of_kind = || parties.iter().filter(of_kind);
            let most_held = of_kind().map(|it| it.held).max();
            let most_answered = of_kind().map(|it| it.answered).max();
            all.insert(held, taken(most_held.unwrap_or_default(), party(held)));
            all.insert(
                answered,
                taken(most_answered.unwrap_or_default(), party(answered)),
            );
        }
        let of_sources = parties
            .iter()
            .filter(|it| matches!(it.party, Party::Source(_)));
        let most_calls = of_sources.map(|it| it.calls).max().unwrap_or_default();
        all.insert("calls_per_source", taken(most_calls, "fullest source"));
        all.insert("connections_per_source", taken(source, "fullest source"));
        Some(all)
    }
}

/// Those of one shard. It looks at each connection, as `status` does.
fn of_shard(shard: &Shard) -> Vec<(&'static str, LimitUse)> {
    let core = shard.core.borrow();
    let load = &shard.shared.load;
    let connections = shard.connections.borrow();
    let queued = connections
        .iter()
        .filter_map(|it| it.session_state(|_, queued| queued));
    let queued = queued.max().unwrap_or_default();
    let of_one = core.fullest(clock::now()).into_iter();
    let of_one = of_one.map(|(limit, used)| (limit, taken(used, party(limit))));
    let mut all = vec![
        ("handshakes", taken(load.handshakes(), "fullest shard")),
        ("connections", taken(load.connections(), "fullest shard")),
        (
            "transactions",
            taken(core.open_transactions(), "fullest shard"),
        ),
        ("bindings", taken(core.bindings(), NODE)),
        ("calls", taken(core.calls(), NODE)),
        ("send_queue", taken(queued, "fullest connection")),
    ];
    all.extend(of_one);
    all
}

/// Who takes it, as far as the bound's name says so.
///
/// A new bound of a party has its word without a change here.
fn party(limit: &str) -> &'static str {
    match limit.rsplit_once("_per_") {
        Some((_, "client")) => "fullest client",
        Some((_, "source")) => "fullest source",
        Some((_, "peer")) => "fullest peer",
        Some((_, "user")) => "fullest user",
        _ if limit == "connect_queue" => "fullest peer",
        _ if limit == "failed_logins" => "fullest source or account",
        _ => "fullest shard",
    }
}

fn taken(number: usize, by: &'static str) -> LimitUse {
    let used = u64::try_from(number).unwrap_or(u64::MAX);
    LimitUse { used, by }
}
