//! The response context of RFC 3261 §16.7: one request, the server transaction it came on, the
//! client transaction of the branch that is being tried, and the targets that are left.
//!
//! Targets are tried one after the other, never in parallel (forking to several contacts is the
//! registrar's work), so a context has at most one branch at a time and "best response" means the
//! last one.
//!
//! A context is changed by its own methods only: `target_set` (branches begin), `relay`
//! (responses), `cancellation` and `timeouts` (branches end). None of them touches the table that
//! it stands in. They return what they want ([`NextStep`]), and the core carries that out, so that
//! no method can work on a context that has just been removed.
use super::account::Hold;
use super::branch::{Branch, BranchKey, BranchText};
use super::calls::CallPart;
use super::environment::{Environment, LoggedRequest, Upstream};
use super::inbound::InboundRequest;
use super::interface::Actions;
use super::leg::{Leg, TargetSet};
use super::link_id::LinkId;
use super::node_memory::Party;
use super::outgoing::RecordedToken;
use super::plan::ForwardPlan;
use super::reply;
use super::request_places::RequestPlaces;
use super::transaction::{
    ClientTransaction, Deadlines, InviteServer, NonInviteServer, ServerTransaction, T64, TRYING,
    TRYING_NON_INVITE, TransactionTimer,
};
use crate::reason::MessageReason;
use crate::sip::{Message, Method};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an INVITE waits for a first sign of life while other targets remain.
///
/// **Deviation:** Timer B of RFC 3261 §17.1.1.2 is 32 s. A living server sends 100 within 200 ms,
/// and a caller who waits half a minute for every dead pool member has hung up; the last target
/// still gets the whole Timer B.
pub(crate) const FAILOVER_SILENCE: Duration = Duration::from_secs(8);

/// What one costs besides its request, in bytes: itself, its slot, its key and its node in the wheel.
const COST: usize = size_of::<ResponseContext>() + 96;

/// What a context wants after an input. Its owner carries that out, since a context cannot remove
/// itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum NextStep {
    /// It waits for its next input; its timer is armed.
    Keep,
    /// Its INVITE has its final answer: what still waits is a record of its own.
    Answered,
    /// It is over.
    Close,
    /// The branch has failed: the next target has its turn.
    TryNext,
}

/// The branch that is being tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CurrentBranch {
    /// No target was tried yet, or none is left.
    None,
    /// Waits for a connection to this peer, or to learn where this client is.
    Waiting(Leg),
    /// Was sent, and waits for its client to come back.
    Rejoining {
        target: Leg,
        client: ClientTransaction,
    },
    /// Sent on this link.
    Sent {
        target: Leg,
        link: LinkId,
        client: ClientTransaction,
    },
}

impl CurrentBranch {
    pub(crate) fn target(&self) -> Option<Leg> {
        match self {
            Self::None => None,
            Self::Waiting(target) | Self::Rejoining { target, .. } | Self::Sent { target, .. } => {
                Some(*target)
            }
        }
    }
}

