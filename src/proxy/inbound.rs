//! A message on its way in, made once: who sent it, when, and of a request what a proxy reads (RFC
//! 3261 §16.3 step 1).
//!
//! All fields are read at once, before anything is decided. A field that breaks the grammar refuses
//! the request at this one place, and later steps need no error path for it; the message itself
//! stays as it was received.
//!
//! Then what names this node is taken out before the request is routed (§16.4). A Route that names
//! this node has done its work when the request is here. What follows it is the next hop, and the
//! token in it proves which dialog the request belongs to; a To tag would prove nothing, since
//! anybody can write one. A request without one is new, whatever token it shows: else one call
//! would lift the policy for everything that its sides send with its Call-ID.
use super::binding::BindingId;
use super::environment::{Environment, Upstream};
use super::interface::{Origin, RemoteIdentity};
use super::leg::{Certainty, Leg};
use super::same_party;
use super::sibling::HandedOver;
use super::token::{BoundClient, Token};
use super::token_fields::TokenFault;
use crate::reason::{MessageReason, Rule};
use crate::sip::{Address, CSeq, HeaderName, Host, Message, Method, Uri, Via, plain_user};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::time::Instant;

/// The most Route values of a request: Max-Forwards begins at 70, so no honest route is longer; and
/// what each costs is bounded.
const MOST_ROUTES: usize = 100;

/// Max-Breadth that is added where there is none, and the most that is passed on (RFC 5393 §5.3.3).
const MAX_BREADTH: u8 = 60;

/// A message, and who sent it. Made once where a message comes in, and passed down whole, so that
/// no step judges by another identity than the one before it.
#[derive(Clone, Copy)]
pub(crate) struct InboundMessage<'m, 'a> {
    pub(crate) origin: &'m Origin,
    /// Who that is: the only identity that policy trusts.
    pub(crate) leg: Leg,
    /// How well that is known.
    pub(crate) certainty: Certainty,
    /// The first binding that its connection holds, if it is a registered client's.
    pub(crate) held: Option<BindingId>,
    pub(crate) message: &'m Message<'a>,
    pub(crate) now: Instant,
    /// Whether the certificate that its connection has shown is still accepted: its peer may be listed all the same.
    pub(crate) is_trusted: bool,
    /// This node has closed its side of the connection: an answer goes another way, if there is one.
    pub(crate) is_last: bool,
}

impl InboundMessage<'_, '_> {
    /// Where answers to it go.
    pub(crate) fn upstream(&self) -> Upstream {
        Upstream {
            link: self.origin.link,
            leg: self.held.map_or(self.leg, Leg::Binding),
            remote: self.origin.remote,
            number: self.origin.number,
            sender: None,
        }
    }
}

/// A Request-URI.
#[derive(Clone, Copy)]
pub(crate) struct RequestUri<'a> {
    pub(crate) text: &'a [u8],
    /// It was hidden from the sender and sealed for it, which may so ask for what lies behind it.
    pub(crate) is_sealed: bool,
    /// It was the contact that a registrar keeps of this binding.
    pub(crate) contact_of: Option<BoundClient>,
}

