//! What requests and their answers mean for calls: an INVITE's 2xx begins one, a BYE's answer ends it, a refresh keeps it
//! (RFC 3261 §12, §15; RFC 4028), and an INVITE that fails has its record at once.
//!
//! A dialog that passes this node twice, through a home server that is a proxy, is noted twice and kept once: what the
//! callee's side has begun the caller's side completes. B2BUAs make two dialogs of one conversation, and these are two
//! calls.
//!
//! Nothing here changes what is relayed. Other requests than INVITE, BYE and UPDATE come no further than one comparison.
use super::calls::{
    AnsweredCall, Beginning, CallClient, CallKey, CallMessage, CallNews, CallPart, CallRoom,
    HungUp, tag_hash,
};
use super::context::ResponseContext;
use super::core::Core;
use super::environment::Environment;
use super::inbound::InboundMessage;
use super::interface::{Action, Actions};
use super::leg::Leg;
use crate::observe::{CallRecord, EndedBy, Event};
use crate::reason::MessageReason;
use crate::sip::{HeaderName, Message};
use smallvec::SmallVec;
use std::time::{Duration, Instant};

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
                if let Some(key) = key_of(message, env) {
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
        let (Some(key), Some(target)) = (key_of(message, env), self.branch.target()) else {
            return;
        };
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
        // The request is gone when a second dialog is formed; its answer repeats what it was called by.
        let request = Message::parse(&self.request).ok();
        let request = request.as_ref().unwrap_or(message);
        let record = CallRecord {
            to_connection: Some(response.origin.number),
            ..self.record(request, beginning, now, env)
        };
        let tag = message.from().ok().and_then(|from| from.tag());
        let clients = [self.upstream.leg, target].map(client_of);
        let answered = AnsweredCall {
            key,
            record,
            clients,
            caller: tag_hash(&env.secrets, tag.unwrap_or_default()),
            at: now,
            session: session_of(message),
        };
        env.tell_of_call(key, CallNews::Answered(Box::new(answered)), out);
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
        let request = Message::parse(&self.request).ok();
        let request = request.as_ref().unwrap_or(message);
        let call = CallRecord {
            to_connection,
            ended_by,
            status,
            ..self.record(request, beginning, now, env)
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
        let (Some(key), true) = (key_of(message, env), is_over) else {
            return;
        };
        let tag = message.from().ok().and_then(|from| from.tag());
        let bye = HungUp {
            key,
            by: tag_hash(&env.secrets, tag.unwrap_or_default()),
            at: self.received,
            status,
        };
        env.tell_of_call(key, CallNews::HungUp(bye), out);
    }

    /// What is known of a call at this moment: complete if it fails now, and else completed by its end.
    pub(crate) fn record(
        &self,
        message: &Message<'_>,
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
            parties: env.parties(message),
            connection: self.upstream.number,
            remote: self.upstream.remote,
            decision: env.links.decision(self.upstream.link),
            from_peer: env.peer_name(self.upstream.leg),
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
            idle: self.limits.call_idle,
        };
        if let Err((reason, refused)) = self.calls.answered(answered, room) {
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

    /// Answered calls that this shard keeps.
    pub fn calls(&self) -> usize {
        self.env.calls.len()
    }
}

/// The client at this leg, if it is one.
fn client_of(leg: Leg) -> Option<CallClient> {
    match leg {
        Leg::Peer(_) => None,
        Leg::Client(link) => Some(CallClient::Link(link)),
        Leg::Binding(id) => Some(CallClient::Binding(id)),
    }
}

/// The dialog of a message; `None`: it has none that could be known again.
fn key_of(message: &Message<'_>, env: &Environment) -> Option<CallKey> {
    let (from, to) = (message.from().ok()?, message.to().ok()?);
    let tags = [from.tag(), to.tag()].map(Option::unwrap_or_default);
    let call_id = message.first(HeaderName::CallId)?;
    Some(CallKey::of(&env.secrets, call_id, tags[0], tags[1]))
}

/// How long a session lasts without a refresh (RFC 4028 §4); `None`: as long as its sides like.
fn session_of(message: &Message<'_>) -> Option<Duration> {
    let value = message.first(HeaderName::SessionExpires)?;
    // Parameters follow it: who refreshes is not looked at, since either does.
    let digits = value.split(|b| !b.is_ascii_digit()).next()?;
    let seconds = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}
