//! How much of each bound of one party is taken by the party that takes most of it, for an operator who wonders which bites.
//!
//! Nothing is counted for this alone: the numbers are those that `admission` and the others compare with the bounds. A look
//! costs a step for each link and each binding of the shard, so nothing but a command asks.
use super::account::ANSWERED_COST;
use super::core::Core;
use super::environment::Environment;
use std::time::Instant;

impl Core {
    /// By the bound's key; who asks adds by whom it is taken. Of bounds of a source or a peer what this shard has: each shard compares its own.
    pub fn fullest(&self, now: Instant) -> Vec<(&'static str, usize)> {
        let env = &self.env;
        let waiting = env.links.loads().into_iter().map(|(_, load)| load.waiting);
        let mut all = vec![
            ("calls_per_client", env.calls.most_of_a_client() as usize),
            ("connect_queue", waiting.max().unwrap_or_default()),
            // A binding counts once, however many keys number it.
            (
                "bindings_per_user",
                most_of_a_user(env) / env.tokens.binding_numbers().max(1),
            ),
            ("answered", env.answered * ANSWERED_COST),
            // Of all shards: the table is one.
            ("failed_logins", env.refused.most(now)),
        ];
        // One look at each link for all bounds that are about links.
        all.extend(env.links.fullest());
        all
    }
}

/// The most bindings that one address of record has.
///
/// They stand beside each other in the order of their owners.
fn most_of_a_user(env: &Environment) -> usize {
    let (mut last, mut count, mut most) = (None, 0, 0);
    for (owner, _) in &env.directory.by_owner {
        count = if last == Some(owner) { count + 1 } else { 1 };
        last = Some(owner);
        most = count.max(most);
    }
    most
}
