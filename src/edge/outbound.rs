//! Connections that a shard makes to peers: on demand, one at a time for each peer, with back-off.
//!
//! The core asks for a connection when a request or a ping needs one. Addresses come from the topology or from DNS, and
//! are only a hint: whoever answers must prove to be the peer.
use super::clock;
use super::connection::Established;
use super::dial::{self, Dialled, Failed};
use super::dialler::{Connecting, URGENT_CONNECT, WantedConnect};
use super::evidence::{Evidence, Reevaluation};
use super::failed::HandshakeFailure;
use super::negotiated::accepted_event;
use super::opened::Opened;
use super::priority::Priority;
use super::reading::Reader;
use super::shard::Shard;
use super::tls::TlsConfigs;
use super::unconfirmed::Unconfirmed;
use crate::observe::{Event, HandshakeSides};
use crate::proxy::{LinkEvent, RemoteIdentity};
use crate::reason::{ConnectionReason, Reason};
use crate::topology::{Direction, DnsName, Peer};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Addresses of one peer that are tried for one connect: what waits for the peer would not wait for more.
const MOST_ADDRESSES: usize = 16;

impl Shard {
    /// The task that starts the connects which the core asks for, each in a task of its own: a peer that does not answer
    /// must not hold up the others.
    pub(super) async fn run_dials(self: Rc<Self>) {
        loop {
            // The core asks once for each peer until it hears how the connect ended.
            for wanted in self.dialler.take_wanted() {
                tokio::task::spawn_local(Rc::clone(&self).dial(wanted));
            }
            self.dialler.ready().await;
        }
    }

