//! One message through the core, the answer back, and tokens that nobody sealed: what holds whoever sends it.
use super::scene::{names, scene};
use sipward::proxy::{
    Action, Actions, Core, CoreSetup, HealthBoard, LinkEvent, LinkId, Origin, RemoteIdentity,
    Tables,
};
use sipward::sip::{
    FrameLimits, Framer, HeaderName, LineTable, Message, Method, Scan, StartLine, write_reply,
};
use sipward_lab::site::{EDGE, HOME};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The senders of a [`World`] by number; from the partner the topology is hidden.
const CLIENT: usize = 0;
const HOME_SERVER: usize = 1;
const PARTNER: usize = 2;

const LIMITS: FrameLimits = FrameLimits {
    head: 65_536,
    body: 65_536,
};

/// A core with a client, a home server and a partner.
struct World {
    core: Core,
    now: Instant,
    origins: [Origin; 3],
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "the core's clock needs a starting point"
    )]
    fn new() -> Self {
        let stage = scene();
        let now = Instant::now();
        let setup = CoreSetup {
            unix: 0,
            shard: 0,
            shards: 1,
            run: 1,
            seed: [3; 32],
            names: names(),
            now,
            tally: Arc::default(),
        };
        let health = HealthBoard::new(now);
        let tables = Tables::new(Arc::clone(&stage.generation), &setup.names, &health);
        let keys = Arc::clone(&stage.keys);
        let origin = |slot, identity| Origin {
            link: LinkId::new(0, slot, 1),
            identity,
            remote: super::source(),
            local: SocketAddr::from(([192, 0, 2, 1], 5061)),
            asked: 0,
            held: None,
            number: slot.into(),
        };
        let mut world = Self {
            core: Core::new(setup, tables, keys),
            now,
            origins: [
                origin(1, RemoteIdentity::Client),
                origin(2, RemoteIdentity::Peer(stage.home.clone())),
                origin(3, RemoteIdentity::Peer(stage.partner.clone())),
            ],
        };
        let mut out = Actions::default();
        for origin in &world.origins {
            let up = LinkEvent::Up {
                link: origin.link,
                identity: origin.identity.clone(),
                remote: origin.remote,
                requests: true,
            };
            world.core.on_link(up, now, &mut out);
        }
        world
    }

    /// A message from one of them; gives what is sent for it, each with the number of who gets it.
    fn send(&mut self, from: usize, octets: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let message = Message::parse(octets).unwrap();
        let mut out = Actions::default();
        self.core
            .on_message(&self.origins[from], &message, self.now, &mut out);
        self.sent(&out)
    }

    fn sent(&self, out: &Actions) -> Vec<(usize, Vec<u8>)> {
        let mut sent = Vec::new();
        for action in &out.list {
            let Action::Send { link, bytes, .. } = action else {
                continue;
            };
            let to = self.origins.iter().position(|o| o.link == *link);
            let octets = out.bytes[bytes.clone()].to_vec();
            assert!(is_one_message(&octets), "{}", octets.escape_ascii());
            sent.push((to.expect("a live link"), octets));
        }
        sent
    }

    /// Long after, everything that is owed was sent, and nothing is kept.
    fn end(&mut self) {
        let end = self.now + Duration::from_secs(400);
        let mut out = Actions::default();
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.on_deadline(self.now, &mut out);
        }
        self.sent(&out);
        assert_eq!(self.core.transactions(), 0, "transactions kept");
    }
}

fn is_one_message(octets: &[u8]) -> bool {
    matches!(Framer::default().scan(octets, &LIMITS, &mut LineTable::default()), Ok(Scan::Message(m)) if m.bytes().len() == octets.len())
}

fn is_answer(octets: &[u8]) -> bool {
    octets.starts_with(b"SIP/2.0 ")
}

/// The Via values below the topmost, which belong to others.
fn lower_vias(octets: &[u8]) -> Vec<Vec<u8>> {
    let message = Message::parse(octets).unwrap();
    let values = message.values(HeaderName::Via).skip(1);
    values
        .map(|value| value.unwrap_or_default().to_vec())
        .collect()
}

