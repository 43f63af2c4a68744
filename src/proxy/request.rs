//! Requests coming in: validation (RFC 3261 §16.3), route preprocessing (§16.4), policy in place of target
//! determination (§16.5), and the response context that follows.
use super::answer::Refusal;
use super::boundary::Privacy;
use super::context::{Attempt, Context, Plan};
use super::links::Party;
use super::policy::{self, Asks, Standing};
use super::routing::Hops;
use super::token::{Token, TokenFault};
use super::transaction::{
    Deadlines, InviteServer, Letter, NonInviteServer, Server, T64, TRYING, TRYING_NON_INVITE,
};
use super::{Action, Actions, Core, Origin, Reason};
use crate::sip::{Address, CSeq, HeaderName, Host, Message, Method, Scheme, Uri, Via};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::time::Instant;

/// Option tags in Proxy-Require that this proxy supports: none is asked of a proxy by the extensions it implements.
const PROXY_EXTENSIONS: [&[u8]; 0] = [];

/// The most Route values of a request: Max-Forwards begins at 70, so no honest route is longer; and what each costs is
/// bounded.
const MOST_ROUTES: usize = 100;

/// Max-Breadth that is added where there is none, and the most that is passed on (RFC 5393 §5.3.3).
const MAX_BREADTH: u8 = 60;

/// The fields of a request that a proxy uses, read once.
pub(super) struct Parsed<'a> {
    pub(super) method: Method<'a>,
    pub(super) request_uri: &'a [u8],
    pub(super) uri: Uri<'a>,
    pub(super) via: Via<'a>,
    pub(super) from: Address<'a>,
    pub(super) from_uri: Uri<'a>,
    pub(super) to: Address<'a>,
    pub(super) call_id: &'a [u8],
    pub(super) cseq: CSeq<'a>,
    pub(super) max_forwards: Option<u8>,
    pub(super) max_breadth: u8,
    pub(super) routes: SmallVec<[Address<'a>; 4]>,
}

impl<'a> Parsed<'a> {
    /// RFC 3261 §16.3 step 1: the syntax of everything that we use, and nothing else.
    fn read(
        message: &Message<'a>,
        method: Method<'a>,
        request_uri: &'a [u8],
    ) -> Result<Self, Reason> {
        if let Some(fault) = message.fault() {
            return Err(if fault.rule == "bad_version" {
                Reason::BadVersion
            } else {
                Reason::MalformedRequest
            });
        }
        let malformed = |_| Reason::MalformedRequest;
        let from = message.from().map_err(malformed)?;
        let cseq = message.cseq().map_err(malformed)?;
        if cseq.method != method {
            return Err(Reason::MalformedRequest);
        }
        let via = message.top_via().map_err(malformed)?;
        if via
            .branch
            .is_some_and(|b| b.eq_ignore_ascii_case(b"z9hG4bK"))
        {
            return Err(Reason::BadBranch);
        }
        let uri = Uri::parse(request_uri).map_err(malformed)?;
        // RFC 3261 §19.1.1 allows header parts in a Contact or a link, never here.
        if !uri.headers.is_empty() {
            return Err(Reason::MalformedRequest);
        }
        let routes: SmallVec<[Address<'a>; 4]> = message
            .routes()
            .take(MOST_ROUTES + 1)
            .collect::<Result<_, _>>()
            .map_err(malformed)?;
        if routes.len() > MOST_ROUTES {
            return Err(Reason::TooManyRoutes);
        }
        let breadth = message.max_breadth().map_err(malformed)?;
        Ok(Self {
            method,
            request_uri,
            uri,
            via,
            from_uri: from.parse_uri().map_err(malformed)?,
            from,
            to: message.to().map_err(malformed)?,
            call_id: message.call_id().map_err(malformed)?,
            cseq,
            max_forwards: message.max_forwards().map_err(malformed)?,
            max_breadth: breadth.map_or(MAX_BREADTH, |b| {
                u8::try_from(b).unwrap_or(MAX_BREADTH).min(MAX_BREADTH)
            }),
            routes,
        })
    }
}

/// What route preprocessing found (RFC 3261 §16.4).
pub(super) struct Routed<'a> {
    pub(super) token: Option<Token>,
    pub(super) popped: u8,
    pub(super) strict_in: bool,
    /// The Request-URI reached us by an `maddr` that names us, which is taken out.
    pub(super) strips_maddr: bool,
    pub(super) uri: Uri<'a>,
    /// As written.
    pub(super) uri_text: &'a [u8],
    pub(super) next_route: Option<Uri<'a>>,
}

