//! All response contexts of one core: by the slot that a branch names, and by the key of the server
//! transaction.
//!
//! Contexts are boxed and the boxes are reused: a context is about 800 bytes, and moving it when
//! the table grows would stop the shard for a moment. A slot is a small number because it is
//! written into the branch of every request.
use super::branch::BranchKey;
use super::context::{CurrentBranch, ResponseContext};
use super::fast_map::FastMap;
use super::leg::Leg;
use slab::Slab;

/// The most boxes that are kept for the next contexts, about 200 KiB: enough for what a busy shard
/// opens and closes in turn, without an allocation for each request.
const MOST_SPARE: usize = 256;

/// Both ways to a context. A slot is used again; that a branch names an earlier user of it shows in the nonce.
///
/// A slab without versions, unlike the connection table: the nonce is drawn anew for each branch
/// and must be unguessable, so that a version beside it would only lengthen every branch by eight
/// digits.
#[derive(Default)]
pub(crate) struct ResponseContexts {
    slots: Slab<Box<ResponseContext>>,
    /// Keyed by a hash that only this node can compute, so the fast map is safe from collisions.
    by_key: FastMap<u128, u32>,
    #[expect(
        clippy::vec_box,
        reason = "the boxes themselves are what is kept for reuse"
    )]
    spare: Vec<Box<ResponseContext>>,
}

impl ResponseContexts {
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut ResponseContext> {
        self.slots
            .get_mut(slot as usize)
            .map(|context| &mut **context)
    }

    /// The context that a branch of this node names.
    pub(crate) fn by_branch(&mut self, key: BranchKey) -> Option<&mut ResponseContext> {
        self.get_mut(key.slot).filter(|c| c.nonce == key.nonce)
    }

    /// Whether the context in this slot has its current branch there.
    pub(crate) fn runs_for(&self, slot: u32, target: Leg) -> bool {
        let context = self.slots.get(slot as usize);
        context.is_some_and(|context| context.branch.target() == Some(target))
    }

    /// The context of a branch that waits for a connection. The nonce shows whether it still does: a
    /// timer or a CANCEL may have ended that.
    pub(crate) fn waiting(&mut self, key: BranchKey) -> Option<&mut ResponseContext> {
        let waits = |branch| matches!(branch, CurrentBranch::Waiting(_));
        let context = self.by_branch(key)?;
        (context.pending() && waits(context.branch)).then_some(context)
    }

    /// The context of a server transaction.
    pub(crate) fn by_key(&mut self, key: u128) -> Option<&mut ResponseContext> {
        let slot = *self.by_key.get(&key)?;
        self.get_mut(slot)
    }

    /// Whether there is one for this server transaction.
    pub(crate) fn has(&self, key: u128) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Adds a context. It keeps the slot that is returned, since its branches name that.
    pub(crate) fn insert(&mut self, mut context: ResponseContext) -> u32 {
        let place = self.slots.vacant_entry();
        // A shard is bounded to far fewer than 2^32 transactions by limits.transactions.
        let slot = u32::try_from(place.key()).unwrap_or(u32::MAX);
        context.slot = slot;
        self.by_key.insert(context.key, slot);
        place.insert(match self.spare.pop() {
            Some(mut boxed) => {
                *boxed = context;
                boxed
            }
            None => Box::new(context),
        });
        slot
    }

    /// Removes a context; what it holds is given back by [`ResponseContext::release`].
    pub(crate) fn remove(&mut self, slot: u32, release: impl FnOnce(&mut ResponseContext)) {
        let Some(mut context) = self.slots.try_remove(slot as usize) else {
            return;
        };
        // A repeated key has replaced the entry by then.
        if self.by_key.get(&context.key) == Some(&slot) {
            self.by_key.remove(&context.key);
        }
        release(&mut context);
        if self.spare.len() < MOST_SPARE {
            self.spare.push(context);
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ResponseContext> {
        self.slots.iter().map(|(_, context)| &**context)
    }
}
