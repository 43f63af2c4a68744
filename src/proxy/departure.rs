//! What waits for a client that has gone ends with it (RFC 3261 §16.10): nobody would hear its answer.
//!
//! A client without a registration does not come back to what it has asked, since it would be
//! another one by then. One that is registered may, for half a minute; then it is looked for where
//! its binding is known. A request that was sent stays recognised for a moment, without its body:
//! its late answer is no stray message of the server.
use super::binding::{Answer, Asker, BindingMessage, Place, WAIT, Where};
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::core::Core;
use super::departed::DepartedClient;
use super::environment::Environment;
use super::interface::Actions;
use super::leg::Leg;
use super::link_id::LinkId;
use super::link_state::RefusedSlots;
use super::transaction::{ClientTransaction, InviteClient};
use crate::reason::MessageReason;
use crate::sip::Message;
use std::time::{Duration, Instant};

/// How long a request that was sent is recognised by then, and a CANCEL waits for what it brings about.
const RECOGNISED: Duration = Duration::from_secs(20);

impl Core {
    /// A client's connection has gone on which it has asked these, and on which these were refused.
    pub(crate) fn client_departed(
        &mut self,
        link: LinkId,
        (asked, refused): (Vec<u32>, RefusedSlots),
        now: Instant,
        out: &mut Actions,
    ) {
        self.drop_refused(link, refused, now);
        // Most connections go with nothing asked.
        let mut may_return = Vec::new();
        for slot in asked {
            let Some(context) = self.contexts.get_mut(slot) else {
                continue;
            };
            match context.upstream.leg {
                Leg::Binding(_) => may_return.push(slot),
                Leg::Client(_) => {
                    let next = context.on_caller_gone(now, &mut self.env, out);
                    self.carry_out(slot, next, now, out);
                }
                Leg::Peer(_) => {}
            }
        }
        if !may_return.is_empty() {
            self.departed.push(DepartedClient {
                at: now + WAIT,
                link,
                asked: may_return,
            });
        }
    }

    /// Nobody acknowledges what a client that has gone was refused, unless its binding comes back. What was accepted stays for
    /// its time: its server repeats the 2xx for as long, and would be one that sends stray messages.
    fn drop_refused(&mut self, link: LinkId, mut refused: RefusedSlots, now: Instant) {
        for slot in refused.take() {
            if self.contexts.refused_on(slot) != Some(link) {
                continue;
            }
            match self.contexts.may_return(slot) {
                true => {
                    let end = now + WAIT;
                    let at = self.env.wheel.at(slot).unwrap_or(end);
                    self.env.wheel.arm(slot, at.min(end));
                }
                false => self.forget_answered(slot),
            }
        }
    }

    /// Those that may have come back meanwhile are looked for, each in the shard that knows its binding.
    pub(crate) fn look_for_departed(&mut self, now: Instant, out: &mut Actions) {
        while let Some(DepartedClient { link, asked, .. }) = self.departed.pop_due(now) {
            for slot in asked {
                // The slot may be another request's by now.
                let context = self.contexts.get_mut(slot);
                let context = context.filter(|context| context.upstream.link == link);
                let Some(context) = context else { continue };
                let Leg::Binding(id) = context.upstream.leg else {
                    continue;
                };
                let question = Where {
                    place: Place::Binding(id),
                    gone: Some(link),
                    expected: None,
                    waits: false,
                };
                let asker = Asker {
                    shard: self.env.shard,
                    branch: context.branch_key(),
                };
                // Its answer comes by the branch, as for a request that waits for its client: what it is about shows here.
                context.awaits_caller = true;
                let shard = id.shard(self.env.shards);
                let asks = BindingMessage::Where { question, asker };
                self.env.tell(shard, asks, out);
            }
        }
    }
}

impl ResponseContext {
    /// A directory says where its caller is.
    pub(crate) fn on_caller_located(
        &mut self,
        answer: Answer,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        self.awaits_caller = false;
        match answer {
            Answer::At(_) | Answer::Holds(_) => NextStep::Keep,
            Answer::WaitUntil(_) | Answer::Gone => self.on_caller_gone(now, env, out),
        }
    }

    /// Nobody waits for its answer any more: a call is cancelled, and nothing is tried after what was sent.
    fn on_caller_gone(
        &mut self,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if !self.pending() {
            return NextStep::Keep;
        }
        // Whatever comes of what was sent: no further target is asked for who would not hear of it.
        self.tried = self.targets.len();
        self.cancel_wanted = true;
        let CurrentBranch::Sent { target, client, .. } = self.branch else {
            return self.answer(MessageReason::Cancelled, now, env, out);
        };
        // RFC 3261 §9.1: one that has not been heard of is cancelled when it is.
        if client == ClientTransaction::Invite(InviteClient::Proceeding) {
            self.send_cancel(now, env, out);
        }
        // A client's answer may come on another connection of its own, over which the request is sent again.
        if target.peer().is_some() {
            self.drop_body();
        }
        self.deadlines.trying = None;
        self.deadlines.at = self.deadlines.at.min(now + RECOGNISED);
        self.arm(env);
        NextStep::Keep
    }

    /// What is derived from a request, and what recognises its answer, is in its head.
    fn drop_body(&mut self) {
        let body = Message::parse(&self.request).map_or(0, |message| message.body().len());
        let head = self.request.len() - body;
        // Neither is ever read beyond its head from here on, whatever length that states.
        self.request.truncate(head);
        self.request.shrink_to_fit();
        self.count_bytes();
    }
}
