//! Live connections judged again, when something has changed (a reload) or time has passed (a certificate ends, a CRL
//! goes stale): each keeps its place only if `decide` still accepts what it presented.
use super::clock;
use super::failed::Failure;
use super::handshake::Welcome;
use super::link::{Link, Via};
use super::shard::Shard;
use super::standing::{Held, Standing, Way};
use crate::observe::Event;
use crate::proxy::{Identity, LinkEvent, LinkId};
use crate::reason::{ConnectionReason, Reason};
use crate::topology::Direction;
use crate::trust::{ClientId, Decision, PeerId, Presented, decide, decide_inbound};
use rustls_pki_types::CertificateDer;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The longest sleep between two looks at the calendar: somebody may set it, or the machine may have slept.
const LOOK: Duration = Duration::from_secs(60);

/// When the shard must judge again, and whom it has sent away.
pub(super) struct Docket {
    calendar: Cell<Calendar>,
    earlier: Notify,
    /// Withdrawn links that are still open.
    withdrawn: RefCell<Vec<LinkId>>,
}

impl Default for Docket {
    fn default() -> Self {
        Self {
            calendar: Cell::new(Calendar::BLANK),
            earlier: Notify::new(),
            withdrawn: RefCell::default(),
        }
    }
}

/// When a verdict may turn next, as of a time; both in Unix seconds.
#[derive(Clone, Copy)]
struct Calendar {
    /// `u64::MAX`: none will.
    next: u64,
    /// When that was found.
    set_at: u64,
}

/// What a look at the clock says.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing for so many seconds.
    Nothing(u64),
    /// Verdicts may have turned.
    Due,
    /// The clock was set back: what was thought to be over, or was never looked for, is still to come.
    SetBack,
}

impl Calendar {
    const BLANK: Self = Self {
        next: u64::MAX,
        set_at: 0,
    };

    fn look(self, now: u64) -> Look {
        if now < self.set_at {
            Look::SetBack
        } else if self.next <= now {
            Look::Due
        } else {
            Look::Nothing(self.next - now)
        }
    }
}

/// What becomes of a link.
enum Judgement {
    /// With whether requests may go to it, and what was made of a client's certificate.
    Stands(Identity, bool, Option<ClientId>),
    Withdrawn(Withdrawal),
}

/// Why it does not stand.
struct Withdrawal {
    reason: Reason,
    decision: Option<Arc<Decision>>,
}

