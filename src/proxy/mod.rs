//! The sans-I/O proxy core of RFC 3261 §16 and §17: (connection identity, message, time) in, actions out.
//!
//! The calling order, which [`crate::edge`] keeps: one input (`on_message`, `on_unframed`, `on_link`, `on_deadline`,
//! `on_generation`), then carry out and clear every action in `out`, in order, then sleep until `next_deadline` or
//! the next input. The current time is an argument everywhere, random bits come from the seed.
//!
//! | file | what it holds |
//! |---|---|
//! | `request` | RFC 3261 §16.3 and §16.5: validation, the decision to forward |
//! | `parsed`, `routed` | §16.3 step 1: what is read of a request; §16.4: route preprocessing |
//! | `policy`, `routing`, `meaning` | who may send what where; which pools there are; what a host stands for |
//! | `tables` | what of that, and of the peers, is made once for all shards |
//! | `side` | which entries are one party |
//! | `boundary` | RFC 3323 to RFC 3325, RFC 5630: fields, domains and sips URIs that cross between trust domains |
//! | `hiding` | topology hiding, before and behind everything else |
//! | `forward` | §16.6: the edits of a forwarded request, attempts one after the other |
//! | `response` | §16.7: responses on their way back |
//! | `cancel` | §16.10 and §17.1.1.3: CANCEL and ACK |
//! | `best_effort`, `keep_alive` | what Lync adds: BENOTIFY, and keep-alives that two hops agree on |
//! | `answer` | §8.2.6: what we answer ourselves, and the log line of a request |
//! | `link_events` | connections that come, go, fill up or lose their trust |
//! | `deadline` | §16.8 and §17: timers |
//! | `ping`, `health` | OPTIONS to pool members, and what all shards know of each peer |
//! | `context`, `transaction`, `timer`, `links`, `branch`, `token` | the state, and what names it on the wire |

mod action;
mod answer;
mod asserted;
mod best_effort;
mod boundary;
mod branch;
mod cancel;
mod context;
mod deadline;
mod fast_map;
mod forward;
mod health;
mod hiding;
mod keep_alive;
mod leg;
mod link_events;
mod links;
mod meaning;
mod parsed;
mod ping;
mod policy;
mod request;
mod response;
mod routed;
mod routing;
mod side;
mod tables;
#[cfg(test)]
mod tests;
mod timer;
mod token;
mod transaction;

pub use crate::reason::MessageReason;
pub use action::{Action, Actions, BranchKey, Faces, Identity, LinkEvent, LinkId, Origin};
pub(crate) use context::FAILOVER_SILENCE;
pub use health::HealthBoard;
pub(crate) use health::REST;
pub use tables::Tables;
pub use token::TokenKeys;

use crate::sip::{FrameError, Message, StartLine};
use crate::topology::Limits;
use context::Contexts;
use leg::{Leg, PeerKey};
use links::Links;
use parsed::Target;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Instant;
use timer::Wheel;
use token::TokenBox;

/// What a core knows from its birth.
#[derive(Clone, Debug)]
pub struct CoreSetup {
    /// This core's shard.
    pub shard: u8,
    /// How many shards there are.
    pub shards: u8,
    /// Random per process: flows of an earlier run must not be mistaken for ours.
    pub run: u64,
    /// Random octets for keyed hashes and branches; the same in all shards, so that they agree on transaction keys.
    pub seed: [u8; 32],
    /// What we announce.
    pub faces: Faces,
    /// When the core begins.
    pub now: Instant,
}

/// The proxy core of one shard.
pub struct Core {
    shard: u8,
    shards: u8,
    faces: Faces,
    tables: Arc<Tables>,
    limits: Limits,
    pings: ping::Pings,
    links: Links,
    contexts: Contexts,
    wheel: Wheel,
    tokens: TokenBox,
    hash_key: (u64, u64),
    nonce_key: (u64, u64),
    nonces: u64,
    draining: bool,
}

impl Core {
    /// A core without links or transactions.
    pub fn new(setup: CoreSetup, tables: Arc<Tables>, keys: Arc<TokenKeys>) -> Self {
        let topology = tables.generation.topology();
        let word = |at: usize| {
            setup
                .seed
                .get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };
        let mut core = Self {
            shard: setup.shard,
            shards: setup.shards.max(1),
            limits: topology.limits().clone(),
            pings: ping::Pings::default(),
            links: Links::default(),
            contexts: Contexts::new(),
            wheel: Wheel::new(setup.now),
            tokens: TokenBox::new(keys, topology.node().fqdn.as_str(), setup.run),
            hash_key: (word(0), word(8)),
            // Shards share the seed, so the shard takes part in the key: no two draw the same nonces.
            nonce_key: (word(16) ^ u64::from(setup.shard), word(24)),
            nonces: 0,
            draining: false,
            faces: setup.faces,
            tables,
        };
        core.links.relist(&core.tables.listing);
        core.list_pings(setup.now);
        core
    }

