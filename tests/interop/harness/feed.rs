//! A list that one thread fills and others wait on: log lines, control events.
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Items in the order of their arrival.
pub(crate) struct Feed<T> {
    state: Mutex<State<T>>,
    grown: Condvar,
}

struct State<T> {
    items: Vec<T>,
    over: bool,
}

/// A place in a feed: what arrives later is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize);

impl Mark {
    /// Before everything.
    pub(crate) const START: Self = Self(0);
}

impl<T> Feed<T> {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: Vec::new(),
                over: false,
            }),
            grown: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item and wakes who waits.
    pub(crate) fn push(&self, item: T) {
        self.lock().items.push(item);
        self.grown.notify_all();
    }

    /// Nothing more will come: waiting ends at once.
    pub(crate) fn close(&self) {
        self.lock().over = true;
        self.grown.notify_all();
    }

    /// Waits until nothing more will come; whether that is so in time.
    pub(crate) fn wait_over(&self, limit: Duration) -> bool {
        let waited = self
            .grown
            .wait_timeout_while(self.lock(), limit, |state| !state.over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.over
    }

    /// The end as of now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.lock().items.len())
    }

    /// Reads what has come since a mark, without waiting.
    pub(crate) fn read<R>(&self, since: Mark, look: impl FnOnce(&[T]) -> R) -> R {
        look(self.lock().items.get(since.0..).unwrap_or_default())
    }

    /// Waits for the first item since a mark that `pick` makes something of; `None` when time or feed is over.
    pub(crate) fn wait<R>(
        &self,
        since: Mark,
        limit: Duration,
        mut pick: impl FnMut(&T) -> Option<R>,
    ) -> Option<R> {
        let mut next = since.0;
        let mut found = None;
        let state = self.lock();
        let _ended = self.grown.wait_timeout_while(state, limit, |state| {
            let new = state.items.get(next..).unwrap_or_default();
            found = new.iter().find_map(&mut pick);
            next = state.items.len();
            found.is_none() && !state.over
        });
        found
    }

    /// As [`Feed::wait`] from the start, and takes the item out.
    pub(crate) fn take(&self, limit: Duration, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut taken = None;
        let state = self.lock();
        let _ended = self.grown.wait_timeout_while(state, limit, |state| {
            taken = state
                .items
                .iter()
                .position(&wanted)
                .map(|at| state.items.remove(at));
            taken.is_none() && !state.over
        });
        taken
    }
}
