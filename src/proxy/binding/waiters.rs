//! What waits for a client to come back: requests, which hear where it is, and messages, which are sent there.
//!
//! A request waits once, however often it asks. Bounded for each client, for each user and in all, by count and by bytes:
//! what finds no room fails at once, as if nobody had been waited for.
use super::id::{BindingId, Owner};
use super::messages::Asker;
use crate::topology::FastMap;
use std::time::Instant;

/// The most that waits for one client: a call or two, and what belongs to them.
const OF_CLIENT: Load = Load {
    count: 32,
    bytes: 1 << 20,
};
/// The most that waits for all clients of one user, so that nobody takes the others' room by going away.
const OF_USER: Load = Load {
    count: 64,
    bytes: 1 << 20,
};
/// The most that waits in one shard.
const IN_ALL: Load = Load {
    count: 4_096,
    bytes: 16 << 20,
};
/// The most that waits for clients that the shard does not know: half, so that there is room for those that it knows.
const OF_UNKNOWN: Load = Load {
    count: IN_ALL.count / 2,
    bytes: IN_ALL.bytes / 2,
};

/// How much waits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Load {
    count: usize,
    /// Of messages; what requests keep is bounded where they are kept.
    bytes: usize,
}

impl Load {
    fn of(waiter: &Waiter) -> Self {
        let bytes = match waiter {
            Waiter::Request(_) => 0,
            Waiter::Message(bytes, _) => bytes.len(),
        };
        Self { count: 1, bytes }
    }

    /// Both together; `None`: that is more than `most`.
    fn within(self, more: Self, most: Self) -> Option<Self> {
        let (count, bytes) = (self.count + more.count, self.bytes + more.bytes);
        (count <= most.count && bytes <= most.bytes).then_some(Self { count, bytes })
    }

    /// What is left without that.
    fn less(self, gone: Self) -> Self {
        Self {
            count: self.count.saturating_sub(gone.count),
            bytes: self.bytes.saturating_sub(gone.bytes),
        }
    }
}

/// One thing that waits.
pub(crate) enum Waiter {
    /// A request; its own timer ends the wait.
    Request(Asker),
    /// An ACK or a response, of which nobody would notice that it was not sent; or a request of the other process, whose
    /// transaction there is named.
    Message(Box<[u8]>, Option<Asker>),
}

/// What waits for one client.
struct Waiting {
    until: Instant,
    /// Whose client, if that was known.
    owner: Option<Owner>,
    /// The sum of the list.
    load: Load,
    /// In the order in which they have come.
    list: Vec<Waiter>,
}

impl Waiting {
    /// This request, if it waits already.
    fn request(&mut self, asker: Asker) -> Option<&mut Asker> {
        self.list.iter_mut().find_map(|waiter| match waiter {
            Waiter::Request(other) => Some(other).filter(|other| same(**other, asker)),
            Waiter::Message(..) => None,
        })
    }
}

/// Everything that waits in one directory.
#[derive(Default)]
pub(crate) struct Waiters {
    by_id: FastMap<BindingId, Waiting>,
    /// What waits for the clients of each user, and of unknown ones.
    by_owner: FastMap<Option<Owner>, Load>,
    /// The sum of all lists.
    all: Load,
    /// No wait ends before this.
    earliest: Option<Instant>,
}

impl Waiters {
    /// Adds one that waits until then at most; `owner`: whose client it is, if that is known. `false`: there is no room.
    pub(crate) fn add(
        &mut self,
        id: BindingId,
        owner: Option<Owner>,
        waiter: Waiter,
        until: Instant,
    ) -> bool {
        if let Waiter::Request(asker) = waiter
            && let Some(waiting) = self.by_id.get_mut(&id)
            && let Some(before) = waiting.request(asker)
        {
            *before = asker;
            waiting.until = until.max(waiting.until);
            return true;
        }
        let more = Load::of(&waiter);
        let before = self.by_id.get(&id);
        // Whose it was when the first began to wait: each list counts for one user, also if the shard has learned more
        // meanwhile.
        let owner = before.map_or(owner, |before| before.owner);
        let load = before.map_or(Load::default(), |before| before.load);
        let of_owner = self.by_owner.get(&owner).copied().unwrap_or_default();
        let share = if owner.is_some() { OF_USER } else { OF_UNKNOWN };
        // Asked before anything is entered: what is refused leaves nothing behind.
        let (Some(load), Some(of_owner), Some(all)) = (
            load.within(more, OF_CLIENT),
            of_owner.within(more, share),
            self.all.within(more, IN_ALL),
        ) else {
            return false;
        };
        let waiting = self.by_id.entry(id).or_insert_with(|| Waiting {
            until,
            owner,
            load,
            list: Vec::new(),
        });
        waiting.until = until.max(waiting.until);
        waiting.load = load;
        waiting.list.push(waiter);
        self.by_owner.insert(owner, of_owner);
        self.all = all;
        self.earliest = Some(self.earliest.map_or(until, |at| at.min(until)));
        true
    }

