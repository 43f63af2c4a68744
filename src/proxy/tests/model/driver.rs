//! Turns the steps of the model into inputs of the core, and hands what comes out to the ledger.
use super::super::world::*;
use super::Step;
use super::ledger::{Ledger, Who};
use crate::proxy::{LinkEvent, LinkId};
use crate::topology::PeerRef;
use crate::trust::Generation;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The world, the book, and who is there.
pub(super) struct Driver {
    world: World,
    ledger: Ledger,
    links: Vec<(LinkId, Who)>,
    /// Connects that a core waits for.
    connects: Vec<(u8, &'static str)>,
    full: Vec<LinkId>,
}

const SERVERS: [&str; 3] = [FE01, FE02, PARTNER];

/// Both home servers, or the first alone.
fn generations() -> &'static [Arc<Generation>; 2] {
    static BUILT: OnceLock<[Arc<Generation>; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        // Few may wait for a connection, so that some find the queue full.
        let small = || {
            let mut topology = topology();
            topology.limits.connect_queue = 3;
            topology.limits.transactions_per_client = 6;
            topology
        };
        let mut one = small();
        one.peers.remove(1);
        one.pools[0].peers.truncate(1);
        one.pools[1].peers[0].0 = reference(&one, 1);
        [generation(small()), generation(one)]
    })
}

fn pick<T: Copy>(list: &[T], number: u8) -> Option<T> {
    let at = usize::from(number).checked_rem(list.len())?;
    list.get(at).copied()
}

