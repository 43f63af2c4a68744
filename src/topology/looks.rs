//! How often names are looked at, which tests count: what is linear looks at each so many times, whatever the topology's size.
#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// A name is compared or read.
#[inline]
pub(super) fn note() {
    #[cfg(test)]
    LOOKS.set(LOOKS.get() + 1);
}

/// The looks that this thread takes at names in `work`.
#[cfg(test)]
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = LOOKS.get();
    let outcome = work();
    (LOOKS.get() - before, outcome)
}