/// A request: the fields that a proxy uses, read once, and the key of its transaction.
pub(crate) struct InboundRequest<'m, 'a> {
    pub(crate) inbound: &'m InboundMessage<'m, 'a>,
    pub(crate) method: Method<'a>,
    pub(crate) request_uri: &'a [u8],
    /// As [`RequestUri::is_sealed`].
    pub(crate) is_sealed: bool,
    /// As [`RequestUri::contact_of`].
    pub(crate) contact_of: Option<BoundClient>,
    pub(crate) uri: Uri<'a>,
    pub(crate) via: Via<'a>,
    pub(crate) from: Address<'a>,
    pub(crate) from_uri: Uri<'a>,
    pub(crate) to: Address<'a>,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq<'a>,
    pub(crate) max_forwards: Option<u8>,
    pub(crate) max_breadth: u8,
    pub(crate) routes: SmallVec<[Address<'a>; 4]>,
    /// Its client's binding: answers and requests of the dialog go to whatever connection holds that.
    pub(crate) binding: Option<BindingId>,
    /// Who has sent it to the sibling that it came from, if that has handed it over.
    pub(crate) handed: Option<Box<HandedOver>>,
    /// Who sends, as the key has it.
    side: u64,
    /// What its transaction is kept under.
    pub(crate) key: u128,
}

impl<'m, 'a> InboundRequest<'m, 'a> {
    /// RFC 3261 §16.3 step 1: the syntax of everything that this proxy uses, and nothing else: a
    /// field that it does not know may be as odd as it likes, and is relayed byte for byte.
    ///
    /// The rest is for [`Self::complete`], where it stands: it is large, and not to be moved.
    ///
    /// # Errors
    /// What breaks the grammar.
    pub(crate) fn read(
        inbound: &'m InboundMessage<'m, 'a>,
        method: Method<'a>,
        target: RequestUri<'a>,
    ) -> Result<Self, MessageReason> {
        let message = inbound.message;
        if let Some(fault) = message.fault() {
            return Err(if fault.rule == Rule::BadVersion {
                MessageReason::BadVersion
            } else {
                MessageReason::MalformedRequest
            });
        }
        let malformed = |_| MessageReason::MalformedRequest;
        let from = message.from().map_err(malformed)?;
        let cseq = message.cseq().map_err(malformed)?;
        // RFC 3261 §8.1.1.5. A mismatch would make a transaction that no response could be matched
        // to.
        if cseq.method != method {
            return Err(MessageReason::MalformedRequest);
        }
        // A bare cookie is the same in every request, so that all of them would be one transaction.
        let via = message.top_via().map_err(malformed)?;
        if via
            .branch
            .is_some_and(|b| b.eq_ignore_ascii_case(b"z9hG4bK"))
        {
            return Err(MessageReason::BadBranch);
        }
        let uri = Uri::parse(target.text).map_err(malformed)?;
        // RFC 3261 §19.1.1 allows header parts in a Contact or a link, never here.
        if !uri.headers.is_empty() {
            return Err(MessageReason::MalformedRequest);
        }
        let breadth = message.max_breadth().map_err(malformed)?;
        Ok(Self {
            inbound,
            method,
            request_uri: target.text,
            is_sealed: target.is_sealed,
            contact_of: target.contact_of,
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
            routes: SmallVec::new(),
            binding: inbound.held,
            handed: None,
            side: 0,
            key: 0,
        })
    }

    /// Its route, who has handed it over, whose it is, and with all that what its transaction is kept under.
    ///
    /// # Errors
    /// What breaks the grammar, or a bound, or no sibling has signed.
    pub(crate) fn complete(&mut self, env: &Environment) -> Result<(), MessageReason> {
        let inbound = self.inbound;
        // One more than allowed is read, to see whether there are more.
        for route in inbound.message.routes().take(MOST_ROUTES + 1) {
            let route = route.map_err(|_| MessageReason::MalformedRequest)?;
            self.routes.push(route);
        }
        if self.routes.len() > MOST_ROUTES {
            return Err(MessageReason::TooManyRoutes);
        }
        // From anybody else the field is nothing, and is stripped.
        if inbound.message.has(HeaderName::SiblingOrigin)
            && let Leg::Peer(key) = inbound.leg
            && env.routing().is_sibling(key)
        {
            let token = self.first_user().ok_or(MessageReason::OriginForged)?;
            let handed = HandedOver::read(inbound.message, token, key, &env.tokens, env.unix())?;
            self.handed = Some(Box::new(handed));
        }
        self.side = match inbound.held {
            // Whatever connection it has: its CANCEL and ACK come on the one that it has then.
            Some(id) => id.as_u64(),
            None => same_party::side_of(inbound.origin, inbound.leg, env.routing()),
        };
        if inbound.held.is_some() {
            let own = env.links.binding_of(inbound.origin.link, &self.from_uri);
            self.binding = own.or(inbound.held);
        }
        self.key = self.transaction_key(self.side, env);
        Ok(())
    }

    /// Whose rights it has: the leg that it came from, or the one that it came from to the sibling which has handed it over.
    pub(crate) fn sender(&self) -> Leg {
        let handed = self.handed.as_ref();
        handed.map_or(self.inbound.leg, |handed| handed.leg())
    }

    /// The user part of its first Route value: what a sibling hands over has its token there.
    pub(crate) fn first_user(&self) -> Option<&'a [u8]> {
        self.routes.first()?.parse_uri().ok()?.user
    }

    /// Whether it can belong to a dialog: it has a To tag (RFC 3261 §12.2.1.1), and a method that is
    /// for one. Registrars do not look at To tags.
    fn may_be_in_dialog(&self) -> bool {
        !matches!(self.method, Method::Register | Method::Publish)
            && self.to.tag().is_some_and(|tag| !tag.is_empty())
    }

