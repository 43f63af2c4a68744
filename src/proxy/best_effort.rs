//! BENOTIFY (MS-SIP §3.5): a NOTIFY of Lync that nobody answers. It is judged and forwarded like any request, and leaves
//! nothing behind: no transaction that waits, no 100, no refusal, no silence that counts against who was asked.
use super::leg::{Leg, TargetSet};
use super::links::Pick;
use super::parsed::Parsed;
use super::request::Admitted;
use super::{Actions, Core, LinkId, MessageReason, Origin};
use crate::sip::Message;
use std::time::Instant;

/// Whether the way onward fails and not the sender: no effort was promised, and a server that hears of no failure goes on for
/// as long as the subscription lasts, so that each client that has gone would fill the log.
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

/// Where a request goes for which nothing may be kept.
enum Way {
    /// On this connection.
    Now(Leg, Option<LinkId>),
    /// Once this peer has a connection.
    Later(Leg),
}

impl Core {
    /// A request that is never answered.
    pub(super) fn on_best_effort<'a>(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'a>,
        request: &Parsed<'a>,
        now: Instant,
        out: &mut Actions,
    ) {
        let (plan, targets) = match self.admit(from, leg, message, request, now) {
            Ok(Admitted::Forward(plan, targets)) => (plan, targets),
            // For an OPTIONS alone.
            Ok(Admitted::AnswerOptions) => return,
            Err(refusal) if is_undelivered(refusal) => return,
            Err(refusal) => return self.refuse(from, leg, message, refusal, now, out),
        };
        // Nothing of it stays by which a client's share could be counted, so they are counted by time.
        let bound = self.limits.transactions_per_client;
        if let Leg::Client(_) = leg
            && let Some(link) = self.links.get_mut(from.link)
            && !link.admits_unanswered(bound, now)
        {
            let refusal = MessageReason::ClientBudget;
            return self.refuse(from, leg, message, refusal, now, out);
        }
        // A server's wait for a connection; strangers fill no mailbox with what nobody waits for.
        let waits = matches!(leg, Leg::Peer(_));
        let way = self.way(&targets, plan.in_dialog, waits, self.spread(message), now);
        let sent = way.and_then(|way| {
            let (target, link) = match way {
                Way::Now(target, link) => (target, link),
                Way::Later(target) => (target, None),
            };
            self.forward_stateless(
                message,
                &request.via,
                &plan,
                leg,
                from.remote,
                target,
                link,
                out,
            )
        });
        if let Err(reason) = sent
            && !is_undelivered(reason)
        {
            self.drop_message(from, leg, reason, out);
        }
    }

    /// The first target that can be reached at once, else the first that may be waited for.
    fn way(
        &self,
        targets: &TargetSet,
        in_dialog: bool,
        waits: bool,
        spread: u64,
        now: Instant,
    ) -> Result<Way, MessageReason> {
        let mut failed = MessageReason::NoRoute;
        let mut later = None;
        for &target in targets {
            if !in_dialog && self.links.is_held(target, now) {
                failed = MessageReason::PeerHeldOff;
                continue;
            }
            let key = match target {
                Leg::Client(link) => match self.links.get(link) {
                    Some(found) if found.full => {
                        failed = MessageReason::PeerCongested;
                        continue;
                    }
                    Some(_) | None => return Ok(Way::Now(target, None)),
                },
                Leg::Peer(key) => key,
            };
            match self.links.for_requests(key, spread) {
                Pick::Link(link) => return Ok(Way::Now(target, Some(link))),
                Pick::Full => failed = MessageReason::PeerCongested,
                Pick::None => {
                    // Half of the room stays for what ends calls: ACK, CANCEL and responses.
                    let room = self.limits.connect_queue / 2;
                    failed = match self.links.active(key) {
                        Some(peer) if peer.is_down(now) => MessageReason::PeerUnreachable,
                        Some(_) | None if !waits => MessageReason::PeerUnreachable,
                        Some(peer) if peer.mail.len() >= room => MessageReason::ConnectQueueFull,
                        None if self.links.peer(key).is_none() => MessageReason::PeerWithdrawn,
                        Some(_) | None => {
                            later = later.or(Some(target));
                            continue;
                        }
                    };
                }
            }
        }
        later.map(Way::Later).ok_or(failed)
    }
}