/// One request on its way.
pub(crate) struct ResponseContext {
    /// Its place in the table; the branch names it, so that a response needs no search.
    pub(crate) slot: u32,
    /// The unguessable number of the current branch: drawn anew for each, so that a late response
    /// to an earlier branch finds nothing.
    pub(crate) nonce: u64,
    pub(crate) server: ServerTransaction,
    pub(crate) branch: CurrentBranch,
    /// Key of the server transaction.
    pub(crate) key: u128,
    /// Where the request came from, and so where responses go.
    pub(crate) upstream: Upstream,
    /// The request as received; empty once the 2xx to an INVITE has passed.
    pub(crate) request: Vec<u8>,
    /// What all of it counts for, as memory of who has sent it.
    pub(crate) hold: Hold,
    /// Where in it its parts stand.
    pub(super) places: RequestPlaces,
    pub(super) cseq: u32,
    pub(crate) plan: ForwardPlan,
    /// The name and port of this node in the Via of the current branch, where its target knows it by one of its own.
    pub(crate) sent_as: Option<Arc<str>>,
    /// What was recorded in the current branch and stands otherwise in its responses.
    pub(crate) recorded: Option<Box<RecordedToken>>,
    /// What it does to a call.
    pub(crate) call: CallPart,
    /// The target set, and how many of it were tried.
    pub(crate) targets: TargetSet,
    pub(crate) tried: usize,
    /// Targets that could not be reached were looked at a second time.
    pub(crate) looked_again: bool,
    /// How often the siblings were asked.
    pub(crate) rounds: u8,
    /// When they are asked again.
    pub(crate) next_round: Option<Instant>,
    /// How often one of them was asked because it had come up.
    pub(crate) out_of_turn: u8,
    /// A sibling has lost the client a moment ago: until then it may come here.
    pub(crate) expected: Option<Instant>,
    /// Until when it waits for its client at most, since it has begun to.
    pub(crate) waits_at_most: Option<Instant>,
    /// The client was here a moment ago, and the node that has handed the request over waits for it.
    pub(crate) is_away: bool,
    pub(crate) deadlines: Deadlines,
    pub(crate) received: Instant,
    /// A CANCEL came, or Timer C fired. No further target is tried from then on; it is sent as soon
    /// as a provisional response allows it (RFC 3261 §9.1).
    pub(crate) cancel_wanted: bool,
    /// The CANCEL was sent.
    pub(crate) cancel_sent: bool,
    /// Its caller's connection has gone, and the directory was asked for another one.
    pub(crate) awaits_caller: bool,
    /// The last response that was sent upstream, for a repeated INVITE; of the final one its To tag.
    pub(crate) last_response: Vec<u8>,
    /// The status of the final response; 0: there is none.
    pub(crate) final_status: u16,
    /// The To tag of answers of this node, the same in all of them.
    pub(crate) to_tag: u64,
    /// What failed last, if no response came from downstream. With one branch at a time that is the
    /// best response (RFC 3261 §16.7 step 6) once all targets have failed.
    pub(crate) failure: Option<MessageReason>,
}

impl ResponseContext {
    /// A context for a request that may pass. It copies the request: the buffer that it was read
    /// into is needed for what comes next, and failover, CANCEL and the ACK for a refusal are made
    /// from the original.
    pub(crate) fn new(
        request: &InboundRequest<'_, '_>,
        plan: ForwardPlan,
        targets: TargetSet,
        env: &mut Environment,
    ) -> Self {
        let message = request.inbound.message;
        let now = request.inbound.now;
        let is_invite = request.method == Method::Invite;
        let (server, timer, trying) = if is_invite {
            let server = ServerTransaction::Invite(InviteServer::Proceeding);
            (server, TransactionTimer::B, TRYING)
        } else {
            let server = ServerTransaction::NonInvite(NonInviteServer::Trying);
            (server, TransactionTimer::F, TRYING_NON_INVITE)
        };
        let mut copy = env.buffers.take();
        copy.extend_from_slice(message.bytes());
        let origin = request.inbound.origin;
        let open = || {
            let party = Party::of(request.inbound.leg, origin.remote.ip());
            env.memory.open(party)
        };
        let account = env.links.begin(origin.link, is_invite, env.shard, open);
        let hold = account.begin(COST + copy.len(), is_invite);
        env.transactions += 1;
        let nonce = env.secrets.nonce();
        Self {
            slot: u32::MAX,
            nonce,
            server,
            branch: CurrentBranch::None,
            key: request.key,
            upstream: request.upstream(),
            request: copy,
            hold,
            places: RequestPlaces::of(request),
            cseq: request.cseq.number,
            call: CallPart::of(request.method, plan.in_dialog, request.to.tag().is_some()),
            plan,
            sent_as: None,
            recorded: None,
            targets,
            tried: 0,
            looked_again: false,
            rounds: 0,
            next_round: None,
            out_of_turn: 0,
            expected: None,
            waits_at_most: None,
            is_away: false,
            deadlines: Deadlines {
                trying: Some(now + trying),
                timer,
                at: now + T64,
            },
            received: now,
            cancel_wanted: false,
            cancel_sent: false,
            awaits_caller: false,
            last_response: Vec::new(),
            final_status: 0,
            to_tag: nonce.rotate_left(32) ^ request.key as u64,
            failure: None,
        }
    }

    /// Whether a final response is still owed upstream. A non-INVITE is removed together with its
    /// final response, so one that exists still owes it.
    pub(crate) fn pending(&self) -> bool {
        match self.server {
            ServerTransaction::Invite(machine) => machine == InviteServer::Proceeding,
            ServerTransaction::NonInvite(_) => true,
        }
    }

    /// Slot and nonce of the current branch.
    pub(crate) fn branch_key(&self) -> BranchKey {
        BranchKey {
            slot: self.slot,
            nonce: self.nonce,
        }
    }

