//! Responses on their way back (RFC 3261 §16.7): taken by the branch that was asked, passed on or
//! followed by the next target.
//!
//! A response passes these questions in order, and is dropped at the first that is not met: is
//! there a branch that waits for it, does it come from the leg that was asked, is its method the
//! one that was sent, is the Via below this node's that of whoever asked, does it repeat what the
//! request was called by. Then the client transaction decides what it means: a sign of life, a
//! success, or the end of the branch.
//!
//! A 503 is never passed on (RFC 3261 §16.7 step 6): it would take this node out of service at the
//! caller, although only one of the servers behind it has no room.
use super::binding::{Asker, BindingMessage, HeldBinding, Outcome, Registration};
use super::context::{CurrentBranch, NextStep, ResponseContext};
use super::credentials;
use super::environment::Environment;
use super::hiding::uncovered_contacts;
use super::inbound::InboundMessage;
use super::interface::Actions;
use super::leg::Leg;
use super::outgoing::MessageWriter;
use super::transaction::{
    ClientTransaction, NonInviteServer, ResponseEffect, ServerTransaction, T64, TIMER_C,
    TransactionTimer,
};
use super::{same_party, way_back};
use crate::reason::MessageReason;
use crate::sip::{CSeq, HeaderName, Message, Method, Via};
use crate::topology::ClientPath;

impl ResponseContext {
    /// A response to the current branch.
    ///
    /// # Errors
    /// It is dropped: it is not for this transaction (§17.1.3), or not from the leg that was asked.
    pub(crate) fn on_response(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        cseq: CSeq<'_>,
        env: &mut Environment,
        out: &mut Actions,
    ) -> Result<NextStep, MessageReason> {
        let InboundMessage {
            origin,
            leg,
            message,
            now,
            ..
        } = *response;
        let (target, link, mut client) = match self.branch {
            CurrentBranch::Sent {
                target,
                link,
                client,
            } => (target, link, client),
            // The client has come back and answers, before the directory has said so.
            CurrentBranch::Rejoining { target, client } if env.is_client_at(target, origin) => {
                env.links.add_branch(origin.link, self.slot);
                (target, origin.link, client)
            }
            CurrentBranch::Rejoining { .. } => return Err(MessageReason::ResponseWrongPeer),
            CurrentBranch::None | CurrentBranch::Waiting(_) => {
                return Err(MessageReason::ResponseUnmatched);
            }
        };
        // Only who was asked answers: on that connection, or on another one of the same party.
        let is_asked = link == origin.link
            || match target {
                Leg::Peer(asked) => same_party::may_be(origin, leg, asked, env.routing()),
                Leg::Client(_) | Leg::Binding(_) => env.is_client_at(target, origin),
            };
        if !is_asked {
            return Err(MessageReason::ResponseWrongPeer);
        }
        let invite = matches!(client, ClientTransaction::Invite(_));
        // The answer to this node's CANCEL adds nothing to the INVITE's own answer.
        if invite && cseq.method == Method::Cancel {
            return Ok(NextStep::Keep);
        }
        let is_matching = match invite {
            true => cseq.method == Method::Invite,
            false => same_method(&self.request, cseq.method),
        };
        if !is_matching {
            return Err(MessageReason::ResponseUnmatched);
        }
        // RFC 3261 §16.7 step 3: whoever asked would not know it (§18.1.2).
        let asked = (&self.request[..], &self.places);
        if !way_back::is_returned(message, asked, env)
            || !self.is_repeated_in(message, cseq.number, env)
        {
            return Err(MessageReason::ResponseMalformed);
        }
        if let Some(peer) = target.peer().and_then(|key| env.links.peer(key)) {
            peer.note_answer(now, out);
        }
        // The transaction decides what the response means, and keeps its new state.
        let effect = client.on_response(status);
        self.end_try(env);
        self.branch = CurrentBranch::Sent {
            target,
            link,
            client,
        };
        // An ACK or BENOTIFY has no answer that could say that it went astray: it follows what was answered.
        if let (Leg::Peer(by), Some(plan), false) = (
            target,
            &self.plan.siblings,
            [100, 430, 503].contains(&status),
        ) {
            let taken = BindingMessage::Taken {
                id: plan.id,
                by: by.0,
                asker: Asker {
                    shard: env.shard,
                    branch: self.branch_key(),
                },
            };
            env.tell(plan.id.shard(env.shards), taken, out);
        }
        match effect {
            ResponseEffect::Provisional => {
                self.on_provisional(response, status, env, out);
                Ok(NextStep::Keep)
            }
            ResponseEffect::Final => {
                if matches!(status, 401 | 403 | 407) && self.upstream.leg.is_client() {
                    let from = self.upstream;
                    self.with_request(env, |_, request, env| {
                        credentials::note_answer((request, from), response, env);
                    });
                }
                Ok(self.on_final(response, status, env, out))
            }
            ResponseEffect::Success => Ok(self.relay(response, status, env, out)),
            ResponseEffect::Unexpected => Err(MessageReason::ResponseUnmatched),
        }
    }

