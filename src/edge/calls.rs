//! The calls of all shards, for an operator and for whoever lets clients go.
use super::clock;
use super::handle::Edge;
use super::page::{First, RowPage};
use crate::proxy::{CallsOfClients, RunningCall};
use std::time::Duration;

/// A call of a list.
#[derive(Clone, Debug)]
pub struct ListedCall {
    /// When it was answered, or its INVITE came if it rings, in milliseconds since 2026: what the list is sorted by.
    pub key: u64,
    /// What is known of it.
    pub call: RunningCall,
}

impl Edge {
    /// Up to `limit` of the calls that are up or ring and whose key is higher than `after`, the oldest first. `None`: a
    /// shard does not answer within `patience`.
    pub async fn calls(
        &self,
        limit: usize,
        after: u64,
        patience: Duration,
    ) -> Option<RowPage<ListedCall>> {
        let (began, now) = (self.began, clock::now());
        let pages = self.each(patience, move |shard| {
            let core = shard.core.borrow();
            let mut first = First::new(limit);
            core.look_at_calls(|call| {
                let key = began.key(call.at());
                if key > after {
                    first.offer(key, (key, call));
                }
            });
            // Only of those that are shown a row is made: it copies what the call is about.
            let page = first.page(|(key, call)| {
                let call = core.running_call(call, now)?;
                Some(ListedCall { key, call })
            });
            RowPage {
                rows: page.rows.into_iter().flatten().collect(),
                left_off: page.left_off,
            }
        });
        let order = |a: &ListedCall, b: &ListedCall| a.key.cmp(&b.key);
        Some(RowPage::merged(pages.await?, limit, order))
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
