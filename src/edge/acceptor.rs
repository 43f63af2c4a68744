//! The acceptor: takes connections off all listeners on a thread of its own and hands each to a shard, the few to one and
//! the many evenly, so that neither a busy shard nor a flood of connects holds up the other.
use super::admission::{Admission, ShardLoad};
use super::bind::BoundListeners;
use super::clock;
use super::failed::HandshakeFailure;
use super::inbox::{Accepted, Inboxes, ShardMessage};
use super::shard::Shard;
use super::sources::Sources;
use crate::observe::{Event, HandshakeSides, Log};
use crate::reason::{ConnectionReason, DaemonReason};
use crate::topology::{Limits, Topology};
use ipnet::IpNet;
use socket2::SockRef;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes that stay unacknowledged for this long mean that the remote side is gone: the system's own answer to that
/// takes a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause when the process has no descriptors left: the listener stays readable, and trying at once would only burn the
/// core.
const STARVED: Duration = Duration::from_millis(100);

/// What the acceptor needs; all of it is shared with the shards or the handle.
pub(super) struct Acceptor {
    /// Where an accepted connection goes.
    pub(super) inboxes: Arc<Inboxes<Shard>>,
    /// The inbound connections of each shard, by which the next one is chosen.
    pub(super) loads: Vec<Arc<ShardLoad>>,
    /// The connections of each source address.
    pub(super) sources: Arc<Sources>,
    /// Of the generation that serves; a reload exchanges it.
    pub(super) rules: Arc<arc_swap::ArcSwap<AcceptRules>>,
    /// For what concerns a listener, not one connection.
    pub(super) log: Log,
    /// The node drains.
    pub(super) stop: CancellationToken,
}

/// What the acceptor must know of a generation.
pub(super) struct AcceptRules {
    /// The bounds.
    limits: Limits,
    /// The balancers of each bound listener.
    balancers: Vec<Vec<IpNet>>,
}

impl AcceptRules {
    /// Of a topology, for the listeners that are bound.
    pub(super) fn new(topology: &Topology, listeners: &[String]) -> Self {
        let balancers = |name: &String| {
            let listener = topology.listeners().iter().find(|l| l.name == *name);
            listener.map_or_else(Vec::new, |listener| listener.proxy_protocol.clone())
        };
        Self {
            limits: topology.limits().clone(),
            balancers: listeners.iter().map(balancers).collect(),
        }
    }

    /// Whether a connection to a listener comes from one of its balancers.
    fn is_balancer(&self, listener: usize, source: IpAddr) -> bool {
        let balancers = self.balancers.get(listener);
        balancers.is_some_and(|balancers| lists(balancers, source))
    }
}

