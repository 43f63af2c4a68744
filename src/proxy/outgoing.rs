//! What is written to a leg (RFC 3261 §16.6, §16.7): its name for this node, the fields that are
//! stripped for it, the name of the sender that it learns, and topology hiding, whatever message it
//! is.
//!
//! Every message that is relayed passes here, requests and responses alike, so that no way out of
//! the node can forget to strip a field or to hide the topology. Answers of this node's own
//! (`reply`) need neither: they hold what the receiver sent itself.
use super::branch::BranchText;
use super::environment::{Environment, Upstream};
use super::hiding::{Hiding, cover_contacts};
use super::inbound::InboundMessage;
use super::leg::Leg;
use super::link_id::LinkId;
use super::listing::ListedPeer;
use super::plan::ForwardPlan;
use super::privacy::Privacy;
use super::token::PartnerLink;
use super::token_text::TokenText;
use super::{asserted, keep_alive};
use crate::reason::MessageReason;
use crate::sip::{Derived, Edits, HeaderName, Message, StartLine, Via, ViaParams};
use crate::topology::{ClientPath, FieldRules, PeerKind};
use smallvec::SmallVec;
use std::net::SocketAddr;

/// One leg as the receiver of a message.
pub(crate) struct MessageWriter<'e> {
    env: &'e Environment,
    leg: Leg,
    /// Its peer, if it is one.
    peer: Option<&'e ListedPeer>,
    /// The connection, where it is chosen before the message is written.
    link: Option<LinkId>,
    /// This node's name in a Via that was written before.
    sent_as: Option<&'e str>,
    rules: FieldRules,
}

/// What a request has recorded of a dialog with an unregistered client, which sees another value of the
/// token than the other side (RFC 5658 §5).
pub(crate) struct RecordedToken {
    /// In the request.
    sent: TokenText,
    /// In the responses to it.
    upstream: TokenText,
}

impl RecordedToken {
    /// The same again, of which only these have been kept: one for each key that may have signed it.
    pub(crate) fn again(
        legs: (Leg, Leg),
        to_host: u32,
        call_id: &[u8],
        env: &Environment,
    ) -> SmallVec<[Self; 1]> {
        let by_key = env.tokens.dialog_of_two_again(legs, to_host, call_id);
        by_key.map(|two| Self::of(legs, two)).collect()
    }

    /// Of both values, that for the unregistered client's side being the second; which is whose, its leg says.
    fn of((caller, _): (Leg, Leg), (far, own): (TokenText, TokenText)) -> Self {
        match caller {
            Leg::Client(_) => Self {
                sent: far,
                upstream: own,
            },
            Leg::Peer(_) | Leg::Binding(_) => Self {
                sent: own,
                upstream: far,
            },
        }
    }

    /// Of several passes through this node only the one that this response belongs to is rewritten: the
    /// others have other tokens.
    ///
    /// The value is looked for as it was written, in front of an `@`: its MAC cannot stand there by chance, and this node's
    /// own URI needs no parser.
    fn rewrite<'m, 'a>(&'m self, message: &'m Message<'a>, edits: &mut Edits<'m, 'a>) {
        for value in message.whole_values(HeaderName::RecordRoute) {
            for at in memchr::memchr_iter(b'@', value) {
                let before = value.get(..at).unwrap_or_default();
                let start = at.saturating_sub(self.sent.len());
                if before.ends_with(&self.sent)
                    && let Some(user) = before.get(start..)
                {
                    edits.replace_user(user, &self.upstream);
                }
            }
        }
    }
}

/// A URI with a token, for Record-Route or Path.
type RouteUri = SmallVec<[u8; 160]>;

impl<'e> MessageWriter<'e> {
    /// Towards this leg.
    pub(crate) fn to(leg: Leg, env: &'e Environment) -> Self {
        let peer = env.listed(leg);
        Self {
            env,
            leg,
            peer,
            link: None,
            sent_as: None,
            rules: env.field_rules_of(leg, peer),
        }
    }

    /// The same of what follows a request that was sent by this name, whatever the leg knows by now.
    pub(crate) fn sent_as(self, name: &'e str) -> Self {
        Self {
            sent_as: Some(name),
            ..self
        }
    }

    /// The same over this connection, which the route that is recorded may name.
    pub(crate) fn over(self, link: LinkId) -> Self {
        Self {
            link: Some(link),
            ..self
        }
    }

