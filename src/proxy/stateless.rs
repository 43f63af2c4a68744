//! Requests that leave nothing behind here: the ACK for a 2xx (RFC 3261 §16.7, last paragraphs) and
//! BENOTIFY (MS-SIP §3.5), a NOTIFY of Lync that nobody answers. No transaction waits for them, no
//! 100 is sent, and their silence counts against nobody.
//!
//! They take the same validation, policy and edits as every request, so that no method is a way
//! round them. What differs is that there is one try: no failover, since no answer would ask for
//! it.
use super::admission::{self, Handling};
use super::branch::{Branch, BranchKey};
use super::clients::Carrier;
use super::environment::Environment;
use super::inbound::InboundRequest;
use super::interface::{Action, Actions};
use super::leg::{Leg, TargetSet};
use super::link_id::LinkId;
use super::link_state::SendIf;
use super::links::LinkChoice;
use super::outgoing::MessageWriter;
use super::plan::ForwardPlan;
use super::reply;
use crate::reason::MessageReason;
use crate::sip::Method;
use std::time::Duration;

/// The slot in the branch of what is forwarded without a context: none can have it, so what comes
/// back is unmatched.
const NO_SLOT: u32 = u32::MAX;

/// An ACK for a 2xx goes where the dialog's token leads.
///
/// # Errors
/// Why it is dropped.
pub(crate) fn forward_ack(
    request: &InboundRequest<'_, '_>,
    env: &mut Environment,
    out: &mut Actions,
) -> Result<(), MessageReason> {
    match admission::admit_ack(request, env)? {
        Handling::Forward(plan, targets) => {
            let target = targets.first().copied().ok_or(MessageReason::AckRefused)?;
            forward(request, &plan, target, None, env, out)?;
            let (from, message) = (request.upstream(), request.inbound.message);
            env.log_passed(from, message, Some(target), None, out);
            Ok(())
        }
        Handling::HandOver(shard) => {
            hand_over(shard, out);
            Ok(())
        }
        Handling::OtherProcess if env.ask_other_process(request.inbound, out) => Ok(()),
        Handling::OtherProcess => Err(MessageReason::AckUnmatched),
        Handling::AnswerOptions => Ok(()),
    }
}

/// A request that is never answered: judged like any other, and sent to the first target that takes
/// it at once. There is no failover after that, since nothing would come back by which it could be
/// noticed.
pub(crate) fn forward_best_effort(
    request: &InboundRequest<'_, '_>,
    env: &mut Environment,
    out: &mut Actions,
) {
    let inbound = request.inbound;
    let (plan, targets) = match admission::admit(request, env) {
        Ok(Handling::Forward(plan, targets)) => (plan, targets),
        Ok(Handling::HandOver(shard)) => return hand_over(shard, out),
        // A client that neither process has is no failure of the sender's.
        Ok(Handling::OtherProcess) => {
            env.ask_other_process(inbound, out);
            return;
        }
        // For an OPTIONS alone.
        Ok(Handling::AnswerOptions) => return,
        Err(reason) if is_undelivered(reason) => return,
        Err(reason) => return reply::refuse(inbound, reason, env, out),
    };
    // Nothing of it stays by which a client's share could be counted, so they are counted by time.
    let bound = env.limits.transactions_per_client;
    if let Leg::Client(_) = inbound.leg
        && let Some(link) = env.links.get_mut(inbound.origin.link)
        && !link.unanswered.admits(bound, inbound.now)
    {
        return reply::refuse(inbound, MessageReason::ClientBudget, env, out);
    }
    let sent = reachable(request, &targets, &plan, env)
        .and_then(|(target, link)| forward(request, &plan, target, link, env, out));
    if let Err(reason) = sent
        && !is_undelivered(reason)
    {
        env.drop_message(inbound.upstream(), reason, out);
    }
}

/// Whether the way onward fails and not the sender: no effort was promised, and a server that hears
/// of no failure goes on for as long as the subscription lasts, so that each client that has gone
/// would fill the log.
fn is_undelivered(reason: MessageReason) -> bool {
    [
        MessageReason::FlowGone,
        MessageReason::PeerUnreachable,
        MessageReason::PeerHeldOff,
        MessageReason::PeerCongested,
        MessageReason::ConnectQueueFull,
        MessageReason::NoMember,
        MessageReason::Draining,
    ]
    .contains(&reason)
}

/// The first target that can be reached at once, with the link to use, else the first that may be
/// waited for.
///
/// # Errors
/// Why none can be reached.
fn reachable(
    request: &InboundRequest<'_, '_>,
    targets: &TargetSet,
    plan: &ForwardPlan,
    env: &mut Environment,
) -> Result<(Leg, Option<LinkId>), MessageReason> {
    let in_dialog = plan.in_dialog;
    let now = request.inbound.now;
    let spread = env.spread(request.inbound.message);
    // A server's wait for a connection; strangers fill no queue with what nobody waits for.
    let waits = matches!(request.inbound.leg, Leg::Peer(_));
    let mut failed = MessageReason::NoRoute;
    let mut later = None;
    for &target in targets {
        if !in_dialog && env.links.is_held(target, now) {
            failed = MessageReason::PeerHeldOff;
            continue;
        }
        let key = match target {
            Leg::Client(flow) if env.links.get(flow).is_some_and(|found| found.full) => {
                failed = MessageReason::PeerCongested;
                continue;
            }
            Leg::Client(_) | Leg::Binding(_) => return Ok((target, None)),
            Leg::Peer(_) if way_to(target, plan, env).is_some() => return Ok((target, None)),
            Leg::Peer(key) => key,
        };
        failed = match env.links.for_requests(key, spread, in_dialog) {
            LinkChoice::Link(link) => return Ok((target, Some(link))),
            // An ACK is asked for again by nobody but who has answered, for half a minute.
            LinkChoice::Full(link)
                if in_dialog && {
                    let bytes = request.inbound.message.bytes().len();
                    env.links.crowd(link, bytes, &env.limits)
                } =>
            {
                return Ok((target, Some(link)));
            }
            LinkChoice::Full(_) => MessageReason::PeerCongested,
            LinkChoice::None => match env.links.active(key) {
                Some(peer) if peer.is_down(now) => MessageReason::PeerUnreachable,
                Some(_) | None if !waits => MessageReason::PeerUnreachable,
                // Half of the room stays for what ends calls: ACK, CANCEL and responses.
                Some(peer) if peer.queued.len() >= env.limits.connect_queue / 2 => {
                    MessageReason::ConnectQueueFull
                }
                None if env.links.peer(key).is_none() => MessageReason::PeerWithdrawn,
                Some(_) | None => {
                    later = later.or(Some((target, None)));
                    continue;
                }
            },
        };
    }
    later.ok_or(failed)
}