    /// The branch parameter of the current branch.
    pub(crate) fn branch_text(&self, env: &Environment) -> BranchText {
        Branch {
            shard: env.shard,
            key: self.branch_key(),
            loop_hash: self.plan.loop_hash,
        }
        .to_text()
    }

    /// Enters into the wheel when the context is due next. To be called after each change of its
    /// deadlines: a deadline that the wheel does not know never fires, and its transaction never
    /// ends.
    pub(crate) fn arm(&self, env: &mut Environment) {
        env.wheel.arm(self.slot, self.deadlines.next());
    }

    /// A new branch begins, or a wait for its connection: sets the time until the next target's
    /// turn.
    pub(crate) fn start_timer(&mut self, now: Instant, env: &mut Environment) {
        let (timer, span) = self.turn(self.branch.target(), now);
        self.deadlines.at = now + span;
        self.deadlines.timer = timer;
        self.arm(env);
    }

    /// How long it is this target's turn, by which timer.
    pub(crate) fn turn(&self, target: Option<Leg>, now: Instant) -> (TransactionTimer, Duration) {
        let more = self.targets.len().saturating_sub(self.tried);
        // A sibling says at once whether it has the client, so that nothing is gained by more patience.
        let is_sibling = target.is_some_and(|to| self.is_sibling(to));
        match self.server {
            ServerTransaction::Invite(_) if more > 0 || is_sibling => {
                (TransactionTimer::B, FAILOVER_SILENCE)
            }
            ServerTransaction::Invite(_) => (TransactionTimer::B, T64),
            // RFC 4320 §4.1: 32 s over all targets, as the sender's own Timer F runs; each gets its
            // share of what is left, so that the last one is not asked when nobody listens any
            // more.
            ServerTransaction::NonInvite(_) => {
                let left = (self.received + T64).saturating_duration_since(now);
                let share = match u32::try_from(more) {
                    Ok(0) | Err(_) => left,
                    Ok(more) => left / more.saturating_add(1),
                };
                (TransactionTimer::F, share)
            }
        }
    }

    /// The current branch is over: its link forgets it.
    pub(crate) fn leave_branch(&self, env: &mut Environment) {
        if let CurrentBranch::Sent { link, .. } = self.branch {
            env.links.remove_branch(link, self.slot, env.shard);
        }
    }

