//! Registered clients whose connections have gone, with what they have asked on them: for a while they may come back.
use super::link_id::LinkId;
use std::collections::VecDeque;
use std::time::Instant;

/// In the order in which they have gone, since each is waited for as long as any other.
#[derive(Default)]
pub(crate) struct Departed(VecDeque<DepartedClient>);

/// One of them.
pub(crate) struct DepartedClient {
    /// When it is no longer waited for.
    pub(crate) at: Instant,
    /// The connection that has gone.
    pub(crate) link: LinkId,
    /// The slots of the contexts that owed their answer then. Each may be another request's meanwhile.
    pub(crate) asked: Vec<u32>,
}

impl Departed {
    /// One more has gone.
    pub(crate) fn push(&mut self, client: DepartedClient) {
        self.0.push_back(client);
    }

    /// When the first of them is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.front().map(|first| first.at)
    }

    /// The first, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<DepartedClient> {
        // A herd that has left at once is a queue of as much memory, which is returned when it is empty.
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        match self.next()? <= now {
            true => self.0.pop_front(),
            false => None,
        }
    }
}