    /// A framed message.
    pub fn on_message(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(link) = self.links.get_mut(from.link) {
            link.heard = Some(now);
        }
        match self.unhidden(from, message) {
            Ok(None) => self.on_plain(from, message, false, now, out),
            Ok(Some((whole, is_sealed))) => {
                if let Ok(message) = Message::parse(&whole) {
                    self.on_plain(from, &message, is_sealed, now, out);
                }
            }
            Err(reason) => self.on_forged(from, message, reason, now, out),
        }
    }

    /// A message as it is outside of topology hiding; its Request-URI may have been sealed by us for its sender.
    fn on_plain(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        is_sealed: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        match message.start() {
            StartLine::Request { method, uri } => {
                let target = Target {
                    text: uri,
                    is_sealed,
                };
                self.on_request(from, message, method, target, now, out)
            }
            StartLine::Response { status, .. } => self.on_response(from, message, status, now, out),
        }
    }

    fn on_forged(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(leg) = self.leg(from) else {
            return;
        };
        match message.start() {
            StartLine::Request { .. } => {
                self.refuse(from, leg, message, reason, now, out);
            }
            StartLine::Response { .. } => self.drop_message(from, leg, reason, out),
        }
    }

    /// Octets that cannot be framed: answers if possible and closes the link. `head` is what was received of it.
    pub fn on_unframed(
        &mut self,
        from: &Origin,
        error: &FrameError,
        head: &[u8],
        _now: Instant,
        out: &mut Actions,
    ) {
        let tag = self.keyed(|h| h.write(head));
        let start = out.bytes.len();
        let readable = error.head.and_then(|end| head.get(..end));
        if let Some(head) = readable
            && crate::sip::write_unframed_reply(
                head,
                from.remote,
                error.status,
                &tag_text(tag),
                &mut out.bytes,
            )
        {
            out.list.push(Action::Send {
                link: from.link,
                bytes: start..out.bytes.len(),
                branch: None,
            });
        }
        out.list.push(Action::Close {
            link: from.link,
            reason: error.rule.into(),
        });
    }

    /// When `on_deadline` shall be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        match (self.wheel.next(), self.pings.next()) {
            (Some(timer), Some(ping)) => Some(timer.min(ping)),
            (timer, ping) => timer.or(ping),
        }
    }

    /// From now on requests that begin something new are answered 503.
    pub fn start_draining(&mut self) {
        self.draining = true;
    }

    /// Transactions that still owe an answer.
    pub fn pending(&self) -> usize {
        self.contexts.pending()
    }

    /// Response contexts alive, answered INVITEs in their 32 seconds included.
    pub fn transactions(&self) -> usize {
        self.contexts.len()
    }

    /// Whether nothing of this core runs on the link, so that closing it cuts nothing off.
    pub fn is_idle(&self, link: LinkId) -> bool {
        self.links.is_idle(link)
    }

    /// Who sends: what the link table says of our own links, and for a link of another shard what that shard says.
    fn leg(&self, from: &Origin) -> Option<Leg> {
        if from.link.shard() == self.shard {
            return self.links.get(from.link).map(|l| l.leg);
        }
        Some(match &from.identity {
            Identity::Client => Leg::Client(from.link),
            Identity::Peer(id) => Leg::Peer(PeerKey::of(id.decision().peer_fqdn.as_deref()?)),
        })
    }

    /// A keyed hash of what `feed` writes: nobody outside can aim at collisions.
    fn keyed(&self, feed: impl FnOnce(&mut siphasher::sip::SipHasher13)) -> u64 {
        let mut hasher =
            siphasher::sip::SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        feed(&mut hasher);
        hasher.finish()
    }

    /// An unguessable number that was not drawn before: a keyed permutation-like hash of a counter.
    fn nonce(&mut self) -> u64 {
        self.nonces += 1;
        let mut hasher =
            siphasher::sip::SipHasher24::new_with_keys(self.nonce_key.0, self.nonce_key.1);
        hasher.write_u64(self.nonces);
        hasher.finish()
    }
}

/// A To tag as text.
fn tag_text(tag: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (place, digit) in text.iter_mut().rev().enumerate() {
        *digit = char::from_digit((tag >> (4 * place)) as u32 & 15, 16).map_or(b'0', |c| c as u8);
    }
    text
}
