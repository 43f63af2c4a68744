//! The bound on what others can make this node write: of each kind of event a few lines in a window, then a sum.
//!
//! Counters count every event before this is asked, so nothing is lost but the single lines; the sums hold how many these
//! were, so that lines and sums together are exact. Each recorder has such limits of its own, so that none waits for another
//! one. The writer thread, where all lines meet, has them once more: its bounds are those of the node, and it adds up the sums.
use super::event::{Event, EventKind};
use super::request_lines::{CLIENT_REQUESTS, REQUEST_LINES, RequestLines, SOURCE_REQUESTS};
use super::table::Limited;
use crate::reason::Reason;
use crate::topology::FastMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The length of a window. Windows are slots of the clock and not spans that an event opens: so all of them end at the
/// same time, and one look writes all sums.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Lines of one event and reason in a window that strangers and clients can bring about: enough to see who it is, too few
/// to fill a disk.
pub(super) const STRANGER_LINES: u32 = 20;
/// The same for one peer. A peer is known and has a contract, and its operator wants to see each failure of a bad minute;
/// but it must not fill the disk either, nor the log's queue, where another peer's lines would then find no place.
pub(super) const PEER_LINES: u32 = 200;
impl Limited {
    /// How many lines there are in a window, as docs/events.md has it.
    pub fn lines(self) -> String {
        let stranger = format!("{STRANGER_LINES} of an event and reason");
        let peer = format!(
            "{PEER_LINES} of an event and reason for each peer, so that one cannot drown another"
        );
        match self {
            Self::Never => {
                "every one: nobody outside can bring it about as often as they like".to_owned()
            }
            Self::Operator => "every one: an operator brings it about".to_owned(),
            Self::Stranger => {
                format!("{stranger}; those that name a peer are counted apart, for each peer")
            }
            Self::Client => format!("of clients {stranger}; of peers {peer}"),
            Self::Request => {
                format!(
                    "{REQUEST_LINES} for each connection of a client, {SOURCE_REQUESTS} for each address (IPv6: /64), {CLIENT_REQUESTS} for all clients; every one of a peer"
                )
            }
            Self::Call => format!(
                "every one that was answered; of the others from clients {stranger}, from peers {peer}"
            ),
            Self::Peer => peer,
        }
    }
}

/// What is counted together. There are as many as there are events and reasons: both come from tables.
type Kind = (EventKind, Option<Reason>);

/// The counts of each kind that a window has seen. No stranger chooses what kinds there are.
type KindCounts = FastMap<Kind, LineCount>;

/// What one window has seen of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct LineCount {
    written: u32,
    suppressed: u64,
}

/// The limits of one recorder, or of the writer. What is in here is forgotten when its window is over, so it never holds more than ten
/// seconds can bring.
#[derive(Debug, Default)]
pub(super) struct LineLimits {
    /// The number of the window, counted from 1970.
    window: u64,
    /// What concerns no peer.
    kinds: KindCounts,
    /// What concerns a peer. The names are those of the topology, so a remote cannot add any.
    peers: HashMap<Arc<str>, KindCounts>,
    /// Relayed requests of clients.
    requests: RequestLines,
    /// Whether a sum is to be written at the end of the window: spares a walk over the maps when nothing was suppressed.
    pub(super) owes_sums: bool,
    /// The sums of windows that are over, for the recorder to write.
    pub(super) sums: Vec<Event>,
}

impl LineLimits {
    /// Whether an event that happens now has a line.
    pub(super) fn admit(&mut self, event: &Event, now: SystemTime) -> bool {
        let kind = event.kind();
        let limited = kind.row().limited;
        let peer = event.peer();
        // Most events of a healthy node end here, before any table is looked at. A peer's requests are the traffic that this
        // log is for.
        if matches!(limited, Limited::Never | Limited::Operator)
            || limited == Limited::Request && peer.is_some()
            || limited == Limited::Call && event.ends_an_answered_call()
        {
            return true;
        }
        self.begin_window(now);
        if let Event::RequestRelayed { request } = event {
            return self.admit_request(request.connection, request.remote.ip());
        }
        // By reason too: a flood of one must not hide a single one of another, which may be what broke the service.
        let key = (kind, event.reason());
        // Whoever presents a certificate that names a peer need not be that peer.
        let most = if peer.is_none() || limited == Limited::Stranger {
            STRANGER_LINES
        } else {
            PEER_LINES
        };
        let counts = self.counts_of(peer).entry(key).or_default();
        if counts.written < most {
            counts.written += 1;
            return true;
        }
        self.suppress(key, peer, 1)
    }

