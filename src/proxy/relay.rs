//! What comes back to a response context and what it does then (RFC 3261 §16.7, §16.8, §16.10): responses, a CANCEL, its
//! timers, and the loss of the connection that its branch runs on.
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::health::REST;
use super::inbound::Inbound;
use super::interface::Actions;
use super::leg::Leg;
use super::link_id::LinkId;
use super::link_state::SendIf;
use super::outgoing::Outgoing;
use super::transaction::{
    ClientTransaction, InviteClient, InviteServer, NonInviteServer, ResponseEffect,
    ServerTransaction, T64, TIMER_C, Timer,
};
use super::{reply, same_party};
use crate::reason::{HealthReason, MessageReason};
use crate::sip::{Derived, Message, Method, write_ack, write_cancel, write_reply};
use std::time::Instant;

impl ResponseContext {
    /// A response to the current branch. `method` is that of its CSeq.
    ///
    /// # Errors
    /// It is dropped: it is not for this transaction (§17.1.3), or not from whom was asked.
    pub(crate) fn on_response(
        &mut self,
        response: &Inbound<'_, '_>,
        status: u16,
        method: Option<Method<'_>>,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<NextStep, MessageReason> {
        let CurrentBranch::Sent {
            target,
            link,
            mut client,
        } = self.branch
        else {
            return Err(MessageReason::ResponseUnmatched);
        };
        let Inbound {
            origin,
            leg,
            message,
            now,
        } = *response;
        // Only who was asked answers: on that connection, or on another one of the same party.
        let is_asked = link == origin.link
            || matches!(target, Leg::Peer(asked) if same_party::may_be(origin, leg, asked, env.routing()));
        if !is_asked {
            return Err(MessageReason::ResponseWrongPeer);
        }
        let invite = matches!(client, ClientTransaction::Invite(_));
        let is_matching = match method {
            // The answer to this node's CANCEL says nothing that the INVITE's own answer does not.
            Some(Method::Cancel) if invite => return Ok(NextStep::Keep),
            Some(Method::Invite) => invite,
            Some(other) => !invite && same_method(&self.request, other),
            None => false,
        };
        if !is_matching {
            return Err(MessageReason::ResponseUnmatched);
        }
        // RFC 3261 §16.7 step 3: the next one on the way back could not be found, and whoever asked discards it (§18.1.2).
        if message.vias().nth(1).is_none() {
            return Err(MessageReason::ResponseMalformed);
        }
        if let Some(peer) = target.peer().and_then(|key| env.links.peer(key)) {
            peer.note_answer(now, out);
        }
        let effect = client.on_response(status);
        self.branch = CurrentBranch::Sent {
            target,
            link,
            client,
        };
        match effect {
            ResponseEffect::Provisional => {
                self.on_provisional(response, status, env, out);
                Ok(NextStep::Keep)
            }
            ResponseEffect::Final => Ok(self.on_final(response, status, env, out)),
            ResponseEffect::Success => Ok(self.relay(response, status, env, out)),
            ResponseEffect::Unexpected => Err(MessageReason::ResponseUnmatched),
        }
    }

    /// §16.7 step 2 and 5: 100 stays here; 101-199 to INVITE go upstream and restart Timer C; a non-INVITE has none but
    /// 100 (RFC 4320 §4.1).
    fn on_provisional(
        &mut self,
        response: &Inbound<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let invite = matches!(self.server, ServerTransaction::Invite(_));
        if !invite {
            // It lives: no other target will be tried, so it gets all the time that is left.
            self.deadlines.at = self.received + T64;
        } else if self.deadlines.timer == Timer::B
            || self.deadlines.timer == Timer::C && status > 100
        {
            self.deadlines.timer = Timer::C;
            self.deadlines.at = response.now + TIMER_C;
        }
        let cancel = self.cancel_wanted && !self.cancel_sent;
        self.arm(env);
        if invite && status > 100 {
            let _ = self.relay(response, status, env, out);
        }
        if cancel {
            self.send_cancel(response.now, env, out);
        }
    }

