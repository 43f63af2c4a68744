//! What strangers can bring about in the log as often as they like, failed handshakes and clients that come and go: of each
//! kind the first few are told one by one, the rest is counted, and the events and counts together give the exact number.
use super::clock;
use crate::observe::{Event, Log};
use crate::reason::Reason;
use crate::trust::Verdict;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Events of one kind that are told one by one in a window: enough to see who it is, too few to fill a disk.
const TOLD: u32 = 20;
/// The length of a window.
const WINDOW: Duration = Duration::from_secs(10);
/// How often ended windows are looked for while there are any.
const SWEEP: Duration = Duration::from_secs(1);

/// Counts over all shards. What comes here is once for each connection, so its lock is on no message's way.
pub(super) struct Tally {
    log: Log,
    kinds: Mutex<HashMap<Kind, Window>>,
    begun: Notify,
}

/// What is counted together. Reasons come from tables and peers from the topology, so there is a bound on their number.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    /// Handshakes that failed.
    Handshake {
        event: &'static str,
        direction: &'static str,
        reason: Reason,
        peer: Option<String>,
    },
    /// Clients that were accepted, or that have gone for this reason.
    Client {
        event: &'static str,
        reason: Option<Reason>,
    },
}

struct Window {
    ends: Instant,
    told: u32,
    suppressed: u64,
}

impl Kind {
    /// The kind of an event that is counted; `None`: another event. What a peer does by which it is let in is always told.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only three events are failures, and two are about clients"
    )]
    fn of(event: &Event) -> Option<Self> {
        let (direction, reason, via, decision) = match event {
            Event::HandshakeRefused {
                direction,
                reason,
                via,
                decision,
                ..
            }
            | Event::HandshakeRefusedByPeer {
                direction,
                reason,
                via,
                decision,
                ..
            } => (*direction, *reason, via, decision.as_ref()),
            Event::HandshakeAborted {
                direction,
                reason,
                via,
                ..
            } => (*direction, *reason, via, None),
            Event::HandshakeAccepted { decision, .. }
                if decision
                    .as_ref()
                    .is_none_or(|d| d.verdict == Verdict::Client) =>
            {
                return Some(Self::client(event, None));
            }
            Event::ConnectionClosed {
                peer: None, reason, ..
            } => return Some(Self::client(event, Some(*reason))),
            _ => return None,
        };
        // A flood of strangers must not hide what happens to a listed peer.
        let peer = match direction {
            "outbound" => Some(via.clone()),
            _ => decision.and_then(|d| d.peer_fqdn.clone()),
        };
        Some(Self::Handshake {
            event: event.name(),
            direction,
            reason,
            peer,
        })
    }

    fn client(event: &Event, reason: Option<Reason>) -> Self {
        Self::Client {
            event: event.name(),
            reason,
        }
    }

    fn sum(&self, count: u64) -> Event {
        match self {
            Self::Handshake {
                event,
                direction,
                reason,
                peer,
            } => Event::HandshakesSuppressed {
                of: event,
                direction,
                reason: *reason,
                peer: peer.clone(),
                count,
            },
            Self::Client { event, reason } => Event::ClientsSuppressed {
                of: event,
                reason: *reason,
                count,
            },
        }
    }
}

impl Tally {
    pub(super) fn new(log: Log) -> Self {
        Self {
            log,
            kinds: Mutex::default(),
            begun: Notify::new(),
        }
    }

    /// Tells or counts an event; one that no stranger can bring about is told.
    pub(super) fn tell(&self, event: Event) {
        self.tell_at(event, clock::now());
    }

    fn tell_at(&self, event: Event, now: Instant) {
        let Some(kind) = Kind::of(&event) else {
            return self.log.record(event);
        };
        {
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            let window = kinds.entry(kind).or_insert(Window {
                ends: now + WINDOW,
                told: 0,
                suppressed: 0,
            });
            if window.told >= TOLD {
                window.suppressed += 1;
                return;
            }
            window.told += 1;
        }
        self.log.record(event);
        self.begun.notify_one();
    }

