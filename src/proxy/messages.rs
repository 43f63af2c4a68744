//! Messages on their way through the core: what is hidden is restored, requests are judged and get
//! a response context, responses find the context that their branch names.
//!
//! Each message takes one of five ways: it is refused or dropped; a request of its own life gets a
//! response context; an ACK or BENOTIFY is forwarded and forgotten; a CANCEL or a response goes to
//! the context that it belongs to; or it is handed over to the shard that has this context. Which
//! of them is decided here and nowhere else.
use super::admission::{self, Handling};
use super::binding::HeldBinding;
use super::branch::Branch;
use super::context::ResponseContext;
use super::contexts::KnownRequest;
use super::core::Core;
use super::environment::Environment;
use super::hiding::{uncovered_target, unhidden};
use super::inbound::{InboundMessage, InboundRequest, RequestUri};
use super::interface::{Action, Actions, Origin, is_sent_by};
use super::leg::{Certainty, Leg};
use super::ping::PING_SLOT;
use super::token::BoundClient;
use super::transaction::{ServerTransaction, T64};
use super::{reply, same_party, stateless};
use crate::reason::{ConnectionReason, MessageReason};
use crate::sip::{
    FrameError, HeaderName, HeaderSet, Message, Method, StartLine, write_unframed_reply,
};
use std::hash::Hasher as _;
use std::time::{Duration, Instant};

/// What a response has exactly once (RFC 3261 §8.2.6.2).
const ONCE: HeaderSet = HeaderSet::of(HeaderName::From)
    .with(HeaderSet::of(HeaderName::To))
    .with(HeaderSet::of(HeaderName::CallId))
    .with(HeaderSet::of(HeaderName::CSeq));

impl Core {
    /// A framed message.
    pub fn on_message(
        &mut self,
        origin: &Origin,
        message: &Message<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        // Whatever it is, the far end lives: silence is counted against a peer only if nothing came
        // (`timeouts`).
        self.env.now = now;
        let (mut held, mut is_last, mut is_trusted) = (origin.held, false, true);
        let mut known = None;
        if let Some(link) = self.env.links.get_mut(origin.link) {
            link.heard = Some(now);
            link.messages = link.messages.wrapping_add(1);
            (is_last, is_trusted) = (link.leaving, link.trusted);
            held = link.held.first().and_then(HeldBinding::id).or(held);
            known = Some((link.leg, link.certainty));
        }
        let Some((mut leg, mut certainty)) = self.env.far_end(origin, known) else {
            return;
        };
        // One certificate for several servers: the request itself may say which of them sends it.
        if certainty != Certainty::Shown && matches!(message.start(), StartLine::Request { .. }) {
            let claims = same_party::claims(origin, message, self.env.routing());
            if let Some(key) = claims.connection {
                self.env.links.claimed(origin.link, key);
            }
            if let Some(key) = claims.dialog {
                (leg, certainty) = (Leg::Peer(key), Certainty::Claimed);
            }
        }
        let inbound = InboundMessage {
            origin,
            leg,
            certainty,
            held,
            message,
            now,
            is_trusted,
            is_last,
        };
        self.read(&inbound, out);
        self.settle(now, out);
    }

    /// A message that another shard was to judge, and that found no room there (RFC 3261 §21.5.4): a request is refused, since
    /// nobody else would answer it and its sender repeats nothing over TLS; an ACK and a response are dropped.
    pub(super) fn not_handed_over(
        &mut self,
        origin: &Origin,
        message: &Message<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        let link = self.env.links.get(origin.link);
        let known = link.map(|link| (link.leg, link.certainty));
        let Some((leg, certainty)) = self.env.far_end(origin, known) else {
            return;
        };
        let inbound = InboundMessage {
            origin,
            leg,
            certainty,
            held: origin.held,
            message,
            now,
            // Neither counts for who is refused.
            is_trusted: true,
            is_last: false,
        };
        let reason = MessageReason::ShardCongested;
        // Never answered (§17.1), and there is nothing wrong with it.
        if matches!(
            message.start(),
            StartLine::Request {
                method: Method::Ack,
                ..
            }
        ) {
            return self.env.drop_message(inbound.upstream(), reason, out);
        }
        reply::refuse(&inbound, reason, &mut self.env, out);
    }