    /// Does something with the stored request, read anew: a context keeps bytes, since what was
    /// read borrows them. The bytes are taken out meanwhile, so that `act` may change the context.
    /// `None` once they were put back, after a 2xx.
    pub(crate) fn with_request<T>(
        &mut self,
        env: &mut Environment,
        act: impl FnOnce(&mut Self, &Message<'_>, &mut Environment) -> T,
    ) -> Option<T> {
        let request = std::mem::take(&mut self.request);
        let message = Message::parse(&request).ok();
        let outcome = message.map(|message| act(self, &message, env));
        self.request = request;
        outcome
    }

    /// Answers the request for this node, if no final response was sent yet (RFC 3261 §16.7 step
    /// 6).
    pub(crate) fn answer(
        &mut self,
        reason: MessageReason,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        self.with_request(env, |this, message, env| {
            this.answer_to(message, reason, now, env, out)
        })
        .unwrap_or(NextStep::Keep)
    }

    /// As [`Self::answer`], with the request at hand.
    pub(crate) fn answer_to(
        &mut self,
        message: &Message<'_>,
        reason: MessageReason,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if !self.pending() {
            return NextStep::Keep;
        }
        // RFC 4320 §4.2: a non-INVITE that nobody answers is not answered with 408 either.
        let is_silent = reason == MessageReason::NoAnswer
            && matches!(self.server, ServerTransaction::NonInvite(_));
        let start = out.bytes.len();
        if !is_silent {
            let (remote, tag) = (self.upstream.remote, self.to_tag);
            let to = self.upstream.leg;
            reply::write_refusal(message, remote, (reason, to), tag, env, &mut out.bytes);
        }
        let target = self.targets.get(self.tried.saturating_sub(1)).copied();
        let line = LoggedRequest {
            reason: Some(reason),
            status: (!is_silent).then(|| reply::status(message, reason, self.upstream.leg, env)),
            target,
            to_connection: None,
            took: now.saturating_duration_since(self.received),
        };
        env.log_request(self.upstream, message, &line, out);
        // Also of a bound that shows late, such as a queue that was full when the last target's turn came.
        env.note_refusal(reason, out);
        let status = line.status;
        self.note_own_answer(message, reason, status, now, env, out);
        if is_silent {
            return NextStep::Close;
        }
        let tag = reply::tag_text(self.to_tag);
        let next = self.sent_final(&tag, reason.status(), now, env);
        // The branch has ended with it: what still comes of it is late, and cancels or acknowledges
        // nothing.
        self.leave_branch(env);
        self.branch = CurrentBranch::None;
        env.send_upstream(self.upstream, start, out);
        next
    }

    /// The server transaction has its final response, with this To tag: a non-INVITE is over, an INVITE waits for its ACK
    /// or, after a 2xx, for Timer L, as a record of its own.
    pub(crate) fn sent_final(
        &mut self,
        tag: &[u8],
        status: u16,
        now: Instant,
        env: &mut Environment,
    ) -> NextStep {
        let machine = match self.server {
            ServerTransaction::NonInvite(_) => return NextStep::Close,
            ServerTransaction::Invite(machine) => machine,
        };
        let Some(state) = machine.on_response(status) else {
            return NextStep::Keep;
        };
        // The client's share counts what it waits for, not the 32 seconds after it.
        env.links.answered(self.upstream.link, self.slot);
        self.server = ServerTransaction::Invite(state);
        self.final_status = status;
        self.last_response.clear();
        self.last_response.extend_from_slice(tag);
        // Timers H and L are as long as each other.
        self.deadlines.trying = None;
        self.deadlines.at = now + T64;
        self.arm(env);
        self.leave_branch(env);
        NextStep::Answered
    }

    /// The To tag of its final response.
    pub(crate) fn final_tag(&self) -> &[u8] {
        &self.last_response
    }

    /// Keeps the response that stands in `out` from `start` on, for a repeated request.
    pub(crate) fn keep_response(&mut self, start: usize, out: &Actions) {
        self.last_response.clear();
        let sent = out.bytes.get(start..).unwrap_or_default();
        self.last_response.extend_from_slice(sent);
        self.count_bytes();
    }

    /// What is kept of it has changed.
    pub(super) fn count_bytes(&mut self) {
        let bytes = self.request.len() + self.last_response.len();
        self.hold.resize(COST + bytes);
    }

    /// The connection that it came on has one transaction less.
    fn no_longer_pending(&self, env: &mut Environment) {
        let is_invite = matches!(self.server, ServerTransaction::Invite(_));
        let asked = (self.upstream.link, self.slot);
        env.links.end(asked, is_invite, env.shard);
    }

    /// A server has said something to its credentials, or none will.
    pub(super) fn end_try(&mut self, env: &Environment) {
        if let Some(tries) = self.plan.tries.take() {
            tries.end(env);
        }
    }

    /// It is removed: nothing points to it any more, and its buffers go back. Everything that
    /// [`Self::new`] and [`Self::start_timer`] have counted or entered is undone here; the model
    /// test checks that the tables agree.
    pub(crate) fn release(&mut self, env: &mut Environment) {
        self.leave_branch(env);
        self.end_try(env);
        env.wheel.cancel(self.slot);
        if self.pending() {
            self.no_longer_pending(env);
        }
        env.transactions -= 1;
        // Its box is used again, so that nothing in it is dropped.
        self.hold = Hold::default();
        env.buffers.put_back(std::mem::take(&mut self.request));
        env.buffers
            .put_back(std::mem::take(&mut self.last_response));
    }

    /// The line of a request that was relayed and answered, on the connection of this number. Written once: when a second
    /// 2xx of a forked INVITE comes, the request that the line is made of is gone.
    pub(crate) fn log_relayed(
        &self,
        (status, to_connection): (u16, u64),
        now: Instant,
        env: &Environment,
        out: &mut Actions,
    ) {
        let method = self.request.split(|b| *b == b' ').next();
        let Some(method) = method.filter(|method| !method.is_empty()) else {
            return;
        };
        let (target, took) = (
            self.branch.target(),
            now.saturating_duration_since(self.received),
        );
        let ends = (self.upstream.leg, target);
        env.count_request(ends, Method::from_bytes(method), Some(status), took);
        if env.wants_line(method, (&self.upstream, target), out) {
            let line = LoggedRequest {
                target,
                to_connection: Some(to_connection),
                reason: None,
                status: Some(status),
                took,
            };
            let parties = self.places.parties(&self.request);
            env.write_line(self.upstream, method, &parties, &line, out);
        }
    }
}
