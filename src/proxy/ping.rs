//! OPTIONS pings to the members of pools with `health` (RFC 3261 §11): one shard pings a peer, all
//! shards read the result.
//!
//! A ping has two clocks: when the next one is due, and until when the last one may be answered.
//! Both stand in one queue, so that the core's next deadline is its first entry. Its branch has a
//! slot that no response context can have ([`PING_SLOT`]), by which its response is known before
//! any table is asked.
//!
//! To a sibling every shard keeps a connection ready, pings or not: one that is going away takes no
//! new connection, and still has the phones of running calls.
//!
//! What pings and what requests learn of a peer is kept together in its health, which all shards
//! read; a peer that pings took down comes back by pings alone, so that one lucky request does not
//! send a whole site's calls to it.
use super::branch::{Branch, BranchKey};
use super::environment::Environment;
use super::health::PeerHealth;
use super::inbound::InboundMessage;
use super::interface::Actions;
use super::interface::without_port;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::LinkChoice;
use super::reply::{ALLOW, tag_text};
use super::same_party;
use crate::observe::Event;
use crate::reason::{HealthReason, MessageReason};
use crate::sip::OptionsRequest;
use crate::topology::{FastMap, Health, PeerKind};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The slot in a ping's branch: no response context has it.
pub(crate) const PING_SLOT: u32 = u32::MAX - 1;
/// The first pings of a run or generation are spread over this time, by the peer's key: a site with
/// many peers must not dial all of them in one moment.
const SPREAD: Duration = Duration::from_millis(500);

/// A ping on its way.
#[derive(Clone, Copy)]
struct Await {
    nonce: u64,
    deadline: Instant,
    /// Where it was sent; `None`: it waits for a connection.
    link: Option<LinkId>,
}

/// One peer that this shard pings, or keeps a connection to.
struct Ping {
    key: PeerKey,
    /// Whether this shard is the one that pings it.
    asks: bool,
    /// What the log calls it, and what its requests do.
    name: Arc<str>,
    fqdn: Arc<str>,
    health: Arc<PeerHealth>,
    policy: Health,
    due: Instant,
    awaits: Option<Await>,
    /// Unanswered in a row.
    failures: u8,
    /// Answered in a row since it went down.
    answers: u8,
}

impl Ping {
    fn next(&self) -> Instant {
        self.awaits.map_or(self.due, |a| a.deadline)
    }

    /// It has answered; returns the event if that brings it back, after `up_after` answers in a
    /// row.
    fn answered(&mut self, now: Instant) -> Option<Event> {
        if let Some(awaits) = self.awaits.take() {
            // From its beginning on, which its deadline tells.
            let left = awaits.deadline.saturating_duration_since(now);
            self.health
                .note_pong(self.policy.timeout.saturating_sub(left));
        }
        self.failures = 0;
        self.due = self.due.max(now);
        if !self.health.is_down() {
            self.answers = 0;
            return None;
        }
        if self.answers.saturating_add(1) < self.policy.up_after {
            self.answers += 1;
            return None;
        }
        self.answers = 0;
        let down = self.health.bring_up(now)?;
        Some(Event::PeerAvailable {
            peer: self.name.to_string(),
            down,
        })
    }

    /// It has not; returns the event if that takes it down, after `down_after` failures in a row.
    fn failed(&mut self, reason: HealthReason, now: Instant) -> Option<Event> {
        self.awaits = None;
        self.due = self.due.max(now);
        self.answers = 0;
        self.failures = self.failures.saturating_add(1);
        let down = self.failures >= self.policy.down_after && self.health.take_down(None, now);
        down.then(|| {
            self.health.because(reason);
            Event::PeerUnavailable {
                peer: self.name.to_string(),
                reason: reason.into(),
                retry_in: None,
            }
        })
    }
}

/// The pings of one shard, found by peer, by number, and by time.
#[derive(Default)]
pub(crate) struct Pings {
    list: Vec<Ping>,
    by_key: FastMap<PeerKey, usize>,
    /// Those on their way, by the number in their branch.
    by_nonce: FastMap<u64, usize>,
    /// When each is due or overdue.
    queue: BTreeSet<(Instant, usize)>,
}

