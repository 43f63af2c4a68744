//! Inbound handshakes: capped, under a deadline, each ending in exactly one event, apart from the relaying of others.
use super::admission::Admission;
use super::clock;
use super::connection::Established;
use super::failed::Failure;
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
    remote: SocketAddr,
    /// The index of the bound socket that it came through.
    listener: usize,
    started: Instant,
    /// The server name that was asked for.
    sni: Option<String>,
    /// The chain that was shown for it.
    shown: Option<Arc<PresentedChain>>,
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
            Some(reason) => inbound.fail(Failure::refused(reason)),
            None => {
                tokio::task::spawn_local(inbound.run(stream, limits));
            }
        }
    }

    /// A connection that was still in the inbox when the shard had drained.
    pub(super) fn refuse_draining(self: &Rc<Self>, accepted: Accepted) {
        let (_stream, inbound) = Inbound::new(self, accepted);
        inbound.fail(Failure::refused(ConnectionReason::Draining));
    }
}

impl Inbound {
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

    async fn run(mut self, stream: std::net::TcpStream, limits: Rc<Limits>) {
        let shard = Rc::clone(&self.shard);
        let waited = clock::now().saturating_duration_since(self.started);
        let bound = limits.handshake_timeout.saturating_sub(waited);
        let outcome = tokio::select! {
            biased;
            () = shard.stop.cancelled() => Err(Failure::refused(ConnectionReason::Draining)),
            outcome = tokio::time::timeout(bound, self.shake_hands(stream)) => {
                outcome.unwrap_or_else(|_| Err(Failure::aborted(ConnectionReason::Timeout)))
            }
        };
        self.admission.end_handshake();
        match outcome {
            Ok(finished) => self.succeed(finished),
            Err(failure) => self.fail(failure),
        }
        // A drain waits for the handshakes under way.
        shard.ended.notify_waiters();
    }

    async fn shake_hands(&mut self, stream: std::net::TcpStream) -> Result<Finished, Failure> {
        let stream = TcpStream::from_std(stream).map_err(|e| Failure::from_io(&e))?;
        let tls = self.shard.tls();
        let listener = tls
            .listener(self.listener)
            .ok_or(Failure::refused(ConnectionReason::ListenerRemoved))?;
        let acceptor = LazyConfigAcceptor::new(
            rustls::server::Acceptor::default(),
            HandshakeSocket::new(stream),
        );
        let hello = acceptor.await.map_err(|e| Failure::from_hello(&e))?;
        self.sni = hello.client_hello().server_name().map(str::to_owned);
        self.shown = Some(listener.shown(self.sni.as_deref()));
        let (config, verifier) = listener.handshake();
        let outcome = hello.into_stream(config).await;
        let verdict = verifier.take();
        let stream = match (outcome, &verdict) {
            (Ok(stream), _) => stream,
            (Err(_), Some(Err(decision))) => return Err(Failure::decided(Arc::clone(decision))),
            (Err(error), Some(Ok(admitted))) => {
                return Err(Failure::from_io(&error).after(admitted.decision()));
            }
            (Err(error), None) => return Err(Failure::from_io(&error)),
        };
        let (socket, session) = stream.into_inner();
        // A write of the last flight that failed is not a failed handshake: the connection's first read meets it.
        let (tcp, _) = socket.into_parts();
        let session = rustls::Connection::Server(session);
        let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
        let current = self.shard.tls();
        let identity = if Rc::ptr_eq(&tls, &current) {
            match (chain.is_empty(), verdict) {
                (true, _) => InboundIdentity::without_certificate(&listener.listener)?,
                (false, Some(Ok(admitted))) => {
                    InboundIdentity::admitted(admitted, &listener.listener)?
                }
                (false, Some(Err(decision))) => return Err(Failure::decided(decision)),
                // A certificate without a decision: a session that passed no verifier. Never a client, never a peer.
                (false, None) => return Err(Failure::refused(ConnectionReason::Undecided)),
            }
        } else {
            // A reload during the handshake: what counts is what holds now.
            let listener = current.listener(self.listener);
            let listener = listener.ok_or(Failure::refused(ConnectionReason::ListenerRemoved))?;
            InboundIdentity::decide(&chain, &listener.listener, current.generation())?
        };
        Ok(Finished {
            local: tcp.local_addr().map_err(|e| Failure::from_io(&e))?,
            tcp,
            session,
            chain,
            identity,
        })
    }

    fn succeed(self, finished: Finished) {
        let shard = &self.shard;
        let number = shard.number();
        let decision = finished.identity.decision();
        let InboundIdentity { identity, client } = finished.identity;
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

    fn fail(self, failure: Failure) {
        // Before the event: who reads it and connects anew must find room.
        drop(self.admission);
        let listener = self.shard.listener_name(self.listener);
        let sides = HandshakeSides::inbound(self.remote, listener, self.sni);
        let event = failure.event(sides, self.shown);
        self.shard.shared.log.record(event);
    }
}