    /// Whether a response has the Call-ID, the From tag and the CSeq number of the request (RFC 3261
    /// §8.2.6.2). The branch alone would let a server answer for another dialog.
    fn is_repeated_in(&self, response: &Message<'_>, number: u32, env: &Environment) -> bool {
        let call_id = response.first(HeaderName::CallId);
        let is_dialog = || {
            // From is written otherwise.
            response.from().is_ok_and(|from| {
                let call_id = call_id.unwrap_or_default();
                dialog_hash(call_id, from.tag(), env) == self.dialog(env)
            })
        };
        let is_as_written = !self.request.is_empty()
            && call_id == Some(self.places.call_id(&self.request))
            && response.first(HeaderName::From) == Some(self.places.from(&self.request));
        number == self.cseq && (is_as_written || is_dialog())
    }

    /// Who asks, in which call.
    pub(super) fn dialog(&self, env: &Environment) -> u64 {
        let dialog = self.places.dialog(&self.request);
        dialog_hash(dialog.call_id, Some(dialog.from_tag), env)
    }

    /// The hop that asked, by its Via.
    pub(super) fn asker(&self, env: &Environment) -> u64 {
        let via = Via::parse(self.places.via(&self.request));
        via.map_or(0, |via| way_back::hop(&via, env))
    }

    /// §16.7 step 2 and 5: 100 stays here; 101-199 to INVITE go upstream and restart Timer C; a
    /// non-INVITE has none but 100 (RFC 4320 §4.1).
    fn on_provisional(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let invite = matches!(self.server, ServerTransaction::Invite(_));
        if !invite {
            // It lives: no other target will be tried, so it gets all the time that is left.
            self.deadlines.at = self.received + T64;
        } else if self.deadlines.timer == TransactionTimer::B
            || self.deadlines.timer == TransactionTimer::C && status > 100
        {
            self.deadlines.timer = TransactionTimer::C;
            self.deadlines.at = response.now + TIMER_C;
        }
        let cancel = self.cancel_wanted && !self.cancel_sent;
        self.arm(env);
        if invite && status > 100 {
            // Its client is there and rings: what may be lost from here on is another wait.
            self.waits_at_most = None;
            let _ = self.relay(response, status, env, out);
        }
        if cancel {
            self.send_cancel(response.now, env, out);
        }
    }

    /// §16.7 steps 4 to 6 for one branch at a time: a 503 moves on to the next target, everything
    /// else is the answer.
    fn on_final(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if matches!(self.server, ServerTransaction::Invite(_)) {
            self.send_ack(response.message, env, out);
        }
        // The entry that was asked, not the one that the answer's connection is taken for: they may
        // be equals.
        if status == 503
            && let Some(key) = self.branch.target().and_then(Leg::peer)
            && let Some(peer) = env.links.peer(key)
        {
            peer.heed_retry_after(response.message, response.now, out);
        }
        // Its client is not there, or no longer.
        if status == 430
            && self.pending()
            && self.branch.target().is_some_and(|to| self.is_sibling(to))
        {
            self.failure = Some(MessageReason::FlowGone);
            self.heed_away(response.message, response.now);
            return NextStep::TryNext;
        }
        if status == 503 && self.pending() {
            // A cancelled request begins no further branch and is answered 487.
            self.failure = Some(MessageReason::DownstreamUnavailable);
            return NextStep::TryNext;
        }
        self.relay(response, status, env, out)
    }

    /// §16.7 steps 3, 9: takes this node's Via off and sends the response where the request came
    /// from.
    fn relay(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        // Before anything reads it: the client, and what it registers, know its own contacts only.
        if self.plan.path == ClientPath::Contact
            && let Some(whole) = uncovered_contacts(response.message, env)
            && let Ok(message) = &Message::parse(&whole)
        {
            let response = InboundMessage {
                message,
                ..*response
            };
            return self.relay_plain(&response, status, env, out);
        }
        self.relay_plain(response, status, env, out)
    }

