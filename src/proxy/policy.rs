//! The message policy: (who sends, what the request asks) → where it goes, or why it is refused. One match shows the
//! table; the claims inside a message can narrow what it may do, never widen it.
use super::inbound::Request;
use super::leg::{Leg, PeerKey, TargetSet};
use super::link_id::LinkId;
use super::links::Links;
use super::route::Routed;
use super::routing::Routing;
use super::same_party::{OtherEntries, stands_for};
use super::token::Token;
use crate::reason::MessageReason;
use crate::sip::{Host, Scheme, Uri};
use crate::topology::PeerKind;
use smallvec::smallvec;
use std::hash::Hasher as _;
use std::time::Instant;

/// The most servers of a partner that a request of a dialog tries behind the dialog's own.
const MOST_STAND_INS: usize = 8;

/// What policy reads of a request.
pub(crate) struct Question<'r, 'm, 'a> {
    pub(crate) request: &'r Request<'m, 'a>,
    pub(crate) routed: &'r Routed<'a>,
    /// Where it wants to go next: the first Route value that is left, else the Request-URI; `maddr` wins over the host
    /// (RFC 3263 §4).
    pub(crate) target: Host<'a>,
    /// It was hidden from the sender and sealed for it: it was given to it to be called.
    pub(crate) is_sealed: bool,
    /// For weighted pools.
    pub(crate) random: u64,
    /// What else the sender's certificate stands for.
    pub(crate) also: OtherEntries,
}

/// The sender as policy sees it: a leg, with the kind that its peer has in the current generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Client(LinkId),
    Home(PeerKey),
    Federated(PeerKey),
}

impl Sender {
    fn peer(self) -> Option<PeerKey> {
        match self {
            Self::Client(_) => None,
            Self::Home(key) | Self::Federated(key) => Some(key),
        }
    }
    pub(crate) fn of(leg: Leg, links: &Links) -> Option<Self> {
        match leg {
            Leg::Client(link) => Some(Self::Client(link)),
            Leg::Peer(key) => {
                let peer = links.peer(key)?;
                peer.current?;
                Some(match peer.kind {
                    PeerKind::Home => Self::Home(key),
                    PeerKind::Federated => Self::Federated(key),
                })
            }
        }
    }
}

/// Hash of a To or From host, for the token: what the callee was called by at the dialog's start.
pub(crate) fn host_hash(uri: &Uri<'_>) -> u32 {
    let mut buffer = [0; 253];
    let mut hasher = siphasher::sip::SipHasher13::new();
    match (uri.scheme, uri.host.lower(&mut buffer), uri.host.ip()) {
        (Scheme::Tel | Scheme::Other, _, _) => {
            hasher.write(b"tel:");
            uri.any_context(|host| {
                let mut buffer = [0; 253];
                let name = host.and_then(|host| host.lower(&mut buffer));
                hasher.write(name.unwrap_or("?").as_bytes());
                false
            });
        }
        (Scheme::Sip | Scheme::Sips, Some(name), _) => hasher.write(name.as_bytes()),
        (Scheme::Sip | Scheme::Sips, None, Some(ip)) => {
            hasher.write(ip.to_canonical().to_string().as_bytes())
        }
        (Scheme::Sip | Scheme::Sips, None, None) => return 0,
    }
    hasher.finish() as u32
}

