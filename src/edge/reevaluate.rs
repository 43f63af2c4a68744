//! Live connections decided on again, when something has changed (a reload) or time has passed (a certificate ends, a CRL
//! goes stale): each stays only if trust still accepts what it presented.
//!
//! SIP connections live for weeks. Without this a revoked certificate or a removed peer would keep its access until it
//! disconnects by itself.
use super::calendar::Look;
use super::clock;
use super::connection::Connection;
use super::evidence::Reevaluation;
use super::judged::{HeldEvidence, Judgement, Judgements};
use super::shard::Shard;
use super::tls::TlsConfigs;
use crate::observe::Event;
use crate::proxy::{LinkEvent, RemoteIdentity};
use crate::reason::{ConnectionReason, Reason};
use crate::trust::Decision;
use rustls_pki_types::UnixTime;
use std::rc::Rc;
use std::time::Duration;

/// The longest sleep between two looks at the calendar: somebody may set the clock, or the machine may have slept.
const LOOK: Duration = Duration::from_secs(60);
/// For so long connections are decided on before messages have their turn.
const STEP: Duration = Duration::from_millis(2);

impl Shard {
    /// Decides on every connection by the generation that has become current, at once: no message is relayed between the
    /// first and the last. What other threads have decided already is taken over.
    pub(super) fn reevaluate_all(&self, judged: &Judgements) {
        let (tls, at) = (self.tls(), clock::unix());
        self.calendar.decided(judged.at.min(at).as_secs());
        for connection in self.all_connections() {
            // Trust comes back with a new connection only.
            if !has_lost_trust(&connection) {
                let known = judged.by_link.get(&connection.id).cloned();
                let judgement = known.unwrap_or_else(|| judge(&connection, &tls, at));
                self.take(&connection, judgement);
            }
        }
        self.set_calendar();
    }

    /// Decides on the connections that `is_meant` picks as of `now`, since time has passed: in steps, between which messages
    /// are relayed.
    async fn reevaluate_in_steps(&self, now: UnixTime, is_meant: impl Fn(&Connection) -> bool) {
        let mut step = clock::now();
        self.calendar.decided(now.as_secs());
        for connection in self.all_connections() {
            // Between two steps it may have ended, and nothing of it may be reported any more.
            let is_live = self.connection(connection.id).is_some();
            if !is_live || has_lost_trust(&connection) || !is_meant(&connection) {
                continue;
            }
            // Anew for each: a reload may come between two steps.
            let judgement = judge(&connection, &self.tls(), clock::unix());
            self.take(&connection, judgement);
            if clock::now().saturating_duration_since(step) > STEP {
                self.settle();
                tokio::task::yield_now().await;
                step = clock::now();
            }
        }
        self.set_calendar();
        self.settle();
    }

    /// Does with a connection what was decided. One that has lost its trust does not get it back: its transactions are
    /// ending.
    fn take(&self, connection: &Connection, judgement: Judgement) {
        // It has the other end of what nobody else can have: nothing could be judged again.
        if connection.is_other_process() {
            return self.stays(connection, RemoteIdentity::OtherProcess, true);
        }
        match judgement.outcome {
            // Nearly all of many thousands: nothing was decided on them, and the core need not hear that.
            Reevaluation::Client(None) if connection.client.borrow().is_none() => {}
            Reevaluation::Client(client) => {
                // A decision of the new generation: the old one may end sooner.
                connection.client.replace(client);
                self.stays(connection, RemoteIdentity::Client, true);
            }
            Reevaluation::Peer(peer) => {
                // One that was ending goes on to end, although its certificate may be back.
                let requests = judgement.takes_requests && connection.withdrawn.get().is_none();
                self.stays(connection, RemoteIdentity::Peer(peer), requests);
            }
            Reevaluation::Outdated(peer) => {
                // What the peer has sent by now, or sends before it sees the new connection, is as good as before.
                self.stays(connection, RemoteIdentity::Peer(peer), false);
                if connection.withdrawn.get().is_none() {
                    self.ends(
                        connection,
                        ConnectionReason::OwnCertificateReplaced.into(),
                        None,
                    );
                }
            }
            Reevaluation::Withdrawn(reason, decision) => {
                self.ends(connection, reason, decision.as_deref());
                self.later(LinkEvent::Withdrawn {
                    link: connection.id,
                });
            }
        }
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

    /// Nothing new of this node runs on the connection, and what runs may finish within the bound of a drain.
    fn ends(&self, connection: &Connection, reason: Reason, new: Option<&Decision>) {
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
        let mut withdrawn = self.withdrawn.borrow_mut();
        if !withdrawn.contains(&connection.id) {
            withdrawn.push(connection.id);
        }
        // Its task sleeps until a later deadline.
        connection.wake();
    }

    // ---- what time does ----

    /// Finds when a decision may change next: at the end of a connection's own, or when the generation's CRLs or windows turn.
    ///
    /// Looked for from the first of the decisions that stand on, and not from now: what has turned meanwhile is due at once.
    fn set_calendar(&self) {
        let turn = self.next_turn();
        let connections = self.all_connections();
        // Those without trust end by a deadline of their own.
        let trusted = connections.iter().filter(|c| c.withdrawn.get().is_none());
        let ends = trusted.filter_map(|connection| connection.decision_ends());
        // The clock of the calendar: certificates and CRLs end by date.
        self.calendar
            .set(ends.chain(turn).min(), clock::unix().as_secs());
    }

    /// The first turn of the generation that is not in all decisions that stand.
    fn next_turn(&self) -> Option<u64> {
        let since = Duration::from_secs(self.calendar.since());
        let tls = self.tls();
        tls.generation()
            .next_turn(UnixTime::since_unix_epoch(since))
    }

    /// The task that decides again when time may have changed a decision.
    pub(super) async fn watch_calendar(self: Rc<Self>) {
        self.calendar.decided(clock::unix().as_secs());
        self.set_calendar();
        loop {
            let now = clock::unix();
            let left = match self.calendar.look(now.as_secs()) {
                Look::Nothing(left) => Duration::from_secs(left),
                Look::Due => {
                    // A turn of the generation concerns everybody, the end of a decision only its connection.
                    let turned = self.next_turn().is_some_and(|turn| turn <= now.as_secs());
                    self.reevaluate_in_steps(now, |connection| {
                        turned
                            || connection
                                .decision_ends()
                                .is_some_and(|e| e <= now.as_secs())
                    })
                    .await;
                    continue;
                }
                Look::SetBack => {
                    // Nothing that was known of the future holds.
                    self.reevaluate_in_steps(now, |_| true).await;
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

/// Whether its end was decided for another reason than a certificate of this node: its peer is not trusted any more.
fn has_lost_trust(connection: &Connection) -> bool {
    let outdated = Reason::from(ConnectionReason::OwnCertificateReplaced);
    let why = connection.withdrawn.get().map(|(_, why)| why);
    why.is_some_and(|why| why != outdated)
}

/// Decides on one connection here and now.
fn judge(connection: &Connection, tls: &TlsConfigs, at: UnixTime) -> Judgement {
    let listener = |index| tls.listener(index).map(|found| &found.listener);
    HeldEvidence::of(connection).judge(listener, tls.generation(), at)
}