    /// Takes all that wait for this client.
    pub(crate) fn take(&mut self, id: BindingId) -> Vec<Waiter> {
        let Some(waiting) = self.by_id.remove(&id) else {
            return Vec::new();
        };
        self.all = self.all.less(waiting.load);
        release(&mut self.by_owner, waiting.owner, waiting.load);
        waiting.list
    }

    /// A request waits no more.
    pub(crate) fn stop(&mut self, id: BindingId, asker: Asker) {
        let Some(waiting) = self.by_id.get_mut(&id) else {
            return;
        };
        let is_it =
            |waiter: &Waiter| matches!(waiter, Waiter::Request(other) if same(*other, asker));
        if let Some(at) = waiting.list.iter().position(is_it) {
            let gone = Load::of(&waiting.list.remove(at));
            waiting.load = waiting.load.less(gone);
            self.all = self.all.less(gone);
            release(&mut self.by_owner, waiting.owner, gone);
            if waiting.list.is_empty() {
                self.by_id.remove(&id);
            }
        }
    }

    /// Forgets what has waited for long enough; `undelivered` is called with each that is to learn of it. There are so few that
    /// all are looked at, and mostly none: this is asked whenever a timer fires.
    pub(crate) fn forget(&mut self, now: Instant, mut undelivered: impl FnMut(Asker)) {
        if self.earliest.is_none_or(|at| at > now) {
            return;
        }
        let (all, by_owner) = (&mut self.all, &mut self.by_owner);
        self.by_id.retain(|_, waiting| {
            let stays = waiting.until > now;
            if !stays {
                *all = all.less(waiting.load);
                release(by_owner, waiting.owner, waiting.load);
                for waiter in &waiting.list {
                    if let Waiter::Message(_, Some(asker)) = waiter {
                        undelivered(*asker);
                    }
                }
            }
            stays
        });
        self.earliest = self.by_id.values().map(|waiting| waiting.until).min();
    }

    /// What all messages that wait take; the requests are counted where they are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.all.count
    }

    /// When [`Self::forget`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.earliest
    }
}

/// So much waits no more for the clients of a user.
fn release(by_owner: &mut FastMap<Option<Owner>, Load>, owner: Option<Owner>, gone: Load) {
    if let Some(load) = by_owner.get_mut(&owner) {
        *load = load.less(gone);
        if load.count == 0 {
            by_owner.remove(&owner);
        }
    }
}

