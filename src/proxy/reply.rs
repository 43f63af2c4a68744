//! What this node answers itself (RFC 3261 §8.2.6): refusals, 200 to OPTIONS for itself, and the
//! answer to CANCEL.
//!
//! An answer that no response context stands behind must be the same each time, since nothing is
//! kept: its To tag is a keyed hash of the request. By that the ACK for such an answer is
//! recognised, and absorbed as RFC 3261 §17.2.1 wants it, without a transaction that a flood of
//! refused INVITEs could pile up.
use super::environment::{Environment, LoggedRequest};
use super::inbound::InboundMessage;
use super::interface::Actions;
use super::leg::Leg;
use super::{branch, keep_alive, reached_bounds, refused_credentials, same_party};
use crate::reason::MessageReason;
use crate::sip::{Extra, HeaderName, Message, Method, StartLine, write_reply};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::net::SocketAddr;
use std::time::Duration;

/// Seconds in Retry-After when this node is going away: about what a restart takes, so that a
/// client comes back soon if it has no other node.
const RETRY_ELSEWHERE: u32 = 30;

/// The same when there is too much to do. Short, since a sender keeps its BYEs back as long.
const RETRY_OVERLOADED: u32 = 1;

/// Methods that are named to somebody who asks what this node takes.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, SUBSCRIBE, NOTIFY, PUBLISH, INFO, REFER, MESSAGE, UPDATE";

/// Refuses a message that gets no response context. An ACK is never answered (RFC 3261 §17.1), a
/// BENOTIFY neither.
pub(crate) fn refuse(
    inbound: &InboundMessage<'_, '_>,
    reason: MessageReason,
    env: &mut Environment,
    out: &mut Actions,
) {
    let message = inbound.message;
    let StartLine::Request { method, .. } = message.start() else {
        return env.drop_message(inbound.upstream(), reason, out);
    };
    if method == Method::Ack {
        return env.drop_message(inbound.upstream(), MessageReason::AckRefused, out);
    }
    // Its refusal is logged all the same: a BENOTIFY that goes nowhere is a subscription that
    // hangs.
    let is_answered = !method.is_unanswered();
    if is_answered {
        let branch = message.top_via().ok().and_then(|via| via.branch);
        let tag = stateless_tag(inbound, branch, env);
        // Its ACK has the dialog's tag, and would pass for that of a 2xx.
        if method == Method::Invite && message.to().is_ok_and(|to| to.tag().is_some()) {
            env.refused_invites.note(tag);
        }
        let start = out.bytes.len();
        write_refusal(
            message,
            inbound.origin.remote,
            (reason, inbound.leg),
            tag,
            env,
            &mut out.bytes,
        );
        env.send_upstream(inbound.upstream(), start, out);
    }
    // No time has passed, and no target was chosen.
    let line = LoggedRequest {
        target: None,
        to_connection: None,
        reason: Some(reason),
        status: is_answered.then(|| status(message, reason, inbound.leg, env)),
        took: Duration::ZERO,
    };
    env.log_request(inbound.upstream(), message, &line, out);
    env.note_refusal(reason, out);
}

/// The To tag of answers without a context: the same for the same request, and recognisable in its
/// ACK, although nothing is kept (RFC 3261 §8.2.7).
pub(crate) fn stateless_tag(
    inbound: &InboundMessage<'_, '_>,
    branch: Option<&[u8]>,
    env: &Environment,
) -> u64 {
    // The same for the INVITE and its ACK, on whichever connection of the sender they come.
    let side = same_party::side_of(inbound.origin, inbound.leg, env.routing());
    let call_id = inbound.message.call_id().unwrap_or_default();
    env.secrets.hash(|input| {
        input.write_u64(side);
        input.texts([call_id, branch.unwrap_or_default()]);
    })
}

/// Reasons of a context that may come after its client has had the request.
const DELIVERED: [MessageReason; 4] = [
    MessageReason::Cancelled,
    MessageReason::NoAnswer,
    MessageReason::DownstreamUnavailable,
    MessageReason::TopologyNotHidden,
];

