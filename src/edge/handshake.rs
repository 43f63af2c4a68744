//! Inbound handshakes: capped, under a deadline, each ending in exactly one event, apart from the relaying of others.
use super::clock;
use super::failed::Failure;
use super::last_word::LastWord;
use super::link::{Arrival, Link, Via};
use super::shard::Shard;
use crate::observe::{Event, Shown};
use crate::proxy::Identity;
use crate::reason::ConnectionReason;
use crate::topology::Listener;
use crate::trust::{Admitted, ClientId, Decision};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

impl Shard {
    /// A connection from the acceptor: begins its handshake, if there is room for one more.
    pub(super) fn accepted(
        self: &Rc<Self>,
        stream: std::net::TcpStream,
        remote: SocketAddr,
        listener: usize,
        started: Instant,
    ) {
        let limits = self.limits();
        let reason = if self.stop.is_cancelled() {
            Some(ConnectionReason::Draining)
        } else if self.handshakes.get() >= limits.handshakes {
            Some(ConnectionReason::TooManyHandshakes)
        } else if self.live() >= limits.connections {
            Some(ConnectionReason::TooManyConnections)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.failed_inbound(
                remote,
                listener,
                Greeting::default(),
                Failure::refused(reason),
            );
            return;
        }
        self.handshakes.set(self.handshakes.get() + 1);
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut greeting = Greeting::default();
            let bound = limits
                .handshake_timeout
                .saturating_sub(clock::now().saturating_duration_since(started));
            let outcome = tokio::select! {
                biased;
                () = shard.stop.cancelled() => Err(Failure::refused(ConnectionReason::Draining)),
                outcome = tokio::time::timeout(bound, shard.shake_hands(stream, listener, &mut greeting)) => {
                    outcome.unwrap_or_else(|_| Err(Failure::aborted(ConnectionReason::Timeout)))
                }
            };
            match outcome {
                Ok(done) => shard.inbound_up(done, remote, listener, greeting.sni, started),
                Err(failure) => shard.failed_inbound(remote, listener, greeting, failure),
            }
            shard.handshakes.set(shard.handshakes.get() - 1);
            shard.ended.notify_waiters();
        });
    }

    async fn shake_hands(
        &self,
        stream: std::net::TcpStream,
        index: usize,
        greeting: &mut Greeting,
    ) -> Result<Done, Failure> {
        let stream = TcpStream::from_std(stream).map_err(|e| Failure::from_io(&e))?;
        let tls = self.tls();
        let listener = tls
            .listener(index)
            .ok_or(Failure::refused(ConnectionReason::ListenerRemoved))?;
        let acceptor =
            LazyConfigAcceptor::new(rustls::server::Acceptor::default(), LastWord::new(stream));
        let hello = acceptor.await.map_err(|e| Failure::from_hello(&e))?;
        greeting.sni = hello.client_hello().server_name().map(str::to_owned);
        greeting.shown = Some(listener.shown(greeting.sni.as_deref()));
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
        // A write of the last flight that failed: the connection's first read tells.
        let (tcp, _) = socket.into_parts();
        let session = rustls::Connection::Server(session);
        let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
        // A reload while we shook hands: what counts is what holds now.
        let welcome = if Rc::ptr_eq(&tls, &self.tls()) {
            match (chain.is_empty(), verdict) {
                (true, _) => Welcome::without_certificate(&listener.listener)?,
                (false, Some(Ok(admitted))) => Welcome::shown(admitted, &listener.listener)?,
                (false, Some(Err(decision))) => return Err(Failure::decided(decision)),
                // A certificate without a decision: a session that passed no verifier. Never a client, never a peer.
                (false, None) => return Err(Failure::refused(ConnectionReason::Undecided)),
            }
        } else {
            self.still_welcome(index, &chain)?
        };
        Ok(Done {
            local: tcp.local_addr().map_err(|e| Failure::from_io(&e))?,
            tcp,
            session,
            chain,
            welcome,
        })
    }

    fn inbound_up(
        self: &Rc<Self>,
        done: Done,
        remote: SocketAddr,
        listener: usize,
        sni: Option<String>,
        started: Instant,
    ) {
        let now = clock::now();
        let number = self.number();
        let Done {
            tcp,
            local,
            session,
            chain,
            welcome: Welcome { identity, client },
        } = done;
        if let Identity::Peer(peer) = &identity {
            self.tell_observed("inbound", remote, peer.decision());
        }
        let decision = match &identity {
            Identity::Peer(peer) => Some(Arc::clone(peer.decision())),
            Identity::Client => client.as_ref().map(|client| Arc::clone(client.decision())),
        };
        self.tally.tell(accepted_event(
            "inbound",
            number,
            remote,
            self.listener_name(listener),
            sni,
            &session,
            decision,
            now - started,
        ));
        // RFC 5923 §8.1: our requests go back on it only if its certificate would also pass as a server's.
        let requests = match &identity {
            Identity::Client => true,
            Identity::Peer(peer) => self.passes_as_server(&chain, peer),
        };
        let arrival = Arrival {
            number,
            identity,
            client,
            via: Via::Listener(listener),
            chain,
            shown: None,
            tcp,
            tls: session,
            remote,
            local,
            unconfirmed: None,
        };
        self.enter(|id| Link::new(id, arrival, now), requests);
    }

    pub(super) fn failed_inbound(
        &self,
        remote: SocketAddr,
        listener: usize,
        greeting: Greeting,
        failure: Failure,
    ) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.sources.leave(remote.ip());
        let via = self.listener_name(listener);
        let event = failure.event("inbound", remote, via, greeting.sni, greeting.shown);
        self.tally.tell(event);
    }

    fn listener_name(&self, listener: usize) -> String {
        self.listeners.get(listener).cloned().unwrap_or_default()
    }
}

