//! What ends a branch without a response: timers that fire (RFC 3261 §16.8, §17; RFC 6026; RFC
//! 4320), and the loss of the connection that it runs on (§16.9).
//!
//! On a reliable transport no request is repeated, so that silence has one meaning only: the far
//! end is not there, or does not answer. Either the next target has its turn, or the caller gets
//! 408, or (RFC 4320) nothing at all.
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::health::{Fitness, REST};
use super::interface::Actions;
use super::leg::Leg;
use super::link_id::LinkId;
use super::listing::ListedPeer;
use super::transaction::{InviteServer, NonInviteServer, ServerTransaction, T64, TransactionTimer};
use crate::reason::MessageReason;
use crate::sip::{Message, write_reply};
use std::time::{Duration, Instant};

impl ResponseContext {
    /// The wheel has reached its deadline. A due 100 is sent without ending anything; the lettered
    /// timer decides.
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

    /// The lettered timer has fired. What each one ends is stated at its definition
    /// (`TransactionTimer`).
    fn on_timer(&mut self, now: Instant, env: &mut Environment, out: &mut Actions) -> NextStep {
        // Nobody was silent: the client has not come back.
        if self.waits_for_client() {
            self.failure = Some(MessageReason::FlowGone);
            return NextStep::TryNext;
        }
        match self.deadlines.timer {
            TransactionTimer::B => {
                self.failure = Some(MessageReason::NoAnswer);
                self.note_silence(now, env, out);
                if self.cancel_wanted {
                    return self.answer(MessageReason::Cancelled, now, env, out);
                }
                NextStep::TryNext
            }
            // RFC 3261 §16.8: cancel, and let the 487 answer; a branch that ignores that is ended
            // below.
            TransactionTimer::C => {
                self.failure = Some(MessageReason::NoAnswer);
                self.cancel_wanted = true;
                self.call.times_out();
                self.send_cancel(now, env, out);
                NextStep::Keep
            }
            TransactionTimer::F => {
                self.failure = Some(MessageReason::NoAnswer);
                self.note_silence(now, env, out);
                let is_silent = match self.branch {
                    CurrentBranch::Sent { client, .. } => client.silent(),
                    CurrentBranch::None
                    | CurrentBranch::Waiting(_)
                    | CurrentBranch::Rejoining { .. } => true,
                };
                if is_silent && now < self.received + T64 {
                    return NextStep::TryNext;
                }
                self.answer(MessageReason::NoAnswer, now, env, out)
            }
            // RFC 3261 §9.1: 64 × T1 after the CANCEL the branch counts as ended.
            TransactionTimer::Cancelled => self.answer(MessageReason::Cancelled, now, env, out),
        }
    }

    /// A peer that was asked has sent nothing at all in its time.
    ///
    /// An INVITE gets a 100 from whoever lives. What else is asked may stay without an answer
    /// although the next element lives, since a proxy stays silent for a user agent that is silent
    /// (RFC 4320 §4.2): then it counts only if nothing else came on that connection either.
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
        // Compared with when the request came: a response to another request since then shows that
        // it lives.
        let is_mute = link.is_none_or(|l| l.heard < Some(self.received));
        let is_invite = matches!(self.server, ServerTransaction::Invite(_));
        let is_dead = is_invite || is_mute;
        if client.silent()
            && is_dead
            && let Some(peer) = target.peer().and_then(|key| env.links.peer(key))
        {
            // Nobody is hurt by one that is passed over too soon where another one lives, and a sibling has a word for
            // every INVITE, if only that the client is not there. For what else is
            // asked one silence is too little: a phone behind it may cause that.
            let at_once = is_invite
                && is_mute
                && (self.is_sibling(target) || self.another_lives(target, now, env));
            peer.note_silence(at_once, now + REST, now, out);
        }
    }

    /// Whether another of its targets is connected and well.
    fn another_lives(&self, silent: Leg, now: Instant, env: &Environment) -> bool {
        let others = self.targets.iter().filter(|target| **target != silent);
        others.filter_map(|target| target.peer()).any(|key| {
            let is_well =
                |peer: &ListedPeer| peer.health.fitness(now, Duration::ZERO) == Fitness::Up;
            env.links.any_link(key).is_some() && env.links.peer(key).is_some_and(is_well)
        })
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

    /// RFC 3261 §16.9: a broken connection counts as 503 for the branch on it; a client is waited
    /// for. A server that has already answered provisionally keeps its
    /// branch: it can come back with the final response on another connection of the same identity.
    pub(crate) fn on_link_gone(
        &mut self,
        gone: LinkId,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        match self.branch {
            CurrentBranch::Sent { target, .. } if target.is_client() => {
                self.on_client_left(gone, Some(gone), now, env, out)
            }
            CurrentBranch::Sent { link, client, .. }
                if link == gone && client.silent() && self.pending() =>
            {
                self.failure = Some(MessageReason::PeerUnreachable);
                self.way_has_failed();
                self.wait_for_lost(now, env);
                NextStep::TryNext
            }
            // What is still sent goes over another connection, also where this shard could not see
            // that this one is gone.
            CurrentBranch::Sent {
                target,
                link,
                client,
            } if link == gone && self.pending() => {
                env.links.remove_branch(link, self.slot, env.shard);
                let link = LinkId::none(env.shard);
                self.branch = CurrentBranch::Sent {
                    target,
                    link,
                    client,
                };
                NextStep::Keep
            }
            CurrentBranch::None
            | CurrentBranch::Waiting(_)
            | CurrentBranch::Rejoining { .. }
            | CurrentBranch::Sent { .. } => NextStep::Keep,
        }
    }
}
