//! `[[pool]]`: which peers serve which domains, with the implicit pools of federated domains.
use super::TopologyReason;
use super::context::{Context, Names};
use super::quantity::duration;
use super::raw::{RawHealth, RawPool, Text};
use super::{Domain, Health, Listed, Node, Peer, PeerKind, PeerRef, Pool, Strategy, above};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use toml::Spanned;

/// The greatest weight of a pool member.
const HEAVIEST: i64 = 1_000;

/// Resolves every pool and adds those that federated peers imply.
pub(super) fn load_all(
    raws: &[Spanned<RawPool>],
    peers: &[Option<Peer>],
    names: &Names,
    node: Option<&Node>,
    context: &mut Context<'_, '_>,
) -> Vec<Option<Pool>> {
    let named = raws.iter().map(|raw| {
        let name = raw.get_ref().name.as_ref()?;
        Some((name.get_ref().clone(), name))
    });
    Names::register("pool", named, context);
    let mut pools: Vec<Option<Pool>> = raws
        .iter()
        .map(|raw| {
            let line = context.line(raw);
            let pool = load(raw.get_ref(), line, names, context)?;
            check_members(&pool, peers, node, context);
            Some(pool)
        })
        .collect();
    let implied = implied(&check_routed_once(&pools, context), peers);
    pools.extend(implied.into_iter().map(Some));
    // With a pool or peer missing for another fault, its domains would be reported as unserved too.
    let whole = pools.iter().all(Option::is_some);
    if let Some(node) = node.filter(|_| whole) {
        check_served(node, &pools, context);
    }
    pools
}

fn load(raw: &RawPool, line: u32, names: &Names, context: &mut Context<'_, '_>) -> Option<Pool> {
    let name = raw.name.as_ref()?.get_ref().clone();
    let place = format!("pool \"{name}\"");
    let domains = raw.domains.as_ref().map(|list| {
        context.filled(list, &format!("{place} domains"));
        context.patterns(list.get_ref(), &format!("{place} domain"))
    });
    let strategy = raw.strategy.unwrap_or(Strategy::CallIdHash);
    let members = raw.peers.as_ref().map(|list| {
        context.filled(list, &format!("{place} peers"));
        members(list.get_ref(), names, &place, context)
    });
    let mut members = members.unwrap_or_default();
    if let Some(weights) = &raw.weights {
        let line = context.line(weights);
        // Within a group of `ordered`, weights share the calls out.
        let grouped = strategy == Strategy::Ordered && raw.priorities.is_some();
        if strategy != Strategy::Weighted && !grouped {
            context.add(
                TopologyReason::WeightsUnused,
                line,
                format!(
                    "{place} has weights, but its strategy is {}",
                    strategy.word()
                ),
                "set strategy = \"weighted\", or take the weights out",
            );
        }
        for (peer, weight) in weights.get_ref() {
            let line = context.line(peer);
            let place = format!("{place} weights");
            if let Some((at, number)) =
                member_number(&members, (peer, *weight), names, (&place, line), context)
                && let Some(member) = members.list.get_mut(at)
            {
                member.1 = number;
            }
        }
    }
    let priorities = priorities(raw, strategy, &members, names, &place, context);
    let drain = drain(raw, &members, names, &place, context);
    let health = raw
        .health
        .as_ref()
        .and_then(|health| self::health(health.get_ref(), &place, context));
    Some(Pool {
        name,
        domains: domains?,
        peers: members.list,
        strategy,
        health,
        drain,
        priorities,
        line,
    })
}

