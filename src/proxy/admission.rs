//! Whether a request may pass, and where to: validation (RFC 3261 §16.3), route preprocessing
//! (§16.4), policy in place of target determination (§16.5), and the boundary of the trust domain.
//!
//! Policy has chosen the targets by the time that the boundary is crossed. There each is asked
//! whether it may have this request at all, and those that may not are taken out; when none is
//! left, the reason is that of the boundary and not `no_route`.
use super::account::Account;
use super::answered;
use super::credentials;
use super::environment::Environment;
use super::hiding::readable_contacts;
use super::inbound::{InboundRequest, Routed, maddr_of};
use super::interface::RemoteIdentity;
use super::leg::{Leg, TargetSet};
use super::link_state::LinkState;
use super::links::Links;
use super::moving::{self, ClientMove};
use super::partner_way::PartnerWay;
use super::plan::ForwardPlan;
use super::policy::Question;
use super::privacy::Privacy;
use super::same_party::Sender;
use super::sibling::SiblingPlan;
use super::token_fields::is_dead;
use super::{branch, same_party};
use crate::reason::MessageReason;
use crate::sip::{Address, HeaderName, Message, Method, Rule, Scheme, Uri, Via};
use crate::topology::{ClientPath, Limits};
use std::cell::OnceCell;
use std::hash::Hasher as _;

/// Option tags in Proxy-Require that this proxy supports. `ms-benotify` stands in every SUBSCRIBE
/// of a Lync client: whoever is on the way must not wait for an answer to BENOTIFY (MS-SIP
/// §3.5.1.1).
const PROXY_EXTENSIONS: [&[u8]; 1] = [b"ms-benotify"];

/// What becomes of a request that may pass.
pub(crate) enum Handling {
    /// It goes to one of these targets.
    Forward(ForwardPlan, TargetSet),
    /// It is an OPTIONS for this node itself.
    AnswerOptions,
    /// It is of a client whose leg this other shard may move to the client's new connection.
    HandOver(u8),
    /// It is for a client without a registration, whose connection the other process of this node may have.
    OtherProcess,
}

