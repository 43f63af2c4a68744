//! One timing wheel for all transactions of a core (RFC 3261 §17): at most one entry for each slot,
//! O(1) to arm and cancel.
//!
//! A transaction arms its timer several times in its life and mostly cancels it, so that both must
//! cost nothing that grows with the number of transactions: a heap or a sorted map costs a search
//! each. The wheel has a list for each tick of 25 ms; an entry is linked into the list of its tick
//! and taken out of it by its own links.
use std::time::{Duration, Instant};

/// Resolution. The shortest timer (100 Trying, 200 ms) tolerates it, the others are seconds.
const TICK: Duration = Duration::from_millis(25);
const TICKS_PER_SECOND: u64 = 40;
/// Slots in the wheel: 8192 × 25 ms = 204.8 s, more than Timer C, so that nothing goes round twice.
const SLOTS: u64 = 8192;
const WORDS: usize = (SLOTS / 64) as usize;
const NONE: u32 = u32::MAX;
/// No wheel turns for so long.
const UNARMED: u64 = u64::MAX;

#[derive(Clone, Copy)]
struct WheelNode {
    /// Absolute tick; [`UNARMED`]: there is none. One number says both, since there may be millions of nodes.
    tick: u64,
    /// Neighbours in the list of its tick, so that cancelling needs no search.
    previous: u32,
    next: u32,
}

impl WheelNode {
    const IDLE: Self = Self {
        tick: UNARMED,
        previous: NONE,
        next: NONE,
    };

    fn is_armed(&self) -> bool {
        self.tick != UNARMED
    }
}

/// Deadlines of entries that are named by small integers (the slots of the context table).
pub(crate) struct Wheel {
    epoch: Instant,
    /// Every tick below this has been handed out.
    current: u64,
    /// No armed entry is due before this tick; `None` when nothing is armed.
    earliest: Option<u64>,
    /// The first entry of each slot's list.
    heads: Box<[u32]>,
    /// A bit for each slot with entries: the next one is found by counting zeros, not by walking
    /// 8192 slots.
    occupied: [u64; WORDS],
    /// By entry number; grows with the table of contexts and is never searched.
    nodes: Vec<WheelNode>,
    armed: usize,
}