    /// As [`Self::relay`], of a response as its receiver may see it.
    fn relay_plain(
        &mut self,
        response: &InboundMessage<'_, '_>,
        status: u16,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        if let ServerTransaction::Invite(machine) = self.server
            && machine.on_response(status).is_none()
        {
            return NextStep::Keep;
        }
        if (200..300).contains(&status) && self.plan.registers.is_some() {
            self.note_registration(response, env, out);
        }
        let start = out.bytes.len();
        // What cannot be rid of hidden names is not sent. The caller must not wait for ever, so a
        // final response is replaced by a refusal of this node; a provisional one may be lost.
        let outgoing = MessageWriter::to(self.upstream.leg, env);
        if let Err(reason) = outgoing.response(
            response,
            status,
            (&self.plan, self.recorded.as_deref()),
            &mut out.bytes,
        ) {
            return match status {
                200.. => self.answer(reason, response.now, env, out),
                _ => NextStep::Keep,
            };
        }
        let next = if status >= 200 {
            let answer = (status, response.origin.number);
            self.log_relayed(answer, response.now, env, out);
            self.note_answer(response, status, env, out);
            // What tells a repetition of it from others, should the INVITE come again; of nothing else anything is kept.
            let to = match self.server {
                ServerTransaction::Invite(_) => response.message.to().ok(),
                ServerTransaction::NonInvite(_) => None,
            };
            let tag = to.and_then(|to| to.tag()).unwrap_or_default();
            self.sent_final(tag, status, response.now, env)
        } else {
            self.deadlines.trying = None;
            self.call.rings(response.now);
            self.keep_response(start, out);
            let bytes = out.bytes.len() - start;
            if !env.links.spares(self.upstream.link, bytes, &env.limits) {
                out.bytes.truncate(start);
                env.drop_message(response.upstream(), MessageReason::PeerCongested, out);
                return NextStep::Keep;
            }
            NextStep::Keep
        };
        env.send_upstream(self.upstream, start, out);
        next
    }

    /// A registrar's 2xx: what it grants binds the client to the connection that the REGISTER came on,
    /// if the registrar is one that serves the address of record. What anybody else says binds nobody.
    fn note_registration(
        &self,
        response: &InboundMessage<'_, '_>,
        env: &mut Environment,
        out: &mut Actions,
    ) {
        let (Some(name), Some(Leg::Peer(registrar))) = (self.plan.registers, self.branch.target())
        else {
            return;
        };
        let Ok(register) = Message::parse(&self.request) else {
            return;
        };
        let Ok(aor) = register.to().and_then(|to| to.parse_uri()) else {
            return;
        };
        if !env.routing().is_served_by(&aor.host, registrar) {
            return;
        }
        // The connection that the REGISTER came on, whatever its Contact says of where the client is.
        let link = self.upstream.link;
        let registration = Registration::of(&register);
        match registration.outcome(response.message) {
            Outcome::Bound(time, contact) => {
                let times = (self.received, response.now + time);
                let remote = self.upstream.remote;
                env.bind(link, (name, contact), &aor, times, remote, out);
            }
            // A phone without an instance may have dropped the contact that it had before.
            Outcome::Ended => {
                let contacts = registration.marks();
                let is_it = |held: &HeldBinding| held.name == name && held.is_at(&contacts);
                env.unbind(link, is_it, out);
                let one = Some((&name, contacts));
                env.unbind_elsewhere((link, self.received), name.owner, one, out);
            }
            Outcome::AllEnded => {
                env.unbind(link, |held| held.name.owner == name.owner, out);
                env.unbind_elsewhere((link, self.received), name.owner, None, out);
            }
            Outcome::Nothing => {}
        }
    }

    /// The same request again, as a sender repeats it that has lost its connection (RFC 3261
    /// §17.2.1, §17.2.2; RFC 6026 §7.1): gets the last response again, if there is one.
    pub(crate) fn on_repeat(&self, env: &mut Environment, out: &mut Actions) {
        let repeats = match self.server {
            ServerTransaction::Invite(_) => true,
            ServerTransaction::NonInvite(machine) => machine == NonInviteServer::Proceeding,
        };
        if repeats && !self.last_response.is_empty() {
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&self.last_response);
            env.send_upstream(self.upstream, start, out);
        }
    }
}

/// A hash of Call-ID and From tag.
pub(crate) fn dialog_hash(call_id: &[u8], tag: Option<&[u8]>, env: &Environment) -> u64 {
    env.secrets
        .hash(|input| input.texts([call_id, tag.unwrap_or_default()]))
}

/// Whether a stored request has this method.
fn same_method(request: &[u8], method: Method<'_>) -> bool {
    request
        .strip_prefix(method.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b' '))
}
