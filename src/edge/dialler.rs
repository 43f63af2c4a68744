//! What a shard knows of the connections that it makes: which are wanted, which must wait, and for how long; and which are
//! under way.
use crate::reason::Reason;
use crate::topology::{DnsName, Limits, PeerRef};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The most covered names whose failures are remembered: a partner's routes choose them, so that they may be ever new.
const MOST_NAMES: usize = 1_024;

/// The state of a shard's dialling; the task that dials is in `outbound`.
#[derive(Default)]
pub(super) struct Dialler {
    /// What the core has asked for since the task looked last.
    wanted: RefCell<Vec<WantedConnect>>,
    ready: Notify,
    /// By the peer's name.
    backoff: RefCell<HashMap<String, Backoff>>,
    /// By covered names: a region that cannot be reached says nothing of the others.
    names: RefCell<HashMap<(String, DnsName), Backoff>>,
    /// Counts generations: a connect that has waited since before a reload is thrown away, since the core has asked anew.
    epoch: Cell<u64>,
    /// Connects under way; a drain waits for them, so that each ends in an event.
    running: Cell<usize>,
    /// Those of them that count, by the peer's name and the covered one.
    under_way: RefCell<HashMap<DialledName, Rc<Cell<Option<PeerRef>>>>>,
}

/// Under which name of which peer a connect is made.
type DialledName = (String, Option<DnsName>);

/// A connect that the core has asked for.
pub(super) struct WantedConnect {
    pub(super) peer: PeerRef,
    /// A name that the peer's entry covers, if it is to be dialled under that one.
    pub(super) name: Option<DnsName>,
    /// What waits for it has nowhere else to go.
    pub(super) urgent: bool,
}

/// The pause before an urgent connect, since the last one failed: a server that has come back is found by then, and one
/// that has not is not overrun by whatever its callers send.
const URGENT: Duration = Duration::from_millis(200);
/// An urgent connect has no longer: its callers wait for it, and a server that is back takes a few round trips.
pub(super) const URGENT_CONNECT: Duration = Duration::from_secs(2);

/// Back-off of one peer.
#[derive(Clone, Copy)]
struct Backoff {
    /// When the last connect failed, and why.
    failed: Instant,
    reason: Reason,
    /// The last pause, which the next failure doubles.
    pause: Duration,
    /// Its end, with the spread.
    until: Instant,
}

/// One connect under way, counted while it lives.
pub(super) struct Connecting<'a> {
    dialler: &'a Dialler,
    to: DialledName,
    /// The peer in the current generation; `None`: a reload has made the connect void.
    peer: Rc<Cell<Option<PeerRef>>>,
}

impl Dialler {
    /// The core wants a connection with the peer.
    pub(super) fn want(&self, peer: PeerRef, name: Option<DnsName>, urgent: bool) {
        let wanted = WantedConnect { peer, name, urgent };
        self.wanted.borrow_mut().push(wanted);
        self.ready.notify_one();
    }

    /// Takes what is wanted.
    pub(super) fn take_wanted(&self) -> Vec<WantedConnect> {
        std::mem::take(&mut self.wanted.borrow_mut())
    }

    /// Waits until something is wanted.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// A new generation: peers are numbered anew, so that what was wanted before is void. Addresses may have changed,
    /// so that nothing waits.
    ///
    /// What is under way goes on where `alike` has the peer's new number: where nothing differs that it is made by. Reloads that
    /// come faster than a connect would otherwise keep it from ever being made.
    pub(super) fn forget(&self, alike: impl Fn(PeerRef) -> Option<PeerRef>) {
        self.wanted.borrow_mut().clear();
        self.backoff.borrow_mut().clear();
        self.names.borrow_mut().clear();
        self.epoch.set(self.epoch.get() + 1);
        self.under_way.borrow_mut().retain(|_, peer| {
            peer.set(peer.get().and_then(&alike));
            peer.get().is_some()
        });
    }

