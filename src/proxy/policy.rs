//! The message policy: (who sends, what the request asks) → where it goes, or why it is refused.
//! One match shows the table.
//!
//! It is a pure function of its arguments: no clock, no table is changed, nothing is logged. Where
//! the answer depends on what lives at the moment (which servers are up), that only orders the
//! targets; it never adds one.
use super::claims::{from_allowed, not_denied, to_allowed};
use super::dialog::{far_leg, in_dialog, listed};
use super::leg::{Leg, PeerKey, TargetSet};
use super::links::Links;
use super::question::{Question, Sender};
use super::routing::Routing;
use super::same_party::OtherEntries;
use super::token::Token;
use crate::reason::MessageReason;
use crate::sip::{Scheme, Uri};
use smallvec::smallvec;
use std::time::Instant;

/// Judges a request (DESIGN's message policy):
///
/// | from | may send | goes to |
/// |---|---|---|
/// | client | From of a home domain, or anonymous (RFC 3323) | the home pool; in-dialog: the token's peer |
/// | home peer | anything | the token's flow or peer, a peer by Route or Request-URI, a federated or home pool |
/// | federated peer | From within its domains; where its entry allows it, anonymous, or a number | the home pool, or the home server of a URI that was sealed for it; in-dialog: the token's other leg |
///
/// # Errors
/// The reason of the refusal.
pub(crate) fn judge(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
    now: Instant,
) -> Result<TargetSet, MessageReason> {
    if routing.denies_any() {
        not_denied(who.peer(), asks, routing)?;
    }
    // The sender's claims first: a refusal must not depend on whether the target can be reached.
    from_allowed(who, asks, routing, links)?;
    let mut targets = targets(who, asks, routing, links, now)?;
    to_allowed(who, asks, routing)?;
    if routing.denies_any() {
        targets.retain(|target| match *target {
            Leg::Peer(key) => not_denied(Some(key), asks, routing).is_ok(),
            Leg::Client(_) => true,
        });
        if targets.is_empty() {
            return Err(MessageReason::DomainDenied);
        }
    }
    Ok(targets)
}

/// Where a request goes that its sender may send.
fn targets(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
    now: Instant,
) -> Result<TargetSet, MessageReason> {
    let flow = match asks.routed.token {
        Some(Token::Dialog { caller, callee, .. }) => {
            let leg = far_leg(who, caller, callee, asks, routing, links)?;
            return match (who, leg) {
                (_, Leg::Peer(key)) => in_dialog(who, key, routing, links),
                // Clients speak to peers only: a token never takes a client to a client.
                (Sender::Client(_), Leg::Client(_)) => Err(MessageReason::TokenNotForOrigin),
                (Sender::Home(_) | Sender::Federated(_), Leg::Client(_)) => Ok(smallvec![leg]),
            };
        }
        Some(Token::Flow(flow)) => Some(flow),
        None => None,
    };
    let next_route = &asks.routed.next_route;
    let request_uri = &asks.routed.uri;
    match (who, flow) {
        // RFC 5626 §5.3: a client's own Path token on its own flow means "outgoing": it is removed,
        // nothing more.
        (Sender::Client(link), Some(flow)) if flow != link => Err(MessageReason::TokenNotForOrigin),
        (Sender::Client(_), _) => {
            if let Some(route) = next_route
                && !leads_home(route, routing, links)
            {
                return Err(MessageReason::RouteNotPermitted);
            }
            // The domain that the client asserts chooses the pool, whatever the Request-URI names.
            let position = routing
                .home_pool(&asks.request.from_uri.host)
                .or_else(|| routing.home_pool(&request_uri.host))
                .or(routing.default_pool());
            in_pool(position, &[], asks, routing, links, now)
        }
        // Only home servers are given Path tokens, with the registrations that they keep.
        (Sender::Home(_), Some(flow)) => Ok(smallvec![Leg::Client(flow)]),
        (Sender::Home(own), None) => of_home_server(own, asks, routing, links, now),
        // A partner reaches users through the home servers, never a flow directly.
        (Sender::Federated(_), Some(_)) => Err(MessageReason::TokenNotForOrigin),
        (Sender::Federated(_), None) => {
            if let Some(route) = next_route
                && !leads_home(route, routing, links)
            {
                return Err(MessageReason::RouteNotPermitted);
            }
            if request_uri.scheme == Scheme::Other {
                return Err(MessageReason::UnsupportedScheme);
            }
            if routing.is_home(&request_uri.host) {
                let position = routing.pool(&request_uri.host);
                return in_pool(position, &[], asks, routing, links, now);
            }
            if !asks.is_sealed {
                return Err(MessageReason::NotHomeDomain);
            }
            unsealed(who, asks, routing, links, now)
        }
    }
}

