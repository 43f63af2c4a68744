//! Connections that we make to peers: on demand, one at a time for each peer and shard, with back-off.
use super::clock;
use super::dial::{self, Dialled, Failed};
use super::failed::Failure;
use super::handshake::accepted_event;
use super::late::Unconfirmed;
use super::link::{Arrival, Link, Via};
use super::shard::Shard;
use crate::proxy::{Identity, LinkEvent};
use crate::reason::{ConnectionReason, Reason};
use crate::topology::{Limits, Peer, PeerRef};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

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
    /// Connects under way.
    pub(super) running: Cell<usize>,
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
                reason: ConnectionReason::BackingOff.into(),
                retry_at: until,
            });
            return self.settle();
        }
        self.dialler.running.set(self.dialler.running.get() + 1);
        let outcome = self.dial_addresses(reference, &peer).await;
        self.dialler.running.set(self.dialler.running.get() - 1);
        self.ended.notify_waiters();
        if self.dialler.epoch.get() != epoch {
            return;
        }
        if let Err(reason) = outcome {
            let now = clock::now();
            let retry_at = self.dialler.failed(fqdn, &self.limits(), now);
            self.peer_down(
                fqdn.to_owned(),
                reason,
                Some(retry_at.saturating_duration_since(now)),
            );
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
    ) -> Result<(), Reason> {
        let bound = self.limits().connect_timeout;
        let names = self.names();
        let Ok(found) = tokio::time::timeout(bound, names.find(peer)).await else {
            return Err(ConnectionReason::LookupTimeout.into());
        };
        let found = found.map_err(super::resolver::NoAddress::reason)?;
        if found.stale {
            self.log.record(crate::observe::Event::LookupStale {
                peer: peer.fqdn.to_string(),
            });
        }
        let addresses = found.addresses;
        let mut last: Reason = ConnectionReason::NoAddress.into();
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let started = clock::now();
            let epoch = self.dialler.epoch.get();
            let tls = self.tls();
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(Failure::aborted(ConnectionReason::Draining).into()),
                outcome = tokio::time::timeout(bound, dial::shake_hands(&tls, reference, address)) => {
                    outcome.unwrap_or_else(|_| Err(Failure::aborted(ConnectionReason::Timeout).into()))
                }
            };
            let reloaded = self.dialler.epoch.get() != epoch;
            let failed = match outcome {
                // The core has asked anew since.
                Ok(_) if reloaded => Failure::aborted(ConnectionReason::Reloaded).into(),
                Ok(dialled) => {
                    self.outbound_up(peer, address, dialled, started);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let Failed { failure, shown } = failed;
            last = failure.reason();
            let fqdn = peer.fqdn.to_string();
            let event = failure.event("outbound", address, fqdn.clone(), Some(fqdn), shown);
            self.tally.tell(event);
            if reloaded {
                return Err(ConnectionReason::Reloaded.into());
            }
        }
        Err(last)
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
        let fqdn = peer.fqdn.to_string();
        self.tell_observed("outbound", address, dialled.identity.decision());
        let decision = Some(Arc::clone(dialled.identity.decision()));
        let accepted = accepted_event(
            "outbound",
            number,
            address,
            fqdn.clone(),
            Some(fqdn),
            &dialled.tls,
            decision,
            now - started,
        );
        let unconfirmed = if dialled.verdict_is_out() {
            Some(Box::new(Unconfirmed {
                accepted,
                shown: dialled.chain_shown,
                until: now + self.limits().handshake_timeout,
            }))
        } else {
            self.log.record(accepted);
            None
        };
        let chain = dialled.tls.peer_certificates().unwrap_or_default();
        let arrival = Arrival {
            number,
            identity: Identity::Peer(dialled.identity),
            client: None,
            via: Via::Dialled,
            chain: chain.to_vec(),
            shown: dialled.shown,
            tcp: dialled.tcp,
            tls: dialled.tls,
            remote: address,
            local: dialled.local,
            unconfirmed,
        };
        self.enter(
            |id| {
                let link = Link::new(id, arrival, now);
                link.keep_alive.start(peer.keepalive, number);
                link
            },
            true,
        );
    }

    /// A link that we dialled has carried something back: the peer has accepted our certificate for good.
    pub(super) fn dialled_well(&self, fqdn: &str) {
        self.dialler.peers.borrow_mut().remove(fqdn);
    }
}
