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

/// How a name is compared and shown: by its text, of which each look is noted.
macro_rules! compares_by_text {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::topology::looks::note();
                self.0 == other.0
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::topology::looks::note();
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use compares_by_text;

/// The looks that this thread takes at names in `work`.
#[cfg(test)]
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = LOOKS.get();
    let outcome = work();
    (LOOKS.get() - before, outcome)
}