/// Whether an address is in one of the networks.
pub(super) fn lists(networks: &[IpNet], address: IpAddr) -> bool {
    // To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

impl Acceptor {
    /// The acceptor's thread. A thread of its own, so that a shard that is busy with messages delays no accept, and a flood
    /// of connects no message.
    pub(super) fn run(self, bound: BoundListeners) {
        // Without it nothing is accepted; the shards still serve what they dial.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        // Shared by the tasks of all listeners, which live in this one runtime.
        let this = Arc::new(self);
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for (index, listener) in bound.sockets.into_iter().enumerate() {
                let this = Arc::clone(&this);
                tasks.spawn(async move {
                    if let Ok(socket) = tokio::net::TcpListener::from_std(listener.socket) {
                        this.listen(index, listener.name, socket).await;
                    }
                });
            }
            // The acceptor's thread also writes the sums of the recorder that is no shard's.
            let (log, stop) = (this.log.clone(), this.stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = log.write_sums_in_time() => {}
                }
            });
            while tasks.join_next().await.is_some() {}
        });
    }

    /// Accepts on one socket until the node drains.
    async fn listen(&self, index: usize, name: String, socket: tokio::net::TcpListener) {
        loop {
            // The end first: after it nothing more is accepted.
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    if let Ok(stream) = stream.into_std() {
                        self.hand_out(stream, remote, index, &name);
                    }
                }
                // The remote side is gone again before it was accepted.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.log.record(Event::Overloaded {
                        reason: DaemonReason::AcceptFailed.into(),
                        detail: format!(
                            "listener {name}: {error}; accepting pauses for {} ms",
                            STARVED.as_millis()
                        ),
                    });
                    tokio::time::sleep(STARVED).await;
                }
            }
        }
    }

    /// Hands a connection to a shard, unless its source has too many.
    fn hand_out(
        &self,
        stream: std::net::TcpStream,
        remote: SocketAddr,
        listener: usize,
        name: &str,
    ) {
        // All of it by one generation.
        let rules = self.rules.load();
        let limits = &rules.limits;
        let loads = self.loads.iter().map(|load| load.connections());
        // Before the bound on the source, whose guard needs the shard.
        let chosen = choose(loads, limits.gather, limits.connections);
        let Some((shard, load)) = chosen.and_then(|i| Some((i, self.loads.get(i)?))) else {
            return;
        };
        let mut admission = Admission::new(load);
        // The sources of those that come from a balancer are in what it says first.
        let from_balancer = rules.is_balancer(listener, remote.ip());
        let most = limits.connections_per_source;
        if !from_balancer && !admission.set_source(&self.sources, remote.ip(), most) {
            return self.refuse(remote, name, ConnectionReason::TooManyFromSource);
        }
        // After the bounds: who is refused costs no system call more.
        prepare(&SockRef::from(&stream));
        let accepted = Accepted {
            stream,
            remote,
            listener,
            started: clock::now(),
            from_balancer,
            admission,
        };
        // A message that finds no room is dropped, and its admission with it.
        let message = ShardMessage::Accepted(accepted);
        if !self
            .inboxes
            .send(shard as u8, message, &|event| self.log.record(event))
        {
            self.refuse(remote, name, ConnectionReason::ShardBusy);
        }
    }

    /// A connection that is refused before its handshake; the socket closes when it is dropped.
    fn refuse(&self, remote: SocketAddr, listener: &str, reason: ConnectionReason) {
        let failure = HandshakeFailure::refused(reason);
        let event = failure.event(HandshakeSides::inbound(remote, listener, None), None);
        self.log.record(event);
    }
}

/// The shard for the next connection: the first that has no more than `gather` above the emptiest, and room for one.
///
/// Where there is little to do, a core that does all of it is warm, finds more to do each time it wakes, and needs one
/// connection to each home server: a message costs a quarter less than on two.
fn choose(
    loads: impl Iterator<Item = usize> + Clone,
    gather: usize,
    connections: usize,
) -> Option<usize> {
    // At most `gather` above the emptiest: from there on connections spread evenly.
    let least = loads.clone().min()?;
    let bound = least.saturating_add(gather.max(1)).min(connections);
    loads
        .clone()
        .position(|load| load < bound)
        // All are full: the emptiest refuses, with its reason.
        .or_else(|| loads.clone().position(|load| load == least))
}

/// Options of every connection, accepted or dialled.
pub(super) fn prepare(socket: &SockRef<'_>) {
    // No delay: messages are gathered here, and Nagle's algorithm would hold back the last of them. Keep-alive and the
    // timeout find remote sides that vanished. None is vital: a socket without them works, only later or longer.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

/// Errors that concern the connection that was about to be accepted, not the listener.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionRefused
            | std::io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many each of three shards has after so many connections.
    fn after(count: usize, gather: usize, connections: usize) -> Vec<usize> {
        let mut loads = vec![0; 3];
        for _ in 0..count {
            let shard = choose(loads.iter().copied(), gather, connections).unwrap();
            loads[shard] += 1;
        }
        loads
    }

    #[test]
    fn few_connections_gather_and_many_are_spread() {
        assert_eq!(after(4, 4, 100), [4, 0, 0]);
        assert_eq!(after(10, 4, 100), [5, 4, 1]);
        assert_eq!(after(302, 4, 1000), [102, 102, 98]);
    }

    #[test]
    fn without_gathering_they_are_even() {
        assert_eq!(after(10, 0, 100), [4, 3, 3]);
    }

    #[test]
    fn a_full_shard_does_not_hold_back_an_empty_one() {
        assert_eq!(after(6, 32, 2), [2, 2, 2]);
        // All are full: the shard itself refuses.
        assert_eq!(choose([2, 2, 2].into_iter(), 32, 2), Some(0));
    }

    #[test]
    fn what_left_is_filled_up_first() {
        assert_eq!(choose([3, 9, 9].into_iter(), 4, 100), Some(0));
        assert_eq!(choose([9, 3, 9].into_iter(), 4, 100), Some(1));
    }
}
