//! What the parts of relaying cost, without sockets and TLS: framing, reading, editing, the core, tokens, trust.
//!
//! `cargo bench --bench parts`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot be set up should stop"
)]

use divan::{Bencher, black_box};
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::proxy::{
    Action, Actions, AdvertisedNames, Core, CoreSetup, LinkEvent, LinkId, Origin, RemoteIdentity,
    Tables, TokenKeys,
};
use sipward::sip::{Edits, FrameLimits, Framer, LineTable, Message, Scan, ViaParams};
use sipward::topology::{self, Direction};
use sipward::trust::{Generation, PeerId, Presented, decide};
use sipward_lab::site::{HOME, Site};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const EDGE: &str = sipward_lab::site::EDGE;
const REQUEST: &str = "MESSAGE sip:bob@contoso.test SIP/2.0\r\n\
    Via: SIP/2.0/TLS 192.0.2.7:50123;rport;branch=z9hG4bK-bench-##########\r\n\
    Max-Forwards: 70\r\n\
    From: \"Client\" <sip:client1@contoso.test>;tag=f0000000001\r\n\
    To: <sip:bob@contoso.test>\r\n\
    Call-ID: bench-##########@client1\r\n\
    CSeq: 1 MESSAGE\r\n\
    User-Agent: sipward-bench\r\n\
    Contact: <sip:client1@192.0.2.7:50123;transport=tls>\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 64\r\n\r\n\
    The quick brown fox jumps over the lazy dog; sixty-four octets..";

fn main() {
    divan::main();
}

#[divan::bench]
fn frame(bencher: Bencher) {
    let limits = FrameLimits {
        head: 64 * 1024,
        body: 1024 * 1024,
    };
    bencher.bench(|| {
        match Framer::default().scan(
            black_box(REQUEST.as_bytes()),
            &limits,
            &mut LineTable::default(),
        ) {
            Ok(Scan::Message(message)) => message.bytes().len(),
            _ => 0,
        }
    });
}

#[divan::bench]
fn read_fields(bencher: Bencher) {
    let message = Message::parse(REQUEST.as_bytes()).unwrap();
    bencher.bench(|| {
        let m = black_box(&message);
        (
            m.top_via(),
            m.from(),
            m.to(),
            m.call_id(),
            m.cseq(),
            m.max_forwards(),
        )
            .0
            .is_ok()
    });
}

#[divan::bench]
fn edit(bencher: Bencher) {
    let message = Message::parse(REQUEST.as_bytes()).unwrap();
    let via = message.top_via().unwrap();
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        let mut edits = Edits::new(black_box(&message));
        edits.stamp_top_via(&via, client_address());
        edits.prepend_via(EDGE, b"z9hG4bK0123456789abcdef", ViaParams::Alias);
        edits.set_max_forwards(69);
        edits.write(&mut out);
        out.len()
    });
}

/// A request and its 200: two messages through the core, a transaction made, found and ended.
#[divan::bench]
fn core_transaction(bencher: Bencher) {
    let mut world = World::new();
    bencher.bench_local(|| world.transaction(0));
}

/// The same with as many transactions alive as a busy shard has.
#[divan::bench]
fn core_transaction_beside_10_000(bencher: Bencher) {
    let mut world = World::new();
    world.core_open(10_000);
    bencher.bench_local(|| world.transaction(0));
}

/// A request in a dialog, whose Record-Route token is opened, and its 200.
#[divan::bench]
fn core_transaction_with_token(bencher: Bencher) {
    let mut world = World::new();
    let route = world.record_route();
    world.use_route(&route);
    bencher.bench_local(|| world.transaction(1));
}

#[divan::bench]
fn trust_decision(bencher: Bencher) {
    let (site, generation) = generation();
    let chain = server_chain(&site);
    bencher.bench_local(|| {
        let presented = Presented::inbound(black_box(&chain));
        decide(&presented, Direction::Inbound, &generation, UnixTime::now()).is_ok()
    });
}

fn client_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 50_123))
}

fn generation() -> (Site, Arc<Generation>) {
    let site = Site::new().unwrap();
    let home = SocketAddr::from(([127, 0, 0, 1], 5061));
    let mut text = site.topology(&[(&format!("fe01.{HOME}"), home)], None);
    text.section("[log]").text("requests", "refused");
    let file = site.write("topology.toml", &text.to_toml()).unwrap();
    let topology = topology::load(&file, UnixTime::now()).unwrap();
    let generation = Generation::build(1, topology, UnixTime::now()).unwrap();
    (site, Arc::new(generation))
}

fn server_chain(site: &Site) -> Vec<CertificateDer<'static>> {
    site.enterprise
        .server(&format!("fe01.{HOME}"))
        .unwrap()
        .chain
}

