//! Connections that we make to peers: on demand, one at a time for each peer and shard, with back-off.
use super::clock;
use super::handshake::{Refusal, accepted_event};
use super::link::{Ending, Link, Via};
use super::shard::Shard;
use crate::observe::Event;
use crate::proxy::{Identity, LinkEvent};
use crate::topology::{DialAddress, Limits, Peer, PeerRef};
use rustls_pki_types::ServerName;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The port of SIP over TLS (RFC 3261 §19.1.2).
const SIPS_PORT: u16 = 5061;
/// Addresses of one peer that are tried for one connect.
const MOST_ADDRESSES: usize = 16;

/// What a shard knows of its connects.
#[derive(Default)]
pub(super) struct Dialler {
    wanted: RefCell<Vec<PeerRef>>,
    ready: Notify,
    peers: RefCell<HashMap<String, Back>>,
    /// Counts generations: a connect that began before a reload is thrown away, since the core has asked anew.
    epoch: Cell<u64>,
}

/// Back-off of one peer.
#[derive(Clone, Copy)]
struct Back {
    pause: Duration,
    until: Instant,
}

impl Dialler {
    /// The core wants a connection.
    pub(super) fn want(&self, peer: PeerRef) {
        self.wanted.borrow_mut().push(peer);
        self.ready.notify_one();
    }

    /// A new generation: what was asked for before is void.
    pub(super) fn forget(&self) {
        self.wanted.borrow_mut().clear();
        self.peers.borrow_mut().clear();
        self.epoch.set(self.epoch.get() + 1);
    }

    /// Notes a failure; gives when the next try is due.
    pub(super) fn failed(&self, fqdn: &str, limits: &Limits, now: Instant) -> Instant {
        let mut peers = self.peers.borrow_mut();
        let pause = peers
            .get(fqdn)
            .map_or(limits.backoff_min, |back| {
                (back.pause * 2).min(limits.backoff_max)
            })
            .max(Duration::from_millis(10));
        // Up to a quarter more, so that the shards and nodes do not knock in step.
        let spread =
            Duration::from_nanos(u64::from(random_u16()) * (pause.as_nanos() as u64 / 4) / 65_536);
        let until = now + pause + spread;
        peers.insert(fqdn.to_owned(), Back { pause, until });
        until
    }

    fn until(&self, fqdn: &str, now: Instant) -> Option<Instant> {
        self.peers
            .borrow()
            .get(fqdn)
            .map(|b| b.until)
            .filter(|until| *until > now)
    }
}

fn random_u16() -> u16 {
    let mut octets = [0; 2];
    // Without randomness the pauses are merely not spread.
    let _ = aws_lc_rs::rand::fill(&mut octets);
    u16::from_le_bytes(octets)
}

impl Shard {
    /// Starts the connects that the core asks for.
    pub(super) async fn dial_loop(self: Rc<Self>) {
        loop {
            let wanted = std::mem::take(&mut *self.dialler.wanted.borrow_mut());
            for peer in wanted {
                tokio::task::spawn_local(Rc::clone(&self).dial(peer));
            }
            self.dialler.ready.notified().await;
        }
    }

