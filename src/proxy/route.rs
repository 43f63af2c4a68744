//! Route preprocessing: what in a request names this node is taken out before it is routed (RFC
//! 3261 §16.4).
//!
//! A Route that names this node has done its work when the request is here. What follows it is the
//! next hop, and the token in it proves which dialog the request belongs to; a To tag would prove
//! nothing, since anybody can write one.
use super::environment::Environment;
use super::inbound::InboundRequest;
use super::token::{Token, TokenFault};
use crate::reason::MessageReason;
use crate::sip::{Host, Uri, plain_user};

/// What route preprocessing found (RFC 3261 §16.4).
pub(crate) struct Routed<'a> {
    pub(crate) token: Option<Token>,
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
    /// a To tag would not.
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
    /// RFC 3261 §16.4: removes what names this node from the front of the route, and opens its
    /// token.
    ///
    /// # Errors
    /// A token that none of this node's keys has signed for this dialog, or a Route that cannot be
    /// read.
    pub(crate) fn of(
        request: &InboundRequest<'_, 'a>,
        env: &Environment,
    ) -> Result<Self, MessageReason> {
        let local = request.inbound.origin.local;
        let routing = env.routing();
        let mut routed = Self {
            token: None,
            popped: 0,
            strict_in: false,
            strips_maddr: false,
            uri: request.uri,
            host: request.uri.host,
            uri_text: request.request_uri,
            next_route: None,
        };
        let mut routes = request.routes.as_slice();
        // Step 1: a strict router in front of this node has put its Record-Route URI into the
        // Request-URI. Only then does a Request-URI that names this node bear `lr`.
        if request.uri.param("lr").is_some()
            && let Some((last, rest)) = routes.split_last()
            && let Some(token) = token_of(&request.uri, request, env)?
        {
            routed.token = Some(token);
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
        Ok(routed)
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
    Err(match fault {
        TokenFault::Foreign | TokenFault::Forged => MessageReason::TokenForged,
        TokenFault::EarlierRun => MessageReason::FlowGone,
    })
}

/// The host of a URI's `maddr`.
pub(crate) fn maddr_of<'a>(uri: &Uri<'a>) -> Result<Option<Host<'a>>, MessageReason> {
    uri.maddr().map_err(|_| MessageReason::MalformedRequest)
}
