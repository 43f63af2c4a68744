//! The core's picture of the live connections: who is at each, what waits for which peer, and what runs on each.
use super::fast_map::FastMap;
use super::health::Fitness;
use super::leg::{Leg, PeerKey};
use super::tables::{ListedPeer, Listing};
use super::{BranchKey, LinkId};
use crate::topology::PeerRef;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One live connection.
pub(crate) struct Link {
    pub(crate) leg: Leg,
    /// Whether new requests may arrive here and be sent here.
    pub(crate) trusted: bool,
    /// Whether our requests may be sent here (its certificate also speaks for the peer as a server).
    pub(crate) requests: bool,
    /// Whether its queue is long.
    pub(crate) full: bool,
    /// Transactions that came from it and are still open.
    pub(crate) in_flight: u32,
    /// Slots of the contexts whose current branch was sent on it.
    pub(crate) branches: Vec<u32>,
    /// When the last message came on it.
    pub(crate) heard: Option<Instant>,
    /// Requests from it that nobody answers: since when they are counted, and how many they are.
    pub(crate) unanswered: Option<(Instant, u32)>,
}

/// In so much time a client may send as many requests that nobody answers as it may have transactions open.
const UNANSWERED_SPAN: Duration = Duration::from_secs(1);

impl Link {
    /// Counts one more request that leaves nothing behind by which it could be counted; `false`: there are enough for now.
    pub(crate) fn admits_unanswered(&mut self, bound: usize, now: Instant) -> bool {
        let (since, count) = match self.unanswered {
            Some((since, count)) if now < since + UNANSWERED_SPAN => (since, count),
            Some(_) | None => (now, 0),
        };
        let admits = (count as usize) < bound;
        self.unanswered = Some((since, count.saturating_add(u32::from(admits))));
        admits
    }
}

/// What runs between this shard and one peer, of the current generation or a former one that still has connections.
pub(crate) struct Peer {
    pub(crate) listed: Arc<ListedPeer>,
    /// Its live links in this shard, oldest first.
    pub(crate) links: SmallVec<[LinkId; 4]>,
    /// Whether the shell is making a connection.
    pub(crate) connecting: bool,
    /// The last connect failed, and until then none will be tried.
    pub(crate) down_until: Option<Instant>,
    /// Contexts that wait for a connection.
    pub(crate) waiting: VecDeque<BranchKey>,
    /// CANCELs, ACKs and responses that wait for a connection.
    pub(crate) mail: Vec<Mail>,
}

impl Peer {
    fn new(listed: &Arc<ListedPeer>) -> Self {
        Self {
            listed: Arc::clone(listed),
            links: SmallVec::new(),
            connecting: false,
            down_until: None,
            waiting: VecDeque::new(),
            mail: Vec::new(),
        }
    }

    /// Whether the connect that failed last forbids another one.
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| until > now)
    }

    fn is_idle(&self) -> bool {
        self.links.is_empty() && self.waiting.is_empty() && self.mail.is_empty() && !self.connecting
    }
}

/// What belongs to something already under way and waits for a connection.
pub(crate) struct Mail {
    /// The message as it is sent.
    pub(crate) octets: Vec<u8>,
    /// What must still hold when the connection comes.
    pub(crate) sense: Sense,
}

/// When a message that waited for a connection still makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sense {
    /// However long it takes. Its reader drops a response or an ACK that comes too late, and one that never comes
    /// costs more: a caller who rings on, a callee who hangs up 32 s after the call was taken.
    Always,
    /// While this branch has no final response: a CANCEL after it would cancel nothing (RFC 3261 §9.1).
    WhilePending(BranchKey),
}

/// All links and peers of one core.
#[derive(Default)]
pub(crate) struct Links {
    links: FastMap<LinkId, Link>,
    /// The peers that something runs with.
    peers: FastMap<PeerKey, Peer>,
    listing: Arc<Listing>,
}

