//! A request whose client has lost its connection, or is looked for in another shard: it waits, and goes
//! on over the connection that the client has then.
//!
//! The branch stays what it is. What was sent already is sent again with the same branch, so that a
//! client that has kept its transaction takes it for the repetition that it is (RFC 3261 §17.2.1), and one
//! that has begun anew takes it for a new request. Nobody waits for longer than 30 seconds
//! after a loss, nor for longer than a minute before the client has rung, however often it, or the node that has it, is lost.
use super::binding::{Answer, WAIT, Where};
use super::clients::Reach;
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::interface::Actions;
use super::leg::Leg;
use super::link_id::LinkId;
use super::transaction::{
    ClientTransaction, InviteClient, ServerTransaction, TIMER_C, TransactionTimer,
};
use crate::reason::MessageReason;
use std::time::{Duration, Instant};

/// The longest wait, over all losses: that of one loss, and once more for another one in which whoever had it was lost. A node
/// that comes and goes would otherwise begin it anew each time.
const LONGEST_WAIT: Duration = WAIT.saturating_mul(2);

impl ResponseContext {
    /// Looks for the client, or waits for it.
    ///
    /// # Errors
    /// There is no way to it.
    pub(crate) fn look_for(
        &mut self,
        target: Leg,
        gone: Option<LinkId>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<Option<LinkId>, MessageReason> {
        let place = env
            .place(
                target,
                self.places.call_id(&self.request),
                self.plan.in_dialog,
            )
            .ok_or(MessageReason::NoRoute)?;
        let is_new = !matches!(self.branch, CurrentBranch::Rejoining { .. });
        let mut question = Where {
            place,
            gone,
            expected: self.expected,
            // The node that has handed it over waits, and asks again.
            waits: !(self.plan.handed_over && is_new),
        };
        let mut reach = env.reach(question, self.branch_key(), out);
        if reach.is_err() && self.expects_more(env) {
            question.expected = self.expected;
            reach = env.reach(question, self.branch_key(), out);
        }
        match reach {
            Ok(Reach::Link(link)) => Ok(Some(link)),
            Ok(Reach::Asked(until)) => {
                self.wait_until(until, now, env);
                Ok(None)
            }
            Ok(Reach::Wait(until)) => match self.ask_around(Some(until), now, env) {
                Some(until) => {
                    self.wait_until(until, now, env);
                    Ok(None)
                }
                None => Err(MessageReason::FlowGone),
            },
            Err(reason) => {
                self.ask_around(None, now, env);
                Err(reason)
            }
        }
    }

    /// Nobody here knows the client. Whether it may come from a node that has just been lost, which is asked only then, as it
    /// costs a look at each of them.
    pub(crate) fn expects_more(&mut self, env: &Environment) -> bool {
        let siblings = self.plan.siblings.as_ref();
        let expected = siblings.and_then(|siblings| siblings.expected(env));
        let expected = expected.map(|until| self.bounded(until, env.now));
        let is_later = expected > self.expected;
        self.expected = self.expected.max(expected);
        is_later
    }

    /// An end of a wait, brought forward if it is beyond the longest wait.
    pub(crate) fn bounded(&mut self, until: Instant, now: Instant) -> Instant {
        until.min(*self.waits_at_most.get_or_insert(now + LONGEST_WAIT))
    }

    /// Sets how long is waited for the client.
    fn wait_until(&mut self, until: Instant, now: Instant, env: &mut Environment) {
        let until = self.bounded(until, now);
        let (timer, at) = match self.server {
            ServerTransaction::Invite(_) => (TransactionTimer::B, until),
            // RFC 4320 §4.1: nobody listens any more after 32 s.
            ServerTransaction::NonInvite(_) => {
                (TransactionTimer::F, until.min(self.received + WAIT))
            }
        };
        self.deadlines.timer = timer;
        self.deadlines.at = at.max(now);
        self.arm(env);
    }

    /// Whether the current branch waits for its client to come back, or for an answer where it is.
    pub(crate) fn waits_for_client(&self) -> bool {
        match self.branch {
            CurrentBranch::Waiting(target) => target.is_client(),
            CurrentBranch::Rejoining { .. } => true,
            CurrentBranch::None | CurrentBranch::Sent { .. } => false,
        }
    }

    /// Its client is no longer at this connection, which is closed if it is `gone` (RFC 5626 §5.3): else the client may
    /// even have come back to it.
    pub(crate) fn on_client_left(
        &mut self,
        lost: LinkId,
        gone: Option<LinkId>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        let CurrentBranch::Sent {
            target,
            link,
            client,
        } = self.branch
        else {
            return NextStep::Keep;
        };
        if link != lost || !self.pending() {
            return NextStep::Keep;
        }
        self.leave_branch(env);
        self.branch = CurrentBranch::Rejoining { target, client };
        match self.look_for(target, gone, now, env, out) {
            Ok(Some(link)) => self.go_on(target, link, now, env, out),
            Ok(None) => NextStep::Keep,
            Err(reason) => self.fail(reason),
        }
    }

    /// A directory has answered.
    pub(crate) fn on_located(
        &mut self,
        answer: Answer,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        let Some(target) = self.branch.target().filter(|_| self.waits_for_client()) else {
            return NextStep::Keep;
        };
        match answer {
            Answer::At(link) | Answer::Holds(link) => self.go_on(target, link, now, env, out),
            Answer::WaitUntil(until) => match self.ask_around(Some(until), now, env) {
                Some(until) => {
                    self.wait_until(until, now, env);
                    NextStep::Keep
                }
                None => self.fail(MessageReason::FlowGone),
            },
            Answer::Gone if self.expects_more(env) => {
                match self.look_for(target, None, now, env, out) {
                    Ok(Some(link)) => self.go_on(target, link, now, env, out),
                    Ok(None) => NextStep::Keep,
                    Err(reason) => self.fail(reason),
                }
            }
            Answer::Gone => {
                self.ask_around(None, now, env);
                self.fail(MessageReason::FlowGone)
            }
        }
    }

    /// The client is at this connection.
    fn go_on(
        &mut self,
        target: Leg,
        link: LinkId,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if link.shard() == env.shard && !link.is_none() {
            match env.links.get(link) {
                // Closed while the answer was under way.
                None => {
                    return match self.look_for(target, Some(link), now, env, out) {
                        Ok(Some(other)) if other != link => {
                            self.go_on(target, other, now, env, out)
                        }
                        Ok(None) => NextStep::Keep,
                        Ok(Some(_)) => self.fail(MessageReason::FlowGone),
                        Err(reason) => self.fail(reason),
                    };
                }
                // It does not read: more would only wait behind what waits there already.
                Some(found) if found.full => return self.fail(MessageReason::PeerCongested),
                Some(_) => {}
            }
        }
        match self.branch {
            CurrentBranch::Rejoining { client, .. } if self.cancel_wanted => {
                self.cancel_on(target, link, client, now, env, out)
            }
            // The client transaction is the one of before: a 180 that was heard stays heard.
            CurrentBranch::Rejoining { client, .. } => {
                let next = self.resume(target, link, now, env, out);
                self.keep_state(client, now, env);
                next
            }
            CurrentBranch::Waiting(_) => self.resume(target, link, now, env, out),
            CurrentBranch::None | CurrentBranch::Sent { .. } => NextStep::Keep,
        }
    }

    /// What was sent again goes on from where it was: a call that has rung is under Timer C.
    fn keep_state(&mut self, before: ClientTransaction, now: Instant, env: &mut Environment) {
        let CurrentBranch::Sent { client, .. } = &mut self.branch else {
            return;
        };
        *client = before;
        if before == ClientTransaction::Invite(InviteClient::Proceeding) {
            self.deadlines.timer = TransactionTimer::C;
            self.deadlines.at = now + TIMER_C;
            self.arm(env);
        }
    }

    /// The caller has hung up meanwhile: the client learns that, and not of the call again.
    fn cancel_on(
        &mut self,
        target: Leg,
        link: LinkId,
        client: ClientTransaction,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        // RFC 3261 §9.1: a client that has not answered at all may not know of the call.
        if client.silent() {
            return self.answer(MessageReason::Cancelled, now, env, out);
        }
        self.branch = CurrentBranch::Sent {
            target,
            link,
            client,
        };
        if !link.is_none() {
            env.links.add_branch(link, self.slot);
        }
        self.cancel_sent = false;
        self.send_cancel(now, env, out);
        NextStep::Keep
    }

    fn fail(&mut self, reason: MessageReason) -> NextStep {
        self.failure = Some(reason);
        NextStep::TryNext
    }
}
