//! Closing connections at an operator's word.
//!
//! Each shard looks through its own table: nothing is indexed by user or network, since an operator asks now and then and
//! messages come by the thousand.
use super::connection::Connection;
use super::handle::Edge;
use super::shard::Shard;
use crate::proxy::Core;
use crate::reason::ConnectionReason;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;

/// Which connections to close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KickTarget {
    /// The one with this number.
    Connection(u64),
    /// Every one with this peer, by its name.
    Peer(String),
    /// Every one with there, whoever has made it.
    Network(IpNet),
    /// Every one that came in from there: what this node dials, the topology names, and no denial of an address stops.
    From(IpNet),
    /// The one with this remote address and port.
    Address(SocketAddr),
    /// Every one that holds a binding of this user: `alice` or `alice@contoso.test`.
    User(String),
}

impl Edge {
    /// Closes connections; returns how many. What is queued on them is still sent. `None`: a shard does not answer
    /// within `patience`, and may close its own later.
    pub async fn kick(
        &self,
        target: &KickTarget,
        reason: ConnectionReason,
        patience: Duration,
    ) -> Option<usize> {
        let target = target.clone();
        let closed = self.each(patience, move |shard| target.close_in(shard, reason));
        Some(closed.await?.into_iter().sum())
    }
}

impl KickTarget {
    /// Closes those of one shard; returns how many.
    fn close_in(&self, shard: &Shard, reason: ConnectionReason) -> usize {
        let mut connections = shard.all_connections();
        // Released before anything is closed: the core hears of each end.
        {
            let core = shard.core.borrow();
            // What leads to another process of this node is nobody's to close.
            connections.retain(|it| !it.is_other_process() && self.is(it, &core));
        }
        connections.iter().for_each(|c| c.close(reason));
        connections.len()
    }

    /// Whether it is one of these.
    fn is(&self, connection: &Connection, core: &Core) -> bool {
        // To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
        let remote = || {
            let remote = connection.remote();
            SocketAddr::new(remote.ip().to_canonical(), remote.port())
        };
        match self {
            Self::Connection(number) => connection.number == *number,
            Self::Peer(peer) => connection.peer.as_deref() == Some(peer),
            Self::Network(network) => network.contains(&remote().ip()),
            Self::From(network) => {
                connection.opened.listener().is_some() && network.contains(&remote().ip())
            }
            Self::Address(address) => {
                remote() == SocketAddr::new(address.ip().to_canonical(), address.port())
            }
            Self::User(user) => core.users_of(connection.id).any(|it| it.is_called(user)),
        }
    }
}
