//! Closing connections at an operator's word.
use super::handle::Edge;
use super::shard::Shard;
use crate::reason::ConnectionReason;
use std::time::Duration;

/// Which connections to close.
#[derive(Clone, Debug)]
pub enum KickTarget {
    /// The one with this number.
    Connection(u64),
    /// Every one with this peer, by its FQDN.
    Peer(String),
}

impl Edge {
    /// Closes connections; returns how many. What is queued on them is still sent. `None`: a shard does not answer
    /// within `patience`, and may close its own later.
    pub async fn kick(&self, target: &KickTarget, patience: Duration) -> Option<usize> {
        let target = target.clone();
        let closed = self.each(patience, move |shard| target.close_in(shard));
        Some(closed.await?.into_iter().sum())
    }
}

impl KickTarget {
    /// Closes those of one shard; returns how many.
    fn close_in(&self, shard: &Shard) -> usize {
        let mut connections = shard.all_connections();
        connections.retain(|connection| match self {
            Self::Connection(number) => connection.number == *number,
            Self::Peer(fqdn) => connection.peer.as_deref() == Some(fqdn),
        });
        connections
            .iter()
            .for_each(|c| c.close(ConnectionReason::Kicked));
        connections.len()
    }
}
