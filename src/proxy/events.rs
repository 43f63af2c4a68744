//! What happens besides messages: connections that come, go, fill up or lose their trust, reloads,
//! and time that passes.
//!
//! The shell reports each event once, to every shard that it may concern, and carries out the
//! actions before the next one. An event may therefore name a link or a peer that this shard does
//! not know (any more): it is passed over in silence.
use super::binding::{Answer, Asker, BindingMessage};
use super::context::{CurrentBranch, NextStep};
use super::core::Core;
use super::interface::{Actions, LinkEvent, RemoteIdentity};
use super::leg::{Certainty, Leg, PeerKey};
use super::link_id::LinkId;
use super::link_state::{PeerState, QueuedMessage, SendIf};
use super::links::LinkChoice;
use super::listing::UnderName;
use super::node_memory::Party;
use super::same_party;
use super::tables::Tables;
use super::token_keys::TokenKeys;
use crate::reason::{ConnectionReason, HealthReason, MessageReason, Reason};
use crate::sip::Message;
use crate::topology::{DnsName, PeerKind, PeerRef};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

impl Core {
    /// `next_deadline` has come: pings that are due or overdue, then each transaction whose timer
    /// fires. A timer that fires arms the next one or ends its context, so the loop ends.
    pub fn on_deadline(&mut self, now: Instant, out: &mut Actions) {
        self.env.now = now;
        self.pings.on_deadline(now, &mut self.env, out);
        self.forget_bindings(now, out);
        self.end_silent_calls(now, out);
        self.env.reached.forget_old(now, out);
        self.count_tables();
        self.look_for_departed(now, out);
        self.follow(now, out);
        while let Some(slot) = self.env.wheel.pop_due(now) {
            if let Some(context) = self.contexts.get_mut(slot) {
                let next = context.on_deadline(now, &mut self.env, out);
                self.carry_out(slot, next, now, out);
            } else {
                // H: the ACK never came; L: nobody repeats the INVITE or its 2xx any more. Nothing is owed to anybody.
                self.forget_answered(slot);
            }
        }
        self.shrink_tables(now);
        self.settle(now, out);
    }

    /// Something happened to a connection. What waited for it goes on, what ran on it fails over,
    /// as RFC 3261 §16.9 and §18.4 ask for a transport that reports its errors.
    pub fn on_link(&mut self, event: LinkEvent, now: Instant, out: &mut Actions) {
        self.env.now = now;
        self.link_event(event, now, out);
        self.settle(now, out);
    }

    fn link_event(&mut self, event: LinkEvent, now: Instant, out: &mut Actions) {
        match event {
            LinkEvent::Up {
                link,
                identity,
                remote,
                requests,
            } => {
                let far_end = self.link_far_end(link, &identity, remote);
                let under = UnderName::of(&identity).map(|under| under.key());
                self.env.links.decided(link, &identity);
                // A connect that was asked for ends with `Up` or `ConnectFailed`; what befalls
                // other links does not end it.
                if let Some((Leg::Peer(key), Certainty::Shown)) = far_end
                    && let Some(peer) = self.env.links.active_mut(under.unwrap_or(key))
                {
                    peer.connecting = false;
                }
                self.link_judged(link, (far_end, under), requests, now, out);
                // Before its first message: a connection is no budget of its own.
                if let (Some((leg, _)), Some(state)) = (far_end, self.env.links.get_mut(link)) {
                    let open = || self.env.memory.open(Party::of(leg, remote.ip()));
                    state.account.get_or_insert_with(open);
                }
            }
            LinkEvent::Confirmed {
                link,
                identity,
                remote,
                requests,
            } => {
                // Decided on for a while, and closed meanwhile: it would come back, and nothing end it again.
                if self.env.links.get(link).is_none() {
                    return;
                }
                let far_end = self.link_far_end(link, &identity, remote);
                let under = UnderName::of(&identity).map(|under| under.key());
                self.env.links.decided(link, &identity);
                self.link_judged(link, (far_end, under), requests, now, out);
            }
            LinkEvent::Gone { link } => self.link_gone(link, now, out),
            LinkEvent::Leaving { link } => self.link_leaves(link, out),
            LinkEvent::Withdrawn { link } => {
                if let Some(link) = self.env.links.get_mut(link) {
                    // What runs on it may finish; `admission` refuses what begins, and
                    // `for_requests` passes it over.
                    link.trusted = false;
                }
            }
            LinkEvent::ConnectFailed {
                peer,
                name,
                reason,
                retry_at,
            } => self.connect_failed((peer, name), reason, retry_at, now, out),
            LinkEvent::Full { link } => {
                if let Some(link) = self.env.links.get_mut(link) {
                    link.full = true;
                }
            }
            LinkEvent::Clear { link } => {
                if let Some(found) = self.env.links.get_mut(link) {
                    found.full = false;
                    found.crowded = 0;
                    found.spared = 0;
                    if let Leg::Peer(key) = found.leg {
                        self.flush(key, now, out);
                    }
                }
            }
            LinkEvent::Unasked { branch } => {
                let shard = self.env.shard;
                // Nobody would answer, and it would wait for half a minute.
                self.located(Asker { shard, branch }, Answer::Gone, now, out);
            }
            LinkEvent::NotHandedOver { origin, bytes } => {
                // It was parsed before; the borrow of its bytes could not come along.
                if let Ok(message) = Message::parse(&bytes) {
                    self.not_handed_over(&origin, &message, now, out);
                }
            }
            LinkEvent::Undeliverable { link, branch } => {
                if let Some(branch) = branch
                    && let Some(context) = self.contexts.by_branch(branch)
                {
                    // Another shard has found the link gone, so that nothing was written.
                    let next = context.on_link_gone(link, now, &mut self.env, out);
                    self.carry_out(branch.slot, next, now, out);
                }
            }
        }
    }