    /// Changes at each reload.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Counts a connect.
    pub(super) fn begin(&self, peer: PeerRef, to: DialledName) -> Connecting<'_> {
        self.running.set(self.running.get() + 1);
        let peer = Rc::new(Cell::new(Some(peer)));
        let mut under_way = self.under_way.borrow_mut();
        under_way.insert(to.clone(), Rc::clone(&peer));
        Connecting {
            dialler: self,
            to,
            peer,
        }
    }

    /// Whether such a connect is under way: whoever wants another one hears how it ends.
    pub(super) fn is_under_way(&self, to: &DialledName) -> bool {
        self.under_way.borrow().contains_key(to)
    }

    /// Connects under way.
    pub(super) fn running(&self) -> usize {
        self.running.get()
    }

    /// Notes a failure; returns when the next try is due. Each failure in a row doubles the pause, but for that of an
    /// urgent connect.
    pub(super) fn failed(
        &self,
        (peer, name): (&str, Option<&DnsName>),
        (reason, urgent): (Reason, bool),
        limits: &Limits,
        now: Instant,
    ) -> Instant {
        let longer = if urgent { 1 } else { 2 };
        let pause = self
            .last(peer, name)
            .map_or(limits.backoff_min, |last| {
                (last.pause * longer).min(limits.backoff_max)
            })
            .max(Duration::from_millis(10));
        // Up to a quarter more, so that shards and nodes do not dial a peer in step when it comes back.
        let spread =
            Duration::from_nanos(u64::from(random_u16()) * (pause.as_nanos() as u64 / 4) / 65_536);
        let until = now + pause + spread;
        let failure = Backoff {
            failed: now,
            reason,
            pause,
            until,
        };
        match name {
            None => {
                self.backoff.borrow_mut().insert(peer.to_owned(), failure);
            }
            Some(name) => {
                // All go at once: what they save is a connect that fails again.
                let mut names = self.names.borrow_mut();
                if names.len() >= MOST_NAMES {
                    names.clear();
                }
                names.insert((peer.to_owned(), name.clone()), failure);
            }
        }
        until
    }

    /// When an urgent connect may begin, and why the last one failed; `None`: nothing has failed.
    pub(super) fn urgent_at(
        &self,
        peer: &str,
        name: Option<&DnsName>,
    ) -> Option<(Instant, Reason)> {
        let last = self.last(peer, name);
        last.map(|last| (last.failed + URGENT, last.reason))
    }

    /// A connection has carried something back: the peer accepted this node for good, and the next failure is a first
    /// one. The handshake alone is no proof, since a TLS 1.3 server refuses a certificate after it.
    pub(super) fn succeeded(&self, peer: &str, name: Option<DnsName>) {
        match name {
            None => self.backoff.borrow_mut().remove(peer),
            // The peer's own failures stand: it may be away although a region of it is not.
            Some(name) => self.names.borrow_mut().remove(&(peer.to_owned(), name)),
        };
    }

    /// The last failure, if nothing has come since.
    fn last(&self, peer: &str, name: Option<&DnsName>) -> Option<Backoff> {
        match name {
            None => self.backoff.borrow().get(peer).copied(),
            Some(name) => {
                let key = (peer.to_owned(), name.clone());
                self.names.borrow().get(&key).copied()
            }
        }
    }

    /// Until when the peer must not be dialled; `None`: it may be.
    pub(super) fn waits_until(
        &self,
        peer: &str,
        name: Option<&DnsName>,
        now: Instant,
    ) -> Option<Instant> {
        let until = self.last(peer, name).map(|last| last.until);
        until.filter(|until| *until > now)
    }
}

impl Connecting<'_> {
    /// The peer in the current generation; `None`: a reload has made this void, and the core has asked anew.
    pub(super) fn peer(&self) -> Option<PeerRef> {
        self.peer.get()
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.dialler.running.set(self.dialler.running.get() - 1);
        // One that a reload has made void may have been followed by another.
        let mut under_way = self.dialler.under_way.borrow_mut();
        if let Some(peer) = under_way.get(&self.to)
            && Rc::ptr_eq(peer, &self.peer)
        {
            under_way.remove(&self.to);
        }
    }
}

/// For the spread of pauses.
fn random_u16() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness the pauses are merely not spread.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u16::from_le_bytes(bytes)
}
