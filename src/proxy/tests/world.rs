//! A world for the core: peers, clients and shards without sockets, and a clock that jumps.
use crate::observe::Event;
use crate::proxy::{
    Action, Actions, AdvertisedNames, Core, CoreSetup, HealthBoard, LinkEvent, LinkId, Origin,
    RemoteIdentity, Tables, TokenKeys,
};
use crate::sip::Message;
use crate::topology::{
    Boundary, Direction, DnsName, Domain, FieldTrust, Identity as OwnIdentity, IdentityRef,
    KeyPair, LogFormat, LogRequests, LogSettings, NamePolicy, Node, Peer, PeerBoundary, PeerKind,
    PeerRef, Pool, PurposePolicy, Revocation, RevocationScope, Scheduling, Stage, Strategy,
    TokenSettings, Topology, TrustRef, TrustSet, Window,
};
use crate::trust::{Generation, PeerId, Presented, decide};
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward_lab::pki::{Authority, LeafSpec};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(super) const HOME: &str = "contoso.test";
pub(super) const NODE: &str = "edge01.contoso.test";
pub(super) const FE01: &str = "fe01.contoso.test";
pub(super) const FE02: &str = "fe02.contoso.test";
pub(super) const PARTNER: &str = "edge.fabrikam.test";
/// Three entries that grant the same and that one certificate stands for.
pub(super) const TEAMS: [&str; 3] = [
    "sip.pstnhub.microsoft.com",
    "sip2.pstnhub.microsoft.com",
    "sip3.pstnhub.microsoft.com",
];

struct Pki {
    anchor: CertificateDer<'static>,
    chains: HashMap<&'static str, Vec<CertificateDer<'static>>>,
    edge: sipward_lab::pki::Issued,
}

fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let ca = Authority::root("core test CA").unwrap();
        let mut chains = [FE01, FE02, PARTNER]
            .into_iter()
            .map(|n| (n, ca.server(n).unwrap().chain))
            .collect::<HashMap<_, _>>();
        let shared = LeafSpec {
            dns: TEAMS.map(str::to_owned).to_vec(),
            ..LeafSpec::server(TEAMS[0])
        };
        let shared = ca.issue(&shared).unwrap().chain;
        chains.extend(TEAMS.map(|n| (n, shared.clone())));
        let edge = ca.server(NODE).unwrap();
        Pki {
            anchor: ca.certificate().clone(),
            chains,
            edge,
        }
    })
}

fn name(text: &str) -> DnsName {
    DnsName(Arc::from(text))
}

/// A domain, an address, or all below a name.
pub(super) fn domain(text: &str) -> Domain {
    Domain::parse_pattern(text).unwrap()
}

