//! Connections of a shard that come and go: what the log, the peer's state and the core learn of it.
//!
//! A peer is up in a shard while it has a confirmed connection there. Each connection begins with one event and ends with
//! one; a dialled one that the server refuses after its handshake has neither, but counts as a failed handshake.
use super::admission::Admission;
use super::clock;
use super::connection::{Connection, Established};
use super::ending::Ending;
use super::inbox::ShardMessage;
use super::shard::Shard;
use super::unconfirmed::{Unconfirmed, late_failure};
use crate::observe::{Event, HandshakeSides};
use crate::proxy::{LinkEvent, RemoteIdentity};
use crate::reason::Reason;
use crate::topology::{Direction, DnsName};
use crate::trust::Decision;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

impl Shard {
    /// Enters a connection that has passed its handshake; its reading task is the caller's to start. `requests`: whether
    /// requests of this node may be sent on it.
    pub(super) fn enter(&self, established: Established, requests: bool) -> Option<Rc<Connection>> {
        let now = clock::now();
        // The table hands out the id first: the connection carries it in what it hands to the core.
        let connection = self
            .connections
            .borrow_mut()
            .insert(self.shared.index, |id| {
                Connection::new(id, established, now)
            })?;
        // A connection that the server may still refuse does not make its peer "up".
        if connection.unconfirmed.borrow().is_none() {
            self.count_peer_up(&connection);
        } else {
            // Who answers has taken the certificate: the connection counts sooner than by its next request.
            self.flush_queue.ping(&connection, &self.buffers);
        }
        // At that second the decision no longer holds, whether anything else changes or not.
        if let Some(ends) = connection.decision_ends() {
            self.calendar.add(ends);
        }
        // The core decides by it which requests the connection may send and receive.
        let identity = connection.origin.borrow().identity.clone();
        // What has waited for the peer is sent by the core's answer to this.
        self.later(LinkEvent::Up {
            link: connection.id,
            identity,
            remote: connection.remote(),
            requests,
        });
        self.settle();
        // The core has opened it with the event: both count what they keep for whoever is there.
        let account = self.core.borrow().account(connection.id);
        if let Some(account) = account {
            connection.count_for(&account);
            // A chain may be much at once.
            if connection.has_chain() {
                self.look_at_memory(&connection);
            }
        }
        Some(connection)
    }

    /// Logs what the strictest policies and the pins would have refused in a peer that is only observed (`observe` in
    /// the topology); nothing else follows from it.
    pub(super) fn log_would_refuse(
        &self,
        direction: Direction,
        remote: SocketAddr,
        decision: &Decision,
    ) {
        if let Some((reason, detail)) = &decision.would_refuse {
            self.shared.log.record(Event::WouldRefuse {
                direction,
                remote,
                reason: (*reason).into(),
                detail: detail.clone(),
                decision: decision.id.clone(),
                peer: decision.peer_name.clone(),
                line: decision.line,
            });
        }
    }

    /// The server has sent something after the handshake, or been silent for long enough: it has accepted this node's
    /// certificate, and the connection counts from now on.
    pub(super) fn confirm(&self, connection: &Connection) {
        if let Some(unconfirmed) = connection.unconfirmed.take() {
            self.confirmed(connection, *unconfirmed);
        }
    }

    /// What was held back while the verdict was out.
    fn confirmed(&self, connection: &Connection, unconfirmed: Unconfirmed) {
        self.shared.log.record(unconfirmed.accepted);
        self.count_peer_up(connection);
    }

    /// A connection's task is over. `admission` is what an accepted one held until now.
    pub(super) fn closed(
        &self,
        connection: &Connection,
        ending: Ending,
        admission: Option<Admission>,
    ) {
        // First of all out of the table: nothing that follows may write to it any more. Its place is free before the event,
        // since who reads that may connect anew.
        self.connections.borrow_mut().remove(connection.id);
        drop(admission);
        match connection.unconfirmed.take() {
            Some(unconfirmed) => self.closed_unconfirmed(connection, ending, *unconfirmed),
            None => self.closed_confirmed(connection, ending),
        }
        let gone = LinkEvent::Gone {
            link: connection.id,
        };
        // The shards that have sent to it have transactions on it: their cores must learn of the end.
        let used_by = connection.used_by.get();
        for shard in (0..64u8).filter(|s| used_by & (1 << s) != 0 && *s != self.shared.index) {
            // A shard whose inbox is full learns of it when its next message comes back.
            self.send_to(shard, ShardMessage::Link(gone.clone()));
        }
        self.later(gone);
        self.settle();
        // A drain waits for the last one.
        self.ended.notify_waiters();
    }