/// The group of each member, by position; empty without the key.
fn priorities(
    raw: &RawPool,
    strategy: Strategy,
    members: &Members,
    names: &Names,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Vec<u16> {
    let Some(given) = &raw.priorities else {
        return Vec::new();
    };
    if strategy != Strategy::Ordered {
        let line = context.line(given);
        context.add(
            TopologyReason::PrioritiesUnused,
            line,
            format!(
                "{place} has priorities, but its strategy is {}",
                strategy.word()
            ),
            "set strategy = \"ordered\", or take the priorities out",
        );
    }
    let mut groups = vec![1; members.list.len()];
    for (peer, number) in given.get_ref() {
        let line = context.line(peer);
        let place = format!("{place} priorities");
        if let Some((at, number)) =
            member_number(members, (peer, *number), names, (&place, line), context)
            && let Some(group) = groups.get_mut(at)
        {
            *group = number;
        }
    }
    groups
}

/// The members that take nothing new.
fn drain(
    raw: &RawPool,
    members: &Members,
    names: &Names,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Vec<PeerRef> {
    let Some(list) = &raw.drain else {
        return Vec::new();
    };
    let place = format!("{place} drain");
    let mut drained = Vec::new();
    let mut known = HashSet::new();
    for text in list.get_ref() {
        let line = context.line(text);
        let Some(at) = find_peer(text, names, &place, context) else {
            continue;
        };
        if !members.has(at) {
            context.add(
                TopologyReason::UnknownReference,
                line,
                format!(
                    "{place} names \"{}\", which is not in its peers",
                    text.get_ref()
                ),
                "a member that drains stays in `peers` as well",
            );
        } else if known.insert(at) {
            drained.push(at);
        } else {
            context.twice(line, &place, text.get_ref());
        }
    }
    if !drained.is_empty() && drained.len() == members.list.len() {
        let line = context.line(list);
        context.add(
            TopologyReason::PoolDrained,
            line,
            format!("{place} names every member: new requests are answered 503"),
            "leave one member in service, or say so on purpose",
        );
    }
    drained
}

/// The members of a pool with their weights, and where each stands among them.
#[derive(Default)]
struct Members {
    list: Vec<(PeerRef, u16)>,
    positions: HashMap<PeerRef, usize>,
}

impl Members {
    fn has(&self, peer: PeerRef) -> bool {
        self.positions.contains_key(&peer)
    }
}

fn members(list: &[Text], names: &Names, place: &str, context: &mut Context<'_, '_>) -> Members {
    let mut members = Members::default();
    for text in list {
        let line = context.line(text);
        let Some(at) = find_peer(text, names, place, context) else {
            continue;
        };
        if members.has(at) {
            context.twice(line, &format!("{place} peer"), text.get_ref());
        } else {
            members.positions.insert(at, members.list.len());
            members.list.push((at, 1));
        }
    }
    members
}

fn find_peer(
    text: &Text,
    names: &Names,
    place: &str,
    context: &mut Context<'_, '_>,
) -> Option<PeerRef> {
    let name = context.name(text, place)?;
    let line = context.line(text);
    names.find(name.as_str(), line, place, context).map(PeerRef)
}

/// A number for a member: which one it is by position, and the number; what is wrong is reported.
fn member_number(
    members: &Members,
    (peer, number): (&Text, i64),
    names: &Names,
    (place, line): (&str, u32),
    context: &mut Context<'_, '_>,
) -> Option<(usize, u16)> {
    let wanted = find_peer(peer, names, place, context)?;
    let Some(at) = members.positions.get(&wanted).copied() else {
        context.add(
            TopologyReason::UnknownReference,
            line,
            format!(
                "{place} has a number for \"{}\", which is not in its peers",
                peer.get_ref()
            ),
            "add the peer to `peers`, or take its number out",
        );
        return None;
    };
    let good = u16::try_from(number)
        .ok()
        .filter(|_| (1..=HEAVIEST).contains(&number));
    if good.is_none() {
        context.add(
            TopologyReason::OutOfRange,
            line,
            format!(
                "{place}: {number} of \"{}\" is out of range",
                peer.get_ref()
            ),
            format!("choose 1 to {HEAVIEST}; a peer that shall get nothing goes into `drain` or out of `peers`"),
        );
    }
    Some((at, good?))
}

fn health(raw: &RawHealth, place: &str, context: &mut Context<'_, '_>) -> Option<Health> {
    let default = Health::default();
    let time =
        |text: &Option<Text>, default: Duration, key: &str, context: &mut Context<'_, '_>| {
            let Some(text) = text else {
                return Some(default);
            };
            let line = context.line(text);
            let Some(time) = duration(text.get_ref()) else {
                context.add(
                    TopologyReason::InvalidDuration,
                    line,
                    format!(
                        "{place} health: {key} = \"{}\" cannot be read",
                        text.get_ref()
                    ),
                    "write a number with a unit: \"500ms\", \"10s\" or \"1m\"",
                );
                return None;
            };
            let good = (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&time);
            if !good {
                context.add(
                    TopologyReason::OutOfRange,
                    line,
                    format!(
                        "{place} health: {key} = \"{}\" is out of range",
                        text.get_ref()
                    ),
                    "choose 100ms to 1h",
                );
            }
            good.then_some(time)
        };
    let options_every = time(
        &raw.options_every,
        default.options_every,
        "options_every",
        context,
    );
    let timeout = time(&raw.timeout, default.timeout, "timeout", context);
    let count =
        |number: &Option<Spanned<i64>>, default: u8, key: &str, context: &mut Context<'_, '_>| {
            let Some(number) = number else {
                return Some(default);
            };
            let good = u8::try_from(*number.get_ref())
                .ok()
                .filter(|n| (1..=100).contains(n));
            if good.is_none() {
                let line = context.line(number);
                context.add(
                    TopologyReason::OutOfRange,
                    line,
                    format!(
                        "{place} health: {key} = {} is out of range",
                        number.get_ref()
                    ),
                    "choose 1 to 100",
                );
            }
            good
        };
    let down_after = count(&raw.down_after, default.down_after, "down_after", context);
    let up_after = count(&raw.up_after, default.up_after, "up_after", context);
    let fail_back = match &raw.fail_back {
        Some(text) if duration(text.get_ref()) == Some(Duration::ZERO) => Some(Duration::ZERO),
        text => time(text, default.fail_back, "fail_back", context),
    };
    Some(Health {
        options_every: options_every?,
        timeout: timeout?,
        down_after: down_after?,
        up_after: up_after?,
        fail_back: fail_back?,
    })
}

/// Whether every member may serve every domain of its pool.
fn check_members(
    pool: &Pool,
    peers: &[Option<Peer>],
    node: Option<&Node>,
    context: &mut Context<'_, '_>,
) {
    let members: Vec<&Peer> = pool
        .peers
        .iter()
        .filter_map(|(r, _)| peers.get(r.index()).and_then(Option::as_ref))
        .collect();
    let place = format!("pool \"{}\"", pool.name);
    let of = |kind: PeerKind| members.iter().find(|peer| peer.kind == kind);
    match (of(PeerKind::Home), of(PeerKind::Federated)) {
        (Some(home), Some(federated)) => context.add(
            TopologyReason::PoolMixedKinds,
            pool.line,
            format!(
                "{place} mixes the home peer {} with the federated peer {}",
                home.fqdn, federated.fqdn
            ),
            "make two pools of it, one for each kind",
        ),
        (Some(_), None) => {
            if node.is_none() {
                return;
            }
            for domain in &pool.domains {
                if context.home.contains(domain) {
                    continue;
                }
                context.add(
                    TopologyReason::DomainNotHome,
                    pool.line,
                    format!("{place} sends {domain} to home servers, but {domain} is not in node.domains"),
                    "add the domain to node.domains, or take it out of the pool",
                );
            }
        }
        (None, Some(_)) => {
            for member in &members {
                let own: Listed = member.domains.iter().collect();
                for domain in pool.domains.iter().filter(|d| !own.covers(d.as_str())) {
                    context.add(
                        TopologyReason::DomainNotOfMember,
                        pool.line,
                        format!("{place} sends {domain} to {}, which does not list that domain", member.fqdn),
                        "add the domain to the peer's `domains`, or take it or the peer out of the pool",
                    );
                }
            }
        }
        (None, None) => {}
    }
}

/// Reports a domain that two sections serve; gives all that are served by one.
fn check_routed_once<'p>(
    pools: &'p [Option<Pool>],
    context: &mut Context<'_, '_>,
) -> HashMap<&'p Domain, &'p Pool> {
    let mut served: HashMap<&Domain, &Pool> = HashMap::new();
    for later in pools.iter().flatten() {
        for domain in &later.domains {
            let earlier = *served.entry(domain).or_insert(later);
            if !std::ptr::eq(earlier, later) {
                context.add(
                    TopologyReason::DomainRoutedTwice,
                    later.line,
                    format!(
                        "{domain} is served by the pools \"{}\" and \"{}\"",
                        earlier.name, later.name
                    ),
                    "take the domain out of one of them, or put all peers into one pool",
                );
            }
        }
    }
    served
}

/// A pool for each federated domain that no section lists: the peers that list it, in the file's order.
fn implied(explicit: &HashMap<&Domain, &Pool>, peers: &[Option<Peer>]) -> Vec<Pool> {
    let mut implied: Vec<Pool> = Vec::new();
    let mut positions: HashMap<&Domain, usize> = HashMap::new();
    // What a pool serves by a `*.` needs none for the domains that its members list below that.
    let mut below: HashMap<&str, HashSet<PeerRef>> = HashMap::new();
    for (domain, pool) in explicit {
        if let Some(name) = domain.below() {
            below.insert(name, pool.peers.iter().map(|(r, _)| *r).collect());
        }
    }
    let is_served = |domain: &Domain, r: PeerRef| {
        let nearest = above(domain.as_str()).filter(|name| domain.below() != Some(*name));
        let mut nearest = nearest.filter_map(|name| below.get(name));
        nearest.next().is_some_and(|members| members.contains(&r))
    };
    for (r, peer) in (0u32..).map(PeerRef).zip(peers) {
        let Some(peer) = peer.as_ref().filter(|p| p.kind == PeerKind::Federated) else {
            continue;
        };
        for domain in &peer.domains {
            if explicit.contains_key(domain) || is_served(domain, r) {
                continue;
            }
            let known = positions.get(domain).and_then(|at| implied.get_mut(*at));
            if let Some(pool) = known {
                pool.peers.push((r, 1));
            } else {
                positions.insert(domain, implied.len());
                implied.push(Pool::implied(domain, r, peer.line));
            }
        }
    }
    implied
}

impl Pool {
    fn implied(domain: &Domain, first: PeerRef, line: u32) -> Self {
        Self {
            name: domain.as_str().to_owned(),
            domains: vec![domain.clone()],
            peers: vec![(first, 1)],
            strategy: Strategy::CallIdHash,
            health: None,
            drain: Vec::new(),
            priorities: Vec::new(),
            line,
        }
    }
}

fn check_served(node: &Node, pools: &[Option<Pool>], context: &mut Context<'_, '_>) {
    let pools = pools.iter().flatten();
    let served: HashSet<&Domain> = pools.flat_map(|pool| &pool.domains).collect();
    for domain in &node.domains {
        if !served.contains(domain) {
            context.found.add_whole(
                TopologyReason::DomainWithoutPool,
                format!("the home domain {domain} has no pool: nobody would serve it"),
                "add it to the `domains` of a [[pool]] of home peers",
            );
        }
    }
}
