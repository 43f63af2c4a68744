//! What a request meets on its way through one shard: connections, tokens, tables, timers, limits;
//! and the way out of it.
//!
//! One shard is one thread: nothing here is locked or shared but the tables of the generation and
//! the health of the peers, which are read through `Arc`s and changed by atomics.
use super::account::ShardMemory;
use super::binding::{
    BindingMessage, BindingName, Directory, FormerHolders, LocatedClients, MovedLegs, Place,
};
use super::buffers::SpareBuffers;
use super::calls::CallTable;
use super::denied_users::DeniedUsers;
use super::host_hash::host_hash;
use super::identity::PartyTexts;
use super::interface::{Action, Actions, AdvertisedNames, Origin, is_sent_by};
use super::leg::{Certainty, Leg, PeerKey};
use super::link_id::LinkId;
use super::link_state::{LinkState, QueuedMessage, SendIf};
use super::links::{LinkChoice, Links};
use super::listing::ListedPeer;
use super::log_levels::LogLevels;
use super::node_memory::Party;
use super::process::{Envelope, WrittenRequests};
use super::reached_bounds::{ReachedBounds, is_bound};
use super::refused_credentials::RefusedCredentials;
use super::refused_invites::RefusedInvites;
use super::routing::Routing;
use super::same_party;
use super::secrets::Secrets;
use super::sibling::Taken;
use super::tables::Tables;
use super::token::{BoundClient, TokenBox};
use super::wheel::Wheel;
use crate::observe::{
    CountedRequest, Event, EventKind, Parties, RequestLines, RequestOutcome, RequestTally,
    TrafficEnd, window_at,
};
use crate::reason::{ConnectionReason, MessageReason};
use crate::sip::{Message, Method, StartLine, Via};
use crate::topology::{Boundary, FieldRules, FieldTrust, Limits, NamedFields};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long nothing is read from a server that sends a thousand messages in a row that lead nowhere.
const STRAYS_PAUSE: Duration = Duration::from_secs(1);

/// Everything of a core but its response contexts. A context borrows it while it decides, so that
/// neither needs the other's place in a table.
///
/// It decides nothing about a request: what may pass is decided in `admission`, what is written in
/// `outgoing`. What stands here as a method sends bytes or writes a line to the log, because both
/// need several of its parts.
pub(crate) struct Environment {
    /// This core's shard, and how many there are: each branch and link names its own.
    pub(crate) shard: u8,
    pub(crate) shards: u8,
    pub(crate) names: AdvertisedNames,
    pub(crate) tables: Arc<Tables>,
    /// Whether any peer knows this node by a name of its own, in this generation or an earlier one: what was sent
    /// before a reload goes on under the name that it was sent by.
    pub(crate) advertises: bool,
    /// Peers from which the home side was hidden before a reload. What they were given then still comes back: it is
    /// opened as before.
    pub(crate) formerly_hidden: HashSet<PeerKey>,
    pub(crate) limits: Limits,
    pub(crate) links: Links,
    /// Which connections lead to the registered clients that this shard is asked for.
    pub(crate) directory: Directory,
    pub(crate) moved: MovedLegs,
    /// Whose requests have other lines for a while.
    pub(crate) log_levels: LogLevels,
    /// How many lines clients' requests have had.
    pub(crate) request_lines: RefCell<RequestLines>,
    /// Users whose clients are refused.
    pub(crate) denied_users: Arc<DeniedUsers>,
    pub(crate) former: FormerHolders,
    /// Where other shards' directories have found the clients of dialogs.
    pub(crate) located: LocatedClients,
    /// The calls that this shard keeps.
    pub(crate) calls: CallTable,
    /// Who has tried wrong passwords.
    pub(crate) refused: Arc<RefusedCredentials>,
    /// The bounds that requests were refused for a moment ago.
    pub(crate) reached: ReachedBounds,
    /// Whose ACKs end here.
    pub(crate) refused_invites: RefusedInvites,
    /// Which siblings have clients that this shard is asked for.
    pub(crate) taken: Taken,
    /// The calendar at some time, in seconds.
    pub(crate) calendar: (Instant, u64),
    /// What this shard has to tell itself after the input.
    pub(crate) for_self: VecDeque<BindingMessage>,
    /// The time of the input that is being carried out.
    pub(crate) now: Instant,
    pub(crate) tokens: TokenBox,
    pub(crate) secrets: Secrets,
    pub(crate) wheel: Wheel,
    pub(crate) buffers: SpareBuffers,
    /// What this shard keeps for whom.
    pub(crate) memory: Rc<ShardMemory>,
    /// Response contexts alive.
    pub(crate) transactions: usize,
    /// Answered INVITEs in their 32 seconds.
    pub(crate) answered: usize,
    /// Requests that begin something new are answered 503.
    pub(crate) draining: Option<Drain>,
    /// Where requests are counted.
    pub(crate) tally: Arc<RequestTally>,
    /// Another process of this node accepts.
    pub(crate) is_retired: bool,
    /// What was sent for the transactions of another process, or shard, a moment ago.
    pub(crate) written: WrittenRequests,
}