    /// Says the sums of the windows that have ended by `now`; `None`: of all. Gives whether any is still open.
    fn sweep(&self, now: Option<Instant>) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.retain(|kind, window| {
            if now.is_some_and(|now| now < window.ends) {
                return true;
            }
            if window.suppressed > 0 {
                self.log.record(kind.sum(window.suppressed));
            }
            false
        });
        !kinds.is_empty()
    }

    /// Looks after the windows until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.begun.notified() => {}
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(SWEEP) => {}
                }
                if !self.sweep(Some(clock::now())) {
                    break;
                }
            }
        }
    }

    /// Says every sum that has not been said: after this nothing fails any more.
    pub(super) fn finish(&self) {
        self.sweep(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::ConnectionReason;

    fn aborted(reason: ConnectionReason) -> Event {
        Event::HandshakeAborted {
            direction: "inbound",
            remote: ([192, 0, 2, 1], 5061).into(),
            via: "edge".to_owned(),
            sni: None,
            reason: reason.into(),
            detail: None,
        }
    }

    fn suppressed(event: &Event) -> Option<(&'static str, u64)> {
        if let Event::HandshakesSuppressed { reason, count, .. } = event {
            Some((reason.code(), *count))
        } else {
            None
        }
    }

    #[test]
    fn each_kind_is_told_up_to_its_bound_and_the_sums_give_the_exact_number() {
        let (log, memory) = Log::memory();
        let tally = Tally::new(log);
        let begin = clock::now();
        for _ in 0..1000 {
            tally.tell_at(aborted(ConnectionReason::Closed), begin);
        }
        for _ in 0..5 {
            tally.tell_at(aborted(ConnectionReason::Reset), begin);
        }
        assert!(tally.sweep(Some(begin)));
        assert_eq!(memory.events().len(), 25);
        assert!(!tally.sweep(Some(begin + WINDOW)));
        let sums: Vec<_> = memory.events().iter().filter_map(suppressed).collect();
        assert_eq!(sums, [("closed", 980)]);
        memory.clear();
        tally.tell_at(aborted(ConnectionReason::Closed), begin + WINDOW);
        assert_eq!(memory.events().len(), 1, "a new window tells again");
        tally.finish();
        assert_eq!(memory.events().len(), 1);
    }

    #[test]
    fn a_listed_peer_is_counted_apart_from_others() {
        let (log, memory) = Log::memory();
        let tally = Tally::new(log);
        let dialled = |via: &str| Event::HandshakeAborted {
            direction: "outbound",
            remote: ([192, 0, 2, 1], 5061).into(),
            via: via.to_owned(),
            sni: None,
            reason: ConnectionReason::ConnectionRefused.into(),
            detail: None,
        };
        for _ in 0..100 {
            tally.tell(dialled("a.test"));
        }
        tally.tell(dialled("b.test"));
        assert_eq!(memory.events().len(), 21);
    }

    #[test]
    fn clients_that_come_and_go_are_counted_and_peers_are_told() {
        let (log, memory) = Log::memory();
        let tally = Tally::new(log);
        let closed = |peer: Option<&str>| Event::ConnectionClosed {
            connection: 1,
            remote: ([192, 0, 2, 1], 5061).into(),
            peer: peer.map(str::to_owned),
            by: "them",
            reason: ConnectionReason::CloseNotify.into(),
            trust_reason: None,
            messages_in: 0,
            messages_out: 0,
            open: Duration::ZERO,
        };
        for _ in 0..100 {
            tally.tell(closed(None));
            tally.tell(closed(Some("fe01.contoso.test")));
        }
        assert_eq!(memory.events().len(), 120);
        tally.finish();
        let last = memory.events().pop();
        assert!(matches!(
            last,
            Some(Event::ClientsSuppressed {
                of: "connection_closed",
                reason: Some(reason),
                count: 80
            }) if reason == ConnectionReason::CloseNotify
        ));
    }
}
