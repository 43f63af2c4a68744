//! Maintenance: the node takes nothing new and lets its clients go, until an operator sees that it is empty.
use super::clock::now;
use super::letting_go::LettingGo;
use super::node::Daemon;
use crate::observe::Event;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What a shard gets to answer: far longer than any turn of its tasks.
const FOR_SHARDS: Duration = Duration::from_secs(5);
/// How often is looked whether the last client is gone.
const LOOK: Duration = Duration::from_secs(1);

impl Daemon {
    /// From now on new requests are answered 503, and clients are let go over `limits.handover`. Returns how many there are,
    /// and that time; `None`: a shard does not answer.
    pub(super) async fn let_clients_go(self: &Arc<Self>) -> Option<(usize, Duration)> {
        let over = self.generation().topology().limits().handover;
        // A second order replaces the first, and its time begins anew.
        let clients = self.edge.let_clients_go(over, true, FOR_SHARDS).await?;
        // A process that has handed over lets its clients go anyway, and ends with the last one; the new one has the event.
        if self.retired.load(Ordering::Relaxed) {
            return Some((clients, over));
        }
        self.log.record(Event::ClientsLetGo { clients, over });
        let daemon = Arc::clone(self);
        // Beside the command, which returns at once.
        let watch = async move {
            loop {
                tokio::time::sleep(LOOK).await;
                daemon.edge.heed_calls(FOR_SHARDS).await;
                let status = daemon.status(FOR_SHARDS).await;
                if status.is_some_and(|status| status.clients == 0) {
                    return daemon.log.record(Event::ClientsGone {});
                }
            }
        };
        self.set_letting_go(Some(LettingGo {
            until: now() + over,
            watch: tokio::spawn(watch).abort_handle(),
        }));
        Some((clients, over))
    }

    /// The node serves as before. Returns how many clients are here; `None`: a shard does not answer.
    pub(super) async fn keep_clients(&self) -> Option<usize> {
        // One that has handed over serves them as before, and still lets them go.
        if self.retired.load(Ordering::Relaxed) {
            let over = self.generation().topology().limits().handover;
            return self.edge.let_clients_go(over, false, FOR_SHARDS).await;
        }
        let clients = self.edge.keep_clients(FOR_SHARDS).await?;
        // Ends the watch as well.
        self.set_letting_go(None);
        self.log.record(Event::ClientsKept { clients });
        Some(clients)
    }

    fn set_letting_go(&self, state: Option<LettingGo>) {
        let mut letting_go = self
            .letting_go
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *letting_go = state;
    }

    /// For how long clients are still let go; `None`: they stay.
    pub(super) fn lets_go_for(&self) -> Option<Duration> {
        let letting_go = self
            .letting_go
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let until = letting_go.as_ref()?.until;
        Some(until.saturating_duration_since(now()))
    }
}
