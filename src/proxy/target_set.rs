//! The target set of a request (RFC 3261 §16.6, §16.7): one target after the other, each with a
//! branch of its own, until one takes the request.
//!
//! A target fails in four ways: it cannot be reached (no connection, a full queue, a pause that it
//! asked for), nothing is heard from it in its time, it answers 503, or what would be sent to it
//! cannot be hidden from it. In each of them the next target has its turn, with a new branch; the
//! reason of the last failure becomes the answer when none is left.
//!
//! Serial forking bounds the work of one request: never more than one branch, one copy and one
//! timer at a time.
use super::branch::BranchKey;
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::interface::Actions;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::LinkChoice;
use super::outgoing::MessageWriter;
use super::transaction::{ClientTransaction, InviteClient, NonInviteClient, ServerTransaction};
use crate::reason::MessageReason;
use crate::sip::{Message, Via};
use std::time::Instant;

impl ResponseContext {
    /// Tries the next targets, with the stored request read anew (failover).
    pub(crate) fn retry(
        &mut self,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        self.with_request(env, |this, message, env| match message.top_via() {
            Ok(via) => this.try_targets(message, &via, now, env, out),
            Err(_) => NextStep::Keep,
        })
        .unwrap_or(NextStep::Keep)
    }

    /// Tries targets in order until one takes the request, a connection is awaited, or none is
    /// left: then the answer is what failed last.
    pub(crate) fn try_targets(
        &mut self,
        message: &Message<'_>,
        via: &Via<'_>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        loop {
            // A new branch with a new number: what still comes of the old one is unmatched (RFC
            // 6026 §7.3).
            self.leave_branch(env);
            self.nonce = env.secrets.nonce();
            self.branch = CurrentBranch::None;
            // RFC 3261 §16.10: a cancelled request begins no further branch.
            let next = self.targets.get(self.tried).copied();
            let Some(target) = next.filter(|_| !self.cancel_wanted) else {
                let reason = match self.failure {
                    _ if self.cancel_wanted => MessageReason::Cancelled,
                    _ if self.is_away => MessageReason::ClientAway,
                    // Whatever kept a sibling from taking it: its client is not here.
                    _ if self.rounds > 0 => MessageReason::FlowGone,
                    Some(reason) => reason,
                    None => MessageReason::NoRoute,
                };
                return self.answer_to(message, reason, now, env, out);
            };
            self.tried += 1;
            match self.try_target(target, message, via, now, env, out) {
                Ok(()) => return NextStep::Keep,
                Err(reason) => self.failure = Some(reason),
            }
        }
    }

    /// Sends the request to a target, or waits for a connection to it.
    ///
    /// # Errors
    /// It cannot go there.
    fn try_target(
        &mut self,
        target: Leg,
        message: &Message<'_>,
        via: &Via<'_>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        // A server that asked for a pause gets nothing new; dialogs that it has begun go on (RFC
        // 3261 §21.5.4).
        if !self.plan.in_dialog && env.links.is_held(target, now) {
            return Err(MessageReason::PeerHeldOff);
        }
        let link = match target {
            Leg::Client(_) | Leg::Binding(_) => self.client_link(target, now, env, out)?,
            Leg::Peer(key) => match self.way_to(target, env) {
                Some(link) => Some(link),
                None => {
                    let spread = env.spread(message);
                    peer_link(
                        key,
                        self.branch_key(),
                        (spread, self.plan.in_dialog),
                        now,
                        env,
                        out,
                    )?
                }
            },
        };
        if let Some(link) = link {
            return self.send_request(target, link, message, via, now, env, out);
        }
        self.branch = CurrentBranch::Waiting(target);
        // Its turn is limited as if it had been sent: a handshake that hangs must not hold up the
        // failover. A client is waited for as long as its directory says.
        if !target.is_client() {
            self.start_timer(now, env);
        }
        Ok(())
    }

    /// The connection of a partner that comes before the peer as such.
    fn way_to(&mut self, target: Leg, env: &Environment) -> Option<LinkId> {
        self.plan.way.as_mut()?.next(target, env)
    }

    /// The connection has failed that the request is on or waits for: if that was one of several ways
    /// to its target, the target has its turn again.
    pub(crate) fn way_has_failed(&mut self) {
        if let Some(way) = &mut self.plan.way
            && way.has_failed()
        {
            self.tried = self.tried.saturating_sub(1);
        }
    }

    /// The connection that leads to a client now; `None`: it is looked for, or waited for. A token's
    /// connection in another shard is tried without asking: that shard reports if it is gone.
    fn client_link(
        &mut self,
        target: Leg,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<Option<LinkId>, MessageReason> {
        let link = match target {
            Leg::Client(link) if link.shard() != env.shard && link.shard() < env.shards => {
                Some(link)
            }
            Leg::Peer(_) | Leg::Client(_) | Leg::Binding(_) => {
                self.look_for(target, None, now, env, out)?
            }
        };
        // Of a connection of another shard nothing is known but what runs on it.
        match link.and_then(|link| env.links.get(link)) {
            Some(found) if found.full => Err(MessageReason::PeerCongested),
            Some(_) | None => Ok(link),
        }
    }

    /// The connection that this request waits for has come up. Its branch keeps its number, since
    /// nothing was sent yet.
    pub(crate) fn resume(
        &mut self,
        target: Leg,
        link: LinkId,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        self.with_request(env, |this, message, env| {
            let Ok(via) = message.top_via() else {
                return NextStep::Keep;
            };
            match this.send_request(target, link, message, &via, now, env, out) {
                Ok(()) => NextStep::Keep,
                Err(reason) => {
                    this.failure = Some(reason);
                    this.try_targets(message, &via, now, env, out)
                }
            }
        })
        .unwrap_or(NextStep::Keep)
    }

    /// RFC 3261 §16.6 steps 1 to 10 for one target.
    ///
    /// # Errors
    /// What keeps it from being sent there; nothing has been.
    #[expect(
        clippy::too_many_arguments,
        reason = "a message, its target, and what it meets"
    )]
    fn send_request(
        &mut self,
        target: Leg,
        link: LinkId,
        message: &Message<'_>,
        via: &Via<'_>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let start = out.bytes.len();
        let branch = self.branch_text(env);
        // Written into the actions' buffer directly; on an error nothing of it is left there.
        let outgoing = MessageWriter::to(target, env).over(link);
        self.recorded = outgoing.request(
            message,
            via,
            &self.plan,
            self.upstream,
            &branch,
            &mut out.bytes,
        )?;
        out.send(link, start, Some(self.branch_key()));
        let client = match self.server {
            ServerTransaction::Invite(_) => ClientTransaction::Invite(InviteClient::Calling),
            ServerTransaction::NonInvite(_) => {
                ClientTransaction::NonInvite(NonInviteClient::Trying)
            }
        };
        self.branch = CurrentBranch::Sent {
            target,
            link,
            client,
        };
        self.start_timer(now, env);
        env.links.add_branch(link, self.slot);
        Ok(())
    }
}

