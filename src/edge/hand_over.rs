//! What of the edge goes to the process that comes after this one, and how this one goes on without it.
use super::clock;
use super::handle::Edge;
use super::shard::Shard;
use crate::proxy::Envelope;
use crate::reason::ConnectionReason;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often is looked on which connections of peers nothing runs.
const LOOK: Duration = Duration::from_millis(20);

/// What a new process gets of the edge.
pub struct Handed {
    /// Listening sockets, each with the name by which its listener is found, or none where the address does it.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Stands in for a token key where the topology has none.
    pub random_key: [u8; 32],
    /// Whether the numbers of this process's connections are odd.
    pub odd_numbers: bool,
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
            odd_numbers: self.numbers.are_odd(),
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

    /// Closes each connection with a peer in a moment when nothing runs on it, and when this time is over at once: the peer's next
    /// request goes to the new process. What comes until the peer has closed as well still counts. Nothing is dialled any more.
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
        self.leaves_peers.set(true);
        let begun = clock::now();
        // From then on it is not waited for what the peers have asked for: they are answered over another connection. A busy
        // peer always has something under way, and what it has asked for may take as long as a call rings.
        let half = begun + end.saturating_duration_since(begun) / 2;
        loop {
            let peers: Vec<_> = self
                .all_connections()
                .into_iter()
                .filter(|c| !c.is_client() && !c.is_other_process())
                .collect();
            // One that is taken up again keeps them.
            if peers.is_empty() || !self.leaves_peers.get() {
                return;
            }
            let now = clock::now();
            for peer in peers.iter().filter(|peer| !peer.is_ending()) {
                let mut core = self.core.borrow_mut();
                core.send_no_requests(peer.id);
                let goes = match now {
                    now if now >= end => true,
                    now if now >= half => !core.awaits_answer(peer.id),
                    _ => core.is_idle(peer.id),
                };
                if goes {
                    peer.part(ConnectionReason::Drain);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the connections to the other process, when that has said all that it had to say.
    pub(super) async fn leave_process(&self) {
        let links = self.all_connections().into_iter();
        let links: Vec<_> = links.filter(|c| c.is_other_process()).collect();
        for link in &links {
            let mut bytes = Vec::new();
            Envelope::Ends.write(b"", &mut bytes);
            self.flush_queue.write(link, &bytes, &self.buffers);
        }
        self.flush_soon();
        // It closes them when it has read that, which comes behind all that it has said.
        let is_there = || links.iter().any(|link| self.connection(link.id).is_some());
        self.wait_while(is_there).await;
    }
}
