//! How a forwarded request differs from the received one (RFC 3261 §16.6), the same for every
//! branch and for every kind of request: those with a response context, BENOTIFY, and the ACK for a
//! 2xx.
use super::asserted::{self, NotAsserted};
use super::binding::{BindingName, Registration};
use super::credentials::TriesUnderWay;
use super::environment::Environment;
use super::host_hash::host_hash;
use super::inbound::{InboundRequest, Routed};
use super::keep_alive;
use super::partner_way::PartnerWay;
use super::privacy::Privacy;
use super::sibling::SiblingPlan;
use crate::sip::{Address, HeaderName, HeaderSet, Message, Method, Scheme};
use crate::topology::ClientPath;

/// Max-Forwards of a request that came without (RFC 3261 §16.6 step 3).
const MAX_FORWARDS: u8 = 70;

/// The edits that every branch of a request shares.
#[derive(Clone, Debug)]
pub(crate) struct ForwardPlan {
    /// Route values of this node, removed from the front.
    pub(crate) popped_routes: u8,
    /// The previous element is a strict router: the last Route value became the Request-URI (RFC
    /// 3261 §16.4).
    pub(crate) strict_in: bool,
    /// The next element is a strict router: the next Route value becomes the Request-URI (RFC 3261
    /// §16.6 step 6).
    pub(crate) strict_out: bool,
    /// Max-Forwards as sent.
    pub(crate) max_forwards: u8,
    /// Whether it belongs to a dialog that runs through this node.
    pub(crate) in_dialog: bool,
    /// Max-Breadth as sent; an ACK has none, since nobody forks it (RFC 5393 §5.3.3).
    pub(crate) max_breadth: Option<u8>,
    /// The Request-URI, where it is not as received or from the last Route value (an `maddr` of
    /// this node was taken out).
    pub(crate) request_uri: Option<Box<[u8]>>,
    /// Whether Record-Route is added.
    pub(crate) record_route: bool,
    /// Whether Record-Route has a sips URI (RFC 5630 §3.2).
    pub(crate) sips: bool,
    /// Whom this REGISTER of a client binds if it is granted.
    pub(crate) registers: Option<BindingName>,
    /// How the registrar learns the way to the client that it binds.
    pub(crate) path: ClientPath,
    /// Whether the first line of the client's Supported names `path` (RFC 3327 §5.1), which is what
    /// registrars read; else this node does that for it.
    pub(crate) announces_path: bool,
    /// Whether the client wants to hear of Path; else it is taken out of its answer.
    pub(crate) knows_path: bool,
    /// Whether the Path gets `ob`: this node is the first hop and the contact has a reg-id (RFC
    /// 5626 §5.1).
    pub(crate) outbound: bool,
    /// The fields in it that its sender may not send (RFC 3325 §5).
    pub(crate) strip: HeaderSet,
    /// Values in it that its sender may not assert.
    pub(crate) not_asserted: NotAsserted,
    /// What its sender asks to withhold (RFC 3323, RFC 3325 §7).
    pub(crate) privacy: Privacy,
    /// Whether its sender asks to keep the connection by keep-alives between hops
    /// (`ms-keep-alive`).
    pub(crate) keep_alive: bool,
    /// Hash of the routing input, for this node's branch (RFC 5393 §4.2.1).
    pub(crate) loop_hash: u32,
    /// Hash of the To host, for the token of a recorded route.
    pub(crate) to_host: u32,
    /// A sibling has handed it over, which waits for the client itself.
    pub(crate) handed_over: bool,
    /// How it is handed over to a sibling, if it is for a binding.
    pub(crate) siblings: Option<Box<SiblingPlan>>,
    /// How it goes to the partner's server that its dialog is with.
    pub(crate) way: Option<Box<PartnerWay>>,
    /// It has credentials of somebody who has not proven itself, and no server has said anything to them.
    pub(crate) tries: Option<TriesUnderWay>,
}

impl ForwardPlan {
    /// Of a request that may pass. `loop_hash` is 0 for an ACK, which is not looked at for loops:
    /// Max-Forwards ends them.
    pub(crate) fn new(
        request: &InboundRequest<'_, '_>,
        routed: &Routed<'_>,
        privacy: Privacy,
        loop_hash: u32,
        env: &Environment,
    ) -> Self {
        let message = request.inbound.message;
        // The node that has handed it over has recorded a route that serves at all of them.
        let record_route = is_recorded(request.method) && request.handed.is_none();
        let is_client = request.inbound.leg.is_client();
        let registers = is_client.then(|| registers(request)).flatten();
        // Asked of the pool and not of the server: what the registrar keeps must serve its whole pool.
        let client_path = registers.map_or(ClientPath::Path, |_| {
            let routing = env.routing();
            let aor = request.to.parse_uri().ok();
            let position = aor.and_then(|aor| routing.home_pool(&aor.host));
            let pool = position.and_then(|at| routing.pool_at(at));
            pool.map_or(ClientPath::Path, |pool| pool.path)
        });
        let path = registers.is_some() && client_path == ClientPath::Path;
        let to_host = if record_route {
            // A To that names no host must not let its callee assert any: this hash is that of no
            // name.
            let to = request.to.parse_uri();
            to.map_or(u32::MAX, |to| host_hash(&to))
        } else {
            0
        };
        let (strip, not_asserted) = asserted::not_asserted_in_request(request, env);
        Self {
            popped_routes: routed.popped,
            strict_in: routed.strict_in,
            strict_out: routed.is_strict_out(),
            max_forwards: request.max_forwards.map_or(MAX_FORWARDS, |n| n - 1),
            max_breadth: (request.method != Method::Ack).then_some(request.max_breadth),
            request_uri: routed.rewritten_uri(),
            in_dialog: routed.is_in_dialog(),
            record_route,
            sips: routed.uri.scheme == Scheme::Sips
                || routed.next_route.is_some_and(|r| r.scheme == Scheme::Sips),
            registers,
            path: client_path,
            announces_path: path && begins_with_path(message),
            knows_path: registers.is_some()
                && (names_path(message, HeaderName::Supported)
                    || names_path(message, HeaderName::Require)),
            outbound: path && is_outbound_registration(message),
            strip,
            not_asserted,
            privacy,
            keep_alive: keep_alive::is_offered(message),
            loop_hash,
            to_host,
            handed_over: request.handed.is_some(),
            siblings: None,
            way: None,
            tries: None,
        }
    }
}

/// Whom a client's REGISTER binds.
fn registers(request: &InboundRequest<'_, '_>) -> Option<BindingName> {
    if request.method != Method::Register {
        return None;
    }
    let aor = request.to.parse_uri().ok()?;
    let registration = Registration::of(request.inbound.message);
    Some(registration.name(&aor, request.call_id))
}

/// Whether a route is recorded for requests of this method: those that form a dialog, or may (RFC
/// 3261 §16.6 step 4). Within a dialog it changes nothing (§12.2), and costs a token.
pub(crate) fn is_recorded(method: Method<'_>) -> bool {
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

/// Whether the first line of Supported names `path`: Asterisk reads no other.
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

/// RFC 5626 §5.1: this node is the first hop (one Via), and a Contact has a `reg-id`.
fn is_outbound_registration(message: &Message<'_>) -> bool {
    message.vias().count() == 1
        && message
            .values(HeaderName::Contact)
            .flatten()
            .filter_map(|value| Address::parse(value).ok())
            .any(|contact| contact.param("reg-id").is_some())
}
