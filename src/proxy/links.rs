//! All live connections of one core and the peers that something runs with (RFC 3261 §18, RFC 5626
//! §3.2).
//!
//! Two tables: connections by their number, and peers by their key. A peer has an entry only while
//! something runs with it (a connection, a wait, a failed connect to remember), so that a topology
//! of ten thousand peers costs a shard nothing.
use super::account::{ANSWERED_COST, Account};
use super::binding::{BindingId, Owner};
use super::covered::{CoveredNames, MOST_NAMES};
use super::health::{Fitness, PeerHealth};
use super::interface::{Action, Actions, RemoteIdentity};
use super::leg::{Certainty, Leg, PeerKey};
use super::link_id::LinkId;
use super::link_state::{AnsweredCount, LinkState, PeerLoad, PeerState};
use super::listing::{ListedPeer, Listing, UnderName};
use crate::observe::DecisionId;
use crate::reason::ConnectionReason;
use crate::sip::Uri;
use crate::topology::{FastMap, Limits};
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a message that may go where the queue is long although it is repeated when it is lost: an ACK and a 180 have no
/// more.
const SMALL: usize = 8 * 1024;

/// Both tables, and the peers of the current generation.
#[derive(Default)]
pub(crate) struct Links {
    links: FastMap<LinkId, LinkState>,
    /// The peers that something runs with.
    peers: FastMap<PeerKey, PeerState>,
    listing: Arc<Listing>,
    /// What let each peer's connection in, for the log; a client's is let in without one.
    decisions: FastMap<LinkId, DecisionId>,
    /// Whether there is a connection to the other process of this node: asked for each request to a client.
    other_process: bool,
    /// Names besides the peers' own that this shard uses.
    covered: CoveredNames,
    /// Of connections that have gone, what waits for Timer H or L all the same.
    left: FastMap<LinkId, AnsweredCount>,
}

