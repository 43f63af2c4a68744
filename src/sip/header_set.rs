//! Sets of header names, a bit each: what a rule of the boundary strips, or which fields a message has.
use super::HeaderName;

/// A set of known header names; `Other` is in none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HeaderSet(pub(super) u64);

impl HeaderSet {
    /// No name.
    pub const EMPTY: Self = Self(0);

    /// One name.
    pub const fn of(name: HeaderName) -> Self {
        Self(name.bit())
    }
    /// Names of either set. Constant, as the others, so that the rules of the boundary are made at compile time.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Names of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Names of both sets.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Whether the name is in it.
    pub const fn has(self, name: HeaderName) -> bool {
        self.0 & name.bit() != 0
    }
    /// Whether no name is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its names in the table's order.
    pub fn names(self) -> impl Iterator<Item = HeaderName> {
        HeaderName::KNOWN
            .iter()
            .copied()
            // In the order of the table, so that pages and logs list them alike.
            .filter(move |name| self.has(*name))
    }
}

impl std::fmt::Debug for HeaderSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
