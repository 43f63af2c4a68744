//! OPTIONS pings to the members of pools with `health` (RFC 3261 §11): one shard pings a peer, all shards read the result.
use super::answer::ALLOW;
use super::branch::Branch;
use super::fast_map::FastMap;
use super::health::PeerHealth;
use super::leg::PeerKey;
use super::links::Pick;
use super::{Action, Actions, BranchKey, Core, LinkId, MessageReason, Origin, tag_text};
use crate::observe::Event;
use crate::reason::HealthReason;
use crate::sip::{HeaderName, Message};
use crate::topology::Health;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The slot in a ping's branch: no response context has it.
pub(super) const PING_SLOT: u32 = u32::MAX - 1;
/// The first pings of a run or generation are spread over this time.
const SPREAD: Duration = Duration::from_millis(500);

/// A ping on its way.
#[derive(Clone, Copy)]
struct Await {
    nonce: u64,
    deadline: Instant,
    /// Where it was sent; `None`: it waits for a connection.
    link: Option<LinkId>,
}

/// One peer that this shard pings.
struct Ping {
    key: PeerKey,
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

    /// It has answered; gives the event if that brings it back.
    fn answered(&mut self, now: Instant) -> Option<Event> {
        self.awaits = None;
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
        Some(Event::MemberUp {
            peer: self.fqdn.to_string(),
            down,
        })
    }

    /// It has not; gives the event if that takes it down.
    fn failed(&mut self, reason: HealthReason, now: Instant) -> Option<Event> {
        self.awaits = None;
        self.due = self.due.max(now);
        self.answers = 0;
        self.failures = self.failures.saturating_add(1);
        let down = self.failures >= self.policy.down_after && self.health.take_down(None, now);
        down.then(|| Event::MemberDown {
            peer: self.fqdn.to_string(),
            reason: reason.into(),
            retry_in: None,
        })
    }
}

/// The pings of one shard.
#[derive(Default)]
pub(super) struct Pings {
    list: Vec<Ping>,
    by_key: FastMap<PeerKey, usize>,
    /// Those on their way, by the number in their branch.
    by_nonce: FastMap<u64, usize>,
    /// When each is due or overdue.
    queue: BTreeSet<(Instant, usize)>,
}