    fn link_far_end(
        &self,
        link: LinkId,
        identity: &RemoteIdentity,
        remote: SocketAddr,
    ) -> Option<(Leg, Certainty)> {
        same_party::far_end(link, identity, remote, self.env.routing())
    }

    /// A link has come up, or its identity was judged anew and stands: what waits for its peer
    /// goes.
    fn link_judged(
        &mut self,
        link: LinkId,
        (far_end, under): (Option<(Leg, Certainty)>, Option<PeerKey>),
        requests: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some((leg, certainty)) = far_end else {
            return;
        };
        let is_first = leg
            .peer()
            .is_some_and(|key| self.env.links.any_link(key).is_none());
        self.env.links.up(link, (leg, certainty), requests, under);
        let Leg::Peer(key) = leg else {
            return;
        };
        // One machine of a partner is no sign of the others: what waits for it goes, no more.
        if let Some(name) = under {
            return self.flush(name, now, out);
        }
        // Where it does not show which of several servers has connected, it does not show which of
        // them is well again.
        if certainty == Certainty::Shown
            && let Some(peer) = self.env.links.peer(key)
        {
            peer.note_answer(now, out);
        }
        if let Some(peer) = self.env.links.peer(key)
            && peer.kind == PeerKind::Sibling
        {
            let is_back = peer.health.note_found(self.env.shard, is_first, now);
            if is_first {
                self.ask_sibling(key, now, out);
            }
            if is_back {
                self.tell_others(&BindingMessage::SiblingFound(key.0), out);
            }
        }
        self.pings.on_link_up(key, &self.env, out);
        self.flush(key, now, out);
    }

    /// A sibling has come up, and may have a client that is waited for here.
    fn ask_sibling(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        let waiting = self.contexts.all().filter(|context| context.may_ask(key));
        for slot in waiting.map(|context| context.slot).collect::<Vec<_>>() {
            if let Some(context) = self.contexts.get_mut(slot) {
                let next = context.ask_out_of_turn(key);
                self.carry_out(slot, next, now, out);
            }
        }
    }

    /// A sibling has come up in another shard. What waits here asks it over a connection that this shard makes for that.
    pub(super) fn found_elsewhere(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        // Its own has asked it already.
        if self.env.links.any_link(key).is_none() {
            self.ask_sibling(key, now, out);
        }
    }

    /// No shard is connected to a sibling any more: what it was handed goes to the next one.
    pub(super) fn sibling_lost(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        let lost = self
            .contexts
            .all()
            .filter(|context| context.was_handed_to(key));
        for slot in lost.map(|context| context.slot).collect::<Vec<_>>() {
            if let Some(context) = self.contexts.get_mut(slot) {
                let next = context.leave_lost_sibling(now, &self.env);
                self.carry_out(slot, next, now, out);
            }
        }
    }

    fn tell_others(&mut self, message: &BindingMessage, out: &mut Actions) {
        let own = self.env.shard;
        for shard in (0..self.env.shards).filter(|shard| *shard != own) {
            self.env.tell(shard, message.clone(), out);
        }
    }

