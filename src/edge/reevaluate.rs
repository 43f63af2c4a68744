//! Live connections decided on again, when something has changed (a reload) or time has passed (a certificate ends, a CRL
//! goes stale): each stays only if trust still accepts what it presented.
//!
//! SIP connections live for weeks. Without this a revoked certificate or a removed peer would keep its access until it
//! disconnects by itself.
use super::calendar::Look;
use super::clock;
use super::connection::Connection;
use super::evidence::{Evidence, Reevaluation};
use super::inbound_identity::passes_as_server;
use super::opened::Opened;
use super::shard::Shard;
use crate::observe::Event;
use crate::proxy::{LinkEvent, RemoteIdentity};
use crate::reason::Reason;
use crate::trust::Decision;
use std::rc::Rc;
use std::time::Duration;

/// The longest sleep between two looks at the calendar: somebody may set the clock, or the machine may have slept.
const LOOK: Duration = Duration::from_secs(60);

impl Shard {
    /// Decides on every connection by the generation that is current now.
    pub(super) fn reevaluate_all(&self) {
        self.reevaluate_those(|_| true);
    }

    /// Decides on the connections that `is_meant` picks. One that has lost its trust does not get it back: its transactions
    /// are ending.
    fn reevaluate_those(&self, is_meant: impl Fn(&Connection) -> bool) {
        for connection in self.all_connections() {
            // Trust comes back with a new connection only.
            if connection.withdrawn.get().is_some() || !is_meant(&connection) {
                continue;
            }
            // It has the other end of what nobody else can have: nothing could be judged again.
            if connection.is_other_process() {
                self.stays(&connection, RemoteIdentity::OtherProcess, true);
                continue;
            }
            match self.reevaluate(&connection) {
                Reevaluation::Client(client) => {
                    // A decision of the new generation: the old one may end sooner.
                    connection.client.replace(client);
                    self.stays(&connection, RemoteIdentity::Client, true);
                }
                Reevaluation::Peer(peer) => {
                    // What a peer presented as a client may pass as a server's now, or no longer (RFC 5923 §8.1).
                    let requests = connection.opened == Opened::Dialled
                        || passes_as_server(&connection.chain, &peer, self.tls().generation());
                    self.stays(&connection, RemoteIdentity::Peer(peer), requests);
                }
                Reevaluation::Withdrawn(reason, decision) => {
                    self.withdraw(&connection, reason, decision.as_deref());
                }
            }
        }
        self.set_calendar();
    }

    /// The same rule that `sipward plan` applies, on the same evidence.
    fn reevaluate(&self, connection: &Connection) -> Reevaluation {
        let tls = self.tls();
        // The listener is looked up anew: a reload may have changed or removed it.
        // It was proven under this one, and must be again.
        let name = connection.covered_name();
        let identity = connection.identity();
        let evidence = Evidence {
            opened: connection
                .opened
                .map(|index| tls.listener(index).map(|l| &l.listener)),
            peer: connection.peer.as_deref(),
            name: name.as_ref(),
            identity: identity.as_deref(),
            chain: &connection.chain,
            shown: connection.shown.as_ref().map(|(_, leaf)| leaf),
        };
        evidence.reevaluate(tls.generation(), clock::unix())
    }

    /// The connection stays, under an identity of the new generation: peers are numbered anew in each.
    fn stays(&self, connection: &Connection, identity: RemoteIdentity, requests: bool) {
        connection.origin.borrow_mut().identity = identity.clone();
        self.later(LinkEvent::Confirmed {
            link: connection.id,
            identity,
            remote: connection.remote(),
            requests,
        });
    }

    /// Withdraws trust: nothing new runs on the connection, and what runs may finish within the bound of a drain.
    fn withdraw(&self, connection: &Connection, reason: Reason, new: Option<&Decision>) {
        // Old and new decision stand side by side in the event, so that the log explains the change.
        let old = match &connection.origin.borrow().identity {
            RemoteIdentity::Peer(peer) => Some(peer.decision().id.clone()),
            RemoteIdentity::Client => {
                let client = connection.client.borrow();
                client.as_ref().map(|client| client.decision().id.clone())
            }
            RemoteIdentity::OtherProcess | RemoteIdentity::Vouched(_) => None,
        };
        self.shared.log.record(Event::TrustWithdrawn {
            connection: connection.number,
            direction: connection.opened.direction(),
            remote: connection.remote(),
            peer: connection.peer.as_deref().map(str::to_owned),
            reason,
            detail: new.and_then(|d| d.detail.clone()),
            decision: old,
            new_decision: new.map(|d| d.id.clone()),
        });
        // Calls that are up may end in order; a BYE that finds no connection leaves a call hanging at the other side.
        let end = clock::now() + self.limits().drain;
        connection.withdrawn.set(Some((end, reason)));
        // From now on every input looks whether it has become idle.
        self.withdrawn.borrow_mut().push(connection.id);
        self.later(LinkEvent::Withdrawn {
            link: connection.id,
        });
        // Its task sleeps until a later deadline.
        connection.wake();
    }

    // ---- what time does ----

    /// Finds when a decision may change next: at the end of a connection's own, or when the generation's CRLs turn.
    pub(super) fn set_calendar(&self) {
        // The clock of the calendar: certificates and CRLs end by date.
        let now = clock::unix();
        let turn = self.tls().generation().next_turn(now);
        let connections = self.all_connections();
        // Those without trust end by a deadline of their own.
        let trusted = connections.iter().filter(|c| c.withdrawn.get().is_none());
        let ends = trusted.filter_map(|connection| connection.decision_ends());
        self.calendar.set(ends.chain(turn).min(), now.as_secs());
    }

    /// The task that decides again when time may have changed a decision.
    pub(super) async fn watch_calendar(self: Rc<Self>) {
        self.set_calendar();
        // The time up to which all decisions are known to be current.
        let mut seen = clock::unix();
        loop {
            let now = clock::unix();
            let left = match self.calendar.look(now.as_secs()) {
                Look::Nothing(left) => Duration::from_secs(left),
                Look::Due => {
                    // A turn of the generation concerns everybody, the end of a decision only its connection.
                    let turn = self.tls().generation().next_turn(seen);
                    let turned = turn.is_some_and(|turn| turn <= now.as_secs());
                    self.reevaluate_those(|connection| {
                        turned
                            || connection
                                .decision_ends()
                                .is_some_and(|e| e <= now.as_secs())
                    });
                    self.settle();
                    seen = now;
                    continue;
                }
                Look::SetBack => {
                    // Nothing that was known of the future holds.
                    self.reevaluate_all();
                    self.settle();
                    seen = now;
                    continue;
                }
            };
            // A connection that comes meanwhile may end sooner.
            tokio::select! {
                () = tokio::time::sleep(left.min(LOOK)) => {}
                () = self.calendar.changed() => {}
            }
        }
    }
}
