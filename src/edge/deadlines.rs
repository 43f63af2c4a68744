//! The deadlines of one connection, as one list: the next of them is waited for, and those that have passed are acted on.
use super::connection::Connection;
use super::ending::Ending;
use crate::reason::ConnectionReason;
use crate::topology::Limits;
use std::time::{Duration, Instant};

/// From a write that found the remote side gone to the end: its reset reaches the reading task within one turn of the
/// runtime, and so does what it sent before.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// From the close of this side to the end, if the far end does not close as well: what it had sent is here by then.
const PARTING: Duration = Duration::from_secs(2);

/// What a deadline asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// [`super::keep_alive::KeepAlive::due`] must be asked.
    KeepAlive,
    /// A registered client has been silent: an empty line shall find out whether it is still there.
    Nudge,
    /// The server has been silent for long enough: its silence counts as content with this node's certificate.
    Confirm,
    /// A pause in reading has ended.
    Resume,
    /// The connection must end.
    End(Ending),
}

impl Connection {
    /// Visits every deadline that is set now, in the order in which they count when several have passed. A visitor, so
    /// that asking for the next one, once for each time that the task waits, builds no list.
    fn visit_deadlines(&self, limits: &Limits, mut visit: impl FnMut(Instant, Due)) {
        let local = |reason: ConnectionReason| Due::End(Ending::local(reason));
        // First: whatever else is due, there is nobody left to ping or to wait for.
        if let Some(since) = self.remote_gone.get() {
            visit(
                since + LAST_BYTES,
                Due::End(Ending::remote(ConnectionReason::IoError)),
            );
        }
        if let Some(next) = self.pause.next() {
            visit(next, Due::Resume);
        }
        if let (Some(since), Some(ending)) = (self.parted.get(), self.parting()) {
            visit(since + PARTING, Due::End(ending));
        }
        if let Some(next) = self.keep_alive.next() {
            visit(next, Due::KeepAlive);
        }
        if let Some(unconfirmed) = &*self.unconfirmed.borrow() {
            visit(unconfirmed.until, Due::Confirm);
        }
        // A message that does not get complete holds a buffer: slow senders are cut off, by head and body
        // apart.
        match self.partial.get() {
            Some(partial) if partial.in_body => {
                visit(
                    partial.since + limits.body_timeout,
                    local(ConnectionReason::BodyTimeout),
                );
            }
            Some(partial) => visit(
                partial.since + limits.head_timeout,
                local(ConnectionReason::HeadTimeout),
            ),
            None => {}
        }
        // What runs had its time to finish.
        if let Some((until, _)) = self.withdrawn.get() {
            visit(until, local(ConnectionReason::TrustWithdrawn));
        }
        // Peers may be silent as long as they like; clients are many, and most of those that are silent are gone.
        if self.is_client() {
            if self.messages_in.get() == 0 {
                visit(
                    self.since + limits.first_message,
                    local(ConnectionReason::NoFirstMessage),
                );
            } else {
                // A registered client may be silent for as long as it is registered.
                let idle = self.active.get() + limits.client_idle;
                let kept = self.kept_until.get();
                visit(
                    kept.map_or(idle, |until| until.max(idle)),
                    local(ConnectionReason::Idle),
                );
                if let (Some(until), Some(every)) = (kept, limits.ping_clients.0) {
                    let next = self.active.get().max(self.nudged.get()) + every;
                    if next < until {
                        visit(next, Due::Nudge);
                    }
                }
            }
        }
    }

    /// When the first deadline comes. Without one it is a year from the beginning, which no connection waits for.
    pub(super) fn next_deadline(&self, limits: &Limits) -> Instant {
        let mut next = self.since + Duration::from_secs(86_400 * 365);
        self.visit_deadlines(limits, |at, _| next = next.min(at));
        next
    }

    /// What has become due by `now`: the first in the order of the list. The caller acts on it and asks again; each
    /// action moves its own deadline.
    pub(super) fn due(&self, limits: &Limits, now: Instant) -> Option<Due> {
        let mut due = None;
        self.visit_deadlines(limits, |at, what| {
            if at <= now && due.is_none() {
                due = Some(what);
            }
        });
        due
    }
}