    /// A reload: from now on these tables judge and route. The shell follows up with `Confirmed` or
    /// `Withdrawn` for every link. The core asks again for the connects that it needs: those of the old generation end, or go on
    /// as such.
    ///
    /// Response contexts stay as they are: their legs are keys of names, which mean the same in
    /// every generation, and a reload drops no call.
    ///
    /// Returns the tables that were current before: whoever has the last of them frees a whole generation.
    pub fn on_generation(
        &mut self,
        tables: Arc<Tables>,
        keys: Arc<TokenKeys>,
        now: Instant,
        out: &mut Actions,
    ) -> Arc<Tables> {
        let env = &mut self.env;
        env.now = now;
        env.limits = tables.generation.topology().limits().clone();
        env.memory.node().set_bound(env.limits.memory.bytes());
        env.tokens.set_keys(keys);
        env.links.relist(&tables.listing);
        env.advertises |= tables.listing.advertises;
        let before = std::mem::replace(&mut env.tables, tables);
        let is_hidden_from = &env.tables.listing.hidden_from;
        let former = before.listing.hidden_from.difference(is_hidden_from);
        env.formerly_hidden.extend(former.copied());
        self.pings.relist(env, now);
        for key in self.env.links.active_keys() {
            let Some(peer) = self.env.links.active_mut(key) else {
                continue;
            };
            peer.connecting = false;
            peer.down_until = None;
            if peer.listed.current.is_none() {
                self.fail_waiting(key, MessageReason::PeerWithdrawn, now, out);
            } else if peer.waits() > 0 {
                peer.want_connection(out);
            }
        }
        self.env.links.forget_idle_peers();
        self.renumber(out);
        self.settle(now, out);
        before
    }

    /// Sends what waited for a connection to the peer: first what belongs to calls that run (ACK,
    /// CANCEL, responses), on any connection, then the requests, on one that takes new ones.
    fn flush(&mut self, key: PeerKey, now: Instant, out: &mut Actions) {
        if let Some(link) = self.env.links.any_link(key)
            && let Some(peer) = self.env.links.active_mut(key)
        {
            // In the order in which it was written: an ACK must not overtake the CANCEL before it.
            for message in peer.take_queued() {
                if self.is_still_wanted(message.only) {
                    let start = out.bytes.len();
                    out.bytes.extend_from_slice(&message.bytes);
                    out.send(link, start, None);
                }
            }
        }
        self.env.flush_crossed(key, out);
        // What goes by a name of an entry is that peer's all the same: its rights, fields and answers.
        let entry = self.env.links.peer(key).map_or(key, |peer| peer.entry());
        while let LinkChoice::Link(link) = self.env.links.for_requests(key, 0, false) {
            let peer = self.env.links.active_mut(key);
            let Some(branch) = peer.and_then(PeerState::next_waiting) else {
                return;
            };
            if let Some(context) = self.contexts.waiting(branch) {
                let next = context.resume(Leg::Peer(entry), link, now, &mut self.env, out);
                self.carry_out(branch.slot, next, now, out);
            }
        }
        // What still waits (its links are full, or serve no requests) needs a connection of its
        // own.
        if let Some(peer) = self.env.links.active_mut(key)
            && peer.has_requests()
        {
            peer.want_connection(out);
        }
    }

    /// Whether what waited for a connection should still be sent: time has passed, and answers may
    /// have come elsewhere.
    fn is_still_wanted(&mut self, only: SendIf) -> bool {
        match only {
            SendIf::Always => true,
            SendIf::WhilePending(branch) => self
                .contexts
                .by_branch(branch)
                .is_some_and(|c| c.pending() && matches!(c.branch, CurrentBranch::Sent { .. })),
        }
    }

    fn connect_failed(
        &mut self,
        (peer, name): (PeerRef, Option<DnsName>),
        reason: Reason,
        retry_at: Instant,
        now: Instant,
        out: &mut Actions,
    ) {
        let listed = self.env.tables.listing.by_reference(peer);
        let Some(mut key) = listed.map(|p| p.key) else {
            return;
        };
        // What was asked for under a name waits under that name.
        let is_peer = name.is_none();
        if let Some(name) = name {
            key = UnderName { peer: key, name }.key();
        }
        let Some(peer) = self.env.links.active_mut(key) else {
            return;
        };
        peer.connecting = false;
        peer.down_until = Some(retry_at);
        // A shard that only waits for its own pause has learned nothing new.
        if is_peer && reason != ConnectionReason::BackingOff {
            let down = HealthReason::ConnectFailed;
            peer.listed.note_failure(down, retry_at, now, out);
        }
        self.pings.on_link_lost(key, None, now, out);
        // A connection that may be its own serves now.
        if let LinkChoice::Link(_) = self.env.links.for_requests(key, 0, false) {
            self.flush(key, now, out);
        }
        self.fail_waiting(key, MessageReason::PeerUnreachable, now, out);
    }