impl Routed<'_> {
    /// RFC 3261 §16.4 step 2: without an `maddr` of ours, and without the port and transport that belong to it.
    pub(super) fn rewritten_uri(&self) -> Option<Box<[u8]>> {
        if !self.strips_maddr {
            return None;
        }
        let text = self.uri_text;
        let params = text.len().saturating_sub(self.uri.params.len());
        let (place, params) = text.split_at_checked(params).unwrap_or((text, b""));
        let mut uri = Vec::with_capacity(text.len());
        let port = self.uri.port.map(|port| format!(":{port}"));
        uri.extend_from_slice(match port {
            Some(port) => place.strip_suffix(port.as_bytes()).unwrap_or(place),
            None => place,
        });
        for param in params.split(|b| *b == b';').filter(|p| !p.is_empty()) {
            let name = param.split(|b| *b == b'=').next().unwrap_or_default();
            let goes = [&b"maddr"[..], b"transport", b"ttl"];
            if !goes.iter().any(|n| name.eq_ignore_ascii_case(n)) {
                uri.push(b';');
                uri.extend_from_slice(param);
            }
        }
        Some(uri.into_boxed_slice())
    }
}

impl Core {
    pub(super) fn on_request(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        method: Method<'_>,
        request_uri: &[u8],
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(party) = self.party(from) else {
            return;
        };
        let request = match Parsed::read(message, method, request_uri) {
            Ok(request) => request,
            Err(reason) => {
                return self.refuse(from, party, message, &Refusal::new(reason), now, out);
            }
        };
        let key = self.transaction_key(party, &request, message);
        match method {
            Method::Ack => return self.on_ack(from, party, message, &request, key, now, out),
            Method::Cancel => return self.on_cancel(from, party, message, key, now, out),
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
                let refusal = Refusal::new(Reason::NegotiateUnsupported);
                return self.refuse(from, party, message, &refusal, now, out);
            }
            Method::Other(_) => {}
        }
        if let Some(slot) = self.contexts.by_key(key) {
            return self.on_repeat(slot, out);
        }
        match self.admit(from, party, message, &request, now) {
            Ok(Admitted::Forward(plan, hops)) => {
                let slot = self.open_context(from, party, message, &request, key, plan, hops, now);
                self.attempt_with(slot, message, now, out);
            }
            Ok(Admitted::AnswerOptions) => self.answer_options(from, party, message, key, out),
            Err(refusal) => self.refuse(from, party, message, &refusal, now, out),
        }
    }

    /// The order of RFC 3261 §16.3, then §16.4 and the policy.
    fn admit<'a>(
        &mut self,
        from: &Origin,
        party: Party,
        message: &Message<'a>,
        request: &Parsed<'a>,
        now: Instant,
    ) -> Result<Admitted, Refusal> {
        // §16.3 step 2.
        if request.uri.scheme == Scheme::Other {
            return Err(Refusal::new(Reason::UnsupportedScheme));
        }
        // §16.3 step 3; an OPTIONS for this node has arrived where it wanted to go.
        let for_us = self.asks_this_node(from, request);
        if request.max_forwards == Some(0) && !for_us {
            return Err(Refusal::new(Reason::TooManyHops));
        }
        // §16.3 step 4.
        let loop_hash = self.loop_hash(party, request);
        if self.has_looped(message, loop_hash) {
            return Err(Refusal::new(Reason::LoopDetected));
        }
        // §16.3 step 5.
        if unsupported_extension(message)? {
            return Err(Refusal::new(Reason::BadExtension));
        }
        // RFC 5393 §5.3.3: targets are tried one after the other, so one branch gets the whole breadth.
        if request.max_breadth == 0 {
            return Err(Refusal::new(Reason::MaxBreadthExceeded));
        }
        let routed = self.preprocess(from, request)?;
        let for_us = for_us && routed.token.is_none() && routed.next_route.is_none();
        let (standing, hops) = match self.judge(from, party, request, &routed, now) {
            // A peer pings in its own name, which need not be of a domain that it may assert towards others.
            Err(refusal)
                if for_us
                    && refusal.reason == Reason::FromNotAllowed
                    && matches!(party, Party::Peer(key) if self.routing.peer(&request.from_uri.host) == Some(key)) =>
            {
                return Ok(Admitted::AnswerOptions);
            }
            judged => judged?,
        };
        // A request for this node itself, such as a peer's health ping, is answered as its final recipient (§11).
        if for_us {
            return Ok(Admitted::AnswerOptions);
        }
        let mut hops = hops?;
        self.at_boundary(standing, message, request, &routed, &mut hops)
            .map_err(Refusal::new)?;
        self.within_budget(from, party, request.method, &routed)?;
        let plan = self.plan(standing, party, message, request, &routed, loop_hash)?;
        Ok(Admitted::Forward(plan, hops))
    }

    /// Whether this is an OPTIONS for this node itself: our own name, no user (RFC 3261 §11).
    fn asks_this_node(&self, from: &Origin, request: &Parsed<'_>) -> bool {
        request.method == Method::Options
            && request.uri.user.is_none()
            && self.routing.is_node(&request.uri, from.local)
    }

    /// RFC 3261 §16.4: removes what names us from the front of the route, and opens its token.
    pub(super) fn preprocess<'a>(
        &self,
        from: &Origin,
        request: &Parsed<'a>,
    ) -> Result<Routed<'a>, Refusal> {
        let forged = |fault| {
            Refusal::new(match fault {
                TokenFault::Forged => Reason::TokenForged,
                TokenFault::EarlierRun => Reason::FlowGone,
            })
        };
        let mut routed = Routed {
            token: None,
            popped: 0,
            strict_in: false,
            strips_maddr: false,
            uri: request.uri,
            uri_text: request.request_uri,
            next_route: None,
        };
        let mut routes = request.routes.as_slice();
        // Step 1: a strict router in front of us has put our Record-Route URI into the Request-URI. Only then does a
        // Request-URI that names us bear `lr`.
        if request.uri.param("lr").is_some()
            && let Some(user) = request.uri.user
            && self.routing.is_node(&request.uri, from.local)
            && let Some((last, rest)) = routes.split_last()
        {
            routed.token = Some(self.tokens.open(user, request.call_id).map_err(forged)?);
            routed.strict_in = true;
            routed.uri = last
                .parse_uri()
                .map_err(|_| Refusal::new(Reason::MalformedRequest))?;
            routed.uri_text = last.uri;
            routes = rest;
        }
        // Step 2: `maddr` brought the request to us and has done its work.
        if let Some(host) = maddr_of(&routed.uri)? {
            let port = routed.uri.port;
            routed.strips_maddr = self.routing.is_own_host(&host, port, from.local);
        }
        // Step 3, and RFC 5658 §5: ours, and directly behind it our other face of the same token.
        let mut user_seen: Option<&[u8]> = None;
        while let Some((first, rest)) = routes.split_first() {
            let uri = first
                .parse_uri()
                .map_err(|_| Refusal::new(Reason::MalformedRequest))?;
            if !self.routing.is_own(&uri, from.local) {
                routed.next_route = Some(uri);
                break;
            }
            match (uri.user, user_seen) {
                // A user at a home domain is nobody's token: the home servers' business.
                (Some(_), _) if self.routing.is_home(&uri.host) => {
                    routed.next_route = Some(uri);
                    break;
                }
                // A preloaded route through us; it names us, no more.
                (None, _) => {}
                (Some(user), None) if routed.token.is_none() => {
                    routed.token = Some(self.tokens.open(user, request.call_id).map_err(forged)?);
                    user_seen = Some(user);
                }
                (Some(user), Some(seen)) if user == seen => {}
                // Another dialog leg of ours that is reached only after the next hop: leave it there.
                (Some(_), _) => {
                    routed.next_route = Some(uri);
                    break;
                }
            }
            routed.popped = routed.popped.saturating_add(1);
            routes = rest;
        }
        Ok(routed)
    }

    /// Who may do what. The outer error refuses the sender, the inner one only the way onward.
    pub(super) fn judge(
        &mut self,
        from: &Origin,
        party: Party,
        request: &Parsed<'_>,
        routed: &Routed<'_>,
        now: Instant,
    ) -> Result<(Standing, Result<Hops, Refusal>), Refusal> {
        let standing =
            Standing::of(party, &self.links).ok_or(Refusal::new(Reason::TrustWithdrawn))?;
        if self.links.get(from.link).is_some_and(|l| !l.trusted) {
            return Err(Refusal::new(Reason::TrustWithdrawn));
        }
        let random = self.nonce();
        let asks = Asks {
            target: match &routed.next_route {
                Some(route) => maddr_of(route)?.unwrap_or(route.host),
                None if routed.strips_maddr => routed.uri.host,
                None => maddr_of(&routed.uri)?.unwrap_or(routed.uri.host),
            },
            request_uri: routed.uri,
            from: request.from_uri,
            to: request.to,
            token: routed.token,
            next_route: routed.next_route,
            call_id: request.call_id,
            random,
        };
        let hops = policy::judge(standing, &asks, &self.routing, &self.links, now);
        match hops {
            Err(reason @ (Reason::FromNotAllowed | Reason::DomainDenied)) => {
                Err(Refusal::new(reason))
            }
            Err(reason) => Ok((standing, Err(Refusal::new(reason)))),
            Ok(hops) => Ok((standing, Ok(hops))),
        }
    }

    fn within_budget(
        &self,
        from: &Origin,
        party: Party,
        method: Method<'_>,
        routed: &Routed<'_>,
    ) -> Result<(), Refusal> {
        let in_dialog = matches!(routed.token, Some(Token::Dialog { .. }));
        if self.draining && !in_dialog {
            return Err(Refusal::new(Reason::Draining));
        }
        // Under overload what has begun is finished first: requests of dialogs get an eighth more, and a BYE one more still,
        // since an answered re-INVITE keeps its room for 32 seconds.
        let eighths = usize::from(in_dialog) + usize::from(in_dialog && method == Method::Bye);
        let bound = |limit: usize| limit.saturating_add((limit / 8 + 1).saturating_mul(eighths));
        if self.contexts.len() >= bound(self.limits.transactions) {
            return Err(Refusal::new(Reason::TooManyTransactions));
        }
        let in_flight = self
            .links
            .get(from.link)
            .map_or(0, |l| l.in_flight as usize);
        if matches!(party, Party::Client(_))
            && in_flight >= bound(self.limits.transactions_per_client)
        {
            return Err(Refusal::new(Reason::ClientBudget));
        }
        Ok(())
    }

    /// The edits that every branch of this request shares (RFC 3261 §16.6).
    fn plan(
        &self,
        standing: Standing,
        party: Party,
        message: &Message<'_>,
        request: &Parsed<'_>,
        routed: &Routed<'_>,
        loop_hash: u32,
    ) -> Result<Plan, Refusal> {
        let record_route = match request.method {
            Method::Invite
            | Method::Subscribe
            | Method::Refer
            | Method::Notify
            | Method::Other(_) => true,
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
        };
        let path = request.method == Method::Register && matches!(standing, Standing::Client(_));
        let to_host = if record_route {
            let to = request
                .to
                .parse_uri()
                .map_err(|_| Refusal::new(Reason::MalformedRequest))?;
            policy::host_hash(&to)
        } else {
            0
        };
        Ok(Plan {
            popped_routes: routed.popped,
            strict_in: routed.strict_in,
            max_forwards: request.max_forwards.map_or(70, |n| n - 1),
            max_breadth: Some(request.max_breadth),
            request_uri: routed.rewritten_uri(),
            in_dialog: matches!(routed.token, Some(Token::Dialog { .. })),
            record_route,
            sips: routed.uri.scheme == Scheme::Sips
                || routed.next_route.is_some_and(|r| r.scheme == Scheme::Sips),
            path,
            outbound: path && is_outbound_registration(message),
            strip: self.stripped_from(party, message),
            privacy: Privacy::read(message),
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
        party: Party,
        message: &Message<'_>,
        request: &Parsed<'_>,
        key: u128,
        plan: Plan,
        hops: Hops,
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
            party,
            remote: from.remote,
            request: copy,
            call_id: message.place_of(request.call_id),
            plan,
            hops,
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
            let (link, party) = (context.link, context.party);
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&context.last_response);
            self.send_up(link, party, start, out);
        }
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method (ACK and CANCEL as INVITE), and, ours, who sent it. A branch
    /// without the cookie (RFC 2543) is replaced by the fields that identified a transaction then.
    pub(super) fn transaction_key(
        &self,
        party: Party,
        request: &Parsed<'_>,
        _message: &Message<'_>,
    ) -> u128 {
        use siphasher::sip128::Hasher128 as _;
        let mut hasher =
            siphasher::sip128::SipHasher13::new_with_keys(self.hash_key.0, self.hash_key.1);
        let mut field = |octets: &[u8]| {
            hasher.write_u32(octets.len() as u32);
            hasher.write(octets);
        };
        field(&party.as_u64().to_be_bytes());
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
        field(request.via.sent_by);
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
    fn loop_hash(&self, party: Party, request: &Parsed<'_>) -> u32 {
        self.keyed(|h| {
            h.write_u64(party.as_u64());
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
        message.vias().flatten().skip(1).any(|via| {
            self.is_own_sent_by(via.sent_by)
                && via
                    .branch
                    .and_then(super::branch::Branch::parse)
                    .is_some_and(|b| b.loop_hash == loop_hash)
        })
    }

    /// Whether a sent-by is one of our faces.
    pub(super) fn is_own_sent_by(&self, sent_by: &[u8]) -> bool {
        sent_by.eq_ignore_ascii_case(self.faces.peers.as_bytes())
            || sent_by.eq_ignore_ascii_case(self.faces.clients.as_bytes())
    }

    /// Logs a message that gets no answer.
    pub(super) fn drop_message(
        &self,
        from: &Origin,
        party: Party,
        reason: Reason,
        out: &mut Actions,
    ) {
        out.list
            .push(Action::Event(crate::observe::Event::MessageDropped {
                reason: reason.code(),
                remote: from.remote,
                peer: self.party_name(party),
            }));
    }
}

/// What becomes of a request that may pass.
enum Admitted {
    Forward(Plan, Hops),
    AnswerOptions,
}

/// The host of a URI's `maddr`.
fn maddr_of<'a>(uri: &Uri<'a>) -> Result<Option<Host<'a>>, Refusal> {
    uri.maddr()
        .map_err(|_| Refusal::new(Reason::MalformedRequest))
}

/// Whether Proxy-Require holds a tag that we do not support.
fn unsupported_extension(message: &Message<'_>) -> Result<bool, Refusal> {
    if message.count(HeaderName::ProxyRequire) == 0 {
        return Ok(false);
    }
    for tag in message.values(HeaderName::ProxyRequire) {
        let tag = tag.map_err(|_| Refusal::new(Reason::MalformedRequest))?;
        if !PROXY_EXTENSIONS.contains(&tag) {
            return Ok(true);
        }
    }
    Ok(false)
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
