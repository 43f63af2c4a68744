//! Inbound handshakes: capped, under a deadline, each ending in exactly one event.
//!
//! Each runs in a task of its own beside the connections. The cap bounds what strangers can have computed at once, the
//! deadline how long they can hold a place; both are spent before anybody is known. What comes from a balancer waits for
//! its header first, in a place and under a deadline of their own. A balancer's health checks are counted as everything
//! else and have no line: it makes them every few seconds.
use super::admission::{Admission, WaitingPlace};
use super::clock;
use super::connection::Established;
use super::failed::HandshakeFailure;
use super::handshake_socket::{FIRST, HandshakeSocket};
use super::inbound_identity::{InboundIdentity, passes_as_server};
use super::inbox::Accepted;
use super::negotiated::accepted_event;
use super::opened::Opened;
use super::proxy_header::{self, Announced};
use super::reading::Reader;
use super::shard::Shard;
use crate::observe::{Event, HandshakeSides, PresentedChain};
use crate::proxy::RemoteIdentity;
use crate::reason::ConnectionReason;
use crate::topology::{Direction, Limits};
use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// One inbound handshake under way, and what it holds of the node's bounds.
struct Inbound {
    shard: Rc<Shard>,
    /// Where it came from, for the log; behind a balancer that is known with its header.
    remote: SocketAddr,
    /// The balancer that it came through, and the address there that was connected to.
    balancer: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    /// A balancer's health check, which has no line in the log.
    is_check: bool,
    /// The index of the bound socket that it came through.
    listener: usize,
    /// When it was accepted; behind a balancer, when the header was whole.
    started: Instant,
    /// The server name that was asked for.
    sni: Option<String>,
    /// The chain that was shown for it.
    shown: Option<Arc<PresentedChain>>,
    /// Returned when the handshake fails, handed on when it succeeds.
    admission: Admission,
}

/// A finished handshake.
struct Finished {
    tcp: TcpStream,
    local: SocketAddr,
    session: rustls::Connection,
    chain: Vec<CertificateDer<'static>>,
    identity: InboundIdentity,
}

impl Shard {
    /// A connection from the acceptor: begins its handshake, if there is room for one more.
    pub(super) fn accept(self: &Rc<Self>, accepted: Accepted) {
        let limits = self.limits();
        let from_balancer = accepted.from_balancer;
        let (stream, mut inbound) = Inbound::new(self, accepted);
        let placed = if from_balancer {
            inbound.await_header(&limits)
        } else {
            inbound.begin_handshake(&limits)
        };
        match placed {
            Err(reason) => inbound.fail(HandshakeFailure::refused(reason)),
            Ok(()) => {
                tokio::task::spawn_local(inbound.run(stream, limits));
            }
        }
    }

    /// A connection that was still in the inbox when the shard had drained.
    pub(super) fn refuse_draining(self: &Rc<Self>, accepted: Accepted) {
        let (_stream, inbound) = Inbound::new(self, accepted);
        inbound.fail(HandshakeFailure::refused(ConnectionReason::Draining));
    }
}

impl Inbound {
    /// The state of a handshake, apart from the socket that it will consume.
    fn new(shard: &Rc<Shard>, accepted: Accepted) -> (std::net::TcpStream, Self) {
        let inbound = Self {
            shard: Rc::clone(shard),
            remote: accepted.remote,
            balancer: None,
            destination: None,
            is_check: false,
            listener: accepted.listener,
            started: accepted.started,
            sni: None,
            shown: None,
            admission: accepted.admission,
        };
        (accepted.stream, inbound)
    }

    /// Takes a handshake's place, if there is one. Of several reasons the first is logged: the others follow from it, or
    /// pass sooner.
    fn begin_handshake(&mut self, limits: &Limits) -> Result<(), ConnectionReason> {
        if self.shard.stop.is_cancelled() {
            return Err(ConnectionReason::Draining);
        }
        if !self
            .admission
            .take_place(WaitingPlace::Handshake, limits.handshakes)
        {
            return Err(ConnectionReason::TooManyHandshakes);
        }
        if self.shard.live() >= limits.connections {
            return Err(ConnectionReason::TooManyConnections);
        }
        Ok(())
    }

    /// Takes a place to wait for a balancer's header. It costs less than a handshake's, and there are as many.
    fn await_header(&mut self, limits: &Limits) -> Result<(), ConnectionReason> {
        if self.shard.stop.is_cancelled() {
            return Err(ConnectionReason::Draining);
        }
        if !self
            .admission
            .take_place(WaitingPlace::Header, limits.handshakes)
        {
            return Err(ConnectionReason::TooManyProxyHeaders);
        }
        self.balancer = Some(self.remote);
        Ok(())
    }