    /// §16.7 steps 4 to 6 for one branch at a time: a 503 moves on to the next target, everything else is the answer.
    fn on_final(
        &mut self,
        response: &Inbound<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if matches!(self.server, ServerTransaction::Invite(_)) {
            self.send_ack(response.message, env, out);
        }
        // Who was asked, not whom the connection is taken for that the answer came on: they may be equals.
        if status == 503
            && let Some(key) = self.branch.target().and_then(Leg::peer)
            && let Some(peer) = env.links.peer(key)
        {
            peer.heed_retry_after(response.message, response.now, out);
        }
        if status == 503 && self.pending() {
            // A cancelled request begins no further branch and is answered 487.
            self.failure = Some(MessageReason::DownstreamUnavailable);
            return NextStep::TryNext;
        }
        self.relay(response, status, env, out)
    }

    /// §16.7 steps 3, 9: takes this node's Via off and sends the response where the request came from.
    fn relay(
        &mut self,
        response: &Inbound<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if let ServerTransaction::Invite(machine) = self.server
            && machine.on_response(status).is_none()
        {
            return NextStep::Keep;
        }
        let start = out.bytes.len();
        let outgoing = Outgoing::to(self.upstream.leg, env);
        if let Err(reason) = outgoing.response(response, status, &self.plan, &mut out.bytes) {
            return match status {
                200.. => self.answer(reason, response.now, env, out),
                _ => NextStep::Keep,
            };
        }
        let next = if status >= 200 {
            self.log_relayed(status, response.now, env, out);
            self.sent_final(start, status, response.now, env, out)
        } else {
            self.deadlines.trying = None;
            self.keep_response(start, out);
            NextStep::Keep
        };
        env.send_upstream(self.upstream, start, out);
        next
    }

