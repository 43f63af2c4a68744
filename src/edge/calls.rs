//! The calls of all shards, for an operator and for whoever lets clients go.
use super::handle::Edge;
use crate::proxy::{CallsOfClients, RunningCall};
use std::time::Duration;

/// The most calls that one list has, so that an answer stays small; `EdgeStatus` has their number.
const MOST_LISTED: usize = 10_000;

impl Edge {
    /// Up to `most` of the calls that are up or ring, the oldest first. `None`: a shard does not answer within
    /// `patience`.
    pub async fn calls(&self, most: usize, patience: Duration) -> Option<Vec<RunningCall>> {
        let most = most.min(MOST_LISTED);
        let now = super::clock::now();
        let shards = self.each(patience, move |shard| {
            shard.core.borrow().list_calls(most, now)
        });
        let mut calls: Vec<RunningCall> = shards.await?.into_iter().flatten().collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call.since));
        calls.truncate(most);
        Some(calls)
    }

    /// The clients that have a call, for `Core::has_call` of each shard: a client's call may be kept by another shard
    /// than the one that its connection belongs to. `None`: a shard does not answer within `patience`.
    pub async fn clients_with_calls(&self, patience: Duration) -> Option<CallsOfClients> {
        let shards = self.each(patience, |shard| shard.core.borrow().clients_with_calls());
        let mut all = CallsOfClients::default();
        for one in shards.await? {
            all.add(one);
        }
        Some(all)
    }
}
