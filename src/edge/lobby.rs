//! The lobby: connections that have not sent a whole ClientHello yet, or wait for a handshake's slot. It costs a socket and a
//! small task for each, holds a bounded number, and makes room at the expense of the fullest source.
//!
//! Two crowds for each priority: those who have not said what they want, and those whose hello is whole. The first are
//! many only when somebody is up to something, since a hello follows its connect at once. The second are many when all
//! phones come back together, and lose nothing but time: each keeps its place until it has its turn.
use super::admission::ShardPlace;
use super::crowd::Crowd;
use super::priority::{ByPriority, Priority};
use crate::reason::ConnectionReason;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::oneshot;

/// Strangers have every so many-th turn first: peers must not wait for them, and a peer's address in wrong hands must not
/// shut them out.
const STRANGERS_TURN: u64 = 4;

/// How waiting ends, unless the remote side leaves before.
pub(super) enum LobbyVerdict {
    /// It has a slot: its handshake goes on in this shard.
    Go(ShardPlace),
    /// It must go.
    Refused(ConnectionReason),
}

/// Who waits. It belongs to the acceptor's thread.
#[derive(Default)]
pub(super) struct Lobby {
    waiting: HashMap<u64, LobbyGuest>,
    /// Without a whole ClientHello.
    silent: ByPriority<Crowd>,
    /// With one.
    ready: ByPriority<Crowd>,
    next: u64,
    turns: u64,
}

/// One that waits.
struct LobbyGuest {
    /// As the crowd knows it.
    source: IpAddr,
    priority: Priority,
    /// Which of the two crowds it is in.
    is_ready: bool,
    /// To its task.
    verdict: oneshot::Sender<LobbyVerdict>,
}

/// One connection's place in the lobby; dropped, it is free.
pub(super) struct LobbyPlace {
    lobby: Rc<RefCell<Lobby>>,
    number: u64,
}

impl Lobby {
    /// Takes a place. If there are `bound` already, whoever must make room hears of it, and is no longer counted.
    pub(super) fn enter(
        this: &Rc<RefCell<Self>>,
        source: IpAddr,
        priority: Priority,
        bound: usize,
    ) -> (LobbyPlace, oneshot::Receiver<LobbyVerdict>) {
        let mut lobby = this.borrow_mut();
        // More than one only after a reload that has lowered the bound.
        while lobby.waiting.len() >= bound.max(1) {
            let Some(last) = lobby.who_makes_room() else {
                break;
            };
            let reason = ConnectionReason::TooManyWaiting;
            lobby.end(last, LobbyVerdict::Refused(reason));
        }
        lobby.next += 1;
        let number = lobby.next;
        let (verdict, wait) = oneshot::channel();
        lobby.silent.of_mut(priority).enter(source, number);
        let waiting = LobbyGuest {
            source,
            priority,
            is_ready: false,
            verdict,
        };
        lobby.waiting.insert(number, waiting);
        let lobby = Rc::clone(this);
        (LobbyPlace { lobby, number }, wait)
    }

    /// The oldest of the fullest source: of the lowest priority, and there of the larger crowd, so that a flood of one
    /// kind does not drive out who is of the other.
    fn who_makes_room(&self) -> Option<u64> {
        Priority::ALL.into_iter().find_map(|priority| {
            let (silent, ready) = (self.silent.of(priority), self.ready.of(priority));
            match silent.len() >= ready.len() {
                true => silent.of_the_fullest(),
                false => ready.of_the_fullest(),
            }
        })
    }

    /// Whose turn it is to get a slot, in the order of their priority; one of each.
    pub(super) fn candidates(&self) -> [Option<Candidate>; 3] {
        // Highest first.
        let mut order = Priority::ALL;
        order.reverse();
        if self.turns.is_multiple_of(STRANGERS_TURN) {
            order.rotate_right(1);
        }
        order.map(|priority| {
            let number = self.ready.of(priority).next()?;
            let source = self.waiting.get(&number)?.source;
            Some(Candidate {
                number,
                source,
                priority,
            })
        })
    }

    /// The candidate has its slot.
    pub(super) fn grant(&mut self, candidate: Candidate, place: ShardPlace) {
        // Only turns that were had count: who finds no slot keeps its place in the line.
        self.turns += 1;
        let crowd = self.ready.of_mut(candidate.priority);
        crowd.had_turn(candidate.source, candidate.number);
        if let Some(waiting) = self.waiting.remove(&candidate.number) {
            // Who has left meanwhile returns the place by dropping it.
            let _ = waiting.verdict.send(LobbyVerdict::Go(place));
        }
    }

    /// Refuses a candidate.
    pub(super) fn refuse(&mut self, candidate: Candidate, reason: ConnectionReason) {
        self.end(candidate.number, LobbyVerdict::Refused(reason));
    }

    /// Ends the waiting of one, if it still waits.
    fn end(&mut self, number: u64, verdict: LobbyVerdict) {
        if let Some(waiting) = self.take_out(number) {
            let _ = waiting.verdict.send(verdict);
        }
    }

    /// Takes one out of the table and of its crowd.
    fn take_out(&mut self, number: u64) -> Option<LobbyGuest> {
        let waiting = self.waiting.remove(&number)?;
        let crowds = match waiting.is_ready {
            true => &mut self.ready,
            false => &mut self.silent,
        };
        let crowd = crowds.of_mut(waiting.priority);
        crowd.leave(waiting.source, number);
        Some(waiting)
    }

