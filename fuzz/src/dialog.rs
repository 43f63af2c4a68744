//! Calls, registrations, connections that end and time that passes, in any order, over two shards: what holds throughout.
use super::scene::{names, scene};
use sipward::proxy::{
    Action, Actions, BindingMessage, CallMessage, Core, CoreSetup, HealthBoard, LinkEvent, LinkId,
    NodeMemory, Origin, RemoteIdentity, Tables,
};
use sipward::reason::ConnectionReason;
use sipward::sip::{FrameLimits, Framer, HeaderName, LineTable, Message, Scan, StartLine};
use sipward_lab::site::{HOME, PARTNER};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: FrameLimits = FrameLimits {
    head: 65_536,
    body: 65_536,
};
const SHARDS: u8 = 2;
/// Steps of one input: more of them show nothing that these do not.
const MOST_STEPS: usize = 40;

/// Two clients, and two connections of the home server and the partner, one for each shard.
const CLIENTS: usize = 2;
const PARTIES: usize = 6;

/// Somebody at the far end of a link, which may have ended and begun anew.
struct Party {
    shard: u8,
    identity: RemoteIdentity,
    link: Option<LinkId>,
    /// What arrived there and can be answered or followed, the latest last.
    requests: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    /// What it has sent as a request, to be repeated or cancelled.
    sent: Vec<Vec<u8>>,
}

/// A transaction that somebody began: their link, branch and method.
type Asked = (LinkId, Vec<u8>, Vec<u8>);

