//! Inbound handshakes: capped, under a deadline, each ending in exactly one event, apart from the relaying of others.
use super::clock;
use super::link::{Link, Via};
use super::shard::Shard;
use crate::observe::Event;
use crate::proxy::Identity;
use crate::trust::Decision;
use rustls::AlertDescription;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// How a handshake failed.
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) detail: Option<String>,
    pub(super) decision: Option<Arc<Decision>>,
}

impl Refusal {
    pub(super) fn of(reason: &'static str) -> Self {
        Self {
            reason,
            detail: None,
            decision: None,
        }
    }

    /// From what the TLS library says.
    pub(super) fn from_io(error: &std::io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            Some(rustls::Error::AlertReceived(alert)) => Self {
                reason: "alert_received",
                detail: Some(alert_code(*alert).to_owned()),
                decision: None,
            },
            Some(error) => Self {
                reason: "tls_error",
                detail: Some(error.to_string()),
                decision: None,
            },
            None if matches!(
                error.kind(),
                std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::BrokenPipe
            ) =>
            {
                Self::of("closed")
            }
            None => Self {
                reason: "io_error",
                detail: Some(error.to_string()),
                decision: None,
            },
        }
    }
}

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
        let reason = if self.draining.get() {
            Some("draining")
        } else if self.handshakes.get() >= limits.handshakes {
            Some("too_many_handshakes")
        } else if self.live() >= limits.connections {
            Some("too_many_connections")
        } else {
            None
        };
        if let Some(reason) = reason {
            self.refused_inbound(remote, listener, None, Refusal::of(reason));
            return;
        }
        self.handshakes.set(self.handshakes.get() + 1);
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut sni = None;
            let bound = limits
                .handshake_timeout
                .saturating_sub(clock::now().saturating_duration_since(started));
            let outcome =
                tokio::time::timeout(bound, shard.shake_hands(stream, listener, &mut sni)).await;
            shard.handshakes.set(shard.handshakes.get() - 1);
            match outcome {
                Ok(Ok(_)) if shard.draining.get() => {
                    shard.refused_inbound(remote, listener, sni, Refusal::of("draining"));
                }
                Ok(Ok(done)) => shard.inbound_up(done, remote, listener, sni, started),
                Ok(Err(refusal)) => shard.refused_inbound(remote, listener, sni, refusal),
                Err(_) => shard.refused_inbound(remote, listener, sni, Refusal::of("timeout")),
            }
        });
    }

    async fn shake_hands(
        &self,
        stream: std::net::TcpStream,
        listener: usize,
        sni: &mut Option<String>,
    ) -> Result<Done, Refusal> {
        let stream = TcpStream::from_std(stream).map_err(|e| Refusal::from_io(&e))?;
        let tls = self.tls();
        let listener = tls
            .listener(listener)
            .ok_or(Refusal::of("listener_removed"))?;
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let hello = acceptor.await.map_err(|e| Refusal::from_io(&e))?;
        *sni = hello.client_hello().server_name().map(str::to_owned);
        let mut accept = Box::pin(hello.into_stream(Arc::clone(&listener.config)));
        let mut verdict = None;
        // The verifier runs inside a poll, on this thread: what it concluded is taken before another handshake's
        // poll can conclude something else.
        let outcome = std::future::poll_fn(|context| {
            let polled = accept.as_mut().poll(context);
            if let Some(concluded) = listener.verifier.take() {
                verdict = Some(concluded);
            }
            polled
        })
        .await;
        let stream = match (outcome, &verdict) {
            (Ok(stream), _) => stream,
            (Err(_), Some(Err(decision))) => {
                return Err(Refusal {
                    reason: decision.reason.code(),
                    detail: None,
                    decision: Some(Arc::clone(decision)),
                });
            }
            (Err(error), _) => return Err(Refusal::from_io(&error)),
        };
        let (tcp, session) = stream.into_inner();
        let session = rustls::Connection::Server(session);
        let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
        let identity = match (chain.is_empty(), verdict) {
            (true, _) if listener.accept.clients() => Identity::Client,
            (true, _) => return Err(Refusal::of("client_not_accepted")),
            (false, Some(Ok(peer))) if listener.accept.peers() => Identity::Peer(peer),
            (false, Some(Ok(_))) => return Err(Refusal::of("peer_not_accepted")),
            (false, Some(Err(decision))) => {
                return Err(Refusal {
                    reason: decision.reason.code(),
                    detail: None,
                    decision: Some(decision),
                });
            }
            // A certificate without a decision: a session that passed no verifier. Never a client, never a peer.
            (false, None) => return Err(Refusal::of("undecided")),
        };
        Ok(Done {
            tcp,
            session,
            chain,
            identity,
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
            session,
            chain,
            identity,
        } = done;
        let decision = match &identity {
            Identity::Peer(peer) => Some(Arc::clone(peer.decision())),
            Identity::Client => None,
        };
        self.log.emit(accepted_event(
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
        self.enter(
            |id| {
                Link::new(
                    id,
                    number,
                    identity,
                    Via::Listener(listener),
                    chain,
                    None,
                    tcp,
                    session,
                    now,
                )
            },
            requests,
        );
    }

    fn refused_inbound(
        &self,
        remote: SocketAddr,
        listener: usize,
        sni: Option<String>,
        refusal: Refusal,
    ) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.sources.leave(remote.ip());
        self.log.emit(Event::HandshakeRefused {
            direction: "inbound",
            remote,
            via: self.listener_name(listener),
            sni,
            reason: refusal.reason,
            detail: refusal.detail,
            decision: refusal.decision,
        });
    }

    fn listener_name(&self, listener: usize) -> String {
        self.listeners.get(listener).cloned().unwrap_or_default()
    }
}

/// A finished handshake.
struct Done {
    tcp: TcpStream,
    session: rustls::Connection,
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    identity: Identity,
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
    let text = |value: Option<String>| value.unwrap_or_default();
    Event::HandshakeAccepted {
        direction,
        connection,
        remote,
        via,
        sni,
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
        decision,
        took,
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

/// The name of an alert (RFC 8446 §6) as a stable word.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum is open: a number without a name is an alert too"
)]
pub(super) fn alert_code(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UnexpectedMessage => "alert_unexpected_message",
        AlertDescription::BadRecordMac => "alert_bad_record_mac",
        AlertDescription::RecordOverflow => "alert_record_overflow",
        AlertDescription::HandshakeFailure => "alert_handshake_failure",
        AlertDescription::NoCertificate => "alert_no_certificate",
        AlertDescription::BadCertificate => "alert_bad_certificate",
        AlertDescription::UnsupportedCertificate => "alert_unsupported_certificate",
        AlertDescription::CertificateRevoked => "alert_certificate_revoked",
        AlertDescription::CertificateExpired => "alert_certificate_expired",
        AlertDescription::CertificateUnknown => "alert_certificate_unknown",
        AlertDescription::IllegalParameter => "alert_illegal_parameter",
        AlertDescription::UnknownCA => "alert_unknown_ca",
        AlertDescription::AccessDenied => "alert_access_denied",
        AlertDescription::DecodeError => "alert_decode_error",
        AlertDescription::DecryptError => "alert_decrypt_error",
        AlertDescription::ProtocolVersion => "alert_protocol_version",
        AlertDescription::InsufficientSecurity => "alert_insufficient_security",
        AlertDescription::InternalError => "alert_internal_error",
        AlertDescription::UserCanceled => "alert_user_canceled",
        AlertDescription::MissingExtension => "alert_missing_extension",
        AlertDescription::UnrecognisedName => "alert_unrecognised_name",
        AlertDescription::BadCertificateStatusResponse => "alert_bad_certificate_status_response",
        AlertDescription::CertificateRequired => "alert_certificate_required",
        AlertDescription::NoApplicationProtocol => "alert_no_application_protocol",
        _ => "alert_other",
    }
}