    /// Where answers to it go.
    pub(crate) fn upstream(&self) -> Upstream {
        let from = Upstream {
            leg: self.binding.map_or(self.inbound.leg, Leg::Binding),
            ..self.inbound.upstream()
        };
        // For people, the connection over which this node has it, whichever of its processes that belongs to.
        match self
            .handed
            .as_ref()
            .and_then(|it| it.at().zip(it.leg().peer()))
        {
            Some(((number, remote), sender)) => Upstream {
                remote,
                number,
                sender: Some(sender),
                ..from
            },
            None => from,
        }
    }

    /// The keys under which its transaction may be kept if a reload lies between an INVITE and its
    /// CANCEL or ACK: then other entries of the topology may have been one party with the sender. A
    /// client may have registered, or ended that, or come back with several bindings, meanwhile.
    pub(crate) fn earlier_keys(&self, env: &Environment) -> impl Iterator<Item = u128> {
        let sides = same_party::earlier_sides(self.inbound.origin, self.inbound.leg, env.routing());
        let is_client = self.inbound.leg.is_client();
        let link = is_client.then(|| self.inbound.leg.as_u64());
        let bindings = env.links.bindings_of(self.inbound.origin.link);
        let former = env.links.former_of(self.inbound.origin.link);
        let vouched = match &self.inbound.origin.identity {
            RemoteIdentity::Vouched(sender) => sender.bindings(),
            RemoteIdentity::Client | RemoteIdentity::Peer(_) | RemoteIdentity::OtherProcess => &[],
        };
        let bindings = bindings.chain(former).chain(vouched.iter().copied());
        sides
            .chain(link)
            .chain(bindings.map(BindingId::as_u64))
            // Nearly everybody is who they were: that key has been looked for.
            .filter(|side| *side != self.side)
            .map(|side| self.transaction_key(side, env))
    }

    /// RFC 3261 §17.2.3: branch, sent-by and method (ACK and CANCEL as INVITE), and besides the
    /// RFC's fields who sent it, so that nobody cancels another's request. A branch without the
    /// cookie (RFC 2543) is replaced by the fields that identified a transaction then.
    fn transaction_key(&self, side: u64, env: &Environment) -> u128 {
        let method: &[u8] = match self.method {
            Method::Invite | Method::Ack | Method::Cancel => b"INVITE",
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
            | Method::Other(_) => self.method.as_bytes(),
        };
        env.secrets.wide_hash(|input| {
            input.write_u64(side);
            input.sent_by(&self.via);
            if self.via.has_cookie() {
                input.texts([method, self.via.branch.unwrap_or_default()]);
            } else {
                input.write_u32(self.cseq.number);
                let tag = self.from.tag().unwrap_or_default();
                let (uri, params) = (self.request_uri, self.via.params);
                input.texts([method, uri, tag, self.call_id, params]);
            }
        })
    }
}

/// What route preprocessing found (RFC 3261 §16.4).
pub(crate) struct Routed<'a> {
    /// What counts of the token in the route: a dialog's does in that dialog alone. Without one, the
    /// contact that was called.
    pub(crate) token: Option<Token>,
    /// That token as written.
    pub(crate) token_text: Option<&'a [u8]>,
    pub(crate) popped: u8,
    pub(crate) strict_in: bool,
    /// The Request-URI came here by an `maddr` that names this node, which is taken out.
    pub(crate) strips_maddr: bool,
    pub(crate) uri: Uri<'a>,
    /// Where the Request-URI leads: the host of its `maddr`, unless that is taken out, else its own
    /// (RFC 3263 §4).
    pub(crate) host: Host<'a>,
    /// As written.
    pub(crate) uri_text: &'a [u8],
    pub(crate) next_route: Option<Uri<'a>>,
}