impl Links {
    pub(crate) fn get(&self, link: LinkId) -> Option<&Link> {
        self.links.get(&link)
    }
    pub(crate) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&link)
    }
    /// What is known of a peer that is listed, or was and still has connections.
    pub(crate) fn peer(&self, key: PeerKey) -> Option<&ListedPeer> {
        let active = self.peers.get(&key).map(|peer| &*peer.listed);
        active.or_else(|| self.listing.get(key).map(|listed| &**listed))
    }
    /// What runs with a peer, if anything does.
    pub(crate) fn active(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(&key)
    }
    /// The same, to begin something with it.
    pub(crate) fn active_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        match self.peers.entry(key) {
            Entry::Occupied(found) => Some(found.into_mut()),
            Entry::Vacant(place) => {
                let listed = self.listing.get(key)?;
                Some(place.insert(Peer::new(listed)))
            }
        }
    }
    /// The keys of the peers that something runs with.
    pub(crate) fn active_keys(&self) -> Vec<PeerKey> {
        self.peers.keys().copied().collect()
    }
    /// Whether any peer wants more than one connection.
    pub(crate) fn several(&self) -> bool {
        self.listing.several
    }
    /// Whether nothing is connected, and another connect would come too soon.
    pub(crate) fn is_cut_off(&self, key: PeerKey, now: Instant) -> bool {
        let peer = self.peers.get(&key);
        peer.is_some_and(|peer| peer.links.is_empty() && peer.is_down(now))
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }
    #[cfg(test)]
    pub(crate) fn all_peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// The peers of another generation; what runs goes on.
    pub(crate) fn relist(&mut self, listing: &Arc<Listing>) {
        self.listing = Arc::clone(listing);
        for (key, peer) in &mut self.peers {
            match listing.get(*key) {
                Some(listed) => peer.listed = Arc::clone(listed),
                None => Arc::make_mut(&mut peer.listed).current = None,
            }
        }
    }

    /// A link has come up, or its identity was judged anew; `certain`: it shows that this very peer can be reached.
    pub(crate) fn up(&mut self, id: LinkId, leg: Leg, requests: bool, certain: bool) {
        let link = self.links.entry(id).or_insert_with(|| Link {
            leg,
            trusted: true,
            requests,
            full: false,
            in_flight: 0,
            branches: Vec::new(),
            heard: None,
            unanswered: None,
        });
        let before = std::mem::replace(&mut link.leg, leg);
        link.trusted = true;
        link.requests = requests;
        // A reload can make another entry of the topology match the certificate.
        if let Leg::Peer(key) = before
            && before != leg
            && let Some(peer) = self.peers.get_mut(&key)
        {
            peer.links.retain(|l| *l != id);
        }
        if let Leg::Peer(key) = leg
            && let Some(peer) = self.active_mut(key)
        {
            if !peer.links.contains(&id) {
                peer.links.push(id);
            }
            if certain {
                peer.down_until = None;
            }
        }
    }

    /// A link is closed; gives what it held.
    pub(crate) fn gone(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        if let Leg::Peer(key) = link.leg
            && let Some(peer) = self.peers.get_mut(&key)
        {
            peer.links.retain(|l| *l != id);
            if peer.is_idle() && peer.down_until.is_none() {
                self.peers.remove(&key);
            }
        }
        Some(link)
    }

    /// Forgets the peers that nothing runs with.
    pub(crate) fn forget_idle_peers(&mut self) {
        self.peers.retain(|_, peer| !peer.is_idle());
    }

    /// Whether the peer at this target has asked for a pause that is not over.
    pub(crate) fn is_held(&self, target: Leg, now: Instant) -> bool {
        let Leg::Peer(key) = target else { return false };
        self.peer(key)
            .is_some_and(|peer| peer.health.fitness(now, Duration::ZERO) == Fitness::Held)
    }

    /// A link of the peer that takes new requests. Where a peer has several, what shares `spread` shares the link, so
    /// that the requests of a dialog keep their order.
    pub(crate) fn for_requests(&self, key: PeerKey, spread: u64) -> Pick {
        let Some(peer) = self.peers.get(&key) else {
            return Pick::None;
        };
        let mut full = false;
        // Links are few, and usually one: rotated, the first that will do is taken.
        let first = (spread % peer.links.len().max(1) as u64) as usize;
        let (before, from) = peer.links.split_at_checked(first).unwrap_or_default();
        let wide = peer.listed.wanted > 1;
        let rotated = from.iter().chain(before).filter(|_| wide);
        for id in rotated.chain(peer.links.iter().filter(|_| !wide)) {
            match self.links.get(id) {
                Some(link) if link.trusted && link.requests && !link.full => {
                    return Pick::Link(*id);
                }
                Some(link) if link.trusted && link.requests => full = true,
                Some(_) | None => {}
            }
        }
        if full { Pick::Full } else { Pick::None }
    }

    /// Whether nothing runs on the link: no transaction from it waits for its answer, and none was sent on it.
    pub(crate) fn is_idle(&self, id: LinkId) -> bool {
        self.links
            .get(&id)
            .is_none_or(|link| link.in_flight == 0 && link.branches.is_empty())
    }

    /// The reference to dial if the peer shall have more links than it has and nothing speaks against another connect.
    pub(crate) fn lacks_links(&mut self, key: PeerKey, now: Instant) -> Option<PeerRef> {
        let peer = self.peers.get_mut(&key)?;
        let usable = |id: &&LinkId| self.links.get(id).is_some_and(|l| l.trusted && l.requests);
        if peer.connecting
            || peer.is_down(now)
            || peer.links.iter().filter(usable).count() >= usize::from(peer.listed.wanted)
        {
            return None;
        }
        peer.connecting = true;
        peer.listed.current
    }

    /// Any link of the peer, for what belongs to transactions that already run.
    pub(crate) fn any_link(&self, key: PeerKey) -> Option<LinkId> {
        self.peers.get(&key)?.links.last().copied()
    }

    /// Notes that a context's current branch was sent on the link. A flow of another shard is noted on first use.
    pub(crate) fn add_branch(&mut self, id: LinkId, slot: u32) {
        let link = self.links.entry(id).or_insert_with(|| Link {
            leg: Leg::Client(id),
            trusted: true,
            requests: true,
            full: false,
            in_flight: 0,
            branches: Vec::new(),
            heard: None,
            unanswered: None,
        });
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
        if link.branches.is_empty() && id.shard() != own_shard && link.in_flight == 0 {
            self.links.remove(&id);
        }
    }
}

/// The outcome of looking for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pick {
    /// This one.
    Link(LinkId),
    /// There are some, but their queues are long.
    Full,
    /// There is none.
    None,
}
