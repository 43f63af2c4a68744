//! Requests coming in: validation (RFC 3261 §16.3), policy in place of target determination (§16.5), and the response
//! context that follows.
use super::boundary::Privacy;
use super::context::{Attempt, Context, Plan};
use super::leg::{Leg, TargetSet};
use super::parsed::{Parsed, Target};
use super::policy::{self, Asks, Standing};
use super::routed::{Routed, maddr_of};
use super::side;
use super::token::Token;
use super::transaction::{
    Deadlines, InviteServer, Letter, NonInviteServer, Server, T64, TRYING, TRYING_NON_INVITE,
};
use super::{Action, Actions, Core, MessageReason, Origin, keep_alive};
use crate::sip::{Address, HeaderName, Message, Method, Rule, Scheme, Via};
use std::hash::Hasher as _;
use std::time::Instant;

/// Option tags in Proxy-Require that this proxy supports. `ms-benotify` stands in every SUBSCRIBE of a Lync client: whoever
/// is on the way must not wait for an answer to BENOTIFY (MS-SIP §3.5.1.1).
const PROXY_EXTENSIONS: [&[u8]; 1] = [b"ms-benotify"];

impl Core {
    pub(super) fn on_request(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        method: Method<'_>,
        target: Target<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(leg) = self.leg(from) else {
            return;
        };
        let request = match Parsed::read(message, method, target) {
            Ok(request) => request,
            Err(reason) => {
                return self.refuse(from, leg, message, reason, now, out);
            }
        };
        let side = self.side_of(from, leg);
        let mut key = self.transaction_key(side, &request);
        if matches!(method, Method::Ack | Method::Cancel) && self.contexts.by_key(key).is_none() {
            key = self.key_before(from, leg, &request).unwrap_or(key);
        }
        match method {
            Method::Ack => return self.on_ack(from, leg, message, &request, key, now, out),
            Method::Cancel => return self.on_cancel(from, leg, message, key, now, out),
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Info
            | Method::Refer
            | Method::Message
            | Method::Update => {}
            // It is between the two ends of a connection, whatever its From, To and Max-Forwards say: never forwarded.
            Method::Other(b"NEGOTIATE") => {
                let refusal = MessageReason::NegotiateUnsupported;
                return self.refuse(from, leg, message, refusal, now, out);
            }
            Method::Other(_) if method.is_best_effort() => {
                return self.on_best_effort(from, leg, message, &request, now, out);
            }
            Method::Other(_) => {}
        }
        if let Some(slot) = self.contexts.by_key(key) {
            return self.on_repeat(slot, out);
        }
        match self.admit(from, leg, message, &request, now) {
            Ok(Admitted::Forward(plan, targets)) => {
                let slot = self.open_context(from, leg, message, &request, key, plan, targets, now);
                self.attempt_with(slot, message, &request.via, now, out);
            }
            Ok(Admitted::AnswerOptions) => self.answer_options(from, leg, message, key, out),
            Err(refusal) => self.refuse(from, leg, message, refusal, now, out),
        }
    }

