//! CANCEL (RFC 3261 §9, §16.10) and ACK (§17.1.1.3, §17.2.1; RFC 6026 §7.1): the two requests without a life of their own.
use super::boundary::Privacy;
use super::context::{Attempt, Plan};
use super::leg::Leg;
use super::links::Sense;
use super::parsed::Parsed;
use super::token::Token;
use super::transaction::{Client, InviteClient, InviteServer, Letter, Server, T64};
use super::{Action, Actions, BranchKey, Core, MessageReason, Origin, tag_text};
use crate::sip::{Message, write_ack, write_cancel};
use std::time::Instant;

impl Core {
    /// An ACK: ends a refused INVITE, or passes on to whom the dialog's token names.
    #[expect(
        clippy::too_many_arguments,
        reason = "what on_request has read already"
    )]
    pub(super) fn on_ack(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        request: &Parsed<'_>,
        key: u128,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(slot) = self.contexts.by_key(key)
            && let Some(context) = self.contexts.get(slot)
            && let Server::Invite(machine) = context.server
        {
            if machine.on_ack() {
                return self.close_context(slot);
            }
            if machine == InviteServer::Proceeding {
                return;
            }
            // Accepted: the ACK for the 2xx, from a sender that reuses the INVITE's branch: to the core.
        } else {
            let side = self.side_of(from, leg);
            let tag = self.stateless_tag_of(side, request.call_id, request.via.branch);
            if request.to.tag() == Some(&tag_text(tag)[..]) {
                // For an answer that we made without keeping anything.
                return;
            }
        }
        match self.route_ack(from, leg, message, request, now, out) {
            Ok(()) => {}
            Err(MessageReason::AckUnmatched) if self.ask_next(from, out) => {}
            Err(reason) => self.drop_message(from, leg, reason, out),
        }
    }

    /// The ACK of a 2xx goes through validation, route preprocessing and policy like any request of its dialog.
    fn route_ack(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        request: &Parsed<'_>,
        now: Instant,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        if request.max_forwards == Some(0) {
            return Err(MessageReason::AckRefused);
        }
        let reason = |refusal| match refusal == MessageReason::TokenForged {
            true => MessageReason::TokenForged,
            false => MessageReason::AckRefused,
        };
        let routed = self.preprocess(from, request).map_err(reason)?;
        let Some(Token::Dialog { .. }) = routed.token else {
            return Err(MessageReason::AckUnmatched);
        };
        let (_, targets) = self
            .judge(from, leg, request, &routed, now)
            .map_err(reason)?;
        let target = targets
            .map_err(reason)?
            .first()
            .copied()
            .ok_or(MessageReason::AckRefused)?;
        let (strip, not_asserted) = self.stripped_of_request(leg, message, request);
        let plan = Plan {
            popped_routes: routed.popped,
            strict_in: routed.strict_in,
            strict_out: routed.is_strict_out(),
            max_forwards: request.max_forwards.map_or(70, |n| n - 1),
            request_uri: routed.rewritten_uri(),
            strip,
            not_asserted,
            privacy: Privacy::read(message),
            ..Plan::default()
        };
        self.forward_stateless(
            message,
            &request.via,
            &plan,
            leg,
            from.remote,
            target,
            None,
            out,
        )
    }

    /// A CANCEL: answered at once; the INVITE is answered by the 487 that comes back.
    pub(super) fn on_cancel(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        key: u128,
        now: Instant,
        out: &mut Actions,
    ) {
        let found = self.contexts.by_key(key).filter(|slot| {
            self.contexts
                .get(*slot)
                .is_some_and(|c| matches!(c.server, Server::Invite(_)))
        });
        let Some(slot) = found else {
            if !self.ask_next(from, out) {
                let tag = self.stateless_tag(from, leg, message);
                self.answer_cancel(
                    from,
                    leg,
                    message,
                    MessageReason::NoTransaction.status(),
                    tag,
                    out,
                );
            }
            return;
        };
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let tag = context.to_tag;
        let first = context.pending() && !context.cancel_wanted;
        context.cancel_wanted |= context.pending();
        let attempt = context.attempt;
        self.answer_cancel(from, leg, message, 200, tag, out);
        if !first {
            return;
        }
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        match attempt {
            // Nothing was sent, so nothing below needs to hear of it.
            Attempt::None | Attempt::Waiting(_) => {
                self.finish(slot, MessageReason::Cancelled, now, out)
            }
            Attempt::Sent {
                client: Client::Invite(InviteClient::Proceeding),
                ..
            } => self.send_cancel(slot, now, out),
            // RFC 3261 §9.1: not before a provisional response. No other target will be tried, so this one gets the
            // whole of Timer B to show itself: else a late server would ring for ever.
            Attempt::Sent { .. } => {
                context.deadlines.at = now + T64;
                let next = context.deadlines.next();
                self.wheel.arm(slot, next);
            }
        }
    }

    /// Cancels the current branch (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, slot: u32, now: Instant, out: &mut Actions) {
        let shard = self.shard;
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        if context.cancel_sent {
            return;
        }
        let Attempt::Sent { target, link, .. } = context.attempt else {
            return;
        };
        context.cancel_sent = true;
        context.deadlines.letter = Letter::Cancelled;
        context.deadlines.at = now + T64;
        let next = context.deadlines.next();
        let sense = Sense::WhilePending(BranchKey {
            slot,
            nonce: context.nonce,
        });
        let start = out.bytes.len();
        Self::with_derived(&self.faces, shard, slot, context, |message, derived| {
            write_cancel(message, derived, &mut out.bytes);
        });
        self.wheel.arm(slot, next);
        if out.bytes.len() > start {
            // A CANCEL that cannot be sent leaves the branch to its timer.
            let _ = self.send_down(target, Some(link), start, sense, out);
        }
    }

    /// Acknowledges a non-2xx final response to an INVITE, hop by hop.
    pub(super) fn send_ack(&mut self, slot: u32, response: &Message<'_>, out: &mut Actions) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        let Attempt::Sent { target, link, .. } = context.attempt else {
            return;
        };
        let start = out.bytes.len();
        Self::with_derived(
            &self.faces,
            self.shard,
            slot,
            context,
            |message, derived| {
                write_ack(message, derived, response, &mut out.bytes);
            },
        );
        if out.bytes.len() > start {
            // An ACK that cannot be sent ends by the other side's Timer H.
            let _ = self.send_down(target, Some(link), start, Sense::Always, out);
        }
    }

    /// Whether the next shard shall look for this message's transaction; `false` when all have.
    fn ask_next(&self, from: &Origin, out: &mut Actions) -> bool {
        let asked = from.asked.saturating_add(1);
        if asked >= self.shards {
            return false;
        }
        out.list.push(Action::HandOver {
            shard: (self.shard + 1) % self.shards,
            asked,
        });
        true
    }
}
