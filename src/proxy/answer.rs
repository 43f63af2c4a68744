//! What this node answers itself (RFC 3261 §8.2.6): refusals, 100, 200 to OPTIONS for itself, and a request's log line.
use super::context::Attempt;
use super::leg::Leg;
use super::links::Sense;
use super::transaction::{InviteServer, Letter, Server, T64};
use super::{Action, Actions, Core, LinkId, MessageReason, Origin, keep_alive, tag_text};
use crate::observe::{Event, RequestEvent};
use crate::sip::{Extra, HeaderName, Message, Method, StartLine, write_reply};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds in Retry-After when this node is going away.
const RETRY_ELSEWHERE: u32 = 30;

/// Methods that we name to somebody who asks what this node takes.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, SUBSCRIBE, NOTIFY, PUBLISH, INFO, REFER, MESSAGE, UPDATE";

impl Core {
    /// Answers a request that gets no context. An ACK is never answered (RFC 3261 §17.1), a BENOTIFY neither.
    pub(super) fn refuse(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        reason: MessageReason,
        _now: Instant,
        out: &mut Actions,
    ) {
        let StartLine::Request { method, .. } = message.start() else {
            return;
        };
        if method == Method::Ack {
            return self.drop_message(from, leg, MessageReason::AckRefused, out);
        }
        let is_answered = !method.is_unanswered();
        if is_answered {
            let tag = self.stateless_tag(from, leg, message);
            self.answer_stateless(from, leg, message, reason, tag, out);
        }
        self.log_request(
            method_of(message),
            message.call_id().unwrap_or_default(),
            leg,
            from.remote,
            None,
            Some(reason),
            is_answered.then(|| reason.status()),
            Duration::ZERO,
            out,
        );
    }

    /// The To tag of answers without a context: the same for the same request, and recognisable in its ACK.
    pub(super) fn stateless_tag(&self, from: &Origin, leg: Leg, message: &Message<'_>) -> u64 {
        let via = message.top_via().ok();
        let branch = via.and_then(|v| v.branch);
        let side = self.side_of(from, leg);
        self.stateless_tag_of(side, message.call_id().unwrap_or_default(), branch)
    }

    /// As [`Self::stateless_tag`], of what was read of the request already.
    pub(super) fn stateless_tag_of(&self, side: u64, call_id: &[u8], branch: Option<&[u8]>) -> u64 {
        self.keyed(|h| {
            h.write_u64(side);
            h.write(call_id);
            h.write(branch.unwrap_or_default());
        })
    }

    fn answer_stateless(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        reason: MessageReason,
        tag: u64,
        out: &mut Actions,
    ) {
        let start = out.bytes.len();
        self.write_refusal(message, from.remote, reason, tag, &mut out.bytes);
        self.send_up(from.link, leg, start, out);
    }