    /// The same for the writer, whose bounds are those of the node. The sum of a recorder has no line: it becomes part of the
    /// node's.
    pub(super) fn admit_for_node(&mut self, event: &Event, now: SystemTime) -> bool {
        if let Event::EventsSuppressed {
            suppressed,
            reason,
            peer,
            count,
        } = event
        {
            self.begin_window(now);
            return self.suppress((*suppressed, *reason), peer.as_deref(), *count);
        }
        self.admit(event, now)
    }

    /// Counts an event that has no line, as who would have made it has found out.
    pub(super) fn without_line(&mut self, event: EventKind, now: SystemTime) {
        self.begin_window(now);
        self.suppress((event, None), None, 1);
    }

    /// Counts what has no line. Always false: it is not admitted.
    fn suppress(&mut self, kind: Kind, peer: Option<&str>, count: u64) -> bool {
        self.counts_of(peer).entry(kind).or_default().suppressed += count;
        self.owes_sums = true;
        false
    }

    /// What is counted of a peer, or of what concerns none.
    fn counts_of(&mut self, peer: Option<&str>) -> &mut KindCounts {
        let Some(peer) = peer else {
            return &mut self.kinds;
        };
        // The name is copied once in a window.
        if !self.peers.contains_key(peer) {
            self.peers.insert(peer.into(), KindCounts::default());
        }
        self.peers.get_mut(peer).unwrap_or(&mut self.kinds)
    }

    /// The same of a relayed request. The connection decides, and one sum says how many had no line.
    fn admit_request(&mut self, connection: u64, address: IpAddr) -> bool {
        if self.requests.admit(connection, address, self.window) {
            return true;
        }
        self.suppress((EventKind::RequestRelayed, None), None, 1)
    }

    /// Makes the sums of the last window and forgets it, if `now` lies in another one. A clock that was set back ends the
    /// window too; what is from the window before only comes late, and counts in this one.
    pub(super) fn begin_window(&mut self, now: SystemTime) {
        let window = window_of(now);
        if window > self.window || window + 1 < self.window {
            self.end_window();
            self.window = window;
        }
    }

    /// Makes the sums and forgets what they are of.
    pub(super) fn end_window(&mut self) {
        // In no order: a reader groups sums by their fields.
        if self.owes_sums {
            self.owes_sums = false;
            add_sums(&self.kinds, None, &mut self.sums);
            for (peer, kinds) in &self.peers {
                add_sums(kinds, Some(peer), &mut self.sums);
            }
        }
        // The room for kinds and connections stays: it is bounded, and the next window needs it.
        self.kinds.clear();
        self.requests.forget();
        self.peers.clear();
    }
}

/// How long the window of `now` still lasts.
pub(super) fn left_of_window(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let into = since.unwrap_or_default().as_nanos() % WINDOW.as_nanos();
    WINDOW - Duration::from_nanos(u64::try_from(into).unwrap_or_default())
}

/// The number of the window of `now`. A clock that is set before 1970 counts as 1970: the limits hold all the same.
fn window_of(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    window_at(since.unwrap_or_default().as_secs())
}

/// The number of the window at a time, in seconds since 1970.
pub(crate) fn window_at(unix: u64) -> u64 {
    unix / WINDOW.as_secs()
}

/// A sum for each kind of which something had no line: without it lines and counters would disagree.
fn add_sums(kinds: &KindCounts, peer: Option<&Arc<str>>, sums: &mut Vec<Event>) {
    for ((suppressed, reason), counts) in kinds {
        if counts.suppressed > 0 {
            sums.push(Event::EventsSuppressed {
                suppressed: *suppressed,
                reason: *reason,
                peer: peer.cloned(),
                count: counts.suppressed,
            });
        }
    }
}
