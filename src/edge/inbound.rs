//! Inbound handshakes from a whole ClientHello on: capped, under a deadline, each ending in exactly one event.
//!
//! Each runs in a task of its own beside the connections. The cap bounds what strangers can have stored at once, the
//! deadline how long they can hold a slot; both are spent before anybody is known. A balancer's health checks are counted as
//! everything else and have no line: it makes them every few seconds. The node's own look at a listener after a reload has none
//! either, and where it is refused, nobody was.
use super::admission::Admission;
use super::arrival::Arrival;
use super::clock;
use super::connection::Established;
use super::failed::HandshakeFailure;
use super::handshake_socket::{FIRST, HandshakeSocket};
use super::inbound_identity::{InboundIdentity, passes_as_server};
use super::inbox::Accepted;
use super::negotiated::accepted_event;
use super::opened::Opened;
use super::priority::Priority;
use super::proxy_header;
use super::reading::Reader;
use super::records::Records;
use super::shard::Shard;
use super::tls::Incoming;
use crate::observe::{Event, HandshakeSides, PresentedChain};
use crate::proxy::RemoteIdentity;
use crate::reason::ConnectionReason;
use crate::topology::Direction;
use crate::trust::Presented;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// One inbound handshake under way, and what it holds of the node's bounds.
struct Inbound {
    shard: Rc<Shard>,
    /// Where from, and when.
    arrival: Arrival,
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
    records: Records,
    session: rustls::Connection,
    identity: InboundIdentity,
}

impl Shard {
    /// A connection from the acceptor: begins its handshake.
    pub(super) fn accept(self: &Rc<Self>, accepted: Accepted) {
        let (stream, inbound) = Inbound::new(self, accepted);
        tokio::task::spawn_local(inbound.run(stream));
    }