    /// What was hidden from its sender is restored before anything else; a request to a contact that a registrar keeps becomes
    /// one to the client's own URI.
    fn read(&mut self, inbound: &InboundMessage<'_, '_>, out: &mut Actions) {
        // Before anything reads the message: what was hidden from this peer must be judged as what
        // it stands for. Costs one look at the peer where nothing is hidden.
        let opened = match unhidden(inbound.leg, inbound.message, &self.env) {
            Ok(Some((whole, is_sealed))) => Ok(Some((whole, is_sealed, None))),
            Ok(None) => uncovered_target(inbound, &self.env)
                .map(|covered| covered.map(|(whole, client)| (whole, false, Some(client)))),
            Err(reason) => Err(reason),
        };
        let reason = match opened {
            Ok(None) => return self.on_plain(inbound, false, None, out),
            Ok(Some((whole, is_sealed, contact_of))) => match &Message::parse(&whole) {
                Ok(message) => {
                    let inbound = InboundMessage {
                        message,
                        ..*inbound
                    };
                    return self.on_plain(&inbound, is_sealed, contact_of, out);
                }
                // It was sealed as its sender had written it, and is no message with that.
                Err(_) => MessageReason::MalformedRequest,
            },
            Err(reason) => reason,
        };
        reply::refuse(inbound, reason, &mut self.env, out);
        if let StartLine::Response { .. } = inbound.message.start() {
            let from = (inbound.origin.link, inbound.leg);
            self.env.note_stray(from, inbound.now, out);
        }
    }

    /// A message as it is outside of topology hiding; its Request-URI may have been sealed for its
    /// sender, or be the contact of a binding.
    fn on_plain(
        &mut self,
        inbound: &InboundMessage<'_, '_>,
        is_sealed: bool,
        contact_of: Option<BoundClient>,
        out: &mut Actions,
    ) {
        match inbound.message.start() {
            StartLine::Request { method, uri } => {
                let target = RequestUri {
                    text: uri,
                    is_sealed,
                    contact_of,
                };
                let read = &mut InboundRequest::read(inbound, method, target);
                let read = read.as_mut().map_err(|reason| *reason);
                match read.and_then(|it| it.complete(&self.env).map(|()| &*it)) {
                    Ok(request) => self.on_request(request, out),
                    Err(reason) => reply::refuse(inbound, reason, &mut self.env, out),
                }
            }
            StartLine::Response { status, .. } => {
                if let Err(reason) = self.on_response(inbound, status, out) {
                    self.dropped(inbound, reason, out);
                }
            }
        }
    }

    /// Bytes that cannot be framed (RFC 3261 §18.3 has no way to find the next message in a
    /// stream): answers if possible and closes the link. `head` is what was received of it.
    pub fn on_unframed(
        &mut self,
        origin: &Origin,
        error: &FrameError,
        head: &[u8],
        _now: Instant,
        out: &mut Actions,
    ) {
        let tag = reply::tag_text(self.env.secrets.hash(|h| h.write(head)));
        let start = out.bytes.len();
        let readable = error.head.and_then(|end| head.get(..end));
        if let Some(head) = readable
            && write_unframed_reply(head, origin.remote, error.status, &tag, &mut out.bytes)
        {
            out.send(origin.link, start, None);
        }
        out.list.push(Action::Close {
            link: origin.link,
            reason: error.rule.into(),
        });
    }

