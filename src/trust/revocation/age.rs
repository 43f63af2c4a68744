//! Which of two CRLs by one key is the older one (RFC 5280 §5.2.3).
use crate::topology::{Crl, order_of_numbers};
use std::cmp::Ordering;

/// What a CRL states of its age.
#[derive(Clone, Copy)]
pub(crate) struct CrlAge<'c> {
    /// Its CRL number, which CAs may leave out in old profiles.
    pub(crate) number: Option<&'c [u8]>,
    /// thisUpdate, Unix seconds.
    pub(crate) this_update: u64,
}

impl<'c> CrlAge<'c> {
    pub(crate) fn of(crl: &'c Crl) -> Self {
        Self {
            number: crl.number(),
            this_update: crl.this_update(),
        }
    }

    /// For CRLs of one scope, where the number is decisive: by number, then by thisUpdate; by thisUpdate alone where one has
    /// no number.
    pub(crate) fn is_older_than(self, other: Self) -> bool {
        let by_time = self.this_update.cmp(&other.this_update);
        self.by_number(other).then(by_time) == Ordering::Less
    }

    /// For CRLs of different scopes: each scope may be numbered by itself, so that whatever both have must agree.
    pub(crate) fn is_outdated_by(self, other: Self) -> bool {
        let by_number = self.by_number(other);
        let by_time = self.this_update.cmp(&other.this_update);
        by_number != Ordering::Greater
            && by_time != Ordering::Greater
            && (by_number, by_time) != (Ordering::Equal, Ordering::Equal)
    }

    /// Equal where one of the two has no number.
    fn by_number(self, other: Self) -> Ordering {
        let numbers = self.number.zip(other.number);
        numbers.map_or(Ordering::Equal, |(one, other)| order_of_numbers(one, other))
    }
}
