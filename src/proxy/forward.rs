//! Forwarding (RFC 3261 §16.6): one target after the other, each with a branch of its own, until one takes the request.
use super::boundary::{rules_of, stripped, told_name};
use super::branch::{Branch, BranchText};
use super::context::{Attempt, Context, Plan};
use super::hiding::Hiding;
use super::leg::{Leg, PeerKey};
use super::links::{Mail, Pick, Sense};
use super::token::{TokenBox, TokenText};
use super::transaction::{Client, InviteClient, NonInviteClient, Server};
use super::{Action, Actions, BranchKey, Core, Faces, LinkId, MessageReason};
use crate::sip::{Derived, Edits, HeaderName, HeaderSet, Message, StartLine, Via, ViaParams};
use smallvec::SmallVec;
use std::time::Instant;

impl Core {
    /// Tries the next target, reading the stored request anew (failover, or a connection that has come up).
    pub(super) fn attempt(&mut self, slot: u32, now: Instant, out: &mut Actions) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let request = std::mem::take(&mut context.request);
        if let Ok(message) = Message::parse(&request)
            && let Ok(via) = message.top_via()
        {
            self.attempt_with(slot, &message, &via, now, out);
        }
        self.put_back(slot, request);
    }

    /// Tries targets in order until one takes the request, a connection is awaited, or none is left.
    pub(super) fn attempt_with(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        via: &Via<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        loop {
            self.leave_branch(slot);
            let nonce = self.nonce();
            let Some(context) = self.contexts.get_mut(slot) else {
                return;
            };
            context.nonce = nonce;
            context.attempt = Attempt::None;
            // RFC 3261 §16.10: a cancelled request begins no further branch.
            let next = context.targets.get(context.tried).copied();
            let Some(target) = next.filter(|_| !context.cancel_wanted) else {
                return self.exhausted(slot, message, now, out);
            };
            context.tried += 1;
            if !context.plan.in_dialog && self.links.is_held(target, now) {
                context.failure = Some(MessageReason::PeerHeldOff);
                continue;
            }
            let spread = self.spread(message);
            match self.reach(target, BranchKey { slot, nonce }, spread, now, out) {
                Reach::Link(link) => {
                    match self.send_attempt(slot, target, link, message, via, now, out) {
                        Ok(()) => return,
                        Err(reason) => {
                            if let Some(context) = self.contexts.get_mut(slot) {
                                context.failure = Some(reason);
                            }
                        }
                    }
                }
                Reach::Waits => {
                    if let Some(context) = self.contexts.get_mut(slot) {
                        context.attempt = Attempt::Waiting(target);
                        context.give_time(now);
                        let next = context.deadlines.next();
                        self.wheel.arm(slot, next);
                    }
                    return;
                }
                Reach::Failed(reason) => {
                    if let Some(context) = self.contexts.get_mut(slot) {
                        context.failure = Some(reason);
                    }
                }
            }
        }
    }

    /// What the requests of one dialog share, where peers have several connections.
    pub(super) fn spread(&self, message: &Message<'_>) -> u64 {
        if !self.links.several() {
            return 0;
        }
        self.keyed(|h| std::hash::Hasher::write(h, message.call_id().unwrap_or_default()))
    }

    /// The connection of a waiting request has come up.
    pub(super) fn resume(
        &mut self,
        slot: u32,
        target: Leg,
        link: LinkId,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let request = std::mem::take(&mut context.request);
        if let Ok(message) = Message::parse(&request)
            && let Ok(via) = message.top_via()
            && let Err(reason) = self.send_attempt(slot, target, link, &message, &via, now, out)
        {
            if let Some(context) = self.contexts.get_mut(slot) {
                context.failure = Some(reason);
            }
            self.attempt_with(slot, &message, &via, now, out);
        }
        self.put_back(slot, request);
    }

    /// Gives the stored request back to its context, if that still lives and wants it.
    fn put_back(&mut self, slot: u32, request: Vec<u8>) {
        match self.contexts.get_mut(slot) {
            Some(context) if context.request.is_empty() => context.request = request,
            Some(_) | None => self.contexts.give_back(request),
        }
    }

    /// Looks for a link to the target.
    fn reach(
        &mut self,
        target: Leg,
        branch: BranchKey,
        spread: u64,
        now: Instant,
        out: &mut Actions,
    ) -> Reach {
        match target {
            Leg::Client(link) if link.shard() != self.shard => {
                if link.shard() < self.shards {
                    Reach::Link(link)
                } else {
                    Reach::Failed(MessageReason::FlowGone)
                }
            }
            Leg::Client(link) => match self.links.get(link) {
                Some(found) if found.leg == Leg::Client(link) && found.full => {
                    Reach::Failed(MessageReason::PeerCongested)
                }
                Some(found) if found.leg == Leg::Client(link) => Reach::Link(link),
                Some(_) | None => Reach::Failed(MessageReason::FlowGone),
            },
            Leg::Peer(key) => match self.links.for_requests(key, spread) {
                Pick::Link(link) => {
                    if self.links.several()
                        && let Some(peer) = self.links.lacks_links(key, now)
                    {
                        out.list.push(Action::Connect { peer });
                    }
                    Reach::Link(link)
                }
                Pick::Full => Reach::Failed(MessageReason::PeerCongested),
                Pick::None => {
                    let bound = self.limits.connect_queue;
                    let Some(peer) = self.links.active_mut(key) else {
                        return Reach::Failed(MessageReason::PeerWithdrawn);
                    };
                    let Some(reference) = peer.listed.current else {
                        return Reach::Failed(MessageReason::PeerWithdrawn);
                    };
                    if peer.is_down(now) {
                        return Reach::Failed(MessageReason::PeerUnreachable);
                    }
                    if peer.waiting.len() >= bound {
                        return Reach::Failed(MessageReason::ConnectQueueFull);
                    }
                    peer.waiting.push_back(branch);
                    if !peer.connecting {
                        peer.connecting = true;
                        out.list.push(Action::Connect { peer: reference });
                    }
                    Reach::Waits
                }
            },
        }
    }

    /// RFC 3261 §16.6 steps 1 to 10 for one target.
    ///
    /// # Errors
    /// What keeps it from being sent there; nothing has been.
    #[expect(clippy::too_many_arguments, reason = "what its callers have at hand")]
    fn send_attempt(
        &mut self,
        slot: u32,
        target: Leg,
        link: LinkId,
        message: &Message<'_>,
        via: &Via<'_>,
        now: Instant,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let Some(context) = self.contexts.get_mut(slot) else {
            return Ok(());
        };
        let key = BranchKey {
            slot,
            nonce: context.nonce,
        };
        let branch = Branch {
            shard: self.shard,
            key,
            loop_hash: context.plan.loop_hash,
        }
        .to_text();
        let start = out.bytes.len();
        let settings = self.tables.generation.topology().boundary();
        let rules = rules_of(target, &settings.clients, &self.links);
        let forwarding = Forwarding {
            faces: &self.faces,
            tokens: &self.tokens,
            plan: &context.plan,
            caller: context.leg,
            remote: context.remote,
            strip: stripped(context.plan.strip, &rules, context.plan.privacy),
            peer_name: settings
                .peer_name
                .then(|| told_name(context.leg, target, &self.links))
                .flatten(),
        };
        forwarding.write(message, via, target, &branch, &mut out.bytes);
        if let Leg::Peer(peer) = target
            && let Some(hiding) = Hiding::of(
                peer,
                &self.links,
                &self.tokens,
                &self.tables.routing,
                &self.faces.peers,
            )
        {
            hiding.hide(start, &mut out.bytes)?;
        }
        out.list.push(Action::Send {
            link,
            bytes: start..out.bytes.len(),
            branch: Some(key),
        });

        context.give_time(now);
        let client = match context.server {
            Server::Invite(_) => Client::Invite(InviteClient::Calling),
            Server::NonInvite(_) => Client::NonInvite(NonInviteClient::Trying),
        };
        context.attempt = Attempt::Sent {
            target,
            link,
            client,
        };
        let next = context.deadlines.next();
        self.wheel.arm(slot, next);
        self.links.add_branch(link, slot);
        Ok(())
    }

    /// The current branch is over: its link forgets it.
    pub(super) fn leave_branch(&mut self, slot: u32) {
        if let Some(context) = self.contexts.get(slot)
            && let Attempt::Sent { link, .. } = context.attempt
        {
            self.links.remove_branch(link, slot, self.shard);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what its callers have read already"
    )]
    /// Forwards an ACK for a 2xx, or a BENOTIFY, on `preferred` if it lives: no transaction, no answer, a branch of its
    /// own (RFC 3261 §16.7, last paragraphs).
    pub(super) fn forward_stateless(
        &mut self,
        message: &Message<'_>,
        via: &Via<'_>,
        plan: &Plan,
        leg: Leg,
        remote: std::net::SocketAddr,
        target: Leg,
        preferred: Option<LinkId>,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let nonce = self.nonce();
        // No context lives behind this branch: the slot is one that none can have.
        let key = BranchKey {
            slot: u32::MAX,
            nonce,
        };
        let branch = Branch {
            shard: self.shard,
            key,
            loop_hash: plan.loop_hash,
        }
        .to_text();
        let start = out.bytes.len();
        let settings = self.tables.generation.topology().boundary();
        let rules = rules_of(target, &settings.clients, &self.links);
        Forwarding {
            faces: &self.faces,
            tokens: &self.tokens,
            plan,
            caller: leg,
            remote,
            strip: stripped(plan.strip, &rules, plan.privacy),
            peer_name: settings
                .peer_name
                .then(|| told_name(leg, target, &self.links))
                .flatten(),
        }
        .write(message, via, target, &branch, &mut out.bytes);
        if let Leg::Peer(peer) = target
            && let Some(hiding) = Hiding::of(
                peer,
                &self.links,
                &self.tokens,
                &self.tables.routing,
                &self.faces.peers,
            )
        {
            hiding.hide(start, &mut out.bytes)?;
        }
        self.send_down(target, preferred, start, Sense::Always, out)
    }

    /// Sends octets that belong to something already under way: on the link it runs on, else on any link of that
    /// peer, else on one that is made for it, if it still makes `sense` by then. What was written since `start` is
    /// taken back if that fails.
    pub(super) fn send_down(
        &mut self,
        target: Leg,
        preferred: Option<LinkId>,
        start: usize,
        sense: Sense,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let bytes = start..out.bytes.len();
        let live = |link: &LinkId| link.shard() != self.shard || self.links.get(*link).is_some();
        let link = match target {
            Leg::Client(flow) => Some(flow).filter(|l| l.shard() < self.shards).filter(live),
            Leg::Peer(key) => preferred.filter(live).or_else(|| self.links.any_link(key)),
        };
        if let Some(link) = link {
            out.list.push(Action::Send {
                link,
                bytes,
                branch: None,
            });
            return Ok(());
        }
        let octets = out.bytes.get(bytes).map(<[u8]>::to_vec).unwrap_or_default();
        out.bytes.truncate(start);
        let Leg::Peer(key) = target else {
            return Err(MessageReason::FlowGone);
        };
        self.post(key, Mail { octets, sense }, out)
    }

    /// Keeps a message for a peer until it has a connection.
    fn post(&mut self, key: PeerKey, mail: Mail, out: &mut Actions) -> Result<(), MessageReason> {
        let bound = self.limits.connect_queue;
        let Some(peer) = self.links.active_mut(key) else {
            return Err(MessageReason::PeerWithdrawn);
        };
        let Some(reference) = peer.listed.current else {
            return Err(MessageReason::PeerWithdrawn);
        };
        if peer.mail.len() >= bound {
            return Err(MessageReason::ConnectQueueFull);
        }
        peer.mail.push(mail);
        if !peer.connecting {
            peer.connecting = true;
            out.list.push(Action::Connect { peer: reference });
        }
        Ok(())
    }

    /// How CANCEL and ACK of the current branch are derived from the stored request.
    pub(super) fn with_derived(
        faces: &Faces,
        shard: u8,
        slot: u32,
        context: &Context,
        write: impl FnOnce(&Message<'_>, &Derived<'_>),
    ) {
        let Ok(message) = Message::parse(&context.request) else {
            return;
        };
        let Some(target) = context.attempt.target() else {
            return;
        };
        let key = BranchKey {
            slot,
            nonce: context.nonce,
        };
        let branch = Branch {
            shard,
            key,
            loop_hash: context.plan.loop_hash,
        }
        .to_text();
        let shape = Shape::of(&message, &context.plan);
        let derived = Derived {
            request_uri: shape.request_uri,
            popped_routes: shape.popped,
            popped_last_route: context.plan.strict_in,
            appended_route: shape.append,
            sent_by: face(faces, target),
            branch: &branch,
            params: via_params(target),
        };
        write(&message, &derived);
    }
}