/// Where a home server's request goes that no token leads: to the pool or peer that its Route or
/// Request-URI names. Home servers route themselves, so they may name any peer of the topology, and
/// nothing else.
fn of_home_server(
    own: PeerKey,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
    now: Instant,
) -> Result<TargetSet, MessageReason> {
    // A name that a pool serves is that pool's, although a peer bears it too: its members are
    // equal, so that one of them stands in for another. A server's name that no pool serves means
    // that server alone.
    let position = routing.pool(&asks.target);
    if position.is_some() {
        // Any of those that its certificate names may have sent it; where these are all, the one
        // that it is taken for.
        let mut senders: OtherEntries = smallvec![own];
        senders.extend_from_slice(&asks.also);
        return match in_pool(position, &senders, asks, routing, links, now) {
            Err(MessageReason::NoRoute) if !asks.also.is_empty() => {
                in_pool(position, &[own], asks, routing, links, now)
            }
            order => order,
        };
    }
    match routing.peer(&asks.target) {
        Some(key) if key == own => Err(MessageReason::NoRoute),
        Some(key) => listed(key, links),
        None if asks.routed.next_route.is_some() => Err(MessageReason::RouteNotPermitted),
        None if asks.routed.uri.scheme == Scheme::Other => Err(MessageReason::UnsupportedScheme),
        None => Err(MessageReason::NoRoute),
    }
}

/// The members of a pool in the order for this request; `except` is who may have sent it.
fn in_pool(
    position: Option<usize>,
    except: &[PeerKey],
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
    now: Instant,
) -> Result<TargetSet, MessageReason> {
    let pool = position.and_then(|at| routing.pool_at(at));
    let pool = pool.ok_or(MessageReason::NoRoute)?;
    pool.order(asks.request.call_id, asks.random, except, links, now)
}

/// Where a URI leads that was sealed for a partner and that it calls outside of a dialog, as a
/// transfer (RFC 5589 §7) or a redirection asks it to: to the home server whose name or address it
/// has, else to the home pool, whose servers know what they wrote. Never anywhere else.
fn unsealed(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
    now: Instant,
) -> Result<TargetSet, MessageReason> {
    let port = match asks.routed.next_route {
        Some(route) => route.port,
        None => asks.routed.uri.port,
    };
    let mut targets = match routing.home_server(&asks.target, port) {
        Some(key) => in_dialog(who, key, routing, links)?,
        None => in_pool(routing.default_pool(), &[], asks, routing, links, now)?,
    };
    targets.retain(|target| match *target {
        Leg::Peer(key) => links
            .peer(key)
            .is_some_and(|p| p.is_home() && p.current.is_some()),
        Leg::Client(_) => false,
    });
    if targets.is_empty() {
        return Err(MessageReason::NoRoute);
    }
    Ok(targets)
}

/// Whether a Route value that a client or partner put after this node's stays at home. Clients with
/// an outbound proxy add such routes; any other would make this node a relay for strangers.
fn leads_home(route: &Uri<'_>, routing: &Routing, links: &Links) -> bool {
    routing.is_home(&route.host)
        || routing
            .peer(&route.host)
            .and_then(|key| links.peer(key))
            .is_some_and(|p| p.is_home() && p.current.is_some())
}
