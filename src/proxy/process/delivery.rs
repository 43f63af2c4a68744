//! How a request of the other process is delivered, and what its transaction learns where it is
//! not (RFC 3261 §16.9).
//!
//! It goes as a request of this process would: not to a connection that takes none or is full,
//! and not without end to a peer that cannot be connected to. What a transaction then does by
//! itself, the one in the other process does at the word of this one: a server that cannot be
//! reached is followed by the next, and a client whose connection has gone is looked for again.
use super::crossed::{AwaitingCrossed, CrossedRequest};
use super::envelope::Envelope;
use crate::proxy::binding::{Answer, Asker, BindingMessage};
use crate::proxy::context::{CurrentBranch, NextStep, ResponseContext};
use crate::proxy::core::Core;
use crate::proxy::environment::Environment;
use crate::proxy::interface::Actions;
use crate::proxy::leg::{Leg, PeerKey};
use crate::proxy::link_id::LinkId;
use crate::proxy::links::LinkChoice;
use crate::proxy::node_memory::Party;
use crate::reason::MessageReason;
use crate::sip::Message;
use std::time::{Duration, Instant};

/// So long a peer that the other process cannot reach is asked after the others of its pool.
const PAUSE: Duration = Duration::from_secs(1);

impl Environment {
    /// A request of the other process for a peer.
    pub(super) fn deliver_crossed(
        &mut self,
        key: PeerKey,
        request: CrossedRequest,
        bytes: &[u8],
        out: &mut Actions,
    ) {
        if let Err(reason) = self.try_crossed(key, request, bytes, out) {
            self.report_undelivered(request.asker, reason, out);
        }
    }

    /// Sends it, or has it wait for a connection.
    ///
    /// # Errors
    /// It cannot go there.
    fn try_crossed(
        &mut self,
        key: PeerKey,
        request: CrossedRequest,
        bytes: &[u8],
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let now = self.now;
        // What this process has been answered the other one does not know (RFC 3261 §21.5.4).
        if !request.in_dialog && self.links.is_held(Leg::Peer(key), now) {
            return Err(MessageReason::PeerHeldOff);
        }
        // Requests of one dialog keep to one connection, as those of this process do. Nothing
        // is read of a message where nobody has several.
        let parsed = self.links.several().then(|| Message::parse(bytes).ok());
        let spread = parsed.flatten().map_or(0, |message| self.spread(&message));
        // What has nowhere else to go is worth a longer queue, and a connect before its pause
        // is over.
        let insists = request.in_dialog || request.is_last;
        match self.links.for_requests(key, spread, request.in_dialog) {
            LinkChoice::Link(link) => self.write_crossed(link, request.asker, bytes, out),
            LinkChoice::Full(link)
                if insists && self.links.crowd(link, bytes.len(), &self.limits) =>
            {
                self.write_crossed(link, request.asker, bytes, out);
            }
            // Its transaction has another server to ask.
            LinkChoice::Full(_) => return Err(MessageReason::PeerCongested),
            LinkChoice::None => {
                let peer = self.links.active_mut(key);
                let peer = peer.filter(|peer| peer.listed.current.is_some());
                let peer = peer.ok_or(MessageReason::PeerWithdrawn)?;
                // The last connect failed a moment ago, and so would the next.
                let is_down = peer.is_down(now);
                if is_down && !insists {
                    return Err(MessageReason::PeerUnreachable);
                }
                // Kept here and not in its transaction's process: that cannot know when a
                // connection comes up here.
                let awaiting = AwaitingCrossed {
                    request,
                    bytes: bytes.into(),
                    until: now + request.patience,
                    _hold: self.memory.open(Party::Peer(key.0)).hold(bytes.len()),
                };
                if !peer.wait_crossed(awaiting, &self.limits) {
                    return Err(MessageReason::ConnectQueueFull);
                }
                match is_down {
                    true => peer.need_connection(out),
                    false => peer.want_connection(out),
                }
            }
        }
        Ok(())
    }

    /// Sends it on this connection, and remembers that: should the connection go before the
    /// answer, the transaction is in nobody's table here that would show it.
    fn write_crossed(&mut self, link: LinkId, asker: Asker, bytes: &[u8], out: &mut Actions) {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(bytes);
        out.send(link, start, None);
        self.written.note(link, asker, self.now);
    }