fn face(faces: &Faces, target: Leg) -> &str {
    match target {
        Leg::Peer(_) => &faces.peers,
        Leg::Client(_) => &faces.clients,
    }
}

/// Peers may send their requests back on the same connection (RFC 5923 §8.1).
fn via_params(target: Leg) -> ViaParams {
    match target {
        Leg::Peer(_) => ViaParams::Alias,
        Leg::Client(_) => ViaParams::Plain,
    }
}

/// Outcome of looking for a link.
enum Reach {
    Link(LinkId),
    Waits,
    Failed(MessageReason),
}

/// Request-URI and Route as they are sent (RFC 3261 §16.4 step 1, §16.6 step 6).
struct Shape<'a> {
    request_uri: &'a [u8],
    popped: usize,
    /// The next element is a strict router: the Request-URI goes to the end of the route.
    append: Option<&'a [u8]>,
}

impl<'a> Shape<'a> {
    fn of(message: &Message<'a>, plan: &'a Plan) -> Self {
        let received = match message.start() {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => b"",
        };
        let popped = usize::from(plan.popped_routes);
        let mut shape = Shape {
            request_uri: received,
            popped,
            append: None,
        };
        let mut routes = message.routes().flatten().map(|route| route.uri);
        let next = plan.strict_out.then(|| routes.nth(popped)).flatten();
        if plan.strict_in
            && let Some(last) = routes.last()
        {
            shape.request_uri = last;
        }
        if let Some(uri) = &plan.request_uri {
            shape.request_uri = uri;
        }
        if let Some(next) = next {
            shape.append = Some(shape.request_uri);
            shape.request_uri = next;
            shape.popped += 1;
        }
        shape
    }
}

