//! The response context of RFC 3261 §16.7: one request, the server transaction it came on, the client transaction of the
//! branch that is being tried, and the targets that are left.
//!
//! Targets are tried one after the other, never in parallel (forking to several contacts is the registrar's work), so a
//! context has at most one branch at a time and "best response" means the last one.
use super::asserted::NotAsserted;
use super::boundary::Privacy;
use super::fast_map::FastMap;
use super::leg::{Leg, TargetSet};
use super::transaction::{Client, Deadlines, Letter, Server, T64};
use super::{BranchKey, LinkId, MessageReason};
use crate::sip::HeaderSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long an INVITE waits for a first sign of life while other targets remain.
///
/// **Deviation:** RFC 3261 §17.1.1.2 gives Timer B 32 s. A living server sends 100 within 200 ms, and a caller who
/// waits half a minute for every dead pool member has hung up; the last target still gets the whole Timer B.
pub(crate) const FAILOVER_SILENCE: Duration = Duration::from_secs(8);

/// How the forwarded request differs from the received one, the same for every branch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Route values of ours, removed from the front.
    pub(crate) popped_routes: u8,
    /// The previous element is a strict router: the last Route value became the Request-URI (RFC 3261 §16.4).
    pub(crate) strict_in: bool,
    /// The next element is a strict router: the next Route value becomes the Request-URI (RFC 3261 §16.6 step 6).
    pub(crate) strict_out: bool,
    /// Max-Forwards as sent.
    pub(crate) max_forwards: u8,
    /// Whether it belongs to a dialog that runs through us.
    pub(crate) in_dialog: bool,
    /// Max-Breadth as sent; an ACK has none.
    pub(crate) max_breadth: Option<u8>,
    /// The Request-URI, where it is not as received or from the last Route value (an `maddr` of ours was taken out).
    pub(crate) request_uri: Option<Box<[u8]>>,
    /// Whether Record-Route is added.
    pub(crate) record_route: bool,
    /// Whether Record-Route has a sips URI (RFC 5630 §3.2).
    pub(crate) sips: bool,
    /// Whether this is a client's REGISTER, which gets a Path.
    pub(crate) path: bool,
    /// Whether the first line of the client's Supported names `path` (RFC 3327 §5.1), which is what registrars read; else
    /// we do that for it.
    pub(crate) announces_path: bool,
    /// Whether the client wants to hear of Path; else it is taken out of its answer.
    pub(crate) knows_path: bool,
    /// Values in it that its sender may not assert.
    pub(crate) not_asserted: NotAsserted,
    /// Whether the Path gets `ob`: this node is the first hop and the contact has a reg-id (RFC 5626 §5.1).
    pub(crate) outbound: bool,
    /// The fields in it that its sender may not send (RFC 3325 §5).
    pub(crate) strip: HeaderSet,
    /// What its sender asks to withhold (RFC 3323, RFC 3325 §7).
    pub(crate) privacy: Privacy,
    /// Whether its sender asks to keep the connection by keep-alives between hops (`ms-keep-alive`).
    pub(crate) keep_alive: bool,
    /// Hash of the routing input, for our branch (RFC 5393 §4.2.1).
    pub(crate) loop_hash: u32,
    /// Hash of the To host, for the token.
    pub(crate) to_host: u32,
}

/// The branch that is being tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempt {
    /// No target was tried yet, or none is left.
    None,
    /// Waits for a connection to this peer.
    Waiting(Leg),
    /// Sent on this link.
    Sent {
        target: Leg,
        link: LinkId,
        client: Client,
    },
}

impl Attempt {
    pub(crate) fn target(&self) -> Option<Leg> {
        match self {
            Self::None => None,
            Self::Waiting(target) | Self::Sent { target, .. } => Some(*target),
        }
    }
}

/// One request on its way.
pub(crate) struct Context {
    /// The unguessable number of the current branch.
    pub(crate) nonce: u64,
    pub(crate) server: Server,
    pub(crate) attempt: Attempt,
    /// Key of the server transaction.
    pub(crate) key: u128,
    /// Where the request came from, and so where responses go.
    pub(crate) link: LinkId,
    pub(crate) leg: Leg,
    pub(crate) remote: SocketAddr,
    /// The request as received; given back when the 2xx to an INVITE has passed.
    pub(crate) request: Vec<u8>,
    /// Where in it the Call-ID stands, for the log.
    pub(crate) call_id: Range<usize>,
    pub(crate) plan: Plan,
    /// Targets, and how many of them were tried.
    pub(crate) targets: TargetSet,
    pub(crate) tried: usize,
    pub(crate) deadlines: Deadlines,
    pub(crate) received: Instant,
    /// A CANCEL came: sent as soon as a provisional response allows it (RFC 3261 §9.1).
    pub(crate) cancel_wanted: bool,
    /// The CANCEL was sent.
    pub(crate) cancel_sent: bool,
    /// The last response that was sent up, for a repeated INVITE.
    pub(crate) last_response: Vec<u8>,
    /// The To tag of answers of our own, once one was made.
    pub(crate) to_tag: u64,
    /// What failed last, if no response came from below.
    pub(crate) failure: Option<MessageReason>,
}

