//! The directory of a shard at work: what shards tell each other of clients, and what a client's
//! connection leaves when it ends.
//!
//! A client is taken from one connection to another in one place, `hold`: what has waited for it goes
//! on, and the connection that held it before learns of it, as do the shards that have asked.
use super::binding::{
    Answer, Asker, BindingId, BindingMessage, Displacement, Held, HeldBinding, Holding, Place,
    Room, Unregistered, Waiter,
};
use super::clients::MOST_FORMER;
use super::core::Core;
use super::interface::Actions;
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::link_state::SendIf;
use super::partner_way::serves;
use crate::observe::Event;
use crate::reason::MessageReason;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::time::Instant;

/// The most bindings in one message: a reload enters all of a shard at once.
const BATCH: usize = 256;

impl Core {
    /// Another shard tells something.
    pub fn on_binding(&mut self, message: BindingMessage, now: Instant, out: &mut Actions) {
        self.env.now = now;
        self.handle(message, now, out);
        self.settle(now, out);
    }

    /// Carries out what this shard has to tell itself. To be called at the end of every input.
    pub(crate) fn settle(&mut self, now: Instant, out: &mut Actions) {
        // Each of these leads to finitely many more: an answer wakes a request once.
        while let Some(message) = self.env.for_self.pop_front() {
            self.handle(message, now, out);
        }
        self.report_ended(out);
    }

    /// The shards that have asked for what has ended hear of it.
    fn report_ended(&mut self, out: &mut Actions) {
        for (id, askers) in self.env.directory.take_ended() {
            for shard in 0..self.env.shards {
                if askers & 1 << (shard & 31) != 0 && shard != self.env.shard {
                    self.env.tell(shard, BindingMessage::Forget(id), out);
                }
            }
        }
    }

    fn handle(&mut self, message: BindingMessage, now: Instant, out: &mut Actions) {
        match message {
            BindingMessage::Hold(list) => list.iter().for_each(|one| self.hold(one, now, out)),
            BindingMessage::End(list) => {
                for (id, link) in list {
                    self.env.directory.end(id, link);
                }
            }
            BindingMessage::Unregistered { id, link } => {
                self.env.directory.end(id, link);
                // Bound elsewhere meanwhile: its calls have gone there.
                if !self.env.directory.knows(id) {
                    self.env.former.enter(id, link);
                }
            }
            BindingMessage::Expired { id, link } => {
                // Unless it was renewed while this was under way.
                let seconds = self.env.directory.seconds(now) + 1;
                let is_over = |held: &HeldBinding| held.until <= seconds && held.ids.contains(&id);
                self.env.unbind(link, is_over, out);
            }
            BindingMessage::Lost { id, link } => {
                self.env.former.gone(id, link);
                let grace = self.env.limits.binding_grace;
                self.env.directory.lost(id, link, grace, now);
            }
            BindingMessage::Where { question, asker } => {
                let answer = self.env.answer(question, asker);
                let located = BindingMessage::Located { asker, answer };
                self.env.tell(asker.shard, located, out);
            }
            BindingMessage::Located { asker, answer } => self.located(asker, answer, now, out),
            BindingMessage::Pass {
                place,
                bytes,
                until,
                asker,
            } => self.pass_on(place, (&bytes, asker), until, out),
            BindingMessage::Undelivered { asker, reason } => {
                self.undelivered(asker, reason, now, out);
            }
            BindingMessage::HeldElsewhere(id) => self.held_elsewhere(id, now, out),
            BindingMessage::Taken { id, by, asker } => {
                self.env.taken.note(id, PeerKey(by), now);
                self.env.directory.stop_waiting(id, asker);
            }
            BindingMessage::SiblingFound(key) => self.found_elsewhere(PeerKey(key), now, out),
            BindingMessage::SiblingLost(key) => self.sibling_lost(PeerKey(key), now, out),
            BindingMessage::Over { link, peer, bytes } => {
                self.send_over(link, PeerKey(peer), &bytes, out);
            }
            BindingMessage::Displaced { id, link } => self.displaced(id, link, now, out),
            BindingMessage::Forget(id) => self.env.located.forget(id),
            BindingMessage::Refused { id, link } => self.refused(id, link, out),
            BindingMessage::Elsewhere(what) => self.unregistered(what, out),
            BindingMessage::Revoked { id, link, what } => {
                let is_it =
                    |held: &HeldBinding| held.ids.contains(&id) && held.is_at(&what.contacts);
                self.env.unbind(link, is_it, out);
            }
        }
    }