    /// The task of one handshake.
    async fn run(mut self, stream: std::net::TcpStream, limits: Rc<Limits>) {
        let shard = Rc::clone(&self.shard);
        let outcome = self.attempt(stream, &limits).await;
        // The place is free for the next one; the connection itself goes on to count.
        self.admission.leave_place();
        match outcome {
            Ok(finished) => self.succeed(finished),
            Err(failure) => self.fail(failure),
        }
        // A drain waits for the handshakes under way.
        shard.ended.notify_waiters();
    }

    /// What a balancer has to say, if it comes from one, and the handshake.
    async fn attempt(
        &mut self,
        stream: std::net::TcpStream,
        limits: &Limits,
    ) -> Result<Finished, HandshakeFailure> {
        let mut stream = TcpStream::from_std(stream).map_err(|e| HandshakeFailure::from_io(&e))?;
        let shard = Rc::clone(&self.shard);
        if self.balancer.is_some() {
            let bound = self.left_of(limits.proxy_header_timeout);
            let header = proxy_header::read(&mut stream);
            let header = within(&shard, bound, ConnectionReason::ProxyHeaderTimeout, header).await;
            self.learn_source(header, limits)?;
        }
        let bound = self.left_of(limits.handshake_timeout);
        let handshake = self.shake_hands(stream);
        within(&shard, bound, ConnectionReason::Timeout, handshake).await
    }

    /// What is left of a bound that counts from the accept: time in a busy shard's inbox is time that the remote side has
    /// waited too.
    fn left_of(&self, bound: Duration) -> Duration {
        bound.saturating_sub(clock::now().saturating_duration_since(self.started))
    }

    /// Takes over what a balancer's header says: from here on the true source counts, and a handshake begins.
    fn learn_source(
        &mut self,
        header: Result<Announced, HandshakeFailure>,
        limits: &Limits,
    ) -> Result<(), HandshakeFailure> {
        self.is_check = match &header {
            // HAProxy names its own end of the connection in the health checks of version 1.
            Ok(Announced::Proxied { source, .. }) => is_same(*source, self.remote),
            Ok(Announced::Balancer) => true,
            // Some balancers only look whether the port is open.
            Err(failure) => failure.came_to_nothing(),
        };
        if let Announced::Proxied {
            source,
            destination,
        } = header?
        {
            self.remote = source;
            self.destination = Some(destination);
        } else {
            self.balancer = None;
        }
        let (sources, most) = (&self.shard.shared.sources, limits.connections_per_source);
        if !self.admission.set_source(sources, self.remote.ip(), most) {
            return Err(HandshakeFailure::refused(
                ConnectionReason::TooManyFromSource,
            ));
        }
        self.started = clock::now();
        self.begin_handshake(limits)
            .map_err(HandshakeFailure::refused)
    }

    /// The handshake itself: TLS, then the decision on who has come in.
    async fn shake_hands(&mut self, stream: TcpStream) -> Result<Finished, HandshakeFailure> {
        let tls = self.shard.tls();
        // A reload may have removed it while the connection waited in the inbox.
        let listener = tls
            .listener(self.listener)
            .ok_or(HandshakeFailure::refused(ConnectionReason::ListenerRemoved))?;
        // It parses the ClientHello and nothing more; the configuration is chosen after it.
        let stream = HandshakeSocket::new(stream);
        let mut acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        // The first flight alone, before anything of this node was sent: it has the name that chooses the
        // certificate.
        let hello = match (&mut acceptor).await {
            Ok(hello) => hello,
            Err(error) => {
                let first = acceptor.take_io().map(|socket| socket.first());
                return Err(no_hello(&error, first.unwrap_or_default()));
            }
        };
        self.sni = hello.client_hello().server_name().map(str::to_owned);
        // Known now and not at the end: a client that refuses the certificate never gets to the end.
        self.shown = Some(listener.shown(self.sni.as_deref()));
        // A verifier for this handshake alone, which holds its verdict: one that several share would mix
        // them up.
        let (config, verifier) = listener.handshake();
        let outcome = hello.into_stream(config).await;
        // `None`: the client has shown no certificate, or the handshake did not come so far.
        let verdict = verifier.take();
        let stream = match (outcome, &verdict) {
            (Ok(stream), _) => stream,
            // This node refuses: whatever the library reports after that follows from it.
            (Err(_), Some(Err(decision))) => {
                return Err(HandshakeFailure::decided(Arc::clone(decision)));
            }
            // Accepted here and yet failed: the remote side has refused, and the log shows both verdicts.
            (Err(error), Some(Ok(admitted))) => {
                return Err(HandshakeFailure::from_io(&error).after(admitted.decision()));
            }
            (Err(error), None) => return Err(HandshakeFailure::from_io(&error)),
        };
        // From here on the connection reads and writes its session itself, without tokio-rustls.
        let (socket, session) = stream.into_inner();
        // A write of the last flight that failed is not a failed handshake: the connection's first read meets it.
        let (tcp, _) = socket.into_parts();
        let session = rustls::Connection::Server(session);
        // Kept for as long as the connection lives: a reload decides on it again.
        let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
        // The generation that is current by now may not be the one under which the handshake began.
        let current = self.shard.tls();
        let identity = if Rc::ptr_eq(&tls, &current) {
            match (chain.is_empty(), verdict) {
                (true, _) => InboundIdentity::without_certificate(&listener.listener)?,
                (false, Some(Ok(admitted))) => {
                    InboundIdentity::admitted(admitted, &listener.listener)?
                }
                (false, Some(Err(decision))) => return Err(HandshakeFailure::decided(decision)),
                // A certificate without a decision: a session that passed no verifier. Never a client, never a peer.
                (false, None) => {
                    return Err(HandshakeFailure::refused(ConnectionReason::Undecided));
                }
            }
        } else {
            // A reload during the handshake: what counts is what holds now.
            let listener = current.listener(self.listener);
            let listener =
                listener.ok_or(HandshakeFailure::refused(ConnectionReason::ListenerRemoved))?;
            InboundIdentity::decide(&chain, &listener.listener, current.generation())?
        };
        Ok(Finished {
            local: tcp
                .local_addr()
                .map_err(|e| HandshakeFailure::from_io(&e))?,
            tcp,
            session,
            chain,
            identity,
        })
    }