    /// The order of RFC 3261 §16.3, then §16.4 and the policy.
    pub(super) fn admit<'a>(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'a>,
        request: &Parsed<'a>,
        now: Instant,
    ) -> Result<Admitted, MessageReason> {
        // §16.3 step 2.
        // A service (RFC 5031) has no place of its own: it goes where its sender's requests go, or by Route, and is refused
        // only where it would have to be routed itself.
        if request.uri.scheme == Scheme::Other && !is_urn(request.request_uri) {
            return Err(MessageReason::UnsupportedScheme);
        }
        // §16.3 step 3; an OPTIONS for this node has arrived where it wanted to go.
        let for_us = self.asks_this_node(from, request);
        if request.max_forwards == Some(0) && !for_us {
            return Err(MessageReason::TooManyHops);
        }
        // §16.3 step 4.
        let loop_hash = self.loop_hash(leg, request);
        if self.has_looped(message, loop_hash) {
            return Err(MessageReason::LoopDetected);
        }
        // §16.3 step 5.
        if unsupported_extension(message)? {
            return Err(MessageReason::BadExtension);
        }
        // RFC 5393 §5.3.3: targets are tried one after the other, so one branch gets the whole breadth.
        if request.max_breadth == 0 {
            return Err(MessageReason::MaxBreadthExceeded);
        }
        let routed = self.preprocess(from, request)?;
        let for_us = for_us && routed.token.is_none() && routed.next_route.is_none();
        let (standing, targets) = match self.judge(from, leg, request, &routed, now) {
            // Who asks is said by the certificate: servers ping in whatever name, `dispatcher@localhost` or an address.
            Err(refusal)
                if for_us
                    && refusal == MessageReason::FromNotAllowed
                    && matches!(leg, Leg::Peer(_)) =>
            {
                return Ok(Admitted::AnswerOptions);
            }
            judged => judged?,
        };
        // A request for this node itself, such as a peer's health ping, is answered as its final recipient (§11).
        if for_us {
            return Ok(Admitted::AnswerOptions);
        }
        let mut targets = targets?;
        self.at_boundary(standing, message, request, &routed, &mut targets)?;
        self.within_budget(from, leg, request.method, &routed)?;
        let plan = self.plan(standing, leg, message, request, &routed, loop_hash)?;
        Ok(Admitted::Forward(plan, targets))
    }

    /// Whether this is an OPTIONS for this node itself: our own name, no user (RFC 3261 §11).
    fn asks_this_node(&self, from: &Origin, request: &Parsed<'_>) -> bool {
        request.method == Method::Options
            && request.uri.user.is_none()
            && self.tables.routing.is_node(&request.uri, from.local)
    }

    /// Who may do what. The outer error refuses the sender, the inner one only the way onward.
    pub(super) fn judge(
        &mut self,
        from: &Origin,
        leg: Leg,
        request: &Parsed<'_>,
        routed: &Routed<'_>,
        now: Instant,
    ) -> Result<(Standing, Result<TargetSet, MessageReason>), MessageReason> {
        let standing = Standing::of(leg, &self.links).ok_or(MessageReason::TrustWithdrawn)?;
        if self.links.get(from.link).is_some_and(|l| !l.trusted) {
            return Err(MessageReason::TrustWithdrawn);
        }
        let random = self.nonce();
        let asks = Asks {
            target: match &routed.next_route {
                Some(route) => maddr_of(route)?.unwrap_or(route.host),
                None => routed.host,
            },
            request_uri: routed.uri,
            is_sealed: request.is_sealed && !routed.strict_in,
            from: request.from_uri,
            to: request.to,
            token: routed.token,
            next_route: routed.next_route,
            call_id: request.call_id,
            random,
            also: side::also(from),
        };
        let targets = policy::judge(standing, &asks, &self.tables.routing, &self.links, now);
        match targets {
            Err(reason @ (MessageReason::FromNotAllowed | MessageReason::DomainDenied)) => {
                Err(reason)
            }
            Err(reason) => Ok((standing, Err(reason))),
            Ok(targets) => Ok((standing, Ok(targets))),
        }
    }

    fn within_budget(
        &self,
        from: &Origin,
        leg: Leg,
        method: Method<'_>,
        routed: &Routed<'_>,
    ) -> Result<(), MessageReason> {
        let in_dialog = matches!(routed.token, Some(Token::Dialog { .. }));
        if self.draining && !in_dialog {
            return Err(MessageReason::Draining);
        }
        // Under overload what has begun is finished first: requests of dialogs get an eighth more, and a BYE one more still,
        // since an answered re-INVITE keeps its room for 32 seconds.
        let eighths = usize::from(in_dialog) + usize::from(in_dialog && method == Method::Bye);
        let bound = |limit: usize| limit.saturating_add((limit / 8 + 1).saturating_mul(eighths));
        if self.contexts.len() >= bound(self.limits.transactions) {
            return Err(MessageReason::TooManyTransactions);
        }
        let in_flight = self
            .links
            .get(from.link)
            .map_or(0, |l| l.in_flight as usize);
        if matches!(leg, Leg::Client(_)) && in_flight >= bound(self.limits.transactions_per_client)
        {
            return Err(MessageReason::ClientBudget);
        }
        Ok(())
    }

    /// The edits that every branch of this request shares (RFC 3261 §16.6).
    fn plan(
        &self,
        standing: Standing,
        leg: Leg,
        message: &Message<'_>,
        request: &Parsed<'_>,
        routed: &Routed<'_>,
        loop_hash: u32,
    ) -> Result<Plan, MessageReason> {
        let record_route = is_recorded(request.method);
        let path = request.method == Method::Register && matches!(standing, Standing::Client(_));
        let to_host = if record_route {
            // A To that names no host gives nobody the right to that name.
            let to = request.to.parse_uri();
            to.map_or(u32::MAX, |to| policy::host_hash(&to))
        } else {
            0
        };
        let (strip, not_asserted) = self.stripped_of_request(leg, message, request);
        Ok(Plan {
            popped_routes: routed.popped,
            strict_in: routed.strict_in,
            strict_out: routed.is_strict_out(),
            max_forwards: request.max_forwards.map_or(70, |n| n - 1),
            max_breadth: Some(request.max_breadth),
            request_uri: routed.rewritten_uri(),
            in_dialog: matches!(routed.token, Some(Token::Dialog { .. })),
            record_route,
            sips: routed.uri.scheme == Scheme::Sips
                || routed.next_route.is_some_and(|r| r.scheme == Scheme::Sips),
            path,
            announces_path: path && begins_with_path(message),
            knows_path: path
                && (names_path(message, HeaderName::Supported)
                    || names_path(message, HeaderName::Require)),
            not_asserted,
            outbound: path && is_outbound_registration(message),
            strip,
            privacy: Privacy::read(message),
            keep_alive: keep_alive::is_offered(message),
            loop_hash,
            to_host,
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the new context"
    )]
    fn open_context(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        request: &Parsed<'_>,
        key: u128,
        plan: Plan,
        targets: TargetSet,
        now: Instant,
    ) -> u32 {
        let invite = request.method == Method::Invite;
        let (server, letter, trying) = if invite {
            (Server::Invite(InviteServer::Proceeding), Letter::B, TRYING)
        } else {
            (
                Server::NonInvite(NonInviteServer::Trying),
                Letter::F,
                TRYING_NON_INVITE,
            )
        };
        let mut copy = self.contexts.buffer();
        copy.extend_from_slice(message.bytes());
        if let Some(link) = self.links.get_mut(from.link) {
            link.in_flight += 1;
        }
        let nonce = self.nonce();
        self.contexts.insert(Context {
            nonce,
            server,
            attempt: Attempt::None,
            key,
            link: from.link,
            leg,
            remote: from.remote,
            request: copy,
            call_id: message.place_of(request.call_id),
            plan,
            targets,
            tried: 0,
            deadlines: Deadlines {
                trying: Some(now + trying),
                letter,
                at: now + T64,
            },
            received: now,
            cancel_wanted: false,
            cancel_sent: false,
            last_response: Vec::new(),
            to_tag: nonce.rotate_left(32) ^ key as u64,
            failure: None,
        })
    }

    /// The same request again on a server transaction that lives (RFC 3261 §17.2.1, §17.2.2; RFC 6026 §7.1).
    fn on_repeat(&mut self, slot: u32, out: &mut Actions) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        if matches!(
            context.server,
            Server::Invite(InviteServer::Proceeding | InviteServer::Completed)
                | Server::NonInvite(NonInviteServer::Proceeding)
        ) && !context.last_response.is_empty()
        {
            let (link, leg) = (context.link, context.leg);
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&context.last_response);
            self.send_up(link, leg, start, out);
        }
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method (ACK and CANCEL as INVITE), and, ours, who sent it. A branch
    /// without the cookie (RFC 2543) is replaced by the fields that identified a transaction then.
    pub(super) fn transaction_key(&self, side: u64, request: &Parsed<'_>) -> u128 {
        use siphasher::sip128::Hasher128 as _;
        let mut hasher =
            siphasher::sip128::SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        let mut field = |octets: &[u8]| {
            hasher.write_u32(octets.len() as u32);
            hasher.write(octets);
        };
        field(&side.to_be_bytes());
        match request.method {
            Method::Invite | Method::Ack | Method::Cancel => field(b"INVITE"),
            Method::Bye
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Info
            | Method::Refer
            | Method::Message
            | Method::Update
            | Method::Other(_) => field(request.method.as_bytes()),
        }
        let mut buffer = [0; 253];
        match (request.via.host.lower(&mut buffer), request.via.host.ip()) {
            (Some(name), _) => field(name.as_bytes()),
            (None, Some(address)) => field(address.to_string().as_bytes()),
            (None, None) => field(request.via.sent_by),
        }
        field(&request.via.port.unwrap_or(0).to_be_bytes());
        if request.via.has_cookie() {
            field(request.via.branch.unwrap_or_default());
        } else {
            field(request.request_uri);
            field(request.from.tag().unwrap_or_default());
            field(request.call_id);
            field(&request.cseq.number.to_be_bytes());
            field(request.via.params);
        }
        hasher.finish128().as_u128()
    }

    /// RFC 5393 §4.2.1: a hash of everything that influences routing, independent of the method.
    fn loop_hash(&self, leg: Leg, request: &Parsed<'_>) -> u32 {
        self.keyed(|h| {
            h.write_u64(leg.as_u64());
            h.write_u32(request.cseq.number);
            h.write(request.call_id);
            h.write_u8(0);
            h.write(request.request_uri);
            for route in &request.routes {
                h.write_u8(0);
                h.write(route.uri);
            }
        }) as u32
    }

    /// RFC 5393 §4.2.2: an equal hash in a Via of ours is a loop, another one a spiral.
    fn has_looped(&self, message: &Message<'_>, loop_hash: u32) -> bool {
        let below = message.values(HeaderName::Via).skip(1).flatten();
        below.filter_map(|value| Via::parse(value).ok()).any(|via| {
            self.is_own_sent_by(&via)
                && via
                    .branch
                    .and_then(super::branch::Branch::parse)
                    .is_some_and(|b| b.loop_hash == loop_hash)
        })
    }

    /// Whether a sent-by is one of our faces, with white space, case and the default port as the grammar allows them.
    pub(super) fn is_own_sent_by(&self, via: &Via<'_>) -> bool {
        [&self.faces.peers, &self.faces.clients]
            .into_iter()
            .any(|face| {
                if via.sent_by.eq_ignore_ascii_case(face.as_bytes()) {
                    return true;
                }
                // A name, with a port unless that is the default one.
                let (host, port) = match face.rsplit_once(':') {
                    Some((host, port)) => (host, port.parse().unwrap_or(5061)),
                    None => (face.as_str(), 5061),
                };
                via.host.is_name(host) && via.port.unwrap_or(5061) == port
            })
    }

    /// Logs a message that gets no answer.
    pub(super) fn drop_message(
        &self,
        from: &Origin,
        leg: Leg,
        reason: MessageReason,
        out: &mut Actions,
    ) {
        out.list
            .push(Action::Event(crate::observe::Event::MessageDropped {
                reason: reason.into(),
                remote: Some(from.remote),
                peer: self.peer_name_of(leg),
            }));
    }
}