/// Judges a request (DESIGN's message policy):
///
/// | from | may send | goes to |
/// |---|---|---|
/// | client | From of a home domain, or anonymous (RFC 3323) | the home pool; in-dialog: the token's peer |
/// | home peer | anything | the token's flow or peer, a peer by Route or Request-URI, a federated or home pool |
/// | federated peer | From within its domains; where its entry allows it, anonymous, or a number | the home pool, or the home server of a URI that we sealed for it; in-dialog: the token's other leg |
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
    let pool = |index: Option<usize>, except: &[PeerKey]| {
        let index = index.ok_or(MessageReason::NoRoute)?;
        routing.order(index, asks.request.call_id, asks.random, except, links, now)
    };
    match (who, asks.routed.token) {
        (Sender::Client(link), Some(Token::Dialog { caller, callee, .. })) => {
            far_leg(who, caller, callee, asks, routing, links).and_then(|leg| match leg {
                Leg::Peer(key) => in_dialog(who, key, routing, links),
                // Clients speak to peers only: a token never takes a client to a client.
                Leg::Client(flow) if flow == link => Err(MessageReason::TokenNotForOrigin),
                Leg::Client(_) => Err(MessageReason::TokenNotForOrigin),
            })
        }
        // RFC 5626 §5.3: a client's own Path token on its own flow means "outgoing": it is removed, nothing more.
        (Sender::Client(link), Some(Token::Flow(flow))) if flow != link => {
            Err(MessageReason::TokenNotForOrigin)
        }
        (Sender::Client(_), Some(Token::Flow(_)) | None) => {
            if let Some(route) = &asks.routed.next_route
                && !leads_home(route, routing, links)
            {
                return Err(MessageReason::RouteNotPermitted);
            }
            // The domain that the client asserts chooses the pool, whatever the Request-URI says.
            let index = routing
                .home_pool(&asks.request.from_uri.host)
                .or_else(|| routing.home_pool(&asks.routed.uri.host))
                .or(routing.default_pool());
            pool(index, &[])
        }
        (Sender::Home(_), Some(Token::Flow(flow))) => Ok(smallvec![Leg::Client(flow)]),
        (Sender::Home(_), Some(Token::Dialog { caller, callee, .. })) => {
            far_leg(who, caller, callee, asks, routing, links).and_then(|leg| match leg {
                Leg::Peer(key) => in_dialog(who, key, routing, links),
                Leg::Client(flow) => Ok(smallvec![Leg::Client(flow)]),
            })
        }
        (Sender::Home(own), None) => {
            // A name that a pool serves is that pool's, although a peer bears it too: its members are equal, so that one
            // of them stands in for another. A server's name that no pool serves means that server alone.
            if let Some(index) = routing.pool(&asks.target) {
                // Any of those that its certificate names may have sent it; where these are all, the one that it is
                // taken for.
                let mut senders: OtherEntries = smallvec![own];
                senders.extend_from_slice(&asks.also);
                return match pool(Some(index), &senders) {
                    Err(MessageReason::NoRoute) if !asks.also.is_empty() => {
                        pool(Some(index), &[own])
                    }
                    order => order,
                };
            }
            match routing.peer(&asks.target) {
                Some(key) if key == own => Err(MessageReason::NoRoute),
                Some(key) => listed(key, links),
                None if asks.routed.next_route.is_some() => Err(MessageReason::RouteNotPermitted),
                None if asks.routed.uri.scheme == Scheme::Other => {
                    Err(MessageReason::UnsupportedScheme)
                }
                None => Err(MessageReason::NoRoute),
            }
        }
        (Sender::Federated(_), Some(Token::Dialog { caller, callee, .. })) => {
            far_leg(who, caller, callee, asks, routing, links).and_then(|leg| match leg {
                Leg::Peer(key) => in_dialog(who, key, routing, links),
                Leg::Client(flow) => Ok(smallvec![Leg::Client(flow)]),
            })
        }
        // A partner reaches users through the home servers, never a flow directly.
        (Sender::Federated(_), Some(Token::Flow(_))) => Err(MessageReason::TokenNotForOrigin),
        (Sender::Federated(_), None) => {
            if let Some(route) = &asks.routed.next_route
                && !leads_home(route, routing, links)
            {
                return Err(MessageReason::RouteNotPermitted);
            }
            if asks.routed.uri.scheme == Scheme::Other {
                return Err(MessageReason::UnsupportedScheme);
            }
            if !routing.is_home(&asks.routed.uri.host) {
                return if asks.is_sealed {
                    unsealed(who, asks, routing, links, now)
                } else {
                    Err(MessageReason::NotHomeDomain)
                };
            }
            pool(routing.pool(&asks.routed.uri.host), &[])
        }
    }
}