    /// The bindings whose time is over, as far as one step goes.
    pub(crate) fn forget_bindings(&mut self, now: Instant, out: &mut Actions) {
        let mut undelivered: SmallVec<[Asker; 4]> = SmallVec::new();
        let waiters = &mut self.env.directory.waiters;
        waiters.forget(now, |asker| undelivered.push(asker));
        for asker in undelivered {
            self.env
                .report_undelivered(asker, MessageReason::FlowGone, out);
        }
        let mut ended: SmallVec<[(BindingId, LinkId); 4]> = SmallVec::new();
        self.env
            .directory
            .forget(now, |id, link| ended.push((id, link)));
        for (id, link) in ended {
            let message = BindingMessage::Expired { id, link };
            self.env.tell(link.shard(), message, out);
        }
    }

    /// A connection holds a binding from now on.
    fn hold(&mut self, holding: &Holding, now: Instant, out: &mut Actions) {
        let Holding {
            id, link, remote, ..
        } = *holding;
        // Numbers are hashes, so that each shard has its share of them. A binding counts once, however many
        // keys number it.
        let (limits, numbers) = (&self.env.limits, self.env.tokens.binding_numbers());
        let room = Room {
            all: limits.bindings.div_ceil(usize::from(self.env.shards)) * numbers,
            one: limits.bindings_per_user * numbers,
        };
        let (displaced, waiters) = match self.env.directory.hold(holding, room, now) {
            Held::Entered(displaced, waiters) => {
                self.env.taken.forget(id);
                self.env.report_held(id, out);
                // The calls of before go where their user is now.
                if let Some(former) = self.env.former.take(id).filter(|at| *at != link) {
                    let message = BindingMessage::Displaced { id, link: former };
                    self.env.tell(former.shard(), message, out);
                }
                (displaced, waiters)
            }
            Held::Late => {
                let late = BindingMessage::Displaced { id, link };
                return self.env.tell(link.shard(), late, out);
            }
            Held::Refused(reason) => {
                let reason = reason.into();
                out.record(Event::BindingRefused { reason, remote });
                let refused = BindingMessage::Refused { id, link };
                return self.env.tell(link.shard(), refused, out);
            }
        };
        if let Some(Displacement { link, askers }) = displaced {
            let message = BindingMessage::Displaced { id, link };
            for shard in 0..self.env.shards {
                if shard == link.shard() || askers & 1 << (shard & 31) != 0 {
                    self.env.tell(shard, message.clone(), out);
                }
            }
        }
        for waiter in waiters {
            match waiter {
                Waiter::Request(asker) => {
                    let answer = Answer::At(link);
                    // In the order in which they have come, as far as one shard can tell.
                    if asker.shard == self.env.shard {
                        self.located(asker, answer, now, out);
                        continue;
                    }
                    let located = BindingMessage::Located { asker, answer };
                    self.env.tell(asker.shard, located, out);
                }
                Waiter::Message(bytes, asker) => {
                    self.pass_on(Place::Binding(id), (&bytes, asker), None, out);
                }
            }
        }
    }

    /// The answer for a request that waits.
    pub(crate) fn located(
        &mut self,
        asker: Asker,
        answer: Answer,
        now: Instant,
        out: &mut Actions,
    ) {
        if let Some(context) = self.contexts.by_branch(asker.branch) {
            if let (Answer::Holds(link), Some(Leg::Binding(id))) = (answer, context.branch.target())
            {
                self.env.located.note(id, link);
            }
            let env = &mut self.env;
            let next = match context.awaits_caller {
                true => context.on_caller_located(answer, now, env, out),
                false => context.on_located(answer, now, env, out),
            };
            self.carry_out(asker.branch.slot, next, now, out);
        }
    }

    /// A message for a client that this shard knows.
    fn pass_on(
        &mut self,
        place: Place,
        (bytes, asker): (&[u8], Option<Asker>),
        until: Option<Instant>,
        out: &mut Actions,
    ) {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(bytes);
        let passed = self.env.pass_until(place, (until, asker), start, out);
        match (passed, asker) {
            (Ok(()), _) => {}
            (Err(reason), Some(asker)) => self.env.report_undelivered(asker, reason, out),
            (Err(_), None) => out.record(Event::MessageDropped {
                reason: MessageReason::FlowGone.into(),
                remote: None,
                peer: None,
            }),
        }
    }

    /// A message of another shard for a partner's connection, or for its peer.
    fn send_over(&mut self, link: LinkId, peer: PeerKey, bytes: &[u8], out: &mut Actions) {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(bytes);
        let env = &mut self.env;
        let link = Some(link).filter(|link| serves(*link, peer, env.routing(), &env.links));
        if !env.spares(link, Leg::Peer(peer), start, out) {
            return;
        }
        // A peer that is listed no more, or has no room: its sender repeats it or ends the call.
        let _ = env.send_downstream(Leg::Peer(peer), link, start, SendIf::Always, out);
    }