    /// A request (RFC 3261 §16.2): what has no life of its own goes apart, a repetition to its
    /// context, and what is new is judged and tried.
    fn on_request(&mut self, request: &InboundRequest<'_, '_>, out: &mut Actions) {
        let inbound = request.inbound;
        match request.method {
            Method::Ack => return self.on_ack(request, out),
            Method::Cancel => return self.on_cancel(request, out),
            // It is between the two ends of a connection, whatever its From, To and Max-Forwards
            // say: never forwarded.
            Method::Other(b"NEGOTIATE") => {
                return reply::refuse(
                    inbound,
                    MessageReason::NegotiateUnsupported,
                    &mut self.env,
                    out,
                );
            }
            Method::Other(_) if request.method.is_best_effort() => {
                return stateless::forward_best_effort(request, &mut self.env, out);
            }
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Info
            | Method::Refer
            | Method::Message
            | Method::Update
            | Method::Other(_) => {}
        }
        // What it begins anew a client begins again when it is back: nobody is to ring for what it has given up.
        if inbound.is_last && inbound.leg.is_client() && request.to.tag().is_none() {
            return;
        }
        // Before it is judged: a repetition must get the same answer, even if a reload has changed
        // the policy meanwhile.
        match self.contexts.by_key(request.key) {
            Some(KnownRequest::Live(context)) => return context.on_repeat(&mut self.env, out),
            Some(KnownRequest::Answered(slot, answered)) => {
                if answered.on_repeat(inbound, &mut self.env, out) {
                    return;
                }
                self.forget_answered(slot);
            }
            None => {}
        }
        match admission::admit(request, &mut self.env) {
            Ok(Handling::Forward(plan, targets)) => {
                let context = ResponseContext::new(request, plan, targets, &mut self.env);
                let slot = self.contexts.insert(context);
                self.env.links.asks(inbound.origin.link, slot);
                let Some(context) = self.contexts.get_mut(slot) else {
                    return;
                };
                let (message, via, now) = (inbound.message, &request.via, inbound.now);
                let next = context.try_targets(message, via, now, &mut self.env, out);
                self.carry_out(slot, next, now, out);
            }
            Ok(Handling::HandOver(shard)) => out.list.push(Action::HandOver {
                shard,
                is_question: false,
                asked: 1,
                held: None,
            }),
            Ok(Handling::OtherProcess) => {
                if !self.env.ask_other_process(inbound, out) {
                    reply::refuse(inbound, MessageReason::FlowGone, &mut self.env, out);
                }
            }
            Ok(Handling::AnswerOptions) => {
                reply::answer_options(inbound, request.key as u64, &mut self.env, out);
            }
            Err(reason) => reply::refuse(inbound, reason, &mut self.env, out),
        }
    }