/// Where a URI leads that we have sealed for a partner and that it calls outside of a dialog, as a transfer (RFC 5589 §7)
/// or a redirection tells it to: to the home server whose name or address it has, else to the home pool, whose servers
/// know what they wrote. Never anywhere else.
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
        None => {
            let pool = routing.default_pool().ok_or(MessageReason::NoRoute)?;
            routing.order(pool, asks.request.call_id, asks.random, &[], links, now)?
        }
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

/// Whether the sender may assert this From; in a dialog the callee also by the name that it was called by.
fn from_allowed(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
) -> Result<(), MessageReason> {
    let called_by_this_name = || match asks.routed.token {
        Some(Token::Dialog {
            callee, to_host, ..
        }) => {
            let is_callee = match (who, callee) {
                (Sender::Client(_), Leg::Client(_)) => true,
                (Sender::Federated(own), Leg::Peer(key)) => {
                    stands_for(own, &asks.also, key, routing)
                }
                (Sender::Client(_) | Sender::Federated(_) | Sender::Home(_), _) => false,
            };
            is_callee && to_host == host_hash(&asks.request.from_uri)
        }
        Some(Token::Flow(_)) | None => false,
    };
    let sip = matches!(asks.request.from_uri.scheme, Scheme::Sip | Scheme::Sips);
    let allowed = match who {
        Sender::Home(_) => true,
        Sender::Client(_) => {
            sip && (routing.is_home(&asks.request.from_uri.host)
                || routing.is_nobody(&asks.request.from_uri.host))
                || called_by_this_name()
        }
        Sender::Federated(key) => {
            let listed = links.peer(key);
            // A carrier within the trust domain names its callers by number, or not at all (RFC 3325 §5).
            // A local number of a domain is a name of that domain (RFC 3966 §5.1.5).
            let is_foreign =
                |host: Option<&Host<'_>>| host.is_none_or(|host| !routing.may_assert(key, host));
            let by_number = asks.request.from_uri.scheme == Scheme::Tel
                && !asks.request.from_uri.any_context(is_foreign);
            sip && routing.may_assert(key, &asks.request.from_uri.host)
                || sip
                    && routing.is_nobody(&asks.request.from_uri.host)
                    && listed.is_some_and(|p| p.anonymous.is_some())
                || by_number && listed.is_some_and(|p| p.assert_identity)
                || called_by_this_name()
        }
    };
    if allowed {
        Ok(())
    } else {
        Err(MessageReason::FromNotAllowed)
    }
}

/// A partner calls our domains, or one of its own that it was reached by and forwards from; in a dialog, which its token
/// proves, To is whoever the other side was then.
fn to_allowed(
    who: Sender,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
) -> Result<(), MessageReason> {
    let Sender::Federated(key) = who else {
        return Ok(());
    };
    if matches!(asks.routed.token, Some(Token::Dialog { .. })) {
        return Ok(());
    }
    let to = asks
        .request
        .to
        .parse_uri()
        .map_err(|_| MessageReason::MalformedRequest)?;
    let allowed = match to.scheme {
        Scheme::Tel => true,
        Scheme::Sip | Scheme::Sips => {
            routing.is_home(&to.host)
                || routing.is_own_name(&to.host)
                || routing.may_assert(key, &to.host)
                || routing.is_nobody(&to.host)
        }
        Scheme::Other => false,
    };
    if allowed {
        Ok(())
    } else {
        Err(MessageReason::ToNotAllowed)
    }
}

/// No allow list outweighs a denied domain: neither in From nor in To nor as the target, in any method, in a dialog too.
fn not_denied(
    peer: Option<PeerKey>,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
) -> Result<(), MessageReason> {
    let to = asks.request.to.parse_uri().ok();
    if [Some(asks.routed.uri), Some(asks.request.from_uri), to]
        .iter()
        .flatten()
        .any(|uri| {
            let is_denied = |host: &Host<'_>| routing.denies(peer, host);
            is_denied(&uri.host) || uri.any_context(|host| host.is_some_and(is_denied))
        })
    {
        Err(MessageReason::DomainDenied)
    } else {
        Ok(())
    }
}

