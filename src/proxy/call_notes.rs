//! What requests and their answers mean for calls: an INVITE's 2xx begins one, a BYE's answer ends it, a refresh keeps it
//! (RFC 3261 §12, §15; RFC 4028), and an INVITE that fails has its record at once.
//!
//! A dialog that passes this node twice, through a home server that is a proxy, is noted twice and kept once: what the
//! callee's side has begun the caller's side completes. B2BUAs make two dialogs of one conversation, and these are two
//! calls.
//!
//! Nothing here changes what is relayed. Other requests than INVITE, BYE and UPDATE come no further than one comparison.
use super::calls::{
    AnsweredCall, Beginning, CallKey, CallMessage, CallNews, CallPart, CallRoom, HungUp,
    session_of, tag_hash,
};
use super::context::ResponseContext;
use super::core::Core;
use super::environment::Environment;
use super::identity::PartyTexts;
use super::inbound::InboundMessage;
use super::interface::{Action, Actions};
use super::leg::Leg;
use super::request_places::DialogTexts;
use crate::observe::{CallRecord, EndedBy, Event};
use crate::reason::MessageReason;
use crate::sip::Message;
use smallvec::SmallVec;
use std::time::Instant;

/// Calls that ring and are recorded at a time when the node stops: the log's queue must have room for them.
const RINGING_STEP: usize = 256;

/// The INVITE is asked to come again with something in it: it is no failure yet (RFC 3261 §22, RFC 4028 §6).
const ASKED_AGAIN: [u16; 3] = [401, 407, 422];
/// What a BYE may be answered without being over: it comes again with credentials, or it came out of order (RFC 3261
/// §12.2.2), so that nobody stops its record and goes on talking.
const NOT_HUNG_UP: [u16; 3] = [401, 407, 500];

impl ResponseContext {
    /// A final response to it is about to leave, as its receiver sees it.
    pub(crate) fn note_answer(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let message = response.message;
        match &self.call {
            CallPart::None => {}
            CallPart::Begins(_) if (200..300).contains(&status) => {
                self.note_call(response, env, out);
            }
            CallPart::Begins(beginning) => {
                // Whoever cancels gets a 487 from the callee, which has done nothing.
                let by = match (self.cancel_wanted, beginning.timed_out) {
                    (true, true) => EndedBy::Node,
                    (true, false) => EndedBy::Caller,
                    (false, _) => EndedBy::Callee,
                };
                // The connection that the answer came on is the callee's.
                let connection = Some(response.origin.number);
                self.note_failure(
                    message,
                    (Some(status), None),
                    (by, connection),
                    response.now,
                    env,
                    out,
                );
            }
            // Only what was accepted refreshes a session (RFC 4028 §10).
            CallPart::Refreshes if (200..300).contains(&status) => {
                if let Some(dialog) = self.dialog_texts(message) {
                    let key = dialog.key(&env.secrets);
                    let news = CallNews::Refreshed(key, session_of(message));
                    env.tell_of_call(key, news, out);
                }
            }
            CallPart::Refreshes => {}
            CallPart::Ends => self.note_bye(message, Some(status), env, out),
        }
    }

    /// This node makes the final answer, or there is none at all.
    pub(crate) fn note_own_answer(
        &mut self,
        request: &Message<'_>,
        reason: MessageReason,
        status: Option<u16>,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        match &self.call {
            CallPart::None | CallPart::Refreshes => {}
            CallPart::Begins(beginning) => {
                let is_cancelled = reason == MessageReason::Cancelled && !beginning.timed_out;
                let by = match is_cancelled {
                    true => EndedBy::Caller,
                    false => EndedBy::Node,
                };
                self.note_failure(request, (status, Some(reason)), (by, None), now, env, out);
            }
            CallPart::Ends => self.note_bye(request, status, env, out),
        }
    }

