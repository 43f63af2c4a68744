//! What is known of each peer's health: written by the shard that learns it, read by all, in
//! atomics that outlive a reload.
//!
//! A peer is down by pings (only pings bring it back) or by what requests met (it comes back by
//! itself after a pause, and the next failure takes it down again at once). A 503 with Retry-After
//! holds requests off for that time (RFC 3261 §21.5.4). Every order is relaxed: a shard that sees a
//! change a moment later has sent one request more, no harm else.
use super::leg::PeerKey;
use crate::reason::{HealthReason, Reason};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a peer without pings is passed over after it stayed silent too often.
pub(crate) const REST: Duration = Duration::from_secs(30);
/// The longest Retry-After that is heeded: a slip of a peer must not keep it out for a week.
const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// `until` of a peer that only pings bring back.
const BY_PINGS: u64 = u64::MAX;

/// Where a peer stands, best first; the order in which a pool's members are tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fitness {
    /// It answers.
    Up,
    /// It has just come back, and must last for `fail_back` first.
    Returning,
    /// It is down: the last resort.
    Down,
    /// It asked to be left alone: nothing new goes there.
    Held,
}

/// What is known of one peer's health.
#[derive(Clone, Copy, Debug)]
pub struct PeerCondition {
    /// Where it stands; one that has just come back is up.
    pub fitness: Fitness,
    /// How long ago it last went down or came back; `None`: never in this run.
    pub since: Option<Duration>,
    /// Why it went down last, or is left alone now.
    pub reason: Option<Reason>,
    /// Failures in a row that requests and connects met.
    pub failures: u32,
    /// Pings that were sent in this run.
    pub pings: u64,
    /// Those of them that were answered in time.
    pub pongs: u64,
    /// How long the last answer took, a connect that the ping waited for included; zero: there was none.
    pub last_pong: Duration,
}

/// One peer's state. Times are milliseconds since `epoch`.
#[derive(Debug)]
pub(crate) struct PeerHealth {
    epoch: Instant,
    /// 1 while it is down.
    down: AtomicU8,
    /// When it last went down or came back; 0: never.
    changed: AtomicU64,
    /// Until when it is passed over.
    until: AtomicU64,
    /// End of a Retry-After.
    held: AtomicU64,
    /// Failures in a row that requests and connects met.
    failures: AtomicU32,
    /// When the last connection to it ended, of whichever shard; 0: one has come up since. Kept for siblings.
    lost: AtomicU64,
    /// The shards that have a connection with it, a bit for each.
    connected: AtomicU64,
    /// Why it went down last: the reason's place in the registry and one more; 0: it never did.
    why: AtomicU32,
    /// Pings that were sent, those that were answered, and how long the last answer took, in microseconds.
    pings: [AtomicU64; 3],
    /// When a shard had its first connection to it.
    found: AtomicU64,
}