    /// A connection that was still on its way when the shard had drained.
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
            arrival: accepted.arrival,
            sni: None,
            shown: None,
            admission: accepted.admission,
        };
        (accepted.stream, inbound)
    }

    /// The task of one handshake.
    async fn run(mut self, stream: std::net::TcpStream) {
        let shard = Rc::clone(&self.shard);
        let (left, lost) = (self.arrival.left, self.admission.lost());
        let handshake = async {
            let stream = TcpStream::from_std(stream).map_err(|e| HandshakeFailure::from_io(&e))?;
            let finished = self.shake_hands(stream).await?;
            self.check_denied(&finished)?;
            Ok(finished)
        };
        // `stop` comes first, so that a drain ends the handshakes that it finds.
        let outcome = tokio::select! {
            biased;
            () = shard.stop.cancelled() => Err(HandshakeFailure::refused(ConnectionReason::Draining)),
            outcome = tokio::time::timeout(left, handshake) => outcome.unwrap_or_else(|_| {
                Err(HandshakeFailure::aborted(ConnectionReason::Timeout))
            }),
            // After the outcome: who has finished in the same turn stays.
            () = lost.notified() => Err(HandshakeFailure::refused(ConnectionReason::TooManyHandshakes)),
        };
        // The slot is free for the next one; the connection itself goes on to count.
        self.admission.leave_slot();
        match outcome {
            Ok(finished) => self.succeed(finished),
            Err(failure) => self.fail(failure),
        }
        // A drain waits for the handshakes under way.
        shard.ended.notify_waiters();
    }

    /// Whether who has come in is denied: a peer is known only now, and the address may have been denied meanwhile.
    fn check_denied(&self, finished: &Finished) -> Result<(), HandshakeFailure> {
        let denials = &self.shard.shared.denials;
        let peer = match &finished.identity.identity {
            RemoteIdentity::Peer(peer) => peer.decision().peer_name.as_deref(),
            RemoteIdentity::Client | RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => {
                None
            }
        };
        let is_denied = peer.is_some_and(|name| denials.refuses_peer(name))
            || denials.refuses_address(self.arrival.remote.ip());
        match is_denied {
            true => Err(HandshakeFailure::refused(ConnectionReason::Denied)),
            false => Ok(()),
        }
    }

    /// The handshake itself: TLS, then the decision on who has come in.
    async fn shake_hands(&mut self, stream: TcpStream) -> Result<Finished, HandshakeFailure> {
        let tls = self.shard.tls();
        // A reload may have removed it while the connection waited in the inbox.
        let listener = tls
            .listener(self.arrival.listener)
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
        // A verifier for this handshake alone, which holds its verdict: one that several share would mix
        // them up.
        let Incoming {
            config,
            verifier,
            shown,
        } = listener.handshake(&hello.client_hello());
        // Known now and not at the end: a client that refuses the certificate never gets to the end.
        self.shown = Some(Arc::clone(&shown));
        let mut handshake = pin!(hello.into_stream(config));
        // With the first turn its flight is on the way; what is left costs less, and waits for the remote side.
        let outcome = poll_fn(|context| {
            let polled = handshake.as_mut().poll(context);
            self.admission.answered();
            polled
        })
        .await;
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
        let (tcp, records, _) = socket.into_parts();
        let session = rustls::Connection::Server(session);
        let chain = session.peer_certificates().unwrap_or_default();
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
            let listener = current.listener(self.arrival.listener);
            let listener =
                listener.ok_or(HandshakeFailure::refused(ConnectionReason::ListenerRemoved))?;
            let presented = Presented::inbound(chain).shown(Some(&shown.identity));
            InboundIdentity::decide(&presented, &listener.listener, current.generation())?
        };
        Ok(Finished {
            local: tcp
                .local_addr()
                .map_err(|e| HandshakeFailure::from_io(&e))?,
            tcp,
            records,
            session,
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
            RemoteIdentity::Client | RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => {
                true
            }
            RemoteIdentity::Peer(peer) => {
                let known = &shard.shared.known;
                known.saw(self.arrival.remote.ip(), Priority::Peer, clock::now());
                shard.log_would_refuse(Direction::Inbound, self.arrival.remote, peer.decision());
                passes_as_server(
                    finished.session.peer_certificates().unwrap_or_default(),
                    peer,
                    shard.tls().generation(),
                    clock::unix(),
                )
            }
        };
        // Who shows that it is a peer is no health check, whatever its balancer says. The node's own look is one, of itself.
        let is_own = shard.shared.own_checks.take(self.arrival.remote);
        let is_client = matches!(identity, RemoteIdentity::Client);
        let is_check = (self.arrival.is_check || is_own) && is_client;
        let event = accepted_event(
            self.sides(),
            number,
            &finished.session,
            decision,
            clock::now() - self.arrival.started,
        );
        shard.record_unless(is_check, event);
        let established = Established {
            number,
            identity,
            client,
            opened: Opened::Accepted(self.arrival.listener),
            shown: None,
            tcp: finished.tcp,
            records: finished.records,
            tls: finished.session.into(),
            remote: self.arrival.remote,
            // By that address the remote side knows this node.
            local: self.arrival.destination.unwrap_or(finished.local),
            is_check,
            unconfirmed: None,
            // Who connects keeps the connection alive (RFC 5626 §4.4); an idle client is closed.
            keep_alive: None,
        };
        Reader::start(shard, established, requests, Some(self.admission));
    }

    /// Ends in the one event of a handshake that failed.
    fn fail(self, failure: HandshakeFailure) {
        // Whether it has shown the right certificate is in the report of the reload; here nobody was refused.
        if self.shard.shared.own_checks.take(self.arrival.remote) {
            return;
        }
        let sides = self.sides();
        // Before the event: who reads it and connects anew must find room.
        drop(self.admission);
        let event = failure.event(sides, self.shown);
        self.shard.record_unless(self.arrival.is_check, event);
    }

    /// Between whom it is, for its event.
    fn sides(&self) -> HandshakeSides {
        let listener = self.shard.listener_name(self.arrival.listener);
        HandshakeSides::inbound(self.arrival.remote, listener, self.sni.clone())
            .through(self.arrival.balancer)
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

impl Shard {
    /// Records an event, or only counts it: what a balancer's health checks bring about, and no peer.
    pub(super) fn record_unless(&self, is_check: bool, event: Event) {
        if is_check && event.peer().is_none() {
            self.shared.log.count(event.kind(), event.reason());
        } else {
            self.record(event);
        }
    }
}
