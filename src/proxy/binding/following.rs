//! Requests that follow their clients to other connections, so many at a time.
//!
//! Whoever registers on another connection takes along all that rings there, and with two connections it can do so as
//! often as it likes. So that this holds up nobody, what follows is sent in steps, and the clients take turns.
use super::id::BindingId;
use crate::proxy::link_id::LinkId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many go in one step, and how many of one client before the next has its turn.
const STEP: usize = 64;
const TURN: usize = 16;
/// The time between two steps. A step costs about two milliseconds.
const PAUSE: Duration = Duration::from_millis(20);

/// What runs on a connection for a client that has left it.
struct Left {
    id: BindingId,
    link: LinkId,
    /// The contexts.
    slots: Vec<u32>,
}

/// All that has still to follow its client.
#[derive(Default)]
pub(crate) struct Following {
    queue: VecDeque<Left>,
    /// When the next step may be.
    not_before: Option<Instant>,
}

impl Following {
    /// A client has left a connection on which these run.
    pub(crate) fn add(&mut self, id: BindingId, link: LinkId, slots: Vec<u32>) {
        // It has come back to it and left it again: what runs there now is all there is.
        self.queue.retain(|left| left.id != id || left.link != link);
        if !slots.is_empty() {
            self.queue.push_back(Left { id, link, slots });
        }
    }

    /// Takes what may follow now.
    pub(crate) fn step(&mut self, now: Instant) -> Vec<(BindingId, LinkId, u32)> {
        let mut step = Vec::new();
        if self.queue.is_empty() || self.not_before.is_some_and(|at| at > now) {
            return step;
        }
        while step.len() < STEP
            && let Some(mut left) = self.queue.pop_front()
        {
            let turn = TURN.min(STEP - step.len()).min(left.slots.len());
            step.extend(left.slots.drain(..turn).map(|at| (left.id, left.link, at)));
            if !left.slots.is_empty() {
                self.queue.push_back(left);
            }
        }
        self.not_before = Some(now + PAUSE);
        step
    }

    /// When the next step is due.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let is_empty = self.queue.is_empty();
        (!is_empty).then(|| self.not_before.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any starting point will do")]
    fn clients_take_turns_and_steps_have_a_pause_between_them() {
        let (now, mut following) = (Instant::now(), Following::default());
        let link = LinkId::new(0, 1, 1);
        let id = BindingId::from_u64;
        following.add(id(1), link, (0..1_000).collect());
        following.add(id(2), link, vec![5_000]);
        assert_eq!(following.next(now), Some(now));
        let step = following.step(now);
        assert_eq!(step.len(), STEP);
        assert!(step.contains(&(id(2), link, 5_000)), "it has its turn");
        assert!(following.step(now).is_empty());
        assert_eq!(following.next(now), Some(now + PAUSE));
        // What is left is what runs there at last.
        following.add(id(1), link, vec![7]);
        assert_eq!(following.step(now + PAUSE), [(id(1), link, 7)]);
        assert_eq!(following.next(now), None);
    }
}
