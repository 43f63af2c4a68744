//! The message policy: (who sends, what the request asks) → where it goes, or why it is refused.
//! One match shows the table.
//!
//! It is a pure function of its argument: no clock, no table is changed, nothing is logged. Where
//! the answer depends on what lives at the moment (which servers are up), that only orders the
//! targets; it never adds one.
//!
//! What a request claims in From and To can narrow what its sender may do, never widen it. Home
//! servers are believed in everything: they are the home side. A client may call itself by any home
//! domain, since its registrar authenticates the user behind it. A partner is held to the domains
//! that its entry lists, which is the whole protection of the home users from calls in somebody
//! else's name.
use super::dialog::{far_leg, in_dialog, is_client, listed};
use super::host_hash::host_hash;
use super::inbound::{InboundRequest, Routed, maddr_of};
use super::leg::{Leg, PeerKey, TargetSet};
use super::links::Links;
use super::meaning::Meaning;
use super::routing::Routing;
use super::same_party::{OtherEntries, Sender, stands_for};
use super::token::{BoundClient, Token};
use crate::reason::MessageReason;
use crate::sip::{Host, Method, Scheme};
use smallvec::smallvec;
use std::cell::OnceCell;

/// What policy reads of a request.
pub(crate) struct Question<'r, 'm, 'a> {
    pub(crate) who: Sender,
    pub(crate) request: &'r InboundRequest<'m, 'a>,
    pub(crate) routed: &'r Routed<'a>,
    /// Where it wants to go next: the first Route value that is left, else the Request-URI; `maddr`
    /// wins over the host (RFC 3263 §4).
    pub(crate) target: Host<'a>,
    /// It was hidden from the sender and sealed for it: it was given to it to be called.
    pub(crate) is_sealed: bool,
    /// What the host in From stands for, once it was looked up.
    pub(crate) from: OnceCell<Meaning>,
    /// For weighted pools.
    pub(crate) random: u64,
    /// What else the sender's certificate stands for.
    pub(crate) also: OtherEntries,
    pub(crate) routing: &'r Routing,
    pub(crate) links: &'r Links,
}