    /// The end of a connection that counted: an event, and the peer is down if it was its last.
    fn closed_confirmed(&self, connection: &Connection, ending: Ending) {
        let reason = ending.reason();
        let event = Event::ConnectionClosed {
            connection: connection.number,
            remote: connection.remote(),
            peer: connection.peer.as_deref().map(str::to_owned),
            closed_by: ending.closed_by(),
            reason,
            trust_reason: connection.withdrawn.get().map(|(_, why)| why),
            messages_in: connection.messages_in.get(),
            messages_out: connection.messages_out.get(),
            open: clock::now().saturating_duration_since(connection.since),
        };
        self.record_unless(connection.is_check, event);
        if let Some(peer) = &connection.peer
            && self.peer_states.disconnected(peer)
        {
            self.peer_down((peer.to_string(), None), reason, None, true);
        }
    }

    /// The end of a dialled connection that the server had not confirmed: its handshake has failed after all, unless
    /// this node has closed it.
    fn closed_unconfirmed(
        &self,
        connection: &Connection,
        ending: Ending,
        unconfirmed: Unconfirmed,
    ) {
        let decision = match &connection.origin.borrow().identity {
            RemoteIdentity::Peer(peer) => Some(Arc::clone(peer.decision())),
            RemoteIdentity::Client | RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => {
                None
            }
        };
        // Closed by this node before the server had spoken: the handshake counts as accepted, and its
        // events come in order.
        let Some(failure) = late_failure(ending, decision) else {
            self.confirmed(connection, unconfirmed);
            return self.closed_confirmed(connection, ending);
        };
        let reason = failure.reason();
        // Only dialled connections wait for a verdict, and those have a peer.
        let peer = connection.peer.as_deref().unwrap_or_default().to_owned();
        let name = connection.covered_name();
        let fqdn = self.with_topology(|topology| {
            let listed = topology.peer_by_name(&peer)?;
            Some(topology.peer(listed).fqdn.clone())
        });
        let sni = name.as_ref().or(fqdn.as_ref());
        let sni = sni.map_or(peer.as_str(), DnsName::as_str);
        let sides = HandshakeSides::outbound(connection.remote(), &peer, sni);
        let event = failure.event(sides, unconfirmed.shown);
        self.record(event);
        // As after any failed connect: a server that refuses the certificate is not dialled again at once.
        let now = clock::now();
        let retry_at =
            self.dialler
                .failed((&peer, name.as_ref()), (reason, false), &self.limits(), now);
        // The log shows the pause, so that nobody looks for a second failure meanwhile.
        let retry_in = retry_at.saturating_duration_since(now);
        self.peer_down((peer, name.as_ref()), reason, Some(retry_in), true);
    }

    // ---- peers ----

    /// Counts a peer's connection; the first makes it "up" for this shard.
    fn count_peer_up(&self, connection: &Connection) {
        if let Some(peer) = &connection.peer
            && self.peer_states.connected(peer)
        {
            self.shared.log.record(Event::PeerConnected {
                peer: peer.to_string(),
                shard: u16::from(self.shared.index),
            });
        }
    }

    /// Logs that a peer is down, or counts it where that is nothing new, and keeps why for `sipward status`; under a name
    /// that it covers it is only logged.
    pub(super) fn peer_down(
        &self,
        (peer, name): (String, Option<&DnsName>),
        reason: Reason,
        retry_in: Option<Duration>,
        is_new: bool,
    ) {
        // Names come from the topology, so that its number of peers bounds what is kept.
        if name.is_none() {
            self.with_topology(|topology| {
                let is_listed = |name: &str| topology.peer_by_name(name).is_some();
                let most = topology.peers().len();
                self.peer_states.went_down(&peer, reason, most, is_listed);
            });
        }
        let event = Event::PeerDisconnected {
            peer,
            sni: name.map(ToString::to_string),
            shard: u16::from(self.shared.index),
            reason,
            retry_in,
        };
        if is_new {
            self.record(event);
        } else {
            self.shared.log.count(event.kind(), event.reason());
        }
    }
}