/// The order of RFC 3261 §16.3, then §16.4 and the policy.
///
/// Cheap checks come first, and what costs a keyed hash or a MAC (the loop hash, the token) only
/// after them: a stranger who floods this node with nonsense should pay more than it does. Nothing
/// is kept until all have passed.
///
/// # Errors
/// The reason of the refusal.
pub(crate) fn admit(
    request: &InboundRequest<'_, '_>,
    env: &mut Environment,
) -> Result<Handling, MessageReason> {
    let message = request.inbound.message;
    // §16.3 step 2. A service (RFC 5031) has no place of its own: it goes where its sender's
    // requests go, or by Route, and is refused only where it would have to be routed itself.
    if request.uri.scheme == Scheme::Other && !is_urn(request.request_uri) {
        return Err(MessageReason::UnsupportedScheme);
    }
    // §16.3 step 3; an OPTIONS for this node has arrived where it wanted to go.
    let for_this_node = asks_this_node(request, env);
    if request.max_forwards == Some(0) && !for_this_node {
        return Err(MessageReason::TooManyHops);
    }
    // §16.3 step 4. The hash is needed anyway: it goes into this node's own branch.
    let loop_hash = loop_hash(request, env);
    if has_looped(message, loop_hash, env) {
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
    let mut routed = Routed::of(request);
    routed.preprocess(request, env)?;
    let moved = moving::look(request, &mut routed, env)?;
    if let ClientMove::Elsewhere(shard) = moved {
        return Ok(Handling::HandOver(shard));
    }
    // With a token, or a Route behind this node, the OPTIONS is for somebody else.
    let for_this_node = for_this_node && routed.token.is_none() && routed.next_route.is_none();
    let targets = match judge(request, &routed, env) {
        // Who asks is said by the certificate: servers ping in whatever name,
        // `dispatcher@localhost` or an address.
        Err(MessageReason::FromNotAllowed)
            if for_this_node && matches!(request.inbound.leg, Leg::Peer(_)) =>
        {
            return answer_options(request, env);
        }
        judged => judged?,
    };
    // A request for this node itself, such as a peer's health ping, is answered as its final
    // recipient (§11).
    if for_this_node {
        return answer_options(request, env);
    }
    let mut targets = targets?;
    if is_for_other_process(request, &targets, env) {
        return Ok(Handling::OtherProcess);
    }
    // Read once: the boundary asks for it, and the plan keeps it for what is stripped towards each
    // target.
    let privacy = Privacy::read(message);
    cross_boundary(request, &routed, privacy, &mut targets, env)?;
    within_limits(request, &routed, env)?;
    let tries = credentials::may_try(request, env)?;
    moving::enter(moved, env)?;
    let mut plan = ForwardPlan::new(request, &routed, privacy, loop_hash, env);
    // Before any server is tried: it is the client's fault, and no reason to ask the next one.
    if plan.path == ClientPath::Contact {
        readable_contacts(message)?;
    }
    plan.siblings = SiblingPlan::of(request, &routed, &targets, env);
    plan.way = PartnerWay::of(request, &routed, &targets, env);
    if let Some(tries) = tries {
        tries.begin(env, request.inbound.now);
        plan.tries = Some(tries);
    }
    Ok(Handling::Forward(plan, targets))
}

/// Who asks whether this node takes requests learns that it does not while it drains. Siblings hand over what is for a client
/// that is still here: to them the node lives.
fn answer_options(
    request: &InboundRequest<'_, '_>,
    env: &Environment,
) -> Result<Handling, MessageReason> {
    let is_sibling = |key| env.routing().is_sibling(key);
    match env.draining {
        Some(_) if !request.inbound.leg.peer().is_some_and(is_sibling) => {
            Err(MessageReason::Draining)
        }
        Some(_) | None => Ok(Handling::AnswerOptions),
    }
}

/// The ACK of a 2xx goes through route preprocessing and policy like any request of its dialog; it
/// is not validated further, since no answer could report what is wrong with it (RFC 3261 §17.1).
///
/// # Errors
/// Why it is dropped.
pub(crate) fn admit_ack(
    request: &InboundRequest<'_, '_>,
    env: &mut Environment,
) -> Result<Handling, MessageReason> {
    if request.max_forwards == Some(0) {
        return Err(MessageReason::AckRefused);
    }
    // A forged token is an attack, and is logged as what it is.
    let refused = |reason| match reason == MessageReason::TokenForged {
        true => MessageReason::TokenForged,
        false => MessageReason::AckRefused,
    };
    let mut routed = Routed::of(request);
    routed.preprocess(request, env).map_err(refused)?;
    if !routed.is_in_dialog() {
        return Err(MessageReason::AckUnmatched);
    }
    let moved = moving::look(request, &mut routed, env).map_err(refused)?;
    if let ClientMove::Elsewhere(shard) = moved {
        return Ok(Handling::HandOver(shard));
    }
    let targets = judge(request, &routed, env)
        .map_err(refused)?
        .map_err(refused)?;
    if is_for_other_process(request, &targets, env) {
        return Ok(Handling::OtherProcess);
    }
    moving::enter(moved, env).map_err(refused)?;
    let privacy = Privacy::read(request.inbound.message);
    let mut plan = ForwardPlan::new(request, &routed, privacy, 0, env);
    plan.siblings = SiblingPlan::of(request, &routed, &targets, env);
    plan.way = PartnerWay::of(request, &routed, &targets, env);
    Ok(Handling::Forward(plan, targets))
}

/// Whether a server asks in a dialog of a client that is known by its connection alone, and that connection is of another run. While
/// one process of this node hands over to another, that may be the other one's: it judges the request as if it had come there.
fn is_for_other_process(
    request: &InboundRequest<'_, '_>,
    targets: &TargetSet,
    env: &Environment,
) -> bool {
    env.links.other_process().is_some()
        && matches!(request.inbound.origin.identity, RemoteIdentity::Peer(_))
        && targets.first().copied().is_some_and(is_dead)
}

/// Whether this is an OPTIONS for this node itself: its own name, no user (RFC 3261 §11).
fn asks_this_node(request: &InboundRequest<'_, '_>, env: &Environment) -> bool {
    request.method == Method::Options
        && request.uri.user.is_none()
        && env
            .routing()
            .is_node(&request.uri, request.inbound.origin.local)
}

/// A client's request in the name of a user whom an operator has kicked for a time, that registers one, or with such a
/// one's credentials.
fn check_user(request: &InboundRequest<'_, '_>, env: &Environment) -> Result<(), MessageReason> {
    let (denied, now) = (&env.denied_users, env.unix());
    let registers = || {
        let to = request.to.parse_uri();
        request.method == Method::Register && to.is_ok_and(|to| denied.denies(&to, now))
    };
    let from = &request.from_uri;
    let is_anonymous = env.routing().is_nobody(&from.host);
    let mut accounts = credentials::accounts(request.inbound.message).flatten();
    let mut has_credentials =
        || accounts.any(|it| denied.denies_account((&it, from), is_anonymous, now));
    if denied.denies(from, now) || registers() || has_credentials() {
        return Err(MessageReason::UserDenied);
    }
    Ok(())
}

/// Who may do what. The outer error refuses the sender, the inner one only the way onward: an
/// OPTIONS for this node is answered although it would lead nowhere.
fn judge<'a>(
    request: &InboundRequest<'_, 'a>,
    routed: &Routed<'a>,
    env: &mut Environment,
) -> Result<Result<TargetSet, MessageReason>, MessageReason> {
    let who = Sender::of(request.sender(), &env.links).ok_or(MessageReason::TrustWithdrawn)?;
    if !request.inbound.is_trusted {
        return Err(MessageReason::TrustWithdrawn);
    }
    if matches!(who, Sender::Client(_)) && env.denied_users.any() {
        check_user(request, env)?;
    }
    // Weighted pools draw with it; it is an argument, so that policy stays a pure function. Nobody outside
    // knows it, and it costs nothing: a keyed hash that the request has anyway.
    let random = (request.key >> 64) as u64;
    let question = Question {
        who,
        request,
        routed,
        target: match &routed.next_route {
            Some(route) => maddr_of(route)?.unwrap_or(route.host),
            None => routed.host,
        },
        is_sealed: request.is_sealed && !routed.strict_in,
        from: OnceCell::new(),
        random,
        also: match &request.handed {
            Some(handed) => handed.also(env.routing()),
            None => same_party::other_entries(request.inbound.origin, request.inbound.leg),
        },
        routing: env.routing(),
        links: &env.links,
    };
    let judged = match question.judge() {
        // A sibling hands over what is for a client, and nothing else; for the client of the token that is signed with its
        // origin, and not of one that stands elsewhere.
        Ok(targets)
            if request.handed.is_some()
                && !(targets.iter().all(|leg| matches!(leg, Leg::Binding(_)))
                    && routed.token_text == request.first_user()) =>
        {
            Err(MessageReason::SiblingNotPermitted)
        }
        judged => judged,
    };
    match judged {
        Err(reason @ (MessageReason::FromNotAllowed | MessageReason::DomainDenied)) => Err(reason),
        targets => Ok(targets),
    }
}