    /// An INVITE's 2xx: the call is up, unless this answer repeats another.
    ///
    /// Whom it is between is read from the request, which is still there: the answer may come from anybody who was
    /// called, and says nothing of the Request-URI.
    fn note_call(
        &mut self,
        response: &InboundMessage<'_, '_>,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let (message, now) = (response.message, response.now);
        let (Some(asked), Ok(to), Some(target)) = (
            self.dialog_texts(message),
            message.to(),
            self.branch.target(),
        ) else {
            return;
        };
        // The answer forms the dialog: the callee's tag is in it alone.
        let dialog = DialogTexts {
            to_tag: to.tag().unwrap_or_default(),
            ..asked
        };
        let key = dialog.key(&env.secrets);
        let caller = tag_hash(&env.secrets, dialog.from_tag);
        let CallPart::Begins(beginning) = &mut self.call else {
            return;
        };
        // The node that has the client counts it: all that follows passes there.
        if !beginning.is_new(key) || self.is_sibling(target) {
            return;
        }
        let CallPart::Begins(beginning) = &self.call else {
            return;
        };
        let record = CallRecord {
            to_connection: Some(response.origin.number),
            ..self.record(&self.party_texts(message), beginning, now, env)
        };
        let clients = [self.upstream.leg, target].map(Leg::call_client);
        let answered = AnsweredCall {
            key,
            record,
            clients,
            callee: response.origin.remote.ip(),
            caller,
            at: now,
            session: session_of(message),
        };
        env.tell_of_answer(answered, out);
    }

    /// An INVITE has failed: its record is written at once, since nothing of it was kept.
    ///
    /// One that was forked to several phones has a record for each that was passed here.
    fn note_failure(
        &self,
        message: &Message<'_>,
        (status, reason): (Option<u16>, Option<MessageReason>),
        (ended_by, to_connection): (EndedBy, Option<u64>),
        now: Instant,
        env: &Environment,
        out: &mut Actions,
    ) {
        // A phone that is asked for its password calls again a moment later.
        let is_asked_again = status.is_some_and(|status| ASKED_AGAIN.contains(&status));
        // The node that has the client writes the record, unless it was never reached.
        let by_sibling =
            to_connection.is_some() && self.branch.target().is_some_and(|to| self.is_sibling(to));
        let CallPart::Begins(beginning) = &self.call else {
            return;
        };
        if is_asked_again || by_sibling {
            return;
        }
        let call = CallRecord {
            to_connection,
            ended_by,
            status,
            ..self.record(&self.party_texts(message), beginning, now, env)
        };
        out.record(Event::CallEnded {
            reason: reason.map(Into::into),
            call: Box::new(call),
        });
    }

    /// A BYE has its answer, or will never have one (RFC 3261 §15.1.1).
    fn note_bye(
        &self,
        message: &Message<'_>,
        status: Option<u16>,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        // A side that has sent BYE is gone whatever it is answered, but for what it sends again.
        let is_over = status.is_none_or(|status| !NOT_HUNG_UP.contains(&status));
        let (Some(dialog), true) = (self.dialog_texts(message), is_over) else {
            return;
        };
        let key = dialog.key(&env.secrets);
        let bye = HungUp {
            key,
            by: tag_hash(&env.secrets, dialog.from_tag),
            at: self.received,
            status,
        };
        env.tell_of_call(key, CallNews::HungUp(bye), out);
    }

    /// Whom the request names, from where it is kept.
    ///
    /// While it is being answered, and when the answer has been passed on before, it is not there: then from `message`, which
    /// is the request itself, or a response that repeats what it was called by.
    fn party_texts<'t>(&'t self, message: &Message<'t>) -> PartyTexts<'t> {
        match &*self.request {
            [] => PartyTexts::of(message),
            request => self.places.parties(request),
        }
    }

    /// The same of what names its dialog; `None`: nothing does.
    fn dialog_texts<'t>(&'t self, message: &Message<'t>) -> Option<DialogTexts<'t>> {
        let request = &*self.request;
        if request.is_empty() {
            return DialogTexts::of(message);
        }
        Some(self.places.dialog(request))
    }

    /// What is known of a call at this moment: complete if it fails now, and else completed by its end.
    pub(crate) fn record(
        &self,
        parties: &PartyTexts<'_>,
        beginning: &Beginning,
        now: Instant,
        env: &Environment,
    ) -> CallRecord {
        let since = |at: Instant| now.saturating_duration_since(at);
        // After the last target has failed no branch is left: then the last that was tried.
        let target = match self.branch.target() {
            Some(target) => Some(target),
            None => self.targets.get(self.tried.saturating_sub(1)).copied(),
        };
        CallRecord {
            parties: env.parties(parties),
            connection: self.upstream.number,
            remote: self.upstream.remote,
            decision: env.links.decision(self.upstream.link),
            from_peer: env.sender_name(self.upstream),
            through: None,
            to_peer: target.and_then(|target| env.peer_name(target)),
            to_client: target.is_some_and(Leg::is_client),
            to_connection: None,
            setup: since(self.received),
            ringing: beginning.ringing.map(since),
            talk: None,
            ended_by: EndedBy::Node,
            status: None,
        }
    }
}

