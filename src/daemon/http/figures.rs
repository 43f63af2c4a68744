//! The figures of all shards as one, with the last answer of a shard that does not answer now.
use crate::edge::{Down, ShardFigures};
use std::collections::HashMap;

/// Sums over the shards.
#[derive(Debug, Default)]
pub(super) struct AllShards {
    /// Whether each shard has answered.
    pub(super) answers: Vec<bool>,
    /// Connections with clients.
    pub(super) clients: usize,
    /// Peers with connections, and how many.
    pub(super) peers: HashMap<String, usize>,
    /// Of each peer that went down why and when last.
    pub(super) downs: HashMap<String, Down>,
    /// Transactions in memory.
    pub(super) transactions: usize,
    /// Bindings.
    pub(super) bindings: usize,
    /// Calls that are up.
    pub(super) calls: usize,
}

/// Sums up what the shards have answered. `last` holds what each has answered before: a figure must
/// not drop because a shard stands still, as that is no news about its connections.
pub(super) fn sum_up(
    answers: Vec<Option<ShardFigures>>,
    last: &mut Vec<ShardFigures>,
) -> AllShards {
    let mut all = AllShards::default();
    last.resize_with(answers.len(), ShardFigures::default);
    for (answer, last) in answers.into_iter().zip(last) {
        all.answers.push(answer.is_some());
        if let Some(answer) = answer {
            *last = answer;
        }
        all.add(last);
    }
    all
}

impl AllShards {
    /// Adds one shard's.
    fn add(&mut self, one: &ShardFigures) {
        self.clients += one.clients;
        self.transactions += one.transactions;
        self.bindings += one.bindings;
        self.calls += one.calls;
        for (peer, count) in &one.peers {
            *self.peers.entry(peer.clone()).or_default() += count;
        }
        for down in &one.downs {
            // Every shard has connections of its own: the latest says most.
            let known = self.downs.entry(down.peer.clone());
            let known = known.or_insert_with(|| down.clone());
            if down.ago < known.ago {
                *known = down.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::ConnectionReason;
    use std::time::Duration;

    #[test]
    fn a_shard_that_stands_still_counts_with_its_last_answer() {
        let figures = |clients, peers: usize, ago| ShardFigures {
            clients,
            peers: vec![("fe01".to_owned(), peers)],
            downs: vec![Down {
                peer: "fe01".to_owned(),
                reason: ConnectionReason::Kicked.into(),
                ago: Duration::from_secs(ago),
            }],
            transactions: 1,
            bindings: 2,
            calls: 1,
        };
        let mut last = Vec::new();
        let first = vec![Some(figures(3, 1, 9)), Some(figures(4, 2, 5))];
        let all = sum_up(first, &mut last);
        assert_eq!((all.clients, all.peers["fe01"]), (7, 3));
        assert_eq!(all.downs["fe01"].ago, Duration::from_secs(5));
        let all = sum_up(vec![None, Some(figures(1, 2, 5))], &mut last);
        assert_eq!(all.answers, [false, true]);
        assert_eq!((all.clients, all.transactions, all.bindings), (4, 2, 4));
    }
}