/// What the boundary asks of a request besides its From. Targets that may not have the request are
/// taken out.
///
/// # Errors
/// The reason of the refusal.
fn cross_boundary(
    request: &InboundRequest<'_, '_>,
    routed: &Routed<'_>,
    privacy: Privacy,
    targets: &mut TargetSet,
    env: &Environment,
) -> Result<(), MessageReason> {
    let owed = env.field_rules(request.sender()).require_in;
    // In a dialog, which a request that had them has formed, they are seldom repeated.
    if !routed.is_in_dialog() && !owed.without(request.inbound.message.names()).is_empty() {
        return Err(MessageReason::FieldRequired);
    }
    // RFC 3323 §4.2: a request that asks critically for privacy must fail rather than pass without
    // it. A home server may be or know a privacy service; behind it nobody is left to do the work.
    if privacy.needs_service() && targets.iter().any(|leg| !is_inside(*leg, &env.links)) {
        return Err(MessageReason::PrivacyCritical);
    }
    if routed.uri.scheme == Scheme::Sips {
        sips_may_go(request, targets, &env.links)?;
    }
    Ok(())
}

/// Whether a target belongs to the trust domain (RFC 3324 §2.3).
fn is_inside(target: Leg, links: &Links) -> bool {
    match target {
        Leg::Peer(key) => links.peer(key).is_some_and(|p| p.assert_identity),
        Leg::Client(_) | Leg::Binding(_) => false,
    }
}