    /// What waits for the peer moves on to its next target.
    fn fail_waiting(
        &mut self,
        key: PeerKey,
        reason: MessageReason,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(peer) = self.env.links.active_mut(key) else {
            return;
        };
        // Their transactions end by their own timers; there is nobody left to send them to, but the
        // peer as such where a name of it has failed.
        let queued = peer.take_queued();
        let under = peer.listed.under.as_ref().map(|under| under.peer);
        // Taken out first: the next target may be this very peer under another entry, and would
        // wait here again.
        let waiting: Vec<_> = std::iter::from_fn(|| peer.next_waiting()).collect();
        for branch in waiting {
            // One that waits for whichever comes first is over when its own target has failed.
            if let Some(context) = self.contexts.waiting(branch)
                && context.branch.target() == Some(Leg::Peer(under.unwrap_or(key)))
            {
                context.failure = Some(reason);
                context.way_has_failed();
                self.carry_out(branch.slot, NextStep::TryNext, now, out);
            }
        }
        self.env.fail_crossed(key, reason, out);
        for QueuedMessage { bytes, only } in queued {
            if let Some(entry) = under {
                let start = out.bytes.len();
                out.bytes.extend_from_slice(&bytes);
                let env = &mut self.env;
                // Without room it is lost as on a lossy path.
                let _ = env.send_downstream(Leg::Peer(entry), None, start, only, out);
            }
        }
    }

    /// A connection is being closed from this side. Its clients are elsewhere from now on; what was sent on it before may still
    /// be answered there.
    fn link_leaves(&mut self, link: LinkId, out: &mut Actions) {
        let Some(state) = self.env.links.leaves(link) else {
            return;
        };
        let held = state.held.iter().flat_map(|held| held.ids.iter().copied());
        let held: Vec<_> = held.chain(state.former.iter().copied()).collect();
        for id in held {
            let lost = BindingMessage::Lost { id, link };
            self.env.tell(id.shard(self.env.shards), lost, out);
        }
    }

    /// A connection is closed: the branches on it have failed (RFC 3261 §16.9).
    fn link_gone(&mut self, link: LinkId, now: Instant, out: &mut Actions) {
        // Whatever else is known of it: legs may have moved to a connection of another shard.
        self.env.moved.gone(link);
        // Read before the last connection of one that is no longer listed takes it along.
        let peer = self.env.links.get(link).and_then(|link| link.leg.peer());
        let peer = peer.and_then(|key| self.env.links.peer(key));
        let sibling = peer.filter(|peer| peer.kind == PeerKind::Sibling);
        let of_sibling = sibling.map(|peer| Arc::clone(&peer.health));
        let gone = self.env.links.gone(link);
        // It may be another shard's to which a request of the other process was sent.
        self.lose_written(link, out);
        let Some(gone) = gone else {
            return;
        };
        let mut lost = None;
        if let Leg::Peer(key) = gone.leg {
            self.pings.on_link_lost(key, Some(link), now, out);
            // Its clients may come here.
            if let Some(health) = of_sibling
                && self.env.links.any_link(key).is_none()
                && health.note_lost(self.env.shard, now)
            {
                lost = Some(key);
            }
        }
        // First: what ran on the connection asks the directory where its client is now.
        self.client_gone(link, gone.held, gone.former, out);
        self.client_departed(link, (gone.asked, gone.refused), now, out);
        for slot in gone.branches {
            if let Some(context) = self.contexts.get_mut(slot) {
                let next = context.on_link_gone(link, now, &mut self.env, out);
                self.carry_out(slot, next, now, out);
            }
        }
        if gone.leg == Leg::Peer(PeerKey::OTHER_PROCESS) && self.env.links.other_process().is_none()
        {
            self.lose_other_process(now, out);
        }
        // The last shard that loses it knows that, and what has rung there is in any of them.
        if let Some(key) = lost {
            self.sibling_lost(key, now, out);
            self.tell_others(&BindingMessage::SiblingLost(key.0), out);
        }
    }
}
