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
use super::binding::{Asker, Place};
use super::branch::BranchKey;
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::environment::Environment;
use super::interface::Actions;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::links::LinkChoice;
use super::outgoing::MessageWriter;
use super::partner_way::NextWay;
use super::process::{CrossedRequest, Envelope};
use super::transaction::{ClientTransaction, InviteClient, NonInviteClient, ServerTransaction};
use crate::reason::MessageReason;
use crate::sip::{Message, Via};
use std::time::Instant;

/// A connection for which no more is kept than this fills no queue: a few calls of a phone.
const LIGHT: usize = 64 * 1024;

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
                if self.looks_again(env) || self.waits_again(env) {
                    continue;
                }
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

    /// Whether a target that could not be reached has a connection by now: then it is tried once
    /// more, in its turn.
    fn looks_again(&mut self, env: &Environment) -> bool {
        if self.cancel_wanted
            || self.looked_again
            || self.failure != Some(MessageReason::PeerUnreachable)
        {
            return false;
        }
        // Only those that have a connection by now: nobody waits a second time.
        let in_dialog = self.plan.in_dialog;
        let back = self.targets.iter().position(|target| {
            let key = target.peer();
            key.is_some_and(|key| {
                matches!(
                    env.links.for_requests(key, 0, in_dialog),
                    LinkChoice::Link(_)
                )
            })
        });
        self.looked_again = true;
        if let Some(at) = back {
            self.tried = at;
        }
        back.is_some()
    }

    /// The last target waits out a pause, and no other has taken the request: all that do are
    /// connected to now, and whichever comes back first takes it.
    fn need_all(
        &self,
        last: PeerKey,
        bytes: usize,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let others = self.targets.iter().filter_map(|target| target.peer());
        for key in others.filter(|key| *key != last) {
            if env.links.is_cut_off(key, now)
                && let Some(peer) = env.links.active_mut(key)
                && peer.wait(self.branch_key(), bytes, &env.limits)
            {
                peer.need_connection(out);
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
        // 3261 §21.5.4). Of a sibling its plan has decided that.
        if !self.plan.in_dialog && env.links.is_held(target, now) && !self.is_sibling(target) {
            return Err(MessageReason::PeerHeldOff);
        }
        let link = match target {
            Leg::Client(_) | Leg::Binding(_) => self.client_link(target, now, env, out)?,
            Leg::Peer(key) => match self.by_way(target, message.bytes().len(), now, env, out) {
                Some(found) => found,
                None => self.peer_link(key, message, now, env, out)?,
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

    /// The connection of a partner that comes before the peer as such, or that it is being made
    /// (`None`).
    fn by_way(
        &mut self,
        target: Leg,
        bytes: usize,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Option<Option<LinkId>> {
        let branch = self.branch_key();
        loop {
            match self.plan.way.as_mut()?.next(target, env)? {
                NextWay::Link(link) => return Some(Some(link)),
                NextWay::Name(name) => {
                    let Some(key) = env.links.cover(&name, now, out) else {
                        continue;
                    };
                    // One connection under each name: what shares it keeps its order.
                    match env.links.for_requests(key, 0, true) {
                        LinkChoice::Link(link) => return Some(Some(link)),
                        // Another connection would fill up as well: the peer as such is next.
                        LinkChoice::Full(_) => {}
                        LinkChoice::None => {
                            // Not the last: a name in its pause is passed over.
                            let waits = await_link(key, (branch, bytes), false, now, env, out);
                            if waits.is_ok() {
                                return Some(None);
                            }
                        }
                    }
                }
            }
        }
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

    /// A link to a peer that takes new requests; `None`: one is being made, and the branch waits for it.
    fn peer_link(
        &self,
        key: PeerKey,
        message: &Message<'_>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<Option<LinkId>, MessageReason> {
        let spread = env.spread(message);
        let in_dialog = self.plan.in_dialog;
        match env.links.for_requests(key, spread, in_dialog) {
            LinkChoice::Link(link) => {
                // The request goes at once; the further connection is for those after it.
                if env.links.several() || !in_dialog && env.links.is_open(link) {
                    env.links.widen(key, now, out);
                }
                Ok(Some(link))
            }
            LinkChoice::Full(link) if self.may_crowd(link, message.bytes().len(), env) => {
                Ok(Some(link))
            }
            LinkChoice::Full(_) => Err(MessageReason::PeerCongested),
            // A process that hands over connects to nobody any more.
            LinkChoice::None if env.has_successor() => Ok(Some(LinkId::none(env.shard))),
            LinkChoice::None => {
                let is_last = self.tried >= self.targets.len();
                let bytes = message.bytes().len();
                if is_last && env.links.is_cut_off(key, now) {
                    self.need_all(key, bytes, now, env, out);
                }
                let waits = (self.branch_key(), bytes);
                let is_live = || {
                    let peer = env.links.peer(key);
                    peer.is_some_and(|peer| peer.health.is_connected())
                };
                // A sibling that another shard is connected to is worth a connect: the client may be there alone.
                let insists = is_last || self.is_sibling(Leg::Peer(key)) && is_live();
                await_link(key, waits, insists, now, env, out)?;
                Ok(None)
            }
        }
    }

    /// Whether it may go where the queue is long: what belongs to a dialog, since that runs there, and when no other target is
    /// left what comes from a connection for which little is kept. Of a server that reads slowly those are refused first who
    /// send it most.
    fn may_crowd(&self, link: LinkId, bytes: usize, env: &mut Environment) -> bool {
        let is_last = self.tried >= self.targets.len();
        let sender = env.links.get(self.upstream.link);
        let account = sender.and_then(|link| link.account.as_ref());
        let is_light = is_last && account.is_some_and(|account| account.bytes() <= LIGHT);
        (self.plan.in_dialog || is_light) && env.links.crowd(link, bytes, &env.limits)
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
        match (link.is_none(), target) {
            (false, _) => out.send(link, start, Some(self.branch_key())),
            // What leaves by the other process of this node has no connection here.
            (true, _) => self.cross_to(target, start, now, env, out)?,
        }
        self.sent_as = env.sent_as(target);
        // It may have been read there: a second copy would be merged with it, and refused.
        self.looked_again = true;
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
        if !link.is_none() {
            env.links.add_branch(link, self.slot);
        }
        Ok(())
    }
}

impl ResponseContext {
    /// Has the other process of this node send what stands in `out` from `start` on. Whatever becomes of it, this learns of it.
    ///
    /// # Errors
    /// It cannot.
    fn cross_to(
        &self,
        target: Leg,
        start: usize,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let asker = Asker {
            shard: env.shard,
            branch: self.branch_key(),
        };
        // A client is looked for by its directory, which may be another shard's.
        if let Leg::Binding(id) = target {
            return env.pass_until(Place::Binding(id), (None, Some(asker)), start, out);
        }
        let (_, patience) = self.turn(Some(target), now);
        let request = CrossedRequest {
            asker,
            patience,
            in_dialog: self.plan.in_dialog,
            is_last: self.tried >= self.targets.len(),
        };
        if let Leg::Peer(key) = target
            && env.cross(&Envelope::ToPeer(key.0, Some(request)), start, out)
        {
            return Ok(());
        }
        out.bytes.truncate(start);
        Err(MessageReason::PeerUnreachable)
    }
}

/// Has a branch, with a request of so many bytes, wait for a connection to a peer; one that `insists` also where a connect
/// failed a moment ago.
///
/// # Errors
/// None is made, or too much waits for it.
fn await_link(
    key: PeerKey,
    (branch, bytes): (BranchKey, usize),
    insists: bool,
    now: Instant,
    env: &mut Environment,
    out: &mut Actions,
) -> Result<(), MessageReason> {
    let peer = env.links.active_mut(key);
    let peer = peer.filter(|peer| peer.listed.current.is_some());
    let peer = peer.ok_or(MessageReason::PeerWithdrawn)?;
    // The last connect failed a moment ago: the request moves on instead of waiting for the next
    // try to fail, if it can.
    if peer.is_down(now) && !insists {
        return Err(MessageReason::PeerUnreachable);
    }
    // What waits holds a transaction each; a peer that is slow to connect must not gather all of
    // the shard's.
    if !peer.wait(branch, bytes, &env.limits) {
        return Err(MessageReason::ConnectQueueFull);
    }
    if peer.is_down(now) {
        peer.need_connection(out);
    } else {
        peer.want_connection(out);
    }
    Ok(())
}