impl Pings {
    /// When the soonest is due or overdue.
    pub(super) fn next(&self) -> Option<Instant> {
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

    fn get(&self, at: usize) -> Option<&Ping> {
        self.list.get(at)
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

    /// The ping of a peer that waits for its answer on this link; `None`: that waits for a connection.
    fn waiting_on(&self, key: PeerKey, link: Option<LinkId>) -> Option<usize> {
        let at = *self.by_key.get(&key)?;
        let awaits = self.list.get(at)?.awaits?;
        (awaits.link == link).then_some(at)
    }
}

impl Core {
    /// The pings of the current generation; what is known of a peer that stays is kept.
    pub(super) fn list_pings(&mut self, now: Instant) {
        let before = std::mem::take(&mut self.pings);
        let mut before: FastMap<PeerKey, Ping> = before
            .list
            .into_iter()
            .map(|ping| (ping.key, ping))
            .collect();
        let shards = u64::from(self.shards);
        for (peer, policy) in self.tables.listing.pinged() {
            let key = peer.key;
            if key.0 % shards != u64::from(self.shard) {
                continue;
            }
            self.pings.add(match before.remove(&key) {
                Some(kept) => Ping {
                    due: kept.due.min(now + policy.options_every),
                    policy,
                    ..kept
                },
                None => Ping {
                    key,
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
        for gone in before.into_values() {
            gone.health.release(now);
        }
    }

    /// Sends what is due, and gives up what is overdue.
    pub(super) fn on_ping_deadline(&mut self, now: Instant, out: &mut Actions) {
        let due = self.pings.queue.range(..=(now, usize::MAX));
        let due: SmallVec<[usize; 8]> = due.map(|(_, at)| *at).collect();
        for at in due {
            if self.pings.get(at).is_some_and(|p| p.awaits.is_some()) {
                self.ping_failed(at, HealthReason::PingTimeout, now, out);
            }
            if self.pings.get(at).is_some_and(|p| p.due <= now) {
                self.start_ping(at, now, out);
            }
        }
    }

    fn start_ping(&mut self, at: usize, now: Instant, out: &mut Actions) {
        let nonce = self.nonce();
        let key = self.pings.change(at, |ping| {
            ping.due = now + ping.policy.options_every;
            ping.awaits = Some(Await {
                nonce,
                deadline: now + ping.policy.timeout,
                link: None,
            });
            ping.key
        });
        let Some(key) = key else {
            return;
        };
        match self.links.for_requests(key, nonce) {
            Pick::Link(link) => self.send_ping(at, link, out),
            // It does not read: the timeout tells.
            Pick::Full => {}
            Pick::None => {
                let Some(peer) = self.links.active_mut(key) else {
                    return;
                };
                if peer.is_down(now) {
                    return self.ping_failed(at, HealthReason::ConnectFailed, now, out);
                }
                if !peer.connecting
                    && let Some(reference) = peer.listed.current
                {
                    peer.connecting = true;
                    out.list.push(Action::Connect { peer: reference });
                }
            }
        }
    }

    /// The request-line names the peer, Contact and From name us: some partners (Teams) go by the Contact's host alone, and
    /// use no method that Allow does not name.
    fn send_ping(&mut self, at: usize, link: LinkId, out: &mut Actions) {
        let Some(ping) = self.pings.list.get_mut(at) else {
            return;
        };
        // Neither its time nor its number changes.
        let Some(awaits) = &mut ping.awaits else {
            return;
        };
        awaits.link = Some(link);
        let branch = Branch {
            shard: self.shard,
            key: BranchKey {
                slot: PING_SLOT,
                nonce: awaits.nonce,
            },
            loop_hash: 0,
        }
        .to_text();
        let tag = tag_text(awaits.nonce.rotate_left(32));
        let (branch, tag) = (
            String::from_utf8_lossy(&branch),
            String::from_utf8_lossy(&tag),
        );
        let node = self.tables.generation.topology().node().fqdn.as_str();
        let (face, fqdn) = (&self.faces.peers, &ping.fqdn);
        let start = out.bytes.len();
        out.bytes.extend_from_slice(
            format!(
                "OPTIONS sip:{fqdn};transport=tls SIP/2.0\r\n\
                 Via: SIP/2.0/TLS {face};branch={branch};alias\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:{node}>;tag={tag}\r\n\
                 To: <sip:{fqdn}>\r\n\
                 Call-ID: {tag}@{node}\r\n\
                 CSeq: 1 OPTIONS\r\n\
                 Contact: <sip:{face};transport=tls>\r\n\
                 Allow: {ALLOW}\r\n\
                 Accept: application/sdp\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .as_bytes(),
        );
        out.list.push(Action::Send {
            link,
            bytes: start..out.bytes.len(),
            branch: None,
        });
    }

    /// A peer has a connection: a ping that waits for one goes.
    pub(super) fn flush_ping(&mut self, key: PeerKey, out: &mut Actions) {
        let Some(at) = self.pings.waiting_on(key, None) else {
            return;
        };
        if let Pick::Link(link) = self.links.for_requests(key, 0) {
            self.send_ping(at, link, out);
        }
    }

    /// A peer has no connection and gets none, or the one that a ping was sent on is gone.
    pub(super) fn ping_lost(
        &mut self,
        key: PeerKey,
        link: Option<LinkId>,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(at) = self.pings.waiting_on(key, link) {
            let reason = match link {
                Some(_) => HealthReason::ConnectionLost,
                None => HealthReason::ConnectFailed,
            };
            self.ping_failed(at, reason, now, out);
        }
    }

    /// A response to a ping of ours.
    pub(super) fn on_pong(
        &mut self,
        from: &Origin,
        nonce: u64,
        message: &Message<'_>,
        status: u16,
        now: Instant,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let Some(at) = self.pings.by_nonce.get(&nonce).copied() else {
            return Err(MessageReason::ResponseUnmatched);
        };
        let Some(key) = self.pings.get(at).map(|ping| ping.key) else {
            return Ok(());
        };
        let leg = self.leg(from);
        if !leg.is_some_and(|leg| self.may_be(from, leg, key)) {
            return Err(MessageReason::ResponseWrongPeer);
        }
        match status {
            100..=199 => {}
            503 => {
                self.heed_retry_after(key, message, now, out);
                self.ping_failed(at, HealthReason::PingUnavailable, now, out);
            }
            // Whatever else it says, it lives.
            _ => {
                let up = self.pings.change(at, |ping| ping.answered(now)).flatten();
                out.list.extend(up.map(Action::Event));
            }
        }
        Ok(())
    }

    fn ping_failed(&mut self, at: usize, reason: HealthReason, now: Instant, out: &mut Actions) {
        let down = self
            .pings
            .change(at, |ping| ping.failed(reason, now))
            .flatten();
        out.list.extend(down.map(Action::Event));
    }

    /// RFC 3261 §21.5.4: a 503 with Retry-After keeps requests away for that time, one without concerns this request only.
    pub(super) fn heed_retry_after(
        &mut self,
        key: PeerKey,
        message: &Message<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(time) = message.first(HeaderName::RetryAfter).and_then(seconds) else {
            return;
        };
        let Some(peer) = self.links.peer(key) else {
            return;
        };
        let granted = peer.health.hold(time, now);
        out.list.push(Action::Event(Event::MemberDown {
            peer: peer.fqdn.to_string(),
            reason: HealthReason::RetryAfter.into(),
            retry_in: Some(granted),
        }));
    }

    /// A request got no answer from this peer at all, or a connect to it failed.
    pub(super) fn peer_failed(
        &mut self,
        key: PeerKey,
        reason: HealthReason,
        until: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(peer) = self.links.peer(key) else {
            return;
        };
        let (after, until) = match peer.policy {
            Some(policy) => (policy.down_after, None),
            None => (Health::default().down_after, Some(until)),
        };
        if peer.health.failed(after, until, now) {
            out.list.push(Action::Event(Event::MemberDown {
                peer: peer.fqdn.to_string(),
                reason: reason.into(),
                retry_in: until.map(|at| at.saturating_duration_since(now)),
            }));
        }
    }

    /// A peer answered a request.
    pub(super) fn peer_answered(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        let Some(peer) = self.links.peer(key) else {
            return;
        };
        if peer.health.is_troubled()
            && let Some(down) = peer.health.answered(now)
        {
            out.list.push(Action::Event(Event::MemberUp {
                peer: peer.fqdn.to_string(),
                down,
            }));
        }
    }
}

/// The delta-seconds of a Retry-After (RFC 3261 §20.33); a comment or parameters may follow. 0 asks for nothing.
fn seconds(value: &[u8]) -> Option<Duration> {
    let end = value
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(value.len());
    let digits = std::str::from_utf8(value.get(..end)?).ok()?;
    if digits.is_empty() {
        return None;
    }
    // More digits than a u32 holds are a long time all the same.
    let number = digits.parse::<u32>().unwrap_or(u32::MAX);
    (number > 0).then(|| Duration::from_secs(u64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_up_to_its_comment_or_parameters() {
        let read = |text: &str| seconds(text.as_bytes()).map(|d| d.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("18000;duration=3600"), Some(18_000));
        assert_eq!(read("120 (I'm in a meeting)"), Some(120));
        assert_eq!(read("99999999999999999999"), Some(u64::from(u32::MAX)));
        for text in ["0", "", "soon", "-5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