    /// One connect, from the lookup to the connection or to the pause before the next try. Whatever the
    /// outcome, the core hears of it, since requests wait for it.
    async fn dial(self: Rc<Self>, wanted: WantedConnect) {
        let WantedConnect {
            peer: reference,
            // One of the entry's names, where a dialog's Route asks for that machine: it is dialled
            // by the same steps, with a pause of its own.
            name,
            // What waits has nowhere else to go.
            urgent,
        } = wanted;
        // A reload makes what waits void: the core has asked anew, by the new numbers of peers.
        let epoch = self.dialler.epoch();
        let tls = self.tls();
        // Cloned: the generation may be replaced while the connect runs.
        let topology = tls.generation().topology();
        let Some(peer) = topology.find_peer(reference).cloned() else {
            return;
        };
        // The name and not the number: numbers change with each reload.
        let entry = peer.name.as_str();
        let to = (entry.to_owned(), name.clone());
        // It has outlived a reload, after which the core asks for all that it needs: its end is the answer.
        if self.dialler.is_under_way(&to) {
            return;
        }
        // The core knows the pause too, but asks again after a reload, and from several pools.
        let pause = self.dialler.waits_until(entry, name.as_ref(), clock::now());
        // What its callers repeat has one line, and is counted.
        let mut known = None;
        if let Some(until) = pause
            && urgent
            && let Some((at, reason)) = self.dialler.urgent_at(entry, name.as_ref())
        {
            known = Some(reason);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep_until(at.min(until).into()) => {}
            }
            if self.dialler.epoch() != epoch {
                return;
            }
        } else if let Some(until) = pause {
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                name,
                reason: ConnectionReason::BackingOff.into(),
                retry_at: until,
            });
            return self.settle();
        }
        if self.shared.denials.refuses_peer(entry) {
            // Asked for again then: an operator may end the denial before its time.
            let retry_at = clock::now() + self.limits().backoff_max;
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                name,
                reason: ConnectionReason::Denied.into(),
                retry_at,
            });
            return self.settle();
        }
        // Counted while it runs, and only then: a pause is no connect.
        let connecting = self.dialler.begin(reference, to);
        // Under a name of its entry it is the same peer, at another machine.
        let outcome = self
            .dial_addresses(&connecting, name.as_ref(), &peer, known)
            .await;
        let reference = connecting.peer();
        drop(connecting);
        // A drain waits for connects under way.
        self.ended.notify_waiters();
        // The core of the new generation knows nothing of this connect.
        let Some(reference) = reference else {
            return;
        };
        // Only now, after all addresses: the failure of one is no failure of the peer.
        if let Err(reason) = outcome {
            let now = clock::now();
            let how = (reason, known.is_some());
            // A name has a pause of its own: its failure says nothing of the peer.
            let who = (entry, name.as_ref());
            let retry_at = self.dialler.failed(who, how, &self.limits(), now);
            let pause = retry_at.saturating_duration_since(now);
            let is_new = known != Some(reason);
            let who = (entry.to_owned(), name.as_ref());
            self.peer_down(who, reason, Some(pause), is_new);
            self.later(LinkEvent::ConnectFailed {
                peer: reference,
                name,
                reason,
                retry_at,
            });
            self.settle();
        }
    }

    /// Tries the peer's addresses in order; an urgent connect comes with the `known` reason of the last one. Returns the last one's reason when none will do: the first ones have their
    /// events in the log, and the last is what the waiting requests are answered with.
    async fn dial_addresses(
        self: &Rc<Self>,
        connecting: &Connecting<'_>,
        name: Option<&DnsName>,
        peer: &Peer,
        known: Option<Reason>,
    ) -> Result<(), Reason> {
        let bound = match known {
            Some(_) => self.limits().connect_timeout.min(URGENT_CONNECT),
            None => self.limits().connect_timeout,
        };
        let resolver = self.resolver();
        // The lookup has the same bound as a connect: each is one step of what a caller waits for.
        let Ok(found) = tokio::time::timeout(bound, resolver.find(peer, name)).await else {
            return Err(ConnectionReason::LookupTimeout.into());
        };
        let found = found.map_err(super::resolver::NoAddress::reason)?;
        // The name servers are silent: calls go on for now, and the operator learns of it.
        if found.stale {
            self.shared.log.record(Event::LookupStale {
                peer: peer.name.to_string(),
            });
        }
        // At least one; `no_address` is the resolver's own failure.
        let addresses = found.addresses.iter().copied();
        let mut last: Reason = ConnectionReason::NoAddress.into();
        let mut is_wrong = false;
        for address in addresses.take(MOST_ADDRESSES) {
            // Each address has the whole bound: a host that drops packets must not eat up the time of the
            // next one.
            let started = clock::now();
            // By the current numbers: a reload that leaves this connect as it is may have come since.
            let Some(reference) = connecting.peer() else {
                return Err(ConnectionReason::Reloaded.into());
            };
            let tls = self.tls();
            // `stop` comes first, so that a drain ends the connects that it finds.
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(HandshakeFailure::aborted(ConnectionReason::Draining).into()),
                outcome = tokio::time::timeout(bound, dial::shake_hands(&tls, (reference, name), address)) => {
                    outcome.unwrap_or_else(|_| Err(HandshakeFailure::aborted(ConnectionReason::Timeout).into()))
                }
            };
            // A reload that names other addresses, say, or not the peer at all, ends the attempts.
            let reloaded = connecting.peer().is_none();
            let failed = match outcome.and_then(|dialled| self.still_accepted(dialled, &tls, peer))
            {
                // The core has asked anew since.
                Ok(_) if reloaded => HandshakeFailure::aborted(ConnectionReason::Reloaded).into(),
                Ok(dialled) => {
                    self.resolver().prove(&found);
                    self.outbound_up(peer, address, dialled, started);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let Failed { failure, shown } = failed;
            // Kept in case this is the last address.
            last = failure.reason();
            is_wrong |= failure.is_decided();
            let sni = name.unwrap_or(&peer.fqdn).as_str();
            let sides = HandshakeSides::outbound(address, peer.name.as_str(), sni);
            let event = failure.event(sides, shown);
            if known == Some(last) {
                self.shared.log.count(event.kind(), event.reason());
            } else {
                self.record(event);
            }
            if reloaded {
                return Err(ConnectionReason::Reloaded.into());
            }
        }
        // Whoever was there has not proven to be the peer: what DNS said is not believed any longer.
        match is_wrong {
            true => self.resolver().disprove(&found, clock::now()),
            // Nobody was there: the answer may be older than its TTL says.
            false => self.resolver().doubt(&found, clock::now()),
        }
        Err(last)
    }

    /// What counts is what holds now: a reload may have come during the handshake.
    fn still_accepted(
        &self,
        dialled: Dialled,
        tls: &Rc<TlsConfigs>,
        peer: &Peer,
    ) -> Result<Dialled, Failed> {
        let current = self.tls();
        if Rc::ptr_eq(tls, &current) {
            return Ok(dialled);
        }
        let evidence = Evidence {
            opened: Opened::Dialled,
            peer: Some(peer.name.as_str()),
            name: dialled.identity.name(),
            identity: dialled.identity.decision().identity.as_deref(),
            chain: dialled.tls.peer_certificates().unwrap_or_default(),
            shown: dialled.shown.as_ref().map(|(_, leaf)| leaf),
        };
        let failure = match evidence.reevaluate(current.generation(), clock::unix()) {
            Reevaluation::Peer(identity) => {
                return Ok(Dialled {
                    identity,
                    ..dialled
                });
            }
            Reevaluation::Withdrawn(_, Some(decision)) => HandshakeFailure::decided(decision),
            Reevaluation::Withdrawn(reason, None) => HandshakeFailure::refused(reason),
            // It has seen a certificate of this node that is replaced.
            Reevaluation::Outdated(_) | Reevaluation::Client(_) => {
                HandshakeFailure::aborted(ConnectionReason::Reloaded)
            }
        };
        Err(Failed {
            failure,
            shown: dialled.chain_shown,
        })
    }

    /// A finished handshake becomes a connection. While the server's verdict on this node's certificate is
    /// out, its event waits; whoever reads "accepted" may rely on it.
    fn outbound_up(
        self: &Rc<Self>,
        peer: &Peer,
        address: SocketAddr,
        dialled: Dialled,
        started: Instant,
    ) {
        let now = clock::now();
        self.shared.known.saw(address.ip(), Priority::Peer, now);
        // The number is in the event of the handshake and in all later ones of the connection.
        let number = self.number();
        self.log_would_refuse(Direction::Outbound, address, dialled.identity.decision());
        let decision = Some(Arc::clone(dialled.identity.decision()));
        // Made now and perhaps logged later: the session is gone into the connection by then.
        let sni = dialled.identity.name().unwrap_or(&peer.fqdn).as_str();
        let accepted = accepted_event(
            HandshakeSides::outbound(address, peer.name.as_str(), sni),
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
        let established = Established {
            number,
            identity: RemoteIdentity::Peer(dialled.identity),
            client: None,
            opened: Opened::Dialled,
            shown: dialled.shown,
            tcp: dialled.tcp,
            records: dialled.records,
            tls: dialled.tls.into(),
            remote: address,
            local: dialled.local,
            unconfirmed,
            // Who connects keeps the connection alive (RFC 5626 §4.4).
            is_check: false,
            keep_alive: peer.keepalive,
        };
        // A connection to the listed server carries requests without further proof.
        Reader::start(self, established, true, None);
    }
}
