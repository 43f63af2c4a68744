//! Figures for monitoring: what each shard answers quickly, and what is read without asking one.
use super::handle::Edge;
use super::peer_states::Down;
use super::shard::Shard;
use crate::observe::{RefusalRing, RequestTotals};
use std::time::Duration;

/// Figures of one shard. None of them takes longer where there are more clients or transactions.
#[derive(Clone, Debug, Default)]
pub struct ShardFigures {
    /// Connections with clients.
    pub clients: usize,
    /// Peers with connections in this shard, and how many.
    pub peers: Vec<(String, usize)>,
    /// Peers that went down, the last time each.
    pub downs: Vec<Down>,
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    pub transactions: usize,
    /// Bindings that this shard is asked for.
    pub bindings: usize,
    /// Answered calls that are up, of those that are kept.
    pub calls: usize,
}

impl Edge {
    /// The figures of each shard, in their order; `None`: it does not answer within `patience`.
    pub async fn figures(&self, patience: Duration) -> Vec<Option<ShardFigures>> {
        self.each_that_answers(patience, |shard| ShardFigures::of(shard))
            .await
    }

    /// What each shard has refused lately, in their order; `None`: it does not answer within `patience`.
    pub async fn refusals(&self, patience: Duration) -> Vec<Option<RefusalRing>> {
        self.each_that_answers(patience, |shard| shard.shared.log.refusals())
            .await
    }

    /// What was counted of requests, over all shards. They are not asked for it.
    pub fn requests(&self) -> RequestTotals {
        RequestTotals::of(&self.tallies)
    }
}

impl ShardFigures {
    fn of(shard: &Shard) -> Self {
        let core = shard.core.borrow();
        let peers = shard.peer_states.connections();
        let of_peers: usize = peers.iter().map(|(_, count)| count).sum();
        Self {
            // What is left: to look at each connection would take long where there are many.
            clients: shard.live().saturating_sub(of_peers),
            peers,
            downs: shard.peer_states.downs(),
            transactions: core.transactions(),
            bindings: core.bindings(),
            calls: core.calls(),
        }
    }
}