    /// Writes a forwarded request (RFC 3261 §16.6 steps 1 to 8).
    ///
    /// # Errors
    /// It must not be sent there; nothing has been written.
    pub(crate) fn request(
        &self,
        message: &Message<'_>,
        via: &Via<'_>,
        plan: &ForwardPlan,
        from: Upstream,
        branch: &BranchText,
        out: &mut Vec<u8>,
    ) -> Result<Option<Box<RecordedToken>>, MessageReason> {
        let start = out.len();
        let handing = plan.siblings.as_deref().filter(|_| self.is_sibling());
        // The request as it came, with the token back in front: the sibling preprocesses its route, and judges it,
        // as this node has done. A strict router behind this node is the sibling's business, which routes anew.
        let lenient = handing.map(|_| ForwardPlan {
            strict_out: false,
            ..plan.clone()
        });
        let plan = lenient.as_ref().unwrap_or(plan);
        let route = handing.map(|handing| handing.route(self.env));
        let origin =
            handing.and_then(|handing| handing.origin(self.leg.peer()?, message, self.env));
        let rewrite = RouteRewrite::of(message, plan);
        let leg = handing.map_or(self.leg, |handing| Leg::Binding(handing.id));
        let mut recorded = SmallVec::new();
        let two = self.record_routes(message, plan, (from, leg), &mut recorded);
        let path = self.path(message, plan);
        let sender = self.sender_name(from.leg);
        let address = self.client_address(from);

        // All edits are planned over the received bytes and written once: nothing that no edit
        // names is copied twice or changed.
        let mut edits = Edits::new(message);
        if plan.strict_in || rewrite.append.is_some() || plan.request_uri.is_some() {
            edits.set_request_uri(rewrite.request_uri);
        }
        // RFC 3261 §18.2.1, RFC 3581: where the request really came from.
        edits.stamp_top_via(via, from.remote);
        edits.prepend_via(self.sent_by(), branch, self.via_params());
        edits.set_max_forwards(plan.max_forwards);
        if let Some(breadth) = plan.max_breadth {
            edits.set_max_breadth(breadth);
        }
        if rewrite.popped > 0 {
            edits.pop_routes(rewrite.popped);
        }
        if plan.strict_in {
            edits.pop_last_route();
        }
        if let Some(uri) = rewrite.append {
            edits.append_route(uri);
        }
        for uri in &recorded {
            edits.prepend_record_route(uri);
        }
        if let Some(route) = &route {
            edits.prepend_route(route);
        }
        if let Some(origin) = &origin {
            edits.insert_origin(origin);
        }
        if plan.registers.is_some() {
            // What a client writes there would make the registrar route through it.
            edits.strip(HeaderName::Path);
        }
        if let Some(uri) = &path {
            edits.prepend_path(uri);
            if !plan.announces_path {
                edits.announce_path();
            }
        }
        // What the sender may not send and what this receiver may not see, in one pass over the
        // lines.
        edits.strip_all(plan.privacy.stripped(plan.strip, &self.rules));
        self.choose_by_name(from.leg, &mut edits);
        plan.not_asserted.drop_from(&mut edits);
        if let Some(name) = sender {
            edits.insert_peer_name(name);
        }
        if let Some(address) = address {
            edits.insert_client_address(address);
        }
        edits.write(out);
        if let Some(name) = plan.registers.filter(|_| plan.path == ClientPath::Contact) {
            let client = self.env.bound_client(&name, message);
            cover_contacts(client, start, self.env, out)?;
        }
        self.hide(start, out)?;
        Ok(two)
    }

    /// Writes a response on its way back (RFC 3261 §16.7 steps 3, 8 and 9). `plan` is that of its
    /// request, `recorded` what its receiver must see another value of.
    ///
    /// # Errors
    /// It must not be sent there; nothing has been written.
    pub(crate) fn response(
        &self,
        inbound: &InboundMessage<'_, '_>,
        status: u16,
        (plan, recorded): (&ForwardPlan, Option<&RecordedToken>),
        out: &mut Vec<u8>,
    ) -> Result<(), MessageReason> {
        // A client that does not know the extension must not see it (RFC 3327 §5.3).
        let hides_path = plan.registers.is_some() && !plan.knows_path;
        let of_plan = (plan.keep_alive, hides_path);
        let recorded = recorded.map(std::slice::from_ref).unwrap_or_default();
        self.response_as(inbound, status, (of_plan, recorded), out)
    }

    /// A further 2xx to an INVITE whose plan is gone.
    ///
    /// # Errors
    /// As [`Self::response`].
    pub(crate) fn answer(
        &self,
        inbound: &InboundMessage<'_, '_>,
        status: u16,
        (keep_alive, recorded): (bool, &[RecordedToken]),
        out: &mut Vec<u8>,
    ) -> Result<(), MessageReason> {
        self.response_as(inbound, status, ((keep_alive, false), recorded), out)
    }

