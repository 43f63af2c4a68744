//! Of the CRLs that cover a certificate those that no newer one takes the place of (RFC 5280 §5.2.3).
use crate::topology::{HeldCrl, order_of_numbers};
use crate::trust::StepRefusal;
use crate::trust::budget::{Budget, comparing, searching};
use crate::trust::revocation::age::CrlAge;
use crate::trust::revocation::series::{Series, SeriesId};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A CRL that covers a certificate; or, where that has gone, what is known of it.
///
/// A CRL that has gone out of the ledger still counts by its age: an older one must not take its place.
pub(crate) struct CoveringCrl<'l> {
    pub(crate) crl: Option<&'l HeldCrl>,
    /// Its key, issuer and scope.
    series: SeriesId,
    age: CrlAge<'l>,
    pub(crate) next_update: u64,
}

impl<'l> CoveringCrl<'l> {
    pub(crate) fn of(crl: &'l HeldCrl, series: SeriesId) -> Self {
        Self {
            crl: Some(crl),
            series,
            age: CrlAge::of(crl),
            next_update: crl.next_update(),
        }
    }

    /// Of a series whose CRL has gone.
    pub(crate) fn gone(series: &'l Series) -> Self {
        Self {
            crl: None,
            series: series.id(),
            age: CrlAge {
                number: series.number(),
                this_update: series.this_update(),
            },
            next_update: series.next_update(),
        }
    }

    /// The order of two by number, and then by thisUpdate; without a number comes first.
    fn order(&self, other: &Self) -> Ordering {
        let by_number = match (self.age.number, other.age.number) {
            (Some(one), Some(other)) => order_of_numbers(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        by_number.then(self.age.this_update.cmp(&other.age.this_update))
    }
}

/// Those that no other one takes the place of, paid from a budget.
///
/// Within a scope the number is decisive ([`CrlAge::is_older_than`]); two scopes may be numbered apart from each other, so
/// that across them number and time must agree ([`CrlAge::is_outdated_by`]). CRLs of different scopes may be incomparable,
/// and then all of them count. Found in one walk from the newest on: a CA may have hundreds of scopes.
pub(crate) fn newest<'l>(
    mut covering: Vec<CoveringCrl<'l>>,
    budget: &Budget,
) -> Result<Vec<CoveringCrl<'l>>, StepRefusal> {
    let count = covering.len();
    budget.spend(comparing(count * searching(count)))?;
    covering.sort_by(|one, other| other.order(one));
    let times = |numbered: bool| {
        let of = covering
            .iter()
            .filter(move |one| numbered || one.age.number.is_none());
        of.map(|one| one.age.this_update).max()
    };
    // What one of the two has no number for is compared by thisUpdate alone.
    let (latest, latest_unnumbered) = (times(true), times(false));
    // Of each scope the first that is met has the highest number.
    let mut first: HashMap<SeriesId, CrlAge<'l>> = HashMap::new();
    // The latest of those with a higher number, and of those with the same one.
    let (mut above, mut level): (Option<u64>, Option<CrlAge<'l>>) = (None, None);
    covering.retain(|one| {
        let (age, at) = (one.age, Some(one.age.this_update));
        if age.number.is_none() {
            return at >= latest;
        }
        if level.is_none_or(|level| level.number != age.number) {
            above = above.max(level.map(|level| level.this_update));
            level = Some(age);
        }
        let of_scope = *first.entry(one.series).or_insert(age);
        let by_higher = at <= above;
        let by_equal = level.is_some_and(|level| age.this_update < level.this_update);
        !(by_higher || by_equal || at < latest_unnumbered || age.is_older_than(of_scope))
    });
    Ok(covering)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::sha256;

    #[test]
    fn the_walk_finds_what_a_comparison_of_all_with_all_finds() {
        // Few numbers, times and scopes, so that they often meet; the seed is the loop's.
        for seed in 0..4_000_u32 {
            let dice = sha256(&seed.to_be_bytes());
            let number = |n: u8| (n & 3 > 0).then_some([&[1][..], &[2], &[3]][usize::from(n % 3)]);
            let all: Vec<CoveringCrl<'_>> = dice
                .chunks(3)
                .take(2 + seed as usize % 7)
                .map(|three| CoveringCrl {
                    crl: None,
                    series: SeriesId::parse(&format!("{:032x}", three[0] % 3)).unwrap(),
                    age: CrlAge {
                        number: number(three[1]),
                        this_update: u64::from(three[2] % 4),
                    },
                    next_update: 0,
                })
                .collect();
            let yields = |one: &CoveringCrl<'_>, other: &CoveringCrl<'_>| {
                if one.series == other.series {
                    one.age.is_older_than(other.age)
                } else {
                    one.age.is_outdated_by(other.age)
                }
            };
            let shown = |one: &CoveringCrl<'_>| {
                (
                    one.series,
                    one.age.number.map(<[u8]>::to_vec),
                    one.age.this_update,
                )
            };
            let kept = all
                .iter()
                .filter(|one| !all.iter().any(|other| yields(one, other)));
            let mut expected: Vec<_> = kept.map(shown).collect();
            let mut found: Vec<_> = newest(all, &Budget::full())
                .unwrap()
                .iter()
                .map(shown)
                .collect();
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}