/// A link to a peer that takes new requests; `None`: one is being made, and `branch` waits for it.
fn peer_link(
    key: PeerKey,
    branch: BranchKey,
    (spread, in_dialog): (u64, bool),
    now: Instant,
    env: &mut Environment,
    out: &mut Actions,
) -> Result<Option<LinkId>, MessageReason> {
    match env.links.for_requests(key, spread, in_dialog) {
        LinkChoice::Link(link) => {
            // The request goes at once; the further connection is for those after it.
            if env.links.several() || !in_dialog && env.links.is_open(link) {
                env.links.widen(key, now, out);
            }
            return Ok(Some(link));
        }
        LinkChoice::Full => return Err(MessageReason::PeerCongested),
        LinkChoice::None => {}
    }
    let bound = env.limits.connect_queue;
    let peer = env.links.active_mut(key);
    let peer = peer.filter(|peer| peer.listed.current.is_some());
    let peer = peer.ok_or(MessageReason::PeerWithdrawn)?;
    // The last connect failed a moment ago: the request moves on instead of waiting for the next
    // try to fail.
    if peer.is_down(now) {
        return Err(MessageReason::PeerUnreachable);
    }
    // What waits holds a transaction each; a peer that is slow to connect must not gather all of
    // the shard's.
    if peer.waiting.len() >= bound {
        return Err(MessageReason::ConnectQueueFull);
    }
    peer.waiting.push_back(branch);
    peer.want_connection(out);
    Ok(None)
}
