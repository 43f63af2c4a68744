//! Where clients are: what a shard keeps and asks of bindings and of legs that have moved.
//!
//! A binding's number says which shard's directory knows it, so that a question goes to one shard and
//! never to all. This shard's own directory is asked at once; what changes in it waits until the input
//! has been carried out (`bindings`), since it may wake other requests of this shard.
use super::binding::{
    Answer, Asker, BindingMessage, BindingName, ContactMark, ContactMarks, Found, HeldBinding,
    Holding, Owner, Place, RegisteredUser, Unregistered, WAIT, Waiter, Where,
};
use super::branch::BranchKey;
use super::credentials;
use super::environment::Environment;
use super::interface::{Action, Actions, Origin, RemoteIdentity};
use super::leg::{Leg, PeerKey};
use super::link_id::LinkId;
use super::process::Envelope;
use super::sibling::SiblingPlan;
use crate::observe::Event;
use crate::reason::MessageReason;
use crate::sip::Uri;
use smallvec::smallvec;
use std::hash::Hasher as _;
use std::net::SocketAddr;
use std::time::Instant;

/// The most numbers of bindings that a connection keeps after their registrations have ended.
pub(crate) const MOST_FORMER: usize = 32;

/// How a client is reached now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// Over this connection.
    Link(LinkId),
    /// Another shard was asked; its answer comes until then.
    Asked(Instant),
    /// It may come back until then.
    Wait(Instant),
}

/// Who brings a message to its client.
pub(crate) enum Carrier {
    /// This other shard knows where the client is.
    Shard(u8),
    /// This sibling has it, most likely.
    Sibling(PeerKey),
    /// This shard: the client is here, or may come here.
    This,
}

impl Environment {
    /// A hash of a Call-ID that all shards agree on and nobody outside can aim at.
    pub(crate) fn call_hash(&self, call_id: &[u8]) -> u64 {
        self.secrets.hash(|hasher| hasher.write(call_id))
    }

    /// What must be looked up to reach a client; `None`: it is a peer.
    pub(crate) fn place(&self, target: Leg, call_id: &[u8], in_dialog: bool) -> Option<Place> {
        match target {
            Leg::Peer(_) => None,
            Leg::Binding(id) if in_dialog => Some(Place::Dialog(id)),
            Leg::Binding(id) => Some(Place::Binding(id)),
            Leg::Client(link) => Some(Place::Moved {
                link,
                call: self.call_hash(call_id),
            }),
        }
    }

    /// Where a request goes that is meant for this place. `branch` gets the answer if it comes later.
    ///
    /// # Errors
    /// There is no way to the client, or too much waits for it.
    pub(crate) fn reach(
        &mut self,
        question: Where,
        branch: BranchKey,
        out: &mut Actions,
    ) -> Result<Reach, MessageReason> {
        let shard = question.place.shard(self.shards);
        let asker = Asker {
            shard: self.shard,
            branch,
        };
        if shard >= self.shards {
            return Err(MessageReason::FlowGone);
        }
        if shard != self.shard {
            if question.gone.is_some() {
                if let Some(id) = question.place.binding() {
                    self.located.forget(id);
                }
            } else if let Some(link) = self.located_before(question.place) {
                return Ok(Reach::Link(link));
            }
            out.list.push(Action::Tell {
                shard,
                message: BindingMessage::Where { question, asker },
            });
            return Ok(Reach::Asked(self.now + WAIT));
        }
        match self.answer(question, asker) {
            Answer::At(link) | Answer::Holds(link) => Ok(Reach::Link(link)),
            Answer::WaitUntil(until) => Ok(Reach::Wait(until)),
            Answer::Gone => Err(MessageReason::FlowGone),
        }
    }