    /// A finished handshake becomes a connection.
    fn succeed(self, finished: Finished) {
        let shard = &self.shard;
        // The number is in the event of the handshake and in all later ones of the connection.
        let number = shard.number();
        // Before the identity is taken apart.
        let decision = finished.identity.decision();
        let InboundIdentity { identity, client } = finished.identity;
        // RFC 5923 §8.1: requests of this node go back on a peer's connection only if its certificate would also pass as a
        // server's. A client's flow is the only way to it (RFC 5626).
        let requests = match &identity {
            RemoteIdentity::Client => true,
            RemoteIdentity::Peer(peer) => {
                shard.log_would_refuse(Direction::Inbound, self.remote, peer.decision());
                passes_as_server(&finished.chain, peer, shard.tls().generation())
            }
        };
        // Who shows that it is a peer is no health check, whatever its balancer says.
        let is_check = self.is_check && matches!(identity, RemoteIdentity::Client);
        let event = accepted_event(
            self.sides(),
            number,
            &finished.session,
            decision,
            clock::now() - self.started,
        );
        shard.record_unless(is_check, event);
        let established = Established {
            number,
            identity,
            client,
            opened: Opened::Accepted(self.listener),
            chain: finished.chain,
            shown: None,
            tcp: finished.tcp,
            tls: finished.session,
            remote: self.remote,
            // By that address the remote side knows this node.
            local: self.destination.unwrap_or(finished.local),
            is_check,
            unconfirmed: None,
            // Who connects keeps the connection alive (RFC 5626 §4.4); an idle client is closed.
            keep_alive: None,
        };
        Reader::start(shard, established, requests, Some(self.admission));
    }

    /// Ends in the one event of a handshake that failed.
    fn fail(self, failure: HandshakeFailure) {
        let sides = self.sides();
        // Before the event: who reads it and connects anew must find room.
        drop(self.admission);
        let event = failure.event(sides, self.shown);
        self.shard.record_unless(self.is_check, event);
    }

    /// Between whom it is, for its event.
    fn sides(&self) -> HandshakeSides {
        let listener = self.shard.listener_name(self.listener);
        HandshakeSides::inbound(self.remote, listener, self.sni.clone()).through(self.balancer)
    }
}

/// Why there is no first flight. The header of a balancer that is none of this listener's is no TLS of a kind of its own.
fn no_hello(error: &std::io::Error, first: [u8; FIRST]) -> HandshakeFailure {
    let failure = HandshakeFailure::from_hello(error);
    if failure.reason() == ConnectionReason::NotTls && proxy_header::is_header(&first) {
        return HandshakeFailure::refused(ConnectionReason::ProxyHeaderUnexpected);
    }
    failure
}

/// Whether two addresses are one. To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
    canonical(one) == canonical(other)
}

/// Something that the remote side must do in time. `stop` comes first, so that a drain ends the handshakes that it finds.
async fn within<T>(
    shard: &Shard,
    bound: Duration,
    late: ConnectionReason,
    work: impl Future<Output = Result<T, HandshakeFailure>>,
) -> Result<T, HandshakeFailure> {
    tokio::select! {
        biased;
        () = shard.stop.cancelled() => Err(HandshakeFailure::refused(ConnectionReason::Draining)),
        outcome = tokio::time::timeout(bound, work) => {
            outcome.unwrap_or_else(|_| Err(HandshakeFailure::aborted(late)))
        }
    }
}

impl Shard {
    /// Records an event, or only counts it: what a balancer's health checks bring about, and no peer.
    pub(super) fn record_unless(&self, is_check: bool, event: Event) {
        if is_check && event.peer().is_none() {
            self.shared.log.count(event.kind(), event.reason());
        } else {
            self.shared.log.record(event);
        }
    }
}