/// RFC 5630 §5.3: a sips Request-URI goes only to a peer that takes it, and comes with a sips
/// Contact. A sender that takes no sips URIs itself cannot be asked for one in its Contact.
fn sips_may_go(
    request: &InboundRequest<'_, '_>,
    targets: &mut TargetSet,
    links: &Links,
) -> Result<(), MessageReason> {
    let takes_sips = |leg| match leg {
        Leg::Peer(key) => links.peer(key).is_none_or(|p| p.sips),
        Leg::Client(_) | Leg::Binding(_) => true,
    };
    let forms_dialog = matches!(
        request.method,
        Method::Invite | Method::Subscribe | Method::Refer | Method::Update
    );
    if forms_dialog
        && takes_sips(request.sender())
        && request
            .inbound
            .message
            .values(HeaderName::Contact)
            .flatten()
            .filter_map(|value| Address::parse(value).ok())
            .filter_map(|contact| contact.parse_uri().ok())
            .any(|uri: Uri<'_>| uri.scheme == Scheme::Sip)
    {
        return Err(MessageReason::SipsContact);
    }
    // Clients came over TLS, and their registrar decides whether it answers to sips.
    targets.retain(|leg| takes_sips(*leg));
    if targets.is_empty() {
        return Err(MessageReason::SipsNotAllowed);
    }
    Ok(())
}

/// Whether there is room for one more transaction. Under overload what has begun is finished first:
/// requests of dialogs get an eighth more, and a BYE one more still, since an answered re-INVITE
/// keeps its room for 32 seconds.
fn within_limits(
    request: &InboundRequest<'_, '_>,
    routed: &Routed<'_>,
    env: &Environment,
) -> Result<(), MessageReason> {
    let in_dialog = routed.is_in_dialog();
    // What a sibling hands over is for a client that is still here: nobody else has it.
    if env.draining.is_some() && !in_dialog && request.handed.is_none() {
        return Err(MessageReason::Draining);
    }
    let eighths = usize::from(in_dialog) + usize::from(in_dialog && request.method == Method::Bye);
    let bound = |limit: usize| limit.saturating_add((limit / 8 + 1).saturating_mul(eighths));
    if env.transactions >= bound(env.limits.transactions) {
        return Err(MessageReason::TooManyTransactions);
    }
    if !in_dialog && env.memory.node().is_near() {
        return Err(MessageReason::MemoryFull);
    }
    // Of another shard's connection nothing is known here before its first transaction.
    let Some(link) = env.links.get(request.inbound.origin.link) else {
        return Ok(());
    };
    if let Some(account) = &link.account {
        within_memory(account, request.inbound.leg, bound, &env.limits)?;
    }
    // The connection's own numbers, and no look at the peer: this is asked for each request.
    let (invites, most_invites) = match request.inbound.leg {
        Leg::Client(_) if link.in_flight as usize >= bound(env.limits.transactions_per_client) => {
            return Err(MessageReason::ClientBudget);
        }
        Leg::Client(_) => (link.invites as usize, env.limits.invites_per_client),
        Leg::Binding(_) | Leg::Peer(_) => {
            let of_peer = link.account.as_ref().map_or(0, |it| it.invites());
            (of_peer, link.most_invites as usize)
        }
    };
    // Nothing else leaves anything behind when it is answered.
    if request.method == Method::Invite
        && are_enough_answered(link, request.inbound.leg, bound, env)
    {
        return Err(MessageReason::TooManyAnswered);
    }
    if request.method == Method::Invite && invites >= bound(most_invites) {
        return Err(MessageReason::TooManyInvites);
    }
    // Last: only what passes counts, so that whoever sends twice as much as it may has half of it.
    match in_dialog || is_in_time(request, link, &env.limits) {
        true => Ok(()),
        false => Err(MessageReason::RequestRate),
    }
}

/// Whether a request that begins something comes within the rate of its client's connection, or of its peer over all
/// connections in this shard. What belongs to a dialog always does: it is the last to suffer, by a pause in reading.
fn is_in_time(request: &InboundRequest<'_, '_>, link: &LinkState, limits: &Limits) -> bool {
    let now = request.inbound.now;
    match (request.inbound.leg, &link.account) {
        (Leg::Client(_), _) => {
            let (rate, burst) = (limits.client_rate, limits.client_burst);
            link.pace.admits(rate, burst, now)
        }
        (Leg::Peer(_) | Leg::Binding(_), Some(account)) => {
            let rate = link.rate as usize;
            account.pace().admits(rate, rate, now)
        }
        // Of another shard's connection nothing is known before its first transaction.
        (Leg::Peer(_) | Leg::Binding(_), None) => true,
    }
}

/// Whether as many answered INVITEs wait as may: of the connection, of its source or peer over all of its connections, or of all.
fn are_enough_answered(
    link: &LinkState,
    leg: Leg,
    bound: impl Fn(usize) -> usize,
    env: &Environment,
) -> bool {
    let limits = &env.limits;
    let (of_connection, of_party) = match leg.is_client() {
        true => (limits.answered_per_client, limits.answered_per_source),
        // A peer's connection carries the traffic of a whole site.
        false => (usize::MAX, limits.answered_per_peer),
    };
    let by_party = link.account.as_ref().map_or(0, |it| it.party_answered());
    link.answered.number() * answered::COST >= bound(of_connection)
        || by_party >= bound(of_party)
        || env.answered * answered::COST >= bound(limits.answered)
}

/// What is kept for the connection, and for all of its party: by number and by bytes.
fn within_memory(
    account: &Account,
    leg: Leg,
    bound: impl Fn(usize) -> usize,
    limits: &Limits,
) -> Result<(), MessageReason> {
    let (transactions, of_connection, of_party) = match leg {
        Leg::Client(_) => (
            limits.transactions_per_source,
            limits.memory_per_client,
            limits.memory_per_source,
        ),
        // A peer's connection carries the traffic of a whole site.
        Leg::Binding(_) | Leg::Peer(_) => (
            limits.transactions_per_peer,
            usize::MAX,
            limits.memory_per_peer,
        ),
    };
    if account.transactions() >= bound(transactions) {
        return Err(MessageReason::SourceBudget);
    }
    let is_full =
        account.bytes() >= bound(of_connection) || account.party_bytes() >= bound(of_party);
    match is_full {
        true => Err(MessageReason::TooMuchHeld),
        false => Ok(()),
    }
}

/// RFC 5393 §4.2.1: a hash of everything that influences routing, independent of the method.
///
/// Keyed: nobody can make a request look like one that has passed here before. Cut to 32 bits,
/// since it stands in every branch and only values of the same request are ever compared.
fn loop_hash(request: &InboundRequest<'_, '_>, env: &Environment) -> u32 {
    env.secrets.hash(|input| {
        input.write_u64(request.inbound.leg.as_u64());
        input.write_u32(request.cseq.number);
        input.texts([request.call_id, request.request_uri]);
        for route in &request.routes {
            input.texts([route.uri]);
        }
    }) as u32
}

/// RFC 5393 §4.2.2: an equal hash in a Via of this node is a loop, another one a spiral, which is
/// legitimate.
fn has_looped(message: &Message<'_>, loop_hash: u32, env: &Environment) -> bool {
    // Most requests come with one, and nothing separates a second one from it.
    let top = message.first(HeaderName::Via).unwrap_or_default();
    if !message.repeated().has(HeaderName::Via) && memchr::memchr(b',', top).is_none() {
        return false;
    }
    let below = message.values(HeaderName::Via).skip(1).flatten();
    below.filter_map(|value| Via::parse(value).ok()).any(|via| {
        (env.names.is_sent_by(&via) || env.advertises && env.routing().is_own_name(&via.host))
            && via
                .branch
                .and_then(branch::Branch::parse)
                .is_some_and(|b| b.loop_hash == loop_hash)
    })
}

/// Whether Proxy-Require holds a tag that this node does not support.
fn unsupported_extension(message: &Message<'_>) -> Result<bool, MessageReason> {
    if !message.has(HeaderName::ProxyRequire) {
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