/// The other side of a dialog as seen from the sender, who must be one of its sides.
fn far_leg(
    who: Sender,
    caller: Leg,
    callee: Leg,
    asks: &Question<'_, '_, '_>,
    routing: &Routing,
    links: &Links,
) -> Result<Leg, MessageReason> {
    let exact = |leg: Leg| match (who, leg) {
        (Sender::Client(own), Leg::Client(flow)) => own == flow,
        (Sender::Home(own) | Sender::Federated(own), Leg::Peer(key)) => own == key,
        (Sender::Client(_), Leg::Peer(_))
        | (Sender::Home(_) | Sender::Federated(_), Leg::Client(_)) => false,
    };
    if exact(caller) {
        return Ok(callee);
    }
    if exact(callee) {
        return Ok(caller);
    }
    // Not the very connection or server of the dialog's start, but its kind of side: a client that has reconnected,
    // another home server that has taken over, another server of the same partner under the same rights. A partner gets
    // no further latitude.
    let kin = |leg: Leg| match (who, leg) {
        (Sender::Client(_), Leg::Client(_)) => true,
        (Sender::Home(_), Leg::Peer(key)) => links.peer(key).is_some_and(|p| p.is_home()),
        (Sender::Federated(own), Leg::Peer(key)) => stands_for(own, &asks.also, key, routing),
        (Sender::Client(_), Leg::Peer(_))
        | (Sender::Home(_) | Sender::Federated(_), Leg::Client(_)) => false,
    };
    match (kin(caller), kin(callee)) {
        (true, false) => Ok(callee),
        (false, true) => Ok(caller),
        // Both are home servers: which of them it is, only a certificate that names one of them too can say.
        (true, true) => match [caller, callee]
            .map(|leg| matches!(leg, Leg::Peer(key) if asks.also.contains(&key)))
        {
            [true, false] => Ok(callee),
            [false, true] => Ok(caller),
            [true, true] | [false, false] => Err(MessageReason::TokenNotForOrigin),
        },
        (false, false) => Err(MessageReason::TokenNotForOrigin),
    }
}

/// The far server of a dialog, and behind it those that take over when it is gone, as [`far_leg`] lets them speak for it:
/// the other servers of a home server's pool, never the sender itself, which may be one of them; of a partner, the
/// servers whose entries grant the same.
fn in_dialog(
    who: Sender,
    key: PeerKey,
    routing: &Routing,
    links: &Links,
) -> Result<TargetSet, MessageReason> {
    let mut targets = listed(key, links)?;
    match links.peer(key).map(|peer| peer.kind) {
        Some(PeerKind::Home) => {
            let others = routing.mates(key).filter(|mate| Some(*mate) != who.peer());
            targets.extend(others.map(Leg::Peer));
        }
        Some(PeerKind::Federated) => {
            let others = routing.equals(key).iter().filter(|other| **other != key);
            targets.extend(others.take(MOST_STAND_INS).map(|other| Leg::Peer(*other)));
        }
        None => {}
    }
    Ok(targets)
}

/// Only peers of the current generation are reached.
fn listed(key: PeerKey, links: &Links) -> Result<TargetSet, MessageReason> {
    match links.peer(key) {
        Some(peer) if peer.current.is_some() => Ok(smallvec![Leg::Peer(key)]),
        Some(_) | None => Err(MessageReason::PeerWithdrawn),
    }
}

/// Whether a Route value that a client or partner put after ours stays at home.
fn leads_home(route: &Uri<'_>, routing: &Routing, links: &Links) -> bool {
    routing.is_home(&route.host)
        || routing
            .peer(&route.host)
            .and_then(|key| links.peer(key))
            .is_some_and(|p| p.is_home() && p.current.is_some())
}
