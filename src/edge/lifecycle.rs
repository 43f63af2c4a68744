//! Connections of a shard that come and go: what the log, the peer's state and the core learn of it.
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
use crate::topology::Direction;
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
        let connection = self
            .connections
            .borrow_mut()
            .insert(self.shared.index, |id| {
                Connection::new(id, established, now)
            })?;
        if connection.unconfirmed.borrow().is_none() {
            self.count_peer_up(&connection);
        } else {
            // Who answers has taken the certificate: the connection counts sooner than by its next request.
            self.flush_queue.ping(&connection, &self.buffers);
        }
        if let Some(ends) = connection.decision_ends() {
            self.calendar.add(ends);
        }
        let identity = connection.origin.borrow().identity.clone();
        self.later(LinkEvent::Up {
            link: connection.id,
            identity,
            requests,
        });
        self.settle();
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
                peer: decision.peer_fqdn.clone(),
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
        self.connections.borrow_mut().remove(connection.id);
        drop(admission);
        match connection.unconfirmed.take() {
            Some(unconfirmed) => self.closed_unconfirmed(connection, ending, *unconfirmed),
            None => self.closed_confirmed(connection, ending),
        }
        let gone = LinkEvent::Gone {
            link: connection.id,
        };
        let used_by = connection.used_by.get();
        for shard in (0..64u8).filter(|s| used_by & (1 << s) != 0 && *s != self.shared.index) {
            // A shard whose inbox is full learns of it when its next message comes back.
            self.send_to(shard, ShardMessage::Link(gone.clone()));
        }
        self.later(gone);
        self.settle();
        self.ended.notify_waiters();
    }

    fn closed_confirmed(&self, connection: &Connection, ending: Ending) {
        let reason = ending.reason();
        self.shared.log.record(Event::ConnectionClosed {
            connection: connection.number,
            remote: connection.remote(),
            peer: connection.peer.as_deref().map(str::to_owned),
            closed_by: ending.closed_by(),
            reason,
            trust_reason: connection.withdrawn.get().map(|(_, why)| why),
            messages_in: connection.messages_in.get(),
            messages_out: connection.messages_out.get(),
            open: clock::now().saturating_duration_since(connection.since),
        });
        if let Some(peer) = &connection.peer
            && self.peer_states.disconnected(peer)
        {
            self.peer_down(peer.to_string(), reason, None);
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
            RemoteIdentity::Client => None,
        };
        let Some(failure) = late_failure(ending, decision) else {
            self.confirmed(connection, unconfirmed);
            return self.closed_confirmed(connection, ending);
        };
        let reason = failure.reason();
        let fqdn = connection.peer.as_deref().unwrap_or_default().to_owned();
        let sides = HandshakeSides::outbound(connection.remote(), &fqdn);
        let event = failure.event(sides, unconfirmed.shown);
        self.shared.log.record(event);
        let now = clock::now();
        let retry_at = self.dialler.failed(&fqdn, &self.limits(), now);
        let retry_in = retry_at.saturating_duration_since(now);
        self.peer_down(fqdn, reason, Some(retry_in));
    }

    // ---- peers ----

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

    /// Logs that a peer is down, and keeps why for `sipward status`.
    pub(super) fn peer_down(&self, peer: String, reason: Reason, retry_in: Option<Duration>) {
        self.with_topology(|topology| {
            let is_listed = |name: &str| topology.peer_by_fqdn(name).is_some();
            let most = topology.peers().len();
            self.peer_states.went_down(&peer, reason, most, is_listed);
        });
        self.shared.log.record(Event::PeerDisconnected {
            peer,
            shard: u16::from(self.shared.index),
            reason,
            retry_in,
        });
    }
}
