//! Inbound handshakes: capped, under a deadline, each ending in exactly one event.
//!
//! Each runs in a task of its own beside the connections. The cap bounds what strangers can have computed at once, the
//! deadline how long they can hold a place; both are spent before anybody is known.
use super::admission::Admission;
use super::clock;
use super::connection::Established;
use super::failed::HandshakeFailure;
use super::handshake_socket::HandshakeSocket;
use super::inbound_identity::{InboundIdentity, passes_as_server};
use super::inbox::Accepted;
use super::negotiated::accepted_event;
use super::opened::Opened;
use super::reading::Reader;
use super::shard::Shard;
use crate::observe::{HandshakeSides, PresentedChain};
use crate::proxy::RemoteIdentity;
use crate::reason::ConnectionReason;
use crate::topology::{Direction, Limits};
use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// One inbound handshake under way, and what it holds of the node's bounds.
struct Inbound {
    shard: Rc<Shard>,
    /// Where it came from, for the log.
    remote: SocketAddr,
    /// The index of the bound socket that it came through.
    listener: usize,
    /// When it was accepted.
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
        let (stream, mut inbound) = Inbound::new(self, accepted);
        // Of several reasons the first is logged: the others follow from it, or pass sooner.
        let refused = if self.stop.is_cancelled() {
            Some(ConnectionReason::Draining)
        } else if !inbound.admission.begin_handshake(limits.handshakes) {
            Some(ConnectionReason::TooManyHandshakes)
        } else if self.live() >= limits.connections {
            Some(ConnectionReason::TooManyConnections)
        } else {
            None
        };
        match refused {
            Some(reason) => inbound.fail(HandshakeFailure::refused(reason)),
            None => {
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
            listener: accepted.listener,
            started: accepted.started,
            sni: None,
            shown: None,
            admission: accepted.admission,
        };
        (accepted.stream, inbound)
    }

    /// The task of one handshake. Its bound counts from the accept: time in a busy shard's inbox is time
    /// that the remote side has waited too.
    async fn run(mut self, stream: std::net::TcpStream, limits: Rc<Limits>) {
        let shard = Rc::clone(&self.shard);
        let waited = clock::now().saturating_duration_since(self.started);
        let bound = limits.handshake_timeout.saturating_sub(waited);
        // `stop` comes first, so that a drain ends the handshakes that it finds.
        let outcome = tokio::select! {
            biased;
            () = shard.stop.cancelled() => Err(HandshakeFailure::refused(ConnectionReason::Draining)),
            outcome = tokio::time::timeout(bound, self.shake_hands(stream)) => {
                outcome.unwrap_or_else(|_| Err(HandshakeFailure::aborted(ConnectionReason::Timeout)))
            }
        };
        // The place is free for the next one; the connection itself goes on to count.
        self.admission.end_handshake();
        match outcome {
            Ok(finished) => self.succeed(finished),
            Err(failure) => self.fail(failure),
        }
        // A drain waits for the handshakes under way.
        shard.ended.notify_waiters();
    }

    /// The handshake itself: TLS, then the decision on who has come in.
    async fn shake_hands(
        &mut self,
        stream: std::net::TcpStream,
    ) -> Result<Finished, HandshakeFailure> {
        let stream = TcpStream::from_std(stream).map_err(|e| HandshakeFailure::from_io(&e))?;
        let tls = self.shard.tls();
        // A reload may have removed it while the connection waited in the inbox.
        let listener = tls
            .listener(self.listener)
            .ok_or(HandshakeFailure::refused(ConnectionReason::ListenerRemoved))?;
        // It parses the ClientHello and nothing more; the configuration is chosen after it.
        let stream = HandshakeSocket::new(stream);
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        // The first flight alone, before anything of this node was sent: it has the name that chooses the
        // certificate.
        let hello = acceptor
            .await
            .map_err(|e| HandshakeFailure::from_hello(&e))?;
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
        shard.shared.log.record(accepted_event(
            HandshakeSides::inbound(self.remote, shard.listener_name(self.listener), self.sni),
            number,
            &finished.session,
            decision,
            clock::now() - self.started,
        ));
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
            local: finished.local,
            unconfirmed: None,
            // Who connects keeps the connection alive (RFC 5626 §4.4); an idle client is closed.
            keep_alive: None,
        };
        Reader::start(shard, established, requests, Some(self.admission));
    }

    /// Ends in the one event of a handshake that failed.
    fn fail(self, failure: HandshakeFailure) {
        // Before the event: who reads it and connects anew must find room.
        drop(self.admission);
        let listener = self.shard.listener_name(self.listener);
        let sides = HandshakeSides::inbound(self.remote, listener, self.sni);
        let event = failure.event(sides, self.shown);
        self.shard.shared.log.record(event);
    }
}
