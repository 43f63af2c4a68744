//! The known word nearest to a mistyped one, by edit distance with transpositions.

/// The nearest of `known`, unless even that is too far away to be what was meant.
///
/// Of several that are equally near the first wins, in the order of the docs.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong; one or two always may.
    let most = (word.chars().count() / 3).clamp(2, 6);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= most * 4)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean ...?)` or nothing.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map_or_else(String::new, |n| format!("; did you mean `{n}`?"))
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, in any case.
///
/// Optimal string alignment: two neighbours in the wrong order are the most frequent typing mistake,
/// and cost one.
fn distance(a: &str, b: &str) -> usize {
    // What both begin or end with costs nothing: of names of one kind it is the most.
    let same = |(x, y): &(u8, u8)| x.is_ascii() && x.eq_ignore_ascii_case(y);
    let ahead = a.bytes().zip(b.bytes()).take_while(same).count();
    let (a, b) = (a.split_at(ahead).1, b.split_at(ahead).1);
    let behind = a.bytes().rev().zip(b.bytes().rev());
    let behind = behind.take_while(same).count();
    let (a, b) = (
        a.split_at(a.len() - behind).0,
        b.split_at(b.len() - behind).0,
    );
    let a: Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    // Three rows of the usual table: two above, one above, the current one.
    let mut older: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    for (i, ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = at(&above, j) + usize::from(ca != cb);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let previous = i.checked_sub(1).zip(j.checked_sub(1));
            let swapped =
                previous.is_some_and(|(pi, pj)| a.get(pi) == Some(cb) && b.get(pj) == Some(ca));
            if swapped && let Some((_, pj)) = previous {
                best = best.min(at(&older, pj) + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_insertions_deletions_replacements_and_swaps() {
        for (a, b, d) in [
            ("", "", 0),
            ("", "abc", 3),
            ("peer", "peers", 1),
            ("adress", "address", 1),
            ("turst", "trust", 1),
            ("kitten", "sitting", 3),
            ("FQDN", "fqdn", 0),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn what_resembles_nothing_gets_no_suggestion() {
        assert_eq!(nearest("zzzzzz", ["address", "peers"]), None);
        assert_eq!(nearest("x", ["as"]), None);
        assert_eq!(nearest("adress", ["address", "peers"]), Some("address"));
    }
}
