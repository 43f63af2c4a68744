//! Bounds of which one can never bite, since what it counts is a part of what a smaller one counts.
//!
//! Such a bound looks like a promise: who lowers the number of calls of a client relies on it. Only what the file sets is warned of,
//! since the defaults are apart from each other, but for `memory`, which the machine decides.
use super::limits::Limits;
use crate::topology::TopologyReason;
use crate::topology::findings::{Findings, Source};
use crate::topology::model::MOST_SHARDS;
use toml::Spanned;
use toml::de::DeTable;

/// The key of a bound and its value.
type Bound = (&'static str, fn(&Limits) -> u64);
/// A bound, and one of whose count its own is a part, which so must be the larger of the two.
type BoundPair = (Bound, Bound);

/// Names a bound twice: as a key and as a field.
macro_rules! bound {
    ($key:ident) => {
        (stringify!($key), |limits: &Limits| {
            u64::try_from(limits.$key).unwrap_or(u64::MAX)
        })
    };
    ($key:ident bytes) => {
        (stringify!($key), |limits: &Limits| {
            u64::try_from(limits.$key.bytes()).unwrap_or(u64::MAX)
        })
    };
    ($key:ident ms) => {
        (stringify!($key), |limits: &Limits| {
            u64::try_from(limits.$key.as_millis()).unwrap_or(u64::MAX)
        })
    };
    // Counted in each shard, beside one that counts in all of them.
    ($key:ident each) => {
        (stringify!($key), |limits: &Limits| {
            u64::try_from(limits.$key)
                .unwrap_or(u64::MAX)
                .saturating_mul(u64::from(MOST_SHARDS))
        })
    };
}

const PAIRS: [BoundPair; 26] = [
    // What a call takes, each request takes.
    (bound!(invites_per_client), bound!(transactions_per_client)),
    (bound!(invites_per_client), bound!(transactions_per_source)),
    (bound!(invites_per_client), bound!(transactions)),
    (
        bound!(transactions_per_client),
        bound!(transactions_per_source),
    ),
    (bound!(transactions_per_client), bound!(transactions)),
    (bound!(transactions_per_source), bound!(transactions)),
    (bound!(transactions_per_peer), bound!(transactions)),
    // What waits for a connect is a transaction each.
    (bound!(connect_queue), bound!(transactions)),
    (bound!(memory_per_client), bound!(memory_per_source)),
    (bound!(memory_per_client), bound!(memory bytes)),
    (bound!(memory_per_source), bound!(memory bytes)),
    (bound!(memory_per_peer), bound!(memory bytes)),
    (bound!(answered_per_client), bound!(answered_per_source)),
    (bound!(answered_per_client), bound!(answered)),
    // Counted over all shards, however many there are.
    (bound!(answered_per_source), bound!(answered each)),
    (bound!(answered_per_peer), bound!(answered each)),
    // Answered INVITEs count among what all hold together, and in no other sum of bytes.
    (bound!(answered_per_source), bound!(memory bytes)),
    (bound!(answered_per_peer), bound!(memory bytes)),
    (bound!(answered), bound!(memory bytes)),
    (bound!(bindings_per_client), bound!(bindings)),
    (bound!(bindings_per_user), bound!(bindings)),
    (bound!(calls_per_client), bound!(calls)),
    (bound!(calls_per_client), bound!(calls_per_source)),
    (bound!(calls_per_source), bound!(calls)),
    // However many shards there are.
    (bound!(connections_per_source), bound!(connections each)),
    // A client that has sent nothing is idle, too.
    (bound!(first_message ms), bound!(client_idle ms)),
];

/// Warns of each bound that can never bite.
pub(super) fn check(
    limits: &Limits,
    document: &DeTable<'_>,
    source: &Source<'_>,
    found: &mut Findings,
) {
    let section = document.get("limits").map(Spanned::get_ref);
    let Some(table) = section.and_then(|section| section.as_table()) else {
        return;
    };
    let line = |key: &str| table.get(key).map(|value| source.line_of(value));
    for ((part, of_part), (whole, of_whole)) in PAIRS {
        // The bound itself, or else the one that was made smaller than it.
        let Some(line) = line(part).or_else(|| line(whole)) else {
            continue;
        };
        if of_part(limits) < of_whole(limits) {
            continue;
        }
        let what = format!(
            "limits.{part} can never be reached: what it counts is a part of what limits.{whole} counts, which is not larger"
        );
        let remedy = format!("make {part} smaller than {whole}");
        found.add(TopologyReason::BoundNeverReached, line, what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_every_bound_can_be_reached() {
        let limits = Limits::default();
        for ((part, of_part), (whole, of_whole)) in PAIRS {
            // That one is the machine's.
            if whole != "memory" {
                assert!(of_part(&limits) < of_whole(&limits), "{part} and {whole}");
            }
        }
    }
}