#[expect(
    clippy::indexing_slicing,
    reason = "heads and words are indexed modulo SLOTS, nodes by entries that arm() made room for"
)]
impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            current: 0,
            earliest: None,
            heads: vec![NONE; SLOTS as usize].into_boxed_slice(),
            occupied: [0; WORDS],
            nodes: Vec::new(),
            armed: 0,
        }
    }

    /// Arms or re-arms `entry`. Deadlines further away than the wheel's circumference fire early,
    /// at its end.
    pub(crate) fn arm(&mut self, entry: u32, at: Instant) {
        self.cancel(entry);
        let index = entry as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, WheelNode::IDLE);
        }
        let since = at.saturating_duration_since(self.epoch);
        // Rounded up: an entry never fires before its time. A second is a whole number of ticks.
        let ticks = u64::from(since.subsec_nanos().div_ceil(TICK.subsec_nanos()));
        let tick = since
            .as_secs()
            .saturating_mul(TICKS_PER_SECOND)
            .saturating_add(ticks);
        let tick = tick.clamp(self.current, self.current + SLOTS - 1);
        let position = (tick % SLOTS) as usize;
        let head = self.heads[position];
        self.nodes[index] = WheelNode {
            tick,
            previous: NONE,
            next: head,
        };
        if head != NONE {
            self.nodes[head as usize].previous = entry;
        }
        self.heads[position] = entry;
        self.occupied[position / 64] |= 1 << (position % 64);
        self.armed += 1;
        self.earliest = Some(self.earliest.map_or(tick, |e| e.min(tick)));
    }

    /// Forgets the entry's deadline, if it has one.
    pub(crate) fn cancel(&mut self, entry: u32) {
        let Some(&node) = self.nodes.get(entry as usize) else {
            return;
        };
        if !node.is_armed() {
            return;
        }
        let position = (node.tick % SLOTS) as usize;
        if node.previous == NONE {
            self.heads[position] = node.next;
            if node.next == NONE {
                self.occupied[position / 64] &= !(1 << (position % 64));
            }
        } else {
            self.nodes[node.previous as usize].next = node.next;
        }
        if node.next != NONE {
            self.nodes[node.next as usize].previous = node.previous;
        }
        self.nodes[entry as usize] = WheelNode::IDLE;
        self.armed -= 1;
        if self.armed == 0 {
            self.earliest = None;
        }
    }

    /// Takes one entry that is due, disarming it.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let until =
            u64::try_from(now.saturating_duration_since(self.epoch).as_nanos() / TICK.as_nanos())
                .unwrap_or(u64::MAX);
        let earliest = self.earliest?;
        if earliest > until {
            // Nothing armed lies below `earliest`, so the wheel may turn on to here.
            self.current = self.current.max(until);
            return None;
        }
        // `earliest` may be stale (its entry was cancelled): look for the first occupied slot from
        // there on.
        let Some(first) = self.first_occupied(earliest.max(self.current)) else {
            self.earliest = None;
            return None;
        };
        self.earliest = Some(first);
        self.current = self.current.max(first.min(until));
        if first > until {
            return None;
        }
        let entry = self.heads[(first % SLOTS) as usize];
        self.cancel(entry);
        Some(entry)
    }

    /// Entries from this number on are not used, and their memory is returned.
    pub(crate) fn shrink(&mut self, entries: usize) {
        // Whatever is still armed stays.
        let used = self.nodes.iter().rposition(WheelNode::is_armed);
        self.nodes
            .truncate(entries.max(used.map_or(0, |last| last + 1)));
        self.nodes.shrink_to_fit();
    }

    /// When this entry is due, up to a tick later.
    pub(crate) fn at(&self, entry: u32) -> Option<Instant> {
        let node = self
            .nodes
            .get(entry as usize)
            .filter(|node| node.is_armed())?;
        Some(self.epoch + TICK * u32::try_from(node.tick).unwrap_or(u32::MAX))
    }

    /// When the next entry may be due; may be too early after a cancel, never too late.
    pub(crate) fn next(&self) -> Option<Instant> {
        let ticks = u32::try_from(self.earliest?).unwrap_or(u32::MAX);
        Some(self.epoch + TICK * ticks)
    }

    fn first_occupied(&self, from: u64) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let start = (from % SLOTS) as usize;
        for step in 0..=WORDS {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            } else if step == WORDS {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let position = word as u64 * 64 + u64::from(bits.trailing_zeros());
                let ahead = (position + SLOTS - from % SLOTS) % SLOTS;
                return Some(from + ahead);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop_due(now)).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn entries_fire_in_time_and_never_early() {
        let t0 = start();
        let mut wheel = Wheel::new(t0);
        wheel.arm(3, t0 + Duration::from_secs(32));
        wheel.arm(1, t0 + Duration::from_millis(200));
        wheel.arm(2, t0 + Duration::from_secs(181));
        assert_eq!(
            drain(&mut wheel, t0 + Duration::from_millis(199)),
            Vec::<u32>::new()
        );
        assert_eq!(drain(&mut wheel, t0 + Duration::from_millis(226)), vec![1]);
        assert!(wheel.next().unwrap() >= t0 + Duration::from_secs(32));
        assert_eq!(
            drain(&mut wheel, t0 + Duration::from_millis(31_999)),
            Vec::<u32>::new()
        );
        assert_eq!(
            drain(&mut wheel, t0 + Duration::from_millis(32_030)),
            vec![3]
        );
        assert_eq!(
            drain(&mut wheel, t0 + Duration::from_millis(181_030)),
            vec![2]
        );
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_cancelled_entry_never_fires_and_a_rearmed_one_fires_once() {
        let t0 = start();
        let mut wheel = Wheel::new(t0);
        for entry in 0..10 {
            wheel.arm(entry, t0 + Duration::from_secs(1));
        }
        for entry in (0..10).step_by(2) {
            wheel.cancel(entry);
        }
        wheel.arm(5, t0 + Duration::from_secs(3));
        let mut fired = drain(&mut wheel, t0 + Duration::from_secs(2));
        fired.sort_unstable();
        assert_eq!(fired, vec![1, 3, 7, 9]);
        assert_eq!(drain(&mut wheel, t0 + Duration::from_secs(4)), vec![5]);
    }

    #[test]
    fn the_wheel_turns_for_hours() {
        let t0 = start();
        let mut wheel = Wheel::new(t0);
        let mut now = t0;
        for round in 0..2_000u32 {
            wheel.arm(round % 7, now + Duration::from_secs(20));
            now += Duration::from_secs(21);
            assert_eq!(drain(&mut wheel, now), vec![round % 7], "round {round}");
        }
    }

    #[test]
    fn it_agrees_with_a_sorted_list() {
        let t0 = start();
        let mut wheel = Wheel::new(t0);
        let mut model = std::collections::BTreeMap::new();
        let mut seed = 1u64;
        let mut now = t0;
        for _ in 0..20_000 {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let entry = (seed >> 33) as u32 % 64;
            if seed >> 62 == 0 {
                wheel.cancel(entry);
                model.remove(&entry);
            } else {
                let at = now + Duration::from_millis((seed >> 40) % 180_000);
                wheel.arm(entry, at);
                model.insert(entry, at);
            }
            now += Duration::from_millis((seed >> 20) % 900);
            for fired in drain(&mut wheel, now) {
                let at = model.remove(&fired).expect("fires only what is armed");
                assert!(at <= now, "never early");
            }
            assert!(
                model.values().all(|at| *at + TICK * 2 > now),
                "never later than two ticks"
            );
        }
    }
}