impl Pings {
    /// When the soonest is due or overdue.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn add(&mut self, ping: Ping) {
        let at = self.list.len();
        self.by_key.insert(ping.key, at);
        if let Some(awaits) = ping.awaits {
            self.by_nonce.insert(awaits.nonce, at);
        }
        self.queue.insert((ping.next(), at));
        self.list.push(ping);
    }

    /// Changes one, and notes when it is due now and what it waits for.
    fn change<T>(&mut self, at: usize, how: impl FnOnce(&mut Ping) -> T) -> Option<T> {
        let ping = self.list.get_mut(at)?;
        let (next, nonce) = (ping.next(), ping.awaits.map(|a| a.nonce));
        let outcome = how(ping);
        let (next_now, nonce_now) = (ping.next(), ping.awaits.map(|a| a.nonce));
        if next != next_now {
            self.queue.remove(&(next, at));
            self.queue.insert((next_now, at));
        }
        if nonce != nonce_now {
            nonce.map(|nonce| self.by_nonce.remove(&nonce));
            nonce_now.map(|nonce| self.by_nonce.insert(nonce, at));
        }
        Some(outcome)
    }

    /// The ping of a peer that waits for its answer on this link; `None`: that waits for a
    /// connection.
    fn waiting_on(&self, key: PeerKey, link: Option<LinkId>) -> Option<usize> {
        let at = *self.by_key.get(&key)?;
        let awaits = self.list.get(at)?.awaits?;
        (awaits.link == link).then_some(at)
    }
}

impl Pings {
    /// The pings of the current generation; what is known of a peer that stays is kept. A peer is
    /// pinged by one shard alone, which its key chooses, and the others read the result in its
    /// health.
    pub(crate) fn relist(&mut self, env: &Environment, now: Instant) {
        let mut before: FastMap<PeerKey, Ping> = std::mem::take(self)
            .list
            .into_iter()
            .map(|ping| (ping.key, ping))
            .collect();
        let shards = u64::from(env.shards);
        for (peer, policy) in env.tables.listing.pinged() {
            let key = peer.key;
            let asks = key.0 % shards == u64::from(env.shard);
            if !asks && peer.kind != PeerKind::Sibling {
                continue;
            }
            self.add(match before.remove(&key) {
                Some(kept) => Ping {
                    due: kept.due.min(now + policy.options_every),
                    policy,
                    fqdn: Arc::clone(&peer.fqdn),
                    ..kept
                },
                None => Ping {
                    key,
                    asks,
                    name: Arc::clone(&peer.name),
                    fqdn: Arc::clone(&peer.fqdn),
                    health: Arc::clone(&peer.health),
                    policy,
                    due: now
                        + SPREAD
                            .min(policy.options_every)
                            .mul_f64((key.0 >> 40) as f64 / (1u64 << 24) as f64),
                    awaits: None,
                    failures: 0,
                    answers: 0,
                },
            });
        }
        // Nobody would bring these back any more: from now on requests find out.
        for gone in before.into_values() {
            gone.health.release(now);
        }
    }

    /// Sends what is due, and counts what is overdue as failed. The due ones are copied out first,
    /// since each of them changes its place in the queue.
    pub(crate) fn on_deadline(&mut self, now: Instant, env: &mut Environment, out: &mut Actions) {
        let due = self.queue.range(..=(now, usize::MAX));
        let due: SmallVec<[usize; 8]> = due.map(|(_, at)| *at).collect();
        for at in due {
            if self.list.get(at).is_some_and(|p| p.awaits.is_some()) {
                self.failed(at, HealthReason::PingTimeout, now, out);
            }
            if self.list.get(at).is_some_and(|p| p.due <= now) {
                self.start(at, now, env, out);
            }
        }
    }

