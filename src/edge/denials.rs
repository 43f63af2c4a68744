//! Who is refused: the networks that the topology lists, and networks, peers and users that an operator has named for a
//! time.
//!
//! A connection is looked up before its handshake, in as many steps as there are lengths of prefixes, however many
//! networks there are. The table that is looked at is immutable; a change makes another one.
use super::clock;
use crate::observe::{Event, Log};
use crate::proxy::{DeniedUsers, NamedParty};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Denials that operators have made, at a time.
const MOST_MADE: usize = 10_000;
/// How often at least it is looked what has ended: the calendar may be set.
const LOOK: Duration = Duration::from_secs(30);

/// A denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Whose.
    #[serde(flatten)]
    pub party: NamedParty,
    /// Its end, Unix seconds; `None`: it stands in the topology file.
    pub until: Option<u64>,
    /// What the operator has said of it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// All denials, for the acceptor, the shards and the operator.
#[derive(Default)]
pub(super) struct Denials {
    /// What is looked at.
    table: ArcSwap<DenialTable>,
    /// What it was made of.
    entries: Mutex<DenialEntries>,
    /// For the cores.
    users: Arc<DeniedUsers>,
    /// Another one may end sooner.
    changed: Notify,
}

/// What the table is made of.
#[derive(Default)]
struct DenialEntries {
    of_file: Arc<[IpNet]>,
    made: BTreeMap<NamedParty, (u64, Option<String>)>,
}

/// Who is refused until when, in Unix seconds.
///
/// One that has ended stays until it is taken out, which is why each look compares its time.
#[derive(Default)]
struct DenialTable {
    networks: HashMap<IpNet, u64>,
    /// The lengths of their prefixes, of IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
    peers: HashMap<String, u64>,
}

impl DenialTable {
    /// Of all entries.
    fn of(entries: &DenialEntries) -> Self {
        let mut table = Self::default();
        let mut lengths = [BTreeSet::new(), BTreeSet::new()];
        let [v4, v6] = &mut lengths;
        let mut add = |network: IpNet, until: u64| {
            let of_family = if network.addr().is_ipv4() {
                &mut *v4
            } else {
                &mut *v6
            };
            of_family.insert(network.prefix_len());
            let longest = table.networks.entry(network).or_default();
            *longest = until.max(*longest);
        };
        // These have no end.
        entries.of_file.iter().for_each(|it| add(*it, u64::MAX));
        for (party, (until, _)) in &entries.made {
            match party {
                NamedParty::Network(network) => add(*network, *until),
                NamedParty::Peer(peer) => {
                    table.peers.insert(peer.clone(), *until);
                }
                // The cores look these up.
                NamedParty::User(_) => {}
            }
        }
        table.lengths = lengths.map(|all| all.into_iter().collect());
        table
    }

    /// Until when an address is refused, if it is.
    fn address(&self, address: IpAddr) -> Option<u64> {
        // To a dual-stack socket IPv4 comes as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        let [v4, v6] = &self.lengths;
        let lengths = if address.is_ipv4() { v4 } else { v6 };
        // Of all that hold the address the one that lasts longest.
        let until = lengths.iter().filter_map(|length| {
            let network = IpNet::new(address, *length).ok()?;
            self.networks.get(&network.trunc()).copied()
        });
        until.max()
    }
}

impl Denials {
    /// Whether connections from an address are refused now.
    pub(super) fn refuses_address(&self, address: IpAddr) -> bool {
        let table = self.table.load();
        // The usual node has none, and then not even the clock is read.
        !table.networks.is_empty() && is_ahead(table.address(address))
    }

    /// Whether connections with a peer are refused now.
    pub(super) fn refuses_peer(&self, peer: &str) -> bool {
        let table = self.table.load();
        !table.peers.is_empty() && is_ahead(table.peers.get(peer).copied())
    }

    /// What the cores look at.
    pub(super) fn users(&self) -> &Arc<DeniedUsers> {
        &self.users
    }

    /// The networks of a generation's file.
    pub(super) fn set_file(&self, networks: &Arc<[IpNet]>) {
        let mut entries = self.entries();
        entries.of_file = Arc::clone(networks);
        self.publish(&entries);
    }

    /// Enters a denial with an end; a second one of a party takes the place of the first. `false`: there are too many.
    pub(super) fn add(&self, denial: Denial) -> bool {
        // Without an end it would be the topology's.
        let Some(until) = denial.until else {
            return false;
        };
        let mut entries = self.entries();
        // One that is there already takes no room.
        if entries.made.len() >= MOST_MADE && !entries.made.contains_key(&denial.party) {
            return false;
        }
        entries.made.insert(denial.party, (until, denial.reason));
        self.publish(&entries);
        true
    }

    /// Takes over what an earlier process had been asked to refuse, as far as it has not ended, and nothing else.
    pub(super) fn restore(&self, denials: Vec<Denial>) {
        let now = unix();
        let mut entries = self.entries();
        entries.made.clear();
        for denial in denials.into_iter().take(MOST_MADE) {
            if let Some(until) = denial.until.filter(|until| *until > now) {
                entries.made.insert(denial.party, (until, denial.reason));
            }
        }
        self.publish(&entries);
    }

    /// Ends a denial before its time; `false`: no operator has made it.
    pub(super) fn remove(&self, party: &NamedParty) -> bool {
        let mut entries = self.entries();
        let removed = entries.made.remove(party).is_some();
        if removed {
            self.publish(&entries);
        }
        removed
    }

