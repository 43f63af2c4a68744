//! Responses on their way back (RFC 3261 §16.7 with RFC 6026 §7.3, §8): only those of a live client transaction, only
//! from the identity that was asked.
use super::boundary::{Privacy, rules_of, stripped};
use super::branch::Branch;
use super::context::{Attempt, Context};
use super::hiding::Hiding;
use super::leg::Leg;
use super::ping::PING_SLOT;
use super::transaction::{
    Client, Heard, InviteServer, Letter, NonInviteServer, Server, T64, TIMER_C,
};
use super::{Action, Actions, Core, MessageReason, Origin, keep_alive};
use crate::sip::{Edits, HeaderName, Message, Method, StartLine};
use std::time::{Duration, Instant};

/// What a matched response asks for.
enum Then {
    Nothing,
    Provisional,
    Final,
    Success,
}

impl Core {
    pub(super) fn on_response(
        &mut self,
        from: &Origin,
        message: &Message<'_>,
        status: u16,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(leg) = self.leg(from) else {
            return;
        };
        // A header line without a colon may be a field to the next parser: not even the strip list would see it.
        if message.fault().is_some() {
            return self.drop_message(from, leg, MessageReason::ResponseMalformed, out);
        }
        let branch = match self.own_branch(message) {
            Ok(branch) => branch,
            Err(reason) => return self.drop_message(from, leg, reason, out),
        };
        if branch.shard != self.shard {
            if branch.shard < self.shards && from.asked == 0 {
                out.list.push(Action::HandOver {
                    shard: branch.shard,
                    asked: 1,
                });
            } else {
                self.drop_message(from, leg, MessageReason::ResponseUnmatched, out);
            }
            return;
        }
        let cseq_method = message.cseq().ok().map(|c| c.method);
        let slot = branch.key.slot;
        if slot == PING_SLOT {
            let nonce = branch.key.nonce;
            if let Err(reason) = self.on_pong(from, nonce, message, status, now, out) {
                self.drop_message(from, leg, reason, out);
            }
            return;
        }
        let Some(context) = self.contexts.by_branch(branch.key) else {
            // A 200 to our CANCEL often comes after the 487 that ended the branch, and an answer to a BENOTIFY is to be
            // ignored (MS-SIP §3.5.5.3).
            let is_expected =
                |method: Method<'_>| method == Method::Cancel || method.is_best_effort();
            if !cseq_method.is_some_and(is_expected) {
                self.drop_message(from, leg, MessageReason::ResponseUnmatched, out);
            }
            return;
        };
        let Attempt::Sent {
            target,
            link,
            client,
        } = context.attempt
        else {
            return self.drop_message(from, leg, MessageReason::ResponseUnmatched, out);
        };
        let from_asked = link == from.link
            || matches!(target, Leg::Peer(asked) if self.may_be(from, leg, asked));
        if !from_asked {
            return self.drop_message(from, leg, MessageReason::ResponseWrongPeer, out);
        }
        let Some(context) = self.contexts.by_branch(branch.key) else {
            return;
        };
        let invite = matches!(client, Client::Invite(_));
        let method_matches = match cseq_method {
            Some(Method::Cancel) if invite => return,
            Some(Method::Invite) => invite,
            Some(other) => !invite && same_method(&context.request, other),
            None => false,
        };
        if !method_matches {
            return self.drop_message(from, leg, MessageReason::ResponseUnmatched, out);
        }
        // RFC 3261 §16.7 step 3: the next one on the way back could not be found, and whoever asked discards it (§18.1.2).
        if message.vias().nth(1).is_none() {
            return self.drop_message(from, leg, MessageReason::ResponseMalformed, out);
        }
        if let Leg::Peer(key) = target
            && self.links.peer(key).is_some_and(|p| p.health.is_troubled())
        {
            self.peer_answered(key, now, out);
        }
        let Some(Context {
            attempt: Attempt::Sent { client, .. },
            ..
        }) = self.contexts.by_branch(branch.key)
        else {
            return;
        };
        let then = match client.on_response(status) {
            Heard::Provisional => Then::Provisional,
            Heard::Final => Then::Final,
            Heard::Success => Then::Success,
            Heard::Unexpected => Then::Nothing,
        };
        match then {
            Then::Nothing => self.drop_message(from, leg, MessageReason::ResponseUnmatched, out),
            Then::Provisional => self.on_provisional(slot, message, status, leg, now, out),
            Then::Success => self.relay(slot, message, status, leg, now, out),
            Then::Final => self.on_final(slot, message, status, leg, now, out),
        }
    }

    /// RFC 3261 §18.1.2, §17.1.3: the topmost Via must be ours and its branch one that we made.
    fn own_branch(&self, message: &Message<'_>) -> Result<Branch, MessageReason> {
        let via = message
            .top_via()
            .map_err(|_| MessageReason::ResponseForeignVia)?;
        if !self.is_own_sent_by(&via) {
            return Err(MessageReason::ResponseForeignVia);
        }
        via.branch
            .and_then(Branch::parse)
            .ok_or(MessageReason::ResponseUnmatched)
    }