    fn response_as(
        &self,
        inbound: &InboundMessage<'_, '_>,
        status: u16,
        ((keep_alive, hides_path), recorded): ((bool, bool), &[RecordedToken]),
        out: &mut Vec<u8>,
    ) -> Result<(), MessageReason> {
        let start = out.len();
        let message = inbound.message;
        let (strip, not_asserted) = asserted::not_asserted_in_response(inbound, self.env);
        let mut edits = Edits::new(message);
        edits.pop_via();
        for recorded in recorded {
            recorded.rewrite(message, &mut edits);
        }
        edits.strip_all(Privacy::read(message).stripped(strip, &self.rules));
        self.choose_by_name(inbound.leg, &mut edits);
        not_asserted.drop_from(&mut edits);
        if hides_path {
            edits.strip(HeaderName::Path);
        }
        if keep_alive && (200..300).contains(&status) {
            edits.insert_keep_alive(keep_alive::interval(&self.env.limits));
        }
        edits.write(out);
        self.hide(start, out)
    }

    /// What the rules of the sender and of the receiver say of fields that go by their names alone.
    fn choose_by_name<'m>(&'m self, from: Leg, edits: &mut Edits<'m, '_>) {
        // Each by itself: what one keeps the other may still strip.
        if let Some(named) = self.env.named_fields(from) {
            edits.strip_named(&named.strip_in);
        }
        if let Some(named) = self.env.named_fields(self.leg) {
            edits.strip_named(&named.strip_out);
            // Only towards the receiver: what a sender calls itself is its own business.
            edits.set_products(&named.products);
        }
    }

    /// How the CANCEL of a branch, and the ACK for its refusal, are derived from the request that
    /// was forwarded: they must have its Request-URI, Route and topmost Via (RFC 3261 §9.1,
    /// §17.1.1.3).
    pub(crate) fn derived<'d>(
        &'d self,
        message: &Message<'d>,
        plan: &'d ForwardPlan,
        branch: &'d BranchText,
    ) -> Derived<'d> {
        let rewrite = RouteRewrite::of(message, plan);
        Derived {
            request_uri: rewrite.request_uri,
            popped_routes: rewrite.popped,
            popped_last_route: plan.strict_in,
            appended_route: rewrite.append,
            sent_by: self.sent_by(),
            branch,
            params: self.via_params(),
        }
    }

    /// Whether the leg is a sibling.
    fn is_sibling(&self) -> bool {
        let is_sibling = |peer: &ListedPeer| peer.kind == PeerKind::Sibling;
        self.peer.is_some_and(is_sibling)
    }

    /// This node's name and port as the leg knows them.
    fn sent_by(&self) -> &'e str {
        self.sent_as.unwrap_or_else(|| self.env.sent_by(self.leg))
    }

    /// Peers may send their requests back on the same connection (RFC 5923 §8.1).
    fn via_params(&self) -> ViaParams {
        match self.leg {
            Leg::Peer(_) => ViaParams::Alias,
            Leg::Client(_) | Leg::Binding(_) => ViaParams::Plain,
        }
    }

    /// The sender's verified name for `X-Sipward-Peer`, which home servers get where the settings
    /// want that: they cannot see the certificate themselves.
    fn sender_name(&self, from: Leg) -> Option<&'e str> {
        if !self.env.boundary().peer_name {
            return None;
        }
        match self.peer?.kind {
            PeerKind::Home => self.env.listed(from).map(|peer| &*peer.name),
            PeerKind::Federated | PeerKind::Sibling => None,
        }
    }

    /// Where a client's request came from, for `X-Sipward-Client`: home servers see this node's address alone, and could not
    /// tell whom to shut out.
    fn client_address(&self, from: Upstream) -> Option<SocketAddr> {
        let is_wanted = self.env.boundary().client_address && from.leg.is_client();
        let is_home = |peer: &&ListedPeer| peer.kind == PeerKind::Home;
        let peer = self.peer.filter(|_| is_wanted);
        peer.filter(is_home).map(|_| from.remote)
    }

    /// Appends the values of Record-Route that are added, the lowest first. RFC 5658 §5: each side gets one
    /// that it can reach; one serves both when this node has one name for both.
    fn record_routes(
        &self,
        message: &Message<'_>,
        plan: &ForwardPlan,
        (from, leg): (Upstream, Leg),
        uris: &mut SmallVec<[RouteUri; 2]>,
    ) -> Option<Box<RecordedToken>> {
        if !plan.record_route {
            return None;
        }
        let legs = (from.leg, leg);
        let call_id = message.call_id().unwrap_or_default();
        let tokens = &self.env.tokens;
        // Only a dialog with an unregistered client has two values.
        let two = match legs {
            (Leg::Client(_), _) | (_, Leg::Client(_)) => {
                let two = tokens.dialog_of_two(legs, plan.to_host, call_id);
                Some(Box::new(RecordedToken::of(legs, two)))
            }
            _ => None,
        };
        let token = match (&two, self.partner_link(legs, from.link)) {
            (Some(two), _) => two.sent.clone(),
            (None, Some(over)) => tokens.dialog_over(legs, over, plan.to_host, call_id),
            (None, None) => tokens.dialog(legs, plan.to_host, call_id),
        };
        let (upstream, downstream) = (self.env.sent_by(legs.0), self.env.sent_by(legs.1));
        uris.push(route_uri(plan.sips, &token, upstream, b";lr"));
        if upstream != downstream {
            uris.push(route_uri(plan.sips, &token, downstream, b";lr"));
        }
        two
    }

    /// The connection that a dialog between servers has with the one of them that is a partner's:
    /// what is behind that may be one of several machines, and the dialog is with it.
    fn partner_link(&self, legs: (Leg, Leg), from: LinkId) -> Option<PartnerLink> {
        let (Leg::Peer(caller), Leg::Peer(callee)) = legs else {
            return None;
        };
        let is_partner = |key| {
            let peer = self.env.links.peer(key);
            peer.is_some_and(|peer| peer.kind == PeerKind::Federated)
        };
        let (peer, link) = match (is_partner(caller), is_partner(callee)) {
            (true, false) => (caller, from),
            (false, true) => (callee, self.link?),
            (true, true) | (false, false) => return None,
        };
        Some(PartnerLink { peer, link })
    }

    /// The Path of a client's registration (RFC 3327 §5.2): requests for it come to its binding.
    fn path(&self, message: &Message<'_>, plan: &ForwardPlan) -> Option<RouteUri> {
        let name = plan.registers.filter(|_| plan.path == ClientPath::Path);
        let client = self.env.bound_client(&name?, message)?;
        let token = self.env.tokens.binding(client);
        let params: &[u8] = if plan.outbound { b";lr;ob" } else { b";lr" };
        Some(route_uri(plan.sips, &token, &self.env.names.peers, params))
    }

    /// Hides the topology in what was written since `start`, if the leg is one from which it is
    /// hidden.
    fn hide(&self, start: usize, out: &mut Vec<u8>) -> Result<(), MessageReason> {
        match self.leg.peer().and_then(|peer| Hiding::of(peer, self.env)) {
            Some(hiding) => hiding.hide(start, out),
            None => Ok(()),
        }
    }
}

