//! The directory of one shard: which connection holds each binding that the shard is asked for.
//!
//! It does what shards ask of it and returns what they must learn; who may ask was decided before. Everything that it
//! keeps is bounded, for each user and in all, and what is without a connection yields to what has one.
use super::ends::{BindingPlaces, Ends, Listed};
use super::id::{BindingId, Owner};
use super::messages::{Asker, Holding, Unregistered};
use super::waiters::{Waiter, Waiters};
use crate::proxy::link_id::LinkId;
use crate::reason::MessageReason;
use crate::topology::FastMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How long a client that has lost its connection is waited for, and at the start of the daemon one that has not
/// come back yet. Phones that notice it are back within six seconds; no request waits for longer than 32.
pub(crate) const WAIT: Duration = Duration::from_secs(30);
/// The most bindings that one step looks at, so that many that end together hold up no message.
const STEP: usize = 512;

/// Where a binding is. Times are seconds since the directory began, which half the memory holds.
struct BindingEntry {
    /// The connection that holds it, or held it last.
    link: LinkId,
    /// The shards that have asked for it, which must learn that it moves: a bit for each, and beyond 32 for several.
    askers: u32,
    /// When the REGISTER came that has bound it last, in milliseconds that wrap after seven weeks: no granted
    /// registration is half as old.
    since: u32,
    owner: Owner,
    /// When it ends unless it is renewed.
    until: u32,
    /// Since when it is without a connection, and one: no second is zero.
    lost: Option<NonZeroU32>,
    /// In which list of [`Ends`] it stands.
    listed: Listed,
}

impl BindingPlaces for FastMap<BindingId, BindingEntry> {
    fn count(&self) -> usize {
        self.len()
    }
    fn listed(&mut self, id: BindingId) -> Option<&mut Listed> {
        self.get_mut(&id).map(|entry| &mut entry.listed)
    }
}

/// The answer to a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    At(LinkId),
    /// Lost a moment ago, or not seen yet since the start.
    WaitUntil(Instant),
    Gone,
}

/// A binding that is held by another connection than before, or by none.
pub(crate) struct Displacement {
    pub(crate) link: LinkId,
    /// As in [`BindingEntry`].
    pub(crate) askers: u32,
}

/// What entering a binding came to.
pub(crate) enum Held {
    /// It is entered; the connection that held it must learn of it, and what has waited goes on.
    Entered(Option<Displacement>, Vec<Waiter>),
    /// A REGISTER that came later has bound it elsewhere already (RFC 3261 §10.3 step 7).
    Late,
    /// There is no room, or another address of record has this number.
    Refused(MessageReason),
}

/// The most that this shard may keep.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    /// In all.
    pub(crate) all: usize,
    /// For one address of record.
    pub(crate) one: usize,
}

/// The bindings of one shard.
pub(crate) struct Directory {
    began: Instant,
    entries: FastMap<BindingId, BindingEntry>,
    /// When each may end.
    ends: Ends,
    /// The bindings of each address of record.
    pub(crate) by_owner: BTreeSet<(Owner, BindingId)>,
    /// Those without a connection, the longest first.
    lost: BTreeSet<(NonZeroU32, BindingId)>,
    pub(crate) waiters: Waiters,
    /// What has ended, with the shards that have asked for it and have not heard of that yet.
    ended: Vec<(BindingId, u32)>,
}