/// The first octet says who sends the rest and how the far end answers. What goes out is one message each; answers go to
/// the sender alone, never to an ACK, and with its own Via values below the first, hidden on the way or not; nothing is kept.
/// Gives how many messages crossed to another party.
pub fn relay(data: &[u8]) -> usize {
    let Some((&control, octets)) = data.split_first() else {
        return 0;
    };
    if !is_one_message(octets) {
        return 0;
    }
    let mut crossed = 0;
    let sender = usize::from(control) % 3;
    let status = [100, 180, 200, 302, 404, 503][usize::from(control) / 3 % 6];
    let mut world = World::new();
    let is_request = !is_answer(octets);
    for (to, got) in world.send(sender, octets) {
        assert!(is_request, "a response that nobody awaits was relayed");
        if is_answer(&got) {
            assert_eq!(to, sender, "an answer to a stranger");
            assert!(!octets.starts_with(b"ACK "), "an ACK was answered");
            continue;
        }
        crossed += 1;
        let request = Message::parse(&got).unwrap();
        if to == PARTNER {
            assert!(request.vias().count() <= 2, "{}", got.escape_ascii());
        }
        if matches!(request.start(), StartLine::Request { method, .. } if method == Method::Ack) {
            continue;
        }
        let mut reply = Vec::new();
        write_reply(
            &request,
            super::source(),
            status,
            Some(b"b"),
            &[],
            &mut reply,
        );
        for (back_to, back) in world.send(to, &reply) {
            if is_answer(&back) {
                crossed += 1;
                assert_eq!(back_to, sender, "an answer to a stranger");
                assert_eq!(
                    lower_vias(&back),
                    lower_vias(octets),
                    "{}",
                    back.escape_ascii()
                );
            }
        }
    }
    world.end();
    crossed
}

/// An INVITE, and in a dialog a BYE along a route.
fn request(method: &str, uri: &str, tag: &str, route: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@{HOME}>;tag=a\r\nTo: <sip:bob@{HOME}>{tag}\r\nCall-ID: fuzz\r\nCSeq: 1 {method}\r\n"
    )
    .into_bytes();
    if !route.is_empty() {
        text.extend_from_slice(b"Route: <sip:");
        text.extend_from_slice(route);
        text.extend_from_slice(format!("@{EDGE};lr>\r\n").as_bytes());
    }
    text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    text
}

/// The token of a dialog that the client began towards the home server.
pub(super) fn genuine() -> &'static [u8] {
    static TOKEN: OnceLock<Vec<u8>> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let mut world = World::new();
        let invite = request("INVITE", &format!("sip:bob@{HOME}"), "", b"");
        let sent = world.send(CLIENT, &invite);
        let (_, forwarded) = sent.iter().find(|(to, _)| *to == HOME_SERVER).unwrap();
        let message = Message::parse(forwarded).unwrap();
        let route = message
            .addresses(HeaderName::RecordRoute)
            .next()
            .unwrap()
            .unwrap();
        let token = route.parse_uri().unwrap().user.unwrap().to_vec();
        let bye = request("BYE", "sip:alice@192.0.2.9", ";tag=b", &token);
        let sent = World::new().send(HOME_SERVER, &bye);
        assert!(
            sent.iter()
                .any(|(to, got)| *to == CLIENT && !is_answer(got)),
            "the genuine token leads to the client"
        );
        token
    })
}

/// The first octet says who sends a BYE; the rest is its token, or pairs of place and octet that alter a genuine one.
///
/// Only the genuine token leads to the client's flow, and only from the other leg.
pub fn token(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    let mut token = genuine().to_vec();
    if control & 0x80 == 0 {
        for pair in rest.chunks_exact(2) {
            match usize::from(pair[0]) {
                at if at < token.len() => token[at] = pair[1],
                at if at & 1 == 0 => token.push(pair[1]),
                _ => drop(token.pop()),
            }
        }
    } else {
        token = rest.to_vec();
        if token.windows(genuine().len()).any(|part| part == genuine()) {
            return;
        }
    }
    let sender = usize::from(control & 0x7f) % 3;
    let bye = request("BYE", "sip:alice@192.0.2.9", ";tag=b", &token);
    if !is_one_message(&bye) {
        return;
    }
    let mut world = World::new();
    for (to, got) in world.send(sender, &bye) {
        let obeyed = to == CLIENT && !is_answer(&got);
        assert!(
            !obeyed || (token == genuine() && sender == HOME_SERVER),
            "{} of {sender} led to the client",
            token.escape_ascii()
        );
    }
    // The same text in the place where a hidden address stands: nothing but our own opens there.
    let hidden = [b"sip:h.", &token[..], b"@", EDGE.as_bytes()].concat();
    let Ok(hidden) = String::from_utf8(hidden) else {
        return;
    };
    let message = request("MESSAGE", &hidden, ";tag=b", b"");
    if is_one_message(&message) {
        for (to, got) in world.send(PARTNER, &message) {
            assert!(
                to == PARTNER && is_answer(&got),
                "{} was opened",
                hidden.escape_default()
            );
        }
    }
    world.end();
}