    /// A connection has come up: what waits for it goes.
    pub(crate) fn flush_crossed(&mut self, key: PeerKey, out: &mut Actions) {
        // Asked first, as hardly ever anything has crossed.
        let peer = self.links.active(key);
        if peer.is_none_or(|peer| peer.crossed.is_empty()) {
            return;
        }
        while let LinkChoice::Link(link) = self.links.for_requests(key, 0, false) {
            let peer = self.links.active_mut(key);
            let Some(awaiting) = peer.and_then(|peer| peer.next_crossed()) else {
                return;
            };
            // After that its transaction has gone on to another server: what is sent to this
            // one now would ring there, and nobody would cancel it.
            if awaiting.until > self.now {
                self.write_crossed(link, awaiting.request.asker, &awaiting.bytes, out);
            }
        }
    }

    /// None does: what waits for it has its next turn elsewhere.
    pub(crate) fn fail_crossed(&mut self, key: PeerKey, reason: MessageReason, out: &mut Actions) {
        while let Some(peer) = self.links.active_mut(key)
            && let Some(awaiting) = peer.next_crossed()
        {
            self.report_undelivered(awaiting.request.asker, reason, out);
        }
    }

    /// The transaction of this request learns that it was not delivered, wherever it is.
    ///
    /// Only the process that hands over has others send for it: it has the transactions of all
    /// that cross.
    pub(crate) fn report_undelivered(
        &mut self,
        asker: Asker,
        reason: MessageReason,
        out: &mut Actions,
    ) {
        if self.is_retired {
            let message = BindingMessage::Undelivered { asker, reason };
            return self.tell(asker.shard, message, out);
        }
        // It has ended, and nobody waits.
        if let Some(link) = self.links.any_link(PeerKey::OTHER_PROCESS) {
            let start = out.bytes.len();
            Envelope::Undelivered(asker, reason).write(b"", &mut out.bytes);
            out.send(link, start, None);
        }
    }
}

impl Core {
    /// A connection has gone: what was written to it for the other process is answered no more.
    pub(crate) fn lose_written(&mut self, link: LinkId, out: &mut Actions) {
        for asker in self.env.written.take(link) {
            let reason = MessageReason::PeerUnreachable;
            self.env.report_undelivered(asker, reason, out);
        }
    }

    /// The other process has gone, with all that it was to send.
    pub(crate) fn lose_other_process(&mut self, now: Instant, out: &mut Actions) {
        self.env.written.clear();
        // One look at all of them, once for each process that goes: no list of them has to be
        // kept up to date on the way of every request.
        let crossed = self.contexts.all().filter(|context| context.has_crossed());
        for slot in crossed.map(|context| context.slot).collect::<Vec<_>>() {
            if let Some(context) = self.contexts.get_mut(slot) {
                let reason = MessageReason::PeerUnreachable;
                let next = context.on_undelivered(reason, now, &mut self.env, out);
                self.carry_out(slot, next, now, out);
            }
        }
    }

    /// A request of this shard was not delivered.
    pub(crate) fn undelivered(
        &mut self,
        asker: Asker,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(context) = self.contexts.by_branch(asker.branch) {
            let next = context.on_undelivered(reason, now, &mut self.env, out);
            self.carry_out(asker.branch.slot, next, now, out);
        }
    }
}

impl ResponseContext {
    /// Whether its request was sent, and over no connection of this process.
    fn has_crossed(&self) -> bool {
        matches!(self.branch, CurrentBranch::Sent { link, .. } if link.is_none())
    }

    /// Its request was not delivered, or its answer will not come.
    fn on_undelivered(
        &mut self,
        reason: MessageReason,
        now: Instant,
        env: &mut Environment,
        out: &mut Actions,
    ) -> NextStep {
        // It may have come back meanwhile, to a connection of this process.
        let CurrentBranch::Sent {
            target,
            link,
            client,
        } = self.branch
        else {
            return NextStep::Keep;
        };
        if !link.is_none() {
            return NextStep::Keep;
        }
        let Leg::Peer(key) = target else {
            if reason != MessageReason::FlowGone {
                return self.on_link_gone(link, now, env, out);
            }
            // As if its directory had said so. Whoever else may have the client, such as a
            // sibling, is asked then.
            self.branch = CurrentBranch::Rejoining { target, client };
            return self.on_located(Answer::Gone, now, env, out);
        };
        let next = self.on_link_gone(link, now, env, out);
        // A server that has answered provisionally keeps its branch: its final answer may come
        // by any connection, and a timer of its own bounds that.
        if next == NextStep::TryNext {
            // What the caller hears if nobody is left.
            self.failure = Some(reason);
            // This process connects to nobody, so that it would not find out by itself: each of
            // its requests would begin with the dead one.
            if reason == MessageReason::PeerUnreachable
                && let Some(peer) = env.links.active_mut(key)
            {
                peer.down_until = Some(now + PAUSE);
            }
        }
        next
    }
}