impl Directory {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            entries: FastMap::default(),
            ends: Ends::default(),
            by_owner: BTreeSet::new(),
            lost: BTreeSet::new(),
            waiters: Waiters::default(),
            ended: Vec::new(),
        }
    }

    /// Whether it was here, and may be again.
    pub(crate) fn knows(&self, id: BindingId) -> bool {
        self.entries.contains_key(&id)
    }

    /// How many are without a connection.
    pub(crate) fn away(&self) -> usize {
        self.lost.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A connection holds the binding from now on.
    pub(crate) fn hold(&mut self, holding: &Holding, room: Room, now: Instant) -> Held {
        let until = self.seconds(holding.until).max(self.seconds(now) + 1);
        let since = self.milliseconds(holding.since);
        let mut displaced = None;
        if let Some(entry) = self.entries.get_mut(&holding.id) {
            // Numbers are keyed hashes of 64 bits, so this needs luck; it must not need trust.
            if entry.owner != holding.owner {
                return Held::Refused(MessageReason::BindingsFull);
            }
            if let Some(lost) = entry.lost.take() {
                self.lost.remove(&(lost, holding.id));
                let askers = std::mem::take(&mut entry.askers);
                self.ended
                    .extend((askers != 0).then_some((holding.id, askers)));
            } else if entry.link != holding.link {
                // Answers overtake each other: what the client has asked for last counts.
                if holding.renumbered || (since.wrapping_sub(entry.since) as i32) < 0 {
                    return Held::Late;
                }
                displaced = Some(Displacement {
                    link: entry.link,
                    askers: std::mem::take(&mut entry.askers),
                });
            }
            entry.link = holding.link;
            entry.since = since;
            entry.until = until;
        } else {
            // What stands already has been admitted, and counts once.
            if !holding.renumbered
                && let Err(reason) = self.make_room(holding.owner, room)
            {
                return Held::Refused(reason);
            }
            let entry = BindingEntry {
                link: holding.link,
                askers: 0,
                since,
                owner: holding.owner,
                until,
                lost: None,
                listed: Listed::NOWHERE,
            };
            self.entries.insert(holding.id, entry);
            self.by_owner.insert((holding.owner, holding.id));
        }
        self.list(holding.id, until);
        Held::Entered(displaced, self.waiters.take(holding.id))
    }

    /// It was unregistered on the connection that holds it. What waits for it fails by its own timer.
    pub(crate) fn end(&mut self, id: BindingId, link: LinkId) {
        if self
            .entries
            .get(&id)
            .is_some_and(|entry| entry.link == link)
        {
            self.remove(id);
        }
    }

    /// The user has unregistered one binding or all over another connection: those that are without a connection end;
    /// `ended` is called with each that has one, which ends it.
    pub(crate) fn unregistered(
        &mut self,
        what: &Unregistered,
        mut ended: impl FnMut(BindingId, LinkId),
    ) {
        let all = BindingId::from_u64(0)..=BindingId::from_u64(u64::MAX);
        let (first, last) = what.id.map_or((*all.start(), *all.end()), |id| (id, id));
        let own = self
            .by_owner
            .range((what.owner, first)..=(what.owner, last));
        let own: SmallVec<[BindingId; 4]> = own.map(|(_, id)| *id).collect();
        let since = self.milliseconds(what.since);
        for id in own {
            let entry = self.entries.get(&id);
            let entry = entry.filter(|entry| entry.link != what.by);
            // Answers overtake each other.
            let is_older = |entry: &&BindingEntry| (since.wrapping_sub(entry.since) as i32) >= 0;
            match entry.filter(is_older) {
                Some(entry) if entry.lost.is_none() => ended(id, entry.link),
                Some(_) => self.remove(id),
                None => {}
            }
        }
    }

    /// Makes room for one more binding of this address of record. One without a connection yields: of the same user if
    /// that has its share, so that nobody takes the others' room by registering and going away, else whichever has been
    /// without for the longest.
    fn make_room(&mut self, owner: Owner, room: Room) -> Result<(), MessageReason> {
        let all = BindingId::from_u64(0)..=BindingId::from_u64(u64::MAX);
        let own = (owner, *all.start())..=(owner, *all.end());
        let (mut count, mut oldest) = (0, None);
        for (_, id) in self.by_owner.range(own) {
            count += 1;
            let lost = self.entries.get(id).and_then(|entry| entry.lost);
            let lost = lost.map(|lost| (lost, *id));
            oldest = oldest.into_iter().chain(lost).min();
        }
        let (yields, reason) = if count >= room.one {
            // Those that have a connection stay: a user cannot push out its own phones either.
            (oldest, MessageReason::ClientBindings)
        } else if self.entries.len() >= room.all {
            (self.lost.first().copied(), MessageReason::BindingsFull)
        } else {
            return Ok(());
        };
        let (_, id) = yields.ok_or(reason)?;
        self.remove(id);
        Ok(())
    }

    /// Forgets a binding, wherever it stands but in the lists of ends.
    fn remove(&mut self, id: BindingId) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.by_owner.remove(&(entry.owner, id));
        let asked = (entry.askers != 0).then_some((id, entry.askers));
        self.ended.extend(asked);
        if let Some(lost) = entry.lost {
            self.lost.remove(&(lost, id));
        }
        self.ends.tidy(&mut self.entries);
    }

    /// The connection that holds it is closed; `grace` is how long it is kept without one.
    pub(crate) fn lost(&mut self, id: BindingId, link: LinkId, grace: Duration, now: Instant) {
        let (now, grace) = (self.seconds(now), grace.as_secs() as u32);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.link != link || entry.lost.is_some() {
            return;
        }
        entry.lost = NonZeroU32::new(now + 1);
        entry.until = entry.until.min(now.saturating_add(grace));
        let until = entry.until;
        self.lost.extend(entry.lost.map(|lost| (lost, id)));
        self.list(id, until);
    }

    /// Where it is. `shard` asks, unless it is this one, and learns when that changes; `gone` is a connection that is
    /// known to be closed already.
    pub(crate) fn find(
        &mut self,
        id: BindingId,
        shard: u8,
        gone: Option<LinkId>,
        now: Instant,
    ) -> Found {
        let seconds = self.seconds(now);
        let began = self.began;
        let Some(entry) = self.entries.get_mut(&id).filter(|e| e.until > seconds) else {
            let until = self.began + WAIT;
            return if now < until {
                Found::WaitUntil(until)
            } else {
                Found::Gone
            };
        };
        entry.askers |= 1 << (shard & 31);
        let until = match entry.lost {
            None if gone == Some(entry.link) => now + WAIT,
            None => return Found::At(entry.link),
            Some(lost) => began + Duration::from_secs(u64::from(lost.get() - 1)) + WAIT,
        };
        if now < until {
            Found::WaitUntil(until)
        } else {
            Found::Gone
        }
    }

    /// Whether this connection holds it: then who asks learns when that changes.
    pub(crate) fn is_held(&self, id: BindingId, link: LinkId) -> bool {
        let entry = self.entries.get(&id);
        entry.is_some_and(|entry| entry.link == link && entry.lost.is_none())
    }

    /// Takes what has ended, or is held by another connection after it was without one: each with a bit for each shard
    /// that has asked for it.
    pub(crate) fn take_ended(&mut self) -> Vec<(BindingId, u32)> {
        std::mem::take(&mut self.ended)
    }

    /// Something waits for this client, until then at most; `false`: there is no room.
    pub(crate) fn wait(&mut self, id: BindingId, waiter: Waiter, until: Instant) -> bool {
        let owner = self.entries.get(&id).map(|entry| entry.owner);
        self.waiters.add(id, owner, waiter, until)
    }

    /// A request waits for nobody any more: a sibling has taken it.
    pub(crate) fn stop_waiting(&mut self, id: BindingId, asker: Asker) {
        self.waiters.stop(id, asker);
    }

    /// How much waits.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.count()
    }

    /// Forgets what has ended, as far as one step goes; `ended` is called with each and the connection that still holds
    /// it.
    pub(crate) fn forget(&mut self, now: Instant, mut ended: impl FnMut(BindingId, LinkId)) {
        let seconds = self.seconds(now);
        for _ in 0..STEP {
            let Some((id, at)) = self.ends.due(seconds) else {
                return;
            };
            // One that stands in an earlier list as well, or has come back there, is left to that.
            let Some(entry) = self.entries.get_mut(&id).filter(|e| e.listed == at) else {
                continue;
            };
            if entry.until > seconds {
                entry.listed = Listed::NOWHERE;
                let until = entry.until;
                self.list(id, until);
                continue;
            }
            if entry.lost.is_none() {
                ended(id, entry.link);
            }
            self.remove(id);
        }
    }

    /// When [`Self::forget`] has something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        let end = self.ends.next().map(|seconds| self.instant(seconds));
        match (end, self.waiters.next()) {
            (Some(end), Some(wait)) => Some(end.min(wait)),
            (end, wait) => end.or(wait),
        }
    }

    /// Enters it in the list of the minute in which it ends.
    fn list(&mut self, id: BindingId, until: u32) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.ends.enter(id, until, &mut entry.listed);
            self.ends.tidy(&mut self.entries);
        }
    }

    fn milliseconds(&self, at: Instant) -> u32 {
        at.saturating_duration_since(self.began).as_millis() as u32
    }

    /// Times as half the memory holds them.
    pub(crate) fn seconds(&self, at: Instant) -> u32 {
        // Half the range, so that sums stay in it: 68 years of uptime.
        let since = at.saturating_duration_since(self.began).as_secs();
        u32::try_from(since).unwrap_or(u32::MAX).min(u32::MAX / 2)
    }

    /// The reverse of [`Self::seconds`].
    pub(crate) fn instant(&self, seconds: u32) -> Instant {
        self.began + Duration::from_secs(u64::from(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::binding::{ContactMarks, HeldBinding};
    use crate::sip::Uri;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn begun() -> (Directory, Instant) {
        let now = Instant::now();
        (Directory::new(now), now)
    }

    fn owner(aor: &str) -> Owner {
        Owner::of(&Uri::parse(aor.as_bytes()).unwrap())
    }

    fn holding(id: u64, slot: u32, until: Instant) -> Holding {
        Holding {
            id: BindingId::from_u64(id),
            link: LinkId::new(0, slot, 1),
            owner: owner("sip:a@b"),
            until,
            since: until,
            remote: None,
            renumbered: false,
        }
    }

    const ROOM: Room = Room {
        all: 5_000,
        one: 5_000,
    };

    fn enter(directory: &mut Directory, holding: &Holding, now: Instant) -> Option<LinkId> {
        match directory.hold(holding, ROOM, now) {
            Held::Entered(displaced, _) => displaced.map(|d| d.link),
            Held::Late | Held::Refused(_) => panic!("refused"),
        }
    }

    #[test]
    fn it_is_where_it_was_granted_last_and_is_waited_for_when_that_is_lost() {
        let (mut d, t0) = begun();
        let (one, two) = (
            holding(5, 1, t0 + 600 * SECOND),
            holding(5, 2, t0 + 700 * SECOND),
        );
        assert_eq!(enter(&mut d, &one, t0), None);
        assert_eq!(d.find(one.id, 0, None, t0), Found::At(one.link));
        assert_eq!(enter(&mut d, &two, t0), Some(one.link));
        d.lost(one.id, one.link, 600 * SECOND, t0 + SECOND);
        assert_eq!(
            d.find(one.id, 0, None, t0 + SECOND),
            Found::At(two.link),
            "another's end"
        );
        let t = t0 + 100 * SECOND;
        d.lost(one.id, two.link, 600 * SECOND, t);
        assert_eq!(d.find(one.id, 0, None, t), Found::WaitUntil(t + WAIT));
        assert_eq!(d.find(one.id, 0, None, t + WAIT), Found::Gone);
        assert_eq!(enter(&mut d, &one, t + WAIT), None, "nobody is displaced");
        assert_eq!(d.find(one.id, 0, None, t + WAIT), Found::At(one.link));
        assert_eq!(
            d.find(one.id, 0, Some(one.link), t + WAIT),
            Found::WaitUntil(t + 2 * WAIT)
        );
        d.end(one.id, two.link);
        assert_eq!(d.len(), 1);
        d.end(one.id, one.link);
        assert_eq!(d.find(one.id, 0, None, t + WAIT), Found::Gone);
    }

    #[test]
    fn one_that_nobody_knows_is_waited_for_after_the_start_only() {
        let (mut d, t0) = begun();
        let id = BindingId::from_u64(1);
        assert_eq!(d.find(id, 0, None, t0), Found::WaitUntil(t0 + WAIT));
        assert_eq!(d.find(id, 0, None, t0 + WAIT), Found::Gone);
    }

    #[test]
    fn another_user_and_one_too_many_are_refused() {
        let (mut d, t0) = begun();
        let one = holding(1, 1, t0 + 600 * SECOND);
        enter(&mut d, &one, t0);
        let other = Holding {
            owner: owner("sip:mallory@b"),
            link: LinkId::new(0, 9, 9),
            ..one
        };
        assert!(matches!(d.hold(&other, ROOM, t0), Held::Refused(_)));
        assert_eq!(d.find(one.id, 0, None, t0), Found::At(one.link));
        let (two, full) = (holding(2, 1, t0 + SECOND), Room { all: 1, ..ROOM });
        assert!(matches!(
            d.hold(&two, full, t0),
            Held::Refused(MessageReason::BindingsFull)
        ));
        assert!(
            matches!(d.hold(&one, full, t0), Held::Entered(..)),
            "a refresh needs no room"
        );
        let two = Holding {
            renumbered: true,
            ..two
        };
        assert!(
            matches!(d.hold(&two, full, t0), Held::Entered(..)),
            "it stands already, under another number"
        );
    }

    fn of(user: &str, id: u64, until: Instant) -> Holding {
        Holding {
            owner: owner(user),
            ..holding(id, id as u32, until)
        }
    }

    fn standing(d: &Directory) -> Vec<u64> {
        let mut all: Vec<u64> = d.entries.keys().map(|id| id.as_u64()).collect();
        all.sort_unstable();
        assert_eq!(d.by_owner.len(), all.len());
        let lost = d.entries.values().filter(|e| e.lost.is_some()).count();
        assert_eq!(d.lost.len(), lost);
        all
    }

    #[test]
    fn a_user_has_a_share_of_the_room_and_what_it_left_behind_yields_first() {
        let (mut d, t0) = begun();
        let (until, room) = (t0 + 600 * SECOND, Room { all: 5, one: 3 });
        let (alice, bob) = ("sip:alice@b", "sip:bob@b");
        for id in 1..=3 {
            enter(&mut d, &of(alice, id, until), t0);
        }
        assert!(matches!(
            d.hold(&of(alice, 4, until), room, t0),
            Held::Refused(MessageReason::ClientBindings)
        ));
        for (id, at) in [(2, 1), (1, 2)] {
            let link = LinkId::new(0, id as u32, 1);
            d.lost(
                BindingId::from_u64(id),
                link,
                600 * SECOND,
                t0 + at * SECOND,
            );
        }
        for id in 4..100 {
            let one = of(alice, id, until);
            assert!(matches!(d.hold(&one, room, t0), Held::Entered(..)));
            d.lost(one.id, one.link, 600 * SECOND, t0 + id as u32 * SECOND);
        }
        assert_eq!(standing(&d), [3, 98, 99]);
        // The table is full: what has a connection comes before what has none, whosever it is.
        for id in 201..=204 {
            assert!(matches!(
                d.hold(&of(&format!("sip:{id}@b"), id, until), room, t0),
                Held::Entered(..)
            ));
        }
        assert_eq!(standing(&d), [3, 201, 202, 203, 204]);
        assert!(matches!(
            d.hold(&of(bob, 300, until), room, t0),
            Held::Refused(MessageReason::BindingsFull)
        ));
        // One that has come back stands in no list of those that are away.
        let back = LinkId::new(0, 203, 1);
        d.lost(
            BindingId::from_u64(203),
            back,
            600 * SECOND,
            t0 + 200 * SECOND,
        );
        enter(&mut d, &of("sip:203@b", 203, until), t0);
        assert_eq!(standing(&d).len(), 5);
        assert!(matches!(
            d.hold(&of(bob, 300, until), room, t0),
            Held::Refused(MessageReason::BindingsFull)
        ));
    }

    #[test]
    fn what_a_user_unregisters_elsewhere_ends_and_nothing_of_others() {
        let (mut d, t0) = begun();
        let (until, by) = (t0 + 600 * SECOND, LinkId::new(0, 9, 9));
        let (alice, bob) = ("sip:alice@b", "sip:bob@b");
        for (user, id) in [(alice, 1), (alice, 2), (alice, 3), (bob, 4)] {
            enter(&mut d, &of(user, id, until), t0);
        }
        let away = BindingId::from_u64(3);
        d.lost(away, LinkId::new(0, 3, 1), 600 * SECOND, t0);
        let unregister = |d: &mut Directory, id: Option<u64>, by, since| {
            let mut ended = Vec::new();
            let what = Unregistered {
                id: id.map(BindingId::from_u64),
                owner: owner(alice),
                by,
                since,
                contacts: ContactMarks::new(),
            };
            d.unregistered(&what, |id, _| ended.push(id.as_u64()));
            ended.sort_unstable();
            ended
        };
        // The holdings of these tests say that they came at their end.
        assert!(
            unregister(&mut d, None, by, t0).is_empty(),
            "an earlier one"
        );
        assert_eq!(standing(&d), [1, 2, 3, 4]);
        assert!(
            unregister(&mut d, Some(4), by, until).is_empty(),
            "another's"
        );
        assert_eq!(unregister(&mut d, Some(1), by, until), [1]);
        let own = LinkId::new(0, 2, 1);
        assert_eq!(
            unregister(&mut d, None, own, until),
            [1],
            "it knows its own"
        );
        assert_eq!(standing(&d), [1, 2, 4], "what was away is forgotten");
    }

    #[test]
    fn what_comes_and_goes_leaves_nothing_in_the_lists_of_ends() {
        let (mut d, t0) = begun();
        for id in 1_000..1_100 {
            enter(&mut d, &holding(id, 1, t0 + 900 * SECOND), t0);
        }
        for round in 0..10_000 {
            let one = holding(5, 1, t0 + (600 + round % 7 * 60) * SECOND);
            enter(&mut d, &one, t0);
            if round % 3 == 0 {
                d.end(one.id, one.link);
            }
            let listed = d.ends.count();
            assert!(listed <= 3 * d.len() + 128, "{listed}");
        }
        let mut ended = 0;
        d.forget(t0 + 2_000 * SECOND, |_, _| ended += 1);
        assert_eq!((ended, d.len(), d.ends.count()), (100, 0, 0));
    }

    #[test]
    fn what_ends_is_forgotten_in_bounded_steps_and_its_connection_learns_of_it() {
        let (mut d, t0) = begun();
        for id in 0..2_000 {
            let Held::Entered(..) = d.hold(&holding(id, 1, t0 + 90 * SECOND), ROOM, t0) else {
                panic!("refused")
            };
        }
        // One is renewed, one is lost before its end.
        enter_many(&mut d, t0);
        d.lost(
            BindingId::from_u64(1),
            LinkId::new(0, 1, 1),
            10 * SECOND,
            t0,
        );
        let mut ended = Vec::new();
        let mut steps = 0;
        while let Some(next) = d.next().filter(|at| *at <= t0 + 120 * SECOND) {
            let before = ended.len();
            d.forget(next.max(t0 + 120 * SECOND), |id, _| ended.push(id.as_u64()));
            assert!(ended.len() - before <= STEP);
            steps += 1;
        }
        assert!(steps >= 4, "{steps} steps");
        assert_eq!(ended.len(), 1_998);
        assert!(!ended.contains(&0) && !ended.contains(&1));
        assert_eq!(d.len(), 1);
        d.forget(t0 + 3_660 * SECOND, |id, _| ended.push(id.as_u64()));
        assert_eq!((d.len(), ended.last()), (0, Some(&0)));
        d.forget(t0 + 9_000 * SECOND, |_, _| panic!("forgotten twice"));
        assert_eq!(d.next(), None);
    }

    fn enter_many(d: &mut Directory, t0: Instant) {
        for _ in 0..100 {
            assert!(matches!(
                d.hold(&holding(0, 1, t0 + 3_600 * SECOND), ROOM, t0),
                Held::Entered(None, _)
            ));
        }
    }

    /// The bound of the design: 160 bytes, the table at its emptiest right after it has grown, and 32 for the index by
    /// address of record, which stands in place of its text.
    #[test]
    fn a_binding_costs_at_most_160_bytes() {
        let table = (size_of::<(BindingId, BindingEntry)>() + 1) * 16 / 7;
        let listed = 2 * size_of::<BindingId>();
        let held = size_of::<HeldBinding>();
        let whole = table + listed + held;
        assert!(whole <= 160, "{table} + {listed} + {held} = {whole}");
        let index = 2 * size_of::<(Owner, BindingId)>();
        assert!(index <= 32, "{index}");
        // What is without a connection is held by none.
        assert!(2 * size_of::<(NonZeroU32, BindingId)>() <= held);
    }
}