impl PeerHealth {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            down: AtomicU8::new(0),
            changed: AtomicU64::new(0),
            until: AtomicU64::new(0),
            held: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            connected: AtomicU64::new(0),
            why: AtomicU32::new(0),
            pings: Default::default(),
            found: AtomicU64::new(0),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(BY_PINGS - 1)
    }

    /// A shard has its first connection with it, or no longer any.
    pub(crate) fn note_shard(&self, shard: u8, is_there: bool) {
        let bit = shard_bit(shard);
        if is_there {
            self.connected.fetch_or(bit, Relaxed);
        } else {
            self.connected.fetch_and(!bit, Relaxed);
        }
    }

    /// The shards that have one, a bit for each. A shard that sees a change late asks once too often, or is
    /// not asked for a message that crosses with its connection.
    pub(crate) fn shards(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    /// This shard has lost its last connection to it; returns whether it is gone: one that another shard still has shows
    /// that it lives.
    pub(crate) fn note_lost(&self, shard: u8, now: Instant) -> bool {
        let own = shard_bit(shard);
        let is_gone = self.connected.fetch_and(!own, Relaxed) & !own == 0;
        if is_gone {
            self.lost.store(self.millis(now).max(1), Relaxed);
        }
        is_gone
    }

    /// A connection to it has come up in this shard, the first one there or a further one; returns whether no shard had one
    /// before.
    pub(crate) fn note_found(&self, shard: u8, is_first: bool, now: Instant) -> bool {
        let own = shard_bit(shard);
        let before = self.connected.fetch_or(own, Relaxed);
        if is_first {
            self.found.store(self.millis(now), Relaxed);
        }
        self.lost.store(0, Relaxed);
        is_first && before & !own == 0
    }

    /// Whether it is down only because pings have not seen it yet since it came back: one that hangs makes no connections.
    pub(crate) fn has_come_back(&self) -> bool {
        self.is_connected() && self.found.load(Relaxed) >= self.changed.load(Relaxed)
    }

    /// Since when it is down, and has not come back.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        let is_down = self.is_down() && !self.has_come_back();
        is_down.then(|| self.epoch + Duration::from_millis(self.changed.load(Relaxed)))
    }

    /// Whether any shard has a connection to it.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed) != 0
    }

    /// When the last connection to it ended, if none has come up since.
    pub(crate) fn lost_at(&self) -> Option<Instant> {
        let lost = self.lost.load(Relaxed);
        (lost != 0).then(|| self.epoch + Duration::from_millis(lost))
    }

    /// Where it stands; one that came back less than `fail_back` ago is returning.
    pub(crate) fn fitness(&self, now: Instant, fail_back: Duration) -> Fitness {
        let now = self.millis(now);
        if self.held.load(Relaxed) > now {
            return Fitness::Held;
        }
        if self.is_down() {
            if self.until.load(Relaxed) > now {
                return Fitness::Down;
            }
            return Fitness::Up;
        }
        let changed = self.changed.load(Relaxed);
        let lasts = u64::try_from(fail_back.as_millis()).unwrap_or(u64::MAX);
        if changed != 0 && now < changed.saturating_add(lasts) {
            Fitness::Returning
        } else {
            Fitness::Up
        }
    }

    /// It went down for this.
    pub(crate) fn because(&self, reason: HealthReason) {
        let index = Reason::from(reason).index();
        self.why
            .store(u32::try_from(index).map_or(0, |it| it + 1), Relaxed);
    }

    /// A ping has gone out.
    pub(crate) fn note_ping(&self) {
        self.pings[0].fetch_add(1, Relaxed);
    }

    /// It was answered, after so long.
    pub(crate) fn note_pong(&self, took: Duration) {
        let [_, answered, last] = &self.pings;
        answered.fetch_add(1, Relaxed);
        last.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All of it, for an operator.
    pub(crate) fn condition(&self, now: Instant) -> PeerCondition {
        let fitness = self.fitness(now, Duration::ZERO);
        let (at, changed) = (self.millis(now), self.changed.load(Relaxed));
        let [sent, answered, last] = &self.pings;
        let why = self.why.load(Relaxed).checked_sub(1);
        let why = why.and_then(|index| Reason::all().nth(usize::try_from(index).ok()?));
        PeerCondition {
            fitness,
            since: (changed != 0).then(|| Duration::from_millis(at.saturating_sub(changed))),
            reason: match fitness {
                Fitness::Held => Some(HealthReason::RetryAfter.into()),
                Fitness::Up | Fitness::Returning | Fitness::Down => why,
            },
            failures: self.failures.load(Relaxed),
            pings: sent.load(Relaxed),
            pongs: answered.load(Relaxed),
            last_pong: Duration::from_micros(last.load(Relaxed)),
        }
    }

    /// Whether it was taken down and nothing has brought it back.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Relaxed) != 0
    }

    /// Whether an answer would change anything here.
    pub(crate) fn is_troubled(&self) -> bool {
        self.is_down() || self.failures.load(Relaxed) != 0
    }

    /// Something that was sent, or a connect, failed. At `down_after` failures in a row the peer is
    /// down: until `until`, or until pings bring it back. Returns whether it went down now.
    pub(crate) fn failed(&self, down_after: u8, until: Option<Instant>, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        failures >= u32::from(down_after) && self.take_down(until, now)
    }

    /// Takes it down; returns whether it was up.
    pub(crate) fn take_down(&self, until: Option<Instant>, now: Instant) -> bool {
        let until = until.map_or(BY_PINGS, |at| self.millis(at));
        self.until.store(until, Relaxed);
        let was_up = self.down.swap(1, Relaxed) == 0;
        if was_up {
            self.changed.store(self.millis(now).max(1), Relaxed);
        }
        was_up
    }

    /// Forgets failures, and brings it back if it was down; returns for how long it was.
    pub(crate) fn bring_up(&self, now: Instant) -> Option<Duration> {
        self.failures.store(0, Relaxed);
        if self.down.swap(0, Relaxed) == 0 {
            return None;
        }
        let now = self.millis(now);
        let since = self.changed.swap(now.max(1), Relaxed);
        Some(Duration::from_millis(now.saturating_sub(since)))
    }

    /// It answered. A peer that only pings bring back stays down; returns for how long another was.
    pub(crate) fn answered(&self, now: Instant) -> Option<Duration> {
        if self.is_down() && self.until.load(Relaxed) == BY_PINGS {
            self.failures.store(0, Relaxed);
            return None;
        }
        self.bring_up(now)
    }

    /// RFC 3261 §21.5.4: no requests for this time; returns what was granted.
    pub(crate) fn hold(&self, time: Duration, now: Instant) -> Duration {
        let time = time.min(LONGEST_HOLD);
        self.held.fetch_max(self.millis(now + time), Relaxed);
        time
    }

    /// Nobody pings it any more: from now on requests find out.
    pub(crate) fn release(&self, now: Instant) {
        if self.until.load(Relaxed) == BY_PINGS {
            self.until.store(self.millis(now), Relaxed);
        }
    }
}

