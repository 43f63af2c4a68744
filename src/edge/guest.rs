//! One connection in the lobby: what its balancer has to say, then its ClientHello, then its turn.
//!
//! Nothing of it is read before its turn but the header of a balancer, and nothing is computed for it: the hello is looked
//! at where it lies, in the socket.
use super::admission::{Admission, ShardPlace};
use super::arrival::Arrival;
use super::client_hello::{self, Hello};
use super::clock;
use super::failed::HandshakeFailure;
use super::inbox::Accepted;
use super::lobby::{LobbyPlace, LobbyVerdict};
use super::proxy_header::{self, Announced};
use super::reception::Reception;
use crate::observe::HandshakeSides;
use crate::proxy::{NodeHold, NodeMemory};
use crate::reason::ConnectionReason;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A connection in the lobby, and what it holds of the node's bounds.
pub(super) struct Guest {
    /// The bounds, the lobby and the way to the shards.
    pub(super) reception: Rc<Reception>,
    /// Where from, and when.
    pub(super) arrival: Arrival,
    /// Counted for its source from here on, and in a shard from its turn on.
    pub(super) admission: Admission,
    /// Its place in the lobby; gone with it, on whatever path it ends.
    pub(super) place: LobbyPlace,
    /// Counted until then for who wants to know whether anybody is still there.
    pub(super) _counted: CountedGuest,
}

/// What one that waits takes, in bytes: its task and its places in the tables; its hello lies in the kernel.
const WAITING: usize = 2 * 1024;

/// One of those who wait, over all of the lobby.
pub(super) struct CountedGuest {
    waiting: Arc<AtomicUsize>,
    _memory: NodeHold,
}

impl CountedGuest {
    pub(super) fn new(waiting: &Arc<AtomicUsize>, memory: &Arc<NodeMemory>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            waiting: Arc::clone(waiting),
            _memory: memory.hold(WAITING),
        }
    }
}

impl Drop for CountedGuest {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Guest {
    /// The whole of its waiting. `verdict` is how that ends, unless it leaves before.
    pub(super) async fn run(
        mut self,
        mut stream: TcpStream,
        mut verdict: oneshot::Receiver<LobbyVerdict>,
    ) {
        let reception = Rc::clone(&self.reception);
        let ended = tokio::select! {
            biased;
            () = reception.stop.cancelled() => Err(HandshakeFailure::refused(ConnectionReason::Draining)),
            verdict = &mut verdict => match verdict {
                Ok(LobbyVerdict::Go(place)) => Ok(place),
                Ok(LobbyVerdict::Refused(reason)) => Err(HandshakeFailure::refused(reason)),
                // The lobby has gone with its thread.
                Err(_) => Err(HandshakeFailure::refused(ConnectionReason::Draining)),
            },
            failure = self.wait(&mut stream) => Err(failure),
        };
        match ended {
            Ok(place) => self.go(stream, place),
            Err(failure) => self.fail(failure),
        }
    }

    /// All that it does by itself; it returns only how it fails.
    async fn wait(&mut self, stream: &mut TcpStream) -> HandshakeFailure {
        match self.until_whole(stream).await {
            Ok(()) => {
                // In line from now on; what comes next is its turn, or its end.
                self.place.is_whole();
                self.reception.knock.notify();
                until_closed(stream).await
            }
            Err(failure) => failure,
        }
    }

    /// Until its hello is whole.
    async fn until_whole(&mut self, stream: &mut TcpStream) -> Result<(), HandshakeFailure> {
        let reception = Rc::clone(&self.reception);
        let rules = reception.rules.load_full();
        // The header comes first, in a time of its own; the hello's begins with its end.
        if self.arrival.balancer.is_some() {
            let header = proxy_header::read(stream);
            let bound = rules.limits.proxy_header_timeout;
            let header = within(bound, ConnectionReason::ProxyHeaderTimeout, header).await;
            self.learn_source(header, rules.limits.connections_per_source)?;
        }
        let bound = rules.limits.handshake_timeout;
        let hello = hello(stream, &reception.scratch);
        within(bound, ConnectionReason::Timeout, hello).await?;
        let used = clock::now().saturating_duration_since(self.arrival.started);
        self.arrival.left = bound.saturating_sub(used);
        Ok(())
    }