    /// All of them, those of the file last.
    ///
    /// What operators have made is what they look for; the file may have thousands.
    pub(super) fn all(&self) -> Vec<Denial> {
        let entries = self.entries();
        // Sorted by party, as the map has them.
        let made = entries.made.iter().map(|(party, (until, reason))| Denial {
            party: party.clone(),
            until: Some(*until),
            reason: reason.clone(),
        });
        let of_file = entries.of_file.iter().map(|network| Denial {
            party: NamedParty::Network(*network),
            until: None,
            reason: None,
        });
        made.chain(of_file).collect()
    }

    /// Takes out what has ended.
    fn take_ended(&self, now: u64) -> Vec<NamedParty> {
        let mut entries = self.entries();
        let ended = entries.made.iter().filter(|(_, (until, _))| *until <= now);
        let ended: Vec<NamedParty> = ended.map(|(party, _)| party.clone()).collect();
        for party in &ended {
            entries.made.remove(party);
        }
        if !ended.is_empty() {
            self.publish(&entries);
        }
        ended
    }

    /// How long nothing ends.
    fn left(&self, now: u64) -> Duration {
        let entries = self.entries();
        let first = entries.made.values().map(|(until, _)| *until).min();
        first.map_or(LOOK, |at| {
            Duration::from_secs(at.saturating_sub(now)).min(LOOK)
        })
    }

    /// Says of each denial when it has ended, until the node drains.
    pub(super) async fn end_in_time(&self, log: &Log, stop: &CancellationToken) {
        loop {
            for party in self.take_ended(unix()) {
                log.record(Event::DenialEnded {
                    denied: party.to_string(),
                    uid: None,
                });
            }
            // A new one wakes this: it may be the first to end.
            let left = self.left(unix());
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, DenialEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the entries what is looked at; under their lock, so that the last change is the one that stays.
    fn publish(&self, entries: &DenialEntries) {
        self.table.store(Arc::new(DenialTable::of(entries)));
        let users = entries.made.iter().filter_map(|(party, (until, _))| {
            let NamedParty::User(user) = party else {
                return None;
            };
            Some((DeniedUsers::key(user), *until))
        });
        self.users.set(users.collect());
        self.changed.notify_one();
    }
}

/// Seconds since 1970.
pub(super) fn unix() -> u64 {
    clock::calendar().as_secs()
}

/// Whether a time is still to come.
fn is_ahead(until: Option<u64>) -> bool {
    until.is_some_and(|until| until > unix())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn network(text: &str) -> NamedParty {
        NamedParty::Network(crate::topology::network(text).unwrap())
    }

    fn denial(party: NamedParty, until: u64) -> Denial {
        Denial {
            party,
            until: Some(until),
            reason: None,
        }
    }

    fn refuses(denials: &Denials, address: &str) -> bool {
        denials.refuses_address(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_refused_by_any_network_that_it_is_in_and_in_each_notation() {
        let denials = Denials::default();
        let later = unix() + 1_000;
        for text in ["203.0.113.0/24", "198.51.100.7", "2001:db8:1::/48"] {
            assert!(denials.add(denial(network(text), later)));
        }
        for address in [
            "203.0.113.9",
            "::ffff:203.0.113.9",
            "198.51.100.7",
            "2001:db8:1:2::3",
        ] {
            assert!(refuses(&denials, address), "{address}");
        }
        for address in [
            "203.0.112.9",
            "198.51.100.8",
            "2001:db8:2::3",
            "::203.0.113.9",
        ] {
            assert!(!refuses(&denials, address), "{address}");
        }
        assert!(denials.remove(&network("203.0.113.0/24")));
        assert!(!denials.remove(&network("203.0.113.0/24")));
        assert!(!refuses(&denials, "203.0.113.9"));
    }

    #[test]
    fn a_denial_ends_by_itself_and_the_file_s_does_not() {
        let denials = Denials::default();
        let file: Arc<[IpNet]> = ["203.0.113.0/24".parse().unwrap()].into();
        denials.set_file(&file);
        assert!(denials.add(denial(network("203.0.113.0/24"), unix() - 1)));
        assert!(denials.add(denial(network("198.51.100.7"), unix() - 1)));
        assert!(denials.add(denial(NamedParty::Peer("edge".into()), unix() + 1_000)));
        assert!(!refuses(&denials, "198.51.100.7"), "its time is over");
        assert!(refuses(&denials, "203.0.113.1") && denials.refuses_peer("edge"));
        assert_eq!(denials.take_ended(unix()).len(), 2);
        assert!(refuses(&denials, "203.0.113.1"));
        let all = denials.all();
        assert_eq!(
            all.iter().map(|it| it.until.is_some()).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(denials.left(0), LOOK);
        // What another process was asked meanwhile: one more, and one that is admitted again.
        denials.restore(vec![denial(network("192.0.2.1"), unix() + 1_000)]);
        assert!(refuses(&denials, "192.0.2.1") && !denials.refuses_peer("edge"));
        denials.set_file(&Arc::default());
        assert!(!refuses(&denials, "203.0.113.1"));
    }

    #[test]
    fn there_is_room_for_so_many_and_a_look_takes_as_many_steps_as_there_are_lengths() {
        let denials = Denials::default();
        let later = unix() + 1_000;
        {
            let mut entries = denials.entries();
            for number in 0..MOST_MADE as u32 {
                let address = Ipv6Addr::from(u128::from(number) << 64);
                entries.made.insert(
                    NamedParty::Network(IpAddr::from(address).into()),
                    (later, None),
                );
            }
            denials.publish(&entries);
        }
        assert!(!denials.add(denial(network("192.0.2.1"), later)));
        assert!(
            denials.add(denial(network("::2:0:0:0:0"), later + 1)),
            "one that is there"
        );
        assert_eq!(denials.table.load().lengths, [vec![], vec![128]]);
        assert!(refuses(&denials, "::2:0:0:0:0") && !refuses(&denials, "192.0.2.1"));
    }
}
