//! What of the edge goes to the process that comes after this one, and how this one goes on without it.
use super::clock;
use super::handle::Edge;
use super::shard::Shard;
use crate::proxy::LinkId;
use crate::reason::ConnectionReason;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often is looked which connections of peers have been silent since: an ACK, which nobody answers, may follow what has passed.
const LOOK: Duration = Duration::from_millis(500);

/// What a new process gets of the edge.
pub struct Handed {
    /// Listening sockets, each with the name by which its listener is found, or none where the address does it.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Stands in for a token key where the topology has none.
    pub random_key: [u8; 32],
}

impl Edge {
    /// Copies of what a new process gets. This one goes on with its own.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn handed(&self) -> io::Result<Handed> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = sockets.iter().map(|handed| {
            let socket = handed.socket.try_clone()?;
            Ok((handed.name.clone(), OwnedFd::from(socket)))
        });
        Ok(Handed {
            sockets: copies.collect::<io::Result<_>>()?,
            random_key: self.random_key,
        })
    }

    /// Accepts from now on, or no longer: what comes then waits in the kernel for a process that does.
    pub fn accept(&self, accepts: bool) {
        if accepts {
            self.trial.1.cancel();
        }
        self.accepting.send_replace(accepts);
    }

    /// Where each listener can be tried before this process accepts, by its name.
    pub fn trial_addresses(&self) -> Vec<(String, SocketAddr)> {
        let names = self.listeners.iter().cloned();
        names.zip(self.trial.0.iter().copied()).collect()
    }

    /// Closes the listening sockets that are kept for a later process.
    pub(super) fn close_sockets(&self) {
        self.sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Closes each connection with a peer in a moment when nothing runs on it, for at most this long: the peer's next request
    /// goes to the new process. Nothing is dialled any more.
    pub async fn leave_peers(&self, bound: Duration) {
        let end = clock::now() + bound;
        self.each_to_the_end(move |shard, done| {
            let shard = Rc::clone(shard);
            tokio::task::spawn_local(async move {
                shard.leave_peers(end).await;
                let _ = done.send(());
            });
        })
        .await;
    }
}

impl Shard {
    async fn leave_peers(&self, end: Instant) {
        self.stop.cancel();
        let mut looked: HashMap<LinkId, (u64, u64)> = HashMap::new();
        loop {
            let before = std::mem::take(&mut looked);
            // Anew each time: peers may connect again as long as handshakes end.
            let peers: Vec<_> = self
                .all_connections()
                .into_iter()
                .filter(|c| !c.is_client() && !c.is_other_process())
                .collect();
            if peers.is_empty() || clock::now() >= end {
                return;
            }
            for peer in peers {
                // A close cuts nothing off but what the peer sends in this very moment, which it repeats elsewhere.
                let passed = (peer.messages_in.get(), peer.messages_out.get());
                looked.insert(peer.id, passed);
                let is_silent = before.get(&peer.id) == Some(&passed);
                if is_silent && self.core.borrow().is_idle(peer.id) {
                    peer.close(ConnectionReason::Drain);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