struct World {
    cores: Vec<Core>,
    memory: Arc<NodeMemory>,
    now: Instant,
    parties: Vec<Party>,
    origins: BTreeMap<LinkId, Origin>,
    /// Which party's a link is, or was.
    owners: BTreeMap<LinkId, usize>,
    used_by: BTreeSet<(LinkId, u8)>,
    tells: VecDeque<(u8, BindingMessage)>,
    calls: VecDeque<(u8, CallMessage)>,
    /// The final answers that each well-formed request got.
    finals: BTreeMap<Asked, BTreeSet<u16>>,
    /// What anybody has asked: a party, with the branch and the method.
    ever_asked: BTreeSet<(usize, Vec<u8>, Vec<u8>)>,
    connects: Vec<Action>,
    serial: u32,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "the cores' clock needs a starting point"
    )]
    fn new() -> Self {
        let scene = scene();
        let now = Instant::now();
        let health = HealthBoard::new(now);
        let tables = Tables::new(Arc::clone(&scene.generation), &names(), &health);
        let memory = Arc::new(NodeMemory::default());
        let core = |shard| {
            let setup = CoreSetup {
                unix: 1_800_000_000,
                shard,
                shards: SHARDS,
                run: 1,
                seed: [3; 32],
                names: names(),
                now,
                tally: Arc::default(),
            };
            let mut core = Core::new(setup, Arc::clone(&tables), Arc::clone(&scene.keys));
            core.share_memory(&memory);
            core
        };
        let cores = (0..SHARDS).map(core).collect();
        let identities = [
            RemoteIdentity::Client,
            RemoteIdentity::Peer(scene.home.clone()),
            RemoteIdentity::Peer(scene.partner.clone()),
        ];
        let party = |number: usize| Party {
            shard: number as u8 % SHARDS,
            identity: identities[number / CLIENTS].clone(),
            link: None,
            requests: Vec::new(),
            answers: Vec::new(),
            sent: Vec::new(),
        };
        let mut world = Self {
            cores,
            memory,
            now,
            parties: (0..PARTIES).map(party).collect(),
            origins: BTreeMap::new(),
            owners: BTreeMap::new(),
            used_by: BTreeSet::new(),
            tells: VecDeque::new(),
            calls: VecDeque::new(),
            finals: BTreeMap::new(),
            ever_asked: BTreeSet::new(),
            connects: Vec::new(),
            serial: 0,
        };
        (0..PARTIES).for_each(|party| world.connect(party));
        world
    }

    fn next(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn connect(&mut self, party: usize) {
        if self.parties[party].link.is_some() {
            return;
        }
        let serial = self.next();
        let shard = self.parties[party].shard;
        let link = LinkId::new(shard, serial, serial);
        let identity = self.parties[party].identity.clone();
        let remote = SocketAddr::from(([198, 51, 100, party as u8], 40_000));
        let origin = Origin {
            link,
            identity: identity.clone(),
            remote,
            local: SocketAddr::from(([192, 0, 2, 1], 5061)),
            asked: 0,
            held: None,
            number: serial.into(),
        };
        self.origins.insert(link, origin);
        self.owners.insert(link, party);
        self.parties[party].link = Some(link);
        let up = LinkEvent::Up {
            link,
            identity,
            remote,
            requests: true,
        };
        self.link_event(shard, up);
    }

    fn lose(&mut self, party: usize) {
        let Some(link) = self.parties[party].link.take() else {
            return;
        };
        self.origins.remove(&link);
        for shard in 0..SHARDS {
            if shard == link.shard() || self.used_by.contains(&(link, shard)) {
                self.link_event(shard, LinkEvent::Gone { link });
            }
        }
        // Nobody is there to be answered any more.
        self.finals.retain(|(at, ..), _| *at != link);
    }

    fn link_event(&mut self, shard: u8, event: LinkEvent) {
        let mut out = Actions::default();
        self.cores[usize::from(shard)].on_link(event, self.now, &mut out);
        self.carry_out(shard, None, out);
    }

    fn deliver(&mut self, shard: u8, origin: &Origin, octets: &[u8]) {
        let message = Message::parse(octets).unwrap();
        let mut out = Actions::default();
        self.cores[usize::from(shard)].on_message(origin, &message, self.now, &mut out);
        self.carry_out(shard, Some((origin, octets)), out);
    }

    /// Sends what a party has written; whether its connection took it.
    fn send(&mut self, party: usize, octets: &[u8], is_sound: bool) -> bool {
        let Some(link) = self.parties[party].link else {
            return false;
        };
        if !is_one_message(octets) {
            return false;
        }
        let (_, branch, method) = asked(link, octets);
        self.ever_asked.insert((party, branch, method));
        if is_sound && !octets.starts_with(b"SIP/2.0") {
            if !octets.starts_with(b"ACK ") {
                let finals = self.finals.entry(asked(link, octets)).or_default();
                // A second one of the same INVITE may come when nothing is known of that any more.
                if octets.starts_with(b"CANCEL ") {
                    finals.clear();
                }
            }
            let sent = &mut self.parties[party].sent;
            sent.push(octets.to_vec());
        }
        let origin = self.origins[&link].clone();
        self.deliver(link.shard(), &origin, octets);
        true
    }

    fn carry_out(&mut self, shard: u8, given: Option<(&Origin, &[u8])>, out: Actions) {
        for action in out.list {
            match action {
                Action::Send {
                    link,
                    bytes,
                    branch,
                } => {
                    let is_peer = |origin: &Origin| {
                        matches!(origin.identity, RemoteIdentity::Peer(_))
                            && branch.is_some()
                            && link.shard() != shard
                    };
                    let takes = self.origins.get(&link).is_some_and(|origin| {
                        !is_peer(origin)
                            || self.cores[usize::from(link.shard())].takes_requests(link)
                    });
                    if takes {
                        self.used_by.insert((link, shard));
                        self.arrived(link, out.bytes[bytes].to_vec());
                    } else {
                        assert_ne!(link.shard(), shard, "a core sends on its live links only");
                        self.link_event(shard, LinkEvent::Undeliverable { link, branch });
                    }
                }
                Action::Tell { shard, message } => self.tells.push_back((shard, message)),
                Action::TellOfCall { shard, message } => self.calls.push_back((shard, message)),
                Action::HandOver {
                    shard, asked, held, ..
                } => {
                    let (origin, octets) = given.expect("only a message is handed over");
                    if self.origins.contains_key(&origin.link) {
                        self.used_by.insert((origin.link, shard));
                    }
                    let origin = Origin {
                        asked,
                        held,
                        ..origin.clone()
                    };
                    self.deliver(shard, &origin, octets);
                }
                Action::Connect { .. } => self.connects.push(action),
                Action::Close { link, .. } => {
                    if let Some(party) = self.owners.get(&link).copied()
                        && self.parties[party].link == Some(link)
                    {
                        self.lose(party);
                    }
                }
                Action::Pause { .. }
                | Action::Keep { .. }
                | Action::Event(_)
                | Action::Count(_)
                | Action::Suppress(_) => {}
            }
        }
        while let Some((shard, message)) = self.tells.pop_front() {
            let mut out = Actions::default();
            self.cores[usize::from(shard)].on_binding(message, self.now, &mut out);
            self.carry_out(shard, None, out);
        }
        while let Some((shard, message)) = self.calls.pop_front() {
            let mut out = Actions::default();
            self.cores[usize::from(shard)].on_call(message, self.now, &mut out);
            self.carry_out(shard, None, out);
        }
    }

    /// What is sent is one message; an answer goes to who asked, and there is one final answer, of which a fork may make
    /// several for an INVITE.
    fn arrived(&mut self, link: LinkId, octets: Vec<u8>) {
        assert!(is_one_message(&octets), "{}", octets.escape_ascii());
        let party = self.owners[&link];
        let message = Message::parse(&octets).unwrap();
        let StartLine::Response { status, .. } = message.start() else {
            self.parties[party].requests.push(octets);
            return;
        };
        let key = asked(link, &octets);
        let known = (party, key.1.clone(), key.2.clone());
        assert!(
            self.ever_asked.contains(&known),
            "nobody has asked for {}",
            octets.escape_ascii()
        );
        if let Some(finals) = self.finals.get_mut(&key)
            && status >= 200
        {
            finals.insert(status);
            let refusals = finals.iter().filter(|it| **it >= 300).count();
            let is_invite = key.2 == b"INVITE";
            assert!(
                finals.len() == 1 || (is_invite && refusals == 0),
                "{finals:?} for {}",
                key.1.escape_ascii()
            );
        }
        self.parties[party].answers.push(octets);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.cores.iter().filter_map(Core::next_deadline).min()
            && due <= end
        {
            rounds += 1;
            assert!(rounds < 100_000, "timers that never end");
            self.now = self.now.max(due);
            for shard in 0..SHARDS {
                let mut out = Actions::default();
                self.cores[usize::from(shard)].on_deadline(self.now, &mut out);
                self.carry_out(shard, None, out);
            }
        }
        self.now = end;
    }

    /// Nobody can be reached who is to be dialled.
    fn fail_connects(&mut self) {
        for connect in std::mem::take(&mut self.connects) {
            let Action::Connect { peer, name, .. } = connect else {
                continue;
            };
            for shard in 0..SHARDS {
                let failed = LinkEvent::ConnectFailed {
                    peer,
                    name: name.clone(),
                    reason: ConnectionReason::ConnectionRefused.into(),
                    retry_at: self.now + Duration::from_secs(1),
                };
                self.link_event(shard, failed);
            }
        }
    }
}