/// Why nothing new is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Drain {
    /// Maintenance: what other nodes of the site have for a client that is still here reaches it.
    Clients,
    /// The node is stopping.
    Stop,
}

/// Where a request came from, and so where its responses go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    pub(crate) link: LinkId,
    pub(crate) leg: Leg,
    /// For the `received` parameter of its topmost Via (RFC 3261 §18.2.1).
    pub(crate) remote: SocketAddr,
    /// The number of the connection in the log.
    pub(crate) number: u64,
    /// Whose it is, if that is at the other process of this node, which has handed the request over.
    pub(crate) sender: Option<PeerKey>,
}

/// How a request ended, for its line in the log.
pub(crate) struct LoggedRequest {
    pub(crate) target: Option<Leg>,
    /// The number of the connection that has answered.
    pub(crate) to_connection: Option<u64>,
    /// `None`: it was relayed.
    pub(crate) reason: Option<MessageReason>,
    /// `None`: it was not answered.
    pub(crate) status: Option<u16>,
    pub(crate) took: Duration,
}

impl Environment {
    /// Names, domains and pools of the current generation.
    pub(crate) fn routing(&self) -> &Routing {
        &self.tables.routing
    }

    /// What the calendar says at the time of the input, in seconds.
    pub(crate) fn unix(&self) -> u64 {
        let (at, unix) = self.calendar;
        unix + self.now.saturating_duration_since(at).as_secs()
    }

    /// Whom a REGISTER binds, as its registrar is to name the client: under the key that signs now.
    pub(crate) fn bound_client(
        &self,
        name: &BindingName,
        register: &Message<'_>,
    ) -> Option<BoundClient> {
        let id = *self.tokens.binding_ids(name).first()?;
        let aor = register.to().ok()?;
        let domain = host_hash(&aor.parse_uri().ok()?);
        Some(BoundClient { id, domain })
    }

    /// This node's name and port as a leg knows them.
    pub(crate) fn sent_by(&self, leg: Leg) -> &str {
        let Some(key) = leg.peer() else {
            return self.common_name(leg);
        };
        // Nothing is looked up where all peers know it by one name: that is what nearly every site has, and this is
        // asked several times for each message.
        let own = self.own_sent_by(key).map(|own| &**own);
        own.unwrap_or(&self.names.peers)
    }

    /// The same where it knows no name of its own: the one that all clients know, or all peers.
    pub(crate) fn common_name(&self, leg: Leg) -> &str {
        match leg.is_client() {
            true => &self.names.clients,
            false => &self.names.peers,
        }
    }

    /// The same, if this peer knows it by a name of its own.
    fn own_sent_by(&self, key: PeerKey) -> Option<&Arc<str>> {
        let peer = self.advertises.then(|| self.links.peer(key));
        peer.flatten()?.sent_by.as_ref()
    }

    /// The name of its own by which a target knows this node now, for the branch that is sent to it: a reload may change
    /// it, and CANCEL, ACK and the answers go by what was written (RFC 3261 §9.1, §17.1.1.3, §18.1.2).
    pub(crate) fn sent_as(&self, target: Leg) -> Option<Arc<str>> {
        self.own_sent_by(target.peer()?).cloned()
    }