/// Whether both are one request: each of its tries has a number of its own, and its place is another's only after it.
fn same(one: Asker, other: Asker) -> bool {
    one.shard == other.shard && one.branch.slot == other.branch.slot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::branch::BranchKey;
    use std::time::Duration;

    use crate::sip::Uri;

    fn owner(n: u64) -> Option<Owner> {
        let aor = format!("sip:{n}@b");
        Some(Owner::of(&Uri::parse(aor.as_bytes()).unwrap()))
    }

    fn id(n: u64) -> BindingId {
        BindingId::from_u64(n)
    }

    fn asker(slot: u32) -> Asker {
        let branch = BranchKey { slot, nonce: 2 };
        Asker { shard: 0, branch }
    }

    /// Another one each time.
    fn request() -> Waiter {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static NEXT: AtomicU32 = AtomicU32::new(1_000);
        Waiter::Request(asker(NEXT.fetch_add(1, Relaxed)))
    }

    fn message(bytes: usize) -> Waiter {
        Waiter::Message(vec![0; bytes].into(), None)
    }

    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn start() -> (Instant, Waiters) {
        (Instant::now(), Waiters::default())
    }

    #[test]
    fn there_is_room_for_so_many_and_what_was_taken_or_forgotten_makes_room() {
        let (now, mut waiters) = start();
        let (soon, late) = (now + Duration::from_secs(1), now + Duration::from_secs(9));
        for _ in 0..OF_CLIENT.count {
            assert!(waiters.add(id(1), owner(1), request(), soon));
        }
        assert!(!waiters.add(id(1), owner(1), request(), soon));
        let mut next = 2;
        while waiters.add(id(next), owner(next), message(0), late) {
            next += 1;
        }
        assert_eq!(next as usize - 2, IN_ALL.count - OF_CLIENT.count);
        assert_eq!(waiters.take(id(2)).len(), 1);
        assert_eq!(waiters.next(), Some(soon));
        waiters.forget(soon, |_| ());
        assert_eq!(waiters.all.count, IN_ALL.count - OF_CLIENT.count - 1);
        assert!(waiters.take(id(1)).is_empty());
        waiters.forget(late, |_| ());
        assert_eq!((waiters.all, waiters.next()), (Load::default(), None));
        assert!(waiters.by_owner.is_empty());
    }

    #[test]
    fn a_request_waits_once_however_often_it_asks_and_not_after_it_was_taken() {
        let (now, mut waiters) = start();
        let (soon, late) = (now + Duration::from_secs(1), now + Duration::from_secs(9));
        for nonce in 0..100 {
            for slot in [1, 2] {
                let mut asker = asker(slot);
                asker.branch.nonce = nonce;
                let until = if nonce == 50 { late } else { soon };
                assert!(waiters.add(id(1), owner(1), Waiter::Request(asker), until));
            }
        }
        assert!(waiters.add(id(1), owner(1), message(7), soon));
        assert_eq!((waiters.all.count, waiters.all.bytes), (3, 7));
        waiters.stop(id(1), asker(1));
        waiters.stop(id(1), asker(3));
        waiters.stop(id(2), asker(2));
        assert_eq!(waiters.all.count, 2);
        let left = waiters.take(id(1));
        assert!(
            matches!(&left[..], [Waiter::Request(last), Waiter::Message(..)] if last.branch.nonce == 99)
        );
        assert!(waiters.add(id(1), None, request(), soon));
        assert!(waiters.add(id(1), None, Waiter::Request(asker(1)), soon));
        let _ = waiters.take(id(1));
        assert!(waiters.add(id(1), owner(1), Waiter::Request(asker(1)), soon));
        waiters.stop(id(1), asker(1));
        assert_eq!(waiters.all, Load::default());
        assert!(waiters.by_owner.is_empty() && waiters.by_id.is_empty());
    }

    #[test]
    fn a_user_has_a_share_however_many_clients_it_has() {
        let (now, mut waiters) = start();
        let mut add = |n: u64, owner| {
            let mut count = 0;
            while waiters.add(id(n), owner, request(), now) {
                count += 1;
            }
            count
        };
        let alice: usize = (0..400).map(|n| add(n, owner(1))).sum();
        assert_eq!(alice, OF_USER.count);
        let unknown: usize = (1_000..1_400).map(|n| add(n, None)).sum();
        assert_eq!(unknown, OF_UNKNOWN.count);
        assert_eq!(add(2_000, owner(2)), OF_CLIENT.count);
        assert_eq!(
            add(1_000, owner(3)),
            0,
            "it began to wait as an unknown one"
        );
    }

    #[test]
    fn bytes_that_wait_are_counted() {
        let (now, mut waiters) = start();
        let (size, mut clients) = (250_000, 0);
        for n in 0..100 {
            let mut count = 0;
            while waiters.add(id(n), owner(n / 2), message(size), now) {
                count += 1;
            }
            assert!(count <= 4, "a MiB for a user");
            clients += usize::from(count > 0);
            assert_eq!(waiters.all.bytes, waiters.all.count * size);
        }
        assert_eq!((clients, waiters.all.count), (17, IN_ALL.bytes / size));
        assert!(
            waiters.add(id(500), owner(500), request(), now),
            "it has no bytes"
        );
        assert!(!waiters.add(id(501), None, message(1 << 21), now));
        waiters.forget(now, |_| ());
        assert_eq!(waiters.all, Load::default());
    }
}
