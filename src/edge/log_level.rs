//! The level of one party's lines, set in all shards.
//!
//! Each shard has the whole list: which of them a party's connections lie in changes all the time.
use super::handle::Edge;
use crate::proxy::LogLevel;
use std::sync::Arc;
use std::time::Duration;

impl Edge {
    /// From now on these parties have levels of their own, and no others. `false`: a shard does not answer within
    /// `patience`, and takes them over later.
    pub async fn set_log_levels(&self, levels: Arc<[LogLevel]>, patience: Duration) -> bool {
        let shards = self.each(patience, move |shard| {
            let levels = Arc::clone(&levels);
            shard.core.borrow_mut().set_log_levels(levels);
        });
        shards.await.is_some()
    }
}