    /// Begins a ping: on a connection that takes requests, else when one has come up. Its timeout
    /// runs from now on in either case.
    fn start(&mut self, at: usize, now: Instant, env: &mut Environment, out: &mut Actions) {
        let nonce = env.secrets.nonce();
        let started = self.change(at, |ping| {
            ping.due = now + ping.policy.options_every;
            ping.awaits = ping.asks.then(|| Await {
                nonce,
                deadline: now + ping.policy.timeout,
                link: None,
            });
            // Whoever is down is left to the shard that pings it.
            (ping.key, ping.asks, ping.asks || !ping.health.is_down())
        });
        let Some((key, asks, true)) = started else {
            return;
        };
        match env.links.for_requests(key, nonce, false) {
            // Sends nothing where this shard only keeps the connection.
            LinkChoice::Link(link) => self.send(at, link, env, out),
            // It does not read: the timeout shows that.
            LinkChoice::Full(_) => {}
            LinkChoice::None => match env.links.active_mut(key) {
                Some(peer) if peer.is_down(now) && asks => {
                    self.failed(at, HealthReason::ConnectFailed, now, out);
                }
                Some(peer) if !peer.is_down(now) => peer.want_connection(out),
                Some(_) | None => {}
            },
        }
    }

    /// The request-line names the peer, Contact and From name this node: some partners (Teams) go
    /// by the Contact's host alone, and use no method that Allow does not name.
    fn send(&mut self, at: usize, link: LinkId, env: &Environment, out: &mut Actions) {
        let Some(ping) = self.list.get_mut(at) else {
            return;
        };
        // Neither its time nor its number changes, so the queue and the index stay right.
        let Some(awaits) = &mut ping.awaits else {
            return;
        };
        awaits.link = Some(link);
        let branch = Branch {
            shard: env.shard,
            key: BranchKey {
                slot: PING_SLOT,
                nonce: awaits.nonce,
            },
            loop_hash: 0,
        };
        let start = out.bytes.len();
        ping.health.note_ping();
        let sent_by = env.sent_by(Leg::Peer(ping.key));
        let options = OptionsRequest {
            to: &ping.fqdn,
            from: without_port(sent_by),
            tag: &tag_text(awaits.nonce.rotate_left(32)),
            sent_by,
            branch: &branch.to_text(),
            allow: ALLOW,
        };
        options.write(&mut out.bytes);
        out.send(link, start, None);
    }

    /// A peer has a connection: a ping that waits for one goes.
    pub(crate) fn on_link_up(&mut self, key: PeerKey, env: &Environment, out: &mut Actions) {
        if let Some(at) = self.waiting_on(key, None)
            && let LinkChoice::Link(link) = env.links.for_requests(key, 0, false)
        {
            self.send(at, link, env, out);
        }
    }

    /// A peer has no connection and gets none, or the one that a ping was sent on is gone.
    pub(crate) fn on_link_lost(
        &mut self,
        key: PeerKey,
        link: Option<LinkId>,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(at) = self.waiting_on(key, link) {
            let reason = match link {
                Some(_) => HealthReason::ConnectionLost,
                None => HealthReason::ConnectFailed,
            };
            self.failed(at, reason, now, out);
        }
    }

    /// A response to a ping.
    ///
    /// # Errors
    /// It is dropped: no ping has this number, or somebody else answers.
    pub(crate) fn on_response(
        &mut self,
        response: &InboundMessage<'_, '_>,
        nonce: u64,
        status: u16,
        env: &Environment,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let InboundMessage {
            origin,
            leg,
            message,
            now,
            ..
        } = *response;
        let at = self.by_nonce.get(&nonce).copied();
        let at = at.ok_or(MessageReason::ResponseUnmatched)?;
        let key = self.list.get(at).map(|ping| ping.key);
        let key = key.ok_or(MessageReason::ResponseUnmatched)?;
        if !same_party::may_be(origin, leg, key, env.routing()) {
            return Err(MessageReason::ResponseWrongPeer);
        }
        match status {
            100..=199 => {}
            503 => {
                if let Some(peer) = env.links.peer(key) {
                    peer.heed_retry_after(message, now, out);
                }
                self.failed(at, HealthReason::PingUnavailable, now, out);
            }
            // Whatever else it answers, it lives.
            _ => {
                if let Some(up) = self.change(at, |ping| ping.answered(now)).flatten() {
                    out.record(up);
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, at: usize, reason: HealthReason, now: Instant, out: &mut Actions) {
        if let Some(down) = self.change(at, |ping| ping.failed(reason, now)).flatten() {
            out.record(down);
        }
    }
}