/// What becomes of a request that may pass.
pub(super) enum Admitted {
    Forward(Plan, TargetSet),
    AnswerOptions,
}

/// Whether we record a route for requests of this method: those that form a dialog, or may (RFC 3261 §16.6 step 4).
pub(super) fn is_recorded(method: Method<'_>) -> bool {
    match method {
        Method::Invite | Method::Subscribe | Method::Refer | Method::Notify | Method::Other(_) => {
            true
        }
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Prack
        | Method::Publish
        | Method::Info
        | Method::Message
        | Method::Update => false,
    }
}

/// Whether Proxy-Require holds a tag that we do not support.
fn unsupported_extension(message: &Message<'_>) -> Result<bool, MessageReason> {
    if message.count(HeaderName::ProxyRequire) == 0 {
        return Ok(false);
    }
    for tag in message.values(HeaderName::ProxyRequire) {
        let tag = match tag {
            Ok(tag) => tag,
            // It asks for nothing.
            Err(fault) if fault.rule == Rule::EmptyValue => continue,
            Err(_) => return Err(MessageReason::MalformedRequest),
        };
        // Option tags are tokens, which are compared without case (RFC 3261 §7.3.1).
        let is_known = PROXY_EXTENSIONS.iter().any(|t| t.eq_ignore_ascii_case(tag));
        if !is_known {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_urn(uri: &[u8]) -> bool {
    uri.get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"urn:"))
}

/// Whether the first line of Supported names `path`.
fn begins_with_path(message: &Message<'_>) -> bool {
    let first = message.first(HeaderName::Supported).unwrap_or_default();
    first
        .split(|b| *b == b',')
        .any(|tag| tag.trim_ascii().eq_ignore_ascii_case(b"path"))
}

/// Whether a list of option tags names `path` (RFC 3327 §5.1).
fn names_path(message: &Message<'_>, list: HeaderName) -> bool {
    let mut tags = message.values(list).flatten();
    tags.any(|tag| tag.eq_ignore_ascii_case(b"path"))
}

/// RFC 5626 §5.1: we are the first hop (one Via), and a Contact has a `reg-id`.
fn is_outbound_registration(message: &Message<'_>) -> bool {
    message.vias().count() == 1
        && message
            .values(HeaderName::Contact)
            .flatten()
            .filter_map(|value| Address::parse(value).ok())
            .any(|contact| contact.param("reg-id").is_some())
}