    /// Whether a Via is this node's, as it was sent to this leg (RFC 3261 §18.1.2).
    pub(crate) fn has_sent(&self, via: &Via<'_>, leg: Leg) -> bool {
        // A peer that a reload has removed, with its name for this node, still answers.
        let of_peer = || self.links.peer(leg.peer()?)?.sent_by.as_deref();
        self.names.is_sent_by(via) || of_peer().is_some_and(|own| is_sent_by(own, via))
    }

    /// The settings of the trust domain's boundary.
    pub(crate) fn boundary(&self) -> &Boundary {
        self.tables.generation.topology().boundary()
    }

    /// Who sends, and how well that is known. For a link of this shard what the table has (`known`) decides, since a
    /// reload may have changed for which entry the connection is taken; for a link of another shard
    /// what that shard handed over with the message.
    pub(crate) fn far_end(
        &self,
        origin: &Origin,
        known: Option<(Leg, Certainty)>,
    ) -> Option<(Leg, Certainty)> {
        let Origin {
            link,
            ref identity,
            remote,
            ..
        } = *origin;
        if link.shard() == self.shard && !link.is_none() {
            return known;
        }
        same_party::far_end(link, identity, remote, self.routing())
    }

    /// Whether the home side is hidden from any peer, in this generation or an earlier one.
    pub(crate) fn hides(&self) -> bool {
        !self.tables.listing.hidden_from.is_empty() || !self.formerly_hidden.is_empty()
    }

    /// The peer at a leg, as [`Links::peer`] has it.
    pub(crate) fn listed(&self, leg: Leg) -> Option<&ListedPeer> {
        self.links.peer(leg.peer()?)
    }

    /// The field rules of a leg (RFC 3324): a peer that is listed no more counts as outside the
    /// trust domain.
    pub(crate) fn field_rules(&self, leg: Leg) -> FieldRules {
        self.field_rules_of(leg, self.listed(leg))
    }

    /// The same where its peer was looked up.
    pub(crate) fn field_rules_of(&self, leg: Leg, peer: Option<&ListedPeer>) -> FieldRules {
        match (leg, peer) {
            (Leg::Client(_) | Leg::Binding(_), _) => self.boundary().clients,
            (Leg::Peer(_), Some(peer)) => peer.fields,
            (Leg::Peer(_), None) => FieldRules::standard(FieldTrust::Outside),
        }
    }

    /// What is done with other fields of a leg; `None` nearly always: nobody has rules about them.
    pub(crate) fn named_fields(&self, leg: Leg) -> Option<&NamedFields> {
        let boundary = self.boundary();
        // One look for each message, and none at any of its lines.
        if !boundary.has_named {
            return None;
        }
        match leg {
            Leg::Client(_) | Leg::Binding(_) => Some(&boundary.named_of_clients),
            // One that is listed no more has no rules; what the table of fields says of a stranger holds.
            Leg::Peer(key) => self.links.peer(key).map(|peer| &*peer.named),
        }
    }

    /// What the requests of one dialog share, where peers have several connections: they keep to
    /// one of them, so that they keep their order. Not computed where nobody has several.
    pub(crate) fn spread(&self, message: &Message<'_>) -> u64 {
        if !self.links.several() {
            return 0;
        }
        self.secrets
            .hash(|h| std::hash::Hasher::write(h, message.call_id().unwrap_or_default()))
    }

    /// The connection of a peer that takes the other requests of the dialog: on another one a BYE could
    /// come before the ACK.
    ///
    /// `None`: there is none, or only one that may be another server's while the peer has one of its
    /// own whose queue is long. Whether an ACK may go where it is long says [`Links::spares`].
    pub(crate) fn link_of_dialog(&self, target: Leg, ack: &Message<'_>) -> Option<LinkId> {
        let Leg::Peer(key) = target else { return None };
        // What shares a Call-ID shares the connection, as long as no other one is made or lost.
        match self.links.for_requests(key, self.spread(ack), true) {
            LinkChoice::Full(link) => Some(link),
            LinkChoice::Link(link) => {
                let is_own = |link| !self.links.is_open(link);
                let has_own = || self.links.any_link(key).is_some_and(is_own);
                (is_own(link) || !has_own()).then_some(link)
            }
            LinkChoice::None => None,
        }
    }