/// Two home servers in one pool, one partner, two domains.
pub(super) fn topology() -> Topology {
    let peer = |fqdn: &str, kind, domains: &[&str]| Peer {
        fqdn: name(fqdn),
        kind,
        domains: domains.iter().map(|d| domain(d)).collect(),
        trust: vec![TrustRef(0)],
        addresses: Vec::new(),
        names: NamePolicy::Exact,
        common_name: false,
        purpose: PurposePolicy::ServerOrClient,
        assert_identity: kind == PeerKind::Home,
        identity: IdentityRef(0),
        dns: crate::topology::Lookup::Sip,
        keepalive: None,
        connections: 1,
        boundary: PeerBoundary::standard(FieldTrust::of_peer(kind == PeerKind::Home)),
        window: Window::default(),
        stage: Stage::Enforce,
        pins: Vec::new(),
        line: 1,
    };
    let pool = |called: &str, peers: Vec<(PeerRef, u16)>| Pool {
        name: called.to_owned(),
        domains: vec![domain(called)],
        peers,
        strategy: Strategy::Ordered,
        health: None,
        drain: Vec::new(),
        priorities: Vec::new(),
        line: 1,
    };
    Topology {
        path: "test.toml".into(),
        node: Node {
            fqdn: name(NODE),
            domains: vec![domain(HOME)],
            aliases: Vec::new(),
            advertise_port: None,
            shards: None,
            scheduling: Scheduling::Inherit,
            state: None,
        },
        identities: vec![OwnIdentity {
            window: Window::default(),
            name: "edge".to_owned(),
            server: KeyPair {
                chain: pki().edge.chain.clone(),
                key: pki().edge.key.clone_key(),
            },
            client: None,
            staple: None,
            names: vec![name(NODE)],
            line: 1,
        }],
        trusts: vec![TrustSet {
            name: "ca".to_owned(),
            anchors: vec![pki().anchor.clone()],
            partial_chain: false,
            crl_sources: Vec::new(),
            crls: Vec::new(),
            crl_refresh: None,
            crl_fetch: false,
            crl_fetch_local: Vec::new(),
            revocation: Revocation::Off,
            scope: RevocationScope::Chain,
            window: Window::default(),
            line: 1,
        }],
        listeners: Vec::new(),
        peers: vec![
            peer(FE01, PeerKind::Home, &[]),
            peer(FE02, PeerKind::Home, &[]),
            peer(PARTNER, PeerKind::Federated, &["fabrikam.test"]),
        ],
        peer_index: crate::topology::PeerIndex::default(),
        pools: vec![
            pool(HOME, vec![(PeerRef(0), 1), (PeerRef(1), 1)]),
            pool("fabrikam.test", vec![(PeerRef(2), 1)]),
        ],
        dns: crate::topology::DnsSettings::default(),
        limits: crate::topology::Limits::default(),
        log: LogSettings {
            requests: LogRequests::All,
            format: LogFormat::Json,
        },
        tokens: TokenSettings::default(),
        admin: crate::topology::AdminSettings::default(),
        boundary: Boundary::default(),
        expectations: Vec::new(),
        warnings: Vec::new(),
        files: Vec::new(),
    }
}

/// As Teams Direct Routing is set up: the node's FQDN is a home domain, and one pool of three names is the partner.
pub(super) fn teams() -> Topology {
    let mut topology = topology();
    let fqdn = domain(NODE);
    topology.node.domains.push(fqdn.clone());
    topology.pools[0].domains.push(fqdn);
    let domains: Vec<Domain> = TEAMS.iter().map(|n| domain(n)).collect();
    let mut pool = topology.pools[1].clone();
    pool.domains = domains.clone();
    pool.peers.clear();
    for fqdn in TEAMS {
        let at = topology.peers.len();
        pool.peers.push((PeerRef(at as _), 1));
        topology.peers.push(Peer {
            fqdn: name(fqdn),
            domains: domains.clone(),
            assert_identity: true,
            boundary: PeerBoundary {
                sips: false,
                ..PeerBoundary::standard(FieldTrust::of_peer(true))
            },
            ..topology.peers[2].clone()
        });
    }
    topology.pools.push(pool);
    topology
}

/// A generation of this topology.
pub(super) fn generation(topology: Topology) -> Arc<Generation> {
    Arc::new(Generation::build(1, topology, UnixTime::now()).unwrap())
}