/// Request-URI and Route as they are sent, and as CANCEL and ACK must repeat them (RFC 3261 §16.4
/// step 1, §16.6 step 6).
struct RouteRewrite<'a> {
    request_uri: &'a [u8],
    popped: usize,
    /// The next element is a strict router: the Request-URI goes to the end of the route.
    append: Option<&'a [u8]>,
}

impl<'a> RouteRewrite<'a> {
    fn of(message: &Message<'a>, plan: &'a ForwardPlan) -> Self {
        let received = match message.start() {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => b"",
        };
        let popped = usize::from(plan.popped_routes);
        let mut rewrite = RouteRewrite {
            request_uri: received,
            popped,
            append: None,
        };
        let mut routes = message.routes().flatten().map(|route| route.uri);
        let next = plan.strict_out.then(|| routes.nth(popped)).flatten();
        if plan.strict_in
            && let Some(last) = routes.last()
        {
            rewrite.request_uri = last;
        }
        if let Some(uri) = &plan.request_uri {
            rewrite.request_uri = uri;
        }
        if let Some(next) = next {
            rewrite.append = Some(rewrite.request_uri);
            rewrite.request_uri = next;
            rewrite.popped += 1;
        }
        rewrite
    }
}

/// A URI of this node for Record-Route or Path.
///
/// **Deviation:** `transport=tls` is deprecated (RFC 3261 §26.2.2), but without it RFC 3263 §4.1
/// makes UDP of a `sip:` URI with a port, and both baresip and Kamailio send the next request of
/// the dialog there, where nobody listens.
fn route_uri(sips: bool, token: &TokenText, sent_by: &str, params: &[u8]) -> RouteUri {
    let mut uri = RouteUri::new();
    uri.extend_from_slice(if sips { b"sips:" } else { b"sip:" });
    uri.extend_from_slice(token);
    uri.push(b'@');
    uri.extend_from_slice(sent_by.as_bytes());
    if !sips {
        uri.extend_from_slice(b";transport=tls");
    }
    uri.extend_from_slice(params);
    uri
}