impl Environment {
    /// A call is up.
    pub(crate) fn tell_of_answer(&mut self, call: AnsweredCall, out: &mut Actions) {
        self.tell_of_call(call.key, CallNews::Answered(Box::new(call)), out);
    }

    /// For the shard that keeps the call, which may be this one.
    fn tell_of_call(&mut self, key: CallKey, news: CallNews, out: &mut Actions) {
        let shard = key.shard(self.shards);
        // Nothing of a call waits for another input, so this shard's own is done at once.
        if shard == self.shard {
            return self.on_call_news(news, out);
        }
        let message = CallMessage(news);
        out.list.push(Action::TellOfCall { shard, message });
    }

    /// Something has happened to a call that this shard keeps. What names an unknown one is passed over: it was not kept,
    /// has ended, or began before the start of this daemon.
    fn on_call_news(&mut self, news: CallNews, out: &mut Actions) {
        match news {
            CallNews::Answered(answered) => self.begin_call(*answered, out),
            CallNews::Refreshed(key, session) => {
                let (idle, now) = (self.limits.call_idle, self.now);
                self.calls.refreshed(key, session, idle, now);
            }
            CallNews::HungUp(bye) => {
                if let Some(ended) = self.calls.hung_up(bye) {
                    let (reason, call) = (None, ended.0);
                    out.record(Event::CallEnded { reason, call });
                }
            }
        }
    }

    fn begin_call(&mut self, answered: AnsweredCall, out: &mut Actions) {
        // Keys are hashes, so that each shard has its share of them.
        let room = CallRoom {
            all: self.limits.calls.div_ceil(usize::from(self.shards)),
            one: self.limits.calls_per_client,
            source: self.limits.calls_per_source,
            idle: self.limits.call_idle,
        };
        if let Err((reason, refused)) = self.calls.answered(answered, room, &self.memory) {
            // Enough to find its requests in the log.
            let CallRecord {
                parties,
                remote,
                from_peer,
                ..
            } = refused.record;
            out.record(Event::CallNotKept {
                reason: reason.into(),
                call_id: SmallVec::from_slice(parties.call_id()),
                remote,
                peer: from_peer,
            });
        }
    }
}

impl Core {
    /// Another shard tells of a call that this one keeps.
    pub fn on_call(&mut self, message: CallMessage, now: Instant, out: &mut Actions) {
        self.env.now = now;
        self.env.on_call_news(message.0, out);
    }

    /// The calls whose time is over, as far as one step goes; the rest follows at once, since its deadline has come as well.
    pub(crate) fn end_silent_calls(&mut self, now: Instant, out: &mut Actions) {
        self.env.calls.expire(now, |ended| {
            let (reason, call) = (None, ended.0);
            out.record(Event::CallEnded { reason, call });
        });
    }

    /// The node stops: the records of calls that are up or ring, as far as one step goes, so that none is missing where calls
    /// are billed. `false`: there is none left.
    pub fn end_calls(&mut self, now: Instant, mut each: impl FnMut(Event)) -> bool {
        let has_more = self.env.calls.end_step(now, |ended| {
            let (reason, call) = (None, ended.0);
            each(Event::CallEnded { reason, call });
        });
        has_more || self.end_ringing_calls(now, each)
    }

    /// The same of those that have no final answer, and will have none from this node.
    fn end_ringing_calls(&mut self, now: Instant, mut each: impl FnMut(Event)) -> bool {
        let rings = |context: &&ResponseContext| {
            matches!(context.call, CallPart::Begins(_)) && context.pending()
        };
        let ringing = self.contexts.all().filter(rings);
        let slots: SmallVec<[u32; RINGING_STEP]> =
            ringing.map(|it| it.slot).take(RINGING_STEP).collect();
        for &slot in &slots {
            let Some(context) = self.contexts.get_mut(slot) else {
                continue;
            };
            // Taken out, so that the next step passes it over.
            let CallPart::Begins(beginning) = std::mem::replace(&mut context.call, CallPart::None)
            else {
                continue;
            };
            // The node that has the client writes the record.
            let target = context.branch.target();
            if target.is_some_and(|target| context.is_sibling(target)) {
                continue;
            }
            let parties = context.places.parties(&context.request);
            let call = CallRecord {
                ended_by: EndedBy::NodeStopped,
                ..context.record(&parties, &beginning, now, &self.env)
            };
            each(Event::CallEnded {
                reason: None,
                call: Box::new(call),
            });
        }
        slots.len() == RINGING_STEP
    }

    /// Answered calls that this shard keeps.
    pub fn calls(&self) -> usize {
        self.env.calls.len()
    }
}
