//! The bound on what others can make this node write: of each kind of event a few lines in a window, then a sum.
//!
//! Counters count every event before this is asked, so nothing is lost but the single lines; the sums hold how many these
//! were, so that lines and sums together are exact.
use super::event::{Event, EventKind};
use super::table::Limited;
use crate::reason::Reason;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The length of a window. Windows are slots of the clock and not spans that an event opens: so all of them end at the
/// same time, and one look writes all sums.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Lines of one event and reason in a window that strangers and clients can bring about: enough to see who it is, too few
/// to fill a disk. Each shard counts by itself.
pub(super) const STRANGER_LINES: u32 = 20;
/// The same for one peer. A peer is known and has a contract, and its operator wants to see each failure of a bad minute;
/// but it must not fill the disk either, nor the log's queue, where another peer's lines would then find no place.
pub(super) const PEER_LINES: u32 = 200;
/// Relayed requests of one connection of a client that have a line in a window: more than a person or a busy gateway with
/// a line of its own makes, and fewer than a flood.
pub(super) const REQUEST_LINES: u32 = 200;
/// Connections of clients whose relayed requests are counted apart. The requests of those beyond have no line in this
/// window. So many new connections in ten seconds are a flood, and a table that grows with it would be one more.
const MOST_CONNECTIONS: usize = 16_384;

/// What is counted together. There are as many as there are events and reasons: both come from tables.
type Kind = (EventKind, Option<Reason>);

/// The counts of each kind that a window has seen.
type KindCounts = HashMap<Kind, LineCount>;

/// What one window has seen of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct LineCount {
    written: u32,
    suppressed: u64,
}

impl LineCount {
    /// Whether one more may be written.
    fn admit(&mut self, most: u32) -> bool {
        let admitted = self.written < most;
        if admitted {
            self.written += 1;
        } else {
            self.suppressed += 1;
        }
        admitted
    }
}

/// The limits of one recorder. What is in here is forgotten when its window is over, so it never holds more than ten
/// seconds can bring.
#[derive(Debug, Default)]
pub(super) struct LineLimits {
    /// The number of the window, counted from 1970.
    window: u64,
    /// What concerns no peer.
    kinds: KindCounts,
    /// What concerns a peer. The names are those of the topology, so a remote cannot add any.
    peers: HashMap<Arc<str>, KindCounts>,
    /// Relayed requests by the connection of a client, which its address and port name.
    connections: HashMap<SocketAddr, u32>,
    /// Whether a sum is to be written at the end of the window: spares a walk over the maps when nothing was suppressed.
    owes_sums: bool,
}

impl LineLimits {
    /// Whether an event that happens now has a line. `write` takes the sums of the window before, if that is over.
    pub(super) fn admit(
        &mut self,
        event: &Event,
        now: SystemTime,
        write: &mut dyn FnMut(Event),
    ) -> bool {
        let kind = event.kind();
        let limited = kind.row().limited;
        // Most events of a healthy node end here, before any table is looked at.
        if matches!(limited, Limited::Never | Limited::Operator) {
            return true;
        }
        if let Event::RequestRelayed { request } = event {
            // A peer's requests are the traffic that this log is for.
            if request.from_peer.is_some() {
                return true;
            }
            self.begin_window(now, write);
            return self.admit_request(request.remote);
        }
        self.begin_window(now, write);
        // By reason too: a flood of one must not hide a single one of another, which may be what broke the service.
        let key = (kind, event.reason());
        let admitted = match event.peer() {
            None => admit(&mut self.kinds, key, STRANGER_LINES),
            Some(peer) => {
                // Whoever presents a certificate that names a peer need not be that peer.
                let most = match limited {
                    Limited::Stranger => STRANGER_LINES,
                    Limited::Never
                    | Limited::Operator
                    | Limited::Client
                    | Limited::Request
                    | Limited::Peer => PEER_LINES,
                };
                match self.peers.get_mut(peer) {
                    Some(counts) => admit(counts, key, most),
                    // The name is copied once in a window.
                    None => admit(self.peers.entry(peer.into()).or_default(), key, most),
                }
            }
        };
        self.owes_sums |= !admitted;
        admitted
    }

    /// The same of a relayed request. The connection decides, and one sum says how many had no line.
    fn admit_request(&mut self, client: SocketAddr) -> bool {
        // One look-up in the usual case: a call makes two of these, and this is on its path.
        let has_room = self.connections.len() < MOST_CONNECTIONS;
        if has_room || self.connections.contains_key(&client) {
            let written = self.connections.entry(client).or_default();
            if *written < REQUEST_LINES {
                *written += 1;
                return true;
            }
        }
        let kind = (EventKind::RequestRelayed, None);
        self.kinds.entry(kind).or_default().suppressed += 1;
        self.owes_sums = true;
        false
    }

    /// Writes the sums of the last window and forgets it, if `now` lies in another one. A clock that was set back ends the
    /// window too.
    pub(super) fn begin_window(&mut self, now: SystemTime, write: &mut dyn FnMut(Event)) {
        let window = window_of(now);
        if window != self.window {
            self.end_window(write);
            self.window = window;
        }
    }

    /// Writes the sums and forgets what they are of.
    pub(super) fn end_window(&mut self, write: &mut dyn FnMut(Event)) {
        // In no order: a reader groups sums by their fields.
        if self.owes_sums {
            self.owes_sums = false;
            write_sums(&self.kinds, None, write);
            for (peer, kinds) in &self.peers {
                write_sums(kinds, Some(peer), write);
            }
        }
        // The room for kinds and connections stays: it is bounded, and the next window needs it.
        self.kinds.clear();
        self.connections.clear();
        self.peers.clear();
    }

    /// Whether [`Self::end_window`] would write something.
    pub(super) fn owes_sums(&self) -> bool {
        self.owes_sums
    }
}

/// How long the window of `now` still lasts.
pub(super) fn left_of_window(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let into = since.unwrap_or_default().as_nanos() % WINDOW.as_nanos();
    WINDOW - Duration::from_nanos(u64::try_from(into).unwrap_or_default())
}

fn window_of(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / WINDOW.as_secs()
}

/// Counts one more of a kind; returns whether it has a line.
fn admit(counts: &mut KindCounts, kind: Kind, most: u32) -> bool {
    counts.entry(kind).or_default().admit(most)
}

fn write_sums(kinds: &KindCounts, peer: Option<&Arc<str>>, write: &mut dyn FnMut(Event)) {
    for ((suppressed, reason), counts) in kinds {
        if counts.suppressed > 0 {
            write(Event::EventsSuppressed {
                suppressed: *suppressed,
                reason: *reason,
                peer: peer.cloned(),
                count: counts.suppressed,
            });
        }
    }
}
