//! All response contexts of one core: by the slot that a branch names, and by the key of the server
//! transaction.
//!
//! Contexts are boxed and the boxes are reused: a context is about 800 bytes, and moving it when
//! the table grows would stop the shard for a moment. A slot is a small number because it is
//! written into the branch of every request.
use super::answered::AnsweredInvite;
use super::branch::BranchKey;
use super::context::{CurrentBranch, ResponseContext};
use super::key_index::KeyIndex;
use super::leg::Leg;
use super::link_id::LinkId;
use super::links::Links;
use slab::Slab;

/// The most boxes that are kept for the next contexts, about 200 KiB: enough for what a busy shard
/// opens and closes in turn, without an allocation for each request.
const MOST_SPARE: usize = 256;

/// A table of so many slots is none that a flood has made.
const FEW: usize = 4_096;

/// What stands in a slot.
enum ContextSlot {
    Live(Box<ResponseContext>),
    Answered(Box<AnsweredInvite>),
}

impl ContextSlot {
    /// Of its server transaction, by which the index is read: it does not repeat whole keys.
    fn key(&self) -> u128 {
        match self {
            Self::Live(context) => context.key,
            Self::Answered(answered) => answered.key,
        }
    }
}

/// What a transaction key leads to.
pub(crate) enum KnownRequest<'c> {
    /// One that owes its answer.
    Live(&'c mut ResponseContext),
    /// One that has it.
    Answered(u32, &'c mut AnsweredInvite),
}

/// Both ways to a context. A slot is used again; that a branch names an earlier user of it shows in the nonce.
///
/// A slab without versions, unlike the connection table: the nonce is drawn anew for each branch
/// and must be unguessable, so that a version beside it would only lengthen every branch by eight
/// digits.
#[derive(Default)]
pub(crate) struct ResponseContexts {
    slots: Slab<ContextSlot>,
    by_key: KeyIndex,
    #[expect(
        clippy::vec_box,
        reason = "the boxes themselves are what is kept for reuse"
    )]
    spare: Vec<Box<ResponseContext>>,
}

impl ResponseContexts {
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut ResponseContext> {
        match self.slots.get_mut(slot as usize)? {
            ContextSlot::Live(context) => Some(context),
            ContextSlot::Answered(_) => None,
        }
    }

    /// The answered INVITE of this slot.
    fn answered_mut(&mut self, slot: u32) -> Option<&mut AnsweredInvite> {
        match self.slots.get_mut(slot as usize)? {
            ContextSlot::Live(_) => None,
            ContextSlot::Answered(answered) => Some(answered),
        }
    }

    /// The answered INVITE that a branch of this node names.
    pub(crate) fn answered_by_branch(&mut self, key: BranchKey) -> Option<&mut AnsweredInvite> {
        self.answered_mut(key.slot)
            .filter(|answered| answered.has_branch(key.nonce))
    }

    /// The context that a branch of this node names.
    pub(crate) fn by_branch(&mut self, key: BranchKey) -> Option<&mut ResponseContext> {
        self.get_mut(key.slot).filter(|c| c.nonce == key.nonce)
    }

    /// Whether the context in this slot has its current branch there.
    pub(crate) fn runs_for(&self, slot: u32, target: Leg) -> bool {
        let context = self.slots.get(slot as usize);
        context.is_some_and(|context| match context {
            ContextSlot::Live(context) => context.branch.target() == Some(target),
            ContextSlot::Answered(_) => false,
        })
    }

    /// The context of a branch that waits for a connection. The nonce shows whether it still does: a
    /// timer or a CANCEL may have ended that.
    pub(crate) fn waiting(&mut self, key: BranchKey) -> Option<&mut ResponseContext> {
        let waits = |branch| matches!(branch, CurrentBranch::Waiting(_));
        let context = self.by_branch(key)?;
        (context.pending() && waits(context.branch)).then_some(context)
    }

