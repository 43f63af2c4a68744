//! The keys of `[[pool]]`: which peers serve which domains.
use super::health::Health;
use super::key::{SOME_TEXTS, TEXT, TEXTS, ValueType};
use super::{Compare, Numbers, ShownValue, Text, keys};
use crate::topology::{ClientPath, Pool, Strategy, Topology};
use toml::Spanned;

/// The greatest weight of a member, and the last group.
///
/// One range for both: neither weights nor groups need more than a thousand steps.
const NUMBER: ValueType = ValueType::Numbers(1, 1_000);

keys! {
    /// `[[pool]]` as it is written.
    pub(crate) struct RawPool compares Topology, Pool {
        name: Option<Text> = required, TEXT, reload,
            "Its name in logs."
            => Compare::Elsewhere;
        // Each domain of a pool is routed there; which of them may stand here depends on the members'
        // kind.
        domains: Option<Vec<Text>> = required, SOME_TEXTS, reload,
            "The domains that are routed to it; each to one pool only, or to several that differ in `from_domains`. A peer's name may be one of them: what is for that name is \
             then the pool's, so that another member stands in. With `*.` that holds for the names of its members."
            => Compare::Value(|_, pool| ShownValue::list(&pool.domains));
        from_domains: Vec<Text> = optional("anybody's"), SOME_TEXTS, reload,
            "Federated: the home domains whose callers, by From, it serves. Pools that differ in them may serve the same `domains`."
            => Compare::Value(|_, pool| ShownValue::list(&pool.from_domains));
        peers: Option<Vec<Text>> = required, SOME_TEXTS, reload,
            "Its members, by their names; all home, or all federated."
            => Compare::Value(|topology, pool| ShownValue::List(members(topology, pool)));
        strategy: Strategy = default(Strategy::CallIdHash), ValueType::Word(Strategy::WORDS), reload,
            "How a member is chosen. `\"call-id-hash\"`: a dialog's requests agree on the member. `\"weighted\"`: at random by \
             weight. `\"ordered\"`: the first that can be reached, or by groups (`priorities`).";
        // Optional, since weights are an error beside a strategy that does not use them, and that is
        // reported at their line.
        weights: Option<Spanned<Numbers>> = optional("1 each"), NUMBER, reload,
            "For `\"weighted\"`, and within a group of `\"ordered\"`: `{ \"fe01.contoso.test\" = 3 }`. A peer that should get \
             nothing goes into `drain` or out of `peers`."
            => Compare::Change(|old, new| changed_numbers("weights", old, new, weights));
        priorities: Option<Spanned<Numbers>> = optional("each member alone, in the order of `peers`"), NUMBER, reload,
            "For `\"ordered\"`: the group of each member, smallest first: `{ \"dr01.contoso.test\" = 2 }`. Calls are shared out \
             within a group by Call-ID; the next group gets them when the whole group is down. A member that is not named is in \
             group 1."
            => Compare::Change(|old, new| changed_numbers("priorities", old, new, |pool| pool.priorities.clone()));
        // With its line, since only two of the range are allowed.
        flow_status: Option<Spanned<u16>> = optional("430"), ValueType::Integer(430, 480), reload,
            "What a home server of the pool is answered for a client that no connection leads to any more: 430 or 480, nothing \
             between. `430` (RFC 5626) makes a registrar try the next binding; `480` is for servers that take 430 for a fault of their \
             own (Asterisk makes 500 of it)."
            => Compare::Value(|_, pool| ShownValue::Number(u64::from(pool.flow_status)));
        path: ClientPath = default(ClientPath::Path), ValueType::Word(ClientPath::WORDS), reload,
            "How the registrars of a home pool learn the way to a client. `\"path\"`: by a Path (RFC 3327). `\"contact\"`: for \
             registrars that keep no Path; the Contact of a client's REGISTER becomes a URI of this node, see below.";
        // With its line: that all members drain is a warning about the list.
        drain: Option<Spanned<Vec<Text>>> = optional("none"), TEXTS, reload,
            "Members that take nothing new; the requests of their dialogs still go there. For maintenance: reload with it, wait, \
             stop the server."
            => Compare::Value(|topology, pool| {
                ShownValue::list(pool.drain.iter().map(|peer| &topology.peer(*peer).name))
            });
        // Off by default: pings are traffic that not every server answers well.
        health: Option<Health> = optional("none"), ValueType::Table(Health::KEYS), reload,
            "OPTIONS pings to each member, by one shard for all. `{}` takes every default. Without it a member is found to be down \
             by failed connects or by two requests in a row that it leaves without any answer; then it is passed over for 30 s."
            => Compare::Value(|_, pool| ShownValue::digest(&pool.health));
    }
}

/// By name, since a position means another peer in another generation.
fn members(topology: &Topology, pool: &Pool) -> Vec<String> {
    let names = pool
        .peers
        .iter()
        .map(|(peer, _)| topology.peer(*peer).name.to_string());
    names.collect()
}

/// In the order of the members.
fn weights(pool: &Pool) -> Vec<u16> {
    pool.peers.iter().map(|(_, weight)| *weight).collect()
}

/// Numbers of members are compared only where the members are the same: the others show as members.
fn changed_numbers(
    key: &str,
    old: &Pool,
    new: &Pool,
    numbers: fn(&Pool) -> Vec<u16>,
) -> Option<String> {
    let same = old.peers.len() == new.peers.len();
    (same && numbers(old) != numbers(new)).then(|| key.to_owned())
}