/// One core with a client and a home server.
struct World {
    core: Core,
    now: Instant,
    client: Origin,
    home: Origin,
    actions: Actions,
    /// Requests to send, numbered in place: outside a dialog, and inside.
    requests: Vec<Vec<u8>>,
    sent: u64,
    response: Vec<u8>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "the core's clock needs a starting point"
    )]
    fn new() -> Self {
        let (site, generation) = generation();
        let now = Instant::now();
        let setup = CoreSetup {
            unix: 0,
            shard: 0,
            shards: 1,
            run: 1,
            seed: [3; 32],
            names: AdvertisedNames {
                peers: EDGE.to_owned(),
                clients: EDGE.to_owned(),
                addresses: vec![SocketAddr::from(([192, 0, 2, 1], 5061))],
            },
            now,
            tally: Arc::default(),
        };
        let health = sipward::proxy::HealthBoard::new(now);
        let tables = Tables::new(Arc::clone(&generation), &setup.names, &health);
        let chain = server_chain(&site);
        let presented = Presented::inbound(&chain);
        let id: PeerId =
            decide(&presented, Direction::Inbound, &generation, UnixTime::now()).unwrap();
        let keys = Arc::new(TokenKeys::new(&[], [7; 32]));
        let origin = |slot, identity| Origin {
            link: LinkId::new(0, slot, 1),
            identity,
            remote: client_address(),
            local: SocketAddr::from(([192, 0, 2, 1], 5061)),
            asked: 0,
            held: None,
            number: slot.into(),
        };
        let mut world = Self {
            core: Core::new(setup, tables, keys),
            now,
            client: origin(1, RemoteIdentity::Client),
            home: origin(2, RemoteIdentity::Peer(id)),
            actions: Actions::default(),
            requests: vec![REQUEST.as_bytes().to_vec()],
            sent: 0,
            response: Vec::new(),
        };
        for origin in [world.client.clone(), world.home.clone()] {
            let up = LinkEvent::Up {
                link: origin.link,
                identity: origin.identity,
                remote: origin.remote,
                requests: true,
            };
            world.core.on_link(up, now, &mut world.actions);
        }
        world.actions.clear();
        world
    }

    /// Requests that stay unanswered.
    fn core_open(&mut self, count: usize) {
        for n in 0..count {
            // Each from a client of its own: one may not have so many.
            let mut origin = self.client.clone();
            origin.link = LinkId::new(0, 10 + u32::try_from(n / 16).unwrap(), 1);
            if n % 16 == 0 {
                let up = LinkEvent::Up {
                    link: origin.link,
                    identity: RemoteIdentity::Client,
                    remote: origin.remote,
                    requests: true,
                };
                self.core.on_link(up, self.now, &mut self.actions);
            }
            self.number(0);
            let message = Message::parse(&self.requests[0]).unwrap();
            self.core
                .on_message(&origin, &message, self.now, &mut self.actions);
            self.actions.clear();
        }
        assert_eq!(self.core.pending(), count);
    }

    fn number(&mut self, which: usize) {
        self.sent += 1;
        let digits = format!("{:010}", self.sent);
        let request = &mut self.requests[which];
        for mark in [&b"branch=z9hG4bK-bench-"[..], b"Call-ID: bench-"] {
            let at = memchr::memmem::find(request, mark).unwrap() + mark.len();
            // A dialog keeps its Call-ID.
            if which == 0 || mark.starts_with(b"branch") {
                request[at..at + 10].copy_from_slice(digits.as_bytes());
            }
        }
    }

    /// A request from the client and the home server's 200; gives the octets sent.
    fn transaction(&mut self, which: usize) -> usize {
        self.number(which);
        let message = Message::parse(&self.requests[which]).unwrap();
        self.core
            .on_message(&self.client, &message, self.now, &mut self.actions);
        let forwarded = self.sent_to(self.home.link);
        self.response.clear();
        self.response.extend_from_slice(b"SIP/2.0 200 OK\r\n");
        let head = &self.actions.bytes[forwarded];
        for line in head.split_inclusive(|octet| *octet == b'\n') {
            if [
                &b"Via:"[..],
                b"From:",
                b"To:",
                b"Call-ID:",
                b"CSeq:",
                b"Record-Route:",
            ]
            .iter()
            .any(|name| line.starts_with(name))
            {
                self.response.extend_from_slice(line);
            }
        }
        self.response
            .extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.actions.clear();
        let message = Message::parse(&self.response).unwrap();
        self.core
            .on_message(&self.home, &message, self.now, &mut self.actions);
        let sent = self.sent_to(self.client.link).len();
        self.actions.clear();
        sent
    }

    fn sent_to(&self, wanted: LinkId) -> std::ops::Range<usize> {
        for action in &self.actions.list {
            if let Action::Send { link, bytes, .. } = action
                && *link == wanted
            {
                return bytes.clone();
            }
        }
        0..0
    }

    /// The Record-Route that an INVITE of the same Call-ID is forwarded with.
    fn record_route(&mut self) -> String {
        self.number(0);
        let invite = String::from_utf8(self.requests[0].clone())
            .unwrap()
            .replace("MESSAGE", "INVITE");
        let message = Message::parse(invite.as_bytes()).unwrap();
        self.core
            .on_message(&self.client, &message, self.now, &mut self.actions);
        let forwarded =
            String::from_utf8(self.actions.bytes[self.sent_to(self.home.link)].to_vec()).unwrap();
        self.actions.clear();
        let line = forwarded
            .lines()
            .find_map(|l| l.strip_prefix("Record-Route: "));
        line.unwrap().to_owned()
    }

    fn use_route(&mut self, route: &str) {
        let text = String::from_utf8(self.requests[0].clone()).unwrap();
        let text = text
            .replace("Max-Forwards", &format!("Route: {route}\r\nMax-Forwards"))
            .replace(
                "To: <sip:bob@contoso.test>",
                "To: <sip:bob@contoso.test>;tag=home",
            )
            .replace("MESSAGE", "INFO");
        self.requests.push(text.into_bytes());
    }
}