    /// Whether anybody waits for a slot.
    #[cfg(test)]
    fn is_awaited(&self) -> bool {
        self.candidates().iter().any(Option::is_some)
    }

    /// How many wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Who could get the next slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    number: u64,
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
}

impl LobbyPlace {
    /// Its balancer has named the true source.
    pub(super) fn came_from(&self, source: IpAddr, priority: Priority) {
        let mut lobby = self.lobby.borrow_mut();
        if let Some(waiting) = lobby.take_out(self.number) {
            lobby.silent.of_mut(priority).enter(source, self.number);
            let waiting = LobbyGuest {
                source,
                priority,
                ..waiting
            };
            lobby.waiting.insert(self.number, waiting);
        }
    }

    /// Its ClientHello is whole: it waits for a slot from now on.
    pub(super) fn is_whole(&self) {
        let mut lobby = self.lobby.borrow_mut();
        if let Some(mut waiting) = lobby.take_out(self.number) {
            waiting.is_ready = true;
            let crowd = lobby.ready.of_mut(waiting.priority);
            crowd.enter(waiting.source, self.number);
            lobby.waiting.insert(self.number, waiting);
        }
    }
}

impl Drop for LobbyPlace {
    fn drop(&mut self) {
        self.lobby.borrow_mut().take_out(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Guest = (LobbyPlace, oneshot::Receiver<LobbyVerdict>);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn enter(lobby: &Rc<RefCell<Lobby>>, from: &str, priority: Priority, bound: usize) -> Guest {
        Lobby::enter(lobby, address(from), priority, bound)
    }

    fn is_out(guest: &mut Guest) -> bool {
        matches!(
            guest.1.try_recv(),
            Ok(LobbyVerdict::Refused(ConnectionReason::TooManyWaiting))
        )
    }

    #[test]
    fn the_oldest_of_the_fullest_source_makes_room_and_peers_never_for_strangers() {
        let lobby = Rc::default();
        let mut peer = enter(&lobby, "192.0.2.9", Priority::Peer, 4);
        let mut first = enter(&lobby, "192.0.2.1", Priority::Stranger, 4);
        let mut second = enter(&lobby, "192.0.2.1", Priority::Stranger, 4);
        let mut lone = enter(&lobby, "198.51.100.1", Priority::Stranger, 4);
        let mut next = enter(&lobby, "198.51.100.2", Priority::Stranger, 4);
        assert!(is_out(&mut first) && !is_out(&mut second) && !is_out(&mut lone));
        assert_eq!(lobby.borrow().len(), 4);
        let more = enter(&lobby, "192.0.2.9", Priority::Peer, 4);
        assert!(!is_out(&mut peer));
        // Two of that network; of each source one.
        assert!(is_out(&mut lone) || is_out(&mut next));
        drop((first, second, lone, next));
        assert_eq!(lobby.borrow().len(), 2);
        drop((peer, more));
        assert_eq!(lobby.borrow().len(), 0);
    }

    #[test]
    fn a_flood_of_whole_hellos_drives_out_its_own_and_not_who_is_about_to_send_one() {
        let lobby = Rc::default();
        let flood: Vec<_> = (0..3)
            .map(|_| enter(&lobby, "192.0.2.1", Priority::Stranger, 4))
            .collect();
        flood.iter().for_each(|guest| guest.0.is_whole());
        let mut honest = enter(&lobby, "192.0.2.2", Priority::Stranger, 4);
        let _next = enter(&lobby, "192.0.2.1", Priority::Stranger, 4);
        assert!(!is_out(&mut honest));
        assert!(lobby.borrow().is_awaited());
        assert_eq!(lobby.borrow().len(), 4);
    }

    #[test]
    fn peers_have_their_turn_first_and_strangers_every_fourth() {
        let lobby: Rc<RefCell<Lobby>> = Rc::default();
        let guests: Vec<_> = [Priority::Stranger, Priority::Peer, Priority::Peer]
            .into_iter()
            .cycle()
            .take(12)
            .map(|priority| enter(&lobby, "192.0.2.1", priority, 100))
            .collect();
        assert!(!lobby.borrow().is_awaited());
        guests.iter().for_each(|guest| guest.0.is_whole());
        let mut order = Vec::new();
        while lobby.borrow().is_awaited() {
            let candidates = lobby.borrow().candidates();
            let next = candidates.into_iter().flatten().next().unwrap();
            lobby.borrow_mut().grant(next, ShardPlace::for_tests());
            order.push(next.priority == Priority::Stranger);
        }
        assert_eq!(&order[..5], [true, false, false, false, true]);
        assert_eq!((order.len(), lobby.borrow().len()), (12, 0));
    }

    #[test]
    fn whoever_comes_through_a_balancer_counts_for_its_own_source_once_that_is_known() {
        let lobby: Rc<RefCell<Lobby>> = Rc::default();
        let guest = enter(&lobby, "192.0.2.1", Priority::Peer, 100);
        guest
            .0
            .came_from(address("203.0.113.7"), Priority::Stranger);
        guest.0.is_whole();
        let candidates = lobby.borrow().candidates();
        let next = candidates.into_iter().flatten().next().unwrap();
        assert_eq!(next.source, address("203.0.113.7"));
        assert_eq!(next.priority, Priority::Stranger);
    }
}