    /// Whether what stands in `out` from `start` on may go to this link of a peer ([`Links::spares`]); else
    /// it is taken back, and logged as dropped.
    pub(crate) fn spares(
        &mut self,
        link: Option<LinkId>,
        to: Leg,
        start: usize,
        out: &mut Actions,
    ) -> bool {
        let bytes = out.bytes.len() - start;
        let is_spared = link.is_none_or(|link| self.links.spares(link, bytes, &self.limits));
        if !is_spared {
            out.bytes.truncate(start);
            out.record(Event::MessageDropped {
                reason: MessageReason::PeerCongested.into(),
                remote: None,
                peer: self.peer_name(to),
            });
        }
        is_spared
    }

    /// Whether bytes for this link can be handed out: another shard knows whether its own link
    /// lives, and reports if it does not.
    pub(crate) fn is_live(&self, link: LinkId) -> bool {
        match link.shard() == self.shard {
            true => self.links.get(link).is_some_and(|link| !link.leaving),
            false => !link.is_none(),
        }
    }

    /// Sends what stands in `out` from `start` on back to where a request came from: on its link,
    /// else (RFC 3261 §18.2.2) on another connection of the same peer, or on the one that its binding
    /// has then; an unregistered client that has gone gets nothing.
    pub(crate) fn send_upstream(&mut self, to: Upstream, start: usize, out: &mut Actions) {
        // A phone that has found out by itself that its connection is dead is ahead of TCP.
        let has_left = |id| {
            let link = self.links.get(to.link);
            link.is_some_and(|link| link.left.contains(&id))
        };
        let is_left = matches!(to.leg, Leg::Binding(id) if has_left(id));
        if self.is_live(to.link) && !is_left {
            return out.send(to.link, start, None);
        }
        let sent = match to.leg {
            Leg::Peer(_) => self.send_downstream(to.leg, None, start, SendIf::Always, out),
            Leg::Binding(id) => self.pass(Place::Binding(id), start, out),
            Leg::Client(_) => {
                out.bytes.truncate(start);
                Err(MessageReason::OriginGone)
            }
        };
        if sent.is_err() {
            out.record(Event::MessageDropped {
                reason: MessageReason::OriginGone.into(),
                remote: None,
                peer: self.peer_name(to.leg),
            });
        }
    }

    /// Sends bytes that belong to something already under way: on the link it runs on, else on any
    /// link of that peer, else on one that is made for it, if it is still wanted by then. What was
    /// written since `start` is taken back if that fails.
    ///
    /// # Errors
    /// Nobody can get it any more.
    pub(crate) fn send_downstream(
        &mut self,
        target: Leg,
        preferred: Option<LinkId>,
        start: usize,
        only: SendIf,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let live = preferred.filter(|link| self.is_live(*link));
        let link = match target {
            Leg::Client(_) | Leg::Binding(_) => live,
            Leg::Peer(key) => live.or_else(|| self.links.any_link(key)),
        };
        if let Some(link) = link {
            out.send(link, start, None);
            return Ok(());
        }
        if let Leg::Binding(id) = target {
            return self.pass(Place::Binding(id), start, out);
        }
        // Nothing new is connected to by a process that hands over: its successor has what it needs.
        if let Leg::Peer(key) = target
            && self.cross(&Envelope::ToPeer(key.0, None), start, out)
        {
            return Ok(());
        }
        let bytes = out.bytes.get(start..).unwrap_or_default().to_vec();
        out.bytes.truncate(start);
        match target {
            Leg::Client(_) | Leg::Binding(_) => Err(MessageReason::FlowGone),
            Leg::Peer(key) => self.queue(key, QueuedMessage { bytes, only }, out),
        }
    }