    /// The INVITE that an ACK or CANCEL belongs to (RFC 3261 §17.2.3).
    fn invite_of(&mut self, request: &InboundRequest<'_, '_>) -> Option<KnownRequest<'_>> {
        let mut key = request.key;
        if !self.contexts.has(key) {
            let mut earlier = request.earlier_keys(&self.env);
            key = earlier.find(|key| self.contexts.has(*key))?;
        }
        self.contexts.by_key(key).filter(|known| match known {
            KnownRequest::Live(context) => matches!(context.server, ServerTransaction::Invite(_)),
            KnownRequest::Answered(..) => true,
        })
    }

    /// An ACK (RFC 3261 §17.1.1.3, §17.2.1; RFC 6026 §7.1): ends a refused INVITE, or passes on to
    /// where the dialog's token leads.
    fn on_ack(&mut self, request: &InboundRequest<'_, '_>, out: &mut Actions) {
        let inbound = request.inbound;
        match self.invite_of(request) {
            Some(KnownRequest::Answered(slot, answered)) if answered.ends_with_ack() => {
                let env = &self.env;
                env.log_passed(inbound.upstream(), inbound.message, None, None, out);
                return self.forget_answered(slot);
            }
            Some(KnownRequest::Live(_)) => return,
            // The ACK for the 2xx, from a sender that uses the INVITE's branch again: to the core.
            Some(KnownRequest::Answered(..)) => {}
            None => {
                if self.was_refused(request) {
                    return;
                }
            }
        }
        match stateless::forward_ack(request, &mut self.env, out) {
            Ok(()) => {}
            Err(MessageReason::AckUnmatched)
                if ask_next(inbound, &mut self.env, out)
                    || self.env.ask_other_process(inbound, out) => {}
            Err(reason) => self.dropped(inbound, reason, out),
        }
    }

    /// A message that nobody answers is dropped. One for a receiver that is behind leads somewhere all the same.
    fn dropped(
        &mut self,
        inbound: &InboundMessage<'_, '_>,
        reason: MessageReason,
        out: &mut Actions,
    ) {
        self.env.drop_message(inbound.upstream(), reason, out);
        if reason != MessageReason::PeerCongested {
            let from = (inbound.origin.link, inbound.leg);
            self.env.note_stray(from, inbound.now, out);
        }
    }

    /// Whether an ACK is for a refusal that was made without keeping anything.
    fn was_refused(&self, request: &InboundRequest<'_, '_>) -> bool {
        let to_tag = request.to.tag().unwrap_or_default();
        let refused = &self.env.refused_invites;
        // The ACK of nearly every 2xx has another form of tag, and nothing need be hashed.
        if refused.is_empty() && to_tag.len() != size_of_val(&reply::tag_text(0)) {
            return false;
        }
        // That of a refused re-INVITE has the tag of its dialog, and is known by what was kept of it.
        let tag = reply::stateless_tag(request.inbound, request.via.branch, &self.env);
        to_tag == reply::tag_text(tag) || refused.has(tag)
    }

    /// A CANCEL (RFC 3261 §9.2, §16.10): another shard may have read the INVITE, on another
    /// connection of the sender.
    fn on_cancel(&mut self, request: &InboundRequest<'_, '_>, out: &mut Actions) {
        let inbound = request.inbound;
        let (from, message) = (inbound.upstream(), inbound.message);
        let slot = match self.invite_of(request) {
            // Too late: there is nothing to cancel any more (RFC 3261 §9.2).
            Some(KnownRequest::Answered(_, answered)) => {
                let (target, tag) = (answered.target(), answered.to_tag());
                self.env.log_passed(from, message, target, Some(200), out);
                return reply::answer(inbound, 200, tag, &[], &mut self.env, out);
            }
            Some(KnownRequest::Live(context)) => Some(context.slot),
            None => None,
        };
        let Some(slot) = slot else {
            if !ask_next(inbound, &mut self.env, out) && !self.env.ask_other_process(inbound, out) {
                let from = (inbound.origin.link, inbound.leg);
                self.env.note_stray(from, inbound.now, out);
                let tag = reply::stateless_tag(inbound, request.via.branch, &self.env);
                let status = MessageReason::NoTransaction.status();
                reply::answer(inbound, status, tag, &[], &mut self.env, out);
                let (from, message) = (inbound.upstream(), inbound.message);
                self.env.log_passed(from, message, None, Some(status), out);
            }
            return;
        };
        if let Some(context) = self.contexts.get_mut(slot) {
            let target = context.branch.target();
            let (from, message) = (inbound.upstream(), inbound.message);
            self.env.log_passed(from, message, target, Some(200), out);
            let next = context.on_cancel(inbound, &mut self.env, out);
            self.carry_out(slot, next, inbound.now, out);
        }
    }

    /// A response (RFC 3261 §16.7 with RFC 6026 §7.3, §8): only those of a live client transaction,
    /// only from the identity that was asked.
    ///
    /// # Errors
    /// It is dropped.
    fn on_response(
        &mut self,
        inbound: &InboundMessage<'_, '_>,
        status: u16,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        // Such a message is refused if it is a request; nobody can be answered for a response. A
        // header line without a colon may be a field to the next parser: not even the strip list
        // would see it. And of two Call-IDs each parser takes another.
        let message = inbound.message;
        let is_whole =
            ONCE.without(message.names()).is_empty() && ONCE.both(message.repeated()).is_empty();
        if message.fault().is_some() || !is_whole {
            return Err(MessageReason::ResponseMalformed);
        }
        // The branch names shard and slot, so that a response needs no search, and another shard's
        // is handed over once.
        let (branch, is_named) = own_branch(inbound, &self.env)?;
        if branch.shard != self.env.shard {
            if branch.shard >= self.env.shards || inbound.origin.asked > 0 {
                let is_asked = self.env.ask_other_process(inbound, out);
                return match is_asked {
                    true => Ok(()),
                    false => Err(MessageReason::ResponseUnmatched),
                };
            }
            // They may be made up, or a gateway's with many calls: more are read more slowly, and none is lost.
            if let Leg::Client(_) = inbound.leg
                && let Some(link) = self.env.links.get_mut(inbound.origin.link)
                && !link.crossing.admits(CROSSING, inbound.now)
            {
                out.list.push(Action::Pause {
                    link: inbound.origin.link,
                    until: inbound.now + CROSSING_PAUSE,
                    reason: ConnectionReason::TooManyMessages.into(),
                });
            }
            out.list.push(Action::HandOver {
                shard: branch.shard,
                is_question: false,
                asked: 1,
                held: inbound.held,
            });
            return Ok(());
        }
        // What is under no name of today's may still be what was written before a reload.
        if !is_named && !self.was_sent_as(branch, message) {
            return Err(MessageReason::ResponseForeignVia);
        }
        if branch.key.slot == PING_SLOT {
            let nonce = branch.key.nonce;
            return self
                .pings
                .on_response(inbound, nonce, status, &self.env, out);
        }
        let cseq = message.cseq();
        let cseq = cseq.map_err(|_| MessageReason::ResponseMalformed)?;
        let Some(context) = self.contexts.by_branch(branch.key) else {
            // Of the time of the answer only a record of a call knows more than this.
            let at = self.env.wheel.at(branch.key.slot);
            if let Some(answered) = self.contexts.answered_by_branch(branch.key) {
                let at = at.and_then(|at| at.checked_sub(T64)).unwrap_or(inbound.now);
                return answered.on_response(inbound, (status, cseq), at, &mut self.env, out);
            }
            // A 200 to this node's CANCEL often comes after the 487 that ended the branch, and an
            // answer to a BENOTIFY is to be ignored (MS-SIP §3.5.5.3).
            return match cseq.method == Method::Cancel || cseq.method.is_best_effort() {
                true => Ok(()),
                // A process that has handed over, or taken over, may have it.
                false if self.env.ask_other_process(inbound, out) => Ok(()),
                false => Err(MessageReason::ResponseUnmatched),
            };
        };
        let next = context.on_response(inbound, status, cseq, &mut self.env, out)?;
        self.carry_out(branch.key.slot, next, inbound.now, out);
        Ok(())
    }

    /// Whether the branch that this names was sent by the name in its Via.
    fn was_sent_as(&mut self, branch: Branch, message: &Message<'_>) -> bool {
        let context = self.contexts.by_branch(branch.key);
        let own = context.and_then(|context| context.sent_as.clone());
        let via = message.top_via().ok();
        own.zip(via)
            .is_some_and(|(own, via)| is_sent_by(&own, &via))
    }
}

