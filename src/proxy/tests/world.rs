//! A world for the core: peers, clients and shards without sockets, and a clock that jumps.
pub(super) use super::message::*;
pub(super) use super::site::*;
use crate::observe::Event;
use crate::proxy::binding::{BindingName, Device};
use crate::proxy::host_hash::host_hash;
use crate::proxy::token::BoundClient;
use crate::proxy::{
    Action, Actions, AdvertisedNames, BindingMessage, CallMessage, Core, CoreSetup, Envelope,
    HealthBoard, LinkEvent, LinkId, Origin, RefusedCredentials, RemoteIdentity, Tables, TokenKeys,
};
use crate::sip::{Message, Uri};
use crate::topology::{Direction, DnsName, PeerRef, Topology};
use crate::trust::{Generation, PeerId, Presented, decide};
use rustls_pki_types::UnixTime;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cores, links, and what arrived where.
pub(super) struct World {
    pub(super) cores: Vec<Core>,
    pub(super) now: Instant,
    pub(super) generation: Arc<Generation>,
    pub(super) health: Arc<HealthBoard>,
    links: HashMap<LinkId, Origin>,
    inboxes: HashMap<LinkId, VecDeque<Vec<u8>>>,
    /// The other shards that hear of a connection's end: those that have sent to it or got a message of it.
    used_by: BTreeSet<(LinkId, u8)>,
    /// How often a core has asked another one whether a message is its.
    pub(super) questions: usize,
    pub(super) paused: Vec<(LinkId, &'static str)>,
    /// Peers that a core asked a connection to.
    pub(super) connects: Vec<PeerRef>,
    /// How many of them were not to wait for the end of a pause.
    pub(super) urgent: usize,
    /// The covered names that they are to be dialled under.
    pub(super) connect_names: Vec<Option<String>>,
    /// The shards of these cores, in the same order.
    pub(super) connect_shards: Vec<u8>,
    pub(super) closed: Vec<(LinkId, &'static str)>,
    pub(super) events: Vec<Event>,
    /// What cores have told other shards and those have not heard yet.
    tells: VecDeque<(u8, BindingMessage)>,
    /// The same of calls.
    told: VecDeque<(u8, CallMessage)>,
    /// A shard that stands still: nothing finds room there.
    pub(super) full: Option<u8>,
    /// The shards that were told something, in order.
    pub(super) asked_of: Vec<u8>,
    /// Until when cores want client connections to be kept.
    pub(super) kept: HashMap<LinkId, Option<Instant>>,
    serial: u32,
}

/// Where connections come from whose origin does not matter.
pub(super) const SOMEWHERE: [u8; 4] = [198, 51, 100, 7];

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
    pub(super) fn on(generation: Arc<Generation>, shards: u8) -> Self {
        Self::in_run(1, generation, shards)
    }

    /// The same keys in a later run of one shard.
    pub(super) fn restarted(topology: Topology, run: u64) -> Self {
        Self::in_run(run, generation(topology), 1)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the world's clock needs a starting point"
    )]
    fn in_run(run: u64, generation: Arc<Generation>, shards: u8) -> Self {
        let now = Instant::now();
        let names = names();
        let keys = Arc::new(TokenKeys::new(&[], [7; 32]));
        let health = Arc::new(HealthBoard::new(now));
        let tables = Tables::new(Arc::clone(&generation), &names, &health);
        let refused = Arc::new(RefusedCredentials::new(now));
        let cores = (0..shards)
            .map(|shard| {
                let setup = CoreSetup {
                    shard,
                    shards,
                    run,
                    seed: [3; 32],
                    names: names.clone(),
                    now,
                    unix: 1_800_000_000,
                    tally: Arc::default(),
                };
                let mut core = Core::new(setup, Arc::clone(&tables), Arc::clone(&keys));
                core.share_refused_credentials(&refused);
                core
            })
            .collect();
        Self {
            cores,
            now,
            generation,
            health,
            links: HashMap::new(),
            inboxes: HashMap::new(),
            used_by: BTreeSet::new(),
            connects: Vec::new(),
            urgent: 0,
            connect_names: Vec::new(),
            questions: 0,
            paused: Vec::new(),
            connect_shards: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            tells: VecDeque::new(),
            told: VecDeque::new(),
            full: None,
            asked_of: Vec::new(),
            kept: HashMap::new(),
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
            name: None,
            identity: None,
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
        self.link_from(SOMEWHERE, shard, identity)
    }

    fn link_from(&mut self, from: [u8; 4], shard: u8, identity: RemoteIdentity) -> LinkId {
        self.serial += 1;
        let link = LinkId::new(shard, self.serial, self.serial);
        let remote = SocketAddr::from((from, 40_000 + self.serial as u16));
        let local = SocketAddr::from(([192, 0, 2, 1], 5061));
        self.links.insert(
            link,
            Origin {
                link,
                identity: identity.clone(),
                remote,
                local,
                asked: 0,
                held: None,
                number: u64::from(self.serial),
            },
        );
        self.inboxes.insert(link, VecDeque::new());
        self.link_event(
            shard,
            LinkEvent::Up {
                link,
                identity,
                remote,
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
    /// The other process of this node, in a shard.
    pub(super) fn other_process_in(&mut self, shard: u8) -> LinkId {
        self.link(shard, RemoteIdentity::OtherProcess)
    }
    /// The same, from this address.
    pub(super) fn peer_from(&mut self, from: [u8; 4], shard: u8, fqdn: &str) -> LinkId {
        let id = self.peer_id(fqdn);
        self.link_from(from, shard, RemoteIdentity::Peer(id))
    }
    /// A connection that we have made to a listed peer comes up in shard 0.
    pub(super) fn dialled(&mut self, fqdn: &str) -> LinkId {
        let presented = Presented {
            chain: pki().chains.get(fqdn).unwrap(),
            expected: self.generation.topology().peer_by_name(fqdn),
            name: None,
            identity: None,
            staple: None,
        };
        let (way, at) = (Direction::Outbound, UnixTime::now());
        let id = decide(&presented, way, &self.generation, at).unwrap();
        self.link(0, RemoteIdentity::Peer(id))
    }
    /// A connection that we have made to the partner under one of its regions' names comes up in shard 0.
    pub(super) fn dialled_region(&mut self, name: &str) -> LinkId {
        let name = DnsName::parse(name).unwrap();
        let presented = Presented {
            expected: self.generation.topology().peer_by_name(PARTNER),
            name: Some(&name),
            ..Presented::inbound(pki().chains.get(REGIONS).unwrap())
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

    /// One of another address.
    pub(super) fn client_from(&mut self, from: [u8; 4]) -> LinkId {
        self.link_from(from, 0, RemoteIdentity::Client)
    }

    /// The client registers alice, and the home server grants it for an hour; a Route of its Path. `device` are parameters
    /// of its Contact: an instance, say.
    pub(super) fn register(&mut self, client: LinkId, home: LinkId, device: &str) -> String {
        self.serial += 1;
        let register = registration(
            "sip:alice@contoso.test",
            &format!("z9hG4bKr{}", self.serial),
            device,
        );
        self.send(client, &register);
        let asked = self.pick(home, "REGISTER");
        let contact = field(&asked, "Contact").unwrap();
        let granted = format!("Contact: {contact};expires=3600\n");
        self.send(home, &answer(&asked, "200 OK", &granted));
        self.pick(client, "SIP/2.0 200");
        format!("Route: {}\n", field(&asked, "Path").unwrap())
    }

    /// The connection holds a binding from now on, as after a granted REGISTER.
    pub(super) fn bind(&mut self, link: LinkId, call_id: &str) {
        let aor = Uri::parse(b"sip:alice@contoso.test").unwrap();
        let name = BindingName::of(&aor, Device::CallId(call_id.as_bytes()));
        let until = self.now + Duration::from_secs(36_000);
        let remote = self.links[&link].remote;
        let mut out = Actions::default();
        let core = &mut self.cores[usize::from(link.shard())];
        core.env.bind(
            link,
            (name, None),
            &aor,
            (self.now, until),
            remote,
            &mut out,
        );
        core.settle(self.now, &mut out);
        self.carry_out(link.shard(), None, out);
    }

    /// The Path token of the connection's binding.
    pub(super) fn path_token(&self, link: LinkId) -> Option<String> {
        let env = &self.cores[usize::from(link.shard())].env;
        let id = env.links.bindings_of(link).next()?;
        let aor = Uri::parse(b"sip:alice@contoso.test").unwrap();
        let domain = host_hash(&aor);
        let token = env.tokens.binding(BoundClient { id, domain });
        Some(String::from_utf8_lossy(&token).into_owned())
    }

    /// A connection is lost.
    pub(super) fn lose(&mut self, link: LinkId) {
        self.links.remove(&link);
        for shard in 0..self.cores.len() as u8 {
            if shard == link.shard() || self.used_by.contains(&(link, shard)) {
                self.link_event(shard, LinkEvent::Gone { link });
            }
        }
    }

    /// Whether a connection is up.
    pub(super) fn is_live(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Other token keys, by a reload that changes nothing else.
    pub(super) fn rekey(&mut self, tables: &Arc<Tables>, keys: &Arc<TokenKeys>, now: Instant) {
        for shard in 0..self.cores.len() {
            let mut out = Actions::default();
            self.cores[shard].on_generation(Arc::clone(tables), Arc::clone(keys), now, &mut out);
            self.carry_out(shard as u8, None, out);
        }
    }

    /// A reload: the new generation, and then what the shell says of every connection under it.
    pub(super) fn reload(&mut self, generation: &Arc<Generation>) {
        self.generation = Arc::clone(generation);
        self.connects.clear();
        self.connect_names.clear();
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
                RemoteIdentity::Client
                | RemoteIdentity::OtherProcess
                | RemoteIdentity::Vouched(_) => Some(identity),
                RemoteIdentity::Peer(id) => {
                    let fqdn = id.decision().peer_name.clone().unwrap();
                    self.try_peer_id(&fqdn).map(RemoteIdentity::Peer)
                }
            };
            let event = match identity {
                Some(identity) => LinkEvent::Confirmed {
                    link,
                    identity,
                    remote: self.links[&link].remote,
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
        let peer = self.generation.topology().peer_by_name(fqdn).unwrap();
        self.connect_ended(peer);
    }

    /// A connect that a core asked for has failed.
    pub(super) fn connect_ended(&mut self, peer: PeerRef) {
        self.connect_ended_under(peer, None);
    }

    /// The same under a covered name.
    pub(super) fn connect_ended_under(&mut self, peer: PeerRef, name: Option<DnsName>) {
        let retry_at = self.now + Duration::from_secs(1);
        self.link_event(
            0,
            LinkEvent::ConnectFailed {
                peer,
                name,
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

    /// The far end of a link answers a request that arrived there.
    pub(super) fn answers(&mut self, link: LinkId, request: &str, status: u16) {
        self.answers_with(link, request, status, "");
    }

    /// The same, with these header lines.
    pub(super) fn answers_with(&mut self, link: LinkId, request: &str, status: u16, more: &str) {
        let line = format!("{status} {}", crate::sip::phrase(status));
        self.send(link, &answer(request, &line, more));
    }

    /// As [`Self::answers`], with 180.
    pub(super) fn rings(&mut self, link: LinkId, request: &str) {
        self.answers(link, request, 180);
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
        if matches!(origin.identity, RemoteIdentity::OtherProcess)
            && let Some(envelope) = Envelope::read(&message)
        {
            return match Origin::vouched(&envelope, shard) {
                Some(origin) => self.deliver(shard, &origin, message.body()),
                None => {
                    let core = &mut self.cores[usize::from(shard)];
                    core.on_envelope(&envelope, message.body(), self.now, &mut out);
                    self.carry_out(shard, None, out);
                }
            };
        }
        self.cores[usize::from(shard)].on_message(origin, &message, self.now, &mut out);
        self.carry_out(shard, Some((origin, bytes)), out);
    }

    /// Whether a message of this shard reaches the link's far end: the shell of another one asks its core.
    fn takes(&self, link: LinkId, asks: bool, shard: u8) -> bool {
        let core = self.cores.get(usize::from(link.shard()));
        self.links.get(&link).is_some_and(|origin| {
            let is_asked = asks && link.shard() != shard;
            !(is_asked && matches!(origin.identity, RemoteIdentity::Peer(_)))
                || core.is_some_and(|core| core.takes_requests(link))
        })
    }

    fn carry_out(&mut self, shard: u8, given: Option<(&Origin, &[u8])>, out: Actions) {
        for action in out.list {
            match action {
                Action::Send {
                    link,
                    bytes,
                    branch,
                } => match self.takes(link, branch.is_some(), shard) {
                    true => {
                        self.used_by.insert((link, shard));
                        let inbox = self.inboxes.get_mut(&link).unwrap();
                        inbox.push_back(out.bytes[bytes].to_vec());
                    }
                    false => {
                        assert_ne!(link.shard(), shard, "a core sends only on its live links");
                        self.link_event(shard, LinkEvent::Undeliverable { link, branch });
                    }
                },
                Action::Connect { peer, name, urgent } => {
                    self.urgent += usize::from(urgent);
                    self.connects.push(peer);
                    self.connect_names.push(name.map(|name| name.to_string()));
                    self.connect_shards.push(shard);
                }
                Action::Close { link, reason } => self.closed.push((link, reason.code())),
                Action::Pause { link, reason, .. } => self.paused.push((link, reason.code())),
                Action::Tell { shard: to, message } if self.full == Some(to) => {
                    if let Some(branch) = message.question() {
                        self.link_event(shard, LinkEvent::Unasked { branch });
                    }
                }
                Action::Tell { shard, message } => {
                    self.asked_of.push(shard);
                    self.tells.push_back((shard, message));
                }
                Action::TellOfCall { shard, message } => self.told.push_back((shard, message)),
                Action::Keep { link, until } => {
                    self.kept.insert(link, until);
                }
                Action::HandOver {
                    shard: to,
                    is_question: false,
                    ..
                } if self.full == Some(to) => {
                    let (origin, bytes) = given.expect("only a message is handed over");
                    let (origin, bytes) = (Box::new(origin.clone()), bytes.into());
                    self.link_event(shard, LinkEvent::NotHandedOver { origin, bytes });
                }
                Action::HandOver {
                    shard,
                    is_question,
                    asked,
                    held,
                } => {
                    self.questions += usize::from(is_question);
                    let (origin, bytes) = given.expect("only a message is handed over");
                    if self.links.contains_key(&origin.link) {
                        self.used_by.insert((origin.link, shard));
                    }
                    let origin = Origin {
                        asked,
                        held,
                        ..origin.clone()
                    };
                    self.deliver(shard, &origin, bytes);
                }
                Action::Event(event) => self.events.push(event),
                Action::Count(_) | Action::Suppress(_) => {}
            }
        }
        // Behind everything that this input has caused, as other threads hear of it.
        while let Some((shard, message)) = self.tells.pop_front() {
            let mut out = Actions::default();
            self.cores[usize::from(shard)].on_binding(message, self.now, &mut out);
            self.carry_out(shard, None, out);
        }
        while let Some((shard, message)) = self.told.pop_front() {
            let mut out = Actions::default();
            self.cores[usize::from(shard)].on_call(message, self.now, &mut out);
            self.carry_out(shard, None, out);
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

    /// The first message at a link's far end that begins like this; the others stay.
    #[track_caller]
    pub(super) fn pick(&mut self, link: LinkId, start: &str) -> String {
        let inbox = self.inboxes.get_mut(&link).unwrap();
        let at = inbox.iter().position(|m| m.starts_with(start.as_bytes()));
        let message = at.and_then(|at| inbox.remove(at));
        String::from_utf8(message.unwrap_or_else(|| panic!("no {start}"))).unwrap()
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
            // Calls that are up go on.
            let left = core.memory().held() - core.env.calls.bytes();
            assert_eq!(left, 0, "bytes that nobody has");
        }
    }
}
