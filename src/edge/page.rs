//! A part of what there is, for an operator: rows in some order, and how many are left off.
//!
//! There may be a hundred thousand connections, and a shard that lists them relays nothing meanwhile. So each shard
//! picks the first ones that are wanted, and makes rows of these alone.
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The most rows that one page has, whatever was asked for; what has the key of the last one comes on top.
const MOST_ROWS: usize = 10_000;

/// Rows, and how many more would follow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows are left off; `after` with the key of the last row asks for them.
    pub left_off: usize,
}

/// The first of many things by their keys, picked without keeping the others.
///
/// Of things with one key all are picked or none: who pages by keys would miss the rest.
pub(super) struct First<K, T> {
    limit: usize,
    picked: BTreeMap<K, Vec<T>>,
    /// How many things are picked.
    rows: usize,
    left_off: usize,
}

impl<K: Ord, T> First<K, T> {
    /// At most so many.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(MOST_ROWS),
            picked: BTreeMap::new(),
            rows: 0,
            left_off: 0,
        }
    }

    /// Offers one.
    pub(super) fn offer(&mut self, key: K, thing: T) {
        let last = self.picked.last_key_value().map(|(last, _)| last);
        // Nearly all of a large table end here.
        if self.rows >= self.limit && last.is_none_or(|last| *last < key) {
            self.left_off += 1;
            return;
        }
        // It comes before the last one, which may have to yield.
        self.picked.entry(key).or_default().push(thing);
        self.rows += 1;
        while let Some(last) = self.picked.last_entry() {
            let rows = last.get().len();
            if self.rows - rows < self.limit {
                break;
            }
            last.remove();
            self.rows -= rows;
            self.left_off += rows;
        }
    }

    /// Makes the rows of the picked ones, in order.
    pub(super) fn page<R>(self, row: impl FnMut(T) -> R) -> RowPage<R> {
        RowPage {
            rows: self.picked.into_values().flatten().map(row).collect(),
            left_off: self.left_off,
        }
    }
}

impl<T> RowPage<T> {
    /// One page of several, those of shards or processes, `order` being that of the keys.
    pub fn merged(pages: Vec<Self>, limit: usize, order: impl Fn(&T, &T) -> Ordering) -> Self {
        let before: usize = pages.iter().map(|page| page.left_off).sum();
        let mut rows: Vec<T> = pages.into_iter().flat_map(|page| page.rows).collect();
        rows.sort_by(&order);
        let mut end = rows.len().min(limit.min(MOST_ROWS));
        // As above: with all that have the key of the last one.
        while let Some(last) = end.checked_sub(1).and_then(|at| rows.get(at))
            && rows.get(end).is_some_and(|next| order(last, next).is_eq())
        {
            end += 1;
        }
        let left_off = before + (rows.len() - end);
        rows.truncate(end);
        Self { rows, left_off }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that so many shards make of a hundred keys, each of which has one to three things in several shards.
    fn page(shards: u64, limit: usize, after: u64) -> (Vec<u64>, usize) {
        let pages = (0..shards).map(|shard| {
            let mut first = First::new(limit);
            // Backwards: a table has them in no order.
            for key in (1..=100u64).rev().filter(|key| *key > after) {
                for thing in (0..=key % 3).filter(|thing| (key + thing) % shards == shard) {
                    first.offer(key, thing);
                }
            }
            let picked = first.picked.keys().copied().collect::<Vec<_>>();
            assert!(picked.is_sorted());
            let keys: Vec<u64> = first
                .picked
                .iter()
                .flat_map(|(key, things)| things.iter().map(|_| *key))
                .collect();
            let mut keys = keys.into_iter();
            first.page(|_| keys.next().unwrap())
        });
        let page = RowPage::merged(pages.collect(), limit, u64::cmp);
        (page.rows, page.left_off)
    }

    #[test]
    fn pages_follow_each_other_without_a_gap_whatever_the_shards() {
        let whole: Vec<u64> = (1..=100)
            .flat_map(|n| (0..=n % 3).map(move |_| n))
            .collect();
        for shards in [1, 2, 7] {
            for limit in [1, 10, 33, 500] {
                let (mut all, mut after) = (Vec::new(), 0);
                loop {
                    let (rows, left_off) = page(shards, limit, after);
                    assert!(rows.len() < limit + 3);
                    assert_eq!(rows.len() + left_off + all.len(), whole.len());
                    all.extend(rows);
                    after = *all.last().unwrap();
                    if left_off == 0 {
                        break;
                    }
                }
                assert_eq!(all, whole, "{shards} shards, {limit} rows");
            }
        }
    }

    #[test]
    fn a_page_has_a_bound_of_its_own_and_may_be_empty() {
        let mut first = First::new(usize::MAX);
        for number in 1..=20_000 {
            first.offer(number, ());
        }
        assert_eq!((first.picked.len(), first.left_off), (10_000, 10_000));
        let (rows, left_off) = page(2, 0, 98);
        assert_eq!((rows.len(), left_off), (0, 3));
    }
}