    /// §16.7 step 2 and 5: 100 stays here; 101-199 to INVITE go up and restart Timer C; a non-INVITE has none but 100
    /// (RFC 4320 §4.1).
    fn on_provisional(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        status: u16,
        leg: Leg,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let invite = matches!(context.server, Server::Invite(_));
        if invite {
            if context.deadlines.letter == Letter::B
                || context.deadlines.letter == Letter::C && status > 100
            {
                context.deadlines.letter = Letter::C;
                context.deadlines.at = now + TIMER_C;
            }
        } else {
            // It lives: no other target will be tried, so it gets all the time that is left.
            context.deadlines.at = context.received + T64;
        }
        let next = context.deadlines.next();
        let cancel = context.cancel_wanted && !context.cancel_sent;
        self.wheel.arm(slot, next);
        if invite && status > 100 {
            self.relay(slot, message, status, leg, now, out);
        }
        if cancel {
            self.send_cancel(slot, now, out);
        }
    }

    /// §16.7 steps 4 to 6 for one branch at a time: a 503 moves on to the next target, everything else is the answer.
    fn on_final(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        status: u16,
        leg: Leg,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        if matches!(context.server, Server::Invite(_)) {
            self.send_ack(slot, message, out);
        }
        // Who was asked, not whom the connection is taken for that the answer came on: they may be equals.
        if status == 503
            && let Some(Leg::Peer(key)) = self.contexts.get(slot).and_then(|c| c.attempt.target())
        {
            self.heed_retry_after(key, message, now, out);
        }
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        if status == 503 && context.pending() {
            // A cancelled request begins no further branch and is answered 487.
            context.failure = Some(MessageReason::DownstreamUnavailable);
            return self.attempt(slot, now, out);
        }
        self.relay(slot, message, status, leg, now, out);
    }

    /// §16.7 steps 3, 9: takes our Via off and sends the response where the request came from.
    fn relay(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        status: u16,
        leg: Leg,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        let (link, origin, remote) = (context.link, context.leg, context.remote);
        let target = context.attempt.target();
        if let Server::Invite(machine) = context.server
            && machine.on_response(status).is_none()
        {
            return;
        }
        let clients = &self.tables.generation.topology().boundary().clients;
        let to = rules_of(origin, clients, &self.links);
        let (from, not_asserted) = self.stripped_of_response(leg, message);
        let start = out.bytes.len();
        let mut edits = Edits::new(message);
        edits.pop_via();
        edits.strip_all(stripped(from, &to, Privacy::read(message)));
        not_asserted.drop_from(&mut edits);
        if context.plan.path && !context.plan.knows_path {
            edits.strip(HeaderName::Path);
        }
        if context.plan.keep_alive && (200..300).contains(&status) {
            edits.insert_keep_alive(keep_alive::interval(&self.limits));
        }
        edits.write(&mut out.bytes);
        if let Leg::Peer(peer) = origin
            && let Some(hiding) = Hiding::of(
                peer,
                &self.links,
                &self.tokens,
                &self.tables.routing,
                &self.faces.peers,
            )
            && let Err(reason) = hiding.hide(start, &mut out.bytes)
        {
            if status >= 200 {
                self.finish(slot, reason, now, out);
            }
            return;
        }

        let received = context.received;
        if status >= 200 {
            // A further 2xx of the same INVITE is relayed, but it is no second outcome; and by then the request,
            // which the line is made of, is given back.
            if !context.request.is_empty() {
                self.log_final(
                    slot,
                    origin,
                    remote,
                    target,
                    status,
                    now.saturating_duration_since(received),
                    out,
                );
            }
            self.sent_final(slot, start, status, now, out);
        } else if let Some(context) = self.contexts.get_mut(slot) {
            context.deadlines.trying = None;
            context.last_response.clear();
            context
                .last_response
                .extend_from_slice(out.bytes.get(start..).unwrap_or_default());
        }
        self.send_up(link, origin, start, out);
    }

    #[expect(clippy::too_many_arguments, reason = "each is a field of the event")]
    fn log_final(
        &self,
        slot: u32,
        leg: Leg,
        remote: std::net::SocketAddr,
        target: Option<Leg>,
        status: u16,
        took: Duration,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        let request = context.request.as_slice();
        let method = request.split(|b| *b == b' ').next().unwrap_or_default();
        let call_id = request.get(context.call_id.clone()).unwrap_or_default();
        self.log_request(
            method,
            call_id,
            leg,
            remote,
            target,
            None,
            Some(status),
            took,
            out,
        );
    }

    /// Sends the 100 that is due (RFC 3261 §17.2.1, RFC 4320 §4.1).
    pub(super) fn send_trying(&mut self, slot: u32, out: &mut Actions) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        context.deadlines.trying = None;
        match context.server {
            Server::Invite(InviteServer::Proceeding) => {}
            Server::NonInvite(NonInviteServer::Trying) => {
                context.server = Server::NonInvite(NonInviteServer::Proceeding);
            }
            Server::Invite(_) | Server::NonInvite(_) => return,
        }
        let (link, leg) = (context.link, context.leg);
        let start = out.bytes.len();
        if let Ok(message) = Message::parse(&context.request)
            && matches!(message.start(), StartLine::Request { .. })
        {
            crate::sip::write_reply(&message, context.remote, 100, None, &[], &mut out.bytes);
            context.last_response.clear();
            context
                .last_response
                .extend_from_slice(out.bytes.get(start..).unwrap_or_default());
            self.send_up(link, leg, start, out);
        }
    }
}

/// Whether a stored request has this method.
fn same_method(request: &[u8], method: Method<'_>) -> bool {
    request
        .strip_prefix(method.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&b' '))
}
