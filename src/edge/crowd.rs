//! Who waits or holds something, by source: turns go round the networks and the sources in them, and what must make room
//! is the oldest of the fullest source of the fullest network.
//!
//! Two levels, since an attacker seldom has one address and seldom a thousand networks: a flood from a /24 competes with
//! itself first, whatever number of addresses it uses, and one from a single address first of all.
use crate::proxy::{NetKey, SourceKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

/// Members by network and source. A member is a number that only grows, so that the smallest is the oldest. All that it
/// does costs the logarithm of the number of sources.
#[derive(Default)]
pub(super) struct Crowd {
    nets: Groups<NetKey, Groups<SourceKey, BTreeSet<u64>>>,
    count: usize,
    /// The next turn of a source is its newest member's and not its oldest one's.
    newest_next: bool,
}

/// Groups that know which of them is the largest and whose turn it is.
struct Groups<K, V> {
    groups: HashMap<K, CrowdGroup<V>>,
    by_size: BTreeSet<(usize, K)>,
    /// The first has the next turn.
    by_turn: BTreeMap<u64, K>,
    turns: u64,
}

/// One group.
struct CrowdGroup<V> {
    /// Groups again, or numbers.
    members: V,
    size: usize,
    turn: u64,
}

impl Crowd {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Enters a member.
    pub(super) fn enter(&mut self, address: IpAddr, member: u64) {
        let (net, source) = (NetKey::of(address), SourceKey::of(address));
        self.count += 1;
        self.nets.resize(net, 1, |sources| {
            sources.resize(source, 1, |members| {
                members.insert(member);
            });
        });
    }

    /// Takes a member out that was entered with this address.
    pub(super) fn leave(&mut self, address: IpAddr, member: u64) {
        let (net, source) = (NetKey::of(address), SourceKey::of(address));
        let is_in = self.nets.get(net).and_then(|sources| sources.get(source));
        if !is_in.is_some_and(|members| members.contains(&member)) {
            return;
        }
        self.count -= 1;
        self.nets.resize(net, -1, |sources| {
            sources.resize(source, -1, |members| {
                members.remove(&member);
            });
        });
    }

    /// The oldest member of the fullest source of the fullest network.
    pub(super) fn of_the_fullest(&self) -> Option<u64> {
        let sources = self.nets.get(self.nets.fullest()?)?;
        sources.get(sources.fullest()?)?.first().copied()
    }

    /// Whose turn it is; it stays so until [`Self::had_turn`].
    ///
    /// Of one source the oldest and the newest have their turns alternately: where those who came long ago do not mean to
    /// go on, who comes now need not wait for all of them.
    pub(super) fn next(&self) -> Option<u64> {
        let sources = self.nets.get(self.nets.next()?)?;
        let members = sources.get(sources.next()?)?;
        let next = match self.newest_next {
            true => members.last(),
            false => members.first(),
        };
        next.copied()
    }

    /// Takes out who has had a turn; the network and the source go to the end of their lines.
    pub(super) fn had_turn(&mut self, address: IpAddr, member: u64) {
        let (net, source) = (NetKey::of(address), SourceKey::of(address));
        self.newest_next = !self.newest_next;
        self.leave(address, member);
        self.nets.send_back(net, |sources| {
            sources.send_back(source, |_| ());
        });
    }
}

impl<K: Copy + Ord + Hash, V: Default> Groups<K, V> {
    /// The members of a group.
    fn get(&self, key: K) -> Option<&V> {
        self.groups.get(&key).map(|group| &group.members)
    }

    /// The one with most members.
    fn fullest(&self) -> Option<K> {
        self.by_size.last().map(|(_, key)| *key)
    }

    /// The one that has waited longest for its turn.
    fn next(&self) -> Option<K> {
        self.by_turn.first_key_value().map(|(_, key)| *key)
    }

    /// Changes a group, which gets one member more or less; it is made with the first and goes with the last.
    fn resize(&mut self, key: K, by: isize, change: impl FnOnce(&mut V)) {
        let turns = &mut self.turns;
        let group = self.groups.entry(key).or_insert_with(|| {
            *turns += 1;
            CrowdGroup {
                members: V::default(),
                size: 0,
                turn: *turns,
            }
        });
        change(&mut group.members);
        // Both orders have it once, by what it is now.
        self.by_size.remove(&(group.size, key));
        group.size = group.size.saturating_add_signed(by);
        if group.size == 0 {
            self.by_turn.remove(&group.turn);
            self.groups.remove(&key);
        } else {
            self.by_size.insert((group.size, key));
            self.by_turn.insert(group.turn, key);
        }
    }

    /// Moves a group to the end of the line, and changes it.
    fn send_back(&mut self, key: K, change: impl FnOnce(&mut V)) {
        if let Some(group) = self.groups.get_mut(&key) {
            self.turns += 1;
            self.by_turn.remove(&group.turn);
            group.turn = self.turns;
            self.by_turn.insert(group.turn, key);
            change(&mut group.members);
        }
    }
}

impl<K, V> Default for Groups<K, V> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
            by_size: BTreeSet::new(),
            by_turn: BTreeMap::new(),
            turns: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A crowd of these, in this order.
    fn crowd(addresses: &[&str]) -> Crowd {
        let mut crowd = Crowd::default();
        for (member, text) in (0..).zip(addresses) {
            crowd.enter(address(text), member);
        }
        crowd
    }

    /// The order in which they have their turns.
    fn turns(mut crowd: Crowd, addresses: &[&str]) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(member) = crowd.next() {
            crowd.had_turn(address(addresses[member as usize]), member);
            order.push(member);
        }
        assert_eq!(crowd.len(), 0);
        order
    }

    #[test]
    fn who_makes_room_is_the_oldest_of_the_fullest_source_of_the_fullest_network() {
        let mut crowd = crowd(&[
            "192.0.2.1",
            "198.51.100.1",
            "198.51.100.2",
            "192.0.2.2",
            "192.0.2.1",
        ]);
        assert_eq!(crowd.len(), 5);
        assert_eq!(crowd.of_the_fullest(), Some(0));
        crowd.leave(address("192.0.2.1"), 0);
        crowd.enter(address("198.51.100.2"), 5);
        // Three of four in that network, two of them of one source.
        assert_eq!(crowd.of_the_fullest(), Some(2));
        // Who is not in it changes nothing.
        crowd.leave(address("192.0.2.1"), 77);
        crowd.leave(address("203.0.113.1"), 1);
        assert_eq!(crowd.len(), 5);
    }

    #[test]
    fn turns_go_round_the_networks_and_the_sources_in_them() {
        let addresses = [
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.2",
            "198.51.100.1",
        ];
        // The first of one network, the only one of the other, then the second source of the first.
        let order = turns(crowd(&addresses), &addresses);
        assert_eq!(&order[..3], [0, 4, 3]);
    }

    #[test]
    fn of_one_source_the_oldest_and_the_newest_alternate() {
        let addresses = ["192.0.2.1"; 5];
        assert_eq!(turns(crowd(&addresses), &addresses), [0, 4, 1, 3, 2]);
    }

    #[test]
    fn an_ipv6_source_is_its_64_bits_and_a_mapped_address_is_ipv4() {
        let mut crowd = crowd(&["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1"]);
        crowd.enter(address("::ffff:192.0.2.1"), 4);
        crowd.leave(address("::ffff:192.0.2.1"), 3);
        crowd.leave(address("192.0.2.1"), 4);
        assert_eq!((crowd.len(), crowd.of_the_fullest()), (3, Some(0)));
    }
}