/// RFC 3261 §18.1.2, §17.1.3: the topmost Via must be this node's and its branch one that it made.
///
/// Returns whether its name is one that the sender knows this node by now. A name of the time before a reload only the branch's own
/// shard can tell from a foreign one.
fn own_branch(
    inbound: &InboundMessage<'_, '_>,
    env: &Environment,
) -> Result<(Branch, bool), MessageReason> {
    let message = inbound.message;
    let first = message.first(HeaderName::Via);
    if let Some(branch) = first.and_then(|value| branch_as_written(value, env)) {
        return Ok((branch, true));
    }
    let via = message
        .top_via()
        .map_err(|_| MessageReason::ResponseForeignVia)?;
    let is_named = env.has_sent(&via, inbound.leg);
    if !is_named && !env.advertises {
        return Err(MessageReason::ResponseForeignVia);
    }
    let branch = via.branch.and_then(Branch::parse).ok_or(match is_named {
        true => MessageReason::ResponseUnmatched,
        false => MessageReason::ResponseForeignVia,
    })?;
    Ok((branch, is_named))
}

/// The branch of a Via that has come back byte for byte as this node writes it. Nearly every one does (RFC 3261 §8.2.6.2), and
/// such a one needs no parser; anything else is for that.
fn branch_as_written(value: &[u8], env: &Environment) -> Option<Branch> {
    // As `write_via` has it, from the first byte to the last: what a server on the way has added, or written in another
    // case, is no fault, but not for here.
    let value = value.strip_prefix(b"SIP/2.0/TLS ")?;
    // Which of the two it was depends on who was asked, and either proves as much. A name that one peer alone knows this node
    // by is for the parser, which asks whether the sender is that peer.
    let mut names = [&env.names.peers, &env.names.clients].into_iter();
    let value = names.find_map(|name| value.strip_prefix(name.as_bytes()))?;
    let value = value.strip_prefix(b";branch=")?;
    Branch::parse(value.strip_suffix(b";alias").unwrap_or(value))
}

