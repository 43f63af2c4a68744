//! The scope of a CRL in a form in which it is quickly held against many others (RFC 5280 §5.2.5).
use crate::topology::CrlScope;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};

/// A scope, with a number for each of its names.
///
/// Two scopes of a CA can have all names but the last in common, and a CA can have hundreds of scopes: numbers are
/// compared in a nanosecond, names in dozens.
#[derive(Clone, Debug)]
pub(crate) struct ScopeKey {
    users_only: bool,
    authorities_only: bool,
    /// In order.
    names: Arc<[u64]>,
}

impl ScopeKey {
    pub(crate) fn of(scope: &CrlScope) -> Self {
        // Of this process alone: who could foresee the numbers could make names that share one.
        static NUMBERS: OnceLock<RandomState> = OnceLock::new();
        let numbers = NUMBERS.get_or_init(RandomState::new);
        let mut names: Vec<u64> = scope.names().iter().map(|n| numbers.hash_one(n)).collect();
        names.sort_unstable();
        Self {
            users_only: scope.users_only,
            authorities_only: scope.authorities_only,
            names: names.into(),
        }
    }

    /// Whether it may include the other: what is not included is found at once, and for the rest
    /// [`CrlScope::includes`] has the last word.
    pub(crate) fn may_include(&self, other: &Self) -> bool {
        #[cfg(test)]
        COMPARED.with(|compared| compared.set(compared.get() + 1));
        if self.users_only && !other.users_only || self.authorities_only && !other.authorities_only
        {
            return false;
        }
        if self.names.is_empty() {
            return true;
        }
        // Both are in order, so that one walk over each is enough.
        let mut own = self.names.iter();
        !other.names.is_empty()
            && other
                .names
                .iter()
                .all(|name| own.any(|known| known == name))
    }
}

#[cfg(test)]
thread_local! {
    /// Scopes that this thread has held against another one.
    static COMPARED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The scopes that this thread has held against another one.
#[cfg(test)]
pub(crate) fn compared() -> u64 {
    COMPARED.with(std::cell::Cell::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_includes_what_the_scope_includes() {
        let names = |names: &[u8]| names.iter().map(|n| vec![*n; 3]).collect();
        let scopes = [
            CrlScope::default(),
            CrlScope::new(true, false, Vec::new()),
            CrlScope::new(false, true, Vec::new()),
            CrlScope::new(false, false, names(&[1])),
            CrlScope::new(false, false, names(&[1, 2, 3])),
            CrlScope::new(false, false, names(&[3, 9, 1])),
            CrlScope::new(true, false, names(&[2])),
            CrlScope::new(true, false, names(&[9, 3, 1])),
        ];
        for one in &scopes {
            for other in &scopes {
                let quickly = ScopeKey::of(one).may_include(&ScopeKey::of(other));
                assert_eq!(quickly, one.includes(other), "{one} {other}");
            }
        }
    }
}