impl Links {
    /// What is known of a link: of this shard all, of another shard's only while a branch runs on
    /// it.
    pub(crate) fn get(&self, link: LinkId) -> Option<&LinkState> {
        self.links.get(&link)
    }
    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, link: LinkId) -> Option<&mut LinkState> {
        self.links.get_mut(&link)
    }
    /// What is known of a peer that is listed, or was and still has connections.
    pub(crate) fn peer(&self, key: PeerKey) -> Option<&ListedPeer> {
        let active = self.peers.get(&key).map(|peer| &*peer.listed);
        active.or_else(|| self.listing.get(key).map(|listed| &**listed))
    }
    /// What runs with a peer, if anything does.
    pub(crate) fn active(&self, key: PeerKey) -> Option<&PeerState> {
        self.peers.get(&key)
    }
    /// The same, to begin something with it.
    pub(crate) fn active_mut(&mut self, key: PeerKey) -> Option<&mut PeerState> {
        match self.peers.entry(key) {
            Entry::Occupied(found) => Some(found.into_mut()),
            Entry::Vacant(place) => {
                let listed = self.listing.get(key)?;
                Some(place.insert(PeerState::new(listed)))
            }
        }
    }
    /// The keys of the peers that something runs with.
    pub(crate) fn active_keys(&self) -> Vec<PeerKey> {
        self.peers.keys().copied().collect()
    }
    /// Whether any peer wants more than one connection. Where none does, a request needs no hash to
    /// choose one.
    pub(crate) fn several(&self) -> bool {
        self.listing.several
    }
    /// The other process of this node, if it is connected.
    pub(crate) fn other_process(&self) -> Option<PeerKey> {
        self.other_process.then_some(PeerKey::OTHER_PROCESS)
    }
    /// What runs with each peer that anything runs with, by the name of its entry.
    pub(crate) fn loads(&self) -> Vec<(String, PeerLoad)> {
        let loads = self.peers.values().map(|peer| {
            let entry = self.listing.get(peer.listed.entry());
            let name = entry.map_or(&peer.listed.name, |entry| &entry.name);
            let branches = peer.links.iter().filter_map(|link| self.links.get(link));
            let load = PeerLoad {
                connections: peer.links.len(),
                in_flight: branches.map(|link| link.branches.len()).sum(),
                waiting: peer.waits(),
            };
            (name.to_string(), load)
        });
        loads.collect()
    }

    /// How much of each bound of a link or its party is taken where most is, by the bound's key.
    ///
    /// One pass over all links for all of them: there may be tens of thousands.
    pub(crate) fn fullest(&self) -> [(&'static str, usize); 7] {
        let mut most = [
            ("transactions_per_client", 0),
            ("transactions_per_source", 0),
            ("transactions_per_peer", 0),
            ("memory_per_client", 0),
            ("answered_per_client", 0),
            ("invites_per_client", 0),
            ("bindings_per_client", 0),
        ];
        for link in self.links.values() {
            let answered = link.answered.number() * ANSWERED_COST;
            let account = link.account.as_deref();
            let of_party = account.map_or(0, Account::transactions);
            let bytes = account.map_or(0, Account::bytes);
            // In the order of the list; what is no bound of this kind of link counts as nothing.
            let of_link = match link.leg.is_client() {
                true => [
                    link.in_flight as usize,
                    of_party,
                    0,
                    bytes,
                    answered,
                    link.invites as usize,
                    link.held.len(),
                ],
                false => [0, 0, of_party, 0, 0, 0, 0],
            };
            for ((_, most), one) in most.iter_mut().zip(of_link) {
                *most = one.max(*most);
            }
        }
        most
    }

    /// Whether nothing is connected, and another connect would come too soon.
    pub(crate) fn is_cut_off(&self, key: PeerKey, now: Instant) -> bool {
        let peer = self.peers.get(&key);
        peer.is_some_and(|peer| peer.links.is_empty() && peer.is_down(now))
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (LinkId, &LinkState)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }
    /// The same, to change them.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut LinkState)> {
        self.links.iter_mut().map(|(id, link)| (*id, link))
    }
    #[cfg(test)]
    pub(crate) fn all_peers(&self) -> impl Iterator<Item = &PeerState> {
        self.peers.values()
    }

    /// The peers of another generation; what runs goes on. One that is no longer listed keeps its
    /// entry without a reference: nothing can be dialled or begun with it, but its calls may end.
    pub(crate) fn relist(&mut self, listing: &Arc<Listing>) {
        self.listing = Arc::clone(listing);
        for (key, peer) in &mut self.peers {
            // A name lives as long as its entry covers it, and changes with that entry.
            let listed = match &peer.listed.under {
                None => listing.get(*key).map(Arc::clone),
                Some(under) => listing
                    .get(under.peer)
                    .and_then(|entry| entry.under(under, Arc::clone(&peer.listed.health)))
                    .map(Arc::new),
            };
            match listed {
                Some(listed) => {
                    // Here and not at each INVITE, which would have to look its peer up for it.
                    for link in &peer.links {
                        if let Some(link) = self.links.get_mut(link) {
                            link.bound_by(&listed);
                        }
                    }
                    peer.listed = listed;
                }
                None => Arc::make_mut(&mut peer.listed).current = None,
            }
        }
    }

    /// A link has come up, or its identity was judged anew.
    ///
    /// `under`: it was dialled under this covered name.
    pub(crate) fn up(
        &mut self,
        id: LinkId,
        (leg, certainty): (Leg, Certainty),
        requests: bool,
        under: Option<PeerKey>,
    ) {
        if let Some(name) = under {
            self.covered.connected(id, name);
        }
        let link = self
            .links
            .entry(id)
            .or_insert_with(|| LinkState::new(leg, requests));
        let before = std::mem::replace(&mut link.leg, leg);
        self.other_process |= leg == Leg::Peer(PeerKey::OTHER_PROCESS);
        link.trusted = true;
        link.certainty = certainty;
        link.requests = requests;
        if let Leg::Peer(key) = leg
            && let Some(listed) = self.listing.get(key)
        {
            link.bound_by(listed);
        }
        // A reload can make another entry of the topology match the certificate.
        self.moves(id, before, leg);
        if certainty == Certainty::Shown
            && let Leg::Peer(key) = leg
            && let Some(peer) = self.active_mut(under.unwrap_or(key))
        {
            // This very peer can be reached.
            peer.down_until = None;
        }
    }

    /// The decision by which a link's identity stands.
    pub(crate) fn decided(&mut self, id: LinkId, identity: &RemoteIdentity) {
        if let RemoteIdentity::Peer(peer) = identity {
            let decision = DecisionId(Arc::clone(peer.decision()));
            self.decisions.insert(id, decision);
        }
    }

    /// The same, for the log.
    pub(crate) fn decision(&self, id: LinkId) -> Option<DecisionId> {
        self.decisions.get(&id).cloned()
    }

    /// A request on a link of several servers' certificate says which of them sends on it. A link of
    /// another shard stays as it is: here it belongs to nobody's links.
    pub(crate) fn claimed(&mut self, id: LinkId, by: PeerKey) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if !matches!(link.leg, Leg::Peer(_)) {
            return;
        }
        link.certainty = Certainty::Claimed;
        let before = std::mem::replace(&mut link.leg, Leg::Peer(by));
        if before != Leg::Peer(by) {
            if let Some(listed) = self.listing.get(by) {
                link.bound_by(listed);
            }
            self.moves(id, before, Leg::Peer(by));
        }
    }

    /// From the links of one peer to those of another.
    fn moves(&mut self, id: LinkId, before: Leg, leg: Leg) {
        // One that was made under a name stays with that.
        if let Some(name) = self.covered.name_of(id) {
            if let Some(peer) = self.peers.get_mut(&name)
                && !peer.links.contains(&id)
            {
                peer.links.push(id);
            }
            return;
        }
        if let Leg::Peer(key) = before
            && before != leg
            && let Some(peer) = self.peers.get_mut(&key)
        {
            peer.leave(id);
        }
        if let Leg::Peer(key) = leg
            && let Some(peer) = self.active_mut(key)
            && !peer.links.contains(&id)
        {
            peer.links.push(id);
            peer.listed.health.note_shard(id.shard(), true);
        }
    }

    /// Whether it is open which of several servers is at the far end.
    pub(crate) fn is_open(&self, id: LinkId) -> bool {
        let link = self.links.get(&id);
        link.is_some_and(|link| !link.certainty.is_known())
    }

    /// A link is closed; returns what it held, so that the branches on it can fail over. A peer
    /// with nothing left is forgotten, unless a failed connect must be remembered.
    pub(crate) fn gone(&mut self, id: LinkId) -> Option<LinkState> {
        self.decisions.remove(&id);
        let mut link = self.links.remove(&id)?;
        if link.answered.number() > 0 {
            self.left.insert(id, std::mem::take(&mut link.answered));
        }
        if let Leg::Peer(key) = link.leg {
            let key = self.covered.disconnected(id).unwrap_or(key);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.leave(id);
                if peer.is_idle() && peer.down_until.is_none() {
                    self.forget_peer(key);
                }
            }
            if key == PeerKey::OTHER_PROCESS {
                self.other_process = self.any_link(key).is_some();
            }
        }
        Some(link)
    }

    /// A link is being closed from this side: what still comes on it counts, and nothing more is sent.
    pub(crate) fn leaves(&mut self, id: LinkId) -> Option<&LinkState> {
        let link = self.links.get_mut(&id)?;
        link.leaving = true;
        link.requests = false;
        if link.leg == Leg::Peer(PeerKey::OTHER_PROCESS) {
            self.other_process = self.any_link(PeerKey::OTHER_PROCESS).is_some();
        }
        self.links.get(&id)
    }

    /// Forgets the peers that nothing runs with.
    pub(crate) fn forget_idle_peers(&mut self) {
        let idle = self.peers.iter().filter(|(_, peer)| peer.is_idle());
        for key in idle.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.forget_peer(key);
        }
    }

    /// Nothing runs with it any more; the place of a name among those of its entry is free again.
    fn forget_peer(&mut self, key: PeerKey) {
        if let Some(PeerState { listed, .. }) = self.peers.remove(&key)
            && let Some(under) = &listed.under
        {
            self.covered.forget(under.peer, key);
        }
    }

    /// A name that an entry covers, as a next hop; `None`: it does not, or all of its names in use are
    /// busy. For one too many the least recently used one goes on which nothing runs, with its
    /// connections.
    pub(crate) fn cover(
        &mut self,
        under: &UnderName,
        now: Instant,
        out: &mut Actions,
    ) -> Option<PeerKey> {
        let key = under.key();
        // In use: its place in the order moves, whatever comes of the request.
        if let Some(peer) = self.peers.get(&key) {
            let is_covered = peer.listed.current.is_some();
            self.covered.used(under.peer, key);
            return is_covered.then_some(key);
        }
        let entry = self.listing.get(under.peer)?;
        let listed = entry.under(under, Arc::new(PeerHealth::new(now)))?;
        // The bound is one of this entry: a partner takes no room of another one.
        let names = self.covered.of(under.peer);
        if names.len() >= MOST_NAMES {
            let is_quiet = |name: &&PeerKey| self.is_quiet(**name);
            let displaced = *names.iter().find(is_quiet)?;
            for link in self.peers.get(&displaced)?.links.clone() {
                let reason = ConnectionReason::NameDisplaced.into();
                out.list.push(Action::Close { link, reason });
                self.covered.disconnected(link);
                // Until it is closed no dialog that its token names goes on there.
                if let Some(link) = self.links.get_mut(&link) {
                    link.requests = false;
                }
            }
            self.forget_peer(displaced);
        }
        self.covered.used(under.peer, key);
        self.peers.insert(key, PeerState::new(&Arc::new(listed)));
        Some(key)
    }

    /// Whether nothing runs with a name that is in use.
    fn is_quiet(&self, name: PeerKey) -> bool {
        self.peers.get(&name).is_some_and(|peer| {
            let is_idle = peer.waits() == 0 && !peer.connecting;
            is_idle && peer.links.iter().all(|link| self.is_idle(*link))
        })
    }

    /// Whether the peer at this target has asked for a pause that is not over.
    pub(crate) fn is_held(&self, target: Leg, now: Instant) -> bool {
        let Leg::Peer(key) = target else { return false };
        self.peer(key)
            .is_some_and(|peer| peer.health.fitness(now, Duration::ZERO) == Fitness::Held)
    }

    /// A link of the peer that takes new requests. Where a peer has several, what shares `spread`
    /// shares the link, so that the requests of a dialog keep their order.
    ///
    /// A link that may be another server's comes last, and serves what begins only while none can be
    /// made to the peer: else a dialog would run with one server and be known as another's.
    pub(crate) fn for_requests(&self, key: PeerKey, spread: u64, in_dialog: bool) -> LinkChoice {
        let Some(peer) = self.peers.get(&key) else {
            return LinkChoice::None;
        };
        let wide = peer.listed.wanted > 1;
        // Usually there is one, and it will do.
        if !wide
            && let Some(id) = peer.links.first()
            && let Some(link) = self.links.get(id)
            && link.certainty.is_known()
            && link.takes_requests()
        {
            return LinkChoice::Link(*id);
        }
        let serves_open = in_dialog || peer.down_until.is_some();
        let mut open = None;
        let mut full = None;
        // Links are few: rotated, the first that will do is taken.
        let first = (spread % peer.links.len().max(1) as u64) as usize;
        let (before, from) = peer.links.split_at_checked(first).unwrap_or_default();
        let rotated = from.iter().chain(before).filter(|_| wide);
        for id in rotated.chain(peer.links.iter().filter(|_| !wide)) {
            match self.links.get(id) {
                Some(link) if !link.certainty.is_known() => {
                    let serves = serves_open && link.takes_requests();
                    open = open.or(serves.then_some(*id));
                }
                Some(link) if link.takes_requests() => return LinkChoice::Link(*id),
                Some(link) if link.trusted && link.requests => full = full.or(Some(*id)),
                Some(_) | None => {}
            }
        }
        match (open, full) {
            (Some(id), _) => LinkChoice::Link(id),
            (None, Some(id)) => LinkChoice::Full(id),
            (None, None) => LinkChoice::None,
        }
    }

    /// Whether so many bytes more may wait for the socket of a link whose queue is long: half as much again as makes it
    /// long, for those who have not made it so.
    pub(crate) fn crowd(&mut self, id: LinkId, bytes: usize, limits: &Limits) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        let crowded = link.crowded.saturating_add(bytes);
        let has_room = crowded <= limits.send_queue / 2;
        if has_room {
            link.crowded = crowded;
        }
        has_room
    }

    /// Whether so many bytes of what is repeated when it is lost may go to a link: the ACK of a 2xx and a 2xx that has passed
    /// before (RFC 3261 §13.3.1.4), or a provisional response, which may be lost (§17.1.1).
    ///
    /// Where the queue is long only what is small may, and a quarter of what makes it long. Such messages have no transaction
    /// by whose number they are bounded: whoever sent them without end would end the connection for all others.
    pub(crate) fn spares(&mut self, id: LinkId, bytes: usize, limits: &Limits) -> bool {
        // Of another shard's link that shard alone knows.
        let Some(link) = self.links.get_mut(&id).filter(|link| link.full) else {
            return true;
        };
        let spared = link.spared.saturating_add(bytes);
        let has_room = bytes <= SMALL && spared <= limits.send_queue / 4;
        if has_room {
            link.spared = spared;
        }
        has_room
    }

    /// Whether nothing runs on the link: no transaction from it waits for its answer, and none was
    /// sent on it.
    pub(crate) fn is_idle(&self, id: LinkId) -> bool {
        self.links
            .get(&id)
            .is_none_or(|link| link.in_flight == 0 && link.branches.is_empty())
    }

    /// Asks for another connection if the peer should have more than it has and nothing speaks
    /// against it.
    pub(crate) fn widen(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let usable = |id: &&LinkId| {
            let link = self.links.get(id);
            link.is_some_and(|l| l.trusted && l.requests && l.certainty.is_known())
        };
        if !peer.is_down(now)
            && peer.links.iter().filter(usable).count() < usize::from(peer.listed.wanted)
        {
            peer.want_connection(out);
        }
    }

    /// Whether the connection leads to this registered client.
    pub(crate) fn holds(&self, link: LinkId, id: BindingId) -> bool {
        let link = self.links.get(&link);
        link.is_some_and(|link| link.held.iter().any(|held| held.ids.contains(&id)))
    }

    /// As [`Self::holds`], or it did when its registration ended: it goes on in its dialogs.
    pub(crate) fn speaks_for(&self, link: LinkId, id: BindingId) -> bool {
        self.holds(link, id) || self.former_of(link).any(|former| former == id)
    }

    /// The bindings that the connection held when their registrations ended.
    pub(crate) fn former_of(&self, link: LinkId) -> impl Iterator<Item = BindingId> {
        let former = self.links.get(&link).map(|link| link.former.as_slice());
        former.unwrap_or_default().iter().copied()
    }

    /// The binding that a request of the connection belongs to: the one whose address of record is in
    /// From, else its first. Nothing is hashed for the usual client, which has one.
    pub(crate) fn binding_of(&self, link: LinkId, from: &Uri<'_>) -> Option<BindingId> {
        let held = &self.links.get(&link)?.held;
        let first = held.first()?;
        let of_from = || {
            let owner = Owner::of(from);
            held.iter().find(|held| held.name.owner == owner)
        };
        // A From that is none of its users is anonymous, say: any binding leads to the same client.
        let own = if held.len() > 1 { of_from() } else { None };
        own.unwrap_or(first).id()
    }

    /// Every number of every binding that the connection holds.
    pub(crate) fn bindings_of(&self, link: LinkId) -> impl Iterator<Item = BindingId> {
        let held = self.links.get(&link).map(|link| link.held.as_slice());
        let held = held.unwrap_or_default().iter();
        held.flat_map(|held| held.ids.iter().copied())
    }

    /// Counts a transaction that came from the connection, and returns its account; `open` makes one
    /// where there is none yet. One of another shard, whose message was handed over, is noted on first
    /// use.
    pub(crate) fn begin(
        &mut self,
        id: LinkId,
        is_invite: bool,
        own_shard: u8,
        open: impl FnOnce() -> Rc<Account>,
    ) -> Rc<Account> {
        let link = if id.shard() == own_shard {
            self.links.get_mut(&id)
        } else {
            let new = || LinkState::new(Leg::Client(id), true);
            Some(self.links.entry(id).or_insert_with(new))
        };
        let Some(link) = link else { return open() };
        link.in_flight += 1;
        link.invites += u32::from(is_invite);
        Rc::clone(link.account.get_or_insert_with(open))
    }

    /// Notes that a context came from a client's connection. Few of a client owe their answer at a time
    /// (`limits.transactions_per_client`); what a server has asked may be answered on its other connections.
    pub(crate) fn asks(&mut self, id: LinkId, slot: u32) {
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.leg.is_client()) {
            link.asked.push(slot);
        }
    }

    /// Undoes [`Self::begin`] and [`Self::asks`].
    pub(crate) fn end(&mut self, (id, slot): (LinkId, u32), is_invite: bool, own_shard: u8) {
        if let Some(link) = self.links.get_mut(&id) {
            link.transaction_over(slot, is_invite);
            if id.shard() != own_shard && link.is_unused() {
                self.links.remove(&id);
            }
        }
    }

    /// An INVITE that came from the connection has its final answer: from now on it is counted as such.
    pub(crate) fn answered(&mut self, id: LinkId, slot: u32) {
        if let Some(link) = self.links.get_mut(&id) {
            link.count_answered(1);
            link.transaction_over(slot, true);
        }
    }

    /// It waits for nothing any more.
    pub(crate) fn forget_answered(&mut self, id: LinkId, own_shard: u8) {
        if let Some(link) = self.links.get_mut(&id) {
            link.count_answered(-1);
            if id.shard() != own_shard && link.is_unused() {
                self.links.remove(&id);
            }
        } else if let Some(left) = self.left.get_mut(&id) {
            left.change(-1);
            if left.number() == 0 {
                self.left.remove(&id);
            }
        }
    }

    /// Any link of the peer, the newest first, for what belongs to transactions that already run;
    /// first of all one that is known to be its own.
    pub(crate) fn any_link(&self, key: PeerKey) -> Option<LinkId> {
        let links = &self.peers.get(&key)?.links;
        let stays = |id: &&LinkId| self.links.get(id).is_none_or(|link| !link.leaving);
        let mut links = links.iter().rev().filter(stays);
        let last = links.next()?;
        let own = std::iter::once(last)
            .chain(links)
            .find(|id| !self.is_open(**id));
        own.or(Some(last)).copied()
    }

    /// Notes that a context's current branch was sent on the link, so that its loss finds the
    /// context without a search. A flow of another shard is noted on first use: that shard reports
    /// here when it is gone.
    pub(crate) fn add_branch(&mut self, id: LinkId, slot: u32) {
        let link = self
            .links
            .entry(id)
            .or_insert_with(|| LinkState::new(Leg::Client(id), true));
        link.branches.push(slot);
    }

    /// Undoes [`Self::add_branch`]. A foreign flow on which nothing runs any more is forgotten.
    pub(crate) fn remove_branch(&mut self, id: LinkId, slot: u32, own_shard: u8) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        // Newest first: most transactions are short, so the slot stands near the end.
        if let Some(at) = link.branches.iter().rposition(|s| *s == slot) {
            link.branches.swap_remove(at);
        }
        if id.shard() != own_shard && link.is_unused() {
            self.links.remove(&id);
        }
    }
}

/// The outcome of looking for a link. `Full` is not `None`: another connection to a peer that does
/// not read would fill as well, so the request moves on instead of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkChoice {
    /// This one.
    Link(LinkId),
    /// There are some, but their queues are long. This is the first of them.
    Full(LinkId),
    /// There is none.
    None,
}