    /// Where another shard's directory has said that the client is. Beyond a dialog only a connection of this shard counts: it
    /// is known here whether that holds the binding.
    fn located_before(&mut self, place: Place) -> Option<LinkId> {
        let (id, in_dialog) = match place {
            Place::Dialog(id) => (id, true),
            Place::Binding(id) => (id, false),
            Place::Moved { .. } => return None,
        };
        let link = self.located.get(id)?;
        let is_here = link.shard() == self.shard;
        if is_here && !self.links.holds(link, id) {
            self.located.forget(id);
            return None;
        }
        (in_dialog || is_here).then_some(link)
    }

    /// This shard's answer. Who must wait is entered, and hears again.
    pub(crate) fn answer(&mut self, question: Where, asker: Asker) -> Answer {
        let Where {
            place,
            gone,
            expected,
            waits,
        } = question;
        let expected = expected.filter(|until| *until > self.now);
        let found = match (self.look(place, asker.shard, gone), expected) {
            (Found::Gone, Some(until)) => Found::WaitUntil(until),
            (found, _) => found,
        };
        match (found, place.binding()) {
            // Nobody comes back to a process that accepts no more: it is sent through the other one, where it waits.
            (Found::WaitUntil(_), Some(id)) if waits && self.has_left(id) => {
                // Who asks may know sooner than this shard, and what it sends comes here next.
                if let Some(gone) = gone {
                    let grace = self.limits.binding_grace;
                    self.directory.lost(id, gone, grace, self.now);
                }
                Answer::At(LinkId::none(self.shard))
            }
            (Found::At(link), Some(id)) if self.directory.is_held(id, link) => Answer::Holds(link),
            (Found::At(link), _) => Answer::At(link),
            // It may come, and the asker knows of somebody else who waits.
            (Found::WaitUntil(until), _) if !waits => Answer::WaitUntil(until),
            (Found::WaitUntil(until), Some(id))
                if self.directory.wait(id, Waiter::Request(asker), until) =>
            {
                Answer::WaitUntil(until)
            }
            (Found::WaitUntil(_) | Found::Gone, _) => Answer::Gone,
        }
    }

    /// What this shard knows of a place.
    fn look(&mut self, place: Place, shard: u8, gone: Option<LinkId>) -> Found {
        match place {
            Place::Binding(id) | Place::Dialog(id) => {
                let found = self.directory.find(id, shard, gone, self.now);
                // Closed by this very input: the directory learns of it after it.
                let is_closed = matches!(found, Found::At(link) if !self.is_live(link));
                let former = self.former.get(id).filter(|at| {
                    matches!(place, Place::Dialog(_)) && gone != Some(*at) && self.is_live(*at)
                });
                match (found, former) {
                    (Found::At(_), _) if is_closed => Found::WaitUntil(self.now + WAIT),
                    (Found::At(_), _) | (_, None) => found,
                    (_, Some(at)) => Found::At(at),
                }
            }
            Place::Moved { link, call } => {
                // The shard that has found it closed may know sooner than the one that it belonged to.
                if let Some(gone) = gone {
                    self.moved.gone(gone);
                }
                let here = Some(link).filter(|link| self.links.get(*link).is_some());
                let at = here.or_else(|| self.moved.get(link, call));
                at.filter(|at| gone != Some(*at))
                    .map_or(Found::Gone, Found::At)
            }
        }
    }

    /// Whether a message comes from the client at this target, as far as this shard knows.
    pub(crate) fn is_client_at(&self, target: Leg, origin: &Origin) -> bool {
        match target {
            Leg::Binding(id) => {
                let vouched = match &origin.identity {
                    RemoteIdentity::Vouched(sender) => sender.bindings(),
                    RemoteIdentity::Client
                    | RemoteIdentity::Peer(_)
                    | RemoteIdentity::OtherProcess => &[],
                };
                origin.held == Some(id)
                    || self.links.holds(origin.link, id)
                    || vouched.contains(&id)
            }
            Leg::Client(_) | Leg::Peer(_) => false,
        }
    }

    /// Sends what stands in `out` from `start` on to a client; nobody waits for an answer to it. If the
    /// client may come back soon, it waits as well.
    ///
    /// # Errors
    /// There is no way to the client. What was written is taken back.
    pub(crate) fn pass(
        &mut self,
        place: Place,
        start: usize,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        self.pass_until(place, (None, None), start, out)
    }

