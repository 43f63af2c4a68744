//! When the bindings of a directory may end: each stands in a list of the minute, so that what has ended is found without a
//! search.
//!
//! A binding that ends early, or is granted for longer and shorter in turn, leaves entries behind that stand for nothing.
//! Once most of them do, those that still count are brought to new lists, a few with each change, so that no message waits
//! for it; until the old lists are empty both are looked at.
use super::id::BindingId;
use std::collections::BTreeMap;

/// What ends is looked for in steps of this, in seconds.
const MINUTE: u32 = 60;
/// How many entries may stand for nothing before those that count are brought to new lists, beside as many as there are bindings.
const STALE: usize = 64;
/// How many entries each change looks at while that goes on: enough to be done long before it is needed again.
const STEP: usize = 8;
/// Marks the second of the two sides. No minute of 68 years has this bit.
const SIDE: u32 = 1 << 31;

/// In which list a binding stands: the minute, and the side that the list is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Listed(u32);

impl Listed {
    /// In none.
    pub(super) const NOWHERE: Self = Self(u32::MAX);

    fn minute(self) -> u32 {
        self.0 & !SIDE
    }
}

/// Where the bindings of a directory stand.
pub(super) trait BindingPlaces {
    /// How many there are.
    fn count(&self) -> usize;
    /// Where this one stands.
    fn listed(&mut self, id: BindingId) -> Option<&mut Listed>;
}

/// The lists of one directory.
#[derive(Default)]
pub(super) struct Ends {
    first: BTreeMap<u32, Vec<BindingId>>,
    second: BTreeMap<u32, Vec<BindingId>>,
    /// Whether new entries go to the second side; the other one is empty or being emptied.
    on_second: bool,
    /// How many entries all lists have, whatever they still stand for.
    count: usize,
}

impl Ends {
    /// Enters a binding that ends at this second, unless it stands in an earlier list, which looks again.
    pub(super) fn enter(&mut self, id: BindingId, until: u32, listed: &mut Listed) {
        let minute = until / MINUTE;
        if listed.minute() > minute {
            *listed = self.push(id, minute);
        }
    }

    /// Brings some of the entries that count to new lists, if most stand for nothing.
    pub(super) fn tidy(&mut self, bindings: &mut impl BindingPlaces) {
        if self.old().is_empty() {
            if self.count <= 2 * bindings.count() + STALE {
                return;
            }
            self.on_second = !self.on_second;
        }
        let side = self.side(!self.on_second);
        for _ in 0..STEP {
            // The latest first: the others are soon looked at anyway.
            let Some(mut list) = self.old().last_entry() else {
                return;
            };
            let minute = *list.key();
            let Some(id) = list.get_mut().pop() else {
                list.remove();
                continue;
            };
            self.count -= 1;
            // Each once, from the list that it stands in: an entry elsewhere would be passed over later.
            if let Some(listed) = bindings.listed(id)
                && *listed == Listed(minute | side)
            {
                *listed = self.push(id, minute);
            }
        }
    }

    /// Takes one that may have ended by this second; it has not if it stands elsewhere by now.
    pub(super) fn due(&mut self, seconds: u32) -> Option<(BindingId, Listed)> {
        loop {
            let minute = self.minute().filter(|at| (at + 1) * MINUTE <= seconds)?;
            let of_old = self.old().keys().next().copied();
            let on_second = self.on_second != (of_old == Some(minute));
            let side = self.side(on_second);
            let lists = if on_second {
                &mut self.second
            } else {
                &mut self.first
            };
            match lists.get_mut(&minute).and_then(Vec::pop) {
                Some(id) => {
                    self.count -= 1;
                    return Some((id, Listed(minute | side)));
                }
                None => drop(lists.remove(&minute)),
            }
        }
    }

    /// The second at which the first list is due.
    pub(super) fn next(&self) -> Option<u32> {
        self.minute().map(|at| (at + 1) * MINUTE)
    }

    /// The first minute that has a list.
    fn minute(&self) -> Option<u32> {
        let first = |lists: &BTreeMap<u32, _>| lists.keys().next().copied();
        let sides = [first(&self.first), first(&self.second)];
        sides.into_iter().flatten().min()
    }

    fn push(&mut self, id: BindingId, minute: u32) -> Listed {
        let lists = match self.on_second {
            true => &mut self.second,
            false => &mut self.first,
        };
        lists.entry(minute).or_default().push(id);
        self.count += 1;
        Listed(minute | self.side(self.on_second))
    }

    fn side(&self, on_second: bool) -> u32 {
        if on_second { SIDE } else { 0 }
    }

    /// The side that takes no new entries.
    fn old(&mut self) -> &mut BTreeMap<u32, Vec<BindingId>> {
        match self.on_second {
            true => &mut self.first,
            false => &mut self.second,
        }
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let sides = [&self.first, &self.second].into_iter();
        let listed: usize = sides.flat_map(BTreeMap::values).map(Vec::len).sum();
        assert_eq!(listed, self.count);
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Where each stands, when it ends, and how often that was asked for.
    #[derive(Default)]
    struct Plain {
        bindings: HashMap<BindingId, (Listed, u32)>,
        looks: usize,
    }

    impl BindingPlaces for Plain {
        fn count(&self) -> usize {
            self.bindings.len()
        }
        fn listed(&mut self, id: BindingId) -> Option<&mut Listed> {
            self.looks += 1;
            self.bindings.get_mut(&id).map(|(listed, _)| listed)
        }
    }

    #[test]
    fn whatever_comes_and_goes_is_found_in_its_minute_and_a_change_looks_at_a_few_only() {
        let (mut ends, mut plain) = (Ends::default(), Plain::default());
        let (mut random, mut turns, mut found) = (1_u32, 0, 0);
        for second in 0..20_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = BindingId::from_u64(u64::from(random >> 8) % 500);
            if random >> 28 == 0 {
                plain.bindings.remove(&id);
            } else {
                // For long and for short in turn, so that entries stay behind that stand for nothing.
                let most = if random >> 31 == 0 { 300 } else { 500_000 };
                let until = second + 1 + (random >> 8) % most;
                let entry = plain.bindings.entry(id);
                let (listed, end) = entry.or_insert((Listed::NOWHERE, 0));
                *end = until;
                ends.enter(id, until, listed);
            }
            let before = (plain.looks, ends.on_second);
            ends.tidy(&mut plain);
            assert!(plain.looks - before.0 <= STEP);
            turns += usize::from(ends.on_second != before.1);
            let most = 3 * plain.count() + 2 * STALE;
            assert!(ends.count() <= most, "{}", ends.count());
            while let Some((id, at)) = ends.due(second) {
                let Some((listed, end)) = plain.bindings.get_mut(&id) else {
                    continue;
                };
                if *listed != at {
                    continue;
                }
                *listed = Listed::NOWHERE;
                if *end > second {
                    ends.enter(id, *end, listed);
                } else {
                    assert!(second - *end < 2 * MINUTE, "it was found late");
                    plain.bindings.remove(&id);
                    found += 1;
                }
            }
            // Nobody is forgotten in the lists.
            let overdue = |(_, end): &(Listed, u32)| second > *end + 2 * MINUTE;
            assert!(second % 100 > 0 || !plain.bindings.values().any(overdue));
        }
        assert!(turns > 5 && found > 1_000, "{turns} {found}");
    }
}