    /// The same request again (RFC 3261 §17.2.1, §17.2.2; RFC 6026 §7.1): gets the last response again, if there is one.
    pub(crate) fn on_repeat(&self, env: &mut Environment, out: &mut Actions) {
        let repeats = match self.server {
            ServerTransaction::Invite(machine) => machine != InviteServer::Accepted,
            ServerTransaction::NonInvite(machine) => machine == NonInviteServer::Proceeding,
        };
        if repeats && !self.last_response.is_empty() {
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&self.last_response);
            env.send_upstream(self.upstream, start, out);
        }
    }

    /// A CANCEL from who sent the INVITE: answered at once; the INVITE is answered by the 487 that comes back.
    pub(crate) fn on_cancel(
        &mut self,
        cancel: &Inbound<'_, '_>,
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
            CurrentBranch::Sent {
                client: ClientTransaction::Invite(InviteClient::Proceeding),
                ..
            } => {
                self.send_cancel(cancel.now, env, out);
                NextStep::Keep
            }
            // RFC 3261 §9.1: not before a provisional response. No other target will be tried, so this one gets the
            // whole of Timer B to show itself: else a late server would ring for ever.
            CurrentBranch::Sent { .. } => {
                self.deadlines.at = cancel.now + T64;
                self.arm(env);
                NextStep::Keep
            }
        }
    }

    /// Cancels the current branch (RFC 3261 §9.1), once.
    fn send_cancel(&mut self, now: Instant, env: &mut Environment, out: &mut Actions) {
        let CurrentBranch::Sent { target, link, .. } = self.branch else {
            return;
        };
        if self.cancel_sent {
            return;
        }
        self.cancel_sent = true;
        self.deadlines.timer = Timer::Cancelled;
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
    fn send_ack(&self, response: &Message<'_>, env: &mut Environment, out: &mut Actions) {
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
            let outgoing = Outgoing::to(target, env);
            write(&message, &outgoing.derived(&message, &self.plan, &branch));
        }
    }

    /// The wheel says that it is due.
    pub(crate) fn on_deadline(
        &mut self,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if self.deadlines.at <= now {
            return self.on_timer(now, env, out);
        }
        if self.deadlines.trying.is_some_and(|at| at <= now) {
            self.send_trying(env, out);
        }
        self.arm(env);
        NextStep::Keep
    }

    fn on_timer(&mut self, now: Instant, env: &mut Environment, out: &mut Actions) -> NextStep {
        match self.deadlines.timer {
            Timer::B => {
                self.failure = Some(MessageReason::NoAnswer);
                self.note_silence(now, env, out);
                if self.cancel_wanted {
                    return self.answer(MessageReason::Cancelled, now, env, out);
                }
                NextStep::TryNext
            }
            // RFC 3261 §16.8: cancel, and let the 487 answer; a branch that ignores that is ended below.
            Timer::C => {
                self.failure = Some(MessageReason::NoAnswer);
                self.cancel_wanted = true;
                self.send_cancel(now, env, out);
                NextStep::Keep
            }
            Timer::F => {
                self.failure = Some(MessageReason::NoAnswer);
                self.note_silence(now, env, out);
                let is_silent = match self.branch {
                    CurrentBranch::Sent { client, .. } => client.silent(),
                    CurrentBranch::None | CurrentBranch::Waiting(_) => true,
                };
                if is_silent && now < self.received + T64 {
                    return NextStep::TryNext;
                }
                self.answer(MessageReason::NoAnswer, now, env, out)
            }
            // RFC 3261 §9.1: 64 × T1 after the CANCEL the branch counts as ended.
            Timer::Cancelled => self.answer(MessageReason::Cancelled, now, env, out),
            Timer::H | Timer::L => NextStep::Close,
        }
    }

    /// A peer that was asked has sent nothing at all in its time.
    ///
    /// An INVITE gets a 100 from whoever lives. What else is asked may stay without an answer although the next element
    /// lives, since a proxy stays silent for a user agent that is silent (RFC 4320 §4.2): then it counts only if nothing
    /// else came on that connection either.
    fn note_silence(&self, now: Instant, env: &Environment, out: &mut Actions) {
        let CurrentBranch::Sent {
            target,
            link,
            client,
        } = self.branch
        else {
            return;
        };
        let link = env.links.get(link);
        let is_dead = matches!(self.server, ServerTransaction::Invite(_))
            || link.is_none_or(|l| l.heard < Some(self.received));
        if client.silent()
            && is_dead
            && let Some(peer) = target.peer().and_then(|key| env.links.peer(key))
        {
            peer.note_failure(HealthReason::Silence, now + REST, now, out);
        }
    }

    /// Sends the 100 that is due (RFC 3261 §17.2.1, RFC 4320 §4.1).
    fn send_trying(&mut self, env: &mut Environment, out: &mut Actions) {
        self.deadlines.trying = None;
        match self.server {
            ServerTransaction::Invite(InviteServer::Proceeding) => {}
            ServerTransaction::NonInvite(NonInviteServer::Trying) => {
                self.server = ServerTransaction::NonInvite(NonInviteServer::Proceeding);
            }
            ServerTransaction::Invite(_) | ServerTransaction::NonInvite(_) => return,
        }
        let start = out.bytes.len();
        if let Ok(message) = Message::parse(&self.request) {
            write_reply(
                &message,
                self.upstream.remote,
                100,
                None,
                &[],
                &mut out.bytes,
            );
            self.keep_response(start, out);
            env.send_upstream(self.upstream, start, out);
        }
    }

    /// RFC 3261 §16.9: a broken connection counts as 503 for the branch on it, as 430 for a client's flow (RFC 5626
    /// §5.3). A server that has already answered provisionally keeps its branch: it can come back with the final
    /// response on another connection of the same identity.
    pub(crate) fn on_link_gone(&mut self, gone: LinkId) -> NextStep {
        let CurrentBranch::Sent {
            target,
            link,
            client,
        } = self.branch
        else {
            return NextStep::Keep;
        };
        if link != gone || !self.pending() {
            return NextStep::Keep;
        }
        self.failure = Some(match target {
            Leg::Client(_) => MessageReason::FlowGone,
            Leg::Peer(_) if client.silent() => MessageReason::PeerUnreachable,
            Leg::Peer(_) => return NextStep::Keep,
        });
        NextStep::TryNext
    }

    /// The request for this link was not written: another shard found its link gone.
    pub(crate) fn on_undeliverable(&mut self, gone: LinkId) -> NextStep {
        if !matches!(self.branch, CurrentBranch::Sent { link, .. } if link == gone) {
            return NextStep::Keep;
        }
        self.failure = Some(MessageReason::FlowGone);
        NextStep::TryNext
    }
}

/// Whether a stored request has this method.
fn same_method(request: &[u8], method: Method<'_>) -> bool {
    request
        .strip_prefix(method.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b' '))
}