impl Routed<'_> {
    /// Whether the request belongs to a dialog that runs through this node: its token proves that,
    /// a To tag alone would not.
    pub(crate) fn is_in_dialog(&self) -> bool {
        matches!(self.token, Some(Token::Dialog { .. }))
    }

    /// RFC 3261 §16.6 step 6: the next element is a strict router.
    pub(crate) fn is_strict_out(&self) -> bool {
        self.next_route.is_some_and(|uri| uri.param("lr").is_none())
    }

    /// RFC 3261 §16.4 step 2: without an `maddr` of this node, and without the port and transport
    /// that belong to it.
    pub(crate) fn rewritten_uri(&self) -> Option<Box<[u8]>> {
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

impl<'a> Routed<'a> {
    /// Of a request of which nothing names this node, until [`Self::preprocess`] has looked.
    pub(crate) fn of(request: &InboundRequest<'_, 'a>) -> Self {
        Self {
            token: None,
            token_text: None,
            popped: 0,
            strict_in: false,
            strips_maddr: false,
            uri: request.uri,
            host: request.uri.host,
            uri_text: request.request_uri,
            next_route: None,
        }
    }

    /// RFC 3261 §16.4: removes what names this node from the front of the route, and opens its
    /// token.
    ///
    /// # Errors
    /// A token that none of this node's keys has signed for this dialog, or a Route that cannot be
    /// read.
    pub(crate) fn preprocess(
        &mut self,
        request: &InboundRequest<'_, 'a>,
        env: &Environment,
    ) -> Result<(), MessageReason> {
        let routed = self;
        let local = request.inbound.origin.local;
        let routing = env.routing();
        let mut routes = request.routes.as_slice();
        // Step 1: a strict router in front of this node has put its Record-Route URI into the
        // Request-URI. Only then does a Request-URI that names this node bear `lr`.
        if request.uri.param("lr").is_some()
            && let Some((last, rest)) = routes.split_last()
            && let Some(token) = token_of(&request.uri, request, env)?
        {
            routed.token = Some(token);
            routed.token_text = request.uri.user;
            routed.strict_in = true;
            routed.uri = last
                .parse_uri()
                .map_err(|_| MessageReason::MalformedRequest)?;
            routed.uri_text = last.uri;
            routes = rest;
        }
        // Step 2: `maddr` brought the request here and has done its work.
        routed.host = routed.uri.host;
        if let Some(host) = maddr_of(&routed.uri)? {
            let port = routed.uri.port;
            routed.strips_maddr = routing.is_own_host(&host, port, local);
            if !routed.strips_maddr {
                routed.host = host;
            }
        }
        // Step 3, and RFC 5658 §5: the value of this node, and directly behind it its other name
        // with the same token.
        let mut user_seen = request.uri.user.filter(|_| routed.strict_in);
        while let Some((first, rest)) = routes.split_first() {
            let uri = first
                .parse_uri()
                .map_err(|_| MessageReason::MalformedRequest)?;
            let passes = match (uri.user, user_seen) {
                // A preloaded route through this node: an outbound proxy setting, which names it
                // and no more.
                (None, _) => routing.is_own(&uri, local),
                (Some(user), None) if routed.token.is_none() => {
                    routed.token = token_of(&uri, request, env)?;
                    user_seen = Some(user);
                    routed.token_text = Some(user);
                    routed.token.is_some()
                }
                (Some(user), Some(seen)) => {
                    plain_user(user) == plain_user(seen) && routing.is_local(&uri.host, local)
                }
                // Another dialog leg of this node that is reached only after the next hop: leave it
                // there.
                (Some(_), None) => false,
            };
            if !passes {
                routed.next_route = Some(uri);
                break;
            }
            // At most 100 (`MOST_ROUTES`), so it never saturates.
            routed.popped = routed.popped.saturating_add(1);
            routes = rest;
        }
        if routed.is_in_dialog() && !request.may_be_in_dialog() {
            routed.token = None;
            routed.token_text = None;
        }
        routed.token = routed
            .token
            .or_else(|| request.contact_of.map(Token::Binding));
        Ok(())
    }
}

/// The token in a URI that names this node. A user at a home domain is no token, but the home
/// servers' business; where a name is this node's and a home domain as well, what has a token's
/// form is taken for one. A genuine token counts whatever port of this node it was reached through.
///
/// # Errors
/// What has no business there: a user at a name that is this node's alone, a token that is not
/// genuine any more.
fn token_of(
    uri: &Uri<'_>,
    request: &InboundRequest<'_, '_>,
    env: &Environment,
) -> Result<Option<Token>, MessageReason> {
    let local = request.inbound.origin.local;
    let routing = env.routing();
    let Some(user) = uri.user.filter(|_| routing.is_local(&uri.host, local)) else {
        return Ok(None);
    };
    let fault = match env.tokens.open(user, request.call_id) {
        Ok(token) => return Ok(Some(token)),
        Err(fault) => fault,
    };
    let is_user = routing.is_home(&uri.host)
        && (fault == TokenFault::Foreign || !routing.is_own_name(&uri.host));
    if is_user || !routing.is_own(uri, local) {
        return Ok(None);
    }
    Err(MessageReason::TokenForged)
}

/// The host of a URI's `maddr`.
pub(crate) fn maddr_of<'a>(uri: &Uri<'a>) -> Result<Option<Host<'a>>, MessageReason> {
    uri.maddr().map_err(|_| MessageReason::MalformedRequest)
}