/// Responses of one client connection to other shards' requests, in a second.
const CROSSING: usize = 2_000;
/// How long nothing is read from one that has sent more.
const CROSSING_PAUSE: Duration = Duration::from_secs(1);
/// Questions for the transaction of a message of one client connection, in a second: it has to have sent
/// its INVITE over another one.
const QUESTIONS: usize = 20;
/// The same of a server's connection, which may have begun many calls over its others. More is made up, and the answers
/// would fill the queue in which those of others cross.
const QUESTIONS_OF_SERVER: usize = 2_000;

/// Whether another shard should look for this message's transaction; `false` when all have that could
/// know of it. A server with several connections may send the CANCEL, or the ACK for a refusal, on
/// another one than the INVITE; which shards have one of its connections is known. A client seldom has
/// two, and few questions.
fn ask_next(inbound: &InboundMessage<'_, '_>, env: &mut Environment, out: &mut Actions) -> bool {
    let origin = inbound.origin;
    let is_here = match inbound.leg {
        // One that is at the other process may have any shard's connection there.
        Leg::Peer(key) if inbound.certainty == Certainty::Shown && !origin.link.is_none() => {
            let peer = env.links.peer(key);
            // Connections under a name that an entry covers are in no such list.
            peer.map_or(0, |peer| match peer.covers_any() {
                true => u64::MAX,
                false => peer.health.shards(),
            })
        }
        Leg::Peer(_) | Leg::Client(_) | Leg::Binding(_) => u64::MAX,
    };
    // Those after the shard that has read it, in their order.
    let first = env.shard + env.shards - origin.asked % env.shards;
    // How many were asked or passed over stands in the message, so that it goes round once.
    let mut rest = origin.asked.saturating_add(1)..env.shards;
    let shard_at = |asked: u8| (first + asked) % env.shards;
    let Some(asked) = rest.find(|asked| is_here >> (shard_at(*asked) & 63) & 1 == 1) else {
        return false;
    };
    let shard = shard_at(asked);
    let most = match inbound.leg {
        Leg::Client(_) | Leg::Binding(_) => QUESTIONS,
        Leg::Peer(_) => QUESTIONS_OF_SERVER,
    };
    if origin.asked == 0
        && let Some(link) = env.links.get_mut(origin.link)
        && !link.questions.admits(most, inbound.now)
    {
        return false;
    }
    out.list.push(Action::HandOver {
        shard,
        is_question: true,
        asked,
        held: inbound.held,
    });
    true
}
