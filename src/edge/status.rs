//! The figures of the running edge.
use super::handle::Edge;
use super::shard::Shard;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Figures of the running edge, or of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeStatus {
    /// Client connections.
    pub clients: usize,
    /// Peer connections.
    pub peers: usize,
    /// Inbound handshakes under way, and connections that wait for a handshake.
    pub handshakes: usize,
    /// Transactions waiting for an answer.
    pub transactions: usize,
    /// Transactions in memory, answered INVITEs in their 32 seconds included.
    pub contexts: usize,
    /// Answered calls that are up, of those that are kept.
    pub calls: usize,
}

impl Edge {
    /// Sums over the shards. `None`: a shard does not answer within `patience`.
    pub async fn status(&self, patience: Duration) -> Option<EdgeStatus> {
        let shards = self.each(patience, |shard| EdgeStatus::of(shard)).await?;
        let begun = EdgeStatus {
            handshakes: self.waiting.load(Ordering::Relaxed),
            ..EdgeStatus::default()
        };
        Some(shards.iter().fold(begun, |sum, one| EdgeStatus {
            clients: sum.clients + one.clients,
            peers: sum.peers + one.peers,
            handshakes: sum.handshakes + one.handshakes,
            transactions: sum.transactions + one.transactions,
            contexts: sum.contexts + one.contexts,
            calls: sum.calls + one.calls,
        }))
    }
}

impl EdgeStatus {
    /// The figures of one shard.
    fn of(shard: &Shard) -> Self {
        // Counted and not kept: it is asked for once a minute, messages come by the thousand.
        let connections = shard.connections.borrow();
        let core = shard.core.borrow();
        let clients = connections.iter().filter(|c| c.is_client()).count();
        Self {
            clients,
            peers: connections.live()
                - clients
                - connections.iter().filter(|c| c.is_other_process()).count(),
            handshakes: shard.shared.load.handshakes(),
            transactions: core.pending(),
            contexts: core.transactions(),
            calls: core.calls(),
        }
    }
}