/// Forwards on `preferred` if it lives, with a branch of its own, which RFC 3261 §16.11 asks of a
/// stateless proxy too.
fn forward(
    request: &InboundRequest<'_, '_>,
    plan: &ForwardPlan,
    target: Leg,
    preferred: Option<LinkId>,
    env: &mut Environment,
    out: &mut Actions,
) -> Result<(), MessageReason> {
    let branch = Branch {
        shard: env.shard,
        key: BranchKey {
            slot: NO_SLOT,
            nonce: env.secrets.nonce(),
        },
        loop_hash: plan.loop_hash,
    }
    .to_text();
    let place = env.place(target, request.call_id, plan.in_dialog);
    // Where siblings have clients too, the shard that knows where this one is writes it, as its receiver takes it.
    let (target, place) = match (&plan.siblings, place) {
        (Some(siblings), Some(place)) => match env.carrier(place, siblings) {
            Carrier::Shard(shard) => {
                hand_over(shard, out);
                return Ok(());
            }
            Carrier::Sibling(key) => (Leg::Peer(key), None),
            Carrier::This => (target, Some(place)),
        },
        (_, place) => (target, place),
    };
    let preferred = preferred.or_else(|| env.link_of_dialog(target, request.inbound.message));
    if request.method == Method::Ack {
        is_spared(request, plan, (target, preferred), env)?;
    }
    let start = out.bytes.len();
    let (message, upstream) = (request.inbound.message, request.upstream());
    // No answer comes in which anything would have to be rewritten.
    MessageWriter::to(target, env).request(
        message,
        &request.via,
        plan,
        upstream,
        &branch,
        &mut out.bytes,
    )?;
    if let (Some(link), Leg::Peer(key)) = (way_to(target, plan, env), target) {
        env.send_over(link, key, start, out);
        env.count_request(
            (request.inbound.leg, Some(target)),
            request.method,
            None,
            Duration::ZERO,
        );
        return Ok(());
    }
    // Where the dialog's connection is gone: to the region of its Route, unless that is known to be
    // away.
    let now = request.inbound.now;
    let name = plan.way.as_ref().and_then(|way| way.name(target));
    if let Some(key) = name.and_then(|name| env.links.cover(name, now, out))
        && !env.links.is_cut_off(key, now)
    {
        let link = env.link_of_dialog(Leg::Peer(key), message);
        let bytes = out.bytes.len() - start;
        if request.method == Method::Ack
            && link.is_some_and(|link| !env.links.spares(link, bytes, &env.limits))
        {
            out.bytes.truncate(start);
            return Err(MessageReason::PeerCongested);
        }
        return env.send_downstream(Leg::Peer(key), link, start, SendIf::Always, out);
    }
    match place {
        Some(place) => env.pass(place, start, out)?,
        None => env.send_downstream(target, preferred, start, SendIf::Always, out)?,
    }
    // Nothing comes back that it could be counted by.
    let ends = (request.inbound.leg, Some(target));
    env.count_request(ends, request.method, None, Duration::ZERO);
    Ok(())
}

/// Whether the queue of the connection that an ACK will go over is short enough for it.
///
/// # Errors
/// It is not.
fn is_spared(
    request: &InboundRequest<'_, '_>,
    plan: &ForwardPlan,
    (target, preferred): (Leg, Option<LinkId>),
    env: &mut Environment,
) -> Result<(), MessageReason> {
    let link = match target {
        Leg::Client(flow) => Some(flow),
        // Where that client is its directory knows, in whichever shard that is.
        Leg::Binding(_) => None,
        Leg::Peer(key) => way_to(target, plan, env)
            .or(preferred)
            .or_else(|| env.links.any_link(key)),
    };
    let bytes = request.inbound.message.bytes().len();
    match link.is_none_or(|link| env.links.spares(link, bytes, &env.limits)) {
        true => Ok(()),
        false => Err(MessageReason::PeerCongested),
    }
}

/// The connection of a partner's server that the dialog runs on.
fn way_to(target: Leg, plan: &ForwardPlan, env: &Environment) -> Option<LinkId> {
    plan.way.as_ref()?.link(target, env)
}

/// Another shard decides: that of its client's former connection, or the one that knows where its client is.
fn hand_over(shard: u8, out: &mut Actions) {
    out.list.push(Action::HandOver {
        shard,
        is_question: false,
        asked: 1,
        held: None,
    });
}