impl Shard {
    /// Whether a chain that a peer showed as a client also passes as the server that we would dial.
    pub(super) fn passes_as_server(&self, chain: &[CertificateDer<'_>], peer: &PeerId) -> bool {
        let tls = self.tls();
        let presented = Presented {
            chain,
            expected: Some(peer.peer()),
            staple: None,
        };
        decide(
            &presented,
            Direction::Outbound,
            tls.generation(),
            clock::unix(),
        )
        .is_ok()
    }

    /// Who a finished inbound handshake is by the generation that is current now, which may not be the one that it
    /// began under.
    pub(super) fn still_welcome(
        &self,
        listener: usize,
        chain: &[CertificateDer<'_>],
    ) -> Result<Welcome, Failure> {
        let tls = self.tls();
        let Some(listener) = tls.listener(listener) else {
            return Err(Failure::refused(ConnectionReason::ListenerRemoved));
        };
        let listener = &listener.listener;
        if chain.is_empty() {
            return Welcome::without_certificate(listener);
        }
        let admitted = decide_inbound(chain, listener, tls.generation(), clock::unix())
            .map_err(Failure::decided)?;
        Welcome::shown(admitted, listener)
    }

    /// Judges every link by the generation that is current now.
    pub(super) fn judge_all(self: &Rc<Self>) {
        self.judge_those(|_| true);
    }

    /// Judges the links that `whom` picks; a link that was sent away does not come back.
    fn judge_those(self: &Rc<Self>, whom: impl Fn(&Link) -> bool) {
        for link in self.all_links() {
            if link.withdrawn.get().is_some() || !whom(&link) {
                continue;
            }
            match self.judge(&link) {
                Judgement::Stands(identity, requests, client) => {
                    link.client.replace(client);
                    link.origin.borrow_mut().identity = identity.clone();
                    self.later(LinkEvent::Confirmed {
                        link: link.id,
                        identity,
                        requests,
                    });
                }
                Judgement::Withdrawn(why) => self.withdraw(&link, &why),
            }
        }
        self.set_calendar();
    }

    /// Takes the trust away: nothing new runs on the link, what runs may finish within the bound of a drain.
    fn withdraw(&self, link: &Link, why: &Withdrawal) {
        let old = match &link.origin.borrow().identity {
            Identity::Peer(peer) => Some(peer.decision().id.clone()),
            Identity::Client => {
                let client = link.client.borrow();
                client.as_ref().map(|client| client.decision().id.clone())
            }
        };
        let new = why.decision.as_ref();
        self.log.record(Event::TrustWithdrawn {
            connection: link.number,
            direction: match link.direction() {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            remote: link.remote(),
            peer: link.peer.as_deref().map(str::to_owned),
            reason: why.reason,
            detail: new.and_then(|d| d.detail.clone()),
            decision: old,
            new_decision: new.map(|d| d.id.clone()),
        });
        let end = clock::now() + self.limits().drain;
        link.withdrawn.set(Some((end, why.reason)));
        self.docket.withdrawn.borrow_mut().push(link.id);
        self.later(LinkEvent::Withdrawn { link: link.id });
        link.nudge();
    }

    /// Closes the withdrawn links on which nothing runs any more.
    pub(super) fn close_finished(&self) {
        if self.docket.withdrawn.borrow().is_empty() {
            return;
        }
        self.docket.withdrawn.borrow_mut().retain(|id| {
            let Some(link) = self.link(*id) else {
                return false;
            };
            // What other shards have under way on it only they know: it stays until its bound.
            if *link.lent.borrow() != 0 || !self.is_idle(*id) {
                return true;
            }
            link.close(ConnectionReason::TrustWithdrawn);
            false
        });
    }

    fn judge(&self, link: &Link) -> Judgement {
        let tls = self.tls();
        let held = Held {
            way: match link.via {
                Via::Listener(index) => Way::Listener(tls.listener(index).map(|l| &l.listener)),
                Via::Dialled => Way::Dialled,
            },
            peer: link.peer.as_deref(),
            chain: &link.chain,
            shown: link.shown.as_ref().map(|(_, leaf)| leaf),
        };
        match held.standing(tls.generation(), clock::unix()) {
            Standing::Client(client) => Judgement::Stands(Identity::Client, true, client),
            Standing::Peer(identity) => {
                let requests =
                    link.via == Via::Dialled || self.passes_as_server(&link.chain, &identity);
                Judgement::Stands(Identity::Peer(identity), requests, None)
            }
            Standing::Lost(reason, decision) => {
                Judgement::Withdrawn(Withdrawal { reason, decision })
            }
        }
    }

    // ---- what time does ----

    /// Notes when the decision of a new link ends.
    pub(super) fn note_end(&self, link: &Link) {
        let ends = ends(link);
        let mut calendar = self.docket.calendar.get();
        if ends < calendar.next {
            calendar.next = ends;
            self.docket.calendar.set(calendar);
            self.docket.earlier.notify_one();
        }
    }

    /// Finds when a verdict may turn next.
    pub(super) fn set_calendar(&self) {
        let now = clock::unix();
        let turn = self.tls().generation().next_turn(now);
        let links = self.all_links();
        let open = links.iter().filter(|l| l.withdrawn.get().is_none());
        let next = open.map(|l| ends(l)).chain(turn).min();
        self.docket.calendar.set(Calendar {
            next: next.unwrap_or(u64::MAX),
            set_at: now.as_secs(),
        });
        self.docket.earlier.notify_one();
    }

    /// Judges again what time may have turned.
    pub(super) async fn watch_calendar(self: Rc<Self>) {
        self.set_calendar();
        let mut seen = clock::unix();
        loop {
            let now = clock::unix();
            let left = match self.docket.calendar.get().look(now.as_secs()) {
                Look::Nothing(left) => Duration::from_secs(left),
                Look::Due => {
                    let turned = self.tls().generation().next_turn(seen);
                    let turned = turned.is_some_and(|turn| turn <= now.as_secs());
                    self.judge_those(|link| turned || ends(link) <= now.as_secs());
                    self.settle();
                    seen = now;
                    continue;
                }
                Look::SetBack => {
                    self.judge_those(|_| true);
                    self.settle();
                    seen = now;
                    continue;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(left.min(LOOK)) => {}
                () = self.docket.earlier.notified() => {}
            }
        }
    }
}

/// The first second in which the link's decision has ended; `u64::MAX`: never.
fn ends(link: &Link) -> u64 {
    let valid_until = match &link.origin.borrow().identity {
        Identity::Peer(peer) => peer.decision().valid_until,
        Identity::Client => {
            let client = link.client.borrow();
            client
                .as_ref()
                .and_then(|client| client.decision().valid_until)
        }
    };
    valid_until.map_or(u64::MAX, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_the_calendar_anew() {
        let calendar = Calendar {
            next: 1_000,
            set_at: 400,
        };
        assert_eq!(calendar.look(400), Look::Nothing(600));
        assert_eq!(calendar.look(999), Look::Nothing(1));
        assert_eq!(calendar.look(1_000), Look::Due);
        // It had jumped ahead when the calendar was made: what ends at 300 was over then, and is not now.
        assert_eq!(calendar.look(399), Look::SetBack);
        assert_eq!(Calendar::BLANK.look(0), Look::Nothing(u64::MAX));
    }
}