/// Cores, links, and what arrived where.
pub(super) struct World {
    pub(super) cores: Vec<Core>,
    pub(super) now: Instant,
    pub(super) generation: Arc<Generation>,
    pub(super) health: Arc<HealthBoard>,
    links: HashMap<LinkId, Origin>,
    inboxes: HashMap<LinkId, VecDeque<Vec<u8>>>,
    /// Peers that a core asked a connection to.
    pub(super) connects: Vec<PeerRef>,
    /// The shards of these cores, in the same order.
    pub(super) connect_shards: Vec<u8>,
    pub(super) closed: Vec<(LinkId, &'static str)>,
    pub(super) events: Vec<Event>,
    serial: u32,
}

fn names() -> AdvertisedNames {
    AdvertisedNames {
        peers: NODE.to_owned(),
        clients: NODE.to_owned(),
        addresses: vec![SocketAddr::from(([192, 0, 2, 1], 5061))],
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(topology(), 1)
    }

    pub(super) fn with(topology: Topology, shards: u8) -> Self {
        Self::on(generation(topology), shards)
    }

    /// On a generation that was built before.
    #[expect(
        clippy::disallowed_methods,
        reason = "the world's clock needs a starting point"
    )]
    pub(super) fn on(generation: Arc<Generation>, shards: u8) -> Self {
        let now = Instant::now();
        let names = names();
        let keys = Arc::new(TokenKeys::new(&[], [7; 32]));
        let health = Arc::new(HealthBoard::new(now));
        let tables = Tables::new(Arc::clone(&generation), &names, &health);
        let cores = (0..shards)
            .map(|shard| {
                let setup = CoreSetup {
                    shard,
                    shards,
                    run: 1,
                    seed: [3; 32],
                    names: names.clone(),
                    now,
                };
                Core::new(setup, Arc::clone(&tables), Arc::clone(&keys))
            })
            .collect();
        Self {
            cores,
            now,
            generation,
            health,
            links: HashMap::new(),
            inboxes: HashMap::new(),
            connects: Vec::new(),
            connect_shards: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            serial: 0,
        }
    }

    /// What a generation means to this world's cores.
    pub(super) fn tables(&self, generation: &Arc<Generation>) -> Arc<Tables> {
        Tables::new(Arc::clone(generation), &names(), &self.health)
    }

    pub(super) fn peer_id(&self, fqdn: &str) -> PeerId {
        self.try_peer_id(fqdn).unwrap()
    }

    /// `None`: the topology does not list it (any more).
    fn try_peer_id(&self, fqdn: &str) -> Option<PeerId> {
        let chain = pki().chains.get(fqdn).unwrap();
        let presented = Presented {
            chain,
            expected: None,
            staple: None,
        };
        decide(
            &presented,
            Direction::Inbound,
            &self.generation,
            UnixTime::now(),
        )
        .ok()
    }

    fn link(&mut self, shard: u8, identity: RemoteIdentity) -> LinkId {
        self.serial += 1;
        let link = LinkId::new(shard, self.serial, self.serial);
        let remote = SocketAddr::from(([198, 51, 100, 7], 40_000 + self.serial as u16));
        let local = SocketAddr::from(([192, 0, 2, 1], 5061));
        self.links.insert(
            link,
            Origin {
                link,
                identity: identity.clone(),
                remote,
                local,
                asked: 0,
            },
        );
        self.inboxes.insert(link, VecDeque::new());
        self.link_event(
            shard,
            LinkEvent::Up {
                link,
                identity,
                requests: true,
            },
        );
        link
    }

    /// A connection of a listed peer comes up in shard 0.
    pub(super) fn peer(&mut self, fqdn: &str) -> LinkId {
        self.peer_in(0, fqdn)
    }
    pub(super) fn peer_in(&mut self, shard: u8, fqdn: &str) -> LinkId {
        let id = self.peer_id(fqdn);
        self.link(shard, RemoteIdentity::Peer(id))
    }
    /// A connection that we have made to a listed peer comes up in shard 0.
    pub(super) fn dialled(&mut self, fqdn: &str) -> LinkId {
        let presented = Presented {
            chain: pki().chains.get(fqdn).unwrap(),
            expected: self.generation.topology().peer_by_fqdn(fqdn),
            staple: None,
        };
        let (way, at) = (Direction::Outbound, UnixTime::now());
        let id = decide(&presented, way, &self.generation, at).unwrap();
        self.link(0, RemoteIdentity::Peer(id))
    }
    pub(super) fn client(&mut self) -> LinkId {
        self.client_in(0)
    }
    pub(super) fn client_in(&mut self, shard: u8) -> LinkId {
        self.link(shard, RemoteIdentity::Client)
    }

    /// A connection is lost.
    pub(super) fn lose(&mut self, link: LinkId) {
        self.links.remove(&link);
        for shard in 0..self.cores.len() {
            self.link_event(shard as u8, LinkEvent::Gone { link });
        }
    }

    /// Whether a connection is up.
    pub(super) fn is_live(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// A reload: the new generation, and then what the shell says of every connection under it.
    pub(super) fn reload(&mut self, generation: &Arc<Generation>) {
        self.generation = Arc::clone(generation);
        self.connects.clear();
        self.connect_shards.clear();
        let tables = self.tables(generation);
        for shard in 0..self.cores.len() {
            let mut out = Actions::default();
            let keys = Arc::new(TokenKeys::new(&[], [7; 32]));
            self.cores[shard].on_generation(Arc::clone(&tables), keys, self.now, &mut out);
            self.carry_out(shard as u8, None, out);
        }
        let mut links: Vec<LinkId> = self.links.keys().copied().collect();
        links.sort_unstable();
        for link in links {
            let Some(identity) = self.links.get(&link).map(|o| o.identity.clone()) else {
                continue;
            };
            let identity = match identity {
                RemoteIdentity::Client => Some(RemoteIdentity::Client),
                RemoteIdentity::Peer(id) => {
                    let fqdn = id.decision().peer_fqdn.clone().unwrap();
                    self.try_peer_id(&fqdn).map(RemoteIdentity::Peer)
                }
            };
            let event = match identity {
                Some(identity) => LinkEvent::Confirmed {
                    link,
                    identity,
                    requests: true,
                },
                None => LinkEvent::Withdrawn { link },
            };
            self.link_event(link.shard(), event);
        }
    }

    pub(super) fn link_event(&mut self, shard: u8, event: LinkEvent) {
        let mut out = Actions::default();
        self.cores[usize::from(shard)].on_link(event, self.now, &mut out);
        self.carry_out(shard, None, out);
    }

    pub(super) fn connect_failed(&mut self, fqdn: &str) {
        let peer = self.generation.topology().peer_by_fqdn(fqdn).unwrap();
        let retry_at = self.now + Duration::from_secs(1);
        self.link_event(
            0,
            LinkEvent::ConnectFailed {
                peer,
                reason: "connection_refused".into(),
                retry_at,
            },
        );
    }

    /// As [`Self::reload`], from a topology.
    pub(super) fn load(&mut self, topology: Topology) {
        let generation = Generation::build(2, topology, UnixTime::now()).unwrap();
        self.reload(&Arc::new(generation));
    }

    /// A message arrives on a link. Lines may be given with bare line ends; a Content-Length is added if missing.
    pub(super) fn send(&mut self, link: LinkId, text: &str) {
        let bytes = wire(text);
        self.send_bytes(link, &bytes);
    }

    /// A request arrives on a link.
    pub(super) fn ask(&mut self, link: LinkId, request: Request<'_>) {
        self.send(link, &request.to_string());
    }

    pub(super) fn send_bytes(&mut self, link: LinkId, bytes: &[u8]) {
        let origin = self.links.get(&link).expect("a live link").clone();
        self.deliver(link.shard(), &origin, bytes);
    }

    fn deliver(&mut self, shard: u8, origin: &Origin, bytes: &[u8]) {
        let mut out = Actions::default();
        let message = Message::parse(bytes).expect("framed");
        self.cores[usize::from(shard)].on_message(origin, &message, self.now, &mut out);
        self.carry_out(shard, Some((origin, bytes)), out);
    }

    fn carry_out(&mut self, shard: u8, given: Option<(&Origin, &[u8])>, out: Actions) {
        for action in out.list {
            match action {
                Action::Send {
                    link,
                    bytes,
                    branch,
                } => match self.links.contains_key(&link) {
                    true => self
                        .inboxes
                        .get_mut(&link)
                        .unwrap()
                        .push_back(out.bytes[bytes].to_vec()),
                    false => {
                        assert_ne!(link.shard(), shard, "a core sends only on its live links");
                        self.link_event(shard, LinkEvent::Undeliverable { link, branch });
                    }
                },
                Action::Connect { peer } => {
                    self.connects.push(peer);
                    self.connect_shards.push(shard);
                }
                Action::Close { link, reason } => self.closed.push((link, reason.code())),
                Action::HandOver { shard, asked } => {
                    let (origin, bytes) = given.expect("only a message is handed over");
                    let origin = Origin {
                        asked,
                        ..origin.clone()
                    };
                    self.deliver(shard, &origin, bytes);
                }
                Action::Event(event) => self.events.push(event),
                Action::Count(_) => {}
            }
        }
    }

    /// The clock jumps; timers fire on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            let due = self.cores.iter().filter_map(Core::next_deadline).min();
            let Some(due) = due.filter(|d| *d <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for shard in 0..self.cores.len() {
                let mut out = Actions::default();
                self.cores[shard].on_deadline(self.now, &mut out);
                self.carry_out(shard as u8, None, out);
            }
        }
        self.now = end;
    }

    /// The next message that arrived at a link's far end.
    pub(super) fn take(&mut self, link: LinkId) -> Option<String> {
        self.take_bytes(link).map(|b| String::from_utf8(b).unwrap())
    }

    /// As [`Self::take`], for what may be no text.
    pub(super) fn take_bytes(&mut self, link: LinkId) -> Option<Vec<u8>> {
        self.inboxes.get_mut(&link)?.pop_front()
    }

    /// As [`Self::take`], and it must begin like this.
    #[track_caller]
    pub(super) fn expect(&mut self, link: LinkId, start: &str) -> String {
        let message = self
            .take(link)
            .unwrap_or_else(|| panic!("nothing arrived, expected {start}"));
        assert!(
            message.starts_with(start),
            "expected {start}, got {message}"
        );
        message
    }

    /// What was asked on this link is answered so (`SIP/2.0 403`), for this reason and no other.
    #[track_caller]
    pub(super) fn refused(&mut self, link: LinkId, status: &str, reason: &str) -> String {
        let answer = self.expect(link, status);
        assert_eq!(self.reasons(), [reason], "{answer}");
        answer
    }

    #[track_caller]
    pub(super) fn silent(&mut self, link: LinkId) {
        if let Some(message) = self.take(link) {
            panic!("expected silence, got {message}");
        }
    }

    /// The codes of refusals and drops so far, oldest first; forgets them.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events are no refusal")]
    pub(super) fn reasons(&mut self) -> Vec<&'static str> {
        let codes = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::RequestRefused { reason, .. } | Event::MessageDropped { reason, .. } => {
                    Some(reason.code())
                }
                _ => None,
            })
            .collect();
        self.events.clear();
        codes
    }

    /// So many transactions are kept.
    #[track_caller]
    pub(super) fn all_but(&self, count: usize) {
        let kept: usize = self.cores.iter().map(Core::transactions).sum();
        assert_eq!(kept, count, "transactions kept");
    }

    /// Nothing is kept any more.
    #[track_caller]
    pub(super) fn all_freed(&self) {
        for core in &self.cores {
            assert_eq!(core.transactions(), 0, "transactions left");
        }
    }
}

