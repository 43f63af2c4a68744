//! How many credentials of each source and user were refused lately, how many are under way, and who has proven itself;
//! bounded, and one for all shards.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Tries are counted by this time, in seconds.
pub(crate) const SPAN: u64 = 60;
/// So many places there are for keys of their own.
const PLACES: usize = 16_384;
/// So many places there are beside them for keys that find none there. They share these, so that a table that is full refuses
/// some who have done nothing, and lets nobody try without end.
const SHARED: usize = 4_096;
/// So many of them are looked at for one key.
const PROBES: usize = 8;
/// So many parties that have registered are remembered, of which a new one takes the place of another one: 512 KiB.
const PROVEN: usize = 65_536;
/// Bits of a place that count tries, and those that hold the second in which its minute began; the rest tells keys apart.
const COUNT: u32 = 20;
const SECOND: u32 = 20;

/// The tries of all sources and users, by keyed hashes of them.
///
/// Places are atomics, so that nobody waits for anybody: shards touch them only for a client's request with credentials.
#[derive(Debug)]
pub struct RefusedCredentials {
    since: Instant,
    /// The second of the last refusal, one higher; 0: there was none.
    last: AtomicU64,
    refused: TryTable,
    /// Those that no server has said anything to yet. Apart: however many there are, those that were refused are counted.
    under_way: TryTable,
    /// Who has registered, by keyed hashes.
    proven: Box<[AtomicU64]>,
}

/// A number for each of so many keys, which ends with its minute; the last places are shared.
#[derive(Debug)]
struct TryTable(Box<[AtomicU64]>);

/// What stands in one place. Keys that share a place and a mark would share their tries: with 24 bits of a keyed hash, one
/// pair in sixteen million does.
#[derive(Clone, Copy)]
struct Tries {
    mark: u64,
    second: u64,
    count: u64,
}

impl Tries {
    fn of(packed: u64) -> Self {
        Self {
            mark: packed >> (COUNT + SECOND),
            second: (packed >> COUNT) & ((1 << SECOND) - 1),
            count: packed & ((1 << COUNT) - 1),
        }
    }

    fn packed(self) -> u64 {
        self.mark << (COUNT + SECOND) | self.second << COUNT | self.count
    }

    /// Whether its minute lasts. Seconds go round after twelve days.
    fn counts(self, now: u64) -> bool {
        let age = now.wrapping_sub(self.second) & ((1 << SECOND) - 1);
        self.count > 0 && age < SPAN
    }
}

impl RefusedCredentials {
    /// Empty tables.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            last: AtomicU64::new(0),
            refused: TryTable::new(),
            under_way: TryTable::new(),
            proven: (0..PROVEN).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs()
    }

    /// Whether nobody has had any refused for a minute, which is nearly always so. Costs a load and a compare.
    pub(crate) fn is_quiet(&self, now: Instant) -> bool {
        match self.last.load(Relaxed) {
            0 => true,
            last => self.second(now) >= last.saturating_add(SPAN),
        }
    }

    /// Counts one more that was refused. A key is a keyed hash, so that nobody can make two users share one.
    pub(crate) fn note(&self, key: u64, now: Instant) {
        let second = self.second(now);
        self.last.store(second + 1, Relaxed);
        self.refused.add(key, second);
    }

    /// Those that were refused within a minute; of a minute that is over none count.
    pub(crate) fn tries(&self, key: u64, now: Instant) -> u64 {
        self.refused.get(key, self.second(now))
    }

    /// The most that were refused to any source or account in its minute.
    ///
    /// It looks at every place, so that only a command asks.
    pub(crate) fn most(&self, now: Instant) -> usize {
        let second = self.second(now);
        let all = self
            .refused
            .0
            .iter()
            .map(|place| Tries::of(place.load(Relaxed)));
        let counts = all.filter(|tries| tries.counts(second));
        let most = counts.map(|tries| tries.count).max().unwrap_or_default();
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// One more is sent to a server.
    pub(crate) fn begin(&self, key: u64, now: Instant) {
        self.under_way.add(key, self.second(now));
    }

    /// The server has said something. One of which this is never said counts for its minute.
    pub(crate) fn heard(&self, key: u64, now: Instant) {
        self.under_way.take_back(key, self.second(now));
    }

    /// Those that no server has said anything to.
    pub(crate) fn under_way(&self, key: u64, now: Instant) -> u64 {
        self.under_way.get(key, self.second(now))
    }

    /// A registrar has let this party in.
    pub(crate) fn prove(&self, key: u64) {
        if let Some(place) = self.proven.get(key as usize % PROVEN) {
            place.store(key, Relaxed);
        }
    }

    /// Whether one has lately, as far as there was room to keep that.
    pub(crate) fn is_proven(&self, key: u64) -> bool {
        let place = self.proven.get(key as usize % PROVEN);
        // An empty place is nobody's.
        key != 0 && place.is_some_and(|place| place.load(Relaxed) == key)
    }
}