/// What it takes to write a forwarded request.
struct Forwarding<'c> {
    faces: &'c Faces,
    tokens: &'c TokenBox,
    plan: &'c Plan,
    caller: Leg,
    remote: std::net::SocketAddr,
    strip: HeaderSet,
    /// The sender's verified name, where it is told.
    peer_name: Option<&'c str>,
}

impl Forwarding<'_> {
    fn write(
        &self,
        message: &Message<'_>,
        via: &Via<'_>,
        target: Leg,
        branch: &BranchText,
        out: &mut Vec<u8>,
    ) {
        let plan = self.plan;
        let face_down = face(self.faces, target);
        let shape = Shape::of(message, plan);
        let mut uris: SmallVec<[SmallVec<[u8; 160]>; 2]> = SmallVec::new();
        if plan.record_route {
            let token = self.tokens.dialog(
                self.caller,
                target,
                plan.to_host,
                message.call_id().unwrap_or_default(),
            );
            let face_up = match self.caller {
                Leg::Peer(_) => self.faces.peers.as_str(),
                Leg::Client(_) => self.faces.clients.as_str(),
            };
            // RFC 5658 §5: each side gets a value that it can reach; one serves both when the faces are the same.
            uris.push(route_uri(plan.sips, &token, face_up, b";lr"));
            if face_up != face_down {
                uris.push(route_uri(plan.sips, &token, face_down, b";lr"));
            }
        }
        let path = match self.caller {
            Leg::Client(flow) if plan.path => {
                let token = self.tokens.flow(flow);
                let params: &[u8] = if plan.outbound { b";lr;ob" } else { b";lr" };
                Some(route_uri(plan.sips, &token, &self.faces.peers, params))
            }
            Leg::Client(_) | Leg::Peer(_) => None,
        };

        let mut edits = Edits::new(message);
        if plan.strict_in || shape.append.is_some() || plan.request_uri.is_some() {
            edits.set_request_uri(shape.request_uri);
        }
        edits.stamp_top_via(via, self.remote);
        edits.prepend_via(face_down, branch, via_params(target));
        edits.set_max_forwards(plan.max_forwards);
        if let Some(breadth) = plan.max_breadth {
            edits.set_max_breadth(breadth);
        }
        if shape.popped > 0 {
            edits.pop_routes(shape.popped);
        }
        if plan.strict_in {
            edits.pop_last_route();
        }
        if let Some(uri) = shape.append {
            edits.append_route(uri);
        }
        for uri in &uris {
            edits.prepend_record_route(uri);
        }
        if let Some(uri) = &path {
            // What a client writes there would make the registrar route through it.
            edits.strip(HeaderName::Path);
            edits.prepend_path(uri);
            if !plan.announces_path {
                edits.announce_path();
            }
        }
        edits.strip_all(self.strip);
        plan.not_asserted.drop_from(&mut edits);
        if let Some(name) = self.peer_name {
            edits.insert_peer_name(name);
        }
        edits.write(out);
    }
}

/// A URI of ours for Record-Route or Path.
///
/// **Deviation:** `transport=tls` is deprecated (RFC 3261 §26.2.2), but without it RFC 3263 §4.1 makes UDP of a `sip:` URI
/// with a port, and both baresip and Kamailio send the next request of the dialog there, where nobody listens.
fn route_uri(sips: bool, token: &TokenText, face: &str, params: &[u8]) -> SmallVec<[u8; 160]> {
    let mut uri = SmallVec::new();
    uri.extend_from_slice(if sips { b"sips:" } else { b"sip:" });
    uri.extend_from_slice(token);
    uri.push(b'@');
    uri.extend_from_slice(face.as_bytes());
    if !sips {
        uri.extend_from_slice(b";transport=tls");
    }
    uri.extend_from_slice(params);
    uri
}