/// The status of a refusal. A sibling gets 430 for whatever keeps what it hands over from its client here, and asks
/// the next one: that has the client perhaps, and lets its sender in.
pub(crate) fn status(
    message: &Message<'_>,
    reason: MessageReason,
    to: Leg,
    env: &Environment,
) -> u16 {
    let is_sibling = |key| env.routing().is_sibling(key);
    let is_handed_over =
        message.has(HeaderName::SiblingOrigin) && to.peer().is_some_and(is_sibling);
    match is_handed_over && !DELIVERED.contains(&reason) {
        true => MessageReason::FlowGone.status(),
        false => env.status(reason, to),
    }
}

/// Writes a refusal with what its status requires, and the reason's public text as a Warning:
/// strangers learn less than the log (`MessageReason::public`).
pub(crate) fn write_refusal(
    message: &Message<'_>,
    source: SocketAddr,
    (reason, to): (MessageReason, Leg),
    tag: u64,
    env: &Environment,
    out: &mut Vec<u8>,
) {
    let agent = env.tables.generation.topology().node().fqdn.as_str();
    let tags: SmallVec<[&[u8]; 8]> = if reason == MessageReason::BadExtension {
        message.values(HeaderName::ProxyRequire).flatten().collect()
    } else {
        SmallVec::new()
    };
    let mut extras: SmallVec<[Extra<'_>; 3]> = SmallVec::new();
    if !tags.is_empty() {
        extras.push(Extra::Unsupported(&tags));
    }
    // RFC 3261 §8.2.1: a 405 names what would be allowed.
    if reason.status() == 405 {
        extras.push(Extra::Allow(ALLOW));
    }
    if let Some(seconds) = retry_after(reason) {
        extras.push(Extra::RetryAfter(seconds));
    }
    extras.push(Extra::Warning {
        // RFC 5630 §5.3 has a code of its own.
        code: if reason == MessageReason::SipsNotAllowed {
            380
        } else {
            399
        },
        agent,
        text: reason.public(),
    });
    let (status, tag) = (status(message, reason, to, env), tag_text(tag));
    write_reply(message, source, status, Some(&tag), &extras, out);
}

/// How long the sender of a refused request should stay away (RFC 3261 §21.5.4), if the refusal is about what
/// this node can carry. Such a sender takes its requests elsewhere meanwhile, those of its dialogs
/// included.
fn retry_after(reason: MessageReason) -> Option<u32> {
    if matches!(reason, MessageReason::Draining | MessageReason::ClientAway) {
        return Some(RETRY_ELSEWHERE);
    }
    reached_bounds::is_bound(reason).then_some(match reason == MessageReason::CredentialsRefused {
        // By then the minute of its tries is over.
        true => refused_credentials::SPAN as u32,
        false => RETRY_OVERLOADED,
    })
}

/// 200 to an OPTIONS for this node (RFC 3261 §11.2): how peers see that it lives.
pub(crate) fn answer_options(
    inbound: &InboundMessage<'_, '_>,
    tag: u64,
    env: &mut Environment,
    out: &mut Actions,
) {
    let mut extras: SmallVec<[Extra<'_>; 2]> = SmallVec::new();
    // RFC 3261 §11.2: an answer to OPTIONS names the methods; some dialers use no other.
    extras.push(Extra::Allow(ALLOW));
    if keep_alive::is_offered(inbound.message) {
        extras.push(Extra::KeepAlive(keep_alive::interval(&env.limits)));
    }
    answer(inbound, 200, tag, &extras, env, out);
}

/// An answer that no response context stands behind: to OPTIONS, and to CANCEL (RFC 3261 §9.2).
pub(crate) fn answer(
    inbound: &InboundMessage<'_, '_>,
    status: u16,
    tag: u64,
    extras: &[Extra<'_>],
    env: &mut Environment,
    out: &mut Actions,
) {
    let start = out.bytes.len();
    let tag = tag_text(tag);
    let remote = inbound.origin.remote;
    write_reply(
        inbound.message,
        remote,
        status,
        Some(&tag),
        extras,
        &mut out.bytes,
    );
    env.send_upstream(inbound.upstream(), start, out);
    if let StartLine::Request { method, .. } = inbound.message.start() {
        env.count_request((inbound.leg, None), method, Some(status), Duration::ZERO);
    }
}

/// A To tag as text: 64 bits, twice what RFC 3261 §19.3 asks for.
pub(crate) fn tag_text(tag: u64) -> [u8; 16] {
    branch::hex(tag)
}