    async fn dial(self: Rc<Self>, reference: PeerRef) {
        let epoch = self.dialler.epoch.get();
        let tls = self.tls();
        let Some(peer) = tls
            .generation()
            .topology()
            .peers()
            .get(reference.index())
            .cloned()
        else {
            return;
        };
        let fqdn = peer.fqdn.as_str();
        if let Some(until) = self.dialler.until(fqdn, clock::now()) {
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                reason: "backing_off",
                retry_at: until,
            });
            return self.settle();
        }
        let outcome = self.dial_addresses(reference, &peer).await;
        if self.dialler.epoch.get() != epoch {
            return;
        }
        if let Err(reason) = outcome {
            let now = clock::now();
            let retry_at = self.dialler.failed(fqdn, &self.limits(), now);
            self.log.emit(Event::PeerDown {
                peer: fqdn.to_owned(),
                shard: u16::from(self.index),
                reason,
                retry_in: Some(retry_at.saturating_duration_since(now)),
            });
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                reason,
                retry_at,
            });
            self.settle();
        }
    }

    /// Tries the peer's addresses in order. Gives the last one's reason when none will do.
    async fn dial_addresses(
        self: &Rc<Self>,
        reference: PeerRef,
        peer: &Peer,
    ) -> Result<(), &'static str> {
        let bound = self.limits().connect_timeout;
        let Ok(addresses) = tokio::time::timeout(bound, resolve(peer)).await else {
            return Err("lookup_timeout");
        };
        let mut last = "no_address";
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let started = clock::now();
            let epoch = self.dialler.epoch.get();
            let outcome =
                tokio::time::timeout(bound, self.dial_address(reference, peer, address)).await;
            if self.dialler.epoch.get() != epoch {
                return Err("reloaded");
            }
            let refusal = match outcome {
                Ok(Ok(dialled)) => {
                    self.outbound_up(peer, address, dialled, started);
                    return Ok(());
                }
                Ok(Err(refusal)) => refusal,
                Err(_) => Refusal::of("timeout"),
            };
            last = refusal.reason;
            self.log.emit(Event::HandshakeRefused {
                direction: "outbound",
                remote: address,
                via: peer.fqdn.to_string(),
                sni: Some(peer.fqdn.to_string()),
                reason: refusal.reason,
                detail: refusal.detail,
                decision: refusal.decision,
            });
        }
        Err(last)
    }

    async fn dial_address(
        &self,
        reference: PeerRef,
        peer: &Peer,
        address: SocketAddr,
    ) -> Result<Dialled, Refusal> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that connects, to an address of a listed peer"
        )]
        let connect = TcpStream::connect(address);
        let tcp = connect.await.map_err(|error| Refusal {
            reason: if error.kind() == std::io::ErrorKind::ConnectionRefused {
                "connection_refused"
            } else {
                "connect_failed"
            },
            detail: Some(error.to_string()),
            decision: None,
        })?;
        super::acceptor::prepare(&socket2::SockRef::from(&tcp));
        let tls = self.tls();
        let (config, verifier) = tls.towards(reference).map_err(|e| Refusal {
            reason: "tls_error",
            detail: Some(e.to_string()),
            decision: None,
        })?;
        let name = ServerName::try_from(peer.fqdn.as_str().to_owned())
            .map_err(|_| Refusal::of("tls_error"))?;
        let outcome = tokio_rustls::TlsConnector::from(config)
            .connect(name, tcp)
            .await;
        let verdict = verifier.take();
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
        let Some(Ok(identity)) = verdict else {
            return Err(Refusal::of("undecided"));
        };
        let (tcp, session) = stream.into_inner();
        let topology = tls.generation().topology();
        let identity_of_ours = topology.identity(peer.identity);
        let pair = identity_of_ours
            .client
            .as_ref()
            .unwrap_or(&identity_of_ours.server);
        let shown = pair.chain.first().map(|leaf| (peer.identity, leaf.clone()));
        Ok(Dialled {
            tcp,
            session: rustls::Connection::Client(session),
            identity,
            shown,
        })
    }

    fn outbound_up(
        self: &Rc<Self>,
        peer: &Peer,
        address: SocketAddr,
        dialled: Dialled,
        started: Instant,
    ) {
        let now = clock::now();
        let number = self.number();
        let Dialled {
            tcp,
            session,
            identity,
            shown,
        } = dialled;
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        let fqdn = peer.fqdn.to_string();
        let decision = Some(Arc::clone(identity.decision()));
        self.log.emit(accepted_event(
            "outbound",
            number,
            address,
            fqdn.clone(),
            Some(fqdn),
            &session,
            decision,
            now - started,
        ));
        let identity = Identity::Peer(identity);
        self.enter(
            |id| {
                Link::new(
                    id,
                    number,
                    identity,
                    Via::Dialled,
                    chain,
                    shown,
                    tcp,
                    session,
                    now,
                )
            },
            true,
        );
    }

    /// A link that we dialled has carried something back: the peer has accepted our certificate for good.
    pub(super) fn dialled_well(&self, fqdn: &str) {
        self.dialler.peers.borrow_mut().remove(fqdn);
    }
}

/// A finished outbound handshake.
struct Dialled {
    tcp: TcpStream,
    session: rustls::Connection,
    identity: crate::trust::PeerId,
    shown: Option<(
        crate::topology::IdentityRef,
        rustls_pki_types::CertificateDer<'static>,
    )>,
}

/// The addresses to dial: those of the topology in order, or A and AAAA of the FQDN. DNS is a hint: whoever answers
/// there must still prove to be the peer.
async fn resolve(peer: &Peer) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    let by_name = [DialAddress::Host(peer.fqdn.to_string(), SIPS_PORT)];
    let addresses = if peer.addresses.is_empty() {
        &by_name[..]
    } else {
        &peer.addresses[..]
    };
    for address in addresses {
        match address {
            DialAddress::Socket(address) => found.push(*address),
            DialAddress::Host(host, port) => {
                if let Ok(answers) = tokio::net::lookup_host((host.as_str(), *port)).await {
                    found.extend(answers);
                }
            }
        }
    }
    found
}

/// In TLS 1.3 a server's verdict on our certificate comes after our handshake is done: an alert or end before any
/// message on a link that we dialled means that they refused us.
pub(super) fn refused_after_handshake(link: &Link, ending: Ending) -> bool {
    link.via == Via::Dialled
        && ending.by == "them"
        && link.messages_in.get() == 0
        && ending.reason.starts_with("alert_")
}