    /// What is known of a server transaction.
    pub(crate) fn by_key(&mut self, key: u128) -> Option<KnownRequest<'_>> {
        let slot = self.slot_of(key)?;
        Some(match self.slots.get_mut(slot as usize)? {
            ContextSlot::Live(context) => KnownRequest::Live(context),
            ContextSlot::Answered(answered) => KnownRequest::Answered(slot, answered),
        })
    }

    /// Whether there is one for this server transaction.
    pub(crate) fn has(&self, key: u128) -> bool {
        self.slot_of(key).is_some()
    }

    /// By the index, and by the key of what stands there.
    fn slot_of(&self, key: u128) -> Option<u32> {
        let stands_in = |slot| {
            let slot = self.slots.get(slot as usize);
            slot.is_some_and(|slot| slot.key() == key)
        };
        self.by_key.find(key, stands_in)
    }

    /// Adds a context. It keeps the slot that is returned, since its branches name that.
    pub(crate) fn insert(&mut self, mut context: ResponseContext) -> u32 {
        let known = self.slot_of(context.key);
        let place = self.slots.vacant_entry();
        // A shard is bounded to far fewer than 2^32 transactions by limits.transactions.
        let slot = u32::try_from(place.key()).unwrap_or(u32::MAX);
        context.slot = slot;
        // A repeated key leads to the later of both.
        if !known.is_some_and(|known| self.by_key.replace(context.key, known, slot)) {
            self.by_key.insert(context.key, slot);
        }
        place.insert(ContextSlot::Live(match self.spare.pop() {
            Some(mut boxed) => {
                *boxed = context;
                boxed
            }
            None => Box::new(context),
        }));
        slot
    }

    /// Removes a context; what it holds is given back by [`ResponseContext::release`].
    pub(crate) fn remove(&mut self, slot: u32, release: impl FnOnce(&mut ResponseContext)) {
        if self.get_mut(slot).is_none() {
            return;
        }
        let Some(ContextSlot::Live(mut context)) = self.slots.try_remove(slot as usize) else {
            return;
        };
        self.by_key.remove(context.key, slot);
        release(&mut context);
        if self.spare.len() < MOST_SPARE {
            self.spare.push(context);
        }
    }

    /// A context has become a record, which keeps its slot: its branch names that.
    pub(crate) fn settle(
        &mut self,
        slot: u32,
        settle: impl FnOnce(&mut ResponseContext) -> AnsweredInvite,
    ) {
        if let Some(place @ ContextSlot::Live(_)) = self.slots.get_mut(slot as usize)
            && let ContextSlot::Live(context) = place
        {
            let answered = ContextSlot::Answered(Box::new(settle(context)));
            if let ContextSlot::Live(context) = std::mem::replace(place, answered)
                && self.spare.len() < MOST_SPARE
            {
                self.spare.push(context);
            }
        }
    }

    /// Notes a record with its connection if it is that of a client's refused INVITE.
    pub(crate) fn note_refused(&self, slot: u32, links: &mut Links) {
        let Some(link) = self.refused_on(slot) else {
            return;
        };
        if let Some(state) = links.get_mut(link) {
            let is = |slot| self.refused_on(slot) == Some(link);
            state.refused.push(slot, is);
        }
    }

    /// The connection of a client on which the INVITE of this slot came, if it was refused.
    pub(crate) fn refused_on(&self, slot: u32) -> Option<LinkId> {
        match self.slots.get(slot as usize)? {
            ContextSlot::Answered(answered) => answered.refused_client(),
            ContextSlot::Live(_) => None,
        }
    }

    /// Whether the client of this record may come back to it.
    pub(crate) fn may_return(&self, slot: u32) -> bool {
        let slot = self.slots.get(slot as usize);
        slot.is_some_and(|slot| match slot {
            ContextSlot::Answered(answered) => answered.is_registered(),
            ContextSlot::Live(_) => false,
        })
    }

    /// Removes a record; returns the connection that its INVITE came on.
    pub(crate) fn remove_answered(&mut self, slot: u32) -> Option<LinkId> {
        let answered = self.answered_mut(slot)?;
        let (key, link) = (answered.key, answered.link());
        self.slots.try_remove(slot as usize)?;
        self.by_key.remove(key, slot);
        Some(link)
    }

    /// How many slots there are room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.slots.capacity()
    }

    /// Returns the memory of a flood that is over; `None`: there was none, or it is not over.
    ///
    /// Otherwise how many slots there are from now on. A slot that is in use stays where it is, since branches
    /// name it, so that the table is cut behind the last of them. That looks at every slot, once for each flood.
    pub(crate) fn shrink(&mut self) -> Option<usize> {
        let room = self.slots.capacity();
        if room <= FEW || self.slots.len() >= room / 8 {
            return None;
        }
        self.slots.shrink_to_fit();
        self.by_key.shrink();
        // One slot at the end of a large table keeps it: looked at again when that is gone.
        (self.slots.capacity() < room).then(|| self.slots.capacity())
    }

    /// All contexts.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ResponseContext> {
        self.slots.iter().filter_map(|(_, slot)| match slot {
            ContextSlot::Live(context) => Some(&**context),
            ContextSlot::Answered(_) => None,
        })
    }
}
