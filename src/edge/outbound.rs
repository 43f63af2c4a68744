//! Connections that a shard makes to peers: on demand, one at a time for each peer, with back-off.
use super::clock;
use super::connection::Established;
use super::dial::{self, Dialled, Failed};
use super::failed::Failure;
use super::negotiated::accepted_event;
use super::opened::Opened;
use super::reading::Reader;
use super::shard::Shard;
use super::unconfirmed::Unconfirmed;
use crate::observe::{Event, HandshakeSides};
use crate::proxy::{LinkEvent, RemoteIdentity};
use crate::reason::{ConnectionReason, Reason};
use crate::topology::{Direction, Peer, PeerRef};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Addresses of one peer that are tried for one connect: what waits for the peer would not wait for more.
const MOST_ADDRESSES: usize = 16;

impl Shard {
    /// Starts the connects that the core asks for.
    pub(super) async fn run_dials(self: Rc<Self>) {
        loop {
            for peer in self.dialler.take_wanted() {
                tokio::task::spawn_local(Rc::clone(&self).dial(peer));
            }
            self.dialler.ready().await;
        }
    }

    async fn dial(self: Rc<Self>, reference: PeerRef) {
        let epoch = self.dialler.epoch();
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
        if let Some(until) = self.dialler.waits_until(fqdn, clock::now()) {
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                reason: ConnectionReason::BackingOff.into(),
                retry_at: until,
            });
            return self.settle();
        }
        let connecting = self.dialler.begin();
        let outcome = self.dial_addresses(reference, &peer).await;
        drop(connecting);
        self.ended.notify_waiters();
        if self.dialler.epoch() != epoch {
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
        let resolver = self.resolver();
        let Ok(found) = tokio::time::timeout(bound, resolver.find(peer)).await else {
            return Err(ConnectionReason::LookupTimeout.into());
        };
        let found = found.map_err(super::resolver::NoAddress::reason)?;
        if found.stale {
            self.shared.log.record(Event::LookupStale {
                peer: peer.fqdn.to_string(),
            });
        }
        let addresses = found.addresses;
        let mut last: Reason = ConnectionReason::NoAddress.into();
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let started = clock::now();
            let epoch = self.dialler.epoch();
            let tls = self.tls();
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(Failure::aborted(ConnectionReason::Draining).into()),
                outcome = tokio::time::timeout(bound, dial::shake_hands(&tls, reference, address)) => {
                    outcome.unwrap_or_else(|_| Err(Failure::aborted(ConnectionReason::Timeout).into()))
                }
            };
            let reloaded = self.dialler.epoch() != epoch;
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
            let sides = HandshakeSides::outbound(address, peer.fqdn.as_str());
            self.shared.log.record(failure.event(sides, shown));
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
        self.log_would_refuse(Direction::Outbound, address, dialled.identity.decision());
        let decision = Some(Arc::clone(dialled.identity.decision()));
        let accepted = accepted_event(
            HandshakeSides::outbound(address, peer.fqdn.as_str()),
            number,
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
            self.shared.log.record(accepted);
            None
        };
        let chain = dialled.tls.peer_certificates().unwrap_or_default();
        let established = Established {
            number,
            identity: RemoteIdentity::Peer(dialled.identity),
            client: None,
            opened: Opened::Dialled,
            chain: chain.to_vec(),
            shown: dialled.shown,
            tcp: dialled.tcp,
            tls: dialled.tls,
            remote: address,
            local: dialled.local,
            unconfirmed,
            keep_alive: peer.keepalive,
        };
        Reader::start(self, established, true, None);
    }
}