/// Text with bare line ends → octets on the wire.
pub(super) fn wire(text: &str) -> Vec<u8> {
    let (head, body) = text
        .split_once("\n\n")
        .unwrap_or((text.trim_end_matches('\n'), ""));
    let mut wire = head.trim_start().replace('\n', "\r\n");
    if !head.to_ascii_lowercase().contains("\ncontent-length") {
        wire.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    wire.push_str("\r\n\r\n");
    wire.push_str(body);
    wire.into_bytes()
}

/// A request in which only what matters is said.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) branch: &'a str,
    pub(super) cseq: u32,
    /// Further header lines, each with its line end.
    pub(super) more: &'a str,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            method: "INVITE",
            uri: "sip:bob@contoso.test",
            from: "<sip:alice@contoso.test>;tag=a",
            to: "<sip:bob@contoso.test>",
            branch: "z9hG4bKone",
            cseq: 1,
            more: "",
        }
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            method,
            uri,
            from,
            to,
            branch,
            cseq,
            more,
        } = self;
        write!(
            f,
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/TLS ua.invalid:5061;branch={branch}\nMax-Forwards: 70\nFrom: {from}\n\
             To: {to}\nCall-ID: call-1\nCSeq: {cseq} {method}\n{more}"
        )
    }
}

/// An answer as the far end of `request` would make it.
pub(super) fn answer(request: &str, status: &str, more: &str) -> String {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut text = format!("SIP/2.0 {status}\n");
    for line in head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        match name.as_str() {
            "via" | "from" | "call-id" | "cseq" | "record-route" => {
                text.push_str(&format!("{line}\n"))
            }
            "to" if line.contains("tag=") || status.starts_with("100") => {
                text.push_str(&format!("{line}\n"))
            }
            "to" => text.push_str(&format!("{line};tag=b\n")),
            _ => {}
        }
    }
    text + more
}

/// The first value of a header field.
pub(super) fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    fields(message, name).into_iter().next()
}

/// All lines of a header field.
pub(super) fn fields<'m>(message: &'m str, name: &str) -> Vec<&'m str> {
    message
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
        .collect()
}