impl Driver {
    pub(super) fn new(shards: u8) -> Self {
        let mut driver = Self {
            world: World::on(Arc::clone(&generations()[0]), shards),
            ledger: Ledger::default(),
            links: Vec::new(),
            connects: Vec::new(),
            full: Vec::new(),
        };
        for who in [0, 1, 2] {
            driver.arrive(who);
        }
        driver
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Request { sender, invite } => self.request(sender, invite),
            Step::AckSuccess { call } => self.ack_success(call),
            Step::Respond { copy, status } => self.respond(copy, status),
            Step::Stranger { copy, status } => self.stranger(copy, status),
            Step::Cancel { call } => self.cancel(call),
            Step::StrangerCancel { call } => self.stranger_cancel(call),
            Step::Repeat { call } => self.repeat(call),
            Step::Ack { call } => self.ack(call),
            Step::Pass(time) => self.pass(Duration::from_millis(time.into())),
            Step::Lose { link } => {
                if let Some((link, _)) = pick(&self.links, link) {
                    self.lose(link);
                }
            }
            Step::Arrive { who } => self.arrive(who),
            Step::Connected { which, well } => self.connected(which, well),
            Step::Full { link, full } => self.fill(link, full),
            Step::Withdraw { link } => {
                if let Some((link, _)) = pick(&self.links, link) {
                    self.world
                        .link_event(link.shard(), LinkEvent::Withdrawn { link });
                    self.settle(false);
                }
            }
            Step::Reload { both } => {
                self.connects.clear();
                self.world.reload(&generations()[usize::from(!both)]);
                self.settle(false);
            }
            Step::Drain => {
                for core in &mut self.world.cores {
                    core.start_draining();
                }
            }
        }
        for core in &self.world.cores {
            core.audit();
        }
    }

    /// Everything that may take its time takes it; then nothing may be left, and every sender must have its answer.
    pub(super) fn come_to_rest(&mut self) {
        for _ in 0..8 {
            while !self.connects.is_empty() {
                self.connected(0, false);
            }
            self.pass(Duration::from_secs(60));
        }
        for core in &self.world.cores {
            core.assert_idle();
            core.audit();
        }
        for (number, call) in self.ledger.calls.iter().enumerate() {
            if !self.world.is_live(call.link) {
                continue;
            }
            let heard = !call.finals.is_empty();
            assert!(heard || !call.invite, "INVITE {number} was never answered");
            assert!(
                heard || !call.certain,
                "request {number} was answered below, not above"
            );
        }
    }

    fn request(&mut self, sender: u8, invite: bool) {
        let Some((link, who)) = pick(&self.links, sender) else {
            return;
        };
        let number = self.ledger.calls.len();
        let method = if invite { "INVITE" } else { "MESSAGE" };
        let flow = self
            .links
            .iter()
            .find_map(|(l, w)| matches!(w, Who::Client(_)).then_some(*l));
        let (from, uri, route) = match (who, flow) {
            (Who::Client(_), _) => ("sip:alice@contoso.test", "sip:bob@contoso.test", None),
            (Who::Server(PARTNER), _) => ("sip:carol@fabrikam.test", "sip:bob@contoso.test", None),
            (Who::Server(_), Some(flow)) => {
                ("sip:bob@contoso.test", "sip:alice@10.0.0.1", Some(flow))
            }
            (Who::Server(_), None) => ("sip:bob@contoso.test", "sip:carol@fabrikam.test", None),
        };
        let route = route.map_or_else(String::new, |flow| {
            let token = self.world.path_token(flow).unwrap();
            format!("Route: <sip:{token}@{NODE};lr>\n")
        });
        self.send_request(link, who, invite, |branch| {
            Request::of(method)
                .uri(uri)
                .from(&format!("<{from}>;tag=a{number}"))
                .branch(branch)
                .more(&route)
                .to_string()
        });
    }

    fn send_request(
        &mut self,
        link: LinkId,
        who: Who,
        invite: bool,
        write: impl Fn(&str) -> String,
    ) {
        let number = self.ledger.calls.len();
        let text = write(&format!("z9hG4bKr{number}"))
            .replace("Call-ID: call-1\n", &format!("Call-ID: call-{number}\n"));
        self.ledger
            .sent(invite, who, link, text.clone(), self.world.now);
        self.world.send(link, &text);
        self.settle(false);
    }

    /// The caller's ACK for a 2xx, which goes where the dialog's token says.
    fn ack_success(&mut self, call: u8) {
        let answered: Vec<usize> = (0..self.ledger.calls.len())
            .filter(|n| {
                let call = &self.ledger.calls[*n];
                call.invite
                    && call.finals.iter().any(|f| (200..300).contains(f))
                    && self.world.is_live(call.link)
            })
            .collect();
        let Some(number) = pick(&answered, call) else {
            return;
        };
        let call = &self.ledger.calls[number];
        let Some(route) = call
            .copies
            .last()
            .and_then(|c| field(&c.text, "Record-Route"))
        else {
            return;
        };
        let text = call
            .text
            .replace("INVITE", "ACK")
            .replace("branch=z9hG4bKr", "branch=z9hG4bKack");
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with("Route: "))
            .map(str::to_owned)
            .collect();
        lines.insert(1, format!("Route: {route}"));
        let link = call.link;
        self.world.send(link, &lines.join("\n"));
        self.settle(false);
    }

    /// Copies that came out, newest first: (call, copy).
    fn copies(&self) -> Vec<(usize, usize)> {
        let mut all: Vec<_> = (0..self.ledger.calls.len())
            .flat_map(|call| {
                (0..self.ledger.calls[call].copies.len()).map(move |copy| (call, copy))
            })
            .collect();
        all.reverse();
        // Mostly what is new.
        all.truncate(12);
        all
    }

    fn respond(&mut self, copy: u8, status: u16) {
        let Some((call, copy)) = pick(&self.copies(), copy) else {
            return;
        };
        let now = self.world.now;
        let (sent, who, text) = {
            let copy = &self.ledger.calls[call].copies[copy];
            (copy.link, copy.who, copy.text.clone())
        };
        // The connection that it came on, else another one of the same server.
        let on = Some(sent).filter(|l| self.world.is_live(*l)).or_else(|| {
            let other = self
                .links
                .iter()
                .find(|(_, w)| *w == who && matches!(w, Who::Server(_)));
            other.map(|(l, _)| *l)
        });
        let Some(on) = on else { return };
        let pause = status == 503 && call % 2 == 1;
        let more = if pause { "Retry-After: 5\n" } else { "" };
        let before = self.ledger.calls[call].finals.len();
        let answers = self.ledger.calls[call].seen;
        let certain = self.ledger.is_certain(call, copy, status, now)
            && self.world.is_live(self.ledger.calls[call].link);
        self.ledger.answered(call, copy, status, now);
        self.world
            .send(on, &answer(&text, &format!("{status} Text"), more));
        self.settle(false);
        let seen = &mut self.ledger.calls[call];
        if !certain || status == 503 {
            return;
        }
        if status >= 200 {
            seen.certain = true;
            assert_eq!(
                seen.finals.len(),
                before + 1,
                "{status} was not passed on at once"
            );
            assert_eq!(seen.finals.last(), Some(&status));
        } else if status > 100 && seen.invite && seen.answered.is_none() {
            assert_eq!(seen.seen, answers + 1, "{status} was not passed on at once");
        }
    }

    /// Somebody who was not asked answers: nothing must come of it.
    fn stranger(&mut self, copy: u8, status: u16) {
        let Some((call, copy)) = pick(&self.copies(), copy) else {
            return;
        };
        let copy = &self.ledger.calls[call].copies[copy];
        let (who, text) = (copy.who, copy.text.clone());
        let Some((link, _)) = self.links.iter().find(|(_, w)| *w != who) else {
            return;
        };
        let counts = |ledger: &Ledger| ledger.calls[call].seen;
        let before = counts(&self.ledger);
        self.world
            .send(*link, &answer(&text, &format!("{status} Text"), ""));
        self.settle(false);
        assert_eq!(counts(&self.ledger), before, "a stranger's answer counted");
    }

    fn live_call(&self, call: u8) -> Option<usize> {
        let live: Vec<usize> = (0..self.ledger.calls.len())
            .rev()
            .filter(|n| self.world.is_live(self.ledger.calls[*n].link))
            .take(8)
            .collect();
        pick(&live, call)
    }

    fn live_invite(&self, call: u8) -> Option<usize> {
        self.live_call(call)
            .filter(|n| self.ledger.calls[*n].invite)
    }

    fn cancel(&mut self, call: u8) {
        let Some(number) = self.live_invite(call) else {
            return;
        };
        let call = &mut self.ledger.calls[number];
        call.cancelled |= call.finals.is_empty();
        let (link, text) = (call.link, call.text.replace("INVITE", "CANCEL"));
        self.world.send(link, &text);
        self.settle(false);
    }

    fn stranger_cancel(&mut self, call: u8) {
        let Some(number) = self.live_invite(call) else {
            return;
        };
        let call = &self.ledger.calls[number];
        let text = call.text.replace("INVITE", "CANCEL");
        let Some((link, _)) = self.links.iter().find(|(_, w)| *w != call.who) else {
            return;
        };
        let link = *link;
        self.world.send(link, &text);
        let reply = self.world.take(link).unwrap();
        assert!(reply.starts_with("SIP/2.0 481"), "{reply}");
        self.settle(false);
    }

    fn repeat(&mut self, call: u8) {
        let Some(number) = self.live_call(call) else {
            return;
        };
        let call = &self.ledger.calls[number];
        // What has ended is forgotten (Timers I and J are zero on TLS), so that a repetition would be a new request.
        if !call.finals.is_empty() || call.copies.iter().any(|c| !c.finals.is_empty()) {
            return;
        }
        if !call.invite && self.world.now - call.sent > Duration::from_secs(30) {
            return;
        }
        let (link, text) = (call.link, call.text.clone());
        self.world.send(link, &text);
        self.settle(true);
    }

    /// The hop-by-hop ACK of a refusal.
    fn ack(&mut self, call: u8) {
        let Some(number) = self.live_invite(call) else {
            return;
        };
        let call = &self.ledger.calls[number];
        if call.finals.last().is_none_or(|f| *f < 300) {
            return;
        }
        let Some(to) = call.last.as_deref().and_then(|last| field(last, "To")) else {
            return;
        };
        let text = call.text.replace("INVITE", "ACK").replace(
            &format!("To: {}", field(&wire_text(&call.text), "To").unwrap()),
            &format!("To: {to}"),
        );
        let link = call.link;
        self.world.send(link, &text);
        self.settle(false);
    }

    /// In small steps, so that the book has the times right.
    fn pass(&mut self, time: Duration) {
        let mut left = time;
        loop {
            let part = left.min(Duration::from_millis(500));
            self.world.pass(part);
            self.settle(false);
            left -= part;
            if left.is_zero() {
                return;
            }
        }
    }

    fn lose(&mut self, link: LinkId) {
        self.settle(false);
        self.links.retain(|(l, _)| *l != link);
        self.ledger.lost(link, self.world.now);
        self.world.lose(link);
        self.settle(false);
    }

    fn arrive(&mut self, who: u8) {
        if self.links.len() > 7 {
            return;
        }
        let shard = (who >> 4) % self.world.cores.len() as u8;
        match pick(&SERVERS, who.wrapping_sub(1)).filter(|_| !who.is_multiple_of(4)) {
            Some(fqdn) => self.server(shard, fqdn),
            None => {
                let link = self.world.client_in(shard);
                // A phone of its own, so that none comes back as another.
                self.world.bind(link, &format!("{link:?}"));
                self.links.push((link, Who::Client(link)));
            }
        }
        self.settle(false);
    }

    fn server(&mut self, shard: u8, fqdn: &'static str) {
        // A server that the topology does not list is refused at the door.
        if self.listed(fqdn).is_none() {
            return;
        }
        let link = self.world.peer_in(shard, fqdn);
        self.links.push((link, Who::Server(fqdn)));
    }

    fn listed(&self, fqdn: &str) -> Option<PeerRef> {
        self.world.generation.topology().peer_by_name(fqdn)
    }

    fn connected(&mut self, which: u8, well: bool) {
        let Some((shard, fqdn)) = pick(&self.connects, which) else {
            return;
        };
        self.connects.retain(|c| *c != (shard, fqdn));
        if well {
            self.server(shard, fqdn);
        } else if let Some(peer) = self.listed(fqdn) {
            let event = LinkEvent::ConnectFailed {
                peer,
                name: None,
                reason: "connection_refused".into(),
                retry_at: self.world.now + Duration::from_secs(1),
            };
            self.world.link_event(shard, event);
        }
        self.settle(false);
    }

    fn fill(&mut self, link: u8, full: bool) {
        let Some((link, _)) = pick(&self.links, link) else {
            return;
        };
        let event = if full {
            LinkEvent::Full { link }
        } else {
            LinkEvent::Clear { link }
        };
        self.full.retain(|l| *l != link);
        self.full.extend(Some(link).filter(|_| full));
        self.world.link_event(link.shard(), event);
        self.settle(false);
    }

    /// Takes what has arrived everywhere into the book.
    fn settle(&mut self, repeated: bool) {
        let now = self.world.now;
        for (link, who) in self.links.clone() {
            while let Some(text) = self.world.take(link) {
                self.ledger.observe(link, who, &text, repeated, now);
            }
        }
        let shards = std::mem::take(&mut self.world.connect_shards);
        let asked = std::mem::take(&mut self.world.connects);
        for (shard, reference) in shards.into_iter().zip(asked) {
            let topology = self.world.generation.topology();
            let fqdn = topology.peer(reference).fqdn.as_str();
            let known = SERVERS.into_iter().find(|s| *s == fqdn).unwrap();
            if !self.connects.contains(&(shard, known)) {
                self.connects.push((shard, known));
            }
        }
        self.world.events.clear();
    }
}

fn wire_text(text: &str) -> String {
    String::from_utf8(wire(text)).unwrap()
}