    /// Takes over what a balancer's header says: from here on the true source counts.
    fn learn_source(
        &mut self,
        header: Result<Announced, HandshakeFailure>,
        most: usize,
    ) -> Result<(), HandshakeFailure> {
        self.arrival.is_check = match &header {
            // HAProxy names its own end of the connection in the health checks of version 1.
            Ok(Announced::Proxied { source, .. }) => is_same(*source, self.arrival.remote),
            Ok(Announced::Balancer) => true,
            // Some balancers only look whether the port is open.
            Err(failure) => failure.came_to_nothing(),
        };
        if let Announced::Proxied {
            source,
            destination,
        } = header?
        {
            // An IPv4 address in its IPv6 form is the same address, and home servers are to find it as they know it.
            let plain = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
            self.arrival.remote = plain(source);
            self.arrival.destination = Some(plain(destination));
        } else {
            self.arrival.balancer = None;
        }
        let (reception, source) = (&self.reception, self.arrival.remote.ip());
        // Before it counts for its source: it holds nothing.
        if reception.denials.refuses_address(source) {
            return Err(HandshakeFailure::refused(ConnectionReason::Denied));
        }
        if !reception.may_begin(source, reception.rules.load().limits.connects_per_source) {
            return Err(HandshakeFailure::refused(ConnectionReason::TooManyConnects));
        }
        if !self.admission.set_source(&reception.sources, source, most) {
            return Err(HandshakeFailure::refused(
                ConnectionReason::TooManyFromSource,
            ));
        }
        let priority = reception.priority(source);
        if reception.room(&reception.rules.load(), priority) == 0 {
            return Err(HandshakeFailure::refused(
                ConnectionReason::TooManyConnections,
            ));
        }
        self.arrival.started = clock::now();
        self.place.came_from(source, priority);
        Ok(())
    }

    /// Its turn: the socket moves to the shard.
    fn go(self, stream: TcpStream, place: ShardPlace) {
        let Self {
            reception,
            arrival,
            mut admission,
            ..
        } = self;
        // Out of this runtime and into the shard's: the socket is registered anew there.
        let shard = place.shard;
        admission.begin(place);
        // An error is one of the runtime that is going away.
        if let (Ok(stream), Some(arrivals)) = (stream.into_std(), reception.arrivals.get(shard)) {
            // There is room: a shard has few hellos to answer at a time.
            let _ = arrivals.try_send(Accepted {
                stream,
                arrival,
                admission,
            });
        }
    }

    /// Ends in the one event of a handshake that failed; the socket closes after it.
    fn fail(self, failure: HandshakeFailure) {
        let listener = self.reception.name(self.arrival.listener);
        let sides = HandshakeSides::inbound(self.arrival.remote, listener, None)
            .through(self.arrival.balancer);
        // Before the event: who reads it and connects anew must find room.
        drop((self.admission, self.place));
        let event = failure.event(sides, None);
        // It makes them every few seconds.
        if self.arrival.is_check {
            self.reception.log.count(event.kind(), event.reason());
        } else {
            self.reception.log.record(event);
        }
    }
}

/// Waits until the first bytes hold a whole ClientHello, or what is none. They stay in the socket.
async fn hello(stream: &TcpStream, scratch: &RefCell<Vec<u8>>) -> Result<(), HandshakeFailure> {
    loop {
        // One buffer serves all who wait: it is borrowed for one look.
        let (seen, came) = poll_fn(|context| {
            let mut scratch = scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            let peeked = ready!(stream.poll_peek(context, &mut buffer));
            Poll::Ready(peeked.map(|came| (client_hello::look(buffer.filled()), came)))
        })
        .await
        .map_err(|e| HandshakeFailure::from_io(&e))?;
        match seen {
            Hello::Whole => return Ok(()),
            Hello::TooLong => {
                return Err(HandshakeFailure::refused(ConnectionReason::HelloTooLong));
            }
            Hello::Partial if came == 0 => {
                return Err(HandshakeFailure::aborted(ConnectionReason::Closed));
            }
            Hello::Partial => {}
        }
        if let Some(failure) = closed_meanwhile(stream).await {
            return Err(failure);
        }
    }
}

/// Waits until the remote side closes.
async fn until_closed(stream: &TcpStream) -> HandshakeFailure {
    loop {
        if let Some(failure) = closed_meanwhile(stream).await {
            return failure;
        }
    }
}

/// Waits until something has come, and returns how the connection has failed if it was its end. The next call waits for
/// more: what lies in the socket already would make it readable at once.
async fn closed_meanwhile(stream: &TcpStream) -> Option<HandshakeFailure> {
    let ready = match stream.ready(Interest::READABLE).await {
        Ok(ready) => ready,
        Err(error) => return Some(HandshakeFailure::from_io(&error)),
    };
    if ready.is_read_closed() {
        let error = stream.take_error().ok().flatten();
        return Some(error.map_or_else(
            || HandshakeFailure::aborted(ConnectionReason::Closed),
            |error| HandshakeFailure::from_io(&error),
        ));
    }
    let blocks = || Err::<(), _>(ErrorKind::WouldBlock.into());
    let _ = stream.try_io(Interest::READABLE, blocks);
    None
}

/// Something that the remote side must do in time.
async fn within<T>(
    bound: Duration,
    late: ConnectionReason,
    work: impl Future<Output = Result<T, HandshakeFailure>>,
) -> Result<T, HandshakeFailure> {
    let outcome = tokio::time::timeout(bound, work).await;
    outcome.unwrap_or_else(|_| Err(HandshakeFailure::aborted(late)))
}

/// Whether two addresses are one. To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
    canonical(one) == canonical(other)
}