/// There are at most 64 shards; beyond that they would share a bit.
fn shard_bit(shard: u8) -> u64 {
    1 << (shard % 64)
}

/// The health of every peer that was ever listed in this run. The lock is taken when a generation
/// is loaded, never for a message.
#[derive(Debug)]
pub struct HealthBoard {
    epoch: Instant,
    peers: Mutex<HashMap<PeerKey, Arc<PeerHealth>>>,
}

impl HealthBoard {
    /// A board on which everybody is well.
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            peers: Mutex::default(),
        }
    }

    /// The state of one peer, the same for every shard and generation.
    pub(crate) fn of(&self, key: PeerKey) -> Arc<PeerHealth> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = peers
            .entry(key)
            .or_insert_with(|| Arc::new(PeerHealth::new(self.epoch)));
        Arc::clone(found)
    }

    /// What is known of the peers of these names, in their order.
    pub fn conditions<'n>(
        &self,
        fqdns: impl Iterator<Item = &'n str>,
        now: Instant,
    ) -> Vec<PeerCondition> {
        // One that nothing was ever sent to is up.
        let unknown = PeerHealth::new(self.epoch);
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |fqdn| peers.get(&PeerKey::of(fqdn)).map_or(&unknown, |it| &**it);
        fqdns.map(|fqdn| state(fqdn).condition(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(
        clippy::disallowed_methods,
        reason = "a starting point for the test's clock"
    )]
    fn board() -> (HealthBoard, Instant) {
        let now = Instant::now();
        (HealthBoard::new(now), now + SECOND)
    }

    #[test]
    fn failures_in_a_row_take_a_peer_down_and_an_answer_starts_the_count_anew() {
        let (board, now) = board();
        let peer = board.of(PeerKey(1));
        let until = Some(now + REST);
        assert!(!peer.failed(2, until, now));
        assert_eq!(peer.answered(now), None);
        assert!(!peer.failed(2, until, now));
        assert!(peer.failed(2, until, now));
        assert!(!peer.failed(2, until, now), "it is down already");
        assert_eq!(peer.fitness(now, SECOND), Fitness::Down);
        // The pause is over: the next request may find out.
        assert_eq!(peer.fitness(now + REST, SECOND), Fitness::Up);
        assert_eq!(peer.answered(now + REST), Some(REST));
        assert_eq!(peer.fitness(now + REST, SECOND), Fitness::Returning);
        assert_eq!(peer.fitness(now + REST + SECOND, SECOND), Fitness::Up);
    }

    #[test]
    fn only_pings_bring_back_what_pings_watch() {
        let (board, now) = board();
        let peer = board.of(PeerKey(1));
        assert!(peer.take_down(None, now));
        assert_eq!(peer.answered(now), None);
        assert_eq!(peer.fitness(now + 100 * REST, SECOND), Fitness::Down);
        assert!(peer.bring_up(now + SECOND).is_some());
        peer.take_down(None, now);
        peer.release(now);
        assert_eq!(peer.fitness(now, SECOND), Fitness::Up);
    }

    #[test]
    fn a_hold_ends_by_itself_and_is_bounded() {
        let (board, now) = board();
        let peer = board.of(PeerKey(1));
        peer.hold(5 * SECOND, now);
        peer.hold(SECOND, now);
        assert_eq!(peer.fitness(now + 4 * SECOND, SECOND), Fitness::Held);
        assert_eq!(peer.fitness(now + 5 * SECOND, SECOND), Fitness::Up);
        assert_eq!(
            peer.hold(Duration::from_secs(u64::MAX / 4), now),
            LONGEST_HOLD
        );
    }

    #[test]
    fn a_sibling_is_lost_when_the_last_shard_has_lost_it() {
        let (board, now) = board();
        let peer = board.of(PeerKey(1));
        // The shard's own bit stands already when it says so.
        peer.note_shard(0, true);
        assert!(peer.note_found(0, true, now));
        assert!(!peer.note_found(0, false, now) && !peer.note_found(1, true, now));
        assert!(!peer.note_lost(0, now));
        assert_eq!((peer.is_connected(), peer.lost_at()), (true, None));
        assert!(peer.note_lost(1, now));
        assert_eq!((peer.is_connected(), peer.lost_at()), (false, Some(now)));
        assert!(peer.note_found(63, true, now));
        assert_eq!((peer.is_connected(), peer.lost_at()), (true, None));
    }

    #[test]
    fn a_condition_says_since_when_and_why_and_what_pings_have_found() {
        let (board, now) = board();
        let condition = |at| board.conditions(["fe01.contoso.test"].into_iter(), at)[0];
        assert_eq!(condition(now).fitness, Fitness::Up);
        assert!(condition(now).since.is_none() && condition(now).reason.is_none());
        let peer = board.of(PeerKey::of("fe01.contoso.test"));
        for _ in 0..3 {
            peer.note_ping();
        }
        peer.note_pong(7 * SECOND / 1_000);
        assert!(peer.take_down(None, now));
        peer.because(HealthReason::PingTimeout);
        let down = condition(now + 9 * SECOND);
        assert_eq!(
            (down.fitness, down.pings, down.pongs),
            (Fitness::Down, 3, 1)
        );
        assert_eq!(down.since, Some(9 * SECOND));
        assert_eq!(down.reason, Some(HealthReason::PingTimeout.into()));
        assert_eq!(down.last_pong, 7 * SECOND / 1_000);
        peer.hold(5 * SECOND, now);
        let held = condition(now + SECOND);
        assert_eq!(held.reason, Some(HealthReason::RetryAfter.into()));
    }

    #[test]
    fn what_hangs_has_not_come_back() {
        let (board, now) = board();
        let peer = board.of(PeerKey(1));
        peer.note_found(0, true, now);
        peer.take_down(None, now + SECOND);
        assert_eq!(peer.down_since(), Some(now + SECOND));
        // As after a reload, which judges what is connected anew.
        peer.note_found(0, false, now + 2 * SECOND);
        assert!(!peer.has_come_back());
        peer.note_lost(0, now + 3 * SECOND);
        peer.note_found(0, true, now + 4 * SECOND);
        assert_eq!((peer.has_come_back(), peer.down_since()), (true, None));
    }

    #[test]
    fn all_who_ask_share_one_state() {
        let (board, now) = board();
        board.of(PeerKey(1)).take_down(None, now);
        assert!(board.of(PeerKey(1)).is_down());
        assert!(!board.of(PeerKey(2)).is_down());
    }
}