/// What an inbound handshake has come to so far.
#[derive(Default)]
pub(super) struct Greeting {
    /// The name that was asked for.
    pub(super) sni: Option<String>,
    /// The chain that answers to it.
    pub(super) shown: Option<Arc<Shown>>,
}

/// A finished handshake.
struct Done {
    tcp: TcpStream,
    local: SocketAddr,
    session: rustls::Connection,
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    welcome: Welcome,
}

/// Who has come in.
pub(super) struct Welcome {
    pub(super) identity: Identity,
    /// Of a client that showed a certificate: what was made of it.
    pub(super) client: Option<ClientId>,
}

impl Welcome {
    /// Somebody who has shown no certificate.
    pub(super) fn without_certificate(listener: &Listener) -> Result<Self, Failure> {
        if listener.takes_clients_without_certificate() {
            Ok(Self {
                identity: Identity::Client,
                client: None,
            })
        } else if listener.accept.clients() {
            Err(Failure::refused(ConnectionReason::NoCertificate))
        } else {
            Err(Failure::refused(ConnectionReason::ClientNotAccepted))
        }
    }

    /// Somebody whose certificate was judged.
    pub(super) fn shown(admitted: Admitted, listener: &Listener) -> Result<Self, Failure> {
        match admitted {
            Admitted::Peer(peer) if listener.accept.peers() => Ok(Self {
                identity: Identity::Peer(peer),
                client: None,
            }),
            Admitted::Peer(_) => Err(Failure::refused(ConnectionReason::PeerNotAccepted)),
            Admitted::Client(client) => Ok(Self {
                identity: Identity::Client,
                client: Some(client),
            }),
        }
    }
}

/// The event of a handshake that passed.
#[expect(clippy::too_many_arguments, reason = "each is a field of the event")]
pub(super) fn accepted_event(
    direction: &'static str,
    connection: u64,
    remote: SocketAddr,
    via: String,
    sni: Option<String>,
    session: &rustls::Connection,
    decision: Option<Arc<Decision>>,
    took: std::time::Duration,
) -> Event {
    let Negotiated {
        version,
        cipher,
        group,
    } = negotiated(session);
    Event::HandshakeAccepted {
        direction,
        connection,
        remote,
        via,
        sni,
        version,
        cipher,
        group,
        decision,
        took,
    }
}

/// What the two sides of a TLS session agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Protocol version, e.g. `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Key exchange group.
    pub group: String,
}

/// Reads it from a finished handshake.
pub(super) fn negotiated(session: &rustls::Connection) -> Negotiated {
    let text = |value: Option<String>| value.unwrap_or_default();
    Negotiated {
        version: text(session.protocol_version().map(version_name)),
        cipher: text(
            session
                .negotiated_cipher_suite()
                .and_then(|s| s.suite().as_str())
                .map(str::to_owned),
        ),
        group: text(
            session
                .negotiated_key_exchange_group()
                .and_then(|g| g.name().as_str())
                .map(str::to_owned),
        ),
    }
}

/// A protocol version as OpenSSL and most tools write it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library negotiates no other; its enum is open"
)]
fn version_name(version: rustls::ProtocolVersion) -> String {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}
