//! OPTIONS pings to the members of pools with `health` (RFC 3261 §11): one shard pings a peer, all shards read the result.
use super::branch::Branch;
use super::health::{DownReason, PeerHealth};
use super::links::Pick;
use super::token::PeerKey;
use super::{Action, Actions, BranchKey, Core, LinkId, Origin, Reason, tag_text};
use crate::observe::Event;
use crate::sip::{HeaderName, Message};
use crate::topology::{Health, Topology};
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
}

/// The pings of one shard.
#[derive(Default)]
pub(super) struct Pings {
    list: Vec<Ping>,
    next: Option<Instant>,
}

impl Pings {
    /// When the soonest is due or overdue.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }
    fn arm(&mut self) {
        self.next = self.list.iter().map(Ping::next).min();
    }
}

/// How a peer's health is watched: the strictest of its pools that have `health`.
pub(super) fn policy(topology: &Topology, peer: usize) -> Option<Health> {
    topology
        .pools()
        .iter()
        .filter(|pool| pool.peers.iter().any(|(r, _)| r.index() == peer))
        .filter_map(|pool| pool.health)
        .reduce(|a, b| Health {
            options_every: a.options_every.min(b.options_every),
            timeout: a.timeout.min(b.timeout),
            down_after: a.down_after.min(b.down_after),
            up_after: a.up_after.max(b.up_after),
            fail_back: a.fail_back.max(b.fail_back),
        })
}

impl Core {
    /// The pings of the current generation; what is known of a peer that stays is kept.
    pub(super) fn list_pings(&mut self, now: Instant) {
        let mut before = std::mem::take(&mut self.pings.list);
        let shards = u64::from(self.shards);
        for (key, peer) in self.links.peers_mut() {
            let Some(policy) = peer.policy.filter(|_| peer.current.is_some()) else {
                peer.health.release(now);
                continue;
            };
            if key.0 % shards != u64::from(self.shard) {
                continue;
            }
            let kept = before.iter().position(|p| p.key == key);
            self.pings
                .list
                .push(match kept.map(|at| before.swap_remove(at)) {
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
        self.pings.arm();
    }

    /// Sends what is due, and gives up what is overdue.
    pub(super) fn on_ping_deadline(&mut self, now: Instant, out: &mut Actions) {
        if self.pings.next.is_none_or(|next| next > now) {
            return;
        }
        for at in 0..self.pings.list.len() {
            let Some(ping) = self.pings.list.get(at).filter(|p| p.next() <= now) else {
                continue;
            };
            if ping.awaits.is_some() {
                self.ping_failed(at, DownReason::PingTimeout, now, out);
            }
            if self.pings.list.get(at).is_some_and(|p| p.due <= now) {
                self.start_ping(at, now, out);
            }
        }
        self.pings.arm();
    }

    fn start_ping(&mut self, at: usize, now: Instant, out: &mut Actions) {
        let nonce = self.nonce();
        let Some(ping) = self.pings.list.get_mut(at) else {
            return;
        };
        ping.due = now + ping.policy.options_every;
        let key = ping.key;
        ping.awaits = Some(Await {
            nonce,
            deadline: now + ping.policy.timeout,
            link: None,
        });
        match self.links.for_requests(key, nonce) {
            Pick::Link(link) => self.send_ping(at, link, out),
            // It does not read: the timeout tells.
            Pick::Full => {}
            Pick::None => {
                let Some(peer) = self.links.peer_mut(key) else {
                    return;
                };
                if peer.down_until.is_some_and(|until| until > now) {
                    return self.ping_failed(at, DownReason::ConnectFailed, now, out);
                }
                if !peer.connecting
                    && let Some(reference) = peer.current
                {
                    peer.connecting = true;
                    out.list.push(Action::Connect { peer: reference });
                }
            }
        }
    }

    /// The request-line names the peer, Contact and From name us: some partners go by the Contact's host alone.
    fn send_ping(&mut self, at: usize, link: LinkId, out: &mut Actions) {
        let Some(ping) = self.pings.list.get_mut(at) else {
            return;
        };
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
        let node = self.generation.topology().node().fqdn.as_str();
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
        let waits = |p: &Ping| p.key == key && p.awaits.is_some_and(|a| a.link.is_none());
        let Some(at) = self.pings.list.iter().position(waits) else {
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
        let lost = |p: &Ping| p.key == key && p.awaits.is_some_and(|a| a.link == link);
        if let Some(at) = self.pings.list.iter().position(lost) {
            let reason = match link {
                Some(_) => DownReason::ConnectionLost,
                None => DownReason::ConnectFailed,
            };
            self.ping_failed(at, reason, now, out);
            self.pings.arm();
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
    ) -> Result<(), Reason> {
        let answers = |p: &Ping| p.awaits.is_some_and(|a| a.nonce == nonce);
        let Some(at) = self.pings.list.iter().position(answers) else {
            return Err(Reason::ResponseUnmatched);
        };
        let key = self.pings.list.get(at).map(|ping| ping.key);
        let party = self.party(from);
        if !key
            .zip(party)
            .is_some_and(|(key, party)| self.may_be(from, party, key))
        {
            return Err(Reason::ResponseWrongPeer);
        }
        let Some(ping) = self.pings.list.get_mut(at) else {
            return Ok(());
        };
        match status {
            100..=199 => {}
            503 => {
                let key = ping.key;
                self.heed_retry_after(key, message, now, out);
                self.ping_failed(at, DownReason::PingUnavailable, now, out);
            }
            // Whatever else it says, it lives.
            _ => {
                ping.awaits = None;
                ping.failures = 0;
                ping.due = ping.due.max(now);
                if !ping.health.is_down() {
                    ping.answers = 0;
                } else if ping.answers.saturating_add(1) < ping.policy.up_after {
                    ping.answers += 1;
                } else {
                    ping.answers = 0;
                    if let Some(down) = ping.health.bring_up(now) {
                        out.list.push(Action::Event(Event::MemberUp {
                            peer: ping.fqdn.to_string(),
                            down,
                        }));
                    }
                }
            }
        }
        self.pings.arm();
        Ok(())
    }

    fn ping_failed(&mut self, at: usize, reason: DownReason, now: Instant, out: &mut Actions) {
        let Some(ping) = self.pings.list.get_mut(at) else {
            return;
        };
        ping.awaits = None;
        ping.due = ping.due.max(now);
        ping.answers = 0;
        ping.failures = ping.failures.saturating_add(1);
        if ping.failures >= ping.policy.down_after && ping.health.take_down(None, now) {
            out.list.push(Action::Event(Event::MemberDown {
                peer: ping.fqdn.to_string(),
                reason: reason.code(),
                retry_in: None,
            }));
        }
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
            reason: DownReason::RetryAfter.code(),
            retry_in: Some(granted),
        }));
    }

    /// A request got no answer from this peer at all, or a connect to it failed.
    pub(super) fn peer_failed(
        &mut self,
        key: PeerKey,
        reason: DownReason,
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
                reason: reason.code(),
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