impl TryTable {
    fn new() -> Self {
        Self((0..PLACES + SHARED).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts one more.
    fn add(&self, key: u64, second: u64) {
        let mark = mark(key);
        let is_own = |tries: Tries| tries.counts(second) && tries.mark == mark;
        let own = self
            .near(key)
            .find(|place| is_own(Tries::of(place.load(Relaxed))));
        // What was counted keeps its place for its minute, so that a flood of names frees nobody who has guessed before.
        let free = || {
            let is_free = |place: &&AtomicU64| !Tries::of(place.load(Relaxed)).counts(second);
            self.near(key).find(is_free)
        };
        // A shared place has the mark 0: whichever key is counted there, it is the same place.
        let (place, mark) = match own.or_else(free) {
            Some(place) => (Some(place), mark),
            None => (self.shared(key), 0),
        };
        let is_own = |tries: Tries| tries.counts(second) && tries.mark == mark;
        // Two shards that meet here may make one place of two, or lose a try: the bound is no less one for that.
        let more = |packed| {
            let before = Tries::of(packed);
            let tries = match is_own(before) {
                // A minute begins with the first try in it.
                true => Tries {
                    count: (before.count + 1).min((1 << COUNT) - 1),
                    ..before
                },
                false => Tries {
                    mark,
                    second: second & ((1 << SECOND) - 1),
                    count: 1,
                },
            };
            Some(tries.packed())
        };
        if let Some(place) = place {
            let _ = place.fetch_update(Relaxed, Relaxed, more);
        }
    }

    /// One less; a place of none is free.
    fn take_back(&self, key: u64, second: u64) {
        let mark = mark(key);
        let less = |packed| {
            let before = Tries::of(packed);
            (before.counts(second) && before.mark == mark).then(|| {
                let count = before.count - 1;
                Tries { count, ..before }.packed()
            })
        };
        let taken = self
            .near(key)
            .find(|place| place.fetch_update(Relaxed, Relaxed, less).is_ok());
        // It had no place of its own when it began. If one has become free meanwhile and another key has it, the shared place
        // is still where it was counted.
        if taken.is_none()
            && let Some(shared) = self.shared(key)
        {
            let less = |packed| {
                let before = Tries::of(packed);
                let count = before.count.saturating_sub(1);
                before
                    .counts(second)
                    .then(|| Tries { count, ..before }.packed())
            };
            let _ = shared.fetch_update(Relaxed, Relaxed, less);
        }
    }

    /// So many within a minute.
    fn get(&self, key: u64, second: u64) -> u64 {
        let mark = mark(key);
        let all = self.near(key).map(|place| Tries::of(place.load(Relaxed)));
        let counted = all.filter(|tries| tries.counts(second));
        let (mut own, mut others) = (None, 0);
        for tries in counted {
            match tries.mark == mark {
                true => own = Some(own.unwrap_or(0) + tries.count),
                false => others += 1,
            }
        }
        // Only who has no place, and finds none, is counted with others.
        own.unwrap_or_else(|| match others >= self.near(key).count() {
            true => self.shared(key).map_or(0, |place| {
                let shared = Tries::of(place.load(Relaxed));
                if shared.counts(second) {
                    shared.count
                } else {
                    0
                }
            }),
            false => 0,
        })
    }

    /// The places that a key may have.
    fn near(&self, key: u64) -> impl Iterator<Item = &AtomicU64> {
        let first = key as usize % PLACES;
        // Those at the end of the table have fewer.
        let own = self.0.get(first..PLACES).unwrap_or_default();
        own.iter().take(PROBES)
    }

    /// The place that a key shares with others if it has none of its own.
    fn shared(&self, key: u64) -> Option<&AtomicU64> {
        // By bits that choose no place of its own.
        self.0.get(PLACES + (key >> 20) as usize % SHARED)
    }
}

/// What tells a key from others with the same place: of bits that do not choose the place.
fn mark(key: u64) -> u64 {
    key >> (COUNT + SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn table() -> (Instant, RefusedCredentials) {
        let now = Instant::now();
        (now, RefusedCredentials::new(now))
    }

    #[test]
    fn tries_are_counted_for_a_minute_and_of_so_many_at_a_time() {
        let (start, refused) = table();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(refused.is_quiet(at(0)) && refused.is_quiet(at(1_000_000)));
        for second in 0..30 {
            refused.note(7, at(second));
        }
        assert_eq!(
            (refused.tries(7, at(59)), refused.tries(7, at(60))),
            (30, 0)
        );
        // Same places, another key.
        assert_eq!(refused.tries(7 | 1 << 50, at(30)), 0);
        assert!(!refused.is_quiet(at(89)) && refused.is_quiet(at(90)));
        // As many as there are places near it have one of their own; the others are counted together.
        let all = || (0..100).map(|key| 7 | key << 50);
        for key in all() {
            refused.note(key, at(200));
        }
        let tries: Vec<u64> = all().map(|key| refused.tries(key, at(200))).collect();
        let (own, shared) = tries.split_at(PROBES);
        assert!(own.iter().all(|count| *count == 1), "{own:?}");
        assert!(shared.iter().all(|count| *count == 92), "{shared:?}");
        // Who was not there and would find no place has as many; whoever finds one has none.
        assert_eq!(refused.tries(7 | 200 << 50, at(200)), 92);
        assert_eq!(refused.tries(8 | 200 << 50, at(200)), 0);
        assert_eq!(refused.tries(7 | 200 << 50, at(260)), 0);
    }

    #[test]
    fn what_is_under_way_without_a_place_of_its_own_is_taken_back_too() {
        let (start, refused) = table();
        let all = || (0..20).map(|key| 7 | key << 50);
        all().for_each(|key| refused.begin(key, start));
        assert_eq!(refused.under_way(7 | 19 << 50, start), 20 - PROBES as u64);
        all().for_each(|key| refused.heard(key, start));
        assert!(all().all(|key| refused.under_way(key, start) == 0));
    }

    #[test]
    fn what_is_under_way_is_taken_back_and_who_has_registered_is_known() {
        let (start, refused) = table();
        (0..3).for_each(|_| refused.begin(7, start));
        refused.heard(7, start);
        assert_eq!(
            (refused.under_way(7, start), refused.tries(7, start)),
            (2, 0)
        );
        (0..5).for_each(|_| refused.heard(7, start));
        assert_eq!(refused.under_way(7, start), 0);
        assert!(refused.is_quiet(start), "nothing was refused");
        assert!(!refused.is_proven(7));
        refused.prove(7);
        // Another one of the same place.
        assert!(refused.is_proven(7) && !refused.is_proven(7 | 1 << 50));
    }

    #[test]
    fn what_all_shards_have_seen_counts_together() {
        let (start, refused) = table();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| refused.note(9, start)));
            }
        });
        assert_eq!(refused.tries(9, start), 4_000);
    }
}