    /// A binding is no longer at this connection: what runs there for it follows it.
    fn displaced(&mut self, id: BindingId, link: LinkId, now: Instant, out: &mut Actions) {
        self.env.located.forget(id);
        if link.shard() == self.env.shard {
            if let Some(state) = self.env.links.get_mut(link) {
                state.former.retain(|former| *former != id);
                state.left.retain(|left| *left != id);
                state.left.push(id);
                if state.left.len() > MOST_FORMER {
                    state.left.remove(0);
                }
            }
            let dropped = self.env.release(link, |held| held.ids.contains(&id), out);
            // Its other numbers lead nowhere else yet. This one is left to the directory, which may have
            // entered the connection again meanwhile.
            let others = dropped.into_iter().flat_map(|held| held.ids);
            for id in others.filter(|other| *other != id) {
                let end = BindingMessage::End(smallvec![(id, link)]);
                self.env.tell(id.shard(self.env.shards), end, out);
            }
        }
        // A phone that has found out by itself that its old connection is dead is ahead of TCP.
        let branches = self
            .env
            .links
            .get(link)
            .map(|link| link.branches.as_slice());
        let mut slots = branches.unwrap_or_default().to_vec();
        slots.retain(|slot| self.contexts.runs_for(*slot, Leg::Binding(id)));
        self.following.add(id, link, slots);
        self.follow(now, out);
    }

    /// What runs on connections that its clients have left follows them, as far as one step goes.
    pub(crate) fn follow(&mut self, now: Instant, out: &mut Actions) {
        for (id, link, slot) in self.following.step(now) {
            // The client has come back to the connection meanwhile, or the slot serves another.
            if self.env.links.holds(link, id) || !self.contexts.runs_for(slot, Leg::Binding(id)) {
                continue;
            }
            if let Some(context) = self.contexts.get_mut(slot) {
                let next = context.on_client_left(link, None, now, &mut self.env, out);
                self.carry_out(slot, next, now, out);
            }
        }
    }

    /// A user has unregistered what other connections hold.
    fn unregistered(&mut self, what: Unregistered, out: &mut Actions) {
        let mut ended: SmallVec<[(BindingId, LinkId); 4]> = SmallVec::new();
        let end = |id, link| ended.push((id, link));
        self.env.directory.unregistered(&what, end);
        for (id, link) in ended {
            let what = Box::new(what.clone());
            let revoked = BindingMessage::Revoked { id, link, what };
            self.env.tell(link.shard(), revoked, out);
        }
    }

    /// A directory has no room for one number of a binding: what it has under the others stays.
    fn refused(&mut self, id: BindingId, link: LinkId, out: &mut Actions) {
        if let Some(state) = self.env.links.get_mut(link) {
            // A refusal says nothing of what other shards have entered under another key's number.
            for held in &mut state.held {
                held.ids.retain(|other| *other != id);
            }
        }
        self.env.release(link, |held| held.ids.is_empty(), out);
    }

    /// A client's connection is closed.
    pub(crate) fn client_gone(
        &mut self,
        link: LinkId,
        held: Vec<HeldBinding>,
        former: Vec<BindingId>,
        out: &mut Actions,
    ) {
        let held = held.into_iter().flat_map(|held| held.ids);
        for id in held.chain(former) {
            let lost = BindingMessage::Lost { id, link };
            self.env.tell(id.shard(self.env.shards), lost, out);
        }
    }

    /// The token keys may have changed: each binding of this shard's connections is entered under the new
    /// ones too, so that what they sign leads to it, and no longer under those that are gone.
    pub(crate) fn renumber(&mut self, out: &mut Actions) {
        let env = &mut self.env;
        let mut fresh: BTreeMap<u8, SmallVec<[Holding; 1]>> = BTreeMap::new();
        let mut former: BTreeMap<u8, SmallVec<[(BindingId, LinkId); 1]>> = BTreeMap::new();
        for (link, state) in env.links.all_mut() {
            for held in &mut state.held {
                let ids = env.tokens.binding_ids(&held.name);
                for id in ids.iter().filter(|id| !held.ids.contains(id)) {
                    fresh
                        .entry(id.shard(env.shards))
                        .or_default()
                        .push(Holding {
                            id: *id,
                            link,
                            owner: held.name.owner,
                            until: env.directory.instant(held.until),
                            since: env.now,
                            remote: None,
                            renumbered: true,
                        });
                }
                for id in held.ids.iter().filter(|id| !ids.contains(id)) {
                    let list = former.entry(id.shard(env.shards)).or_default();
                    list.push((*id, link));
                }
                held.ids = ids;
            }
        }
        for (shard, list) in fresh {
            for part in list.chunks(BATCH) {
                env.tell(shard, BindingMessage::Hold(part.into()), out);
            }
        }
        for (shard, list) in former {
            for part in list.chunks(BATCH) {
                env.tell(shard, BindingMessage::End(part.into()), out);
            }
        }
    }
}