impl Question<'_, '_, '_> {
    /// Judges a request (DESIGN's message policy):
    ///
    /// | from | may send | goes to |
    /// |---|---|---|
    /// | client | From of a home domain, or anonymous (RFC 3323) | the home pool, a REGISTER that of To; in-dialog: the token's peer |
    /// | home peer | anything | the token's client or peer, a peer by Route or Request-URI, a federated or home pool |
    /// | sibling | what one of these two sends to a client, with its sender signed | the client |
    /// | federated peer | From within its domains; where its entry allows it, anonymous, or a number | the home pool, or the home server of a URI that was sealed for it; in-dialog: the token's other leg |
    ///
    /// # Errors
    /// The reason of the refusal.
    pub(crate) fn judge(&self) -> Result<TargetSet, MessageReason> {
        // What a sibling hands over is judged as its sender's.
        if matches!(self.who, Sender::Sibling(_)) {
            return Err(MessageReason::SiblingNotPermitted);
        }
        if self.routing.denies_any() {
            self.check_denied(self.who.peer())?;
        }
        // The sender's claims first: a refusal must not depend on whether the target can be
        // reached.
        self.check_from()?;
        let mut targets = self.targets()?;
        self.check_to()?;
        if self.routing.denies_any() {
            targets.retain(|target| match *target {
                Leg::Peer(key) => self.check_denied(Some(key)).is_ok(),
                Leg::Client(_) | Leg::Binding(_) => true,
            });
            if targets.is_empty() {
                return Err(MessageReason::DomainDenied);
            }
        }
        Ok(targets)
    }

    /// What the host in From stands for.
    fn from(&self) -> Meaning {
        let host = &self.request.from_uri.host;
        *self.from.get_or_init(|| self.routing.meaning(host))
    }

    /// Where a request goes that its sender may send.
    fn targets(&self) -> Result<TargetSet, MessageReason> {
        let binding = match self.routed.token {
            Some(Token::Dialog { caller, callee, .. }) => {
                let leg = far_leg(
                    self.who,
                    caller,
                    callee,
                    &self.also,
                    self.routing,
                    self.links,
                )?;
                if !matches!(self.who, Sender::Home(_)) {
                    self.check_dialog_route()?;
                }
                // A dialog's remote target is a sip or sips URI (RFC 3261 §8.1.1.8): a number is a new call.
                let is_sip = matches!(self.routed.uri.scheme, Scheme::Sip | Scheme::Sips);
                if matches!(self.who, Sender::Federated(_)) && !is_sip {
                    return Err(MessageReason::NotHomeDomain);
                }
                return match (self.who, leg) {
                    (_, Leg::Peer(key)) => in_dialog(self.who, key, self.routing, self.links),
                    // Clients speak to peers only: a token never takes a client to a client.
                    (Sender::Client(_) | Sender::Sibling(_), Leg::Client(_) | Leg::Binding(_)) => {
                        Err(MessageReason::TokenNotForOrigin)
                    }
                    (Sender::Home(_) | Sender::Federated(_), Leg::Client(_) | Leg::Binding(_)) => {
                        Ok(smallvec![leg])
                    }
                };
            }
            Some(Token::Binding(client)) => Some(client),
            None => None,
        };
        let request_uri = &self.routed.uri;
        match (self.who, binding) {
            // RFC 5626 §5.3: a client's own Path token, as a Service-Route has it, means "outgoing": it
            // is removed, nothing more.
            (Sender::Client(link), Some(BoundClient { id, .. })) if !self.links.holds(link, id) => {
                Err(MessageReason::TokenNotForOrigin)
            }
            (Sender::Client(_), _) if self.request.method == Method::Register => {
                self.to_registrar()
            }
            (Sender::Client(_), _) => {
                self.check_route()?;
                let position = self.routing.pool_of_client(self.from(), request_uri);
                self.in_pool(position, &[])
            }
            (Sender::Sibling(_), _) => Err(MessageReason::SiblingNotPermitted),
            // Nobody registers with a phone, whose 200 would come back as a registrar's.
            (Sender::Home(_), Some(_)) if self.request.method == Method::Register => {
                Err(MessageReason::RouteNotPermitted)
            }
            // Only home servers are given Path tokens, with the registrations that they keep: those of the pool that
            // serves the client's domain.
            (Sender::Home(own), Some(client)) if !self.may_call(own, client) => {
                Err(MessageReason::TokenNotForOrigin)
            }
            (Sender::Home(_), Some(client)) => Ok(smallvec![Leg::Binding(client.id)]),
            (Sender::Home(own), None) => self.of_home_server(own),
            // A partner reaches users through the home servers, never a client directly.
            (Sender::Federated(_), Some(_)) => Err(MessageReason::TokenNotForOrigin),
            (Sender::Federated(own), None) => {
                self.check_route()?;
                self.check_way_on(own)?;
                if request_uri.scheme == Scheme::Other {
                    return Err(MessageReason::UnsupportedScheme);
                }
                if self.routing.is_home(&request_uri.host) {
                    if !self.is_sealed && !self.routing.reaches(own, &request_uri.host) {
                        return Err(MessageReason::HomeDomainNotForPeer);
                    }
                    let position = self.routing.pool(&request_uri.host);
                    return self.in_pool(position, &[]);
                }
                if !self.is_sealed {
                    return Err(MessageReason::NotHomeDomain);
                }
                self.unsealed()
            }
        }
    }

    /// A client's REGISTER goes to the pool that serves the address of record, whoever From names, and
    /// must ask for nothing behind that: home servers route by Route and Request-URI, and what comes
    /// back through them counts as their own answer, which binds.
    fn to_registrar(&self) -> Result<TargetSet, MessageReason> {
        self.check_route()?;
        let malformed = |_| MessageReason::MalformedRequest;
        let aor = self.request.to.parse_uri().map_err(malformed)?;
        if !self.routing.is_home(&aor.host) {
            return Err(MessageReason::ToNotAllowed);
        }
        let position = self.routing.home_pool(&aor.host);
        // The pool by a domain that it serves, or one of its servers by name or address. Not a domain of
        // another pool with the same servers: which registrar answers is decided by the domain.
        let is_there = |host: &Host<'_>, port| {
            let at_address = || self.routing.home_server(host, port);
            let server = self.routing.peer(host).or_else(at_address);
            position.is_some() && self.routing.home_pool(host) == position
                || server.is_some_and(|key| self.routing.is_served_by(&aor.host, key))
        };
        let local = self.request.inbound.origin.local;
        // Phones that know no domain register with what they connect to. Another home domain may be a
        // name of this node too, and is another registrar's all the same.
        let is_this_node =
            |host: &Host<'_>| !self.routing.is_home(host) && self.routing.is_local(host, local);
        let uri = &self.routed.uri;
        let mut is_allowed = [&uri.host, &self.routed.host]
            .iter()
            .all(|host| is_there(host, uri.port) || is_this_node(host));
        // A strict router's last value has become the Request-URI.
        let routes = &self.request.routes;
        let behind = routes.len() - usize::from(self.routed.strict_in);
        for route in routes.iter().take(behind).skip(self.routed.popped.into()) {
            let uri = route.parse_uri().map_err(malformed)?;
            let maddr = maddr_of(&uri)?.unwrap_or(uri.host);
            is_allowed &= is_there(&uri.host, uri.port) && is_there(&maddr, uri.port);
        }
        if !is_allowed {
            return Err(MessageReason::RouteNotPermitted);
        }
        self.in_pool(position, &[])
    }

    /// Where a home server's request goes that no token leads: to the pool or peer that its Route
    /// or Request-URI names. Home servers route themselves, so they may name any peer of the
    /// topology, and nothing else.
    fn of_home_server(&self, own: PeerKey) -> Result<TargetSet, MessageReason> {
        // A name that a pool serves is that pool's, although a peer bears it too: its members are
        // equal, so that one of them stands in for another. A server's name that no pool serves
        // means that server alone.
        let from = &self.request.from_uri.host;
        let position = self.routing.pool_for(&self.target, from)?;
        if position.is_some() {
            // Any of those that its certificate names may have sent it, unless it is known which;
            // where these are all, the one that it is taken for.
            let mut senders: OtherEntries = smallvec![own];
            if !self.request.inbound.certainty.is_known() {
                senders.extend_from_slice(&self.also);
            }
            return match self.in_pool(position, &senders) {
                Err(MessageReason::NoRoute) if senders.len() > 1 => self.in_pool(position, &[own]),
                order => order,
            };
        }
        match self.routing.peer(&self.target) {
            Some(key) if key == own => Err(MessageReason::NoRoute),
            Some(key) if self.routing.is_sibling(key) => Err(MessageReason::RouteNotPermitted),
            // Which of them is meant a pool would say.
            Some(_) if self.routing.is_shared(&self.target) => Err(MessageReason::NoPoolForCaller),
            Some(key) => listed(key, self.links),
            None if self.routed.next_route.is_some() => Err(MessageReason::RouteNotPermitted),
            None if self.routed.uri.scheme == Scheme::Other => {
                Err(MessageReason::UnsupportedScheme)
            }
            None => Err(MessageReason::NoRoute),
        }
    }

    /// The members of a pool in the order for this request; `except` is who may have sent it.
    fn in_pool(
        &self,
        position: Option<usize>,
        except: &[PeerKey],
    ) -> Result<TargetSet, MessageReason> {
        let pool = position.and_then(|at| self.routing.pool_at(at));
        let pool = pool.ok_or(MessageReason::NoRoute)?;
        let InboundRequest {
            call_id, inbound, ..
        } = self.request;
        pool.order(call_id, self.random, except, self.links, inbound.now)
    }

    /// Where a URI leads that was sealed for a partner and that it calls outside of a dialog, as a
    /// transfer (RFC 5589 §7) or a redirection asks it to: to the home server whose name or address
    /// it has, else to the home pool, whose servers know what they wrote. Never anywhere else.
    fn unsealed(&self) -> Result<TargetSet, MessageReason> {
        let port = match self.routed.next_route {
            Some(route) => route.port,
            None => self.routed.uri.port,
        };
        let mut targets = match self.routing.home_server(&self.target, port) {
            Some(key) => in_dialog(self.who, key, self.routing, self.links)?,
            None => self.in_pool(self.routing.default_pool(), &[])?,
        };
        targets.retain(|target| match *target {
            Leg::Peer(key) => self.is_server(key),
            Leg::Client(_) | Leg::Binding(_) => false,
        });
        if targets.is_empty() {
            return Err(MessageReason::NoRoute);
        }
        Ok(targets)
    }

    /// A Route value that a client or partner put after this node's must stay at home, by its
    /// `maddr` too. Clients with an outbound proxy add such routes; any other would make this node a
    /// relay for strangers.
    fn check_route(&self) -> Result<(), MessageReason> {
        match &self.routed.next_route {
            Some(route) if !self.is_at_home(&route.host) || !self.is_at_home(&self.target) => {
                Err(MessageReason::RouteNotPermitted)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What a partner sends to the home side must ask it for nothing beyond itself. An `maddr` in the Request-URI is
    /// the only target of whoever gets it (RFC 3261 §16.5), and each Route value the next hop after the one before it: the
    /// home server, which knows the request as this node's, would bring it anywhere. A URI that was sealed for the partner
    /// is the home side's own.
    fn check_way_on(&self, own: PeerKey) -> Result<(), MessageReason> {
        let is_reached = |host: &Host<'_>| {
            let is_domain = self.routing.is_home(host);
            self.is_at_home(host) && (!is_domain || self.routing.reaches(own, host))
        };
        let Routed {
            uri, strips_maddr, ..
        } = self.routed;
        let mut leads_on = !strips_maddr && !self.is_sealed && maddr_of(uri)?.is_some();
        let routes = &self.request.routes;
        let behind = routes.len() - usize::from(self.routed.strict_in);
        for route in routes.iter().take(behind).skip(self.routed.popped.into()) {
            let uri = route.parse_uri();
            let uri = uri.map_err(|_| MessageReason::MalformedRequest)?;
            let maddr = maddr_of(&uri)?.unwrap_or(uri.host);
            leads_on |= !is_reached(&uri.host) || !is_reached(&maddr);
        }
        match leads_on {
            true => Err(MessageReason::RouteNotPermitted),
            false => Ok(()),
        }
    }

    /// Whether the host is a home domain, or a home server.
    fn is_at_home(&self, host: &Host<'_>) -> bool {
        let peer = self.routing.peer(host);
        self.routing.is_home(host) || peer.is_some_and(|key| self.is_server(key))
    }

    /// Behind the token of a dialog stand the Record-Routes of the home side, also of elements that
    /// the topology does not list. Never a partner's: the home server would be asked to bring the
    /// request to a third party.
    fn check_dialog_route(&self) -> Result<(), MessageReason> {
        let is_partner = |key| self.links.peer(key).is_some_and(|peer| !peer.is_home());
        let leads_out = |host: &Host<'_>| {
            let pool = self.routing.pool(host);
            match pool.and_then(|at| self.routing.pool_at(at)) {
                Some(pool) => pool.members().any(is_partner),
                None => self.routing.peer(host).is_some_and(is_partner),
            }
        };
        match &self.routed.next_route {
            Some(route) if leads_out(&route.host) || leads_out(&self.target) => {
                Err(MessageReason::RouteNotPermitted)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a home server may call a registered client: it, or another server that its certificate names, serves the
    /// domain of the client's address of record.
    fn may_call(&self, own: PeerKey, client: BoundClient) -> bool {
        let mut senders = std::iter::once(&own).chain(&self.also);
        senders.any(|key| self.routing.serves(*key, client.domain))
    }

    /// Whether the peer is a home server of the current generation.
    fn is_server(&self, key: PeerKey) -> bool {
        let peer = self.links.peer(key);
        peer.is_some_and(|peer| peer.is_home() && peer.current.is_some())
    }

    /// Whether the sender may assert this From; in a dialog the callee also by the name that it was
    /// called by.
    ///
    /// The callee's requests in a dialog have in From what the caller wrote into To (RFC 3261
    /// §12.2.1.1). That may be any name: a call that was forwarded, a number without a domain. The
    /// token holds a hash of it, so that the callee may use this very name, in this dialog, and no
    /// other.
    fn check_from(&self) -> Result<(), MessageReason> {
        let called_by_this_name = || match self.routed.token {
            Some(Token::Dialog {
                callee, to_host, ..
            }) => {
                let is_callee = match (self.who, callee) {
                    (Sender::Client(own), callee) => is_client(own, callee, self.links),
                    (Sender::Federated(own), Leg::Peer(key)) => {
                        stands_for(own, &self.also, key, self.routing)
                    }
                    (Sender::Federated(_) | Sender::Home(_) | Sender::Sibling(_), _) => false,
                };
                is_callee && to_host == host_hash(&self.request.from_uri)
            }
            Some(Token::Binding(_)) | None => false,
        };
        // A `tel` or other URI names no domain by which a sender could be held to its own.
        let from = &self.request.from_uri;
        let sip = matches!(from.scheme, Scheme::Sip | Scheme::Sips);
        let allowed = match self.who {
            Sender::Home(_) => true,
            Sender::Sibling(_) => false,
            Sender::Client(_) => {
                sip && (self.from().home || self.routing.is_nobody(&from.host))
                    || called_by_this_name()
            }
            Sender::Federated(key) => {
                let listed = self.links.peer(key);
                // A carrier within the trust domain names its callers by number, or not at all (RFC
                // 3325 §5). A local number of a domain is a name of that domain (RFC 3966 §5.1.5).
                let is_foreign = |host: Option<&Host<'_>>| {
                    host.is_none_or(|host| !self.routing.may_assert(key, host))
                };
                let by_number = from.scheme == Scheme::Tel && !from.any_context(is_foreign);
                sip && self.routing.may_assert(key, &from.host)
                    || sip
                        && self.routing.is_nobody(&from.host)
                        && listed.is_some_and(|p| p.anonymous.is_some())
                    || by_number && listed.is_some_and(|p| p.assert_identity)
                    || called_by_this_name()
            }
        };
        allowed.then_some(()).ok_or(MessageReason::FromNotAllowed)
    }

    /// A partner calls home domains, or one of its own that it was reached by and forwards from; in
    /// a dialog, which its token proves, To is whoever the other side was then.
    fn check_to(&self) -> Result<(), MessageReason> {
        let Sender::Federated(key) = self.who else {
            return Ok(());
        };
        if self.routed.is_in_dialog() {
            return Ok(());
        }
        let to = self
            .request
            .to
            .parse_uri()
            .map_err(|_| MessageReason::MalformedRequest)?;
        let allowed = match to.scheme {
            // A number is nobody's domain; where it leads the Request-URI decides.
            Scheme::Tel => true,
            Scheme::Sip | Scheme::Sips => {
                self.routing.is_home(&to.host)
                    || self.routing.is_own_name(&to.host)
                    || self.routing.may_assert(key, &to.host)
                    || self.routing.is_nobody(&to.host)
            }
            Scheme::Other => false,
        };
        allowed.then_some(()).ok_or(MessageReason::ToNotAllowed)
    }

    /// No allow list outweighs a denied domain: neither in From nor in To nor as the target, in any
    /// method, in a dialog too.
    fn check_denied(&self, peer: Option<PeerKey>) -> Result<(), MessageReason> {
        let to = self.request.to.parse_uri().ok();
        if [Some(self.routed.uri), Some(self.request.from_uri), to]
            .iter()
            .flatten()
            .any(|uri| {
                let is_denied = |host: &Host<'_>| self.routing.denies(peer, host);
                is_denied(&uri.host) || uri.any_context(|host| host.is_some_and(is_denied))
            })
        {
            Err(MessageReason::DomainDenied)
        } else {
            Ok(())
        }
    }
}