    /// Sends what stands in `out` from `start` on over a partner's connection; nobody waits for an
    /// answer to it. The shard that owns the connection sends it to the peer as such if that is gone.
    pub(crate) fn send_over(&self, link: LinkId, peer: PeerKey, start: usize, out: &mut Actions) {
        if link.shard() == self.shard {
            return out.send(link, start, None);
        }
        let bytes = out.bytes.get(start..).unwrap_or_default().into();
        out.bytes.truncate(start);
        out.list.push(Action::Tell {
            shard: link.shard(),
            message: BindingMessage::Over {
                link,
                peer: peer.0,
                bytes,
            },
        });
    }

    /// Keeps a message for a peer until it has a connection. Bounded, because a peer that cannot be
    /// reached would otherwise gather the responses and ACKs of every call that it had.
    fn queue(
        &mut self,
        key: PeerKey,
        message: QueuedMessage,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let peer = self.links.active_mut(key);
        let peer = peer.filter(|peer| peer.listed.current.is_some());
        let peer = peer.ok_or(MessageReason::PeerWithdrawn)?;
        let open = || self.memory.open(Party::Peer(key.0));
        if !peer.queue(message, &self.limits, open) {
            return Err(MessageReason::ConnectQueueFull);
        }
        peer.need_connection(out);
        Ok(())
    }

    /// The status that this leg is answered for a reason.
    pub(crate) fn status(&self, reason: MessageReason, to: Leg) -> u16 {
        let of_pool = || to.peer().and_then(|key| self.routing().flow_status(key));
        let own = (reason == MessageReason::FlowGone).then(of_pool).flatten();
        own.unwrap_or(reason.status())
    }

    /// The name of a peer, for events.
    pub(crate) fn peer_name(&self, leg: Leg) -> Option<Arc<str>> {
        self.links.peer(leg.peer()?).map(|p| Arc::clone(&p.name))
    }

    /// The same of who has sent a request, if that is a peer.
    pub(crate) fn sender_name(&self, from: Upstream) -> Option<Arc<str>> {
        self.peer_name(from.sender.map_or(from.leg, Leg::Peer))
    }

    /// Logs a message that gets no answer.
    pub(crate) fn drop_message(&self, from: Upstream, reason: MessageReason, out: &mut Actions) {
        out.record(Event::MessageDropped {
            reason: reason.into(),
            remote: Some(from.remote),
            peer: self.sender_name(from),
        });
    }

    /// What a leg is to figures.
    ///
    /// The kind is of the current generation, as policy sees it. A peer that is listed no more counts as a partner's.
    fn end(&self, leg: Leg) -> TrafficEnd {
        let Some(key) = leg.peer() else {
            return TrafficEnd::Client;
        };
        let peer = self.links.peer(key);
        peer.map_or(TrafficEnd::Federated, |peer| peer.kind.into())
    }

    /// Counts a request that is over, or that nobody answers and that has gone; without `to` this
    /// node has answered it.
    pub(crate) fn count_request(
        &self,
        (from, to): (Leg, Option<Leg>),
        method: Method<'_>,
        status: Option<u16>,
        took: Duration,
    ) {
        self.tally.add(&CountedRequest {
            from: self.end(from),
            to: to.map_or(TrafficEnd::Node, |to| self.end(to)),
            method,
            status,
            took,
        });
    }

    /// Whether a relayed request of this method has a line. Asked before anything is read for it: on a busy node these
    /// lines are usually off. One that has none is counted all the same.
    pub(crate) fn wants_line(
        &self,
        method: &[u8],
        (from, target): (&Upstream, Option<Leg>),
        out: &mut Actions,
    ) -> bool {
        let wanted = self
            .log_levels
            .of((from.leg, from.link, from.remote), target, &self.links);
        let wanted = wanted.unwrap_or_else(|| self.tables.generation.topology().log().requests);
        if !wanted.wants(method, false) {
            out.list.push(Action::Count(EventKind::RequestRelayed));
            return false;
        }
        // A peer's requests are the traffic that the log is for. A client's beyond the bound have no line, and nothing is
        // written down for one.
        let is_client = from.leg.is_client() && from.sender.is_none();
        let has_room = !is_client || {
            let mut lines = self.request_lines.borrow_mut();
            lines.admit(from.number, from.remote.ip(), window_at(self.unix()))
        };
        if !has_room {
            out.list.push(Action::Suppress(EventKind::RequestRelayed));
        }
        has_room
    }