    fn write_refusal(
        &self,
        message: &Message<'_>,
        source: std::net::SocketAddr,
        reason: MessageReason,
        tag: u64,
        out: &mut Vec<u8>,
    ) {
        let agent = self.tables.generation.topology().node().fqdn.as_str();
        let tags: SmallVec<[&[u8]; 8]> = if reason == MessageReason::BadExtension {
            message.values(HeaderName::ProxyRequire).flatten().collect()
        } else {
            SmallVec::new()
        };
        let mut extras: SmallVec<[Extra<'_>; 3]> = SmallVec::new();
        if !tags.is_empty() {
            extras.push(Extra::Unsupported(&tags));
        }
        // RFC 3261 §8.2.1: a 405 says what would be allowed.
        if reason.status() == 405 {
            extras.push(Extra::Allow(ALLOW));
        }
        if reason == MessageReason::Draining {
            extras.push(Extra::RetryAfter(RETRY_ELSEWHERE));
        }
        extras.push(Extra::Warning {
            // RFC 5630 §5.3 has a code of its own.
            code: if reason == MessageReason::SipsNotAllowed {
                380
            } else {
                399
            },
            agent,
            text: reason.public(),
        });
        write_reply(
            message,
            source,
            reason.status(),
            Some(&tag_text(tag)),
            &extras,
            out,
        );
    }

    /// 200 to an OPTIONS for this node (RFC 3261 §11.2).
    pub(super) fn answer_options(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        key: u128,
        out: &mut Actions,
    ) {
        let start = out.bytes.len();
        let mut extras: SmallVec<[Extra<'_>; 2]> = SmallVec::new();
        extras.push(Extra::Allow(ALLOW));
        if keep_alive::is_offered(message) {
            extras.push(Extra::KeepAlive(keep_alive::interval(&self.limits)));
        }
        write_reply(
            message,
            from.remote,
            200,
            Some(&tag_text(key as u64)),
            &extras,
            &mut out.bytes,
        );
        self.send_up(from.link, leg, start, out);
    }

    /// 200 or 481 to a CANCEL, which has no context of its own.
    pub(super) fn answer_cancel(
        &mut self,
        from: &Origin,
        leg: Leg,
        message: &Message<'_>,
        status: u16,
        tag: u64,
        out: &mut Actions,
    ) {
        let start = out.bytes.len();
        write_reply(
            message,
            from.remote,
            status,
            Some(&tag_text(tag)),
            &[],
            &mut out.bytes,
        );
        self.send_up(from.link, leg, start, out);
    }

    /// No target is left: answers with what failed last (RFC 3261 §16.7 step 6).
    pub(super) fn exhausted(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        let reason = match context.failure {
            _ if context.cancel_wanted => MessageReason::Cancelled,
            Some(reason) => reason,
            None => MessageReason::NoRoute,
        };
        self.finish_with(slot, message, reason, now, out);
    }

    /// Ends a context's request with an answer of ours.
    pub(super) fn finish_with(
        &mut self,
        slot: u32,
        message: &Message<'_>,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get(slot) else {
            return;
        };
        if !context.pending() {
            return;
        }
        let (link, leg, remote, tag) = (context.link, context.leg, context.remote, context.to_tag);
        let target = context
            .targets
            .get(context.tried.saturating_sub(1))
            .copied();
        let took = now.saturating_duration_since(context.received);
        // RFC 4320 §4.2: a non-INVITE that nobody answers is not answered with 408 either.
        let is_silent =
            reason == MessageReason::NoAnswer && matches!(context.server, Server::NonInvite(_));
        let start = out.bytes.len();
        if !is_silent {
            self.write_refusal(message, remote, reason, tag, &mut out.bytes);
        }
        self.log_request(
            method_of(message),
            message.call_id().unwrap_or_default(),
            leg,
            remote,
            target,
            Some(reason),
            (!is_silent).then(|| reason.status()),
            took,
            out,
        );
        if is_silent {
            return self.close_context(slot);
        }
        self.sent_final(slot, start, reason.status(), now, out);
        if let Some(context) = self.contexts.get_mut(slot) {
            // The branch has ended with it: what still comes of it is late, and cancels or acknowledges nothing.
            context.attempt = Attempt::None;
        }
        self.send_up(link, leg, start, out);
    }

    /// As [`Self::finish_with`], reading the stored request anew.
    pub(super) fn finish(
        &mut self,
        slot: u32,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let request = std::mem::take(&mut context.request);
        if let Ok(message) = Message::parse(&request) {
            self.finish_with(slot, &message, reason, now, out);
        }
        match self.contexts.get_mut(slot) {
            Some(context) if context.request.is_empty() => context.request = request,
            Some(_) | None => self.contexts.give_back(request),
        }
    }

    /// The server transaction has its final response (in `out` from `start` on): a non-INVITE is over, an INVITE
    /// waits for its ACK or, after a 2xx, for Timer L.
    pub(super) fn sent_final(
        &mut self,
        slot: u32,
        start: usize,
        status: u16,
        now: Instant,
        out: &Actions,
    ) {
        let Some(context) = self.contexts.get_mut(slot) else {
            return;
        };
        let was_pending = context.pending();
        match context.server {
            Server::NonInvite(_) => self.close_context(slot),
            Server::Invite(machine) => {
                let Some(next) = machine.on_response(status) else {
                    return;
                };
                context.server = Server::Invite(next);
                context.deadlines.trying = None;
                context.deadlines.at = now + T64;
                let origin = context.link;
                if next == InviteServer::Accepted {
                    context.deadlines.letter = Letter::L;
                    // RFC 6026: 32 seconds in which only the key and the way back are needed.
                    let request = std::mem::take(&mut context.request);
                    let last = std::mem::take(&mut context.last_response);
                    self.contexts.give_back(request);
                    self.contexts.give_back(last);
                } else {
                    context.deadlines.letter = Letter::H;
                    context.last_response.clear();
                    context
                        .last_response
                        .extend_from_slice(out.bytes.get(start..).unwrap_or_default());
                }
                let at = now + T64;
                self.wheel.arm(slot, at);
                self.leave_branch(slot);
                if was_pending && let Some(link) = self.links.get_mut(origin) {
                    link.in_flight = link.in_flight.saturating_sub(1);
                }
            }
        }
    }

    /// Forgets a context and all that points to it.
    pub(super) fn close_context(&mut self, slot: u32) {
        self.leave_branch(slot);
        self.wheel.cancel(slot);
        let pending = self
            .contexts
            .get(slot)
            .is_some_and(super::context::Context::pending);
        if let Some(link) = self.contexts.remove(slot)
            && pending
            && let Some(link) = self.links.get_mut(link)
        {
            link.in_flight = link.in_flight.saturating_sub(1);
        }
    }

    /// Sends what stands in `out` from `start` on back to where a request came from: on its link, else (RFC 3261
    /// §18.2.2) on another connection of the same peer; a client that has gone gets nothing.
    pub(super) fn send_up(&mut self, link: LinkId, leg: Leg, start: usize, out: &mut Actions) {
        let bytes = start..out.bytes.len();
        if link.shard() != self.shard || self.links.get(link).is_some() {
            out.list.push(Action::Send {
                link,
                bytes,
                branch: None,
            });
            return;
        }
        let sent = match leg {
            Leg::Peer(key) => self.send_down(Leg::Peer(key), None, start, Sense::Always, out),
            Leg::Client(_) => {
                out.bytes.truncate(start);
                Err(MessageReason::OriginGone)
            }
        };
        if sent.is_err() {
            out.list.push(Action::Event(Event::MessageDropped {
                reason: MessageReason::OriginGone.into(),
                remote: None,
                peer: self.peer_name_of(leg),
            }));
        }
    }

    /// The FQDN of a peer, for events.
    pub(super) fn peer_name_of(&self, leg: Leg) -> Option<Arc<str>> {
        match leg {
            Leg::Peer(key) => self.links.peer(key).map(|p| Arc::clone(&p.fqdn)),
            Leg::Client(_) => None,
        }
    }

    /// One `request_relayed` or `request_refused`, if the settings want it.
    #[expect(clippy::too_many_arguments, reason = "each is a field of the event")]
    pub(super) fn log_request(
        &self,
        method: &[u8],
        call_id: &[u8],
        leg: Leg,
        remote: std::net::SocketAddr,
        target: Option<Leg>,
        reason: Option<MessageReason>,
        status: Option<u16>,
        took: Duration,
        out: &mut Actions,
    ) {
        let wanted = self.tables.generation.topology().log().requests;
        if !wanted.wants(method, reason.is_some()) {
            return;
        }
        let to_peer = match target {
            Some(Leg::Peer(key)) => self.peer_name_of(Leg::Peer(key)),
            Some(Leg::Client(_)) | None => None,
        };
        out.list.push(Action::Event(Event::Request(RequestEvent {
            refused: reason.is_some(),
            reason: reason.map(Into::into),
            method: SmallVec::from_slice(method),
            call_id: SmallVec::from_slice(call_id),
            remote,
            from_peer: self.peer_name_of(leg),
            to_peer,
            to_client: matches!(target, Some(Leg::Client(_))),
            status,
            took,
        })));
    }
}

/// A request's method; nothing of a response.
fn method_of<'a>(message: &Message<'a>) -> &'a [u8] {
    match message.start() {
        StartLine::Request { method, .. } => method.as_bytes(),
        StartLine::Response { .. } => &[],
    }
}
