//! CANCEL, and the ACK for a refusal: the requests that a response context sends within a branch
//! (RFC 3261 §9.1, §16.10, §17.1.1.3).
//!
//! Both are derived from the request as it was forwarded, not as it was received: they must have
//! the Request-URI, the Route and the topmost Via of the branch that they belong to, or the next
//! element cannot match them. Neither has a transaction of its own here. A CANCEL that is lost is
//! covered by its timer, an ACK by the other side's Timer H.
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::inbound::InboundMessage;
use super::interface::Actions;
use super::leg::Leg;
use super::link_state::SendIf;
use super::outgoing::MessageWriter;
use super::reply;
use super::transaction::{ClientTransaction, InviteClient, T64, TransactionTimer};
use crate::reason::MessageReason;
use crate::sip::{Derived, Message, write_ack, write_cancel};
use std::time::Instant;

impl ResponseContext {
    /// A CANCEL from who sent the INVITE: answered at once; the INVITE is answered by the 487 that
    /// comes back.
    pub(crate) fn on_cancel(
        &mut self,
        cancel: &InboundMessage<'_, '_>,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        let is_first = self.pending() && !self.cancel_wanted;
        self.cancel_wanted |= self.pending();
        reply::answer(cancel, 200, self.to_tag, &[], env, out);
        if !is_first {
            return NextStep::Keep;
        }
        match self.branch {
            // Nothing was sent, so nothing downstream needs to hear of it.
            CurrentBranch::None | CurrentBranch::Waiting(_) => {
                self.answer(MessageReason::Cancelled, cancel.now, env, out)
            }
            // Its client learns of it when it comes back; if it does not, the wait ends in 487.
            CurrentBranch::Rejoining { .. } => NextStep::Keep,
            CurrentBranch::Sent {
                client: ClientTransaction::Invite(InviteClient::Proceeding),
                ..
            } => {
                self.send_cancel(cancel.now, env, out);
                NextStep::Keep
            }
            // RFC 3261 §9.1: not before a provisional response. No other target will be tried, so
            // this one gets the whole of Timer B to show itself: else a late server would ring for
            // ever.
            CurrentBranch::Sent { .. } => {
                self.deadlines.at = cancel.now + T64;
                self.arm(env);
                NextStep::Keep
            }
        }
    }

    /// Cancels the current branch (RFC 3261 §9.1), once.
    pub(crate) fn send_cancel(&mut self, now: Instant, env: &mut Environment, out: &mut Actions) {
        let CurrentBranch::Sent { target, link, .. } = self.branch else {
            return;
        };
        if self.cancel_sent {
            return;
        }
        self.cancel_sent = true;
        self.deadlines.timer = TransactionTimer::Cancelled;
        self.deadlines.at = now + T64;
        self.arm(env);
        let start = out.bytes.len();
        self.write_derived(target, env, |message, derived| {
            write_cancel(message, derived, &mut out.bytes);
        });
        if out.bytes.len() > start {
            let only = SendIf::WhilePending(self.branch_key());
            // A CANCEL that cannot be sent leaves the branch to its timer.
            let _ = env.send_downstream(target, Some(link), start, only, out);
        }
    }

    /// Acknowledges a non-2xx final response to an INVITE, hop by hop (RFC 3261 §17.1.1.3).
    pub(crate) fn send_ack(
        &self,
        response: &Message<'_>,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let CurrentBranch::Sent { target, link, .. } = self.branch else {
            return;
        };
        let start = out.bytes.len();
        self.write_derived(target, env, |message, derived| {
            write_ack(message, derived, response, &mut out.bytes);
        });
        if out.bytes.len() > start {
            // An ACK that cannot be sent ends by the other side's Timer H.
            let _ = env.send_downstream(target, Some(link), start, SendIf::Always, out);
        }
    }

    /// Writes what is derived from the request of the current branch.
    fn write_derived(
        &self,
        target: Leg,
        env: &Environment,
        write: impl FnOnce(&Message<'_>, &Derived<'_>),
    ) {
        if let Ok(message) = Message::parse(&self.request) {
            let branch = self.branch_text(env);
            let written = self.sent_as.as_deref();
            let written = written.unwrap_or_else(|| env.common_name(target));
            let outgoing = MessageWriter::to(target, env).sent_as(written);
            write(&message, &outgoing.derived(&message, &self.plan, &branch));
        }
    }
}
