//! The acceptor: takes connections off all listeners on a thread of its own, has them wait in its lobby until they have
//! something to say, and hands each to a shard, the few to one and the many evenly, so that neither a busy shard nor a flood
//! of connects holds up the other.
use super::admission::Admission;
use super::arrival::Arrival;
use super::bind::BoundListeners;
use super::clock;
use super::failed::HandshakeFailure;
use super::guest::{CountedGuest, Guest};
use super::lobby::Lobby;
use super::priority::Priority;
use super::reception::{Acceptor, Reception};
use crate::observe::{Event, HandshakeSides};
use crate::reason::{ConnectionReason, DaemonReason};
use socket2::SockRef;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Bytes that stay unacknowledged for this long mean that the remote side is gone: the system's own answer to that
/// takes a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause when the process has no descriptors left: the listener stays readable, and trying at once would only burn the
/// core.
const STARVED: Duration = Duration::from_millis(100);

impl Acceptor {
    /// The acceptor's thread. A thread of its own, so that a shard that is busy with messages delays no accept, and a flood
    /// of connects no message.
    pub(super) fn run(mut self, bound: BoundListeners) {
        // Without it nothing is accepted; the shards still serve what they dial.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
        else {
            return;
        };
        runtime.block_on(async {
            let (log, stop) = (self.log.clone(), self.stop.clone());
            let trial = self.trial.take();
            // Made here: what the tasks share never leaves this thread.
            let reception = Rc::new(Reception::new(self, &bound));
            let mut tasks = tokio::task::JoinSet::new();
            if let Some((sockets, over)) = trial {
                for (index, socket) in sockets.into_iter().enumerate() {
                    let (reception, over) = (Rc::clone(&reception), over.clone());
                    tasks.spawn_local(reception.try_out(index, socket, over));
                }
            }
            for (index, listener) in bound.sockets.into_iter().enumerate() {
                let reception = Rc::clone(&reception);
                tasks.spawn_local(async move {
                    if let Ok(socket) = tokio::net::TcpListener::from_std(listener.socket) {
                        reception.listen(index, socket).await;
                    }
                });
            }
            tasks.spawn_local(Rc::clone(&reception).run_grants());
            // The acceptor's thread also writes the sums of the recorder that is nobody's.
            tasks.spawn_local(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = log.write_sums_in_time() => {}
                }
            });
            // And says when a denial has ended.
            let of_denials = Rc::clone(&reception);
            tasks.spawn_local(async move {
                let Reception {
                    denials, log, stop, ..
                } = &*of_denials;
                denials.end_in_time(log, stop).await;
            });
            while tasks.join_next().await.is_some() {}
            // The drain has reached their tasks too. Each of those who wait ends in its event; they hold the reception.
            while Rc::strong_count(&reception) > 1 {
                tokio::task::yield_now().await;
            }
        });
    }
}

impl Reception {
    /// Accepts for a listener on a socket of its own, so that this process alone answers there.
    async fn try_out(self: Rc<Self>, index: usize, socket: TcpListener, over: CancellationToken) {
        let Ok(socket) = tokio::net::TcpListener::from_std(socket) else {
            return;
        };
        loop {
            let accepted = tokio::select! {
                () = over.cancelled() => return,
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            // Whatever hinders shows in the trial.
            if let Ok((stream, remote)) = accepted {
                self.enter(stream, remote, index);
            }
        }
    }

    /// Accepts on one socket until the node drains.
    async fn listen(self: Rc<Self>, index: usize, socket: tokio::net::TcpListener) {
        let mut accepting = self.accepting.clone();
        loop {
            let is_open = *accepting.borrow_and_update();
            // The end first: after it nothing more is accepted.
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                // The sender lives as long as the handle, whose end is that of the process.
                changed = accepting.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                accepted = socket.accept(), if is_open => accepted,
            };
            match accepted {
                Ok((stream, remote)) => self.enter(stream, remote, index),
                // The remote side is gone again before it was accepted.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.log.record(Event::Overloaded {
                        reason: DaemonReason::AcceptFailed.into(),
                        detail: format!(
                            "listener {}: {error}; accepting pauses for {} ms",
                            self.name(index),
                            STARVED.as_millis()
                        ),
                    });
                    tokio::time::sleep(STARVED).await;
                }
            }
        }
    }

    /// Takes a connection into the lobby, unless its source has too many, or every shard.
    fn enter(self: &Rc<Self>, stream: tokio::net::TcpStream, remote: SocketAddr, listener: usize) {
        // All of it by one generation.
        let rules = self.rules.load();
        let limits = &rules.limits;
        let source = remote.ip();
        let mut admission = Admission::default();
        // The sources of those that come from a balancer are in what it says first.
        let from_balancer = rules.is_balancer(listener, source);
        if !from_balancer && self.denials.refuses_address(source) {
            return self.refuse(remote, listener, ConnectionReason::Denied);
        }
        if !from_balancer && !self.may_begin(source, limits.connects_per_source) {
            return self.refuse(remote, listener, ConnectionReason::TooManyConnects);
        }
        let most = limits.connections_per_source;
        if !from_balancer && !admission.set_source(&self.sources, source, most) {
            return self.refuse(remote, listener, ConnectionReason::TooManyFromSource);
        }
        // A listed balancer waits for no stranger with its header.
        let priority = match from_balancer {
            true => Priority::Peer,
            false => self.priority(source),
        };
        let here = self.connections();
        if here >= rules.crowded {
            self.make_room();
        }
        // The last descriptors are for those who are known. A balancer's address says nothing of who comes: that is looked
        // at again when its header has.
        let sockets = rules.sockets - priority.leaves(rules.sockets / 8);
        let left = sockets.saturating_sub(here).min(limits.waiting);
        if left == 0 || self.room(&rules, priority) == 0 {
            return self.refuse(remote, listener, ConnectionReason::TooManyConnections);
        }
        // After the bounds: who is refused costs no system call more.
        prepare(&SockRef::from(&stream));
        let (place, verdict) = Lobby::enter(&self.lobby, source, priority, left);
        let guest = Guest {
            reception: Rc::clone(self),
            arrival: Arrival {
                remote,
                balancer: from_balancer.then_some(remote),
                destination: None,
                is_check: false,
                listener,
                started: clock::now(),
                left: limits.handshake_timeout,
            },
            admission,
            place,
            _counted: CountedGuest::new(&self.waiting, self.slots.memory()),
        };
        tokio::task::spawn_local(guest.run(stream, verdict));
    }

    /// A connection that is refused before its handshake; the socket closes when it is dropped.
    fn refuse(&self, remote: SocketAddr, listener: usize, reason: ConnectionReason) {
        let failure = HandshakeFailure::refused(reason);
        let sides = HandshakeSides::inbound(remote, self.name(listener), None);
        self.log.record(failure.event(sides, None));
    }
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

    /// Whatever else tells that a remote side is gone, the kernel is asked for it on each connection, either way.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "it connects to itself")]
    async fn every_connection_ends_when_nothing_is_acknowledged_for_half_a_minute() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (dialled, accepted) = tokio::join!(dialled, listener.accept());
        for stream in [dialled.unwrap(), accepted.unwrap().0] {
            let socket = SockRef::from(&stream);
            assert_eq!(socket.tcp_user_timeout().unwrap(), None);
            prepare(&socket);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        }
    }
}