fn is_one_message(octets: &[u8]) -> bool {
    matches!(Framer::default().scan(octets, &LIMITS, &mut LineTable::default()), Ok(Scan::Message(m)) if m.bytes().len() == octets.len())
}

/// The transaction of a request that was sent, or of an answer that came.
fn asked(link: LinkId, octets: &[u8]) -> Asked {
    let message = Message::parse(octets).unwrap();
    let branch = message.top_via().ok().and_then(|via| via.branch);
    let method = message.cseq().ok().map(|it| it.method.as_bytes().to_vec());
    (
        link,
        branch.unwrap_or_default().to_vec(),
        method.unwrap_or_default(),
    )
}

/// The value of each line of this field.
fn values(message: &Message<'_>, name: HeaderName) -> Vec<String> {
    let values = message.values(name).flatten();
    values
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .collect()
}

/// A request outside of a dialog.
fn fresh(kind: u8, from: &str, to: &str, serial: u32) -> String {
    let method = [
        "INVITE",
        "MESSAGE",
        "OPTIONS",
        "SUBSCRIBE",
        "INVITE",
        "REGISTER",
    ][usize::from(kind) % 6];
    let mut text = format!(
        "{method} {to} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK{serial}\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=f{serial}\r\nTo: <{to}>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n\
         Contact: <{from};transport=tls>\r\n"
    );
    if method == "REGISTER" {
        text = text.replace(&format!("REGISTER {to}"), &format!("REGISTER sip:{HOME}"));
        text = text.replace(&format!("To: <{to}>"), &format!("To: <{from}>"));
        text.push_str("Supported: path, outbound\r\n");
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    text
}

/// An answer of the far end, which keeps the Record-Route, and of a registrar the Path and the contacts.
fn answer(request: &[u8], status: u16, serial: u32) -> Option<String> {
    let message = Message::parse(request).ok()?;
    let mut text = format!("SIP/2.0 {status} x\r\n");
    for (name, header) in [
        ("Via", HeaderName::Via),
        ("Record-Route", HeaderName::RecordRoute),
        ("From", HeaderName::From),
        ("Call-ID", HeaderName::CallId),
        ("CSeq", HeaderName::CSeq),
        ("Path", HeaderName::Path),
    ] {
        for value in values(&message, header) {
            write!(text, "{name}: {value}\r\n").ok()?;
        }
    }
    let to = values(&message, HeaderName::To).pop()?;
    let tag = if to.contains("tag=") {
        String::new()
    } else {
        format!(";tag=t{serial}")
    };
    write!(text, "To: {to}{tag}\r\n").ok()?;
    if request.starts_with(b"REGISTER ") {
        for contact in values(&message, HeaderName::Contact) {
            write!(text, "Contact: {contact};expires=600\r\n").ok()?;
        }
    } else {
        write!(text, "Contact: <sip:x@192.0.2.{serial}>\r\n").ok()?;
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    Some(text)
}

/// A request in the dialog that this message made or belongs to: the other way round if it is a request that arrived.
fn follow(of: &[u8], method: &str, serial: u32) -> Option<String> {
    let message = Message::parse(of).ok()?;
    let is_request = matches!(message.start(), StartLine::Request { .. });
    let mut routes = values(&message, HeaderName::RecordRoute);
    let (from, to) = match is_request {
        true => (HeaderName::To, HeaderName::From),
        false => {
            routes.reverse();
            (HeaderName::From, HeaderName::To)
        }
    };
    let (mut from, to) = (values(&message, from).pop()?, values(&message, to).pop()?);
    if !from.contains("tag=") {
        write!(from, ";tag=t{serial}").ok()?;
    }
    let contact = values(&message, HeaderName::Contact).pop()?;
    let target = contact.split(['<', '>']).nth(1)?;
    let cseq = message.cseq().ok()?.number;
    let cseq = if method == "ACK" {
        cseq
    } else {
        cseq.wrapping_add(serial) & 0x7fff_ffff
    };
    let mut text = format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK{serial}\r\nMax-Forwards: 70\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
        values(&message, HeaderName::CallId).pop()?
    );
    for route in routes {
        write!(text, "Route: {route}\r\n").ok()?;
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    Some(text)
}

/// One of the latest of these, 0 being the last.
fn latest(list: &[Vec<u8>], back: u8) -> Option<&[u8]> {
    let at = list.len().checked_sub(1 + usize::from(back))?;
    list.get(at).map(Vec::as_slice)
}

/// What one step has its party write, if it is a step that writes.
fn written(world: &World, step: Step, serial: u32) -> Option<String> {
    let users = [
        format!("sip:alice@{HOME}"),
        format!("sip:bob@{HOME}"),
        format!("sip:dan@{HOME}"),
        format!("sip:eve@{PARTNER}"),
    ];
    let own = match step.party {
        0 => &users[0],
        1 => &users[1],
        2 | 3 => &users[2],
        _ => &users[3],
    };
    let (with, back) = (step.with, step.back);
    let party = &world.parties[step.party];
    match step.what {
        0 | 1 => {
            let to = &users[usize::from(with >> 4) % users.len()];
            let mut request = fresh(with & 7, own, to, serial);
            // As a registrar reaches a client: along the Path that it was shown.
            if with & 8 != 0
                && let Some(shown) = party.requests.last()
                && let Ok(shown) = Message::parse(shown)
                && let Some(path) = values(&shown, HeaderName::Path).pop()
            {
                request = request.replacen("Contact:", &format!("Route: {path}\r\nContact:"), 1);
            }
            Some(request)
        }
        2..=4 => {
            let status = [100, 180, 183, 200, 200, 202, 302, 404, 407, 486, 503, 600]
                [usize::from(with) % 12];
            answer(latest(&party.requests, back)?, status, serial)
        }
        5 => follow(latest(&party.answers, back)?, "ACK", serial),
        6 | 7 => {
            let method = ["BYE", "INVITE", "INFO", "UPDATE", "REFER"][usize::from(with) % 5];
            let of = match with & 0x80 {
                0 => latest(&party.answers, back),
                _ => latest(&party.requests, back),
            };
            follow(of?, method, serial)
        }
        8 => {
            // The CANCEL of an INVITE, or the ACK of its refusal: of the same branch.
            let method = if with & 1 == 0 { "CANCEL" } else { "ACK" };
            let sent = latest(&party.sent, back).filter(|it| it.starts_with(b"INVITE "))?;
            Some(String::from_utf8_lossy(sent).replace("INVITE", method))
        }
        _ => None,
    }
}

/// One step of an input.
#[derive(Clone, Copy)]
struct Step {
    what: u8,
    party: usize,
    /// How far back lies what is answered, followed or repeated.
    back: u8,
    with: u8,
}

/// Three octets make a step: what is done, by whom, and with what.
pub fn dialog(data: &[u8]) {
    let mut world = World::new();
    let mut harm: Option<(u8, u8)> = None;
    for step in data.chunks_exact(3).take(MOST_STEPS) {
        let [what, who, with] = [step[0], step[1], step[2]];
        let party = usize::from(who & 7) % PARTIES;
        let back = who >> 4;
        let serial = world.next();
        let step = Step {
            what: what % 14,
            party,
            back,
            with,
        };
        match step.what {
            9 => {
                if let Some(again) = latest(&world.parties[party].sent, back).map(<[u8]>::to_vec) {
                    // What was answered over TLS is no longer known, or tried anew where the answer said more than its
                    // status.
                    let key = world.parties[party].link.map(|link| asked(link, &again));
                    if let Some(key) = key
                        && world.finals.get(&key).is_some_and(|it| !it.is_empty())
                    {
                        world.finals.remove(&key);
                    }
                    world.send(party, &again, false);
                }
            }
            10 => world.lose(party),
            11 => world.connect(party),
            12 => {
                let unit = if with & 1 == 0 { 100 } else { 5_000 };
                world.pass(Duration::from_millis(unit * u64::from(with >> 1)));
                world.fail_connects();
            }
            13 => harm = Some((who, with)),
            _ => {}
        }
        let Some(mut octets) = written(&world, step, serial).map(String::into_bytes) else {
            continue;
        };
        let is_sound = harm.is_none();
        if let Some((at, with)) = harm.take() {
            let at = usize::from(at) * 4 % octets.len();
            octets[at] = with;
            // A damaged one may have an answer of its own beside that of a sound one of the same transaction.
            if let Some(link) = world.parties[party].link
                && is_one_message(&octets)
            {
                world.finals.remove(&asked(link, &octets));
            }
        }
        world.send(party, &octets, is_sound);
    }
    // Long after, whoever has asked something and is still there has been answered, and nothing is kept.
    for _ in 0..5 {
        world.pass(Duration::from_secs(100));
        world.fail_connects();
    }
    for ((_, branch, method), finals) in &world.finals {
        // RFC 4320 §4.2: nobody answers for another one's silence but where a person waits.
        assert!(
            !finals.is_empty() || method != b"INVITE",
            "no final answer for {}",
            branch.escape_ascii()
        );
    }
    let kept: usize = world.cores.iter().map(Core::transactions).sum();
    assert_eq!(kept, 0, "transactions kept");
    (0..PARTIES).for_each(|party| world.lose(party));
    // Bindings are made for ten minutes.
    world.pass(Duration::from_secs(1_800));
    let bindings: usize = world.cores.iter().map(Core::bindings).sum();
    assert_eq!(bindings, 0, "bindings kept");
    // What a shard reports comes in steps, so that something less than one may be left of each.
    assert!(
        world.memory.used() <= 128 * 1024 * usize::from(SHARDS),
        "{} bytes",
        world.memory.used()
    );
}