    /// As [`Self::pass`]; `until`: a client that is not known here is waited for; `asker`: a request that learns if it is not
    /// delivered after all.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn pass_until(
        &mut self,
        place: Place,
        (until, asker): (Option<Instant>, Option<Asker>),
        start: usize,
        out: &mut Actions,
    ) -> Result<(), MessageReason> {
        let shard = place.shard(self.shards);
        let found = match shard == self.shard {
            true => self.look(place, shard, None),
            // Of another shard's connection nobody would hear that it has gone, and only the directory waits for its client.
            false => self
                .located_before(place)
                .filter(|link| link.shard() == self.shard && self.is_live(*link))
                .map_or(Found::Gone, Found::At),
        };
        if let Found::At(link) = found {
            out.send(link, start, None);
            if let Some(asker) = asker {
                self.written.note(link, asker, self.now);
            }
            return Ok(());
        }
        if let Some(id) = place.binding().filter(|_| shard == self.shard)
            && self.directory.knows(id)
            && self.cross(&Envelope::ToClient(id, asker), start, out)
        {
            return Ok(());
        }
        // Copied: it leaves this shard, or stays here for a while.
        let bytes: Box<[u8]> = out.bytes.get(start..).unwrap_or_default().into();
        out.bytes.truncate(start);
        if shard != self.shard && shard < self.shards {
            let message = BindingMessage::Pass {
                place,
                bytes,
                until,
                asker,
            };
            out.list.push(Action::Tell { shard, message });
            return Ok(());
        }
        let known = match found {
            Found::WaitUntil(until) => Some(until),
            Found::At(_) | Found::Gone => None,
        };
        let waits = match (until.max(known), place.binding()) {
            (Some(until), Some(id)) => {
                let waiter = Waiter::Message(bytes, asker);
                self.directory.wait(id, waiter, until)
            }
            (_, None) | (None, _) => false,
        };
        waits.then_some(()).ok_or(MessageReason::FlowGone)
    }

    /// Who brings a message that nobody answers, where siblings have clients too: the sibling that has taken the client's last
    /// request, else the one that the token names, unless the client was here a moment ago.
    pub(crate) fn carrier(&mut self, place: Place, plan: &SiblingPlan) -> Carrier {
        let shard = place.shard(self.shards);
        if shard != self.shard {
            return Carrier::Shard(shard);
        }
        let found = self.look(place, shard, None);
        let (Found::WaitUntil(_) | Found::Gone, Some(id)) = (found, place.binding()) else {
            return Carrier::This;
        };
        let is_lost = matches!(found, Found::WaitUntil(_)) && self.directory.knows(id);
        let taken = self.taken.by(id, self.now).filter(|key| plan.asks(*key));
        let sibling = taken.or(plan.named.filter(|_| !is_lost));
        sibling.map_or(Carrier::This, Carrier::Sibling)
    }

    /// For a directory: another shard's by the shell, this one's after the input.
    pub(crate) fn tell(&mut self, shard: u8, message: BindingMessage, out: &mut Actions) {
        if shard == self.shard {
            self.for_self.push_back(message);
        } else {
            out.list.push(Action::Tell { shard, message });
        }
    }

    /// A home server has granted a registration: its client is reached over this connection until then.
    pub(crate) fn bind(
        &mut self,
        link: LinkId,
        (name, contact): (BindingName, Option<ContactMark>),
        aor: &Uri<'_>,
        (since, until): (Instant, Instant),
        remote: SocketAddr,
        out: &mut Actions,
    ) {
        credentials::note_registered(remote.ip(), name.owner, self);
        let ids = self.tokens.binding_ids(&name);
        let (bound, seconds) = (
            self.limits.bindings_per_client,
            self.directory.seconds(until),
        );
        // Closed meanwhile: the client registers anew on its next connection.
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        state.former.retain(|former| !ids.contains(former));
        state.left.retain(|left| !ids.contains(left));
        let is_full = state.held.len() >= bound;
        if let Some(held) = state.held.iter_mut().find(|held| held.name == name) {
            held.until = seconds;
            held.contact = contact;
            // One of them may have found no room before.
            held.ids = ids.clone();
        } else if is_full {
            return out.record(Event::BindingRefused {
                reason: MessageReason::ClientBindings.into(),
                remote: Some(remote),
            });
        } else {
            state.held.reserve_exact(1);
            state.held.push(HeldBinding {
                name,
                contact,
                until: seconds,
                ids: ids.clone(),
            });
            if !state.users.iter().any(|it| it.owner() == name.owner) {
                state.users.push(RegisteredUser::of(aor));
            }
        }
        // One for each key: what any of them has signed must lead here.
        for id in ids {
            let holding = Holding {
                id,
                link,
                owner: name.owner,
                until,
                since,
                remote: Some(remote),
                renumbered: false,
            };
            self.tell(
                id.shard(self.shards),
                BindingMessage::Hold(smallvec![holding]),
                out,
            );
        }
        self.keep(link, out);
    }

    /// The registrar has dropped what `ends` says of the connection's bindings, or their time is over. The connection
    /// goes on in the calls that they have.
    pub(crate) fn unbind(
        &mut self,
        link: LinkId,
        ends: impl Fn(&HeldBinding) -> bool,
        out: &mut Actions,
    ) {
        let ended = self.release(link, ends, out);
        for id in ended.into_iter().flat_map(|held| held.ids) {
            let ended = BindingMessage::Unregistered { id, link };
            self.tell(id.shard(self.shards), ended, out);
            let Some(state) = self.links.get_mut(link) else {
                continue;
            };
            state.former.push(id);
            if state.former.len() > MOST_FORMER {
                let id = state.former.remove(0);
                let lost = BindingMessage::Lost { id, link };
                self.tell(id.shard(self.shards), lost, out);
            }
        }
    }

    /// As [`Self::unbind`], for what other connections hold: a user that has unregistered is reached over none. `one`:
    /// one of its bindings only, if that leads to one of these contacts.
    pub(crate) fn unbind_elsewhere(
        &mut self,
        (by, since): (LinkId, Instant),
        owner: Owner,
        one: Option<(&BindingName, ContactMarks)>,
        out: &mut Actions,
    ) {
        let message = |id, contacts| {
            BindingMessage::Elsewhere(Unregistered {
                id,
                owner,
                by,
                since,
                contacts,
            })
        };
        match one {
            Some((name, contacts)) => {
                for id in self.tokens.binding_ids(name) {
                    let message = message(Some(id), contacts.clone());
                    self.tell(id.shard(self.shards), message, out);
                }
            }
            // Each shard has its part of them.
            None => {
                for shard in 0..self.shards {
                    self.tell(shard, message(None, ContactMarks::new()), out);
                }
            }
        }
    }

    /// The connection holds these of its bindings no longer.
    pub(crate) fn release(
        &mut self,
        link: LinkId,
        ends: impl Fn(&HeldBinding) -> bool,
        out: &mut Actions,
    ) -> Vec<HeldBinding> {
        let Some(state) = self.links.get_mut(link) else {
            return Vec::new();
        };
        let ended: Vec<_> = state.held.extract_if(.., |held| ends(held)).collect();
        // Nearly always there is none: a registrar's 200 that ends nothing is the rule.
        if !ended.is_empty() {
            let held = &state.held;
            let is_left = |owner| held.iter().any(|held| held.name.owner == owner);
            state.users.retain(|user| is_left(user.owner()));
            self.keep(link, out);
        }
        ended
    }

    /// The shell learns how long the connection is held.
    pub(crate) fn keep(&self, link: LinkId, out: &mut Actions) {
        let held = self.links.get(link).map(|link| link.held.as_slice());
        let last = held.unwrap_or_default().iter().map(|held| held.until).max();
        let until = last.map(|seconds| self.directory.instant(seconds));
        out.list.push(Action::Keep { link, until });
    }
}