impl Context {
    /// A new branch begins, or a wait for its connection: the time until the next target's turn.
    pub(crate) fn give_time(&mut self, now: Instant) {
        let more = self.targets.len().saturating_sub(self.tried);
        let span = match self.server {
            Server::Invite(_) if more > 0 => FAILOVER_SILENCE,
            Server::Invite(_) => T64,
            // RFC 4320: 32 s over all targets; each gets its share of what is left.
            Server::NonInvite(_) => {
                let left = (self.received + T64).saturating_duration_since(now);
                left / u32::try_from(more + 1).unwrap_or(1)
            }
        };
        self.deadlines.at = now + span;
        self.deadlines.letter = match self.server {
            Server::Invite(_) => Letter::B,
            Server::NonInvite(_) => Letter::F,
        };
    }
    /// Whether an answer is still owed upstream.
    pub(crate) fn pending(&self) -> bool {
        match self.server {
            Server::Invite(machine) => machine == super::transaction::InviteServer::Proceeding,
            Server::NonInvite(_) => true,
        }
    }
}

/// All contexts of one core: a slab, and the index of server transactions.
pub(crate) struct Contexts {
    slots: Vec<Option<Box<Context>>>,
    free: Vec<u32>,
    by_key: FastMap<u128, u32>,
    live: usize,
    /// Emptied request buffers for reuse: at most 256, at most 4 KiB each.
    spare: Vec<Vec<u8>>,
    #[expect(
        clippy::vec_box,
        reason = "the boxes themselves are what is kept for reuse"
    )]
    spare_contexts: Vec<Box<Context>>,
}

impl Contexts {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: FastMap::default(),
            live: 0,
            spare: Vec::new(),
            spare_contexts: Vec::new(),
        }
    }
    pub(crate) fn len(&self) -> usize {
        self.live
    }
    pub(crate) fn get(&self, slot: u32) -> Option<&Context> {
        self.slots.get(slot as usize)?.as_deref()
    }
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Context> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }
    /// The context that a branch of ours names.
    pub(crate) fn by_branch(&mut self, key: BranchKey) -> Option<&mut Context> {
        self.get_mut(key.slot).filter(|c| c.nonce == key.nonce)
    }
    /// The context of a server transaction.
    pub(crate) fn by_key(&self, key: u128) -> Option<u32> {
        self.by_key.get(&key).copied()
    }
    /// Adds a context; gives its slot.
    pub(crate) fn insert(&mut self, context: Context) -> u32 {
        let key = context.key;
        let boxed = match self.spare_contexts.pop() {
            Some(mut boxed) => {
                *boxed = context;
                boxed
            }
            None => Box::new(context),
        };
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = Some(boxed);
            }
            slot
        } else {
            // A shard is bounded to far fewer than 2^32 transactions by limits.transactions.
            let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            self.slots.push(Some(boxed));
            slot
        };
        self.by_key.insert(key, slot);
        self.live += 1;
        slot
    }
    /// Removes a context; gives the link that its request came on.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<LinkId> {
        let mut context = self.slots.get_mut(slot as usize)?.take()?;
        if self.by_key.get(&context.key) == Some(&slot) {
            self.by_key.remove(&context.key);
        }
        self.free.push(slot);
        self.live -= 1;
        let link = context.link;
        let request = std::mem::take(&mut context.request);
        self.give_back(request);
        let last = std::mem::take(&mut context.last_response);
        self.give_back(last);
        if self.spare_contexts.len() < 256 {
            self.spare_contexts.push(context);
        }
        Some(link)
    }
    /// An empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }
    /// Takes a buffer back.
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= 4096 && self.spare.len() < 256 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Context)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, context)| Some((slot as u32, context.as_deref()?)))
    }
    /// How many still owe an answer.
    pub(crate) fn pending(&self) -> usize {
        self.slots.iter().flatten().filter(|c| c.pending()).count()
    }
}