    /// A message has led nowhere. A client that sends a thousand of them in a row is closed, and a server
    /// is read more slowly: its calls are others' calls.
    pub(crate) fn note_stray(&mut self, from: (LinkId, Leg), now: Instant, out: &mut Actions) {
        let (link, leg) = from;
        // Of another shard's connection that shard has counted what it asks.
        let state = self.links.get_mut(link);
        let state = state.filter(|_| link.shard() == self.shard);
        if !state.is_some_and(LinkState::strayed) {
            return;
        }
        let reason = ConnectionReason::LeadsNowhere.into();
        out.list.push(match leg {
            Leg::Client(_) | Leg::Binding(_) => Action::Close { link, reason },
            Leg::Peer(_) => Action::Pause {
                link,
                until: now + STRAYS_PAUSE,
                reason,
            },
        });
    }

    /// A request was refused. The first of a row for a bound of this node has an event of its own.
    pub(crate) fn note_refusal(&mut self, reason: MessageReason, out: &mut Actions) {
        if is_bound(reason) && self.reached.note(reason, self.now) {
            let reason = reason.into();
            out.record(Event::BoundReached { reason });
        }
    }

    /// One `request_relayed`, if the settings want it, or `request_refused`.
    pub(crate) fn log_request(
        &self,
        from: Upstream,
        message: &Message<'_>,
        line: &LoggedRequest,
        out: &mut Actions,
    ) {
        let method = match message.start() {
            StartLine::Request { method, .. } => method.as_bytes(),
            StartLine::Response { .. } => b"",
        };
        // What was relayed or answered here has been counted by who knows that, line or not.
        if line.reason.is_some() {
            let ends = (from.leg, line.target);
            self.count_request(ends, Method::from_bytes(method), line.status, line.took);
        }
        // Refusals always have one; the limits of the log, and not the settings, keep a flood of them away.
        if line.reason.is_some() || self.wants_line(method, (&from, line.target), out) {
            self.write_line(from, method, &PartyTexts::of(message), line, out);
        }
    }

    /// As [`Self::log_request`], once it is known that there is to be a line.
    pub(crate) fn write_line(
        &self,
        from: Upstream,
        method: &[u8],
        parties: &PartyTexts<'_>,
        line: &LoggedRequest,
        out: &mut Actions,
    ) {
        let request = RequestOutcome {
            method: SmallVec::from_slice(method),
            parties: self.parties(parties),
            connection: from.number,
            remote: from.remote,
            decision: self.links.decision(from.link),
            from_peer: self.sender_name(from),
            to_peer: line.target.and_then(|target| self.peer_name(target)),
            to_client: line.target.is_some_and(Leg::is_client),
            to_connection: line.to_connection,
            status: line.status,
            took: line.took,
        };
        out.record(match line.reason {
            None => Event::RequestRelayed { request },
            Some(reason) => Event::RequestRefused {
                reason: reason.into(),
                request,
            },
        });
    }

    /// The same of what has no response context: an ACK went to this target or ended here, or a CANCEL was
    /// answered.
    pub(crate) fn log_passed(
        &self,
        from: Upstream,
        message: &Message<'_>,
        target: Option<Leg>,
        status: Option<u16>,
        out: &mut Actions,
    ) {
        let line = LoggedRequest {
            target,
            to_connection: None,
            reason: None,
            status,
            took: Duration::ZERO,
        };
        self.log_request(from, message, &line, out);
    }

    /// Whom a message names, as the log may have it: made anew for each record, since a reload may change the settings and
    /// the keys.
    pub(crate) fn parties(&self, texts: &PartyTexts<'_>) -> Parties {
        let how = self.tables.generation.topology().log().identities;
        texts.logged(how, self.tokens.keys().log)
    }
}
